//! The two instructions of AVX512-BF16. With the feature `emulate-amx` they are made of plain AVX-512, so that tests of what uses them
//! run on processors without.

#[cfg(not(feature = "emulate-amx"))]
pub use direct::{multiply_add_pairs, round_pairs};
#[cfg(feature = "emulate-amx")]
pub use emulated::{multiply_add_pairs, round_pairs};

#[cfg(not(feature = "emulate-amx"))]
mod direct {
    use std::arch::x86_64::*;

    /// Each lane of `sum` with the products of the two pairs of bf16 in its word of `a` and `b` added (`vdpbf16ps`).
    ///
    /// # Safety
    /// The machine must have AVX512-BF16.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub unsafe fn multiply_add_pairs(sum: __m512, a: __m512i, b: __m512i) -> __m512 {
        // SAFETY: all are 64 bytes of any value.
        unsafe {
            _mm512_dpbf16_ps(
                sum,
                std::mem::transmute::<__m512i, __m512bh>(a),
                std::mem::transmute::<__m512i, __m512bh>(b),
            )
        }
    }

    /// The sixteen values of `low`, then of `high`, rounded to bf16, ties to even (`vcvtne2ps2bf16`).
    ///
    /// # Safety
    /// The machine must have AVX512-BF16.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    pub unsafe fn round_pairs(low: __m512, high: __m512) -> __m512i {
        // SAFETY: both are 64 bytes of any value.
        unsafe { std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(high, low)) }
    }
}

#[cfg(feature = "emulate-amx")]
mod emulated {
    use std::arch::x86_64::*;

    /// As `vdpbf16ps`, but that numbers near zero are kept; the even product is added first.
    ///
    /// # Safety
    /// The machine must have AVX-512.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub unsafe fn multiply_add_pairs(sum: __m512, a: __m512i, b: __m512i) -> __m512 {
        let odd = |x| _mm512_castsi512_ps(_mm512_and_si512(x, _mm512_set1_epi32(0xffff_0000_u32 as i32)));
        let even = |x| _mm512_castsi512_ps(_mm512_slli_epi32::<16>(x));
        _mm512_fmadd_ps(odd(a), odd(b), _mm512_fmadd_ps(even(a), even(b), sum))
    }

    /// As `vcvtne2ps2bf16`, of finite values.
    ///
    /// # Safety
    /// The machine must have AVX-512.
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub unsafe fn round_pairs(low: __m512, high: __m512) -> __m512i {
        let round = |x| {
            let bits = _mm512_castps_si512(x);
            let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
            let up = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
            _mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(up))
        };
        _mm512_inserti64x4::<1>(_mm512_castsi256_si512(round(low)), round(high))
    }
}
