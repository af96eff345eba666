//! Brand kits, channels and templates, compositions, deliveries, and what can be measured of pictures.

mod aids;
mod catalogue;
mod compose;
mod deliver;
mod kits;

use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;

/// Paths and methods.
pub fn described() -> OpenApiRouter<Arc<App>> {
    let limit = DefaultBodyLimit::max(store::MAX_KIT_BYTES + 1024);
    OpenApiRouter::new()
        .routes(routes!(kits::list, kits::create))
        .routes(routes!(kits::show))
        .routes(routes!(kits::add_version))
        .routes(routes!(kits::publish))
        .merge(OpenApiRouter::new().routes(routes!(kits::file, kits::put_file)).layer(limit))
        .routes(routes!(catalogue::channels))
        .routes(routes!(catalogue::templates))
        .routes(routes!(compose::picture))
        .routes(routes!(compose::preview))
        .routes(routes!(deliver::plan))
        .routes(routes!(deliver::list, deliver::create))
        .routes(routes!(deliver::progress))
        .routes(routes!(aids::of_campaign))
        .routes(routes!(aids::of_library))
}
