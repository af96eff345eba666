//! CLIP's text transformer: pre-norm blocks with causal attention (`CLIPTextTransformer` of the transformers library,
//! `TextTransformer` of open_clip).
//!
//! Inputs: `words [B, 77, D]` rows of the word table; `ends [B]`, when pooled vectors are asked for, the row of each chunk's
//! first end token among all `B·77`. Outputs: `states [B, 77, D]`, `pooled [B, P]`.
//! The word table stays outside the graph: only the rows of the prompt are ever converted.

use graph::{Columns, Graph, KeyValue, ShapeError, Tensor};

use super::TOKENS;
use crate::layers::{layer_norm, linear};

/// Name of the table `[vocabulary, D]` that `words` is taken from.
pub(super) const WORD_TABLE: &str = "text_model.embeddings.token_embedding.weight";
const POSITION_TABLE: &str = "text_model.embeddings.position_embedding.weight";
const FINAL_NORM: &str = "text_model.final_layer_norm";
/// Name of the matrix `[P, D]` of the pooled vector.
pub(super) const PROJECTION: &str = "text_projection.weight";

/// Inside the layer norms.
const EPS: f32 = 1e-5;

/// The function between the two layers of the feed-forward part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    /// x·sigmoid(1.702·x): OpenAI's weights.
    QuickGelu,
    /// Exact (erf) GELU: OpenCLIP's weights.
    Gelu,
}

/// Dimensions of a text transformer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Width `D` of a state.
    pub width: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads; they divide the width.
    pub heads: usize,
    /// Width of the feed-forward layer.
    pub intermediate: usize,
    /// Function of the feed-forward layer.
    pub activation: Activation,
    /// Width `P` of the pooled vector after its projection; without one it is the state itself.
    pub projection: Option<usize>,
    /// Rows of the word table.
    pub vocabulary: usize,
}

/// OpenAI's CLIP ViT-L/14: SD 1.x, the first encoder of SDXL.
pub const CLIP_L: Config = Config {
    width: 768,
    layers: 12,
    heads: 12,
    intermediate: 3072,
    activation: Activation::QuickGelu,
    projection: None,
    vocabulary: 49_408,
};

/// OpenCLIP ViT-H/14: SD 2.x, which has no use for the projection.
pub const OPEN_CLIP_H: Config = Config {
    width: 1024,
    layers: 24,
    heads: 16,
    intermediate: 4096,
    activation: Activation::Gelu,
    projection: None,
    vocabulary: 49_408,
};

/// OpenCLIP ViT-bigG/14: the second encoder of SDXL.
pub const OPEN_CLIP_G: Config = Config {
    width: 1280,
    layers: 32,
    heads: 20,
    intermediate: 5120,
    activation: Activation::Gelu,
    projection: Some(1280),
    vocabulary: 49_408,
};

impl Config {
    /// Width of a pooled vector.
    pub fn pooled_width(&self) -> usize {
        self.projection.unwrap_or(self.width)
    }
}

/// What is read of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reading {
    /// Layers at the end that the states do not pass; below the number of layers. One less than what user interfaces call
    /// "clip skip".
    pub skip: usize,
    /// Whether the final norm is applied to the states.
    pub norm: bool,
    /// Whether pooled vectors are wanted. They pass every layer and the norm.
    pub pooled: bool,
}

impl Reading {
    /// SD 1.x without clip skip (`FrozenCLIPEmbedder` of the reference code).
    pub const SD1: Self = Self { skip: 0, norm: true, pooled: false };
    /// SD 2.x (`FrozenOpenCLIPEmbedder`, layer "penultimate").
    pub const SD2: Self = Self { skip: 1, norm: true, pooled: false };
    /// First encoder of SDXL (`FrozenCLIPEmbedder`, hidden state 11).
    pub const SDXL_L: Self = Self { skip: 1, norm: false, pooled: false };
    /// Second encoder of SDXL (`FrozenOpenCLIPEmbedder2`, not legacy).
    pub const SDXL_G: Self = Self { skip: 1, norm: false, pooled: true };
}

