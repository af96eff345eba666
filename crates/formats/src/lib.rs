//! File formats: safetensors (weights, checkpoints), PNG pictures with their recipe inside, text in EXIF, SHA-256 digests, and
//! the one durable way to write a file. Every count, offset and size read from a file is checked before it is used.
#![deny(unsafe_code)]

pub mod atomic;
pub mod canvas;
pub mod digest;
pub mod exif;
mod half;
mod mmap;
pub mod picture;
pub mod safetensors;

pub use half::{bf16_to_f32, f16_to_f32, f32_to_bf16};
pub use mmap::Bytes;
