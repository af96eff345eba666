//! The judge: a small encoder of pictures and captions, trained here from the training split and used for nothing but
//! evaluation.
//!
//! It learns to tell which caption of a batch belongs to which picture, and which picture to which caption ("CLIP",
//! Radford et al., arXiv 2103.00020, with a fixed temperature). How well a picture fits a caption is then the inner product
//! of two unit vectors. Real pictures that it never saw say how far it can be trusted.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use data::{Dataset, Split};
use formats::safetensors::{self, File, Tensor};
use graph::{Executor, Graph, PackedParameters, Parameters};
use kernels::Cpu;
use kernels::gemm::{Precision, matmul_nn, matmul_nt};
use models::judge::{self, Config};
use text::TextEncoder;

use crate::TrainError;
use crate::captions::CaptionStates;
use crate::checkpoint::{self, Progress};
use crate::config::{FlowConfig, OptimiserConfig};
use crate::flow;
use crate::gradient::BatchGradient;
use crate::optimiser::Optimiser;
use crate::task::load;

/// Training pictures of a judge.
pub const PICTURES: u64 = 400_000;
const BATCH: usize = 256;
const PARTS: usize = 8;
const SEED: u64 = 0x1D6E;
const TEXT_TOKENS: usize = 24;
/// Inner products are multiplied by this before the softmax.
const SHARPNESS: f32 = 16.0;
/// Pictures embedded at a time.
const TOGETHER: usize = 32;
/// What an interruption loses at most.
const BETWEEN_CHECKPOINTS: Duration = Duration::from_secs(300);

/// Trains a judge on the training split of `data` and writes it to `path`. `progress` hears the finished share and the
/// loss. Says whether it was finished: when `stop` says so, a checkpoint is left beside `path`, from which the same call goes on, to
/// the same bits.
pub fn train(
    cpu: &Cpu,
    data: &Path,
    path: &Path,
    pictures: u64,
    stop: &dyn Fn() -> bool,
    progress: &mut dyn FnMut(f64, f32),
) -> Result<bool, TrainError> {
    let config = Config::default();
    let dataset = Dataset::open(data, config.side, Split::Train)?;
    let precision = crate::trainer::precision(cpu, Default::default());
    let encoder = engine::open_text_encoder(cpu, precision)?.0;
    let mut captions = CaptionStates::new(encoder, TEXT_TOKENS, 1 << 30);
    let specs = judge::parameters(&config);
    let parameters = models::initial_parameters(&specs, SEED)?;
    let part = BATCH / PARTS;
    // The loss needs the vectors of the whole batch, which are computed first. Their gradients then enter as targets: the
    // squared error to `vectors - gradient` has, up to a factor, this gradient.
    let mut graph = Graph::new();
    let both = both_sides(&mut graph, &config, part)?;
    let target = graph.input("target", &[part, 2 * config.output])?;
    let weight = graph.input("weight", &[part])?;
    let (loss, _) = graph.weighted_squared_error(both, target, weight)?;
    graph.output("loss", loss)?;
    let mut gradient = BatchGradient::new(cpu, graph, PARTS, &parameters, precision)?;
    let mut graph = Graph::new();
    let both = both_sides(&mut graph, &config, part)?;
    graph.output("vectors", both)?;
    let mut forward = Executor::new(cpu, Arc::new(graph), gradient.packed.clone())?;

    let settings = OptimiserConfig { learning_rate: 1e-3, muon_rate: 4.0, ..OptimiserConfig::default() };
    let mut optimiser = Optimiser::new(cpu, &settings, precision, specs, parameters);
    let mut x = vec![0.0; BATCH * config.side * config.side * 4];
    let mut states = vec![0.0; BATCH * TEXT_TOKENS * config.text_width];
    let (mut lengths, mut pooled) = (vec![0.0; BATCH], vec![0.0; BATCH * config.text_width]);
    let mut vectors = vec![0.0; BATCH * 2 * config.output];
    let weights = vec![1.0; BATCH];
    let steps = pictures.div_ceil(BATCH as u64).max(1);
    let checkpoints = path.with_extension("checkpoints");
    let mut first = 0;
    if let Some(found) = checkpoint::newest(&checkpoints)? {
        optimiser.restore(|name, shape| found.state.to_f32_of_shape(name, shape))?;
        gradient.packed.refresh(&optimiser.parameters)?;
        first = found.progress.step;
    }
    let mut saved = Instant::now();
    for step in first..steps {
        let is_stopped = stop();
        if is_stopped || saved.elapsed() >= BETWEEN_CHECKPOINTS {
            let pictures = step * BATCH as u64;
            let counters = Progress { step, pictures, seconds: 0.0, flops: 0.0, before: 0 };
            checkpoint::save(&checkpoints, &counters, &optimiser.entries())?;
            saved = Instant::now();
        }
        if is_stopped {
            return Ok(false);
        }
        let mut texts = Vec::with_capacity(BATCH);
        for (i, x) in x.chunks_exact_mut(config.side * config.side * 4).enumerate() {
            let choice = flow::choice(&FlowConfig::default(), SEED, step * BATCH as u64 + i as u64);
            let record = dataset.sample(choice.record);
            texts.push(dataset.caption(record, choice.caption));
            to_values(dataset.pixels(record), x);
        }
        captions.gather(&texts, &mut states, &mut lengths, &mut pooled)?;
        for (i, vectors) in vectors.chunks_exact_mut(part * 2 * config.output).enumerate() {
            for (name, values) in [("x", &x), ("text", &pooled)] {
                let len = values.len() / PARTS;
                forward.set_input(name, &values[i * len..][..len])?;
            }
            forward.run()?;
            vectors.copy_from_slice(forward.output("vectors"));
        }
        let (loss, mut target) = contrast(cpu, &vectors, config.output);
        if !loss.is_finite() {
            return Err(TrainError::Diverged { loss, step: step + 1 });
        }
        // The mean over the batch of the mean squared error over 2·output values has the gradient
        // `2 (vectors - target) / (B · 2 · output)`.
        let factor = (BATCH * config.output) as f32;
        for (target, vector) in target.iter_mut().zip(&vectors) {
            *target = vector - factor * *target;
        }
        gradient.run(&[("x", &x), ("text", &pooled), ("target", &target), ("weight", &weights)])?;
        // Warm-up, constant, and the last half falling to zero.
        let done = step as f64 / steps as f64;
        let rate = ((step + 1) as f64 / 100.0).min(1.0) * (2.0 * (1.0 - done)).min(1.0);
        let (gradients, scale) = gradient.gradients(&optimiser.parameters);
        optimiser.step(cpu, &gradients, scale, step + 1, rate as f32);
        gradient.packed.refresh(&optimiser.parameters)?;
        progress((step + 1) as f64 / steps as f64, loss);
    }
    let average = optimiser.average(0);
    let tensors = average.iter().map(|p| Tensor::bf16(p.name.as_str(), &p.shape, p.data.as_slice()));
    let metadata = [("family".to_owned(), FAMILY.to_owned())].into_iter().collect();
    safetensors::write(path, tensors, &metadata)?;
    // Failing to remove what is not needed any more costs only disk space.
    let _ = std::fs::remove_dir_all(checkpoints);
    Ok(true)
}

