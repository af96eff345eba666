//! Layer norm (arXiv 1607.06450): `y = (x - mean) · rstd · weight + bias`, biased variance.

use crate::Cpu;
use crate::reference::{self, narrow, wide};

/// `y[r] = (x[r] - mean) / sqrt(var + eps) · weight + bias`.
///
/// `x`, `y`: `[rows, d] f32`; `weight`, `bias`: `[d] f32`.
pub fn layer_norm(cpu: &Cpu, d: usize, x: &[f32], weight: &[f32], bias: &[f32], eps: f32, y: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::layer_norm(d, &wide(x), &wide(weight), &wide(bias), eps as f64), y);
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
    let _ = cpu;
    let (gx, gw, gb) = reference::layer_norm_backward(d, &wide(x), &wide(weight), eps as f64, &wide(dy));
    narrow(&gx, dx);
    narrow(&gw, dweight);
    narrow(&gb, dbias);
}
