//! `calotype campaign`: from a brief to finals, review and share links. It works on the data folder that a server would open, through the
//! same store, queue and worker process: a run that was interrupted, even by `kill -9`, goes on here or in `calotype serve`, with
//! the same jobs and pictures. Drawing with an engine of its own would need all of that a second time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use campaign::Brief;
use engine::EngineError;
use serde_json::json;
use server::{DeliveryRequest, Picks, RunProgress, ServeConfig, ServeError, Stage, Studio};

use super::serve::worker_command;
use crate::args::{CampaignArgs, CampaignCommand, RunArgs, StudioArgs};
use crate::report::{Reporter, UsageError, interrupt_token};

/// Longest brief in bytes.
const MAX_BRIEF: u64 = 16 << 20;
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;
/// How long the running job may go on after Ctrl-C; then it waits for the next run.
const GRACE: Duration = Duration::from_secs(2);

/// Runs the command.
pub fn run(args: &CampaignArgs, reporter: &Reporter) -> anyhow::Result<()> {
    match &args.command {
        CampaignCommand::New { brief, rows, dry_run, studio } => {
            let brief = read_brief(brief)?;
            let mut file = rows.as_deref().map(open).transpose()?;
            let csv = file.as_mut().map(|file| file as &mut dyn Read);
            match dry_run {
                Some(first) => show_first(&brief, csv, *first as usize, reporter),
                None => create(brief, csv, studio, reporter),
            }
        }
        CampaignCommand::List { studio } => list(studio, reporter),
        CampaignCommand::Plan { name, studio } => plan(name, studio, reporter),
        CampaignCommand::Run { name, finals, studio } => {
            draw(name, if *finals { Stage::Finals } else { Stage::Drafts }, studio, reporter)
        }
        CampaignCommand::Pick { name, picks, studio } => {
            let picked = open_studio(studio)?.pick(name, picks, true).map_err(refused)?;
            reporter.say(&format!("{picked} picked; `calotype campaign run {name} --finals` draws them"));
            reporter.event("picked", json!({ "picked": picked }));
            Ok(())
        }
        CampaignCommand::Unpick { name, picks, studio } => {
            let unpicked = open_studio(studio)?.pick(name, picks, false).map_err(refused)?;
            reporter.say(&format!("{unpicked} not picked any more"));
            reporter.event("unpicked", json!({ "unpicked": unpicked }));
            Ok(())
        }
        CampaignCommand::Review { name, picks, to, note, by, studio } => {
            let studio = open_studio(studio)?;
            let moved = studio.review(name, picks, *to, by.as_deref(), note).map_err(refused)?;
            reporter.say(&format!("{moved} {}", to.name().replace('_', " ")));
            reporter.event("reviewed", json!({ "moved": moved, "state": to }));
            Ok(())
        }
        CampaignCommand::Share { name, label, days, studio } => {
            let made = open_studio(studio)?.share(name, label, *days).map_err(refused)?;
            reporter.say(&format!("{}  the address of the server goes before it; it is told this once", made.page));
            reporter.event("link", serde_json::to_value(&made)?);
            Ok(())
        }
        CampaignCommand::Links { name, revoke, studio } => links(name, revoke.as_deref(), studio, reporter),
        CampaignCommand::Delete { name, pictures, yes, studio } => delete(name, *pictures, *yes, studio, reporter),
        CampaignCommand::Export {
            name,
            folder,
            channels,
            kit,
            template,
            text,
            names,
            approved,
            drafts,
            zip,
            studio,
        } => {
            let delivers = *zip || kit.is_some() || names.is_some() || *approved || *drafts;
            if delivers || !(channels.is_empty() && template.is_empty() && text.is_empty()) {
                let request = DeliveryRequest {
                    channels: channels.clone(),
                    templates: pairs("--template", template, Some("*"))?,
                    kit: kit.clone(),
                    texts: pairs("--text", text, None)?,
                    names: names.clone(),
                    picks: if *approved { Picks::Approved } else { Picks::Picked },
                    drafts: *drafts,
                    ..DeliveryRequest::default()
                };
                return deliver(name, folder, request, *zip, studio, reporter);
            }
            let exported = open_studio(studio)?.export(name, folder).map_err(refused)?;
            if exported.missing > 0 {
                reporter.warn(&format!(
                    "{} picks have no final yet: `calotype campaign run {name} --finals` draws them",
                    exported.missing
                ));
            }
            reporter.say(&format!("{} pictures, {}", exported.pictures, exported.manifest.display()));
            reporter.event("exported", serde_json::to_value(&exported)?);
            Ok(())
        }
        CampaignCommand::Report { name, studio } => report(name, studio, reporter),
    }
}

