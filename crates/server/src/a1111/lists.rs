//! What there is: samplers, schedules, models; and empty lists of what there is not.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::images::UPSCALERS;
use super::names::{SAMPLERS, SCHEDULES};
use super::{A1111Error, options};
use crate::app::App;

/// `GET /sdapi/v1/samplers`: those of the model in use.
pub async fn samplers(State(app): State<Arc<App>>) -> Result<Json<Value>, A1111Error> {
    let list = app
        .blocking(|app| {
            let model = app.models.find(&options::model(app, None)?)?;
            let (samplers, _) = crate::native::models::names(&model.kind);
            let has = |own: &str| samplers.iter().any(|sampler| sampler == own);
            Ok(SAMPLERS
                .iter()
                .filter(|(_, own)| has(own))
                .map(|(label, own)| json!({ "name": label, "aliases": [own], "options": {} }))
                .collect::<Vec<_>>())
        })
        .await?;
    Ok(Json(list.into()))
}

/// `GET /sdapi/v1/schedulers`: those of the model in use.
pub async fn schedulers(State(app): State<Arc<App>>) -> Result<Json<Value>, A1111Error> {
    let list = app
        .blocking(|app| {
            let model = app.models.find(&options::model(app, None)?)?;
            let (_, schedules) = crate::native::models::names(&model.kind);
            let has = |own: &str| own.is_empty() || schedules.iter().any(|schedule| schedule == own);
            let named = SCHEDULES.iter().filter(|(label, own)| *label != "Uniform" && has(own)).map(|(label, own)| {
                let name = if own.is_empty() { "automatic" } else { own };
                json!({ "name": name, "label": label, "aliases": null, "default_rho": -1.0, "need_inner_model": false })
            });
            Ok(named.collect::<Vec<_>>())
        })
        .await?;
    Ok(Json(list.into()))
}

/// `GET /sdapi/v1/sd-models`.
pub async fn models(State(app): State<Arc<App>>) -> Result<Json<Value>, A1111Error> {
    let list = app
        .blocking(|app| {
            Ok(app
                .models
                .names()
                .into_iter()
                .map(|(name, _)| {
                    // Where files lie is nobody's business.
                    json!({ "title": name, "model_name": name, "hash": null, "sha256": null, "filename": name, "config": null })
                })
                .collect::<Vec<_>>())
        })
        .await?;
    Ok(Json(list.into()))
}

/// `GET /sdapi/v1/upscalers`.
pub async fn upscalers() -> Json<Value> {
    let named = |(name, _): &(&str, _)| json!({ "name": name, "model_name": null, "model_path": null, "model_url": null, "scale": 4.0 });
    Json(UPSCALERS.iter().map(named).collect())
}

/// `GET /sdapi/v1/latent-upscale-modes`: names that clients choose from; all mean the usual upscaler.
pub async fn latent_upscale_modes() -> Json<Value> {
    let names =
        ["Latent", "Latent (antialiased)", "Latent (bicubic)", "Latent (bicubic antialiased)", "Latent (nearest)"];
    Json(names.iter().chain(&["Latent (nearest-exact)"]).map(|name| json!({ "name": name })).collect())
}

/// `GET /sdapi/v1/scripts`.
pub async fn scripts() -> Json<Value> {
    Json(json!({ "txt2img": [], "img2img": [] }))
}

/// `GET /sdapi/v1/embeddings`.
pub async fn embeddings() -> Json<Value> {
    Json(json!({ "loaded": {}, "skipped": {} }))
}

/// `GET /sdapi/v1/memory`.
pub async fn memory() -> Json<Value> {
    let used = engine::process_memory().1;
    Json(json!({ "ram": { "free": null, "used": used, "total": null }, "cuda": { "error": "there is none" } }))
}

/// A list with nothing in it.
pub async fn nothing() -> Json<Value> {
    Json(json!([]))
}

/// An object with nothing in it.
pub async fn object() -> Json<Value> {
    Json(json!({}))
}

/// Nothing has to be done.
pub async fn done() -> Json<Value> {
    Json(Value::Null)
}
