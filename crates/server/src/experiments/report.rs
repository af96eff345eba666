//! What a test says: one sentence, then the whole report of the crate `experiment`.

use std::collections::BTreeSet;

use campaign::{Metric, Unit, day_text};
use experiment::{Arm, Assignment, Day, Direction, MetricKind, Report, Settings, Total, evaluate};
use serde::Serialize;
use serde_json::Value;
use store::{DayResult, Experiment};
use utoipa::ToSchema;

use super::answer::Answer;
use super::power::{self, PowerRequest};
use crate::app::App;
use crate::error::ApiError;

/// What a test says.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExperimentReport {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// What decides it.
    #[schema(value_type = String)]
    pub metric: Metric,
    /// What was counted; absent before there are results, as is all that follows from them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub unit: Option<Unit>,
    /// How people came to the creatives.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub assignment: Option<Assignment>,
    /// Chance of ever naming a difference where there is none.
    pub alpha: f64,
    /// Relative lift below which nobody cares.
    pub caring: f64,
    /// Days with results, `YYYY-MM-DD`; `day` in the series counts days since 1970-01-01.
    pub days: Vec<String>,
    /// The answer.
    pub answer: Answer,
    /// How far the test is, if it was planned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// What each creative brought, in their order.
    pub totals: Vec<CreativeTotal>,
    /// The whole report: `kind` `described` or `compared`; what cannot be computed is left out, with the reason beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub report: Option<Value>,
}

/// How far a planned test is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Progress {
    /// People that each creative needs.
    pub people_per_arm: u64,
    /// People of the creative with the fewest.
    pub fewest: u64,
}

/// What a creative brought.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct CreativeTotal {
    /// Key.
    pub key: String,
    /// Shown name.
    pub name: String,
    /// Id of its picture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asset: Option<String>,
    /// People or impressions.
    pub people: u64,
    /// Clicks; absent where no file counted them, as are the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clicks: Option<u64>,
    /// Conversions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversions: Option<u64>,
    /// Revenue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revenue: Option<f64>,
}

/// Evaluates an experiment. Blocks.
pub fn report(app: &App, experiment: &Experiment) -> Result<ExperimentReport, ApiError> {
    let results = app.store.results(&experiment.id)?;
    let days: BTreeSet<i32> = results.iter().map(|result| result.day).collect();
    let found = evaluated(experiment, &results)?;
    let answer = match &found {
        Some(found) => Answer::of(found, experiment.unit, experiment.reweighted, days.len()),
        None => Answer::none(),
    };
    let totals = totals(experiment, &results);
    Ok(ExperimentReport {
        id: experiment.id.clone(),
        name: experiment.name.clone(),
        metric: experiment.metric,
        unit: experiment.unit,
        assignment: experiment.assignment,
        alpha: experiment.alpha,
        caring: experiment.caring,
        days: days.into_iter().map(day_text).collect(),
        answer,
        progress: progress(experiment, &totals),
        totals,
        report: found.map(serde_json::to_value).transpose().map_err(ApiError::internal)?,
    })
}

/// The report of the results so far; none without results.
pub fn evaluated(experiment: &Experiment, results: &[DayResult]) -> Result<Option<Report>, ApiError> {
    let Some(assignment) = experiment.assignment.filter(|_| !results.is_empty()) else { return Ok(None) };
    let kind = match experiment.metric {
        Metric::Clicks | Metric::Conversions => MetricKind::Proportion,
        Metric::Revenue => MetricKind::Mean,
    };
    let mut days: Vec<Vec<Day>> = vec![Vec::new(); experiment.arms.len()];
    for result in results {
        let total = match experiment.metric {
            Metric::Clicks => Total { sum: result.clicks.unwrap_or(0) as f64, sum_squares: None },
            Metric::Conversions => Total { sum: result.conversions.unwrap_or(0) as f64, sum_squares: None },
            Metric::Revenue => {
                Total { sum: result.revenue.unwrap_or(0.0), sum_squares: Some(result.revenue_squared.unwrap_or(0.0)) }
            }
        };
        if let Some(days) = days.get_mut(result.creative) {
            days.push(Day { day: result.day, people: result.people, totals: vec![total] });
        }
    }
    let arm = |(arm, days): (&store::Creative, Vec<Day>)| Arm { name: arm.name.clone(), weight: arm.weight, days };
    let data = experiment::Experiment {
        assignment,
        metrics: vec![experiment::Metric {
            name: experiment.metric.name().into(),
            kind,
            direction: Direction::LargerIsBetter,
            caring: experiment.caring,
        }],
        arms: experiment.arms.iter().zip(days).map(arm).collect(),
        settings: Settings {
            alpha: experiment.alpha,
            tuning: experiment.tuning,
            check_ratio: !experiment.reweighted,
            ..Settings::default()
        },
    };
    Ok(Some(evaluate(&data)?))
}

fn totals(experiment: &Experiment, results: &[DayResult]) -> Vec<CreativeTotal> {
    let start = |arm: &store::Creative| CreativeTotal {
        key: arm.key.clone(),
        name: arm.name.clone(),
        asset: arm.asset.clone(),
        ..CreativeTotal::default()
    };
    let mut totals: Vec<CreativeTotal> = experiment.arms.iter().map(start).collect();
    fn add<T: std::ops::Add<Output = T> + Default + Copy>(sum: &mut Option<T>, more: Option<T>) {
        if let Some(more) = more {
            *sum = Some(sum.unwrap_or_default() + more);
        }
    }
    for result in results {
        if let Some(total) = totals.get_mut(result.creative) {
            total.people += result.people;
            add(&mut total.clicks, result.clicks);
            add(&mut total.conversions, result.conversions);
            add(&mut total.revenue, result.revenue);
        }
    }
    totals
}

fn progress(experiment: &Experiment, totals: &[CreativeTotal]) -> Option<Progress> {
    let planned: PowerRequest = serde_json::from_str(experiment.plan.as_deref()?).ok()?;
    let planned = power::plan(&PowerRequest { arms: Some(experiment.arms.len()), ..planned }).ok()?;
    Some(Progress {
        people_per_arm: planned.people_per_arm,
        fewest: totals.iter().map(|total| total.people).min().unwrap_or(0),
    })
}
