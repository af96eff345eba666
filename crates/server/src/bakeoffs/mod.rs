//! Bake-offs: one list of prompts through several models, presets or pictures from outside, judged in duels with the names
//! hidden. The native interface and the command line both use this.

mod duels;
mod feed;
mod report;
mod request;
mod studio;

pub use duels::{DuelView, DuelsView, duels};
pub use feed::feed;
pub use report::{BakeoffReport, GroupResult, Standing, report};
pub use request::{BakeoffPlan, BakeoffRequest, create, plan};
pub use studio::{BakeoffProgress, ShownDuel, blind_picture};

/// The interface that jobs of bake-offs come through.
const SOURCE: &str = "bakeoff";
