//! Multi-head attention `softmax(q·kᵀ·scale)·v` over one or several segments of keys, and its backward pass.
//!
//! Joint attention (image and text tokens, SD3 arXiv 2403.03206) is one softmax over the concatenated segments; keys
//! at or beyond a segment's length are not read, so padding never changes a bit. Causal attention hides from each query
//! the keys after its own place. Each (batch item, head, block of queries) is one task. Statistics: the log-sum-exp of a query's scaled scores (FlashAttention-2, arXiv 2307.08691).

mod backward;
mod forward;
mod tiles;

pub use backward::attention_backward;
pub use forward::attention;

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
    /// Query `i` sees the first `i + 1` of the joined keys only.
    pub causal: bool,
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

impl Columns<'_> {
    /// Head `h` of row `r`.
    fn head(&self, d: usize, r: usize, h: usize) -> &[f32] {
        &self.data[r * self.stride + self.offset + h * d..][..d]
    }
}

/// Copies the valid keys and values of (batch item `b`, head `h`) of all segments into `k`, `v` `[n, padded]`.
fn gather(
    shape: &AttentionShape,
    segments: &[Segment],
    b: usize,
    h: usize,
    k: &mut [f32],
    v: &mut [f32],
    padded: usize,
) {
    let d = shape.d;
    let rows = segments.iter().flat_map(|s| (0..s.length(b)).map(move |t| (s, b * s.tokens + t)));
    for (((segment, row), k), v) in rows.zip(k.chunks_exact_mut(padded)).zip(v.chunks_exact_mut(padded)) {
        k[..d].copy_from_slice(segment.k.head(d, row, h));
        k[d..].fill(0.0);
        v[..d].copy_from_slice(segment.v.head(d, row, h));
        v[d..].fill(0.0);
    }
}

/// Valid keys of batch item `b`.
fn key_count(segments: &[Segment], b: usize) -> usize {
    segments.iter().map(|s| s.length(b)).sum()
}
