//! The engine: a model store, requests, and the way from a request over events to pictures.
//!
//! ```text
//! Request ─► validate ─► text states ─► noise ─► sampler × network ─► pixels ─► PNG with its recipe
//! ```
//! Nothing here knows HTTP, the terminal or the command line.

#![forbid(unsafe_code)]

mod blend;
pub mod built_in;
mod encoder;
pub mod enlarge;
mod error;
mod event;
mod finish;
mod generate;
mod inspect;
mod kept;
pub mod model;
mod network;
mod options;
mod order;
mod pixels;
mod plan;
mod rates;
mod recipe;
mod request;
mod shifts;
pub mod stable_diffusion;
mod start;
mod steering;
pub mod store;
mod tokens;
mod verify;

pub use blend::blend;
pub use encoder::open as open_text_encoder;
pub use enlarge::Enlarger;
pub use error::EngineError;
pub use event::{CancelToken, Event, Preview};
pub use generate::{Engine, Image};
pub use inspect::{InspectedPart, Inspection, inspect_file};
pub use model::{Model, ModelInfo};
pub use options::{MAX_THREADS, Options, PrecisionChoice, physical_cores, precision_name};
pub use order::{DEFAULT_STRENGTH, Kind, Order, PresetName};
pub use pixels::to_pixels;
pub use plan::{Plan, plan};
pub use rates::process_memory;
pub use recipe::{PictureRecipe, RECIPE_VERSION, Recipe};
pub use request::{
    Frame, MAX_COUNT, MAX_GUIDANCE, MAX_PROMPT_BYTES, MAX_SIDE, MAX_STEPS, MIN_SIDE, Preset, Request, Size,
    TURBO_STEPS, Variation,
};
pub use shifts::MAX_SHIFTS;
pub use start::{Origin, Start, read_picture};
pub use tokens::{Token, Tokens, tokens};
pub use verify::{Verification, verify};
