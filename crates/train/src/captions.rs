//! Caption states on demand: each caption is encoded once and kept, rounded to bf16, while memory allows.
//!
//! The state of a caption is a pure function of the caption: it is rounded whether it was kept or not, and the
//! encoder computes a caption the same way alone and in a batch. So neither the cache's size nor the order of
//! captions can change a run.

use std::collections::HashMap;

use text::TextEncoder;

use crate::TrainError;

/// Captions encoded at a time.
const CHUNK: usize = 32;

/// One caption's states: `length` rows of bf16, then the pooled vector.
type Kept = Box<[u16]>;

/// The text encoder behind a bounded memory.
pub struct CaptionStates {
    encoder: TextEncoder,
    tokens: usize,
    width: usize,
    kept: HashMap<String, Kept>,
    /// bf16 values kept, and how many may be.
    used: usize,
    limit: usize,
}

impl CaptionStates {
    /// States of `tokens` tokens; about `memory` bytes of captions are kept.
    pub fn new(encoder: TextEncoder, tokens: usize, memory: usize) -> Self {
        let width = encoder.width();
        CaptionStates { encoder, tokens, width, kept: HashMap::new(), used: 0, limit: memory / 2 }
    }

    /// Width of a state.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Writes the states `[B, T, width]`, lengths `[B]` and pooled vectors `[B, width]` of `captions`; rows past a
    /// caption's length are zero.
    pub fn gather(
        &mut self,
        captions: &[String],
        states: &mut [f32],
        lengths: &mut [f32],
        pooled: &mut [f32],
    ) -> Result<(), TrainError> {
        let mut missing: Vec<&str> =
            captions.iter().map(String::as_str).filter(|caption| !self.kept.contains_key(*caption)).collect();
        missing.sort_unstable();
        missing.dedup();
        let mut fresh: HashMap<&str, Kept> = HashMap::with_capacity(missing.len());
        for chunk in missing.chunks(CHUNK) {
            // One batch size only, so that the encoder plans one graph.
            let mut padded = chunk.to_vec();
            padded.resize(CHUNK, "");
            let encoded = self.encoder.encode(&padded, self.tokens)?;
            for (i, caption) in chunk.iter().enumerate() {
                let length = encoded.lengths[i] as usize;
                let rows = &encoded.states[i * self.tokens * self.width..][..length * self.width];
                let pool = &encoded.pooled[i * self.width..][..self.width];
                let rounded: Kept = rows.iter().chain(pool).map(|&x| formats::f32_to_bf16(x)).collect();
                fresh.insert(caption, rounded);
            }
        }
        for (i, caption) in captions.iter().enumerate() {
            let kept = fresh.get(caption.as_str()).or_else(|| self.kept.get(caption)).expect("encoded above");
            let (rows, pool) = kept.split_at(kept.len() - self.width);
            let target = &mut states[i * self.tokens * self.width..][..self.tokens * self.width];
            expand(rows, &mut target[..rows.len()]);
            target[rows.len()..].fill(0.0);
            expand(pool, &mut pooled[i * self.width..][..self.width]);
            lengths[i] = (rows.len() / self.width) as f32;
        }
        for (caption, kept) in fresh {
            if self.used + kept.len() <= self.limit {
                self.used += kept.len();
                self.kept.insert(caption.to_owned(), kept);
            }
        }
        Ok(())
    }
}

fn expand(from: &[u16], to: &mut [f32]) {
    for (to, &bits) in to.iter_mut().zip(from) {
        *to = f32::from_bits(u32::from(bits) << 16);
    }
}
