//! Attention forward: one task for each (batch item, head, up to 128 queries), 32 queries at a time, online softmax over
//! blocks of 128 keys.

use super::tiles::{Lanes, Product, ScaleRows, SoftmaxStep, hide_later, transpose};
use super::{AttentionShape, Columns, Segment, gather, key_count};
use crate::Cpu;
use crate::rows::{Parts, with_scratch};

/// Queries of one task: they share one copy of the keys and values.
const TASK_QUERIES: usize = 128;
/// Queries computed together.
pub(super) const QUERY_BLOCK: usize = 32;
/// Keys of one step of the online softmax.
const KEY_BLOCK: usize = 128;

/// `out = softmax(scale · q·kᵀ)·v` over all segments' valid keys; a query without any valid key gives zeros.
///
/// `q`: rows `b·queries + i`; `out`: `[batch·queries, heads·d] f32`; `stats`: `[batch, heads, queries] f32`, the
/// log-sum-exp of the scaled scores (-inf without keys).
pub fn attention(
    cpu: &Cpu,
    shape: &AttentionShape,
    q: Columns,
    segments: &[Segment],
    out: &mut [f32],
    stats: &mut [f32],
) {
    let AttentionShape { batch, heads, queries, d, .. } = *shape;
    assert_eq!(out.len(), batch * queries * heads * d, "out is [batch·queries, heads·d]");
    assert_eq!(stats.len(), batch * heads * queries, "stats is [batch, heads, queries]");
    let lanes = cpu.isa.dispatch(Lanes);
    let blocks = queries.div_ceil(TASK_QUERIES);
    let (out, stats) = (Parts::new(out), Parts::new(stats));
    cpu.pool.run(batch * heads * blocks, |task| {
        let (b, h, first) = (task / blocks / heads, task / blocks % heads, task % blocks * TASK_QUERIES);
        let n = key_count(segments, b);
        let d_padded = d.next_multiple_of(lanes);
        let size = 2 * n * d_padded + QUERY_BLOCK * (2 * d_padded + KEY_BLOCK + 3);
        with_scratch(size, |scratch| {
            let (k, rest) = scratch.split_at_mut(n * d_padded);
            let (v, rest) = rest.split_at_mut(n * d_padded);
            gather(shape, segments, b, h, k, v, d_padded);
            for first in (first..queries.min(first + TASK_QUERIES)).step_by(QUERY_BLOCK) {
                let count = QUERY_BLOCK.min(queries - first);
                let n = if shape.causal { n.min(first + count) } else { n };
                let columns = count.next_multiple_of(lanes);
                let block = Block { cpu, shape, k, v, d_padded, n, first, count, columns };
                // SAFETY: each (batch item, head, query) belongs to one block of one task.
                let lse = unsafe { stats.part((b * heads + h) * queries + first, count) };
                let o = block.run(|i| q.head(d, b * queries + first + i, h), lse, rest);
                for (i, o) in o.chunks_exact(d_padded).enumerate() {
                    // SAFETY: as above.
                    let out = unsafe { out.part(((b * queries + first + i) * heads + h) * d, d) };
                    out.copy_from_slice(&o[..d]);
                }
            }
        });
    });
}

/// Up to [`QUERY_BLOCK`] queries against the keys of their batch item and head.
struct Block<'a> {
    cpu: &'a Cpu,
    shape: &'a AttentionShape,
    /// `[n, d_padded]`
    k: &'a [f32],
    /// `[n, d_padded]`
    v: &'a [f32],
    d_padded: usize,
    n: usize,
    /// First query.
    first: usize,
    /// Queries.
    count: usize,
    /// Queries, padded to whole vectors.
    columns: usize,
}

impl Block<'_> {
    /// Returns the output `[count, d_padded]`, in `scratch`.
    fn run<'s, 'q>(&self, query: impl Fn(usize) -> &'q [f32], lse: &mut [f32], scratch: &'s mut [f32]) -> &'s [f32] {
        let Self { cpu, shape, d_padded, n, count, columns, .. } = *self;
        let (o, scratch) = scratch.split_at_mut(count * d_padded);
        if n == 0 {
            lse.fill(f32::NEG_INFINITY);
            o.fill(0.0);
            return o;
        }
        let (qt, scratch) = scratch.split_at_mut(d_padded * columns);
        let (scores, scratch) = scratch.split_at_mut(KEY_BLOCK * columns);
        let (max, scratch) = scratch.split_at_mut(columns);
        let (sum, scratch) = scratch.split_at_mut(columns);
        let rescale = &mut scratch[..columns];
        // o holds the scaled queries until they are transposed.
        for (i, o) in o.chunks_exact_mut(d_padded).enumerate() {
            o.iter_mut().zip(query(i)).for_each(|(o, q)| *o = q * shape.scale);
        }
        transpose(o, d_padded, shape.d, columns, qt);
        max.fill(f32::NEG_INFINITY);
        sum.fill(0.0);
        for first in (0..n).step_by(KEY_BLOCK) {
            let keys = KEY_BLOCK.min(n - first);
            let scores = &mut scores[..keys * columns];
            cpu.isa.dispatch(Product {
                m: keys,
                n: columns,
                k: shape.d,
                a: &self.k[first * d_padded..],
                a_row: d_padded,
                a_step: 1,
                b: qt,
                b_row: columns,
                c: scores,
                c_row: columns,
                accumulate: false,
            });
            if shape.causal {
                hide_later(scores, columns, first, self.first);
            }
            cpu.isa.dispatch(SoftmaxStep { scores, max, sum, rescale });
            if first > 0 {
                cpu.isa.dispatch(ScaleRows { width: d_padded, factors: rescale, rows: o });
            }
            cpu.isa.dispatch(Product {
                m: count,
                n: d_padded,
                k: keys,
                a: scores,
                a_row: 1,
                a_step: columns,
                b: &self.v[first * d_padded..],
                b_row: d_padded,
                c: o,
                c_row: d_padded,
                accumulate: first > 0,
            });
        }
        for (i, lse) in lse.iter_mut().enumerate() {
            *lse = max[i] + sum[i].ln();
            rescale[i] = 1.0 / sum[i];
        }
        cpu.isa.dispatch(ScaleRows { width: d_padded, factors: rescale, rows: o });
        o
    }
}
