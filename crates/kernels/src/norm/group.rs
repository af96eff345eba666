//! Group norm (arXiv 1803.08494) of pictures `[B, H, W, C]`, optionally followed by SiLU:
//! `y = silu((x - mean) · rstd · weight + bias)`, mean and biased variance over the pixels and the channels of a group.
//!
//! Sums are per channel first, over 16 pixels at a time, then over those, then over blocks of pixels; the shape of an item
//! alone decides the blocks.

use simd::{Kernel, Simd, vecmath};

use crate::Cpu;
use crate::rows::{Parts, lanes, rows_per_task, tree_sum, with_scratch};

/// Pixels that are added before their sum joins a block's.
const SUM_ROWS: usize = 16;

/// Sizes of a group norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupNormShape {
    /// Pictures.
    pub batch: usize,
    /// Pixels of a picture, H·W.
    pub pixels: usize,
    /// Values of a pixel, a multiple of `groups`.
    pub channels: usize,
    /// Groups of neighbouring channels.
    pub groups: usize,
}

impl GroupNormShape {
    /// Values of the tensor.
    pub fn values(&self) -> usize {
        self.batch * self.pixels * self.channels
    }

    fn check(&self) {
        assert!(self.groups > 0 && self.channels.is_multiple_of(self.groups), "channels are whole groups");
        assert!(self.pixels > 0 && self.channels > 0, "sizes are positive");
    }

    /// Channels of a group.
    fn width(&self) -> usize {
        self.channels / self.groups
    }

    /// Pixels of a block. Enough that sums within groups, which are made once a block, cost little.
    fn block_rows(&self) -> usize {
        rows_per_task(self.channels).clamp(32, 256)
    }

    /// Blocks of one picture.
    fn blocks(&self) -> usize {
        self.pixels.div_ceil(self.block_rows())
    }

    /// Item, first row (of all pictures) and number of rows of block `i`.
    fn block(&self, i: usize) -> (usize, usize, usize) {
        let (item, start) = (i / self.blocks(), i % self.blocks() * self.block_rows());
        (item, item * self.pixels + start, self.block_rows().min(self.pixels - start))
    }
}

/// `y = act((x - mean) · rstd · weight + bias)`, act SiLU or nothing.
///
/// `x`, `y`: `[B, H, W, C] f32`; `weight`, `bias`: `[C] f32`; `statistics`: `[B, groups, 2] f32`, mean and rstd, written for
/// the backward pass.
///
/// # Panics
/// When a size does not fit.
pub fn group_norm(
    cpu: &Cpu,
    shape: &GroupNormShape,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    eps: f32,
    silu: bool,
    y: &mut [f32],
    statistics: &mut [f32],
) {
    shape.check();
    let (channels, groups, blocks) = (shape.channels, shape.groups, shape.blocks());
    assert!(x.len() == shape.values() && y.len() == x.len(), "x and y are [B, H, W, C]");
    assert!(weight.len() == channels && bias.len() == channels, "weight and bias are [C]");
    assert_eq!(statistics.len(), shape.batch * groups * 2, "statistics are [B, groups, 2]");
    with_scratch(shape.batch * blocks * groups * 2, |partials| {
        cpu.pool.run_chunks(partials, groups * 2, |i, out| {
            let (_, row, rows) = shape.block(i);
            let x = &x[row * channels..][..rows * channels];
            with_scratch(3 * channels, |scratch| cpu.isa.dispatch(Moments { shape, x, scratch, out }));
        });
        let items = partials.chunks_exact(blocks * groups * 2).zip(statistics.chunks_exact_mut(groups * 2));
        for (partials, statistics) in items {
            for (group, out) in statistics.chunks_exact_mut(2).enumerate() {
                let (mean, variance) = combine(shape, partials, group);
                out.copy_from_slice(&[mean as f32, (1.0 / (variance + f64::from(eps)).sqrt()) as f32]);
            }
        }
    });
    let y = Parts::new(y);
    with_scratch(shape.batch * 2 * channels, |table| {
        expand(shape, statistics, table, 2 * channels);
        for item in table.chunks_exact_mut(2 * channels) {
            item[channels..].iter_mut().zip(weight).for_each(|(factor, weight)| *factor *= weight);
        }
        let table = &*table;
        cpu.pool.run(shape.batch * blocks, |i| {
            let (item, row, rows) = shape.block(i);
            // SAFETY: blocks are disjoint runs of rows.
            let y = unsafe { y.part(row * channels, rows * channels) };
            let x = &x[row * channels..][..rows * channels];
            let (mean, factor) = table[item * 2 * channels..][..2 * channels].split_at(channels);
            cpu.isa.dispatch(Forward { x, mean, factor, bias, silu, y });
        });
    });
}

