//! TAESD, the tiny autoencoder for previews (github.com/madebyollin/taesd): the latents of Stable Diffusion without attention
//! and norms. One set of weights serves SD 1.x and 2.x, another SDXL.
//!
//! Parameter names are those of diffusers' `AutoencoderTiny`, which keeps both halves in one file. The original has a file for
//! each; the two numberings differ by one in the decoder.

mod network;
mod weights;

pub use crate::layers::BuildError;
pub use network::{Geometry, Half, Outputs, build, parameters};
pub use weights::{detect, fit};
