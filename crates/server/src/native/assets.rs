//! Pictures: list, show, mark, remove, upload, draw again.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Extension, Path, Request, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use engine::{Order, PresetName};
use serde::{Deserialize, Serialize};
use store::{AssetChange, AssetFilter, AssetKind, DEFAULT_PROJECT, MAX_RATING, Priority, Sort};
use utoipa::{IntoParams, ToSchema};

use super::jobs::page;
use super::views::{AssetView, JobView};
use crate::app::{App, Draft, Owner};
use crate::error::ApiError;
use crate::extract::{JsonBody, Query, body};
use crate::picture;

/// Bits of 64 in which pictures may differ that look alike.
const ALIKE: u32 = 10;
/// Most alike pictures that are told.
const MAX_ALIKE: usize = 24;

/// Which pictures.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AssetQuery {
    /// Words that all stand in prompt, tags or model name.
    pub search: Option<String>,
    /// `image` (default), `upload` or `all`.
    pub kind: Option<String>,
    /// Id of a project.
    pub project: Option<String>,
    /// Id of a job.
    pub job: Option<String>,
    /// Id of a batch.
    pub batch: Option<String>,
    /// Id of the picture they were developed from.
    pub parent: Option<String>,
    /// A tag.
    pub tag: Option<String>,
    /// Name of a model.
    pub model: Option<String>,
    /// Only favourites (`true`), or only the others.
    pub favourite: Option<bool>,
    /// Lowest rating, 0 to 5.
    pub min_rating: Option<u8>,
    /// `new` (default), `old` or `rating`.
    #[param(value_type = Option<String>)]
    pub sort: Sort,
    /// Pictures to leave out from the beginning.
    pub offset: u32,
    /// Most pictures, 1 to 200; default 50.
    pub limit: Option<u32>,
}

impl AssetQuery {
    /// The filter, checked.
    pub fn filter(&self) -> Result<AssetFilter, ApiError> {
        let kind = match self.kind.as_deref() {
            None | Some("image") => Some(AssetKind::Image),
            Some("upload") => Some(AssetKind::Upload),
            Some("all") => None,
            Some(_) => return Err(ApiError::field("kind", "is not image, upload or all")),
        };
        ApiError::in_range("min_rating", self.min_rating.unwrap_or(0), 0..=MAX_RATING)?;
        Ok(AssetFilter {
            kind,
            search: self.search.clone(),
            project: self.project.clone(),
            job: self.job.clone(),
            batch: self.batch.clone(),
            parent: self.parent.clone(),
            tag: self.tag.clone(),
            model: self.model.clone(),
            favourite: self.favourite,
            min_rating: self.min_rating,
            sort: self.sort,
        })
    }
}

/// A page of pictures.
#[derive(Debug, Serialize, ToSchema)]
pub struct AssetPage {
    /// The pictures.
    assets: Vec<AssetView>,
    /// How many there are in all.
    total: i64,
}

/// List pictures.
#[utoipa::path(get, path = "/api/v1/assets", tag = "assets", params(AssetQuery),
    responses((status = 200, body = AssetPage), (status = 400)))]
pub async fn list(State(app): State<Arc<App>>, Query(query): Query<AssetQuery>) -> Result<Json<AssetPage>, ApiError> {
    let (filter, limit) = (query.filter()?, page(query.limit)?);
    app.blocking(move |app| {
        let (page, settings) = (app.store.assets(&filter, query.offset, limit)?, app.settings()?);
        let assets = page.assets.iter().map(|asset| AssetView::new(asset, &settings)).collect();
        Ok(Json(AssetPage { assets, total: page.total }))
    })
    .await
}

/// Show a picture.
#[utoipa::path(get, path = "/api/v1/assets/{id}", tag = "assets", params(("id" = String, Path)),
    responses((status = 200, body = AssetView), (status = 404)))]
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<AssetView>, ApiError> {
    app.blocking(move |app| Ok(Json(AssetView::new(&app.store.asset(&id)?, &app.settings()?)))).await
}

