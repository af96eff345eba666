//! The network, step by step.
//!
//! Inputs: `z [B, H, W, C]` the noisy picture, `t [B]` flow time in [0, 1] (0 clean, 1 noise),
//! `text [B, T, text_width]` states of the text encoder, `text_lengths [B]` (1..=T),
//! `text_pooled [B, text_width]`; with `step_length` in the configuration `step [B]`, the flow time that one Euler step with the
//! prediction will cross, 0 for an infinitely short one. Output: the clean picture `x̂ [B, H, W, C]`.
//! `D` width, `N` patches, `d` head size; all f32.

use graph::{Graph, Modulation, QkParts, ShapeError, Tensor};

use crate::jit::config::{in_range, multiple};
use crate::jit::detail::{self, Trunk};
use crate::jit::finish::Unfinished;
use crate::jit::{Config, ConfigError, TIME_FEATURES};
use crate::rotary;
use crate::transformer::{Block, EPSILON, linear, linear_bias, norm};

/// Longest period of the timestep embedding.
const MAX_PERIOD: f32 = 10_000.0;
/// The timestep embedding sees `1000·t`.
const TIME_SCALE: f32 = 1000.0;

/// What a graph is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Batch `B`.
    pub batch: usize,
    /// Height `H` in pixels, a multiple of the patch.
    pub height: usize,
    /// Width `W` in pixels, a multiple of the patch.
    pub width: usize,
    /// Text tokens `T`, padding included.
    pub text_tokens: usize,
}

/// The inputs to fill and the prediction to read.
#[derive(Debug, Clone, Copy)]
pub struct Outputs {
    /// `z [B, H, W, C]`.
    pub z: Tensor,
    /// `t [B]`.
    pub t: Tensor,
    /// `step [B]`, if the network is told the step's length.
    pub step: Option<Tensor>,
    /// `text [B, T, text_width]`.
    pub text: Tensor,
    /// `text_lengths [B]`.
    pub text_lengths: Tensor,
    /// `text_pooled [B, text_width]`.
    pub text_pooled: Tensor,
    /// What a finisher is given.
    pub unfinished: Unfinished,
    /// `x̂ [B, H, W, C]`.
    pub prediction: Tensor,
}

/// The network cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The configuration or the geometry is out of range.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The graph refused an operation.
    #[error("jit network: {0}")]
    Shape(#[from] ShapeError),
}

/// Adds the network to `graph`.
pub fn build(graph: &mut Graph, config: &Config, geometry: Geometry) -> Result<Outputs, BuildError> {
    forward(graph, config, geometry, false)
}

/// Adds the network to `graph`, and an input `keep [B, D]`: 1 for items like any others, 0 for those that the block in the middle
/// passes by. Their predictions are worse, and guidance away from them makes the others better (see `sampling::push`).
pub fn build_weakened(graph: &mut Graph, config: &Config, geometry: Geometry) -> Result<Outputs, BuildError> {
    forward(graph, config, geometry, true)
}

fn forward(graph: &mut Graph, config: &Config, geometry: Geometry, is_weakened: bool) -> Result<Outputs, BuildError> {
    config.validate()?;
    let Geometry { batch, height, width, text_tokens } = geometry;
    in_range("batch", batch, 1, 4096)?;
    in_range("height", height, config.patch, 8192)?;
    in_range("width", width, config.patch, 8192)?;
    in_range("text tokens", text_tokens, 1, 8192)?;
    multiple("height", height, config.patch)?;
    multiple("width", width, config.patch)?;
    let keep = if is_weakened { Some(graph.input("keep", &[batch, config.width])?) } else { None };
    Ok(Network { graph, config, keep }.forward(geometry)?)
}

/// Embedding `[B, width]` of flow times `[B]`.
fn time_embedding(graph: &mut Graph, name: &str, t: Tensor, width: usize) -> Result<Tensor, ShapeError> {
    let features = graph.scale(t, TIME_SCALE)?;
    let features = graph.timestep_embedding(features, TIME_FEATURES, MAX_PERIOD)?;
    let time = linear_bias(graph, &format!("{name}.0"), features, width)?;
    let time = graph.silu(time)?;
    linear_bias(graph, &format!("{name}.1"), time, width)
}

/// The refined text that blocks attend to.
#[derive(Clone, Copy)]
struct Text {
    /// `[B, T, D]`.
    states: Tensor,
    /// `[B]`.
    lengths: Tensor,
}

struct Network<'a> {
    graph: &'a mut Graph,
    config: &'a Config,
    /// How much of the block in the middle each item keeps, `[B, D]`.
    keep: Option<Tensor>,
}

