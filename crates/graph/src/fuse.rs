//! Fusion for inference: an activation or a residual addition that alone consumes a linear layer joins its epilogue.

use crate::graph::{Graph, Node, Tensor};
use crate::{Activation, Op, Role};

/// Folds `linear → silu|gelu` and `linear → add` into single nodes. Outputs and gradients keep their names; intermediate
/// tensors that disappear must not be read by the caller. For graphs without backward nodes.
pub fn fuse(graph: &Graph) -> Graph {
    let mut fused = graph.clone();
    let mut uses = vec![0usize; graph.tensors.len()];
    for tensor in graph.nodes.iter().flat_map(|n| &n.inputs).chain(graph.outputs.iter().map(|(_, t)| t)) {
        uses[tensor.index()] += 1;
    }
    let mut producer: Vec<Option<usize>> = vec![None; graph.tensors.len()];
    let mut nodes: Vec<Option<Node>> = Vec::with_capacity(graph.nodes.len());
    for node in &graph.nodes {
        // The linear moves to the place of its consumer: the residual may be computed between the two.
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
    let mut candidate = |tensor: Tensor, accepts: &dyn Fn(&Op) -> bool| -> Option<Node> {
        let at = producer[tensor.index()]?;
        let fits = uses[tensor.index()] == 1 && nodes[at].as_ref().is_some_and(|n| accepts(&n.op));
        if fits { nodes[at].take() } else { None }
    };
    match node.op {
        Op::Silu | Op::Gelu => {
            let plain = |op: &Op| matches!(op, Op::Linear { activation: Activation::None, residual: false, .. });
            let linear = candidate(node.inputs[0], &plain)?;
            let Op::Linear { bias, .. } = linear.op else { return None };
            let activation = if node.op == Op::Silu { Activation::Silu } else { Activation::Gelu };
            let op = Op::Linear { activation, bias, residual: false };
            Some(Node { op, inputs: linear.inputs, outputs: node.outputs.clone() })
        }
        Op::Add if node.inputs[0] != node.inputs[1] => {
            let open = |op: &Op| matches!(op, Op::Linear { residual: false, .. });
            let (linear, residual) = match candidate(node.inputs[0], &open) {
                Some(linear) => (linear, node.inputs[1]),
                None => (candidate(node.inputs[1], &open)?, node.inputs[0]),
            };
            let Op::Linear { activation, bias, .. } = linear.op else { return None };
            let mut inputs = linear.inputs;
            inputs.push(residual);
            let op = Op::Linear { activation, bias, residual: true };
            Some(Node { op, inputs, outputs: node.outputs.clone() })
        }
        _ => None,
    }
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
