//! Vectors of eight f32 in plain Rust. `mul_add` is `a * b + c` with two roundings: a fused one would be a library call on
//! machines without FMA.

use crate::Simd;

/// The token of plain Rust arithmetic; always available.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scalar(());

impl Scalar {
    /// The token.
    pub fn new() -> Self {
        Self(())
    }
}

#[inline(always)]
fn map(a: [f32; 8], f: impl Fn(f32) -> f32) -> [f32; 8] {
    std::array::from_fn(|i| f(a[i]))
}

#[inline(always)]
fn zip(a: [f32; 8], b: [f32; 8], f: impl Fn(f32, f32) -> f32) -> [f32; 8] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

/// The bits of two bf16; see [`Simd::bf16_pairs`].
#[inline(always)]
fn pair(even: f32, odd: f32) -> f32 {
    let round = |x: f32| x.to_bits().wrapping_add(0x8000);
    f32::from_bits((round(even) >> 16) | (round(odd) & 0xffff_0000))
}

/// `2^n` for integer-valued `n` in -126..=127.
#[inline(always)]
fn power_of_two(n: f32) -> f32 {
    f32::from_bits(((n as i32 + 127) as u32) << 23)
}

impl Simd for Scalar {
    type F32 = [f32; 8];
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; 8] {
        [x; 8]
    }

    #[inline(always)]
    fn load_partial(self, src: &[f32]) -> [f32; 8] {
        let mut v = [0.0; 8];
        let n = src.len().min(8);
        v[..n].copy_from_slice(&src[..n]);
        v
    }

    #[inline(always)]
    fn store_partial(self, v: [f32; 8], dst: &mut [f32]) {
        let n = dst.len().min(8);
        dst[..n].copy_from_slice(&v[..n]);
    }

    #[inline(always)]
    unsafe fn load_ptr(self, src: *const f32) -> [f32; 8] {
        // SAFETY: the caller's: eight f32 are readable; `[f32; 8]` has the alignment of f32.
        unsafe { src.cast::<[f32; 8]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store_ptr(self, v: [f32; 8], dst: *mut f32) {
        // SAFETY: the caller's: eight f32 are writable.
        unsafe { dst.cast::<[f32; 8]>().write_unaligned(v) }
    }

    #[inline(always)]
    fn add(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        zip(a, b, |x, y| x + y)
    }

    #[inline(always)]
    fn sub(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        zip(a, b, |x, y| x - y)
    }

    #[inline(always)]
    fn mul(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        zip(a, b, |x, y| x * y)
    }

    #[inline(always)]
    fn div(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        zip(a, b, |x, y| x / y)
    }

    #[inline(always)]
    fn mul_add(self, a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    fn neg_mul_add(self, a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| c[i] - a[i] * b[i])
    }

    #[inline(always)]
    fn min(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        zip(a, b, |x, y| if x < y { x } else { y })
    }

    #[inline(always)]
    fn max(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        zip(a, b, |x, y| if x > y { x } else { y })
    }

    #[inline(always)]
    fn sqrt(self, a: [f32; 8]) -> [f32; 8] {
        map(a, f32::sqrt)
    }

    #[inline(always)]
    fn round(self, a: [f32; 8]) -> [f32; 8] {
        map(a, f32::round_ties_even)
    }

    #[inline(always)]
    fn abs(self, a: [f32; 8]) -> [f32; 8] {
        map(a, f32::abs)
    }

    #[inline(always)]
    fn copysign(self, a: [f32; 8], sign: [f32; 8]) -> [f32; 8] {
        zip(a, sign, f32::copysign)
    }

    #[inline(always)]
    fn bf16_pairs(self, even: [f32; 8], odd: [f32; 8]) -> [f32; 8] {
        zip(even, odd, pair)
    }

    #[inline(always)]
    fn scale_by_power_of_two(self, a: [f32; 8], n: [f32; 8]) -> [f32; 8] {
        zip(a, n, |x, n| {
            let half = (n * 0.5).round_ties_even();
            x * power_of_two(half) * power_of_two(n - half)
        })
    }

    #[inline(always)]
    fn select_less(self, a: [f32; 8], b: [f32; 8], yes: [f32; 8], no: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| if a[i] < b[i] { yes[i] } else { no[i] })
    }

    #[inline(always)]
    fn reduce_sum(self, a: [f32; 8]) -> f32 {
        let b = [a[0] + a[4], a[1] + a[5], a[2] + a[6], a[3] + a[7]];
        (b[0] + b[2]) + (b[1] + b[3])
    }

    #[inline(always)]
    fn reduce_max(self, a: [f32; 8]) -> f32 {
        a.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }
}
