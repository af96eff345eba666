//! Brand kits: list, make, show, new version, publish, files.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use layout::BrandKit;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Kit, KitFile, KitVersion};
use utoipa::{IntoParams, ToSchema};

use crate::app::App;
use crate::brand::{KitFinding, Rules, STARTER, ready};
use crate::error::ApiError;
use crate::extract::{JsonBody, Query, body};

/// A brand kit in a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct KitSummary {
    /// Id.
    id: String,
    /// Name.
    name: String,
    /// When it was made.
    created_ms: i64,
    /// Its newest version.
    newest: u32,
    /// Its newest published version.
    published: Option<u32>,
    /// Colours of the newest version, as `#163a5c`.
    colours: Vec<String>,
}

/// A brand kit in one version.
#[derive(Debug, Serialize, ToSchema)]
pub struct KitView {
    /// Id; none for the built-in kit.
    id: Option<String>,
    /// Name.
    name: String,
    /// The version that is shown.
    version: u32,
    /// Whether it is published.
    published: bool,
    /// The newest version.
    newest: u32,
    /// The rules.
    #[schema(value_type = Object)]
    kit: Value,
    /// The rules as TOML.
    toml: String,
    /// Files that were uploaded, the newest of each name.
    files: Vec<FileView>,
    /// Versions, the newest first.
    versions: Vec<VersionView>,
    /// What it lacks.
    findings: Vec<KitFinding>,
}

/// A file of a kit.
#[derive(Debug, Serialize, ToSchema)]
pub struct FileView {
    /// Its name, as the rules call it.
    name: String,
    /// Its bytes.
    bytes: i64,
    /// SHA-256 of its bytes.
    sha256: String,
    /// Families of a font; empty for a picture.
    families: Vec<String>,
}

/// A version of a kit.
#[derive(Debug, Serialize, ToSchema)]
pub struct VersionView {
    /// Its number.
    version: u32,
    /// When it was made.
    created_ms: i64,
    /// When it was published.
    published_ms: Option<i64>,
}

impl From<KitVersion> for VersionView {
    fn from(version: KitVersion) -> Self {
        Self { version: version.version, created_ms: version.created_ms, published_ms: version.published_ms }
    }
}

/// List brand kits by name.
#[utoipa::path(get, path = "/api/v1/kits", tag = "brand", responses((status = 200, body = Vec<KitSummary>)))]
pub async fn list(State(app): State<Arc<App>>) -> Result<Json<Vec<KitSummary>>, ApiError> {
    app.blocking(|app| {
        let kits = app.store.kits()?.into_iter().map(|kit| summary(app, kit));
        Ok(Json(kits.collect::<Result<_, _>>()?))
    })
    .await
}

fn summary(app: &App, kit: Kit) -> Result<KitSummary, ApiError> {
    let rules: BrandKit =
        serde_json::from_str(&app.store.kit_version(&kit.id, kit.newest)?.rules).map_err(ApiError::internal)?;
    let colours = rules.colours.iter().map(|colour| colour.value.to_string()).collect();
    let Kit { id, name, created_ms, newest, published } = kit;
    Ok(KitSummary { id, name, created_ms, newest, published, colours })
}

/// Make a brand kit; its rules become version 1.
#[utoipa::path(post, path = "/api/v1/kits", tag = "brand", request_body = Rules,
    responses((status = 201, body = KitView), (status = 400)))]
pub async fn create(
    State(app): State<Arc<App>>,
    JsonBody(rules): JsonBody<Rules>,
) -> Result<(StatusCode, Json<KitView>), ApiError> {
    app.blocking(move |app| {
        let kit = rules.read(1)?;
        let text = serde_json::to_string(&kit).map_err(ApiError::internal)?;
        let made = app.store.add_kit(&kit.name, &text).map_err(|error| match ApiError::from(error) {
            error if error.field.as_deref() == Some("name") => ApiError::field("kit.name", error.message),
            error => error,
        })?;
        Ok((StatusCode::CREATED, Json(view(app, &made.id, None)?)))
    })
    .await
}

/// Which version.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct VersionQuery {
    /// Number of a version; default: the newest.
    version: Option<u32>,
}

