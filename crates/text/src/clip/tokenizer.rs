//! CLIP's tokens of a prompt (`SimpleTokenizer` of OpenAI's CLIP and open_clip) and their chunks of 77.
//!
//! Words are contractions, runs of letters, single digits and runs of anything else; white space only separates. The words
//! `<start_of_text>` and `<end_of_text>` are the tokens they name, as in open_clip.

use regex::Regex;

use super::bpe::Bpe;
use super::clean::clean;
use crate::{MAX_PROMPT_BYTES, TextError};

/// First token of every chunk.
pub const START: u32 = 49_406;
/// Token after the last word of a chunk; the largest id.
pub const END: u32 = 49_407;
/// Tokens of a chunk, which are all positions the network has.
pub const TOKENS: usize = 77;
/// Most tokens of a prompt in one chunk.
pub const CHUNK_WORDS: usize = TOKENS - 2;

/// The reference ignores case, which makes U+0345 a letter where letters are excluded and nowhere else: it is dropped.
const WORDS: &str = r"<start_of_text>|<end_of_text>|(?i:'s|'t|'re|'ve|'m|'ll|'d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}\u{345}]+";

/// What fills a chunk after its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// The end token again: CLIP-L in SD 1.x and SDXL.
    End,
    /// Token 0: OpenCLIP in SD 2.x and SDXL.
    Zero,
}

/// [`START`], up to [`CHUNK_WORDS`] tokens, [`END`], padding.
pub type Chunk = [u32; TOKENS];

/// A loaded tokenizer.
#[derive(Debug)]
pub struct ClipTokenizer {
    words: Regex,
    bpe: Bpe,
}

impl ClipTokenizer {
    /// Reads the published merges, `bpe_simple_vocab_16e6.txt.gz`.
    pub fn new(merges: &[u8]) -> Result<Self, TextError> {
        let words = Regex::new(WORDS).map_err(|error| TextError::Tokenizer(error.to_string()))?;
        Ok(Self { words, bpe: Bpe::new(merges)? })
    }

    /// Token ids of a prompt, all of them, without start and end.
    pub fn encode(&self, prompt: &str) -> Result<Vec<u32>, TextError> {
        if prompt.len() > MAX_PROMPT_BYTES {
            return Err(TextError::PromptTooLong { index: 0, bytes: prompt.len(), limit: MAX_PROMPT_BYTES });
        }
        let mut ids = Vec::new();
        for word in self.words.find_iter(&clean(prompt)) {
            match word.as_str() {
                "<start_of_text>" => ids.push(START),
                "<end_of_text>" => ids.push(END),
                word => self.bpe.encode(word, &mut ids),
            }
        }
        Ok(ids)
    }
}

/// Cuts token ids into chunks of 75, each with its own start and end; no ids make one empty chunk.
pub fn chunks(ids: &[u32], padding: Padding) -> Vec<Chunk> {
    let chunk = |words: &[u32]| {
        let mut chunk = match padding {
            Padding::End => [END; TOKENS],
            Padding::Zero => [0; TOKENS],
        };
        chunk[0] = START;
        chunk[1..=words.len()].copy_from_slice(words);
        chunk[1 + words.len()] = END;
        chunk
    };
    if ids.is_empty() { vec![chunk(&[])] } else { ids.chunks(CHUNK_WORDS).map(chunk).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_starts_ends_and_is_padded() {
        let ids: Vec<u32> = (1..=80).collect();
        let found = chunks(&ids, Padding::Zero);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0][0], &found[0][1..76], found[0][76]), (START, &ids[..75], END));
        assert_eq!(found[1][..7], [START, 76, 77, 78, 79, 80, END]);
        assert!(found[1][7..].iter().all(|&id| id == 0));
        assert!(chunks(&ids, Padding::End)[1][7..].iter().all(|&id| id == END));
        assert_eq!(chunks(&ids[..75], Padding::Zero), found[..1]);
        let empty = chunks(&[], Padding::End);
        assert_eq!((empty.len(), empty[0][0], empty[0][1], empty[0][76]), (1, START, END, END));
    }
}
