//! Experiments, as the native interface and the command line both use them: creatives are exported, results come back, and the
//! statistics of the crate `experiment` say what may be said.
//!
//! ```text
//! picks ─► experiment ─► export (keys in file names and links) ─► people ─► results (CSV) ─► report ─► next campaign
//!                └─► published: assigned here, by hash
//! ```

mod answer;
mod assigning;
mod export;
mod next;
mod power;
mod report;
mod results;
mod shares;
mod studio;

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Uri;
use campaign::{Metric, Unit};
use experiment::{Assigner, Assignment};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{CandidateFilter, Creative, Experiment, NewCreative, NewExperiment};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;
use crate::native::words;

pub use assigning::{As, Assigning, Published};
pub use export::{csv, write_folder, zip};
pub use next::{NextRequest, NextRound, next};
pub use power::{PowerPlan, PowerRequest, plan};
pub use report::{ExperimentReport, report};
pub use results::{ImportView, import};
pub use shares::{Rule, SharesView, shares};

/// Fewest and most creatives of a test.
const ARMS: std::ops::RangeInclusive<usize> = 2..=experiment::MOST_ARMS;
/// Differing bits of the fingerprints of two pictures that look the same.
const NEAR_DUPLICATE: u32 = 6;
/// Longest address of a landing page, bytes.
const MAX_URL: usize = 2000;
/// Longest slug, bytes.
const MAX_SLUG: usize = 40;

/// An experiment to be made.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExperimentRequest {
    /// Name, one of its kind, 1 to 100 characters.
    pub name: String,
    /// Id of a campaign.
    pub campaign: Option<String>,
    /// What decides the test: `clicks` (default), `conversions` or `revenue`.
    #[schema(value_type = Option<String>)]
    pub metric: Option<Metric>,
    /// How people will come to the creatives, if that is known: `platform_experiment`, `own` or `platform_optimised`. Every import
    /// of results asks again.
    #[schema(value_type = Option<String>)]
    pub assignment: Option<Assignment>,
    /// Chance of ever naming a difference where there is none; default 0.05.
    pub alpha: Option<f64>,
    /// Relative lift below which nobody cares; default 0.01, which is 1 %.
    pub caring: Option<f64>,
    /// What was planned: the report says how far the test is.
    pub plan: Option<PowerRequest>,
    /// Landing page, `https://…`: creatives lead there, with UTM parameters.
    pub url: Option<String>,
    /// `utm_source`; default `test`.
    pub source: Option<String>,
    /// `utm_medium`; default `picture`.
    pub medium: Option<String>,
    /// Creatives, 2 to 64, the first of which the others are compared with; without any, all picks of the campaign.
    pub creatives: Vec<CreativeRequest>,
}

/// A creative to be tested: a picked candidate or any picture.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CreativeRequest {
    /// Id of a picked candidate; its final is taken if there is one.
    pub candidate: Option<String>,
    /// Id of a picture instead.
    pub asset: Option<String>,
    /// Shown name, one of its kind in the test; default: row and number of the candidate, or the letter of its place.
    pub name: Option<String>,
    /// Planned share of people, relative to the others; default 1.
    pub weight: Option<f64>,
}

