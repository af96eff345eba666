//! Muon (momentum orthogonalised by Newton-Schulz iteration; K. Jordan 2024) with the update scale and decoupled weight
//! decay of Moonlight (arXiv 2502.16982) and the per-step coefficients of Polar Express (arXiv 2505.16932).
//!
//! One step on a matrix `[rows, cols]`: `buffer = momentum·buffer + g`; `u = g + momentum·buffer` (Nesterov);
//! `o = polar(u)` approximately; `params -= lr · (0.2·sqrt(max(rows, cols))·o + weight_decay·params)`.

use crate::Cpu;
use crate::gemm::Precision;
use crate::reference::{self, narrow, wide};

/// The single set of quintic coefficients of the original Muon, repeated for five steps.
pub const NEWTON_SCHULZ_QUINTIC: [[f32; 3]; 5] = [[3.4445, -4.7750, 2.0315]; 5];

/// Coefficients of Polar Express (arXiv 2505.16932, algorithm 1: least singular value 1e-3, safety factor 1.01 folded in
/// except in the last); take the first five for five steps. Needs a start below norm 1, which [`muon_step`] ensures.
pub const POLAR_EXPRESS: [[f32; 3]; 8] = [
    [8.205160, -22.901934, 16.460725],
    [4.066395, -2.861154, 0.518400],
    [3.909595, -2.823352, 0.525037],
    [3.285564, -2.415302, 0.485294],
    [2.277873, -1.619822, 0.398481],
    [1.872576, -1.230704, 0.358516],
    [1.856437, -1.213239, 0.356800],
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
    gram: Vec<f32>,
    square: Vec<f32>,
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
    let _ = (cpu, scratch);
    let (mut p64, mut b64) = (wide(params), wide(buffer));
    reference::muon_step(s, rows, cols, &mut p64, &wide(grads), &mut b64);
    narrow(&p64, params);
    narrow(&b64, buffer);
}
