//! The speed of a training step on made-up data: what `calotype bench --filter train` shows.

use std::time::Instant;

use kernels::Cpu;
use models::jit;
use sampling::noise::{NoiseAddress, Purpose, fill_normal};

use crate::TrainError;
use crate::config::TrainConfig;
use crate::examples::Batch;
use crate::flow;
use crate::optimiser::Optimiser;
use crate::trainer::{batch_gradient, precision};

/// Medians over some steps.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    /// Seconds of forward and backward.
    pub forward_backward: f64,
    /// Seconds of the whole step: with optimiser, averages and packing of the new weights.
    pub step: f64,
    /// Floating-point operations of forward and backward.
    pub flops: f64,
}

/// The configuration of a run that only measures: `network` at `resolution` pixels, `batch` examples a step.
pub fn configuration(network: jit::Config, resolution: usize, batch: usize) -> TrainConfig {
    TrainConfig {
        name: "bench".into(),
        data: Default::default(),
        output: Default::default(),
        resolution,
        batch,
        micro_batch: 0,
        pictures: batch as u64,
        text_tokens: 16,
        shifts: None,
        mirror: 0.0,
        seed: 1,
        init: None,
        branch_from: None,
        precision: Default::default(),
        model: network,
        enlarger: None,
        finisher: None,
        early: false,
        late: false,
        turbo: None,
        optimiser: Default::default(),
        flow: Default::default(),
        report: Default::default(),
    }
}

/// Where one step's time goes: seconds of each kind of operation, forward and backward together, then of the optimiser
/// and of packing the new weights; means over `steps` steps (after one that is not counted).
pub fn step_profile(cpu: &Cpu, config: &TrainConfig, steps: usize) -> Result<Vec<(&'static str, f64)>, TrainError> {
    let precision = precision(cpu, config.precision);
    let parameters = jit::initial_parameters(&config.model, config.seed)?;
    let mut gradient = batch_gradient(cpu, config, &parameters, precision)?;
    let mut optimiser = Optimiser::new(cpu, &config.optimiser, precision, jit::parameters(&config.model), parameters);
    let batch = made_up(config);
    gradient.run(&batch.inputs())?;
    gradient.executor.set_profiling(true);
    let (mut optimising, mut packing) = (0.0, 0.0);
    let steps = steps.max(1);
    for step in 0..steps as u64 {
        gradient.run(&batch.inputs())?;
        let start = Instant::now();
        let (gradients, scale) = gradient.gradients(&optimiser.parameters);
        optimiser.step(cpu, &gradients, scale, step + 1, 1.0);
        optimising += start.elapsed().as_secs_f64();
        let start = Instant::now();
        gradient.packed.refresh(&optimiser.parameters)?;
        packing += start.elapsed().as_secs_f64();
    }
    let mut rows: Vec<(&'static str, f64)> =
        gradient.executor.profile().into_iter().map(|(kind, time)| (kind.name(), time.as_secs_f64())).collect();
    rows.extend([("optimiser", optimising), ("packing of weights", packing)]);
    Ok(rows.into_iter().map(|(name, seconds)| (name, seconds / steps as f64)).collect())
}

/// Times `steps` steps (after one that is not counted) of the network, batch and optimiser of `config`; no data is
/// read and nothing is written.
pub fn step_speed(cpu: &Cpu, config: &TrainConfig, steps: usize) -> Result<Speed, TrainError> {
    let precision = precision(cpu, config.precision);
    let parameters = jit::initial_parameters(&config.model, config.seed)?;
    let mut gradient = batch_gradient(cpu, config, &parameters, precision)?;
    let mut optimiser = Optimiser::new(cpu, &config.optimiser, precision, jit::parameters(&config.model), parameters);
    let batch = made_up(config);
    let (mut halves, mut wholes) = (Vec::new(), Vec::new());
    for step in 0..=steps.max(1) as u64 {
        let start = Instant::now();
        gradient.run(&batch.inputs())?;
        let half = start.elapsed().as_secs_f64();
        let (gradients, scale) = gradient.gradients(&optimiser.parameters);
        optimiser.step(cpu, &gradients, scale, step + 1, 1.0);
        gradient.packed.refresh(&optimiser.parameters)?;
        if step > 0 {
            halves.push(half);
            wholes.push(start.elapsed().as_secs_f64());
        }
    }
    Ok(Speed { forward_backward: median(halves), step: median(wholes), flops: gradient.flops })
}

fn median(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

/// A batch of noise with captions of every length.
fn made_up(config: &TrainConfig) -> Batch {
    let mut batch = Batch::new(config.batch, config.resolution, config.text_tokens, &config.model);
    let normals = |step: u32, out: &mut [f32]| {
        fill_normal(NoiseAddress { seed: config.seed, image: 0, step, purpose: Purpose::TrainingNoise }, out);
    };
    normals(0, &mut batch.x);
    normals(1, &mut batch.z);
    normals(2, &mut batch.text);
    normals(3, &mut batch.text_pooled);
    for i in 0..config.batch {
        batch.t[i] = (i as f32 + 0.5) / config.batch as f32;
        batch.weight[i] = flow::weight(&config.flow, batch.t[i]);
        batch.text_lengths[i] = (2 + i % (config.text_tokens - 1)) as f32;
    }
    batch
}
