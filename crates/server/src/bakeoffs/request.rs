//! What a bake-off is made of, checked by field.

use std::collections::BTreeSet;
use std::sync::Arc;

use campaign::{BudgetText, money, parse_money};
use engine::{Order, PresetName, Size};
use serde::{Deserialize, Serialize};
use store::{
    Bakeoff, BakeoffPrompt, Contestant, DEFAULT_PROJECT, MAX_CONTESTANTS, MAX_PROMPTS, NewBakeoff, NewEntry, Priority,
};
use utoipa::ToSchema;

use super::SOURCE;
use crate::app::{App, Draft};
use crate::error::ApiError;
use crate::native::{plan as plan_job, words};

/// Longest time of a picture from outside, seconds: a week.
const MAX_SECONDS: f64 = 604_800.0;
/// Kinds that are offered; others may be named.
const USUAL_KIND: &str = "photoreal";
/// Preset when none is named.
const USUAL_PRESET: &str = "final";

/// A bake-off to be made.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BakeoffRequest {
    /// Name, one of its kind, 1 to 100 characters.
    pub name: String,
    /// Id of a campaign it belongs to.
    pub campaign: Option<String>,
    /// Id of a project; default: the campaign's, or the usual one.
    pub project: Option<String>,
    /// Size of what is drawn, `WxH`; default: the models' usual one.
    pub size: Option<String>,
    /// Seeds of the prompts follow from this; default: from the name.
    pub seed: Option<u64>,
    /// Who competes, 2 to 16.
    pub contestants: Vec<ContestantRequest>,
    /// What is drawn, 1 to 200.
    pub prompts: Vec<PromptRequest>,
}

/// A contestant: a model with a preset, or pictures from outside.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ContestantRequest {
    /// Name, one of its kind, 1 to 60 characters; voters do not see it.
    pub name: String,
    /// Name of the model that draws.
    pub model: Option<String>,
    /// Preset; default `final`.
    pub preset: Option<String>,
    /// Pictures from outside instead of a model: ids of assets (`POST /api/v1/uploads`), one for each prompt.
    pub pictures: Vec<String>,
    /// Seconds that one of them took, 0 to a week.
    pub seconds: Option<f64>,
    /// What one of them cost: `{"amount": "0.04", "currency": "EUR"}`, in the currency of this machine's price.
    #[schema(value_type = Option<Object>)]
    pub cost: Option<BudgetText>,
}

/// A prompt.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PromptRequest {
    /// Kind of asset, such as `photoreal` (default), `stylised`, `illustration`; results are told by kind.
    pub kind: Option<String>,
    /// The words.
    pub prompt: String,
    /// The seed of every contestant's picture.
    pub seed: Option<u64>,
}

/// What a bake-off will take.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct BakeoffPlan {
    /// Pictures that are drawn.
    pub pictures: usize,
    /// Seconds of drawing them.
    pub seconds: f64,
    /// What that costs, a decimal.
    pub cost: String,
    /// What costs are in.
    pub currency: String,
    /// Duels of one voter who sees every pair.
    pub duels: usize,
}

fn field(at: &str, name: &str, index: usize) -> String {
    format!("{at}[{index}].{name}")
}

/// The preset of a name.
fn preset(field: &str, name: &str) -> Result<PresetName, ApiError> {
    serde_json::from_value(name.into()).map_err(|error| ApiError::field(field, error.to_string()))
}

/// The job that draws an entry.
pub fn draft(bakeoff: &Bakeoff, contestant: &Contestant, prompt: &BakeoffPrompt) -> Result<Draft, ApiError> {
    let size = bakeoff.size.as_deref().map(str::parse::<Size>).transpose();
    Ok(Draft {
        order: Order {
            prompt: prompt.prompt.clone(),
            seed: prompt.seed,
            preset: preset("preset", contestant.preset.as_deref().unwrap_or(USUAL_PRESET))?,
            size: size.map_err(|error| ApiError::field("size", error.to_string()))?,
            ..Order::default()
        },
        model: contestant.model.clone().unwrap_or_default(),
        project: bakeoff.project.clone(),
        source: SOURCE,
        priority: Priority::Batch,
        start: None,
        mask: None,
        batch: Some(bakeoff.id.clone()),
        label: Some(serde_json::json!({ "bakeoff": bakeoff.name }).to_string()),
    })
}

