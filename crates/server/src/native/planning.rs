//! Predictions: seconds, memory and money before anything is drawn.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::jobs::JobRequest;
use crate::app::{App, Draft};
use crate::error::ApiError;
use crate::extract::JsonBody;

/// What a job will take.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct PlanView {
    /// Seconds of drawing: what the cost model says, corrected by how long such jobs really took.
    pub seconds: f64,
    /// What they cost.
    pub cost: f64,
    /// What costs are in.
    pub currency: String,
    /// Pictures.
    pub images: u32,
    /// Size of each, `WxH`.
    pub size: String,
    /// Sampler steps of each.
    pub steps: u32,
    /// Evaluations of the network.
    pub evaluations: u64,
    /// Floating-point operations.
    pub flops: f64,
    /// Peak memory of the worker in bytes.
    pub peak_memory_bytes: u64,
    /// Seconds of loading, if the model is not loaded yet.
    pub load_seconds: f64,
    /// Instruction set.
    pub isa: String,
    /// Precision of matrix products.
    pub precision: String,
    /// Threads.
    pub threads: u64,
    /// Jobs that wait.
    pub waiting: usize,
}

/// Predict a job: seconds, memory and cost. Draws nothing.
#[utoipa::path(post, path = "/api/v1/plan", tag = "jobs", request_body = JobRequest,
    responses((status = 200, body = PlanView), (status = 400)))]
pub async fn create(
    State(app): State<Arc<App>>,
    JsonBody(request): JsonBody<JobRequest>,
) -> Result<Json<PlanView>, ApiError> {
    Ok(Json(plan(&app, request.draft()).await?))
}

/// Predicts a job.
pub async fn plan(app: &Arc<App>, draft: Draft) -> Result<PlanView, ApiError> {
    let checked = app
        .blocking(move |app| {
            app.check(&draft)?;
            let model = app.models.find(&draft.model)?;
            let (size, steps) = model.kind.check(&draft.order)?;
            Ok((model, draft, size, steps, app.settings()?, app.store.waiting()?))
        })
        .await?;
    let (model, draft, size, steps, settings, waiting) = checked;
    let plan = app.planner.plan(&model, &draft.order).await?;
    let number = |name: &str| plan[name].as_f64().unwrap_or(0.0);
    let text = |name: &str| plan[name].as_str().unwrap_or_default().to_owned();
    // From a picture, only the last part of the steps is walked.
    let share = match draft.start {
        Some(_) => f64::from(draft.order.strength.unwrap_or(engine::DEFAULT_STRENGTH)),
        None => 1.0,
    };
    let seconds = number("seconds") * share * app.queue.live.ratio(&draft.model);
    Ok(PlanView {
        seconds,
        cost: settings.cost(seconds),
        currency: settings.currency,
        images: draft.order.count,
        size: size.to_string(),
        steps,
        evaluations: plan["evaluations"].as_u64().unwrap_or(0),
        flops: number("flops") * share,
        peak_memory_bytes: plan["peak_memory_bytes"].as_u64().unwrap_or(0),
        load_seconds: number("load_seconds"),
        isa: text("isa"),
        precision: text("precision"),
        threads: plan["threads"].as_u64().unwrap_or(0),
        waiting,
    })
}
