//! Per-head RMS norm of queries and keys (arXiv 2010.04245, 2302.05442) followed by rotary position embedding
//! (arXiv 2104.09864) on a fused projection such as `[q | k | v]`.
//!
//! Rotary pairs element `i` with element `i + d/2` of a head ("rotate half"), with angle `i` of the row's table entry.

use simd::{Kernel, Simd};

use crate::Cpu;
use crate::rows::{Chunks, Parts, dot, lanes, rows_per_task, tree_sum, with_scratch};

/// What a column block of `heads · d` columns holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Normalised with the query weight and rotated.
    Query,
    /// Normalised with the key weight and rotated.
    Key,
    /// Copied.
    Value,
}

/// Cosines and sines of the rotary angles; row `r` of `x` uses table row `r % tokens`.
#[derive(Clone, Copy, Debug)]
pub struct Rotary<'a, T = f32> {
    /// `[tokens, d/2]`.
    pub cos: &'a [T],
    /// `[tokens, d/2]`.
    pub sin: &'a [T],
}

/// Arguments of [`qk_norm_rotary`] that its backward pass shares.
#[derive(Clone, Copy, Debug)]
pub struct QkNorm<'a, T = f32> {
    /// Heads in each part.
    pub heads: usize,
    /// Columns of a head, even.
    pub d: usize,
    /// The column blocks of a row in order, for example `[Query, Key, Value]` or `[Key, Value]`.
    pub parts: &'a [Part],
    /// `[d]`, shared by the query heads; `None` is all ones.
    pub query_weight: Option<&'a [T]>,
    /// `[d]`, shared by the key heads; `None` is all ones.
    pub key_weight: Option<&'a [T]>,
    /// Added to the mean square.
    pub eps: f32,
    /// Rotation after the norm, if any.
    pub rotary: Option<Rotary<'a, T>>,
}

impl QkNorm<'_> {
    /// Columns of a row.
    fn width(&self) -> usize {
        self.parts.len() * self.heads * self.d
    }

    fn check(&self) {
        assert!(self.d.is_multiple_of(2), "rotary pairs need an even head size");
        for w in [self.query_weight, self.key_weight].into_iter().flatten() {
            assert_eq!(w.len(), self.d, "weights are [d]");
        }
        if let Some(r) = self.rotary {
            assert!(r.cos.len() == r.sin.len() && !r.cos.is_empty() && r.cos.len().is_multiple_of(self.d / 2));
        }
    }

    /// Calls `f` with the query weight and the key weight, ones where there is none, as `[2d]`, and with working memory for
    /// one value for each head of a row.
    fn with_weights(&self, f: impl FnOnce(&[f32], &mut [f32])) {
        with_scratch(2 * self.d + self.parts.len() * self.heads, |scratch| {
            let (weights, rstd) = scratch.split_at_mut(2 * self.d);
            for (out, weight) in weights.chunks_exact_mut(self.d).zip([self.query_weight, self.key_weight]) {
                match weight {
                    Some(weight) => out.copy_from_slice(weight),
                    None => out.fill(1.0),
                }
            }
            f(weights, rstd);
        });
    }

    /// Reciprocal root mean square of every head of a row (also of value heads, whose result nobody reads).
    #[inline(always)]
    fn rstd<S: Simd>(&self, s: S, x: &[f32], rstd: &mut [f32]) {
        for (x, sum) in x.chunks_exact(self.d).zip(rstd.iter_mut()) {
            *sum = dot(s, x, x);
        }
        let (one, share, eps) = (s.splat(1.0), s.splat(1.0 / self.d as f32), s.splat(self.eps));
        lanes!(S, rstd.len(), |at| {
            let mean = s.mul_add(at.load(s, rstd), share, eps);
            at.store(s, s.div(one, s.sqrt(mean)), rstd);
        });
    }

    /// Cosines and sines of a row.
    #[inline(always)]
    fn angles(&self, row: usize) -> Option<(&[f32], &[f32])> {
        let half = self.d / 2;
        self.rotary.map(|r| {
            let at = row % (r.cos.len() / half) * half;
            (&r.cos[at..][..half], &r.sin[at..][..half])
        })
    }
}

/// `y = rotate(x · rstd · weight)` per head of the query and key parts; value parts are copied.
///
/// `x`, `y`: `[rows, parts·heads·d] f32`.
pub fn qk_norm_rotary(cpu: &Cpu, config: &QkNorm, x: &[f32], y: &mut [f32]) {
    config.check();
    let width = config.width();
    assert!(x.len() == y.len() && x.len().is_multiple_of(width), "x and y are [rows, parts·heads·d]");
    let rows = rows_per_task(width);
    cpu.pool.run_chunks(y, rows * width, |t, y| {
        let x = &x[t * rows * width..][..y.len()];
        config.with_weights(|weights, rstd| {
            cpu.isa.dispatch(Forward { config, first_row: t * rows, weights, x, y, rstd });
        });
    });
}

struct Forward<'a> {
    config: &'a QkNorm<'a>,
    first_row: usize,
    weights: &'a [f32],
    x: &'a [f32],
    y: &'a mut [f32],
    rstd: &'a mut [f32],
}