impl Network<'_> {
    fn forward(mut self, geometry: Geometry) -> Result<Outputs, ShapeError> {
        let Config { width: d, patch, channels, text_width, .. } = *self.config;
        let Geometry { batch, height, width, text_tokens } = geometry;
        let z = self.graph.input("z", &[batch, height, width, channels])?;
        let t = self.graph.input("t", &[batch])?;
        let text = self.graph.input("text", &[batch, text_tokens, text_width])?;
        let text_lengths = self.graph.input("text_lengths", &[batch])?;
        let text_pooled = self.graph.input("text_pooled", &[batch, text_width])?;

        // 1. Stem: patches [B, N, P·P·C] through a bottleneck to tokens [B, N, D].
        let x = self.graph.patchify(z, patch)?;
        let x = linear(self.graph, "stem.0", x, self.config.stem)?;
        let mut x = linear_bias(self.graph, "stem.1", x, d)?;

        // 2. Condition: time and pooled text [B, D]; one modulation [B, 6D] for all blocks.
        let mut time = time_embedding(self.graph, "time", t, d)?;
        let step = if self.config.step_length { Some(self.graph.input("step", &[batch])?) } else { None };
        if let Some(step) = step {
            let length = time_embedding(self.graph, "step", step, d)?;
            time = self.graph.add(time, length)?;
        }
        // A pooled text has length 1; scaled to unit variance it weighs as much as the time from the start.
        let pooled = self.graph.scale(text_pooled, (text_width as f32).sqrt())?;
        let pooled = linear_bias(self.graph, "text_pooled", pooled, d)?;
        let c = self.graph.add(time, pooled)?;
        let s = self.graph.silu(c)?;
        let modulation = linear_bias(self.graph, "modulation", s, 6 * d)?;

        // 3. Refiner: text states [B, T, D].
        let block = self.plain_block();
        let mut y = linear_bias(self.graph, "refiner.embed", text, d)?;
        for i in 0..self.config.refiner_blocks {
            y = block.build(self.graph, &format!("refiner.blocks.{i}"), y, Some(text_lengths), None)?;
        }
        let y = norm(self.graph, "refiner.norm", y)?;

        // 4. Trunk.
        let rotary = self.rotary(height / patch, width / patch)?;
        let mut passed = Vec::new();
        for i in 0..self.config.blocks {
            let name = format!("blocks.{i}");
            if self.config.long_skips && i >= self.config.blocks.div_ceil(2) {
                let skip = passed.pop().expect("as many blocks before the middle as behind it");
                let both = self.graph.concat(&[x, skip])?;
                x = linear(self.graph, &format!("{name}.skip"), both, d)?;
            }
            let keep = self.keep.filter(|_| i == self.config.blocks / 2);
            x = self.block(&name, x, Text { states: y, lengths: text_lengths }, modulation, rotary, keep)?;
            if i < self.config.blocks / 2 {
                passed.push(x);
            }
        }

        // 5. Head: modulated norm, linear to patches, picture.
        let modulation = linear_bias(self.graph, "final.modulation", s, 2 * d)?;
        let parts = self.graph.chunk(modulation, 2)?;
        let tokens = self.modulated_norm(x, parts[0], parts[1])?;
        let x = linear_bias(self.graph, "head", tokens, self.config.patch_values())?;
        let mut prediction = self.graph.unpatchify(x, patch, height, width)?;

        // 6. Detail across the patches.
        if self.config.detail_width > 0 {
            let trunk = Trunk { z, picture: prediction, tokens, condition: s };
            prediction = detail::build(self.graph, self.config, trunk)?;
        }
        if self.config.velocity {
            // x = z − t·v, as z = (1 − t)·x + t·ε.
            let minus = self.graph.reshape(t, &[batch, 1])?;
            let minus = self.graph.scale(minus, -1.0)?;
            let gate = self.graph.concat(&vec![minus; channels])?;
            prediction = self.graph.gated_add(z, gate, prediction)?;
        }
        let unfinished = Unfinished { z, prediction, tokens, condition: s };
        Ok(Outputs { z, t, step, text, text_lengths, text_pooled, unfinished, prediction })
    }

    fn plain_block(&self) -> Block {
        Block { width: self.config.width, heads: self.config.heads, hidden: self.config.hidden }
    }

    /// Block of the trunk: x `[B, N, D]` attends to itself and to the text. Its gates are multiplied by `keep [B, D]`.
    fn block(
        &mut self,
        name: &str,
        x: Tensor,
        text: Text,
        modulation: Tensor,
        rotary: (Tensor, Tensor),
        keep: Option<Tensor>,
    ) -> Result<Tensor, ShapeError> {
        let Config { width: d, heads, .. } = *self.config;
        let plain = self.plain_block();
        let own = self.graph.parameter(&format!("{name}.modulation"), &[6 * d])?;
        let modulation = self.graph.add_broadcast(modulation, own)?;
        let parts = self.graph.chunk(modulation, 6)?;
        let [shift1, scale1, gate1, shift2, scale2, gate2] = parts[..] else {
            unreachable!("chunk(6) gives six parts");
        };
        let (gate1, gate2) = (self.kept(gate1, keep)?, self.kept(gate2, keep)?);

        let h = self.modulated_norm(x, shift1, scale1)?;
        let qkv = linear(self.graph, &format!("{name}.attention.qkv"), h, 3 * d)?;
        let qkv = plain.qk_norm(self.graph, name, qkv, Some(rotary))?;
        let kv = linear(self.graph, &format!("{name}.attention.text_kv"), text.states, 2 * d)?;
        let weight = self.graph.parameter(&format!("{name}.attention.text_k_norm.weight"), &[d / heads])?;
        let kv = self.graph.qk_norm_rotary(kv, QkParts::Kv, heads, None, weight, None, EPSILON)?;
        let o = self.graph.joint_attention(qkv, kv, heads, Some(text.lengths))?;
        let o = linear(self.graph, &format!("{name}.attention.out"), o, d)?;
        let x = self.graph.gated_add(x, gate1, o)?;

        let h = self.modulated_norm(x, shift2, scale2)?;
        let u = plain.mlp(self.graph, name, h)?;
        self.graph.gated_add(x, gate2, u)
    }

    /// `gate·keep`, both `[B, D]`.
    fn kept(&mut self, gate: Tensor, keep: Option<Tensor>) -> Result<Tensor, ShapeError> {
        let Some(keep) = keep else { return Ok(gate) };
        let shape = self.graph.shape(gate).to_vec();
        let rows = [shape[0], 1, shape[1]];
        let zero = self.graph.constant(&rows, vec![0.0; shape[0] * shape[1]])?;
        let keep = self.graph.reshape(keep, &rows)?;
        let product = self.graph.gated_add(zero, gate, keep)?;
        self.graph.reshape(product, &shape)
    }

    /// Rotary tables of the image tokens, `[N, d/2]` each.
    fn rotary(&mut self, rows: usize, columns: usize) -> Result<(Tensor, Tensor), ShapeError> {
        let head_size = self.config.head_size();
        let shape = [rows * columns, head_size / 2];
        let (cos, sin) = rotary::tables(rows, columns, head_size);
        Ok((self.graph.constant(&shape, cos)?, self.graph.constant(&shape, sin)?))
    }

    /// `rms_norm(x)·(1 + scale) + shift`, with shift and scale `[B, D]`.
    fn modulated_norm(&mut self, x: Tensor, shift: Tensor, scale: Tensor) -> Result<Tensor, ShapeError> {
        self.graph.rms_norm(x, None, Some(Modulation { scale, shift }), EPSILON)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::jit::parameters;

    const GEOMETRY: Geometry = Geometry { batch: 2, height: 64, width: 32, text_tokens: 7 };

    /// The graph asks for exactly the listed parameters, with the listed shapes.
    #[test]
    fn graph_and_parameter_list_agree() {
        for config in [
            Config::default(),
            Config { blocks: 2, refiner_blocks: 0, channels: 3, ..Config::default() },
            Config { blocks: 1, detail_width: 24, detail_blocks: 3, ..Config::default() },
            Config { blocks: 1, step_length: true, ..Config::default() },
            Config { blocks: 5, long_skips: true, velocity: true, ..Config::default() },
        ] {
            let mut graph = Graph::new();
            let outputs = build(&mut graph, &config, GEOMETRY).unwrap();
            assert_eq!(graph.shape(outputs.prediction), [2, 64, 32, config.channels]);
            let used: BTreeMap<String, Vec<usize>> =
                graph.parameters().map(|(name, tensor)| (name.to_owned(), graph.shape(tensor).to_vec())).collect();
            let listed: BTreeMap<String, Vec<usize>> =
                parameters(&config).into_iter().map(|spec| (spec.name, spec.shape)).collect();
            assert_eq!(used, listed);
        }
    }

    #[test]
    fn default_size_is_about_thirteen_million() {
        let count: usize = parameters(&Config::default()).iter().map(crate::ParameterSpec::len).sum();
        assert!((12_500_000..14_000_000).contains(&count), "{count}");
    }

    #[test]
    fn impossible_geometry_is_named() {
        for (geometry, field) in [
            (Geometry { height: 60, ..GEOMETRY }, "height"),
            (Geometry { width: 0, ..GEOMETRY }, "width"),
            (Geometry { batch: 0, ..GEOMETRY }, "batch"),
            (Geometry { text_tokens: 0, ..GEOMETRY }, "text tokens"),
        ] {
            let message = build(&mut Graph::new(), &Config::default(), geometry).unwrap_err().to_string();
            assert!(message.contains(field), "{message}");
        }
    }
}
