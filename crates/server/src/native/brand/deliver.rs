//! Deliveries of a campaign: what would be made, the package, and which were made.

use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use store::Delivery;
use tokio_stream::wrappers::ReceiverStream;
use utoipa::ToSchema;

use crate::app::App;
use crate::brand::{DeliveryPlan, DeliveryProgress, DeliveryRequest};
use crate::error::ApiError;
use crate::extract::JsonBody;

/// Tells the id of the delivery.
const DELIVERY: HeaderName = HeaderName::from_static("calotype-delivery");
/// Bytes of the package that are read at once.
const CHUNK: usize = 256 << 10;

/// What a delivery would make, with the findings of its first picks. Makes nothing.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/delivery/plan", tag = "brand", params(("id" = String, Path)),
    request_body = DeliveryRequest, responses((status = 200, body = DeliveryPlan), (status = 400), (status = 404)))]
pub async fn plan(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<DeliveryRequest>,
) -> Result<Json<DeliveryPlan>, ApiError> {
    app.blocking(move |app| Ok(Json(crate::brand::plan(app, &id, request)?))).await
}

/// Deliver a campaign: a ZIP with a folder for each channel, `manifest.csv` and `contact-sheet.pdf`. All files are made or none.
#[utoipa::path(post, path = "/api/v1/campaigns/{id}/delivery", tag = "brand", params(("id" = String, Path)),
    request_body = DeliveryRequest,
    responses((status = 200, content_type = "application/zip", body = Vec<u8>), (status = 400), (status = 404)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<DeliveryRequest>,
) -> Result<Response, ApiError> {
    let (mut file, length, name, made) = app
        .blocking(move |app| {
            let file = tempfile::tempfile().map_err(ApiError::internal)?;
            let name = delivery::sanitised(&app.store.campaign(&id)?.name);
            let told = app.brands.making.begin(&id);
            let (mut file, made) = crate::brand::make(app, &id, request, None, file, &|progress| told.tell(progress))?;
            let length = file.seek(SeekFrom::End(0)).map_err(ApiError::internal)?;
            file.seek(SeekFrom::Start(0)).map_err(ApiError::internal)?;
            Ok((file, length, name, made))
        })
        .await?;
    // The package may be larger than memory: it goes out as it is read.
    let (send, receive) = tokio::sync::mpsc::channel::<std::io::Result<Bytes>>(4);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut chunk = vec![0; CHUNK];
            let read = file.read(&mut chunk);
            let is_over = matches!(read, Ok(0) | Err(_));
            let part = read.map(|count| {
                chunk.truncate(count);
                Bytes::from(chunk)
            });
            if matches!(&part, Ok(part) if part.is_empty()) || send.blocking_send(part).is_err() || is_over {
                return;
            }
        }
    });
    let mut response = Body::from_stream(ReceiverStream::new(receive)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    let disposition = format!("attachment; filename=\"{name}.zip\"");
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_str(&disposition).map_err(ApiError::internal)?);
    headers.insert(DELIVERY, HeaderValue::from_str(&made.id).map_err(ApiError::internal)?);
    Ok(response)
}

/// A delivery that was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryView {
    /// Id.
    id: String,
    /// Name of the brand kit.
    kit: Option<String>,
    /// The version of the kit it was made with.
    kit_version: Option<u32>,
    /// What was asked for.
    #[schema(value_type = Object)]
    request: Value,
    /// Files for channels.
    files: i64,
    /// Bytes of the package.
    bytes: i64,
    /// SHA-256 of its manifest.
    manifest_sha256: String,
    /// When it was made.
    made_ms: i64,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        let what = delivery.what;
        Self {
            id: delivery.id,
            kit: what.kit,
            kit_version: what.kit_version,
            request: serde_json::from_str(&what.wish).unwrap_or_default(),
            files: what.files,
            bytes: what.bytes,
            manifest_sha256: what.manifest_sha256,
            made_ms: delivery.made_ms,
        }
    }
}

/// List the deliveries of a campaign, the newest first.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}/delivery", tag = "brand", params(("id" = String, Path)),
    responses((status = 200, body = Vec<DeliveryView>), (status = 404)))]
pub async fn list(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Vec<DeliveryView>>, ApiError> {
    app.blocking(move |app| Ok(Json(app.store.deliveries(&id)?.into_iter().map(Into::into).collect()))).await
}

/// How far a campaign's package is.
#[derive(Debug, Serialize, ToSchema)]
pub struct MakingView {
    /// Files by now, of how many; absent when no package is being made.
    making: Option<DeliveryProgress>,
}

/// How far the package is that is being made of a campaign.
#[utoipa::path(get, path = "/api/v1/campaigns/{id}/delivery/progress", tag = "brand", params(("id" = String, Path)),
    responses((status = 200, body = MakingView)))]
pub async fn progress(State(app): State<Arc<App>>, Path(id): Path<String>) -> Json<MakingView> {
    Json(MakingView { making: app.brands.making.of(&id) })
}
