//! Generations, edits, variations.

use std::sync::Arc;

use axum::extract::{Extension, FromRequest, Multipart, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::GrayImage;

use super::OpenAiError;
use super::form::{self, Form};
use super::reply::draw;
use super::wish::{Reference, Wish};
use crate::app::{App, Owner};
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::picture;

/// How far variations go from their picture when nothing is said.
const VARIATION_STRENGTH: f32 = 0.6;
/// Most pictures of an edit; the first one is edited.
const MAX_IMAGES: usize = 16;

/// `POST /v1/images/generations`.
pub async fn generations(
    State(app): State<Arc<App>>,
    Extension(owner): Extension<Owner>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, OpenAiError> {
    let JsonBody(wish) = JsonBody::<Wish>::from_request(request, &app).await?;
    if wish.prompt.is_none() {
        return Err(ApiError::field("prompt", "is required").into());
    }
    let checked = app.blocking(move |app| wish.check(app, None, None)).await?;
    draw(&app, &owner, checked, "image_generation", host(&headers)).await
}

/// `POST /v1/images/edits`, as a form or as JSON.
pub async fn edits(
    State(app): State<Arc<App>>,
    Extension(owner): Extension<Owner>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, OpenAiError> {
    let form = if is_form(&headers) {
        form::read(multipart(request, &app).await?).await?
    } else {
        let JsonBody(wish) = JsonBody::<Wish>::from_request(request, &app).await?;
        Form { wish, image: None, mask: None }
    };
    if form.wish.prompt.is_none() {
        return Err(ApiError::field("prompt", "is required").into());
    }
    let checked = app
        .blocking(move |app| {
            let Form { wish, image, mask } = form;
            let project = wish.project.clone().unwrap_or_else(|| store::DEFAULT_PROJECT.into());
            app.store.project(&project).map_err(|error| ApiError::field("project", error.to_string()))?;
            let start = match (&image, wish.images.as_deref()) {
                (Some(bytes), _) => app.keep_upload("image", bytes, &project)?,
                (None, Some([first, others @ ..])) if others.len() < MAX_IMAGES => {
                    referred(app, "images", first, &project)?
                }
                (None, Some([_, ..])) => return Err(ApiError::field("images", format!("at most {MAX_IMAGES}"))),
                _ => return Err(ApiError::field("image", "is required")),
            };
            let mask = match (&mask, &wish.mask) {
                (Some(bytes), _) => Some(picture::decode("mask", bytes)?),
                (None, Some(reference)) => {
                    let asset = referred(app, "mask", reference, &project)?;
                    Some(picture::decode("mask", &app.store.asset_bytes(&asset)?)?)
                }
                _ => None,
            };
            let mask = mask
                .map(|mask| {
                    if mask.dimensions() != (start.width, start.height) {
                        let message = format!(
                            "has {}x{} pixels, the picture {}x{}",
                            mask.width(),
                            mask.height(),
                            start.width,
                            start.height
                        );
                        return Err(ApiError::field("mask", message));
                    }
                    // Here the transparent part is the one to draw.
                    let anew = GrayImage::from_fn(mask.width(), mask.height(), |x, y| {
                        image::Luma([255 - mask.get_pixel(x, y)[3]])
                    });
                    let size = anew.dimensions();
                    Ok(app.keep_picture(&picture::mask_png(&anew, size)?, size, &project)?.id)
                })
                .transpose()?;
            wish.check(app, Some(start.id), mask)
        })
        .await?;
    draw(&app, &owner, checked, "image_edit", host(&headers)).await
}

/// `POST /v1/images/variations`.
pub async fn variations(
    State(app): State<Arc<App>>,
    Extension(owner): Extension<Owner>,
    headers: HeaderMap,
    request: Request,
) -> Result<Response, OpenAiError> {
    if !is_form(&headers) {
        return Err(ApiError::bad("the body must be a form (multipart/form-data) with an image").into());
    }
    let form = form::read(multipart(request, &app).await?).await?;
    let checked = app
        .blocking(move |app| {
            let Form { mut wish, image, .. } = form;
            let bytes = image.ok_or_else(|| ApiError::field("image", "is required"))?;
            let start = app.keep_upload("image", &bytes, store::DEFAULT_PROJECT)?;
            wish.strength.get_or_insert(VARIATION_STRENGTH);
            wish.check(app, Some(start.id), None)
        })
        .await?;
    draw(&app, &owner, checked, "image_variation", host(&headers)).await
}

fn host(headers: &HeaderMap) -> String {
    headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost").to_owned()
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
    kind.starts_with("multipart/form-data")
}

async fn multipart(request: Request, app: &Arc<App>) -> Result<Multipart, ApiError> {
    Multipart::from_request(request, app).await.map_err(|error| ApiError::bad(error.body_text()))
}

/// The asset that JSON points to; a `data:` URL becomes one.
fn referred(app: &App, field: &str, reference: &Reference, project: &str) -> Result<store::Asset, ApiError> {
    match (&reference.image_url, &reference.file_id) {
        (Some(url), _) => {
            let coded = url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")).map(|(_, coded)| coded);
            let coded = coded.ok_or_else(|| {
                ApiError::field(field, "image_url must be a data: URL in base64; no address is fetched for a client")
            })?;
            let bytes = STANDARD.decode(coded.trim()).map_err(|_| ApiError::field(field, "is not base64"))?;
            app.keep_upload(field, &bytes, project)
        }
        (None, Some(id)) => app.store.asset(id).map_err(|error| ApiError::field(field, error.to_string())),
        (None, None) => Err(ApiError::field(field, "has neither image_url nor file_id")),
    }
}
