//! Options of `eval`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use engine::{EngineError, Order, Request};
use train::evaluate::SuiteOptions;

use super::RunArgs;
use super::sampling::SamplingArgs;

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
    /// Numbers of sampler steps of the full suite [default: 1,2,4,8,25] or of the sheet [default: 25].
    #[arg(long, value_name = "N,N", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=200))]
    pub steps: Vec<u32>,
    /// Only these groups of the full suite, such as train,held-out-styles; settings are chosen on train alone.
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    pub groups: Vec<String>,
    /// Of the pictures on the sheet and in the full suite.
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// How to run.
    #[command(flatten)]
    pub run: RunArgs,
}

impl EvalArgs {
    /// How the full suite is run.
    pub fn suite_options(&self) -> Result<SuiteOptions, EngineError> {
        let usual = SuiteOptions::default();
        Ok(SuiteOptions {
            questions: self.questions as usize,
            steps: if self.steps.is_empty() { usual.steps } else { self.steps.clone() },
            groups: self.groups.clone(),
            settings: self.settings()?,
        })
    }

    /// Refuses what says how pictures are drawn, for a suite that draws none.
    pub fn draws_none(&self) -> Result<(), EngineError> {
        let says_how = !self.steps.is_empty() || self.sampling.order() != Order::default();
        let message =
            "held-out draws no pictures: leave out --steps and the options of guidance, sampler and schedule".into();
        if says_how { Err(EngineError::Field { field: "suite", message }) } else { Ok(()) }
    }

    /// How pictures are sampled.
    pub fn settings(&self) -> Result<Request, EngineError> {
        let settings = self.sampling.order().request(None)?;
        settings.validate()?;
        Ok(settings)
    }
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
