//! The judge: a small encoder of pictures, trained here from the training split and used for nothing but evaluation.
//!
//! It learns to give, for a picture, the text encoder's pooled vector of one of the picture's captions (squared error of
//! unit vectors, which is their cosine distance). How well a picture fits a caption is then the inner product of two unit
//! vectors. Real pictures that it never saw say how far it can be trusted.

use std::path::Path;
use std::sync::Arc;

use data::{Dataset, Split};
use formats::safetensors::{self, File, Tensor};
use graph::{Executor, Graph, PackedParameters, Parameters};
use kernels::Cpu;
use models::judge::{self, Config};
use text::TextEncoder;

use crate::TrainError;
use crate::captions::CaptionStates;
use crate::config::{FlowConfig, OptimiserConfig};
use crate::flow;
use crate::gradient::BatchGradient;
use crate::optimiser::Optimiser;
use crate::trainer::load;

/// Training pictures of a judge.
pub const PICTURES: u64 = 400_000;
const BATCH: usize = 128;
const PARTS: usize = 4;
const SEED: u64 = 0x1D6E;
const TEXT_TOKENS: usize = 24;
/// Pictures embedded at a time.
const TOGETHER: usize = 32;

/// Trains a judge on the training split of `data` and writes it to `path`. `progress` hears the finished share.
pub fn train(
    cpu: &Cpu,
    data: &Path,
    path: &Path,
    pictures: u64,
    progress: &mut dyn FnMut(f64),
) -> Result<(), TrainError> {
    let config = Config::default();
    let dataset = Dataset::open(data, config.side, Split::Train)?;
    let precision = crate::trainer::precision(cpu, Default::default());
    let encoder = engine::open_text_encoder(cpu, precision)?.0;
    let width = encoder.width();
    let mut captions = CaptionStates::new(encoder, TEXT_TOKENS, 1 << 30);
    let specs = judge::parameters(&config);
    let parameters = models::initial_parameters(&specs, SEED)?;
    let part = BATCH / PARTS;
    let mut graph = Graph::new();
    let output = judge::build(&mut graph, &config, part)?;
    let target = graph.input("target", &[part, width])?;
    let weight = graph.input("weight", &[part])?;
    let (loss, _) = graph.weighted_squared_error(output, target, weight)?;
    graph.output("loss", loss)?;
    let mut gradient = BatchGradient::new(cpu, graph, PARTS, &parameters, precision)?;
    let settings = OptimiserConfig { learning_rate: 1e-3, muon_rate: 4.0, ..OptimiserConfig::default() };
    let mut optimiser = Optimiser::new(cpu, &settings, precision, specs, parameters);
    // The loss is a mean over values; this makes it the squared distance of the vectors.
    let weights = vec![width as f32; BATCH];
    let mut x = vec![0.0; BATCH * config.side * config.side * 4];
    let mut states = vec![0.0; BATCH * TEXT_TOKENS * width];
    let (mut lengths, mut pooled) = (vec![0.0; BATCH], vec![0.0; BATCH * width]);
    let steps = pictures.div_ceil(BATCH as u64).max(1);
    for step in 0..steps {
        let mut texts = Vec::with_capacity(BATCH);
        for (i, x) in x.chunks_exact_mut(config.side * config.side * 4).enumerate() {
            let choice = flow::choice(&FlowConfig::default(), SEED, step * BATCH as u64 + i as u64);
            let record = dataset.sample(choice.record);
            texts.push(dataset.caption(record, choice.caption));
            to_values(dataset.pixels(record), x);
        }
        captions.gather(&texts, &mut states, &mut lengths, &mut pooled)?;
        let loss = gradient.run(&[("x", &x), ("target", &pooled), ("weight", &weights)])?;
        if !loss.is_finite() {
            return Err(TrainError::Diverged { loss, step: step + 1 });
        }
        // Warm-up, constant, and the last half falling to zero.
        let done = step as f64 / steps as f64;
        let rate = ((step + 1) as f64 / 100.0).min(1.0) * (2.0 * (1.0 - done)).min(1.0);
        let (gradients, scale) = gradient.gradients(&optimiser.parameters);
        optimiser.step(cpu, &gradients, scale, step + 1, rate as f32);
        gradient.packed.refresh(&optimiser.parameters)?;
        progress((step + 1) as f64 / steps as f64);
    }
    let average = optimiser.average(0);
    let tensors = average.iter().map(|p| Tensor::bf16(p.name.as_str(), &p.shape, p.data.as_slice()));
    let metadata = [("family".to_owned(), "judge".to_owned())].into_iter().collect();
    safetensors::write(path, tensors, &metadata)?;
    Ok(())
}

/// Premultiplied RGBA bytes to values in [-1, 1].
fn to_values(pixels: &[u8], values: &mut [f32]) {
    for (value, &byte) in values.iter_mut().zip(pixels) {
        *value = f32::from(byte) * (2.0 / 255.0) - 1.0;
    }
}

/// A judge and the text encoder, ready to compare pictures and captions.
pub struct Judge {
    side: usize,
    executor: Executor,
    encoder: TextEncoder,
}

impl Judge {
    /// Opens a judge that [`train`] wrote.
    pub fn open(cpu: &Cpu, path: &Path) -> Result<Self, TrainError> {
        let config = Config::default();
        let parameters: Parameters = load(path, &judge::parameters(&config))?;
        let precision = crate::trainer::precision(cpu, Default::default());
        let mut graph = Graph::new();
        let output = judge::build(&mut graph, &config, TOGETHER)?;
        graph.output("embedding", output)?;
        let graph = Arc::new(graph);
        let packed = Arc::new(PackedParameters::new(cpu, &[&graph], &parameters, precision)?);
        let executor = Executor::new(cpu, graph, packed)?;
        Ok(Self { side: config.side, executor, encoder: engine::open_text_encoder(cpu, precision)?.0 })
    }

    /// Whether the file at `path` is a judge.
    pub fn is_one(path: &Path) -> bool {
        File::open(path).is_ok_and(|file| file.metadata().get("family").is_some_and(|family| family == "judge"))
    }

    /// Side of the pictures that it sees, in pixels.
    pub fn side(&self) -> usize {
        self.side
    }

    /// Unit vectors of pictures (premultiplied RGBA bytes `[side, side, 4]` each).
    pub fn pictures(&mut self, pictures: &[&[u8]]) -> Result<Vec<Vec<f32>>, TrainError> {
        let len = self.side * self.side * 4;
        let mut embeddings = Vec::with_capacity(pictures.len());
        for group in pictures.chunks(TOGETHER) {
            for (x, pixels) in self.executor.input_mut("x")?.chunks_exact_mut(len).zip(group) {
                to_values(pixels, x);
            }
            self.executor.run()?;
            let output = self.executor.output("embedding");
            let width = output.len() / TOGETHER;
            embeddings.extend(output.chunks_exact(width).take(group.len()).map(<[f32]>::to_vec));
        }
        Ok(embeddings)
    }

    /// Unit vectors of captions.
    pub fn captions(&self, captions: &[&str]) -> Result<Vec<Vec<f32>>, TrainError> {
        let width = self.encoder.width();
        let mut embeddings = Vec::with_capacity(captions.len());
        for group in captions.chunks(TOGETHER) {
            let states = self.encoder.encode(group, TEXT_TOKENS)?;
            embeddings.extend(states.pooled.chunks_exact(width).map(<[f32]>::to_vec));
        }
        Ok(embeddings)
    }
}
