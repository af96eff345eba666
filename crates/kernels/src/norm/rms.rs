//! RMS norm (arXiv 1910.07467) with optional learned weight and optional adaLN modulation (DiT, arXiv 2212.09748).
//!
//! `y = x · rstd · weight · (1 + scale[g]) + shift[g]`, `rstd = 1 / sqrt(mean(x²) + eps)`, `g = row / rows_per_group`.

use simd::{Kernel, Simd};

use crate::Cpu;
use crate::rows::{Chunks, Parts, dot, lanes, tree_sum, with_scratch};

/// Scale and shift of one modulated norm: row `g` of a table applies to rows `g·rows_per_group ..`.
///
/// Group `g` reads `scale[g·stride ..][..d]` and `shift[g·stride ..][..d]`, so both may be column
/// blocks of one `[groups, stride]` table (pass `&table[column..]`).
#[derive(Clone, Copy, Debug)]
pub struct Modulation<'a, T = f32> {
    /// `[groups, stride]`, the first `d` of each row are read; `1 + scale` multiplies.
    pub scale: &'a [T],
    /// `[groups, stride]`, the first `d` of each row are read.
    pub shift: &'a [T],
    /// Distance between two groups in `scale` and `shift`.
    pub stride: usize,
    /// Consecutive rows of `x` that share one group (the tokens of a picture).
    pub rows_per_group: usize,
}

/// Gradient of a [`Modulation`], dense.
#[derive(Debug)]
pub struct ModulationGradient<'a> {
    /// `[groups, d] f32`, overwritten.
    pub scale: &'a mut [f32],
    /// `[groups, d] f32`, overwritten.
    pub shift: &'a mut [f32],
}

/// `y[r] = x[r] · rstd[r] · weight · (1 + scale[g]) + shift[g]`.
///
/// `x`, `y`: `[rows, d] f32`; `weight`: `[d] f32`; `rstd`: `[rows] f32`, written for the backward pass.
pub fn rms_norm(
    cpu: &Cpu,
    d: usize,
    x: &[f32],
    weight: Option<&[f32]>,
    modulation: Option<&Modulation>,
    eps: f32,
    y: &mut [f32],
    rstd: &mut [f32],
) {
    let rows = rstd.len();
    assert!(x.len() == rows * d && y.len() == rows * d, "x and y are [rows, d], rstd is [rows]");
    let chunks = Chunks::new(rows, modulation.map_or(rows, |m| m.rows_per_group));
    let (y, rstd) = (Parts::new(y), Parts::new(rstd));
    cpu.pool.run(chunks.count(), |i| {
        let (group, row, rows) = chunks.rows(i);
        // SAFETY: chunks are disjoint runs of rows.
        let (y, rstd) = unsafe { (y.part(row * d, rows * d), rstd.part(row, rows)) };
        let x = &x[row * d..][..rows * d];
        with_scratch(d, |factor| {
            let shift = affine(d, weight, modulation, group, factor);
            cpu.isa.dispatch(Forward { d, eps, x, factor, shift, y, rstd });
        });
    });
}

/// `factor = weight · (1 + scale[group])`; returns the group's shift.
fn affine<'a>(
    d: usize,
    weight: Option<&[f32]>,
    modulation: Option<&Modulation<'a>>,
    group: usize,
    factor: &mut [f32],
) -> Option<&'a [f32]> {
    match weight {
        Some(weight) => factor.copy_from_slice(weight),
        None => factor.fill(1.0),
    }
    let m = modulation?;
    for (f, scale) in factor.iter_mut().zip(&m.scale[group * m.stride..][..d]) {
        *f *= 1.0 + scale;
    }
    Some(&m.shift[group * m.stride..][..d])
}

struct Forward<'a> {
    d: usize,
    eps: f32,
    x: &'a [f32],
    factor: &'a [f32],
    shift: Option<&'a [f32]>,
    y: &'a mut [f32],
    rstd: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { d, eps, x, factor, shift, y, rstd } = self;
        for ((x, y), rstd) in x.chunks_exact(d).zip(y.chunks_exact_mut(d)).zip(rstd) {
            *rstd = 1.0 / (dot(s, x, x) / d as f32 + eps).sqrt();
            let r = s.splat(*rstd);
            match shift {
                Some(shift) => lanes!(S, d, |at| {
                    let xhat = s.mul(at.load(s, x), r);
                    at.store(s, s.mul_add(xhat, at.load(s, factor), at.load(s, shift)), y);
                }),
                None => lanes!(S, d, |at| {
                    at.store(s, s.mul(s.mul(at.load(s, x), r), at.load(s, factor)), y);
                }),
            }
        }
    }
}

