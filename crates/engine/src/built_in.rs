//! Files built into the program: the default model and the text encoder. Either may be absent from a
//! build made before the file existed; `build.rs` decides.

/// Weights of the default model (safetensors).
pub fn model() -> Option<&'static [u8]> {
    #[cfg(built_in_model)]
    return Some(include_bytes!("../../../weights/default/model.safetensors"));
    #[cfg(not(built_in_model))]
    None
}

/// Weights of the enlarger (safetensors).
pub fn enlarger() -> Option<&'static [u8]> {
    #[cfg(built_in_enlarger)]
    return Some(include_bytes!("../../../weights/enlarger/model.safetensors"));
    #[cfg(not(built_in_enlarger))]
    None
}

/// Merges of CLIP's tokenizer (`bpe_simple_vocab_16e6.txt.gz`), the same for every Stable Diffusion checkpoint.
pub fn clip_merges() -> &'static [u8] {
    include_bytes!("../../../weights/clip/bpe_simple_vocab_16e6.txt.gz")
}

/// The text encoder.
#[derive(Debug, Clone, Copy)]
pub struct TextEncoderFiles {
    /// Weights (safetensors).
    pub weights: &'static [u8],
    /// Tokenizer (`tokenizer.json`).
    pub tokenizer: &'static [u8],
}

/// The text encoder's files.
pub fn text_encoder() -> Option<TextEncoderFiles> {
    #[cfg(built_in_text_encoder)]
    return Some(TextEncoderFiles {
        weights: include_bytes!("../../../weights/minilm/model.safetensors"),
        tokenizer: include_bytes!("../../../weights/minilm/tokenizer.json"),
    });
    #[cfg(not(built_in_text_encoder))]
    None
}