/// What people change; absent = as it was.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Change {
    /// Whether it is a favourite.
    favourite: Option<bool>,
    /// 0 = none, 1 to 5.
    rating: Option<u8>,
    /// All its tags: at most 50 of 1 to 64 bytes.
    tags: Option<Vec<String>>,
    /// Id of a project.
    project: Option<String>,
}

/// Mark a picture.
#[utoipa::path(patch, path = "/api/v1/assets/{id}", tag = "assets", params(("id" = String, Path)), request_body = Change,
    responses((status = 200, body = AssetView), (status = 400), (status = 404)))]
pub async fn change(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    JsonBody(change): JsonBody<Change>,
) -> Result<Json<AssetView>, ApiError> {
    app.blocking(move |app| {
        if let Some(project) = &change.project {
            app.store.project(project).map_err(|error| ApiError::field("project", error.to_string()))?;
        }
        let Change { favourite, rating, tags, project } = change;
        let asset = app.store.change_asset(&id, &AssetChange { favourite, rating, tags, project })?;
        Ok(Json(AssetView::new(&asset, &app.settings()?)))
    })
    .await
}

/// Remove a picture and its file.
#[utoipa::path(delete, path = "/api/v1/assets/{id}", tag = "assets", params(("id" = String, Path)),
    responses((status = 204), (status = 404), (status = 409, description = "a job that waits or runs starts from it")))]
pub async fn remove(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<StatusCode, ApiError> {
    app.blocking(move |app| Ok(app.store.remove_asset(&id)?)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A picture that looks like another.
#[derive(Debug, Serialize, ToSchema)]
pub struct Alike {
    /// The picture.
    asset: AssetView,
    /// Bits of 64 that differ: 0 to 4 is nearly the same.
    distance: u32,
}

/// Pictures that look like this one, the most alike first.
#[utoipa::path(get, path = "/api/v1/assets/{id}/similar", tag = "assets", params(("id" = String, Path)),
    responses((status = 200, body = Vec<Alike>), (status = 404)))]
pub async fn similar(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Vec<Alike>>, ApiError> {
    app.blocking(move |app| {
        let (asset, settings) = (app.store.asset(&id)?, app.settings()?);
        let alike = app.store.similar(&asset, ALIKE, MAX_ALIKE)?;
        let view = |(asset, distance)| Alike { asset: AssetView::new(&asset, &settings), distance };
        Ok(Json(alike.into_iter().map(view).collect()))
    })
    .await
}

/// A tag.
#[derive(Debug, Serialize, ToSchema)]
pub struct Tag {
    /// The tag.
    tag: String,
    /// Pictures that have it.
    pictures: i64,
}

/// Every tag, the most frequent first.
#[utoipa::path(get, path = "/api/v1/tags", tag = "assets", responses((status = 200, body = Vec<Tag>)))]
pub async fn tags(State(app): State<Arc<App>>) -> Result<Json<Vec<Tag>>, ApiError> {
    app.blocking(|app| {
        let tags = app.store.tags()?;
        Ok(Json(tags.into_iter().map(|(tag, pictures)| Tag { tag, pictures }).collect()))
    })
    .await
}

/// What to change about a picture that is drawn again.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Again {
    /// Another preset: `final` finishes a draft with the same seed.
    #[schema(value_type = Option<String>)]
    preset: Option<PresetName>,
    /// Another prompt.
    prompt: Option<String>,
    /// Another seed. Default: the picture's own; with `strength` or `count` above 1 the next ones.
    seed: Option<u64>,
    /// How many, 1 to 64; default 1.
    count: Option<u32>,
    /// Develop from the picture instead of from noise, 0.01 (hardly anything changes) to 1: more like this.
    strength: Option<f32>,
    /// `interactive` (default) or `batch`.
    #[schema(value_type = Option<String>)]
    priority: Option<Priority>,
}

/// Draw a picture again: finish a draft, re-roll it, or make more like it.
#[utoipa::path(post, path = "/api/v1/assets/{id}/again", tag = "assets", params(("id" = String, Path)), request_body = Again,
    responses((status = 202, body = JobView), (status = 400), (status = 404), (status = 429)))]
