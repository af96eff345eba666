//! Jobs: queue, show, list, cancel.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, StatusCode};
use engine::{Order, PresetName, Size};
use serde::{Deserialize, Serialize};
use store::{DEFAULT_PROJECT, JobFilter, Priority};
use utoipa::{IntoParams, ToSchema};

use super::views::{JobView, ProgressView};
use crate::app::{App, Draft, Once, Owner, random_seed};
use crate::error::ApiError;
use crate::extract::{Query, RawJson};

/// Most items of one page.
pub const MAX_PAGE: u32 = 200;

/// A job to be queued. What is absent has the model's usual value.
#[derive(Debug, Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct JobRequest {
    /// What to draw, at most 32 KiB; empty = anything the model likes.
    pub prompt: String,
    /// What to keep away from, at most 32 KiB.
    pub negative: String,
    /// Name of a model (`GET /api/v1/models`).
    pub model: Option<String>,
    /// Id of a project.
    pub project: Option<String>,
    /// `interactive` (default) or `batch`.
    #[schema(value_type = Option<String>)]
    pub priority: Option<Priority>,
    /// Seed of the first picture; picture `i` uses `seed + i`. Default: a random one below 2^32.
    pub seed: Option<u64>,
    /// Other noise that is mixed in: `{"seed", "strength"}` with a strength of 0 to 1; picture `i` then has the same `seed` and
    /// uses `variation.seed + i`.
    #[schema(value_type = Option<Object>)]
    pub variation: Option<engine::Variation>,
    /// Number of pictures, 1 to 64.
    pub count: Option<u32>,
    /// `draft` (8 steps), `standard` (16), `final` (25), `turbo` (1, 2 or 4 steps of a model that has learned them); Stable Diffusion also `lcm`, `lightning`.
    #[schema(value_type = Option<String>)]
    pub preset: Option<PresetName>,
    /// Sampler steps, 1 to 200; wins over the preset.
    pub steps: Option<u32>,
    /// Guidance scale, 0 to 30; 1 turns it off.
    pub guidance: Option<f32>,
    /// Flow times (low, high) between which guidance acts, 0 to 1.
    #[schema(value_type = Option<Vec<f32>>)]
    pub guidance_interval: Option<(f32, f32)>,
    /// Scale of the guidance away from what the network predicts without its middle block, 0 to 10; not for Stable Diffusion.
    pub skip_guidance: Option<f32>,
    /// Sampler's name.
    pub sampler: Option<String>,
    /// Schedule's name.
    pub schedule: Option<String>,
    /// `WxH` in pixels, sides at most 2048.
    #[schema(value_type = Option<String>, example = "512x512")]
    pub size: Option<Size>,
    /// How many times larger than drawn the picture becomes: 1, 2 or 4; not for Stable Diffusion.
    pub enlarge: Option<u32>,
    /// Asset to start from (a picture of the library or an upload).
    pub start: Option<String>,
    /// Asset of the same size that is white where to draw and black where to keep.
    pub mask: Option<String>,
    /// How far to go from the start, 0.01 to 1; default 0.8.
    pub strength: Option<f32>,
    /// `cpu` or `nv`; Stable Diffusion only, as are all that follow.
    pub rng: Option<String>,
    /// Layer of the text encoder from the last, from 1.
    pub clip_skip: Option<u32>,
    /// `epsilon`, `v` or `flow`.
    pub prediction: Option<String>,
    /// 0 to 1.
    pub guidance_rescale: Option<f32>,
    /// 0 to 2.
    pub eta: Option<f32>,
    /// `auto`, `off` or a side in pixels.
    #[schema(value_type = Option<String>)]
    pub tile: Option<engine::stable_diffusion::Tile>,
}

impl JobRequest {
    /// The job by names.
    pub fn order(&self) -> Order {
        Order {
            prompt: self.prompt.clone(),
            negative: self.negative.clone(),
            seed: self.seed.unwrap_or_else(random_seed),
            variation: self.variation,
            count: self.count.unwrap_or(1),
            preset: self.preset.unwrap_or_default(),
            steps: self.steps,
            guidance: self.guidance,
            guidance_interval: self.guidance_interval,
            skip_guidance: self.skip_guidance,
            sampler: self.sampler.clone(),
            schedule: self.schedule.clone(),
            size: self.size,
            enlarge: self.enlarge,
            strength: self.strength,
            rng: self.rng.clone(),
            clip_skip: self.clip_skip,
            prediction: self.prediction.clone(),
            guidance_rescale: self.guidance_rescale,
            eta: self.eta,
            tile: self.tile,
        }
    }

