//! Layer norm (arXiv 1607.06450): `y = (x - mean) · rstd · weight + bias`, biased variance.

use simd::{Kernel, Simd};

use crate::Cpu;
use crate::rows::{Chunks, Parts, dot, lanes, rows_per_task, tree_sum, with_scratch};

/// `y[r] = (x[r] - mean) / sqrt(var + eps) · weight + bias`.
///
/// `x`, `y`: `[rows, d] f32`; `weight`, `bias`: `[d] f32`.
pub fn layer_norm(cpu: &Cpu, d: usize, x: &[f32], weight: &[f32], bias: &[f32], eps: f32, y: &mut [f32]) {
    assert!(x.len() == y.len() && x.len().is_multiple_of(d), "x and y are [rows, d]");
    let task = rows_per_task(d) * d;
    cpu.pool.run_chunks(y, task, |t, y| {
        let x = &x[t * task..][..y.len()];
        cpu.isa.dispatch(Forward { x, weight, bias, eps, y });
    });
}

struct Forward<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    eps: f32,
    y: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, weight, bias, eps, y } = self;
        let d = weight.len();
        for (x, y) in x.chunks_exact(d).zip(y.chunks_exact_mut(d)) {
            let rstd = s.splat(centre(s, x, eps, y));
            lanes!(S, d, |at| {
                let xhat = s.mul(at.load(s, y), rstd);
                at.store(s, s.mul_add(xhat, at.load(s, weight), at.load(s, bias)), y);
            });
        }
    }
}

/// Writes `x - mean` to `out` and returns the reciprocal standard deviation (two passes: no cancellation).
#[inline(always)]
fn centre<S: Simd>(s: S, x: &[f32], eps: f32, out: &mut [f32]) -> f32 {
    let d = x.len();
    let mut even = s.zero();
    let mut odd = s.zero();
    lanes!(S, d, |at| {
        let next = s.add(even, at.load(s, x));
        (even, odd) = (odd, next);
    });
    let mean = s.splat(s.reduce_sum(s.add(even, odd)) / d as f32);
    lanes!(S, d, |at| {
        at.store(s, s.sub(at.load(s, x), mean), out);
    });
    1.0 / (dot(s, out, out) / d as f32 + eps).sqrt()
}

/// Backward of [`layer_norm`]; mean and variance are computed again. All gradients are overwritten.
///
/// `x`, `dy`, `dx`: `[rows, d] f32`; `weight`, `dweight`, `dbias`: `[d] f32`.
pub fn layer_norm_backward(
    cpu: &Cpu,
    d: usize,
    x: &[f32],
    weight: &[f32],
    eps: f32,
    dy: &[f32],
    dx: &mut [f32],
    dweight: &mut [f32],
    dbias: &mut [f32],
) {
    assert!(x.len() == dy.len() && x.len() == dx.len() && x.len().is_multiple_of(d), "x, dy and dx are [rows, d]");
    let chunks = Chunks::new(x.len() / d, x.len() / d);
    let dx = Parts::new(dx);
    with_scratch(chunks.count() * 2 * d, |partials| {
        cpu.pool.run_chunks(partials, 2 * d, |i, sums| {
            let (_, row, rows) = chunks.rows(i);
            let span = row * d..(row + rows) * d;
            // SAFETY: chunks are disjoint runs of rows.
            let dx = unsafe { dx.part(row * d, rows * d) };
            cpu.isa.dispatch(Backward { x: &x[span.clone()], weight, eps, dy: &dy[span], dx, sums });
        });
        if chunks.count() == 0 {
            partials.fill(0.0);
            dweight.fill(0.0);
            dbias.fill(0.0);
        } else {
            let sums = tree_sum(partials, 2 * d);
            dweight.copy_from_slice(&sums[..d]);
            dbias.copy_from_slice(&sums[d..]);
        }
    });
}

struct Backward<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    eps: f32,
    dy: &'a [f32],
    dx: &'a mut [f32],
    sums: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, weight, eps, dy, dx, sums } = self;
        let d = weight.len();
        sums.fill(0.0);
        let (dweight, dbias) = sums.split_at_mut(d);
        for (r, dx) in dx.chunks_exact_mut(d).enumerate() {
            let (x, dy) = (&x[r * d..][..d], &dy[r * d..][..d]);
            // The centred row is kept in dx.
            let rstd = centre(s, x, eps, dx);
            let inverse = s.splat(rstd);
            let mut sum = s.zero();
            let mut along = s.zero();
            lanes!(S, d, |at| {
                let g = s.mul(at.load(s, dy), at.load(s, weight));
                sum = s.add(sum, g);
                along = s.mul_add(g, at.load(s, dx), along);
            });
            let mean = s.splat(s.reduce_sum(sum) / d as f32);
            let slope = s.splat(rstd * rstd * s.reduce_sum(along) / d as f32);
            lanes!(S, d, |at| {
                let (centred, dy) = (at.load(s, dx), at.load(s, dy));
                let g = s.sub(s.mul(dy, at.load(s, weight)), mean);
                at.store(s, s.mul(inverse, s.neg_mul_add(centred, slope, g)), dx);
                at.store(s, s.mul_add(dy, s.mul(centred, inverse), at.load(s, dweight)), dweight);
                at.store(s, s.add(dy, at.load(s, dbias)), dbias);
            });
        }
    }
}
