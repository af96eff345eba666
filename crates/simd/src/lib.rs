//! Instruction sets as proof tokens, vectors of f32 behind one trait, and vector mathematics with stated error.
//!
//! A kernel is written once, generic over [`Simd`], and entered through [`Isa::dispatch`], which calls it from a function
//! compiled for that instruction set:
//!
//! ```
//! use simd::{Isa, Kernel, Simd};
//!
//! struct Scale<'a>(&'a mut [f32], f32);
//! impl Kernel for Scale<'_> {
//!     type Out = ();
//!     #[inline(always)]
//!     fn run<S: Simd>(self, s: S) {
//!         let factor = s.splat(self.1);
//!         let mut chunks = self.0.chunks_exact_mut(S::LANES);
//!         for chunk in &mut chunks {
//!             s.store(s.mul(s.load(chunk), factor), chunk);
//!         }
//!         let rest = chunks.into_remainder();
//!         s.store_partial(s.mul(s.load_partial(rest), factor), rest);
//!     }
//! }
//! let mut x = vec![1.0; 21];
//! Isa::detected().dispatch(Scale(&mut x, 3.0));
//! assert_eq!(x, vec![3.0; 21]);
//! ```
//!
//! Everything between `dispatch` and the vector operations must be `#[inline(always)]` (closures: keep them small enough to
//! be inlined), or it is compiled for the base instruction set and each vector operation becomes a call.

#[cfg(all(feature = "emulate-amx", target_arch = "x86_64", target_os = "linux"))]
mod emulate_amx;
mod isa;
#[cfg(target_arch = "x86_64")]
pub mod pairs;
mod scalar;
pub mod vecmath;
#[cfg(target_arch = "x86_64")]
mod x86;

pub use isa::{Isa, IsaError};
pub use scalar::Scalar;
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

/// Work that is written once for every instruction set.
pub trait Kernel {
    /// What the work returns.
    type Out;

    /// Does the work. Implementations are `#[inline(always)]`.
    fn run<S: Simd>(self, s: S) -> Self::Out;
}

/// A token proving that vector instructions may be used, and the operations on vectors of [`LANES`](Self::LANES) f32.
///
/// Results may differ between instruction sets in the last bits: [`mul_add`](Self::mul_add) rounds once on AVX2 and AVX-512
/// and twice on [`Scalar`], and lane counts shape the trees of sums.
pub trait Simd: Copy + Send + Sync + 'static {
    /// A vector of `LANES` f32.
    type F32: Copy;
    /// Values in a vector: 8 (scalar, AVX2) or 16 (AVX-512).
    const LANES: usize;

    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::F32;

    /// The first `LANES` values of `src`.
    ///
    /// # Panics
    /// When `src` is shorter.
    #[inline(always)]
    fn load(self, src: &[f32]) -> Self::F32 {
        assert!(src.len() >= Self::LANES);
        // SAFETY: the length was checked.
        unsafe { self.load_ptr(src.as_ptr()) }
    }

    /// Writes a vector to the first `LANES` values of `dst`.
    ///
    /// # Panics
    /// When `dst` is shorter.
    #[inline(always)]
    fn store(self, v: Self::F32, dst: &mut [f32]) {
        assert!(dst.len() >= Self::LANES);
        // SAFETY: the length was checked.
        unsafe { self.store_ptr(v, dst.as_mut_ptr()) }
    }

    /// As [`load`](Self::load), with lanes beyond the end of `src` zero (`src` may be empty or longer than a vector).
    fn load_partial(self, src: &[f32]) -> Self::F32;

    /// Writes the first `min(LANES, dst.len())` lanes.
    fn store_partial(self, v: Self::F32, dst: &mut [f32]);

    /// Loads without a check.
    ///
    /// # Safety
    /// `src` must be readable for `LANES` f32.
    unsafe fn load_ptr(self, src: *const f32) -> Self::F32;

    /// Stores without a check.
    ///
    /// # Safety
    /// `dst` must be writable for `LANES` f32.
    unsafe fn store_ptr(self, v: Self::F32, dst: *mut f32);

    /// `a + b`
    fn add(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a - b`
    fn sub(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a · b`
    fn mul(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a / b`
    fn div(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// `a · b + c`
    fn mul_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// `c - a · b`
    fn neg_mul_add(self, a: Self::F32, b: Self::F32, c: Self::F32) -> Self::F32;
    /// The smaller; `b` when either is NaN.
    fn min(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// The larger; `b` when either is NaN.
    fn max(self, a: Self::F32, b: Self::F32) -> Self::F32;
    /// The square root, correctly rounded.
    fn sqrt(self, a: Self::F32) -> Self::F32;
    /// The nearest integer, ties to even.
    fn round(self, a: Self::F32) -> Self::F32;
    /// The magnitude.
    fn abs(self, a: Self::F32) -> Self::F32;
    /// The magnitude of `a` with the sign of `sign`.
    fn copysign(self, a: Self::F32, sign: Self::F32) -> Self::F32;
    /// `a · 2^n` for integer-valued `n` in -252..=254.
    fn scale_by_power_of_two(self, a: Self::F32, n: Self::F32) -> Self::F32;
    /// Lane by lane `if a < b { yes } else { no }` (`no` when either is NaN).
    fn select_less(self, a: Self::F32, b: Self::F32, yes: Self::F32, no: Self::F32) -> Self::F32;
    /// Lane by lane the bits of a word of two bf16, `even` in its lower half; the nearest, ties away from zero. Finite values only.
    fn bf16_pairs(self, even: Self::F32, odd: Self::F32) -> Self::F32;
    /// The sum of all lanes, by halves: lane i + lane i + LANES/2, and so on.
    fn reduce_sum(self, a: Self::F32) -> f32;
    /// The largest lane (without NaN).
    fn reduce_max(self, a: Self::F32) -> f32;

    /// `-a`
    #[inline(always)]
    fn neg(self, a: Self::F32) -> Self::F32 {
        self.mul(a, self.splat(-1.0))
    }

    /// All lanes zero.
    #[inline(always)]
    fn zero(self) -> Self::F32 {
        self.splat(0.0)
    }
}

#[cfg(test)]
mod tests;