/// Name and shape of every weight, the word table included.
pub fn parameters(config: &Config) -> Vec<(String, Vec<usize>)> {
    let Config { width, intermediate, .. } = *config;
    let mut found =
        vec![(WORD_TABLE.to_owned(), vec![config.vocabulary, width]), (POSITION_TABLE.to_owned(), vec![TOKENS, width])];
    let mut module = |name: String, shape: &[usize]| {
        found.push((format!("{name}.weight"), shape.to_vec()));
        found.push((format!("{name}.bias"), shape[..1].to_vec()));
    };
    for i in 0..config.layers {
        let layer = layer_name(i);
        for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
            module(format!("{layer}.self_attn.{part}"), &[width, width]);
        }
        module(format!("{layer}.layer_norm1"), &[width]);
        module(format!("{layer}.mlp.fc1"), &[intermediate, width]);
        module(format!("{layer}.mlp.fc2"), &[width, intermediate]);
        module(format!("{layer}.layer_norm2"), &[width]);
    }
    module(FINAL_NORM.to_owned(), &[width]);
    if let Some(projection) = config.projection {
        found.push((PROJECTION.to_owned(), vec![projection, width]));
    }
    found
}

fn layer_name(i: usize) -> String {
    format!("text_model.encoder.layers.{i}")
}

/// Appends the network for `batch` chunks.
pub fn build(g: &mut Graph, config: &Config, reading: Reading, batch: usize) -> Result<(), ShapeError> {
    let Config { width, layers, .. } = *config;
    // 1. Embeddings: word + position.
    let words = g.input("words", &[batch, TOKENS, width])?;
    let positions = g.parameter(POSITION_TABLE, &[TOKENS, width])?;
    let mut x = g.add_broadcast(words, positions)?;
    // 2. The layers that states pass.
    let read = layers.saturating_sub(reading.skip);
    for i in 0..read {
        x = layer(g, config, &layer_name(i), x)?;
    }
    let states = if reading.norm { layer_norm(g, FINAL_NORM, x, EPS)? } else { x };
    g.output("states", states)?;
    if !reading.pooled {
        return Ok(());
    }
    // 3. The other layers, then the state of each chunk's end token.
    for i in read..layers {
        x = layer(g, config, &layer_name(i), x)?;
    }
    let rows = g.reshape(x, &[batch * TOKENS, width])?;
    let ends = g.input("ends", &[batch])?;
    let pooled = g.embedding(rows, ends)?;
    let mut pooled = layer_norm(g, FINAL_NORM, pooled, EPS)?;
    if let Some(projection) = config.projection {
        let weight = g.parameter(PROJECTION, &[projection, width])?;
        pooled = g.linear(pooled, weight, None)?;
    }
    g.output("pooled", pooled)
}

/// Pre-norm block: x += attention(norm(x)); x += mlp(norm(x)).
fn layer(g: &mut Graph, config: &Config, name: &str, x: Tensor) -> Result<Tensor, ShapeError> {
    let Config { width, heads, intermediate, activation, .. } = *config;
    // 1. Self-attention to the tokens so far.
    let h = layer_norm(g, &format!("{name}.layer_norm1"), x, EPS)?;
    let query = linear(g, &format!("{name}.self_attn.q_proj"), h, width)?;
    let key = linear(g, &format!("{name}.self_attn.k_proj"), h, width)?;
    let value = linear(g, &format!("{name}.self_attn.v_proj"), h, width)?;
    let whole = |tensor| Columns { tensor, offset: 0 };
    let own = KeyValue { key: whole(key), value: whole(value), lengths: None };
    let attended = g.causal_attention(heads, width / heads, whole(query), own)?;
    let out = linear(g, &format!("{name}.self_attn.out_proj"), attended, width)?;
    let x = g.add(out, x)?;
    // 2. Feed-forward.
    let h = layer_norm(g, &format!("{name}.layer_norm2"), x, EPS)?;
    let h = linear(g, &format!("{name}.mlp.fc1"), h, intermediate)?;
    let h = match activation {
        Activation::QuickGelu => quick_gelu(g, h)?,
        Activation::Gelu => g.gelu(h)?,
    };
    let out = linear(g, &format!("{name}.mlp.fc2"), h, width)?;
    g.add(out, x)
}

/// x·sigmoid(1.702·x) = silu(1.702·x) / 1.702.
fn quick_gelu(g: &mut Graph, x: Tensor) -> Result<Tensor, ShapeError> {
    const SLOPE: f32 = 1.702;
    let x = g.scale(x, SLOPE)?;
    let x = g.silu(x)?;
    g.scale(x, 1.0 / SLOPE)
}
