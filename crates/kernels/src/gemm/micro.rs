//! Micro-kernels: a few rows times a few panels, all sums in registers.
//!
//! Every output is one accumulator that takes its steps in order, so its bits depend neither on the rows beside it nor on
//! the shape of the tile.

use simd::Isa;

use crate::gemm::Precision;
use crate::gemm::pack::{Fetch, Format, Line, Packer, WIDTH};

/// Columns of the widest micro-kernel; the row stride of a [`Tile`].
pub(crate) const TILE_COLUMNS: usize = 3 * WIDTH;
/// Rows of the tallest micro-kernel.
pub(crate) const TILE_ROWS: usize = 32;

/// A row of sums, of which a micro-kernel fills the columns of its panels.
pub(crate) type TileRow = [f32; TILE_COLUMNS];

/// Where a micro-kernel leaves its sums, `[32][48] f32`.
#[repr(C, align(64))]
pub(crate) struct Tile(pub(crate) [TileRow; TILE_ROWS]);

/// Where a micro-kernel leaves its sums: in rows of a tile, or of the output itself.
#[derive(Clone, Copy)]
pub(crate) struct Sums {
    at: *mut f32,
    /// Values from one row to the next.
    stride: usize,
    /// What is added to each, in rows of the same stride; null: nothing.
    add: *const f32,
}

impl Sums {
    /// Into rows of a tile.
    pub(crate) fn tile(rows: *mut TileRow) -> Self {
        Self { at: rows.cast(), stride: TILE_COLUMNS, add: std::ptr::null() }
    }

    /// Into the output's own rows of `stride` values, with what is at `add` (which may be the output itself) added unless it is
    /// null; only where [`Micro::writes_output`].
    pub(crate) fn output(at: *mut f32, stride: usize, add: *const f32) -> Self {
        Self { at, stride, add }
    }
}

/// What a micro-kernel reads.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    /// Rows of words.
    pub(crate) a: *const u32,
    /// Words from one row to the next, or, where they are turned, from one step to the next.
    pub(crate) a_stride: usize,
    /// Whether the words of a step are beside each other, not those of a row; AMX wants rows.
    pub(crate) is_turned: bool,
    /// The first line of the first panel.
    pub(crate) b: *const Line,
    /// Lines from one panel to the next.
    pub(crate) panel_lines: usize,
    /// The length of the sums in steps.
    pub(crate) steps: usize,
    /// What the steps fetch for later; only AVX-512 does.
    pub(crate) ahead: Fetch,
}

impl Block {
    /// Where the word of a row and a step is. `is_turned` is the field's value, which micro-kernels know when they are compiled:
    /// finding it out as they run takes instructions for every word.
    #[inline(always)]
    fn place(&self, is_turned: bool, row: usize, step: usize) -> usize {
        if is_turned { step * self.a_stride + row } else { row * self.a_stride + step }
    }
}

/// A family of micro-kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Micro {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
    #[cfg(target_arch = "x86_64")]
    Avx512Bf16,
    #[cfg(target_arch = "x86_64")]
    Amx,
}

