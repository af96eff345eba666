//! The one queue: takes jobs from the store, has the worker draw them, keeps the pictures, tells the news. A worker that
//! ends is started again and its job tried again, until it was tried too often.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use engine::Order;
use store::{AssetKind, End, Job, NewAsset, Store, StoreError};
use tokio::sync::{Notify, watch};

use crate::live::{Happening, Live};
use crate::models::Models;
use crate::worker::process::{Worker, WorkerCommand};
use crate::worker::protocol::{Command, Draw, News};

/// How long a worker may take to obey before it is ended: it cannot stop while it loads a model.
const OBEY: Duration = Duration::from_secs(10);
/// Pause before a worker that could not be started is started again.
const PAUSE: Duration = Duration::from_secs(1);

/// Counts for the metrics.
#[derive(Debug, Default)]
pub struct Counts {
    /// Workers started.
    pub workers: AtomicU64,
    /// Pictures kept.
    pub pictures: AtomicU64,
    /// Milliseconds of drawing.
    pub draw_ms: AtomicU64,
}

/// What queue and interfaces share.
#[derive(Debug)]
pub struct Queue {
    /// Jobs and pictures.
    pub store: Arc<Store>,
    /// The running job and the news.
    pub live: Live,
    /// Counts for the metrics.
    pub counts: Counts,
    models: Arc<Models>,
    wake: Notify,
    cancel: Notify,
    /// Jobs that run, or are just being begun, and that somebody cancelled.
    cancelled: Mutex<HashSet<String>>,
    stop: watch::Sender<bool>,
}

/// How a worker's turn ended.
enum Turn {
    /// The job is over, or waits again; the worker lives.
    Over,
    /// The worker has ended.
    Died,
}

impl Queue {
    /// A queue over a store.
    pub fn new(store: Arc<Store>, models: Arc<Models>) -> Self {
        Self {
            store,
            live: Live::default(),
            counts: Counts::default(),
            models,
            wake: Notify::new(),
            cancel: Notify::new(),
            cancelled: Mutex::default(),
            stop: watch::Sender::new(false),
        }
    }

    /// New jobs wait.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Begins no further job.
    pub fn stop(&self) {
        self.stop.send_replace(true);
        self.wake.notify_one();
    }

