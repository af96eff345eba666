//! The MiniLM-L6 network: BERT's encoder (arXiv 1810.04805; `BertModel` of the transformers library), 6 layers of width 384,
//! then the pooling of sentence-transformers. Parameter names are the published keys.
//!
//! Inputs: `words [B, T, D]` rows of the word table, `lengths [B]` tokens of each prompt (1..=T).
//! Outputs: `states [B, T, D]` (rows beyond a length hold no meaning), `pooled [B, D]`.
//! The word table, more than half of all weights, stays outside the graph: only the rows of the prompt are ever converted.

use graph::{Columns, Graph, KeyValue, ShapeError, Tensor};

use crate::layers::{layer_norm, linear};

/// Name of the table `[vocabulary, D]` that `words` is taken from.
pub const WORD_TABLE: &str = "embeddings.word_embeddings.weight";

/// Dimensions of a BERT-like encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Width `D` of a state.
    pub hidden: usize,
    /// Layers.
    pub layers: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of the feed-forward layer.
    pub intermediate: usize,
    /// Rows of the word table.
    pub vocabulary: usize,
    /// Rows of the position table.
    pub positions: usize,
    /// Rows of the token type table.
    pub types: usize,
}

/// all-MiniLM-L6-v2, positions cut to the 128 it was trained with.
pub const MINILM_L6: Config =
    Config { hidden: 384, layers: 6, heads: 12, intermediate: 1536, vocabulary: 30_522, positions: 128, types: 2 };

/// Inside the layer norms.
const EPS: f32 = 1e-12;

/// Name and shape of every weight, the word table included.
pub fn parameters(config: &Config) -> Vec<(String, Vec<usize>)> {
    let Config { hidden, intermediate, .. } = *config;
    let mut found = vec![
        (WORD_TABLE.to_owned(), vec![config.vocabulary, hidden]),
        ("embeddings.position_embeddings.weight".to_owned(), vec![config.positions, hidden]),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![config.types, hidden]),
    ];
    let mut module = |name: String, shape: &[usize]| {
        found.push((format!("{name}.weight"), shape.to_vec()));
        found.push((format!("{name}.bias"), shape[..1].to_vec()));
    };
    module("embeddings.LayerNorm".to_owned(), &[hidden]);
    for i in 0..config.layers {
        let layer = format!("encoder.layer.{i}");
        for part in ["query", "key", "value"] {
            module(format!("{layer}.attention.self.{part}"), &[hidden, hidden]);
        }
        module(format!("{layer}.attention.output.dense"), &[hidden, hidden]);
        module(format!("{layer}.attention.output.LayerNorm"), &[hidden]);
        module(format!("{layer}.intermediate.dense"), &[intermediate, hidden]);
        module(format!("{layer}.output.dense"), &[hidden, intermediate]);
        module(format!("{layer}.output.LayerNorm"), &[hidden]);
    }
    found
}

/// Appends the network for `batch` prompts of `tokens` tokens (at most `config.positions`).
pub fn build(g: &mut Graph, config: &Config, batch: usize, tokens: usize) -> Result<(), ShapeError> {
    let words = g.input("words", &[batch, tokens, config.hidden])?;
    let lengths = g.input("lengths", &[batch])?;
    // 1. Embeddings: word + position + type (always 0).
    let mut x = embeddings(g, config, words, tokens)?;
    // 2. Layers.
    for i in 0..config.layers {
        x = layer(g, config, &format!("encoder.layer.{i}"), x, lengths)?;
    }
    g.output("states", x)?;
    // 3. Pooling: mean over the tokens of the prompt, special ones included, then length 1.
    let mean = g.mean_pool(x, lengths)?;
    let pooled = g.l2_normalize(mean)?;
    g.output("pooled", pooled)
}

fn embeddings(g: &mut Graph, config: &Config, words: Tensor, tokens: usize) -> Result<Tensor, ShapeError> {
    let positions = g.parameter("embeddings.position_embeddings.weight", &[config.positions, config.hidden])?;
    let ids = g.constant(&[tokens], (0..tokens).map(|i| i as f32).collect())?;
    let positions = g.embedding(positions, ids)?;
    let types = g.parameter("embeddings.token_type_embeddings.weight", &[config.types, config.hidden])?;
    let ids = g.constant(&[tokens], vec![0.0; tokens])?;
    let types = g.embedding(types, ids)?;
    let x = g.add_broadcast(words, types)?;
    let x = g.add_broadcast(x, positions)?;
    layer_norm(g, "embeddings.LayerNorm", x, EPS)
}

/// Post-norm block: x = norm(x + attention(x)); x = norm(x + mlp(x)).
fn layer(g: &mut Graph, config: &Config, name: &str, x: Tensor, lengths: Tensor) -> Result<Tensor, ShapeError> {
    let Config { hidden, heads, intermediate, .. } = *config;
    // 1. Self-attention; keys beyond the length are not read.
    let query = linear(g, &format!("{name}.attention.self.query"), x, hidden)?;
    let key = linear(g, &format!("{name}.attention.self.key"), x, hidden)?;
    let value = linear(g, &format!("{name}.attention.self.value"), x, hidden)?;
    let whole = |tensor| Columns { tensor, offset: 0 };
    let keys = KeyValue { key: whole(key), value: whole(value), lengths: Some(lengths) };
    let attended = g.attention(heads, hidden / heads, whole(query), &[keys])?;
    let out = linear(g, &format!("{name}.attention.output.dense"), attended, hidden)?;
    let x = g.add(out, x)?;
    let x = layer_norm(g, &format!("{name}.attention.output.LayerNorm"), x, EPS)?;
    // 2. Feed-forward.
    let h = linear(g, &format!("{name}.intermediate.dense"), x, intermediate)?;
    let h = g.gelu(h)?;
    let out = linear(g, &format!("{name}.output.dense"), h, hidden)?;
    let x = g.add(out, x)?;
    layer_norm(g, &format!("{name}.output.LayerNorm"), x, EPS)
}
