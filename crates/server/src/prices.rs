//! What a campaign costs with every offer, as the native interface, the command line and the page say it: the catalogue of the
//! data folder or the one that comes with the program, and the speed of this machine from its own history.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use engine::{Order, PresetName};
use price::{Campaign, Catalogue, CatalogueError, Date, Figures, PriceError, Report, Size, Speed};
use serde::{Deserialize, Serialize};

use crate::app::App;
use crate::error::{ApiError, ServeError};
use crate::studio::Studio;

/// The own catalogue, in the data folder.
const FILE: &str = "prices.toml";
/// The studio's own machine, as the catalogue calls it.
const LOCAL: &str = "local";
/// Preset of drafts, when the campaign names none.
const DRAFT: &str = "draft";

/// What is asked. How fast this machine draws is no part of it: that is measured.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PriceRequest {
    /// What the campaign asks for.
    pub campaign: Campaign,
    /// Figures of the own machine, instead of the catalogue's rows of it.
    pub machine: Option<Figures>,
    /// A model whose speed the engine predicts where this machine has not drawn such pictures yet.
    pub predict: Option<String>,
    /// The day to count from; without it today.
    pub today: Option<Date>,
}

/// What is answered: the report that `calotype prices plan --json` prints, and the speeds it is made of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PriceAnswer {
    /// The report.
    #[serde(flatten)]
    pub report: Report,
    /// How fast this machine drew, or (`pictures` 0) is predicted to draw.
    pub speeds: Vec<Speed>,
}

/// Where an own catalogue lies.
pub fn own_file(app: &App) -> PathBuf {
    app.store.folder().join(FILE)
}

/// The own catalogue if there is one, or the one that comes with the program. Blocks.
pub fn catalogue(app: &App) -> Result<Catalogue, CatalogueError> {
    let file = own_file(app);
    if !file.exists() {
        return Catalogue::starter();
    }
    // Messages go to clients, whom the folder does not concern.
    let text = std::fs::read_to_string(&file).map_err(|source| CatalogueError::File { file: FILE.into(), source })?;
    Catalogue::parse(FILE, &text)
}

/// How fast this machine drew. Blocks.
pub fn speeds(app: &App) -> Result<Vec<Speed>, ApiError> {
    let speed = |found: store::DrawingSpeed| Speed {
        device: LOCAL.into(),
        model: found.model,
        size: Size { width: found.width, height: found.height },
        preset: found.preset,
        p50_seconds: found.p50_seconds,
        p95_seconds: found.p95_seconds,
        pictures: found.pictures,
    };
    Ok(app.store.drawing_speeds()?.into_iter().map(speed).collect())
}

/// Answers.
pub async fn answer(app: &Arc<App>, request: PriceRequest) -> Result<PriceAnswer, ApiError> {
    let today = request.today.unwrap_or_else(price::today);
    let (mut catalogue, mut speeds) = app
        .blocking(|app| {
            let catalogue = catalogue(app).map_err(|error| {
                ApiError::status(axum::http::StatusCode::CONFLICT, "broken_catalogue", error.to_string())
            })?;
            Ok((catalogue, speeds(app)?))
        })
        .await?;
    if let Some(figures) = &request.machine {
        catalogue = catalogue.with_own(figures, request.campaign.currency, today).map_err(figure)?;
    }
    if let Some(model) = &request.predict {
        predict(app, model, &request.campaign, &mut speeds).await?;
    }
    let report = price::report(&catalogue, &request.campaign, &speeds, today).map_err(refused)?;
    Ok(PriceAnswer { report, speeds })
}

/// Adds what the engine predicts for pictures that the campaign needs and that were never drawn here.
async fn predict(app: &Arc<App>, model: &str, campaign: &Campaign, speeds: &mut Vec<Speed>) -> Result<(), ApiError> {
    let name = model.to_owned();
    let of_field = |field: &str, error: ApiError| ApiError { field: Some(field.to_owned()), ..error };
    let model = app.blocking(move |app| app.models.find(&name)).await.map_err(|error| of_field("predict", error))?;
    let mut needed = BTreeSet::from([("campaign.preset", campaign.size, campaign.preset.clone())]);
    if let Some(funnel) = &campaign.funnel {
        let preset = funnel.draft_preset.clone().unwrap_or_else(|| DRAFT.into());
        needed.insert(("campaign.funnel.draft_preset", funnel.draft_size.unwrap_or(campaign.size), preset));
    }
    for (field, size, preset) in needed {
        let is_it = |speed: &Speed| speed.model == model.name && speed.size == size && speed.preset == preset;
        if speeds.iter().any(is_it) {
            continue;
        }
        let named: Result<PresetName, _> = serde_json::from_value(preset.clone().into());
        let named = named.map_err(|error| ApiError::field(field, error.to_string()))?;
        let size_named = engine::Size { width: size.width, height: size.height };
        let order = Order { preset: named, size: Some(size_named), ..Order::default() };
        model.kind.check(&order).map_err(|error| of_field("predict", error.into()))?;
        let plan = app.planner.plan(&model, &order).await?;
        let seconds = plan["seconds"].as_f64().unwrap_or(0.0) * app.queue.live.ratio(&model.name);
        speeds.push(Speed {
            device: LOCAL.into(),
            model: model.name.clone(),
            size,
            preset,
            p50_seconds: seconds,
            p95_seconds: seconds,
            pictures: 0,
        });
    }
    Ok(())
}

/// A figure out of its range, by its name.
fn figure(error: CatalogueError) -> ApiError {
    match error {
        CatalogueError::Rows { problems, .. } if !problems.is_empty() => {
            ApiError::field(&format!("machine.{}", problems[0].field), problems[0].message.clone())
        }
        error => ApiError::field("machine", error.to_string()),
    }
}

/// An input out of its range, by its name.
fn refused(error: PriceError) -> ApiError {
    match error {
        PriceError::Field { field, message } => ApiError::field(&format!("campaign.{field}"), message),
        error @ PriceError::Currencies { .. } => ApiError::field("campaign.budget.currency", error.to_string()),
        error => ApiError::field("campaign", error.to_string()),
    }
}

impl Studio {
    /// What a campaign costs with every offer of a catalogue: this one, the data folder's own, or the one of the program.
    pub async fn prices(&self, request: PriceRequest) -> Result<PriceAnswer, ServeError> {
        Ok(answer(&self.app, request).await?)
    }
}