    /// Waits until the server is stopping.
    pub async fn stopping(&self) {
        // It fails only when the sender is gone, which lives as long as this.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }

    /// Whether the server is stopping.
    pub fn is_stopping(&self) -> bool {
        *self.stop.borrow()
    }

    /// Cancels a job that waits or runs; gives it as it is then. The running one ends within one step.
    pub async fn cancel(self: &Arc<Self>, id: &str) -> Result<Job, StoreError> {
        let (queue, own) = (self.clone(), id.to_owned());
        let (job, was_waiting) = blocking(move || {
            let was_waiting = queue.store.cancel_waiting(&own)?;
            Ok((queue.store.job(&own)?, was_waiting))
        })
        .await?;
        if was_waiting {
            self.live.tell(Happening::Over(Arc::new(job.clone())));
        }
        if !was_waiting && !job.state.is_over() {
            self.cancelled().insert(id.to_owned());
            self.live.update(|running| running.stopping |= running.job.id == id);
            self.cancel.notify_one();
        }
        Ok(job)
    }

    fn cancelled(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.cancelled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_cancelled(&self, job: &Job) -> bool {
        self.cancelled().contains(&job.id)
    }

    /// Works until told to stop; a running job has `grace` to end, then it waits for the next start of the server.
    pub async fn run(self: Arc<Self>, command: WorkerCommand, grace: Duration) {
        let mut stop = self.stop.subscribe();
        let mut worker = None;
        while !self.is_stopping() {
            // One that ended while nothing was drawn must not cost a job an attempt.
            if worker.as_mut().is_none_or(|worker: &mut Worker| !worker.is_alive()) {
                worker = self.start(&command).await;
                if worker.is_none() {
                    tokio::select! { () = tokio::time::sleep(PAUSE) => {}, _ = stop.changed() => {} }
                    continue;
                }
            }
            let queue = self.clone();
            let job = match blocking(move || queue.store.begin_next()).await {
                Ok(Some(job)) => job,
                Ok(None) => {
                    self.wake.notified().await;
                    continue;
                }
                Err(error) => {
                    tracing::error!("the queue cannot be read: {error}");
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            let Some(mut own) = worker.take() else { continue };
            match self.turn(job, &mut own, &mut stop, grace).await {
                Turn::Over => worker = Some(own),
                Turn::Died => match own.end().await {
                    Ok(status) => tracing::warn!("the worker ended: {status}"),
                    Err(error) => tracing::warn!("the worker ended: {error}"),
                },
            }
        }
    }

    async fn start(&self, command: &WorkerCommand) -> Option<Worker> {
        match Worker::start(command) {
            Ok(mut worker) => {
                self.counts.workers.fetch_add(1, Ordering::Relaxed);
                // The first picture should not wait for the model.
                if let Some((_, path)) = self.models.names().into_iter().next() {
                    let _ = worker.send(&Command::Load { model: path }).await;
                }
                Some(worker)
            }
            Err(error) => {
                tracing::error!("the worker cannot be started: {error}");
                None
            }
        }
    }

    /// Draws one job.
    async fn turn(
        self: &Arc<Self>,
        job: Job,
        worker: &mut Worker,
        stop: &mut watch::Receiver<bool>,
        grace: Duration,
    ) -> Turn {
        let job = Arc::new(job);
        self.live.begin(job.clone());
        let turn = self.draw(&job, worker, stop, grace).await;
        self.live.end();
        // Only one job runs: what else is in here was over before its cancellation.
        self.cancelled().clear();
        turn
    }

    async fn draw(
        self: &Arc<Self>,
        job: &Arc<Job>,
        worker: &mut Worker,
        stop: &mut watch::Receiver<bool>,
        grace: Duration,
    ) -> Turn {
        let (queue, own) = (self.clone(), job.clone());
        let draw = match blocking(move || Ok(queue.prepare(&own))).await {
            Ok(Ok(draw)) => draw,
            Ok(Err(message)) => {
                self.over(job, End::Failed(message), None).await;
                return Turn::Over;
            }
            Err(error) => {
                self.over(job, End::Failed(error.to_string()), None).await;
                return Turn::Over;
            }
        };
        if let Err(error) = worker.send(&Command::Draw(Box::new(draw))).await {
            tracing::warn!("the worker cannot be told: {error}");
            return self.died(job, "the worker had ended").await;
        }
        let mut deadline: Option<tokio::time::Instant> = None;
        let mut grace_end: Option<tokio::time::Instant> = None;
        let mut releasing = false;
        // Somebody may have cancelled between the job's beginning and here.
        let mut told = false;
        loop {
            let is_cancelled = self.is_cancelled(job);
            if (is_cancelled || releasing) && !told {
                told = true;
                deadline = Some(tokio::time::Instant::now() + OBEY);
                let _ = worker.send(&Command::Cancel { job: job.id.clone() }).await;
            }
            if self.is_stopping() && grace_end.is_none() {
                grace_end = Some(tokio::time::Instant::now() + grace);
            }
            let news = tokio::select! {
                news = worker.next() => news,
                () = self.cancel.notified() => continue,
                _ = stop.changed() => continue,
                () = until(deadline) => {
                    // It does not obey: it is loading, or hangs. The next job gets a new one.
                    if releasing && !is_cancelled {
                        self.release(job).await;
                    } else {
                        self.over(job, End::Cancelled, None).await;
                    }
                    return Turn::Died;
                }
                () = until(grace_end), if !releasing => {
                    releasing = true;
                    continue;
                }
            };
            match news {
                None => return self.died(job, "the worker ended while it was drawn").await,
                Some((News::Started { steps, prompt_cut, .. }, _)) => {
                    self.live.update(|running| running.steps = steps);
                    if prompt_cut {
                        tracing::info!("job {}: the prompt is longer than the model reads", job.id);
                    }
                }
                Some((News::Progress { image, step }, _)) => self.live.step(image, step),
                Some((News::Preview { image, step, .. }, png)) => self.live.preview(image, step, png),
                Some((image @ News::Image { .. }, png)) => {
                    if let Err(error) = self.keep(job, image, png).await {
                        let message = format!("the picture cannot be kept: {error}");
                        tracing::error!("job {}: {message}", job.id);
                        let _ = worker.send(&Command::Cancel { job: job.id.clone() }).await;
                        self.over(job, End::Failed(message), None).await;
                        return Turn::Died;
                    }
                }
                Some((News::Done { seconds }, _)) => {
                    if let Some(planned) = job.planned_seconds {
                        self.live.measured(&job.model, planned, seconds);
                    }
                    self.over(job, End::Done, Some(seconds)).await;
                    return Turn::Over;
                }
                Some((News::Failed { cancelled, message, seconds }, _)) => {
                    if cancelled && releasing && !is_cancelled {
                        self.release(job).await;
                    } else {
                        let end = if cancelled { End::Cancelled } else { End::Failed(message) };
                        self.over(job, end, Some(seconds)).await;
                    }
                    return Turn::Over;
                }
                // News of a plan are for others; a worker that draws makes none.
                Some((News::Planned { .. } | News::NotPlanned { .. }, _)) => {}
            }
        }
    }

    /// What the worker needs to know of a job. Blocks.
    fn prepare(&self, job: &Job) -> Result<Draw, String> {
        let order: Order =
            serde_json::from_str(&job.work).map_err(|error| format!("cannot be read any more: {error}"))?;
        let model = self.models.find(&job.model).map_err(|error| error.message)?;
        let path = |id: &Option<String>| -> Result<Option<PathBuf>, String> {
            let Some(id) = id else { return Ok(None) };
            let asset = self.store.asset(id).map_err(|error| format!("to start from: {error}"))?;
            Ok(Some(self.store.asset_path(&asset)))
        };
        Ok(Draw { job: job.id.clone(), model: model.path, order, start: path(&job.start)?, mask: path(&job.mask)? })
    }

    async fn keep(self: &Arc<Self>, job: &Arc<Job>, news: News, png: Bytes) -> Result<(), StoreError> {
        let News::Image { index, seed, width, height, recipe, dhash, .. } = news else { return Ok(()) };
        let (queue, own) = (self.clone(), job.clone());
        let asset = blocking(move || {
            let prompt = serde_json::from_str::<Order>(&own.work).map(|order| order.prompt).unwrap_or_default();
            let new = NewAsset {
                kind: AssetKind::Image,
                width,
                height,
                project: own.project.clone(),
                job: Some((own.id.clone(), index)),
                parent: own.start.clone(),
                prompt,
                model: own.model.clone(),
                seed: Some(seed),
                recipe: Some(recipe),
                seconds: None,
                dhash: Some(dhash),
            };
            queue.store.add_asset(&new, &png)
        })
        .await?;
        self.counts.pictures.fetch_add(1, Ordering::Relaxed);
        self.live.update(|running| {
            running.previews.remove(&index);
            running.finished += 1;
        });
        self.live.tell(Happening::Asset(Arc::new(asset)));
        Ok(())
    }

    async fn over(self: &Arc<Self>, job: &Arc<Job>, end: End, seconds: Option<f64>) {
        let (queue, id) = (self.clone(), job.id.clone());
        if let Some(seconds) = seconds {
            self.counts.draw_ms.fetch_add((seconds * 1000.0) as u64, Ordering::Relaxed);
        }
        match blocking(move || queue.store.end_job(&id, &end, seconds)).await {
            Ok(job) => self.live.tell(Happening::Over(Arc::new(job))),
            Err(error) => tracing::error!("job {}: its end cannot be kept: {error}", job.id),
        }
    }

    async fn died(self: &Arc<Self>, job: &Arc<Job>, why: &'static str) -> Turn {
        tracing::warn!("job {}: {why}", job.id);
        if self.is_cancelled(job) {
            self.over(job, End::Cancelled, None).await;
            return Turn::Died;
        }
        let (queue, id) = (self.clone(), job.id.clone());
        match blocking(move || queue.store.retry_job(&id, why)).await {
            Ok(job) if job.state.is_over() => self.live.tell(Happening::Over(Arc::new(job))),
            Ok(job) => self.live.tell(Happening::Changed(Arc::new(job))),
            Err(error) => tracing::error!("job {}: it cannot be put back: {error}", job.id),
        }
        Turn::Died
    }

    async fn release(self: &Arc<Self>, job: &Arc<Job>) {
        let (queue, id) = (self.clone(), job.id.clone());
        if let Err(error) = blocking(move || queue.store.release_job(&id)).await {
            tracing::error!("job {}: it cannot be put back: {error}", job.id);
        }
    }
}

async fn until(moment: Option<tokio::time::Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Runs what blocks on a thread for it.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        // Only a panic or the end of the runtime can keep the work from ending.
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => std::future::pending().await,
        },
    }
}
