//! Attention forward on the micro-kernels of matrix products: 48 queries at a time, online softmax over blocks of 128 keys
//! (FlashAttention-2, arXiv 2307.08691, algorithm 1, transposed).
//!
//! Keys and values of each (batch item, head) are packed once, as left operands. Scores come out transposed, `[keys, queries]`:
//! vector lanes are queries, so the softmax needs no sum across lanes, and what the exponentials become is the right operand of
//! the second product, whose sums `[d, queries]` are transposed at the end.
//!
//! In [`Precision::Bf16`], queries, keys, values and the exponentials are rounded where products of bf16 exist; elsewhere, where
//! rounding saves nothing, all is f32. Scores, their largest and the sums stay f32.

use simd::{Isa, Kernel, Simd, vecmath};

use super::{AttentionShape, Columns, Segment, gather, key_count};
use crate::Cpu;
use crate::gemm::Precision;
use crate::gemm::driver::Variant;
use crate::gemm::micro::{Block, Sums, TILE_COLUMNS, TILE_ROWS, Tile};
use crate::gemm::pack::{Fetch, Line, Operand, WIDTH};
use crate::rows::{Parts, with_scratch};

/// Queries computed together.
const QUERIES: usize = TILE_COLUMNS;
/// Panels of these.
const PANELS: usize = QUERIES / WIDTH;
/// Blocks of queries of one task.
const TASK_BLOCKS: usize = 2;
/// Keys of one step of the online softmax.
const KEY_BLOCK: usize = 128;

/// `out = softmax(scale · q·kᵀ)·v` over all segments' valid keys; a query without any valid key gives zeros.
///
/// `q`: rows `b·queries + i`; `out`: `[batch·queries, heads·d] f32`; `stats`: `[batch, heads, queries] f32`, the
/// log-sum-exp of the scaled scores (-inf without keys).
///
/// # Panics
/// When a size does not fit, or the scale is not positive.
pub fn attention(
    cpu: &Cpu,
    precision: Precision,
    shape: &AttentionShape,
    q: Columns,
    segments: &[Segment],
    out: &mut [f32],
    stats: &mut [f32],
) {
    let AttentionShape { batch, heads, queries, d, scale, .. } = *shape;
    assert_eq!(out.len(), batch * queries * heads * d, "out is [batch·queries, heads·d]");
    assert_eq!(stats.len(), batch * heads * queries, "stats is [batch, heads, queries]");
    assert!(scale > 0.0, "the scale is positive");
    let precision = if cpu.isa >= Isa::Avx512Bf16 { precision } else { Precision::F32 };
    let variant = Variant::new(cpu.isa, precision);
    let keys = (0..batch).map(|b| key_count(segments, b)).max().unwrap_or(0);
    let layout = Layout::new(variant, d, keys);
    let blocks = queries.div_ceil(TASK_BLOCKS * QUERIES);
    with_scratch(batch * heads * layout.words(), |packed| {
        cpu.pool.run_chunks(packed, layout.words().max(1), |item, packed| {
            layout.pack(shape, segments, item / heads, item % heads, packed);
        });
        let packed = &*packed;
        let (out, stats) = (Parts::new(out), Parts::new(stats));
        cpu.pool.run(batch * heads * blocks, |task| {
            let (item, first) = (task / blocks, task % blocks * TASK_BLOCKS * QUERIES);
            let (b, h) = (item / heads, item % heads);
            let n = key_count(segments, b);
            let packed = &packed[item * layout.words()..(item + 1) * layout.words()];
            let _configuration = variant.configure();
            with_scratch(layout.working_words(), |scratch| {
                for first in (first..queries.min(first + TASK_BLOCKS * QUERIES)).step_by(QUERIES) {
                    let count = QUERIES.min(queries - first);
                    let n = if shape.causal { n.min(first + count) } else { n };
                    // SAFETY: each (batch item, head, query) belongs to one block of one task.
                    let lse = unsafe { stats.part(item * queries + first, count) };
                    let o = Queries { layout: &layout, shape, packed, n, first, count, isa: cpu.isa }.run(
                        &q.data[(b * queries + first) * q.stride + q.offset + h * d..],
                        q.stride,
                        lse,
                        scratch,
                    );
                    for i in 0..count {
                        // SAFETY: as above.
                        let out = unsafe { out.part(((b * queries + first + i) * heads + h) * d, d) };
                        for (x, row) in out.iter_mut().zip(o.chunks_exact(QUERIES)) {
                            *x = row[i];
                        }
                    }
                }
            });
        });
    });
}

