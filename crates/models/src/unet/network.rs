//! The network, step by step, after `UNetModel` and `SpatialTransformer` of the original code (CompVis latent-diffusion,
//! `openaimodel.py` and `attention.py`; arXiv 2112.10752, appendix E).
//!
//! Inputs: `x [B, h, w, Ci]` the noisy latent, `timestep [B]` of the training schedule (0 to 999), `context [B, T, D]` text
//! states, and for some models `vector [B, V]` and `guidance [B, G]`. Output: the prediction `[B, h, w, Co]`, noise or velocity as the model was
//! trained. `C` is the channels of a level.
//!
//! The vector of SDXL is the pooled text (1,280) and the sinusoidal features (256 each, cosines first) of six numbers: height
//! and width of the original picture, top and left of the crop, height and width of the target. The refiner's has an aesthetic
//! score instead of the target (arXiv 2307.01952, section 2.2).

use graph::{Columns, Conv2dOptions, Graph, KeyValue, ShapeError, Tensor};

use super::Config;
use crate::layers::{BuildError, SAME, channels, conv, group_norm, layer_norm, size, specs, tokens};
use crate::parameter::ParameterSpec;
use crate::transformer::{linear, linear_bias};

/// Inside the norms of residual blocks and of the output.
const NORM_EPS: f32 = 1e-5;
/// Inside the norm before a transformer.
const TRANSFORMER_NORM_EPS: f32 = 1e-6;
/// Longest period of the timestep embedding.
const MAX_PERIOD: f32 = 10_000.0;
/// Width of the time embedding, in widths of the network.
const TIME_WIDTHS: usize = 4;
/// Width of the feed-forward layer, in channels.
const FEED_FORWARD: usize = 4;

const HALVE: Conv2dOptions = Conv2dOptions { stride: 2, ..SAME };
const DOUBLE: Conv2dOptions = Conv2dOptions { upsample: 2, ..SAME };

/// What a graph is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Batch `B`.
    pub batch: usize,
    /// Height of the latent.
    pub height: usize,
    /// Width of the latent.
    pub width: usize,
    /// Text tokens `T`.
    pub context_tokens: usize,
}

/// The inputs to fill and the prediction to read.
#[derive(Debug, Clone, Copy)]
pub struct Outputs {
    /// `x [B, h, w, Ci]`.
    pub x: Tensor,
    /// `timestep [B]`.
    pub timestep: Tensor,
    /// `context [B, T, D]`.
    pub context: Tensor,
    /// `vector [B, V]`, for models that have one.
    pub vector: Option<Tensor>,
    /// `guidance [B, G]`: features of the guidance scale, for models that know it.
    pub guidance: Option<Tensor>,
    /// Prediction `[B, h, w, Co]`.
    pub prediction: Tensor,
}

/// Every parameter of the network, in the order of use.
pub fn parameters(config: &Config) -> Result<Vec<ParameterSpec>, BuildError> {
    let mut graph = Graph::new();
    build(&mut graph, config, Geometry { batch: 1, height: 1, width: 1, context_tokens: 1 })?;
    Ok(specs(&[graph]))
}

/// Adds the network to `graph`.
pub fn build(graph: &mut Graph, config: &Config, geometry: Geometry) -> Result<Outputs, BuildError> {
    config.validate()?;
    let Geometry { batch, height, width, context_tokens } = geometry;
    size("batch", batch, 1, 4096)?;
    size("height of the latent", height, 1, 4096)?;
    size("width of the latent", width, 1, 4096)?;
    size("text tokens", context_tokens, 1, 8192)?;

    let x = graph.input("x", &[batch, height, width, config.in_channels])?;
    let timestep = graph.input("timestep", &[batch])?;
    let context = graph.input("context", &[batch, context_tokens, config.context])?;
    let vector = config.vector.map(|width| graph.input("vector", &[batch, width])).transpose()?;
    let guidance = config.guidance.map(|width| graph.input("guidance", &[batch, width])).transpose()?;
    let conditions = conditions(graph, config, timestep, vector, guidance)?;
    let prediction = Network { graph, config, conditions, context }.forward(x)?;
    Ok(Outputs { x, timestep, context, vector, guidance, prediction })
}