/// Keeps an experiment. Blocks.
pub fn create(app: &App, request: &ExperimentRequest) -> Result<Experiment, ApiError> {
    let name = words("name", &request.name, 1..=100)?;
    let metric = request.metric.unwrap_or(Metric::Clicks);
    let inside = |field: &str, value: f64, most: f64| match value > 0.0 && value < most {
        true => Ok(value),
        false => Err(ApiError::field(field, format!("expected more than 0 and less than {most}, found {value}"))),
    };
    let alpha = inside("alpha", request.alpha.unwrap_or(0.05), 1.0)?;
    let caring = inside("caring", request.caring.unwrap_or(0.01), 10.0)?;
    if let Some(campaign) = &request.campaign {
        app.store.campaign(campaign).map_err(|error| ApiError::field("campaign", error.to_string()))?;
    }
    let arms = creatives(app, request)?;
    let weights: Vec<f64> = arms.iter().map(|arm| arm.weight).collect();
    Assigner::new("check", &weights).map_err(|error| ApiError::field("creatives", error.to_string()))?;
    // The intervals are narrowest where the test is planned to end.
    let planned = request.plan.as_ref().map(plan).transpose().map_err(|error| match &error.field {
        Some(field) => ApiError::field(&format!("plan.{field}"), error.message),
        None => error,
    })?;
    let tuning = planned.map_or(experiment::DEFAULT_TUNING, |planned| 2.0 * planned.people_per_arm as f64);
    Ok(app.store.add_experiment(&NewExperiment {
        slug: slug(&name),
        name,
        campaign: request.campaign.clone(),
        metric,
        assignment: request.assignment,
        alpha,
        caring,
        tuning,
        plan: request.plan.as_ref().map(serde_json::to_string).transpose().map_err(ApiError::internal)?,
        url: request.url.as_deref().map(landing_page).transpose()?,
        source: parameter("source", request.source.as_deref().unwrap_or("test"))?,
        medium: parameter("medium", request.medium.as_deref().unwrap_or("picture"))?,
        arms,
    })?)
}

/// Plans a test for the command line.
///
/// # Errors
/// A field out of its range.
pub fn plan_experiment(request: &PowerRequest) -> Result<PowerPlan, crate::ServeError> {
    Ok(plan(request)?)
}

/// The creatives of a request, checked.
fn creatives(app: &App, request: &ExperimentRequest) -> Result<Vec<NewCreative>, ApiError> {
    let picks = match (&request.campaign, request.creatives.is_empty()) {
        (Some(campaign), true) => picks(app, campaign)?,
        _ => Vec::new(),
    };
    let asked = if picks.is_empty() { &request.creatives } else { &picks };
    if !ARMS.contains(&asked.len()) {
        let message = format!(
            "{} of them; a test needs {} to {}, such as picks of a campaign",
            asked.len(),
            ARMS.start(),
            ARMS.end()
        );
        return Err(ApiError::field("creatives", message));
    }
    let mut names = BTreeSet::new();
    asked.iter().enumerate().map(|(i, one)| creative(app, request, one, i, &mut names)).collect()
}

/// Every pick of a campaign.
fn picks(app: &App, campaign: &str) -> Result<Vec<CreativeRequest>, ApiError> {
    let filter = CandidateFilter { picked: Some(true), ..CandidateFilter::default() };
    let (found, total) = app.store.candidates(campaign, &filter, 0, *ARMS.end() as u32)?;
    if total > *ARMS.end() as i64 {
        let message = format!("the campaign has {total} picks; choose at most {} of them", ARMS.end());
        return Err(ApiError::field("creatives", message));
    }
    Ok(found.into_iter().map(|one| CreativeRequest { candidate: Some(one.id), ..CreativeRequest::default() }).collect())
}

fn creative(
    app: &App,
    request: &ExperimentRequest,
    one: &CreativeRequest,
    i: usize,
    names: &mut BTreeSet<String>,
) -> Result<NewCreative, ApiError> {
    let field = |name: &str| format!("creatives[{i}].{name}");
    let refuse = |name: &str, message: String| Err(ApiError::field(&field(name), message));
    let (asset, usual) = match (&one.candidate, &one.asset) {
        (Some(_), Some(_)) | (None, None) => return refuse("candidate", "expected either this or `asset`".into()),
        (None, Some(asset)) => (asset.clone(), letters(i)),
        (Some(id), None) => {
            let candidate =
                app.store.candidate(id).map_err(|error| ApiError::field(&field("candidate"), error.to_string()))?;
            if request.campaign.as_ref().is_some_and(|campaign| *campaign != candidate.campaign) {
                return refuse("candidate", "is of another campaign".into());
            }
            if !candidate.picked {
                return refuse("candidate", "is not picked".into());
            }
            let asset = candidate.final_asset.or(candidate.asset);
            let Some(asset) = asset else { return refuse("candidate", "has no picture any more".into()) };
            (asset, format!("{} · {}", candidate.row, candidate.position + 1))
        }
    };
    let name = if one.candidate.is_some() { "candidate" } else { "asset" };
    app.store.asset(&asset).map_err(|error| ApiError::field(&field(name), error.to_string()))?;
    let name = match &one.name {
        Some(name) => words(&field("name"), name, 1..=100)?,
        None => usual,
    };
    if !names.insert(name.clone()) {
        return refuse("name", format!("'{name}' names another creative already"));
    }
    Ok(NewCreative { name, candidate: one.candidate.clone(), asset, weight: one.weight.unwrap_or(1.0) })
}

