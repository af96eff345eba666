//! Options of `prices`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::RunArgs;

/// Options of `prices`.
#[derive(Debug, Args)]
pub struct PricesArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: PricesCommand,
    /// Print JSON.
    #[arg(long, global = true)]
    pub json: bool,
}

/// Commands of `prices`.
#[derive(Debug, Subcommand)]
pub enum PricesCommand {
    /// Say what is wrong with a catalogue, by row and field, and which rows are old; fails if it cannot be used.
    Check {
        /// The catalogue (TOML) [default: the one that comes with the program].
        file: Option<PathBuf>,
        /// The day to count from, such as 2026-06-15 [default: today, in UTC].
        #[arg(long, value_name = "DATE")]
        today: Option<price::Date>,
    },
    /// Say which rows were added, removed or changed, with percentages.
    Diff {
        /// A catalogue.
        old: PathBuf,
        /// A later one.
        new: PathBuf,
    },
    /// Say what a campaign costs with every offer: what all comes to, what an approved asset does, how long it takes, and where offers meet.
    Plan(PricesPlanArgs),
    /// List the rows of a catalogue.
    Show {
        /// The catalogue (TOML) [default: the one that comes with the program].
        #[arg(long, value_name = "FILE")]
        catalogue: Option<PathBuf>,
        /// The day to count from, such as 2026-06-15 [default: today, in UTC].
        #[arg(long, value_name = "DATE")]
        today: Option<price::Date>,
        /// Print the file itself instead, to begin an own one with.
        #[arg(long)]
        text: bool,
    },
}

/// Options of `prices plan`.
#[derive(Debug, Args)]
pub struct PricesPlanArgs {
    /// Assets that will be approved.
    #[arg(long, required_unless_present = "request", default_value_t = 0, hide_default_value = true)]
    pub assets: u64,
    /// Candidates drawn for each of them.
    #[arg(long, default_value_t = 8)]
    pub candidates: u64,
    /// Share that is drawn again.
    #[arg(long, default_value = "0.3")]
    pub retries: price::Decimal,
    /// Ratios that are drawn anew instead of cropped.
    #[arg(long, default_value_t = 1)]
    pub ratios: u64,
    /// Drafts first, and finals of what is picked; otherwise every candidate is a final.
    #[arg(long)]
    pub drafts: bool,
    /// Size of a final.
    #[arg(long, value_name = "WxH", default_value = "1024x1024")]
    pub size: price::Size,
    /// Minutes a reviewer spends for each approved asset.
    #[arg(long, value_name = "MINUTES", default_value = "0")]
    pub review: price::Decimal,
    /// What an hour of a reviewer costs.
    #[arg(long, value_name = "MONEY", default_value = "0")]
    pub wage: price::Decimal,
    /// The most it may cost.
    #[arg(long, value_name = "MONEY")]
    pub budget: Option<String>,
    /// Currency; offers in others are left out.
    #[arg(long, default_value = "USD")]
    pub currency: price::Currency,
    /// The catalogue (TOML) [default: the one that comes with the program].
    #[arg(long, value_name = "FILE")]
    pub catalogue: Option<PathBuf>,
    /// The day to count from, such as 2026-06-15 [default: today, in UTC].
    #[arg(long, value_name = "DATE")]
    pub today: Option<price::Date>,
    /// Do not draw twelve pictures to measure this machine, and leave out the offers of its kind.
    #[arg(long)]
    pub no_measuring: bool,
    /// Know this machine's speed from what it drew for the studio of this data folder, which no server may have open, and
    /// use the folder's own catalogue, as the server does.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["no_measuring", "catalogue"])]
    pub data: Option<PathBuf>,
    /// With --data: let the engine predict the speed of this model where it has drawn no such pictures yet.
    #[arg(long, value_name = "MODEL", requires = "data")]
    pub predict: Option<String>,
    /// What to ask (JSON), as it is sent to `POST /api/v1/prices/plan`, instead of the options.
    #[arg(long, value_name = "FILE.json")]
    pub request: Option<PathBuf>,
    /// How to run what is measured.
    #[command(flatten)]
    pub run: RunArgs,
}
