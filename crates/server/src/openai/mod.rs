//! OpenAI's Images interface, `/v1`: generations, edits, variations, models; extra fields that users of local servers expect.
//!
//! Names of OpenAI's own models stand for the default model. Fields that are not known are ignored, as there. Pictures are
//! never fetched from an address; `data:` URLs and ids of assets are taken.

mod form;
mod images;
mod models;
mod reply;
mod wish;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::app::App;
use crate::error::{ApiError, Shape};

/// Longest body, bytes.
const MAX_BODY: usize = 96 << 20;

/// An error in OpenAI's words.
pub struct OpenAiError(pub ApiError);

impl<E: Into<ApiError>> From<E> for OpenAiError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl axum::response::IntoResponse for OpenAiError {
    fn into_response(self) -> axum::response::Response {
        self.0.response(Shape::OpenAi)
    }
}

/// The routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/images/generations", post(images::generations))
        .route("/v1/images/edits", post(images::edits))
        .route("/v1/images/variations", post(images::variations))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{id}", get(models::show))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}
