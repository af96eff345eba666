//! How to share out the next people, if a bandit is to move them to what works.

use experiment::{BanditRule, Report, bandit_shares};
use serde::{Deserialize, Serialize};
use store::Experiment;
use utoipa::ToSchema;

use super::report::evaluated;
use crate::app::App;
use crate::error::ApiError;

/// Least share of a creative when nothing else is said, over the number of creatives.
const FLOOR: f64 = 0.2;

/// How shares follow from chances.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Thompson: earns most while it learns.
    #[default]
    Thompson,
    /// Top-two Thompson: finds out which is best; two creatives always have half each.
    TopTwo,
}

/// Shares for the next days.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct SharesView {
    /// `thompson` or `top_two`.
    #[schema(value_type = String)]
    pub rule: Rule,
    /// Least share of a creative.
    pub floor: f64,
    /// One for each creative.
    pub shares: Vec<ShareView>,
    /// What to think of.
    pub words: String,
}

/// The share of a creative.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ShareView {
    /// Key of the creative.
    pub key: String,
    /// Shown name.
    pub name: String,
    /// Its share until now.
    pub now: f64,
    /// P(it is the best).
    pub best: f64,
    /// Its share of the next people.
    pub next: f64,
}

/// Shares for the next days. Blocks.
pub fn shares(app: &App, experiment: &Experiment, rule: Rule, floor: Option<f64>) -> Result<SharesView, ApiError> {
    let refuse = |message: String| ApiError::status(axum::http::StatusCode::CONFLICT, "no_shares", message);
    let results = app.store.results(&experiment.id)?;
    let metric = match evaluated(experiment, &results)? {
        None => return Err(refuse("there are no results yet: keep the planned shares".into())),
        Some(Report::Described(described)) => return Err(refuse(described.words)),
        Some(Report::Compared(comparison)) if !comparison.health.sound => {
            return Err(refuse(comparison.health.warnings.join(" ")));
        }
        Some(Report::Compared(comparison)) => comparison.metrics.into_iter().next(),
    };
    let metric = metric.ok_or_else(|| ApiError::internal("a report without its metric"))?;
    let Some(beliefs) = metric.beliefs else { return Err(refuse(metric.warnings.join(" "))) };
    let best: Vec<f64> = beliefs.arms.iter().map(|belief| belief.best).collect();
    let floor = floor.unwrap_or(FLOOR / best.len() as f64);
    let bandit = match rule {
        Rule::TopTwo => BanditRule::default(),
        Rule::Thompson => BanditRule::Thompson,
    };
    let next = bandit_shares(&best, bandit, floor)?;
    let total: f64 = experiment.arms.iter().map(|arm| arm.weight).sum();
    let share = |((arm, best), next): ((&store::Creative, f64), f64)| ShareView {
        key: arm.key.clone(),
        name: arm.name.clone(),
        now: arm.weight / total,
        best,
        next,
    };
    Ok(SharesView {
        rule,
        floor,
        shares: experiment.arms.iter().zip(best).zip(next).map(share).collect(),
        words: "A bandit shows poor pictures to fewer people; it chooses rather than proves. Once shares change, whether people \
                arrived as planned cannot be checked any more."
            .into(),
    })
}
