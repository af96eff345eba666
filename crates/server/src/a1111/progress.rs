//! How far the job is, and its interruption.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::A1111Error;
use crate::app::App;
use crate::extract::Query;

/// Whether the picture is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ProgressQuery {
    skip_current_image: bool,
}

/// `GET /sdapi/v1/progress`.
pub async fn progress(
    State(app): State<Arc<App>>,
    Query(query): Query<ProgressQuery>,
) -> Result<Json<Value>, A1111Error> {
    let Some(running) = app.queue.live.running() else {
        let waiting = app.blocking(|app| Ok(app.store.waiting()?)).await?;
        return Ok(Json(json!({
            "progress": 0.0, "eta_relative": 0.0, "state": state(waiting, 0, 0, 0, false), "current_image": null,
            "textinfo": null,
        })));
    };
    let step = running.done.get(&running.image).copied().unwrap_or(0);
    let eta = running.eta(app.queue.live.ratio(&running.job.model)).unwrap_or(0.0);
    let picture = running.preview.as_ref().filter(|_| !query.skip_current_image);
    Ok(Json(json!({
        // Never quite 0 while something runs: clients take that for nothing.
        "progress": (0.01 + running.fraction()).min(1.0),
        "eta_relative": eta,
        "state": state(running.job.images as usize, running.finished, step, running.steps, running.stopping),
        "current_image": picture.map(|(_, png)| STANDARD.encode(png)),
        "textinfo": null,
    })))
}

fn state(count: usize, number: u32, step: u32, steps: u32, interrupted: bool) -> Value {
    json!({
        "skipped": false, "interrupted": interrupted, "stopping_generation": interrupted,
        "job": if steps > 0 { "scripts_txt2img" } else { "" }, "job_count": count, "job_timestamp": "0", "job_no": number,
        "sampling_step": step, "sampling_steps": steps,
    })
}

/// `POST /sdapi/v1/interrupt`: ends the running job, if it came through this interface.
pub async fn interrupt(State(app): State<Arc<App>>) -> Result<Json<Value>, A1111Error> {
    if let Some(running) = app.queue.live.running().filter(|running| running.job.source == "a1111") {
        app.queue.cancel(&running.job.id).await?;
    }
    Ok(Json(json!({})))
}
