//! Convolutions of 3×3 at stride 1 with four multiplications for nine: Winograd's F(2×2, 3×3) (Lavin and Gray, arXiv 1509.09308,
//! section 4.1).
//!
//! Each 2×2 square of outputs is made of a 4×4 patch of inputs d and the kernel g as `Aᵀ[(G g Gᵀ) ∘ (Bᵀ d B)]A`. Summed over
//! channels, the sixteen positions are sixteen products of matrices, which run on the micro-kernels of `gemm`. Kernels are
//! transformed once, in f32, and take 16/9 of the memory; patches are transformed in f32 by the task that needs them.
//!
//! In bf16, what is rounded are transformed values, sums of four inputs. The error is about twice that of the direct product.
//!
//! A packed pair of bf16 holds channels `c` and `c + 16` of a group of 32, so that packing needs no shuffles; kernels are
//! packed in the same order.

use simd::{Kernel, Simd, vecmath};

use crate::Cpu;
use crate::conv::ConvShape;
use crate::gemm::driver::Variant;
use crate::gemm::micro::{Block, Sums, TILE_COLUMNS};
use crate::gemm::pack::{Fetch, Line, Operand, WIDTH};
use crate::gemm::patches::Patches;
use crate::gemm::{Activation, Epilogue, PackedMatrix};
use crate::pool::SendPtr;
use crate::rows::with_scratch;

/// Side of an input patch.
const SIDE: usize = 4;
/// Positions of a transformed patch.
const POSITIONS: usize = SIDE * SIDE;
/// Channels that are packed together.
const GROUP: usize = 2 * WIDTH;
/// Fewest channels on either side: below, transforming costs what it saves.
const MIN_CHANNELS: usize = 64;
/// Most output channels: wider layers work on small pictures, where reading the larger kernel costs what is saved.
const MAX_CHANNELS_OUT: usize = 640;
/// Patches of one task, and fewer where those would not stay in L2.
const TASK_PATCHES: usize = 64;
const WIDE_TASK_PATCHES: usize = 32;
/// Input channels above which they would not.
const WIDE: usize = 320;

/// Whether a convolution of this kernel, these channels and this stride is computed so; the picture does not matter.
pub fn fits(shape: &ConvShape) -> bool {
    shape.kernel == (3, 3)
        && shape.stride == 1
        && shape.channels_in >= MIN_CHANNELS
        && shape.channels_in.is_multiple_of(GROUP)
        && (MIN_CHANNELS..=MAX_CHANNELS_OUT).contains(&shape.channels_out)
        && shape.channels_out.is_multiple_of(WIDTH)
}

/// Rows and columns of the operand that [`pack_weight`] fills.
pub fn packed_size(shape: &ConvShape) -> (usize, usize) {
    (shape.channels_in, POSITIONS * shape.channels_out)
}

/// Floating point operations: the products of sixteen positions for each 2×2 square, and the additions of both transforms.
pub fn flops(shape: &ConvShape) -> u64 {
    let (height, width) = shape.output();
    let squares = (shape.batch * height.div_ceil(2) * width.div_ceil(2)) as u64;
    let (ci, co) = (shape.channels_in as u64, shape.channels_out as u64);
    squares * (2 * POSITIONS as u64 * ci * co + 32 * ci + 24 * co)
}

/// Transforms and packs a weight for [`conv2d`]; `weight`: `[co, 3, 3, ci] f32`, `packed`: of [`packed_size`].
///
/// # Panics
/// When a size does not fit.
pub fn pack_weight(cpu: &Cpu, shape: &ConvShape, weight: &[f32], packed: &mut PackedMatrix) {
    shape.check();
    assert!(fits(shape) && weight.len() == shape.weight_len(), "weight is [co, 3, 3, ci]");
    assert_eq!((packed.k(), packed.n()), packed_size(shape), "packed is [ci, 16·co]");
    let (ci, panels) = (shape.channels_in, shape.channels_out / WIDTH);
    let (variant, lines) = packed.lines_mut();
    let steps = variant.steps(ci);
    cpu.pool.run_chunks(lines, steps, |panel, lines| {
        let (position, first) = (panel / panels, panel % panels * WIDTH);
        with_scratch(WIDTH * ci, |transformed| {
            for (i, row) in transformed.chunks_exact_mut(ci).enumerate() {
                let kernel = &weight[(first + i) * 9 * ci..(first + i + 1) * 9 * ci];
                transform_kernel(position, kernel, ci, variant.pairs(), row);
            }
            let b = Operand { data: transformed, stride: ci, outer: WIDTH, k: ci, k_major: false, patches: None };
            // SAFETY: `lines` are the steps of one panel; the variant's instructions were detected when `packed` was made.
            unsafe { variant.packer.right(&b, (0, 1), (0, ci), steps, lines.as_mut_ptr(), steps) };
        });
    });
}

