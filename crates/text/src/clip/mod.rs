//! The text half of Stable Diffusion checkpoints: CLIP's tokenizer and its text transformer (arXiv 2103.00020) in the three
//! published sizes.
//!
//! A prompt becomes chunks of 77 tokens ([`ClipTokenizer`]), a chunk becomes 77 states and one pooled vector
//! ([`ClipEncoder`]). Parameter names are those of transformers' `CLIPTextModelWithProjection`; [`Place`] says where a file
//! keeps them and in which of the two layouts in use.

mod bpe;
mod clean;
mod detect;
mod encoder;
mod network;
mod tokenizer;
mod weights;

pub use detect::{Detected, detect};
pub use encoder::{ClipEncoder, ClipStates};
pub use network::{Activation, CLIP_L, Config, OPEN_CLIP_G, OPEN_CLIP_H, Reading, build, parameters};
pub use tokenizer::{CHUNK_WORDS, Chunk, ClipTokenizer, END, Padding, START, TOKENS, chunks};
pub use weights::{Layout, Place, fit};
