//! `judge`: a small encoder of pictures and of captions, whose vectors lie near each other when they belong together. It is
//! trained and used to evaluate models, and for nothing else.
//!
//! Patches of the picture go through plain transformer blocks; the mean of the tokens is mapped to the judge's space. The
//! text encoder's pooled vector of a caption gets there by a small network of its own. Both are brought to length 1 and
//! compared by their inner product.

use graph::{Graph, ShapeError, Tensor};

use crate::parameter::{Bias, List, ParameterSpec};
use crate::rotary;
use crate::transformer::{Block, linear_bias, norm};

/// Sizes of the one judge there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Side of the square pictures in pixels.
    pub side: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Width of the tokens.
    pub width: usize,
    /// Transformer blocks.
    pub blocks: usize,
    /// Attention heads.
    pub heads: usize,
    /// Hidden width of the SwiGLU.
    pub hidden: usize,
    /// Width of the text encoder's pooled vectors.
    pub text_width: usize,
    /// Width of the judge's vectors.
    pub output: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { side: 64, patch: 8, width: 192, blocks: 6, heads: 3, hidden: 512, text_width: 384, output: 256 }
    }
}

/// Premultiplied RGBA.
const CHANNELS: usize = 4;

impl Config {
    fn block(&self) -> Block {
        Block { width: self.width, heads: self.heads, hidden: self.hidden }
    }
}

/// Every parameter, in file order.
pub fn parameters(config: &Config) -> Vec<ParameterSpec> {
    let mut list = List::default();
    list.linear("stem", config.width, config.patch * config.patch * CHANNELS, Bias::Zeros);
    for i in 0..config.blocks {
        config.block().parameters(&mut list, &format!("blocks.{i}"));
    }
    list.ones("norm.weight".into(), config.width);
    list.linear("head", config.output, config.width, Bias::Zeros);
    list.linear("text.0", 2 * config.output, config.text_width, Bias::Zeros);
    list.linear("text.1", config.output, 2 * config.output, Bias::Zeros);
    list.into_specs()
}

/// Adds the captions' side for `batch` pooled vectors `text [B, text_width]` of length 1; returns unit vectors
/// `[B, output]`.
pub fn captions(graph: &mut Graph, config: &Config, batch: usize) -> Result<Tensor, ShapeError> {
    let text = graph.input("text", &[batch, config.text_width])?;
    // To unit variance.
    let h = graph.scale(text, (config.text_width as f32).sqrt())?;
    let h = linear_bias(graph, "text.0", h, 2 * config.output)?;
    let h = graph.silu(h)?;
    let h = linear_bias(graph, "text.1", h, config.output)?;
    graph.l2_normalize(h)
}

/// Adds the pictures' side for `batch` pictures `x [B, side, side, 4]`, premultiplied RGBA in [-1, 1]; returns unit vectors
/// `[B, output]`.
pub fn pictures(graph: &mut Graph, config: &Config, batch: usize) -> Result<Tensor, ShapeError> {
    let Config { side, patch, width, blocks, heads, output, .. } = *config;
    let x = graph.input("x", &[batch, side, side, CHANNELS])?;
    let tokens = (side / patch).pow(2);
    let (cos, sin) = rotary::tables(side / patch, side / patch, width / heads);
    let table = [tokens, width / heads / 2];
    let rotary = (graph.constant(&table, cos)?, graph.constant(&table, sin)?);
    let x = graph.patchify(x, patch)?;
    let mut x = linear_bias(graph, "stem", x, width)?;
    for i in 0..blocks {
        x = config.block().build(graph, &format!("blocks.{i}"), x, None, Some(rotary))?;
    }
    let x = norm(graph, "norm", x)?;
    let lengths = graph.constant(&[batch], vec![tokens as f32; batch])?;
    let x = graph.mean_pool(x, lengths)?;
    let x = linear_bias(graph, "head", x, output)?;
    graph.l2_normalize(x)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn graph_and_parameter_list_agree() {
        let config = Config::default();
        let mut graph = Graph::new();
        let output = pictures(&mut graph, &config, 3).unwrap();
        assert_eq!(graph.shape(output), [3, 256]);
        let output = captions(&mut graph, &config, 3).unwrap();
        assert_eq!(graph.shape(output), [3, 256]);
        let used: BTreeMap<String, Vec<usize>> =
            graph.parameters().map(|(name, tensor)| (name.to_owned(), graph.shape(tensor).to_vec())).collect();
        let listed: BTreeMap<String, Vec<usize>> =
            parameters(&config).into_iter().map(|spec| (spec.name, spec.shape)).collect();
        assert_eq!(used, listed);
    }
}
