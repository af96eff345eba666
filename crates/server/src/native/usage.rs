//! Usage with money, and the settings it depends on.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, Query};
use crate::settings::Settings;

/// Longest span of days.
const MAX_DAYS: u32 = 3660;

/// Since when.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UsageQuery {
    /// Days back from today, 1 to 3660; default 30.
    days: Option<u32>,
}

/// What a project used on a day.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageRow {
    /// Id of the project.
    project: String,
    /// Name of the project.
    project_name: String,
    /// Day (UTC), `YYYY-MM-DD`.
    day: String,
    /// Jobs that ended.
    jobs: i64,
    /// Pictures made.
    pictures: i64,
    /// Seconds of drawing.
    seconds: f64,
    /// What they cost at today's price.
    cost: f64,
}

/// What was used.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsageView {
    /// By project and day, the newest day first.
    rows: Vec<UsageRow>,
    /// Pictures in all.
    pictures: i64,
    /// Seconds in all.
    seconds: f64,
    /// Cost in all.
    cost: f64,
    /// What costs are in.
    currency: String,
    /// What an hour costs.
    price_per_hour: f64,
}

/// What was used, by project and day, with money.
#[utoipa::path(get, path = "/api/v1/usage", tag = "usage", params(UsageQuery), responses((status = 200, body = UsageView)))]
pub async fn show(State(app): State<Arc<App>>, Query(query): Query<UsageQuery>) -> Result<Json<UsageView>, ApiError> {
    let days = ApiError::in_range("days", query.days.unwrap_or(30), 1..=MAX_DAYS)?;
    app.blocking(move |app| {
        let settings = app.settings()?;
        let usage = app.store.usage(store::now_ms() - i64::from(days) * 86_400_000)?;
        let row = |usage: store::Usage| UsageRow {
            cost: settings.cost(usage.seconds),
            project: usage.project,
            project_name: usage.project_name,
            day: usage.day,
            jobs: usage.jobs,
            pictures: usage.pictures,
            seconds: usage.seconds,
        };
        let rows: Vec<UsageRow> = usage.into_iter().map(row).collect();
        Ok(Json(UsageView {
            pictures: rows.iter().map(|row| row.pictures).sum(),
            seconds: rows.iter().map(|row| row.seconds).sum(),
            cost: rows.iter().map(|row| row.cost).sum(),
            rows,
            price_per_hour: settings.hour(),
            currency: settings.currency,
        }))
    })
    .await
}

/// The settings.
#[utoipa::path(get, path = "/api/v1/settings", tag = "usage", responses((status = 200, body = Settings)))]
pub async fn settings(State(app): State<Arc<App>>) -> Result<Json<Settings>, ApiError> {
    app.blocking(|app| Ok(Json(app.settings()?))).await
}

/// Change the settings; what is absent gets its usual value.
#[utoipa::path(put, path = "/api/v1/settings", tag = "usage", request_body = Settings,
    responses((status = 200, body = Settings), (status = 400)))]
pub async fn change_settings(
    State(app): State<Arc<App>>,
    JsonBody(settings): JsonBody<Settings>,
) -> Result<Json<Settings>, ApiError> {
    app.blocking(move |app| {
        settings.save(&app.store)?;
        Ok(Json(settings))
    })
    .await
}
