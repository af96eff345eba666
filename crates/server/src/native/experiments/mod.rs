//! Experiments: plan, make, export, publish; results, report, shares, next round.

mod assign;
mod results;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::jobs::page;
use crate::app::App;
use crate::error::ApiError;
use crate::experiments::{
    self, ExperimentRequest, ExperimentView, NextRequest, NextRound, PowerPlan, PowerRequest, Rule, SharesView,
};
use crate::extract::{JsonBody, Query};
use crate::security::new_token;

/// Paths and methods.
pub fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(plan))
        .routes(routes!(show))
        .routes(routes!(export))
        .routes(routes!(publish, withdraw))
        .routes(routes!(results::import))
        .routes(routes!(results::report))
        .routes(routes!(shares, set_weights))
        .routes(routes!(next))
        .routes(routes!(origin))
        .routes(routes!(assign::assign))
}

/// Plan a test: people, days, and what many creatives had better do. Keeps nothing.
#[utoipa::path(post, path = "/api/v1/experiments/plan", tag = "experiments", request_body = PowerRequest,
    responses((status = 200, body = PowerPlan), (status = 400)))]
pub async fn plan(JsonBody(request): JsonBody<PowerRequest>) -> Result<Json<PowerPlan>, ApiError> {
    Ok(Json(experiments::plan(&request)?))
}

/// Make a test of picked candidates or other pictures.
#[utoipa::path(post, path = "/api/v1/experiments", tag = "experiments", request_body = ExperimentRequest,
    responses((status = 201, body = ExperimentView), (status = 400)))]
pub async fn create(
    State(app): State<Arc<App>>,
    JsonBody(request): JsonBody<ExperimentRequest>,
) -> Result<(StatusCode, Json<ExperimentView>), ApiError> {
    app.blocking(move |app| {
        let experiment = experiments::create(app, &request)?;
        Ok((StatusCode::CREATED, Json(ExperimentView::of(app, experiment)?)))
    })
    .await
}

/// Which experiments.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Only those of this campaign.
    campaign: Option<String>,
    /// Experiments to leave out from the beginning.
    offset: u32,
    /// Most experiments, 1 to 200; default 50.
    limit: Option<u32>,
}

/// A page of experiments.
#[derive(Debug, Serialize, ToSchema)]
pub struct ExperimentPage {
    /// The experiments, the newest first.
    experiments: Vec<ExperimentView>,
    /// How many there are in all.
    total: i64,
}

/// List tests, the newest first.
#[utoipa::path(get, path = "/api/v1/experiments", tag = "experiments", params(ListQuery),
    responses((status = 200, body = ExperimentPage), (status = 400)))]
pub async fn list(
    State(app): State<Arc<App>>,
    Query(query): Query<ListQuery>,
) -> Result<Json<ExperimentPage>, ApiError> {
    let limit = page(query.limit)?;
    app.blocking(move |app| {
        let (found, total) = app.store.experiments(query.campaign.as_deref(), query.offset, limit)?;
        let experiments = found.into_iter().map(|one| ExperimentView::of(app, one)).collect::<Result<_, _>>()?;
        Ok(Json(ExperimentPage { experiments, total }))
    })
    .await
}

/// Show a test.
#[utoipa::path(get, path = "/api/v1/experiments/{id}", tag = "experiments", params(("id" = String, Path)),
    responses((status = 200, body = ExperimentView), (status = 404)))]
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<ExperimentView>, ApiError> {
    app.blocking(move |app| Ok(Json(ExperimentView::of(app, app.store.experiment(&id)?)?))).await
}

/// How creatives are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// With the pictures, under their names, as a ZIP.
    zip: bool,
}

/// The creatives of a test: a list with keys, file names and UTM parameters; with `zip` also the pictures.
#[utoipa::path(get, path = "/api/v1/experiments/{id}/export", tag = "experiments", params(("id" = String, Path), ExportQuery),
    responses((status = 200, content_type = "text/csv", body = String), (status = 404)))]
pub async fn export(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<ExportQuery>,
) -> Result<Response, ApiError> {
    app.blocking(move |app| {
        let experiment = app.store.experiment(&id)?;
        let (kind, ending, bytes) = match query.zip {
            true => ("application/zip", "zip", experiments::zip(app, &experiment)?),
            false => ("text/csv; charset=utf-8", "csv", experiments::csv(&experiment).into_bytes()),
        };
        let disposition = format!("attachment; filename=\"{}-creatives.{ending}\"", experiment.slug);
        let headers = [(header::CONTENT_TYPE, kind.to_owned()), (header::CONTENT_DISPOSITION, disposition)];
        Ok((headers, bytes).into_response())
    })
    .await
}

