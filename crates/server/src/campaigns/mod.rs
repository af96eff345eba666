//! Campaigns, as the native interface and the command line both use them: a brief is checked against models and money, its rows
//! are kept, planned and fed to the queue.

mod feeder;
mod plan;
mod report;

use std::sync::Arc;

use campaign::{Brief, Rate};
use engine::{PresetName, Size};
use store::{Campaign, CampaignState, NewCampaign, Priority, RemovedCampaign};

pub use feeder::{cancel, feed, pause, resume, start};
pub use plan::{CampaignPlan, Extent, plan, predict};
pub use report::{CampaignReport, Satisfaction, report};

use crate::app::{App, Draft};
use crate::error::ApiError;
use crate::settings::Settings;

/// The interface that jobs of campaigns come through.
const SOURCE: &str = "campaign";

/// What is to be drawn of a campaign.
#[derive(Debug)]
pub struct Work {
    /// The brief.
    pub brief: Brief,
    /// Id of the campaign, the batch of its jobs.
    id: String,
    project: String,
    /// What seeds follow from.
    seeds: String,
    draft_preset: PresetName,
    preset: PresetName,
    size: Option<Size>,
    kit: Option<KitWords>,
}

/// What a brand kit adds to every prompt.
#[derive(Debug)]
struct KitWords {
    name: String,
    version: u32,
    words: Vec<String>,
    negative: Vec<String>,
}

/// What a job's label says of the kit.
#[derive(Debug, serde::Deserialize)]
struct DrawnWith {
    kit_version: Option<u32>,
}

/// A text with words after it, separated by commas.
fn with_words(text: &str, words: &[String]) -> String {
    let parts = std::iter::once(text).chain(words.iter().map(String::as_str)).filter(|part| !part.trim().is_empty());
    parts.collect::<Vec<_>>().join(", ")
}

impl Work {
    /// The work of a campaign that is kept.
    pub fn of(campaign: &Campaign) -> Result<Self, ApiError> {
        let brief: Brief = serde_json::from_str(&campaign.brief).map_err(ApiError::internal)?;
        Self::new(brief, &campaign.id, &campaign.project)
    }

    /// The work of a brief. Names of presets and the size are read here.
    pub fn new(brief: Brief, id: &str, project: &str) -> Result<Self, ApiError> {
        let preset = |field: &str, name: &str| {
            let value = serde_json::Value::from(name);
            serde_json::from_value(value).map_err(|error| ApiError::field(field, error.to_string()))
        };
        let size = brief.size.as_deref().map(str::parse::<Size>).transpose();
        Ok(Self {
            draft_preset: preset("brief.draft_preset", &brief.draft_preset)?,
            preset: preset("brief.preset", &brief.preset)?,
            size: size.map_err(|error| ApiError::field("brief.size", error.to_string()))?,
            seeds: brief.seed.map_or_else(|| id.to_owned(), |seed| seed.to_string()),
            kit: None,
            brief,
            id: id.to_owned(),
            project: project.to_owned(),
        })
    }

    /// The same with the words of the brief's brand kit, if it is kept here: in the version that the campaign's first job had, so
    /// that a final is its draft at full quality whatever was published since; before there is a job, in the version in force. Blocks.
    pub fn with_kit(mut self, app: &App) -> Result<Self, ApiError> {
        let Some(name) = &self.brief.brand_kit else { return Ok(self) };
        let found = match app.store.find_kit(name) {
            Err(store::StoreError::Unknown { .. }) => return Ok(self),
            found => found?,
        };
        let version = match app.store.first_label(&self.id)? {
            None => found.published.unwrap_or(found.newest),
            Some(label) => match serde_json::from_str::<DrawnWith>(&label).map_err(ApiError::internal)?.kit_version {
                Some(version) => version,
                None => return Ok(self),
            },
        };
        let rules = app.store.kit_version(&found.id, version)?.rules;
        let kit: layout::BrandKit = serde_json::from_str(&rules).map_err(ApiError::internal)?;
        self.kit = Some(KitWords { name: found.name, version, words: kit.prompt_words, negative: kit.negative });
        Ok(self)
    }

    /// The prompt of a row as it is drawn: with the words of the kit.
    pub fn prompt(&self, prompt: &str) -> String {
        self.kit.as_ref().map_or_else(|| prompt.to_owned(), |kit| with_words(prompt, &kit.words))
    }

    /// The job of a row: its drafts or, with the seed of one of them, its final.
    pub fn draft(&self, row: &str, prompt: &str, final_seed: Option<u64>) -> Draft {
        let brief = &self.brief;
        let stage = if final_seed.is_some() { "finals" } else { "drafts" };
        let mut label = serde_json::json!({ "row": row, "stage": stage });
        let (prompt, mut negative) = (self.prompt(prompt), brief.negative.clone());
        if let Some(kit) = &self.kit {
            negative = with_words(&negative, &kit.negative);
            (label["kit"], label["kit_version"]) = (kit.name.as_str().into(), kit.version.into());
        }
        Draft {
            order: engine::Order {
                prompt,
                negative,
                seed: final_seed.or(brief.first_seed).unwrap_or_else(|| campaign::seed(&self.seeds, row, 0)),
                count: if final_seed.is_some() { 1 } else { brief.candidates },
                preset: if final_seed.is_some() { self.preset } else { self.draft_preset },
                size: self.size,
                ..engine::Order::default()
            },
            model: brief.model.clone(),
            project: self.project.clone(),
            source: SOURCE,
            priority: Priority::Batch,
            start: None,
            mask: None,
            batch: Some(self.id.clone()),
            label: Some(label.to_string()),
        }
    }

