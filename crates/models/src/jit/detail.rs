//! The detail network: what large patches cannot draw.
//!
//! A token holds fewer numbers than its patch has pixels, and neighbouring patches do not see each other's pixels: the trunk's
//! picture is blurred and has seams. A small convolutional network at a quarter of the resolution sees the noisy picture, the
//! trunk's picture and what the trunk's tokens say about each place, and adds a correction. (The idea of "DiP", arXiv
//! 2511.18822: a trunk for the whole, a local head for the detail; ours works across patches.) It starts as zero, so it can be
//! given to a trained network.

use graph::{Graph, Modulation, ShapeError, Tensor};

use crate::jit::Config;
use crate::layers::{SAME, channels, conv};
use crate::parameter::{Bias, List};
use crate::transformer::{EPSILON, linear, linear_bias, norm};

/// Side in pixels of a place of the detail network.
pub const PLACE: usize = 4;

/// What the trunk gives.
pub(super) struct Trunk {
    /// Noisy picture `[B, H, W, C]`.
    pub(super) z: Tensor,
    /// The trunk's picture `[B, H, W, C]`.
    pub(super) picture: Tensor,
    /// Normed tokens `[B, N, D]`.
    pub(super) tokens: Tensor,
    /// Condition `[B, D]`, after its activation.
    pub(super) condition: Tensor,
}

/// All parameters; none if the network has no detail.
pub(super) fn parameters(config: &Config, list: &mut List) {
    let (c, d) = (config.detail_width, config.width);
    if c == 0 {
        return;
    }
    let pixels = PLACE * PLACE * config.channels;
    list.linear("detail.input", c, 2 * pixels, Bias::Zeros);
    list.linear("detail.context", (config.patch / PLACE).pow(2) * c, d, Bias::None);
    for i in 0..config.detail_blocks {
        let name = format!("detail.blocks.{i}");
        list.zero_linear(&format!("{name}.modulation"), 3 * c, d);
        list.conv(&format!("{name}.conv.0"), c, c);
        list.conv(&format!("{name}.conv.1"), c, c);
    }
    list.ones("detail.norm.weight".into(), c);
    list.zero_linear("detail.output", pixels, c);
}

/// The corrected picture `[B, H, W, C]`.
pub(super) fn build(graph: &mut Graph, config: &Config, trunk: Trunk) -> Result<Tensor, ShapeError> {
    let c = config.detail_width;
    let [batch, height, width, _] = graph.shape(trunk.z)[..] else { unreachable!("a picture has four dimensions") };
    let (rows, columns) = (height / PLACE, width / PLACE);

    let seen = graph.concat(&[trunk.z, trunk.picture])?;
    let seen = graph.patchify(seen, PLACE)?;
    let seen = linear_bias(graph, "detail.input", seen, c)?;
    let seen = graph.reshape(seen, &[batch, rows, columns, c])?;
    let patch = config.patch / PLACE;
    let context = linear(graph, "detail.context", trunk.tokens, patch * patch * c)?;
    let context = graph.unpatchify(context, patch, rows, columns)?;
    let mut x = graph.add(seen, context)?;
    for i in 0..config.detail_blocks {
        x = block(graph, &format!("detail.blocks.{i}"), x, trunk.condition)?;
    }
    let x = graph.reshape(x, &[batch, rows * columns, c])?;
    let x = norm(graph, "detail.norm", x)?;
    let x = linear_bias(graph, "detail.output", x, PLACE * PLACE * config.channels)?;
    let x = graph.unpatchify(x, PLACE, height, width)?;
    graph.add(trunk.picture, x)
}

/// Residual block: two 3×3 convolutions of x `[B, h, w, C]`, modulated and gated by the condition.
fn block(graph: &mut Graph, name: &str, x: Tensor, condition: Tensor) -> Result<Tensor, ShapeError> {
    let c = channels(graph, x);
    let modulation = linear_bias(graph, &format!("{name}.modulation"), condition, 3 * c)?;
    let parts = graph.chunk(modulation, 3)?;
    let [shift, scale, gate] = parts[..] else { unreachable!("chunk(3) gives three parts") };
    let h = graph.rms_norm(x, None, Some(Modulation { scale, shift }), EPSILON)?;
    let h = conv(graph, &format!("{name}.conv.0"), h, c, SAME)?;
    let h = graph.silu(h)?;
    let h = conv(graph, &format!("{name}.conv.1"), h, c, SAME)?;
    graph.gated_add(x, gate, h)
}
