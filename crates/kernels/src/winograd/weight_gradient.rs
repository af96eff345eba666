//! The kernel's gradient. For each position it is a product of transformed outputs and transformed patches, summed over all squares,
//! 32 or 64 of them at a time: they and the sums of a block of channels stay in L2. Micro-kernels read transformed values where
//! they are, in f32 or as pairs of bf16; what AMX multiplies, and f32 that must be rounded, is packed.
//!
//! Tasks are blocks of channels and slices of the squares, as many as the shape says; the sums of the slices are added in order.

use std::marker::PhantomData;

use simd::{Kernel, Simd};

use crate::Cpu;
use crate::conv::ConvShape;
use crate::gemm::driver::Variant;
use crate::gemm::micro::{Block, Sums, TILE_COLUMNS, TILE_ROWS, Tile};
use crate::gemm::pack::{Fetch, Line, Operand, WIDTH};
use crate::gemm::patches::Patches;
use crate::gemm::{Precision, Update};
use crate::rows::with_scratch;
use crate::winograd::form::{Form, Four, Two, both_ways};
use crate::winograd::{Squares, fits, pixels};

/// Output channels of a block.
const BLOCK: usize = 64;
/// Steps that are multiplied together. A step is a square, where two are stored as a pair both; 32 squares that are packed as pairs are the 16 steps
/// that AMX wants.
const CHUNK: usize = 32;
/// Wanted tasks: enough to balance a few threads, few enough to keep adding their sums cheap.
const TASKS: usize = 8;
/// Fewest squares of a slice.
const MIN_SLICE: usize = 8 * CHUNK;
/// Words from one packed row to the next.
const ROW_WORDS: usize = CHUNK + WIDTH;
/// Kernels, one for each output channel, of a task of the last step.
const KERNELS: usize = 4;

/// Input channels of a block: fewer where there are more positions.
const fn block_in(side: usize) -> usize {
    if side == 4 { 64 } else { 32 }
}

/// Values of one position of a chunk of `channels`, a line more than they need: those of all positions share few sets of the cache.
const fn chunk_values(channels: usize) -> usize {
    CHUNK * channels + WIDTH
}

/// Sums of a block.
const fn block_sums(side: usize) -> usize {
    side * side * BLOCK * block_in(side)
}

/// Backward of [`conv2d`](super::conv2d) without its epilogue: the weight's gradient.
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
    update: Update,
    dw: &mut [f32],
) {
    assert!(fits(shape), "a convolution of 3x3 at stride 1");
    assert_eq!(dy.len(), shape.output_len(), "dy is [B, OH, OW, co]");
    assert_eq!(dw.len(), shape.weight_len(), "dw is [co, 3, 3, ci]");
    match precision {
        Precision::F32 => gradient_of::<Four, 6, 4>(cpu, precision, shape, dy, x, update, dw),
        Precision::Bf16 => gradient_of::<Two, 4, 2>(cpu, precision, shape, dy, x, update, dw),
    }
}

fn gradient_of<F: Form<SIDE, OUT>, const SIDE: usize, const OUT: usize>(
    cpu: &Cpu,
    precision: Precision,
    shape: &ConvShape,
    dy: &[f32],
    x: &[f32],
    update: Update,
    dw: &mut [f32],
) {
    let patches = shape.patches(x);
    let work = Work::new(Variant::new(cpu.isa, precision), shape, SIDE, &patches, dy);
    let (block_sums, form) = (block_sums(SIDE), PhantomData::<F>);
    with_scratch(work.tasks() * block_sums, |sums| {
        cpu.pool.run_chunks(sums, block_sums, |task, sums| {
            let _configuration = work.variant.configure();
            with_scratch(Memory::<SIDE>::LEN, |memory| {
                cpu.isa.dispatch(Task { work: &work, task, memory: Memory::<SIDE>::new(memory), sums, form });
            });
        });
        let kernel = 9 * shape.channels_in;
        cpu.pool.run_chunks(dw, KERNELS * kernel, |task, dw| {
            cpu.isa.dispatch(Finish { work: &work, sums, first: task * KERNELS, update, dw, form });
        });
    });
}

/// How the transformed values of squares stand in memory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stored {
    /// As words that micro-kernels read where they are: f32.
    Plain,
    /// Likewise: two squares as pairs of bf16.
    Pairs,
    /// As f32 that is packed before it is multiplied.
    Unpacked,
}

impl Stored {
    fn new(variant: Variant) -> Self {
        match variant.micro.reads_turned() {
            true if variant.plain() => Self::Plain,
            true if variant.pairs() => Self::Pairs,
            _ => Self::Unpacked,
        }
    }
}

