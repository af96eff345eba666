//! Reverse-mode differentiation: appends the backward nodes of a scalar loss to its graph.
//!
//! Only tensors that depend on a parameter get a gradient. A tensor read by several nodes sums their contributions with
//! [`Op::Add`] in a fixed order (that of the backward walk).

use std::collections::HashMap;

use crate::graph::{Graph, Node, Role, Tensor};
use crate::{Activation, Op, QkParts};

/// Differentiation is not possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AutodiffError {
    /// The loss is not one number.
    #[error("the loss must have shape [1], found {0:?}")]
    LossShape(Vec<usize>),
    /// Gradients were already appended.
    #[error("the graph already has gradients")]
    Repeated,
    /// An operation on the way has no backward form.
    #[error("{0} has no gradient")]
    NoGradient(String),
}

/// Appends the gradient of `loss` `[1]` with respect to every parameter it depends on. Returns (name, gradient), each shaped
/// like its parameter, in the order the parameters were added; the graph keeps the same list ([`Graph::gradients`]).
pub fn gradients(graph: &mut Graph, loss: Tensor) -> Result<Vec<(String, Tensor)>, AutodiffError> {
    if graph.shape(loss) != [1] {
        return Err(AutodiffError::LossShape(graph.shape(loss).to_vec()));
    }
    if !graph.gradients.is_empty() {
        return Err(AutodiffError::Repeated);
    }
    let forward = graph.nodes.clone();
    let learned = depends_on_parameters(graph, &forward);
    let seed = graph.push(Op::Fill { value: 1.0 }, vec![], &[&[1]])[0];
    let mut tape = Tape { graph, learned, sums: HashMap::from([(loss, seed)]) };
    for node in forward.iter().rev() {
        if node.outputs.iter().any(|t| tape.sums.contains_key(t)) && node.inputs.iter().any(|t| tape.learned[t.index()])
        {
            tape.node(node)?;
        }
    }
    let sums = tape.sums;
    let found: Vec<(String, Tensor)> =
        graph.parameters().filter_map(|(name, t)| sums.get(&t).map(|&g| (name.to_owned(), g))).collect();
    graph.gradients = found.clone();
    Ok(found)
}

fn depends_on_parameters(graph: &Graph, nodes: &[Node]) -> Vec<bool> {
    let mut learned: Vec<bool> = graph.tensors.iter().map(|t| matches!(t.role, Role::Parameter(_))).collect();
    for node in nodes {
        if node.inputs.iter().any(|t| learned[t.index()]) {
            for output in &node.outputs {
                learned[output.index()] = true;
            }
        }
    }
    learned
}

struct Tape<'g> {
    graph: &'g mut Graph,
    learned: Vec<bool>,
    /// Gradient of each forward tensor so far.
    sums: HashMap<Tensor, Tensor>,
}