/// Show a brand kit, called by its name or id; `starter` is the built-in one.
#[utoipa::path(get, path = "/api/v1/kits/{id}", tag = "brand", params(("id" = String, Path), VersionQuery),
    responses((status = 200, body = KitView), (status = 404)))]
pub async fn show(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<VersionQuery>,
) -> Result<Json<KitView>, ApiError> {
    app.blocking(move |app| Ok(Json(view(app, &id, query.version)?))).await
}

fn view(app: &App, id: &str, version: Option<u32>) -> Result<KitView, ApiError> {
    let found = match app.store.find_kit(id) {
        Err(store::StoreError::Unknown { .. }) if id == STARTER => return starter(app),
        found => found?,
    };
    let version = version.unwrap_or(found.newest);
    let kept = app.store.kit_version(&found.id, version)?;
    let used = ready(app, Some(&found.id), Some(version), None)?;
    let mut rules: BrandKit = serde_json::from_str(&kept.rules).map_err(ApiError::internal)?;
    rules.version = version;
    if kept.published_ms.is_some() {
        rules.status = layout::Status::Published;
    }
    let files = app.store.kit_files(&found.id, 0)?.into_iter().map(|file| shown(app, file));
    Ok(KitView {
        version,
        published: kept.published_ms.is_some(),
        newest: found.newest,
        toml: rules.to_toml().map_err(ApiError::internal)?,
        kit: serde_json::to_value(&rules).map_err(ApiError::internal)?,
        files: files.collect::<Result<_, _>>()?,
        versions: app.store.kit_versions(&found.id)?.into_iter().map(Into::into).collect(),
        findings: used.usable.findings.clone(),
        id: Some(found.id),
        name: found.name,
    })
}

fn starter(app: &App) -> Result<KitView, ApiError> {
    let used = ready(app, None, None, None)?;
    let rules = used.usable.brand.kit();
    Ok(KitView {
        id: None,
        name: rules.name.clone(),
        version: 1,
        published: true,
        newest: 1,
        kit: serde_json::to_value(rules).map_err(ApiError::internal)?,
        toml: rules.to_toml().map_err(ApiError::internal)?,
        files: Vec::new(),
        versions: Vec::new(),
        findings: Vec::new(),
    })
}

fn shown(app: &App, file: KitFile) -> Result<FileView, ApiError> {
    let families = match is_picture(&file.name) {
        true => Vec::new(),
        false => layout::families(&app.store.kit_blob(&file.sha256)?),
    };
    Ok(FileView { name: file.name, bytes: file.bytes, sha256: file.sha256, families })
}

fn is_picture(name: &str) -> bool {
    name.ends_with(".png")
}

/// A version to be kept.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewVersion {
    /// The rules, with the name of the kit.
    #[schema(value_type = Option<Object>)]
    kit: Option<Value>,
    /// The rules as TOML instead.
    toml: Option<String>,
    /// The newest version that you know; with another one by now nothing is kept (409). Default: any.
    after: Option<u32>,
}

/// Keep a new version of a kit. It takes the files that it names as they are now.
#[utoipa::path(post, path = "/api/v1/kits/{id}/versions", tag = "brand", params(("id" = String, Path)),
    request_body = NewVersion, responses((status = 201, body = KitView), (status = 400), (status = 404), (status = 409)))]
pub async fn add_version(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    JsonBody(new): JsonBody<NewVersion>,
) -> Result<(StatusCode, Json<KitView>), ApiError> {
    app.blocking(move |app| {
        let found = app.store.find_kit(&id)?;
        let after = new.after.unwrap_or(found.newest);
        let kit = Rules { kit: new.kit, toml: new.toml }.read(after.saturating_add(1))?;
        if kit.name != found.name {
            let message = format!("is '{}'; versions of a kit keep its name, '{}'", kit.name, found.name);
            return Err(ApiError::field("kit.name", message));
        }
        let fonts = kit.fonts.iter().flat_map(|font| &font.files);
        let files: Vec<&str> = fonts.chain(kit.logos.iter().map(|logo| &logo.file)).map(String::as_str).collect();
        let text = serde_json::to_string(&kit).map_err(ApiError::internal)?;
        let version = app.store.add_kit_version(&found.id, after, &text, &files)?;
        Ok((StatusCode::CREATED, Json(view(app, &found.id, Some(version))?)))
    })
    .await
}

