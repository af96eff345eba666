//! AdamW (arXiv 1711.05101), exponential moving average, squared norm and scaling of gradients.

use crate::Cpu;
use crate::reference::{self, narrow, wide};

/// Settings of one AdamW step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    /// Learning rate.
    pub lr: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay, multiplied by `lr`.
    pub weight_decay: f32,
    /// Number of this step, from 1 (bias correction).
    pub step: u64,
    /// Factor of the gradient: the clipping scale, usually 1.
    pub gradient_scale: f32,
}

/// `m`, `v` moments and `params` updated in place; all slices of equal length.
///
/// `params -= lr · (m̂ / (sqrt(v̂) + eps) + weight_decay · params)`.
pub fn adamw_step(cpu: &Cpu, s: &AdamWStep, params: &mut [f32], grads: &[f32], m: &mut [f32], v: &mut [f32]) {
    let _ = cpu;
    let (mut p64, mut m64, mut v64) = (wide(params), wide(m), wide(v));
    reference::adamw_step(s, &mut p64, &wide(grads), &mut m64, &mut v64);
    narrow(&p64, params);
    narrow(&m64, m);
    narrow(&v64, v);
}

/// `average = decay · average + (1 - decay) · params`.
pub fn ema_update(cpu: &Cpu, decay: f32, params: &[f32], average: &mut [f32]) {
    let _ = cpu;
    let out = reference::ema_update(decay as f64, &wide(params), &wide(average));
    narrow(&out, average);
}

/// `Σ x²`, in a fixed order: blocks of 4096 in f32, then their sum in f64.
pub fn squared_norm(cpu: &Cpu, x: &[f32]) -> f64 {
    let _ = cpu;
    reference::squared_norm(&wide(x))
}

/// `x *= factor` (gradient clipping).
pub fn scale_in_place(cpu: &Cpu, factor: f32, x: &mut [f32]) {
    let _ = cpu;
    let out = reference::scale(factor as f64, &wide(x));
    narrow(&out, x);
}
