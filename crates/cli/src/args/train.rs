//! Options of `train`.

use std::path::PathBuf;

use clap::Args;

/// Options of `train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The training configuration (TOML).
    pub config: PathBuf,
    /// Go on from the newest checkpoint.
    #[arg(long)]
    pub resume: bool,
    /// Threads [default: physical cores]; never changes a bit.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub threads: Option<usize>,
    /// Print one JSON object per event on standard output.
    #[arg(long)]
    pub json: bool,
}
