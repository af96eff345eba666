//! Networks: each family in its own folder, as a function that adds operations to a graph.
//!
//! A family has a validated `Config`, the list of its parameters (the module path is the weight
//! key), the network itself as numbered steps, and strict matching of a weight file's keys.

#![forbid(unsafe_code)]

pub mod bundle;
pub mod checkpoint;
pub mod enlarger;
mod initial;
pub mod jit;
pub mod judge;
mod layers;
pub mod parameter;
mod rotary;
pub mod taesd;
mod transformer;
pub mod unet;
pub mod vae;
pub mod weights;

pub use initial::initial_parameters;
pub use parameter::{Init, ParameterSpec};
