//! What many commands share: how to run, and where a studio keeps things.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use engine::{EngineError, Options, PrecisionChoice};

/// Options that say how to run.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Threads [default: physical cores]; never changes a pixel.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub threads: Option<usize>,
    /// Precision of matrix products.
    #[arg(long, value_enum, default_value_t = PrecisionArg::Auto)]
    pub precision: PrecisionArg,
    /// Print one JSON object per event on standard output.
    #[arg(long)]
    pub json: bool,
}

impl RunArgs {
    /// The engine's options; out-of-range values are errors before anything is loaded.
    pub fn options(&self) -> Result<Options, EngineError> {
        let precision = match self.precision {
            PrecisionArg::Auto => PrecisionChoice::Auto,
            PrecisionArg::F32 => PrecisionChoice::F32,
            PrecisionArg::Bf16 => PrecisionChoice::Bf16,
        };
        let options = Options { threads: self.threads, precision, isa: None };
        options.check()?;
        Ok(options)
    }
}

/// A precision's name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PrecisionArg {
    /// bf16 products where the processor has them, else f32.
    Auto,
    /// f32 throughout.
    F32,
    /// bf16 products with f32 sums.
    Bf16,
}

/// Where campaigns are kept, and how to run.
#[derive(Debug, Args)]
pub struct StudioArgs {
    /// Folder of jobs and pictures, which no server may have open [default: $XDG_DATA_HOME/calotype or ~/.local/share/calotype].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Folder of models, called by their names [default: models in the data folder].
    #[arg(long, value_name = "DIR")]
    pub models: Option<PathBuf>,
    /// How to run.
    #[command(flatten)]
    pub run: RunArgs,
}
