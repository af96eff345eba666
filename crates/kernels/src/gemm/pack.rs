//! Packing: f32 operands of any layout into the two shapes that micro-kernels read.
//!
//! Both are made of 32-bit *words*, one a *step* of the sum: a step is one k in f32, or two consecutive k as a pair of bf16
//! (the lower half is the even one).
//! * the left operand: rows of words, `[rows][stride]`;
//! * the right operand: panels of 16 columns, `[step][16]`, each step one 64-byte [`Line`]. With bf16 pairs this is also the
//!   layout of an AMX tile.
//!
//! Positions beyond the operand are zero.

use crate::gemm::patches::{self, Patches};
use crate::gemm::round_to_bf16;

/// Columns of a panel, rows of a transposed block, words of a line.
pub(crate) const WIDTH: usize = 16;

/// One step of a panel: 16 words, aligned to a cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Line(pub(crate) [u32; WIDTH]);

impl Line {
    /// Sixteen zeros.
    pub(super) const ZERO: Self = Self([0; WIDTH]);
}

/// What a word holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// One f32.
    F32,
    /// One f32 that has been rounded to bf16.
    RoundedF32,
    /// Two bf16 of consecutive k.
    Bf16Pair,
}

impl Format {
    /// How many k a step covers.
    pub(super) fn k_per_step(self) -> usize {
        match self {
            Self::F32 | Self::RoundedF32 => 1,
            Self::Bf16Pair => 2,
        }
    }
}

/// An operand in memory, as rows of `stride` values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operand<'a> {
    pub(crate) data: &'a [f32],
    pub(crate) stride: usize,
    /// Rows of the product's rows (left operand) or columns (right operand).
    pub(crate) outer: usize,
    /// The length of the sums.
    pub(crate) k: usize,
    /// False: `data` is `[outer, k]`. True: `data` is `[k, outer]`.
    pub(crate) k_major: bool,
    /// The matrix whose rows are patches, in place of `data`: as the left operand `[outer, k]`, as the right one
    /// `[k, outer]`.
    pub(crate) patches: Option<&'a Patches<'a>>,
}

impl<'a> Operand<'a> {
    /// Values of outer index `i` from `k` on, up to `end`; empty beyond the operand. Only for `[outer, k]`.
    #[inline(always)]
    fn along_k(&self, i: usize, k: usize, end: usize) -> &'a [f32] {
        if i < self.outer && k < end { &self.data[i * self.stride + k..i * self.stride + end] } else { &[] }
    }

    /// The memory of some outer indices and k, from the first up to the second of each.
    pub(super) fn window(&self, outer: (usize, usize), k: (usize, usize)) -> Window<'a> {
        let (rows, columns) = if self.k_major { (k, outer) } else { (outer, k) };
        if let Some(patches) = self.patches {
            return patches.window(rows.0, rows.1);
        }
        let end = columns.1.min(self.stride);
        Window {
            data: self.data,
            first: rows.0 * self.stride + columns.0,
            stride: self.stride,
            width: end.saturating_sub(columns.0),
            rows: rows.1.saturating_sub(rows.0),
        }
    }

    /// Values of one `k` from outer index `i` on; empty beyond the operand. Only for `[k, outer]`.
    #[inline(always)]
    fn across(&self, i: usize, k: usize, end: usize) -> &'a [f32] {
        if i < self.outer && k < end { &self.data[k * self.stride + i..k * self.stride + self.outer] } else { &[] }
    }
}

/// A rectangle of an operand's memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'a> {
    data: &'a [f32],
    first: usize,
    stride: usize,
    pub(super) width: usize,
    pub(super) rows: usize,
}

impl<'a> Window<'a> {
    /// Rows `first..end` of `width` values each.
    pub(super) fn of_rows(data: &'a [f32], first: usize, end: usize, width: usize) -> Self {
        Self { data, first: first * width, stride: width, width, rows: end - first }
    }

    /// The rows of the `i`-th of `count` about equal parts.
    pub(super) fn part(self, i: usize, count: usize) -> Self {
        let (start, end) = (self.rows * i / count, self.rows * (i + 1) / count);
        Self { first: self.first + start * self.stride, rows: end - start, ..self }
    }

    /// What fetches it in `steps` steps: all of it if its rows touch, else the first. Finding each row costs micro-kernels more than
    /// fetching gains.
    pub(super) fn fetch(self, steps: usize) -> Fetch {
        let at = self.data.as_ptr().wrapping_add(self.first).cast::<u8>();
        let rows = if self.width == self.stride { self.rows } else { self.rows.min(1) };
        Fetch { at, bytes: (rows * self.width * size_of::<f32>()).div_ceil(steps.max(1)) }
    }
}