impl Micro {
    /// The fastest for `isa` in `precision`. Without products of bf16, rounded operands are multiplied in f32.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn choose(isa: Isa, precision: Precision) -> Self {
        match (isa, precision) {
            (Isa::Scalar, _) => Self::Scalar,
            (Isa::Avx2, _) => Self::Avx2,
            (Isa::Amx, Precision::Bf16) if super::amx::proved() => Self::Amx,
            (Isa::Avx512Bf16 | Isa::Amx, Precision::Bf16) => Self::Avx512Bf16,
            (Isa::Avx512 | Isa::Avx512Bf16 | Isa::Amx, _) => Self::Avx512,
        }
    }

    /// The only one there is.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn choose(_isa: Isa, _precision: Precision) -> Self {
        Self::Scalar
    }

    /// The code that packs for it, and what words hold.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn packer(self, precision: Precision) -> (Packer, Format) {
        match (self, precision) {
            (Self::Avx512Bf16 | Self::Amx, _) => (Packer::Avx512Bf16, Format::Bf16Pair),
            (_, Precision::Bf16) => (Packer::PlainRounded, Format::RoundedF32),
            (Self::Scalar, Precision::F32) => (Packer::Plain, Format::F32),
            (Self::Avx2, Precision::F32) => (Packer::Avx2, Format::F32),
            (Self::Avx512, Precision::F32) => (Packer::Avx512, Format::F32),
        }
    }

    /// The code that packs for it, and what words hold.
    #[cfg(not(target_arch = "x86_64"))]
    pub(super) fn packer(self, precision: Precision) -> (Packer, Format) {
        match precision {
            Precision::Bf16 => (Packer::PlainRounded, Format::RoundedF32),
            Precision::F32 => (Packer::Plain, Format::F32),
        }
    }

    /// Rows and panels of its largest tile.
    pub(crate) fn shape(self) -> (usize, usize) {
        match self {
            Self::Scalar => (4, 1),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => (6, 1),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 | Self::Avx512Bf16 => (8, 3),
            #[cfg(target_arch = "x86_64")]
            Self::Amx => (32, 2),
        }
    }

    /// Panels of the next tile when `left` are left. Two equal tiles do more at a time than a full one and a narrow one.
    #[inline(always)]
    pub(crate) fn panels(self, left: usize) -> usize {
        let (_, most) = self.shape();
        if left == most + 1 { left.div_ceil(2) } else { left.min(most) }
    }

    /// Rows of the left operand that are packed together.
    pub(super) fn block_rows(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => 60,
            _ => 64,
        }
    }

    /// Whether sums may go to the output itself, with something added.
    pub(crate) fn writes_output(self) -> bool {
        !self.has_tiles()
    }

    /// Whether the words of a step may be beside each other.
    pub(crate) fn reads_turned(self) -> bool {
        !self.has_tiles()
    }

    /// Whether it multiplies whole tiles.
    fn has_tiles(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => true,
            _ => false,
        }
    }

    /// The number of steps must be a multiple of this.
    pub(super) fn step_multiple(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Amx => 16,
            _ => 1,
        }
    }

    /// Computes the sums of `rows` rows and `panels` panels, both at most [`shape`](Self::shape).
    ///
    /// # Safety
    /// `block` must be readable for `steps` words of `rows` rows (AMX: rounded up to 16) and `steps` lines of each panel, and be
    /// turned only where [`reads_turned`](Self::reads_turned); the columns of the panels in as many rows of `out` must be writable, those that it adds be
    /// readable, the machine have the instructions, and for AMX the thread hold a `TileConfiguration`, `steps` be a multiple of 16
    /// and `out` be a tile.
    pub(crate) unsafe fn run(self, rows: usize, panels: usize, block: &Block, out: Sums) {
        debug_assert!((1..=self.shape().0).contains(&rows) && (1..=self.shape().1).contains(&panels));
        // SAFETY: the caller's.
        unsafe {
            match self {
                Self::Scalar => scalar(rows, block, out),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 if block.is_turned => x86::avx2::<true>(rows, block, out),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 => x86::avx2::<false>(rows, block, out),
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 if block.is_turned => x86::avx512::<true>(rows, panels, block, out),
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 => x86::avx512::<false>(rows, panels, block, out),
                #[cfg(target_arch = "x86_64")]
                Self::Avx512Bf16 if block.is_turned => x86::avx512_bf16::<true>(rows, panels, block, out),
                #[cfg(target_arch = "x86_64")]
                Self::Avx512Bf16 => x86::avx512_bf16::<false>(rows, panels, block, out),
                #[cfg(target_arch = "x86_64")]
                Self::Amx => {
                    debug_assert!(!block.is_turned && out.stride == TILE_COLUMNS && out.add.is_null());
                    super::amx::tile_product(rows, panels, block, out.at.cast());
                }
            }
        }
    }
}

