//! Muon on the blocks' matrices and the kernels of convolutions, AdamW on everything else, and the two averages.
//!
//! Muon: Jordan et al. 2024, with Polar Express coefficients (arXiv 2505.16932) and the matched-RMS scale of
//! "Muon is Scalable" (arXiv 2502.16982), so that one learning rate serves both optimisers. A fused weight (query,
//! key and value in one) is orthogonalised part by part; a convolution's kernels are the rows of one matrix. Matrices are worked on in parallel, each by one thread.

use graph::Parameters;
use kernels::Cpu;
use kernels::gemm::Precision;
use kernels::optimise::{
    AdamWStep, MuonScratch, MuonStep, POLAR_EXPRESS, adamw_step, ema_update, muon_step, squared_norm,
};
use models::ParameterSpec;

use crate::average;
use crate::checkpoint::Entry;
use crate::config::OptimiserConfig;

/// Optimiser state of one parameter.
enum Moments {
    /// Muon's momentum.
    Momentum(Vec<f32>),
    /// AdamW's first and second moment.
    Adam(Vec<f32>, Vec<f32>),
}

/// State of one parameter.
struct Slot {
    spec: ParameterSpec,
    moments: Moments,
    averages: [Vec<f32>; 2],
}

/// Masters, moments and averages of every parameter.
pub struct Optimiser {
    /// f32 master weights, in the network's order.
    pub parameters: Parameters,
    slots: Vec<Slot>,
    gammas: [f64; 2],
    config: OptimiserConfig,
    precision: Precision,
    /// Runs one matrix on the calling thread.
    single: Cpu,
    scratch: Vec<MuonScratch>,
}

/// One matrix of Muon's work list.
struct MuonJob<'a> {
    rows: usize,
    cols: usize,
    decay: f32,
    values: &'a mut [f32],
    gradient: &'a [f32],
    momentum: &'a mut [f32],
    scratch: &'a mut MuonScratch,
}

impl Optimiser {
    /// Fresh state for `parameters`, which must hold the `specs` in order; the averages start equal to them.
    pub fn new(
        cpu: &Cpu,
        config: &OptimiserConfig,
        precision: Precision,
        specs: Vec<ParameterSpec>,
        parameters: Parameters,
    ) -> Self {
        let slots: Vec<Slot> = specs
            .into_iter()
            .zip(parameters.iter())
            .map(|(spec, parameter)| {
                assert_eq!(spec.name, parameter.name, "parameters stand in the network's order");
                let zeros = || vec![0.0; spec.len()];
                let kernels = config.muon_convolutions && spec.shape.len() == 4;
                let moments = if (spec.matrix || kernels) && config.newton_schulz_steps > 0 {
                    Moments::Momentum(zeros())
                } else {
                    Moments::Adam(zeros(), zeros())
                };
                let averages = [parameter.data.clone(), parameter.data.clone()];
                Slot { spec, moments, averages }
            })
            .collect();
        let matrices: usize = slots.iter().map(|slot| slot.spec.stacked).sum();
        Optimiser {
            parameters,
            slots,
            gammas: config.averages.map(|width| average::exponent(f64::from(width))),
            config: config.clone(),
            precision,
            single: Cpu::new(cpu.isa, 1),
            scratch: (0..matrices).map(|_| MuonScratch::default()).collect(),
        }
    }

