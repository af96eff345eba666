//! Options of `models`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Options of `models`.
#[derive(Debug, Args)]
pub struct ModelsArgs {
    /// What to do; without it, list.
    #[command(subcommand)]
    pub command: Option<ModelsCommand>,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

/// Commands of `models`.
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// The models that can be used; what `models` alone does too.
    List,
    /// Say what a model file is, and what it lacks.
    Inspect {
        /// A name, file or folder.
        path: String,
    },
    /// Write the weighted mean of two models of one network, such as a model and what it became by going on learning.
    Blend {
        /// A name, file or folder.
        first: String,
        /// Another.
        second: String,
        /// How much of the second, 0 to 1.
        #[arg(long, value_name = "X", default_value_t = 0.5, allow_negative_numbers = true)]
        share: f32,
        /// The file to write.
        #[arg(short, long, value_name = "FILE")]
        output: PathBuf,
    },
}
