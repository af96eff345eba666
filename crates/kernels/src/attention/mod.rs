//! Multi-head attention `softmax(q·kᵀ·scale)·v` over one or several segments of keys, and its backward pass.
//!
//! Joint attention (image and text tokens, SD3 arXiv 2403.03206) is one softmax over the concatenated segments; keys
//! at or beyond a segment's length are not read, so padding never changes a bit. Each (batch item, head, block of
//! queries) is one task. Statistics: the log-sum-exp of a query's scaled scores (FlashAttention-2, arXiv 2307.08691).

use crate::Cpu;
use crate::reference::{self, narrow, wide};

/// Sizes shared by the operands of one attention.
#[derive(Clone, Copy, Debug)]
pub struct AttentionShape {
    /// Batch items.
    pub batch: usize,
    /// Heads.
    pub heads: usize,
    /// Columns of a head.
    pub d: usize,
    /// Query tokens of a batch item.
    pub queries: usize,
    /// Factor of the scores, usually [`AttentionShape::default_scale`].
    pub scale: f32,
}

impl AttentionShape {
    /// `1 / sqrt(d)`.
    pub fn default_scale(d: usize) -> f32 {
        1.0 / (d as f32).sqrt()
    }
}

/// A view of `heads · d` columns of a wider matrix: head `h` of row `r` is `data[r·stride + offset + h·d ..][..d]`.
#[derive(Clone, Copy, Debug)]
pub struct Columns<'a, T = f32> {
    /// The whole matrix `[rows, stride]`.
    pub data: &'a [T],
    /// Columns of the matrix.
    pub stride: usize,
    /// First column of the view.
    pub offset: usize,
}

/// One run of keys and values, `tokens` rows for each batch item (row `b·tokens + t`).
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a, T = f32> {
    /// Keys.
    pub k: Columns<'a, T>,
    /// Values.
    pub v: Columns<'a, T>,
    /// Rows of a batch item, padding included.
    pub tokens: usize,
    /// Valid tokens of each batch item (`[batch]` whole numbers in f32); `None` = all.
    pub lengths: Option<&'a [f32]>,
}

impl<T> Segment<'_, T> {
    /// Valid tokens of batch item `b`.
    pub fn length(&self, b: usize) -> usize {
        self.lengths.map_or(self.tokens, |l| (l[b] as usize).min(self.tokens))
    }
}

/// Where a gradient goes: columns of one of the buffers handed to [`attention_backward`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// Index into the buffers.
    pub buffer: usize,
    /// Columns of that buffer's matrix.
    pub stride: usize,
    /// First column.
    pub offset: usize,
}

/// Where the gradients of one segment's keys and values go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentTarget {
    /// Gradient of the keys.
    pub k: Target,
    /// Gradient of the values.
    pub v: Target,
}

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
    let _ = cpu;
    with_wide(q, segments, |q, segments| {
        let (o, s) = reference::attention(shape, q, segments);
        narrow(&o, out);
        narrow(&s, stats);
    });
}

/// Backward of [`attention`]: **overwrites** the target columns of every row (padding keys get zero), and no others.
///
/// `out`, `stats`: the forward pass's results; `dout`: `[batch·queries, heads·d] f32`. Targets name one of `buffers`
/// (so that dq, dk and dv may be columns of one matrix) and must not overlap.
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
    let _ = (cpu, out, stats);
    assert_eq!(segments.len(), dsegments.len(), "one target for each segment");
    with_wide(q, segments, |q, segments| {
        let (gq, gs) = reference::attention_backward(shape, q, segments, &wide(dout));
        let width = shape.heads * shape.d;
        let mut store = |target: Target, from: &[f64]| {
            for (r, row) in from.chunks(width).enumerate() {
                narrow(row, &mut buffers[target.buffer][r * target.stride + target.offset..][..width]);
            }
        };
        store(dq, &gq);
        for (target, (k, v)) in dsegments.iter().zip(&gs) {
            store(target.k, k);
            store(target.v, v);
        }
    });
}

fn with_wide(q: Columns, segments: &[Segment], f: impl FnOnce(Columns<f64>, &[Segment<f64>])) {
    let query = wide(q.data);
    let data: Vec<_> = segments.iter().map(|s| (wide(s.k.data), wide(s.v.data))).collect();
    let wide_segments: Vec<_> = segments
        .iter()
        .zip(&data)
        .map(|(s, (k, v))| Segment {
            k: Columns { data: &k[..], stride: s.k.stride, offset: s.k.offset },
            v: Columns { data: &v[..], stride: s.v.stride, offset: s.v.offset },
            tokens: s.tokens,
            lengths: s.lengths,
        })
        .collect();
    f(Columns { data: &query[..], stride: q.stride, offset: q.offset }, &wide_segments);
}
