//! Compositions: a picture in a template and a channel, as PNG, or as a preview with everything that is to be known.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::brand::{
    ComposeRequest, Composition, FindingView, KitFinding, KitName, PaletteView, compose, palette, told,
};
use crate::error::ApiError;
use crate::extract::JsonBody;

/// Tells how many findings of each level there are.
const FINDINGS: HeaderName = HeaderName::from_static("calotype-findings");
/// Pixels across of a preview, if nothing is said.
const USUAL_WIDTH: u32 = 640;
/// Quality of a preview, as of JPEG.
const QUALITY: u8 = 85;

/// Compose a picture: PNG in full size. The header `calotype-findings` counts what is to be known about it; `POST
/// /api/v1/compose/preview` tells it.
#[utoipa::path(post, path = "/api/v1/compose", tag = "brand", request_body = ComposeRequest,
    responses((status = 200, content_type = "image/png", body = Vec<u8>), (status = 400)))]
pub async fn picture(
    State(app): State<Arc<App>>,
    JsonBody(request): JsonBody<ComposeRequest>,
) -> Result<Response, ApiError> {
    app.blocking(move |app| {
        let made = compose(app, request)?.drawn;
        let found = told(&made);
        let count = |level: &str| found.iter().filter(|finding| finding.level == level).count();
        let counts = format!("error={}, warning={}, note={}", count("error"), count("warning"), count("note"));
        let picture = &made.picture;
        let png = formats::picture::encode(picture.width(), picture.height(), picture.pixels(), &[]);
        let mut response = ([(header::CONTENT_TYPE, "image/png")], png.map_err(ApiError::internal)?).into_response();
        response.headers_mut().insert(FINDINGS, HeaderValue::from_str(&counts).map_err(ApiError::internal)?);
        Ok(response)
    })
    .await
}

/// A composition to look at.
#[derive(Debug, Serialize, ToSchema)]
pub struct Preview {
    /// Pixels across of the whole composition.
    width: u32,
    /// Pixels down.
    height: u32,
    /// The template that composed it; none: it is a crop.
    template: Option<String>,
    /// A small JPEG of it, as a `data:` address.
    picture: String,
    /// What is to be known about it, the worst first.
    findings: Vec<FindingView>,
    /// How the picture's colours are to the kit's.
    palette: Option<PaletteView>,
    /// The kit.
    kit: KitName,
    /// What the kit lacks.
    kit_findings: Vec<KitFinding>,
}

/// Compose a picture and tell everything about it, with a small picture of it.
#[utoipa::path(post, path = "/api/v1/compose/preview", tag = "brand", request_body = ComposeRequest,
    responses((status = 200, body = Preview), (status = 400)))]
pub async fn preview(
    State(app): State<Arc<App>>,
    JsonBody(request): JsonBody<ComposeRequest>,
) -> Result<Json<Preview>, ApiError> {
    let most = ApiError::in_range("width", request.width.unwrap_or(USUAL_WIDTH), 16..=2048)?;
    app.blocking(move |app| {
        let Composition { drawn, source, ready, channel } = compose(app, request)?;
        let small = if drawn.picture.width() > most {
            let height =
                (u64::from(drawn.picture.height()) * u64::from(most)).div_ceil(u64::from(drawn.picture.width()));
            Some(layout::resize(&drawn.picture, most, (height as u32).max(1)).map_err(ApiError::internal)?)
        } else {
            None
        };
        let shown = small.as_ref().unwrap_or(&drawn.picture);
        let jpeg = delivery::encode(shown, delivery::Format::Jpeg, QUALITY, &[]).map_err(ApiError::internal)?;
        Ok(Json(Preview {
            width: channel.width,
            height: channel.height,
            template: drawn.template.map(str::to_owned),
            picture: format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg)),
            findings: told(&drawn),
            palette: palette(ready.usable.brand.kit(), &source),
            kit: KitName::from(&ready),
            kit_findings: ready.usable.findings.clone(),
        }))
    })
    .await
}
