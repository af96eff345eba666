//! What a graph costs, from shapes alone: FLOPs and bytes by kind of operation, memory, and seconds at given rates.

use std::collections::BTreeMap;

use kernels::gemm::Precision;
use kernels::winograd;

use crate::graph::{Graph, Node, Role, Tensor};
use crate::packed::packed_bytes;
use crate::plan::Plan;
use crate::{Conv2dOptions, Op, OpKind};

/// Cost of all nodes of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct KindCost {
    /// Number of nodes.
    pub nodes: u64,
    /// Floating point operations of the definition (a multiply-add counts two), as other programs count them.
    pub flops: u64,
    /// Those that are done: fewer where convolutions multiply as Winograd's.
    pub done: u64,
    /// Bytes of operands read and results written, each once.
    pub bytes: u64,
}

/// Cost of one run of a graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost {
    /// By kind of operation.
    pub by_kind: BTreeMap<OpKind, KindCost>,
    /// Sum of the FLOPs.
    pub flops: u64,
    /// Sum of the bytes moved.
    pub bytes: u64,
    /// Learned values.
    pub parameters: u64,
    /// Bytes of the parameters as kernels read them, each for every way it is read in.
    pub packed_bytes: u64,
    /// Arena that holds all activations.
    pub arena_bytes: u64,
}

impl Cost {
    /// Prices a graph whose products are made in a precision.
    pub fn new(graph: &Graph, precision: Precision) -> Self {
        let mut by_kind: BTreeMap<OpKind, KindCost> = BTreeMap::new();
        for node in graph.nodes().iter().filter(|n| n.op != Op::Reshape) {
            let entry = by_kind.entry(node.op.kind()).or_default();
            entry.nodes += 1;
            let flops = flops(graph, node);
            entry.flops += flops;
            entry.done += winograd_flops(graph, node, precision).unwrap_or(flops);
            entry.bytes += node.inputs.iter().chain(&node.outputs).map(|&t| 4 * graph.len(t) as u64).sum::<u64>();
        }
        let parameters: u64 =
            graph.tensors().iter().filter(|t| matches!(t.role, Role::Parameter(_))).map(|t| t.len() as u64).sum();
        Self {
            flops: by_kind.values().map(|c| c.flops).sum(),
            bytes: by_kind.values().map(|c| c.bytes).sum(),
            by_kind,
            parameters,
            packed_bytes: packed_bytes(graph, precision),
            arena_bytes: Plan::new(graph).peak_bytes() as u64,
        }
    }

    /// FLOPs and bytes of one kind.
    pub fn kind(&self, kind: OpKind) -> KindCost {
        self.by_kind.get(&kind).copied().unwrap_or_default()
    }
}

impl std::fmt::Display for Cost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{:<24}{:>7}{:>12}{:>12}", "operation", "nodes", "GFLOP", "MB moved")?;
        for (kind, c) in &self.by_kind {
            let (gflop, mb) = (c.flops as f64 / 1e9, c.bytes as f64 / 1e6);
            writeln!(f, "{:<24}{:>7}{gflop:>12.3}{mb:>12.1}", kind.name(), c.nodes)?;
        }
        let (gflop, mb) = (self.flops as f64 / 1e9, self.bytes as f64 / 1e6);
        let nodes: u64 = self.by_kind.values().map(|c| c.nodes).sum();
        writeln!(f, "{:<24}{nodes:>7}{gflop:>12.3}{mb:>12.1}", "total")?;
        let (params, arena) = (self.parameters as f64 / 1e6, self.arena_bytes as f64 / 1e6);
        write!(f, "{params:.2} M parameters, arena {arena:.1} MB")
    }
}

/// Speeds of a machine, measured once.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Matrix products and convolutions, FLOP/s.
    pub matmul_flops_per_s: f64,
    /// Attention, FLOP/s.
    pub attention_flops_per_s: f64,
    /// Everything else, bytes/s.
    pub bytes_per_s: f64,
    /// Seconds a node takes whatever its size.
    pub per_node_overhead: f64,
}

/// Predicted seconds of one run.
pub fn estimate_seconds(cost: &Cost, rates: &Rates) -> f64 {
    cost.by_kind
        .iter()
        .map(|(kind, c)| {
            let work = match kind {
                OpKind::Linear
                | OpKind::LinearInputGradient
                | OpKind::LinearWeightGradient
                | OpKind::Conv
                | OpKind::ConvInputGradient
                | OpKind::ConvWeightGradient => c.done as f64 / rates.matmul_flops_per_s,
                OpKind::Attention | OpKind::AttentionBackward => c.flops as f64 / rates.attention_flops_per_s,
                _ => c.bytes as f64 / rates.bytes_per_s,
            };
            work + c.nodes as f64 * rates.per_node_overhead
        })
        .sum()
}