/// Checks everything that can be checked without drawing. Blocks.
fn check(app: &App, request: BakeoffRequest) -> Result<NewBakeoff, ApiError> {
    let name = words("name", &request.name, 1..=100)?;
    let campaign = request.campaign.as_deref().map(|id| app.store.campaign(id)).transpose();
    let campaign = campaign.map_err(|error| ApiError::field("campaign", error.to_string()))?;
    let of_campaign = campaign.as_ref().map_or(DEFAULT_PROJECT, |campaign| &campaign.project);
    let project = request.project.unwrap_or_else(|| of_campaign.to_owned());
    app.store.project(&project).map_err(|error| ApiError::field("project", error.to_string()))?;
    ApiError::in_range("contestants", request.contestants.len(), 2..=MAX_CONTESTANTS)?;
    ApiError::in_range("prompts", request.prompts.len(), 1..=MAX_PROMPTS)?;
    let seeds = request.seed.map_or_else(|| name.clone(), |seed| seed.to_string());
    let mut prompts = Vec::with_capacity(request.prompts.len());
    for (i, one) in request.prompts.into_iter().enumerate() {
        let kind = one.kind.unwrap_or_else(|| USUAL_KIND.into());
        if one.prompt.trim().is_empty() {
            return Err(ApiError::field(&field("prompts", "prompt", i), "is empty"));
        }
        prompts.push(BakeoffPrompt {
            kind: words(&field("prompts", "kind", i), &kind, 1..=40)?.to_lowercase(),
            prompt: one.prompt,
            seed: one.seed.unwrap_or_else(|| campaign::seed(&seeds, &i.to_string(), 0)),
        });
    }
    let currency = app.settings()?.currency;
    let mut new = NewBakeoff {
        name,
        campaign: campaign.map(|campaign| campaign.id),
        project,
        size: request.size,
        currency,
        contestants: Vec::new(),
        prompts,
        given: Vec::new(),
    };
    let mut names = BTreeSet::new();
    for (i, one) in request.contestants.into_iter().enumerate() {
        let name = words(&field("contestants", "name", i), &one.name, 1..=60)?;
        if !names.insert(name.to_lowercase()) {
            return Err(ApiError::field(&field("contestants", "name", i), "another contestant has this name"));
        }
        let contestant = Contestant {
            name,
            model: one.model.clone(),
            preset: one.model.as_ref().map(|_| one.preset.clone().unwrap_or_else(|| USUAL_PRESET.into())),
        };
        match &one.model {
            Some(_) => check_drawn(app, i, &one, &contestant, &new)?,
            None => {
                let given = check_given(app, i, &one, &new)?;
                new.given.extend(given);
            }
        }
        new.contestants.push(contestant);
    }
    Ok(new)
}

/// A contestant that is drawn here.
fn check_drawn(
    app: &App,
    index: usize,
    request: &ContestantRequest,
    contestant: &Contestant,
    new: &NewBakeoff,
) -> Result<(), ApiError> {
    let at = |name: &str| field("contestants", name, index);
    for (name, given) in [
        ("pictures", !request.pictures.is_empty()),
        ("seconds", request.seconds.is_some()),
        ("cost", request.cost.is_some()),
    ] {
        if given {
            return Err(ApiError::field(&at(name), "is for pictures from outside; this contestant has a model"));
        }
    }
    let bakeoff = unsaved(new);
    for (i, prompt) in new.prompts.iter().enumerate() {
        let checked = draft(&bakeoff, contestant, prompt).and_then(|draft| app.check(&draft));
        checked.map_err(|error| match error.field.as_deref() {
            Some("prompt") => ApiError { field: Some(field("prompts", "prompt", i)), ..error },
            Some(name @ ("model" | "preset")) => ApiError { field: Some(at(name)), ..error },
            _ => error,
        })?;
    }
    Ok(())
}

