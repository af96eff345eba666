//! A prompt as a model reads it: its tokens, and which of them are cut.

use std::sync::OnceLock;

use serde::Serialize;

use crate::{EngineError, Kind, built_in};

/// What a model makes of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tokens {
    /// The pieces, which together are the prompt; empty if the model's tokenizer does not say where they are.
    pub tokens: Vec<Token>,
    /// Tokens of the prompt, without markers.
    pub used: usize,
    /// Most tokens that are read; none if the model reads long prompts in chunks.
    pub limit: Option<usize>,
    /// Chunks in which they are read.
    pub chunks: usize,
}

/// A piece of a prompt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Token {
    /// Its text, with the white space before it.
    pub text: String,
    /// Whether the model reads it.
    pub kept: bool,
}

/// The tokens of a prompt.
pub fn tokens(kind: &Kind, prompt: &str) -> Result<Tokens, EngineError> {
    crate::request::text("prompt", prompt)?;
    match kind {
        // The markers at begin and end count, too.
        Kind::Own(info) => pieces(prompt, info.text_tokens.saturating_sub(2)),
        Kind::StableDiffusion(_) => {
            let used = crate::stable_diffusion::prompt_tokens(prompt)?;
            let chunks = used.div_ceil(text::clip::CHUNK_WORDS).max(1);
            Ok(Tokens { tokens: Vec::new(), used, limit: None, chunks })
        }
    }
}

fn pieces(prompt: &str, limit: usize) -> Result<Tokens, EngineError> {
    static TOKENIZER: OnceLock<text::Tokenizer> = OnceLock::new();
    let tokenizer = match TOKENIZER.get() {
        Some(tokenizer) => tokenizer,
        None => {
            let files = built_in::text_encoder().ok_or(EngineError::NoTextEncoder)?;
            let made = text::Tokenizer::new(files.tokenizer)?;
            TOKENIZER.get_or_init(|| made)
        }
    };
    let ends = tokenizer.ends(prompt)?;
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let token =
        |(i, (start, &end)): (usize, (usize, &usize))| Token { text: prompt[start..end].to_owned(), kept: i < limit };
    let tokens: Vec<Token> = starts.zip(&ends).enumerate().map(token).collect();
    Ok(Tokens { used: tokens.len(), tokens, limit: Some(limit), chunks: 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_the_prompt_and_the_end_is_cut() {
        if built_in::text_encoder().is_none() {
            return;
        }
        for prompt in
            ["a red fox", "", "Füchse, größer als 9 Bäume!", "狐狸 🦊 fox", " \u{301}\u{200b} x", "zzzqqqxxxw"]
        {
            let found = pieces(prompt, 3).unwrap();
            let joined: String = found.tokens.iter().map(|token| token.text.as_str()).collect();
            assert_eq!(joined.trim(), prompt.trim_end().trim(), "{prompt}");
            assert!(found.tokens.iter().enumerate().all(|(i, token)| token.kept == (i < 3)));
        }
        let texts: Vec<String> = pieces("a red fox", 9).unwrap().tokens.into_iter().map(|token| token.text).collect();
        assert_eq!(texts, ["a", " red", " fox"]);
    }
}