/// How the keys and values of a head lie in memory, in words.
struct Layout {
    variant: Variant,
    d: usize,
    /// Steps of a product over `d`.
    key_steps: usize,
    /// Words of a key.
    key_stride: usize,
    /// Words of all keys.
    key_words: usize,
    /// Rows of a block of values: `d`, and what a tile reads beyond.
    value_rows: usize,
    /// Words of such a row: the steps of a block of keys, and a line more, so that rows fall into different sets of the cache.
    value_stride: usize,
    /// Blocks of keys.
    blocks: usize,
}

impl Layout {
    fn new(variant: Variant, d: usize, keys: usize) -> Self {
        let key_steps = variant.steps(d);
        let key_stride = key_steps.next_multiple_of(WIDTH);
        Self {
            variant,
            d,
            key_steps,
            key_stride,
            key_words: keys.next_multiple_of(WIDTH) * key_stride,
            value_rows: d.next_multiple_of(WIDTH),
            value_stride: variant.steps(KEY_BLOCK).next_multiple_of(WIDTH) + WIDTH,
            blocks: keys.div_ceil(KEY_BLOCK),
        }
    }

    /// Words of the keys and values of a head.
    fn words(&self) -> usize {
        self.key_words + self.blocks * self.value_block()
    }

    /// Words of a block of values.
    fn value_block(&self) -> usize {
        self.value_rows * self.value_stride
    }

    /// Lines of a panel of exponentials.
    fn panel_lines(&self) -> usize {
        self.variant.steps(KEY_BLOCK)
    }

    /// Words of what a task works with: queries, scores, exponentials, sums, three rows of statistics.
    fn working_words(&self) -> usize {
        QUERIES * (self.key_steps + KEY_BLOCK + self.panel_lines() + self.d + 3)
    }

    /// Packs the keys and values of batch item `b` and head `h`.
    fn pack(&self, shape: &AttentionShape, segments: &[Segment], b: usize, h: usize, packed: &mut [f32]) {
        let n = key_count(segments, b);
        let d = self.d;
        if let [segment] = segments {
            let part =
                |columns: &Columns| (columns.stride, b * segment.tokens * columns.stride + columns.offset + h * d);
            let ((k_stride, k), (v_stride, v)) = (part(&segment.k), part(&segment.v));
            if n > 0 {
                self.pack_operands(n, &segment.k.data[k..], k_stride, &segment.v.data[v..], v_stride, packed);
            }
            return;
        }
        with_scratch(2 * n * d, |joined| {
            let (k, v) = joined.split_at_mut(n * d);
            gather(shape, segments, b, h, k, v, d);
            self.pack_operands(n, k, d, v, d, packed);
        });
    }

    fn pack_operands(&self, n: usize, k: &[f32], k_stride: usize, v: &[f32], v_stride: usize, packed: &mut [f32]) {
        let (keys, values) = packed.split_at_mut(self.key_words);
        assert!(n.next_multiple_of(WIDTH) * self.key_stride <= keys.len());
        assert!(n.div_ceil(KEY_BLOCK) * self.value_block() <= values.len());
        let all = Operand { data: k, stride: k_stride, outer: n, k: self.d, k_major: false, patches: None };
        // SAFETY: the assertion: n rows rounded up to 16 fit, and the stride is the steps rounded up to 16; the variant's
        // instructions were detected.
        unsafe {
            let to = keys.as_mut_ptr().cast();
            self.variant.packer.left(&all, 0, n, (0, self.d), self.key_steps, to, self.key_stride);
        }
        for (block, values) in values.chunks_exact_mut(self.value_block()).take(n.div_ceil(KEY_BLOCK)).enumerate() {
            let first = block * KEY_BLOCK;
            let end = n.min(first + KEY_BLOCK);
            let all = Operand { data: v, stride: v_stride, outer: self.d, k: n, k_major: true, patches: None };
            // SAFETY: a block has d rows rounded up to 16, and the stride is at least the steps rounded up to 16; the variant's
            // instructions were detected.
            unsafe {
                let (steps, to) = (self.variant.steps(end - first), values.as_mut_ptr().cast());
                self.variant.packer.left(&all, 0, self.d, (first, end), steps, to, self.value_stride);
            }
        }
    }
}

