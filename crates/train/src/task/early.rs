//! Learning to begin: an early expert (`jit::early`) for a trained model, whose other weights stay as they are.
//!
//! It learns what the network learned, on the times that are its own.

use std::path::Path;

use data::Dataset;
use engine::ModelInfo;
use formats::canvas::Canvas;
use formats::safetensors::{self, File};
use graph::{Graph, Parameters};
use kernels::Cpu;
use models::jit::{self, early};

use super::picture::{Drawing, load};
use super::{Start, Task, check_resolution};
use crate::{TrainConfig, TrainError};

pub(super) struct Beginning {
    drawing: Drawing,
    /// What the expert starts from.
    expert: Parameters,
    /// The model's other parameters, as they are in its file.
    trained: Parameters,
    /// What the finished model's file will say.
    info: ModelInfo,
}

impl Beginning {
    pub(super) fn open(cpu: &Cpu, config: &TrainConfig) -> Result<Self, TrainError> {
        let path = config.init.as_deref().expect("checked with the configuration");
        let file = File::open(path)?;
        let info = ModelInfo::from_metadata(file.name(), file.metadata())?;
        check_resolution(config, &info)?;
        let others = jit::Config { early: false, ..info.config.clone() };
        let whole = jit::Config { early: true, ..others.clone() };
        let network = early::config(&whole).expect("it has one");
        let trained = load(&file, &jit::parameters(&others))?;
        let expert = if info.config == whole {
            let own = load(&file, &jit::parameters(&whole)[trained.len()..])?;
            early::without_prefix(&own)?
        } else {
            early::begin(&whole, &trained)?
        };
        let config = TrainConfig { model: network, text_tokens: info.text_tokens, ..config.clone() };
        let drawing = Drawing::open(cpu, &config, [early::UNTIL, 1.0])?;
        Ok(Self { drawing, expert, trained, info: ModelInfo { config: whole, ..info } })
    }
}

impl Task for Beginning {
    fn dataset(&self) -> &Dataset {
        self.drawing.dataset()
    }

    fn start(&self) -> Result<Start, TrainError> {
        let specs = jit::parameters(&self.drawing.config.model);
        Ok(Start { specs, parameters: self.expert.clone(), seen: self.info.pictures_seen })
    }

    fn loss_graph(&self, batch: usize) -> Result<Graph, TrainError> {
        self.drawing.loss_graph(batch)
    }

    fn fill(&mut self, cpu: &Cpu, first: u64) -> Result<(), TrainError> {
        self.drawing.fill(cpu, first)
    }

    fn inputs(&self) -> Vec<(&'static str, &[f32])> {
        self.drawing.inputs()
    }

    fn write(&self, path: &Path, parameters: &Parameters, seen: u64) -> Result<(), TrainError> {
        let expert = parameters.iter().map(|p| (format!("{}{}", early::PREFIX, p.name), p));
        let all = self.trained.iter().map(|p| (p.name.clone(), p)).chain(expert);
        let tensors = all.map(|(name, p)| safetensors::Tensor::bf16(name, &p.shape, p.data.as_slice()));
        let info = ModelInfo { pictures_seen: seen, ..self.info.clone() };
        safetensors::write(path, tensors, &info.to_metadata())?;
        Ok(())
    }

    fn sheet(&self, cpu: &Cpu, path: &Path) -> Result<Canvas, TrainError> {
        self.drawing.sheet(cpu, path)
    }
}
