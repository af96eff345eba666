//! `calotype prices check|diff|plan|show`: the catalogue of what pictures cost.

use std::path::Path;

use anyhow::ensure;
use price::catalogue::{Change, check, diff};
use price::{Catalogue, Date};
use serde_json::json;

use crate::args::{PricesArgs, PricesCommand};
use crate::report::Reporter;

/// Runs the command.
pub fn run(args: &PricesArgs, reporter: &Reporter) -> anyhow::Result<()> {
    match &args.command {
        PricesCommand::Check { file, today } => check_file(file.as_deref(), *today, reporter),
        PricesCommand::Diff { old, new } => compare(old, new, reporter),
        PricesCommand::Plan(args) => super::price_plan::run(args, reporter),
        PricesCommand::Show { catalogue, today, text } => show(catalogue.as_deref(), *today, *text, reporter),
    }
}

/// The file, or the starter catalogue.
pub fn open(file: Option<&Path>) -> anyhow::Result<Catalogue> {
    Ok(file.map_or_else(Catalogue::starter, Catalogue::read)?)
}

fn check_file(file: Option<&Path>, today: Option<Date>, reporter: &Reporter) -> anyhow::Result<()> {
    let found = check(file, today.unwrap_or_else(price::today))?;
    reporter.event("check", serde_json::to_value(&found)?);
    for problem in &found.problems {
        reporter.say(&format!("{}: {problem}", found.file));
    }
    for aged in &found.stale {
        reporter.say(&format!("stale: {} was looked up {} days ago at {}", aged.id, aged.days, aged.source));
    }
    for aged in &found.retired {
        reporter.say(&format!("retired: {} is no longer sold since {} days", aged.id, aged.days));
    }
    let (sound, stale, retired) = (found.sound, found.stale.len(), found.retired.len());
    reporter.say(&format!("{}: {sound} rows can be used, {stale} stale, {retired} retired", found.file));
    let problems = found.problems.len();
    ensure!(problems == 0, "{}: {problems} problems; the catalogue cannot be used", found.file);
    Ok(())
}

fn compare(old: &Path, new: &Path, reporter: &Reporter) -> anyhow::Result<()> {
    let changes = diff(&Catalogue::read(old)?, &Catalogue::read(new)?);
    reporter.event("diff", json!({ "changes": changes }));
    for change in &changes {
        match change {
            Change::Added { id } => reporter.say(&format!("+ {id}")),
            Change::Removed { id } => reporter.say(&format!("- {id}")),
            Change::Changed { id, fields } => {
                reporter.say(&format!("~ {id}"));
                for field in fields {
                    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".into());
                    let percent = field.percent.map_or(String::new(), |percent| format!(" ({percent:+.1} %)"));
                    let (old, new) = (value(&field.old), value(&field.new));
                    reporter.say(&format!("    {}: {old} -> {new}{percent}", field.field));
                }
            }
        }
    }
    if changes.is_empty() {
        reporter.say("no row differs");
    }
    Ok(())
}

fn show(file: Option<&Path>, today: Option<Date>, text: bool, reporter: &Reporter) -> anyhow::Result<()> {
    let catalogue = open(file)?;
    if text && !reporter.is_json() {
        let text = file.map_or_else(|| Ok(Catalogue::starter_text().to_owned()), std::fs::read_to_string)?;
        reporter.say(text.trim_end());
        return Ok(());
    }
    let today = today.unwrap_or_else(price::today);
    for offer in &catalogue.offers {
        reporter.event("offer", serde_json::to_value(offer.listed(today))?);
    }
    reporter.say(catalogue.table(today).trim_end());
    Ok(())
}