impl Kernel for Forward<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { config, first_row, weights, x, y, rstd } = self;
        let QkNorm { heads, d, parts, .. } = *config;
        let half = d / 2;
        let width = config.width();
        for (r, (x, y)) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)).enumerate() {
            let angles = config.angles(first_row + r);
            config.rstd(s, x, rstd);
            for (p, part) in parts.iter().enumerate() {
                let rstd = &rstd[p * heads..][..heads];
                let span = p * heads * d..(p + 1) * heads * d;
                let (x, y) = (&x[span.clone()], &mut y[span]);
                if *part == Part::Value {
                    y.copy_from_slice(x);
                    continue;
                }
                let weight = if *part == Part::Query { &weights[..d] } else { &weights[d..] };
                for ((x, y), rstd) in x.chunks_exact(d).zip(y.chunks_exact_mut(d)).zip(rstd) {
                    let rstd = s.splat(*rstd);
                    let Some((cos, sin)) = angles else {
                        lanes!(S, d, |at| {
                            at.store(s, s.mul(s.mul(at.load(s, x), rstd), at.load(s, weight)), y);
                        });
                        continue;
                    };
                    let (low, high) = x.split_at(half);
                    let (w_low, w_high) = weight.split_at(half);
                    let (y_low, y_high) = y.split_at_mut(half);
                    lanes!(S, half, |at| {
                        let a = s.mul(s.mul(at.load(s, low), rstd), at.load(s, w_low));
                        let b = s.mul(s.mul(at.load(s, high), rstd), at.load(s, w_high));
                        let (c, n) = (at.load(s, cos), at.load(s, sin));
                        at.store(s, s.neg_mul_add(b, n, s.mul(a, c)), y_low);
                        at.store(s, s.mul_add(a, n, s.mul(b, c)), y_high);
                    });
                }
            }
        }
    }
}

/// Backward of [`qk_norm_rotary`]. `x`, `dy`, `dx`: `[rows, parts·heads·d] f32`; weight gradients `[d] f32`. All overwritten.
pub fn qk_norm_rotary_backward(
    cpu: &Cpu,
    config: &QkNorm,
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    dquery_weight: Option<&mut [f32]>,
    dkey_weight: Option<&mut [f32]>,
) {
    config.check();
    let (d, width) = (config.d, config.width());
    assert!(x.len() == dy.len() && x.len() == dx.len() && x.len().is_multiple_of(width), "[rows, parts·heads·d]");
    let rows = x.len() / width;
    let chunks = Chunks::new(rows, rows);
    let dx = Parts::new(dx);
    with_scratch(chunks.count() * 2 * d, |partials| {
        cpu.pool.run_chunks(partials, 2 * d, |i, sums| {
            let (_, first_row, rows) = chunks.rows(i);
            let span = first_row * width..(first_row + rows) * width;
            // SAFETY: chunks are disjoint runs of rows.
            let dx = unsafe { dx.part(span.start, span.len()) };
            config.with_weights(|weights, rstd| {
                let (x, dy) = (&x[span.clone()], &dy[span]);
                cpu.isa.dispatch(Backward { config, first_row, weights, x, dy, dx, sums, rstd });
            });
        });
        if chunks.count() > 0 {
            tree_sum(partials, 2 * d);
        }
        for (out, at) in [(dquery_weight, 0), (dkey_weight, d)] {
            match out {
                Some(out) if rows > 0 => out.copy_from_slice(&partials[at..][..d]),
                Some(out) => out.fill(0.0),
                None => {}
            }
        }
    });
}

struct Backward<'a> {
    config: &'a QkNorm<'a>,
    first_row: usize,
    weights: &'a [f32],
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
    sums: &'a mut [f32],
    rstd: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { config, first_row, weights, x, dy, dx, sums, rstd } = self;
        let QkNorm { heads, d, parts, .. } = *config;
        let half = d / 2;
        let width = config.width();
        sums.fill(0.0);
        for (r, dx) in dx.chunks_exact_mut(width).enumerate() {
            let (x, dy) = (&x[r * width..][..width], &dy[r * width..][..width]);
            let angles = config.angles(first_row + r);
            config.rstd(s, x, rstd);
            for (p, part) in parts.iter().enumerate() {
                let rstd = &rstd[p * heads..][..heads];
                let span = p * heads * d..(p + 1) * heads * d;
                let (x, dy, dx) = (&x[span.clone()], &dy[span.clone()], &mut dx[span]);
                let at = match part {
                    Part::Value => {
                        dx.copy_from_slice(dy);
                        continue;
                    }
                    Part::Query => 0,
                    Part::Key => d,
                };
                let (weight, sums) = (&weights[at..][..d], &mut sums[at..][..d]);
                let heads = x.chunks_exact(d).zip(dy.chunks_exact(d)).zip(dx.chunks_exact_mut(d)).zip(rstd);
                for (((x, dy), dx), rstd) in heads {
                    // Rotating back gives the gradient of the normalised head, kept in dx.
                    match angles {
                        None => dx.copy_from_slice(dy),
                        Some((cos, sin)) => {
                            let (low, high) = dy.split_at(half);
                            let (dx_low, dx_high) = dx.split_at_mut(half);
                            lanes!(S, half, |at| {
                                let (a, b) = (at.load(s, low), at.load(s, high));
                                let (c, n) = (at.load(s, cos), at.load(s, sin));
                                at.store(s, s.mul_add(b, n, s.mul(a, c)), dx_low);
                                at.store(s, s.neg_mul_add(a, n, s.mul(b, c)), dx_high);
                            });
                        }
                    }
                    let inverse = s.splat(*rstd);
                    let mut along = s.zero();
                    lanes!(S, d, |at| {
                        let (x, dn) = (at.load(s, x), at.load(s, dx));
                        let g = s.mul(dn, at.load(s, weight));
                        along = s.mul_add(g, x, along);
                        at.store(s, s.mul_add(dn, s.mul(x, inverse), at.load(s, sums)), sums);
                        at.store(s, g, dx);
                    });
                    let slope = s.splat(rstd * rstd * s.reduce_sum(along) / d as f32);
                    lanes!(S, d, |at| {
                        at.store(s, s.mul(inverse, s.neg_mul_add(at.load(s, x), slope, at.load(s, dx))), dx);
                    });
                }
            }
        }
    }
}
