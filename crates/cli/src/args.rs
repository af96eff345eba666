//! The command line as data: every command, option and default.

mod bakeoff;

use std::io::Read;
use std::path::{Path, PathBuf};

use campaign::ReviewState;
use clap::{Args, Parser, Subcommand, ValueEnum};
use engine::stable_diffusion::{self as sd, Architecture, Tile, is_checkpoint};
use engine::{
    DEFAULT_STRENGTH, EngineError, MAX_PROMPT_BYTES, Options, Order, PrecisionChoice, PresetName, Request, Size, Start,
    Variation, store,
};
use train::evaluate::SuiteOptions;

pub use bakeoff::{BakeoffArgs, BakeoffCommand, VoteArg};

/// Develops pictures from noise: generate, plan, train and verify on your own machine.
#[derive(Debug, Parser)]
#[command(name = "calotype", disable_version_flag = true, arg_required_else_help = true)]
pub struct Cli {
    /// Print the version; with --verbose also commit, instruction set and threads.
    #[arg(long)]
    pub version: bool,
    /// Say more (with --version).
    #[arg(long)]
    pub verbose: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Draw pictures from a prompt.
    Generate(GenerateArgs),
    /// Make any picture twice or four times as wide and high with the built-in enlarger.
    Enlarge(EnlargeArgs),
    /// Predict seconds, peak memory, FLOPs and cost of a job; draws nothing.
    Plan(PlanArgs),
    /// List the models that can be used, or inspect a model file.
    Models(ModelsArgs),
    /// Build or inspect a dataset of captioned pictures.
    Dataset(DatasetArgs),
    /// Train a model.
    Train(TrainArgs),
    /// Measure the quality of a model.
    Eval(EvalArgs),
    /// Measure the speed of kernels and models on this machine.
    Bench(BenchArgs),
    /// Check, compare or show a catalogue of what pictures cost.
    Prices(PricesArgs),
    /// Make campaigns from a brief: many prompts, drafts, picks, finals, within a budget.
    Campaign(CampaignArgs),
    /// Judge models, presets and pictures from outside in duels with the names hidden.
    Bakeoff(BakeoffArgs),
    /// Test pictures on people: plan, export creatives, import results, see who won, begin the next round.
    Experiment(ExperimentArgs),
    /// Serve pictures over HTTP: a page, OpenAI's and A1111's interfaces, a durable queue.
    Serve(ServeArgs),
    /// Show the recipe inside a picture and check that running it again gives the same pixels.
    Verify(VerifyArgs),
    /// The process in which a server draws.
    #[command(hide = true)]
    Worker(WorkerArgs),
}

/// Two flow times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower one.
    pub low: f32,
    /// The higher one.
    pub high: f32,
}

/// Reads `LOW,HIGH`; the engine checks the range.
fn interval(text: &str) -> Result<Interval, String> {
    let number = |part: &str| part.trim().parse().map_err(|_| format!("'{part}' is not a number"));
    let (low, high) = text.split_once(',').ok_or("expected two times with a comma between them, such as 0.1,1")?;
    Ok(Interval { low: number(low)?, high: number(high)? })
}

/// A prompt, or what standard input holds in its place, without the end of its last line.
fn prompt(text: &str) -> Result<String, String> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let most = MAX_PROMPT_BYTES + "\r\n".len();
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(most as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("standard input: {error}"))?;
    if bytes.len() > most {
        return Err(format!("standard input has more than {MAX_PROMPT_BYTES} bytes"));
    }
    let read = String::from_utf8(bytes).map_err(|_| "standard input is not UTF-8".to_owned())?;
    Ok(read.trim_end_matches(['\r', '\n']).to_owned())
}

