//! Fusion for inference: an activation or a residual addition that alone consumes a linear layer or a convolution joins its
//! epilogue; a SiLU that alone consumes a group norm joins that.

use crate::graph::{Graph, Node, Tensor};
use crate::{Activation, Op, Role};

/// Folds `linear|conv2d → silu|gelu`, `linear|conv2d → add` and `group_norm → silu` into single nodes. Outputs
/// and gradients keep their names; intermediate tensors that disappear must not be read by the caller. For graphs without
/// backward nodes.
pub fn fuse(graph: &Graph) -> Graph {
    let mut fused = graph.clone();
    let mut uses = vec![0usize; graph.tensors.len()];
    for tensor in graph.nodes.iter().flat_map(|n| &n.inputs).chain(graph.outputs.iter().map(|(_, t)| t)) {
        uses[tensor.index()] += 1;
    }
    let mut producer: Vec<Option<usize>> = vec![None; graph.tensors.len()];
    let mut nodes: Vec<Option<Node>> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        // The product moves to the place of its consumer: the residual may be computed between the two.
        let merged = merge(node, &mut nodes, &producer, &uses);
        let node = merged.unwrap_or_else(|| node.clone());
        for output in &node.outputs {
            producer[output.index()] = Some(nodes.len());
        }
        nodes.push(Some(node));
    }
    fused.nodes = nodes.into_iter().flatten().collect();
    fused
}

fn merge(node: &Node, nodes: &mut [Option<Node>], producer: &[Option<usize>], uses: &[usize]) -> Option<Node> {
    // Takes the node that computes `tensor` for this one alone, when its operation can be `widened`.
    let mut take = |tensor: Tensor, widened: &dyn Fn(&Op) -> Option<Op>| -> Option<Node> {
        let at = producer[tensor.index()].filter(|_| uses[tensor.index()] == 1)?;
        let op = widened(&nodes[at].as_ref()?.op)?;
        let mut taken = nodes[at].take()?;
        taken.op = op;
        taken.outputs[0] = node.outputs[0];
        Some(taken)
    };
    match node.op {
        Op::Silu => take(node.inputs[0], &|op| with_activation(op, Activation::Silu)),
        Op::Gelu => take(node.inputs[0], &|op| with_activation(op, Activation::Gelu)),
        Op::Add if node.inputs[0] != node.inputs[1] => {
            let (mut product, residual) = match take(node.inputs[0], &with_residual) {
                Some(product) => (product, node.inputs[1]),
                None => (take(node.inputs[1], &with_residual)?, node.inputs[0]),
            };
            product.inputs.push(residual);
            Some(product)
        }
        _ => None,
    }
}

/// The operation followed by `function`, when one node can do both.
fn with_activation(op: &Op, function: Activation) -> Option<Op> {
    let mut op = op.clone();
    match &mut op {
        Op::Linear { activation, residual: false, .. } | Op::Conv2d { activation, residual: false, .. }
            if *activation == Activation::None =>
        {
            *activation = function;
        }
        Op::GroupNorm { silu, .. } if function == Activation::Silu && !*silu => *silu = true,
        _ => return None,
    }
    Some(op)
}

/// The operation with a residual added, when it takes one.
fn with_residual(op: &Op) -> Option<Op> {
    let mut op = op.clone();
    match &mut op {
        Op::Linear { residual, .. } | Op::Conv2d { residual, .. } if !*residual => *residual = true,
        _ => return None,
    }
    Some(op)
}