/// What residual blocks know of time and vector, `[B, 4·width]`; each block begins with the same SiLU, which is done here.
fn conditions(
    graph: &mut Graph,
    config: &Config,
    timestep: Tensor,
    vector: Option<Tensor>,
    guidance: Option<Tensor>,
) -> Result<Tensor, ShapeError> {
    let width = TIME_WIDTHS * config.width;
    let mut features = graph.timestep_embedding(timestep, config.width, MAX_PERIOD)?;
    if let Some(guidance) = guidance {
        let guidance = linear(graph, "time_embed.cond_proj", guidance, config.width)?;
        features = graph.add(features, guidance)?;
    }
    let mut sum = perceptron(graph, ["time_embed.0", "time_embed.2"], features, width)?;
    if let Some(vector) = vector {
        let label = perceptron(graph, ["label_emb.0.0", "label_emb.0.2"], vector, width)?;
        sum = graph.add(sum, label)?;
    }
    graph.silu(sum)
}

fn perceptron(graph: &mut Graph, names: [&str; 2], x: Tensor, width: usize) -> Result<Tensor, ShapeError> {
    let h = linear_bias(graph, names[0], x, width)?;
    let h = graph.silu(h)?;
    linear_bias(graph, names[1], h, width)
}

struct Network<'a> {
    graph: &'a mut Graph,
    config: &'a Config,
    /// `[B, 4·width]`
    conditions: Tensor,
    /// `[B, T, D]`
    context: Tensor,
}

