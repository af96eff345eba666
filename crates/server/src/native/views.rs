//! What jobs and pictures look like in answers.

use serde::Serialize;
use serde_json::Value;
use store::{Asset, Job, State};
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;
use crate::live::{Live, Progress};
use crate::settings::Settings;

/// A job.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct JobView {
    /// Id.
    pub id: String,
    /// `queued`, `running`, `done`, `failed` or `cancelled`.
    pub state: String,
    /// `interactive` or `batch`.
    pub priority: String,
    /// The interface it came through: `native`, `openai`, `a1111`, `mcp` or `campaign`.
    pub source: String,
    /// Id of the project.
    pub project: String,
    /// Name of the model.
    pub model: String,
    /// What was asked for, with the seed that was chosen: the fields of a job to be sent again.
    #[schema(value_type = Object)]
    pub request: Value,
    /// Pictures it makes.
    pub images: u32,
    /// Asset it starts from.
    pub start: Option<String>,
    /// Asset that is white where to draw.
    pub mask: Option<String>,
    /// What jobs of one grid share.
    pub batch: Option<String>,
    /// Its place in the grid: `slots`, `style`, `preset`.
    #[schema(value_type = Object)]
    pub label: Option<Value>,
    /// When it was queued, was begun, ended.
    pub created_ms: i64,
    /// When it was begun.
    pub started_ms: Option<i64>,
    /// When it ended.
    pub finished_ms: Option<i64>,
    /// Times it was begun.
    pub attempts: u32,
    /// Jobs that come before it, if it waits.
    pub position: Option<usize>,
    /// Share that is done, 0..=1.
    pub progress: f64,
    /// Seconds until it is done, as far as that is known.
    pub eta_seconds: Option<f64>,
    /// Seconds that were predicted for drawing it.
    pub planned_seconds: Option<f64>,
    /// Seconds that drawing it took.
    pub seconds: Option<f64>,
    /// What they cost.
    pub cost: Option<f64>,
    /// Why it failed.
    pub error: Option<String>,
    /// Its pictures so far (only when one job is asked for).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assets: Option<Vec<AssetView>>,
}

/// A picture.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct AssetView {
    /// Id.
    pub id: String,
    /// `image` or `upload`.
    pub kind: String,
    /// Where its file is; takes `format`, `width`, `quality`, `background` and `download`.
    pub url: String,
    /// SHA-256 of its PNG file.
    pub sha256: String,
    /// Bytes of its PNG file.
    pub bytes: i64,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Id of the project.
    pub project: String,
    /// The job that drew it.
    pub job: Option<String>,
    /// Its number in the job, from 0.
    pub position: Option<u32>,
    /// The picture it was developed from.
    pub parent: Option<String>,
    /// Prompt.
    pub prompt: String,
    /// Name of the model.
    pub model: String,
    /// Seed.
    pub seed: Option<u64>,
    /// Everything its pixels depend on.
    #[schema(value_type = Object)]
    pub recipe: Option<Value>,
    /// Seconds it took.
    pub seconds: Option<f64>,
    /// What they cost.
    pub cost: Option<f64>,
    /// Whether it is a favourite.
    pub favourite: bool,
    /// 0 = none, 1 to 5.
    pub rating: u8,
    /// Tags.
    pub tags: Vec<String>,
    /// When it was made.
    pub created_ms: i64,
}

/// How far a job is.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct ProgressView {
    /// Id of the job.
    pub job: String,
    /// The picture that was worked on, from 0.
    pub image: u32,
    /// Pictures of the job.
    pub images: u32,
    /// Steps done of it.
    pub step: u32,
    /// Steps of each picture.
    pub steps: u32,
    /// Share of the job that is done, 0..=1.
    pub progress: f64,
    /// Seconds until it is done, as far as that is known.
    pub eta_seconds: Option<f64>,
}

