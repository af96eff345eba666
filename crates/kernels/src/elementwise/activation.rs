//! Activations: SiLU (arXiv 1702.03118), GELU with erf (arXiv 1606.08415), SwiGLU (arXiv 2002.05202).

use crate::Cpu;
use crate::reference::{self, narrow, wide};

/// `y = x · sigmoid(x)`; `x`, `y` of equal length.
pub fn silu(cpu: &Cpu, x: &[f32], y: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::silu(&wide(x)), y);
}

/// Backward of [`silu`] from its input.
pub fn silu_backward(cpu: &Cpu, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::silu_backward(&wide(x), &wide(dy)), dx);
}

/// `y = x · Φ(x)` with the exact (erf) normal distribution function.
pub fn gelu(cpu: &Cpu, x: &[f32], y: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::gelu(&wide(x)), y);
}

/// Backward of [`gelu`] from its input.
pub fn gelu_backward(cpu: &Cpu, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::gelu_backward(&wide(x), &wide(dy)), dx);
}

/// `y = silu(x[.., ..h]) · x[.., h..]`; `x`: `[rows, 2h] f32`, `y`: `[rows, h] f32`.
pub fn swiglu(cpu: &Cpu, h: usize, x: &[f32], y: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::swiglu(h, &wide(x)), y);
}

/// Backward of [`swiglu`]; `x`, `dx`: `[rows, 2h] f32`, `dy`: `[rows, h] f32`.
pub fn swiglu_backward(cpu: &Cpu, h: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::swiglu_backward(h, &wide(x), &wide(dy)), dx);
}
