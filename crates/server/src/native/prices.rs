//! The catalogue of what pictures cost, and the planner over it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use price::catalogue::{Listed, Problem};
use price::{Catalogue, CatalogueError, Figures, Speed};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::error::{ApiError, Shape};
use crate::extract::{JsonBody, body};
use crate::prices::{PriceAnswer, PriceRequest, answer, catalogue, own_file, speeds};

/// Paths and methods.
pub fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new().routes(routes!(show)).routes(routes!(file, change, reset)).routes(routes!(plan))
}

/// The catalogue.
#[derive(Debug, Serialize, ToSchema)]
pub struct PricesView {
    /// Its name.
    name: String,
    /// Whether it is the data folder's own, `prices.toml`.
    own: bool,
    /// The day for which rows are greyed.
    today: String,
    /// The rows: `id`, `vendor`, `kind`, `billing`, `model`, `currency`, `price` in words, `source`, `checked_on`, `confidence`,
    /// `rights`, `marks`, `notes`, `stale`, `retired`, `grey` (why it is greyed) and all `fields` as they were written.
    #[schema(value_type = Vec<Object>)]
    offers: Vec<Listed>,
    /// What is wrong with the own file, by `row`, `field` and `line`; then there are no offers.
    #[schema(value_type = Vec<Object>)]
    problems: Vec<Problem>,
    /// How fast this machine drew, by `model`, `size` and `preset`: `p50_seconds`, `p95_seconds`, `pictures`.
    #[schema(value_type = Vec<Object>)]
    speeds: Vec<Speed>,
    /// Figures of an own machine to begin with.
    #[schema(value_type = Object)]
    figures: Figures,
}

/// List the offers of the catalogue: the data folder's own, or the one that comes with the program.
#[utoipa::path(get, path = "/api/v1/prices", tag = "prices", responses((status = 200, body = PricesView)))]
pub async fn show(State(app): State<Arc<App>>) -> Result<Json<PricesView>, ApiError> {
    app.blocking(|app| {
        let today = price::today();
        let (found, problems) = match catalogue(app) {
            Ok(found) => (found, Vec::new()),
            Err(error) => (Catalogue { name: error_name(&error), offers: Vec::new() }, problems(error)),
        };
        Ok(Json(PricesView {
            own: own_file(app).exists(),
            today: today.to_string(),
            offers: found.offers.iter().map(|offer| offer.listed(today)).collect(),
            name: found.name,
            problems,
            speeds: speeds(app)?,
            figures: Figures::default(),
        }))
    })
    .await
}

fn error_name(error: &CatalogueError) -> String {
    match error {
        CatalogueError::File { file, .. } | CatalogueError::Size { file, .. } | CatalogueError::Rows { file, .. } => {
            file.clone()
        }
        _ => "the catalogue".into(),
    }
}

fn problems(error: CatalogueError) -> Vec<Problem> {
    match error {
        CatalogueError::Rows { problems, .. } => problems,
        error => {
            vec![Problem { row: String::new(), field: String::new(), line: None, message: error.to_string() }]
        }
    }
}

/// The text of the catalogue (TOML), to be edited.
#[utoipa::path(get, path = "/api/v1/prices/file", tag = "prices",
    responses((status = 200, content_type = "application/toml", body = String)))]
pub async fn file(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    app.blocking(|app| {
        let file = own_file(app);
        let text = match file.exists() {
            true => std::fs::read_to_string(&file).map_err(ApiError::internal)?,
            false => Catalogue::starter_text().to_owned(),
        };
        Ok(([(header::CONTENT_TYPE, "application/toml; charset=utf-8")], text).into_response())
    })
    .await
}

/// Use an own catalogue (the body, `application/toml`) from now on. All of it is taken or nothing: what is wrong is told in
/// `error.rows` by `row`, `field` and `line`.
#[utoipa::path(put, path = "/api/v1/prices/file", tag = "prices",
    request_body(content = String, content_type = "application/toml"),
    responses((status = 200, body = PricesView), (status = 400), (status = 415)))]
pub async fn change(State(app): State<Arc<App>>, request: Request) -> Result<Response, ApiError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    if !kind.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("application/toml") {
        let message = "the body must be the file itself, with the header Content-Type: application/toml";
        return Err(ApiError::status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_toml", message));
    }
    let bytes = body(request, &app).await?;
    let text = String::from_utf8(bytes.to_vec()).map_err(|_| ApiError::field("catalogue", "is not UTF-8"))?;
    if let Err(error) = Catalogue::parse("the catalogue", &text) {
        let mut told = ApiError::field("catalogue", error.to_string()).body(Shape::Native);
        told["error"]["rows"] = serde_json::to_value(problems(error)).map_err(ApiError::internal)?;
        return Ok((StatusCode::BAD_REQUEST, Json(told)).into_response());
    }
    app.blocking(move |app| {
        formats::atomic::write_bytes_atomic(&own_file(app), text.as_bytes()).map_err(ApiError::internal)
    })
    .await?;
    Ok(show(State(app)).await?.into_response())
}

/// Go back to the catalogue that comes with the program.
#[utoipa::path(delete, path = "/api/v1/prices/file", tag = "prices", responses((status = 200, body = PricesView)))]
pub async fn reset(State(app): State<Arc<App>>) -> Result<Json<PricesView>, ApiError> {
    app.blocking(|app| match std::fs::remove_file(own_file(app)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(ApiError::internal(error)),
        _ => Ok(()),
    })
    .await?;
    show(State(app)).await
}

/// What a campaign costs with every offer: cost, time and energy against volume, the cheapest at every volume, break-evens, and
/// what an approved asset costs. The numbers are those of `calotype prices plan --json`.
///
/// `campaign`: `assets`, `candidates`, `retries`, `ratios`, `currency`, `size`, `preset`, `funnel`, `qualities`, `references`,
/// `months`, `seats`, `devices`, `budget`, `deadline_hours`, `extras`, `plot_up_to`; decimals are strings. `machine`: figures of
/// the own machine (`GET /api/v1/prices` tells those to begin with). `predict`: a model whose speed the engine predicts where
/// this machine has no history. `today`: the day to count from.
#[utoipa::path(post, path = "/api/v1/prices/plan", tag = "prices", request_body(content = Object),
    responses((status = 200, body = Object), (status = 400), (status = 409)))]
pub async fn plan(
    State(app): State<Arc<App>>,
    JsonBody(request): JsonBody<PriceRequest>,
) -> Result<Json<PriceAnswer>, ApiError> {
    Ok(Json(answer(&app, request).await?))
}