/// FLOPs of one node; element-wise functions count a fixed number for each element.
fn flops(graph: &Graph, node: &Node) -> u64 {
    let len = |t: Tensor| graph.len(t) as u64;
    let last = |t: Tensor| graph.shape(t).last().copied().unwrap_or(1) as u64;
    let (i, o) = (&node.inputs, &node.outputs);
    match &node.op {
        Op::Linear { .. } => 2 * len(o[0]) * last(i[0]),
        Op::LinearInputGradient => 2 * len(o[0]) * last(i[0]),
        Op::LinearWeightGradient => 2 * len(i[0]) * last(i[1]),
        // Taps outside the picture count; zeros of a stretched dy and the sums of a doubled input do not: all three are the
        // same products.
        Op::Conv2d { .. } => 2 * len(o[0]) * patch(graph, i[1]),
        Op::Conv2dInputGradient { .. } => 2 * len(i[0]) * patch(graph, i[1]),
        Op::Conv2dWeightGradient { .. } => 2 * len(i[0]) * patch(graph, o[0]),
        // Keys that causal attention hides count: most of their products are made.
        Op::Attention { segments, .. } => 4 * len(o[0]) * keys(graph, node, segments),
        Op::AttentionBackward { segments, .. } => 10 * len(i[i.len() - 1]) * keys(graph, node, segments),
        Op::RmsNorm { .. } | Op::LayerNorm { .. } | Op::L2Normalize => 6 * len(o[0]),
        Op::RmsNormBackward { .. } | Op::LayerNormBackward { .. } | Op::L2NormalizeBackward => 12 * len(o[0]),
        Op::GroupNorm { silu, .. } => (if *silu { 18 } else { 6 }) * len(o[0]),
        Op::GroupNormBackward { silu, .. } => (if *silu { 28 } else { 12 }) * len(o[0]),
        Op::QkNormRotary { .. } => 8 * len(o[0]),
        Op::QkNormRotaryBackward { .. } => 16 * len(o[0]),
        Op::Tanh | Op::Silu | Op::Gelu | Op::Swiglu | Op::Geglu => 12 * len(o[0]),
        Op::TanhBackward | Op::SiluBackward | Op::GeluBackward | Op::SwigluBackward | Op::GegluBackward => {
            16 * len(o[0])
        }
        Op::ColumnSum | Op::ItemSum | Op::MeanPool => len(i[0]),
        Op::Add | Op::AddBroadcast | Op::AddPerItem | Op::Scale { .. } | Op::Relu | Op::ReluBackward => len(o[0]),
        Op::GatedAdd => 2 * len(o[0]),
        Op::GatedAddBackward => 3 * len(o[0]),
        Op::WeightedSquaredError | Op::WeightedSquaredErrorBackward => 4 * len(i[0]),
        Op::TimestepEmbedding { .. } => 20 * len(o[0]),
        Op::EmbeddingBackward | Op::MeanPoolBackward => len(o[0]),
        Op::Embedding
        | Op::Patchify { .. }
        | Op::Unpatchify { .. }
        | Op::PixelShuffle { .. }
        | Op::PixelUnshuffle { .. }
        | Op::Concat
        | Op::Split { .. }
        | Op::Reshape
        | Op::Fill { .. } => 0,
    }
}

/// FLOPs of a convolution or gradient that multiplies as Winograd's; none for other nodes.
fn winograd_flops(graph: &Graph, node: &Node, precision: Precision) -> Option<u64> {
    let (i, o) = (&node.inputs, &node.outputs);
    let shape = |options: &Conv2dOptions, x, weight| options.shape(graph.shape(x), graph.shape(weight));
    let shape = match &node.op {
        Op::Conv2d { options, .. } => Some(shape(options, i[0], i[1])),
        Op::Conv2dInputGradient { options } => winograd::transposed(&shape(options, o[0], i[1])),
        Op::Conv2dWeightGradient { options } => Some(shape(options, i[1], o[0])),
        _ => None,
    };
    shape.filter(winograd::fits).map(|shape| winograd::flops(precision, &shape))
}

