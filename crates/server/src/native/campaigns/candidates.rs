//! The grid of candidates, and picks.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use campaign::ReviewState;
use serde::{Deserialize, Serialize};
use store::{Candidate, CandidateFilter};
use utoipa::{IntoParams, ToSchema};

use super::{Person, page, person};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, Query};

/// Most candidates that are picked at once.
const MAX_PICKS: usize = 1000;

/// A draft of a row.
#[derive(Debug, Serialize, ToSchema)]
pub struct CandidateView {
    /// Id.
    id: String,
    /// Id of the campaign.
    campaign: String,
    /// Name of the row.
    row: String,
    /// The row's finished prompt.
    prompt: String,
    /// Its number in the row, from 0.
    position: u32,
    /// Its seed, which is also its final's.
    seed: u64,
    /// Asset of the draft; absent if it was removed.
    asset: Option<String>,
    /// Asset of the final, once it is drawn.
    #[serde(rename = "final")]
    final_asset: Option<String>,
    /// Whether somebody picked it.
    picked: bool,
    /// `draft`, `in_review`, `changes_asked`, `approved` or `archived`.
    state: String,
    /// Who alone may change it.
    locked_by: Option<String>,
    /// Since when.
    locked_ms: Option<i64>,
    /// Comments on it.
    comments: i64,
}

impl From<Candidate> for CandidateView {
    fn from(candidate: Candidate) -> Self {
        Self {
            id: candidate.id,
            campaign: candidate.campaign,
            row: candidate.row,
            prompt: candidate.prompt,
            position: candidate.position,
            seed: candidate.seed,
            asset: candidate.asset,
            final_asset: candidate.final_asset,
            picked: candidate.picked,
            state: candidate.state.name().into(),
            locked_by: candidate.locked_by,
            locked_ms: candidate.locked_ms,
            comments: candidate.comments,
        }
    }
}

/// Which candidates.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CandidateQuery {
    /// Name of their row.
    row: Option<String>,
    /// Only those that are picked (`true`), or only the others.
    picked: Option<bool>,
    /// Where they are in the review.
    #[param(value_type = Option<String>)]
    state: Option<ReviewState>,
    /// Candidates to leave out from the beginning.
    offset: u32,
    /// Most candidates, 1 to 200; default 50.
    limit: Option<u32>,
}

/// A page of candidates.
#[derive(Debug, Serialize, ToSchema)]
pub struct CandidatePage {
    /// The candidates in the order of their rows.
    candidates: Vec<CandidateView>,
    /// How many there are in all.
    total: i64,
}

/// The grid of candidates.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}/candidates", tag = "campaigns",
    params(("id" = String, Path), CandidateQuery), responses((status = 200, body = CandidatePage), (status = 400), (status = 404)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<CandidateQuery>,
) -> Result<Json<CandidatePage>, ApiError> {
    let limit = page(query.limit)?;
    let filter = CandidateFilter { row: query.row, picked: query.picked, state: query.state };
    app.blocking(move |app| {
        let (candidates, total) = app.store.candidates(&id, &filter, query.offset, limit)?;
        Ok(Json(CandidatePage { candidates: candidates.into_iter().map(Into::into).collect(), total }))
    })
    .await
}

/// What to pick.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Picks {
    /// Ids of candidates, 1 to 1000.
    candidates: Vec<String>,
    /// `true` (default) picks them, `false` takes that back.
    picked: Option<bool>,
    /// Who does it; default: the name of the key.
    by: Option<String>,
}

/// How many are picked.
#[derive(Debug, Serialize, ToSchema)]
pub struct Picked {
    /// Picked candidates of the campaign.
    picked: i64,
}

/// Pick candidates, or take that back; all or none.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/picks", tag = "campaigns", params(("id" = String, Path)),
    request_body = Picks, responses((status = 200, body = Picked), (status = 400), (status = 404), (status = 409)))]
pub async fn pick(
    State(app): State<Arc<App>>,
    axum::Extension(owner): Person,
    Path(id): Path<String>,
    JsonBody(picks): JsonBody<Picks>,
) -> Result<Json<Picked>, ApiError> {
    if !(1..=MAX_PICKS).contains(&picks.candidates.len()) {
        let message = format!("{} ids; 1 to {MAX_PICKS} are accepted", picks.candidates.len());
        return Err(ApiError::field("candidates", message));
    }
    app.blocking(move |app| {
        let by = person(app, &owner, picks.by.as_deref())?;
        app.store.pick(&id, &picks.candidates, picks.picked.unwrap_or(true), &by)?;
        let filter = CandidateFilter { picked: Some(true), ..CandidateFilter::default() };
        Ok(Json(Picked { picked: app.store.candidates(&id, &filter, 0, 1)?.1 }))
    })
    .await
}
