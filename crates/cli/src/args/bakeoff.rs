//! Options of `bakeoff`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::StudioArgs;

/// Options of `bakeoff`.
#[derive(Debug, Args)]
pub struct BakeoffArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: BakeoffCommand,
}

/// Commands of `bakeoff`. A bake-off is called by its name or id.
#[derive(Debug, Subcommand)]
pub enum BakeoffCommand {
    /// Make a bake-off from a file: prompts, and contestants that are models, presets or pictures from outside.
    New {
        /// The file (TOML or JSON); paths of pictures in it count from its folder.
        file: PathBuf,
        /// Only predict pictures, seconds and money; keep and draw nothing.
        #[arg(long)]
        plan: bool,
        /// Where bake-offs are kept, and how to run.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// List the bake-offs, the newest first, and how many of their pictures are there.
    List {
        /// Where bake-offs are kept, and how to run.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// Draw what is not there yet; what failed is tried again. Ctrl-C stops, and a later run goes on.
    Run {
        /// The bake-off.
        name: String,
        /// Where bake-offs are kept, and how to run.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// Show the next pair as left.webp and right.webp, without names, or vote on it.
    Vote {
        /// The bake-off.
        name: String,
        /// The vote on the pair that was shown; without it the pair is shown.
        vote: Option<VoteArg>,
        /// Who votes.
        #[arg(long, value_name = "NAME", default_value = "local")]
        by: String,
        /// Where left.webp and right.webp go.
        #[arg(long, value_name = "DIR", default_value = ".")]
        folder: PathBuf,
        /// Where bake-offs are kept, and how to run.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// Show ratings with intervals by kind of asset, seconds and cost of a picture, and the Pareto front.
    Report {
        /// The bake-off.
        name: String,
        /// Where bake-offs are kept, and how to run.
        #[command(flatten)]
        studio: StudioArgs,
    },
}

/// A vote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VoteArg {
    /// The left one is better.
    Left,
    /// The right one is better.
    Right,
    /// They are equally good.
    Tie,
    /// They are equally bad.
    Neither,
    /// Take the last vote back.
    Undo,
}

impl BakeoffCommand {
    /// Where bake-offs are kept, and how to run.
    pub fn studio(&self) -> &StudioArgs {
        match self {
            Self::New { studio, .. }
            | Self::List { studio }
            | Self::Run { studio, .. }
            | Self::Vote { studio, .. }
            | Self::Report { studio, .. } => studio,
        }
    }
}
