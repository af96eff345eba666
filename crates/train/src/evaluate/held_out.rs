//! Held-out loss: the training loss of pictures or captions that training never sees.
//!
//! Every example uses the same noise and time in every evaluation (a function of the seed and its number), so two
//! checkpoints are compared on exactly the same questions. Captions are never dropped.

use std::path::Path;
use std::sync::Arc;

use data::{Dataset, Split};
use formats::safetensors::File;
use graph::{Executor, PackedParameters};
use kernels::Cpu;
use models::jit;
use serde::Serialize;

use crate::TrainError;
use crate::captions::CaptionStates;
use crate::config::TrainConfig;
use crate::examples::{Batch, Examples};
use crate::task::{load, loss_graph};
use crate::trainer::precision;

/// Held-out loss of one split.
#[derive(Clone, Debug, Serialize)]
pub struct SplitLoss {
    /// Name of the split.
    pub split: &'static str,
    /// Pictures in it.
    pub records: usize,
    /// Examples evaluated.
    pub examples: usize,
    /// Mean weighted squared error with the true captions.
    pub loss: f64,
    /// The same with captions of other pictures: the floor that a network deaf to text would reach.
    pub shuffled_loss: f64,
}

/// The loss of the network of the model at `path`, without finisher or early expert, on every split of the data in `config`, over
/// about `examples` examples each.
/// `progress` hears the finished share in [0, 1].
pub fn held_out(
    cpu: &Cpu,
    config: &TrainConfig,
    path: &Path,
    examples: usize,
    progress: &mut dyn FnMut(f64),
) -> Result<Vec<SplitLoss>, TrainError> {
    let specs = jit::parameters(&config.model);
    let parameters = load(&File::open(path)?, &specs)?;
    let graph = Arc::new(loss_graph(config, config.batch)?);
    let precision = precision(cpu, config.precision);
    let packed = Arc::new(PackedParameters::new(cpu, &[&graph], &parameters, precision)?);
    let mut executor = Executor::new(cpu, graph, packed)?;
    let encoder = engine::open_text_encoder(cpu, precision)?.0;
    let mut states = CaptionStates::new(encoder, config.text_tokens, 1 << 28);
    let mut batch = Batch::new(config.batch, config.resolution, config.text_tokens, &config.model);
    let rounds = examples.div_ceil(config.batch).max(1);
    let mut results = Vec::new();
    for (index, split) in Split::ALL.into_iter().enumerate() {
        let dataset = match Dataset::open(&config.data, config.resolution, split) {
            Ok(dataset) if !dataset.is_empty() => dataset,
            Ok(_) => continue,
            Err(error) => return Err(error.into()),
        };
        let examples = Examples {
            dataset: &dataset,
            flow: &config.flow,
            times: [0.0, 1.0],
            noise_scale: config.model.noise_scale,
            mirror: 0.0,
            seed: config.seed ^ 0x5EED,
        };
        let (mut loss, mut shuffled) = (0.0, 0.0);
        for round in 0..rounds {
            batch.fill(cpu, &examples, &mut states, (round * config.batch) as u64, false)?;
            let mut ask = |batch: &Batch| {
                for (name, values) in batch.inputs() {
                    executor.set_input(name, values)?;
                }
                executor.run()?;
                Ok::<f64, TrainError>(f64::from(executor.output("loss")[0]))
            };
            loss += ask(&batch)?;
            batch.rotate_captions();
            shuffled += ask(&batch)?;
            progress((index as f64 + (round + 1) as f64 / rounds as f64) / Split::ALL.len() as f64);
        }
        results.push(SplitLoss {
            split: split.name(),
            records: dataset.len(),
            examples: rounds * config.batch,
            loss: loss / rounds as f64,
            shuffled_loss: shuffled / rounds as f64,
        });
    }
    Ok(results)
}
