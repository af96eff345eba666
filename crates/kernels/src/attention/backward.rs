//! Attention backward: one task for each (batch item, head), 32 queries at a time; probabilities are computed again from the
//! saved log-sum-exp (FlashAttention-2, arXiv 2307.08691, algorithm 2).

use super::tiles::{Lanes, Product, SoftmaxBackward, hide_later, transpose};
use super::{AttentionShape, Columns, Segment, SegmentTarget, Target, gather, key_count};
use crate::Cpu;
use crate::rows::{Parts, with_scratch};

/// Queries computed together.
const QUERY_BLOCK: usize = 32;

/// Backward of [`attention`](super::attention()): **overwrites** the target columns of every row (padding keys get zero), and no
/// others.
///
/// `out`, `stats`: the forward pass's results; `dout`: `[batch·queries, heads·d] f32`. Targets name one of `buffers` (so
/// that dq, dk and dv may be columns of one matrix) and must not overlap; those in one buffer have one stride.
pub fn attention_backward(
    cpu: &Cpu,
    shape: &AttentionShape,
    q: Columns,
    segments: &[Segment],
    out: &[f32],
    stats: &[f32],
    dout: &[f32],
    buffers: &mut [&mut [f32]],
    dq: Target,
    dsegments: &[SegmentTarget],
) {
    let AttentionShape { batch, heads, queries, d, .. } = *shape;
    let width = heads * d;
    assert!(
        out.len() == batch * queries * width && dout.len() == out.len(),
        "out and dout are [batch·queries, heads·d]"
    );
    assert_eq!(stats.len(), batch * heads * queries, "stats is [batch, heads, queries]");
    assert_eq!(segments.len(), dsegments.len(), "one target for each segment");
    check_targets(width, dq, dsegments);
    let buffers: Vec<Parts> = buffers.iter_mut().map(|b| Parts::new(b)).collect();
    let lanes = cpu.isa.dispatch(Lanes);
    let d_padded = d.next_multiple_of(lanes);
    cpu.pool.run(batch * heads, |task| {
        let (b, h) = (task / heads, task % heads);
        let slot = |target: Target, row: usize| {
            // SAFETY: targets are disjoint columns (checked), and each (row, head) of a target is taken once, by the task of
            // its batch item and head.
            unsafe { buffers[target.buffer].part(row * target.stride + target.offset + h * d, d) }
        };
        let n = key_count(segments, b);
        let size = 4 * n * d_padded + QUERY_BLOCK * (2 * n + 5 * d_padded + 2);
        with_scratch(size, |scratch| {
            let (k, rest) = scratch.split_at_mut(n * d_padded);
            let (v, rest) = rest.split_at_mut(n * d_padded);
            let (dk, rest) = rest.split_at_mut(n * d_padded);
            let (dv, rest) = rest.split_at_mut(n * d_padded);
            gather(shape, segments, b, h, k, v, d_padded);
            let keys = Keys { n, d, d_padded, k, v };
            for first in (0..queries).step_by(QUERY_BLOCK) {
                let count = QUERY_BLOCK.min(queries - first);
                let mut block = QueryBlock::new(d_padded, n, count, count.next_multiple_of(lanes), rest);
                for i in 0..count {
                    let row = b * queries + first + i;
                    let at = (row * heads + h) * d;
                    let lse = stats[(b * heads + h) * queries + first + i];
                    block.load(i, q.head(d, row, h), shape.scale, &out[at..][..d], &dout[at..][..d], lse);
                }
                block.run(cpu, &keys, shape.causal.then_some(first), dk, dv, first > 0);
                for (i, from) in block.dq.chunks_exact(d_padded).enumerate() {
                    let to = slot(dq, b * queries + first + i);
                    to.iter_mut().zip(from).for_each(|(to, from)| *to = from * shape.scale);
                }
            }
            if queries == 0 {
                dk.fill(0.0);
                dv.fill(0.0);
            }
            let mut rows = dk.chunks_exact(d_padded).zip(dv.chunks_exact(d_padded));
            for (segment, target) in segments.iter().zip(dsegments) {
                let length = segment.length(b);
                for (t, (dk, dv)) in rows.by_ref().take(length).enumerate() {
                    slot(target.k, b * segment.tokens + t).copy_from_slice(&dk[..d]);
                    slot(target.v, b * segment.tokens + t).copy_from_slice(&dv[..d]);
                }
                for t in length..segment.tokens {
                    slot(target.k, b * segment.tokens + t).fill(0.0);
                    slot(target.v, b * segment.tokens + t).fill(0.0);
                }
            }
        });
    });
}

/// The safety of concurrent writes: columns inside the rows, and disjoint within a buffer.
fn check_targets(width: usize, dq: Target, dsegments: &[SegmentTarget]) {
    let all: Vec<Target> = dsegments.iter().flat_map(|s| [s.k, s.v]).chain([dq]).collect();
    for (i, a) in all.iter().enumerate() {
        assert!(a.offset + width <= a.stride, "a target's columns lie inside a row");
        for b in &all[..i] {
            let apart = a.offset + width <= b.offset || b.offset + width <= a.offset;
            assert!(
                a.buffer != b.buffer || (a.stride == b.stride && apart),
                "targets in one buffer are disjoint columns"
            );
        }
    }
}

