//! One node: from its shapes and operands to the kernel call.

use kernels::Cpu;
use kernels::attention::{AttentionShape, Columns, Segment, SegmentTarget, Target, attention, attention_backward};
use kernels::conv;
use kernels::elementwise::{self as ew, GroupTable, PixelShape};
use kernels::embed;
use kernels::gemm::{self, Activation, Epilogue, PackedMatrix, Precision, Update};
use kernels::norm::{self, GroupNormShape, Modulation, ModulationGradient, Part, QkNorm, Rotary};
use kernels::patchify::{PatchShape, patchify, unpatchify};
use kernels::winograd;

use crate::graph::{Graph, MAX_OPERANDS, Node, Tensor};
use crate::op::{MAX_SEGMENTS, SegmentColumns};
use crate::{ExecutorError, Op, QkParts};

/// Rows shorter than this are divided by it instead of their norm (as `torch.nn.functional.normalize`).
const L2_EPS: f32 = 1e-12;

/// Borrowed operands of one node, in the order of its inputs and outputs. An input in the memory of an output is empty.
pub(crate) struct Operands<'a> {
    pub(crate) inputs: [&'a [f32]; MAX_OPERANDS],
    pub(crate) outputs: [&'a mut [f32]; MAX_OPERANDS],
    /// The packed weight, when the operation has one.
    pub(crate) matrix: Option<&'a PackedMatrix>,
    /// What becomes of what the output of a weight's gradient holds.
    pub(crate) update: Update,
}

impl Default for Operands<'_> {
    fn default() -> Self {
        Self {
            inputs: [&[]; MAX_OPERANDS],
            outputs: std::array::from_fn(|_| Default::default()),
            matrix: None,
            update: Update::Replace,
        }
    }
}

