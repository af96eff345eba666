//! What every handler shares, and the one way to queue jobs that all interfaces take.

use std::sync::Arc;

use axum::body::Bytes;
use engine::{Kind, Order, PresetName};
use sha2::{Digest, Sha256};
use store::{Asset, Job, NewAsset, NewJob, Priority, State, Store, Submitted};

use crate::brand::Brands;
use crate::error::ApiError;
use crate::experiments::Assigning;
use crate::live::Happening;
use crate::metrics::Metrics;
use crate::models::Models;
use crate::picture;
use crate::planner::Planner;
use crate::queue::Queue;
use crate::rate::Rate;
use crate::security::Guard;
use crate::settings::Settings;
use crate::worker::process::WorkerCommand;

/// Longest side of a picture that is drawn for a client, pixels.
pub const MAX_SIDE: u32 = 2048;
/// Most pictures of one submission.
pub const MAX_PICTURES: u32 = 1024;
/// Longest idempotency key in bytes.
pub const MAX_IDEMPOTENCY_KEY: usize = 200;

/// How long nothing must have happened before the machine is measured.
const QUIET: std::time::Duration = std::time::Duration::from_secs(2);

/// What every handler shares.
pub struct App {
    /// Jobs and pictures.
    pub store: Arc<Store>,
    /// The queue.
    pub queue: Arc<Queue>,
    /// Models.
    pub models: Arc<Models>,
    /// Predictions.
    pub planner: Planner,
    /// Tells the feeder that a campaign has something to draw.
    pub feeder: tokio::sync::Notify,
    /// Held while somebody waits for a quiet moment to measure the machine.
    pub warming: tokio::sync::Mutex<()>,
    /// Tests that assign people.
    pub assigning: Assigning,
    /// Who may come in.
    pub guard: Guard,
    /// How often each key may ask for drawing.
    pub rate: Rate,
    /// Brands and pictures that were used a moment ago.
    pub brands: Brands,
    /// Counts of requests.
    pub metrics: Metrics,
}

/// Who asks: the id of a key, or `local`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner(pub String);

/// A job before it is queued.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The job by names.
    pub order: Order,
    /// Name of the model.
    pub model: String,
    /// Id of the project.
    pub project: String,
    /// The interface it came through.
    pub source: &'static str,
    /// Who comes first.
    pub priority: Priority,
    /// Asset to start from.
    pub start: Option<String>,
    /// Asset that is white where to draw.
    pub mask: Option<String>,
    /// What jobs that are queued together share.
    pub batch: Option<String>,
    /// What it is called inside the batch, as JSON.
    pub label: Option<String>,
}

impl Draft {
    /// The job to be kept, with the seconds that are predicted for it.
    pub fn into_job(self, planned_seconds: Option<f64>) -> Result<NewJob, ApiError> {
        Ok(NewJob {
            work: serde_json::to_string(&self.order).map_err(ApiError::internal)?,
            images: self.order.count,
            project: self.project,
            source: self.source,
            priority: self.priority,
            model: self.model,
            start: self.start,
            mask: self.mask,
            batch: self.batch,
            label: self.label,
            planned_seconds,
        })
    }
}

/// A submission's key: same key, same jobs.
#[derive(Debug, Clone)]
pub struct Once {
    /// The client's key.
    pub key: String,
    /// What was asked for.
    pub fingerprint: String,
}

impl Once {
    /// The key of the header `Idempotency-Key`, if there is one.
    pub fn from_header(headers: &axum::http::HeaderMap, path: &str, body: &[u8]) -> Result<Option<Self>, ApiError> {
        let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
        let key = key.to_str().ok().filter(|key| (1..=MAX_IDEMPOTENCY_KEY).contains(&key.len()));
        let Some(key) = key else {
            let message = format!("must be 1 to {MAX_IDEMPOTENCY_KEY} visible ASCII characters");
            return Err(ApiError::field("Idempotency-Key", message));
        };
        let digest = Sha256::new().chain_update(path).chain_update([0]).chain_update(body).finalize();
        let fingerprint = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Some(Self { key: key.to_owned(), fingerprint }))
    }
}

impl App {
    /// What handlers share, over an open store.
    pub fn new(store: Arc<Store>, models: Arc<Models>, worker: WorkerCommand, guard: Guard, rate: Rate) -> Self {
        Self {
            queue: Arc::new(Queue::new(store.clone(), models.clone())),
            store,
            models,
            planner: Planner::new(worker),
            feeder: tokio::sync::Notify::default(),
            warming: tokio::sync::Mutex::default(),
            assigning: Assigning::default(),
            guard,
            rate,
            brands: Brands::default(),
            metrics: Metrics::default(),
        }
    }