/// Publish a version of a kit; one that lacks a font or a logo is refused.
#[utoipa::path(post, path = "/api/v1/kits/{id}/versions/{version}/publish", tag = "brand",
    params(("id" = String, Path), ("version" = u32, Path)),
    responses((status = 200, body = KitView), (status = 400), (status = 404)))]
pub async fn publish(
    State(app): State<Arc<App>>,
    Path((id, version)): Path<(String, u32)>,
) -> Result<Json<KitView>, ApiError> {
    app.blocking(move |app| {
        let found = app.store.find_kit(&id)?;
        app.store.kit_version(&found.id, version)?;
        let used = ready(app, Some(&found.id), Some(version), None)?;
        if let Some(finding) = used.usable.findings.first() {
            return Err(ApiError::field(&format!("kit.{}", finding.field), finding.message.clone()));
        }
        app.store.publish_kit(&found.id, version)?;
        Ok(Json(view(app, &found.id, Some(version))?))
    })
    .await
}

/// A file of a kit: the newest of this name.
#[utoipa::path(get, path = "/api/v1/kits/{id}/files/{name}", tag = "brand",
    params(("id" = String, Path), ("name" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream", body = Vec<u8>), (status = 404)))]
pub async fn file(State(app): State<Arc<App>>, Path((id, name)): Path<(String, String)>) -> Result<Response, ApiError> {
    let kind = if is_picture(&name) { "image/png" } else { "application/octet-stream" };
    let bytes = app
        .blocking(move |app| {
            let found = app.store.find_kit(&id)?;
            let file = app.store.kit_files(&found.id, 0)?.into_iter().find(|file| file.name == name);
            let file = file.ok_or_else(|| ApiError::not_found("the kit has no file of this name"))?;
            Ok(app.store.kit_blob(&file.sha256)?)
        })
        .await?;
    let mut response = ([(header::CONTENT_TYPE, kind)], bytes).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    Ok(response)
}

/// Put a logo (PNG, JPEG, WebP; kept as PNG) or a font (TrueType, OpenType) beside a kit, in the place of one of the same name. A new
/// version takes it.
#[utoipa::path(put, path = "/api/v1/kits/{id}/files/{name}", tag = "brand",
    params(("id" = String, Path), ("name" = String, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, body = FileView), (status = 400), (status = 404)))]
pub async fn put_file(
    State(app): State<Arc<App>>,
    Path((id, name)): Path<(String, String)>,
    request: Request,
) -> Result<Json<FileView>, ApiError> {
    let kind = request.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or("");
    // Such a type is never sent by a form, so that a page of another origin would have to ask first.
    if !(kind.starts_with("image/") || kind.starts_with("font/") || kind == "application/octet-stream") {
        let message = "send the file itself, with the header Content-Type: application/octet-stream";
        return Err(ApiError::status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_a_file", message));
    }
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ');
    if !(1..=100).contains(&name.chars().count()) || !name.chars().all(plain) || name.starts_with('.') {
        return Err(ApiError::field("name", "must be 1 to 100 letters, digits, '.', '-', '_' or spaces"));
    }
    let bytes = body(request, &app).await?;
    app.blocking(move |app| {
        let found = app.store.find_kit(&id)?;
        if image::guess_format(&bytes).is_ok() {
            if !is_picture(&name) {
                return Err(ApiError::field("name", "logos are kept as PNG: the name must end in .png"));
            }
            let png = crate::picture::png(&crate::picture::decode("body", &bytes)?)?;
            return Ok(Json(shown(app, app.store.put_kit_file(&found.id, &name, &png)?)?));
        }
        if layout::families(&bytes).is_empty() || is_picture(&name) {
            let message = "is neither a picture (PNG, JPEG, WebP) nor a TrueType or OpenType font";
            return Err(ApiError::field("body", message));
        }
        Ok(Json(shown(app, app.store.put_kit_file(&found.id, &name, &bytes)?)?))
    })
    .await
}