/// Memory that is fetched meanwhile. It is only a hint: any address will do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fetch {
    pub(crate) at: *const u8,
    /// Bytes a step.
    pub(crate) bytes: usize,
}

impl Fetch {
    /// Fetches nothing but the line at `p`.
    pub(crate) fn nothing(p: *const Line) -> Self {
        Self { at: p.cast(), bytes: 0 }
    }
}

/// Sixteen words at a time.
pub(super) trait Words: Copy {
    type V: Copy;
    const K_PER_STEP: usize;
    /// Sixteen steps of one outer index; missing values are zero.
    fn along_k(self, values: &[f32]) -> Self::V;
    /// One step of sixteen outer indices, from its first and second k; missing values are zero.
    fn across(self, first: &[f32], second: &[f32]) -> Self::V;
    fn transpose(self, block: [Self::V; WIDTH]) -> [Self::V; WIDTH];
    /// # Safety
    /// `dst` must be writable for 16 words.
    unsafe fn store(self, v: Self::V, dst: *mut u32);
}

/// Plain code for one k a step.
#[derive(Clone, Copy)]
struct Plain<const ROUND: bool>;

impl<const ROUND: bool> Words for Plain<ROUND> {
    type V = [u32; WIDTH];
    const K_PER_STEP: usize = 1;

    #[inline(always)]
    fn along_k(self, values: &[f32]) -> [u32; WIDTH] {
        let mut v = [0; WIDTH];
        for (word, x) in v.iter_mut().zip(values) {
            *word = if ROUND { round_to_bf16(*x).to_bits() } else { x.to_bits() };
        }
        v
    }

    #[inline(always)]
    fn across(self, first: &[f32], _second: &[f32]) -> [u32; WIDTH] {
        self.along_k(first)
    }

    #[inline(always)]
    fn transpose(self, block: [[u32; WIDTH]; WIDTH]) -> [[u32; WIDTH]; WIDTH] {
        std::array::from_fn(|i| std::array::from_fn(|j| block[j][i]))
    }

    #[inline(always)]
    unsafe fn store(self, v: [u32; WIDTH], dst: *mut u32) {
        // SAFETY: the caller's.
        unsafe { dst.cast::<[u32; WIDTH]>().write(v) }
    }
}

/// Packs steps `0..steps` of rows `rows` of the left operand, from `k0` up to `k1`, to rows of `stride` words at `dst`.
///
/// # Safety
/// `dst` must be writable for `rows` rounded up to 16 rows of `stride` words, and `stride` be at least `steps` rounded up
/// to 16.
#[inline(always)]
unsafe fn left<W: Words>(
    w: W,
    a: &Operand<'_>,
    first_row: usize,
    rows: usize,
    (k0, k1): (usize, usize),
    steps: usize,
    dst: *mut u32,
    stride: usize,
) {
    if let Some(patches) = a.patches {
        debug_assert!(!a.k_major);
        // SAFETY: the caller's; the bound on `stride` is checked there.
        unsafe { patches::left(w, patches, first_row, rows, (k0, k1), steps, dst, stride) };
    } else if a.k_major {
        for step in (0..steps).step_by(WIDTH) {
            let k = k0 + step * W::K_PER_STEP;
            for row in (0..rows).step_by(WIDTH) {
                let mut block = [w.along_k(&[]); WIDTH];
                for (s, v) in block.iter_mut().enumerate() {
                    let k = k + s * W::K_PER_STEP;
                    *v = w.across(a.across(first_row + row, k, k1), a.across(first_row + row, k + 1, k1));
                }
                for (i, v) in w.transpose(block).into_iter().enumerate() {
                    // SAFETY: row + i < rows rounded up to 16, step + 16 <= stride.
                    unsafe { w.store(v, dst.add((row + i) * stride + step)) };
                }
            }
        }
    } else {
        for row in 0..rows {
            for step in (0..steps).step_by(WIDTH) {
                let v = w.along_k(a.along_k(first_row + row, k0 + step * W::K_PER_STEP, k1));
                // SAFETY: row < rows, step + 16 <= stride.
                unsafe { w.store(v, dst.add(row * stride + step)) };
            }
        }
    }
}

