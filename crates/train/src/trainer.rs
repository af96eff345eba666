//! One training step after another: examples → graph → gradients → optimiser.

use std::path::{Path, PathBuf};
use std::time::Instant;

use data::{Dataset, Split};
use engine::{ModelInfo, PrecisionChoice};
use formats::safetensors::Tensor;
use graph::{Graph, Parameters};
use kernels::Cpu;
use kernels::gemm::Precision;
use models::jit;

use crate::captions::CaptionStates;
use crate::checkpoint::{self, Loaded, Progress};
use crate::config::TrainConfig;
use crate::examples::{Batch, Examples};
use crate::gradient::BatchGradient;
use crate::optimiser::Optimiser;
use crate::{TrainError, schedule};

/// Memory for caption states that are kept.
const CAPTION_MEMORY: usize = 3 << 30;

/// What one step did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Number of the step, from 1.
    pub step: u64,
    /// Mean weighted squared error of the batch.
    pub loss: f32,
    /// Gradient norm before clipping.
    pub gradient_norm: f32,
    /// Multiplier of the learning rate.
    pub rate: f32,
    /// Wall-clock seconds.
    pub seconds: f64,
}

/// A run in memory.
pub struct Trainer {
    cpu: Cpu,
    config: TrainConfig,
    dataset: Dataset,
    states: CaptionStates,
    batch: Batch,
    gradient: BatchGradient,
    optimiser: Optimiser,
    progress: Progress,
}

impl Trainer {
    /// Opens the data, builds the network and its gradients, and sets the parameters: from `init`, or fresh from the
    /// seed.
    pub fn new(cpu: &Cpu, config: &TrainConfig) -> Result<Self, TrainError> {
        config.check()?;
        let dataset = Dataset::open(&config.data, config.resolution, Split::Train)?;
        let precision = precision(cpu, config.precision);
        let encoder = engine::open_text_encoder(cpu, precision)?.0;
        let states = CaptionStates::new(encoder, config.text_tokens, CAPTION_MEMORY);
        let specs = jit::parameters(&config.model);
        let mut before = 0;
        let parameters = match &config.init {
            Some(path) => {
                before = seen(path)?;
                load_for(path, &config.model, config.seed)?
            }
            None => jit::initial_parameters(&config.model, config.seed)?,
        };
        let gradient = batch_gradient(cpu, config, &parameters, precision)?;
        let optimiser = Optimiser::new(cpu, &config.optimiser, precision, specs, parameters);
        Ok(Trainer {
            batch: Batch::new(config.batch, config.resolution, config.text_tokens, states.width()),
            cpu: cpu.clone(),
            config: config.clone(),
            dataset,
            states,
            gradient,
            optimiser,
            progress: Progress { step: 0, pictures: 0, seconds: 0.0, flops: 0.0, before },
        })
    }

    /// The training split.
    pub fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    /// Counters.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Number of values in all parameters.
    pub fn parameters(&self) -> usize {
        self.optimiser.parameters.elements()
    }

    /// The f32 masters.
    pub fn masters(&self) -> &Parameters {
        &self.optimiser.parameters
    }

    /// One optimiser step.
    ///
    /// # Errors
    /// [`TrainError::Diverged`] when the loss is not finite; the parameters are then those before the step.
    pub fn step(&mut self) -> Result<Step, TrainError> {
        let start = Instant::now();
        let examples = Examples {
            dataset: &self.dataset,
            flow: &self.config.flow,
            noise_scale: self.config.model.noise_scale,
            mirror: self.config.mirror,
            seed: self.config.seed,
        };
        self.batch.fill(&self.cpu, &examples, &mut self.states, self.progress.pictures, true)?;
        let loss = self.gradient.run(&self.batch.inputs())?;
        let step = self.progress.step + 1;
        if !loss.is_finite() {
            return Err(TrainError::Diverged { loss, step });
        }
        let rate = schedule::multiplier(&self.config, self.progress.step, self.progress.pictures);
        let (gradients, scale) = self.gradient.gradients(&self.optimiser.parameters);
        let gradient_norm = self.optimiser.step(&self.cpu, &gradients, scale, step, rate);
        self.gradient.packed.refresh(&self.optimiser.parameters)?;
        let seconds = start.elapsed().as_secs_f64();
        self.progress.step = step;
        self.progress.pictures += self.config.batch as u64;
        self.progress.seconds += seconds;
        self.progress.flops += self.gradient.flops;
        Ok(Step { step, loss, gradient_norm, rate, seconds })
    }