/// Keys and values of one (batch item, head), `[n, d_padded]`.
struct Keys<'a> {
    n: usize,
    d: usize,
    d_padded: usize,
    k: &'a [f32],
    v: &'a [f32],
}

/// Working memory of up to [`QUERY_BLOCK`] queries.
struct QueryBlock<'a> {
    count: usize,
    /// Queries, padded to whole vectors.
    columns: usize,
    /// `[count, d_padded]`, scaled.
    q: &'a mut [f32],
    /// `[count, d_padded]`.
    dout: &'a mut [f32],
    /// `[count, d_padded]`, to be scaled.
    dq: &'a mut [f32],
    /// `[d, columns]`: the scaled queries, then `dout`.
    transposed: &'a mut [f32],
    /// `[n, columns]`.
    scores: &'a mut [f32],
    /// `[n, columns]`.
    gradient: &'a mut [f32],
    lse: &'a mut [f32],
    delta: &'a mut [f32],
}

impl<'a> QueryBlock<'a> {
    fn new(d_padded: usize, n: usize, count: usize, columns: usize, memory: &'a mut [f32]) -> Self {
        let (q, memory) = memory.split_at_mut(count * d_padded);
        let (dout, memory) = memory.split_at_mut(count * d_padded);
        let (dq, memory) = memory.split_at_mut(count * d_padded);
        let (transposed, memory) = memory.split_at_mut(columns * d_padded);
        let (scores, memory) = memory.split_at_mut(n * columns);
        let (gradient, memory) = memory.split_at_mut(n * columns);
        let (lse, memory) = memory.split_at_mut(columns);
        let delta = &mut memory[..columns];
        lse.fill(f32::INFINITY);
        delta.fill(0.0);
        q.fill(0.0);
        dout.fill(0.0);
        Self { count, columns, q, dout, dq, transposed, scores, gradient, lse, delta }
    }

    /// Takes over query `i`.
    fn load(&mut self, i: usize, q: &[f32], scale: f32, out: &[f32], dout: &[f32], lse: f32) {
        let start = i * (self.q.len() / self.count);
        self.q[start..].iter_mut().zip(q).for_each(|(to, q)| *to = q * scale);
        self.dout[start..][..dout.len()].copy_from_slice(dout);
        // Sixteen interleaved sums.
        let mut sums = [0.0f32; 16];
        for (out, dout) in out.chunks(16).zip(dout.chunks(16)) {
            for ((sum, o), g) in sums.iter_mut().zip(out).zip(dout) {
                *sum += o * g;
            }
        }
        self.delta[i] = sums.iter().sum();
        self.lse[i] = lse;
    }

    /// Writes (or adds to) `dk`, `dv` `[n, d_padded]`, and writes `self.dq`. `causal`: the first query, if later keys are
    /// hidden.
    fn run(&mut self, cpu: &Cpu, keys: &Keys, causal: Option<usize>, dk: &mut [f32], dv: &mut [f32], accumulate: bool) {
        let Keys { n, d, d_padded, .. } = *keys;
        let (count, columns) = (self.count, self.columns);
        // scores = K·Qᵀ, gradient = V·dOᵀ: [n, columns]
        for (from, rows, to) in [(keys.k, &*self.q, &mut *self.scores), (keys.v, &*self.dout, &mut *self.gradient)] {
            transpose(rows, d_padded, d, columns, self.transposed);
            cpu.isa.dispatch(Product {
                m: n,
                n: columns,
                k: d,
                a: from,
                a_row: d_padded,
                a_step: 1,
                b: self.transposed,
                b_row: columns,
                c: to,
                c_row: columns,
                accumulate: false,
            });
        }
        if let Some(first) = causal {
            hide_later(self.scores, columns, 0, first);
        }
        cpu.isa.dispatch(SoftmaxBackward {
            scores: self.scores,
            gradient: self.gradient,
            lse: self.lse,
            delta: self.delta,
        });
        // dV += P·dO, dK += dS·Q: [n, d]
        for (weights, rows, to) in [(&*self.scores, &*self.dout, dv), (&*self.gradient, &*self.q, dk)] {
            cpu.isa.dispatch(Product {
                m: n,
                n: d_padded,
                k: count,
                a: weights,
                a_row: columns,
                a_step: 1,
                b: rows,
                b_row: d_padded,
                c: to,
                c_row: d_padded,
                accumulate,
            });
        }
        // dQ = dSᵀ·K: [count, d]
        cpu.isa.dispatch(Product {
            m: count,
            n: d_padded,
            k: n,
            a: self.gradient,
            a_row: 1,
            a_step: columns,
            b: keys.k,
            b_row: d_padded,
            c: self.dq,
            c_row: d_padded,
            accumulate: false,
        });
    }
}