    /// Runs what blocks, such as everything of the store, on a thread for it.
    pub async fn blocking<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let app = self.clone();
        tokio::task::spawn_blocking(move || work(&app)).await.map_err(ApiError::internal)?
    }

    /// Checks a job as far as it can be checked without drawing. Blocks.
    pub fn check(&self, draft: &Draft) -> Result<(), ApiError> {
        let model = self.models.find(&draft.model)?;
        let (size, _) = model.kind.check(&draft.order)?;
        if draft.start.is_some() && draft.order.preset == PresetName::Turbo && matches!(*model.kind, Kind::Own(_)) {
            return Err(ApiError::field("preset", "turbo leaves no room for a picture to start from"));
        }
        for side in [size.width, size.height] {
            if side > MAX_SIDE {
                return Err(ApiError::field("size", format!("{size}: sides are at most {MAX_SIDE} pixels here")));
            }
        }
        self.store.project(&draft.project).map_err(|error| ApiError::field("project", error.to_string()))?;
        let asset = |field: &str, id: &Option<String>| match id {
            None => Ok(None),
            Some(id) => self.store.asset(id).map(Some).map_err(|error| ApiError::field(field, error.to_string())),
        };
        let (start, mask) = (asset("start", &draft.start)?, asset("mask", &draft.mask)?);
        match (start, mask) {
            (None, Some(_)) => Err(ApiError::field("mask", "needs a picture to start from (start)")),
            (Some(start), Some(mask)) if (start.width, start.height) != (mask.width, mask.height) => {
                let message = format!(
                    "has {}x{} pixels, the picture to start from {}x{}",
                    mask.width, mask.height, start.width, start.height
                );
                Err(ApiError::field("mask", message))
            }
            _ => Ok(()),
        }
    }

    /// Queues jobs, all or none.
    pub async fn submit(
        self: &Arc<Self>,
        owner: &Owner,
        once: Option<Once>,
        drafts: Vec<Draft>,
    ) -> Result<Vec<Job>, ApiError> {
        if self.queue.is_stopping() {
            return Err(ApiError::stopping());
        }
        let owner = owner.clone();
        let jobs = self
            .blocking(move |app| {
                let mut jobs = Vec::with_capacity(drafts.len());
                for draft in drafts {
                    app.check(&draft)?;
                    let plan =
                        app.models.find(&draft.model).ok().and_then(|model| app.planner.kept(&model, &draft.order));
                    jobs.push(draft.into_job(plan.and_then(|plan| plan["seconds"].as_f64()))?);
                }
                // What is refused for what it says costs nothing.
                app.rate.take(&owner)?;
                let (key, print) = once.map_or((None, String::new()), |once| (Some(once.key), once.fingerprint));
                match app.store.submit(&owner.0, key.as_deref(), &print, &jobs)? {
                    Submitted::New(jobs) => Ok((jobs, true)),
                    Submitted::Known(jobs) => Ok((jobs, false)),
                    Submitted::KeyReused => Err(ApiError::status(
                        axum::http::StatusCode::UNPROCESSABLE_ENTITY,
                        "key_reused",
                        "Idempotency-Key: another request was sent with this key",
                    )),
                    Submitted::Full { waiting } => Err(ApiError::full(waiting)),
                }
            })
            .await?;
        let (jobs, is_new) = jobs;
        if is_new {
            self.queue.wake();
            for job in &jobs {
                self.queue.live.tell(Happening::Changed(Arc::new(job.clone())));
                if job.planned_seconds.is_none() {
                    self.clone().plan_later(job);
                }
            }
        }
        Ok(jobs)
    }

    /// Queues one job.
    pub async fn submit_one(
        self: &Arc<Self>,
        owner: &Owner,
        once: Option<Once>,
        draft: Draft,
    ) -> Result<Job, ApiError> {
        let jobs = self.submit(owner, once, vec![draft]).await?;
        jobs.into_iter().next().ok_or_else(|| ApiError::internal("no job"))
    }

    /// Queues a job, waits until it is over and gives its pictures; cancels it if the client goes away before.
    pub async fn draw(self: &Arc<Self>, owner: &Owner, draft: Draft) -> Result<(Job, Vec<(Asset, Bytes)>), ApiError> {
        let mut listener = self.queue.live.listen();
        let id = self.submit_one(owner, None, draft).await?.id;
        let guard = CancelOnDrop::new(self, &id);
        let job = self.wait(&id, &mut listener, |_| {}).await?;
        guard.defuse();
        let pictures = self.pictures(&job).await?;
        Ok((job, pictures))
    }

    /// Predicts a queued job when it can be done without disturbing one that is drawn.
    fn plan_later(self: Arc<Self>, job: &Job) {
        let (id, name, work) = (job.id.clone(), job.model.clone(), job.work.clone());
        tokio::spawn(async move {
            if !self.planner.is_warm() {
                self.quiet().await?;
            }
            let order: Order = serde_json::from_str(&work).ok()?;
            let model = self.blocking(move |app| app.models.find(&name)).await.ok()?;
            let plan = self.planner.plan(&model, &order).await.ok()?;
            let seconds = plan["seconds"].as_f64()?;
            self.blocking(move |app| Ok(app.store.set_planned(&id, seconds)?)).await.ok()
        });
    }

    /// Waits until nothing is drawn or waits; one waiter is enough, others get nothing.
    async fn quiet(self: &Arc<Self>) -> Option<()> {
        let _only = self.warming.try_lock().ok()?;
        loop {
            tokio::time::sleep(QUIET).await;
            if self.queue.is_stopping() {
                return None;
            }
            let waiting = self.blocking(|app| Ok(app.store.waiting()?)).await.ok()?;
            if waiting == 0 && self.queue.live.running().is_none() {
                return Some(());
            }
        }
    }

    /// Waits until a job is over. Give a listener that began before the job was queued.
    pub async fn wait(
        self: &Arc<Self>,
        id: &str,
        listener: &mut tokio::sync::broadcast::Receiver<Happening>,
        mut on_news: impl FnMut(&Happening),
    ) -> Result<Job, ApiError> {
        use tokio::sync::broadcast::error::RecvError;
        loop {
            match listener.recv().await {
                Ok(happening) if happening.job() == id => {
                    on_news(&happening);
                    if let Happening::Over(job) = happening {
                        return Ok(Arc::unwrap_or_clone(job));
                    }
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => {
                    let own = id.to_owned();
                    let job = self.blocking(move |app| Ok(app.store.job(&own)?)).await?;
                    if job.state.is_over() {
                        return Ok(job);
                    }
                }
                Err(RecvError::Closed) => return Err(ApiError::stopping()),
            }
        }
    }

    /// The pictures of a job that is over, or why there are none.
    pub async fn pictures(self: &Arc<Self>, job: &Job) -> Result<Vec<(Asset, Bytes)>, ApiError> {
        match job.state {
            State::Failed => {
                return Err(ApiError::status(
                    axum::http::StatusCode::INTERNAL_SERVER_ERROR,
                    "failed",
                    job.error.clone().unwrap_or_else(|| "the job failed".into()),
                ));
            }
            State::Cancelled if self.queue.is_stopping() => return Err(ApiError::stopping()),
            _ => {}
        }
        let id = job.id.clone();
        self.blocking(move |app| {
            let assets = app.store.job_assets(&id)?;
            let read =
                |asset: Asset| Ok((app.store.asset_bytes(&asset)?.into(), asset)).map(|(bytes, asset)| (asset, bytes));
            assets.into_iter().map(read).collect()
        })
        .await
    }

    /// Keeps a picture that a client gave, as a PNG file without anything else that was in it. Blocks.
    pub fn keep_upload(&self, field: &str, bytes: &[u8], project: &str) -> Result<Asset, ApiError> {
        let image = picture::decode(field, bytes)?;
        self.keep_picture(&picture::png(&image)?, image.dimensions(), project)
    }

    /// Keeps a picture that was made from what a client gave. Blocks.
    pub fn keep_picture(&self, png: &[u8], size: (u32, u32), project: &str) -> Result<Asset, ApiError> {
        Ok(self.store.add_asset(&NewAsset::upload(size, project), png)?)
    }

    /// Settings of the user. Blocks.
    pub fn settings(&self) -> Result<Settings, ApiError> {
        Settings::load(&self.store)
    }
}

/// Cancels a job when its client goes away before it is over.
pub struct CancelOnDrop {
    app: Arc<App>,
    job: Option<String>,
}

impl CancelOnDrop {
    /// Watches over a job.
    pub fn new(app: &Arc<App>, job: &str) -> Self {
        Self { app: app.clone(), job: Some(job.to_owned()) }
    }

    /// The job is over.
    pub fn defuse(mut self) {
        self.job = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(job) = self.job.take() {
            let app = self.app.clone();
            tokio::spawn(async move {
                let _ = app.queue.cancel(&job).await;
            });
        }
    }
}

/// A seed that nobody chose. Below 2^32, which every client can say.
pub fn random_seed() -> u64 {
    u64::from(uuid::Uuid::new_v4().as_fields().0)
}
