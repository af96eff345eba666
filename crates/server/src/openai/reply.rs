//! Answers: one JSON object, or a stream of events.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::body::Bytes;
use axum::response::sse::{Event, KeepAlive};
use axum::response::{IntoResponse, Response, Sse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::imageops;
use serde_json::{Value, json};
use tokio::sync::{broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::OpenAiError;
use super::wish::Checked;
use crate::app::{App, CancelOnDrop, Owner};
use crate::error::{ApiError, Shape};
use crate::live::Happening;
use crate::picture::{self, Wanted};

/// Events that wait for a client.
const WAITING: usize = 16;

/// Draws what was wished for; `kind` is the word events begin with, `host` how the client calls the server.
pub async fn draw(
    app: &Arc<App>,
    owner: &Owner,
    checked: Checked,
    kind: &'static str,
    host: String,
) -> Result<Response, OpenAiError> {
    if let Some(partial) = checked.partial {
        let listener = app.queue.live.listen();
        let job = app.submit_one(owner, None, checked.draft.clone()).await?.id;
        let guard = CancelOnDrop::new(app, &job);
        return Ok(stream(app.clone(), listener, job, guard, checked, partial, kind));
    }
    let (_, pictures) = app.draw(owner, checked.draft.clone()).await?;
    let mut data = Vec::with_capacity(pictures.len());
    for (asset, png) in pictures {
        if checked.urls {
            let format = checked.wanted.format.name();
            data.push(json!({ "url": format!("http://{host}/api/v1/assets/{}/file?format={format}", asset.id) }));
        } else {
            let bytes = convert(app, png, checked.wanted).await?;
            data.push(json!({ "b64_json": STANDARD.encode(bytes) }));
        }
    }
    let mut answer = about(&checked);
    answer["created"] = seconds().into();
    answer["data"] = data.into();
    answer["usage"] = usage();
    answer["seed"] = checked.draft.order.seed.into();
    Ok(Json(answer).into_response())
}

/// What every answer says of its pictures.
fn about(checked: &Checked) -> Value {
    json!({
        "background": checked.background,
        "output_format": checked.wanted.format.name(),
        "quality": checked.quality,
        "size": checked.size.to_string(),
    })
}

/// Nothing is counted in tokens here, but clients want the numbers.
fn usage() -> Value {
    json!({
        "total_tokens": 0, "input_tokens": 0, "output_tokens": 0,
        "input_tokens_details": { "text_tokens": 0, "image_tokens": 0 },
        "output_tokens_details": { "text_tokens": 0, "image_tokens": 0 },
    })
}

fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

async fn convert(app: &Arc<App>, png: Bytes, wanted: Wanted) -> Result<Bytes, ApiError> {
    app.blocking(move |_| picture::convert(png, wanted)).await
}

fn stream(
    app: Arc<App>,
    listener: broadcast::Receiver<Happening>,
    job: String,
    guard: CancelOnDrop,
    checked: Checked,
    partial: u32,
    kind: &'static str,
) -> Response {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        let told = tokio::select! {
            // The guard cancels the job.
            () = sender.closed() => return,
            told = follow(&app, listener, &job, &checked, partial, kind, &sender) => told,
        };
        guard.defuse();
        if let Err(error) = told {
            let data = error.body(Shape::OpenAi).to_string();
            let _ = sender.send(Ok(Event::default().event("error").data(data))).await;
        }
    });
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(15));
    Sse::new(ReceiverStream::new(receiver)).keep_alive(keep_alive).into_response()
}

async fn follow(
    app: &Arc<App>,
    mut listener: broadcast::Receiver<Happening>,
    job: &str,
    checked: &Checked,
    partial: u32,
    kind: &'static str,
    sender: &mpsc::Sender<Result<Event, Infallible>>,
) -> Result<(), ApiError> {
    let (previews, mut taken) = mpsc::unbounded_channel::<(u32, Bytes)>();
    let mut sent: HashMap<u32, u32> = HashMap::new();
    let mut steps = 0;
    let waiting = app.wait(job, &mut listener, |happening| match happening {
        Happening::Progress(progress) => steps = progress.steps,
        Happening::Preview { image, step, png, .. } => {
            let count = sent.entry(*image).or_insert(0);
            // Evenly spread over the steps.
            if *count < partial && u64::from(*step) * u64::from(partial + 1) >= u64::from(*count + 1) * u64::from(steps)
            {
                let _ = previews.send((*count, png.clone()));
                *count += 1;
            }
        }
        _ => {}
    });
    tokio::pin!(waiting);
    let job = loop {
        tokio::select! {
            job = &mut waiting => break job?,
            Some((index, png)) = taken.recv() => {
                let bytes = enlarged(app, png, checked).await?;
                send(sender, checked, &format!("{kind}.partial_image"), &bytes, json!({ "partial_image_index": index })).await;
            }
        }
    };
    for (_, png) in app.pictures(&job).await? {
        let bytes = convert(app, png, checked.wanted).await?;
        send(sender, checked, &format!("{kind}.completed"), &bytes, json!({ "usage": usage() })).await;
    }
    if job.state == store::State::Cancelled {
        return Err(ApiError::bad("the job was cancelled"));
    }
    Ok(())
}

/// A preview at the size and in the format of the picture it becomes.
async fn enlarged(app: &Arc<App>, png: Bytes, checked: &Checked) -> Result<Bytes, ApiError> {
    let (size, wanted) = (checked.size, checked.wanted);
    app.blocking(move |_| {
        let image = picture::decode("preview", &png)?;
        let image = imageops::resize(&image, size.width, size.height, imageops::FilterType::Triangle);
        Ok(picture::encode(&image, wanted, &[])?.into())
    })
    .await
}

async fn send(
    sender: &mpsc::Sender<Result<Event, Infallible>>,
    checked: &Checked,
    name: &str,
    bytes: &[u8],
    more: Value,
) {
    let mut data = about(checked);
    data["type"] = name.into();
    data["b64_json"] = STANDARD.encode(bytes).into();
    data["created_at"] = seconds().into();
    for (key, value) in more.as_object().into_iter().flatten() {
        data[key] = value.clone();
    }
    // A client that is gone is noticed by the caller.
    let _ = sender.send(Ok(Event::default().event(name).data(data.to_string()))).await;
}
