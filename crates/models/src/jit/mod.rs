//! `jit`: a plain pixel transformer that predicts the clean picture ("Back to Basics: Let Denoising
//! Generative Models Denoise", Li & He, arXiv 2511.13720), conditioned on time and text.

mod config;
mod detail;
pub mod early;
pub mod finish;
mod grow;
mod network;
mod parameters;

pub use config::{Config, ConfigError};
pub use detail::PLACE as DETAIL_PLACE;
pub use grow::grow;
pub use network::{BuildError, Geometry, Outputs, build, build_weakened};
pub use parameters::{TIME_FEATURES, parameters};

/// The parameters an untrained network starts from, in the order of [`parameters`].
pub fn initial_parameters(config: &Config, seed: u64) -> Result<graph::Parameters, graph::ParameterError> {
    crate::initial_parameters(&parameters(config), seed)
}

/// The family's name in a model file's metadata.
pub const FAMILY: &str = "jit";
