//! The winner's recipe seeds the next round: a campaign that begins with the same picture and goes on to its neighbours.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use campaign::Brief;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Asset, CampaignRow, Candidate, Creative, DEFAULT_PROJECT, Experiment};
use utoipa::ToSchema;

use super::report::report;
use crate::app::App;
use crate::error::ApiError;

/// Drafts of the next round when nothing else is said; the first is the winner again, the others its neighbours.
const CANDIDATES: u32 = 8;
/// Longest name of a campaign, characters.
const MAX_NAME: usize = 100;
/// Names that are tried.
const MAX_ROUNDS: u32 = 1000;

/// The next round.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NextRequest {
    /// Key of the creative to go on from; default: the winner, if the report names one.
    pub creative: Option<String>,
    /// Name of the campaign; default: the present one's with the number of the round.
    pub name: Option<String>,
    /// Drafts of each row, 1 to 64; default 8.
    pub candidates: Option<u32>,
    /// Values of slots to try instead of the winner's; they multiply.
    pub slots: BTreeMap<String, Vec<String>>,
    /// What to draw instead, with `{slots}`.
    pub prompt: Option<String>,
    /// A style instead of the winner's.
    pub style: Option<String>,
}

/// The campaign of the next round.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct NextRound {
    /// Id of the campaign.
    pub campaign: String,
    /// Its name.
    pub name: String,
    /// Id of the campaign it goes on from.
    pub parent: Option<String>,
    /// Key of the creative it goes on from.
    pub creative: String,
    /// Seed of that creative and of the first draft.
    pub seed: u64,
    /// Rows.
    pub rows: i64,
}

/// Makes the campaign of the next round. Blocks.
pub fn next(app: &App, experiment: &Experiment, request: &NextRequest) -> Result<NextRound, ApiError> {
    let creative = chosen(app, experiment, request.creative.as_deref())?;
    let gone = || ApiError::field("creative", "its picture was removed, and its recipe with it");
    let asset = app.store.asset(creative.asset.as_ref().ok_or_else(gone)?)?;
    let seed = asset.seed.ok_or_else(|| {
        let message = format!("'{}' has no recipe: it was not drawn here", creative.name);
        ApiError::field("creative", message)
    })?;
    let candidate = creative.candidate.as_ref().and_then(|id| app.store.candidate(id).ok());
    let (mut brief, project) = match &candidate {
        Some(candidate) => of_candidate(app, candidate)?,
        None => (of_asset(&asset), asset.project.clone()),
    };
    brief.first_seed = Some(seed);
    brief.seed = None;
    brief.deadline = None;
    brief.texts = Vec::new();
    brief.candidates = request.candidates.unwrap_or(CANDIDATES);
    if let Some(prompt) = &request.prompt {
        brief.prompt.clone_from(prompt);
    }
    if let Some(style) = &request.style {
        brief.style.clone_from(style);
    }
    brief.slots.extend(request.slots.clone());
    // A slot that a new prompt has no more has no values, either.
    if let (true, Ok(template)) = (request.prompt.is_some() || request.style.is_some(), brief.template()) {
        brief.slots.retain(|name, _| template.slots().contains(&name.as_str()) || request.slots.contains_key(name));
    }
    let campaign = named(app, brief, request.name.as_deref(), &experiment.name, &project)?;
    app.store.set_origin(&campaign.id, &experiment.id, &creative.key)?;
    Ok(NextRound {
        campaign: campaign.id,
        name: campaign.name,
        parent: experiment.campaign.clone(),
        creative: creative.key.clone(),
        seed,
        rows: campaign.rows,
    })
}

/// The creative of a key, or the winner.
fn chosen<'e>(app: &App, experiment: &'e Experiment, key: Option<&str>) -> Result<&'e Creative, ApiError> {
    if let Some(key) = key {
        let found = experiment.arms.iter().find(|arm| arm.key == key);
        let shown: String = key.chars().take(64).collect();
        return found.ok_or_else(|| ApiError::field("creative", format!("'{shown}' is no creative of this test")));
    }
    let answer = report(app, experiment)?.answer;
    let winner = answer.winner.and_then(|winner| experiment.arms.get(winner));
    winner.ok_or_else(|| {
        let message = format!("there is no winner; name a `creative` to go on from. {}", answer.headline);
        ApiError::status(StatusCode::CONFLICT, "no_winner", message)
    })
}

/// The brief of the campaign a candidate was drawn for, with what stood in its slots.
fn of_candidate(app: &App, candidate: &Candidate) -> Result<(Brief, String), ApiError> {
    let campaign = app.store.campaign(&candidate.campaign)?;
    let mut brief: Brief = serde_json::from_str(&campaign.brief).map_err(ApiError::internal)?;
    let (rows, _) = app.store.campaign_rows(&campaign.id, &store::RowFilter::default(), 0, u32::MAX)?;
    let row = rows.into_iter().find(|row: &CampaignRow| row.key == candidate.row);
    let values: BTreeMap<String, Value> = row.and_then(|row| serde_json::from_str(&row.slots).ok()).unwrap_or_default();
    let template = brief.template()?;
    brief.slots = template
        .slots()
        .into_iter()
        .filter_map(|slot| Some((slot.to_owned(), vec![values.get(slot)?.as_str()?.to_owned()])))
        .collect();
    Ok((brief, campaign.project))
}

/// A brief for a picture that no campaign drew.
fn of_asset(asset: &Asset) -> Brief {
    let recipe: Value = asset.recipe.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let literal = |text: &str| text.replace('{', "{{").replace('}', "}}");
    Brief {
        model: asset.model.clone(),
        prompt: literal(&asset.prompt),
        negative: recipe["negative"].as_str().unwrap_or_default().to_owned(),
        size: Some(format!("{}x{}", asset.width, asset.height)),
        ..Brief::default()
    }
}

/// Keeps the campaign under its name, or under the first free one of its rounds.
fn named(
    app: &App,
    mut brief: Brief,
    name: Option<&str>,
    experiment: &str,
    project: &str,
) -> Result<store::Campaign, ApiError> {
    let project = if app.store.project(project).is_ok() { project } else { DEFAULT_PROJECT };
    if let Some(name) = name {
        brief.name = name.to_owned();
        return crate::campaigns::create(app, brief, project, None);
    }
    let base = if brief.name.is_empty() { experiment } else { &brief.name };
    let base = base.rsplit_once(" · round ").map_or(base, |(base, _)| base);
    let base: String = base.chars().take(MAX_NAME - " · round 1000".chars().count()).collect();
    let base = base.trim_end().to_owned();
    let mut round = 2;
    while app.store.find_campaign(&format!("{base} · round {round}")).is_ok() {
        round += 1;
        if round > MAX_ROUNDS {
            return Err(ApiError::field("name", "has had too many rounds: give another one"));
        }
    }
    brief.name = format!("{base} · round {round}");
    crate::campaigns::create(app, brief, project, None)
}
