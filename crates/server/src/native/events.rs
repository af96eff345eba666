//! News as server-sent events. Whoever connects late, or was too slow, gets the present state first.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, State};
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::views::{AssetView, JobView, ProgressView};
use crate::app::App;
use crate::error::ApiError;
use crate::live::{Happening, Running};

/// Events that wait for a client before its stream waits, too.
const WAITING: usize = 16;

type Stream = Sse<axum::response::sse::KeepAliveStream<ReceiverStream<Result<Event, Infallible>>>>;

/// News of one job: `job` (its state), `progress`, `preview`, `asset`, and `done` at its end, after which the stream ends.
///
/// Data is JSON: of `job` and `done` a job with its assets; of `progress` as below; of `preview` `{job, image, step, url}`
/// where `url` is a `data:` URL of a PNG; of `asset` an asset.
#[utoipa::path(get, path = "/api/v1/jobs/{id}/events", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, content_type = "text/event-stream", body = ProgressView), (status = 404)))]
pub async fn of_job(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Stream, ApiError> {
    let own = id.clone();
    app.blocking(move |app| Ok(app.store.job(&own)?)).await?;
    Ok(stream(app, Some(id)))
}

/// News of all jobs, without end; the same events.
#[utoipa::path(get, path = "/api/v1/events", tag = "jobs",
    responses((status = 200, content_type = "text/event-stream", body = ProgressView)))]
pub async fn all(State(app): State<Arc<App>>) -> Stream {
    stream(app, None)
}

fn stream(app: Arc<App>, job: Option<String>) -> Stream {
    let (sender, receiver) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        // It ends when the client is gone, the job is over or the server stops.
        let _ = follow(&app, job.as_deref(), &sender).await;
    });
    Sse::new(ReceiverStream::new(receiver)).keep_alive(KeepAlive::new().interval(Duration::from_secs(15)))
}

/// Nobody listens any more, or there is nothing more to say.
struct Ended;

async fn follow(
    app: &Arc<App>,
    job: Option<&str>,
    sender: &mpsc::Sender<Result<Event, Infallible>>,
) -> Result<(), Ended> {
    let mut listener = app.queue.live.listen();
    state(app, job, sender).await?;
    loop {
        let happening = tokio::select! {
            () = sender.closed() => return Err(Ended),
            happening = listener.recv() => happening,
        };
        let happening = match happening {
            Ok(happening) => happening,
            Err(RecvError::Closed) => return Err(Ended),
            Err(RecvError::Lagged(_)) => {
                state(app, job, sender).await?;
                continue;
            }
        };
        if job.is_some_and(|job| job != happening.job()) {
            continue;
        }
        match happening {
            Happening::Changed(changed) => job_event(app, "job", &changed.id, sender).await?,
            Happening::Progress(progress) => send(sender, "progress", &ProgressView::from(&progress)).await?,
            Happening::Preview { job, image, step, png } => preview(sender, &job, image, step, &png).await?,
            Happening::Asset(asset) => {
                let settings = app.blocking(|app| app.settings()).await.map_err(|_| Ended)?;
                send(sender, "asset", &AssetView::new(&asset, &settings)).await?;
            }
            Happening::Over(over) => {
                job_event(app, "done", &over.id, sender).await?;
                if job.is_some() {
                    return Ok(());
                }
            }
        }
    }
}

/// How everything is now.
async fn state(
    app: &Arc<App>,
    job: Option<&str>,
    sender: &mpsc::Sender<Result<Event, Infallible>>,
) -> Result<(), Ended> {
    let running = app.queue.live.running();
    if let Some(id) = job {
        let own = id.to_owned();
        let found = app.blocking(move |app| Ok(app.store.job(&own)?)).await.map_err(|_| Ended)?;
        if found.state.is_over() {
            job_event(app, "done", id, sender).await?;
            return Err(Ended);
        }
        job_event(app, "job", id, sender).await?;
    }
    let Some(running) = running.filter(|running| job.is_none_or(|job| running.job.id == job)) else { return Ok(()) };
    if job.is_none() {
        job_event(app, "job", &running.job.id, sender).await?;
    }
    now(app, &running, sender).await
}

async fn now(app: &Arc<App>, running: &Running, sender: &mpsc::Sender<Result<Event, Infallible>>) -> Result<(), Ended> {
    if running.steps > 0 {
        let progress = running.progress(app.queue.live.ratio(&running.job.model));
        send(sender, "progress", &ProgressView::from(&progress)).await?;
    }
    for (image, (step, png)) in &running.previews {
        preview(sender, &running.job.id, *image, *step, png).await?;
    }
    Ok(())
}

async fn job_event(
    app: &Arc<App>,
    name: &'static str,
    id: &str,
    sender: &mpsc::Sender<Result<Event, Infallible>>,
) -> Result<(), Ended> {
    let id = id.to_owned();
    let view = app.blocking(move |app| JobView::whole(app, &app.store.job(&id)?)).await.map_err(|_| Ended)?;
    send(sender, name, &view).await
}

async fn preview(
    sender: &mpsc::Sender<Result<Event, Infallible>>,
    job: &str,
    image: u32,
    step: u32,
    png: &[u8],
) -> Result<(), Ended> {
    let url = format!("data:image/png;base64,{}", STANDARD.encode(png));
    send(sender, "preview", &json!({ "job": job, "image": image, "step": step, "url": url })).await
}

async fn send<T: Serialize>(
    sender: &mpsc::Sender<Result<Event, Infallible>>,
    name: &'static str,
    data: &T,
) -> Result<(), Ended> {
    let data = serde_json::to_string(data).map_err(|_| Ended)?;
    sender.send(Ok(Event::default().event(name).data(data))).await.map_err(|_| Ended)
}