impl From<&Progress> for ProgressView {
    fn from(progress: &Progress) -> Self {
        Self {
            job: progress.job.to_string(),
            image: progress.image,
            images: progress.images,
            step: progress.step,
            steps: progress.steps,
            progress: progress.fraction,
            eta_seconds: progress.eta_seconds,
        }
    }
}

impl AssetView {
    /// A picture's view.
    pub fn new(asset: &Asset, settings: &Settings) -> Self {
        Self {
            url: format!("/api/v1/assets/{}/file", asset.id),
            id: asset.id.clone(),
            kind: asset.kind.name().into(),
            sha256: asset.sha256.clone(),
            bytes: asset.bytes,
            width: asset.width,
            height: asset.height,
            project: asset.project.clone(),
            job: asset.job.clone(),
            position: asset.position,
            parent: asset.parent.clone(),
            prompt: asset.prompt.clone(),
            model: asset.model.clone(),
            seed: asset.seed,
            recipe: asset.recipe.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            seconds: asset.seconds,
            cost: asset.seconds.map(|seconds| settings.cost(seconds)),
            favourite: asset.favourite,
            rating: asset.rating,
            tags: asset.tags.clone(),
            created_ms: asset.created_ms,
        }
    }
}

impl JobView {
    /// A job's view; `waiting` are the jobs that wait, in their order.
    pub fn new(job: &Job, waiting: &[Job], live: &Live, settings: &Settings) -> Self {
        let running = live.running();
        let own = running.as_ref().filter(|running| running.job.id == job.id);
        let position = match job.state {
            State::Queued => waiting.iter().position(|waiting| waiting.id == job.id),
            _ => None,
        };
        let eta_seconds = match job.state {
            State::Running => own.and_then(|running| running.eta(live.ratio(&job.model))),
            State::Queued => position.and_then(|position| {
                let now = match &running {
                    Some(running) => running.eta(live.ratio(&running.job.model))?,
                    None => 0.0,
                };
                waiting[..=position]
                    .iter()
                    .try_fold(now, |sum, job| Some(sum + job.planned_seconds? * live.ratio(&job.model)))
            }),
            _ => None,
        };
        Self {
            id: job.id.clone(),
            state: job.state.name().into(),
            priority: job.priority.name().into(),
            source: job.source.clone(),
            project: job.project.clone(),
            model: job.model.clone(),
            request: serde_json::from_str(&job.work).unwrap_or_default(),
            images: job.images,
            start: job.start.clone(),
            mask: job.mask.clone(),
            batch: job.batch.clone(),
            label: job.label.as_deref().and_then(|text| serde_json::from_str(text).ok()),
            created_ms: job.created_ms,
            started_ms: job.started_ms,
            finished_ms: job.finished_ms,
            attempts: job.attempts,
            position,
            progress: match job.state {
                State::Done => 1.0,
                _ => own.map_or(0.0, |running| running.fraction()),
            },
            eta_seconds,
            planned_seconds: job.planned_seconds,
            seconds: job.seconds,
            cost: job.seconds.map(|seconds| settings.cost(seconds)),
            error: job.error.clone(),
            assets: None,
        }
    }

    /// Views of jobs. Blocks.
    pub fn all(app: &App, jobs: &[Job]) -> Result<Vec<Self>, ApiError> {
        let (waiting, settings) = (app.store.queue()?, app.settings()?);
        Ok(jobs.iter().map(|job| Self::new(job, &waiting, &app.queue.live, &settings)).collect())
    }

    /// The view of a job. Blocks.
    pub fn one(app: &App, job: &Job) -> Result<Self, ApiError> {
        Ok(Self::new(job, &app.store.queue()?, &app.queue.live, &app.settings()?))
    }

    /// The view of a job with its pictures. Blocks.
    pub fn whole(app: &App, job: &Job) -> Result<Self, ApiError> {
        let (mut view, settings) = (Self::one(app, job)?, app.settings()?);
        let assets = app.store.job_assets(&job.id)?;
        view.assets = Some(assets.iter().map(|asset| AssetView::new(asset, &settings)).collect());
        Ok(view)
    }
}
