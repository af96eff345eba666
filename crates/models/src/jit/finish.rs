//! The finisher: surfaces and edges, which neither tokens nor the detail network have room for.
//!
//! A good prediction at low noise is the noisy picture without its noise: a matter of pixels and their neighbourhood, for which
//! the trunk's tokens hold too few numbers. At high noise it is one picture out of many, and which one is the trunk's to say. The
//! finisher is a small U-Net of convolutions (arXiv 1505.04597), on places of two pixels and two coarser levels, that sees the
//! noisy picture, the network's prediction and the trunk's tokens, and is modulated by the network's condition. It is trained
//! after the network, which stays as it is, on times up to [`FROM`] alone ("eDiff-I", arXiv 2211.01324, section 4: experts for
//! parts of the way), and starts as no correction.

use graph::{Graph, Modulation, ShapeError, Tensor};

use crate::jit::Config;
use crate::layers::{SAME, channels, conv};
use crate::parameter::{Bias, List, ParameterSpec};
use crate::transformer::{EPSILON, linear, linear_bias, norm};

/// Largest flow time at which predictions are corrected: before it there is little to gain (`docs/adr/0024-a-finisher.md`).
pub const FROM: f32 = 0.65;
/// Side in pixels of a place of the finest level.
const PLACE: usize = 2;
/// Levels; each has half the resolution and twice the width of the one before.
const LEVELS: usize = 3;
/// What a picture's sides must be a multiple of.
pub(super) const MULTIPLE: usize = PLACE << (LEVELS - 1);

/// Every parameter of the finisher, in file order; none if the model has no finisher.
pub fn parameters(config: &Config) -> Vec<ParameterSpec> {
    let mut list = List::default();
    add_parameters(config, &mut list);
    list.into_specs()
}

pub(super) fn add_parameters(config: &Config, list: &mut List) {
    let (width, d) = (config.finish_width, config.width);
    if width == 0 {
        return;
    }
    let pixels = PLACE * PLACE * config.channels;
    list.linear("finish.input", width, 2 * pixels, Bias::Zeros);
    for level in 0..LEVELS {
        let c = width << level;
        if level > 0 {
            list.linear(&format!("finish.{level}.down"), c, 2 * c, Bias::None);
            list.linear(&format!("finish.{level}.up"), 2 * c, c, Bias::Zeros);
        }
        if level + 1 == LEVELS {
            list.zero_linear("finish.context", (config.patch / MULTIPLE).pow(2) * c, d);
        }
        for i in 0..2 {
            let name = format!("finish.{level}.blocks.{i}");
            list.zero_linear(&format!("{name}.modulation"), 2 * c, d);
            list.conv(&format!("{name}.conv.0"), c, c);
            list.conv(&format!("{name}.conv.1"), c, c);
        }
    }
    list.ones("finish.norm.weight".into(), width);
    list.zero_linear("finish.output", pixels, width);
}

/// What the network gives its finisher.
#[derive(Debug, Clone, Copy)]
pub struct Unfinished {
    /// Noisy pictures `z [B, H, W, C]`.
    pub z: Tensor,
    /// The network's prediction `[B, H, W, C]`.
    pub prediction: Tensor,
    /// The trunk's tokens, normed and modulated, `[B, N, D]`.
    pub tokens: Tensor,
    /// The condition `[B, D]`, time and pooled text, after its activation.
    pub condition: Tensor,
}

impl Unfinished {
    /// Inputs of a graph in place of the network, called like the fields, for `batch` pictures of `height` × `width` pixels.
    ///
    /// # Errors
    /// When a side is zero.
    pub fn inputs(graph: &mut Graph, config: &Config, [batch, height, width]: [usize; 3]) -> Result<Self, ShapeError> {
        let picture = [batch, height, width, config.channels];
        let patches = (height / config.patch) * (width / config.patch);
        Ok(Self {
            z: graph.input("z", &picture)?,
            prediction: graph.input("prediction", &picture)?,
            tokens: graph.input("tokens", &[batch, patches, config.width])?,
            condition: graph.input("condition", &[batch, config.width])?,
        })
    }
}

/// What to add to the prediction, `[B, H, W, C]`.
///
/// # Errors
/// When the tensors' shapes are not those that `config` asks for.
pub fn build(graph: &mut Graph, config: &Config, from: Unfinished) -> Result<Tensor, ShapeError> {
    let Unfinished { z, prediction, tokens, condition } = from;
    let [batch, height, width, pixel] = graph.shape(z)[..] else { unreachable!("a picture has four dimensions") };
    let (rows, columns, c) = (height / PLACE, width / PLACE, config.finish_width);
    let seen = graph.concat(&[z, prediction])?;
    let seen = graph.patchify(seen, PLACE)?;
    let x = linear_bias(graph, "finish.input", seen, c)?;
    let x = graph.reshape(x, &[batch, rows, columns, c])?;
    let patch = config.patch / MULTIPLE;
    let context = linear_bias(graph, "finish.context", tokens, (patch * patch * c) << (LEVELS - 1))?;
    let context = graph.unpatchify(context, patch, height / MULTIPLE, width / MULTIPLE)?;
    let x = level(graph, 0, x, Known { context, condition })?;
    let x = graph.reshape(x, &[batch, rows * columns, c])?;
    let x = norm(graph, "finish.norm", x)?;
    let x = linear_bias(graph, "finish.output", x, PLACE * PLACE * pixel)?;
    graph.unpatchify(x, PLACE, height, width)
}

