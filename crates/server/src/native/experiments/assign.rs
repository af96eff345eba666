//! Who sees what. Whoever knows the path of a published test may ask, from pages of any origin; nothing is kept of them.

use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::app::App;
use crate::error::ApiError;
use crate::experiments::{As, Published};
use crate::extract::Query;

/// Longest id of a person, bytes.
const MAX_UNIT: usize = 256;

/// For whom.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AssignQuery {
    /// Who it is: any id that stays the same for a person, 1 to 256 bytes.
    unit: String,
    /// `json` (default), `picture` (the picture itself, JPEG) or `redirect` (to the landing page, with UTM parameters).
    #[serde(rename = "as")]
    #[param(rename = "as", value_type = Option<String>)]
    shape: As,
}

/// With the path of a published test: which creative somebody sees. The same person sees the same, while shares stay.
#[utoipa::path(get, path = "/api/v1/assign/{experiment}", tag = "experiments",
    params(("experiment" = String, Path, description = "what `publish` told"), AssignQuery),
    responses((status = 200, body = Object), (status = 302), (status = 400), (status = 401), (status = 404)))]
pub async fn assign(
    State(app): State<Arc<App>>,
    Extension(published): Extension<Arc<Published>>,
    Path(_token): Path<String>,
    Query(query): Query<AssignQuery>,
) -> Result<Response, ApiError> {
    let unit = &query.unit;
    if !(1..=MAX_UNIT).contains(&unit.len()) {
        return Err(ApiError::field("unit", format!("{} bytes; 1 to {MAX_UNIT} are accepted", unit.len())));
    }
    let mut response = match query.shape {
        As::Json => ([(header::CONTENT_TYPE, "application/json")], published.json(unit)?).into_response(),
        As::Picture => ([(header::CONTENT_TYPE, "image/jpeg")], published.picture(&app, unit).await?).into_response(),
        As::Redirect => (StatusCode::FOUND, [(header::LOCATION, published.location(unit)?)]).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    Ok(response)
}
