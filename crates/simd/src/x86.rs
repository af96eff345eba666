//! AVX2 and AVX-512 vectors of f32.

use std::arch::x86_64::*;

use crate::Simd;

/// The token of AVX2 with FMA.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

/// The token of AVX-512 F, BW, DQ and VL (with AVX2 and FMA).
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

impl Avx2 {
    /// The token, unproven.
    ///
    /// # Safety
    /// The machine must have AVX2 and FMA.
    #[inline(always)]
    pub(crate) unsafe fn new_unchecked() -> Self {
        Self(())
    }
}

impl Avx512 {
    /// The token, unproven.
    ///
    /// # Safety
    /// The machine must have AVX-512 F, BW, DQ, VL, AVX2 and FMA.
    #[inline(always)]
    pub(crate) unsafe fn new_unchecked() -> Self {
        Self(())
    }
}

/// Intrinsics on values: the token in `self` proves that the machine has them.
macro_rules! with_token {
    ($body:expr) => {
        // SAFETY: `self` is a token, which exists only where the instruction set does; only values are touched.
        unsafe { $body }
    };
}

const ROUND: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;

/// Lane masks for `_mm256_maskload_ps`: eight from `MASKS[8 - n..]` select the first n lanes.
static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

impl Avx2 {
    #[inline(always)]
    fn mask(self, n: usize) -> __m256i {
        let from = &MASKS[8 - n.min(8)..];
        // SAFETY: at least eight values follow; the token proves AVX2.
        unsafe { _mm256_loadu_si256(from.as_ptr().cast()) }
    }

    /// `2^n` for integer-valued `n` in -126..=127.
    #[inline(always)]
    fn power_of_two(self, n: __m256) -> __m256 {
        with_token!(_mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_add_epi32(
            _mm256_cvtps_epi32(n),
            _mm256_set1_epi32(127)
        ))))
    }
}

impl Simd for Avx2 {
    type F32 = __m256;
    const LANES: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        with_token!(_mm256_set1_ps(x))
    }

    #[inline(always)]
    fn load_partial(self, src: &[f32]) -> __m256 {
        // SAFETY: the mask reads only lanes inside `src`; the token proves AVX2.
        unsafe { _mm256_maskload_ps(src.as_ptr(), self.mask(src.len())) }
    }

    #[inline(always)]
    fn store_partial(self, v: __m256, dst: &mut [f32]) {
        // SAFETY: the mask writes only lanes inside `dst`; the token proves AVX2.
        unsafe { _mm256_maskstore_ps(dst.as_mut_ptr(), self.mask(dst.len()), v) }
    }

    #[inline(always)]
    unsafe fn load_ptr(self, src: *const f32) -> __m256 {
        // SAFETY: the caller's; the token proves AVX2.
        unsafe { _mm256_loadu_ps(src) }
    }

    #[inline(always)]
    unsafe fn store_ptr(self, v: __m256, dst: *mut f32) {
        // SAFETY: the caller's; the token proves AVX2.
        unsafe { _mm256_storeu_ps(dst, v) }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        with_token!(_mm256_add_ps(a, b))
    }

    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        with_token!(_mm256_sub_ps(a, b))
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        with_token!(_mm256_mul_ps(a, b))
    }

    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        with_token!(_mm256_div_ps(a, b))
    }

    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        with_token!(_mm256_fmadd_ps(a, b, c))
    }

    #[inline(always)]
    fn neg_mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        with_token!(_mm256_fnmadd_ps(a, b, c))
    }

    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        with_token!(_mm256_min_ps(a, b))
    }

    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        with_token!(_mm256_max_ps(a, b))
    }

    #[inline(always)]
    fn sqrt(self, a: __m256) -> __m256 {
        with_token!(_mm256_sqrt_ps(a))
    }

    #[inline(always)]
    fn round(self, a: __m256) -> __m256 {
        with_token!(_mm256_round_ps::<ROUND>(a))
    }

    #[inline(always)]
    fn abs(self, a: __m256) -> __m256 {
        with_token!(_mm256_andnot_ps(_mm256_set1_ps(-0.0), a))
    }

    #[inline(always)]
    fn copysign(self, a: __m256, sign: __m256) -> __m256 {
        with_token!({
            let bit = _mm256_set1_ps(-0.0);
            _mm256_or_ps(_mm256_and_ps(bit, sign), _mm256_andnot_ps(bit, a))
        })
    }

    #[inline(always)]
    fn bf16_pairs(self, even: __m256, odd: __m256) -> __m256 {
        with_token!({
            let half = _mm256_set1_epi32(0x8000);
            let even = _mm256_add_epi32(_mm256_castps_si256(even), half);
            let odd = _mm256_add_epi32(_mm256_castps_si256(odd), half);
            _mm256_castsi256_ps(_mm256_blend_epi16::<0xaa>(_mm256_srli_epi32::<16>(even), odd))
        })
    }

    #[inline(always)]
    fn scale_by_power_of_two(self, a: __m256, n: __m256) -> __m256 {
        let half = self.round(self.mul(n, self.splat(0.5)));
        self.mul(self.mul(a, self.power_of_two(half)), self.power_of_two(self.sub(n, half)))
    }

    #[inline(always)]
    fn select_less(self, a: __m256, b: __m256, yes: __m256, no: __m256) -> __m256 {
        with_token!(_mm256_blendv_ps(no, yes, _mm256_cmp_ps::<_CMP_LT_OQ>(a, b)))
    }

    #[inline(always)]
    fn reduce_sum(self, a: __m256) -> f32 {
        with_token!({
            let b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let c = _mm_add_ps(b, _mm_movehl_ps(b, b));
            _mm_cvtss_f32(_mm_add_ss(c, _mm_shuffle_ps::<1>(c, c)))
        })
    }

    #[inline(always)]
    fn reduce_max(self, a: __m256) -> f32 {
        with_token!({
            let b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let c = _mm_max_ps(b, _mm_movehl_ps(b, b));
            _mm_cvtss_f32(_mm_max_ss(c, _mm_shuffle_ps::<1>(c, c)))
        })
    }
}