/// Up to four rows and one panel in plain code.
unsafe fn scalar(rows: usize, block: &Block, out: Sums) {
    unsafe fn fixed<const R: usize>(block: &Block, out: Sums) {
        let mut sums = [[0.0f32; WIDTH]; R];
        for step in 0..block.steps {
            // SAFETY: the caller's: `steps` lines are readable.
            let line = unsafe { &(*block.b.add(step)).0 };
            for (i, sums) in sums.iter_mut().enumerate() {
                // SAFETY: the caller's: `steps` words of R rows are readable.
                let x = f32::from_bits(unsafe { *block.a.add(block.place(block.is_turned, i, step)) });
                for (sum, y) in sums.iter_mut().zip(line) {
                    *sum += x * f32::from_bits(*y);
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            // SAFETY: the caller's: R rows are writable, and those that are added readable.
            unsafe {
                let added = match out.add.is_null() {
                    true => [-0.0; WIDTH],
                    false => out.add.add(i * out.stride).cast::<[f32; WIDTH]>().read(),
                };
                let row = std::array::from_fn(|j| sums[j] + added[j]);
                out.at.add(i * out.stride).cast::<[f32; WIDTH]>().write(row);
            }
        }
    }
    // SAFETY: the caller's.
    unsafe {
        match rows {
            1 => fixed::<1>(block, out),
            2 => fixed::<2>(block, out),
            3 => fixed::<3>(block, out),
            _ => fixed::<4>(block, out),
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    //! The micro-kernels with AVX2 and AVX-512.

    use std::arch::x86_64::*;

    use super::{Block, Sums, WIDTH};

    /// R rows and one panel of two vectors.
    #[target_feature(enable = "avx2,fma")]
    unsafe fn avx2_fixed<const R: usize, const TURNED: bool>(block: &Block, out: Sums) {
        let mut sums = [[_mm256_setzero_ps(); 2]; R];
        for step in 0..block.steps {
            // SAFETY: the caller's: `steps` lines of 16 f32 and `steps` words of R rows are readable.
            unsafe {
                let line = block.b.add(step).cast::<f32>();
                let b = [_mm256_load_ps(line), _mm256_load_ps(line.add(8))];
                for (i, sums) in sums.iter_mut().enumerate() {
                    let x = _mm256_broadcast_ss(&*block.a.add(block.place(TURNED, i, step)).cast::<f32>());
                    sums[0] = _mm256_fmadd_ps(x, b[0], sums[0]);
                    sums[1] = _mm256_fmadd_ps(x, b[1], sums[1]);
                }
            }
        }
        for (i, sums) in sums.iter().enumerate() {
            for (j, sum) in sums.iter().enumerate() {
                let at = i * out.stride + 8 * j;
                // SAFETY: the caller's: 16 columns of R rows are writable, and those that are added readable.
                unsafe {
                    let sum = match out.add.is_null() {
                        true => *sum,
                        false => _mm256_add_ps(*sum, _mm256_loadu_ps(out.add.add(at))),
                    };
                    _mm256_storeu_ps(out.at.add(at), sum);
                }
            }
        }
    }

    #[target_feature(enable = "avx2,fma")]
    pub(super) unsafe fn avx2<const TURNED: bool>(rows: usize, block: &Block, out: Sums) {
        // SAFETY: the caller's.
        unsafe {
            match rows {
                1 => avx2_fixed::<1, TURNED>(block, out),
                2 => avx2_fixed::<2, TURNED>(block, out),
                3 => avx2_fixed::<3, TURNED>(block, out),
                4 => avx2_fixed::<4, TURNED>(block, out),
                5 => avx2_fixed::<5, TURNED>(block, out),
                _ => avx2_fixed::<6, TURNED>(block, out),
            }
        }
    }

    /// Steps of one round of the loop. Multiplications leave little room for other instructions: counters take a turn in four, and
    /// fetching one in two.
    const UNROLL: usize = 4;
    const FETCH: usize = 2;

    /// One step of R rows and P panels.
    macro_rules! one_step {
        ($block:ident, $sums:ident, $step:ident, $P:ident, $TURNED:ident, |$sum:ident, $a:ident, $b:ident| $product:expr) => {{
            let mut b = [_mm512_setzero_si512(); $P];
            for (j, b) in b.iter_mut().enumerate() {
                *b = _mm512_load_si512($block.b.add(j * $block.panel_lines + $step).cast());
            }
            for (i, sums) in $sums.iter_mut().enumerate() {
                let $a = _mm512_set1_epi32(*$block.a.add($block.place($TURNED, i, $step)) as i32);
                for (sum, b) in sums.iter_mut().zip(b) {
                    let ($sum, $b) = (*sum, b);
                    *sum = $product;
                }
            }
        }};
    }

    /// R rows and P panels, and the choice of R and P, for one multiplication.
    macro_rules! avx512_kernels {
        ($features:literal, $name:ident, $fixed:ident, |$sum:ident, $a:ident, $b:ident| $product:expr) => {
            #[target_feature(enable = $features)]
            unsafe fn $fixed<const R: usize, const P: usize, const TURNED: bool>(block: &Block, out: Sums) {
                let mut sums = [[_mm512_setzero_ps(); P]; R];
                let whole = block.steps / UNROLL * UNROLL;
                for first in (0..whole).step_by(UNROLL) {
                    for step in first..first + UNROLL {
                        // SAFETY: the caller's: `steps` lines of P panels and `steps` words of R rows are readable. A prefetch is a
                        // hint that faults nowhere.
                        unsafe {
                            if (step - first).is_multiple_of(FETCH) {
                                let ahead = block.ahead.at.wrapping_add(step * block.ahead.bytes);
                                _mm_prefetch::<_MM_HINT_T1>(ahead.cast());
                            }
                            one_step!(block, sums, step, P, TURNED, |$sum, $a, $b| $product);
                        }
                    }
                }
                for step in whole..block.steps {
                    // SAFETY: as above.
                    unsafe { one_step!(block, sums, step, P, TURNED, |$sum, $a, $b| $product) };
                }
                for (i, sums) in sums.iter().enumerate() {
                    for (j, sum) in sums.iter().enumerate() {
                        let at = i * out.stride + j * WIDTH;
                        // SAFETY: the caller's: 16 columns of P panels in R rows are writable, and those that are added
                        // readable.
                        unsafe {
                            let sum = match out.add.is_null() {
                                true => *sum,
                                false => _mm512_add_ps(*sum, _mm512_loadu_ps(out.add.add(at))),
                            };
                            _mm512_storeu_ps(out.at.add(at), sum);
                        }
                    }
                }
            }

            #[target_feature(enable = $features)]
            unsafe fn $name<const P: usize, const TURNED: bool>(rows: usize, block: &Block, out: Sums) {
                // SAFETY: the caller's.
                unsafe {
                    match rows {
                        1 => $fixed::<1, P, TURNED>(block, out),
                        2 => $fixed::<2, P, TURNED>(block, out),
                        3 => $fixed::<3, P, TURNED>(block, out),
                        4 => $fixed::<4, P, TURNED>(block, out),
                        5 => $fixed::<5, P, TURNED>(block, out),
                        6 => $fixed::<6, P, TURNED>(block, out),
                        7 => $fixed::<7, P, TURNED>(block, out),
                        _ => $fixed::<8, P, TURNED>(block, out),
                    }
                }
            }
        };
    }

    avx512_kernels!("avx512f,avx512bw,avx512dq,avx512vl", f32_rows, f32_fixed, |sum, a, b| _mm512_fmadd_ps(
        _mm512_castsi512_ps(a),
        _mm512_castsi512_ps(b),
        sum
    ));
    avx512_kernels!("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16", bf16_rows, bf16_fixed, |sum, a, b| {
        // SAFETY: the function has AVX512-BF16.
        simd::pairs::multiply_add_pairs(sum, a, b)
    });

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
    pub(super) unsafe fn avx512<const TURNED: bool>(rows: usize, panels: usize, block: &Block, out: Sums) {
        // SAFETY: the caller's.
        unsafe {
            match panels {
                1 => f32_rows::<1, TURNED>(rows, block, out),
                2 => f32_rows::<2, TURNED>(rows, block, out),
                _ => f32_rows::<3, TURNED>(rows, block, out),
            }
        }
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")]
    pub(super) unsafe fn avx512_bf16<const TURNED: bool>(rows: usize, panels: usize, block: &Block, out: Sums) {
        // SAFETY: the caller's.
        unsafe {
            match panels {
                1 => bf16_rows::<1, TURNED>(rows, block, out),
                2 => bf16_rows::<2, TURNED>(rows, block, out),
                _ => bf16_rows::<3, TURNED>(rows, block, out),
            }
        }
    }
}