/// Up to [`QUERIES`] queries against the keys of their batch item and head.
struct Queries<'a> {
    layout: &'a Layout,
    shape: &'a AttentionShape,
    packed: &'a [f32],
    /// Keys.
    n: usize,
    /// First query.
    first: usize,
    /// Queries.
    count: usize,
    isa: Isa,
}

impl Queries<'_> {
    /// Returns the output `[d, QUERIES]`, in `scratch`. `q`: the queries, rows of `stride` values.
    fn run<'s>(&self, q: &[f32], stride: usize, lse: &mut [f32], scratch: &'s mut [f32]) -> &'s [f32] {
        let Self { layout, shape, packed, n, first, count, isa } = *self;
        let Layout { variant, d, key_steps, key_stride, value_stride, .. } = *layout;
        let (lines, scratch) = scratch.split_at_mut(QUERIES * key_steps);
        let (exponentials, scratch) = scratch.split_at_mut(QUERIES * layout.panel_lines());
        let (scores, scratch) = scratch.split_at_mut(QUERIES * KEY_BLOCK);
        let (statistics, scratch) = scratch.split_at_mut(3 * QUERIES);
        let o = &mut scratch[..QUERIES * d];
        o.fill(0.0);
        if n == 0 {
            lse.fill(f32::NEG_INFINITY);
            return o;
        }
        let (max, statistics) = statistics.split_at_mut(QUERIES);
        let (sum, rescale) = statistics.split_at_mut(QUERIES);
        max.fill(f32::NEG_INFINITY);
        sum.fill(0.0);
        let panels = count.div_ceil(WIDTH);
        let operand = Operand { data: q, stride, outer: count, k: d, k_major: false, patches: None };
        assert!(lines.len() == QUERIES * key_steps && PANELS * WIDTH == QUERIES);
        // SAFETY: the assertion: the steps of every panel fit; the variant's instructions were detected.
        unsafe { variant.packer.right(&operand, (0, panels), (0, d), key_steps, lines.as_mut_ptr().cast(), key_steps) };
        let (keys, values) = packed.split_at(layout.key_words);
        let mut tile = Tile([[0.0; TILE_COLUMNS]; TILE_ROWS]);
        for (block, values) in values.chunks_exact(layout.value_block()).take(n.div_ceil(KEY_BLOCK)).enumerate() {
            let first_key = block * KEY_BLOCK;
            let count = KEY_BLOCK.min(n - first_key);
            let product = Product {
                variant,
                a: &keys[first_key * key_stride..],
                a_stride: key_stride,
                rows: count,
                b: lines,
                panel_lines: key_steps,
                panels,
                steps: key_steps,
            };
            product.tiles(|place, block| {
                let out = &raw mut scores[place.row * QUERIES + place.panel * WIDTH..];
                // SAFETY: `scores` holds the rows of a whole block of keys, of 48 columns each.
                unsafe { variant.micro.run(place.rows, place.panels, &block, Sums::tile(out.cast())) };
            });
            let scores = &mut scores[..count * QUERIES];
            if shape.causal {
                super::tiles::hide_later(scores, QUERIES, first_key, first);
            }
            let steps = variant.steps(count);
            let panel_lines = layout.panel_lines();
            let (pairs, scale) = (variant.pairs(), shape.scale);
            isa.dispatch(SoftmaxStep {
                scores,
                panels,
                scale,
                pairs,
                steps,
                panel_lines,
                exponentials,
                max,
                sum,
                rescale,
            });
            let product = Product {
                variant,
                a: values,
                a_stride: value_stride,
                rows: d,
                b: exponentials,
                panel_lines,
                panels,
                steps,
            };
            product.tiles(|place, block| {
                // SAFETY: a tile holds the rows and columns of any micro-kernel.
                unsafe { variant.micro.run(place.rows, place.panels, &block, Sums::tile(tile.0.as_mut_ptr())) };
                let o = &mut o[place.row * QUERIES..(place.row + place.rows) * QUERIES];
                isa.dispatch(Accumulate { tile: &tile, place, rescale, o });
            });
        }
        for (i, lse) in lse.iter_mut().enumerate() {
            *lse = shape.scale * max[i] + sum[i].ln();
        }
        for row in o.chunks_exact_mut(QUERIES) {
            row.iter_mut().zip(&*sum).take(count).for_each(|(o, sum)| *o /= sum);
        }
        o
    }
}

