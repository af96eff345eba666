//! What somebody with a share link sees: the picks of one campaign, their pictures and comments. The campaign is taken from the
//! link, never from the path; prompts, seeds, money and the text inside pictures are not told.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use store::{Candidate, CandidateFilter, NewComment};
use utoipa::{IntoParams, ToSchema};

use super::review::{CommentRequest, CommentView};
use super::{page, person_name, prose};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, Query};
use crate::picture::{self, Format, Wanted};
use crate::security::Shared;

/// A campaign as others see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SharedCampaign {
    /// Name.
    name: String,
    /// For whom the link is.
    label: String,
    /// When the link ends.
    expires_ms: i64,
    /// Pictures to look at.
    pictures: i64,
}

/// A pick as others see it.
#[derive(Debug, Serialize, ToSchema)]
pub struct SharedCandidate {
    /// Id.
    id: String,
    /// Name of the row.
    row: String,
    /// `draft`, `in_review`, `changes_asked`, `approved` or `archived`.
    state: String,
    /// Whether this is the final.
    is_final: bool,
    /// Comments on it.
    comments: i64,
    /// Pixels across; 0 if the picture was removed.
    width: u32,
    /// Pixels down.
    height: u32,
}

/// A page of picks.
#[derive(Debug, Serialize, ToSchema)]
pub struct SharedPage {
    /// The picks in the order of their rows.
    candidates: Vec<SharedCandidate>,
    /// How many there are in all.
    total: i64,
}

/// Which picks.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SharedQuery {
    /// Picks to leave out from the beginning.
    offset: u32,
    /// Most picks, 1 to 200; default 50.
    limit: Option<u32>,
}

fn picked() -> CandidateFilter {
    CandidateFilter { picked: Some(true), ..CandidateFilter::default() }
}

/// A pick of the link's campaign.
fn find(app: &App, Shared(link): &Shared, id: &str) -> Result<Candidate, ApiError> {
    let candidate = app.store.candidate(id)?;
    match candidate.campaign == link.campaign && candidate.picked {
        true => Ok(candidate),
        // As if it did not exist.
        false => Err(ApiError::not_found(format!("no candidate '{}'", id.chars().take(64).collect::<String>()))),
    }
}

/// With a share link: the campaign.
#[utoipa::path(get, path = "/api/v1/shared/{token}", tag = "shared", params(("token" = String, Path)),
    responses((status = 200, body = SharedCampaign), (status = 401)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Extension(Shared(link)): Extension<Shared>,
) -> Result<Json<SharedCampaign>, ApiError> {
    app.blocking(move |app| {
        let name = app.store.campaign(&link.campaign)?.name;
        let (_, pictures) = app.store.candidates(&link.campaign, &picked(), 0, 1)?;
        Ok(Json(SharedCampaign { name, label: link.label, expires_ms: link.expires_ms, pictures }))
    })
    .await
}

/// With a share link: the picks.
#[utoipa::path(get, path = "/api/v1/shared/{token}/candidates", tag = "shared", params(("token" = String, Path), SharedQuery),
    responses((status = 200, body = SharedPage), (status = 400), (status = 401)))]
pub async fn candidates(
    State(app): State<Arc<App>>,
    Extension(Shared(link)): Extension<Shared>,
    Query(query): Query<SharedQuery>,
) -> Result<Json<SharedPage>, ApiError> {
    let limit = page(query.limit)?;
    app.blocking(move |app| {
        let (candidates, total) = app.store.candidates(&link.campaign, &picked(), query.offset, limit)?;
        let candidates = candidates.into_iter().map(|candidate| view(app, candidate)).collect::<Result<_, _>>()?;
        Ok(Json(SharedPage { candidates, total }))
    })
    .await
}

