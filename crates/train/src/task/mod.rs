//! What a run learns: the network, its examples, its loss, its model file and its sheet. Everything else of a run (gradients,
//! optimiser, averages, checkpoints, events) is the same for all.

mod enlarge;
mod finish;
mod half;
mod picture;
mod predictor;
mod seams;
mod turbo;

use std::path::Path;

use data::Dataset;
use formats::canvas::Canvas;
use graph::{Graph, Parameters};
use kernels::Cpu;
use models::ParameterSpec;

use crate::{TrainConfig, TrainError};

pub(crate) use picture::{load, loss_graph};
pub(crate) use turbo::{GROUP as TURBO_GROUP, stops as turbo_stops};

/// Parameters to start from.
pub(crate) struct Start {
    pub(crate) specs: Vec<ParameterSpec>,
    pub(crate) parameters: Parameters,
    /// Training pictures these weights have seen.
    pub(crate) seen: u64,
}

/// A task; a batch's examples are numbered, so that a run can go on from any of them.
pub(crate) trait Task {
    /// The training split.
    fn dataset(&self) -> &Dataset;
    /// Parameters from `init`, or fresh from the seed.
    fn start(&self) -> Result<Start, TrainError>;
    /// Training pictures among this many examples.
    fn pictures(&self, examples: u64) -> u64 {
        examples
    }
    /// The network with the output `loss`, a mean over `batch` items.
    fn loss_graph(&self, batch: usize) -> Result<Graph, TrainError>;
    /// Makes the examples `first`, `first + 1`, … of a batch.
    fn fill(&mut self, cpu: &Cpu, first: u64) -> Result<(), TrainError>;
    /// The inputs of the loss graph for the batch.
    fn inputs(&self) -> Vec<(&'static str, &[f32])>;
    /// Writes a model file that has seen `seen` pictures.
    fn write(&self, path: &Path, parameters: &Parameters, seen: u64) -> Result<(), TrainError>;
    /// What the model file at `path` does, to look at.
    fn sheet(&self, cpu: &Cpu, path: &Path) -> Result<Canvas, TrainError>;
}

/// The task of a configuration.
pub(crate) fn open(cpu: &Cpu, config: &TrainConfig) -> Result<Box<dyn Task>, TrainError> {
    Ok(if let Some(enlarger) = &config.enlarger {
        Box::new(enlarge::Enlarging::open(cpu, config, enlarger)?)
    } else if let Some(finisher) = &config.finisher {
        Box::new(finish::Finishing::open(cpu, config, finisher)?)
    } else if config.early {
        Box::new(half::Half::early(cpu, config)?)
    } else if config.late {
        Box::new(half::Half::late(cpu, config)?)
    } else if let Some(turbo) = &config.turbo {
        Box::new(turbo::FewSteps::open(cpu, config, turbo)?)
    } else {
        Box::new(picture::Drawing::open(cpu, config, [0.0, 1.0])?)
    })
}

/// Refuses pictures that are not whole patches of the model that something is added to.
fn check_resolution(config: &TrainConfig, info: &engine::ModelInfo) -> Result<(), TrainError> {
    let patch = info.config.patch;
    if config.resolution.is_multiple_of(patch) {
        return Ok(());
    }
    Err(TrainError::ConfigRange {
        field: "resolution",
        expected: format!("a multiple of {patch}, the patches of {}", info.name),
        found: config.resolution.to_string(),
    })
}

/// At how many places a model file says that the last prediction is made; 1 if it is not one that draws.
fn shifts(file: &formats::safetensors::File) -> u32 {
    engine::ModelInfo::from_metadata(file.name(), file.metadata()).map_or(1, |info| info.shifts)
}

/// Training pictures that a model file says it has seen; 0 if it says nothing.
fn seen(file: &formats::safetensors::File) -> u64 {
    file.metadata().get("pictures_seen").and_then(|text| text.parse().ok()).unwrap_or(0)
}