/// Backward of [`rms_norm`]: `dx` `[rows, d]`, `dweight` `[d]` and the modulation's gradients, all overwritten.
///
/// `rstd` is what the forward pass wrote; `dy`: `[rows, d] f32`.
pub fn rms_norm_backward(
    cpu: &Cpu,
    d: usize,
    x: &[f32],
    weight: Option<&[f32]>,
    modulation: Option<&Modulation>,
    rstd: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    dweight: Option<&mut [f32]>,
    dmodulation: Option<ModulationGradient>,
) {
    let rows = rstd.len();
    assert!(x.len() == rows * d && dy.len() == rows * d && dx.len() == rows * d, "x, dy and dx are [rows, d]");
    let chunks = Chunks::new(rows, modulation.map_or(rows, |m| m.rows_per_group));
    let dx = Parts::new(dx);
    // A chunk's partial sums: Σ dy·x̂, and Σ dy.
    with_scratch(chunks.count() * 2 * d, |partials| {
        cpu.pool.run_chunks(partials, 2 * d, |i, sums| {
            let (group, row, rows) = chunks.rows(i);
            let span = row * d..(row + rows) * d;
            // SAFETY: chunks are disjoint runs of rows.
            let dx = unsafe { dx.part(row * d, rows * d) };
            with_scratch(d, |factor| {
                affine(d, weight, modulation, group, factor);
                cpu.isa.dispatch(Backward {
                    x: &x[span.clone()],
                    factor,
                    rstd: &rstd[row..row + rows],
                    dy: &dy[span],
                    dx,
                    sums,
                });
            });
        });
        if let Some(dweight) = dweight {
            with_scratch(chunks.count() * d, |weighted| {
                for (i, (w, sums)) in weighted.chunks_exact_mut(d).zip(partials.chunks_exact(2 * d)).enumerate() {
                    w.copy_from_slice(&sums[..d]);
                    if let Some(m) = modulation {
                        let scale = &m.scale[chunks.rows(i).0 * m.stride..][..d];
                        w.iter_mut().zip(scale).for_each(|(w, scale)| *w *= 1.0 + scale);
                    }
                }
                match rows {
                    0 => dweight.fill(0.0),
                    _ => dweight.copy_from_slice(tree_sum(weighted, d)),
                }
            });
        }
        if let Some(out) = dmodulation {
            chunks.sum_groups(partials, 2 * d, |group, sums| {
                let span = group * d..(group + 1) * d;
                out.scale[span.clone()].copy_from_slice(&sums[..d]);
                if let Some(weight) = weight {
                    out.scale[span.clone()].iter_mut().zip(weight).for_each(|(o, w)| *o *= w);
                }
                out.shift[span].copy_from_slice(&sums[d..]);
            });
        }
    });
}

struct Backward<'a> {
    x: &'a [f32],
    factor: &'a [f32],
    rstd: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
    sums: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, factor, rstd, dy, dx, sums } = self;
        let d = factor.len();
        sums.fill(0.0);
        let (scaled, plain) = sums.split_at_mut(d);
        for (r, dx) in dx.chunks_exact_mut(d).enumerate() {
            let (x, dy) = (&x[r * d..][..d], &dy[r * d..][..d]);
            let mut along = s.zero();
            let mut other = s.zero();
            lanes!(S, d, |at| {
                // g = dy·factor is kept in dx.
                let g = s.mul(at.load(s, dy), at.load(s, factor));
                at.store(s, g, dx);
                let next = s.mul_add(g, at.load(s, x), along);
                (along, other) = (other, next);
            });
            let along = s.reduce_sum(s.add(along, other));
            // dx = rstd·(g - x·rstd²·mean(g·x))
            let inverse = s.splat(rstd[r]);
            let slope = s.splat(rstd[r] * rstd[r] * along / d as f32);
            lanes!(S, d, |at| {
                let (x, dy) = (at.load(s, x), at.load(s, dy));
                at.store(s, s.mul(inverse, s.neg_mul_add(x, slope, at.load(s, dx))), dx);
                at.store(s, s.mul_add(dy, s.mul(x, inverse), at.load(s, scaled)), scaled);
                at.store(s, s.add(dy, at.load(s, plain)), plain);
            });
        }
    }
}
