//! The kernel's gradient. For each of the sixteen positions it is a product of transformed outputs and transformed patches, summed
//! over all squares, 32 of them at a time: they and the sums of 64 × 64 channels stay in L2. In f32 micro-kernels read transformed
//! values where they are; otherwise they are packed.
//!
//! Tasks are blocks of channels and slices of the squares, as many as the shape says; the sums of the slices are added in order.

use simd::{Kernel, Simd};

use crate::Cpu;
use crate::conv::ConvShape;
use crate::gemm::Precision;
use crate::gemm::driver::Variant;
use crate::gemm::micro::{Block, Sums, TILE_COLUMNS, TILE_ROWS, Tile};
use crate::gemm::pack::{Fetch, Line, Operand, WIDTH};
use crate::gemm::patches::Patches;
use crate::rows::with_scratch;
use crate::winograd::{POSITIONS, SIDE, Squares, fits, pixels, transform};

/// Channels of a block, on either side.
const BLOCK: usize = 64;
/// Squares that are multiplied together: as many as AMX wants steps, in pairs.
const CHUNK: usize = 32;
/// Wanted tasks: enough to balance a few threads, few enough to keep adding their sums cheap.
const TASKS: usize = 16;
/// Fewest squares of a slice.
const MIN_SLICE: usize = 8 * CHUNK;
/// Values of one position of a chunk, a line more than they need: those of sixteen positions share few sets of the cache.
const CHUNK_VALUES: usize = CHUNK * BLOCK + WIDTH;
/// Words from one packed row to the next.
const ROW_WORDS: usize = CHUNK + WIDTH;
/// Sums of a block.
const BLOCK_SUMS: usize = POSITIONS * BLOCK * BLOCK;
/// Kernels, one for each output channel, of a task of the last step.
const KERNELS: usize = 4;

/// Backward of [`conv2d`](super::conv2d) without its epilogue: the weight's gradient, overwritten.
///
/// `dy`: `[B, OH, OW, co] f32`; `x`: `[B, H, W, ci] f32`; `dw`: `[co, 3, 3, ci] f32`.
///
/// # Panics
/// When a size does not fit.
pub fn conv2d_weight_gradient(
    cpu: &Cpu,
    precision: Precision,
    shape: &ConvShape,
    dy: &[f32],
    x: &[f32],
    dw: &mut [f32],
) {
    gradient(cpu, precision, shape, dy, x, false, dw);
}

/// As [`conv2d_weight_gradient`], added to what is there.
///
/// # Panics
/// When a size does not fit.
pub fn conv2d_weight_gradient_add(
    cpu: &Cpu,
    precision: Precision,
    shape: &ConvShape,
    dy: &[f32],
    x: &[f32],
    dw: &mut [f32],
) {
    gradient(cpu, precision, shape, dy, x, true, dw);
}

fn gradient(cpu: &Cpu, precision: Precision, shape: &ConvShape, dy: &[f32], x: &[f32], is_added: bool, dw: &mut [f32]) {
    let patches = shape.patches(x);
    assert!(fits(shape), "a convolution of 3x3 at stride 1");
    assert_eq!(dy.len(), shape.output_len(), "dy is [B, OH, OW, co]");
    assert_eq!(dw.len(), shape.weight_len(), "dw is [co, 3, 3, ci]");
    let work = Work::new(Variant::new(cpu.isa, precision), shape, &patches, dy);
    with_scratch(work.tasks() * BLOCK_SUMS, |sums| {
        cpu.pool.run_chunks(sums, BLOCK_SUMS, |task, sums| {
            let _configuration = work.variant.configure();
            with_scratch(Memory::LEN, |memory| {
                cpu.isa.dispatch(Task { work: &work, task, memory: Memory::new(memory), sums });
            });
        });
        let kernel = 9 * shape.channels_in;
        cpu.pool.run_chunks(dw, KERNELS * kernel, |task, dw| {
            cpu.isa.dispatch(Finish { work: &work, sums, first: task * KERNELS, is_added, dw });
        });
    });
}

