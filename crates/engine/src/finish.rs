//! Finishing: predictions, corrected by the model's finisher (`jit::finish`), if it has one.

use std::sync::Arc;

use graph::{Executor, PackedParameters, Precision};
use kernels::Cpu;
use models::jit::{self, finish};

use crate::kept::Kept;
use crate::{EngineError, Model};

/// Planned graphs kept: with guidance, without, and for the other places of the last prediction.
pub(crate) const KEPT_EXECUTORS: usize = 3;

/// A model's finisher, ready to run.
pub(crate) struct Finisher {
    cpu: Cpu,
    config: jit::Config,
    packed: Arc<PackedParameters>,
    planned: Kept<[usize; 3], Executor>,
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
        let side = config.patch;
        let graph = finish::graph(config, [1, side, side])?;
        let packed = Arc::new(model.pack(cpu, &graph, precision, "")?);
        Ok(Some(Self { cpu: cpu.clone(), config: config.clone(), packed, planned: Kept::new(KEPT_EXECUTORS) }))
    }

    /// What to add to the predictions for `[batch, height, width]` pictures. `of` tells the network's outputs by name; z are the
    /// states of all pictures `[B, H, W, C]`, or of the first ones if they repeat.
    pub(crate) fn correction<'a>(
        &mut self,
        pictures: [usize; 3],
        z: &[f32],
        of: impl Fn(&str) -> &'a [f32],
    ) -> Result<&[f32], EngineError> {
        let Self { cpu, config, packed, planned } = self;
        let executor = planned
            .get(pictures, || Ok(Executor::new(cpu, Arc::new(finish::graph(config, pictures)?), packed.clone())?))?;
        for side in executor.input_mut("z")?.chunks_exact_mut(z.len()) {
            side.copy_from_slice(z);
        }
        for (input, output) in [("prediction", "x_hat"), ("tokens", "tokens"), ("condition", "condition")] {
            executor.set_input(input, of(output))?;
        }
        executor.run()?;
        Ok(executor.output("correction"))
    }
}