/// Options that describe a job; shared by `generate` and `plan`.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// What to draw; "" = anything the model likes, - = read from standard input.
    #[arg(value_parser = prompt)]
    pub prompt: String,
    /// Model: a name from `calotype models`, or a path to a model file or folder.
    #[arg(long, value_name = "NAME|PATH", default_value = store::DEFAULT_MODEL)]
    pub model: String,
    /// What to keep away from.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub negative: String,
    /// Seed; picture i of --count uses seed + i.
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    pub seed: u64,
    /// Sampler steps, 1 to 200; overrides --preset.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub steps: Option<u32>,
    /// Guidance scale, 0 to 30; 1 turns it off [default: 3; Stable Diffusion: 7].
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    pub guidance: Option<f32>,
    /// Flow times between which guidance acts (1 = noise, 0 = clean) [default: 0.32,1; Stable Diffusion: 0,1].
    #[arg(long, value_name = "LOW,HIGH", value_parser = interval)]
    pub guidance_interval: Option<Interval>,
    /// Sampler: euler, heun or dpmpp_2m; Stable Diffusion also euler_ancestral, ddim, dpmpp_2m_sde, uni_pc, lcm [default:
    /// dpmpp_2m].
    #[arg(long, value_name = "NAME")]
    pub sampler: Option<String>,
    /// Schedule: linear, shifted or shifted:X (X > 1 spends more steps near the noise) [default: shifted:3]; Stable Diffusion:
    /// normal, karras, exponential, simple, sgm_uniform, trailing, leading [default: karras].
    #[arg(long, value_name = "NAME")]
    pub schedule: Option<String>,
    /// Options that only Stable Diffusion checkpoints know.
    #[command(flatten)]
    pub stable_diffusion: StableDiffusionArgs,
    /// Size in pixels, such as 1080x1350, sides 32 to 2048: the model's square is fitted into it, with nothing beside it;
    /// Stable Diffusion: multiples of 8 up to 4096 [default: 4 times what the model draws, 512x512 for the built-in one;
    /// Stable Diffusion: the model's].
    #[arg(long, value_name = "WxH")]
    pub size: Option<Size>,
    /// How many times larger than drawn the picture becomes: 1, 2 or 4. The network then draws the whole shape of --size
    /// [default: what --size needs]; not for Stable Diffusion.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub enlarge: Option<u32>,
    /// Number of pictures, 1 to 64.
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    pub count: u32,
    /// Start from this picture instead of from noise alone: more like it, or what the prompt makes of it.
    #[arg(long, value_name = "IMAGE")]
    pub vary: Option<PathBuf>,
    /// How far to go from the picture of --vary, 0.01 (hardly) to 1 (a new picture); takes as large a share of the steps.
    #[arg(long, value_name = "X", default_value_t = DEFAULT_STRENGTH, allow_negative_numbers = true, requires = "vary")]
    pub strength: f32,
    /// With --vary: draw only where this picture is white and keep what lies under black.
    #[arg(long, value_name = "IMAGE", requires = "vary")]
    pub mask: Option<PathBuf>,
    /// Mixes the noise of this seed in, so that a picture changes little by little; picture i uses N + i.
    #[arg(long, value_name = "N")]
    pub variation_seed: Option<u64>,
    /// How much of it, 0 (nothing) to 1 (only it).
    #[arg(long, value_name = "X", default_value_t = 0.2, allow_negative_numbers = true, requires = "variation_seed")]
    pub variation_strength: f32,
    /// Steps by name: draft 8, standard 16, final 25; turbo: the few steps that a model has learned (4, or --steps 1 or 2). For
    /// Stable Diffusion models of few steps turbo, lcm, lightning: 4 steps without guidance, and their sampler.
    #[arg(long, value_enum, default_value_t = PresetArg::Final)]
    pub preset: PresetArg,
    /// How to run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Options that only Stable Diffusion checkpoints know.