fn view(app: &App, candidate: Candidate) -> Result<SharedCandidate, ApiError> {
    let is_final = candidate.final_asset.is_some();
    let asset = candidate.final_asset.or(candidate.asset).map(|id| app.store.asset(&id)).transpose()?;
    let (width, height) = asset.map_or((0, 0), |asset| (asset.width, asset.height));
    let (id, row, state) = (candidate.id, candidate.row, candidate.state.name().to_owned());
    Ok(SharedCandidate { id, row, state, is_final, comments: candidate.comments, width, height })
}

/// How a picture is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PictureQuery {
    /// Width in pixels, 1 to the picture's own: a smaller picture.
    width: Option<u32>,
}

/// With a share link: the picture of a pick as WebP, its final if there is one.
#[utoipa::path(get, path = "/api/v1/shared/{token}/candidates/{candidate}/picture", tag = "shared",
    params(("token" = String, Path), ("candidate" = String, Path), PictureQuery),
    responses((status = 200, content_type = "image/webp", body = Vec<u8>), (status = 400), (status = 401), (status = 404)))]
pub async fn picture(
    State(app): State<Arc<App>>,
    Extension(shared): Extension<Shared>,
    Path((_token, id)): Path<(String, String)>,
    Query(query): Query<PictureQuery>,
) -> Result<Response, ApiError> {
    if query.width == Some(0) {
        return Err(ApiError::field("width", "0 is not in 1..=the picture's own width"));
    }
    let bytes = app
        .blocking(move |app| {
            let candidate = find(app, &shared, &id)?;
            let asset = candidate.final_asset.or(candidate.asset);
            let asset = asset.ok_or_else(|| ApiError::not_found("the picture of this candidate was removed"))?;
            let png = app.store.asset_bytes(&app.store.asset(&asset)?)?;
            let wanted = Wanted { format: Format::Webp, width: query.width, bare: true, ..Wanted::default() };
            picture::convert(png.into(), wanted)
        })
        .await?;
    let mut response = ([(header::CONTENT_TYPE, "image/webp")], bytes).into_response();
    // A final takes the draft's place, and a link that is revoked is to show nothing any more.
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// With a share link: the comments on a pick.
#[utoipa::path(get, path = "/api/v1/shared/{token}/candidates/{candidate}/comments", tag = "shared",
    params(("token" = String, Path), ("candidate" = String, Path)),
    responses((status = 200, body = Vec<CommentView>), (status = 401), (status = 404)))]
pub async fn comments(
    State(app): State<Arc<App>>,
    Extension(shared): Extension<Shared>,
    Path((_token, id)): Path<(String, String)>,
) -> Result<Json<Vec<CommentView>>, ApiError> {
    app.blocking(move |app| {
        let candidate = find(app, &shared, &id)?;
        Ok(Json(app.store.comments(&candidate.id)?.into_iter().map(Into::into).collect()))
    })
    .await
}

/// With a share link: comment on a place of a pick.
#[utoipa::path(post, path = "/api/v1/shared/{token}/candidates/{candidate}/comments", tag = "shared",
    params(("token" = String, Path), ("candidate" = String, Path)), request_body = CommentRequest,
    responses((status = 201, body = CommentView), (status = 400), (status = 401), (status = 404), (status = 409)))]
pub async fn comment(
    State(app): State<Arc<App>>,
    Extension(shared): Extension<Shared>,
    Path((_token, id)): Path<(String, String)>,
    JsonBody(request): JsonBody<CommentRequest>,
) -> Result<(StatusCode, Json<CommentView>), ApiError> {
    app.blocking(move |app| {
        let candidate = find(app, &shared, &id)?;
        let author = match &request.by {
            Some(by) => person_name("by", by)?,
            None => shared.0.label.clone(),
        };
        let (text, link) = (prose("text", &request.text, 1)?, Some(shared.0.id.clone()));
        let new = NewComment { x: request.x, y: request.y, text, author, link };
        Ok((StatusCode::CREATED, Json(app.store.add_comment(&candidate.id, Some(&shared.0.campaign), &new)?.into())))
    })
    .await
}