/// A finisher of its own, for `[batch, height, width]` pictures: inputs as [`Unfinished::inputs`] calls them, one output,
/// `correction`.
///
/// # Errors
/// When a side is zero, or no multiple of the patch.
pub fn graph(config: &Config, pictures: [usize; 3]) -> Result<Graph, ShapeError> {
    let mut graph = Graph::new();
    let unfinished = Unfinished::inputs(&mut graph, config, pictures)?;
    let correction = build(&mut graph, config, unfinished)?;
    graph.output("correction", correction)?;
    Ok(graph::fuse::fuse(&graph))
}

/// What the levels are told.
#[derive(Clone, Copy)]
struct Known {
    /// What the tokens say about each place of the coarsest level.
    context: Tensor,
    condition: Tensor,
}

/// One level: a block, what the coarser levels add, a block. x `[B, h, w, C]`.
fn level(graph: &mut Graph, depth: usize, x: Tensor, known: Known) -> Result<Tensor, ShapeError> {
    let is_coarsest = depth + 1 == LEVELS;
    let x = if is_coarsest { graph.add(x, known.context)? } else { x };
    let x = block(graph, &format!("finish.{depth}.blocks.0"), x, known.condition)?;
    let x = if is_coarsest { x } else { coarser(graph, depth + 1, x, known)? };
    block(graph, &format!("finish.{depth}.blocks.1"), x, known.condition)
}

/// x `[B, h, w, C]` and what level `depth`, `[B, h/2, w/2, 2C]`, adds to it.
fn coarser(graph: &mut Graph, depth: usize, x: Tensor, known: Known) -> Result<Tensor, ShapeError> {
    let [batch, height, width, c] = graph.shape(x)[..] else { unreachable!("places have four dimensions") };
    let (rows, columns) = (height / 2, width / 2);
    let y = graph.patchify(x, 2)?;
    let y = linear(graph, &format!("finish.{depth}.down"), y, 2 * c)?;
    let y = graph.reshape(y, &[batch, rows, columns, 2 * c])?;
    let y = level(graph, depth, y, known)?;
    let y = graph.reshape(y, &[batch, rows * columns, 2 * c])?;
    let y = linear_bias(graph, &format!("finish.{depth}.up"), y, 4 * c)?;
    let y = graph.unpatchify(y, 2, height, width)?;
    graph.add(x, y)
}

/// Residual block: two 3×3 convolutions of x `[B, h, w, C]`, modulated by the condition.
fn block(graph: &mut Graph, name: &str, x: Tensor, condition: Tensor) -> Result<Tensor, ShapeError> {
    let c = channels(graph, x);
    let modulation = linear_bias(graph, &format!("{name}.modulation"), condition, 2 * c)?;
    let parts = graph.chunk(modulation, 2)?;
    let h = graph.rms_norm(x, None, Some(Modulation { shift: parts[0], scale: parts[1] }), EPSILON)?;
    let h = conv(graph, &format!("{name}.conv.0"), h, c, SAME)?;
    let h = graph.silu(h)?;
    let h = conv(graph, &format!("{name}.conv.1"), h, c, SAME)?;
    graph.add(x, h)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use graph::{Executor, PackedParameters};
    use kernels::Cpu;
    use kernels::gemm::Precision;

    use super::*;

    #[test]
    fn graph_and_parameter_list_agree_and_it_starts_as_no_correction() {
        let config = Config { finish_width: 16, width: 32, patch: 8, ..Config::default() };
        let graph = graph(&config, [2, 16, 24]).unwrap();
        let used: BTreeMap<String, Vec<usize>> =
            graph.parameters().map(|(name, tensor)| (name.to_owned(), graph.shape(tensor).to_vec())).collect();
        let specs = parameters(&config);
        let listed: BTreeMap<String, Vec<usize>> = specs.iter().map(|s| (s.name.clone(), s.shape.clone())).collect();
        assert_eq!(used, listed);
        let parameters = crate::initial_parameters(&specs, 3).unwrap();
        let graph = Arc::new(graph);
        let packed =
            Arc::new(PackedParameters::new(&Cpu::detected(1), &[&graph], &parameters, Precision::F32).unwrap());
        let mut executor = Executor::new(&Cpu::detected(1), graph, packed).unwrap();
        for name in ["z", "prediction", "tokens", "condition"] {
            executor.input_mut(name).unwrap().fill(0.5);
        }
        executor.run().unwrap();
        assert_eq!(executor.output("correction"), [0.0; 2 * 16 * 24 * 4]);
        assert!(super::parameters(&Config::default()).is_empty());
    }
}
