//! The autoencoder of Stable Diffusion 1.x, 2.x and XL: pictures to latents and back (arXiv 2112.10752, section 3.1).
//!
//! Parameter names are those of the original code, without the prefix that single files give them. A file's names and
//! shapes go to [`detect`], then to [`fit`], which says where each parameter's values are.

mod config;
mod network;
mod weights;

pub use crate::layers::BuildError;
pub use config::Config;
pub use network::{Geometry, Outputs, decode, encode, parameters};
pub use weights::{detect, fit};
