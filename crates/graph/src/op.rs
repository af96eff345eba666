//! The operation set: coarse, each one kernel call. Optional operands are flags, in the order they are listed.

use kernels::conv::ConvShape;
use kernels::gemm::Activation;

/// Which column blocks a [`Op::QkNormRotary`] tensor holds, each `heads · head_dim` wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum QkParts {
    /// Query, key, value.
    Qkv,
    /// Key, value (context tokens that ask nothing).
    Kv,
}

impl QkParts {
    /// Number of column blocks.
    pub fn count(self) -> usize {
        match self {
            QkParts::Qkv => 3,
            QkParts::Kv => 2,
        }
    }
}

/// Most segments of one attention.
pub(crate) const MAX_SEGMENTS: usize = 4;

/// Column offsets of one key/value segment of an attention node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentColumns {
    /// Column of the first key element in the segment's key tensor.
    pub key: usize,
    /// Column of the first value element in the segment's value tensor.
    pub value: usize,
    /// Whether a `[B]` tensor of lengths follows the key and value tensors.
    pub lengths: bool,
}

/// What a convolution does besides its weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Conv2dOptions {
    /// Pixels from one patch to the next, on both axes.
    pub stride: usize,
    /// Zeros around the (doubled) input: top, bottom, left, right.
    pub padding: [usize; 4],
    /// 2: the input is first doubled on both axes, each pixel repeated. 1: it is not.
    pub upsample: usize,
    /// Rows and columns left out at the bottom and right of the doubled input, 0 or 1; has no gradient.
    pub crop: (usize, usize),
}

impl Default for Conv2dOptions {
    fn default() -> Self {
        Self { stride: 1, padding: [0; 4], upsample: 1, crop: (0, 0) }
    }
}

impl Conv2dOptions {
    /// The kernels' view of a convolution of x `[B, H, W, Ci]` with weight `[Co, kh, kw, Ci]`.
    pub(crate) fn shape(&self, x: &[usize], weight: &[usize]) -> ConvShape {
        ConvShape {
            batch: x[0],
            height: x[1],
            width: x[2],
            channels_in: weight[3],
            channels_out: weight[0],
            kernel: (weight[1], weight[2]),
            stride: self.stride,
            padding: self.padding,
            upsample: self.upsample,
            crop: self.crop,
        }
    }
}

/// One operation of a graph. `inputs` and `outputs` of a node follow the order in the comments; `[x]` is present when the
/// flag of that name is set.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "fields are described by their operation")]
pub enum Op {
    /// x `[.., K]`, weight `[N, K]`, \[bias `[N]`\], \[residual `[.., N]`\] → activation(x·weightᵀ + bias) + residual.
    Linear { activation: Activation, bias: bool, residual: bool },
    /// x `[B, H, W, Ci]`, weight `[Co, kh, kw, Ci]`, \[bias `[Co]`\], \[residual `[B, OH, OW, Co]`\] →
    /// activation(x ∗ weight + bias) + residual.
    Conv2d { options: Conv2dOptions, activation: Activation, bias: bool, residual: bool },
    /// x `[B, .., D]`, \[weight `[D]`\], \[scale `[B, D]`, shift `[B, D]`\] → y, rstd (one a row).
    RmsNorm { eps: f32, weight: bool, modulation: bool },
    /// x `[.., D]`, weight `[D]`, bias `[D]` → y.
    LayerNorm { eps: f32 },
    /// x `[B, .., C]`, weight `[C]`, bias `[C]` → y, followed by SiLU when asked; mean and rstd `[B, groups, 2]`.
    GroupNorm { groups: usize, eps: f32, silu: bool },
    /// a + b, same shape.
    Add,
    /// x + row, where the shape of row is a suffix of the shape of x.
    AddBroadcast,
    /// x `[B, .., D]`, row `[B, D]` → x + row.
    AddPerItem,
    /// x · factor.
    Scale { factor: f32 },
    /// x `[B, .., D]`, gate `[B, D]`, y like x → x + gate·y.
    GatedAdd,
    /// max(x, 0).
    Relu,
    /// Hyperbolic tangent.
    Tanh,
    /// x·sigmoid(x).
    Silu,
    /// Exact (erf) GELU.
    Gelu,
    /// `[.., 2H]` → `[.., H]`: silu(first half)·second half.
    Swiglu,
    /// `[.., 2H]` → `[.., H]`: first half·gelu(second half).
    Geglu,
    /// x `[B, T, parts·heads·d]`, \[query weight `[d]` with `Qkv`\], key weight `[d]`, \[cos `[T, d/2]`, sin `[T, d/2]`\] → like x:
    /// every query and key head RMS-normed with the weight, then rotated; values copied.
    QkNormRotary { parts: QkParts, heads: usize, head_dim: usize, eps: f32, rotary: bool },
    /// query tensor, then for each segment: key tensor, value tensor, \[lengths `[B]`\] → out `[B, T, heads·d]`, statistics
    /// `[B, heads, T]`. Softmax runs over the concatenated segments; keys at and beyond the lengths are not read. Causal:
    /// token t sees keys 0 to t.
    Attention { heads: usize, head_dim: usize, query: usize, segments: Vec<SegmentColumns>, causal: bool },
    /// table `[V, D]`, ids `[..]` (whole numbers) → `[.., D]`.
    Embedding,
    /// t `[B]` → `[B, dim]`: cosines then sines of t·max_period^(−i/(dim/2)).
    TimestepEmbedding { dim: usize, max_period: f32 },
    /// `[B, H, W, C]` → `[B, H/p·W/p, p·p·C]`.
    Patchify { patch: usize },
    /// `[B, N, p·p·C]` → `[B, H, W, C]`.
    Unpatchify { patch: usize },
    /// `[B, H, W, C·r²]` → `[B, H·r, W·r, C]`, channels `c·r² + dy·r + dx` as in torch.
    PixelShuffle { factor: usize },
    /// `[B, H·r, W·r, C]` → `[B, H, W, C·r²]`.
    PixelUnshuffle { factor: usize },
    /// Concatenates the last dimension of all inputs.
    Concat,
    /// Splits the last dimension into one output per size.
    Split { sizes: Vec<usize> },
    /// Same elements, other shape; shares the memory of its input.
    Reshape,
    /// x `[B, T, D]`, lengths `[B]` → mean of the first `lengths[b]` rows `[B, D]`.
    MeanPool,
    /// `[.., D]` → every row divided by its Euclidean norm.
    L2Normalize,
    /// prediction `[B, ..]`, target like it, weight `[B]` → loss `[1]`, mean of weight·(prediction − target)²; its terms by item
    /// `[B]`.
    WeightedSquaredError,
    /// A tensor of one value (gradient seeds, gradients of unused outputs).
    Fill { value: f32 },