#[derive(Debug, Args)]
pub struct StableDiffusionArgs {
    /// Take the autoencoder from this file.
    #[arg(long, value_name = "FILE", help_heading = STABLE_DIFFUSION)]
    pub vae: Option<PathBuf>,
    /// Decode previews with TAESD from this file.
    #[arg(long, value_name = "FILE", help_heading = STABLE_DIFFUSION)]
    pub taesd: Option<PathBuf>,
    /// Whose noise a seed stands for: cpu (torch's, as ComfyUI and diffusers) or nv (CUDA's, as A1111) [default: cpu].
    #[arg(long, value_name = "NAME", help_heading = STABLE_DIFFUSION)]
    pub rng: Option<String>,
    /// Layer of the text encoder that is read, from the last, from 1 [default: 1 for SD 1.x, else 2].
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = STABLE_DIFFUSION)]
    pub clip_skip: Option<u32>,
    /// What the model predicts: epsilon, v or flow [default: as the files say; else v for SD 2.x but its inpainting model,
    /// epsilon for all others].
    #[arg(long, value_name = "NAME", help_heading = STABLE_DIFFUSION)]
    pub prediction: Option<String>,
    /// How much contrast that guidance added is taken back, 0 to 1 [default: 0].
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = STABLE_DIFFUSION)]
    pub guidance_rescale: Option<f32>,
    /// How much of a step's noise is drawn anew, 0 to 2 [default: the sampler's].
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = STABLE_DIFFUSION)]
    pub eta: Option<f32>,
    /// Tiles of the autoencoder: auto, off, or their side in pixels; they need less memory [default: auto].
    #[arg(long, value_name = "N", help_heading = STABLE_DIFFUSION)]
    pub tile: Option<Tile>,
}

const STABLE_DIFFUSION: &str = "Stable Diffusion checkpoints";

impl StableDiffusionArgs {
    /// The first option that was given and that names a file.
    fn file_given(&self) -> Option<&'static str> {
        let options = [("vae", self.vae.is_some()), ("taesd", self.taesd.is_some())];
        options.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }
}

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

/// Options of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// The job.
    #[command(flatten)]
    pub job: JobArgs,
    /// Measure this machine again instead of using the speeds measured before.
    #[arg(long)]
    pub fresh: bool,
    /// Price of this machine per hour, in your currency.
    #[arg(long, value_name = "X", default_value_t = 0.10, allow_negative_numbers = true)]
    pub price: f64,
    /// Accepted and ignored, so that a `generate` command line can be planned as it is.
    #[arg(short, long, value_name = "OUT.png", hide = true)]
    pub output: Option<PathBuf>,
    /// Accepted and ignored, so that a `generate` command line can be planned as it is.
    #[arg(long, value_name = "DIR", hide = true)]
    pub preview: Option<PathBuf>,
}

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

/// Options of `train`.
#[derive(Debug, Args)]
pub struct TrainArgs {
    /// The training configuration (TOML).
    pub config: PathBuf,
    /// Go on from the newest checkpoint.
    #[arg(long)]
    pub resume: bool,
    /// Threads [default: physical cores]; never changes a bit.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub threads: Option<usize>,
    /// Print one JSON object per event on standard output.
    #[arg(long)]
    pub json: bool,
}

/// Options of `eval`.
#[derive(Debug, Args)]
pub struct EvalArgs {
    /// A name, file or folder.
    pub model: String,
    /// The evaluation suite.
    #[arg(long, value_name = "NAME", value_enum)]
    pub suite: Suite,
    /// The training configuration with the data [default: config.toml beside the model].
    #[arg(long, value_name = "CONFIG.toml")]
    pub config: Option<PathBuf>,
    /// Where the sheet goes [default: sheet.png]; for `full`, the folder of the report [default: evaluation].
    #[arg(short, long, value_name = "OUT")]
    pub output: Option<PathBuf>,
    /// Prompts of each group of the full suite, 2 to 1000.
    #[arg(long, value_name = "N", default_value_t = 96, value_parser = clap::value_parser!(u32).range(2..=1000))]
    pub questions: u32,
    /// Numbers of sampler steps of the full suite [default: 1,2,4,8,25].
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=200))]
    pub steps: Vec<u32>,
    /// Only these groups of the full suite, such as train,held-out-styles; settings are chosen on train alone.
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    pub groups: Vec<String>,
    /// Guidance scale of the full suite's pictures.
    #[arg(long, value_name = "X")]
    pub guidance: Option<f32>,
    /// Flow times between which it acts.
    #[arg(long, value_name = "LOW,HIGH", value_parser = interval)]
    pub guidance_interval: Option<Interval>,
    /// Sampler of the full suite's pictures.
    #[arg(long, value_name = "NAME")]
    pub sampler: Option<String>,
    /// Schedule of the full suite's pictures.
    #[arg(long, value_name = "NAME")]
    pub schedule: Option<String>,
    /// How to run.
    #[command(flatten)]
    pub run: RunArgs,
}

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

