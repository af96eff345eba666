//! The forward product, and the input's gradient, which is the same product of other operands.
//!
//! A packed pair of bf16 holds channels `c` and `c + 16` of a group of 32, so that packing needs no shuffles; kernels are
//! packed in the same order.

use std::marker::PhantomData;

use simd::{Kernel, Simd, vecmath};

use crate::Cpu;
use crate::conv::ConvShape;
use crate::gemm::driver::Variant;
use crate::gemm::micro::{Block, Sums, TILE_COLUMNS};
use crate::gemm::pack::{Fetch, Line, Operand, WIDTH};
use crate::gemm::patches::Patches;
use crate::gemm::{Activation, Epilogue, PackedMatrix, Precision};
use crate::pool::SendPtr;
use crate::rows::with_scratch;
use crate::winograd::form::{Form, Four, Two, both_ways};
use crate::winograd::{GROUP, Squares, fits, packed_size, pixels, transposed};

/// Patches of a task: so many that they and their sums stay in L2, or where channels are many, that the kernel is read seldom;
/// fewer where threads would wait for each other.
fn patches_of_a_task(side: usize, channels: usize, squares: usize, threads: usize) -> usize {
    let most = match side {
        4 if channels > 320 => 32,
        6 if channels <= 256 => 16,
        _ => 64,
    };
    let rounds = squares.div_ceil(most * threads).max(1);
    squares.div_ceil(rounds * threads).next_multiple_of(WIDTH).clamp(WIDTH, most)
}

/// Input channels of a kernel that are transformed at a time: all their positions stay in L2.
const PACKED_CHANNELS: usize = 128;

/// Transforms and packs a weight for [`conv2d`]; `weight`: `[co, 3, 3, ci] f32`, `packed`: of [`packed_size`].
///
/// # Panics
/// When a size does not fit.
pub fn pack_weight(cpu: &Cpu, shape: &ConvShape, weight: &[f32], packed: &mut PackedMatrix) {
    shape.check();
    assert!(fits(shape) && weight.len() == shape.weight_len(), "weight is [co, 3, 3, ci]");
    check_size(shape, packed);
    match packed.precision() {
        Precision::F32 => pack::<Four, 6, 4>(cpu, shape.channels_in, weight, packed),
        Precision::Bf16 => pack::<Two, 4, 2>(cpu, shape.channels_in, weight, packed),
    }
}

/// [`pack_weight`] in one form. A panel of output channels has its positions one after the other.
fn pack<F: Form<SIDE, OUT>, const SIDE: usize, const OUT: usize>(
    cpu: &Cpu,
    ci: usize,
    weight: &[f32],
    packed: &mut PackedMatrix,
) {
    let (variant, lines) = packed.lines_mut();
    let steps = variant.steps(ci);
    cpu.pool.run_chunks(lines, SIDE * SIDE * steps, |panel, lines| {
        let kernels = &weight[panel * WIDTH * 9 * ci..][..WIDTH * 9 * ci];
        with_scratch(SIDE * SIDE * WIDTH * PACKED_CHANNELS, |transformed| {
            for first in (0..ci).step_by(PACKED_CHANNELS) {
                let channels = PACKED_CHANNELS.min(ci - first);
                let transformed = &mut transformed[..SIDE * SIDE * WIDTH * channels];
                let form = PhantomData::<F>;
                cpu.isa.dispatch(TransformKernels { kernels, ci, first, channels, transformed, form });
                if variant.pairs() {
                    order_pairs(transformed);
                }
                for (position, data) in transformed.chunks_exact(WIDTH * channels).enumerate() {
                    let b =
                        Operand { data, stride: channels, outer: WIDTH, k: channels, k_major: false, patches: None };
                    let steps_of = variant.steps(channels);
                    let to = &mut lines[position * steps + variant.steps(first)..][..steps_of];
                    // SAFETY: `to` are the steps of these channels; the variant's instructions were detected when `packed` was made.
                    unsafe { variant.packer.right(&b, (0, 1), (0, channels), steps_of, to.as_mut_ptr(), steps_of) };
                }
            }
        });
    });
}