/// What the tasks of one gradient share.
struct Work<'a> {
    variant: Variant,
    stored: Stored,
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
    fn new(variant: Variant, shape: &ConvShape, side: usize, patches: &'a Patches<'a>, dy: &'a [f32]) -> Self {
        let (squares, channels) = (Squares::new(shape, side - 2), (shape.channels_out, shape.channels_in));
        let blocks = (channels.0.div_ceil(BLOCK), channels.1.div_ceil(block_in(side)));
        let slices = TASKS.div_ceil(blocks.0 * blocks.1).min(squares.count().div_ceil(MIN_SLICE)).max(1);
        let stored = Stored::new(variant);
        Self { variant, stored, patches, dy, output: shape.output(), squares, channels, blocks, slices }
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
struct Memory<'a, const SIDE: usize> {
    /// Transformed outputs, `[positions][32 steps][channels]`.
    outputs: &'a mut [f32],
    /// Transformed patches: the same, or, if micro-kernels read them where they are, panels `[positions][panels][32 steps][16 channels]`.
    patches: &'a mut [f32],
    /// Packed rows of one position.
    left: &'a mut [f32],
    /// Packed panels of one position.
    right: &'a mut [f32],
    /// The channels of a pixel outside the picture.
    zeros: &'a [f32],
}

impl<'a, const SIDE: usize> Memory<'a, SIDE> {
    const OUTPUTS: usize = SIDE * SIDE * chunk_values(BLOCK);
    const PATCHES: usize = SIDE * SIDE * chunk_values(block_in(SIDE));
    const LEFT: usize = BLOCK * ROW_WORDS;
    const RIGHT: usize = block_in(SIDE) * CHUNK;
    const LEN: usize = Self::OUTPUTS + Self::PATCHES + Self::LEFT + Self::RIGHT + BLOCK;

    fn new(memory: &'a mut [f32]) -> Self {
        let (outputs, memory) = memory.split_at_mut(Self::OUTPUTS);
        let (patches, memory) = memory.split_at_mut(Self::PATCHES);
        let (left, memory) = memory.split_at_mut(Self::LEFT);
        let (right, zeros) = memory.split_at_mut(Self::RIGHT);
        zeros.fill(0.0);
        Self { outputs, patches, left, right, zeros }
    }
}

/// Transforms squares both ways, alone or a pair of them, and stores the words of their positions.
macro_rules! transform {
    ($s:ident, $PAIRS:ident, $form:path, $columns:ident, $pair:ident, [$first:ident, $second:ident], $c:ident, |$row:ident, $column:ident, $value:ident| $store:expr) => {
        if $PAIRS {
            both_ways!($s, $form, $columns, |i, j| $s.load_ptr($second[i][j].add($c)), |i, j, value| {
                $pair[i][j] = value;
            });
            both_ways!($s, $form, $columns, |i, j| $s.load_ptr($first[i][j].add($c)), |$row, $column, value| {
                let $value = $s.bf16_pairs(value, $pair[$row][$column]);
                $store
            });
        } else {
            both_ways!($s, $form, $columns, |i, j| $s.load_ptr($first[i][j].add($c)), |$row, $column, $value| $store);
        }
    };
}

/// The sums of a block over a slice.
struct Task<'a, F, const SIDE: usize, const OUT: usize> {
    work: &'a Work<'a>,
    task: usize,
    memory: Memory<'a, SIDE>,
    /// `[positions][channels out][channels in]`
    sums: &'a mut [f32],
    form: PhantomData<F>,
}

impl<F: Form<SIDE, OUT>, const SIDE: usize, const OUT: usize> Kernel for Task<'_, F, SIDE, OUT> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        match self.work.stored {
            Stored::Pairs => self.add_up::<S, true>(s),
            Stored::Plain | Stored::Unpacked => self.add_up::<S, false>(s),
        }
    }
}