/// One position of `G g Gᵀ` for all channels, in the order they are packed in; `kernel`: `[3, 3, ci]`.
fn transform_kernel(position: usize, kernel: &[f32], ci: usize, pairs: bool, out: &mut [f32]) {
    const G: [[f32; 3]; SIDE] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];
    let (row, column) = (G[position / SIDE], G[position % SIDE]);
    out.fill(0.0);
    for (tap, values) in kernel.chunks_exact(ci).enumerate() {
        let factor = row[tap / 3] * column[tap % 3];
        if factor != 0.0 {
            out.iter_mut().zip(values).for_each(|(out, value)| *out += factor * value);
        }
    }
    if pairs {
        for group in out.as_chunks_mut::<GROUP>().0 {
            // Word w of a group holds channels w and w + 16.
            let channels = *group;
            for (k, value) in group.iter_mut().enumerate() {
                *value = channels[k / 2 + k % 2 * WIDTH];
            }
        }
    }
}

/// `out = act(conv(x, weight) + bias) + residual`, as [`conv::conv2d`](crate::conv::conv2d).
///
/// `x`: `[B, H, W, ci] f32`; `packed`: by [`pack_weight`]; `out` and the residual: `[B, OH, OW, co] f32`.
///
/// # Panics
/// When a size does not fit.
pub fn conv2d(
    cpu: &Cpu,
    shape: &ConvShape,
    x: &[f32],
    packed: &PackedMatrix,
    epilogue: &Epilogue<'_>,
    out: &mut [f32],
) {
    let patches = shape.patches(x);
    assert!(fits(shape), "a convolution of 3x3 at stride 1");
    assert_eq!((packed.k(), packed.n()), packed_size(shape), "packed is [ci, 16·co]");
    assert_eq!(out.len(), shape.output_len(), "out is [B, OH, OW, co]");
    assert!(epilogue.bias.is_none_or(|bias| bias.len() == shape.channels_out), "bias size");
    assert!(epilogue.residual.is_none_or(|residual| residual.len() == out.len()), "residual size");
    let (height, width) = shape.output();
    let squares = (height.div_ceil(2), width.div_ceil(2));
    let (variant, lines) = packed.lines();
    let steps = variant.steps(shape.channels_in);
    let count = if shape.channels_in > WIDE { WIDE_TASK_PATCHES } else { TASK_PATCHES };
    let work = Work {
        patches: &patches,
        variant,
        lines,
        steps,
        count,
        // A line more than the steps, and after each position: places with the same remainder share few sets of the cache.
        stride: steps.next_multiple_of(WIDTH) + WIDTH,
        squares,
        output: (height, width),
        channels: shape.channels_out,
        epilogue,
        out: SendPtr(out.as_mut_ptr()),
    };
    let total = shape.batch * squares.0 * squares.1;
    let (words, sums) = (POSITIONS * work.position_words(), POSITIONS * work.position_sums());
    cpu.pool.run(total.div_ceil(count), |task| {
        let _configuration = variant.configure();
        with_scratch(words + sums + shape.channels_in, |scratch| {
            let (packed, scratch) = scratch.split_at_mut(words);
            let (sums, zeros) = scratch.split_at_mut(sums);
            zeros.fill(0.0);
            let first = task * count;
            cpu.isa.dispatch(Task { work: &work, first, count: count.min(total - first), packed, sums, zeros });
        });
    });
}