/// Flips, transposes, transforms and packs a weight for [`conv2d_input_gradient`]; `weight`: `[co, 3, 3, ci] f32`, `packed`: of
/// [`packed_size`] of the [`transposed`] shape.
///
/// # Panics
/// When a size does not fit.
pub fn pack_transposed_weight(cpu: &Cpu, shape: &ConvShape, weight: &[f32], packed: &mut PackedMatrix) {
    let transposed = transposed(shape).expect("a convolution whose input gradient is computed so");
    assert_eq!(weight.len(), shape.weight_len(), "weight is [co, 3, 3, ci]");
    let (ci, co) = (shape.channels_in, shape.channels_out);
    with_scratch(weight.len(), |flipped| {
        cpu.pool.run_chunks(flipped, 9 * co, |i, kernel| {
            for (tap, values) in kernel.chunks_exact_mut(co).enumerate() {
                let from = weight[(8 - tap) * ci + i..].iter().step_by(9 * ci);
                values.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
        });
        pack_weight(cpu, &transposed, flipped, packed);
    });
}

fn check_size(shape: &ConvShape, packed: &PackedMatrix) {
    let size = packed_size(packed.precision(), shape);
    assert_eq!((packed.k(), packed.n()), size, "packed is [ci, positions·co]");
}

/// `G g Gᵀ` of a panel's kernels for some channels.
struct TransformKernels<'a, F, const SIDE: usize, const OUT: usize> {
    /// `[16, 3, 3, ci]`
    kernels: &'a [f32],
    ci: usize,
    first: usize,
    channels: usize,
    /// `[positions][16][channels]`
    transformed: &'a mut [f32],
    form: PhantomData<F>,
}

impl<F: Form<SIDE, OUT>, const SIDE: usize, const OUT: usize> Kernel for TransformKernels<'_, F, SIDE, OUT> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { kernels, ci, first, channels, transformed, .. } = self;
        for (i, kernel) in kernels.chunks_exact(9 * ci).enumerate() {
            for c in (0..channels).step_by(S::LANES) {
                let mut taps = [s.zero(); 9];
                for (tap, values) in taps.iter_mut().zip(kernel.chunks_exact(ci)) {
                    *tap = s.load(&values[first + c..]);
                }
                for position in 0..SIDE * SIDE {
                    let (row, column) = (F::KERNEL[position / SIDE], F::KERNEL[position % SIDE]);
                    let mut sum = s.zero();
                    for (tap, value) in taps.into_iter().enumerate() {
                        let factor = row[tap / 3] * column[tap % 3];
                        if factor != 0.0 {
                            sum = s.add(sum, s.mul(s.splat(factor), value));
                        }
                    }
                    s.store(sum, &mut transformed[(position * WIDTH + i) * channels + c..]);
                }
            }
        }
    }
}

