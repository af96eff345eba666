//! The finisher: an expert for the end of the way, where the picture is decided and its surfaces and edges are not.
//!
//! At low noise a good prediction is the noisy picture without its noise: a matter of pixels and their neighbourhood, for which
//! the trunk's tokens hold too few numbers. The finisher is a small U-Net of convolutions, on places of two pixels and two
//! coarser levels, that sees the noisy picture and the network's prediction, and corrects that prediction. It is trained after
//! the network, on times up to [`FROM`] alone ("eDiff-I", arXiv 2211.01324, section 4: experts for parts of the way; the
//! U-Net: arXiv 1505.04597), and runs in the last steps alone. It starts as no correction.

use graph::{Graph, Modulation, ShapeError, Tensor};

use crate::jit::Config;
use crate::jit::network::time_embedding;
use crate::layers::{SAME, channels, conv};
use crate::parameter::{Bias, List, ParameterSpec};
use crate::transformer::{EPSILON, linear, linear_bias, norm};

/// Largest flow time at which predictions are finished.
pub const FROM: f32 = 0.5;
/// Side in pixels of a place of the finest level.
const PLACE: usize = 2;
/// Levels; each has half the resolution and twice the width of the one before.
const LEVELS: usize = 3;
/// What a picture's sides must be a multiple of.
pub(super) const MULTIPLE: usize = PLACE << (LEVELS - 1);
/// Width of the condition: the embedded time.
const CONDITION: usize = 128;

/// Every parameter of the finisher, in file order; none if the model has no finisher.
pub fn parameters(config: &Config) -> Vec<ParameterSpec> {
    let mut list = List::default();
    add_parameters(config, &mut list);
    list.into_specs()
}

pub(super) fn add_parameters(config: &Config, list: &mut List) {
    let width = config.finish_width;
    if width == 0 {
        return;
    }
    let pixels = PLACE * PLACE * config.channels;
    list.linear("finish.time.0", CONDITION, super::TIME_FEATURES, Bias::Zeros);
    list.linear("finish.time.1", CONDITION, CONDITION, Bias::Zeros);
    list.linear("finish.input", width, 2 * pixels, Bias::Zeros);
    for level in 0..LEVELS {
        let c = width << level;
        if level > 0 {
            list.linear(&format!("finish.{level}.down"), c, 2 * c, Bias::None);
            list.linear(&format!("finish.{level}.up"), 2 * c, c, Bias::Zeros);
        }
        for i in 0..2 {
            let name = format!("finish.{level}.blocks.{i}");
            list.zero_linear(&format!("{name}.modulation"), 2 * c, CONDITION);
            list.conv(&format!("{name}.conv.0"), c, c);
            list.conv(&format!("{name}.conv.1"), c, c);
        }
    }
    list.ones("finish.norm.weight".into(), width);
    list.zero_linear("finish.output", pixels, width);
}

/// Tensors of a finisher's graph.
#[derive(Debug, Clone, Copy)]
pub struct Finished {
    /// Noisy pictures `z [B, H, W, C]`.
    pub z: Tensor,
    /// What the network predicted, `x [B, H, W, C]`.
    pub predicted: Tensor,
    /// Flow times `t [B]`.
    pub t: Tensor,
    /// The corrected prediction `[B, H, W, C]`.
    pub prediction: Tensor,
}

/// Adds the finisher to `graph` for `batch` pictures of `height` × `width` pixels; its inputs are called `z`, `predicted` and `t`.
///
/// # Errors
/// When a side is no multiple of eight pixels.
pub fn build(graph: &mut Graph, config: &Config, [batch, height, width]: [usize; 3]) -> Result<Finished, ShapeError> {
    let shape = [batch, height, width, config.channels];
    let z = graph.input("z", &shape)?;
    let predicted = graph.input("predicted", &shape)?;
    let t = graph.input("t", &[batch])?;
    let condition = time_embedding(graph, "finish.time", t, CONDITION)?;
    let condition = graph.silu(condition)?;

    let (rows, columns, c) = (height / PLACE, width / PLACE, config.finish_width);
    let seen = graph.concat(&[z, predicted])?;
    let seen = graph.patchify(seen, PLACE)?;
    let x = linear_bias(graph, "finish.input", seen, c)?;
    let x = graph.reshape(x, &[batch, rows, columns, c])?;
    let x = level(graph, 0, x, condition)?;
    let x = graph.reshape(x, &[batch, rows * columns, c])?;
    let x = norm(graph, "finish.norm", x)?;
    let x = linear_bias(graph, "finish.output", x, PLACE * PLACE * config.channels)?;
    let x = graph.unpatchify(x, PLACE, height, width)?;
    Ok(Finished { z, predicted, t, prediction: graph.add(predicted, x)? })
}

/// One level: a block, what the coarser levels add, a block. x `[B, h, w, C]`.
fn level(graph: &mut Graph, depth: usize, x: Tensor, condition: Tensor) -> Result<Tensor, ShapeError> {
    let x = block(graph, &format!("finish.{depth}.blocks.0"), x, condition)?;
    let x = if depth + 1 < LEVELS { coarser(graph, depth + 1, x, condition)? } else { x };
    block(graph, &format!("finish.{depth}.blocks.1"), x, condition)
}

/// x `[B, h, w, C]` and what level `depth`, `[B, h/2, w/2, 2C]`, adds to it.
fn coarser(graph: &mut Graph, depth: usize, x: Tensor, condition: Tensor) -> Result<Tensor, ShapeError> {
    let [batch, height, width, c] = graph.shape(x)[..] else { unreachable!("places have four dimensions") };
    let (rows, columns) = (height / 2, width / 2);
    let y = graph.patchify(x, 2)?;
    let y = linear(graph, &format!("finish.{depth}.down"), y, 2 * c)?;
    let y = graph.reshape(y, &[batch, rows, columns, 2 * c])?;
    let y = level(graph, depth, y, condition)?;
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
        let config = Config { finish_width: 16, ..Config::default() };
        let mut graph = Graph::new();
        let finished = build(&mut graph, &config, [2, 16, 24]).unwrap();
        graph.output("x_hat", finished.prediction).unwrap();
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
        let predicted: Vec<f32> = (0..2 * 16 * 24 * 4).map(|i| (i as f32).sin()).collect();
        executor.input_mut("z").unwrap().fill(0.5);
        executor.set_input("predicted", &predicted).unwrap();
        executor.set_input("t", &[0.1, 0.5]).unwrap();
        executor.run().unwrap();
        assert_eq!(executor.output("x_hat"), predicted);
        assert!(super::parameters(&Config::default()).is_empty());
    }
}