/// A contestant whose pictures are from outside.
fn check_given(
    app: &App,
    index: usize,
    request: &ContestantRequest,
    new: &NewBakeoff,
) -> Result<Vec<NewEntry>, ApiError> {
    let at = |name: &str| field("contestants", name, index);
    if request.pictures.is_empty() {
        return Err(ApiError::field(&at("model"), "is missing: name a model, or give pictures from outside"));
    }
    if request.preset.is_some() {
        return Err(ApiError::field(&at("preset"), "is for a model; this contestant has pictures from outside"));
    }
    if request.pictures.len() != new.prompts.len() {
        let message = format!(
            "{} pictures for {} prompts: one for each, in their order",
            request.pictures.len(),
            new.prompts.len()
        );
        return Err(ApiError::field(&at("pictures"), message));
    }
    let seconds =
        request.seconds.ok_or_else(|| ApiError::field(&at("seconds"), "is missing: how long did a picture take?"))?;
    let seconds = ApiError::in_range(&at("seconds"), seconds, 0.0..=MAX_SECONDS)?;
    let cost =
        request.cost.as_ref().ok_or_else(|| ApiError::field(&at("cost"), "is missing: what did a picture cost?"))?;
    let micros = parse_money(&cost.amount).map_err(|message| ApiError::field(&at("cost.amount"), message))?;
    if cost.currency != new.currency {
        let message = format!(
            "is {}, but this machine's price is in {} (PUT /api/v1/settings): there is no exchange rate here",
            cost.currency, new.currency
        );
        return Err(ApiError::field(&at("cost.currency"), message));
    }
    let entry = |(prompt, id): (u32, &String)| {
        let asset = app.store.asset(id);
        let asset = asset.map_err(|error| ApiError::field(&at(&format!("pictures[{prompt}]")), error.to_string()))?.id;
        Ok(NewEntry { contestant: index as u32, prompt, asset, seconds, micros })
    };
    (0..).zip(&request.pictures).map(entry).collect()
}

/// A bake-off as it would be kept.
fn unsaved(new: &NewBakeoff) -> Bakeoff {
    Bakeoff {
        id: String::new(),
        name: new.name.clone(),
        campaign: new.campaign.clone(),
        project: new.project.clone(),
        size: new.size.clone(),
        currency: new.currency.clone(),
        created_ms: 0,
        contestants: new.contestants.clone(),
        prompts: new.prompts.clone(),
    }
}

/// Keeps a bake-off; what is to be drawn is fed to the queue. Blocks.
pub fn create(app: &App, request: BakeoffRequest) -> Result<Bakeoff, ApiError> {
    let new = check(app, request)?;
    let made = app.store.add_bakeoff(&new)?;
    app.feeder.notify_one();
    Ok(made)
}

/// Predicts a bake-off. Keeps and draws nothing.
pub async fn plan(app: &Arc<App>, request: BakeoffRequest) -> Result<BakeoffPlan, ApiError> {
    let (new, settings) = app.blocking(move |app| Ok((check(app, request)?, app.settings()?))).await?;
    let bakeoff = unsaved(&new);
    let (mut pictures, mut seconds) = (0, 0.0);
    for contestant in new.contestants.iter().filter(|one| one.model.is_some()) {
        for prompt in &new.prompts {
            seconds += plan_job(app, draft(&bakeoff, contestant, prompt)?).await?.seconds;
            pictures += 1;
        }
    }
    let contestants = new.contestants.len();
    Ok(BakeoffPlan {
        pictures,
        seconds,
        cost: money((settings.cost(seconds) * campaign::MICROS as f64).round() as i64),
        currency: new.currency,
        duels: contestants * (contestants - 1) / 2 * new.prompts.len(),
    })
}