/// Brings channels into the order that they are packed in as pairs: word w of a group holds channels w and w + 16.
fn order_pairs(channels: &mut [f32]) {
    for group in channels.as_chunks_mut::<GROUP>().0 {
        let before = *group;
        for (k, value) in group.iter_mut().enumerate() {
            *value = before[k / 2 + k % 2 * WIDTH];
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
    assert!(fits(shape), "a convolution of 3x3 at stride 1");
    check_size(shape, packed);
    assert_eq!(out.len(), shape.output_len(), "out is [B, OH, OW, co]");
    assert!(epilogue.bias.is_none_or(|bias| bias.len() == shape.channels_out), "bias size");
    assert!(epilogue.residual.is_none_or(|residual| residual.len() == out.len()), "residual size");
    match packed.precision() {
        Precision::F32 => product::<Four, 6, 4>(cpu, shape, x, packed, epilogue, out),
        Precision::Bf16 => product::<Two, 4, 2>(cpu, shape, x, packed, epilogue, out),
    }
}

/// [`conv2d`] in one form.
fn product<F: Form<SIDE, OUT>, const SIDE: usize, const OUT: usize>(
    cpu: &Cpu,
    shape: &ConvShape,
    x: &[f32],
    packed: &PackedMatrix,
    epilogue: &Epilogue<'_>,
    out: &mut [f32],
) {
    let patches = shape.patches(x);
    let squares = Squares::new(shape, OUT);
    let (variant, lines) = packed.lines();
    let steps = variant.steps(shape.channels_in);
    let count = patches_of_a_task(SIDE, shape.channels_in, squares.count(), cpu.pool.threads());
    let work = Work {
        patches: &patches,
        variant,
        lines,
        steps,
        count,
        // A line more than the steps, and after each position: places with the same remainder share few sets of the cache.
        stride: steps.next_multiple_of(WIDTH) + WIDTH,
        squares,
        output: shape.output(),
        channels: shape.channels_out,
        epilogue,
        out: SendPtr(out.as_mut_ptr()),
    };
    let total = squares.count();
    let (words, sums) = (SIDE * SIDE * work.position_words(), SIDE * SIDE * work.position_sums());
    cpu.pool.run(total.div_ceil(count), |task| {
        let _configuration = variant.configure();
        with_scratch(words + sums + shape.channels_in, |scratch| {
            let (packed, scratch) = scratch.split_at_mut(words);
            let (sums, zeros) = scratch.split_at_mut(sums);
            zeros.fill(0.0);
            let first = task * count;
            let (count, form) = (count.min(total - first), PhantomData::<F>);
            cpu.isa.dispatch(Task { work: &work, first, count, packed, sums, zeros, form });
        });
    });
}

/// Backward of [`conv2d`] without its epilogue: the input's gradient, overwritten.
///
/// `dy`: `[B, OH, OW, co] f32`; `packed`: by [`pack_transposed_weight`]; `dx`: `[B, H, W, ci] f32`.
///
/// # Panics
/// When a size does not fit.
pub fn conv2d_input_gradient(cpu: &Cpu, shape: &ConvShape, dy: &[f32], packed: &PackedMatrix, dx: &mut [f32]) {
    let transposed = transposed(shape).expect("a convolution whose input gradient is computed so");
    conv2d(cpu, &transposed, dy, packed, &Epilogue::default(), dx);
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
    squares: Squares,
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
}

/// Some squares of outputs, with the memory to work in.
struct Task<'a, F, const SIDE: usize, const OUT: usize> {
    work: &'a Work<'a>,
    first: usize,
    count: usize,
    /// Transformed patches: rows of `stride` words for each position.
    packed: &'a mut [f32],
    /// Rows of 48 sums for each position.
    sums: &'a mut [f32],
    /// The channels of a pixel outside the picture.
    zeros: &'a [f32],
    form: PhantomData<F>,
}

impl<F: Form<SIDE, OUT>, const SIDE: usize, const OUT: usize> Kernel for Task<'_, F, SIDE, OUT> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        for i in 0..self.count {
            self.transform_patch(s, i);
        }
        let panels = self.work.channels / WIDTH;
        let mut panel = 0;
        while panel < panels {
            let count = self.work.variant.micro.panels(panels - panel);
            self.multiply(panel, count);
            for i in 0..self.count {
                for column in (0..count * WIDTH).step_by(S::LANES) {
                    self.transform_sums(s, i, panel * WIDTH, column);
                }
            }
            panel += count;
        }
    }
}