/// Packs steps `0..steps` of panels of the right operand, from `k0` up to `k1`, to `dst`, where panels are `panel_lines`
/// lines apart.
///
/// # Safety
/// `dst` must be writable for `steps` lines of each panel.
#[inline(always)]
unsafe fn right<W: Words>(
    w: W,
    b: &Operand<'_>,
    (first_panel, end_panel): (usize, usize),
    (k0, k1): (usize, usize),
    steps: usize,
    dst: *mut Line,
    panel_lines: usize,
) {
    if let Some(patches) = b.patches {
        debug_assert!(b.k_major);
        // SAFETY: the caller's.
        unsafe { patches::right(w, patches, (first_panel, end_panel), (k0, k1), steps, dst, panel_lines) };
    } else if b.k_major {
        // Panels inside: each row of `b` is then read in one piece.
        for step in 0..steps {
            let k = k0 + step * W::K_PER_STEP;
            for panel in first_panel..end_panel {
                let v = w.across(b.across(panel * WIDTH, k, k1), b.across(panel * WIDTH, k + 1, k1));
                // SAFETY: the caller's; a line holds 16 words.
                unsafe { w.store(v, dst.add((panel - first_panel) * panel_lines + step).cast()) };
            }
        }
    } else {
        for panel in first_panel..end_panel {
            for step in (0..steps).step_by(WIDTH) {
                let k = k0 + step * W::K_PER_STEP;
                let mut block = [w.along_k(&[]); WIDTH];
                for (j, v) in block.iter_mut().enumerate() {
                    *v = w.along_k(b.along_k(panel * WIDTH + j, k, k1));
                }
                for (i, v) in w.transpose(block).into_iter().enumerate().take(steps - step) {
                    // SAFETY: the caller's; a line holds 16 words.
                    unsafe { w.store(v, dst.add((panel - first_panel) * panel_lines + step + i).cast()) };
                }
            }
        }
    }
}

/// The code that packs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packer {
    /// Plain code, f32.
    Plain,
    /// Plain code, f32 rounded to bf16.
    PlainRounded,
    /// AVX2, f32.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512, f32.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// AVX-512 with BF16, pairs.
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
}

impl Packer {
    /// Packs rows of the left operand: see the module, and `first_row`, `rows`, k from `k0` up to `k1`.
    ///
    /// # Safety
    /// `dst` must be writable for `rows` rounded up to 16 rows of `stride` words, `stride` be at least `steps` rounded up to
    /// 16, and the machine have the instructions.
    pub(crate) unsafe fn left(
        self,
        a: &Operand<'_>,
        first_row: usize,
        rows: usize,
        k: (usize, usize),
        steps: usize,
        dst: *mut u32,
        stride: usize,
    ) {
        // SAFETY: the caller's.
        unsafe {
            match self {
                Self::Plain => left(Plain::<false>, a, first_row, rows, k, steps, dst, stride),
                Self::PlainRounded => left(Plain::<true>, a, first_row, rows, k, steps, dst, stride),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 => x86::left_avx2(a, first_row, rows, k, steps, dst, stride),
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 => x86::left_avx512(a, first_row, rows, k, steps, dst, stride),
                #[cfg(target_arch = "x86_64")]
                Self::Avx512Bf16 => x86::left_bf16(a, first_row, rows, k, steps, dst, stride),
            }
        }
    }