    /// Checks the brief against what this server has: model, presets, size, currency. Blocks.
    pub fn check(&self, app: &App) -> Result<(), ApiError> {
        crate::brand::check_channels(&crate::brand::channels(app)?, "brief.channels", &self.brief.channels)?;
        for final_seed in [None, Some(0)] {
            app.check(&self.draft("", "", final_seed)).map_err(|error| match error.field.as_deref() {
                Some("project") | None => error,
                Some("preset") if final_seed.is_none() => ApiError::field("brief.draft_preset", error.message),
                Some("count") => ApiError::field("brief.candidates", error.message),
                Some(field) => ApiError::field(&format!("brief.{field}"), error.message),
            })?;
        }
        self.rate(&app.settings()?).map(drop)
    }

    /// What drawing costs here, in the budget's currency: amounts in two currencies are never mixed.
    pub fn rate(&self, settings: &Settings) -> Result<Rate, ApiError> {
        if let Some(budget) = self.brief.budget.as_ref().filter(|budget| budget.currency != settings.currency) {
            let message = format!(
                "is {}, but this machine's price is in {} (PUT /api/v1/settings)",
                budget.currency, settings.currency
            );
            return Err(ApiError::field("brief.budget.currency", message));
        }
        Ok(rate(settings))
    }
}

/// What an hour of this machine costs.
fn rate(settings: &Settings) -> Rate {
    Rate::Hour((settings.hour() * campaign::MICROS as f64).round() as i64)
}

/// Keeps what jobs of campaigns that are over drew and cost. Blocks.
pub fn settle(app: &App) -> Result<(), ApiError> {
    let rate = rate(&app.settings()?);
    app.store.settle(&|_, seconds, pictures| rate.cost(seconds, pictures))?;
    Ok(())
}

/// Keeps a campaign with its rows: those of a CSV file, or the combinations of the brief's own values; without a file and with
/// slots that have no values, it has none yet. Blocks.
pub fn create(
    app: &App,
    brief: Brief,
    project: &str,
    csv: Option<&mut dyn std::io::Read>,
) -> Result<Campaign, ApiError> {
    brief.check()?;
    let work = Work::new(brief, "", project)?;
    work.check(app)?;
    let brief = work.brief;
    let waits_for_rows = csv.is_none() && needs_rows(&brief)?;
    let rows = if waits_for_rows { Vec::new() } else { campaign::import(&brief, csv, 0)? };
    let new = NewCampaign {
        name: brief.name.clone(),
        project: project.to_owned(),
        brief: serde_json::to_string(&brief).map_err(ApiError::internal)?,
    };
    app.store.add_campaign(&new, &rows).map_err(|error| match ApiError::from(error) {
        error if error.field.as_deref() == Some("name") => ApiError::field("brief.name", error.message),
        error => error,
    })
}

/// Whether a brief has slots that only rows can fill, or texts that only they have.
fn needs_rows(brief: &Brief) -> Result<bool, ApiError> {
    let template = brief.template()?;
    Ok(!brief.texts.is_empty() || template.slots().iter().any(|slot| !brief.slots.contains_key(*slot)))
}

/// Removes a campaign, which ends its drawing; with `pictures` also the pictures it drew that nothing else holds on to.
pub async fn remove(app: &Arc<App>, id: &str, pictures: bool) -> Result<RemovedCampaign, ApiError> {
    let own = id.to_owned();
    let state = app.blocking(move |app| Ok(app.store.campaign(&own)?.state)).await?;
    if !matches!(state, CampaignState::Ready | CampaignState::Cancelled) {
        cancel(app, id).await?;
    }
    let own = id.to_owned();
    app.blocking(move |app| Ok(app.store.remove_campaign(&own, pictures)?)).await
}

/// Adds the rows of a CSV file to a campaign, all or none; gives how many. Blocks.
pub fn add_rows(app: &App, id: &str, csv: &mut dyn std::io::Read) -> Result<usize, ApiError> {
    let campaign = app.store.campaign(id)?;
    if campaign.state == CampaignState::Running {
        let message = "the campaign is running: pause it before rows are added";
        return Err(ApiError::status(axum::http::StatusCode::CONFLICT, "conflict", message));
    }
    let work = Work::of(&campaign)?;
    let rows = campaign::import(&work.brief, Some(csv), u64::try_from(campaign.rows).unwrap_or(0))?;
    app.store.add_campaign_rows(id, &rows)?;
    Ok(rows.len())
}
