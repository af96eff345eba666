//! Mean over the valid tokens of each batch item (sentence embeddings).

use crate::Cpu;
use crate::reference::{self, narrow, wide};

/// `y[b] = mean of x[b, ..lengths[b]]`; zero for an empty item.
///
/// `x`: `[batch, tokens, d] f32`; `lengths`: `[batch]` whole numbers in f32, `None` = all tokens; `y`: `[batch, d] f32`.
/// Tokens beyond the length are not read.
pub fn mean_pool(cpu: &Cpu, d: usize, tokens: usize, x: &[f32], lengths: Option<&[f32]>, y: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::mean_pool(d, tokens, &wide(x), lengths), y);
}

/// Backward of [`mean_pool`]; `dy`: `[batch, d] f32`, `dx`: `[batch, tokens, d] f32` (zero beyond the lengths).
pub fn mean_pool_backward(cpu: &Cpu, d: usize, tokens: usize, lengths: Option<&[f32]>, dy: &[f32], dx: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::mean_pool_backward(d, tokens, lengths, &wide(dy)), dx);
}
