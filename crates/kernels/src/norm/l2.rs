//! L2 normalisation of rows: `y = x / max(‖x‖₂, eps)` (as `torch.nn.functional.normalize`).

use crate::Cpu;
use crate::reference::{self, narrow, wide};

/// `y[r] = x[r] / max(‖x[r]‖, eps)`; `x`, `y`: `[rows, d] f32`.
pub fn l2_normalise(cpu: &Cpu, d: usize, x: &[f32], eps: f32, y: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::l2_normalise(d, &wide(x), eps as f64), y);
}

/// Backward of [`l2_normalise`]; `x`, `dy`, `dx`: `[rows, d] f32`, `dx` overwritten.
pub fn l2_normalise_backward(cpu: &Cpu, d: usize, x: &[f32], eps: f32, dy: &[f32], dx: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::l2_normalise_backward(d, &wide(x), eps as f64, &wide(dy)), dx);
}
