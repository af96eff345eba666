//! `calotype bakeoff`: new, run, vote, report, on the data folder that a server would open, as `campaign` does.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use engine::EngineError;
use serde::Deserialize;
use serde_json::{Value, json};
use server::{BakeoffRequest, DuelsView, GroupResult, Studio, Verdict};

use super::campaign::{open_studio, refused, runtime};
use crate::args::{BakeoffArgs, BakeoffCommand, StudioArgs, VoteArg};
use crate::report::{Reporter, UsageError, interrupt_token};

/// Longest file in bytes.
const MAX_FILE: u64 = 16 << 20;
/// Most bytes of a picture from outside: what a server takes.
const MAX_PICTURE: u64 = 50 << 20;

/// Runs the command.
pub fn run(args: &BakeoffArgs, reporter: &Reporter) -> anyhow::Result<()> {
    match &args.command {
        BakeoffCommand::New { file, plan, studio } => create(file, *plan, studio, reporter),
        BakeoffCommand::List { studio } => list(studio, reporter),
        BakeoffCommand::Run { name, studio } => draw(name, studio, reporter),
        BakeoffCommand::Vote { name, vote: None, by, folder, studio } => {
            let shown = open_studio(studio)?.next_duel(name, by, Some(folder)).map_err(refused)?;
            reporter.event("duel", serde_json::to_value(&shown)?);
            match (shown.duels.duels.first(), &shown.left_file, &shown.right_file) {
                (Some(duel), Some(left), Some(right)) => {
                    reporter.say(&format!("{} ({})", duel.prompt, duel.kind));
                    reporter.say(&format!("{}  {}", left.display(), right.display()));
                    reporter.say(&format!(
                        "`calotype bakeoff vote {name} left|right|tie|neither`; undo takes the last back"
                    ));
                }
                _ => say_how_far(&shown.duels, reporter),
            }
            Ok(())
        }
        BakeoffCommand::Vote { name, vote: Some(vote), by, studio, .. } => {
            let verdict = match vote {
                VoteArg::Left => Some(Verdict::Left),
                VoteArg::Right => Some(Verdict::Right),
                VoteArg::Tie => Some(Verdict::Tie),
                VoteArg::Neither => Some(Verdict::Neither),
                VoteArg::Undo => None,
            };
            let duels = open_studio(studio)?.vote_in_bakeoff(name, by, verdict).map_err(refused)?;
            reporter.event("voted", serde_json::to_value(&duels)?);
            say_how_far(&duels, reporter);
            Ok(())
        }
        BakeoffCommand::Report { name, studio } => report(name, studio, reporter),
    }
}

fn say_how_far(duels: &DuelsView, reporter: &Reporter) {
    let waiting =
        if duels.waiting > 0 { format!(", {} pictures are to be drawn", duels.waiting) } else { String::new() };
    reporter.say(&format!("{} of {} pairs voted on{waiting}", duels.voted, duels.total));
}