impl Tape<'_> {
    fn wanted(&self, tensor: Tensor) -> bool {
        self.learned[tensor.index()]
    }

    fn shape(&self, tensor: Tensor) -> Vec<usize> {
        self.graph.shape(tensor).to_vec()
    }

    /// Adds a contribution to the gradient of `tensor`.
    fn contribute(&mut self, tensor: Tensor, gradient: Tensor) {
        if !self.wanted(tensor) {
            return;
        }
        let total = match self.sums.get(&tensor) {
            None => gradient,
            Some(&sum) => {
                let shape = self.shape(tensor);
                self.graph.push(Op::Add, vec![sum, gradient], &[&shape])[0]
            }
        };
        self.sums.insert(tensor, total);
    }

    /// Appends a node with one gradient for each of `targets` and contributes them.
    fn emit(&mut self, op: Op, inputs: Vec<Tensor>, targets: &[Tensor]) {
        let shapes: Vec<Vec<usize>> = targets.iter().map(|&t| self.shape(t)).collect();
        let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        let outputs = self.graph.push(op, inputs, &shapes);
        for (&target, output) in targets.iter().zip(outputs) {
            self.contribute(target, output);
        }
    }

    /// Gradient of an output, zeros when nothing reads it.
    fn gradient_of(&mut self, tensor: Tensor) -> Tensor {
        match self.sums.get(&tensor) {
            Some(&gradient) => gradient,
            None => {
                let shape = self.shape(tensor);
                self.graph.push(Op::Fill { value: 0.0 }, vec![], &[&shape])[0]
            }
        }
    }

    /// Gradients of the bias and the residual of a product, which follow its x and weight.
    fn epilogue(&mut self, inputs: &[Tensor], dy: Tensor, bias: bool, residual: bool) {
        if bias && self.wanted(inputs[2]) {
            self.emit(Op::ColumnSum, vec![dy], &inputs[2..3]);
        }
        if residual {
            self.contribute(inputs[2 + usize::from(bias)], dy);
        }
    }

    fn node(&mut self, node: &Node) -> Result<(), AutodiffError> {
        let i = &node.inputs;
        if let Op::Split { .. } = node.op {
            let parts = node.outputs.iter().map(|&t| self.gradient_of(t)).collect();
            self.emit(Op::Concat, parts, i);
            return Ok(());
        }
        let dy = self.gradient_of(node.outputs[0]);
        let chain = |operands: &[Tensor]| operands.iter().copied().chain([dy]).collect::<Vec<_>>();
        match &node.op {
            Op::Linear { activation, bias, residual } => {
                if *activation != Activation::None {
                    return Err(AutodiffError::NoGradient("a linear layer with a fused activation".into()));
                }
                let (x, weight) = (i[0], i[1]);
                if self.wanted(x) {
                    self.emit(Op::LinearInputGradient, vec![dy, weight], &[x]);
                }
                if self.wanted(weight) {
                    self.emit(Op::LinearWeightGradient, vec![dy, x], &[weight]);
                }
                self.epilogue(i, dy, *bias, *residual);
            }
            &Op::Conv2d { options, activation, bias, residual } => {
                if activation != Activation::None {
                    return Err(AutodiffError::NoGradient("a convolution with a fused activation".into()));
                }
                if options.crop != (0, 0) {
                    return Err(AutodiffError::NoGradient("a convolution of a cropped double".into()));
                }
                let (x, weight) = (i[0], i[1]);
                if self.wanted(x) {
                    self.emit(Op::Conv2dInputGradient { options }, vec![dy, weight], &[x]);
                }
                if self.wanted(weight) {
                    self.emit(Op::Conv2dWeightGradient { options }, vec![dy, x], &[weight]);
                }
                self.epilogue(i, dy, bias, residual);
            }
            &Op::RmsNorm { eps, weight, modulation } => {
                let inputs: Vec<Tensor> = i.iter().copied().chain([node.outputs[1], dy]).collect();
                self.emit(Op::RmsNormBackward { eps, weight, modulation }, inputs, i);
            }
            &Op::LayerNorm { eps } => self.emit(Op::LayerNormBackward { eps }, vec![i[0], i[1], dy], i),
            &Op::GroupNorm { groups, silu, .. } => {
                let inputs: Vec<Tensor> = i.iter().copied().chain([node.outputs[1], dy]).collect();
                self.emit(Op::GroupNormBackward { groups, silu }, inputs, i);
            }
            Op::Add => {
                self.contribute(i[0], dy);
                self.contribute(i[1], dy);
            }
            Op::AddBroadcast => {
                self.contribute(i[0], dy);
                if self.wanted(i[1]) {
                    self.emit(Op::ColumnSum, vec![dy], &[i[1]]);
                }
            }
            Op::AddPerItem => {
                self.contribute(i[0], dy);
                if self.wanted(i[1]) {
                    self.emit(Op::ItemSum, vec![dy], &[i[1]]);
                }
            }
            &Op::Scale { factor } => self.emit(Op::Scale { factor }, vec![dy], i),
            Op::GatedAdd => {
                self.contribute(i[0], dy);
                self.emit(Op::GatedAddBackward, vec![i[1], i[2], dy], &[i[2], i[1]]);
            }
            Op::Relu => self.emit(Op::ReluBackward, chain(i), i),
            Op::Tanh => self.emit(Op::TanhBackward, chain(i), i),
            Op::Silu => self.emit(Op::SiluBackward, chain(i), i),
            Op::Gelu => self.emit(Op::GeluBackward, chain(i), i),
            Op::Swiglu => self.emit(Op::SwigluBackward, chain(i), i),
            Op::Geglu => self.emit(Op::GegluBackward, chain(i), i),
            &Op::QkNormRotary { parts, heads, head_dim, eps, rotary } => {
                let learned = if parts == QkParts::Qkv { 3 } else { 2 };
                let op = Op::QkNormRotaryBackward { parts, heads, head_dim, eps, rotary };
                self.emit(op, chain(i), &i[..learned]);
            }
            Op::Attention { heads, head_dim, query, segments, causal } => {
                let mut sources = vec![i[0]];
                let mut at = 1;
                for segment in segments {
                    for &tensor in &i[at..at + 2] {
                        if !sources.contains(&tensor) {
                            sources.push(tensor);
                        }
                    }
                    at += 2 + usize::from(segment.lengths);
                }
                let inputs: Vec<Tensor> = i.iter().chain(&node.outputs).copied().chain([dy]).collect();
                let op = Op::AttentionBackward {
                    heads: *heads,
                    head_dim: *head_dim,
                    query: *query,
                    segments: segments.clone(),
                    causal: *causal,
                };
                self.emit(op, inputs, &sources);
            }
            Op::Embedding => self.emit(Op::EmbeddingBackward, vec![i[1], dy], &i[..1]),
            &Op::Patchify { patch } => self.emit(Op::Unpatchify { patch }, vec![dy], i),
            &Op::Unpatchify { patch } => self.emit(Op::Patchify { patch }, vec![dy], i),
            &Op::PixelShuffle { factor } => self.emit(Op::PixelUnshuffle { factor }, vec![dy], i),
            &Op::PixelUnshuffle { factor } => self.emit(Op::PixelShuffle { factor }, vec![dy], i),
            Op::Concat => {
                let sizes = i.iter().map(|&t| self.shape(t).last().copied().unwrap_or(1)).collect();
                self.emit(Op::Split { sizes }, vec![dy], i);
            }
            Op::Reshape => self.emit(Op::Reshape, vec![dy], i),
            Op::MeanPool => self.emit(Op::MeanPoolBackward, vec![i[1], dy], &i[..1]),
            Op::L2Normalize => self.emit(Op::L2NormalizeBackward, chain(i), i),
            Op::WeightedSquaredError => self.emit(Op::WeightedSquaredErrorBackward, chain(i), &i[..1]),
            other => return Err(AutodiffError::NoGradient(format!("{other:?}"))),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_get_no_gradient() {
        let mut g = Graph::new();
        let x = g.input("x", &[2, 4]).unwrap();
        let target = g.input("target", &[2, 3]).unwrap();
        let weight = g.input("weight", &[2]).unwrap();
        let w = g.parameter("w", &[3, 4]).unwrap();
        g.parameter("unused", &[1]).unwrap();
        let y = g.linear(x, w, None).unwrap();
        let (loss, _) = g.weighted_squared_error(y, target, weight).unwrap();
        let found = gradients(&mut g, loss).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].0.as_str(), g.shape(found[0].1)), ("w", &[3, 4][..]));
        assert!(g.nodes().iter().all(|n| n.op != Op::LinearInputGradient));
        assert_eq!(gradients(&mut g, loss), Err(AutodiffError::Repeated));
        assert_eq!(
            gradients(&mut Graph { gradients: vec![], ..g.clone() }, y),
            Err(AutodiffError::LossShape(vec![2, 3]))
        );
    }
}
