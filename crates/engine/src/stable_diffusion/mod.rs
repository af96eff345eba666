//! Stable Diffusion checkpoints end to end: SD 1.x, SD 2.x, SDXL and its refiner, with their inpainting variants.
//!
//! ```text
//! path ─► Checkpoint (which networks, where their weights are) ─► Pipeline
//! Request ─► text states ─► noise ─► sampler × U-Net ─► latent ─► autoencoder ─► PNG with its recipe
//! ```
//! Turbo, LCM and Lightning models are these networks with other settings: few steps, no guidance, their sampler.
//!
//! One picture is sampled at a time, from one stream of noise of its own: what it looks like cannot depend on its place in
//! `count`. Latents are `[h, w, 4]` f32, eight pixels to a cell; the streams of noise are torch's, in its order `[4, h, w]`.

mod architecture;
mod digests;
mod folder;
mod latents;
mod load;
mod memory;
mod networks;
mod pipeline;
mod plan;
mod preview;
mod prompt;
mod recipe;
mod request;
mod tiling;
mod vector;
mod verify;

pub use architecture::{Architecture, TextModel};
pub use load::{Checkpoint, CheckpointProblem, is_checkpoint};
pub use pipeline::Pipeline;
pub use plan::{Plan, Proposal, plan};
pub(crate) use prompt::prompt_tokens;
pub use recipe::Recipe;
pub use request::{MAX_SIDE, MIN_SIDE, Request, Tile};
pub use verify::{Verification, verify};