    /// Writes a checkpoint.
    pub fn save(&self, folder: &Path) -> Result<PathBuf, TrainError> {
        checkpoint::save(folder, &self.progress, &self.optimiser.entries())
    }

    /// Goes on from a checkpoint.
    pub fn restore(&mut self, found: &Loaded) -> Result<(), TrainError> {
        self.optimiser.restore(|name, shape| found.state.to_f32_of_shape(name, shape))?;
        let before = self.progress.before.max(found.progress.before);
        self.progress = Progress { before, ..found.progress.clone() };
        self.gradient.packed.refresh(&self.optimiser.parameters)?;
        Ok(())
    }

    /// Writes average `which` (0 the narrow one, 1 the wide one) as a bf16 model file that `generate --model` takes.
    pub fn export(&self, path: &Path, which: usize) -> Result<(), TrainError> {
        let info = ModelInfo {
            name: self.config.name.clone(),
            config: self.config.model.clone(),
            image_size: self.config.resolution as u32,
            text_tokens: self.config.text_tokens,
            pictures_seen: self.progress.before + self.progress.pictures,
        };
        let average = self.optimiser.average(which);
        let tensors = average.iter().map(|p| Tensor::bf16(p.name.as_str(), &p.shape, p.data.as_slice()));
        formats::safetensors::write(path, tensors, &info.to_metadata())?;
        Ok(())
    }
}

/// The precision `choice` means on this machine.
pub fn precision(cpu: &Cpu, choice: PrecisionChoice) -> Precision {
    match choice {
        PrecisionChoice::F32 => Precision::F32,
        PrecisionChoice::Bf16 => Precision::Bf16,
        PrecisionChoice::Auto => Precision::auto(cpu.isa),
    }
}

/// The gradient of a batch of `config`.
pub(crate) fn batch_gradient(
    cpu: &Cpu,
    config: &TrainConfig,
    parameters: &Parameters,
    precision: Precision,
) -> Result<BatchGradient, TrainError> {
    let part = config.micro_batch();
    BatchGradient::new(cpu, loss_graph(config, part)?, config.batch / part, parameters, precision)
}

/// The network and its loss for `batch` pictures.
pub(crate) fn loss_graph(config: &TrainConfig, batch: usize) -> Result<Graph, TrainError> {
    let mut graph = Graph::new();
    let side = config.resolution;
    let geometry = jit::Geometry { batch, height: side, width: side, text_tokens: config.text_tokens };
    let network = jit::build(&mut graph, &config.model, geometry)?;
    let x = graph.input("x", &[batch, side, side, config.model.channels])?;
    let weight = graph.input("weight", &[batch])?;
    let (loss, _) = graph.weighted_squared_error(network.prediction, x, weight)?;
    graph.output("loss", loss)?;
    Ok(graph)
}

/// Training pictures that a model file says it has seen; 0 if it says nothing.
fn seen(path: &Path) -> Result<u64, TrainError> {
    let file = formats::safetensors::File::open(path)?;
    Ok(file.metadata().get("pictures_seen").and_then(|text| text.parse().ok()).unwrap_or(0))
}

/// Parameters of `network` from a model file: its own, or grown from those of a smaller network.
fn load_for(path: &Path, network: &jit::Config, seed: u64) -> Result<Parameters, TrainError> {
    let file = formats::safetensors::File::open(path)?;
    if let Ok(info) = ModelInfo::from_metadata(file.name(), file.metadata()) {
        let parameters = load(path, &jit::parameters(&info.config))?;
        if let Some(grown) = jit::grow(&info.config, &parameters, network, seed)? {
            return Ok(grown);
        }
    }
    load(path, &jit::parameters(network))
}

/// Parameters from a model file, in the network's order.
pub(crate) fn load(path: &Path, specs: &[models::ParameterSpec]) -> Result<Parameters, TrainError> {
    let file = formats::safetensors::File::open(path)?;
    let mut parameters = Parameters::new();
    for spec in specs {
        let values = file.to_f32_of_shape(&spec.name, &spec.shape)?;
        parameters.insert(&spec.name, &spec.shape, values)?;
    }
    Ok(parameters)
}
