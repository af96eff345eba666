//! Review of a candidate: its state and history, comments pinned to places, locks.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use campaign::ReviewState;
use serde::{Deserialize, Serialize};
use store::{Comment, NewComment, Review};
use utoipa::ToSchema;

use super::candidates::CandidateView;
use super::{Person, person, prose};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::JsonBody;

/// A comment.
#[derive(Debug, Serialize, ToSchema)]
pub struct CommentView {
    /// Where it is pinned, 0 to 1 of the width from the left.
    x: f64,
    /// Where it is pinned, 0 to 1 of the height from the top.
    y: f64,
    /// What it says.
    text: String,
    /// Who says it.
    author: String,
    /// Whether it came through a share link.
    shared: bool,
    /// When.
    at_ms: i64,
}

impl From<Comment> for CommentView {
    fn from(Comment { comment, at_ms }: Comment) -> Self {
        let NewComment { x, y, text, author, link } = comment;
        Self { x, y, text, author, shared: link.is_some(), at_ms }
    }
}

/// A move on the way through the review.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReviewView {
    /// Where it was.
    before: String,
    /// Where it went.
    after: String,
    /// Who moved it.
    who: String,
    /// What was said.
    note: String,
    /// When.
    at_ms: i64,
}

impl From<Review> for ReviewView {
    fn from(review: Review) -> Self {
        let Review { before, after, who, note, at_ms } = review;
        Self { before: before.name().into(), after: after.name().into(), who, note, at_ms }
    }
}

/// A candidate with its comments and history.
#[derive(Debug, Serialize, ToSchema)]
pub struct WholeCandidate {
    /// The candidate.
    candidate: CandidateView,
    /// States it may have next.
    next: Vec<String>,
    /// Comments, the first first.
    comments: Vec<CommentView>,
    /// Moves, the first first.
    history: Vec<ReviewView>,
}

/// Show a candidate with its comments and history.
#[utoipa::path(get, path = "/api/v1/candidates/{id}", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, body = WholeCandidate), (status = 404)))]
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<WholeCandidate>, ApiError> {
    app.blocking(move |app| {
        let candidate = app.store.candidate(&id)?;
        Ok(Json(WholeCandidate {
            next: candidate.state.next().iter().map(|state| state.name().to_owned()).collect(),
            candidate: candidate.into(),
            comments: app.store.comments(&id)?.into_iter().map(Into::into).collect(),
            history: app.store.review_history(&id)?.into_iter().map(Into::into).collect(),
        }))
    })
    .await
}

/// A move.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// `draft`, `in_review`, `changes_asked`, `approved` or `archived`.
    #[schema(value_type = String)]
    state: ReviewState,
    /// What is said with it, at most 4096 bytes.
    #[serde(default)]
    note: String,
    /// Who does it; default: the name of the key.
    by: Option<String>,
}

/// Move a picked candidate through the review; 409 where it cannot go from where it is.
#[utoipa::path(post, path = "/api/v1/candidates/{id}/review", tag = "campaigns", params(("id" = String, Path)),
    request_body = Move, responses((status = 200, body = CandidateView), (status = 400), (status = 404), (status = 409)))]
pub async fn change(
    State(app): State<Arc<App>>,
    axum::Extension(owner): Person,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<Move>,
) -> Result<Json<CandidateView>, ApiError> {
    app.blocking(move |app| {
        let (by, note) = (person(app, &owner, request.by.as_deref())?, prose("note", &request.note, 0)?);
        Ok(Json(app.store.review(&id, request.state, &by, &note)?.into()))
    })
    .await
}

/// A comment to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CommentRequest {
    /// Where it is pinned, 0 to 1 of the width from the left.
    pub x: f64,
    /// Where it is pinned, 0 to 1 of the height from the top.
    pub y: f64,
    /// What it says, 1 to 4096 bytes.
    pub text: String,
    /// Who says it; default: the name of the key, or the label of the link.
    pub by: Option<String>,
}

/// Comment on a place of a candidate.
#[utoipa::path(post, path = "/api/v1/candidates/{id}/comments", tag = "campaigns", params(("id" = String, Path)),
    request_body = CommentRequest, responses((status = 201, body = CommentView), (status = 400), (status = 404), (status = 409)))]
pub async fn comment(
    State(app): State<Arc<App>>,
    axum::Extension(owner): Person,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<CommentRequest>,
) -> Result<(StatusCode, Json<CommentView>), ApiError> {
    app.blocking(move |app| {
        let author = person(app, &owner, request.by.as_deref())?;
        let text = prose("text", &request.text, 1)?;
        let new = NewComment { x: request.x, y: request.y, text, author, link: None };
        Ok((StatusCode::CREATED, Json(app.store.add_comment(&id, None, &new)?.into())))
    })
    .await
}

/// Whether only one may change it.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// `true` locks, `false` unlocks.
    locked: bool,
    /// Who does it; default: the name of the key.
    by: Option<String>,
}

/// Lock a candidate, so that nobody else changes it, or unlock it.
#[utoipa::path(put, path = "/api/v1/candidates/{id}/lock", tag = "campaigns", params(("id" = String, Path)),
    request_body = Lock, responses((status = 200, body = CandidateView), (status = 400), (status = 404), (status = 409)))]
pub async fn lock(
    State(app): State<Arc<App>>,
    axum::Extension(owner): Person,
    Path(id): Path<String>,
    JsonBody(lock): JsonBody<Lock>,
) -> Result<Json<CandidateView>, ApiError> {
    app.blocking(move |app| {
        let by = person(app, &owner, lock.by.as_deref())?;
        Ok(Json(app.store.lock_candidate(&id, lock.locked, &by)?.into()))
    })
    .await
}
