//! Sampling of a rectified flow: schedule, sampler, guidance and noise, four separate things.
//!
//! Convention: `t` in [0, 1] is flow time, 0 = clean and 1 = noise;
//! `z = (1 - t)·x + t·ε`; the network predicts the data `x̂(z, t)`; the flow's velocity is
//! `dz/dt = ε - x = (z - x̂) / t`. Everything here works on flat `f32` slices and knows neither
//! layouts nor devices; each element is treated alone, so batching never changes a bit.

#![forbid(unsafe_code)]

pub mod guidance;
pub mod noise;
pub mod sampler;
pub mod schedule;

pub use guidance::{Guidance, combine};
pub use noise::{NoiseAddress, Purpose, fill_normal, fill_uniform, philox};
pub use sampler::{Predict, Sampler, Step, sample};
pub use schedule::Schedule;

/// A name or a parameter that this crate does not know.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ParseError {
    /// No sampler has this name.
    #[error("unknown sampler '{0}' (known: euler, heun, dpmpp_2m)")]
    Sampler(String),
    /// No schedule has this name, or its shift is out of range.
    #[error("unknown schedule '{0}' (known: linear, shifted, shifted:X with X in 0.1..=10)")]
    Schedule(String),
}
