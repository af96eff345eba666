//! Weighted squared error, the training loss (JiT, arXiv 2511.13720: velocity error as a weighted error of the picture).

use simd::{Kernel, Simd};

use crate::Cpu;
use crate::rows::{lanes, with_scratch};

/// Elements of one partial sum.
const CHUNK: usize = 4096;

/// Returns `Σᵢ weight[i / group_len] · (a[i] - b[i])² / a.len()`.
///
/// `a`, `b`: `[groups, group_len] f32`; `weight`: `[groups] f32`; `per_group`: `[groups] f32`, receives
/// `weight[g] · mean((a - b)²)` over the group, so that the result is the mean of `per_group`.
pub fn weighted_squared_error(
    cpu: &Cpu,
    group_len: usize,
    a: &[f32],
    b: &[f32],
    weight: &[f32],
    per_group: &mut [f32],
) -> f32 {
    let groups = weight.len();
    assert!(a.len() == groups * group_len && b.len() == a.len() && per_group.len() == groups);
    let chunks = group_len.div_ceil(CHUNK);
    with_scratch(groups * chunks, |partials| {
        cpu.pool.run_chunks(partials, 1, |i, sum| {
            let start = i / chunks * group_len + i % chunks * CHUNK;
            let len = CHUNK.min(group_len - i % chunks * CHUNK);
            sum[0] = cpu.isa.dispatch(SquaredDistance { a: &a[start..][..len], b: &b[start..][..len] });
        });
        let mut total = 0.0;
        for (g, partials) in partials.chunks(chunks).enumerate() {
            let sum: f64 = partials.iter().map(|p| *p as f64).sum();
            let value = weight[g] as f64 * sum / group_len as f64;
            per_group[g] = value as f32;
            total += value;
        }
        (total / groups as f64) as f32
    })
}

struct SquaredDistance<'a> {
    a: &'a [f32],
    b: &'a [f32],
}

impl Kernel for SquaredDistance<'_> {
    type Out = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let mut even = s.zero();
        let mut odd = s.zero();
        lanes!(S, self.a.len(), |at| {
            let difference = s.sub(at.load(s, self.a), at.load(s, self.b));
            let next = s.mul_add(difference, difference, even);
            (even, odd) = (odd, next);
        });
        s.reduce_sum(s.add(even, odd))
    }
}

/// Gradient of `a`: `da[i] = dloss · 2 · weight[g] · (a[i] - b[i]) / a.len()`; that of `b` is its negative.
pub fn weighted_squared_error_backward(
    cpu: &Cpu,
    group_len: usize,
    a: &[f32],
    b: &[f32],
    weight: &[f32],
    dloss: f32,
    da: &mut [f32],
) {
    assert!(a.len() == weight.len() * group_len && b.len() == a.len() && da.len() == a.len());
    let factor = dloss as f64 * 2.0 / a.len() as f64;
    cpu.pool.run_chunks(da, group_len.max(1), |g, da| {
        let span = g * group_len..(g + 1) * group_len;
        let factor = (factor * weight[g] as f64) as f32;
        cpu.isa.dispatch(ScaledDifference { factor, a: &a[span.clone()], b: &b[span], out: da });
    });
}

struct ScaledDifference<'a> {
    factor: f32,
    a: &'a [f32],
    b: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for ScaledDifference<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let factor = s.splat(self.factor);
        lanes!(S, self.out.len(), |at| {
            at.store(s, s.mul(factor, s.sub(at.load(s, self.a), at.load(s, self.b))), self.out);
        });
    }
}