    /// One step number `step` (from 1) with `scale` times the `gradients`, which are in the network's order; `rate`
    /// multiplies the peak learning rate. Returns the gradient's norm before clipping.
    pub fn step(&mut self, cpu: &Cpu, gradients: &[&[f32]], scale: f32, step: u64, rate: f32) -> f32 {
        let norm = gradients.iter().map(|gradient| squared_norm(cpu, gradient)).sum::<f64>().sqrt() as f32 * scale;
        let gradient_scale = if norm > self.config.clip { scale * self.config.clip / norm } else { scale };
        let lr = self.config.learning_rate * rate;
        let coefficients = &POLAR_EXPRESS[..self.config.newton_schulz_steps.min(POLAR_EXPRESS.len())];
        let muon = MuonStep {
            lr: lr * self.config.muon_rate,
            momentum: self.config.momentum,
            weight_decay: 0.0,
            coefficients,
            precision: self.precision,
            gradient_scale,
        };
        let mut scratch = self.scratch.iter_mut();
        let mut jobs = Vec::new();
        for ((slot, (_, _, values)), gradient) in
            self.slots.iter_mut().zip(self.parameters.iter_mut()).zip(gradients.iter().copied())
        {
            let decay = if slot.spec.shape.len() > 1 { self.config.weight_decay } else { 0.0 };
            match &mut slot.moments {
                Moments::Momentum(momentum) => {
                    let rows = slot.spec.shape[0] / slot.spec.stacked;
                    let cols = slot.spec.shape[1..].iter().product::<usize>();
                    let parts = values
                        .chunks_mut(rows * cols)
                        .zip(gradient.chunks(rows * cols))
                        .zip(momentum.chunks_mut(rows * cols));
                    for ((values, gradient), momentum) in parts {
                        let scratch = scratch.next().expect("one scratch a matrix");
                        jobs.push(MuonJob { rows, cols, decay, values, gradient, momentum, scratch });
                    }
                }
                Moments::Adam(m, v) => {
                    let adam = AdamWStep {
                        lr,
                        beta1: self.config.beta1,
                        beta2: self.config.beta2,
                        eps: 1e-8,
                        weight_decay: decay,
                        step,
                        gradient_scale,
                    };
                    adamw_step(cpu, &adam, values, gradient, m, v);
                }
            }
        }
        // Longest first, so that the threads finish together; the order cannot change a result.
        jobs.sort_by_key(|job| std::cmp::Reverse(job.values.len()));
        let single = &self.single;
        cpu.pool.run_chunks(&mut jobs, 1, |_, job| {
            let job = &mut job[0];
            let muon = MuonStep { weight_decay: job.decay, ..muon };
            muon_step(single, &muon, job.rows, job.cols, job.values, job.gradient, job.momentum, job.scratch);
        });
        let keep = self.gammas.map(|gamma| average::keep(gamma, step));
        for (slot, parameter) in self.slots.iter_mut().zip(self.parameters.iter()) {
            let averages = slot.averages.each_mut().map(Vec::as_mut_slice);
            ema_update(cpu, keep, &parameter.data, averages);
        }
        norm
    }

    /// A copy of average 0 or 1 as parameters.
    pub fn average(&self, which: usize) -> Parameters {
        let mut all = Parameters::new();
        for slot in &self.slots {
            all.insert(&slot.spec.name, &slot.spec.shape, slot.averages[which].clone())
                .expect("names and shapes are the network's");
        }
        all
    }

    /// Everything a checkpoint holds.
    pub fn entries(&self) -> Vec<Entry<'_>> {
        let mut entries = Vec::new();
        for (slot, parameter) in self.slots.iter().zip(self.parameters.iter()) {
            let mut push = |prefix: &str, values| {
                entries.push(Entry { name: format!("{prefix}/{}", slot.spec.name), shape: &slot.spec.shape, values });
            };
            push("parameter", &parameter.data);
            match &slot.moments {
                Moments::Momentum(momentum) => push("momentum", momentum),
                Moments::Adam(m, v) => {
                    push("adam_m", m);
                    push("adam_v", v);
                }
            }
            push("average_0", &slot.averages[0]);
            push("average_1", &slot.averages[1]);
        }
        entries
    }

    /// Replaces the state by what `read(name, shape)` gives for each of [`Self::entries`]' names.
    pub fn restore<E>(&mut self, mut read: impl FnMut(&str, &[usize]) -> Result<Vec<f32>, E>) -> Result<(), E> {
        for (slot, (_, _, values)) in self.slots.iter_mut().zip(self.parameters.iter_mut()) {
            let spec = &slot.spec;
            let mut get = |prefix: &str| read(&format!("{prefix}/{}", spec.name), &spec.shape);
            values.copy_from_slice(&get("parameter")?);
            match &mut slot.moments {
                Moments::Momentum(momentum) => *momentum = get("momentum")?,
                Moments::Adam(m, v) => {
                    *m = get("adam_m")?;
                    *v = get("adam_v")?;
                }
            }
            slot.averages = [get("average_0")?, get("average_1")?];
        }
        Ok(())
    }
}
