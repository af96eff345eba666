//! Caption states on demand: each caption is encoded once and kept, rounded to bf16, while memory allows.
//!
//! The state of a caption is a pure function of the caption: it is rounded whether it was kept or not, and the
//! encoder computes a caption the same way alone and in a batch, however far it is padded. So neither the cache's size nor
//! the order of captions can change a run, and captions of like length are encoded together.

use std::collections::HashMap;

use text::TextEncoder;

use crate::TrainError;

/// Captions encoded at a time.
const CHUNK: usize = 32;
/// They are padded to a multiple of so many tokens, so that the encoder plans few graphs.
const LENGTHS: usize = 4;

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
        let mut missing = missing
            .into_iter()
            .map(|caption| Ok((self.encoder.tokenizer().encode(caption, self.tokens)?.len(), caption)))
            .collect::<Result<Vec<_>, TrainError>>()?;
        missing.sort_unstable();
        let mut fresh: HashMap<&str, Kept> = HashMap::with_capacity(missing.len());
        for chunk in missing.chunks(CHUNK) {
            let tokens = chunk[chunk.len() - 1].0.next_multiple_of(LENGTHS).min(self.tokens);
            let mut padded: Vec<&str> = chunk.iter().map(|(_, caption)| *caption).collect();
            padded.resize(CHUNK, "");
            let encoded = self.encoder.encode(&padded, tokens)?;
            for (i, &(length, caption)) in chunk.iter().enumerate() {
                let rows = &encoded.states[i * tokens * self.width..][..length * self.width];
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captions_are_as_if_encoded_alone() {
        let cpu = kernels::Cpu::new(simd::Isa::detected(), 2);
        let open = || engine::open_text_encoder(&cpu, graph::Precision::F32).unwrap().0;
        let captions: Vec<String> = (0..70).map(|i| format!("{} of {}", "a picture ".repeat(i % 11), i % 40)).collect();
        let tokens = 14;
        let mut states = CaptionStates::new(open(), tokens, 1 << 20);
        let width = states.width();
        let mut found = (vec![1.0; 70 * tokens * width], vec![0.0; 70], vec![0.0; 70 * width]);
        let alone = open();
        // The second time some are kept.
        for _ in 0..2 {
            states.gather(&captions, &mut found.0, &mut found.1, &mut found.2).unwrap();
            for (i, caption) in captions.iter().enumerate() {
                let alone = alone.encode(&[caption], tokens).unwrap();
                let rounded = |x: &[f32]| {
                    x.iter().map(|&x| f32::from_bits(u32::from(formats::f32_to_bf16(x)) << 16)).collect::<Vec<_>>()
                };
                assert_eq!(found.1[i], alone.lengths[0], "{caption}");
                assert!(found.0[i * tokens * width..][..tokens * width] == rounded(&alone.states), "{caption}");
                assert!(found.2[i * width..][..width] == rounded(&alone.pooled), "{caption}");
            }
        }
    }
}
