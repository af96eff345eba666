//! The command line as data: every command, option and default. One file a command, as in `commands/`; what several
//! share is in `job`, `sampling` and `run`.

mod bakeoff;
mod bench;
mod campaign;
mod dataset;
mod enlarge;
mod eval;
mod experiment;
mod generate;
mod job;
mod models;
mod plan;
mod prices;
mod run;
mod sampling;
mod serve;
mod train;
mod verify;

use clap::{Parser, Subcommand};

pub use bakeoff::{BakeoffArgs, BakeoffCommand, VoteArg};
pub use bench::BenchArgs;
pub use campaign::{CampaignArgs, CampaignCommand};
pub use dataset::{DatasetArgs, DatasetCommand};
pub use enlarge::EnlargeArgs;
pub use eval::{EvalArgs, Suite};
pub use experiment::{AssignedArg, ExperimentArgs, ExperimentCommand, MetricArg, PowerArgs};
pub use generate::GenerateArgs;
pub use job::JobArgs;
pub use models::{ModelsArgs, ModelsCommand};
pub use plan::PlanArgs;
pub use prices::{PricesArgs, PricesCommand, PricesPlanArgs};
pub use run::{PrecisionArg, RunArgs, StudioArgs};
pub use serve::{ServeArgs, WorkerArgs};
pub use train::TrainArgs;
pub use verify::VerifyArgs;

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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
