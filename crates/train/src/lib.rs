//! The trainer: captioned pictures in, a model file out.
//!
//! [`run::run`] drives a whole run; [`trainer::Trainer`] is one run in memory, step by step. A run is a pure function
//! of its configuration, its data and the instruction set: it can be stopped at any step and resumed bit for bit, and
//! the number of threads does not matter.
#![forbid(unsafe_code)]

pub mod average;
pub mod benchmark;
pub mod captions;
pub mod chart;
pub mod checkpoint;
pub mod config;
mod error;
pub mod evaluate;
pub mod examples;
pub mod flow;
mod gradient;
pub mod optimiser;
pub mod run;
pub mod samples;
pub mod schedule;
mod task;
pub mod trainer;

pub use config::TrainConfig;
pub use error::TrainError;
