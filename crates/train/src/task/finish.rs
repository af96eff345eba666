//! Learning to finish: a trained network's predictions, corrected by a finisher (`jit::finish`).
//!
//! The network stays as it is. An example is a noisy picture and what the network makes of it; the finisher learns what is missing
//! from its prediction to the picture.

use std::path::Path;

use data::{Dataset, Split};
use engine::ModelInfo;
use formats::canvas::Canvas;
use formats::safetensors::{self, File};
use graph::{Graph, Parameters};
use kernels::Cpu;
use models::jit;
use models::jit::finish::{self, Unfinished};

use super::picture::load;
use super::predictor::Predictor;
use super::{Start, Task, check_resolution};
use crate::captions::CaptionStates;
use crate::config::FinisherConfig;
use crate::examples::{Batch, Examples};
use crate::trainer::precision;
use crate::{TrainConfig, TrainError, samples};

/// Pictures the network predicts at a time.
const TOGETHER: usize = 8;
/// Memory for caption states that are kept.
const CAPTION_MEMORY: usize = 3 << 30;

pub(super) struct Finishing {
    config: TrainConfig,
    dataset: Dataset,
    states: CaptionStates,
    batch: Batch,
    /// What the network gives for the pictures of `batch`, by the names of the finisher's inputs.
    given: Vec<(&'static str, Vec<f32>)>,
    network: Predictor,
    /// The network's own parameters, as they are in its file.
    trained: Parameters,
    /// What the finished model's file will say.
    info: ModelInfo,
    /// The finisher that the file has already, if it is one of this width.
    finisher: Option<Parameters>,
}

impl Finishing {
    pub(super) fn open(cpu: &Cpu, config: &TrainConfig, finisher: &FinisherConfig) -> Result<Self, TrainError> {
        let path = config.init.as_deref().expect("checked with the configuration");
        let file = File::open(path)?;
        let info = ModelInfo::from_metadata(file.name(), file.metadata())?;
        let network = jit::Config { finish_width: 0, ..info.config.clone() };
        let wanted = jit::Config { finish_width: finisher.width, ..network.clone() };
        wanted.validate().map_err(jit::BuildError::from)?;
        check_resolution(config, &info)?;
        let trained = load(&file, &jit::parameters(&network))?;
        let finisher = if info.config == wanted { Some(load(&file, &finish::parameters(&wanted))?) } else { None };

        let dataset = Dataset::open(&config.data, config.resolution, Split::Train)?;
        let precision = precision(cpu, config.precision);
        let encoder = engine::open_text_encoder(cpu, precision)?.0;
        let states = CaptionStates::new(encoder, info.text_tokens, CAPTION_MEMORY);
        let batch = Batch::new(config.batch, config.resolution, info.text_tokens, &network);
        let side = config.resolution;
        let together = TOGETHER.min(config.batch);
        let geometry = jit::Geometry { batch: together, height: side, width: side, text_tokens: info.text_tokens };
        Ok(Self {
            given: Vec::new(),
            network: Predictor::new(cpu, precision, &network, &trained, geometry)?,
            info: ModelInfo { config: wanted, ..info },
            config: config.clone(),
            dataset,
            states,
            batch,
            trained,
            finisher,
        })
    }
}

impl Task for Finishing {
    fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    fn start(&self) -> Result<Start, TrainError> {
        let specs = finish::parameters(&self.info.config);
        let parameters = match &self.finisher {
            Some(finisher) => finisher.clone(),
            None => models::initial_parameters(&specs, self.config.seed)?,
        };
        Ok(Start { specs, parameters, seen: self.info.pictures_seen })
    }

    /// The network sees none for its own learning.
    fn pictures(&self, _: u64) -> u64 {
        0
    }

    fn loss_graph(&self, batch: usize) -> Result<Graph, TrainError> {
        let side = self.config.resolution;
        let mut graph = Graph::new();
        let config = &self.info.config;
        let unfinished = Unfinished::inputs(&mut graph, config, [batch, side, side])?;
        let correction = finish::build(&mut graph, config, unfinished)?;
        let prediction = graph.add(unfinished.prediction, correction)?;
        let x = graph.input("x", &[batch, side, side, config.channels])?;
        let weight = graph.input("weight", &[batch])?;
        let (loss, _) = graph.weighted_squared_error(prediction, x, weight)?;
        graph.output("loss", loss)?;
        Ok(graph)
    }

    fn fill(&mut self, cpu: &Cpu, first: u64) -> Result<(), TrainError> {
        let examples = Examples {
            dataset: &self.dataset,
            flow: &self.config.flow,
            times: [0.0, finish::FROM],
            noise_scale: self.info.config.noise_scale,
            mirror: self.config.mirror,
            seed: self.config.seed,
        };
        let batch = &mut self.batch;
        batch.fill(cpu, &examples, &mut self.states, first, true)?;
        let count = batch.t.len();
        let together = TOGETHER.min(count);
        for from in (0..count).step_by(together) {
            // A last group that is not full has pictures of the one before it.
            let from = from.min(count - together);
            for (name, values) in batch.inputs().into_iter().filter(|(name, _)| !["x", "weight"].contains(name)) {
                let item = values.len() / count;
                self.network.set(name, &values[from * item..][..together * item])?;
            }
            self.network.run()?;
            let given = self.network.given();
            if self.given.is_empty() {
                self.given = given.iter().map(|(name, of)| (*name, vec![0.0; of.len() / together * count])).collect();
            }
            for ((_, all), (_, given)) in self.given.iter_mut().zip(given) {
                let item = all.len() / count;
                all[from * item..][..together * item].copy_from_slice(given);
            }
        }
        Ok(())
    }

    fn inputs(&self) -> Vec<(&'static str, &[f32])> {
        let Batch { x, z, weight, .. } = &self.batch;
        let mut inputs = vec![("z", z.as_slice()), ("x", x), ("weight", weight)];
        inputs.extend(self.given.iter().map(|(name, given)| (*name, given.as_slice())));
        inputs
    }

    fn write(&self, path: &Path, parameters: &Parameters, _: u64) -> Result<(), TrainError> {
        let tensors = self
            .trained
            .iter()
            .chain(parameters.iter())
            .map(|p| safetensors::Tensor::bf16(p.name.as_str(), &p.shape, p.data.as_slice()));
        safetensors::write(path, tensors, &self.info.to_metadata())?;
        Ok(())
    }

    fn sheet(&self, cpu: &Cpu, path: &Path) -> Result<Canvas, TrainError> {
        samples::draw(cpu, path, &self.config.report.prompts, &[samples::STEPS], &engine::Request::default())
    }
}
