//! Held-out loss: the training loss of pictures or captions that training never sees.
//!
//! Every example uses the same noise and time in every evaluation (a function of the seed and its number), so two
//! checkpoints are compared on exactly the same questions. Captions are never dropped.

use std::path::Path;
use std::sync::Arc;

use data::{DataError, Dataset, Split};
use engine::ModelInfo;
use formats::safetensors::File;
use graph::{Executor, PackedParameters, Parameters};
use kernels::Cpu;
use models::jit::{self, early};
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
    /// The flow times of the examples lie from the first to the second.
    pub times: [f32; 2],
    /// Pictures in it.
    pub records: usize,
    /// Examples evaluated.
    pub examples: usize,
    /// Mean weighted squared error with the true captions.
    pub loss: f64,
    /// The same with captions of other pictures: the floor that a network deaf to text would reach.
    pub shuffled_loss: f64,
}

/// A network of a model, and the flow times that it draws.
struct Half {
    network: jit::Config,
    parameters: Parameters,
    times: [f32; 2],
}

/// The networks that a model's pictures come from, without its finisher: one, or with an early expert two.
fn halves(file: &File, model: &jit::Config) -> Result<Vec<Half>, TrainError> {
    let network = jit::Config { early: false, finish_width: 0, ..model.clone() };
    let parameters = load(file, &jit::parameters(&network))?;
    let Some(expert) = early::config(model) else {
        return Ok(vec![Half { network, parameters, times: [0.0, 1.0] }]);
    };
    let mut prefixed = jit::parameters(model);
    prefixed.retain(|spec| spec.name.starts_with(early::PREFIX));
    let own = early::without_prefix(&load(file, &prefixed)?)?;
    let late = Half { network, parameters, times: [0.0, early::UNTIL] };
    Ok(vec![late, Half { network: expert, parameters: own, times: [early::UNTIL, 1.0] }])
}

/// The loss of the model at `path`, without its finisher, on every split of the data in `config`, over about `examples` examples
/// each; of a model with an early expert for its two networks, each on the times that it draws.
/// `progress` hears the finished share in [0, 1].
pub fn held_out(
    cpu: &Cpu,
    config: &TrainConfig,
    path: &Path,
    examples: usize,
    progress: &mut dyn FnMut(f64),
) -> Result<Vec<SplitLoss>, TrainError> {
    let file = File::open(path)?;
    let info = ModelInfo::from_metadata(file.name(), file.metadata())?;
    let halves = halves(&file, &info.config)?;
    let splits = Split::ALL.len() * halves.len();
    let mut results = Vec::new();
    for (i, half) in halves.into_iter().enumerate() {
        let config = TrainConfig { model: half.network, text_tokens: info.text_tokens, ..config.clone() };
        let mut tell = |split: f64| progress(((i * Split::ALL.len()) as f64 + split) / splits as f64);
        results.extend(losses(cpu, &config, &half.parameters, half.times, examples, &mut tell)?);
    }
    Ok(results)
}

/// The losses of one network; `progress` hears how many splits are finished.
fn losses(
    cpu: &Cpu,
    config: &TrainConfig,
    parameters: &Parameters,
    times: [f32; 2],
    examples: usize,
    progress: &mut dyn FnMut(f64),
) -> Result<Vec<SplitLoss>, TrainError> {
    let graph = Arc::new(loss_graph(config, config.batch)?);
    let precision = precision(cpu, config.precision);
    let packed = Arc::new(PackedParameters::new(cpu, &[&graph], parameters, precision)?);
    let mut executor = Executor::new(cpu, graph, packed)?;
    let encoder = engine::open_text_encoder(cpu, precision)?.0;
    let mut states = CaptionStates::new(encoder, config.text_tokens, 1 << 28);
    let mut batch = Batch::new(config.batch, config.resolution, config.text_tokens, &config.model);
    let rounds = examples.div_ceil(config.batch).max(1);
    let mut results = Vec::new();
    for (index, split) in Split::ALL.into_iter().enumerate() {
        let dataset = match Dataset::open(&config.data, config.resolution, split) {
            Ok(dataset) => dataset,
            // A folder of pictures has nothing but a training split.
            Err(DataError::Empty { .. }) if split != Split::Train => continue,
            Err(error) => return Err(error.into()),
        };
        let examples = Examples {
            dataset: &dataset,
            flow: &config.flow,
            times,
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
            progress(index as f64 + (round + 1) as f64 / rounds as f64);
        }
        results.push(SplitLoss {
            split: split.name(),
            times,
            records: dataset.len(),
            examples: rounds * config.batch,
            loss: loss / rounds as f64,
            shuffled_loss: shuffled / rounds as f64,
        });
    }
    Ok(results)
}
