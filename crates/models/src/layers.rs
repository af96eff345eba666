//! Layers of convolutional networks with their weights. A weight's name is its module's, as in torch.

use graph::{Conv2dOptions, Graph, Role, ShapeError, Tensor};

use crate::parameter::{Init, ParameterSpec};

/// Groups of every group norm of the Stable Diffusion family.
const GROUPS: usize = 32;
/// Inside layer norms (torch's default).
const LAYER_NORM_EPS: f32 = 1e-5;

/// A 3×3 convolution that keeps the size.
pub(crate) const SAME: Conv2dOptions = Conv2dOptions { stride: 1, padding: [1; 4], upsample: 1, crop: (0, 0) };

/// A network cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    /// A size is out of range, or not a multiple of what it is divided into.
    #[error("{field} is {value}, must be a multiple of {of} from {of} to {high}")]
    Size {
        /// Name of the size.
        field: &'static str,
        /// What it is.
        value: usize,
        /// Of what it must be a multiple.
        of: usize,
        /// Largest value.
        high: usize,
    },
    /// The graph refused an operation.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

/// Checks that a size is a multiple of `of`, from `of` to `high`.
pub(crate) fn size(field: &'static str, value: usize, of: usize, high: usize) -> Result<(), BuildError> {
    let fits = (of..=high).contains(&value) && value.is_multiple_of(of);
    if fits { Ok(()) } else { Err(BuildError::Size { field, value, of, high }) }
}

/// 3×3 convolution with bias of x `[B, H, W, Ci]` to `out` channels.
pub(crate) fn conv(
    graph: &mut Graph,
    name: &str,
    x: Tensor,
    out: usize,
    options: Conv2dOptions,
) -> Result<Tensor, ShapeError> {
    let weight = graph.parameter(&format!("{name}.weight"), &[out, 3, 3, channels(graph, x)])?;
    let bias = graph.parameter(&format!("{name}.bias"), &[out])?;
    graph.conv2d(x, weight, Some(bias), options)
}

/// Group norm of x `[B, .., C]`, followed by SiLU when asked.
pub(crate) fn group_norm(graph: &mut Graph, name: &str, x: Tensor, eps: f32, silu: bool) -> Result<Tensor, ShapeError> {
    let (weight, bias) = affine(graph, name, x)?;
    graph.group_norm(x, weight, bias, GROUPS, eps, silu)
}

/// Layer norm of x `[.., D]`.
pub(crate) fn layer_norm(graph: &mut Graph, name: &str, x: Tensor) -> Result<Tensor, ShapeError> {
    let (weight, bias) = affine(graph, name, x)?;
    graph.layer_norm(x, weight, bias, LAYER_NORM_EPS)
}

fn affine(graph: &mut Graph, name: &str, x: Tensor) -> Result<(Tensor, Tensor), ShapeError> {
    let width = channels(graph, x);
    let weight = graph.parameter(&format!("{name}.weight"), &[width])?;
    Ok((weight, graph.parameter(&format!("{name}.bias"), &[width])?))
}

/// Length of the last dimension.
pub(crate) fn channels(graph: &Graph, x: Tensor) -> usize {
    graph.shape(x).last().copied().unwrap_or(1)
}

/// Picture `[B, H, W, C]` as tokens `[B, H·W, C]`.
pub(crate) fn tokens(graph: &mut Graph, x: Tensor) -> Result<Tensor, ShapeError> {
    let s = graph.shape(x);
    let shape = [s[0], s[1] * s[2], s[3]];
    graph.reshape(x, &shape)
}

/// The parameters that `graphs` read, each once, in the order of reading: norm weights start at one, biases at zero, the rest
/// with variance 2 / (in + out).
pub(crate) fn specs(graphs: &[Graph]) -> Vec<ParameterSpec> {
    let mut specs: Vec<ParameterSpec> = Vec::new();
    for info in graphs.iter().flat_map(Graph::tensors) {
        let Role::Parameter(name) = &info.role else { continue };
        let init = match info.shape[..] {
            [_] if name.ends_with(".bias") => Init::Zeros,
            [_] => Init::Ones,
            _ => {
                let (output, input) = (info.shape[0], info.len() / info.shape[0]);
                Init::Normal((2.0 / (input + output) as f32).sqrt())
            }
        };
        specs.push(ParameterSpec { name: name.clone(), shape: info.shape.clone(), init, matrix: false, stacked: 1 });
    }
    specs
}
