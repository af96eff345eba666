//! Bake-offs: make, list, show, vote, report.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use store::{Bakeoff, EntryState, Verdict};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::campaigns::{Person, person};
use super::jobs::page;
use crate::app::App;
use crate::bakeoffs::{self, BakeoffPlan, BakeoffReport, BakeoffRequest, DuelsView};
use crate::error::ApiError;
use crate::extract::{JsonBody, Query};

/// Most pairs that are told at once: some are fetched before they are needed.
const MAX_DUELS: usize = 10;

/// Paths and methods.
pub fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(plan))
        .routes(routes!(show, remove))
        .routes(routes!(run))
        .routes(routes!(duels))
        .routes(routes!(picture))
        .routes(routes!(vote, undo))
        .routes(routes!(report))
}

/// A bake-off.
#[derive(Debug, Serialize, ToSchema)]
pub struct BakeoffView {
    /// Id; the `batch` of its jobs.
    id: String,
    /// Name.
    name: String,
    /// Id of the campaign it belongs to.
    campaign: Option<String>,
    /// Id of the project.
    project: String,
    /// Size of what is drawn.
    size: Option<String>,
    /// What costs are in.
    currency: String,
    /// When it was made.
    created_ms: i64,
    /// Who competes.
    contestants: Vec<ContestantView>,
    /// What is drawn.
    prompts: Vec<PromptView>,
    /// Pictures that are there.
    done: usize,
    /// Pictures that are still to be drawn.
    waiting: usize,
    /// Pictures that could not be drawn.
    failed: usize,
    /// Why the first of them could not.
    error: Option<String>,
    /// Votes.
    votes: usize,
}

/// A contestant.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContestantView {
    /// Name.
    name: String,
    /// Model; absent for pictures from outside.
    model: Option<String>,
    /// Preset.
    preset: Option<String>,
}

/// A prompt.
#[derive(Debug, Serialize, ToSchema)]
pub struct PromptView {
    /// Kind of asset.
    kind: String,
    /// The words.
    prompt: String,
    /// The seed.
    seed: u64,
}

impl BakeoffView {
    /// Blocks.
    fn new(app: &App, bakeoff: Bakeoff) -> Result<Self, ApiError> {
        let entries = app.store.entries(&bakeoff.id)?;
        let count = |state| entries.iter().filter(|entry| entry.state == state).count();
        let contestant =
            |one: store::Contestant| ContestantView { name: one.name, model: one.model, preset: one.preset };
        let prompt = |one: store::BakeoffPrompt| PromptView { kind: one.kind, prompt: one.prompt, seed: one.seed };
        Ok(Self {
            done: count(EntryState::Done),
            waiting: count(EntryState::Pending) + count(EntryState::Queued),
            failed: count(EntryState::Failed),
            error: entries.iter().find_map(|entry| entry.error.clone()),
            votes: app.store.bakeoff_votes(&bakeoff.id)?.len(),
            id: bakeoff.id,
            name: bakeoff.name,
            campaign: bakeoff.campaign,
            project: bakeoff.project,
            size: bakeoff.size,
            currency: bakeoff.currency,
            created_ms: bakeoff.created_ms,
            contestants: bakeoff.contestants.into_iter().map(contestant).collect(),
            prompts: bakeoff.prompts.into_iter().map(prompt).collect(),
        })
    }
}

/// Make a bake-off: every contestant with a model draws every prompt with the same seed, behind the jobs of people.
#[utoipa::path(post, path = "/api/v1/bakeoffs", tag = "bake-offs", request_body = BakeoffRequest,
    responses((status = 201, body = BakeoffView), (status = 400)))]
pub async fn create(
    State(app): State<Arc<App>>,
    JsonBody(request): JsonBody<BakeoffRequest>,
) -> Result<(StatusCode, Json<BakeoffView>), ApiError> {
    app.blocking(move |app| {
        let made = bakeoffs::create(app, request)?;
        Ok((StatusCode::CREATED, Json(BakeoffView::new(app, made)?)))
    })
    .await
}