/// Options of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address to listen on: localhost, or an IP address; one that others can reach needs a key.
    #[arg(long, value_name = "H", default_value = "127.0.0.1")]
    pub host: String,
    /// Port; 0 = any that is free.
    #[arg(long, value_name = "P", default_value_t = server::DEFAULT_PORT)]
    pub port: u16,
    /// Folder of jobs and pictures [default: $XDG_DATA_HOME/calotype or ~/.local/share/calotype].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Folder of models: .safetensors files and folders of diffusers, called by their names [default: models in the data
    /// folder].
    #[arg(long, value_name = "DIR")]
    pub models: Option<PathBuf>,
    /// A name by which clients call this server, besides localhost and its addresses; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
    /// An origin whose pages may use this server, such as <https://studio.example>; may be repeated.
    #[arg(long, value_name = "ORIGIN")]
    pub cors_origin: Vec<String>,
    /// Ask for a key even where only this machine can reach the server. Keys: --new-key, or CALOTYPE_KEY in the environment.
    #[arg(long)]
    pub require_key: bool,
    /// Drawing requests that a key may make in a minute; 0 = as many as it likes.
    #[arg(long, value_name = "N", default_value_t = server::DEFAULT_RATE)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub rate: u32,
    /// Seconds the running job may go on after the server was told to stop; then it waits for the next start.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub grace: u64,
    /// Make a key, print it once and end.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["list_keys", "remove_key"])]
    pub new_key: Option<String>,
    /// Print the names of the keys and end.
    #[arg(long, conflicts_with = "remove_key")]
    pub list_keys: bool,
    /// Forget a key and end.
    #[arg(long, value_name = "NAME")]
    pub remove_key: Option<String>,
    /// How to run.
    #[command(flatten)]
    pub run: RunArgs,
}

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

/// Options of the worker.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// How to run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Options of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The picture.
    pub image: PathBuf,
    /// The model it was made with, if that is not the built-in one.
    #[arg(long, value_name = "NAME|PATH")]
    pub model: Option<String>,
    /// The picture it was developed from, if there was one.
    #[arg(long, value_name = "IMAGE")]
    pub vary: Option<PathBuf>,
    /// The mask it was drawn under, if there was one.
    #[arg(long, value_name = "IMAGE", requires = "vary")]
    pub mask: Option<PathBuf>,
    /// The file its autoencoder was taken from, if that was not the checkpoint's own.
    #[arg(long, value_name = "FILE")]
    pub vae: Option<PathBuf>,
    /// Threads [default: physical cores]; never changes a pixel.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub threads: Option<usize>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// An evaluation suite's name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Suite {
    /// Training loss on every split of the data, with true and with shuffled captions.
    HeldOut,
    /// One picture for each of the fixed prompts, on one sheet.
    Sheet,
    /// Everything: retrieval, style, colour, copies, diversity at 1 to 25 steps, beside real and shuffled pictures. Trains
    /// a judge first if the data has none.
    Full,
}

/// A preset's name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PresetArg {
    /// 8 steps.
    Draft,
    /// 16 steps.
    Standard,
    /// 25 steps.
    Final,
    /// Few learned steps; SD-Turbo and SDXL-Turbo: 4 steps of euler_ancestral, trailing.
    Turbo,
    /// Latent consistency models: 4 steps of lcm, trailing.
    Lcm,
    /// SDXL-Lightning: 4 steps of euler, trailing.
    Lightning,
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

