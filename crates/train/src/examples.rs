//! From example numbers to a batch: pictures, noise, times and caption states.

use kernels::Cpu;

use crate::captions::CaptionStates;
use crate::config::FlowConfig;
use crate::{TrainError, flow};

/// One batch, ready to be the training graph's inputs.
pub struct Batch {
    /// Clean pictures `[B, H, W, 4]` f32, premultiplied RGBA in [-1, 1].
    pub x: Vec<f32>,
    /// Noisy pictures, as `x`.
    pub z: Vec<f32>,
    /// Flow times `[B]`.
    pub t: Vec<f32>,
    /// Loss weights `[B]`.
    pub weight: Vec<f32>,
    /// Caption states `[B, T, text width]` f32.
    pub text: Vec<f32>,
    /// Valid caption tokens `[B]`.
    pub text_lengths: Vec<f32>,
    /// Pooled captions `[B, text width]` f32.
    pub text_pooled: Vec<f32>,
    /// Lengths of the steps `[B]` that the predictions are for, 0 for a picture's example; empty if the network is not told.
    pub step: Vec<f32>,
}

/// Where a batch comes from and how it is numbered.
pub struct Examples<'a> {
    /// The pictures.
    pub dataset: &'a data::Dataset,
    /// Noise process and conditioning.
    pub flow: &'a FlowConfig,
    /// The times of `flow`, which lie in 0..=1, are scaled to lie from the first to the second of these.
    pub times: [f32; 2],
    /// Deviation of the noise.
    pub noise_scale: f32,
    /// Share of pictures that are mirrored, of those that may be.
    pub mirror: f32,
    /// Seed of order, captions and noise.
    pub seed: u64,
}

impl Batch {
    /// An empty batch of `batch` pictures of `resolution` pixels a side and `tokens` caption tokens of width
    /// the network's `text_width`.
    pub fn new(batch: usize, resolution: usize, tokens: usize, network: &models::jit::Config) -> Self {
        let picture = resolution * resolution * 4;
        let text_width = network.text_width;
        Batch {
            x: vec![0.0; batch * picture],
            z: vec![0.0; batch * picture],
            t: vec![0.0; batch],
            weight: vec![0.0; batch],
            text: vec![0.0; batch * tokens * text_width],
            text_lengths: vec![0.0; batch],
            text_pooled: vec![0.0; batch * text_width],
            step: vec![0.0; if network.step_length { batch } else { 0 }],
        }
    }

    /// Fills the batch with examples `first`, `first + 1`, …; `drop_captions` is false for held-out loss.
    pub fn fill(
        &mut self,
        cpu: &Cpu,
        examples: &Examples<'_>,
        states: &mut CaptionStates,
        first: u64,
        drop_captions: bool,
    ) -> Result<(), TrainError> {
        let batch = self.t.len();
        let mut records = Vec::with_capacity(batch);
        let mut mirrored = Vec::with_capacity(batch);
        let mut captions = Vec::with_capacity(batch);
        for (i, (t, weight)) in self.t.iter_mut().zip(&mut self.weight).enumerate() {
            let number = first + i as u64;
            let choice = flow::choice(examples.flow, examples.seed, number);
            let record = examples.dataset.sample(choice.record);
            records.push(record);
            mirrored.push(choice.mirror < examples.mirror && examples.dataset.is_two_sided(record));
            captions.push(if choice.drop && drop_captions {
                String::new()
            } else {
                examples.dataset.caption(record, choice.caption)
            });
            let [from, to] = examples.times;
            *t = from + (to - from) * flow::time(examples.flow, examples.seed, number);
            *weight = flow::weight(examples.flow, *t);
        }
        states.gather(&captions, &mut self.text, &mut self.text_lengths, &mut self.text_pooled)?;
        let picture = self.x.len() / batch;
        let mut pairs: Vec<(&mut [f32], &mut [f32])> =
            self.x.chunks_mut(picture).zip(self.z.chunks_mut(picture)).collect();
        let times = &self.t;
        cpu.pool.run_chunks(&mut pairs, 1, |i, pair| {
            let (x, z) = &mut pair[0];
            flow::clean(examples.dataset.pixels(records[i]), examples.dataset.resolution(), mirrored[i], x);
            flow::mix(examples.seed, first + i as u64, times[i], examples.noise_scale, x, z);
        });
        Ok(())
    }

    /// The inputs of the training graph.
    pub(crate) fn inputs(&self) -> Vec<(&'static str, &[f32])> {
        let mut inputs: Vec<(&'static str, &[f32])> = vec![
            ("z", &self.z),
            ("x", &self.x),
            ("t", &self.t),
            ("weight", &self.weight),
            ("text", &self.text),
            ("text_lengths", &self.text_lengths),
            ("text_pooled", &self.text_pooled),
        ];
        if !self.step.is_empty() {
            inputs.push(("step", &self.step));
        }
        inputs
    }

    /// Gives every picture the caption of the next one.
    pub fn rotate_captions(&mut self) {
        let batch = self.t.len();
        for values in [&mut self.text, &mut self.text_lengths, &mut self.text_pooled] {
            let row = values.len() / batch;
            values.rotate_left(row);
        }
    }
}
