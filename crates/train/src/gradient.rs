//! The gradient of a batch, computed in parts.
//!
//! A part's activations fit the caches where a whole batch's would not, and take a fraction of its memory. The parts are
//! a matter of the configuration alone, so they change no bit from run to run.

use std::collections::HashMap;
use std::sync::Arc;

use graph::{Executor, Graph, PackedParameters, Parameters, autodiff, cost::Cost};
use kernels::Cpu;
use kernels::gemm::Precision;

use crate::TrainError;

/// Inputs of a graph by name.
pub(crate) type Inputs<'a> = [(&'static str, &'a [f32])];

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
    /// For a `graph` of one of the `parts` of a batch, whose output `loss` is a mean over its items.
    pub(crate) fn new(
        cpu: &Cpu,
        mut graph: Graph,
        parts: usize,
        parameters: &Parameters,
        precision: Precision,
    ) -> Result<Self, TrainError> {
        let loss = graph.outputs().iter().find(|(name, _)| name == "loss").expect("a training graph has a loss").1;
        autodiff::gradients(&mut graph, loss)?;
        let flops = Cost::new(&graph, precision).flops as f64 * parts as f64;
        let graph = Arc::new(graph);
        let packed = Arc::new(PackedParameters::new(cpu, &[&graph], parameters, precision)?);
        let executor = Executor::new(cpu, graph, packed.clone())?;
        Ok(Self { executor, packed, parts, flops })
    }

    /// Forward and backward of a batch; returns its mean loss.
    pub(crate) fn run(&mut self, batch: &Inputs<'_>) -> Result<f32, TrainError> {
        let mut loss = 0.0;
        for part in 0..self.parts {
            for (name, values) in batch {
                let len = values.len() / self.parts;
                self.executor.set_input(name, &values[part * len..][..len])?;
            }
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
