//! Row normalisations: RMS norm with modulation, layer norm, per-head RMS norm with rotary, L2 norm; and group norm of
//! pictures.
//!
//! All tensors are `[rows, d] f32`, rows contiguous; pictures are `[B, H, W, C] f32`. Gradients named `d…` are overwritten.

mod group;
mod l2;
mod layer;
mod qk;
mod rms;

pub use group::{GroupNormShape, group_norm, group_norm_backward};
pub use l2::{l2_normalise, l2_normalise_backward};
pub use layer::{layer_norm, layer_norm_backward};
pub use qk::{Part, QkNorm, Rotary, qk_norm_rotary, qk_norm_rotary_backward};
pub use rms::{Modulation, ModulationGradient, rms_norm, rms_norm_backward};
