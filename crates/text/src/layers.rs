//! Layers that every text encoder is made of, with the names of their parameters.

use graph::{Graph, ShapeError, Tensor};

/// `x · wᵀ + b` over the last axis, with `NAME.weight [out, width]` and `NAME.bias [out]`.
pub(crate) fn linear(g: &mut Graph, name: &str, x: Tensor, out: usize) -> Result<Tensor, ShapeError> {
    let width = g.shape(x).last().copied().unwrap_or(1);
    let weight = g.parameter(&format!("{name}.weight"), &[out, width])?;
    let bias = g.parameter(&format!("{name}.bias"), &[out])?;
    g.linear(x, weight, Some(bias))
}

/// Layer norm over the last axis, with `NAME.weight [width]` and `NAME.bias [width]`.
pub(crate) fn layer_norm(g: &mut Graph, name: &str, x: Tensor, eps: f32) -> Result<Tensor, ShapeError> {
    let width = g.shape(x).last().copied().unwrap_or(1);
    let weight = g.parameter(&format!("{name}.weight"), &[width])?;
    let bias = g.parameter(&format!("{name}.bias"), &[width])?;
    g.layer_norm(x, weight, bias, eps)
}
