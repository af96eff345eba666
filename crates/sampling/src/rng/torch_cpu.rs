//! `torch.randn` on the CPU for float32, bit for bit: `torch.manual_seed(seed)`, then one draw after another.
//!
//! torch has two ways (`aten/src/ATen/native/cpu/DistributionTemplates.h` and `ATen/core/DistributionsHelper.h`):
//! * 16 numbers or more: all are filled with uniforms of 24 bits, then each block of 16 is turned into normals, its first
//!   eight being the radii's uniforms and the last eight the angles'. When the length is no multiple of 16, the last 16
//!   numbers are drawn anew and turned again. The arithmetic is f32 with Cephes' polynomials, compiled with fused
//!   multiply-adds: which operations are fused decides about one bit in a hundred numbers, and is written out below.
//! * Fewer: pairs in f64 from uniforms of 53 bits; the second of a pair waits for the next short draw, however many long
//!   ones lie between.
//!
//! This is what torch gives on x86-64 with AVX2 or more. Where it runs without, and on other machines, its long draws differ
//! in the last bits (2e-6). In short draws torch calls the platform's f64 libm; ours differs by an ulp of f64, which
//! survives the rounding to f32 once in about 10^8 numbers.

use simd::{Isa, Kernel, Simd};

use super::mt19937::Mt19937;
use crate::elementary::{ln, sin_cos};

/// Length from which torch works in blocks, and their length.
const BLOCK: usize = 16;
/// Half a block: torch's vectors.
const LANES: usize = BLOCK / 2;

/// A stream of `torch.randn` draws.
#[derive(Debug, Clone)]
pub struct TorchCpu {
    twister: Mt19937,
    /// The second normal of the last pair that a short draw made.
    waiting: Option<f64>,
}

impl TorchCpu {
    /// The stream after `torch.manual_seed(seed)`, which looks at the low 32 bits only.
    pub fn new(seed: u64) -> Self {
        Self { twister: Mt19937::new(seed as u32), waiting: None }
    }

    /// The numbers of `torch.randn(out.len())`.
    pub fn fill_normal(&mut self, out: &mut [f32]) {
        if out.len() < BLOCK {
            for value in out {
                *value = self.next_normal() as f32;
            }
            return;
        }
        self.fill_uniform(out);
        let whole = out.len() / BLOCK * BLOCK;
        Isa::detected().dispatch(BoxMuller(&mut out[..whole]));
        if whole < out.len() {
            let start = out.len() - BLOCK;
            let last = &mut out[start..];
            self.fill_uniform(last);
            Isa::detected().dispatch(BoxMuller(last));
        }
    }

    /// Multiples of 2^-24 in [0, 1).
    fn fill_uniform(&mut self, out: &mut [f32]) {
        for value in out {
            *value = (self.twister.next() & 0x00FF_FFFF) as f32 * (1.0 / 16_777_216.0);
        }
    }

    /// A multiple of 2^-53 in [0, 1).
    fn next_uniform(&mut self) -> f64 {
        let high = u64::from(self.twister.next());
        let word = (high << 32) | u64::from(self.twister.next());
        (word & ((1 << 53) - 1)) as f64 * (1.0 / (1_u64 << 53) as f64)
    }

    fn next_normal(&mut self) -> f64 {
        if let Some(normal) = self.waiting.take() {
            return normal;
        }
        let angle = std::f64::consts::TAU * self.next_uniform();
        // The difference is exact.
        let radius = (-2.0 * ln(1.0 - self.next_uniform())).sqrt();
        let (sin, cos) = sin_cos(angle);
        self.waiting = Some(radius * sin);
        radius * cos
    }
}

/// Turns blocks of uniforms into normals, in place.
struct BoxMuller<'a>(&'a mut [f32]);

impl Kernel for BoxMuller<'_> {
    type Out = ();

    // Plain loops over lanes: compiled for the instruction set, they become its vectors and fused multiply-adds.
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for block in self.0.chunks_exact_mut(BLOCK) {
            let (first, second) = block.split_at_mut(LANES);
            for (a, b) in first.iter_mut().zip(second) {
                let radius = (-2.0 * cephes_ln(1.0 - *a)).sqrt();
                let (sin, cos) = cephes_sin_cos(std::f32::consts::TAU * *b);
                // Adding torch's mean makes a negative zero positive.
                (*a, *b) = (radius * cos + 0.0, radius * sin + 0.0);
            }
        }
    }
}