/// What the tasks of one gradient share.
struct Work<'a> {
    variant: Variant,
    patches: &'a Patches<'a>,
    dy: &'a [f32],
    output: (usize, usize),
    squares: Squares,
    /// Channels of the output and of the input.
    channels: (usize, usize),
    /// Blocks of both.
    blocks: (usize, usize),
    slices: usize,
}

impl<'a> Work<'a> {
    fn new(variant: Variant, shape: &ConvShape, patches: &'a Patches<'a>, dy: &'a [f32]) -> Self {
        let (squares, channels) = (Squares::new(shape), (shape.channels_out, shape.channels_in));
        let blocks = (channels.0.div_ceil(BLOCK), channels.1.div_ceil(BLOCK));
        let slices = TASKS.div_ceil(blocks.0 * blocks.1).min(squares.count().div_ceil(MIN_SLICE)).max(1);
        Self { variant, patches, dy, output: shape.output(), squares, channels, blocks, slices }
    }

    fn tasks(&self) -> usize {
        self.slices * self.blocks.0 * self.blocks.1
    }

    /// The task of a slice and a block.
    fn task(&self, slice: usize, (out, input): (usize, usize)) -> usize {
        (slice * self.blocks.0 + out) * self.blocks.1 + input
    }

    /// The first square of a slice and the one after its last.
    fn slice(&self, slice: usize) -> (usize, usize) {
        let (count, chunks) = (self.squares.count(), self.squares.count().div_ceil(CHUNK));
        let start = |slice: usize| (chunks * slice / self.slices * CHUNK).min(count);
        (start(slice), start(slice + 1))
    }
}

/// What a task works in.
struct Memory<'a> {
    /// Transformed outputs, `[16][32 squares][64 channels]`.
    outputs: &'a mut [f32],
    /// Transformed patches: the same, or panels `[16][4][32 squares][16 channels]`.
    patches: &'a mut [f32],
    /// Packed rows of one position.
    left: &'a mut [f32],
    /// Packed panels of one position.
    right: &'a mut [f32],
    /// The channels of a pixel outside the picture.
    zeros: &'a [f32],
}

impl<'a> Memory<'a> {
    const LEFT: usize = BLOCK * ROW_WORDS;
    const RIGHT: usize = BLOCK * CHUNK;
    const LEN: usize = 2 * POSITIONS * CHUNK_VALUES + Self::LEFT + Self::RIGHT + BLOCK;

    fn new(memory: &'a mut [f32]) -> Self {
        let (outputs, memory) = memory.split_at_mut(POSITIONS * CHUNK_VALUES);
        let (patches, memory) = memory.split_at_mut(POSITIONS * CHUNK_VALUES);
        let (left, memory) = memory.split_at_mut(Self::LEFT);
        let (right, zeros) = memory.split_at_mut(Self::RIGHT);
        zeros.fill(0.0);
        Self { outputs, patches, left, right, zeros }
    }
}

/// The sums of a block over a slice.
struct Task<'a> {
    work: &'a Work<'a>,
    task: usize,
    memory: Memory<'a>,
    /// `[16][channels out][channels in]`
    sums: &'a mut [f32],
}

impl Kernel for Task<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let work = self.work;
        let (place, input) = (self.task / work.blocks.1, self.task % work.blocks.1);
        let (slice, out) = (place / work.blocks.0, place % work.blocks.0);
        let block = |channels: usize, block: usize| (block * BLOCK, BLOCK.min(channels - block * BLOCK));
        let (rows, columns) = (block(work.channels.0, out), block(work.channels.1, input));
        let (start, end) = work.slice(slice);
        if start == end {
            self.sums.fill(0.0);
        }
        for first in (start..end).step_by(CHUNK) {
            let count = CHUNK.min(end - first);
            for i in 0..count {
                self.transform_outputs(s, first + i, i, rows);
                self.transform_patch(s, first + i, i, columns);
            }
            for position in 0..POSITIONS {
                self.multiply(position, count, (rows.1, columns.1), first > start);
            }
        }
    }
}

