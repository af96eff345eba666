//! Learning one half of the path: an early expert (`jit::early`) for a trained model, or the model's network on the times that its
//! expert leaves to it. The model's other weights stay as they are.

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

pub(super) struct Half {
    drawing: Drawing,
    /// What the half starts from.
    begin: Parameters,
    /// What the names of its parameters begin with in the model's file.
    prefix: &'static str,
    /// The model's other parameters, as they are in its file.
    others: Parameters,
    /// What the finished model's file will say.
    info: ModelInfo,
}

impl Half {
    /// Times above [`early::UNTIL`]: an early expert, which begins as the model's network or as the expert that it has.
    pub(super) fn early(cpu: &Cpu, config: &TrainConfig) -> Result<Self, TrainError> {
        let (file, info) = open(config)?;
        let network = jit::Config { early: false, ..info.config.clone() };
        let whole = jit::Config { early: true, ..network.clone() };
        let others = load(&file, &jit::parameters(&network))?;
        let begin = if info.config == whole {
            early::without_prefix(&load(&file, &jit::parameters(&whole)[others.len()..])?)?
        } else {
            early::begin(&whole, &others)?
        };
        let expert = early::config(&whole).expect("it has one");
        let info = ModelInfo { config: whole, ..info };
        let drawing = draw(cpu, config, &info, expert, [early::UNTIL, 1.0])?;
        Ok(Self { drawing, begin, prefix: early::PREFIX, others, info })
    }

    /// Times up to [`early::UNTIL`]: the network of a model that has an early expert for the others.
    pub(super) fn late(cpu: &Cpu, config: &TrainConfig) -> Result<Self, TrainError> {
        let (file, info) = open(config)?;
        if !info.config.early {
            return Err(TrainError::ConfigRange {
                field: "init",
                expected: "a model with an early expert for the times that `late` leaves out".into(),
                found: format!("{} has none", info.name),
            });
        }
        let network = jit::Config { early: false, finish_width: 0, ..info.config.clone() };
        let own = jit::parameters(&network);
        let mut others = jit::parameters(&info.config);
        others.retain(|spec| own.iter().all(|own| own.name != spec.name));
        let (begin, others) = (load(&file, &own)?, load(&file, &others)?);
        let drawing = draw(cpu, config, &info, network, [0.0, early::UNTIL])?;
        Ok(Self { drawing, begin, prefix: "", others, info })
    }
}

/// The model that a run is for.
fn open(config: &TrainConfig) -> Result<(File, ModelInfo), TrainError> {
    let file = File::open(config.init.as_deref().expect("checked with the configuration"))?;
    let info = ModelInfo::from_metadata(file.name(), file.metadata())?;
    check_resolution(config, &info)?;
    Ok((file, info))
}

/// Learning to draw with `network`, which is a part of the model.
fn draw(
    cpu: &Cpu,
    config: &TrainConfig,
    info: &ModelInfo,
    network: jit::Config,
    times: [f32; 2],
) -> Result<Drawing, TrainError> {
    let config = TrainConfig { model: network, text_tokens: info.text_tokens, ..config.clone() };
    Drawing::open(cpu, &config, times)
}

impl Task for Half {
    fn dataset(&self) -> &Dataset {
        self.drawing.dataset()
    }

    fn start(&self) -> Result<Start, TrainError> {
        let specs = jit::parameters(&self.drawing.config.model);
        Ok(Start { specs, parameters: self.begin.clone(), seen: self.info.pictures_seen })
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
        let learned = parameters.iter().map(|p| (format!("{}{}", self.prefix, p.name), p));
        let all = self.others.iter().map(|p| (p.name.clone(), p)).chain(learned);
        let tensors = all.map(|(name, p)| safetensors::Tensor::bf16(name, &p.shape, p.data.as_slice()));
        let info = ModelInfo { pictures_seen: seen, ..self.info.clone() };
        safetensors::write(path, tensors, &info.to_metadata())?;
        Ok(())
    }

    fn sheet(&self, cpu: &Cpu, path: &Path) -> Result<Canvas, TrainError> {
        self.drawing.sheet(cpu, path)
    }
}
