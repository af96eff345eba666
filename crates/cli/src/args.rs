//! The command line as data: every command, option and default.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use engine::{EngineError, Options, PrecisionChoice, Preset, Request, Size, Start, store};
use sampling::{Sampler, Schedule};

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
    /// Show the recipe inside a picture and check that running it again gives the same pixels.
    Verify(VerifyArgs),
}

/// Two flow times.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower one.
    pub low: f32,
    /// The higher one.
    pub high: f32,
}

impl Default for Interval {
    fn default() -> Self {
        let (low, high) = Request::default().guidance_interval;
        Self { low, high }
    }
}

impl std::fmt::Display for Interval {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{},{}", self.low, self.high)
    }
}

/// Reads `LOW,HIGH`; the engine checks the range.
fn interval(text: &str) -> Result<Interval, String> {
    let number = |part: &str| part.trim().parse().map_err(|_| format!("'{part}' is not a number"));
    let (low, high) = text.split_once(',').ok_or("expected two times with a comma between them, such as 0.1,1")?;
    Ok(Interval { low: number(low)?, high: number(high)? })
}

/// Options that describe a job; shared by `generate` and `plan`.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// What to draw; "" = anything the model likes.
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
    /// Guidance scale, 0 to 30; 1 turns it off.
    #[arg(long, value_name = "X", default_value_t = Request::default().guidance, allow_negative_numbers = true)]
    pub guidance: f32,
    /// Flow times between which guidance acts (1 = noise, 0 = clean).
    #[arg(long, value_name = "LOW,HIGH", default_value_t = Interval::default(), value_parser = interval)]
    pub guidance_interval: Interval,
    /// Sampler: euler, heun or dpmpp_2m.
    #[arg(long, value_name = "NAME", default_value_t = Sampler::default())]
    pub sampler: Sampler,
    /// Schedule: linear, shifted or shifted:X (X > 1 spends more steps near the noise).
    #[arg(long, value_name = "NAME", default_value_t = Schedule::default())]
    pub schedule: Schedule,
    /// Size in pixels, such as 128x128; sides are multiples of the model's patch, from 32 to 256 [default: the model's].
    #[arg(long, value_name = "WxH")]
    pub size: Option<Size>,
    /// Number of pictures, 1 to 64.
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    pub count: u32,
    /// Start from this picture instead of from noise alone: more like it, or what the prompt makes of it.
    #[arg(long, value_name = "IMAGE")]
    pub vary: Option<PathBuf>,
    /// How far to go from the picture of --vary, 0.01 (hardly) to 1 (a new picture); takes as large a share of the steps.
    #[arg(long, value_name = "X", default_value_t = 0.8, allow_negative_numbers = true, requires = "vary")]
    pub strength: f32,
    /// With --vary: draw only where this picture is white and keep what lies under black.
    #[arg(long, value_name = "IMAGE", requires = "vary")]
    pub mask: Option<PathBuf>,
    /// Steps by name: draft 8, standard 16, final 25.
    #[arg(long, value_enum, default_value_t = PresetArg::Final)]
    pub preset: PresetArg,
    /// How to run.
    #[command(flatten)]
    pub run: RunArgs,
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
    /// Output file; with --count N > 1: OUT-0.png, OUT-1.png, ...
    #[arg(short, long, value_name = "OUT.png", default_value = "out.png")]
    pub output: PathBuf,
    /// Also write the emerging picture of every step into this folder.
    #[arg(long, value_name = "DIR")]
    pub preview: Option<PathBuf>,
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
    /// Say what a model file is, and what it lacks.
    Inspect {
        /// A name, file or folder.
        path: String,
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

impl JobArgs {
    /// The engine's request; opens the picture to start from.
    pub fn request(&self) -> Result<Request, EngineError> {
        let preset = match self.preset {
            PresetArg::Draft => Preset::Draft,
            PresetArg::Standard => Preset::Standard,
            PresetArg::Final => Preset::Final,
        };
        let open = |picture: &PathBuf| Start::open(picture, self.mask.as_deref(), self.strength);
        Ok(Request {
            prompt: self.prompt.clone(),
            negative: self.negative.clone(),
            seed: self.seed,
            steps: self.steps.unwrap_or(preset.steps()),
            guidance: self.guidance,
            guidance_interval: (self.guidance_interval.low, self.guidance_interval.high),
            sampler: self.sampler,
            schedule: self.schedule,
            size: self.size,
            count: self.count,
            start: self.vary.as_ref().map(open).transpose()?,
        })
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
