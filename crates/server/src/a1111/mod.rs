//! The interface of A1111's web interface, `/sdapi/v1`, as its clients use it.
//!
//! A call that draws ends when its pictures are done. What this engine cannot do (face restoration, scripts) is left out; fields
//! that are not known are ignored, as there.

mod draw;
mod extras;
mod fields;
mod given;
mod hires;
mod images;
mod info;
mod lists;
mod names;
mod options;
mod progress;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use crate::app::App;
use crate::error::{ApiError, Shape};

/// What A1111's text says beside the recipe's own: keys and values.
type Told = Vec<(&'static str, String)>;

/// Longest body, bytes.
const MAX_BODY: usize = 96 << 20;

/// An error in this interface's words.
pub struct A1111Error(pub ApiError);

impl<E: Into<ApiError>> From<E> for A1111Error {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl axum::response::IntoResponse for A1111Error {
    fn into_response(self) -> axum::response::Response {
        self.0.response(Shape::A1111)
    }
}

/// The routes.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/sdapi/v1/txt2img", post(draw::txt2img))
        .route("/sdapi/v1/img2img", post(draw::img2img))
        .route("/sdapi/v1/png-info", post(info::png_info))
        .route("/sdapi/v1/extra-single-image", post(extras::single))
        .route("/sdapi/v1/extra-batch-images", post(extras::batch))
        .route("/sdapi/v1/progress", get(progress::progress))
        .route("/sdapi/v1/interrupt", post(progress::interrupt))
        .route("/sdapi/v1/skip", post(progress::interrupt))
        .route("/sdapi/v1/options", get(options::show).post(options::change))
        .route("/sdapi/v1/samplers", get(lists::samplers))
        .route("/sdapi/v1/schedulers", get(lists::schedulers))
        .route("/sdapi/v1/sd-models", get(lists::models))
        .route("/sdapi/v1/upscalers", get(lists::upscalers))
        .route("/sdapi/v1/latent-upscale-modes", get(lists::latent_upscale_modes))
        .route("/sdapi/v1/sd-vae", get(lists::nothing))
        .route("/sdapi/v1/loras", get(lists::nothing))
        .route("/sdapi/v1/hypernetworks", get(lists::nothing))
        .route("/sdapi/v1/face-restorers", get(lists::nothing))
        .route("/sdapi/v1/realesrgan-models", get(lists::nothing))
        .route("/sdapi/v1/prompt-styles", get(lists::nothing))
        .route("/sdapi/v1/script-info", get(lists::nothing))
        .route("/sdapi/v1/scripts", get(lists::scripts))
        .route("/sdapi/v1/embeddings", get(lists::embeddings))
        .route("/sdapi/v1/cmd-flags", get(lists::object))
        .route("/sdapi/v1/memory", get(lists::memory))
        .route("/sdapi/v1/refresh-checkpoints", post(lists::done))
        .route("/sdapi/v1/refresh-vae", post(lists::done))
        .route("/sdapi/v1/refresh-loras", post(lists::done))
        .route("/sdapi/v1/unload-checkpoint", post(lists::object))
        .route("/sdapi/v1/reload-checkpoint", post(lists::object))
        .layer(DefaultBodyLimit::max(MAX_BODY))
}