impl Task<'_> {
    /// `A dy Aᵀ` of a square for some output channels.
    #[inline(always)]
    fn transform_outputs<S: Simd>(&mut self, s: S, square: usize, i: usize, (channel, channels): (usize, usize)) {
        let work = self.work;
        let (item, y, x) = work.squares.get(square);
        let mut outputs = [self.memory.zeros; 4];
        for (output, (row, column)) in outputs.iter_mut().zip([(0, 0), (0, 1), (1, 0), (1, 1)]) {
            if y + row < work.output.0 && x + column < work.output.1 {
                let pixel = (item * work.output.0 + y + row) * work.output.1 + x + column;
                let at = pixel * work.channels.0 + channel;
                *output = &work.dy[at..at + channels];
            }
        }
        for c in (0..channels).step_by(S::LANES) {
            let [a, b] = [s.load(&outputs[0][c..]), s.load(&outputs[1][c..])];
            let [d, e] = [s.load(&outputs[2][c..]), s.load(&outputs[3][c..])];
            // Columns of two, then rows.
            let lines = [[a, b], [s.add(a, d), s.add(b, e)], [s.sub(a, d), s.sub(b, e)], [d, e]];
            for (row, [left, right]) in lines.into_iter().enumerate() {
                // The last row and column are those of A with the other sign, and so is the last of the sums' transform.
                let values = [left, s.add(left, right), s.sub(left, right), right];
                for (column, value) in values.into_iter().enumerate() {
                    let at = (row * SIDE + column) * CHUNK_VALUES + i * BLOCK + c;
                    s.store(value, &mut self.memory.outputs[at..]);
                }
            }
        }
    }

    /// `Bᵀ d B` of a square's patch for some input channels.
    #[inline(always)]
    fn transform_patch<S: Simd>(&mut self, s: S, square: usize, i: usize, channels: (usize, usize)) {
        let patch = pixels(self.work.patches, self.work.squares.get(square), channels, self.memory.zeros);
        for c in (0..channels.1).step_by(S::LANES) {
            let place = match self.work.variant.plain() {
                true => (c / WIDTH * CHUNK + i) * WIDTH + c % WIDTH,
                false => i * BLOCK + c,
            };
            for (position, value) in transform(s, &patch, c).into_iter().enumerate() {
                s.store(value, &mut self.memory.patches[position * CHUNK_VALUES + place..]);
            }
        }
    }

    /// One position's products of `count` squares, added to its sums unless they are the first.
    #[inline(always)]
    fn multiply(&mut self, position: usize, count: usize, (rows, columns): (usize, usize), is_added: bool) {
        let variant = self.work.variant;
        let (steps, panels) = (variant.steps(count), columns / WIDTH);
        let Memory { outputs, patches, left, right, .. } = &mut self.memory;
        let values = position * CHUNK_VALUES..(position + 1) * CHUNK_VALUES;
        let (outputs, patches) = (&outputs[values.clone()], &patches[values]);
        let sums = &mut self.sums[position * BLOCK * BLOCK..(position + 1) * BLOCK * BLOCK];
        assert!(steps <= CHUNK && rows <= BLOCK && columns <= BLOCK && columns.is_multiple_of(WIDTH));
        assert!(left.len() == Memory::LEFT && right.len() == Memory::RIGHT);
        let is_turned = variant.plain();
        let (a, a_stride, b) = if is_turned {
            (outputs.as_ptr(), BLOCK, patches.as_ptr())
        } else {
            let operand = |data, outer| Operand { data, stride: BLOCK, outer, k: count, k_major: true, patches: None };
            // SAFETY: the assertions: there is room for 64 rows and 4 panels of 32 steps; the variant's instructions were detected.
            unsafe {
                let to = left.as_mut_ptr().cast();
                variant.packer.left(&operand(outputs, rows), 0, rows, (0, count), steps, to, ROW_WORDS);
                let to = right.as_mut_ptr().cast();
                variant.packer.right(&operand(patches, columns), (0, panels), (0, count), steps, to, CHUNK);
            }
            (left.as_ptr(), ROW_WORDS, right.as_ptr())
        };
        let (tile_rows, _) = variant.micro.shape();
        let mut tile = Tile([[0.0; TILE_COLUMNS]; TILE_ROWS]);
        let mut panel = 0;
        while panel < panels {
            let wide = variant.micro.panels(panels - panel);
            for row in (0..rows).step_by(tile_rows) {
                let high = tile_rows.min(rows - row);
                let at = row * BLOCK + panel * WIDTH;
                // SAFETY: both operands have their steps: packed ones by the assertions, f32 as it is for 32 squares of 64 channels;
                // the memory begins at a cache line, and its parts are multiples of one. AMX reads whole tiles of 32 rows, of
                // which there are two, is configured, and has a multiple of 16 steps. The sums are 64 rows of 64.
                unsafe {
                    let b = b.cast::<Line>().add(panel * CHUNK);
                    let a = a.add(if is_turned { row } else { row * a_stride }).cast();
                    let ahead = Fetch::nothing(b);
                    let block = Block { a, a_stride, is_turned, b, panel_lines: CHUNK, steps, ahead };
                    if variant.micro.writes_output() {
                        let out = sums.as_mut_ptr().add(at);
                        let added = if is_added { out } else { std::ptr::null_mut() };
                        variant.micro.run(high, wide, &block, Sums::output(out, BLOCK, added));
                        continue;
                    }
                    variant.micro.run(high, wide, &block, Sums::tile(tile.0.as_mut_ptr()));
                }
                for (i, values) in tile.0[..high].iter().enumerate() {
                    let sums = &mut sums[at + i * BLOCK..][..wide * WIDTH];
                    for (sum, value) in sums.iter_mut().zip(values) {
                        *sum = if is_added { *sum + value } else { *value };
                    }
                }
            }
            panel += wide;
        }
    }
}