/// Runs one node.
pub(crate) fn execute(
    cpu: &Cpu,
    graph: &Graph,
    node: &Node,
    precision: Precision,
    operands: &mut Operands,
) -> Result<(), ExecutorError> {
    let Operands { inputs: x, outputs, matrix, update } = operands;
    let [o0, o1, o2, o3, ..] = outputs;
    let shape = |t: Tensor| graph.shape(t);
    let last = |t: Tensor| graph.shape(t).last().copied().unwrap_or(1);
    let (i, o) = (&node.inputs, &node.outputs);
    match &node.op {
        &Op::Linear { activation, bias, residual } => {
            let weight = matrix.expect("construction resolved the weight");
            let epilogue = epilogue(activation, bias, residual, x);
            gemm::matmul(cpu, x[0].len() / weight.k(), x[0], weight, &epilogue, o0);
        }
        Op::LinearInputGradient => {
            let weight = matrix.expect("construction resolved the weight");
            gemm::matmul(cpu, x[0].len() / weight.k(), x[0], weight, &Epilogue::default(), o0);
        }
        Op::LinearWeightGradient => {
            let (n, k) = (last(i[0]), last(i[1]));
            gemm::weight_gradient(cpu, precision, (x[0].len() / n, n, k), x[0], x[1], *update, o0);
        }
        &Op::Conv2d { options, activation, bias, residual } => {
            let weight = matrix.expect("construction resolved the weight");
            let epilogue = epilogue(activation, bias, residual, x);
            let shape = options.shape(shape(i[0]), shape(i[1]));
            let convolve = if winograd::fits(&shape) { winograd::conv2d } else { conv::conv2d };
            convolve(cpu, &shape, x[0], weight, &epilogue, o0);
        }
        Op::Conv2dInputGradient { options } => {
            let weight = matrix.expect("construction resolved the weight");
            let shape = options.shape(shape(o[0]), shape(i[1]));
            let gradient = match winograd::transposed(&shape) {
                Some(_) => winograd::conv2d_input_gradient,
                None => conv::conv2d_input_gradient,
            };
            gradient(cpu, &shape, x[0], weight, o0);
        }
        Op::Conv2dWeightGradient { options } => {
            let shape = options.shape(shape(i[1]), shape(o[0]));
            let gradient = match winograd::fits(&shape) {
                true => winograd::conv2d_weight_gradient,
                false => conv::conv2d_weight_gradient,
            };
            gradient(cpu, precision, &shape, x[0], x[1], *update, o0);
        }
        Op::ColumnSum => gemm::column_sum(cpu, x[0].len() / o0.len(), o0.len(), x[0], o0),
        &Op::RmsNorm { eps, weight, modulation } => {
            let (d, m) = (last(i[0]), 1 + usize::from(weight));
            let modulation = modulation.then(|| per_item(d, x[0], x[m], x[m + 1], shape(i[0])[0]));
            norm::rms_norm(cpu, d, x[0], weight.then_some(x[1]), modulation.as_ref(), eps, o0, o1);
        }
        &Op::RmsNormBackward { weight, modulation, .. } => {
            let (d, m) = (last(i[0]), 1 + usize::from(weight));
            let table = modulation.then(|| per_item(d, x[0], x[m], x[m + 1], shape(i[0])[0]));
            let at = m + 2 * usize::from(modulation);
            let (dweight, dscale, dshift) = match (weight, modulation) {
                (true, _) => (Some(&mut **o1), &mut **o2, &mut **o3),
                (false, _) => (None, &mut **o1, &mut **o2),
            };
            let gradient = modulation.then_some(ModulationGradient { scale: dscale, shift: dshift });
            let weight = weight.then_some(x[1]);
            norm::rms_norm_backward(cpu, d, x[0], weight, table.as_ref(), x[at], x[at + 1], o0, dweight, gradient);
        }
        &Op::LayerNorm { eps } => norm::layer_norm(cpu, last(i[0]), x[0], x[1], x[2], eps, o0),
        &Op::LayerNormBackward { eps } => {
            norm::layer_norm_backward(cpu, last(i[0]), x[0], x[1], eps, x[2], o0, o1, o2);
        }
        &Op::GroupNorm { groups, eps, silu } => {
            norm::group_norm(cpu, &group_norm_shape(shape(i[0]), groups), x[0], x[1], x[2], eps, silu, o0, o1);
        }
        &Op::GroupNormBackward { groups, silu } => {
            let shape = group_norm_shape(shape(i[0]), groups);
            norm::group_norm_backward(cpu, &shape, x[0], x[1], x[2], silu, x[3], x[4], o0, o1, o2);
        }
        Op::Add => match (x[0].is_empty(), x[1].is_empty()) {
            (true, _) => ew::add_assign(cpu, o0, x[1]),
            (_, true) => ew::add_assign(cpu, o0, x[0]),
            _ => ew::add(cpu, x[0], x[1], o0),
        },
        Op::AddBroadcast => ew::add_rows(cpu, x[0], x[1], o0),
        Op::AddPerItem => {
            let d = last(i[0]);
            ew::add_groups(cpu, d, x[0], &group_table(d, x[0].len(), x[1]), o0);
        }
        Op::ItemSum => ew::group_sum(cpu, last(i[0]), x[0].len() / o0.len(), x[0], o0),
        &Op::Scale { factor } => ew::scale(cpu, factor, x[0], o0),
        Op::GatedAdd => {
            let d = last(i[0]);
            let gate = group_table(d, x[0].len(), x[1]);
            ew::gated_add(cpu, d, x[0], x[2], &gate, o0);
        }
        Op::GatedAddBackward => {
            let d = last(i[1]);
            let gate = group_table(d, x[1].len(), x[0]);
            ew::gated_add_backward(cpu, d, x[1], &gate, x[2], o0, Some(o1));
        }
        Op::Relu => ew::relu(cpu, x[0], o0),
        Op::Tanh => ew::tanh(cpu, x[0], o0),
        Op::Silu => ew::silu(cpu, x[0], o0),
        Op::Gelu => ew::gelu(cpu, x[0], o0),
        Op::Swiglu => ew::swiglu(cpu, last(o[0]), x[0], o0),
        Op::Geglu => ew::geglu(cpu, last(o[0]), x[0], o0),
        Op::ReluBackward => ew::relu_backward(cpu, x[0], x[1], o0),
        Op::TanhBackward => ew::tanh_backward(cpu, x[0], x[1], o0),
        Op::SiluBackward => ew::silu_backward(cpu, x[0], x[1], o0),
        Op::GeluBackward => ew::gelu_backward(cpu, x[0], x[1], o0),
        Op::SwigluBackward => ew::swiglu_backward(cpu, last(i[0]) / 2, x[0], x[1], o0),
        Op::GegluBackward => ew::geglu_backward(cpu, last(i[0]) / 2, x[0], x[1], o0),
        &Op::QkNormRotary { parts, heads, head_dim, eps, rotary } => {
            norm::qk_norm_rotary(cpu, &qk_norm(parts, heads, head_dim, eps, rotary, x), x[0], o0);
        }
        &Op::QkNormRotaryBackward { parts, heads, head_dim, eps, rotary } => {
            let config = qk_norm(parts, heads, head_dim, eps, rotary, x);
            let dy = x[i.len() - 1];
            let (dquery, dkey) = match parts {
                QkParts::Qkv => (Some(&mut **o1), &mut **o2),
                QkParts::Kv => (None, &mut **o1),
            };
            norm::qk_norm_rotary_backward(cpu, &config, x[0], dy, o0, dquery, Some(dkey));
        }
        Op::Attention { heads, head_dim, query, segments, causal } => {
            let (shape, q, joined) = attention_operands(graph, node, x, *heads, *head_dim, *query, segments, *causal);
            // A backward pass computes the probabilities again from the log-sum-exp, in f32: both must be of one precision.
            let precision = if graph.is_read(o[1]) { Precision::F32 } else { precision };
            attention(cpu, precision, &shape, q, &joined[..segments.len()], o0, o1);
        }
        Op::AttentionBackward { heads, head_dim, query, segments, causal } => {
            let (shape, q, joined) = attention_operands(graph, node, x, *heads, *head_dim, *query, segments, *causal);
            let (out, stats, dout) = (x[i.len() - 3], x[i.len() - 2], x[i.len() - 1]);
            let (dq, targets) = attention_targets(graph, node, *query, segments);
            let buffers = &mut outputs[..o.len()];
            for (index, buffer) in buffers.iter_mut().enumerate() {
                let blocks = usize::from(dq.buffer == index)
                    + targets[..segments.len()].iter().flat_map(|s| [s.k, s.v]).filter(|t| t.buffer == index).count();
                if blocks * heads * head_dim != last(o[index]) {
                    // Columns that attention does not read get no gradient.
                    buffer.fill(0.0);
                }
            }
            let (joined, targets) = (&joined[..segments.len()], &targets[..segments.len()]);
            attention_backward(cpu, &shape, q, joined, out, stats, dout, buffers, dq, targets);
        }
        Op::Embedding => {
            let rows = shape(i[0])[0];
            if let Some(id) = x[1].iter().find(|&&id| !(id >= 0.0 && id < rows as f32)) {
                return Err(ExecutorError::Id { id: id.to_string(), rows });
            }
            embed::embedding(cpu, last(i[0]), x[1], x[0], o0);
        }
        Op::EmbeddingBackward => embed::embedding_backward(cpu, last(o[0]), x[0], x[1], o0),
        &Op::TimestepEmbedding { dim, max_period } => embed::timestep_embedding(cpu, dim, max_period, x[0], o0),
        &Op::Patchify { patch } => patchify(cpu, &patch_shape(shape(i[0]), patch), x[0], o0),
        &Op::Unpatchify { patch } => unpatchify(cpu, &patch_shape(shape(o[0]), patch), x[0], o0),
        &Op::PixelShuffle { factor } => ew::pixel_shuffle(cpu, &pixel_shape(shape(o[0]), factor), x[0], o0),
        &Op::PixelUnshuffle { factor } => ew::pixel_unshuffle(cpu, &pixel_shape(shape(i[0]), factor), x[0], o0),
        Op::Concat => {
            let width = last(o[0]);
            let mut offset = 0;
            for (part, &tensor) in x.iter().zip(i) {
                let w = last(tensor);
                ew::copy_columns(cpu, part.len() / w, w, part, w, 0, o0, width, offset);
                offset += w;
            }
        }
        Op::Split { sizes } => {
            let width = last(i[0]);
            let mut offset = 0;
            for (part, &w) in outputs.iter_mut().zip(sizes) {
                ew::copy_columns(cpu, part.len() / w, w, x[0], width, offset, part, w, 0);
                offset += w;
            }
        }
        Op::Reshape => {}
        Op::MeanPool => ew::mean_pool(cpu, last(i[0]), shape(i[0])[1], x[0], Some(x[1]), o0),
        Op::MeanPoolBackward => ew::mean_pool_backward(cpu, last(o[0]), shape(o[0])[1], Some(x[0]), x[1], o0),
        Op::L2Normalize => norm::l2_normalise(cpu, last(i[0]), x[0], L2_EPS, o0),
        Op::L2NormalizeBackward => norm::l2_normalise_backward(cpu, last(i[0]), x[0], L2_EPS, x[1], o0),
        Op::WeightedSquaredError => {
            o0[0] = ew::weighted_squared_error(cpu, x[0].len() / x[2].len(), x[0], x[1], x[2], o1);
        }
        Op::WeightedSquaredErrorBackward => {
            ew::weighted_squared_error_backward(cpu, x[0].len() / x[2].len(), x[0], x[1], x[2], x[3][0], o0);
        }
        &Op::Fill { value } => o0.fill(value),
    }
    Ok(())
}

