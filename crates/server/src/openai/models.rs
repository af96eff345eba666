//! The list of models.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::OpenAiError;
use super::wish::known_model;
use crate::app::App;

/// `GET /v1/models`.
pub async fn list(State(app): State<Arc<App>>) -> Result<Json<Value>, OpenAiError> {
    let data =
        app.blocking(|app| Ok(app.models.names().iter().map(|(name, _)| model(name)).collect::<Vec<_>>())).await?;
    Ok(Json(json!({ "object": "list", "data": data })))
}

/// `GET /v1/models/{id}`.
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Value>, OpenAiError> {
    let name = app.blocking(move |app| known_model(app, Some(&id))).await?;
    Ok(Json(model(&name)))
}

fn model(name: &str) -> Value {
    json!({ "id": name, "object": "model", "created": 0, "owned_by": "calotype" })
}
