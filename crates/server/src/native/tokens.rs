//! A prompt as a model reads it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;
use crate::extract::JsonBody;

/// A prompt.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokensRequest {
    /// The prompt, at most 32 KiB.
    prompt: String,
    /// Name of a model.
    model: Option<String>,
}

/// What a model makes of a prompt.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokensView {
    /// The pieces, which together are the prompt; empty if the model's tokenizer does not say where they are.
    tokens: Vec<TokenView>,
    /// Tokens of the prompt, without markers.
    used: usize,
    /// Most tokens that are read; absent if the model reads long prompts in chunks.
    limit: Option<usize>,
    /// Chunks in which they are read.
    chunks: usize,
}

/// A piece of a prompt.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenView {
    /// Its text, with the white space before it.
    text: String,
    /// Whether the model reads it; what is not read is cut.
    kept: bool,
}

/// Show how a model reads a prompt: its tokens, how many it can read, and what is cut.
#[utoipa::path(post, path = "/api/v1/tokens", tag = "jobs", request_body = TokensRequest,
    responses((status = 200, body = TokensView), (status = 400)))]
pub async fn show(
    State(app): State<Arc<App>>,
    JsonBody(request): JsonBody<TokensRequest>,
) -> Result<Json<TokensView>, ApiError> {
    app.blocking(move |app| {
        let model = app.models.find(request.model.as_deref().unwrap_or(engine::store::DEFAULT_MODEL))?;
        let engine::Tokens { tokens, used, limit, chunks } = engine::tokens(&model.kind, &request.prompt)?;
        let view = |engine::Token { text, kept }| TokenView { text, kept };
        Ok(Json(TokensView { tokens: tokens.into_iter().map(view).collect(), used, limit, chunks }))
    })
    .await
}
