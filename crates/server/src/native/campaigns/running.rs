//! Drawing a campaign: run, pause, resume, cancel.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use store::Stage;
use utoipa::ToSchema;

use super::CampaignView;
use crate::app::App;
use crate::campaigns;
use crate::error::ApiError;
use crate::extract::JsonBody;

/// What is to be drawn.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunRequest {
    /// `drafts`: candidates of every row; `finals`: what is picked, with the same seeds.
    #[schema(value_type = String)]
    stage: Stage,
}

/// How much is to be drawn.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunView {
    /// Tasks that wait now; each is a job.
    pending: i64,
    /// The campaign.
    campaign: CampaignView,
}

/// Draw what is not there yet: drafts of every row, or finals of every pick. What failed is tried again; what is there is not
/// drawn twice. Stops before the job that would pass the budget.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/run", tag = "campaigns", params(("id" = String, Path)),
    request_body = RunRequest, responses((status = 202, body = RunView), (status = 400), (status = 404)))]
pub async fn run(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<RunRequest>,
) -> Result<(StatusCode, Json<RunView>), ApiError> {
    let pending = campaigns::start(&app, &id, request.stage).await?;
    Ok((StatusCode::ACCEPTED, Json(RunView { pending, campaign: CampaignView::now(&app, id).await? })))
}

/// Stop drawing for a while: the running job is drawn to its end, waiting ones are taken back. One that does not run stays
/// as it is.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/pause", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, body = CampaignView), (status = 404), (status = 409)))]
pub async fn pause(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<CampaignView>, ApiError> {
    campaigns::pause(&app, &id).await?;
    Ok(Json(CampaignView::now(&app, id).await?))
}

/// Go on with a campaign that paused or stopped.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/resume", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, body = CampaignView), (status = 404), (status = 409)))]
pub async fn resume(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<CampaignView>, ApiError> {
    campaigns::resume(&app, &id).await?;
    Ok(Json(CampaignView::now(&app, id).await?))
}

/// End the drawing, also of the running job. What is drawn stays; `run` begins again.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/cancel", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, body = CampaignView), (status = 404), (status = 409)))]
pub async fn cancel(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<CampaignView>, ApiError> {
    campaigns::cancel(&app, &id).await?;
    Ok(Json(CampaignView::now(&app, id).await?))
}