/// A, B, … Z, AA, AB, …
fn letters(i: usize) -> String {
    let letter = char::from(b'A' + (i % 26) as u8);
    if i < 26 { letter.to_string() } else { format!("{}{letter}", letters(i / 26 - 1)) }
}

/// What is left of a name in file names and links.
fn slug(name: &str) -> String {
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' }).collect();
    let mut slug = plain.split_whitespace().collect::<Vec<_>>().join("-");
    slug.truncate(MAX_SLUG);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "test".into() } else { slug.into() }
}

fn parameter(field: &str, text: &str) -> Result<String, ApiError> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'));
    match (1..=50).contains(&text.len()) && is_plain {
        true => Ok(text.to_owned()),
        false => Err(ApiError::field(field, "must be 1 to 50 letters a-z, digits, '.', '_' or '-'")),
    }
}

fn landing_page(text: &str) -> Result<String, ApiError> {
    let refuse = |message: &str| Err(ApiError::field("url", message));
    if text.len() > MAX_URL || text.contains('#') {
        return refuse("must have at most 2000 bytes and no '#': parameters are put after it");
    }
    match text.parse::<Uri>() {
        Ok(uri) if uri.authority().is_some() && matches!(uri.scheme_str(), Some("http" | "https")) => {
            Ok(text.to_owned())
        }
        _ => refuse("must be an address such as https://shop.example/spring"),
    }
}

/// Where a creative leads.
fn link(experiment: &Experiment, creative: &Creative) -> Option<String> {
    let url = experiment.url.as_ref()?;
    let sign = if url.contains('?') { '&' } else { '?' };
    let Experiment { source, medium, slug, .. } = experiment;
    let key = &creative.key;
    Some(format!("{url}{sign}utm_source={source}&utm_medium={medium}&utm_campaign={slug}&utm_content={key}"))
}

/// An experiment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ExperimentView {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Id of its campaign.
    pub campaign: Option<String>,
    /// `clicks`, `conversions` or `revenue`.
    #[schema(value_type = String)]
    pub metric: Metric,
    /// How people came: `platform_experiment`, `own` or `platform_optimised`; absent until somebody says so.
    #[schema(value_type = Option<String>)]
    pub assignment: Option<Assignment>,
    /// Chance of ever naming a difference where there is none.
    pub alpha: f64,
    /// Relative lift below which nobody cares.
    pub caring: f64,
    /// What was planned.
    #[schema(value_type = Option<Object>)]
    pub plan: Option<Value>,
    /// Landing page.
    pub url: Option<String>,
    /// `utm_source`.
    pub source: String,
    /// `utm_medium`.
    pub medium: String,
    /// `utm_campaign`.
    pub utm_campaign: String,
    /// What results count: `people` or `impressions`; absent before the first.
    #[schema(value_type = Option<String>)]
    pub unit: Option<Unit>,
    /// Whether shares were changed after people had come.
    pub reweighted: bool,
    /// Where people are assigned without a key, while the test is published: add `?unit=ID`.
    pub assign_path: Option<String>,
    /// When it was made.
    pub created_ms: i64,
    /// Days with results.
    pub days: usize,
    /// Creatives; the first is the one the others are compared with.
    pub creatives: Vec<CreativeView>,
    /// What to think of before people see it.
    pub warnings: Vec<String>,
    /// Campaigns that go on from it: id and name.
    pub next: BTreeMap<String, String>,
}

