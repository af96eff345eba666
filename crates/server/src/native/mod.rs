//! The native interface, `/api/v1`: everything the studio's page does, described by OpenAPI.

mod assets;
mod bakeoffs;
mod brand;
mod campaigns;
mod csv_body;
mod download;
mod events;
mod experiments;
mod inspect;
mod jobs;
pub mod models;
mod planning;
mod prices;
mod projects;
mod tokens;
mod usage;
mod variations;
mod views;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::response::{Html, IntoResponse};
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use campaigns::{CampaignView, LinkView, NewLink, person_name, prose, share, words};
pub use download::csv_cell;
pub use jobs::JobRequest;
pub use planning::plan;

use crate::app::App;

/// Longest JSON body, bytes: longer than any field may be, so that the field can be named.
pub const MAX_JSON: usize = 16 << 20;

#[derive(OpenApi)]
#[openapi(info(
    title = "Calotype",
    description = "Pictures from words on your own machine. Times are milliseconds since 1970 (`_ms`) or seconds."
))]
struct Description;

/// The routes, and the page and the JSON that describe them.
pub fn routes() -> Router<Arc<App>> {
    let (router, description) = described().split_for_parts();
    let json = description.to_json().unwrap_or_default();
    router
        .route(
            "/api/v1/openapi.json",
            get(move || std::future::ready(([("content-type", "application/json")], json).into_response())),
        )
        .route("/docs", get(|| std::future::ready(Html(include_str!("docs.html")))))
        .layer(DefaultBodyLimit::max(MAX_JSON))
        .merge(assets::upload_routes())
        .merge(inspect::routes())
}

/// Paths and methods of the interface, for tests.
pub fn described() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(jobs::create, jobs::list))
        .routes(routes!(jobs::show, jobs::cancel))
        .routes(routes!(events::of_job))
        .routes(routes!(events::all))
        .routes(routes!(jobs::queue))
        .routes(routes!(variations::create))
        .routes(routes!(planning::create))
        .routes(routes!(tokens::show))
        .routes(routes!(assets::list))
        .routes(routes!(assets::show, assets::change, assets::remove))
        .routes(routes!(assets::similar))
        .routes(routes!(assets::again))
        .routes(routes!(download::file))
        .routes(routes!(download::zip))
        .routes(routes!(assets::tags))
        .routes(routes!(projects::list, projects::create))
        .routes(routes!(projects::change))
        .routes(routes!(usage::show))
        .routes(routes!(models::list))
        .routes(routes!(models::styles))
        .routes(routes!(usage::settings, usage::change_settings))
        .merge(campaigns::described())
        .merge(prices::described())
        .merge(bakeoffs::described())
        .merge(brand::described())
        .merge(experiments::described())
}