/// The family's name in a judge's file.
const FAMILY: &str = "judge";

/// Vectors of pictures and captions side by side, `[B, 2·output]`.
fn both_sides(graph: &mut Graph, config: &Config, batch: usize) -> Result<graph::Tensor, TrainError> {
    let pictures = judge::pictures(graph, config, batch)?;
    let captions = judge::captions(graph, config, batch)?;
    Ok(graph.concat(&[pictures, captions])?)
}

/// The contrastive loss of `vectors [B, 2·width]` (a picture's, then its caption's) and its gradient.
fn contrast(cpu: &Cpu, vectors: &[f32], width: usize) -> (f32, Vec<f32>) {
    let n = vectors.len() / (2 * width);
    let side = |offset: usize| -> Vec<f32> {
        vectors.chunks_exact(2 * width).flat_map(|row| &row[offset..offset + width]).copied().collect()
    };
    let (pictures, captions) = (side(0), side(width));
    let mut scores = vec![0.0; n * n];
    matmul_nt(cpu, Precision::F32, n, n, width, &pictures, &captions, &mut scores);
    scores.iter_mut().for_each(|score| *score *= SHARPNESS);
    // Half the sum of both softmax cross-entropies, averaged over the batch, and its gradient by the scores.
    let mut loss = 0.0f64;
    let mut slope = vec![0.0f32; n * n];
    for by_column in [false, true] {
        let at = |i: usize, j: usize| if by_column { j * n + i } else { i * n + j };
        for i in 0..n {
            let most = (0..n).map(|j| scores[at(i, j)]).fold(f32::NEG_INFINITY, f32::max);
            let sum: f64 = (0..n).map(|j| f64::from(scores[at(i, j)] - most).exp()).sum();
            loss += (sum.ln() - f64::from(scores[at(i, i)] - most)) / (2 * n) as f64;
            for j in 0..n {
                let share = f64::from(scores[at(i, j)] - most).exp() / sum;
                slope[at(i, j)] += ((share - f64::from(u8::from(i == j))) / (2 * n) as f64) as f32 * SHARPNESS;
            }
        }
    }
    let mut transposed = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..n {
            transposed[j * n + i] = slope[i * n + j];
        }
    }
    let (mut by_picture, mut by_caption) = (vec![0.0; n * width], vec![0.0; n * width]);
    matmul_nn(cpu, Precision::F32, n, width, n, &slope, &captions, &mut by_picture);
    matmul_nn(cpu, Precision::F32, n, width, n, &transposed, &pictures, &mut by_caption);
    let rows = by_picture.chunks_exact(width).zip(by_caption.chunks_exact(width));
    (loss as f32, rows.flat_map(|(a, b)| a.iter().chain(b)).copied().collect())
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
    pictures: Executor,
    captions: Executor,
    encoder: TextEncoder,
}

