//! Options of `dataset`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Options of `dataset`.
#[derive(Debug, Args)]
pub struct DatasetArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: DatasetCommand,
}

/// Commands of `dataset`.
#[derive(Debug, Subcommand)]
pub enum DatasetCommand {
    /// Build a dataset from a recipe.
    Build {
        /// The recipe (TOML).
        recipe: PathBuf,
        /// The folder to write.
        #[arg(short, long, value_name = "DIR")]
        output: PathBuf,
        /// Where the installed sources are [default: ~/.cache/calotype/sources].
        #[arg(long, value_name = "DIR")]
        sources: Option<PathBuf>,
        /// Side of the stored pictures in pixels [default: the recipe's].
        #[arg(long, value_name = "N")]
        size: Option<usize>,
        /// Draw at most this many pictures, a fair sample of the recipe's.
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
    /// Show what a dataset holds.
    Inspect {
        /// The dataset's folder.
        folder: PathBuf,
        /// Also write a sheet of sample pictures.
        #[arg(long, value_name = "OUT.png")]
        sheet: Option<PathBuf>,
    },
}