/// Mean and variance of a group from those of its blocks, `partials` `[blocks, groups, 2]` of means and sums of squared
/// deviations (Chan, Golub and LeVeque, 1979).
fn combine(shape: &GroupNormShape, partials: &[f32], group: usize) -> (f64, f64) {
    let (mut count, mut mean, mut squares) = (0.0, 0.0, 0.0);
    for (block, partials) in partials.chunks_exact(shape.groups * 2).enumerate() {
        let n = (shape.block(block).2 * shape.width()) as f64;
        let delta = f64::from(partials[2 * group]) - mean;
        let total = count + n;
        mean += delta * n / total;
        squares += f64::from(partials[2 * group + 1]) + delta * delta * count * n / total;
        count = total;
    }
    (mean, squares / count)
}

/// Writes each group's mean and rstd once a channel: `table` is `[B, stride]`, of which `[2, C]` are written.
fn expand(shape: &GroupNormShape, statistics: &[f32], table: &mut [f32], stride: usize) {
    let items = table.chunks_exact_mut(stride).zip(statistics.chunks_exact(shape.groups * 2));
    for (table, statistics) in items {
        let (mean, rstd) = table[..2 * shape.channels].split_at_mut(shape.channels);
        let groups = mean.chunks_exact_mut(shape.width()).zip(rstd.chunks_exact_mut(shape.width()));
        for ((mean, rstd), statistics) in groups.zip(statistics.chunks_exact(2)) {
            mean.fill(statistics[0]);
            rstd.fill(statistics[1]);
        }
    }
}

/// Means and sums of squared deviations of a block's groups.
struct Moments<'a> {
    shape: &'a GroupNormShape,
    /// `[rows, C]`
    x: &'a [f32],
    /// `[3, C]`
    scratch: &'a mut [f32],
    /// `[groups, 2]`
    out: &'a mut [f32],
}

impl Kernel for Moments<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { shape, x, scratch, out } = self;
        let (channels, width) = (shape.channels, shape.width());
        let count = (x.len() / channels * width) as f64;
        let (sums, rest) = scratch.split_at_mut(channels);
        let (part, mean) = rest.split_at_mut(channels);
        mean.fill(0.0);
        // Deviations from the block's own mean: nothing cancels, and the block is still in the cache.
        for squares in [false, true] {
            sums.fill(0.0);
            for x in x.chunks(SUM_ROWS * channels) {
                part.fill(0.0);
                for x in x.chunks_exact(channels) {
                    if squares {
                        lanes!(S, channels, |at| {
                            let deviation = s.sub(at.load(s, x), at.load(s, mean));
                            at.store(s, s.mul_add(deviation, deviation, at.load(s, part)), part);
                        });
                    } else {
                        lanes!(S, channels, |at| {
                            at.store(s, s.add(at.load(s, x), at.load(s, part)), part);
                        });
                    }
                }
                lanes!(S, channels, |at| {
                    at.store(s, s.add(at.load(s, sums), at.load(s, part)), sums);
                });
            }
            let groups = sums.chunks_exact(width).zip(mean.chunks_exact_mut(width)).zip(out.chunks_exact_mut(2));
            for ((sums, mean), out) in groups {
                let total = sum(sums);
                if squares {
                    out[1] = total as f32;
                } else {
                    out[0] = (total / count) as f32;
                    mean.fill(out[0]);
                }
            }
        }
    }
}