fn epilogue<'a>(activation: Activation, bias: bool, residual: bool, x: &[&'a [f32]; MAX_OPERANDS]) -> Epilogue<'a> {
    Epilogue { bias: bias.then_some(x[2]), activation, residual: residual.then_some(x[2 + usize::from(bias)]) }
}

fn per_item<'a>(d: usize, x: &[f32], scale: &'a [f32], shift: &'a [f32], items: usize) -> Modulation<'a> {
    Modulation { scale, shift, stride: d, rows_per_group: x.len() / d / items }
}

fn group_table<'a>(d: usize, len: usize, table: &'a [f32]) -> GroupTable<'a> {
    GroupTable { data: table, stride: d, rows_per_group: len / table.len() }
}

fn patch_shape(image: &[usize], patch: usize) -> PatchShape {
    PatchShape { batch: image[0], height: image[1], width: image[2], channels: image[3], patch }
}

/// `fine`: `[B, H·r, W·r, C]`.
fn pixel_shape(fine: &[usize], factor: usize) -> PixelShape {
    PixelShape { batch: fine[0], height: fine[1] / factor, width: fine[2] / factor, channels: fine[3], factor }
}

/// `x`: `[B, .., C]`.
fn group_norm_shape(x: &[usize], groups: usize) -> GroupNormShape {
    let channels = x[x.len() - 1];
    GroupNormShape { batch: x[0], pixels: x[1..x.len() - 1].iter().product(), channels, groups }
}