    /// dy `[.., N]`, weight `[N, K]` → dx `[.., K]`.
    LinearInputGradient,
    /// dy `[.., N]`, x `[.., K]` → dweight `[N, K]`.
    LinearWeightGradient,
    /// dy `[B, OH, OW, Co]`, weight `[Co, kh, kw, Ci]` → dx `[B, H, W, Ci]`.
    Conv2dInputGradient { options: Conv2dOptions },
    /// dy `[B, OH, OW, Co]`, x `[B, H, W, Ci]` → dweight `[Co, kh, kw, Ci]`.
    Conv2dWeightGradient { options: Conv2dOptions },
    /// dy → sum over rows, as long as the output (bias and broadcast gradients).
    ColumnSum,
    /// dy `[B, .., D]` → sum over the rows of each item `[B, D]`.
    ItemSum,
    /// x, \[weight\], \[scale, shift\], rstd, dy → dx, \[dweight\], \[dscale, dshift\].
    RmsNormBackward { eps: f32, weight: bool, modulation: bool },
    /// x, weight, dy → dx, dweight, dbias.
    LayerNormBackward { eps: f32 },
    /// x, weight, bias, statistics, dy → dx, dweight, dbias.
    GroupNormBackward { groups: usize, silu: bool },
    /// gate, y, dout → dy, dgate.
    GatedAddBackward,
    /// x, dy → dx.
    ReluBackward,
    /// x, dy → dx.
    TanhBackward,
    /// x, dy → dx.
    SiluBackward,
    /// x, dy → dx.
    GeluBackward,
    /// x, dy → dx.
    SwigluBackward,
    /// x, dy → dx.
    GegluBackward,
    /// inputs of the forward node, then dy → dx, \[dquery weight\], dkey weight.
    QkNormRotaryBackward { parts: QkParts, heads: usize, head_dim: usize, eps: f32, rotary: bool },
    /// inputs of the forward node, out, statistics, dout → gradient of each distinct tensor among query, keys and values in
    /// order of first appearance.
    AttentionBackward { heads: usize, head_dim: usize, query: usize, segments: Vec<SegmentColumns>, causal: bool },
    /// ids, dy → dtable.
    EmbeddingBackward,
    /// lengths, dy → dx.
    MeanPoolBackward,
    /// x, dy → dx.
    L2NormalizeBackward,
    /// prediction, target, weight, dloss `[1]` → dprediction.
    WeightedSquaredErrorBackward,
}