/// `KEY=VALUE` by key; what has no key gets the usual one.
fn pairs(option: &str, given: &[String], usual: Option<&str>) -> anyhow::Result<BTreeMap<String, String>> {
    let pair = |text: &String| match (text.split_once('='), usual) {
        (Some((key, value)), _) => Ok((key.trim().to_owned(), value.to_owned())),
        (None, Some(usual)) => Ok((usual.to_owned(), text.clone())),
        (None, None) => Err(UsageError(format!("{option} '{text}' is not KEY=VALUE")).into()),
    };
    given.iter().map(pair).collect()
}

fn deliver(
    name: &str,
    folder: &Path,
    request: DeliveryRequest,
    zip: bool,
    studio: &StudioArgs,
    reporter: &Reporter,
) -> anyhow::Result<()> {
    let bar = reporter.bar(0, "making files");
    let on_progress = |progress: server::DeliveryProgress| {
        bar.set_length(progress.files as u64);
        bar.set_position(progress.done as u64);
        reporter.event("progress", json!({ "done": progress.done, "files": progress.files }));
    };
    let made = open_studio(studio)?.deliver(name, folder, request, zip, &on_progress);
    bar.finish_and_clear();
    let made = made.map_err(refused)?;
    if !made.missing.is_empty() {
        reporter.warn(&format!(
            "{} picks have no final yet: `calotype campaign run {name} --finals` draws them",
            made.missing.len()
        ));
    }
    if made.errors > 0 {
        reporter.warn(&format!("{} findings are errors: look at the column findings of manifest.csv", made.errors));
    }
    reporter.say(&format!("{} files, {}", made.files, made.place.display()));
    reporter.event("delivered", serde_json::to_value(&made)?);
    Ok(())
}

fn read_brief(path: &Path) -> anyhow::Result<Brief> {
    let mut text = String::new();
    open(path)?.take(MAX_BRIEF).read_to_string(&mut text).with_context(|| path.display().to_string())?;
    Brief::parse(&text).map_err(|error| UsageError(format!("{}: {error}", path.display())).into())
}

/// Opens a file.
pub fn open(path: &Path) -> anyhow::Result<File> {
    File::open(path).with_context(|| path.display().to_string())
}

/// What somebody asked for that cannot be is their usage, not our failure.
pub fn refused(error: ServeError) -> anyhow::Error {
    match error {
        ServeError::Refused { message } => UsageError(message).into(),
        error => error.into(),
    }
}

/// Opens the data folder.
pub fn open_studio(args: &StudioArgs) -> anyhow::Result<Studio> {
    open_folder(args.data.as_deref(), args.models.as_deref(), &args.run)
}

/// Opens a data folder.
pub fn open_folder(data: Option<&Path>, models: Option<&Path>, run: &RunArgs) -> anyhow::Result<Studio> {
    run.options()?;
    let config = ServeConfig {
        host: "localhost".into(),
        port: 0,
        data: data.map_or_else(server::default_data_folder, Path::to_owned),
        models: models.map(Path::to_owned),
        worker: worker_command(run)?,
        environment_key: None,
        require_key: true,
        allowed_hosts: Vec::new(),
        cors_origins: Vec::new(),
        rate: 0,
        header_timeout: server::HEADER_TIMEOUT,
        grace: GRACE,
    };
    Ok(Studio::open(config)?)
}

