//! Encoder and decoder, step by step, after `Encoder` and `Decoder` of the original code (CompVis latent-diffusion,
//! `ldm/modules/diffusionmodules/model.py`) and the two 1×1 convolutions of its `AutoencoderKL`.
//!
//! Encoder: `picture [B, H, W, 3]` in [-1, 1] → moments `[B, H/f, W/f, 2Z]`, means and then logarithms of variances.
//! Decoder: `latent [B, h, w, Z]`, not scaled → picture `[B, h·f, w·f, 3]`, about [-1, 1].

use graph::{Columns, Conv2dOptions, Graph, KeyValue, ShapeError, Tensor};

use super::Config;
use crate::layers::{BuildError, SAME, channels, conv, group_norm, size, specs, tokens};
use crate::parameter::ParameterSpec;
use crate::transformer::linear_bias;

/// Inside every norm.
const EPS: f32 = 1e-6;
/// Channels of a picture.
const COLOURS: usize = 3;

/// Halves with a row and a column of zeros at the end alone.
const HALVE: Conv2dOptions = Conv2dOptions { stride: 2, padding: [0, 1, 0, 1], ..SAME };
const DOUBLE: Conv2dOptions = Conv2dOptions { upsample: 2, ..SAME };

/// What a graph is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Batch `B`.
    pub batch: usize,
    /// Height of the picture, a multiple of [`Config::factor`].
    pub height: usize,
    /// Width of the picture, a multiple of [`Config::factor`].
    pub width: usize,
}

/// The input to fill and the result to read.
#[derive(Debug, Clone, Copy)]
pub struct Outputs {
    /// `picture [B, H, W, 3]` of the encoder, `latent [B, H/f, W/f, Z]` of the decoder.
    pub input: Tensor,
    /// Moments `[B, H/f, W/f, 2Z]` of the encoder, picture `[B, H, W, 3]` of the decoder.
    pub output: Tensor,
}

/// Every parameter of encoder and decoder, in the order of use.
pub fn parameters(config: &Config) -> Result<Vec<ParameterSpec>, BuildError> {
    let geometry = Geometry { batch: 1, height: config.factor(), width: config.factor() };
    let (mut encoder, mut decoder) = (Graph::new(), Graph::new());
    encode(&mut encoder, config, geometry)?;
    decode(&mut decoder, config, geometry)?;
    Ok(specs(&[encoder, decoder]))
}

fn check(config: &Config, geometry: Geometry) -> Result<(), BuildError> {
    config.validate()?;
    size("batch", geometry.batch, 1, 4096)?;
    size("height of the picture", geometry.height, config.factor(), 1 << 15)?;
    size("width of the picture", geometry.width, config.factor(), 1 << 15)
}

/// Adds the encoder to `graph`.
pub fn encode(graph: &mut Graph, config: &Config, geometry: Geometry) -> Result<Outputs, BuildError> {
    check(config, geometry)?;
    let Geometry { batch, height, width } = geometry;
    let input = graph.input("picture", &[batch, height, width, COLOURS])?;
    // 1. Down.
    let mut h = conv(graph, "encoder.conv_in", input, config.width, SAME)?;
    for (i, multiplier) in config.multipliers.iter().enumerate() {
        let out = multiplier * config.width;
        for block in 0..config.blocks {
            h = residual(graph, &format!("encoder.down.{i}.block.{block}"), h, out)?;
        }
        if i + 1 < config.multipliers.len() {
            h = conv(graph, &format!("encoder.down.{i}.downsample.conv"), h, out, HALVE)?;
        }
    }
    // 2. Middle and output.
    let h = middle(graph, "encoder.mid", h)?;
    let h = group_norm(graph, "encoder.norm_out", h, EPS, true)?;
    let h = conv(graph, "encoder.conv_out", h, 2 * config.latent, SAME)?;
    let output = linear_bias(graph, "quant_conv", h, 2 * config.latent)?;
    Ok(Outputs { input, output })
}

