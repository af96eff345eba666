//! Logarithm, sine and cosine in f64 from plain IEEE operations: the same bits on every machine, where a platform's
//! libm differs from the next. Noise streams are made of these.

/// Natural logarithm of `x` in (0, 1], normal numbers only; error below 1e-15.
#[inline(always)]
pub(crate) fn ln(x: f64) -> f64 {
    const SERIES: [f64; 11] = {
        let mut series = [0.0; 11];
        let mut k = 0;
        while k < 11 {
            series[k] = 1.0 / (2 * k + 1) as f64;
            k += 1;
        }
        series
    };
    let bits = x.to_bits();
    let exponent = (bits >> 52) as i32 - 1023;
    let mantissa = f64::from_bits((bits & 0x000F_FFFF_FFFF_FFFF) | 0x3FF0_0000_0000_0000);
    let high = mantissa > std::f64::consts::SQRT_2;
    let mantissa = if high { mantissa * 0.5 } else { mantissa };
    let exponent = exponent + i32::from(high);
    // ln m = 2 artanh s = 2 (s + s^3/3 + s^5/5 + ...), |s| <= 0.172.
    let s = (mantissa - 1.0) / (mantissa + 1.0);
    let s2 = s * s;
    let sum = SERIES.iter().rev().fold(0.0, |sum, term| sum * s2 + term);
    f64::from(exponent) * std::f64::consts::LN_2 + 2.0 * s * sum
}

/// Sine and cosine of `word / 2^32` turns; error below 1e-15.
#[inline(always)]
pub(crate) fn sin_cos_turns(word: u32) -> (f64, f64) {
    // Nearest quarter turn, and the rest in [-1/8, 1/8) of a turn.
    let quarter = word.wrapping_add(0x2000_0000) >> 30;
    let rest = word.wrapping_sub(quarter << 30) as i32;
    sin_cos_beside(quarter, f64::from(rest) * (std::f64::consts::TAU / 4_294_967_296.0))
}

/// Sine and cosine of `x` radians in [0, 7]; error below 1e-15.
#[inline(always)]
pub(crate) fn sin_cos(x: f64) -> (f64, f64) {
    // π/2 in two parts: the first has 33 bits, so that a few quarters of it are exact; the second is the rest of it.
    // Together they keep the relative accuracy where sine or cosine is close to zero.
    const QUARTER: f64 = f64::from_bits(0x3FF9_21FB_5440_0000);
    const QUARTER_REST: f64 = 6.077_100_506_506_192e-11;
    let quarter = (x * std::f64::consts::FRAC_2_PI + 0.5) as u32;
    let n = f64::from(quarter);
    sin_cos_beside(quarter & 3, (x - n * QUARTER) - n * QUARTER_REST)
}

/// Sine and cosine of the angle `x`, |x| <= π/4, beyond `quarter` (0..=3) quarter turns.
#[inline(always)]
fn sin_cos_beside(quarter: u32, x: f64) -> (f64, f64) {
    let x2 = x * x;
    // Taylor series by Horner's rule; x^18/18! < 3e-18.
    let (mut sin, mut cos) = (1.0, 1.0);
    for k in [16.0, 14.0, 12.0, 10.0, 8.0, 6.0, 4.0, 2.0] {
        sin = 1.0 - sin * x2 / (k * (k + 1.0));
        cos = 1.0 - cos * x2 / (k * (k - 1.0));
    }
    sin *= x;
    let (across, along) = if quarter & 1 == 0 { (sin, cos) } else { (cos, sin) };
    (if quarter >= 2 { -across } else { across }, if (1..=2).contains(&quarter) { -along } else { along })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_functions_agree_with_the_library() {
        for word in (0..u32::MAX).step_by(1_234_567).chain([0, 1, u32::MAX, 1 << 29, 1 << 30, 1 << 31]) {
            let u = (f64::from(word) + 0.5) / 4_294_967_296.0;
            assert!((ln(u) - u.ln()).abs() <= 1e-14 * u.ln().abs().max(1e-2), "{word}");
            let angle = f64::from(word) / 4_294_967_296.0 * std::f64::consts::TAU;
            for (sin, cos) in [sin_cos_turns(word), sin_cos(angle)] {
                assert!((sin - angle.sin()).abs() <= 2e-15 && (cos - angle.cos()).abs() <= 2e-15, "{word}");
            }
        }
        assert_eq!(ln(1.0), 0.0);
    }

    /// Rounded multiples of a quarter turn: what is left of them is 1e-16, and most of its digits are right.
    #[test]
    fn radians_keep_relative_accuracy_near_zeros() {
        use std::f64::consts::{FRAC_PI_2, PI, TAU};
        let close = |got: f64, exact: f64| (got - exact).abs() <= 1e-9 * exact.abs();
        assert!(close(sin_cos(PI).0, PI.sin()) && close(sin_cos(TAU).0, TAU.sin()));
        assert!(
            close(sin_cos(FRAC_PI_2).1, FRAC_PI_2.cos()) && close(sin_cos(3.0 * FRAC_PI_2).1, (3.0 * FRAC_PI_2).cos())
        );
    }
}
