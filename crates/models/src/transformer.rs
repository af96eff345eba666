//! The plain pre-norm transformer block: self-attention with normed queries and keys, then SwiGLU.

use graph::{Graph, QkParts, ShapeError, Tensor};

use crate::parameter::List;

/// Added to the mean square inside every norm.
pub(crate) const EPSILON: f32 = 1e-6;

/// Sizes of a block.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    /// Width `D` of the tokens.
    pub(crate) width: usize,
    /// Attention heads.
    pub(crate) heads: usize,
    /// Hidden width of the SwiGLU.
    pub(crate) hidden: usize,
}

impl Block {
    fn head_size(self) -> usize {
        self.width / self.heads
    }

    /// All parameters of the block called `name`.
    pub(crate) fn parameters(self, list: &mut List, name: &str) {
        list.ones(format!("{name}.attention_norm.weight"), self.width);
        self.attention_parameters(list, name);
        list.ones(format!("{name}.mlp_norm.weight"), self.width);
        self.mlp_parameters(list, name);
    }

    /// The attention's parameters, which other blocks have too.
    pub(crate) fn attention_parameters(self, list: &mut List, name: &str) {
        list.matrix(format!("{name}.attention.qkv.weight"), 3 * self.width, self.width, 3);
        list.ones(format!("{name}.attention.q_norm.weight"), self.head_size());
        list.ones(format!("{name}.attention.k_norm.weight"), self.head_size());
        list.matrix(format!("{name}.attention.out.weight"), self.width, self.width, 1);
    }

    /// The SwiGLU's parameters, which other blocks have too.
    pub(crate) fn mlp_parameters(self, list: &mut List, name: &str) {
        list.matrix(format!("{name}.mlp.up.weight"), 2 * self.hidden, self.width, 2);
        list.matrix(format!("{name}.mlp.down.weight"), self.width, self.hidden, 1);
    }

    /// Adds the block called `name`: x `[B, T, D]` attends to itself, up to `lengths` if given, with rotated queries and
    /// keys if there are tables `[T, d/2]`.
    pub(crate) fn build(
        self,
        graph: &mut Graph,
        name: &str,
        x: Tensor,
        lengths: Option<Tensor>,
        rotary: Option<(Tensor, Tensor)>,
    ) -> Result<Tensor, ShapeError> {
        let h = norm(graph, &format!("{name}.attention_norm"), x)?;
        let qkv = linear(graph, &format!("{name}.attention.qkv"), h, 3 * self.width)?;
        let qkv = self.qk_norm(graph, name, qkv, rotary)?;
        let o = graph.self_attention(qkv, self.heads, lengths)?;
        let o = linear(graph, &format!("{name}.attention.out"), o, self.width)?;
        let x = graph.add(x, o)?;
        let h = norm(graph, &format!("{name}.mlp_norm"), x)?;
        let u = self.mlp(graph, name, h)?;
        graph.add(x, u)
    }

    /// Norms the query and key heads of qkv `[B, T, 3D]`, then rotates them if tables are given.
    pub(crate) fn qk_norm(
        self,
        graph: &mut Graph,
        name: &str,
        qkv: Tensor,
        rotary: Option<(Tensor, Tensor)>,
    ) -> Result<Tensor, ShapeError> {
        let q = graph.parameter(&format!("{name}.attention.q_norm.weight"), &[self.head_size()])?;
        let k = graph.parameter(&format!("{name}.attention.k_norm.weight"), &[self.head_size()])?;
        graph.qk_norm_rotary(qkv, QkParts::Qkv, self.heads, Some(q), k, rotary, EPSILON)
    }

    /// SwiGLU of h `[B, T, D]`.
    pub(crate) fn mlp(self, graph: &mut Graph, name: &str, h: Tensor) -> Result<Tensor, ShapeError> {
        let u = linear(graph, &format!("{name}.mlp.up"), h, 2 * self.hidden)?;
        let u = graph.swiglu(u)?;
        linear(graph, &format!("{name}.mlp.down"), u, self.width)
    }
}

/// RMS norm with a learned weight over the last dimension.
pub(crate) fn norm(graph: &mut Graph, name: &str, x: Tensor) -> Result<Tensor, ShapeError> {
    let weight = graph.parameter(&format!("{name}.weight"), &[width(graph, x)])?;
    graph.rms_norm(x, Some(weight), None, EPSILON)
}

/// Linear without bias to `output` columns.
pub(crate) fn linear(graph: &mut Graph, name: &str, x: Tensor, output: usize) -> Result<Tensor, ShapeError> {
    let weight = graph.parameter(&format!("{name}.weight"), &[output, width(graph, x)])?;
    graph.linear(x, weight, None)
}

/// Linear with bias to `output` columns.
pub(crate) fn linear_bias(graph: &mut Graph, name: &str, x: Tensor, output: usize) -> Result<Tensor, ShapeError> {
    let weight = graph.parameter(&format!("{name}.weight"), &[output, width(graph, x)])?;
    let bias = graph.parameter(&format!("{name}.bias"), &[output])?;
    graph.linear(x, weight, Some(bias))
}

fn width(graph: &Graph, x: Tensor) -> usize {
    graph.shape(x).last().copied().unwrap_or(1)
}
