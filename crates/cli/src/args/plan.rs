//! Options of `plan`.

use std::path::PathBuf;

use clap::Args;

use super::JobArgs;

/// Options of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The job.
    #[command(flatten)]
    pub job: JobArgs,
    /// Measure this machine again instead of using the speeds measured before.
    #[arg(long)]
    pub fresh: bool,
    /// Price of this machine per hour, in your currency.
    #[arg(long, value_name = "X", default_value_t = 0.10, allow_negative_numbers = true)]
    pub price: f64,
    /// Accepted and ignored, so that a `generate` command line can be planned as it is.
    #[arg(short, long, value_name = "OUT.png", hide = true)]
    pub output: Option<PathBuf>,
    /// Accepted and ignored, so that a `generate` command line can be planned as it is.
    #[arg(long, value_name = "DIR", hide = true)]
    pub preview: Option<PathBuf>,
}