/// Rows and panels of a product that one micro-kernel computes.
#[derive(Clone, Copy)]
struct Place {
    row: usize,
    rows: usize,
    panel: usize,
    panels: usize,
}

/// A product of packed operands.
struct Product<'a> {
    variant: Variant,
    /// Rows of `a_stride` words.
    a: &'a [f32],
    a_stride: usize,
    rows: usize,
    /// Panels of `panel_lines` lines.
    b: &'a [f32],
    panel_lines: usize,
    panels: usize,
    steps: usize,
}

impl Product<'_> {
    /// Cuts the product into tiles and hands each to `run`, with what a micro-kernel reads for it.
    #[inline(always)]
    fn tiles(&self, mut run: impl FnMut(Place, Block)) {
        let (tile_rows, tile_panels) = self.variant.micro.shape();
        assert!(self.rows.next_multiple_of(WIDTH) * self.a_stride <= self.a.len() && self.steps <= self.a_stride);
        assert!(self.panels * self.panel_lines * WIDTH <= self.b.len() && self.steps <= self.panel_lines);
        let (a, b) = (self.a.as_ptr().cast::<u32>(), self.b.as_ptr().cast::<Line>());
        for panel in (0..self.panels).step_by(tile_panels) {
            for row in (0..self.rows).step_by(tile_rows) {
                let place = Place {
                    row,
                    rows: tile_rows.min(self.rows - row),
                    panel,
                    panels: tile_panels.min(self.panels - panel),
                };
                let b = b.wrapping_add(panel * self.panel_lines);
                let block = Block {
                    a: a.wrapping_add(row * self.a_stride),
                    a_stride: self.a_stride,
                    is_turned: false,
                    b,
                    panel_lines: self.panel_lines,
                    steps: self.steps,
                    ahead: Fetch::nothing(b),
                };
                run(place, block);
            }
        }
    }
}

/// One step of the online softmax over a block of keys (arXiv 1805.02867), for each query (lane).
struct SoftmaxStep<'a> {
    /// `[keys, QUERIES]` scores.
    scores: &'a [f32],
    /// Panels of queries.
    panels: usize,
    scale: f32,
    /// Whether the exponentials become pairs of bf16.
    pairs: bool,
    /// Steps of the product that they are for; those after the last key become zero.
    steps: usize,
    panel_lines: usize,
    /// Panels of `panel_lines` lines: `exp(scale·(score - max))`.
    exponentials: &'a mut [f32],
    /// `[QUERIES]` the largest score so far.
    max: &'a mut [f32],
    /// `[QUERIES]` the sum of the exponentials so far.
    sum: &'a mut [f32],
    /// `[QUERIES]` receives the factor of everything summed before this block.
    rescale: &'a mut [f32],
}

impl Kernel for SoftmaxStep<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        assert!(self.steps <= self.panel_lines && self.panels * self.panel_lines * WIDTH <= self.exponentials.len());
        let mut column = 0;
        // Panels together hide the latency of each; their columns are one piece of a row.
        if S::LANES == WIDTH && self.panels == PANELS {
            self.columns::<S, PANELS>(s, 0);
            column = QUERIES;
        }
        while column < self.panels * WIDTH {
            self.columns::<S, 1>(s, column);
            column += S::LANES;
        }
    }
}