impl Judge {
    /// Opens a judge that [`train`] wrote.
    pub fn open(cpu: &Cpu, path: &Path) -> Result<Self, TrainError> {
        let config = Config::default();
        let parameters: Parameters = load(&File::open(path)?, &judge::parameters(&config))?;
        let precision = crate::trainer::precision(cpu, Default::default());
        let mut pictures = Graph::new();
        let output = judge::pictures(&mut pictures, &config, TOGETHER)?;
        pictures.output("vectors", output)?;
        let mut captions = Graph::new();
        let output = judge::captions(&mut captions, &config, TOGETHER)?;
        captions.output("vectors", output)?;
        let packed = Arc::new(PackedParameters::new(cpu, &[&pictures, &captions], &parameters, precision)?);
        Ok(Self {
            side: config.side,
            pictures: Executor::new(cpu, Arc::new(pictures), packed.clone())?,
            captions: Executor::new(cpu, Arc::new(captions), packed)?,
            encoder: engine::open_text_encoder(cpu, precision)?.0,
        })
    }

    /// Whether the file at `path` is a judge.
    pub fn is_one(path: &Path) -> bool {
        File::open(path).is_ok_and(|file| file.metadata().get("family").is_some_and(|family| family == FAMILY))
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
            for (x, pixels) in self.pictures.input_mut("x")?.chunks_exact_mut(len).zip(group) {
                to_values(pixels, x);
            }
            self.pictures.run()?;
            let output = self.pictures.output("vectors");
            let width = output.len() / TOGETHER;
            embeddings.extend(output.chunks_exact(width).take(group.len()).map(<[f32]>::to_vec));
        }
        Ok(embeddings)
    }

    /// Unit vectors of captions.
    pub fn captions(&mut self, captions: &[&str]) -> Result<Vec<Vec<f32>>, TrainError> {
        let mut embeddings = Vec::with_capacity(captions.len());
        for group in captions.chunks(TOGETHER) {
            let states = self.encoder.encode(group, TEXT_TOKENS)?;
            self.captions.input_mut("text")?[..states.pooled.len()].copy_from_slice(&states.pooled);
            self.captions.run()?;
            let output = self.captions.output("vectors");
            let width = output.len() / TOGETHER;
            embeddings.extend(output.chunks_exact(width).take(group.len()).map(<[f32]>::to_vec));
        }
        Ok(embeddings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gradient against central differences, and the loss of vectors that fit perfectly and not at all.
    #[test]
    fn contrast_and_its_gradient() {
        let cpu = Cpu::detected(1);
        let mut vectors: Vec<f32> = (0..5 * 2 * 3).map(|i| (i as f32 * 1.7).sin()).collect();
        let (_, gradient) = contrast(&cpu, &vectors, 3);
        for i in 0..vectors.len() {
            const STEP: f32 = 1e-2;
            let mut at = |x: f32| {
                let old = std::mem::replace(&mut vectors[i], x);
                let loss = contrast(&cpu, &vectors, 3).0;
                vectors[i] = old;
                loss
            };
            let x = (i as f32 * 1.7).sin();
            let slope = (at(x + STEP) - at(x - STEP)) / (2.0 * STEP);
            assert!((slope - gradient[i]).abs() <= 0.02 * slope.abs().max(1.0), "{i}: {slope} {}", gradient[i]);
        }
        let fitting = [[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]].concat();
        let equal = [1.0, 0.0, 1.0, 0.0].repeat(2);
        assert!(contrast(&cpu, &fitting, 2).0 < 1e-6);
        assert!((contrast(&cpu, &equal, 2).0 - 2f32.ln()).abs() < 1e-6);
    }
}