/// What the tasks of one convolution share.
struct Work<'a> {
    patches: &'a Patches<'a>,
    variant: Variant,
    /// The packed weight.
    lines: &'a [Line],
    /// Steps of a sum over the channels.
    steps: usize,
    /// Patches of a task.
    count: usize,
    /// Words of a packed row.
    stride: usize,
    /// Squares of 2×2 outputs in a picture.
    squares: (usize, usize),
    output: (usize, usize),
    /// Output channels.
    channels: usize,
    epilogue: &'a Epilogue<'a>,
    out: SendPtr<f32>,
}

impl Work<'_> {
    /// Words from one position's rows to the next's.
    fn position_words(&self) -> usize {
        self.count * self.stride + WIDTH
    }

    /// Values from one position's sums to the next's.
    fn position_sums(&self) -> usize {
        self.count * TILE_COLUMNS + WIDTH
    }

    /// The picture of square `i` of all, and its first output row and column.
    #[inline(always)]
    fn square(&self, i: usize) -> (usize, usize, usize) {
        let (line, x) = (i / self.squares.1, i % self.squares.1);
        (line / self.squares.0, 2 * (line % self.squares.0), 2 * x)
    }
}

/// Some squares of outputs, with the memory to work in.
struct Task<'a> {
    work: &'a Work<'a>,
    first: usize,
    count: usize,
    /// Transformed patches: rows of `stride` words for each position.
    packed: &'a mut [f32],
    /// Rows of 48 sums for each position.
    sums: &'a mut [f32],
    /// The channels of a pixel outside the picture.
    zeros: &'a [f32],
}

impl Kernel for Task<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        for i in 0..self.count {
            self.transform_patch(s, i);
        }
        let (_, tile_panels) = self.work.variant.micro.shape();
        let panels = self.work.channels / WIDTH;
        for panel in (0..panels).step_by(tile_panels) {
            let end = panels.min(panel + tile_panels);
            self.multiply(panel, end - panel);
            for i in 0..self.count {
                for column in (0..(end - panel) * WIDTH).step_by(S::LANES) {
                    self.transform_sums(s, i, panel * WIDTH, column);
                }
            }
        }
    }
}

