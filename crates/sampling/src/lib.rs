//! Sampling: schedule, sampler, parameterisation, guidance and noise, five separate things, for two families of models.
//!
//! * Rectified flows: `t` in [0, 1] is flow time, 0 = clean and 1 = noise; `z = (1 - t)·x + t·ε`; the network predicts the
//!   data `x̂(z, t)`; the flow's velocity is `dz/dt = ε - x = (z - x̂) / t`. See `schedule` and `sampler`.
//! * Stable Diffusion models: `sigma` is the deviation of the noise, 0 = clean; `x = x0 + σ·ε`; `timestep` is the index
//!   that the network was trained with. See `sigmas`, `prediction`, `sigma_samplers` and `rng`.
//!
//! Everything here works on flat `f32` slices and knows neither layouts nor devices; each element is treated alone, so
//! batching never changes a bit. (`guidance::rescale` and `variation` look at one whole picture.)

#![forbid(unsafe_code)]

mod elementary;
pub mod guidance;
mod names;
pub mod noise;
pub mod prediction;
pub mod rng;
pub mod sampler;
pub mod schedule;
pub mod sigma_samplers;
pub mod sigmas;
pub mod variation;

pub use guidance::{Guidance, combine, push};
pub use noise::{NoiseAddress, Purpose, fill_normal, fill_uniform, philox};
pub use prediction::Prediction;
pub use rng::{RandomSource, RandomStream};
pub use sampler::{NewNoise, Predict, Sampler, Step, sample};
pub use schedule::Schedule;
pub use sigma_samplers::{DrawNoise, SigmaSampler, SigmaStep, sample_sigmas};
pub use sigmas::{BetaRise, Betas, DiscreteSigmas, SigmaError, SigmaSchedule};
pub use variation::slerp;

/// A name or a parameter that this crate does not know.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ParseError {
    /// No sampler has this name.
    #[error("unknown sampler '{0}' (known: euler, heun, dpmpp_2m, dpmpp_2m_sde)")]
    Sampler(String),
    /// No schedule has this name, or its shift is out of range.
    #[error("unknown schedule '{0}' (known: linear, shifted, shifted:X with X in 0.1..=10)")]
    Schedule(String),
    /// No value of another enum has this name.
    #[error("unknown {what} '{name}' (known: {known})")]
    Name {
        /// What was to be named.
        what: &'static str,
        /// The name, cut to 40 characters.
        name: String,
        /// The names there are, separated by commas.
        known: String,
    },
}
