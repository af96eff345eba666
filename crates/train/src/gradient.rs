//! The gradient of a batch, computed in parts.
//!
//! A part's activations fit the caches where a whole batch's would not, and take a fraction of its memory. The parts are
//! a matter of the configuration alone, so they change no bit from run to run.

use std::collections::HashMap;
use std::sync::Arc;

use graph::{Executor, Graph, PackedParameters, Parameters, autodiff, cost::Cost};
use kernels::Cpu;
use kernels::gemm::Precision;
use models::jit;

use crate::TrainError;
use crate::config::TrainConfig;
use crate::examples::Batch;

/// The training graph for a part of a batch, and the weights it reads.
pub(crate) struct BatchGradient {
    pub(crate) executor: Executor,
    pub(crate) packed: Arc<PackedParameters>,
    /// Parts of a batch.
    parts: usize,
    /// Floating-point operations of forward and backward of the whole batch.
    pub(crate) flops: f64,
}

impl BatchGradient {
    pub(crate) fn new(
        cpu: &Cpu,
        config: &TrainConfig,
        parameters: &Parameters,
        precision: Precision,
    ) -> Result<Self, TrainError> {
        let part = config.micro_batch();
        let mut graph = Graph::new();
        let loss = loss_graph(&mut graph, config, part)?;
        autodiff::gradients(&mut graph, loss)?;
        let parts = config.batch / part;
        let flops = Cost::new(&graph).flops as f64 * parts as f64;
        let graph = Arc::new(graph);
        let packed = Arc::new(PackedParameters::new(cpu, &[&graph], parameters, precision)?);
        let executor = Executor::new(cpu, graph, packed.clone())?;
        Ok(Self { executor, packed, parts, flops })
    }

    /// Forward and backward of `batch`; returns its mean loss.
    pub(crate) fn run(&mut self, batch: &Batch) -> Result<f32, TrainError> {
        let mut loss = 0.0;
        for part in 0..self.parts {
            set_inputs(&mut self.executor, batch, part, self.parts)?;
            if part == 0 {
                self.executor.run()?
            } else {
                self.executor.run_adding()?
            }
            loss += self.executor.output("loss")[0];
        }
        Ok(loss / self.parts as f32)
    }

    /// After [`run`](Self::run), the gradients in the order of `parameters`, and the factor that makes them the mean
    /// over the batch.
    pub(crate) fn gradients(&self, parameters: &Parameters) -> (Vec<&[f32]>, f32) {
        let by_name: HashMap<&str, &[f32]> = self.executor.gradients().collect();
        (parameters.iter().map(|p| by_name[p.name.as_str()]).collect(), 1.0 / self.parts as f32)
    }
}

/// The network and its loss for `batch` pictures; returns the loss.
pub(crate) fn loss_graph(graph: &mut Graph, config: &TrainConfig, batch: usize) -> Result<graph::Tensor, TrainError> {
    let side = config.resolution;
    let geometry = jit::Geometry { batch, height: side, width: side, text_tokens: config.text_tokens };
    let network = jit::build(graph, &config.model, geometry)?;
    let x = graph.input("x", &[batch, side, side, config.model.channels])?;
    let weight = graph.input("weight", &[batch])?;
    let (loss, _) = graph.weighted_squared_error(network.prediction, x, weight)?;
    graph.output("loss", loss)?;
    Ok(loss)
}

/// Copies part `part` of `parts` of a batch into an executor of [`loss_graph`].
pub(crate) fn set_inputs(executor: &mut Executor, batch: &Batch, part: usize, parts: usize) -> Result<(), TrainError> {
    for (name, values) in [
        ("z", &batch.z),
        ("x", &batch.x),
        ("t", &batch.t),
        ("weight", &batch.weight),
        ("text", &batch.text),
        ("text_lengths", &batch.text_lengths),
        ("text_pooled", &batch.text_pooled),
    ] {
        let len = values.len() / parts;
        executor.set_input(name, &values[part * len..][..len])?;
    }
    Ok(())
}