/// The mask of the first `min(n, 16)` lanes.
#[inline(always)]
fn mask16(n: usize) -> __mmask16 {
    ((1u32 << n.min(16)) - 1) as __mmask16
}

impl Avx512 {
    /// The lower and the upper eight lanes.
    #[inline(always)]
    fn halves(self, a: __m512) -> (__m256, __m256) {
        with_token!((_mm512_castps512_ps256(a), _mm512_extractf32x8_ps::<1>(a)))
    }
}

impl Simd for Avx512 {
    type F32 = __m512;
    const LANES: usize = 16;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        with_token!(_mm512_set1_ps(x))
    }

    #[inline(always)]
    fn load_partial(self, src: &[f32]) -> __m512 {
        // SAFETY: the mask reads only lanes inside `src`; the token proves AVX-512.
        unsafe { _mm512_maskz_loadu_ps(mask16(src.len()), src.as_ptr()) }
    }

    #[inline(always)]
    fn store_partial(self, v: __m512, dst: &mut [f32]) {
        // SAFETY: the mask writes only lanes inside `dst`; the token proves AVX-512.
        unsafe { _mm512_mask_storeu_ps(dst.as_mut_ptr(), mask16(dst.len()), v) }
    }

    #[inline(always)]
    unsafe fn load_ptr(self, src: *const f32) -> __m512 {
        // SAFETY: the caller's; the token proves AVX-512.
        unsafe { _mm512_loadu_ps(src) }
    }

    #[inline(always)]
    unsafe fn store_ptr(self, v: __m512, dst: *mut f32) {
        // SAFETY: the caller's; the token proves AVX-512.
        unsafe { _mm512_storeu_ps(dst, v) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        with_token!(_mm512_add_ps(a, b))
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        with_token!(_mm512_sub_ps(a, b))
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        with_token!(_mm512_mul_ps(a, b))
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        with_token!(_mm512_div_ps(a, b))
    }

    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        with_token!(_mm512_fmadd_ps(a, b, c))
    }

    #[inline(always)]
    fn neg_mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        with_token!(_mm512_fnmadd_ps(a, b, c))
    }

    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        with_token!(_mm512_min_ps(a, b))
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        with_token!(_mm512_max_ps(a, b))
    }

    #[inline(always)]
    fn sqrt(self, a: __m512) -> __m512 {
        with_token!(_mm512_sqrt_ps(a))
    }

    #[inline(always)]
    fn round(self, a: __m512) -> __m512 {
        with_token!(_mm512_roundscale_ps::<ROUND>(a))
    }

    #[inline(always)]
    fn abs(self, a: __m512) -> __m512 {
        with_token!(_mm512_abs_ps(a))
    }

    #[inline(always)]
    fn copysign(self, a: __m512, sign: __m512) -> __m512 {
        with_token!({
            let bit = _mm512_set1_ps(-0.0);
            _mm512_or_ps(_mm512_and_ps(bit, sign), _mm512_andnot_ps(bit, a))
        })
    }

    #[inline(always)]
    fn bf16_pairs(self, even: __m512, odd: __m512) -> __m512 {
        with_token!({
            let half = _mm512_set1_epi32(0x8000);
            let even = _mm512_add_epi32(_mm512_castps_si512(even), half);
            let odd = _mm512_add_epi32(_mm512_castps_si512(odd), half);
            _mm512_castsi512_ps(_mm512_mask_blend_epi16(0xaaaa_aaaa, _mm512_srli_epi32::<16>(even), odd))
        })
    }

    #[inline(always)]
    fn scale_by_power_of_two(self, a: __m512, n: __m512) -> __m512 {
        with_token!(_mm512_scalef_ps(a, n))
    }

    #[inline(always)]
    fn select_less(self, a: __m512, b: __m512, yes: __m512, no: __m512) -> __m512 {
        with_token!(_mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), no, yes))
    }

    #[inline(always)]
    fn reduce_sum(self, a: __m512) -> f32 {
        let (low, high) = self.halves(a);
        let narrow = Avx2(());
        narrow.reduce_sum(narrow.add(low, high))
    }

    #[inline(always)]
    fn reduce_max(self, a: __m512) -> f32 {
        let (low, high) = self.halves(a);
        let narrow = Avx2(());
        narrow.reduce_max(narrow.max(low, high))
    }
}
