//! Finishing: the last predictions of a picture, corrected by the model's finisher (`jit::finish`), if it has one.

use std::sync::Arc;

use graph::{Executor, Graph, PackedParameters, Precision};
use kernels::Cpu;
use models::jit::{self, finish};

use crate::{EngineError, Model, Size};

/// A model's finisher, ready to run.
pub(crate) struct Finisher {
    cpu: Cpu,
    config: jit::Config,
    packed: Arc<PackedParameters>,
    /// For the last number and size of pictures.
    planned: Option<(usize, Size, Executor)>,
}

/// The graph for `group` pictures of `size`; its output is called `x_hat`.
pub(crate) fn build_graph(config: &jit::Config, group: usize, size: Size) -> Result<Graph, EngineError> {
    let mut graph = Graph::new();
    let finished = finish::build(&mut graph, config, [group, size.height as usize, size.width as usize])?;
    graph.output("x_hat", finished.prediction)?;
    Ok(graph::fuse::fuse(&graph))
}

/// Whether a prediction at time `t` is finished by a model of `config`.
pub(crate) fn applies(config: &jit::Config, t: f32) -> bool {
    config.finish_width > 0 && t <= finish::FROM
}

impl Finisher {
    /// Packs the finisher's weights; none if the model has no finisher.
    pub(crate) fn new(model: &Model, cpu: &Cpu, precision: Precision) -> Result<Option<Self>, EngineError> {
        let config = &model.info.config;
        if config.finish_width == 0 {
            return Ok(None);
        }
        let graph = build_graph(config, 1, Size::square(config.patch as u32))?;
        let packed = Arc::new(model.pack(cpu, &graph, precision)?);
        Ok(Some(Self { cpu: cpu.clone(), config: config.clone(), packed, planned: None }))
    }

    /// Corrects the predictions at time `t` of states `z`, both `[group, H, W, C]`.
    pub(crate) fn finish(
        &mut self,
        (group, size): (usize, Size),
        z: &[f32],
        t: f32,
        prediction: &mut [f32],
    ) -> Result<(), EngineError> {
        if self.planned.as_ref().is_none_or(|planned| (planned.0, planned.1) != (group, size)) {
            let graph = Arc::new(build_graph(&self.config, group, size)?);
            self.planned = Some((group, size, Executor::new(&self.cpu, graph, self.packed.clone())?));
        }
        let executor = &mut self.planned.as_mut().expect("planned above").2;
        executor.set_input("z", z)?;
        executor.set_input("predicted", prediction)?;
        executor.input_mut("t")?.fill(t);
        executor.run()?;
        prediction.copy_from_slice(executor.output("x_hat"));
        Ok(())
    }
}