impl<F: Form<SIDE, OUT>, const SIDE: usize, const OUT: usize> Task<'_, F, SIDE, OUT> {
    /// The sums over the slice; `PAIRS` says whether two squares are stored together.
    #[inline(always)]
    fn add_up<S: Simd, const PAIRS: bool>(mut self, s: S) {
        let work = self.work;
        let (place, input) = (self.task / work.blocks.1, self.task % work.blocks.1);
        let (slice, out) = (place / work.blocks.0, place % work.blocks.0);
        let block = |channels: usize, block: usize, size: usize| (block * size, size.min(channels - block * size));
        let (rows, columns) = (block(work.channels.0, out, BLOCK), block(work.channels.1, input, block_in(SIDE)));
        let (start, end) = work.slice(slice);
        if start == end {
            self.sums.fill(0.0);
        }
        let together = if PAIRS { 2 } else { 1 };
        for first in (start..end).step_by(CHUNK * together) {
            let count = (CHUNK * together).min(end - first);
            for (step, square) in (first..first + count).step_by(together).enumerate() {
                let squares = [Some(square), (square + 1 < end).then_some(square + 1)];
                self.transform_outputs::<S, PAIRS>(s, squares, step, rows);
                self.transform_patches::<S, PAIRS>(s, squares, step, columns);
            }
            for position in 0..SIDE * SIDE {
                self.multiply(position, count, (rows.1, columns.1), first > start);
            }
        }
    }

    /// Where some output channels of a square's outputs are; zeros stand for those outside the picture.
    #[inline(always)]
    fn outputs(&self, square: Option<usize>, (channel, channels): (usize, usize)) -> [[*const f32; OUT]; OUT] {
        let work = self.work;
        let mut outputs = [[self.memory.zeros[..channels].as_ptr(); OUT]; OUT];
        let Some(square) = square else { return outputs };
        let (item, y, x) = work.squares.get(square);
        for (row, outputs) in outputs.iter_mut().enumerate().take(work.output.0 - y) {
            for (column, output) in outputs.iter_mut().enumerate().take(work.output.1 - x) {
                let pixel = (item * work.output.0 + y + row) * work.output.1 + x + column;
                let at = pixel * work.channels.0 + channel;
                *output = work.dy[at..at + channels].as_ptr();
            }
        }
        outputs
    }

    /// Where some input channels of a square's patch are.
    #[inline(always)]
    fn patch(&self, square: Option<usize>, (channel, channels): (usize, usize)) -> [[*const f32; SIDE]; SIDE] {
        let work = self.work;
        match square {
            Some(square) => {
                pixels::<SIDE>(work.patches, work.squares.get(square), (channel, channels), self.memory.zeros)
            }
            None => [[self.memory.zeros[..channels].as_ptr(); SIDE]; SIDE],
        }
    }

    /// `A dy Aᵀ` of a step's squares, one or a pair that may lack its second, for some output channels.
    #[inline(always)]
    fn transform_outputs<S: Simd, const PAIRS: bool>(
        &mut self,
        s: S,
        [first, second]: [Option<usize>; 2],
        step: usize,
        part: (usize, usize),
    ) {
        let first = self.outputs(first, part);
        let second = if PAIRS { self.outputs(second, part) } else { first };
        let (values, channels) = (chunk_values(BLOCK), part.1);
        assert!(step < CHUNK && channels <= BLOCK && channels.is_multiple_of(WIDTH));
        assert!(self.memory.outputs.len() == SIDE * SIDE * values);
        let to = self.memory.outputs.as_mut_ptr();
        let (mut columns, mut pair) = ([[s.zero(); OUT]; SIDE], [[s.zero(); SIDE]; SIDE]);
        for c in (0..channels).step_by(S::LANES) {
            // SAFETY: the assertions: every output has `channels` values, a multiple of a vector's, and every position room for 32
            // steps of 64 channels.
            unsafe {
                transform!(s, PAIRS, F::spread, columns, pair, [first, second], c, |row, column, value| {
                    s.store_ptr(value, to.add((row * SIDE + column) * values + step * BLOCK + c));
                });
            }
        }
    }

    /// `Bᵀ d B` of the patches of a step's squares for some input channels.
    #[inline(always)]
    fn transform_patches<S: Simd, const PAIRS: bool>(
        &mut self,
        s: S,
        [first, second]: [Option<usize>; 2],
        step: usize,
        part: (usize, usize),
    ) {
        let first = self.patch(first, part);
        let second = if PAIRS { self.patch(second, part) } else { first };
        let (stored, values, channels) = (self.work.stored, chunk_values(block_in(SIDE)), part.1);
        assert!(step < CHUNK && channels <= block_in(SIDE) && channels.is_multiple_of(WIDTH));
        assert!(self.memory.patches.len() == SIDE * SIDE * values);
        let to = self.memory.patches.as_mut_ptr();
        let (mut columns, mut pair) = ([[s.zero(); SIDE]; SIDE], [[s.zero(); SIDE]; SIDE]);
        for c in (0..channels).step_by(S::LANES) {
            let place = match stored {
                Stored::Unpacked => step * block_in(SIDE) + c,
                Stored::Plain | Stored::Pairs => (c / WIDTH * CHUNK + step) * WIDTH + c % WIDTH,
            };
            // SAFETY: the assertions: every pixel has `channels` values, a multiple of a vector's, and every position room for 32
            // steps of a block's channels.
            unsafe {
                transform!(s, PAIRS, F::patch, columns, pair, [first, second], c, |row, column, value| {
                    s.store_ptr(value, to.add((row * SIDE + column) * values + place));
                });
            }
        }
    }

    /// One position's products of `count` squares, added to its sums unless they are the first.
    #[inline(always)]
    fn multiply(&mut self, position: usize, count: usize, (rows, columns): (usize, usize), is_added: bool) {
        let variant = self.work.variant;
        let (steps, panels) = (variant.steps(count), columns / WIDTH);
        let Memory { outputs, patches, left, right, .. } = &mut self.memory;
        let part = |channels: usize| position * chunk_values(channels)..(position + 1) * chunk_values(channels);
        let (outputs, patches) = (&outputs[part(BLOCK)], &patches[part(block_in(SIDE))]);
        let size = BLOCK * block_in(SIDE);
        let sums = &mut self.sums[position * size..(position + 1) * size];
        assert!(steps <= CHUNK && rows <= BLOCK && columns <= block_in(SIDE) && columns.is_multiple_of(WIDTH));
        assert!(left.len() == Memory::<SIDE>::LEFT && right.len() == Memory::<SIDE>::RIGHT);
        let is_turned = self.work.stored != Stored::Unpacked;
        let (a, a_stride, b) = if is_turned {
            (outputs.as_ptr(), BLOCK, patches.as_ptr())
        } else {
            let operand = |data, stride, outer| Operand { data, stride, outer, k: count, k_major: true, patches: None };
            // SAFETY: the assertions: there is room for the rows and panels of a block and 32 steps; the variant's instructions were detected.
            unsafe {
                let to = left.as_mut_ptr().cast();
                variant.packer.left(&operand(outputs, BLOCK, rows), 0, rows, (0, count), steps, to, ROW_WORDS);
                let to = right.as_mut_ptr().cast();
                variant.packer.right(
                    &operand(patches, block_in(SIDE), columns),
                    (0, panels),
                    (0, count),
                    steps,
                    to,
                    CHUNK,
                );
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
                let at = row * block_in(SIDE) + panel * WIDTH;
                // SAFETY: both operands have their steps: packed ones by the assertions, others as they are for 32 steps of a block's channels;
                // the memory begins at a cache line, and its parts are multiples of one. AMX reads whole tiles of 32 rows, of
                // which there are two, is configured, and has a multiple of 16 steps. The sums are 64 rows of a block.
                unsafe {
                    let b = b.cast::<Line>().add(panel * CHUNK);
                    let a = a.add(if is_turned { row } else { row * a_stride }).cast();
                    let ahead = Fetch::nothing(b);
                    let block = Block { a, a_stride, is_turned, b, panel_lines: CHUNK, steps, ahead };
                    if variant.micro.writes_output() {
                        let out = sums.as_mut_ptr().add(at);
                        let added = if is_added { out } else { std::ptr::null_mut() };
                        variant.micro.run(high, wide, &block, Sums::output(out, block_in(SIDE), added));
                        continue;
                    }
                    variant.micro.run(high, wide, &block, Sums::tile(tile.0.as_mut_ptr()));
                }
                for (i, values) in tile.0[..high].iter().enumerate() {
                    let sums = &mut sums[at + i * block_in(SIDE)..][..wide * WIDTH];
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
struct Finish<'a, F, const SIDE: usize, const OUT: usize> {
    work: &'a Work<'a>,
    sums: &'a [f32],
    /// The first output channel.
    first: usize,
    update: Update,
    /// `[kernels, 3, 3, ci]`
    dw: &'a mut [f32],
    form: PhantomData<F>,
}

impl<F: Form<SIDE, OUT>, const SIDE: usize, const OUT: usize> Kernel for Finish<'_, F, SIDE, OUT> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { work, sums, first, update, dw, .. } = self;
        let (block_in, block_sums) = (block_in(SIDE), block_sums(SIDE));
        let mut columns = [[s.zero(); SIDE]; 3];
        let ci = work.channels.1;
        for (i, kernel) in dw.chunks_exact_mut(9 * ci).enumerate() {
            let (out, row) = ((first + i) / BLOCK, (first + i) % BLOCK);
            for c in (0..ci).step_by(S::LANES) {
                let mut m = [[s.zero(); SIDE]; SIDE];
                for slice in 0..work.slices {
                    let block = work.task(slice, (out, c / block_in)) * block_sums;
                    for (position, m) in m.as_flattened_mut().iter_mut().enumerate() {
                        let at = block + (position * BLOCK + row) * block_in + c % block_in;
                        *m = s.add(*m, s.load(&sums[at..]));
                    }
                }
                both_ways!(s, F::kernel, columns, |i, j| m[i][j], |i, j, value| {
                    let place = &mut kernel[(3 * i + j) * ci + c..];
                    let value = if update == Update::Add { s.add(s.load(place), value) } else { value };
                    s.store(value, place);
                });
            }
        }
    }
}
