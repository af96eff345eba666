//! WordPiece tokens of a prompt (BERT, arXiv 1810.04805): lower case, accents stripped, `[CLS]` first and `[SEP]` last.

use crate::TextError;

/// Longest prompt accepted, in bytes of UTF-8.
pub const MAX_PROMPT_BYTES: usize = 32 << 10;

/// A loaded tokenizer.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    separator: u32,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    pub fn new(json: &[u8]) -> Result<Self, TextError> {
        let bad = |error: tokenizers::Error| TextError::Tokenizer(error.to_string());
        let mut inner = tokenizers::Tokenizer::from_bytes(json).map_err(bad)?;
        inner.with_padding(None);
        inner.with_truncation(None).map_err(bad)?;
        let missing = || TextError::Tokenizer("it has no [SEP] token".to_owned());
        let separator = inner.token_to_id("[SEP]").ok_or_else(missing)?;
        let tokenizer = Self { inner, separator };
        // Every sequence must end with [SEP]: truncation relies on it.
        if tokenizer.encode("", usize::MAX)?.last() != Some(&separator) {
            return Err(TextError::Tokenizer("it does not end sequences with [SEP]".to_owned()));
        }
        Ok(tokenizer)
    }

    /// Token ids of a prompt, special tokens included. What does not fit into `max_tokens` (at least 2) is cut off before
    /// the last `[SEP]`.
    pub fn encode(&self, prompt: &str, max_tokens: usize) -> Result<Vec<u32>, TextError> {
        if prompt.len() > MAX_PROMPT_BYTES {
            return Err(TextError::PromptTooLong { index: 0, bytes: prompt.len(), limit: MAX_PROMPT_BYTES });
        }
        let encoding = self.inner.encode_fast(prompt, true).map_err(|error| TextError::Tokenizer(error.to_string()))?;
        let mut ids = encoding.get_ids().to_vec();
        if ids.len() > max_tokens {
            ids.truncate(max_tokens.saturating_sub(1));
            ids.push(self.separator);
        }
        Ok(ids)
    }

    /// Where each token of a prompt ends in it, in bytes, without the special tokens. A token begins where the one before it
    /// ends; white space belongs to what follows.
    pub fn ends(&self, prompt: &str) -> Result<Vec<usize>, TextError> {
        if prompt.len() > MAX_PROMPT_BYTES {
            return Err(TextError::PromptTooLong { index: 0, bytes: prompt.len(), limit: MAX_PROMPT_BYTES });
        }
        let encoding = self.inner.encode(prompt, false).map_err(|error| TextError::Tokenizer(error.to_string()))?;
        let mut last = 0;
        let end = |&(_, end): &(usize, usize)| {
            // Normalising may move an end into a character.
            last = (last.max(end).min(prompt.len())..=prompt.len()).find(|&at| prompt.is_char_boundary(at))?;
            Some(last)
        };
        Ok(encoding.get_offsets().iter().map_while(end).collect())
    }
}
