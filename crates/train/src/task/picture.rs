//! Learning to draw from captions: the pixel transformer.

use std::path::Path;

use data::{Dataset, Split};
use engine::ModelInfo;
use formats::canvas::Canvas;
use formats::safetensors::{self, File};
use graph::{Graph, Parameters, Tensor};
use kernels::Cpu;
use models::jit;

use super::seams::seam_error;
use super::{Start, Task, seen, shifts};
use crate::captions::CaptionStates;
use crate::examples::{Batch, Examples};
use crate::trainer::precision;
use crate::{TrainConfig, TrainError, samples};

/// Memory for caption states that are kept.
const CAPTION_MEMORY: usize = 3 << 30;

pub(super) struct Drawing {
    pub(super) config: TrainConfig,
    dataset: Dataset,
    pub(super) states: CaptionStates,
    pub(super) batch: Batch,
    /// Flow times lie from the first to the second.
    times: [f32; 2],
    /// At how many places of its grid the model will make its last prediction.
    shifts: u32,
}

impl Drawing {
    pub(super) fn open(cpu: &Cpu, config: &TrainConfig, times: [f32; 2]) -> Result<Self, TrainError> {
        let dataset = Dataset::open(&config.data, config.resolution, Split::Train)?;
        let encoder = engine::open_text_encoder(cpu, precision(cpu, config.precision))?.0;
        let states = CaptionStates::new(encoder, config.text_tokens, CAPTION_MEMORY);
        let batch = Batch::new(config.batch, config.resolution, config.text_tokens, &config.model);
        let shifts = match (config.shifts, &config.init) {
            (Some(shifts), _) => shifts,
            (None, Some(path)) => shifts(&File::open(path)?),
            (None, None) => 1,
        };
        Ok(Self { config: config.clone(), dataset, states, batch, times, shifts })
    }
}

impl Task for Drawing {
    fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    fn start(&self) -> Result<Start, TrainError> {
        let network = &self.config.model;
        let specs = jit::parameters(network);
        let seed = self.config.seed;
        Ok(match &self.config.init {
            Some(path) => {
                let file = File::open(path)?;
                Start { specs, seen: seen(&file), parameters: load_for(&file, network, seed)? }
            }
            None => Start { specs, seen: 0, parameters: jit::initial_parameters(network, seed)? },
        })
    }

    fn loss_graph(&self, batch: usize) -> Result<Graph, TrainError> {
        let config = &self.config;
        let (mut graph, parts) = parts(config, batch)?;
        let mut loss = parts.loss;
        // The network's own patches, and the places of its detail network.
        let detail = if config.model.detail_width > 0 { jit::DETAIL_PLACE } else { 0 };
        for side in [config.model.patch, detail] {
            if config.flow.seams > 0.0
                && let Some(error) = seam_error(&mut graph, parts.prediction, parts.x, parts.weight, side)?
            {
                let error = graph.scale(error, config.flow.seams)?;
                loss = graph.add(loss, error)?;
            }
        }
        graph.output("loss", loss)?;
        Ok(graph)
    }

    fn fill(&mut self, cpu: &Cpu, first: u64) -> Result<(), TrainError> {
        let examples = Examples {
            dataset: &self.dataset,
            flow: &self.config.flow,
            times: self.times,
            noise_scale: self.config.model.noise_scale,
            mirror: self.config.mirror,
            seed: self.config.seed,
        };
        self.batch.fill(cpu, &examples, &mut self.states, first, true)
    }

    fn inputs(&self) -> Vec<(&'static str, &[f32])> {
        self.batch.inputs()
    }

    fn write(&self, path: &Path, parameters: &Parameters, seen: u64) -> Result<(), TrainError> {
        let info = ModelInfo {
            name: self.config.name.clone(),
            config: self.config.model.clone(),
            image_size: self.config.resolution as u32,
            text_tokens: self.config.text_tokens,
            pictures_seen: seen,
            shifts: self.shifts,
        };
        let tensors =
            parameters.iter().map(|p| safetensors::Tensor::bf16(p.name.as_str(), &p.shape, p.data.as_slice()));
        formats::safetensors::write(path, tensors, &info.to_metadata())?;
        Ok(())
    }

    fn sheet(&self, cpu: &Cpu, path: &Path) -> Result<Canvas, TrainError> {
        samples::draw(cpu, path, &self.config.report.prompts, &[samples::STEPS], &engine::Request::default())
    }
}

/// Tensors of a network that learns to draw.
struct Parts {
    prediction: Tensor,
    x: Tensor,
    weight: Tensor,
    /// Squared error of the velocity.
    loss: Tensor,
}

/// The network for `batch` pictures and the squared error of its velocity.
pub(crate) fn loss_graph(config: &TrainConfig, batch: usize) -> Result<Graph, TrainError> {
    let (mut graph, parts) = parts(config, batch)?;
    graph.output("loss", parts.loss)?;
    Ok(graph)
}

fn parts(config: &TrainConfig, batch: usize) -> Result<(Graph, Parts), TrainError> {
    let mut graph = Graph::new();
    let side = config.resolution;
    let geometry = jit::Geometry { batch, height: side, width: side, text_tokens: config.text_tokens };
    let prediction = jit::build(&mut graph, &config.model, geometry)?.prediction;
    let x = graph.input("x", &[batch, side, side, config.model.channels])?;
    let weight = graph.input("weight", &[batch])?;
    let (loss, _) = graph.weighted_squared_error(prediction, x, weight)?;
    Ok((graph, Parts { prediction, x, weight, loss }))
}

/// Parameters of `network` from a model file: its own, or grown from those of a smaller network.
fn load_for(file: &File, network: &jit::Config, seed: u64) -> Result<Parameters, TrainError> {
    if let Ok(info) = ModelInfo::from_metadata(file.name(), file.metadata()) {
        let parameters = load(file, &jit::parameters(&info.config))?;
        if let Some(grown) = jit::grow(&info.config, &parameters, network, seed)? {
            return Ok(grown);
        }
    }
    load(file, &jit::parameters(network))
}

/// Parameters from a model file, in the network's order.
pub(crate) fn load(file: &File, specs: &[models::ParameterSpec]) -> Result<Parameters, TrainError> {
    let mut parameters = Parameters::new();
    for spec in specs {
        let values = file.to_f32_of_shape(&spec.name, &spec.shape)?;
        parameters.insert(&spec.name, &spec.shape, values)?;
    }
    Ok(parameters)
}