impl SoftmaxStep<'_> {
    /// `V` vectors of queries.
    #[inline(always)]
    fn columns<S: Simd, const V: usize>(&mut self, s: S, column: usize) {
        // No closures that hold vectors: one that is not inlined would be compiled without the instruction set.
        let mut before = [s.zero(); V];
        for (v, before) in before.iter_mut().enumerate() {
            *before = s.load(&self.max[column + v * S::LANES..]);
        }
        let mut high = before;
        for row in self.scores.chunks_exact(QUERIES) {
            for (v, high) in high.iter_mut().enumerate() {
                *high = s.max(*high, s.load(&row[column + v * S::LANES..]));
            }
        }
        let scale = s.splat(self.scale);
        let mut total = [s.zero(); V];
        for v in 0..V {
            let q = column + v * S::LANES;
            let factor = vecmath::exp(s, s.mul(scale, s.sub(before[v], high[v])));
            total[v] = s.mul(factor, s.load(&self.sum[q..]));
            s.store(factor, &mut self.rescale[q..]);
            s.store(high[v], &mut self.max[q..]);
        }
        let keys = self.scores.len() / QUERIES;
        let used = if self.pairs {
            let scale = s.splat(self.scale * std::f32::consts::LOG2_E);
            let mut shift = [s.zero(); V];
            for (shift, high) in shift.iter_mut().zip(high) {
                *shift = s.neg(s.mul(high, scale));
            }
            for (step, rows) in self.scores.chunks(2 * QUERIES).enumerate() {
                let (even, odd) = rows.split_at(QUERIES);
                for v in 0..V {
                    let q = column + v * S::LANES;
                    let first = vecmath::exp2_rough(s, s.mul_add(s.load(&even[q..]), scale, shift[v]));
                    let second = match odd.is_empty() {
                        true => s.zero(),
                        false => vecmath::exp2_rough(s, s.mul_add(s.load(&odd[q..]), scale, shift[v])),
                    };
                    total[v] = s.add(total[v], s.add(first, second));
                    let line = self.line(q, step);
                    s.store(s.bf16_pairs(first, second), &mut self.exponentials[line..]);
                }
            }
            keys.div_ceil(2)
        } else {
            for (step, row) in self.scores.chunks_exact(QUERIES).enumerate() {
                for v in 0..V {
                    let q = column + v * S::LANES;
                    let p = vecmath::exp(s, s.mul(scale, s.sub(s.load(&row[q..]), high[v])));
                    total[v] = s.add(total[v], p);
                    let line = self.line(q, step);
                    s.store(p, &mut self.exponentials[line..]);
                }
            }
            keys
        };
        for (v, total) in total.into_iter().enumerate() {
            let q = column + v * S::LANES;
            for step in used..self.steps {
                let line = self.line(q, step);
                s.store(s.zero(), &mut self.exponentials[line..]);
            }
            s.store(total, &mut self.sum[q..]);
        }
    }

    /// Where the exponential of a query at a step lies.
    #[inline(always)]
    fn line(&self, q: usize, step: usize) -> usize {
        (q / WIDTH * self.panel_lines + step) * WIDTH + q % WIDTH
    }
}

/// `o = rescale · o + tile`, for the rows and panels of a tile; `o`: `[rows, QUERIES]` from its first row on.
struct Accumulate<'a> {
    tile: &'a Tile,
    place: Place,
    rescale: &'a [f32],
    o: &'a mut [f32],
}

impl Kernel for Accumulate<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { tile, place, rescale, o } = self;
        let first = place.panel * WIDTH;
        for (o, tile) in o.chunks_exact_mut(QUERIES).zip(&tile.0) {
            for j in (0..place.panels * WIDTH).step_by(S::LANES) {
                let o = &mut o[first + j..];
                s.store(s.mul_add(s.load(o), s.load(&rescale[first + j..]), s.load(&tile[j..])), o);
            }
        }
    }
}