impl Task<'_> {
    /// `Bᵀ d B` of patch `i` for all channels.
    #[inline(always)]
    fn transform_patch<S: Simd>(&mut self, s: S, i: usize) {
        let work = self.work;
        let patches = work.patches;
        let ci = patches.channels;
        let (item, y, x) = work.square(self.first + i);
        let mut pixels = [self.zeros; POSITIONS];
        for row in 0..SIDE {
            let Some(y) = patches.rows.index(y, row) else { continue };
            for column in 0..SIDE {
                let Some(x) = patches.columns.index(x, column) else { continue };
                let at = ((item * patches.rows.input + y) * patches.columns.input + x) * ci;
                pixels[row * SIDE + column] = &patches.data[at..at + ci];
            }
        }
        let row = i * work.stride;
        if work.variant.pairs() && S::LANES == WIDTH {
            for c in (0..ci).step_by(GROUP) {
                let even = transform(s, &pixels, c);
                let odd = transform(s, &pixels, c + WIDTH);
                for p in 0..POSITIONS {
                    let at = p * work.position_words() + row + c / 2;
                    s.store(s.bf16_pairs(even[p], odd[p]), &mut self.packed[at..]);
                }
            }
        } else {
            for c in (0..ci).step_by(S::LANES) {
                for (p, value) in transform(s, &pixels, c).into_iter().enumerate() {
                    s.store(value, &mut self.packed[p * work.position_words() + row + c..]);
                }
            }
        }
    }

    /// The sums of all positions and patches, for some panels of outputs.
    #[inline(always)]
    fn multiply(&mut self, panel: usize, panels: usize) {
        let Work { variant, lines, steps, stride, channels, .. } = *self.work;
        let (tile_rows, _) = variant.micro.shape();
        let (words, sums) = (self.work.position_words(), self.work.position_sums());
        assert!(self.packed.len() == POSITIONS * words && self.sums.len() == POSITIONS * sums);
        assert!(self.work.count.is_multiple_of(WIDTH) && steps <= stride && panel + panels <= channels / WIDTH);
        for position in 0..POSITIONS {
            let first = (position * (channels / WIDTH) + panel) * steps;
            let b = lines[first..first + panels * steps].as_ptr();
            for row in (0..self.count).step_by(tile_rows) {
                let rows = tile_rows.min(self.count - row);
                // SAFETY: the assertions: every position has `count` rows of more than the steps in `packed` and of 48 values in
                // `sums`, `count` is a multiple of 16, and the panels have their steps (the slice above). The steps of AMX
                // are a multiple of 16, and it is configured; the instructions were detected when the weight was packed.
                unsafe {
                    let block = Block {
                        a: self.packed.as_ptr().add(position * words + row * stride).cast(),
                        a_stride: stride,
                        b,
                        panel_lines: steps,
                        steps,
                        ahead: Fetch::nothing(b),
                    };
                    let out = self.sums.as_mut_ptr().add(position * sums + row * TILE_COLUMNS);
                    variant.micro.run(rows, panels, &block, Sums::tile(out.cast()));
                }
            }
        }
    }

    /// `Aᵀ m A` of patch `i` for some outputs from `column` of a tile on, whose first is output `first`, and what follows the sum.
    #[inline(always)]
    fn transform_sums<S: Simd>(&self, s: S, i: usize, first: usize, column: usize) {
        let work = self.work;
        let mut m = [s.zero(); POSITIONS];
        for (p, m) in m.iter_mut().enumerate() {
            *m = s.load(&self.sums[p * work.position_sums() + i * TILE_COLUMNS + column..]);
        }
        // Rows, then columns.
        let mut half = [[s.zero(); SIDE]; 2];
        for j in 0..SIDE {
            half[0][j] = s.add(s.add(m[j], m[SIDE + j]), m[2 * SIDE + j]);
            half[1][j] = s.sub(s.sub(m[SIDE + j], m[2 * SIDE + j]), m[3 * SIDE + j]);
        }
        let (item, y, x) = work.square(self.first + i);
        let channel = first + column;
        for (row, h) in half.into_iter().enumerate() {
            let outputs = [s.add(s.add(h[0], h[1]), h[2]), s.sub(s.sub(h[1], h[2]), h[3])];
            for (column, mut value) in outputs.into_iter().enumerate() {
                let (y, x) = (y + row, x + column);
                if y >= work.output.0 || x >= work.output.1 {
                    continue;
                }
                let at = ((item * work.output.0 + y) * work.output.1 + x) * work.channels + channel;
                if let Some(bias) = work.epilogue.bias {
                    value = s.add(value, s.load(&bias[channel..]));
                }
                value = match work.epilogue.activation {
                    Activation::None => value,
                    Activation::Silu => vecmath::silu(s, value),
                    Activation::Gelu => vecmath::gelu(s, value),
                    Activation::Tanh => vecmath::tanh(s, value),
                };
                if let Some(residual) = work.epilogue.residual {
                    value = s.add(value, s.load(&residual[at..]));
                }
                // SAFETY: the pixel is inside the output, whose size was checked, and the lanes inside its channels, a multiple of
                // 16; each square belongs to one task.
                unsafe { s.store_ptr(value, work.out.get().add(at)) };
            }
        }
    }
}

/// `Bᵀ d B` for the channels of a vector from `c` on.
#[inline(always)]
fn transform<S: Simd>(s: S, pixels: &[&[f32]; POSITIONS], c: usize) -> [S::F32; POSITIONS] {
    let mut d = [s.zero(); POSITIONS];
    for (d, pixel) in d.iter_mut().zip(pixels) {
        *d = s.load(&pixel[c..]);
    }
    // Rows, then columns.
    let mut rows = d;
    for j in 0..SIDE {
        let [a, b, c, d] = [d[j], d[SIDE + j], d[2 * SIDE + j], d[3 * SIDE + j]];
        rows[j] = s.sub(a, c);
        rows[SIDE + j] = s.add(b, c);
        rows[2 * SIDE + j] = s.sub(c, b);
        rows[3 * SIDE + j] = s.sub(b, d);
    }
    let mut out = rows;
    for i in (0..POSITIONS).step_by(SIDE) {
        let [a, b, c, d] = [rows[i], rows[i + 1], rows[i + 2], rows[i + 3]];
        out[i] = s.sub(a, c);
        out[i + 1] = s.add(b, c);
        out[i + 2] = s.sub(c, b);
        out[i + 3] = s.sub(b, d);
    }
    out
}
