//! Channels and templates.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use layout::{Content, Template};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;

/// A channel.
#[derive(Debug, Serialize, ToSchema)]
pub struct ChannelView {
    /// Id, such as `meta.story`.
    id: String,
    /// Pixels across.
    width: u32,
    /// Pixels down.
    height: u32,
    /// Width to height, as `1.91:1`.
    ratio: String,
    /// Most bytes of a file, metadata included.
    max_bytes: Option<u64>,
    /// Accepted formats, the preferred one first.
    #[schema(value_type = Vec<String>)]
    formats: Value,
    /// The template it is composed by; none: it is a crop.
    template: Option<String>,
    /// What the platform covers, in percent of the sides: `top`, `right`, `bottom`, `left`.
    #[schema(value_type = Option<Object>)]
    safe: Option<Value>,
    /// The page these figures are from.
    source: String,
    /// When somebody last looked there.
    checked_on: String,
    /// How well they are known: `high`, `medium`, `low`.
    confidence: Value,
    /// Anything else.
    note: Option<String>,
}

/// List channels: `channels.toml` of the data folder, or the built-in catalogue.
#[utoipa::path(get, path = "/api/v1/channels", tag = "brand",
    responses((status = 200, body = Vec<ChannelView>), (status = 400, description = "the file in the data folder is wrong")))]
pub async fn channels(State(app): State<Arc<App>>) -> Result<Json<Vec<ChannelView>>, ApiError> {
    app.blocking(|app| {
        let views = crate::brand::channels(app)?.channels.into_iter().map(|channel| {
            Ok(ChannelView {
                formats: json(&channel.formats)?,
                safe: channel.safe.as_ref().map(json).transpose()?,
                confidence: json(&channel.confidence)?,
                id: channel.id,
                width: channel.width,
                height: channel.height,
                ratio: channel.ratio,
                max_bytes: channel.max_bytes,
                template: channel.template,
                source: channel.source,
                checked_on: channel.checked_on,
                note: channel.note,
            })
        });
        Ok(Json(views.collect::<Result<_, ApiError>>()?))
    })
    .await
}

fn json<T: Serialize>(value: &T) -> Result<Value, ApiError> {
    serde_json::to_value(value).map_err(ApiError::internal)
}

/// A template.
#[derive(Debug, Serialize, ToSchema)]
pub struct TemplateView {
    /// Name, such as `banner.728x90`.
    name: String,
    /// Pixels across, of the size it was designed at.
    width: u32,
    /// Pixels down.
    height: u32,
    /// Words it has a place for.
    slots: Vec<String>,
    /// Whether the words stand on the picture itself.
    overlay: bool,
    /// Names of its layers, from back to front.
    layers: Vec<String>,
    /// Logos it shows.
    logos: Vec<String>,
}

/// List the built-in templates.
#[utoipa::path(get, path = "/api/v1/templates", tag = "brand", responses((status = 200, body = Vec<TemplateView>)))]
pub async fn templates() -> Json<Vec<TemplateView>> {
    let view = |template: &Template| TemplateView {
        name: template.name.clone(),
        width: template.size[0],
        height: template.size[1],
        slots: template.slots().into_iter().collect(),
        overlay: template.name.starts_with("overlay."),
        layers: template.layers.iter().map(|layer| layer.name.clone()).collect(),
        logos: template
            .layers
            .iter()
            .filter_map(|layer| match &layer.content {
                Content::Logo { logo } => Some(logo.clone()),
                _ => None,
            })
            .collect(),
    };
    Json(Template::all_built_in().iter().map(view).collect())
}
