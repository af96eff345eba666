//! How good a model is: held-out loss, and what a judge that nothing else uses says of its pictures.

mod held_out;
pub mod judge;
mod metrics;
mod page;
mod prompts;
mod ridge;
mod suite;

pub use held_out::{SplitLoss, held_out};
pub use page::page;
pub use prompts::PROMPTS;
pub use ridge::Ridge;
pub use suite::{Group, Report, STEPS, Scores, SuiteOptions, full};