pub async fn again(
    State(app): State<Arc<App>>,
    Extension(owner): Extension<Owner>,
    Path(id): Path<String>,
    JsonBody(again): JsonBody<Again>,
) -> Result<(StatusCode, Json<JobView>), ApiError> {
    let draft = app
        .blocking(move |app| {
            let asset = app.store.asset(&id)?;
            let job = asset.job.as_deref().map(|job| app.store.job(job)).transpose()?;
            let mut order: Order = match &job {
                Some(job) => serde_json::from_str(&job.work).map_err(ApiError::internal)?,
                None => Order::default(),
            };
            let seed = asset.seed.unwrap_or(0);
            let moves_on = again.strength.is_some() || again.count.is_some_and(|count| count > 1);
            order.seed = again.seed.unwrap_or(if moves_on { seed.wrapping_add(1) } else { seed });
            order.count = again.count.unwrap_or(1);
            if let Some(preset) = again.preset {
                (order.preset, order.steps) = (preset, None);
            }
            order.prompt = again.prompt.unwrap_or(order.prompt);
            order.strength = again.strength.or(order.strength);
            let own = again.strength.map(|_| asset.id.clone());
            let is_own = own.is_some();
            Ok(Draft {
                order,
                model: job.as_ref().map_or_else(|| engine::store::DEFAULT_MODEL.to_owned(), |job| job.model.clone()),
                project: asset.project.clone(),
                source: "native",
                priority: again.priority.unwrap_or(Priority::Interactive),
                start: own.or_else(|| job.as_ref().and_then(|job| job.start.clone())),
                mask: job.as_ref().and_then(|job| job.mask.clone()).filter(|_| !is_own),
                batch: job.as_ref().and_then(|job| job.batch.clone()),
                label: job.and_then(|job| job.label),
            })
        })
        .await?;
    let job = app.submit_one(&owner, None, draft).await?;
    Ok((StatusCode::ACCEPTED, Json(app.blocking(move |app| JobView::one(app, &job)).await?)))
}

/// The route for uploads, whose bodies are longer than others.
pub fn upload_routes() -> Router<Arc<App>> {
    let limit = picture::MAX_BYTES + 1024;
    Router::new().route("/api/v1/uploads", post(upload)).layer(DefaultBodyLimit::max(limit))
}

/// Where an upload belongs.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct UploadQuery {
    project: Option<String>,
    /// The picture is a mask for this asset: white where to draw.
    mask_for: Option<String>,
}

/// Takes the bytes of a PNG, JPEG or WebP picture as they are.
async fn upload(
    State(app): State<Arc<App>>,
    Query(query): Query<UploadQuery>,
    request: Request,
) -> Result<(StatusCode, Json<AssetView>), ApiError> {
    let kind = request.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or("");
    // Such a type is never sent by a form, so that a page of another origin would have to ask first.
    if !kind.starts_with("image/") && kind != "application/octet-stream" {
        let message = "send the picture itself, with the header Content-Type: image/png, image/jpeg or image/webp";
        return Err(ApiError::status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_a_picture", message));
    }
    let bytes = body(request, &app).await?;
    let view = app
        .blocking(move |app| {
            let project = query.project.as_deref().unwrap_or(DEFAULT_PROJECT);
            app.store.project(project).map_err(|error| ApiError::field("project", error.to_string()))?;
            let asset = match &query.mask_for {
                None => app.keep_upload("body", &bytes, project)?,
                Some(id) => {
                    let of = app.store.asset(id).map_err(|error| ApiError::field("mask_for", error.to_string()))?;
                    let mask = picture::grey(&picture::decode("body", &bytes)?);
                    let size = (of.width, of.height);
                    app.keep_picture(&picture::mask_png(&mask, size)?, size, project)?
                }
            };
            Ok(AssetView::new(&asset, &app.settings()?))
        })
        .await?;
    Ok((StatusCode::CREATED, Json(view)))
}