/// Drops nodes none of whose outputs reach a named output or gradient.
pub fn prune(graph: &Graph) -> Graph {
    let mut wanted = vec![false; graph.tensors.len()];
    for (_, tensor) in graph.outputs.iter().chain(&graph.gradients) {
        wanted[tensor.index()] = true;
    }
    let mut nodes = Vec::with_capacity(graph.nodes.len());
    for node in graph.nodes.iter().rev() {
        if node.outputs.iter().any(|t| wanted[t.index()]) {
            for tensor in &node.inputs {
                wanted[tensor.index()] = true;
            }
            nodes.push(node.clone());
        }
    }
    nodes.reverse();
    let mut pruned = graph.clone();
    pruned.nodes = nodes;
    // A parameter nobody reads must not be asked for.
    for (info, wanted) in pruned.tensors.iter_mut().zip(&wanted) {
        if !wanted && matches!(info.role, Role::Parameter(_)) {
            info.role = Role::Computed;
        }
    }
    pruned
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Conv2dOptions;

    #[test]
    fn activation_and_residual_join_the_linear() {
        let mut g = Graph::new();
        let x = g.input("x", &[2, 4]).unwrap();
        let w = g.parameter("w", &[4, 4]).unwrap();
        let b = g.parameter("b", &[4]).unwrap();
        let h = g.linear(x, w, Some(b)).unwrap();
        let h = g.gelu(h).unwrap();
        let y = g.linear(h, w, None).unwrap();
        let y = g.add(x, y).unwrap();
        g.output("y", y).unwrap();
        let f = fuse(&g);
        assert_eq!(f.nodes().len(), 2);
        assert_eq!(f.nodes()[0].op, Op::Linear { activation: Activation::Gelu, bias: true, residual: false });
        assert_eq!(f.nodes()[1].op, Op::Linear { activation: Activation::None, bias: false, residual: true });
        assert_eq!(f.nodes()[1].inputs, [h, w, x]);
        assert_eq!(f.nodes()[1].outputs, [y]);
    }

    #[test]
    fn convolutions_and_group_norms_take_what_follows() {
        let mut g = Graph::new();
        let x = g.input("x", &[2, 4, 4, 8]).unwrap();
        let (w, b) = (g.parameter("w", &[8, 3, 3, 8]).unwrap(), g.parameter("b", &[8]).unwrap());
        let options = Conv2dOptions { padding: [1; 4], ..Default::default() };
        let h = g.group_norm(x, b, b, 2, 1e-5, false).unwrap();
        let h = g.silu(h).unwrap();
        let h = g.conv2d(h, w, Some(b), options).unwrap();
        let h = g.silu(h).unwrap();
        let y = g.conv2d(h, w, None, options).unwrap();
        let y = g.add(x, y).unwrap();
        // A group norm knows no GELU.
        let n = g.group_norm(y, b, b, 2, 1e-5, false).unwrap();
        let n = g.gelu(n).unwrap();
        g.output("n", n).unwrap();
        let f = fuse(&g);
        assert_eq!(f.nodes().len(), 5);
        assert_eq!(f.nodes()[0].op, Op::GroupNorm { groups: 2, eps: 1e-5, silu: true });
        assert_eq!(f.nodes()[0].outputs.len(), 2);
        let conv = |activation, bias, residual| Op::Conv2d { options, activation, bias, residual };
        assert_eq!(f.nodes()[1].op, conv(Activation::Silu, true, false));
        assert_eq!(f.nodes()[2].op, conv(Activation::None, false, true));
        assert_eq!((&f.nodes()[2].inputs[..], &f.nodes()[2].outputs[..]), (&[h, w, x][..], &[y][..]));
    }

    #[test]
    fn a_tensor_read_twice_stays() {
        let mut g = Graph::new();
        let x = g.input("x", &[2, 4]).unwrap();
        let w = g.parameter("w", &[4, 4]).unwrap();
        let h = g.linear(x, w, None).unwrap();
        let a = g.silu(h).unwrap();
        let y = g.add(h, a).unwrap();
        g.output("y", y).unwrap();
        assert_eq!(fuse(&g).nodes().len(), 3);
    }

    #[test]
    fn unused_nodes_are_dropped() {
        let mut g = Graph::new();
        let x = g.input("x", &[2, 4]).unwrap();
        let w = g.parameter("w", &[4, 4]).unwrap();
        let y = g.silu(x).unwrap();
        g.linear(y, w, None).unwrap();
        g.output("y", y).unwrap();
        let p = prune(&g);
        assert_eq!(p.nodes().len(), 1);
        assert_eq!(p.parameters().count(), 0);
    }
}