/// Values that meet one filter of a convolution's weight: kh·kw·Ci.
fn patch(graph: &Graph, weight: Tensor) -> u64 {
    graph.shape(weight)[1..].iter().product::<usize>() as u64
}

/// Keys each query meets, all lengths full.
fn keys(graph: &Graph, node: &Node, segments: &[crate::op::SegmentColumns]) -> u64 {
    let mut at = 1;
    let mut keys = 0;
    for segment in segments {
        keys += graph.shape(node.inputs[at])[1] as u64;
        at += 2 + usize::from(segment.lengths);
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn winograd_does_fewer_operations_than_are_counted() {
        let conv = |channels: usize| {
            let mut g = Graph::new();
            let x = g.input("x", &[1, 8, 8, channels]).unwrap();
            let w = g.parameter("w", &[64, 3, 3, channels]).unwrap();
            let options = Conv2dOptions { padding: [1; 4], ..Conv2dOptions::default() };
            let y = g.conv2d(x, w, None, options).unwrap();
            g.output("y", y).unwrap();
            [Precision::F32, Precision::Bf16].map(|precision| Cost::new(&g, precision).kind(OpKind::Conv))
        };
        let ([direct, _], [large, winograd]) = (conv(4), conv(64));
        assert_eq!((direct.flops, direct.done), (2 * 64 * 64 * 36, 2 * 64 * 64 * 36));
        assert_eq!((winograd.flops, winograd.done), (2 * 64 * 64 * 576, 16 * (32 * 64 * 64 + 32 * 64 + 24 * 64)));
        assert_eq!((large.flops, large.done), (winograd.flops, 4 * (72 * 64 * 64 + 144 * 64 + 120 * 64)));
    }

    #[test]
    fn a_linear_layer_is_priced() {
        let mut g = Graph::new();
        let x = g.input("x", &[2, 3, 8]).unwrap();
        let w = g.parameter("w", &[16, 8]).unwrap();
        let y = g.linear(x, w, None).unwrap();
        g.output("y", y).unwrap();
        let cost = Cost::new(&g, Precision::F32);
        assert_eq!(cost.flops, 2 * 6 * 8 * 16);
        assert_eq!(cost.bytes, 4 * (48 + 128 + 96));
        assert_eq!((cost.parameters, cost.packed_bytes, cost.kind(OpKind::Linear).nodes), (128, 512, 1));
        let rates =
            Rates { matmul_flops_per_s: 1e9, attention_flops_per_s: 1e9, bytes_per_s: 1e9, per_node_overhead: 1e-6 };
        assert!((estimate_seconds(&cost, &rates) - (1536e-9 + 1e-6)).abs() < 1e-12);
        assert!(cost.to_string().contains("linear"));
    }

    #[test]
    fn convolutions_and_their_gradients_are_priced_alike() {
        let mut g = Graph::new();
        let x = g.input("x", &[2, 4, 6, 3]).unwrap();
        let (stem, w) = (g.parameter("stem", &[3, 1, 1, 3]).unwrap(), g.parameter("w", &[5, 3, 3, 3]).unwrap());
        let x = g.conv2d(x, stem, None, Conv2dOptions::default()).unwrap();
        let y = g.conv2d(x, w, None, Conv2dOptions { stride: 2, padding: [1; 4], ..Default::default() }).unwrap();
        let target = g.input("target", &[2, 2, 3, 5]).unwrap();
        let weight = g.input("weight", &[2]).unwrap();
        let (loss, _) = g.weighted_squared_error(y, target, weight).unwrap();
        crate::autodiff::gradients(&mut g, loss).unwrap();
        let cost = Cost::new(&g, Precision::F32);
        let (stem, conv) = (2 * (2 * 4 * 6) * 3 * 3, 2 * (2 * 2 * 3) * 5 * (3 * 3 * 3));
        assert_eq!(
            cost.kind(OpKind::Conv),
            KindCost { nodes: 2, flops: stem + conv, done: stem + conv, bytes: 4 * (144 + 9 + 144 + 144 + 135 + 60) }
        );
        // The picture itself is not learned.
        assert_eq!(cost.kind(OpKind::ConvInputGradient).flops, conv);
        assert_eq!(cost.kind(OpKind::ConvWeightGradient).flops, stem + conv);
        let rates =
            Rates { matmul_flops_per_s: 1.0, attention_flops_per_s: 1e30, bytes_per_s: 1e30, per_node_overhead: 0.0 };
        assert!((estimate_seconds(&cost, &rates) - (2 * stem + 3 * conv) as f64).abs() < 1e-6);
    }
}
