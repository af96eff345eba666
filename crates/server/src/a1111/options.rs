//! Options: the model that is used, and whatever else clients keep here.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};

use super::A1111Error;
use crate::app::App;
use crate::error::ApiError;
use crate::extract::JsonBody;

/// Name of the setting.
const SETTING: &str = "a1111_options";
/// Most bytes of all options.
const MAX_BYTES: usize = 64 << 10;

/// What was set.
fn kept(app: &App) -> Result<Map<String, Value>, ApiError> {
    match app.store.settings()?.remove(SETTING) {
        Some(Value::Object(kept)) => Ok(kept),
        _ => Ok(Map::new()),
    }
}

/// The name of the model that is used. Blocks.
pub fn model(app: &App, asked: Option<&str>) -> Result<String, ApiError> {
    let kept = kept(app)?;
    let name = asked.or(kept.get("sd_model_checkpoint").and_then(Value::as_str));
    match name.filter(|name| !name.is_empty()) {
        None => Ok(engine::store::DEFAULT_MODEL.to_owned()),
        Some(name) => named(app, name),
    }
}

/// A model by name or title, with or without a hash or an extension.
fn named(app: &App, name: &str) -> Result<String, ApiError> {
    let plain = name.split(" [").next().unwrap_or(name);
    let plain = plain.strip_suffix(".safetensors").unwrap_or(plain);
    match app.models.names().into_iter().find(|(known, _)| known == plain) {
        Some((known, _)) => Ok(known),
        None => {
            Err(ApiError::field("sd_model_checkpoint", "there is no such model; GET /sdapi/v1/sd-models lists them"))
        }
    }
}

/// `GET /sdapi/v1/options`.
pub async fn show(State(app): State<Arc<App>>) -> Result<Json<Value>, A1111Error> {
    let options = app
        .blocking(|app| {
            let mut options = json!({
                "samples_format": "png", "CLIP_stop_at_last_layers": 1, "sd_vae": "Automatic", "eta_noise_seed_delta": 0,
                "show_progress_every_n_steps": 1, "randn_source": "CPU", "save_images": true,
            });
            for (name, value) in kept(app)? {
                options[name] = value;
            }
            options["sd_model_checkpoint"] = model(app, None)?.into();
            Ok(options)
        })
        .await?;
    Ok(Json(options))
}

/// `POST /sdapi/v1/options`.
pub async fn change(
    State(app): State<Arc<App>>,
    JsonBody(change): JsonBody<Map<String, Value>>,
) -> Result<Json<Value>, A1111Error> {
    app.blocking(move |app| {
        let mut options = kept(app)?;
        for (name, value) in change {
            let value = match (name.as_str(), &value) {
                ("sd_model_checkpoint", Value::String(title)) => named(app, title)?.into(),
                ("sd_model_checkpoint", Value::Null) => engine::store::DEFAULT_MODEL.into(),
                ("sd_model_checkpoint", _) => return Err(ApiError::field("sd_model_checkpoint", "is not text")),
                _ => value,
            };
            options.insert(name, value);
        }
        let value = Value::Object(options);
        if value.to_string().len() > MAX_BYTES {
            return Err(ApiError::bad(format!("all options together have more than {MAX_BYTES} bytes")));
        }
        Ok(app.store.set_setting(SETTING, &value)?)
    })
    .await?;
    Ok(Json(Value::Null))
}