/// The sum in f64, four interleaved.
#[inline(always)]
fn sum(x: &[f32]) -> f64 {
    let mut sums = [0.0; 4];
    for x in x.chunks(4) {
        for (sum, x) in sums.iter_mut().zip(x) {
            *sum += f64::from(*x);
        }
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

struct Forward<'a> {
    /// `[rows, C]`
    x: &'a [f32],
    mean: &'a [f32],
    /// rstd · weight
    factor: &'a [f32],
    bias: &'a [f32],
    silu: bool,
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, mean, factor, bias, silu, y } = self;
        let d = mean.len();
        for (x, y) in x.chunks_exact(d).zip(y.chunks_exact_mut(d)) {
            lanes!(S, d, |at| {
                let centred = s.sub(at.load(s, x), at.load(s, mean));
                let z = s.mul_add(centred, at.load(s, factor), at.load(s, bias));
                at.store(s, if silu { vecmath::silu(s, z) } else { z }, y);
            });
        }
    }
}

/// Backward of [`group_norm`]; all gradients are overwritten.
///
/// `x`, `dy`, `dx`: `[B, H, W, C] f32`; `weight`, `bias`, `dweight`, `dbias`: `[C] f32`; `statistics` are what the forward
/// pass wrote.
///
/// # Panics
/// When a size does not fit.
pub fn group_norm_backward(
    cpu: &Cpu,
    shape: &GroupNormShape,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    silu: bool,
    statistics: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    dweight: &mut [f32],
    dbias: &mut [f32],
) {
    shape.check();
    let (channels, blocks) = (shape.channels, shape.blocks());
    let values = shape.values();
    assert!(x.len() == values && dy.len() == values && dx.len() == values, "x, dy and dx are [B, H, W, C]");
    assert!([weight, bias, dweight, dbias].iter().all(|v| v.len() == channels), "weights and biases are [C]");
    assert_eq!(statistics.len(), shape.batch * shape.groups * 2, "statistics are [B, groups, 2]");
    if shape.batch == 0 {
        dweight.fill(0.0);
        dbias.fill(0.0);
        return;
    }
    let dx = Parts::new(dx);
    let stride = 4 * channels;
    // Of each item, once a channel: mean, rstd, and the group's means of g·x̂ and g.
    with_scratch(shape.batch * stride, |table| {
        expand(shape, statistics, table, stride);
        with_scratch(shape.batch * blocks * 2 * channels, |partials| {
            cpu.pool.run_chunks(partials, 2 * channels, |i, sums| {
                let (item, row, rows) = shape.block(i);
                let span = row * channels..(row + rows) * channels;
                let constants = Constants { table: &table[item * stride..][..stride], weight, bias, silu };
                with_scratch(2 * channels, |part| {
                    cpu.isa.dispatch(Sums { constants, x: &x[span.clone()], dy: &dy[span], part, sums });
                });
            });
            // An item's sums come to rest in its first block, and from there side by side.
            for (item, table) in table.chunks_exact_mut(stride).enumerate() {
                let first = item * blocks * 2 * channels;
                let sums = tree_sum(&mut partials[first..][..blocks * 2 * channels], 2 * channels);
                for (sums, means) in sums.chunks_exact(channels).zip(table[2 * channels..].chunks_exact_mut(channels)) {
                    group_means(shape, weight, sums, means);
                }
                partials.copy_within(first..first + 2 * channels, item * 2 * channels);
            }
            let sums = tree_sum(&mut partials[..shape.batch * 2 * channels], 2 * channels);
            dweight.copy_from_slice(&sums[..channels]);
            dbias.copy_from_slice(&sums[channels..]);
        });
        let table = &*table;
        cpu.pool.run(shape.batch * blocks, |i| {
            let (item, row, rows) = shape.block(i);
            let span = row * channels..(row + rows) * channels;
            // SAFETY: blocks are disjoint runs of rows.
            let dx = unsafe { dx.part(row * channels, rows * channels) };
            let constants = Constants { table: &table[item * stride..][..stride], weight, bias, silu };
            cpu.isa.dispatch(Backward { constants, x: &x[span.clone()], dy: &dy[span], dx });
        });
    });
}