/// Predict a bake-off: pictures, seconds, money, duels. Keeps and draws nothing.
#[utoipa::path(post, path = "/api/v1/bakeoffs/plan", tag = "bake-offs", request_body = BakeoffRequest,
    responses((status = 200, body = BakeoffPlan), (status = 400)))]
pub async fn plan(
    State(app): State<Arc<App>>,
    JsonBody(request): JsonBody<BakeoffRequest>,
) -> Result<Json<BakeoffPlan>, ApiError> {
    Ok(Json(bakeoffs::plan(&app, request).await?))
}

/// Which bake-offs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Id of a campaign: only its bake-offs.
    campaign: Option<String>,
    /// Bake-offs to leave out from the beginning.
    offset: u32,
    /// Most bake-offs, 1 to 200; default 50.
    limit: Option<u32>,
}

/// A page of bake-offs.
#[derive(Debug, Serialize, ToSchema)]
pub struct BakeoffPage {
    /// The bake-offs, the newest first.
    bakeoffs: Vec<BakeoffView>,
    /// How many there are in all.
    total: i64,
}

/// List bake-offs, the newest first.
#[utoipa::path(get, path = "/api/v1/bakeoffs", tag = "bake-offs", params(ListQuery),
    responses((status = 200, body = BakeoffPage), (status = 400)))]
pub async fn list(State(app): State<Arc<App>>, Query(query): Query<ListQuery>) -> Result<Json<BakeoffPage>, ApiError> {
    let limit = page(query.limit)?;
    app.blocking(move |app| {
        let (found, total) = app.store.bakeoffs(query.campaign.as_deref(), query.offset, limit)?;
        let bakeoffs = found.into_iter().map(|one| BakeoffView::new(app, one)).collect::<Result<_, _>>()?;
        Ok(Json(BakeoffPage { bakeoffs, total }))
    })
    .await
}

/// Show a bake-off and how far its pictures are.
#[utoipa::path(get, path = "/api/v1/bakeoffs/{id}", tag = "bake-offs", params(("id" = String, Path)),
    responses((status = 200, body = BakeoffView), (status = 404)))]
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<BakeoffView>, ApiError> {
    app.blocking(move |app| Ok(Json(BakeoffView::new(app, app.store.bakeoff(&id)?)?))).await
}

/// Remove a bake-off with its votes. Its pictures stay in the library.
#[utoipa::path(delete, path = "/api/v1/bakeoffs/{id}", tag = "bake-offs", params(("id" = String, Path)),
    responses((status = 204), (status = 404)))]
pub async fn remove(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    app.blocking(move |app| Ok(app.store.remove_bakeoff(&id)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Draw again what failed.
#[utoipa::path(post, path = "/api/v1/bakeoffs/{id}/run", tag = "bake-offs", params(("id" = String, Path)),
    responses((status = 202, body = BakeoffView), (status = 404)))]
pub async fn run(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<BakeoffView>), ApiError> {
    app.blocking(move |app| {
        app.store.want_entries(&id)?;
        app.feeder.notify_one();
        Ok((StatusCode::ACCEPTED, Json(BakeoffView::new(app, app.store.bakeoff(&id)?)?)))
    })
    .await
}

/// Whose pairs, and how many.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DuelQuery {
    /// Who votes; default: the name of the key.
    by: Option<String>,
    /// Pairs, 1 to 10; default 1.
    count: Option<usize>,
}

/// The next pairs to vote on. Names are never told, and sides are swapped by chance.
#[utoipa::path(get, path = "/api/v1/bakeoffs/{id}/duels", tag = "bake-offs", params(("id" = String, Path), DuelQuery),
    responses((status = 200, body = DuelsView), (status = 400), (status = 404)))]
pub async fn duels(
    State(app): State<Arc<App>>,
    axum::Extension(owner): Person,
    Path(id): Path<String>,
    Query(query): Query<DuelQuery>,
) -> Result<Json<DuelsView>, ApiError> {
    let count = ApiError::in_range("count", query.count.unwrap_or(1), 1..=MAX_DUELS)?;
    app.blocking(move |app| {
        let voter = person(app, &owner, query.by.as_deref())?;
        Ok(Json(bakeoffs::duels(app, &id, &voter, count)?))
    })
    .await
}