impl EvalArgs {
    /// How the full suite is run.
    pub fn suite_options(&self) -> Result<SuiteOptions, EngineError> {
        let usual = SuiteOptions::default();
        let settings = Order {
            guidance: self.guidance,
            guidance_interval: self.guidance_interval.map(|interval| (interval.low, interval.high)),
            sampler: self.sampler.clone(),
            schedule: self.schedule.clone(),
            ..Order::default()
        };
        let settings = settings.request(None)?;
        settings.validate()?;
        Ok(SuiteOptions {
            questions: self.questions as usize,
            steps: if self.steps.is_empty() { usual.steps } else { self.steps.clone() },
            groups: self.groups.clone(),
            settings,
        })
    }
}

impl JobArgs {
    /// Whether the model is a Stable Diffusion checkpoint.
    pub fn is_stable_diffusion(&self) -> bool {
        self.model != store::DEFAULT_MODEL && is_checkpoint(Path::new(&self.model))
    }

    /// The job by names.
    fn order(&self) -> Order {
        let own = &self.stable_diffusion;
        Order {
            prompt: self.prompt.clone(),
            negative: self.negative.clone(),
            seed: self.seed,
            variation: self.variation_seed.map(|seed| Variation { seed, strength: self.variation_strength }),
            count: self.count,
            preset: match self.preset {
                PresetArg::Draft => PresetName::Draft,
                PresetArg::Standard => PresetName::Standard,
                PresetArg::Final => PresetName::Final,
                PresetArg::Turbo => PresetName::Turbo,
                PresetArg::Lcm => PresetName::Lcm,
                PresetArg::Lightning => PresetName::Lightning,
            },
            steps: self.steps,
            guidance: self.guidance,
            guidance_interval: self.guidance_interval.map(|interval| (interval.low, interval.high)),
            sampler: self.sampler.clone(),
            schedule: self.schedule.clone(),
            size: self.size,
            enlarge: self.enlarge,
            strength: Some(self.strength),
            rng: own.rng.clone(),
            clip_skip: own.clip_skip,
            prediction: own.prediction.clone(),
            guidance_rescale: own.guidance_rescale,
            eta: own.eta,
            tile: own.tile,
        }
    }

    /// The engine's request; opens the picture to start from.
    pub fn request(&self) -> Result<Request, EngineError> {
        if let Some(field) = self.stable_diffusion.file_given() {
            let message = "only Stable Diffusion checkpoints know this option".into();
            return Err(EngineError::Field { field, message });
        }
        self.order().request(self.start()?)
    }

    /// The request for a Stable Diffusion checkpoint; opens the picture to start from.
    pub fn stable_diffusion_request(&self, model: &Architecture, previews: bool) -> Result<sd::Request, EngineError> {
        self.order().stable_diffusion_request(model, self.start()?, previews)
    }

    /// The picture to start from.
    fn start(&self) -> Result<Option<Start>, EngineError> {
        let open = |picture: &PathBuf| Start::open(picture, self.mask.as_deref(), self.strength);
        self.vary.as_ref().map(open).transpose()
    }
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn presets_set_steps_and_steps_win() {
        let steps = |args: &[&str]| {
            let args = ["calotype", "generate", "a cat"].iter().chain(args);
            match Cli::try_parse_from(args).unwrap().command {
                Some(Command::Generate(generate)) => generate.job.request().unwrap().steps,
                _ => unreachable!("generate was parsed"),
            }
        };
        assert_eq!(steps(&[]), 25);
        assert_eq!(steps(&["--preset", "draft"]), 8);
        assert_eq!(steps(&["--preset", "standard"]), 16);
        assert_eq!(steps(&["--preset", "draft", "--steps", "3"]), 3);
    }
}
