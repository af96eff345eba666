//! Embedding lookup and the sinusoidal embedding of diffusion times.

use crate::Cpu;
use crate::rows::rows_per_task;

/// `y[i] = table[ids[i]]`; `ids`: `[n]` whole numbers in f32; `table`: `[vocabulary, d] f32`; `y`: `[n, d] f32`.
///
/// # Panics
/// On an id outside the table: check ids where they enter the program.
pub fn embedding(cpu: &Cpu, d: usize, ids: &[f32], table: &[f32], y: &mut [f32]) {
    assert_eq!(y.len(), ids.len() * d, "y is [n, d]");
    let task = rows_per_task(d);
    cpu.pool.run_chunks(y, task * d, |t, y| {
        for (y, &id) in y.chunks_exact_mut(d).zip(&ids[t * task..]) {
            y.copy_from_slice(&table[id as usize * d..][..d]);
        }
    });
}

/// Backward of [`embedding`]: `dtable[v] = Σ dy[i]` over `ids[i] = v`, in order of `i`; overwritten.
pub fn embedding_backward(cpu: &Cpu, d: usize, ids: &[f32], dy: &[f32], dtable: &mut [f32]) {
    assert_eq!(dy.len(), ids.len() * d, "dy is [n, d]");
    // Every task looks at all ids and takes those of its part of the table.
    let rows = (dtable.len() / d).div_ceil(16).max(1);
    cpu.pool.run_chunks(dtable, rows * d, |t, dtable| {
        dtable.fill(0.0);
        let first = t * rows;
        let own = first..first + dtable.len() / d;
        for (&id, dy) in ids.iter().zip(dy.chunks_exact(d)) {
            if own.contains(&(id as usize)) {
                let row = &mut dtable[(id as usize - first) * d..][..d];
                row.iter_mut().zip(dy).for_each(|(sum, dy)| *sum += dy);
            }
        }
    });
}

/// Sinusoidal embedding as in DiT: `dim/2` cosines, then `dim/2` sines of `t · max_period^(-i / (dim/2))`.
///
/// `t`: `[batch] f32` (the caller multiplies by 1000 where a model wants that); `y`: `[batch, dim] f32`, `dim` even.
/// Angles are f64: at t = 1000 an f32 angle is off by 3e-5.
pub fn timestep_embedding(cpu: &Cpu, dim: usize, max_period: f32, t: &[f32], y: &mut [f32]) {
    assert!(dim.is_multiple_of(2) && y.len() == t.len() * dim, "y is [batch, dim], dim even");
    let half = dim / 2;
    let step = -(max_period as f64).ln() / half as f64;
    cpu.pool.run_chunks(y, dim, |b, y| {
        let (cos, sin) = y.split_at_mut(half);
        for (i, (c, n)) in cos.iter_mut().zip(sin).enumerate() {
            let angle = t[b] as f64 * (step * i as f64).exp();
            *c = angle.cos() as f32;
            *n = angle.sin() as f32;
        }
    });
}
