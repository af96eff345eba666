//! `calotype dataset build RECIPE -o DIR` and `calotype dataset inspect DIR`.

use std::path::Path;

use anyhow::Context;

use crate::args::{DatasetArgs, DatasetCommand};
use crate::report::Reporter;

/// Pictures on a sheet.
const SHEET: usize = 64;

/// Runs the command.
pub fn run(args: &DatasetArgs, reporter: &Reporter) -> anyhow::Result<()> {
    match &args.command {
        DatasetCommand::Build { recipe, output, sources, size, limit } => {
            let options = data::BuildOptions { sources: sources.clone(), size: *size, limit: *limit };
            build(recipe, &options, output, reporter)
        }
        DatasetCommand::Inspect { folder, sheet } => inspect(folder, sheet.as_deref(), reporter),
    }
}

fn build(recipe: &Path, options: &data::BuildOptions, output: &Path, reporter: &Reporter) -> anyhow::Result<()> {
    let bar = reporter.bar(0, "listing");
    let report = data::build(recipe, options, output, &mut |progress| {
        bar.set_message(progress.stage);
        bar.set_length(progress.total as u64);
        bar.set_position(progress.done as u64);
    })?;
    bar.finish_and_clear();
    reporter.say(&format!("{} records in {:.0} s: {}", report.records, report.seconds, output.display()));
    for (title, parts) in
        [("split", &report.splits), ("kind", &report.kinds), ("style", &report.styles), ("source", &report.sources)]
    {
        let parts: Vec<String> = parts.iter().map(|(name, count)| format!("{name} {count}")).collect();
        reporter.say(&format!("by {title}: {}", parts.join(", ")));
    }
    for skipped in report.skipped.iter().take(10) {
        reporter.warn(&format!("{} was left out: {}", skipped.file, skipped.reason));
    }
    if report.skipped.len() > 10 {
        reporter.warn(&format!("and {} more; the index lists them", report.skipped.len() - 10));
    }
    Ok(())
}

fn inspect(folder: &Path, sheet: Option<&Path>, reporter: &Reporter) -> anyhow::Result<()> {
    reporter.say(&data::inspect(folder)?.to_string());
    if let Some(path) = sheet {
        let png = data::sheet(folder, 0, SHEET)?.to_png()?;
        formats::atomic::write_bytes_atomic(path, &png).context("sheet")?;
        reporter.say(&format!("sheet: {}", path.display()));
    }
    Ok(())
}
