//! One training step after another: examples → graph → gradients → optimiser.

use std::path::{Path, PathBuf};
use std::time::Instant;

use data::Dataset;
use engine::PrecisionChoice;
use formats::canvas::Canvas;
use graph::Parameters;
use kernels::Cpu;
use kernels::gemm::Precision;

use crate::checkpoint::{self, Loaded, Progress};
use crate::config::TrainConfig;
use crate::gradient::BatchGradient;
use crate::optimiser::Optimiser;
use crate::task::{self, Task, loss_graph};
use crate::{TrainError, schedule};

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
    task: Box<dyn Task>,
    gradient: BatchGradient,
    optimiser: Optimiser,
    progress: Progress,
}

impl Trainer {
    /// Opens the data, builds the network and its gradients, and sets the parameters: from `init`, or fresh from the
    /// seed.
    pub fn new(cpu: &Cpu, config: &TrainConfig) -> Result<Self, TrainError> {
        config.check()?;
        let task = task::open(cpu, config)?;
        let precision = precision(cpu, config.precision);
        let task::Start { specs, parameters, seen } = task.start()?;
        let part = config.micro_batch();
        let graph = task.loss_graph(part)?;
        let gradient = BatchGradient::new(cpu, graph, config.batch / part, &parameters, precision)?;
        let optimiser = Optimiser::new(cpu, &config.optimiser, precision, specs, parameters);
        Ok(Trainer {
            cpu: cpu.clone(),
            config: config.clone(),
            task,
            gradient,
            optimiser,
            progress: Progress { step: 0, pictures: 0, seconds: 0.0, flops: 0.0, before: seen },
        })
    }

    /// The training split.
    pub fn dataset(&self) -> &Dataset {
        self.task.dataset()
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
        self.task.fill(&self.cpu, self.progress.pictures)?;
        let loss = self.gradient.run(&self.task.inputs())?;
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
    ///
    /// # Errors
    /// When the checkpoint does not fit, or its run trained something with the other optimiser.
    pub fn restore(&mut self, found: &Loaded) -> Result<(), TrainError> {
        self.check_optimisers(found)?;
        self.optimiser.restore(|name, shape| found.state.to_f32_of_shape(name, shape))?;
        let before = self.progress.before.max(found.progress.before);
        self.progress = Progress { before, ..found.progress.clone() };
        self.gradient.packed.refresh(&self.optimiser.parameters)?;
        Ok(())
    }

    /// Whether every parameter of the checkpoint was trained by the optimiser that the configuration chooses for it.
    fn check_optimisers(&self, found: &Loaded) -> Result<(), TrainError> {
        let chosen = &self.config.optimiser;
        for entry in self.optimiser.entries() {
            let was_muon = match entry.name.split_once('/') {
                Some(("momentum", name)) if found.state.contains(&format!("adam_m/{name}")) => false,
                Some(("adam_m", name)) if found.state.contains(&format!("momentum/{name}")) => true,
                _ => continue,
            };
            let (field, expected, value) = if entry.shape.len() == 4 && chosen.newton_schulz_steps > 0 {
                ("optimiser.muon_convolutions", was_muon.to_string(), chosen.muon_convolutions.to_string())
            } else {
                let expected = if was_muon { "above 0" } else { "0" };
                ("optimiser.newton_schulz_steps", expected.to_owned(), chosen.newton_schulz_steps.to_string())
            };
            let expected = format!("{expected}, as in the run that {} is from", found.path.display());
            return Err(TrainError::ConfigRange { field, expected, found: value });
        }
        Ok(())
    }

    /// Writes average `which` (0 the narrow one, 1 the wide one) as a bf16 model file that `generate --model` takes.
    pub fn export(&self, path: &Path, which: usize) -> Result<(), TrainError> {
        let seen = self.progress.before + self.task.pictures(self.progress.pictures);
        self.task.write(path, &self.optimiser.average(which), seen)
    }

    /// What the model file at `path`, one of [`export`](Self::export), does: a sheet to look at.
    pub fn sheet(&self, path: &Path) -> Result<Canvas, TrainError> {
        self.task.sheet(&self.cpu, path)
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
