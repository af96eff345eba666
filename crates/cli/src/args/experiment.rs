//! Options of `experiment`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::StudioArgs;

/// Options of `experiment`.
#[derive(Debug, Args)]
pub struct ExperimentArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: ExperimentCommand,
}

/// Commands of `experiment`. An experiment is called by its name or id.
#[derive(Debug, Subcommand)]
pub enum ExperimentCommand {
    /// Say how many people a test needs, how long that is, and what many creatives had better do. Keeps nothing.
    Plan {
        /// What is known and wanted.
        #[command(flatten)]
        power: PowerArgs,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a test of a campaign's picks, or of some of them, or of any pictures.
    New {
        /// Its name.
        name: String,
        /// The campaign, by name or id.
        #[arg(long)]
        campaign: Option<String>,
        /// Creatives: ROW:NUMBER of picks, such as 00001:2, or ids of pictures; the others are compared with the first [default: all picks].
        #[arg(value_name = "CREATIVE")]
        creatives: Vec<String>,
        /// What decides the test.
        #[arg(long, value_enum, default_value = "clicks")]
        metric: MetricArg,
        /// Landing page that the creatives lead to.
        #[arg(long)]
        url: Option<String>,
        /// utm_source [default: test].
        #[arg(long)]
        source: Option<String>,
        /// utm_medium [default: picture].
        #[arg(long)]
        medium: Option<String>,
        /// Chance of ever naming a difference where there is none, such as 5% [default: 5%].
        #[arg(long, value_parser = share)]
        alpha: Option<f64>,
        /// Lift below which nobody cares, such as 1% [default: 1%].
        #[arg(long, value_parser = share)]
        caring: Option<f64>,
        /// Where experiments are kept.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// List the tests, the newest first.
    List {
        /// Where tests are kept, and how to run.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// Write the creatives into a folder: pictures named by their keys, creatives.csv with UTM parameters, results.csv to fill in.
    Export {
        /// The experiment.
        name: String,
        /// The folder.
        folder: PathBuf,
        /// Where experiments are kept.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// Take results from a CSV file: creative, day, people or impressions, clicks, conversions, revenue, revenue_squared.
    Import {
        /// The experiment.
        name: String,
        /// The file.
        file: PathBuf,
        /// How people came to the creatives.
        #[arg(long, value_enum)]
        assigned: AssignedArg,
        /// Let rows replace what is there.
        #[arg(long)]
        replace: bool,
        /// Only say what would happen.
        #[arg(long)]
        dry_run: bool,
        /// Where experiments are kept.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// Say who won, if anybody did, and why not, if not.
    Report {
        /// The experiment.
        name: String,
        /// Where experiments are kept.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// Make the campaign of the next round from the winner's recipe: the same picture and its neighbours.
    Next {
        /// The experiment.
        name: String,
        /// Key of the creative to go on from [default: the winner].
        #[arg(long, value_name = "KEY")]
        creative: Option<String>,
        /// Name of the campaign [default: the present one's with the number of the round].
        #[arg(long, value_name = "NAME")]
        campaign: Option<String>,
        /// Drafts of each row [default: 8].
        #[arg(long, value_name = "N")]
        candidates: Option<u32>,
        /// Where experiments are kept.
        #[command(flatten)]
        studio: StudioArgs,
    },
}

impl ExperimentCommand {
    /// Whether programs listen.
    pub fn json(&self) -> bool {
        match self {
            Self::Plan { json, .. } => *json,
            Self::New { studio, .. }
            | Self::List { studio }
            | Self::Export { studio, .. }
            | Self::Import { studio, .. }
            | Self::Report { studio, .. }
            | Self::Next { studio, .. } => studio.run.json,
        }
    }
}

/// What is known and wanted of a test.
#[derive(Debug, Args)]
pub struct PowerArgs {
    /// Rate of the present creative, such as 1% or 0.01 clicks a person.
    #[arg(long, value_parser = share, required_unless_present = "mean", conflicts_with = "mean")]
    pub rate: Option<f64>,
    /// Revenue a person instead.
    #[arg(long, requires = "deviation")]
    pub mean: Option<f64>,
    /// Standard deviation of one person's revenue.
    #[arg(long, requires = "mean")]
    pub deviation: Option<f64>,
    /// The smallest relative lift to find, such as 20%.
    #[arg(long, value_parser = share)]
    pub lift: f64,
    /// Creatives with the present one, 2 to 64 [default: 2].
    #[arg(long)]
    pub arms: Option<usize>,
    /// Chance to call a difference that is none [default: 5%].
    #[arg(long, value_parser = share)]
    pub alpha: Option<f64>,
    /// Chance to find a lift of this size [default: 80%].
    #[arg(long, value_parser = share)]
    pub power: Option<f64>,
    /// People a day, all creatives together.
    #[arg(long, value_name = "PEOPLE")]
    pub traffic: Option<u64>,
    /// Days that the test may run [default: 14].
    #[arg(long)]
    pub days: Option<u32>,
}

/// What decides a test.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum MetricArg {
    /// Clicks of people.
    Clicks,
    /// Conversions of people.
    Conversions,
    /// Revenue a person.
    Revenue,
}

/// How people came to creatives.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum AssignedArg {
    /// At random, by the platform's experiment tool.
    PlatformExperiment,
    /// At random, by us.
    Own,
    /// The platform showed each creative to whom it thought fit: no winner can be named.
    PlatformOptimised,
}

/// A share: `0.2` or `20%`.
fn share(text: &str) -> Result<f64, String> {
    let (number, unit) = text.trim().strip_suffix('%').map_or((text.trim(), 1.0), |number| (number.trim(), 100.0));
    let number: f64 = number.parse().map_err(|_| format!("'{text}' is no share such as 0.2 or 20%"))?;
    Ok(number / unit)
}