fn qk_norm<'a>(
    parts: QkParts,
    heads: usize,
    d: usize,
    eps: f32,
    rotary: bool,
    x: &[&'a [f32]; MAX_OPERANDS],
) -> QkNorm<'a> {
    let (names, query_weight, key): (&[Part], _, _) = match parts {
        QkParts::Qkv => (&[Part::Query, Part::Key, Part::Value], Some(x[1]), 2),
        QkParts::Kv => (&[Part::Key, Part::Value], None, 1),
    };
    let rotary = rotary.then(|| Rotary { cos: x[key + 1], sin: x[key + 2] });
    QkNorm { heads, d, parts: names, query_weight, key_weight: Some(x[key]), eps, rotary }
}

fn attention_operands<'a>(
    graph: &Graph,
    node: &Node,
    x: &[&'a [f32]; MAX_OPERANDS],
    heads: usize,
    d: usize,
    query: usize,
    segments: &[SegmentColumns],
    causal: bool,
) -> (AttentionShape, Columns<'a>, [Segment<'a>; MAX_SEGMENTS]) {
    let view = |at: usize, offset: usize| {
        let stride = graph.shape(node.inputs[at])[2];
        Columns { data: x[at], stride, offset }
    };
    let shape = graph.shape(node.inputs[0]);
    let scale = AttentionShape::default_scale(d);
    let attention = AttentionShape { batch: shape[0], heads, d, queries: shape[1], scale, causal };
    let q = view(0, query);
    let mut joined = [Segment { k: q, v: q, tokens: 0, lengths: None }; MAX_SEGMENTS];
    let mut at = 1;
    for (segment, columns) in joined.iter_mut().zip(segments) {
        let tokens = graph.shape(node.inputs[at])[1];
        let lengths = columns.lengths.then(|| x[at + 2]);
        *segment = Segment { k: view(at, columns.key), v: view(at + 1, columns.value), tokens, lengths };
        at += 2 + usize::from(columns.lengths);
    }
    (attention, q, joined)
}

/// Where the gradients of query, keys and values go: one buffer for each distinct tensor, in order of first appearance.
fn attention_targets(
    graph: &Graph,
    node: &Node,
    query: usize,
    segments: &[SegmentColumns],
) -> (Target, [SegmentTarget; MAX_SEGMENTS]) {
    let mut sources: [Option<Tensor>; 1 + 2 * MAX_SEGMENTS] = [None; 1 + 2 * MAX_SEGMENTS];
    let mut target = |at: usize, offset: usize| {
        let tensor = node.inputs[at];
        let buffer = sources.iter().position(|s| s.is_none_or(|s| s == tensor)).unwrap_or_default();
        sources[buffer] = Some(tensor);
        Target { buffer, stride: graph.shape(tensor)[2], offset }
    };
    let dq = target(0, query);
    let mut targets = [SegmentTarget { k: dq, v: dq }; MAX_SEGMENTS];
    let mut at = 1;
    for (segment, columns) in targets.iter_mut().zip(segments) {
        *segment = SegmentTarget { k: target(at, columns.key), v: target(at + 1, columns.value) };
        at += 2 + usize::from(columns.lengths);
    }
    (dq, targets)
}
