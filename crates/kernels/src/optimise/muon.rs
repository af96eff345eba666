//! Muon (momentum orthogonalised by Newton-Schulz iteration; K. Jordan 2024) with the update scale and decoupled weight
//! decay of Moonlight (arXiv 2502.16982) and the per-step coefficients of Polar Express (arXiv 2505.16932).
//!
//! One step on a matrix `[rows, cols]`: `buffer = momentum·buffer + g`; `u = g + momentum·buffer` (Nesterov);
//! `o = polar(u)` approximately; `params -= lr · (0.2·sqrt(max(rows, cols))·o + weight_decay·params)`.

use simd::Simd;

use super::squared_norm;
use crate::Cpu;
use crate::gemm::{Precision, gram, matmul_nn, symmetric_square};
use crate::rows::{Map, Update, map, update};

/// The single set of quintic coefficients of the original Muon, repeated for five steps.
pub const NEWTON_SCHULZ_QUINTIC: [[f32; 3]; 5] = [[3.4445, -4.7750, 2.0315]; 5];

/// Coefficients of Polar Express (arXiv 2505.16932, algorithm 1: least singular value 1e-3, safety factor 1.01 folded in
/// except in the last); take the first five for five steps. Needs a start below norm 1, which [`muon_step`] ensures.
pub const POLAR_EXPRESS: [[f32; 3]; 8] = [
    [8.20516, -22.901934, 16.460725],
    [4.066395, -2.861154, 0.5184],
    [3.909595, -2.823352, 0.525037],
    [3.285564, -2.415302, 0.485294],
    [2.277873, -1.619822, 0.398481],
    [1.872576, -1.230704, 0.358516],
    [1.856437, -1.213239, 0.3568],
    [1.875, -1.25, 0.375],
];

/// Settings of one Muon step.
#[derive(Clone, Copy, Debug)]
pub struct MuonStep<'a> {
    /// Learning rate, the same scale as AdamW's (matched RMS 0.2).
    pub lr: f32,
    /// Decay of the momentum buffer, usually 0.95.
    pub momentum: f32,
    /// Decoupled weight decay, multiplied by `lr`.
    pub weight_decay: f32,
    /// `[a, b, c]` of each iteration `X = aX + (bA + cA²)X`, `A = XXᵀ`.
    pub coefficients: &'a [[f32; 3]],
    /// Precision of the matrix products.
    pub precision: Precision,
    /// Factor of the gradient: the clipping scale, usually 1.
    pub gradient_scale: f32,
}

/// Working memory of [`muon_step`], grown to the largest matrix it has seen.
#[derive(Clone, Debug, Default)]
pub struct MuonScratch {
    x: Vec<f32>,
    next: Vec<f32>,
    /// `A = XXᵀ`
    products: Vec<f32>,
    /// `bA + cA²`
    polynomial: Vec<f32>,
}

/// One step on `params` `[rows, cols] f32` with gradient `grads` and momentum `buffer` of the same shape.
///
/// The blocks of a fused projection (q, k, v) are better stepped each on its own: they are rows of a torch weight.
pub fn muon_step(
    cpu: &Cpu,
    s: &MuonStep,
    rows: usize,
    cols: usize,
    params: &mut [f32],
    grads: &[f32],
    buffer: &mut [f32],
    scratch: &mut MuonScratch,
) {
    let len = rows * cols;
    assert!(params.len() == len && grads.len() == len && buffer.len() == len, "all are [rows, cols]");
    let (short, long) = (rows.min(cols), rows.max(cols));
    let MuonScratch { x, next, products, polynomial } = scratch;
    let small = short * short;
    for (memory, len) in [(&mut *x, len), (&mut *next, len), (&mut *products, small), (&mut *polynomial, small)] {
        if memory.len() < len {
            memory.resize(len, 0.0);
        }
    }
    let (mut x, mut next) = (&mut x[..len], &mut next[..len]);
    let (products, polynomial) = (&mut products[..small], &mut polynomial[..small]);

    // 1. momentum; x = the Nesterov direction
    momentum(cpu, s, grads, buffer, x);
    // 2. fewer rows than columns
    let tall = rows > cols;
    if tall {
        transpose(cpu, rows, cols, x, next);
        std::mem::swap(&mut x, &mut next);
    }
    // 3. norm below 1
    let norm = squared_norm(cpu, x).sqrt() * 1.01 + 1e-7;
    update(cpu, Affine { keep: (1.0 / norm) as f32, add: 0.0 }, None, x);
    // 4. Newton-Schulz; A and A² are symmetric
    for &[a, b, c] in s.coefficients {
        gram(cpu, s.precision, short, long, x, products);
        symmetric_square(cpu, s.precision, short, products, polynomial);
        update(cpu, Affine { keep: c, add: b }, Some(products), polynomial);
        matmul_nn(cpu, s.precision, short, long, short, polynomial, x, next);
        update(cpu, Affine { keep: a, add: 1.0 }, Some(next), x);
    }
    if tall {
        transpose(cpu, cols, rows, x, next);
        std::mem::swap(&mut x, &mut next);
    }
    // 5. the step
    let size = s.lr as f64 * 0.2 * (long as f64).sqrt();
    let keep = 1.0 - s.lr as f64 * s.weight_decay as f64;
    update(cpu, Affine { keep: keep as f32, add: -size as f32 }, Some(x), params);
}

/// `value = keep·value + add·x`
struct Affine {
    keep: f32,
    add: f32,
}

impl Update for Affine {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, value: S::F32, x: S::F32) -> S::F32 {
        s.mul_add(s.splat(self.keep), value, s.mul(s.splat(self.add), x))
    }
}

/// `buffer = momentum·buffer + g`, `out = g + momentum·buffer`.
fn momentum(cpu: &Cpu, step: &MuonStep, grads: &[f32], buffer: &mut [f32], out: &mut [f32]) {
    update(cpu, Affine { keep: step.momentum, add: step.gradient_scale }, Some(grads), buffer);
    map(cpu, Nesterov { momentum: step.momentum, scale: step.gradient_scale }, [grads, buffer], out);
}

struct Nesterov {
    momentum: f32,
    scale: f32,
}

impl Map<2> for Nesterov {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, [g, buffer]: [S::F32; 2]) -> S::F32 {
        s.mul_add(s.splat(self.momentum), buffer, s.mul(s.splat(self.scale), g))
    }
}

/// `out[c, r] = x[r, c]`, in square blocks.
fn transpose(cpu: &Cpu, rows: usize, cols: usize, x: &[f32], out: &mut [f32]) {
    const BLOCK: usize = 16;
    cpu.pool.run_chunks(out, BLOCK * rows, |band, out| {
        let first = band * BLOCK;
        for row in (0..rows).step_by(BLOCK) {
            for (c, out) in out.chunks_exact_mut(rows).enumerate() {
                for r in row..rows.min(row + BLOCK) {
                    out[r] = x[r * cols + first + c];
                }
            }
        }
    });
}