/// Each group's mean of `weight · (a value of which the pixels' sum is given)`, written once a channel.
fn group_means(shape: &GroupNormShape, weight: &[f32], sums: &[f32], means: &mut [f32]) {
    let width = shape.width();
    let count = (shape.pixels * width) as f64;
    for ((sums, weight), means) in
        sums.chunks_exact(width).zip(weight.chunks_exact(width)).zip(means.chunks_exact_mut(width))
    {
        let total: f64 = sums.iter().zip(weight).map(|(sum, weight)| f64::from(*sum) * f64::from(*weight)).sum();
        means.fill((total / count) as f32);
    }
}

/// What the values of a channel have in common.
#[derive(Clone, Copy)]
struct Constants<'a> {
    /// `[4, C]`: mean, rstd, mean of g·x̂, mean of g.
    table: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    silu: bool,
}

/// x̂ and the gradient before SiLU at a position. (A macro: `at` has two types.)
macro_rules! inner_gradient {
    ($s:expr, $at:expr, $constants:expr, $d:expr, $x:expr, $dy:expr) => {{
        let (s, at, constants): (_, _, Constants<'_>) = ($s, $at, $constants);
        let (mean, rstd) = (&constants.table[..$d], &constants.table[$d..2 * $d]);
        let xhat = s.mul(s.sub(at.load(s, $x), at.load(s, mean)), at.load(s, rstd));
        let dy = at.load(s, $dy);
        let dz = if constants.silu {
            let z = s.mul_add(xhat, at.load(s, constants.weight), at.load(s, constants.bias));
            s.mul(dy, vecmath::silu_derivative(s, z))
        } else {
            dy
        };
        (xhat, dz)
    }};
}

/// `Σ dz·x̂` and `Σ dz` of a block's channels.
struct Sums<'a> {
    constants: Constants<'a>,
    /// `[rows, C]`
    x: &'a [f32],
    dy: &'a [f32],
    /// `[2, C]`
    part: &'a mut [f32],
    /// `[2, C]`
    sums: &'a mut [f32],
}

impl Kernel for Sums<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { constants, x, dy, part, sums } = self;
        let d = constants.weight.len();
        sums.fill(0.0);
        for (x, dy) in x.chunks(SUM_ROWS * d).zip(dy.chunks(SUM_ROWS * d)) {
            part.fill(0.0);
            let (along, plain) = part.split_at_mut(d);
            for (x, dy) in x.chunks_exact(d).zip(dy.chunks_exact(d)) {
                lanes!(S, d, |at| {
                    let (xhat, dz) = inner_gradient!(s, at, constants, d, x, dy);
                    at.store(s, s.mul_add(dz, xhat, at.load(s, along)), along);
                    at.store(s, s.add(dz, at.load(s, plain)), plain);
                });
            }
            lanes!(S, 2 * d, |at| {
                at.store(s, s.add(at.load(s, sums), at.load(s, part)), sums);
            });
        }
    }
}

/// `dx = rstd · (dz·weight - mean(g) - x̂·mean(g·x̂))`, g = dz·weight.
struct Backward<'a> {
    constants: Constants<'a>,
    /// `[rows, C]`
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { constants, x, dy, dx } = self;
        let d = constants.weight.len();
        let (rstd, rest) = constants.table[d..].split_at(d);
        let (along, plain) = rest.split_at(d);
        for ((x, dy), dx) in x.chunks_exact(d).zip(dy.chunks_exact(d)).zip(dx.chunks_exact_mut(d)) {
            lanes!(S, d, |at| {
                let (xhat, dz) = inner_gradient!(s, at, constants, d, x, dy);
                let g = s.sub(s.mul(dz, at.load(s, constants.weight)), at.load(s, plain));
                at.store(s, s.mul(at.load(s, rstd), s.neg_mul_add(xhat, at.load(s, along), g)), dx);
            });
        }
    }
}
