//! Prompts to numbers: the MiniLM sentence encoder with its WordPiece tokenizer, and CLIP's text half.
//!
//! [`TextEncoder`] turns prompts into one state a token and one pooled vector a prompt. The network ([`minilm`]) is a graph
//! like any model's; the weights are those of sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0). [`clip`] reads the text
//! encoders of Stable Diffusion checkpoints.
#![forbid(unsafe_code)]

pub mod clip;
mod encoder;
mod error;
mod executors;
mod layers;
pub mod minilm;
mod tokenizer;

pub use encoder::{TextEncoder, TextStates};
pub use error::{LoadReport, TextError, WrongShape};
pub use graph::Precision;
pub use tokenizer::{MAX_PROMPT_BYTES, Tokenizer};