/// Let a test assign people: its answer has `assign_path`, which needs no key.
#[utoipa::path(post, path = "/api/v1/experiments/{id}/publish", tag = "experiments", params(("id" = String, Path)),
    responses((status = 200, body = ExperimentView), (status = 404), (status = 409)))]
pub async fn publish(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<ExperimentView>, ApiError> {
    app.blocking(move |app| {
        let mut experiment = app.store.experiment(&id)?;
        if experiment.token.is_none() {
            experiment = app.store.publish_experiment(&id, Some(&new_token()))?;
            app.assigning.load(&app.store)?;
        }
        Ok(Json(ExperimentView::of(app, experiment)?))
    })
    .await
}

/// Let a test assign people no more; publishing it again gives another path.
#[utoipa::path(delete, path = "/api/v1/experiments/{id}/publish", tag = "experiments", params(("id" = String, Path)),
    responses((status = 204), (status = 404)))]
pub async fn withdraw(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    app.blocking(move |app| {
        app.store.publish_experiment(&id, None)?;
        app.assigning.load(&app.store)
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// How shares are wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SharesQuery {
    /// `thompson` (default) earns most while it learns, `top_two` finds out which is best.
    #[param(value_type = Option<String>)]
    rule: Rule,
    /// Least share of a creative, 0 to 1 over their number; default a fifth of that.
    floor: Option<f64>,
}

/// How to share out the next people, if a bandit is to do so. Changes nothing.
#[utoipa::path(get, path = "/api/v1/experiments/{id}/weights", tag = "experiments", params(("id" = String, Path), SharesQuery),
    responses((status = 200, body = SharesView), (status = 400), (status = 404), (status = 409)))]
pub async fn shares(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<SharesQuery>,
) -> Result<Json<SharesView>, ApiError> {
    app.blocking(move |app| {
        let experiment = app.store.experiment(&id)?;
        Ok(Json(experiments::shares(app, &experiment, query.rule, query.floor)?))
    })
    .await
}

/// Planned shares.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Weights {
    /// One for each creative, relative to each other, from 0.
    weights: Vec<f64>,
}

/// Set the planned shares; after people came, arrivals cannot be checked against shares any more.
#[utoipa::path(put, path = "/api/v1/experiments/{id}/weights", tag = "experiments", params(("id" = String, Path)),
    request_body = Weights, responses((status = 200, body = ExperimentView), (status = 400), (status = 404)))]
pub async fn set_weights(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<Weights>,
) -> Result<Json<ExperimentView>, ApiError> {
    app.blocking(move |app| {
        experiment::Assigner::new("check", &request.weights)?;
        let experiment = app.store.set_weights(&id, &request.weights)?;
        app.assigning.load(&app.store)?;
        Ok(Json(ExperimentView::of(app, experiment)?))
    })
    .await
}

/// Make the campaign of the next round: the winner's recipe, and its neighbours.
#[utoipa::path(post, path = "/api/v1/experiments/{id}/next", tag = "experiments", params(("id" = String, Path)),
    request_body = NextRequest, responses((status = 201, body = NextRound), (status = 400), (status = 404), (status = 409)))]
pub async fn next(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<NextRequest>,
) -> Result<(StatusCode, Json<NextRound>), ApiError> {
    app.blocking(move |app| {
        let experiment = app.store.experiment(&id)?;
        Ok((StatusCode::CREATED, Json(experiments::next(app, &experiment, &request)?)))
    })
    .await
}

/// Where a campaign goes on from.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Origin {
    /// Id of the test; absent for a campaign that began by itself, as are the others.
    experiment: Option<String>,
    /// Its name.
    experiment_name: Option<String>,
    /// Key of the creative.
    creative: Option<String>,
    /// Id of the campaign that the test belongs to.
    parent: Option<String>,
    /// Its name.
    parent_name: Option<String>,
}

/// Show which test and creative a campaign goes on from.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}/origin", tag = "experiments", params(("id" = String, Path)),
    responses((status = 200, body = Origin), (status = 404)))]
pub async fn origin(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Origin>, ApiError> {
    app.blocking(move |app| {
        app.store.campaign(&id)?;
        let Some((experiment, creative)) = app.store.origin(&id)? else { return Ok(Json(Origin::default())) };
        let parent = experiment.campaign.as_ref().map(|parent| app.store.campaign(parent)).transpose()?;
        Ok(Json(Origin {
            experiment: Some(experiment.id),
            experiment_name: Some(experiment.name),
            creative: Some(creative),
            parent_name: parent.as_ref().map(|parent| parent.name.clone()),
            parent: parent.map(|parent| parent.id),
        }))
    })
    .await
}
