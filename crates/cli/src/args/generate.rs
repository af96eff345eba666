//! Options of `generate`.

use std::path::PathBuf;

use clap::Args;

use super::JobArgs;

/// Options of `generate`.
#[derive(Debug, Args)]
pub struct GenerateArgs {
    /// The job.
    #[command(flatten)]
    pub job: JobArgs,
    /// Output file; with --count N > 1: OUT-0.png, OUT-1.png, ...; - = standard output.
    #[arg(short, long, value_name = "OUT.png", default_value = "out.png")]
    pub output: PathBuf,
    /// Also write the emerging picture of every step into this folder.
    #[arg(long, value_name = "DIR")]
    pub preview: Option<PathBuf>,
}
