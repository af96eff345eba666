//! Opinions: votes of duels, and how satisfied people are.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use store::{Outcome, Pulse, Vote};
use utoipa::ToSchema;

use super::{Person, person, words};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::JsonBody;

/// A vote.
#[derive(Debug, Serialize, ToSchema)]
pub struct VoteView {
    /// Asset on the left.
    left: String,
    /// Asset on the right.
    right: String,
    /// `left`, `right` or `tie`.
    outcome: String,
    /// Who voted.
    voter: String,
    /// When.
    at_ms: i64,
}

impl From<Vote> for VoteView {
    fn from(vote: Vote) -> Self {
        let Vote { left, right, outcome, voter, at_ms } = vote;
        Self { left, right, outcome: outcome.name().into(), voter, at_ms }
    }
}

/// A vote to be kept.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct VoteRequest {
    /// Asset on the left.
    left: String,
    /// Asset on the right.
    right: String,
    /// `left`, `right` or `tie`.
    #[schema(value_type = String)]
    outcome: Outcome,
    /// Who votes; default: the name of the key.
    by: Option<String>,
}

/// List the votes of a campaign, the first first.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}/votes", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, body = Vec<VoteView>), (status = 404)))]
pub async fn votes(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Vec<VoteView>>, ApiError> {
    app.blocking(move |app| Ok(Json(app.store.votes(&id)?.into_iter().map(Into::into).collect()))).await
}

/// Vote in a duel between two pictures.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/votes", tag = "campaigns", params(("id" = String, Path)),
    request_body = VoteRequest, responses((status = 201, body = VoteView), (status = 400), (status = 404)))]
pub async fn vote(
    State(app): State<Arc<App>>,
    axum::Extension(owner): Person,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<VoteRequest>,
) -> Result<(StatusCode, Json<VoteView>), ApiError> {
    app.blocking(move |app| {
        let voter = person(app, &owner, request.by.as_deref())?;
        let vote = Vote { left: request.left, right: request.right, outcome: request.outcome, voter, at_ms: 0 };
        Ok((StatusCode::CREATED, Json(app.store.add_vote(&id, &vote)?.into())))
    })
    .await
}

/// How satisfied somebody is.
#[derive(Debug, Serialize, ToSchema)]
pub struct PulseView {
    /// 1 (not at all) to 5.
    score: u8,
    /// Why; may be empty.
    reason: String,
    /// Who.
    who: String,
    /// When.
    at_ms: i64,
}

impl From<Pulse> for PulseView {
    fn from(pulse: Pulse) -> Self {
        let Pulse { score, reason, who, at_ms } = pulse;
        Self { score, reason, who, at_ms }
    }
}

/// An answer in two taps: how satisfied, and why.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PulseRequest {
    /// 1 (not at all) to 5.
    score: u8,
    /// Why, at most 64 characters.
    #[serde(default)]
    reason: String,
    /// Who answers; default: the name of the key.
    by: Option<String>,
}

/// List how satisfied people were, the first first.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}/pulses", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, body = Vec<PulseView>), (status = 404)))]
pub async fn pulses(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Vec<PulseView>>, ApiError> {
    app.blocking(move |app| Ok(Json(app.store.pulses(&id)?.into_iter().map(Into::into).collect()))).await
}

/// Say how satisfied you are.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/pulses", tag = "campaigns", params(("id" = String, Path)),
    request_body = PulseRequest, responses((status = 201, body = PulseView), (status = 400), (status = 404)))]
pub async fn pulse(
    State(app): State<Arc<App>>,
    axum::Extension(owner): Person,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<PulseRequest>,
) -> Result<(StatusCode, Json<PulseView>), ApiError> {
    app.blocking(move |app| {
        let who = person(app, &owner, request.by.as_deref())?;
        let pulse = Pulse { score: request.score, reason: words("reason", &request.reason, 0..=64)?, who, at_ms: 0 };
        Ok((StatusCode::CREATED, Json(app.store.add_pulse(&id, &pulse)?.into())))
    })
    .await
}
