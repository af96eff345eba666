//! `calotype experiment`: plan, new, export, import, report, next. All but `plan` work on the data folder that a server would open.

use serde_json::json;
use server::{
    ExperimentReport, ExperimentRequest, ImportMode, NextRequest, PowerPlan, PowerRequest, SharesView, plan_experiment,
};

use super::campaign::{open, open_studio, refused};
use crate::args::{AssignedArg, ExperimentArgs, ExperimentCommand, MetricArg, PowerArgs, StudioArgs};
use crate::report::Reporter;

/// Runs the command.
pub fn run(args: &ExperimentArgs, reporter: &Reporter) -> anyhow::Result<()> {
    match &args.command {
        ExperimentCommand::Plan { power, .. } => plan(power, reporter),
        ExperimentCommand::New { name, campaign, creatives, metric, url, source, medium, alpha, caring, studio } => {
            let request = ExperimentRequest {
                name: name.clone(),
                campaign: campaign.clone(),
                metric: Some(match metric {
                    MetricArg::Clicks => campaign::Metric::Clicks,
                    MetricArg::Conversions => campaign::Metric::Conversions,
                    MetricArg::Revenue => campaign::Metric::Revenue,
                }),
                alpha: *alpha,
                caring: *caring,
                url: url.clone(),
                source: source.clone(),
                medium: medium.clone(),
                ..ExperimentRequest::default()
            };
            let made = open_studio(studio)?.new_experiment(request, creatives).map_err(refused)?;
            made.warnings.iter().for_each(|warning| reporter.warn(warning));
            reporter.say(&format!("{}: {} creatives", made.name, made.creatives.len()));
            for creative in &made.creatives {
                reporter.say(&format!("{}  {:5.1} %  {}", creative.key, creative.share * 100.0, creative.name));
            }
            reporter.event("experiment", serde_json::to_value(&made)?);
            Ok(())
        }
        ExperimentCommand::List { studio } => {
            let experiments = open_studio(studio)?.experiments().map_err(refused)?;
            for experiment in &experiments {
                let (creatives, days) = (experiment.creatives.len(), experiment.days);
                reporter.say(&format!("{}  {creatives} creatives, days with results: {days}", experiment.name));
                reporter.event("experiment", serde_json::to_value(experiment)?);
            }
            if experiments.is_empty() {
                reporter.say("no tests; `calotype experiment new NAME` makes one");
            }
            Ok(())
        }
        ExperimentCommand::Export { name, folder, studio } => {
            let exported = open_studio(studio)?.export_experiment(name, folder).map_err(refused)?;
            reporter.say(&format!("{} pictures, {}", exported.pictures, exported.list.display()));
            reporter.event("exported", serde_json::to_value(&exported)?);
            Ok(())
        }
        ExperimentCommand::Import { name, file, assigned, replace, dry_run, studio } => {
            let mode = match (dry_run, replace) {
                (true, _) => ImportMode::DryRun,
                (false, true) => ImportMode::Replace,
                (false, false) => ImportMode::Add,
            };
            import(name, file, *assigned, mode, studio, reporter)
        }
        ExperimentCommand::Report { name, studio } => {
            let (found, shares) = open_studio(studio)?.experiment_report(name).map_err(refused)?;
            report(&found, shares.as_ref(), reporter)
        }
        ExperimentCommand::Next { name, creative, campaign, candidates, studio } => {
            let request = NextRequest {
                creative: creative.clone(),
                name: campaign.clone(),
                candidates: *candidates,
                ..NextRequest::default()
            };
            let made = open_studio(studio)?.next_round(name, &request).map_err(refused)?;
            reporter
                .say(&format!("{}: {} assets, from {} with seed {}", made.name, made.rows, made.creative, made.seed));
            reporter.event("campaign", serde_json::to_value(&made)?);
            Ok(())
        }
    }
}

fn plan(args: &PowerArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let request = PowerRequest {
        rate: args.rate,
        mean: args.mean,
        deviation: args.deviation,
        lift: args.lift,
        arms: args.arms,
        alpha: args.alpha,
        power: args.power,
        traffic: args.traffic,
        days: args.days,
    };
    let found: PowerPlan = plan_experiment(&request).map_err(refused)?;
    found.words.iter().for_each(|line| reporter.say(line));
    for way in &found.ways {
        let days = way.days.map_or(String::new(), |days| format!("{days} days, "));
        reporter.say(&format!("{:>14} people, {days}{}", way.people, way.words));
    }
    reporter.event("plan", serde_json::to_value(&found)?);
    Ok(())
}

fn import(
    name: &str,
    file: &std::path::Path,
    assigned: AssignedArg,
    mode: ImportMode,
    studio: &StudioArgs,
    reporter: &Reporter,
) -> anyhow::Result<()> {
    let assignment = match assigned {
        AssignedArg::PlatformExperiment => server::Assignment::PlatformExperiment,
        AssignedArg::Own => server::Assignment::Own,
        AssignedArg::PlatformOptimised => server::Assignment::PlatformOptimised,
    };
    let mut csv = open(file)?;
    let told = open_studio(studio)?.import_results(name, &mut csv, assignment, mode).map_err(refused)?;
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |value| value.to_string());
    for change in &told.changes {
        let (before, after) = (number(change.before), number(change.after));
        reporter.say(&format!("{} {} {}: {before} -> {after}", change.creative, change.day, change.column));
    }
    let done = if told.kept { "" } else { "would be " };
    reporter.say(&format!(
        "{} rows, {} to {}: {done}{} added, {} replaced, {} as they were",
        told.rows, told.from, told.to, told.added, told.replaced, told.same
    ));
    reporter.event("imported", serde_json::to_value(&told)?);
    Ok(())
}

fn report(found: &ExperimentReport, shares: Option<&SharesView>, reporter: &Reporter) -> anyhow::Result<()> {
    reporter.event("report", json!({ "report": found, "shares": shares }));
    reporter.say(&found.answer.headline);
    found.answer.cautions.iter().for_each(|caution| reporter.say(&format!("  note: {caution}")));
    if let Some(progress) = &found.progress {
        reporter
            .say(&format!("{} of the {} people that each creative needs", progress.fewest, progress.people_per_arm));
    }
    let count = |value: Option<u64>| value.map_or("-".to_owned(), |value| value.to_string());
    for total in &found.totals {
        let revenue = total.revenue.map_or("-".to_owned(), |value| format!("{value:.2}"));
        reporter.say(&format!(
            "{}  {:>12} people  {:>10} clicks  {:>10} conversions  {revenue:>12} revenue  {}",
            total.key,
            total.people,
            count(total.clicks),
            count(total.conversions),
            total.name
        ));
    }
    for share in shares.iter().flat_map(|shares| &shares.shares) {
        reporter.say(&format!(
            "{}  best with {:5.1} %, a bandit would give it {:5.1} % (now {:.1} %)",
            share.key,
            share.best * 100.0,
            share.next * 100.0,
            share.now * 100.0
        ));
    }
    Ok(())
}
