//! Campaigns: make, list, show, add rows, plan.

mod candidates;
mod opinions;
mod review;
mod rows;
mod running;
mod shared;
mod sharing;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use campaign::{Brief, money};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Campaign, CampaignProgress, DEFAULT_PROJECT, RemovedCampaign};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::jobs::page;
use crate::app::{App, Owner};
use crate::campaigns::{CampaignPlan, CampaignReport};
use crate::error::ApiError;
use crate::extract::{JsonBody, Query};

pub use rows::DryRunView;
pub use sharing::{LinkView, NewLink, share};

/// Longest name of a person, characters.
pub(super) const MAX_PERSON: usize = 100;

/// Paths and methods.
pub fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, remove))
        .routes(routes!(rows::list, rows::import))
        .routes(routes!(plan))
        .routes(routes!(report))
        .routes(routes!(running::run))
        .routes(routes!(running::pause))
        .routes(routes!(running::resume))
        .routes(routes!(running::cancel))
        .routes(routes!(candidates::list))
        .routes(routes!(candidates::pick))
        .routes(routes!(review::show))
        .routes(routes!(review::change))
        .routes(routes!(review::comment))
        .routes(routes!(review::lock))
        .routes(routes!(sharing::list, sharing::create))
        .routes(routes!(sharing::revoke))
        .routes(routes!(opinions::votes, opinions::vote))
        .routes(routes!(opinions::pulses, opinions::pulse))
        .routes(routes!(shared::show))
        .routes(routes!(shared::candidates))
        .routes(routes!(shared::picture))
        .routes(routes!(shared::comments, shared::comment))
}

/// A campaign.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignView {
    /// Id; the `batch` of its jobs.
    pub id: String,
    /// Name.
    pub name: String,
    /// Id of the project.
    pub project: String,
    /// The brief.
    #[schema(value_type = Object)]
    pub brief: Value,
    /// `ready`, `running`, `paused`, `stopped` or `cancelled`.
    pub state: String,
    /// Why it stopped.
    pub reason: Option<String>,
    /// When it was made.
    pub created_ms: i64,
    /// Assets.
    pub rows: i64,
    /// Jobs that ended.
    pub jobs: i64,
    /// Pictures they made.
    pub pictures: i64,
    /// Seconds that were predicted for them.
    pub planned_seconds: f64,
    /// Seconds they took.
    pub seconds: f64,
    /// What they cost, a decimal.
    pub spent: String,
    /// How far it is.
    pub progress: ProgressView,
}

/// How far a campaign is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = CampaignProgress)]
pub struct ProgressView {
    /// Rows whose drafts are there.
    pub drafted: i64,
    /// Tasks that failed.
    pub failed: i64,
    /// Drafts that can be picked.
    pub candidates: i64,
    /// How many are picked.
    pub picked: i64,
    /// How many of these have their final.
    pub finals: i64,
    /// How many of these are approved.
    pub approved: i64,
    /// Asset that stands for the campaign.
    pub cover: Option<String>,
}

impl CampaignView {
    /// A campaign with how far it is. Blocks.
    pub(crate) fn of(app: &App, campaign: Campaign) -> Result<Self, ApiError> {
        let CampaignProgress { drafted, failed, candidates, picked, finals, approved, cover } =
            app.store.campaign_progress(&campaign.id)?;
        Ok(Self {
            brief: serde_json::from_str(&campaign.brief).unwrap_or_default(),
            id: campaign.id,
            name: campaign.name,
            project: campaign.project,
            state: campaign.state.name().into(),
            reason: campaign.reason,
            created_ms: campaign.created_ms,
            rows: campaign.rows,
            jobs: campaign.jobs,
            pictures: campaign.pictures,
            planned_seconds: campaign.planned_seconds,
            seconds: campaign.seconds,
            spent: money(campaign.micros),
            progress: ProgressView { drafted, failed, candidates, picked, finals, approved, cover },
        })
    }

    /// The same, of an id.
    async fn now(app: &Arc<App>, id: String) -> Result<Self, ApiError> {
        app.blocking(move |app| Self::of(app, app.store.campaign(&id)?)).await
    }
}

/// A campaign to be made.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CampaignRequest {
    /// The brief: `name`, `audience`, `channels`, `deadline`, `budget` (`{"amount": "120.50", "currency": "EUR"}`), `brand_kit`,
    /// `model`, `draft_preset`, `preset`, `candidates`, `prompt` with `{slots}`, `negative`, `style`, `size`, `seed`, `slots`,
    /// `texts`.
    #[schema(value_type = Object)]
    brief: Brief,
    /// Rows as CSV; longer files go to `POST /api/v1/campaigns/{id}/rows`.
    csv: Option<String>,
    /// Id of a project.
    project: Option<String>,
    /// Only say what the first rows would become, and what is wrong with any: how many, 1 to 200. Nothing is kept.
    dry_run: Option<u32>,
}

/// Make a campaign with its rows, or (with `dry_run`) say what the first rows would become and what all of them would take. All
/// of it is kept or nothing.
#[utoipa::path(post, path = "/api/v1/campaigns", tag = "campaigns", request_body = CampaignRequest,
    responses((status = 200, body = DryRunView, description = "a dry run"), (status = 201, body = CampaignView), (status = 400)))]
