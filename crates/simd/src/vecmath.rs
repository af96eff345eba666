//! Elementary functions on vectors. Polynomials from the Cephes library (S. Moshier); errors are tested over the whole range.
//!
//! | function | error |
//! |---|---|
//! | [`exp`] | 2 ULP; results below 2^-126 are 0 |
//! | [`exp2_rough`] | 8e-5 relative; results below 2^-126 as good as 0 |
//! | [`sigmoid`] | 4 ULP (absolute 1e-37 far left) |
//! | [`silu`] | 5 ULP |
//! | [`tanh`] | 4 ULP |
//! | [`erf`] | 2e-7 absolute |
//! | [`gelu`] | 3e-7 · max(1, \|x\|) absolute |

use crate::Simd;

/// Horner's scheme; the coefficient of the highest power first.
#[inline(always)]
fn polynomial<S: Simd, const N: usize>(s: S, x: S::F32, coefficients: [f32; N]) -> S::F32 {
    let mut y = s.splat(coefficients[0]);
    for c in &coefficients[1..] {
        y = s.mul_add(y, x, s.splat(*c));
    }
    y
}

/// `e^x`; infinity above 88.72, 0 below -87.33, NaN for NaN.
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::F32) -> S::F32 {
    const HIGH: f32 = 88.722_84;
    const LOW: f32 = -87.336_54;
    // x = n·ln 2 + r with |r| <= ln 2 / 2; ln 2 in two parts, the first exact in n·part.
    let n = s.round(s.mul(s.max(s.splat(LOW), s.min(s.splat(HIGH), x)), s.splat(std::f32::consts::LOG2_E)));
    let r = s.neg_mul_add(n, s.splat(0.693_359_4), x);
    let r = s.neg_mul_add(n, s.splat(-2.121_944_4e-4), r);
    let p = polynomial(s, r, [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5]);
    let y = s.add(s.mul_add(s.mul(r, r), p, r), s.splat(1.0));
    let y = s.scale_by_power_of_two(y, n);
    let y = s.select_less(s.splat(HIGH), x, s.splat(f32::INFINITY), y);
    s.select_less(x, s.splat(LOW), s.zero(), y)
}

/// `2^x` for x from -inf to 127, for what is rounded to bf16 next: a cubic, minimax in relative error, around the nearest whole
/// number. Its error is a twentieth of that rounding's. NaN for NaN.
#[inline(always)]
pub fn exp2_rough<S: Simd>(s: S, x: S::F32) -> S::F32 {
    // Below, results are 0; the difference of infinities would not be a number. What is none stays so.
    let x = s.max(s.splat(-200.0), x);
    let n = s.round(x);
    let p = polynomial(s, s.sub(x, n), [0.055_171_67, 0.242_611_13, 0.693_260_97, 0.999_928_06]);
    s.scale_by_power_of_two(p, n)
}

/// `1 / (1 + e^-x)`
#[inline(always)]
pub fn sigmoid<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.neg(x))))
}

/// `x · sigmoid(x)`
#[inline(always)]
pub fn silu<S: Simd>(s: S, x: S::F32) -> S::F32 {
    s.div(x, s.add(s.splat(1.0), exp(s, s.neg(x))))
}

/// The derivative of [`silu`]: `σ(x)·(1 + x·(1 - σ(x)))`.
#[inline(always)]
pub fn silu_derivative<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let one = s.splat(1.0);
    let y = sigmoid(s, x);
    s.mul(y, s.mul_add(x, s.sub(one, y), one))
}

/// The hyperbolic tangent.
#[inline(always)]
pub fn tanh<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let one = s.splat(1.0);
    let magnitude = s.abs(x);
    let z = s.mul(x, x);
    let p = polynomial(s, z, [-5.704_988_7e-3, 2.063_908_8e-2, -5.373_971_5e-2, 1.333_144_2e-1, -3.333_328e-1]);
    let small = s.mul_add(s.mul(p, z), x, x);
    let e = exp(s, s.add(magnitude, magnitude));
    let large = s.copysign(s.sub(one, s.div(s.splat(2.0), s.add(e, one))), x);
    s.select_less(magnitude, s.splat(0.625), small, large)
}

/// For x >= 0: (erf(x), 1 - erf(x)), by a series below 1 and Abramowitz and Stegun 7.1.26 above.
#[inline(always)]
fn erf_and_complement<S: Simd>(s: S, x: S::F32) -> (S::F32, S::F32) {
    let one = s.splat(1.0);
    let z = s.mul(x, x);
    let p = polynomial(
        s,
        z,
        [
            7.853_861e-5,
            -8.010_194e-4,
            5.188_327_7e-3,
            -2.685_381_2e-2,
            1.128_358_5e-1,
            -3.761_262_6e-1,
            std::f32::consts::FRAC_2_SQRT_PI,
        ],
    );
    let near = s.mul(p, x);
    let t = s.div(one, s.mul_add(x, s.splat(0.327_591_1), one));
    let q = polynomial(s, t, [1.061_405_4, -1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6, 0.0]);
    let far = s.mul(q, exp(s, s.neg(z)));
    let complement = s.select_less(x, one, s.sub(one, near), far);
    (s.select_less(x, one, near, s.sub(one, far)), complement)
}

/// The error function.
#[inline(always)]
pub fn erf<S: Simd>(s: S, x: S::F32) -> S::F32 {
    s.copysign(erf_and_complement(s, s.abs(x)).0, x)
}

/// The distribution function of the standard normal, `(1 + erf(x/√2)) / 2`.
#[inline(always)]
pub fn normal_distribution<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let half = s.splat(0.5);
    let u = s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2));
    let (erf, complement) = erf_and_complement(s, s.abs(u));
    s.select_less(x, s.zero(), s.mul(half, complement), s.mul_add(half, erf, half))
}

/// `x · Φ(x)`, the exact (erf) form of GELU.
#[inline(always)]
pub fn gelu<S: Simd>(s: S, x: S::F32) -> S::F32 {
    s.mul(x, normal_distribution(s, x))
}

/// The derivative of [`gelu`]: `Φ(x) + x·φ(x)`.
#[inline(always)]
pub fn gelu_derivative<S: Simd>(s: S, x: S::F32) -> S::F32 {
    let density = s.mul(exp(s, s.mul(s.splat(-0.5), s.mul(x, x))), s.splat(0.398_942_3));
    s.mul_add(x, density, normal_distribution(s, x))
}
