//! Every route, behind the one gate.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Router, body::Body};

use crate::app::App;
use crate::error::{ApiError, Shape};
use crate::{a1111, mcp, metrics, native, openai, page, security};

/// The whole server.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/health/live", get(metrics::live))
        .route("/health/ready", get(metrics::ready))
        .route("/metrics", get(metrics::metrics))
        .merge(page::routes())
        .merge(native::routes())
        .merge(openai::routes())
        .merge(a1111::routes())
        .route("/mcp", post(mcp::call).layer(DefaultBodyLimit::max(native::MAX_JSON)))
        .fallback(|request: Request| {
            let shape = Shape::of_path(request.uri().path());
            std::future::ready(
                ApiError::not_found("there is nothing here; GET /docs lists what there is").response(shape),
            )
        })
        .layer(from_fn(own_words))
        .layer(from_fn_with_state(app.clone(), security::gate))
        .with_state(app)
}

/// What the frameworks answer by themselves is said in the interface's words, too.
async fn own_words(request: Request, next: Next) -> Response {
    let shape = Shape::of_path(request.uri().path());
    let response = next.run(request).await;
    let is_json =
        response.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    match response.status() {
        StatusCode::METHOD_NOT_ALLOWED => {
            let allow = response.headers().get("allow").cloned();
            let error = ApiError::status(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", "this path has other methods");
            let mut own = error.response(shape);
            if let Some(allow) = allow {
                own.headers_mut().insert("allow", allow);
            }
            own
        }
        status if status.is_client_error() && !is_json && status != StatusCode::NOT_FOUND => {
            let text = axum::body::to_bytes(response.into_body(), 4096).await.unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            ApiError::status(status, "invalid_request", text).response(shape)
        }
        _ => response.map(Body::new),
    }
}