/// Natural logarithm of `x` in [2^-24, 1]; Cephes `logf` (Moshier) in the order and with the fusions of torch's vectors.
#[inline(always)]
fn cephes_ln(x: f32) -> f32 {
    const SERIES: [f32; 9] = [
        7.037_683_6e-2,
        -1.151_461e-1,
        1.167_699_84e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_4e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ];
    // ln 2 in two parts, the first short enough to be multiplied by the exponent exactly.
    const LN_2_HIGH: f32 = 355.0 / 512.0;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let bits = x.to_bits();
    // x = mantissa·2^exponent with the mantissa in [0.5, 1), then in [sqrt(1/2), sqrt(2)).
    let mantissa = f32::from_bits((bits & 0x007F_FFFF) | 0x3F00_0000);
    let exponent = (bits >> 23) as i32 - 126;
    let low = mantissa < std::f32::consts::FRAC_1_SQRT_2;
    let exponent = (exponent - i32::from(low)) as f32;
    let m = (mantissa - 1.0) + if low { mantissa } else { 0.0 };
    let square = m * m;
    let mut y = SERIES[0];
    for &term in &SERIES[1..] {
        y = y.mul_add(m, term);
    }
    y = (y * m).mul_add(square, exponent * LN_2_LOW);
    y -= 0.5 * square;
    exponent.mul_add(LN_2_HIGH, m + y)
}

/// Sine and cosine of `x` in [0, 2π]; Cephes `sinf` and `cosf` in the order and with the fusions of torch's vectors.
#[inline(always)]
fn cephes_sin_cos(x: f32) -> (f32, f32) {
    // π/4 in three parts.
    const PARTS: [f32; 3] = [0.785_156_25, 2.418_756_5e-4, 3.774_895e-8];
    // Eighths of a turn, rounded up to even: the angle left is within π/4 of a quarter turn.
    let eighth = ((x * (4.0 / std::f32::consts::PI)) as i32 + 1) & !1;
    let mut x = x;
    for part in PARTS {
        x = (eighth as f32).mul_add(-part, x);
    }
    let square = x * x;
    let cos = 2.443_315_7e-5_f32.mul_add(square, -1.388_731_6e-3).mul_add(square, 4.166_664_6e-2) * square;
    let cos = cos.mul_add(square, -(0.5 * square)) + 1.0;
    let sin = (-1.951_529_6e-4_f32).mul_add(square, 8.332_161e-3).mul_add(square, -1.666_665_5e-1) * square;
    let sin = sin.mul_add(x, x);
    let (across, along) = if eighth & 2 == 0 { (sin, cos) } else { (cos, sin) };
    (if eighth & 4 == 0 { across } else { -across }, if (eighth + 2) & 4 == 0 { along } else { -along })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let mut uniforms = vec![0.0; BLOCK * 4096];
        TorchCpu::new(3).fill_uniform(&mut uniforms);
        // The ends of the range: radius 0 and the largest, angle 0 and almost a turn.
        uniforms[..2].copy_from_slice(&[0.0, 1.0 - 1.0 / 16_777_216.0]);
        uniforms[LANES..LANES + 2].copy_from_slice(&[0.0, 1.0 - 1.0 / 16_777_216.0]);
        let make = |isa: Isa| {
            let mut values = uniforms.clone();
            isa.dispatch(BoxMuller(&mut values));
            values
        };
        let plain = make(Isa::Scalar);
        assert_eq!(plain[0].to_bits(), 0);
        for (a, b) in uniforms.chunks_exact(BLOCK).zip(plain.chunks_exact(BLOCK)) {
            for lane in 0..LANES {
                let radius = (-2.0 * (1.0 - f64::from(a[lane])).ln()).sqrt();
                let angle = std::f64::consts::TAU * f64::from(a[lane + LANES]);
                assert!((f64::from(b[lane]) - radius * angle.cos()).abs() <= 2e-6);
                assert!((f64::from(b[lane + LANES]) - radius * angle.sin()).abs() <= 2e-6);
            }
        }
        for isa in Isa::available() {
            assert!(make(isa).iter().zip(&plain).all(|(a, b)| a.to_bits() == b.to_bits()), "{isa}");
        }
    }
}