/// What runs the queue.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()
}

fn show_first(brief: &Brief, csv: Option<&mut dyn Read>, first: usize, reporter: &Reporter) -> anyhow::Result<()> {
    let found = campaign::dry_run(brief, csv, first).map_err(|error| UsageError(error.to_string()))?;
    for row in &found.rows {
        reporter.say(&format!("{}  {}", row.key, row.prompt));
    }
    for error in &found.errors {
        reporter.warn(&error.to_string());
    }
    if let Some(total) = found.total {
        reporter.say(&format!("{total} assets, {} drafts", total * u64::from(brief.candidates)));
    }
    reporter.event("dry_run", serde_json::to_value(&found)?);
    match found.errors.len() {
        0 => Ok(()),
        count => Err(UsageError(format!("{count} rows are wrong")).into()),
    }
}

fn create(brief: Brief, csv: Option<&mut dyn Read>, studio: &StudioArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let (name, id, rows) = open_studio(studio)?.create(brief, csv).map_err(refused)?;
    reporter.say(&format!("{name}: {rows} assets"));
    reporter.event("campaign", json!({ "name": name, "id": id, "rows": rows }));
    Ok(())
}

fn list(studio: &StudioArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let campaigns = open_studio(studio)?.campaigns().map_err(refused)?;
    for campaign in &campaigns {
        let (rows, progress) = (campaign.rows, &campaign.progress);
        reporter.say(&format!(
            "{}  {}, {rows} rows, {} drafted, {} picked, {} finals, {} approved",
            campaign.name, campaign.state, progress.drafted, progress.picked, progress.finals, progress.approved
        ));
        reporter.event("campaign", serde_json::to_value(campaign)?);
    }
    if campaigns.is_empty() {
        reporter.say("no campaigns; `calotype campaign new BRIEF` makes one");
    }
    Ok(())
}

fn plan(name: &str, studio: &StudioArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let studio = open_studio(studio)?;
    let plan = runtime()?.block_on(studio.plan(name)).map_err(refused)?;
    reporter.event("plan", serde_json::to_value(&plan)?);
    let line = |what: &str, pictures, seconds: f64, cost: &str| {
        reporter.say(&format!("{what:8} {pictures:7} pictures  {seconds:10.1} s  {cost} {}", plan.currency));
    };
    line("drafts", plan.drafts, plan.draft_seconds, &plan.draft_cost);
    line("finals", plan.finals, plan.final_seconds, &plan.final_cost);
    line("together", plan.drafts + plan.finals, plan.draft_seconds + plan.final_seconds, &plan.cost);
    if let Some(cost) = &plan.cost_per_asset {
        reporter.say(&format!("an asset costs {cost} {}", plan.currency));
    }
    if let (Some(budget), false) = (&plan.budget, plan.fits) {
        reporter.warn(&format!("that passes the budget of {budget} {}: the run will stop before", plan.currency));
    }
    Ok(())
}

fn draw(name: &str, stage: Stage, studio: &StudioArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let studio = open_studio(studio)?;
    let cancel = interrupt_token();
    let bar = reporter.bar(0, "drawing");
    let mut told = None;
    let runtime = runtime()?;
    let result = runtime.block_on(studio.run(
        name,
        stage,
        || cancel.is_cancelled(),
        |progress| {
            bar.set_length(u64::try_from(progress.total).unwrap_or(0));
            bar.set_position(u64::try_from(progress.done + progress.failed).unwrap_or(0));
            if told != Some((progress.done, progress.failed)) {
                told = Some((progress.done, progress.failed));
                reporter.event("progress", json!(progress));
            }
        },
    ));
    bar.finish_and_clear();
    runtime.shutdown_timeout(Duration::from_millis(200));
    let progress = result.map_err(refused)?;
    let RunProgress { done, total, failed, spent, state, reason } = &progress;
    reporter.say(&format!("{done} of {total} done, {failed} failed, {spent} spent"));
    reporter.event("done", json!(progress));
    if cancel.is_cancelled() {
        return Err(EngineError::Cancelled.into());
    }
    anyhow::ensure!(state != "stopped", "stopped: {}", reason.as_deref().unwrap_or("no reason is known"));
    anyhow::ensure!(*failed == 0, "{failed} jobs failed; the same command tries them again");
    Ok(())
}

