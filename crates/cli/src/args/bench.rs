//! Options of `bench`.

use clap::Args;

/// Options of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Only benchmarks whose name contains this.
    #[arg(long, value_name = "NAME")]
    pub filter: Option<String>,
    /// Threads [default: physical cores].
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub threads: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