/// How a picture is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PictureQuery {
    /// Width in pixels, 1 to the picture's own: a smaller picture.
    width: Option<u32>,
}

/// A picture of a duel as WebP: nothing in it says who made it.
#[utoipa::path(get, path = "/api/v1/bakeoffs/{id}/pictures/{picture}", tag = "bake-offs",
    params(("id" = String, Path), ("picture" = String, Path), PictureQuery),
    responses((status = 200, content_type = "image/webp", body = Vec<u8>), (status = 400), (status = 404)))]
pub async fn picture(
    State(app): State<Arc<App>>,
    Path((id, picture)): Path<(String, String)>,
    Query(query): Query<PictureQuery>,
) -> Result<Response, ApiError> {
    if query.width == Some(0) {
        return Err(ApiError::field("width", "0 is not in 1..=the picture's own width"));
    }
    let bytes = app.blocking(move |app| bakeoffs::blind_picture(app, &id, &picture, query.width)).await?;
    let mut response = ([(header::CONTENT_TYPE, "image/webp")], bytes).into_response();
    // Long enough that a picture that was fetched before its duel is there at once.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=600"));
    Ok(response)
}

/// A vote to be kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BakeoffVoteRequest {
    /// Id of the picture on the left.
    left: String,
    /// Id of the picture on the right.
    right: String,
    /// `left`, `right`, `tie` (both good) or `neither` (both bad).
    #[schema(value_type = String)]
    verdict: Verdict,
    /// Who votes; default: the name of the key.
    by: Option<String>,
    /// Pairs to be told then, 1 to 10; default 1.
    count: Option<usize>,
}

/// Vote on a pair; gives the next ones.
#[utoipa::path(post, path = "/api/v1/bakeoffs/{id}/votes", tag = "bake-offs", params(("id" = String, Path)),
    request_body = BakeoffVoteRequest,
    responses((status = 201, body = DuelsView), (status = 400), (status = 404), (status = 409)))]
pub async fn vote(
    State(app): State<Arc<App>>,
    axum::Extension(owner): Person,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<BakeoffVoteRequest>,
) -> Result<(StatusCode, Json<DuelsView>), ApiError> {
    let count = ApiError::in_range("count", request.count.unwrap_or(1), 1..=MAX_DUELS)?;
    app.blocking(move |app| {
        let voter = person(app, &owner, request.by.as_deref())?;
        app.store.vote_in_bakeoff(&id, &request.left, &request.right, request.verdict, &voter)?;
        Ok((StatusCode::CREATED, Json(bakeoffs::duels(app, &id, &voter, count)?)))
    })
    .await
}

/// Take your last vote back; its pair comes again.
#[utoipa::path(delete, path = "/api/v1/bakeoffs/{id}/votes", tag = "bake-offs", params(("id" = String, Path), DuelQuery),
    responses((status = 200, body = DuelsView), (status = 404), (status = 409)))]
pub async fn undo(
    State(app): State<Arc<App>>,
    axum::Extension(owner): Person,
    Path(id): Path<String>,
    Query(query): Query<DuelQuery>,
) -> Result<Json<DuelsView>, ApiError> {
    let count = ApiError::in_range("count", query.count.unwrap_or(1), 1..=MAX_DUELS)?;
    app.blocking(move |app| {
        let voter = person(app, &owner, query.by.as_deref())?;
        if app.store.undo_vote(&id, &voter)?.is_none() {
            let message = "there is no vote to take back";
            return Err(ApiError::status(StatusCode::CONFLICT, "conflict", message));
        }
        Ok(Json(bakeoffs::duels(app, &id, &voter, count)?))
    })
    .await
}

/// Ratings with intervals by kind of asset, seconds and cost of a picture, and who is beaten by nobody. This tells the names.
#[utoipa::path(get, path = "/api/v1/bakeoffs/{id}/report", tag = "bake-offs", params(("id" = String, Path)),
    responses((status = 200, body = BakeoffReport), (status = 404)))]
pub async fn report(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<BakeoffReport>, ApiError> {
    app.blocking(move |app| Ok(Json(bakeoffs::report(app, &id)?))).await
}