impl Network<'_> {
    fn forward(mut self, x: Tensor) -> Result<Tensor, ShapeError> {
        let config = *self.config;
        let last = config.levels.len() - 1;

        // 1. Down: what each step made is kept for the way up.
        let mut h = conv(self.graph, "input_blocks.0.0", x, config.width, SAME)?;
        let mut kept = vec![h];
        for (i, level) in config.levels.iter().enumerate() {
            for _ in 0..config.blocks {
                let name = format!("input_blocks.{}", kept.len());
                h = self.residual(&format!("{name}.0"), h, config.channels(i))?;
                h = self.transformer(&format!("{name}.1"), h, level.depth)?;
                kept.push(h);
            }
            if i < last {
                h = conv(self.graph, &format!("input_blocks.{}.0.op", kept.len()), h, config.channels(i), HALVE)?;
                kept.push(h);
            }
        }

        // 2. Middle.
        h = self.residual("middle_block.0", h, config.channels(last))?;
        h = self.transformer("middle_block.1", h, config.middle_depth)?;
        h = self.residual("middle_block.2", h, config.channels(last))?;

        // 3. Up.
        let mut number = 0;
        for (i, level) in config.levels.iter().enumerate().rev() {
            for block in 0..=config.blocks {
                let name = format!("output_blocks.{number}");
                number += 1;
                if let Some(skip) = kept.pop() {
                    h = self.graph.concat(&[h, skip])?;
                }
                h = self.residual(&format!("{name}.0"), h, config.channels(i))?;
                h = self.transformer(&format!("{name}.1"), h, level.depth)?;
                if i > 0 && block == config.blocks {
                    let part = if level.depth > 0 { 2 } else { 1 };
                    // A side that was odd before it was halved has one pixel less than the double of its half.
                    let (from, to) = (self.graph.shape(h), self.graph.shape(*kept.last().expect("one for each block")));
                    let options = Conv2dOptions { crop: (2 * from[1] - to[1], 2 * from[2] - to[2]), ..DOUBLE };
                    h = conv(self.graph, &format!("{name}.{part}.conv"), h, config.channels(i), options)?;
                }
            }
        }

        // 4. Output.
        let h = group_norm(self.graph, "out.0", h, NORM_EPS, true)?;
        conv(self.graph, "out.2", h, config.out_channels, SAME)
    }

    /// Two convolutions with the conditions between them, beside x `[B, H, W, Ci]` itself → `[B, H, W, out]`.
    fn residual(&mut self, name: &str, x: Tensor, out: usize) -> Result<Tensor, ShapeError> {
        let g = &mut *self.graph;
        let h = group_norm(g, &format!("{name}.in_layers.0"), x, NORM_EPS, true)?;
        let h = conv(g, &format!("{name}.in_layers.2"), h, out, SAME)?;
        let row = linear_bias(g, &format!("{name}.emb_layers.1"), self.conditions, out)?;
        let h = g.add_per_item(h, row)?;
        let h = group_norm(g, &format!("{name}.out_layers.0"), h, NORM_EPS, true)?;
        let h = conv(g, &format!("{name}.out_layers.3"), h, out, SAME)?;
        let skip = if channels(g, x) == out { x } else { linear_bias(g, &format!("{name}.skip_connection"), x, out)? };
        g.add(skip, h)
    }

    /// `depth` transformer blocks over the pixels of x `[B, H, W, C]`, added to it; x itself when there are none.
    fn transformer(&mut self, name: &str, x: Tensor, depth: usize) -> Result<Tensor, ShapeError> {
        if depth == 0 {
            return Ok(x);
        }
        let channels = channels(self.graph, x);
        let shape = self.graph.shape(x).to_vec();
        let h = group_norm(self.graph, &format!("{name}.norm"), x, TRANSFORMER_NORM_EPS, false)?;
        let h = tokens(self.graph, h)?;
        let mut h = linear_bias(self.graph, &format!("{name}.proj_in"), h, channels)?;
        for i in 0..depth {
            h = self.transformer_block(&format!("{name}.transformer_blocks.{i}"), h)?;
        }
        let h = linear_bias(self.graph, &format!("{name}.proj_out"), h, channels)?;
        let h = self.graph.reshape(h, &shape)?;
        self.graph.add(x, h)
    }

    /// x `[B, N, C]` attends to itself, then to the context; then GEGLU.
    fn transformer_block(&mut self, name: &str, x: Tensor) -> Result<Tensor, ShapeError> {
        let width = channels(self.graph, x);
        let h = layer_norm(self.graph, &format!("{name}.norm1"), x)?;
        let h = self.attention(&format!("{name}.attn1"), h, h)?;
        let x = self.graph.add(h, x)?;
        let h = layer_norm(self.graph, &format!("{name}.norm2"), x)?;
        let h = self.attention(&format!("{name}.attn2"), h, self.context)?;
        let x = self.graph.add(h, x)?;
        let h = layer_norm(self.graph, &format!("{name}.norm3"), x)?;
        let h = linear_bias(self.graph, &format!("{name}.ff.net.0.proj"), h, 2 * FEED_FORWARD * width)?;
        let h = self.graph.geglu(h)?;
        let h = linear_bias(self.graph, &format!("{name}.ff.net.2"), h, width)?;
        self.graph.add(h, x)
    }

    /// Attention of x `[B, N, C]` to other `[B, M, D]`.
    fn attention(&mut self, name: &str, x: Tensor, other: Tensor) -> Result<Tensor, ShapeError> {
        let width = channels(self.graph, x);
        let (heads, head_size) = self.config.heads.split(width);
        let query = linear(self.graph, &format!("{name}.to_q"), x, width)?;
        let key = linear(self.graph, &format!("{name}.to_k"), other, width)?;
        let value = linear(self.graph, &format!("{name}.to_v"), other, width)?;
        let whole = |tensor| Columns { tensor, offset: 0 };
        let other = KeyValue { key: whole(key), value: whole(value), lengths: None };
        let h = self.graph.attention(heads, head_size, whole(query), &[other])?;
        linear_bias(self.graph, &format!("{name}.to_out.0"), h, width)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_geometry_is_named() {
        let geometry = Geometry { batch: 1, height: 64, width: 64, context_tokens: 77 };
        for (geometry, field) in [
            (Geometry { height: 4097, ..geometry }, "height"),
            (Geometry { width: 0, ..geometry }, "width"),
            (Geometry { batch: 0, ..geometry }, "batch"),
            (Geometry { context_tokens: 0, ..geometry }, "text tokens"),
        ] {
            let message = build(&mut Graph::new(), &Config::SD1, geometry).unwrap_err().to_string();
            assert!(message.contains(field), "{message}");
        }
    }
}
