//! Share links of a campaign: make, list, revoke.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use store::ShareLink;
use utoipa::ToSchema;

use super::words;
use crate::app::App;
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::security::{SHARED, SHARED_PAGE, key_digest, new_token};

/// Days of a link when nothing else is said, and at most.
const DAYS: u32 = 14;
const MAX_DAYS: u32 = 365;
const DAY_MS: i64 = 86_400_000;

/// A link.
#[derive(Debug, Serialize, ToSchema)]
pub struct LinkView {
    /// Id.
    pub id: String,
    /// For whom it is.
    pub label: String,
    /// When it was made.
    pub created_ms: i64,
    /// When it ends.
    pub expires_ms: i64,
    /// When somebody ended it.
    pub revoked_ms: Option<i64>,
}

impl From<ShareLink> for LinkView {
    fn from(link: ShareLink) -> Self {
        let ShareLink { id, label, created_ms, expires_ms, revoked_ms, .. } = link;
        Self { id, label, created_ms, expires_ms, revoked_ms }
    }
}

/// A link to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkRequest {
    /// For whom it is, 1 to 100 characters.
    label: String,
    /// Days until it ends, 1 to 365; default 14.
    days: Option<u32>,
}

/// A link that was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewLink {
    /// The link.
    pub link: LinkView,
    /// Its token, told this once.
    pub token: String,
    /// What it opens: this path and those below it.
    pub path: String,
    /// The page it opens in a browser.
    pub page: String,
}

/// List the links of a campaign.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}/links", tag = "campaigns", params(("id" = String, Path)),
    responses((status = 200, body = Vec<LinkView>), (status = 404)))]
pub async fn list(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Vec<LinkView>>, ApiError> {
    app.blocking(move |app| Ok(Json(app.store.share_links(&id)?.into_iter().map(Into::into).collect()))).await
}

/// Make a link with which somebody without a key can look at the picks of a campaign and comment, and nothing else.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/links", tag = "campaigns", params(("id" = String, Path)),
    request_body = LinkRequest, responses((status = 201, body = NewLink), (status = 400), (status = 404), (status = 409)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<LinkRequest>,
) -> Result<(StatusCode, Json<NewLink>), ApiError> {
    app.blocking(move |app| Ok((StatusCode::CREATED, Json(share(app, &id, &request.label, request.days)?)))).await
}

/// Makes a link. Blocks.
pub fn share(app: &App, campaign: &str, label: &str, days: Option<u32>) -> Result<NewLink, ApiError> {
    let days = ApiError::in_range("days", days.unwrap_or(DAYS), 1..=MAX_DAYS)?;
    let label = words("label", label, 1..=100)?;
    let token = new_token();
    let expires_ms = store::now_ms() + i64::from(days) * DAY_MS;
    let link = app.store.add_share_link(campaign, key_digest(&token), &label, expires_ms)?.into();
    Ok(NewLink { link, path: format!("{SHARED}{token}"), page: format!("{SHARED_PAGE}{token}/"), token })
}

/// End a link at once.
#[utoipa::path(delete, path = "/api/v1/campaigns/{id}/links/{link}", tag = "campaigns",
    params(("id" = String, Path), ("link" = String, Path)), responses((status = 204), (status = 404)))]
pub async fn revoke(
    State(app): State<Arc<App>>,
    Path((id, link)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    app.blocking(move |app| Ok(app.store.revoke_share_link(&id, &link)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}