pub async fn create(
    State(app): State<Arc<App>>,
    JsonBody(request): JsonBody<CampaignRequest>,
) -> Result<Response, ApiError> {
    let project = request.project.unwrap_or_else(|| DEFAULT_PROJECT.to_owned());
    if let Some(first) = request.dry_run {
        let first = ApiError::in_range("dry_run", first, 1..=rows::MAX_FIRST)?;
        return Ok(
            Json(rows::dry_run_and_plan(&app, request.brief, request.csv, &project, first).await?).into_response()
        );
    }
    app.blocking(move |app| {
        let mut csv = request.csv.as_deref().map(str::as_bytes);
        let csv = csv.as_mut().map(|csv| csv as &mut dyn std::io::Read);
        let campaign = crate::campaigns::create(app, request.brief, &project, csv)?;
        Ok((StatusCode::CREATED, Json(CampaignView::of(app, campaign)?)).into_response())
    })
    .await
}

/// Which campaigns.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Campaigns to leave out from the beginning.
    offset: u32,
    /// Most campaigns, 1 to 200; default 50.
    limit: Option<u32>,
}

/// A page of campaigns.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignPage {
    /// The campaigns, the newest first.
    campaigns: Vec<CampaignView>,
    /// How many there are in all.
    total: i64,
}

/// List campaigns, the newest first.
#[utoipa::path(get, path = "/api/v1/campaigns", tag = "campaigns", params(ListQuery),
    responses((status = 200, body = CampaignPage), (status = 400)))]
pub async fn list(State(app): State<Arc<App>>, Query(query): Query<ListQuery>) -> Result<Json<CampaignPage>, ApiError> {
    let limit = page(query.limit)?;
    app.blocking(move |app| {
        let (campaigns, total) = app.store.campaigns(query.offset, limit)?;
        let campaigns =
            campaigns.into_iter().map(|campaign| CampaignView::of(app, campaign)).collect::<Result<_, _>>()?;
        Ok(Json(CampaignPage { campaigns, total }))
    })
    .await
}

/// Show a campaign.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, body = CampaignView), (status = 404)))]
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<CampaignView>, ApiError> {
    Ok(Json(CampaignView::now(&app, id).await?))
}

/// What happens to the pictures.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RemoveQuery {
    /// `true` also removes the pictures that its jobs drew; `false` (default) leaves them in the library.
    pictures: bool,
}

/// What became of the pictures of a campaign that was removed.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RemovedCampaign)]
pub struct RemovedView {
    /// Pictures that were removed with it.
    removed: i64,
    /// Pictures of it that stay.
    kept: i64,
}

/// Remove a campaign with its rows, picks, review, share links, votes and answers; what is drawn of it ends. Its jobs stay in the
/// books. With `pictures`, those pictures stay that are favourites, rated or tagged, that others were developed from, or that
/// another campaign uses.
#[utoipa::path(delete, path = "/api/v1/campaigns/{id}", tag = "campaigns", params(("id" = String, Path), RemoveQuery),
    responses((status = 200, body = RemovedView), (status = 404), (status = 409)))]
pub async fn remove(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<RemoveQuery>,
) -> Result<Json<RemovedView>, ApiError> {
    let RemovedCampaign { removed, kept } = crate::campaigns::remove(&app, &id, query.pictures).await?;
    Ok(Json(RemovedView { removed, kept }))
}

/// Predict a campaign: pictures, seconds and money. Draws nothing.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/plan", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, body = CampaignPlan), (status = 400), (status = 404)))]
pub async fn plan(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<CampaignPlan>, ApiError> {
    Ok(Json(crate::campaigns::plan(&app, &id).await?))
}

/// What a campaign has become: counts, seconds and money against the plan, time to approval.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}/report", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, body = CampaignReport), (status = 404)))]
pub async fn report(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<CampaignReport>, ApiError> {
    app.blocking(move |app| Ok(Json(crate::campaigns::report(app, &id)?))).await
}

/// Whoever comes in with a key.
pub(super) type Person = Extension<Owner>;

/// The name of whoever does something: as they say, or else the name of their key. Blocks.
pub(super) fn person(app: &App, owner: &Owner, by: Option<&str>) -> Result<String, ApiError> {
    if let Some(by) = by {
        return person_name("by", by);
    }
    let keys = app.store.keys()?;
    Ok(keys.into_iter().find(|key| key.id == owner.0).map_or_else(|| owner.0.clone(), |key| key.name))
}

/// A short text without line breaks.
pub fn words(field: &str, text: &str, range: std::ops::RangeInclusive<usize>) -> Result<String, ApiError> {
    let text = text.trim();
    if range.contains(&text.chars().count()) && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    let message = format!("must be {} to {} printable characters", range.start(), range.end());
    Err(ApiError::field(field, message))
}

/// The name of somebody.
pub fn person_name(field: &str, name: &str) -> Result<String, ApiError> {
    words(field, name, 1..=MAX_PERSON)
}

/// A longer text; line breaks are allowed.
pub fn prose(field: &str, text: &str, least: usize) -> Result<String, ApiError> {
    let text = text.trim();
    let is_good = text.chars().all(|c| !c.is_control() || matches!(c, '\n' | '\r' | '\t'));
    if (least..=store::MAX_NOTE_BYTES).contains(&text.len()) && is_good {
        return Ok(text.to_owned());
    }
    let message = format!("must be {least} to {} bytes without control characters", store::MAX_NOTE_BYTES);
    Err(ApiError::field(field, message))
}