/// Families of operations that share a rate in the cost model and a line in a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OpKind {
    /// Forward matrix products.
    Linear,
    /// dX products.
    LinearInputGradient,
    /// dW products.
    LinearWeightGradient,
    /// Convolutions, forward.
    Conv,
    /// dX of convolutions.
    ConvInputGradient,
    /// dW of convolutions.
    ConvWeightGradient,
    /// Sums over rows (gradients of biases and of what is added to every row).
    ColumnSum,
    /// Attention forward.
    Attention,
    /// Attention backward.
    AttentionBackward,
    /// Query/key norm and rotary, forward and backward.
    QkNormRotary,
    /// Norms, forward.
    Norm,
    /// Norms, backward.
    NormBackward,
    /// ReLU, tanh, SiLU, GELU, SwiGLU, GEGLU, forward and backward.
    Activation,
    /// Additions, gates, scaling.
    Elementwise,
    /// Embeddings, patches, concatenation and splits, pooling.
    Movement,
    /// Losses.
    Loss,
}

impl OpKind {
    /// Every kind, in reporting order.
    pub const ALL: [OpKind; 16] = [
        OpKind::Linear,
        OpKind::LinearInputGradient,
        OpKind::LinearWeightGradient,
        OpKind::Conv,
        OpKind::ConvInputGradient,
        OpKind::ConvWeightGradient,
        OpKind::ColumnSum,
        OpKind::Attention,
        OpKind::AttentionBackward,
        OpKind::QkNormRotary,
        OpKind::Norm,
        OpKind::NormBackward,
        OpKind::Activation,
        OpKind::Elementwise,
        OpKind::Movement,
        OpKind::Loss,
    ];

    /// Stable name for reports.
    pub fn name(self) -> &'static str {
        match self {
            OpKind::Linear => "linear",
            OpKind::LinearInputGradient => "linear_input_gradient",
            OpKind::LinearWeightGradient => "linear_weight_gradient",
            OpKind::Conv => "conv",
            OpKind::ConvInputGradient => "conv_input_gradient",
            OpKind::ConvWeightGradient => "conv_weight_gradient",
            OpKind::ColumnSum => "column_sum",
            OpKind::Attention => "attention",
            OpKind::AttentionBackward => "attention_backward",
            OpKind::QkNormRotary => "qk_norm_rotary",
            OpKind::Norm => "norm",
            OpKind::NormBackward => "norm_backward",
            OpKind::Activation => "activation",
            OpKind::Elementwise => "elementwise",
            OpKind::Movement => "movement",
            OpKind::Loss => "loss",
        }
    }
}

impl Op {
    /// The family the operation belongs to.
    pub fn kind(&self) -> OpKind {
        match self {
            Op::Linear { .. } => OpKind::Linear,
            Op::LinearInputGradient => OpKind::LinearInputGradient,
            Op::LinearWeightGradient => OpKind::LinearWeightGradient,
            Op::Conv2d { .. } => OpKind::Conv,
            Op::Conv2dInputGradient { .. } => OpKind::ConvInputGradient,
            Op::Conv2dWeightGradient { .. } => OpKind::ConvWeightGradient,
            Op::ColumnSum | Op::ItemSum => OpKind::ColumnSum,
            Op::Attention { .. } => OpKind::Attention,
            Op::AttentionBackward { .. } => OpKind::AttentionBackward,
            Op::QkNormRotary { .. } | Op::QkNormRotaryBackward { .. } => OpKind::QkNormRotary,
            Op::RmsNorm { .. } | Op::LayerNorm { .. } | Op::GroupNorm { .. } | Op::L2Normalize => OpKind::Norm,
            Op::RmsNormBackward { .. }
            | Op::LayerNormBackward { .. }
            | Op::GroupNormBackward { .. }
            | Op::L2NormalizeBackward => OpKind::NormBackward,
            Op::Relu
            | Op::Tanh
            | Op::Silu
            | Op::Gelu
            | Op::Swiglu
            | Op::Geglu
            | Op::ReluBackward
            | Op::TanhBackward
            | Op::SiluBackward
            | Op::GeluBackward
            | Op::SwigluBackward
            | Op::GegluBackward => OpKind::Activation,
            Op::Add | Op::AddBroadcast | Op::AddPerItem | Op::Scale { .. } | Op::GatedAdd | Op::GatedAddBackward => {
                OpKind::Elementwise
            }
            Op::Embedding
            | Op::TimestepEmbedding { .. }
            | Op::Patchify { .. }
            | Op::Unpatchify { .. }
            | Op::PixelShuffle { .. }
            | Op::PixelUnshuffle { .. }
            | Op::Concat
            | Op::Split { .. }
            | Op::Reshape
            | Op::MeanPool
            | Op::Fill { .. }
            | Op::EmbeddingBackward
            | Op::MeanPoolBackward => OpKind::Movement,
            Op::WeightedSquaredError | Op::WeightedSquaredErrorBackward => OpKind::Loss,
        }
    }
}
