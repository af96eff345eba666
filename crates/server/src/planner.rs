//! Predictions, made by a worker of their own: the one that draws would answer only after its job.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use engine::Order;
use serde_json::Value;

use crate::error::ApiError;
use crate::models::KnownModel;
use crate::worker::process::{Worker, WorkerCommand};
use crate::worker::protocol::{Command, News};

/// Longest time for a prediction: the first one measures the machine.
const PATIENCE: Duration = Duration::from_secs(180);
/// Predictions that are remembered.
const KEPT: usize = 512;
/// Bytes of a prompt that count as the same length.
const PROMPT_STEP: usize = 32;

/// Makes predictions and remembers them.
#[derive(Debug)]
pub struct Planner {
    command: WorkerCommand,
    worker: tokio::sync::Mutex<Option<Worker>>,
    kept: Mutex<HashMap<String, Value>>,
}

impl Planner {
    /// A planner; its worker starts with the first question.
    pub fn new(command: WorkerCommand) -> Self {
        Self { command, worker: tokio::sync::Mutex::default(), kept: Mutex::default() }
    }

    /// Whether a prediction was made: the first one may have to measure the machine, which disturbs whatever is drawn.
    pub fn is_warm(&self) -> bool {
        !self.lock().is_empty()
    }

    /// A prediction that was made before for a job that takes as long.
    pub fn kept(&self, model: &KnownModel, order: &Order) -> Option<Value> {
        self.lock().get(&key(model, order)).cloned()
    }

    /// The engine's plan, as JSON; at a price of 1 an hour.
    pub async fn plan(&self, model: &KnownModel, order: &Order) -> Result<Value, ApiError> {
        if let Some(plan) = self.kept(model, order) {
            return Ok(plan);
        }
        let mut slot = self.worker.lock().await;
        // Somebody else may have asked the same.
        if let Some(plan) = self.kept(model, order) {
            return Ok(plan);
        }
        let mut worker = match slot.take() {
            Some(worker) => worker,
            None => Worker::start(&self.command).map_err(ApiError::internal)?,
        };
        let command = Command::Plan { model: model.path.clone(), order: Box::new(order.clone()), price_per_hour: 1.0 };
        let asked = async {
            worker.send(&command).await.ok()?;
            worker.next().await
        };
        let plan = match tokio::time::timeout(PATIENCE, asked).await {
            Ok(Some((News::Planned { plan }, _))) => Ok(plan),
            Ok(Some((News::NotPlanned { field: Some(field), message }, _))) => Err(ApiError::field(&field, message)),
            Ok(Some((News::NotPlanned { field: None, message }, _))) => Err(ApiError::field("model", message)),
            // It is not put back: the next question gets a new one.
            Ok(Some(_) | None) => return Err(ApiError::internal("the planning worker ended")),
            Err(_) => return Err(ApiError::internal("the planning worker takes too long")),
        };
        *slot = Some(worker);
        let plan = plan?;
        let mut kept = self.lock();
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(key(model, order), plan.clone());
        Ok(plan)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Value>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Jobs that differ only in words of about the same length, or in the seed, take as long.
fn key(model: &KnownModel, order: &Order) -> String {
    let lengths = [order.prompt.len() / PROMPT_STEP, order.negative.len() / PROMPT_STEP];
    let order = Order { prompt: String::new(), negative: String::new(), seed: 0, ..order.clone() };
    format!("{} {lengths:?} {}", model.path, serde_json::to_string(&order).unwrap_or_default())
}