/// The file: the request of the native interface, in which pictures are paths. Pictures that were kept are added to `kept`.
fn read_request(path: &Path, studio: &Studio, kept: &mut Vec<String>) -> anyhow::Result<BakeoffRequest> {
    let shown = path.display();
    let mut text = String::new();
    let file = std::fs::File::open(path).with_context(|| shown.to_string())?;
    file.take(MAX_FILE).read_to_string(&mut text).with_context(|| shown.to_string())?;
    let wrong = |error: String| UsageError(format!("{shown}: {}", error.trim()));
    let mut value: Value = match text.trim_start().starts_with('{') {
        true => serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))?,
        false => toml::from_str(&text).map_err(|error| wrong(error.to_string()))?,
    };
    // All that can be refused without a picture is refused before one is kept.
    BakeoffRequest::deserialize(&value).map_err(|error| wrong(error.to_string()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let contestants = value.get_mut("contestants").and_then(Value::as_array_mut);
    for (i, contestant) in contestants.into_iter().flatten().enumerate() {
        let pictures = contestant.get_mut("pictures").and_then(Value::as_array_mut);
        for (j, picture) in pictures.into_iter().flatten().enumerate() {
            let file = folder.join(picture.as_str().unwrap_or_default());
            let field = format!("contestants[{i}].pictures[{j}]");
            let mut bytes = Vec::new();
            let opened = std::fs::File::open(&file);
            let read = opened.and_then(|opened| opened.take(MAX_PICTURE + 1).read_to_end(&mut bytes));
            read.map_err(|error| UsageError(format!("{field}: {}: {error}", file.display())))?;
            let id = studio.keep_picture(&field, &bytes).map_err(refused)?;
            kept.push(id.clone());
            *picture = id.into();
        }
    }
    Ok(BakeoffRequest::deserialize(&value).map_err(|error| wrong(error.to_string()))?)
}

fn create(file: &Path, only_plan: bool, args: &StudioArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let studio = open_studio(args)?;
    let mut kept = Vec::new();
    let made = read_request(file, &studio, &mut kept).and_then(|request| match only_plan {
        true => plan(request, &studio, reporter).map(|()| false),
        false => keep(request, &studio, reporter).map(|()| true),
    });
    // Pictures of a bake-off that is not kept are not kept, either.
    if !matches!(made, Ok(true)) {
        studio.forget_pictures(&kept).map_err(refused)?;
    }
    made.map(drop)
}

fn plan(request: BakeoffRequest, studio: &Studio, reporter: &Reporter) -> anyhow::Result<()> {
    let plan = runtime()?.block_on(studio.plan_bakeoff(request)).map_err(refused)?;
    let (pictures, seconds, cost, duels) = (plan.pictures, plan.seconds, &plan.cost, plan.duels);
    reporter
        .say(&format!("{pictures} pictures, {seconds:.1} s, {cost} {}; {duels} pairs for each voter", plan.currency));
    reporter.event("plan", serde_json::to_value(&plan)?);
    Ok(())
}

fn keep(request: BakeoffRequest, studio: &Studio, reporter: &Reporter) -> anyhow::Result<()> {
    let made = studio.create_bakeoff(request).map_err(refused)?;
    let (contestants, prompts) = (made.contestants.len(), made.prompts.len());
    reporter.say(&format!(
        "{}: {contestants} contestants, {prompts} prompts; `calotype bakeoff run` draws them",
        made.name
    ));
    let fields = json!({ "name": made.name, "id": made.id, "contestants": contestants, "prompts": prompts });
    reporter.event("bakeoff", fields);
    Ok(())
}

fn list(studio: &StudioArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let bakeoffs = open_studio(studio)?.bakeoffs().map_err(refused)?;
    for (bakeoff, progress) in &bakeoffs {
        let (contestants, prompts) = (bakeoff.contestants.len(), bakeoff.prompts.len());
        let (done, total, failed) = (progress.done, progress.total, progress.failed);
        reporter.say(&format!(
            "{}  {contestants} contestants, {prompts} prompts, {done} of {total} pictures are there, {failed} failed",
            bakeoff.name
        ));
        let fields = json!({ "name": bakeoff.name, "id": bakeoff.id, "contestants": contestants, "prompts": prompts,
                             "progress": progress });
        reporter.event("bakeoff", fields);
    }
    if bakeoffs.is_empty() {
        reporter.say("no bake-offs; `calotype bakeoff new FILE` makes one");
    }
    Ok(())
}

fn draw(name: &str, args: &StudioArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let studio = open_studio(args)?;
    let cancel = interrupt_token();
    let bar = reporter.bar(0, "drawing");
    let mut told = None;
    let runtime = runtime()?;
    let result = runtime.block_on(studio.run_bakeoff(
        name,
        || cancel.is_cancelled(),
        |progress| {
            bar.set_length(progress.total as u64);
            bar.set_position((progress.done + progress.failed) as u64);
            if told != Some((progress.done, progress.failed)) {
                told = Some((progress.done, progress.failed));
                reporter.event("progress", json!(progress));
            }
        },
    ));
    bar.finish_and_clear();
    runtime.shutdown_timeout(Duration::from_millis(200));
    let progress = result.map_err(refused)?;
    reporter.say(&format!("{} of {} pictures are there, {} failed", progress.done, progress.total, progress.failed));
    reporter.event("done", json!(progress));
    if cancel.is_cancelled() {
        return Err(EngineError::Cancelled.into());
    }
    let why = progress.error.as_deref().unwrap_or("no reason is known");
    anyhow::ensure!(
        progress.failed == 0,
        "{} pictures failed ({why}); the same command tries them again",
        progress.failed
    );
    Ok(())
}

fn report(name: &str, args: &StudioArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let report = open_studio(args)?.bakeoff_report(name).map_err(refused)?;
    reporter.event("report", serde_json::to_value(&report)?);
    reporter.say(&format!("{}: {} votes of {} people", report.name, report.votes, report.voters));
    for group in &report.groups {
        say_group(group, &report.currency, reporter);
    }
    Ok(())
}

fn say_group(group: &GroupResult, currency: &str, reporter: &Reporter) {
    let kind = group.kind.as_deref().unwrap_or("all kinds");
    reporter.say(&format!("\n{kind}: {} prompts, {} votes", group.prompts, group.votes));
    reporter.say(&format!("  rank  rating  95 % interval  won-lost-tied-bad   seconds  cost {currency}  contestant"));
    for one in &group.contestants {
        let record = format!("{}-{}-{}-{}", one.wins, one.losses, one.ties, one.bad);
        let interval = format!("{:.0} to {:.0}", one.rating_low, one.rating_high);
        let seconds = one.seconds.map_or("-".into(), |seconds| format!("{seconds:.2}"));
        let cost = one.cost.as_deref().unwrap_or("-");
        let front = if one.pareto { "  (nobody is better, faster and cheaper)" } else { "" };
        let (rank, rating, name) = (one.rank, one.rating, &one.name);
        reporter.say(&format!(
            "  {rank:4}  {rating:6.0}  {interval:13}  {record:18}  {seconds:>8}  {cost:>8}  {name}{front}"
        ));
    }
}