    /// The draft of the job.
    pub fn draft(&self) -> Draft {
        Draft {
            order: self.order(),
            model: self.model.clone().unwrap_or_else(|| engine::store::DEFAULT_MODEL.into()),
            project: self.project.clone().unwrap_or_else(|| DEFAULT_PROJECT.into()),
            source: "native",
            priority: self.priority.unwrap_or(Priority::Interactive),
            start: self.start.clone(),
            mask: self.mask.clone(),
            batch: None,
            label: None,
        }
    }
}

/// Queue a job. With the header `Idempotency-Key`, the same request sent again gives the same job.
#[utoipa::path(post, path = "/api/v1/jobs", tag = "jobs", request_body = JobRequest,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 200 visible characters")),
    responses((status = 202, body = JobView), (status = 400), (status = 422), (status = 429)))]
pub async fn create(
    State(app): State<Arc<App>>,
    Extension(owner): Extension<Owner>,
    headers: HeaderMap,
    RawJson(request, bytes): RawJson<JobRequest>,
) -> Result<(StatusCode, Json<JobView>), ApiError> {
    let once = Once::from_header(&headers, "jobs", &bytes)?;
    let job = app.submit_one(&owner, once, request.draft()).await?;
    Ok((StatusCode::ACCEPTED, Json(app.blocking(move |app| JobView::one(app, &job)).await?)))
}

/// Which jobs.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// `queued`, `running`, `done`, `failed` or `cancelled`.
    #[param(value_type = Option<String>)]
    state: Option<store::State>,
    /// Only those that wait or run.
    open: bool,
    /// Id of a project.
    project: Option<String>,
    /// Id of a batch.
    batch: Option<String>,
    /// Jobs to leave out from the beginning.
    offset: u32,
    /// Most jobs, 1 to 200; default 50.
    limit: Option<u32>,
}

/// A page of jobs.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobPage {
    /// The jobs, the newest first.
    jobs: Vec<JobView>,
    /// How many there are in all.
    total: i64,
}

/// The number of items of a page.
pub fn page(limit: Option<u32>) -> Result<u32, ApiError> {
    ApiError::in_range("limit", limit.unwrap_or(50), 1..=MAX_PAGE)
}

/// List jobs, the newest first.
#[utoipa::path(get, path = "/api/v1/jobs", tag = "jobs", params(ListQuery), responses((status = 200, body = JobPage)))]
pub async fn list(State(app): State<Arc<App>>, Query(query): Query<ListQuery>) -> Result<Json<JobPage>, ApiError> {
    let limit = page(query.limit)?;
    let filter = JobFilter { state: query.state, project: query.project, batch: query.batch, open: query.open };
    app.blocking(move |app| {
        let (jobs, total) = app.store.jobs(&filter, query.offset, limit)?;
        Ok(Json(JobPage { jobs: JobView::all(app, &jobs)?, total }))
    })
    .await
}

/// Show a job with its pictures so far.
#[utoipa::path(get, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = JobView), (status = 404)))]
pub async fn show(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<JobView>, ApiError> {
    app.blocking(move |app| Ok(Json(JobView::whole(app, &app.store.job(&id)?)?))).await
}

/// Cancel a job. One that waits is cancelled at once, one that runs within a step; one that is over stays as it is.
#[utoipa::path(delete, path = "/api/v1/jobs/{id}", tag = "jobs", params(("id" = String, Path)),
    responses((status = 200, body = JobView), (status = 404)))]
pub async fn cancel(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<JobView>, ApiError> {
    let job = app.queue.cancel(&id).await?;
    app.blocking(move |app| Ok(Json(JobView::whole(app, &job)?))).await
}

/// The queue.
#[derive(Debug, Serialize, ToSchema)]
pub struct QueueView {
    /// The running job.
    running: Option<JobView>,
    /// How far it is.
    progress: Option<ProgressView>,
    /// Jobs that wait, in the order in which they will be begun.
    waiting: Vec<JobView>,
    /// Most jobs that may wait.
    max_waiting: usize,
}

/// What runs and what waits.
#[utoipa::path(get, path = "/api/v1/queue", tag = "jobs", responses((status = 200, body = QueueView)))]
pub async fn queue(State(app): State<Arc<App>>) -> Result<Json<QueueView>, ApiError> {
    app.blocking(move |app| {
        let running = app.queue.live.running();
        let waiting = JobView::all(app, &app.store.queue()?)?;
        let ratio = |model: &str| app.queue.live.ratio(model);
        Ok(Json(QueueView {
            progress: running.as_ref().map(|running| (&running.progress(ratio(&running.job.model))).into()),
            running: match running {
                Some(running) => Some(JobView::whole(app, &running.job)?),
                None => None,
            },
            waiting,
            max_waiting: store::MAX_WAITING,
        }))
    })
    .await
}
