//! Weighted squared error, the training loss (JiT, arXiv 2511.13720: velocity error as a weighted error of the picture).

use crate::Cpu;
use crate::reference::{self, narrow, wide};

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
    let _ = cpu;
    let (loss, groups) = reference::weighted_squared_error(group_len, &wide(a), &wide(b), &wide(weight));
    narrow(&groups, per_group);
    loss as f32
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
    let _ = cpu;
    let g = reference::weighted_squared_error_backward(group_len, &wide(a), &wide(b), &wide(weight), dloss as f64);
    narrow(&g, da);
}