/// `Gᵀ sums G` of some kernels, the slices added before.
struct Finish<'a> {
    work: &'a Work<'a>,
    sums: &'a [f32],
    /// The first output channel.
    first: usize,
    is_added: bool,
    /// `[kernels, 3, 3, ci]`
    dw: &'a mut [f32],
}

impl Kernel for Finish<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { work, sums, first, is_added, dw } = self;
        let ci = work.channels.1;
        for (i, kernel) in dw.chunks_exact_mut(9 * ci).enumerate() {
            let (out, row) = ((first + i) / BLOCK, (first + i) % BLOCK);
            for c in (0..ci).step_by(S::LANES) {
                let mut m = [s.zero(); POSITIONS];
                for slice in 0..work.slices {
                    let block = work.task(slice, (out, c / BLOCK)) * BLOCK_SUMS;
                    for (position, m) in m.iter_mut().enumerate() {
                        let at = block + (position * BLOCK + row) * BLOCK + c % BLOCK;
                        *m = s.add(*m, s.load(&sums[at..]));
                    }
                }
                for (tap, value) in transform_sums(s, &m).into_iter().enumerate() {
                    let place = &mut kernel[tap * ci + c..];
                    let value = if is_added { s.add(s.load(place), value) } else { value };
                    s.store(value, place);
                }
            }
        }
    }
}

/// `Gᵀ m G`, with the sign that [`Task::transform_outputs`] left out.
#[inline(always)]
fn transform_sums<S: Simd>(s: S, m: &[S::F32; POSITIONS]) -> [S::F32; 9] {
    let mut rows = [[s.zero(); SIDE]; 3];
    for j in 0..SIDE {
        let column = transform_four(s, [m[j], m[SIDE + j], m[2 * SIDE + j], m[3 * SIDE + j]]);
        for (row, value) in rows.iter_mut().zip(column) {
            row[j] = value;
        }
    }
    let mut out = [s.zero(); 9];
    for (row, out) in rows.into_iter().zip(out.chunks_exact_mut(3)) {
        out.copy_from_slice(&transform_four(s, row));
    }
    out
}

/// `Gᵀ` times four values, the last with the other sign.
#[inline(always)]
fn transform_four<S: Simd>(s: S, [a, b, c, d]: [S::F32; SIDE]) -> [S::F32; 3] {
    let half = s.splat(0.5);
    let (sum, difference) = (s.mul(half, s.add(b, c)), s.mul(half, s.sub(b, c)));
    [s.add(a, sum), difference, s.sub(sum, d)]
}