impl<F: Form<SIDE, OUT>, const SIDE: usize, const OUT: usize> Task<'_, F, SIDE, OUT> {
    /// `Bᵀ d B` of patch `i` for all channels.
    #[inline(always)]
    fn transform_patch<S: Simd>(&mut self, s: S, i: usize) {
        let work = self.work;
        let ci = work.patches.channels;
        let pixels = pixels::<SIDE>(work.patches, work.squares.get(self.first + i), (0, ci), self.zeros);
        let (words, row) = (work.position_words(), i * work.stride);
        let in_pairs = work.variant.pairs() && S::LANES == WIDTH;
        let written = if in_pairs { ci / 2 } else { ci };
        assert!(ci.is_multiple_of(GROUP) && row + written <= words && self.packed.len() == SIDE * SIDE * words);
        let packed = self.packed.as_mut_ptr();
        let (mut columns, mut odd) = ([[s.zero(); SIDE]; SIDE], [[s.zero(); SIDE]; SIDE]);
        // SAFETY: every pixel has `ci` channels, a multiple of a vector's (the assertion), and so many words of every position
        // follow the row's first.
        unsafe {
            if in_pairs {
                let mut pair = odd;
                for c in (0..ci).step_by(GROUP) {
                    both_ways!(s, F::patch, columns, |i, j| s.load_ptr(pixels[i][j].add(c + WIDTH)), |i, j, value| {
                        pair[i][j] = value;
                    });
                    both_ways!(s, F::patch, odd, |i, j| s.load_ptr(pixels[i][j].add(c)), |i, j, value| {
                        let at = (i * SIDE + j) * words + row + c / 2;
                        s.store_ptr(s.bf16_pairs(value, pair[i][j]), packed.add(at));
                    });
                }
            } else {
                for c in (0..ci).step_by(S::LANES) {
                    both_ways!(s, F::patch, columns, |i, j| s.load_ptr(pixels[i][j].add(c)), |i, j, value| {
                        s.store_ptr(value, packed.add((i * SIDE + j) * words + row + c));
                    });
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
        assert!(self.packed.len() == SIDE * SIDE * words && self.sums.len() == SIDE * SIDE * sums);
        assert!(self.work.count.is_multiple_of(WIDTH) && steps <= stride && panel + panels <= channels / WIDTH);
        for position in 0..SIDE * SIDE {
            let first = (panel * SIDE * SIDE + position) * steps;
            let b = lines[first..first + ((panels - 1) * SIDE * SIDE + 1) * steps].as_ptr();
            for row in (0..self.count).step_by(tile_rows) {
                let rows = tile_rows.min(self.count - row);
                // SAFETY: the assertions: every position has `count` rows of more than the steps in `packed` and of 48 values in
                // `sums`, `count` is a multiple of 16, and the panels have their steps (the slice above). The steps of AMX
                // are a multiple of 16, and it is configured; the instructions were detected when the weight was packed.
                unsafe {
                    let block = Block {
                        a: self.packed.as_ptr().add(position * words + row * stride).cast(),
                        a_stride: stride,
                        is_turned: false,
                        b,
                        panel_lines: SIDE * SIDE * steps,
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
        let (item, y, x) = work.squares.get(self.first + i);
        let channel = first + column;
        let (sums, start) = (work.position_sums(), i * TILE_COLUMNS + column);
        assert!(start + S::LANES <= sums && self.sums.len() == SIDE * SIDE * sums);
        let from = self.sums.as_ptr();
        let mut columns = [[s.zero(); SIDE]; OUT];
        both_ways!(
            s,
            F::outputs,
            columns,
            // SAFETY: the assertion: every position has its sums from `start` on.
            |i, j| unsafe { s.load_ptr(from.add((i * SIDE + j) * sums + start)) },
            |i, j, value| self.finish(s, (item, y + i, x + j), channel, value)
        );
    }

    /// What follows the sums of some outputs of a pixel, if it is inside the picture.
    #[inline(always)]
    fn finish<S: Simd>(&self, s: S, (item, y, x): (usize, usize, usize), channel: usize, mut value: S::F32) {
        let work = self.work;
        if y >= work.output.0 || x >= work.output.1 {
            return;
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
