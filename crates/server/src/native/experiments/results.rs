//! Results of a test, and what they say.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use experiment::Assignment;
use serde::Deserialize;
use store::ImportMode;
use utoipa::IntoParams;

use crate::app::App;
use crate::error::ApiError;
use crate::experiments::{self, ExperimentReport, ImportView};
use crate::extract::Query;
use crate::native::csv_body::read_csv;

/// How to take a file.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// How people came to the creatives: `platform_experiment` (the platform's experiment tool, at random), `own` (by us, at
    /// random) or `platform_optimised` (the platform chose; then no winner can be named). It must be said each time.
    #[param(value_type = String)]
    assignment: Option<Assignment>,
    /// Let rows replace what is there; else a file that would is refused.
    replace: bool,
    /// Only say what would happen.
    dry_run: bool,
}

/// Take the results of a CSV file (the body, `text/csv`): `creative`, `day`, `people` or `impressions`, `clicks`, `conversions`,
/// `revenue`, `revenue_squared`. All rows or none.
#[utoipa::path(post, path = "/api/v1/experiments/{id}/results", tag = "experiments", params(("id" = String, Path), ImportQuery),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, body = ImportView, description = "a dry run"), (status = 201, body = ImportView), (status = 400),
    (status = 404), (status = 409), (status = 415)))]
pub async fn import(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<ImportQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let assignment = query.assignment.ok_or_else(|| {
        let message = "how did people come to the creatives: platform_experiment, own or platform_optimised?";
        ApiError::field("assignment", message)
    })?;
    let mode = match (query.dry_run, query.replace) {
        (true, _) => ImportMode::DryRun,
        (false, true) => ImportMode::Replace,
        (false, false) => ImportMode::Add,
    };
    read_csv(&app, request, move |app, csv| {
        let told = experiments::import(app, &id, csv, assignment, mode)?;
        let status = if told.kept { StatusCode::CREATED } else { StatusCode::OK };
        Ok((status, Json(told)).into_response())
    })
    .await
}

/// What a test says: one sentence first, then intervals, chances and health. It may be asked every day.
#[utoipa::path(get, path = "/api/v1/experiments/{id}/report", tag = "experiments", params(("id" = String, Path)),
    responses((status = 200, body = ExperimentReport), (status = 404)))]
pub async fn report(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<ExperimentReport>, ApiError> {
    app.blocking(move |app| {
        let experiment = app.store.experiment(&id)?;
        Ok(Json(experiments::report(app, &experiment)?))
    })
    .await
}