/// A creative of an experiment.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CreativeView {
    /// What names it in file names, links and results.
    pub key: String,
    /// Shown name.
    pub name: String,
    /// Id of its candidate.
    pub candidate: Option<String>,
    /// Id of its picture; absent if it was removed.
    pub asset: Option<String>,
    /// Planned share of people, 0 to 1.
    pub share: f64,
    /// Where it leads.
    pub link: Option<String>,
}

impl ExperimentView {
    /// What is told of an experiment. Blocks.
    pub fn of(app: &App, experiment: Experiment) -> Result<Self, ApiError> {
        let days: BTreeSet<i32> = app.store.results(&experiment.id)?.iter().map(|result| result.day).collect();
        let total: f64 = experiment.arms.iter().map(|arm| arm.weight).sum();
        let creatives = experiment.arms.iter().map(|arm| CreativeView {
            key: arm.key.clone(),
            name: arm.name.clone(),
            candidate: arm.candidate.clone(),
            asset: arm.asset.clone(),
            share: arm.weight / total,
            link: link(&experiment, arm),
        });
        Ok(Self {
            creatives: creatives.collect(),
            warnings: warnings(app, &experiment),
            next: app.store.next_campaigns(&experiment.id)?.into_iter().collect(),
            days: days.len(),
            plan: experiment.plan.as_deref().and_then(|plan| serde_json::from_str(plan).ok()),
            assign_path: experiment.token.as_ref().map(|token| format!("{}{token}", crate::security::ASSIGN)),
            id: experiment.id,
            name: experiment.name,
            campaign: experiment.campaign,
            metric: experiment.metric,
            assignment: experiment.assignment,
            alpha: experiment.alpha,
            caring: experiment.caring,
            url: experiment.url,
            source: experiment.source,
            medium: experiment.medium,
            utm_campaign: experiment.slug,
            unit: experiment.unit,
            reweighted: experiment.reweighted,
            created_ms: experiment.created_ms,
        })
    }
}

/// Creatives that look the same can only be told apart by very many people.
fn warnings(app: &App, experiment: &Experiment) -> Vec<String> {
    let print = |arm: &Creative| arm.asset.as_ref().and_then(|id| app.store.asset(id).ok()).and_then(|one| one.dhash);
    let prints: Vec<(&str, Option<u64>)> = experiment.arms.iter().map(|arm| (arm.name.as_str(), print(arm))).collect();
    let mut warnings = Vec::new();
    for (i, (name, print)) in prints.iter().enumerate() {
        let is_near =
            |other: &Option<u64>| print.zip(*other).is_some_and(|(a, b)| (a ^ b).count_ones() <= NEAR_DUPLICATE);
        let near: Vec<String> =
            prints[i + 1..].iter().filter(|(_, other)| is_near(other)).map(|(other, _)| format!("'{other}'")).collect();
        if !near.is_empty() {
            let near = near.join(", ");
            warnings.push(format!("'{name}' looks nearly like {near}: keep one, or very many people are needed."));
        }
    }
    warnings
}

impl From<experiment::ExperimentError> for ApiError {
    fn from(error: experiment::ExperimentError) -> Self {
        match error {
            experiment::ExperimentError::Field { field, message } => Self::field(field, message),
            error => Self::bad(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_slugs_and_letters() {
        for (name, expected) in [
            ("Spring: Hero!", "spring-hero"),
            ("你好", "test"),
            (&"ab ".repeat(30), "ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-ab-a"),
        ] {
            assert_eq!(slug(name), expected);
        }
        let found: Vec<String> = [0, 25, 26, 51, 52, 63].into_iter().map(letters).collect();
        assert_eq!(found, ["A", "Z", "AA", "AZ", "BA", "BL"]);
    }

    #[test]
    fn landing_pages_are_addresses_of_pages() {
        for good in ["https://shop.example/spring", "http://127.0.0.1:8080/?a=b"] {
            assert!(landing_page(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "shop.example",
            "/spring",
            "javascript:alert(1)",
            "ftp://x/y",
            "https://a b",
            "https://x/#y",
            "https://",
        ] {
            assert!(landing_page(bad).is_err(), "{bad}");
        }
        assert!(parameter("source", "a b").is_err() && parameter("source", "").is_err());
    }
}
