//! Options of `campaign`.

use std::path::PathBuf;

use campaign::ReviewState;
use clap::{Args, Subcommand};

use super::StudioArgs;

/// Options of `campaign`.
#[derive(Debug, Args)]
pub struct CampaignArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: CampaignCommand,
}

/// Commands of `campaign`. A campaign is called by its name or id.
#[derive(Debug, Subcommand)]
pub enum CampaignCommand {
    /// Make a campaign from a brief, with rows from a CSV file; all of it is kept or nothing.
    New {
        /// The brief (TOML or JSON).
        brief: PathBuf,
        /// What stands in the slots, one asset a row (CSV in UTF-8 or UTF-16).
        #[arg(long, value_name = "FILE.csv")]
        rows: Option<PathBuf>,
        /// Only show what the first N rows would become, and what is wrong with them.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
        dry_run: Option<u32>,
        /// Where campaigns are kept, and how to run.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// List the campaigns, the newest first, and how far each is.
    List {
        /// Where campaigns are kept, and how to run.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// Predict pictures, seconds and money; draws nothing.
    Plan {
        /// The campaign.
        name: String,
        /// Where campaigns are kept, and how to run.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// Draw drafts of every row or, with --finals, finals of every pick. What is there is not drawn again; Ctrl-C pauses.
    Run {
        /// The campaign.
        name: String,
        /// Draw the finals of what is picked, with the seeds of the drafts.
        #[arg(long)]
        finals: bool,
        /// Where campaigns are kept, and how to run.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// Pick drafts for finals, such as 00001:2 for the second draft of the first row.
    Pick {
        /// The campaign.
        name: String,
        /// Drafts.
        #[arg(value_name = "ROW:NUMBER", required = true)]
        picks: Vec<String>,
        /// Where campaigns are kept, and how to run.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// Take picks back; what is under review or approved stays picked.
    Unpick {
        /// The campaign.
        name: String,
        /// Drafts.
        #[arg(value_name = "ROW:NUMBER", required = true)]
        picks: Vec<String>,
        /// Where campaigns are kept, and how to run.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// Move picks through the review: draft, in-review, changes-asked, approved, archived.
    Review {
        /// The campaign.
        name: String,
        /// Picks.
        #[arg(value_name = "ROW:NUMBER", required = true)]
        picks: Vec<String>,
        /// Where they go; only from where they may.
        #[arg(long, value_name = "STATE", value_parser = review_state)]
        to: ReviewState,
        /// What is said with it.
        #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
        note: String,
        /// Who does it [default: local].
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        /// Where campaigns are kept, and how to run.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// Make a link with which somebody without a key can look at the picks and comment, and nothing else.
    Share {
        /// The campaign.
        name: String,
        /// For whom it is; comments that come through it have this name.
        label: String,
        /// Days until it ends, 1 to 365 [default: 14].
        #[arg(long, value_name = "N")]
        days: Option<u32>,
        /// Where campaigns are kept, and how to run.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// List the share links.
    Links {
        /// The campaign.
        name: String,
        /// End this link at once.
        #[arg(long, value_name = "ID")]
        revoke: Option<String>,
        /// Where campaigns are kept, and how to run.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// Delete the campaign with its rows, picks, review and links; its pictures stay unless --pictures is given.
    Delete {
        /// The campaign.
        name: String,
        /// Also delete its pictures, but for favourites, rated and tagged ones and those that something else uses.
        #[arg(long)]
        pictures: bool,
        /// Do it; without this the command only says what would go.
        #[arg(long)]
        yes: bool,
        /// Where campaigns are kept, and how to run.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// Write the finals of what is picked into a folder: PNG files with their recipes, and manifest.csv. With channels, a kit or a
    /// template: the files of every channel, a folder each, with a contact sheet.
    Export {
        /// The campaign.
        name: String,
        /// The folder.
        folder: PathBuf,
        /// Ids of channels, such as meta.story,email.hero.wide [default with --kit, --template or --zip: those of the brief].
        #[arg(long, value_name = "ID", value_delimiter = ',')]
        channels: Vec<String>,
        /// Brand kit: the name of a kept one, or a TOML file with its fonts and logos beside it [default: that of the brief].
        #[arg(long, value_name = "NAME|FILE.toml")]
        kit: Option<String>,
        /// Template of all channels: a name, `words` or `crop`; or CHANNEL=NAME for one of them.
        #[arg(long, value_name = "[CHANNEL=]NAME", value_delimiter = ',')]
        template: Vec<String>,
        /// Words for every pick, as SLOT=TEXT; the texts of its row come first.
        #[arg(long, value_name = "SLOT=TEXT")]
        text: Vec<String>,
        /// Pattern of file names, such as {campaign}_{asset}_{channel}.{ext}.
        #[arg(long, value_name = "PATTERN")]
        names: Option<String>,
        /// Only what is approved.
        #[arg(long)]
        approved: bool,
        /// Picks without a final go out as drafts.
        #[arg(long)]
        drafts: bool,
        /// Write one ZIP instead of folders.
        #[arg(long)]
        zip: bool,
        /// Where campaigns are kept, and how to run.
        #[command(flatten)]
        studio: StudioArgs,
    },
    /// Show counts, seconds and money against the plan.
    Report {
        /// The campaign.
        name: String,
        /// Where campaigns are kept, and how to run.
        #[command(flatten)]
        studio: StudioArgs,
    },
}

impl CampaignCommand {
    /// Where campaigns are kept, and how to run.
    pub fn studio(&self) -> &StudioArgs {
        match self {
            Self::New { studio, .. }
            | Self::List { studio }
            | Self::Plan { studio, .. }
            | Self::Run { studio, .. }
            | Self::Pick { studio, .. }
            | Self::Unpick { studio, .. }
            | Self::Review { studio, .. }
            | Self::Share { studio, .. }
            | Self::Links { studio, .. }
            | Self::Delete { studio, .. }
            | Self::Export { studio, .. }
            | Self::Report { studio, .. } => studio,
        }
    }
}

/// Reads where a candidate goes in the review.
fn review_state(text: &str) -> Result<ReviewState, String> {
    let name = |state: ReviewState| state.name().replace('_', "-");
    let found = ReviewState::ALL.into_iter().find(|state| name(*state) == text || state.name() == text);
    found.ok_or_else(|| format!("is none of {}", ReviewState::ALL.map(name).join(", ")))
}