fn links(name: &str, revoke: Option<&str>, studio: &StudioArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let studio = open_studio(studio)?;
    if let Some(link) = revoke {
        studio.revoke(name, link).map_err(refused)?;
    }
    let now = server::now_ms();
    let links = studio.links(name).map_err(refused)?;
    for link in &links {
        let state = match link.revoked_ms {
            Some(_) => "revoked".to_owned(),
            None if link.expires_ms <= now => "over".to_owned(),
            None => format!("{} days left", (link.expires_ms - now + DAY_MS - 1) / DAY_MS),
        };
        reporter.say(&format!("{}  {state:13}  {}", link.id, link.label));
    }
    if links.is_empty() {
        reporter.say("no links");
    }
    reporter.event("links", json!({ "links": links }));
    Ok(())
}

fn delete(name: &str, pictures: bool, yes: bool, studio: &StudioArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let studio = open_studio(studio)?;
    if !yes {
        let report = studio.report(name).map_err(refused)?;
        let what =
            format!("'{}': {} rows, {} picks, {} pictures", report.name, report.rows, report.picked, report.pictures);
        return Err(UsageError(format!("{what}. Nothing was deleted: add --yes to do it")).into());
    }
    let (removed, kept) = runtime()?.block_on(studio.remove(name, pictures)).map_err(refused)?;
    reporter.say(&format!("deleted; {removed} of its pictures are gone, {kept} stay"));
    reporter.event("deleted", json!({ "removed": removed, "kept": kept }));
    Ok(())
}

fn report(name: &str, studio: &StudioArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let report = open_studio(studio)?.report(name).map_err(refused)?;
    reporter.event("report", serde_json::to_value(&report)?);
    let reason = report.reason.as_deref().map_or(String::new(), |reason| format!(" ({reason})"));
    reporter.say(&format!("{}: {}{reason}", report.name, report.state));
    let counts = |counts: &std::collections::BTreeMap<String, i64>| {
        let found = counts.iter().filter(|(_, count)| **count > 0);
        let words: Vec<_> = found.map(|(name, count)| format!("{count} {}", name.replace('_', " "))).collect();
        if words.is_empty() { "none".to_owned() } else { words.join(", ") }
    };
    reporter.say(&format!("rows       {}", report.rows));
    reporter.say(&format!("drafts     {}", counts(&report.drafts)));
    reporter.say(&format!("finals     {}", counts(&report.finals)));
    reporter.say(&format!("candidates {}, {} picked", report.candidates, report.picked));
    reporter.say(&format!("review     {}", counts(&report.review)));
    // Without a budget nothing is planned before it is drawn.
    let planned = report.planned_seconds;
    let planned = if planned > 0.0 { format!(" (planned {planned:.1})") } else { String::new() };
    reporter.say(&format!("seconds    {:.1}{planned}", report.seconds));
    let budget = report.budget.as_deref().map_or(String::new(), |budget| format!(" of {budget}"));
    reporter.say(&format!("spent      {}{budget} {}", report.spent, report.currency));
    match &report.cost_per_approved {
        None => reporter.say("nothing is approved yet"),
        Some(cost) => reporter.say(&format!("an approved picture cost {cost} {}", report.currency)),
    }
    if let Some(seconds) = report.approval_seconds {
        reporter.say(&format!("an approval took {seconds:.0} s"));
    }
    Ok(())
}
