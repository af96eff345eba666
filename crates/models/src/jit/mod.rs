//! `jit`: a plain pixel transformer that predicts the clean picture ("Back to Basics: Let Denoising
//! Generative Models Denoise", Li & He, arXiv 2511.13720), conditioned on time and text.

mod config;
mod initial;
mod network;
mod parameters;
mod rotary;

pub use config::{Config, ConfigError};
pub use initial::initial_parameters;
pub use network::{BuildError, Geometry, Outputs, build};
pub use parameters::{TIME_FEATURES, parameters};

/// The family's name in a model file's metadata.
pub const FAMILY: &str = "jit";
