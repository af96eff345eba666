//! `calotype eval MODEL --suite NAME`.
//!
//! `held-out`: the training loss on every split of the data, with true and with shuffled captions;
//! reads the run's `config.toml` beside the model. `sheet`: one picture for each of the fixed
//! prompts, on one sheet. `full`: the whole suite, a folder with `report.json`, `report.html` and the sheet.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use crate::args::{EvalArgs, Suite};
use crate::report::{Reporter, interrupt_token};

/// The judge's file in a dataset's folder.
const JUDGE_FILE: &str = "judge.safetensors";

/// Examples of each split.
const EXAMPLES: usize = 1024;

/// Runs the command.
pub fn run(args: &EvalArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let (cpu, _) = args.run.options()?.resolve()?;
    match args.suite {
        Suite::HeldOut => {
            args.draws_none()?;
            held_out(&cpu, &model_file(args), &config(args)?, reporter)
        }
        Suite::Sheet => sheet(&cpu, args, reporter),
        Suite::Full => full(&cpu, args, reporter),
    }
}

fn model_file(args: &EvalArgs) -> PathBuf {
    let path = Path::new(&args.model);
    if path.is_dir() { path.join(engine::store::MODEL_FILE) } else { path.to_owned() }
}

/// The run's configuration, which names the data.
fn config(args: &EvalArgs) -> anyhow::Result<train::TrainConfig> {
    let path = args.config.clone().unwrap_or_else(|| model_file(args).with_file_name("config.toml"));
    train::TrainConfig::open(&path)
        .context("eval: this suite needs the run's configuration beside the model, or --config")
}

fn held_out(cpu: &kernels::Cpu, model: &Path, config: &train::TrainConfig, reporter: &Reporter) -> anyhow::Result<()> {
    let bar = reporter.bar(100, "evaluating");
    let results = train::evaluate::held_out(cpu, config, model, EXAMPLES, &mut |share| {
        bar.set_position((100.0 * share) as u64);
    })?;
    bar.finish_and_clear();
    let names = ("split", "times", "records", "examples", "loss", "shuffled");
    reporter.say(&format!("{:<20}{:>10}{:>9}{:>10}{:>12}{:>12}", names.0, names.1, names.2, names.3, names.4, names.5));
    for split in &results {
        reporter.event("split", serde_json::to_value(split)?);
        reporter.say(&format!(
            "{:<20}{:>10}{:>9}{:>10}{:>12.5}{:>12.5}",
            split.split,
            format!("{}-{}", split.times[0], split.times[1]),
            split.records,
            split.examples,
            split.loss,
            split.shuffled_loss
        ));
    }
    reporter.event("done", json!({ "splits": results.len() }));
    Ok(())
}

fn sheet(cpu: &kernels::Cpu, args: &EvalArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let output = args.output.clone().unwrap_or_else(|| PathBuf::from("sheet.png"));
    let steps = if args.steps.is_empty() { &[train::samples::STEPS] } else { args.steps.as_slice() };
    draw_sheet(cpu, args, steps, &output)?;
    reporter.event("done", json!({ "sheet": output }));
    reporter.say(&output.display().to_string());
    Ok(())
}

fn draw_sheet(cpu: &kernels::Cpu, args: &EvalArgs, steps: &[u32], output: &Path) -> anyhow::Result<()> {
    let prompts = train::evaluate::PROMPTS.map(String::from);
    train::samples::draw(cpu, Path::new(&args.model), &prompts, steps, &args.settings()?)?.write(output)?;
    Ok(())
}

/// Tells how far something is: by a bar, or to programs by an event for every hundredth.
fn progress<'a>(reporter: &'a Reporter, doing: &'static str) -> impl FnMut(f64) + 'a {
    let bar = reporter.bar(100, doing);
    move |share| {
        let percent = (100.0 * share) as u64;
        if percent > bar.position() {
            bar.set_position(percent);
            reporter.event("progress", json!({ "doing": doing, "percent": percent }));
        }
    }
}

fn full(cpu: &kernels::Cpu, args: &EvalArgs, reporter: &Reporter) -> anyhow::Result<()> {
    use train::evaluate::judge;
    let data = config(args)?.data;
    let folder = args.output.clone().unwrap_or_else(|| PathBuf::from("evaluation"));
    std::fs::create_dir_all(&folder).with_context(|| format!("output: cannot make the folder {}", folder.display()))?;
    let judge_file = data.join(JUDGE_FILE);
    if !judge::Judge::is_one(&judge_file) {
        reporter.say(&format!("there is no judge for this data yet: training one into {}", judge_file.display()));
        let mut tell = progress(reporter, "training the judge");
        let stop = interrupt_token();
        let is_stopped = || stop.is_cancelled();
        let is_finished =
            judge::train(cpu, &data, &judge_file, judge::PICTURES, &is_stopped, &mut |share, _| tell(share))?;
        drop(tell);
        if !is_finished {
            reporter.say("stopped; the same command goes on where the judge is now");
            return Err(engine::EngineError::Cancelled.into());
        }
    }
    let suite = args.suite_options()?;
    let mut tell = progress(reporter, "evaluating");
    let report = train::evaluate::full(cpu, &args.model, &data, &judge_file, &suite, &mut tell)?;
    drop(tell);
    draw_sheet(cpu, args, &[train::samples::STEPS], &folder.join("sheet.png"))?;
    formats::atomic::write_bytes_atomic(&folder.join("report.json"), &serde_json::to_vec_pretty(&report)?)?;
    let page = train::evaluate::page(&report, Some("sheet.png"));
    formats::atomic::write_bytes_atomic(&folder.join("report.html"), page.as_bytes())?;
    let percent = |share: Option<f64>| share.map_or("-".into(), |share| format!("{:.1}%", 100.0 * share));
    reporter.say(&format!("{:<20}{:>11}{:>9}{:>9}{:>9}{:>9}", "", "retrieval", "style", "colour", "kernel", "copies"));
    for group in &report.groups {
        let generated = group.generated.iter().next_back().map(|(steps, scores)| (format!("{steps} steps"), scores));
        let rows = [("real".to_owned(), &group.real)].into_iter().chain(generated);
        for (name, scores) in rows.chain([("shuffled".to_owned(), &group.shuffled)]) {
            reporter.say(&format!(
                "{:<20}{name:<9}{:>5.1}%{:>9}{:>9}{:>9.4}{:>8.1}%",
                group.name,
                100.0 * scores.retrieval,
                percent(scores.style),
                percent(scores.colour),
                scores.kernel_distance,
                100.0 * scores.copies
            ));
        }
        reporter.event("group", serde_json::to_value(group)?);
    }
    reporter.event("done", json!({ "report": folder.join("report.json"), "page": folder.join("report.html") }));
    reporter.say(&folder.join("report.html").display().to_string());
    Ok(())
}