/// Adds the decoder to `graph`.
pub fn decode(graph: &mut Graph, config: &Config, geometry: Geometry) -> Result<Outputs, BuildError> {
    check(config, geometry)?;
    let (height, width) = (geometry.height / config.factor(), geometry.width / config.factor());
    let input = graph.input("latent", &[geometry.batch, height, width, config.latent])?;
    // 1. Middle.
    let h = linear_bias(graph, "post_quant_conv", input, config.latent)?;
    let h = conv(graph, "decoder.conv_in", h, config.coarsest(), SAME)?;
    let mut h = middle(graph, "decoder.mid", h)?;
    // 2. Up.
    for (i, multiplier) in config.multipliers.iter().enumerate().rev() {
        let out = multiplier * config.width;
        for block in 0..=config.blocks {
            h = residual(graph, &format!("decoder.up.{i}.block.{block}"), h, out)?;
        }
        if i > 0 {
            h = conv(graph, &format!("decoder.up.{i}.upsample.conv"), h, out, DOUBLE)?;
        }
    }
    // 3. Output.
    let h = group_norm(graph, "decoder.norm_out", h, EPS, true)?;
    let output = conv(graph, "decoder.conv_out", h, COLOURS, SAME)?;
    Ok(Outputs { input, output })
}

/// Two residual blocks with attention between them.
fn middle(graph: &mut Graph, name: &str, x: Tensor) -> Result<Tensor, ShapeError> {
    let width = channels(graph, x);
    let h = residual(graph, &format!("{name}.block_1"), x, width)?;
    let h = attention(graph, &format!("{name}.attn_1"), h)?;
    residual(graph, &format!("{name}.block_2"), h, width)
}

/// Two convolutions beside x `[B, H, W, Ci]` itself → `[B, H, W, out]`.
fn residual(graph: &mut Graph, name: &str, x: Tensor, out: usize) -> Result<Tensor, ShapeError> {
    let h = group_norm(graph, &format!("{name}.norm1"), x, EPS, true)?;
    let h = conv(graph, &format!("{name}.conv1"), h, out, SAME)?;
    let h = group_norm(graph, &format!("{name}.norm2"), h, EPS, true)?;
    let h = conv(graph, &format!("{name}.conv2"), h, out, SAME)?;
    let skip = if channels(graph, x) == out { x } else { linear_bias(graph, &format!("{name}.nin_shortcut"), x, out)? };
    graph.add(skip, h)
}

/// Attention of one head, as wide as the pixels of x `[B, H, W, C]`, added to it.
fn attention(graph: &mut Graph, name: &str, x: Tensor) -> Result<Tensor, ShapeError> {
    let shape = graph.shape(x).to_vec();
    let width = channels(graph, x);
    let h = group_norm(graph, &format!("{name}.norm"), x, EPS, false)?;
    let h = tokens(graph, h)?;
    let query = linear_bias(graph, &format!("{name}.q"), h, width)?;
    let key = linear_bias(graph, &format!("{name}.k"), h, width)?;
    let value = linear_bias(graph, &format!("{name}.v"), h, width)?;
    let whole = |tensor| Columns { tensor, offset: 0 };
    let own = KeyValue { key: whole(key), value: whole(value), lengths: None };
    let h = graph.attention(1, width, whole(query), &[own])?;
    let h = linear_bias(graph, &format!("{name}.proj_out"), h, width)?;
    let h = graph.reshape(h, &shape)?;
    graph.add(x, h)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_sizes_are_named() {
        let geometry = Geometry { batch: 1, height: 512, width: 512 };
        for (config, geometry, field) in [
            (Config::SD, Geometry { height: 60, ..geometry }, "height"),
            (Config::SD, Geometry { width: 0, ..geometry }, "width of the picture"),
            (Config::SD, Geometry { batch: 0, ..geometry }, "batch"),
            (Config { width: 40, ..Config::SD }, geometry, "width is 40"),
            (Config { multipliers: &[], ..Config::SD }, geometry, "levels"),
            (Config { latent: 0, ..Config::SD }, geometry, "latent channels"),
        ] {
            for build in [encode, decode] {
                let message = build(&mut Graph::new(), &config, geometry).unwrap_err().to_string();
                assert!(message.contains(field), "{message}");
            }
        }
    }
}
