//! Conversions between f32 and the short floats of weight files: IEEE 754 binary16, bfloat16, and the two 8-bit floats of
//! arXiv 2209.05433.

/// bfloat16 bits to f32, exact.
pub fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// f32 to bfloat16 bits, rounded to nearest, ties to even. NaN stays a quiet NaN.
pub fn f32_to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    // The carry may reach the exponent: the largest finite values round to infinity, as IEEE 754 asks.
    (bits.wrapping_add(0x7FFF + ((bits >> 16) & 1)) >> 16) as u16
}

/// The values of `F8_E4M3` by their bits: bias 7, no infinities, NaN where all other bits are set.
pub(crate) static F8_E4M3: [f32; 256] = f8_table(3, 7);
/// The values of `F8_E5M2` by their bits: the upper half of binary16.
pub(crate) static F8_E5M2: [f32; 256] = f8_table(2, 15);

/// 8-bit floats with `mantissa` bits of mantissa; each is a binary32, exactly.
const fn f8_table(mantissa: u32, bias: u32) -> [f32; 256] {
    let mut table = [0.0; 256];
    let mut bits = 0;
    while bits < 256u32 {
        let sign = (bits & 0x80) << 24;
        let magnitude = bits & 0x7F;
        let exponent = magnitude >> mantissa;
        let fraction = magnitude & ((1 << mantissa) - 1);
        let largest = 0x7F >> mantissa;
        let value = if mantissa == 3 && magnitude == 0x7F {
            f32::NAN.to_bits()
        } else if mantissa == 2 && exponent == largest {
            0x7F80_0000 | fraction << 21
        } else if exponent > 0 {
            (exponent + 127 - bias) << 23 | fraction << (23 - mantissa)
        } else {
            // Subnormal: fraction · 2^(1 - bias - mantissa).
            (fraction as f32 * f32::from_bits((128 - bias - mantissa) << 23)).to_bits()
        };
        table[bits as usize] = f32::from_bits(sign | value);
        bits += 1;
    }
    table
}

/// binary16 bits to f32, exact.
pub fn f16_to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let exponent = u32::from(bits >> 10) & 0x1F;
    let mantissa = u32::from(bits & 0x3FF);
    match exponent {
        0 => {
            let magnitude = mantissa as f32 * (1.0 / 16_777_216.0); // 2^-24: exact for subnormals and zero.
            if sign == 0 { magnitude } else { -magnitude }
        }
        31 => f32::from_bits(sign | 0x7F80_0000 | mantissa << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | mantissa << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bf16_rounds_to_nearest_even() {
        assert_eq!(f32_to_bf16(1.0), 0x3F80);
        assert_eq!(f32_to_bf16(f32::from_bits(0x3F80_8000)), 0x3F80, "a tie goes to the even one below");
        assert_eq!(f32_to_bf16(f32::from_bits(0x3F81_8000)), 0x3F82, "a tie goes to the even one above");
        assert_eq!(f32_to_bf16(f32::from_bits(0x3F80_8001)), 0x3F81);
        assert_eq!(f32_to_bf16(f32::MAX), 0x7F80);
        assert_eq!(f32_to_bf16(f32::NEG_INFINITY), 0xFF80);
        assert!(bf16_to_f32(f32_to_bf16(f32::NAN)).is_nan());
        for bits in 0..=u16::MAX {
            let value = bf16_to_f32(bits);
            assert!(value.is_nan() || f32_to_bf16(value) == bits);
        }
    }

    #[test]
    fn f16_known_values() {
        for (bits, value) in [
            (0x3C00, 1.0),
            (0xC000, -2.0),
            (0x7BFF, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x0400, 6.103_515_6e-5),
            (0x7C00, f32::INFINITY),
        ] {
            assert_eq!(f16_to_f32(bits), value);
        }
        assert!(f16_to_f32(0x7E00).is_nan());
        assert!(f16_to_f32(0x8000).is_sign_negative());
    }

    #[test]
    fn f8_known_values() {
        for (bits, value) in [(0x38, 1.0), (0xC0, -2.0), (0x7E, 448.0), (0x01, 0.001_953_125), (0x08, 0.015_625)] {
            assert_eq!(F8_E4M3[bits], value);
        }
        assert!(F8_E4M3[0x7F].is_nan() && F8_E4M3[0xFF].is_nan() && F8_E4M3[0x80].is_sign_negative());
        for bits in 0..=255u8 {
            let (short, half) = (F8_E5M2[usize::from(bits)], f16_to_f32(u16::from(bits) << 8));
            assert!(short == half || short.is_nan() && half.is_nan(), "{bits:#x}: {short} {half}");
        }
        // Sums of all finite magnitudes, from torch 2.15: `torch.arange(127, dtype=torch.uint8).view(torch.float8_e4m3fn)`.
        assert_eq!(F8_E4M3[..0x7F].iter().sum::<f32>(), 5407.875);
    }
}
