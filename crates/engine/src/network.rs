//! A network of a model, ready to predict: its weights, and the graphs planned for what was asked of it.

use std::sync::Arc;

use graph::{Executor, Graph, PackedParameters, Precision};
use kernels::Cpu;
use models::jit::{self, Geometry, early};

use crate::kept::Kept;
use crate::steering::Sides;
use crate::{EngineError, Model};

/// Planned graphs kept for the next request.
pub(crate) const KEPT_EXECUTORS: usize = 4;

/// The model's network, or its early expert.
pub(crate) struct Network {
    cpu: Cpu,
    config: jit::Config,
    packed: Arc<PackedParameters>,
    planned: Kept<(Geometry, Sides), Planned>,
}

/// The planned graph of some pictures.
pub(crate) struct Planned {
    pub(crate) executor: Executor,
    /// The conditions its text inputs hold; 0 = none yet.
    pub(crate) conditions: u64,
}

/// The graph of one geometry, ready to execute; its output is called `x_hat`, those for a finisher like its inputs.
pub(crate) fn graph(config: &jit::Config, geometry: Geometry, sides: Sides) -> Result<Graph, EngineError> {
    let mut graph = Graph::new();
    let build = if sides.is_weakened() { jit::build_weakened } else { jit::build };
    let outputs = build(&mut graph, config, geometry)?;
    graph.output("x_hat", outputs.prediction)?;
    if config.finish_width > 0 {
        graph.output("tokens", outputs.unfinished.tokens)?;
        graph.output("condition", outputs.unfinished.condition)?;
    }
    // What depends on the text alone is computed once a picture, not once a step.
    for input in [outputs.text, outputs.text_lengths, outputs.text_pooled] {
        graph.hold(input)?;
    }
    Ok(graph::fuse::fuse(&graph))
}

/// Whether a model of `config` has an early expert that predicts at time `t`.
pub(crate) fn is_early(config: &jit::Config, t: f32) -> bool {
    config.early && t > early::UNTIL
}

impl Network {
    /// The model's network, but for its finisher.
    pub(crate) fn new(model: &Model, cpu: &Cpu, precision: Precision) -> Result<Self, EngineError> {
        Self::called(model, cpu, precision, model.info.config.clone(), "")
    }

    /// The model's early expert, if it has one.
    pub(crate) fn early(model: &Model, cpu: &Cpu, precision: Precision) -> Result<Option<Self>, EngineError> {
        early::config(&model.info.config)
            .map(|config| Self::called(model, cpu, precision, config, early::PREFIX))
            .transpose()
    }

    /// The network of `config` whose parameters begin with `prefix` in the model.
    fn called(
        model: &Model,
        cpu: &Cpu,
        precision: Precision,
        config: jit::Config,
        prefix: &str,
    ) -> Result<Self, EngineError> {
        // Every geometry reads the same parameters in the same way.
        let geometry = Geometry { batch: 1, height: config.patch, width: config.patch, text_tokens: 1 };
        let packed = model.pack(cpu, &graph(&config, geometry, Sides::One)?, precision, prefix)?;
        Ok(Self { cpu: cpu.clone(), config, packed: Arc::new(packed), planned: Kept::new(KEPT_EXECUTORS) })
    }

    /// The planned graph of a geometry. Many pictures without guidance are as many items as half of them with it, so a graph belongs
    /// to its sides.
    pub(crate) fn plan(&mut self, geometry: Geometry, sides: Sides) -> Result<&mut Planned, EngineError> {
        let Self { cpu, config, packed, planned } = self;
        planned.get((geometry, sides), || {
            let executor = Executor::new(cpu, Arc::new(graph(config, geometry, sides)?), packed.clone())?;
            Ok(Planned { executor, conditions: 0 })
        })
    }
}
