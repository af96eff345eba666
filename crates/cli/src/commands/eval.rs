//! `calotype eval MODEL --suite NAME`.
//!
//! `held-out`: the training loss on every split of the data, with true and with shuffled captions;
//! reads the run's `config.toml` beside the model. `sheet`: one picture for each of the sample
//! prompts, on one sheet beside the model.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use crate::args::{EvalArgs, Suite};
use crate::report::Reporter;

/// Examples of each split.
const EXAMPLES: usize = 1024;

/// Runs the command.
pub fn run(args: &EvalArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let (cpu, _) = args.run.options()?.resolve()?;
    let path = Path::new(&args.model);
    let model = if path.is_dir() { path.join(engine::store::MODEL_FILE) } else { path.to_owned() };
    match args.suite {
        Suite::HeldOut => held_out(&cpu, &model, args.config.as_deref(), reporter),
        Suite::Sheet => sheet(&cpu, args, reporter),
    }
}

fn held_out(cpu: &kernels::Cpu, model: &Path, config: Option<&Path>, reporter: &Reporter) -> anyhow::Result<()> {
    let config = config.map_or_else(|| model.with_file_name("config.toml"), Path::to_owned);
    let config = train::TrainConfig::open(&config)
        .context("eval: the held-out suite needs the run's configuration beside the model, or --config")?;
    let bar = reporter.bar(100, "evaluating");
    let results = train::evaluate::held_out(cpu, &config, model, EXAMPLES, &mut |share| {
        bar.set_position((100.0 * share) as u64);
    })?;
    bar.finish_and_clear();
    reporter.say(&format!("{:<24}{:>9}{:>10}{:>12}{:>12}", "split", "records", "examples", "loss", "shuffled"));
    for split in &results {
        reporter.event("split", serde_json::to_value(split)?);
        reporter.say(&format!(
            "{:<24}{:>9}{:>10}{:>12.5}{:>12.5}",
            split.split, split.records, split.examples, split.loss, split.shuffled_loss
        ));
    }
    reporter.event("done", json!({ "splits": results.len() }));
    Ok(())
}

fn sheet(cpu: &kernels::Cpu, args: &EvalArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let output = args.output.clone().unwrap_or_else(|| PathBuf::from("sheet.png"));
    let prompts = train::config::ReportConfig::default().prompts;
    let canvas = train::samples::draw(cpu, Path::new(&args.model), &prompts)?;
    canvas.write(&output)?;
    reporter.event("done", json!({ "sheet": output }));
    reporter.say(&output.display().to_string());
    Ok(())
}
