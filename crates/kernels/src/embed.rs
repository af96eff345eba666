//! Embedding lookup and the sinusoidal embedding of diffusion times.

use crate::Cpu;
use crate::reference::{self, narrow, wide};

/// `y[i] = table[ids[i]]`; `ids`: `[n]` whole numbers in f32; `table`: `[vocabulary, d] f32`; `y`: `[n, d] f32`.
///
/// Panics on an id outside the table: check ids where they enter the program.
pub fn embedding(cpu: &Cpu, d: usize, ids: &[f32], table: &[f32], y: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::embedding(d, ids, &wide(table)), y);
}

/// Backward of [`embedding`]: `dtable[v] = Σ dy[i]` over `ids[i] = v`, in order of `i`; overwritten.
pub fn embedding_backward(cpu: &Cpu, d: usize, ids: &[f32], dy: &[f32], dtable: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::embedding_backward(d, ids, &wide(dy), dtable.len() / d), dtable);
}

/// Sinusoidal embedding as in DiT: `dim/2` cosines, then `dim/2` sines of `t · max_period^(-i / (dim/2))`.
///
/// `t`: `[batch] f32` (the caller multiplies by 1000 where a model wants that); `y`: `[batch, dim] f32`, `dim` even.
pub fn timestep_embedding(cpu: &Cpu, dim: usize, max_period: f32, t: &[f32], y: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::timestep_embedding(dim, max_period as f64, &wide(t)), y);
}