    /// Packs steps `0..steps` of panels of the right operand, from `k.0` up to `k.1`, to `dst`, where panels are
    /// `panel_lines` lines apart.
    ///
    /// # Safety
    /// `dst` must be writable for `steps` lines of each panel, and the machine have the instructions.
    pub(crate) unsafe fn right(
        self,
        b: &Operand<'_>,
        panels: (usize, usize),
        k: (usize, usize),
        steps: usize,
        dst: *mut Line,
        panel_lines: usize,
    ) {
        // SAFETY: the caller's.
        unsafe {
            match self {
                Self::Plain => right(Plain::<false>, b, panels, k, steps, dst, panel_lines),
                Self::PlainRounded => right(Plain::<true>, b, panels, k, steps, dst, panel_lines),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 => x86::right_avx2(b, panels, k, steps, dst, panel_lines),
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 => x86::right_avx512(b, panels, k, steps, dst, panel_lines),
                #[cfg(target_arch = "x86_64")]
                Self::Avx512Bf16 => x86::right_bf16(b, panels, k, steps, dst, panel_lines),
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! The packers with AVX2 and AVX-512.

    use std::arch::x86_64::*;

    use super::{Line, Operand, WIDTH, Words, left, right};

    /// Intrinsics on values, inside types that exist only in functions with their features.
    macro_rules! available {
        ($body:expr) => {
            // SAFETY: this type is used only inside the `#[target_feature]` functions below; only values are touched, and
            // masked loads read only lanes inside their slice.
            unsafe { $body }
        };
    }

    #[inline(always)]
    fn mask(values: &[f32]) -> __mmask16 {
        ((1u32 << values.len().min(WIDTH)) - 1) as __mmask16
    }

    #[inline(always)]
    fn load(values: &[f32]) -> __m512 {
        available!(_mm512_maskz_loadu_ps(mask(values), values.as_ptr()))
    }

    /// Sixteen by sixteen words, in four rounds that swap blocks of 1, 2, 4 and 8.
    #[inline(always)]
    fn transpose(v: [__m512i; WIDTH]) -> [__m512i; WIDTH] {
        available!({
            let mut a = v;
            for i in 0..8 {
                a[2 * i] = _mm512_unpacklo_epi32(v[2 * i], v[2 * i + 1]);
                a[2 * i + 1] = _mm512_unpackhi_epi32(v[2 * i], v[2 * i + 1]);
            }
            // b[4q + c], 128-bit lane l: column 4l + c of rows 4q..4q+4.
            let mut b = a;
            for q in 0..4 {
                b[4 * q] = _mm512_unpacklo_epi64(a[4 * q], a[4 * q + 2]);
                b[4 * q + 1] = _mm512_unpackhi_epi64(a[4 * q], a[4 * q + 2]);
                b[4 * q + 2] = _mm512_unpacklo_epi64(a[4 * q + 1], a[4 * q + 3]);
                b[4 * q + 3] = _mm512_unpackhi_epi64(a[4 * q + 1], a[4 * q + 3]);
            }
            // Transpose the 4×4 lanes of b[c], b[4 + c], b[8 + c], b[12 + c].
            let mut out = b;
            for c in 0..4 {
                let low = _mm512_shuffle_i32x4::<0x44>(b[c], b[4 + c]);
                let high = _mm512_shuffle_i32x4::<0xee>(b[c], b[4 + c]);
                let low2 = _mm512_shuffle_i32x4::<0x44>(b[8 + c], b[12 + c]);
                let high2 = _mm512_shuffle_i32x4::<0xee>(b[8 + c], b[12 + c]);
                out[c] = _mm512_shuffle_i32x4::<0x88>(low, low2);
                out[4 + c] = _mm512_shuffle_i32x4::<0xdd>(low, low2);
                out[8 + c] = _mm512_shuffle_i32x4::<0x88>(high, high2);
                out[12 + c] = _mm512_shuffle_i32x4::<0xdd>(high, high2);
            }
            out
        })
    }

    /// Sixteen words as two vectors.
    #[derive(Clone, Copy)]
    struct Avx2;

    /// Loads up to eight values; missing ones are zero.
    #[inline(always)]
    fn load8(values: &[f32]) -> __m256 {
        static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];
        let mask = &MASKS[8 - values.len().min(8)..];
        available!(_mm256_maskload_ps(values.as_ptr(), _mm256_loadu_si256(mask.as_ptr().cast())))
    }

    /// Eight by eight words.
    #[inline(always)]
    fn transpose8(v: [__m256; 8]) -> [__m256; 8] {
        available!({
            let mut a = v;
            for i in 0..4 {
                a[2 * i] = _mm256_unpacklo_ps(v[2 * i], v[2 * i + 1]);
                a[2 * i + 1] = _mm256_unpackhi_ps(v[2 * i], v[2 * i + 1]);
            }
            // b[4q + c], 128-bit lane l: column 4l + c of rows 4q..4q+4.
            let mut b = a;
            for q in 0..2 {
                b[4 * q] = _mm256_shuffle_ps::<0x44>(a[4 * q], a[4 * q + 2]);
                b[4 * q + 1] = _mm256_shuffle_ps::<0xee>(a[4 * q], a[4 * q + 2]);
                b[4 * q + 2] = _mm256_shuffle_ps::<0x44>(a[4 * q + 1], a[4 * q + 3]);
                b[4 * q + 3] = _mm256_shuffle_ps::<0xee>(a[4 * q + 1], a[4 * q + 3]);
            }
            let mut out = b;
            for c in 0..4 {
                out[c] = _mm256_permute2f128_ps::<0x20>(b[c], b[4 + c]);
                out[4 + c] = _mm256_permute2f128_ps::<0x31>(b[c], b[4 + c]);
            }
            out
        })
    }

    impl Words for Avx2 {
        type V = [__m256; 2];
        const K_PER_STEP: usize = 1;

        #[inline(always)]
        fn along_k(self, values: &[f32]) -> [__m256; 2] {
            [load8(values), load8(&values[8.min(values.len())..])]
        }

        #[inline(always)]
        fn across(self, first: &[f32], _second: &[f32]) -> [__m256; 2] {
            self.along_k(first)
        }

        #[inline(always)]
        fn transpose(self, block: [[__m256; 2]; WIDTH]) -> [[__m256; 2]; WIDTH] {
            let mut out = block;
            for row in 0..2 {
                for column in 0..2 {
                    let mut part = [block[0][0]; 8];
                    for (i, v) in part.iter_mut().enumerate() {
                        *v = block[8 * row + i][column];
                    }
                    for (i, v) in transpose8(part).into_iter().enumerate() {
                        out[8 * column + i][row] = v;
                    }
                }
            }
            out
        }

        #[inline(always)]
        unsafe fn store(self, v: [__m256; 2], dst: *mut u32) {
            // SAFETY: the caller's.
            unsafe {
                _mm256_storeu_ps(dst.cast(), v[0]);
                _mm256_storeu_ps(dst.add(8).cast(), v[1]);
            }
        }
    }

    #[derive(Clone, Copy)]
    struct Avx512;

    impl Words for Avx512 {
        type V = __m512i;
        const K_PER_STEP: usize = 1;

        #[inline(always)]
        fn along_k(self, values: &[f32]) -> __m512i {
            available!(_mm512_castps_si512(load(values)))
        }

        #[inline(always)]
        fn across(self, first: &[f32], _second: &[f32]) -> __m512i {
            self.along_k(first)
        }

        #[inline(always)]
        fn transpose(self, block: [__m512i; WIDTH]) -> [__m512i; WIDTH] {
            transpose(block)
        }

        #[inline(always)]
        unsafe fn store(self, v: __m512i, dst: *mut u32) {
            // SAFETY: the caller's.
            unsafe { _mm512_storeu_si512(dst.cast(), v) }
        }
    }

    /// Rounds the sixteen of `low`, then of `high`.
    #[inline(always)]
    fn round(low: __m512, high: __m512) -> __m512i {
        // SAFETY: used only inside functions with AVX512-BF16.
        unsafe { simd::pairs::round_pairs(low, high) }
    }

    #[derive(Clone, Copy)]
    struct Pairs;

    impl Words for Pairs {
        type V = __m512i;
        const K_PER_STEP: usize = 2;

        #[inline(always)]
        fn along_k(self, values: &[f32]) -> __m512i {
            round(load(values), load(&values[WIDTH.min(values.len())..]))
        }

        #[inline(always)]
        fn across(self, first: &[f32], second: &[f32]) -> __m512i {
            const INTERLEAVE: [u16; 32] = {
                let mut order = [0; 32];
                let mut i = 0;
                while i < 16 {
                    order[2 * i] = i as u16;
                    order[2 * i + 1] = 16 + i as u16;
                    i += 1;
                }
                order
            };
            available!({
                let order = std::mem::transmute::<[u16; 32], __m512i>(INTERLEAVE);
                _mm512_permutexvar_epi16(order, round(load(first), load(second)))
            })
        }

        #[inline(always)]
        fn transpose(self, block: [__m512i; WIDTH]) -> [__m512i; WIDTH] {
            transpose(block)
        }

        #[inline(always)]
        unsafe fn store(self, v: __m512i, dst: *mut u32) {
            // SAFETY: the caller's.
            unsafe { _mm512_storeu_si512(dst.cast(), v) }
        }
    }

    /// The two packers compiled for a set of features.
    macro_rules! packers {
        ($features:literal, $words:expr, $left:ident, $right:ident) => {
            #[target_feature(enable = $features)]
            pub(super) unsafe fn $left(
                a: &Operand<'_>,
                first_row: usize,
                rows: usize,
                k: (usize, usize),
                steps: usize,
                dst: *mut u32,
                stride: usize,
            ) {
                // SAFETY: the caller's.
                unsafe { left($words, a, first_row, rows, k, steps, dst, stride) }
            }

            #[target_feature(enable = $features)]
            pub(super) unsafe fn $right(
                b: &Operand<'_>,
                panels: (usize, usize),
                k: (usize, usize),
                steps: usize,
                dst: *mut Line,
                panel_lines: usize,
            ) {
                // SAFETY: the caller's.
                unsafe { right($words, b, panels, k, steps, dst, panel_lines) }
            }
        };
    }

    packers!("avx2,fma", Avx2, left_avx2, right_avx2);
    packers!("avx512f,avx512bw,avx512dq,avx512vl", Avx512, left_avx512, right_avx512);
    packers!("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16", Pairs, left_bf16, right_bf16);
}
