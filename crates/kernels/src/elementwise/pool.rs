//! Mean over the valid tokens of each batch item (sentence embeddings).

use simd::{Kernel, Simd};

use crate::Cpu;
use crate::rows::lanes;

/// `y[b] = mean of x[b, ..lengths[b]]`; zero for an empty item.
///
/// `x`: `[batch, tokens, d] f32`; `lengths`: `[batch]` whole numbers in f32, `None` = all tokens; `y`: `[batch, d] f32`.
/// Tokens beyond the length are not read.
pub fn mean_pool(cpu: &Cpu, d: usize, tokens: usize, x: &[f32], lengths: Option<&[f32]>, y: &mut [f32]) {
    assert_eq!(x.len(), y.len() * tokens, "x is [batch, tokens, d]");
    cpu.pool.run_chunks(y, d, |b, y| {
        let x = &x[b * tokens * d..][..length(lengths, tokens, b) * d];
        cpu.isa.dispatch(MeanRows { x, y });
    });
}

/// Backward of [`mean_pool`]; `dy`: `[batch, d] f32`, `dx`: `[batch, tokens, d] f32` (zero beyond the lengths).
pub fn mean_pool_backward(cpu: &Cpu, d: usize, tokens: usize, lengths: Option<&[f32]>, dy: &[f32], dx: &mut [f32]) {
    assert_eq!(dx.len(), dy.len() * tokens, "dx is [batch, tokens, d]");
    cpu.pool.run_chunks(dx, tokens * d, |b, dx| {
        let length = length(lengths, tokens, b);
        let (valid, padding) = dx.split_at_mut(length * d);
        padding.fill(0.0);
        let dy = &dy[b * d..][..d];
        for dx in valid.chunks_exact_mut(d) {
            for (dx, dy) in dx.iter_mut().zip(dy) {
                *dx = dy / length as f32;
            }
        }
    });
}

fn length(lengths: Option<&[f32]>, tokens: usize, b: usize) -> usize {
    lengths.map_or(tokens, |l| (l[b] as usize).min(tokens))
}

struct MeanRows<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for MeanRows<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { x, y } = self;
        let d = y.len();
        let rows = x.len() / d;
        let factor = s.splat(1.0 / rows.max(1) as f32);
        y.fill(0.0);
        for x in x.chunks_exact(d) {
            lanes!(S, d, |at| {
                at.store(s, s.add(at.load(s, y), at.load(s, x)), y);
            });
        }
        lanes!(S, d, |at| {
            at.store(s, s.mul(at.load(s, y), factor), y);
        });
    }
}
