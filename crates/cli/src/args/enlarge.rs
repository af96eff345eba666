//! Options of `enlarge`.

use std::path::PathBuf;

use clap::Args;

use super::RunArgs;

/// Options of `enlarge`.
#[derive(Debug, Args)]
pub struct EnlargeArgs {
    /// A PNG, JPEG or WebP picture.
    pub picture: PathBuf,
    /// How many times: 2 or 4.
    #[arg(long, value_name = "2|4", default_value_t = 4)]
    pub times: u32,
    /// Output file.
    #[arg(short, long, value_name = "OUT.png", default_value = "out.png")]
    pub output: PathBuf,
    /// How to run.
    #[command(flatten)]
    pub run: RunArgs,
}
