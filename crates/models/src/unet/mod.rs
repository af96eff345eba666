//! The U-Nets of Stable Diffusion 1.x, 2.x and XL (arXiv 2112.10752, 2307.01952).
//!
//! Parameter names are those of the original code, without the prefix that single files give them. A file's names and
//! shapes go to [`detect`], then to [`fit`], which says where each parameter's values are.

mod config;
mod network;
mod weights;

pub use crate::layers::BuildError;
pub use config::{Config, Heads, Level};
pub use network::{Geometry, Outputs, build, parameters};
pub use weights::{DetectError, Detected, Family, detect, fit};
