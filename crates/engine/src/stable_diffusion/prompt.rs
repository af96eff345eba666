//! Prompts to what the U-Net is told: states of every text encoder side by side, and SDXL's vector.

use text::clip::{Chunk, ClipTokenizer, Reading, TOKENS, chunks};

use super::vector::vector;
use super::{Architecture, Checkpoint, Request};
use crate::{EngineError, Size, built_in};
use graph::Precision;
use kernels::Cpu;

/// What the U-Net is told of the prompt (0) and of the negative prompt (1).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conditions {
    /// Text tokens `T`: 77 for each chunk of the longer text.
    pub(super) tokens: usize,
    /// `[T, D]`.
    pub(super) states: [Vec<f32>; 2],
    /// `[V]`, empty for models without one.
    pub(super) vectors: [Vec<f32>; 2],
}

/// The chunks of both texts for one text encoder: as many of the one as of the other.
type Sides = [Vec<Chunk>; 2];

/// The published tokenizer.
pub(super) fn tokenizer() -> Result<ClipTokenizer, EngineError> {
    Ok(ClipTokenizer::new(built_in::clip_merges())?)
}

/// Cuts both texts into chunks for every text encoder; the shorter text ends with empty chunks.
pub(super) fn tokenise(architecture: &Architecture, request: &Request) -> Result<Vec<Sides>, EngineError> {
    let tokenizer = tokenizer()?;
    let ids = [tokenizer.encode(&request.prompt)?, tokenizer.encode(&request.negative)?];
    let sides = |model: &super::TextModel| {
        let mut sides = [chunks(&ids[0], model.padding), chunks(&ids[1], model.padding)];
        let longest = sides[0].len().max(sides[1].len());
        for side in &mut sides {
            side.resize(longest, chunks(&[], model.padding)[0]);
        }
        sides
    };
    Ok(architecture.text.iter().map(sides).collect())
}

/// How a text encoder is read for a request.
pub(super) fn reading(architecture: &Architecture, index: usize, request: &Request) -> Result<Reading, EngineError> {
    let model = &architecture.text[index];
    let last = index + 1 == architecture.text.len();
    let pooled = last && architecture.unet.vector.is_some();
    let skip = match request.clip_skip {
        None => model.reading.skip,
        Some(n) if n as usize <= model.config.layers => n as usize - 1,
        Some(n) => {
            let message = format!("{n} is above the {} layers of the text encoder", model.config.layers);
            return Err(EngineError::field("clip_skip", message));
        }
    };
    Ok(Reading { skip, pooled, ..model.reading })
}

/// Encodes prompt and negative prompt. Text encoders are loaded one after the other and dropped: afterwards their memory is
/// the U-Net's.
pub(super) fn encode(
    checkpoint: &Checkpoint,
    cpu: &Cpu,
    precision: Precision,
    request: &Request,
    size: Size,
) -> Result<Conditions, EngineError> {
    let architecture = &checkpoint.architecture;
    let width: usize = architecture.text.iter().map(|model| model.config.width).sum();
    let all = tokenise(architecture, request)?;
    let tokens = TOKENS * all.first().map_or(1, |sides| sides[0].len());
    let mut states = [vec![0.0; tokens * width], vec![0.0; tokens * width]];
    let mut pooled = [Vec::new(), Vec::new()];
    let mut column = 0;
    for (index, sides) in all.iter().enumerate() {
        let reading = reading(architecture, index, request)?;
        let encoder = checkpoint.text_encoder(index, cpu, precision)?;
        let own = architecture.text[index].config.width;
        for (side, chunks) in sides.iter().enumerate() {
            let encoded = encoder.encode(chunks, reading)?;
            for (row, values) in states[side].chunks_exact_mut(width).zip(encoded.states.chunks_exact(own)) {
                row[column..column + own].copy_from_slice(values);
            }
            // The whole picture is described by the first chunk.
            let first = encoded.pooled.len() / chunks.len();
            pooled[side] = encoded.pooled[..first].to_vec();
        }
        column += own;
    }
    if architecture.zero_empty_negative && request.negative.is_empty() {
        states[1].fill(0.0);
        pooled[1].fill(0.0);
    }
    let vectors = [0, 1].map(|side| match architecture.unet.vector {
        Some(width) => vector(architecture.family, &pooled[side], size, side, width),
        None => Vec::new(),
    });
    Ok(Conditions { tokens, states, vectors })
}

/// Tokens of a prompt, without the marks of chunks.
pub(crate) fn prompt_tokens(prompt: &str) -> Result<usize, EngineError> {
    static TOKENIZER: std::sync::OnceLock<ClipTokenizer> = std::sync::OnceLock::new();
    if let Some(tokenizer) = TOKENIZER.get() {
        return Ok(tokenizer.encode(prompt)?.len());
    }
    let made = tokenizer()?;
    Ok(TOKENIZER.get_or_init(|| made).encode(prompt)?.len())
}
