//! Learning to enlarge: large renders, made small and drawn again by the generator whose pictures are to be enlarged.
//!
//! An example's small picture is the mean of every 4 × 4 pixels of a render. Most are then mixed with a little noise and given
//! to the generator with their caption: what it gives back has the soft edges and the seams of its pictures, in the place of
//! the true ones. The network sees a crop of that and is compared with the same crop of the render.

use std::collections::BTreeMap;
use std::path::Path;

use data::{DataError, Dataset, Split};
use engine::{Enlarger, ModelInfo, Size};
use formats::canvas::{CHARACTER, Canvas, INK, WHITE};
use formats::safetensors::{File, Tensor};
use graph::{Graph, Parameters};
use kernels::Cpu;
use models::enlarger::{self, CHANNELS, FACTOR};
use models::jit;
use sampling::noise::{Purpose, fill_uniform};

use super::picture::load;
use super::predictor::Predictor;
use super::{Start, Task, seen};
use crate::captions::CaptionStates;
use crate::config::EnlargerConfig;
use crate::trainer::precision;
use crate::{TrainConfig, TrainError, flow};

/// Pictures the generator draws at a time.
const TOGETHER: usize = 8;
/// Memory for caption states that are kept.
const CAPTION_MEMORY: usize = 1 << 28;
/// Held-out pictures of a sheet.
const SHOWN: usize = 6;

pub(super) struct Enlarging {
    config: TrainConfig,
    network: EnlargerConfig,
    dataset: Dataset,
    generator: Generator,
    /// Crops of small pictures `[B, crop, crop, 4]` in [0, 1].
    x: Vec<f32>,
    /// The same crops of the renders `[B, 4 crop, 4 crop, 4]`.
    y: Vec<f32>,
    weight: Vec<f32>,
}

/// The model whose pictures are enlarged.
struct Generator {
    info: ModelInfo,
    predictor: Predictor,
    states: CaptionStates,
}

/// One small picture to be drawn again.
struct Redraw<'a> {
    number: u64,
    caption: String,
    /// Flow time, 0 leaves the picture as it is.
    t: f32,
    render: &'a [u8],
    mirrored: bool,
}

impl Enlarging {
    pub(super) fn open(cpu: &Cpu, config: &TrainConfig, network: &EnlargerConfig) -> Result<Self, TrainError> {
        let dataset = Dataset::open(&config.data, config.resolution, Split::Train)?;
        let generator = Generator::open(cpu, config, network)?;
        let pixels = config.batch * network.crop * network.crop * CHANNELS;
        Ok(Self {
            config: config.clone(),
            network: network.clone(),
            dataset,
            generator,
            x: vec![0.0; pixels],
            y: vec![0.0; FACTOR * FACTOR * pixels],
            weight: vec![1.0; config.batch],
        })
    }
}

impl Task for Enlarging {
    fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    fn start(&self) -> Result<Start, TrainError> {
        let specs = enlarger::parameters(&self.network.sizes);
        Ok(match &self.config.init {
            Some(path) => {
                let file = File::open(path)?;
                Start { seen: seen(&file), parameters: load(&file, &specs)?, specs }
            }
            None => Start { seen: 0, parameters: models::initial_parameters(&specs, self.config.seed)?, specs },
        })
    }

    fn loss_graph(&self, batch: usize) -> Result<Graph, TrainError> {
        let crop = self.network.crop;
        let mut graph = Graph::new();
        let x = graph.input("x", &[batch, crop, crop, CHANNELS])?;
        let y = graph.input("y", &[batch, FACTOR * crop, FACTOR * crop, CHANNELS])?;
        let weight = graph.input("weight", &[batch])?;
        let enlarged = enlarger::build(&mut graph, &self.network.sizes, x)?;
        let (loss, _) = graph.weighted_squared_error(enlarged, y, weight)?;
        graph.output("loss", loss)?;
        Ok(graph)
    }

    fn fill(&mut self, cpu: &Cpu, first: u64) -> Result<(), TrainError> {
        let EnlargerConfig { crop, max_time, plain, .. } = self.network;
        let (seed, side) = (self.config.seed, self.config.resolution);
        let mut records = Vec::new();
        let mut crops = Vec::new();
        for number in first..first + self.config.batch as u64 {
            let choice = flow::choice(&self.config.flow, seed, number);
            let record = self.dataset.sample(choice.record);
            let mut u = [0.0f32; 4];
            fill_uniform(flow::address(seed, number, Purpose::Augmentation), &mut u);
            let [time, left, top, whole] = u;
            let room = (side / FACTOR - crop + 1) as f32;
            crops.push((
                ((left * room) as usize).min(room as usize - 1),
                ((top * room) as usize).min(room as usize - 1),
            ));
            records.push(Redraw {
                number,
                caption: self.dataset.caption(record, choice.caption),
                t: if whole < plain { 0.0 } else { time * max_time },
                render: self.dataset.pixels(record),
                mirrored: choice.mirror < self.config.mirror && self.dataset.is_two_sided(record),
            });
        }
        let small = self.generator.redraw(cpu, seed, side, &records)?;
        let small_side = side / FACTOR;
        let mut items: Vec<(&mut [f32], &mut [f32])> = self
            .x
            .chunks_mut(crop * crop * CHANNELS)
            .zip(self.y.chunks_mut(FACTOR * FACTOR * crop * crop * CHANNELS))
            .collect();
        cpu.pool.run_chunks(&mut items, 1, |i, item| {
            let (x, y) = &mut item[0];
            let ((left, top), redraw) = (crops[i], &records[i]);
            let picture = &small[i * small_side * small_side * CHANNELS..][..small_side * small_side * CHANNELS];
            for (row, x) in x.chunks_exact_mut(crop * CHANNELS).enumerate() {
                let from = ((top + row) * small_side + left) * CHANNELS;
                for (x, value) in x.iter_mut().zip(&picture[from..]) {
                    *x = (0.5 * value + 0.5).clamp(0.0, 1.0);
                }
            }
            let (left, top, crop) = (FACTOR * left, FACTOR * top, FACTOR * crop);
            for (row, y) in y.chunks_exact_mut(crop * CHANNELS).enumerate() {
                for (column, y) in y.chunks_exact_mut(CHANNELS).enumerate() {
                    let column = if redraw.mirrored { side - 1 - (left + column) } else { left + column };
                    let from = ((top + row) * side + column) * CHANNELS;
                    for (y, byte) in y.iter_mut().zip(&redraw.render[from..]) {
                        *y = f32::from(*byte) / 255.0;
                    }
                }
            }
        });
        Ok(())
    }

    fn inputs(&self) -> Vec<(&'static str, &[f32])> {
        vec![("x", &self.x), ("y", &self.y), ("weight", &self.weight)]
    }

    fn write(&self, path: &Path, parameters: &Parameters, seen: u64) -> Result<(), TrainError> {
        let metadata = BTreeMap::from([
            ("family".to_owned(), enlarger::FAMILY.to_owned()),
            ("config".to_owned(), serde_json::to_string(&self.network.sizes).expect("two numbers are JSON")),
            ("name".to_owned(), self.config.name.clone()),
            ("pictures_seen".to_owned(), seen.to_string()),
        ]);
        let tensors = parameters.iter().map(|p| Tensor::bf16(p.name.as_str(), &p.shape, p.data.as_slice()));
        formats::safetensors::write(path, tensors, &metadata)?;
        Ok(())
    }

    /// Held-out pictures, if there are any: made small and drawn again, enlarged, and as they were rendered, with the error of the first two.
    fn sheet(&self, cpu: &Cpu, path: &Path) -> Result<Canvas, TrainError> {
        let precision = precision(cpu, self.config.precision);
        let mut enlarger = Enlarger::open(cpu, precision, &File::open(path)?)?;
        let mut generator = Generator::open(cpu, &self.config, &self.network)?;
        let side = self.config.resolution;
        let small_side = (side / FACTOR) as u32;
        let opened;
        let held_out = match Dataset::open(&self.config.data, side, Split::HeldOutConcepts) {
            Ok(dataset) => {
                opened = dataset;
                &opened
            }
            // A folder of one's own pictures holds nothing back.
            Err(DataError::Empty { .. }) => &self.dataset,
            Err(error) => return Err(error.into()),
        };
        let shown = SHOWN.min(held_out.len());
        let (width, height) = (side + 8, side + CHARACTER + 12);
        let mut canvas = Canvas::new(3 * width, shown.max(1) * height, WHITE);
        for row in 0..shown {
            let record = row * held_out.len() / shown;
            let render = held_out.pixels(record);
            let redraw = Redraw {
                number: row as u64,
                caption: held_out.caption(record, 0),
                t: 0.5 * self.network.max_time,
                render,
                mirrored: false,
            };
            let small = generator.redraw(cpu, self.config.seed, side, &[redraw])?;
            let size = Size { width: small_side, height: small_side };
            let large = enlarger.enlarge(size, &small)?;
            let truth: Vec<f32> = render.iter().map(|&byte| f32::from(byte) * (2.0 / 255.0) - 1.0).collect();
            let repeated: Vec<f32> = (0..truth.len())
                .map(|i| {
                    let (y, x, channel) = (i / CHANNELS / side, i / CHANNELS % side, i % CHANNELS);
                    small[(y / FACTOR * (side / FACTOR) + x / FACTOR) * CHANNELS + channel]
                })
                .collect();
            for (column, (values, label)) in [
                (&repeated, format!("repeated pixels, {:.1} dB", psnr(&repeated, &truth))),
                (&large, format!("enlarged, {:.1} dB", psnr(&large, &truth))),
                (&truth, held_out.record(record).object.clone()),
            ]
            .into_iter()
            .enumerate()
            {
                let (left, top) = ((column * width + 4) as i64, (row * height + 4) as i64);
                canvas.picture(left, top, side, side, &engine::to_pixels(values), 1);
                canvas.paragraph(left, top + side as i64 + 2, side / CHARACTER, 1, INK, &label);
            }
        }
        Ok(canvas)
    }
}

impl Generator {
    fn open(cpu: &Cpu, config: &TrainConfig, network: &EnlargerConfig) -> Result<Self, TrainError> {
        let precision = precision(cpu, config.precision);
        let file = engine::store::open_file(&network.generator)?;
        let info = ModelInfo::from_metadata(file.name(), file.metadata())?;
        let side = config.resolution / FACTOR;
        if !side.is_multiple_of(info.config.patch) {
            return Err(TrainError::ConfigRange {
                field: "resolution",
                expected: format!("a multiple of {}, for the patches of {}", FACTOR * info.config.patch, info.name),
                found: config.resolution.to_string(),
            });
        }
        let parameters = load(&file, &jit::parameters(&info.config))?;
        let geometry = jit::Geometry { batch: TOGETHER, height: side, width: side, text_tokens: info.text_tokens };
        let predictor = Predictor::new(cpu, precision, &info.config, &parameters, geometry)?;
        let encoder = engine::open_text_encoder(cpu, precision)?.0;
        let states = CaptionStates::new(encoder, info.text_tokens, CAPTION_MEMORY);
        Ok(Self { predictor, info, states })
    }

    /// The small pictures `[B, side / 4, side / 4, 4]` of renders `[side, side, 4]`, in about [-1, 1].
    fn redraw(&mut self, cpu: &Cpu, seed: u64, side: usize, redraws: &[Redraw<'_>]) -> Result<Vec<f32>, TrainError> {
        let picture = (side / FACTOR).pow(2) * CHANNELS;
        let mut small = vec![0.0; redraws.len() * picture];
        let mut noisy = vec![0.0; redraws.len() * picture];
        let mut items: Vec<(&mut [f32], &mut [f32])> =
            small.chunks_mut(picture).zip(noisy.chunks_mut(picture)).collect();
        let noise_scale = self.info.config.noise_scale;
        cpu.pool.run_chunks(&mut items, 1, |i, item| {
            let ((x, z), redraw) = (&mut item[0], &redraws[i]);
            shrink(redraw.render, side, redraw.mirrored, x);
            flow::mix(seed, redraw.number, redraw.t, noise_scale, x, z);
        });
        let wanted: Vec<usize> = (0..redraws.len()).filter(|&i| redraws[i].t > 0.0).collect();
        let (tokens, width) = (self.info.text_tokens, self.states.width());
        let mut text = vec![0.0; TOGETHER * tokens * width];
        let (mut lengths, mut pooled) = (vec![0.0; TOGETHER], vec![0.0; TOGETHER * width]);
        for group in wanted.chunks(TOGETHER) {
            // A last group that is not full draws its first picture again.
            let slot = |i: usize| *group.get(i).unwrap_or(&group[0]);
            let captions: Vec<String> = (0..TOGETHER).map(|i| redraws[slot(i)].caption.clone()).collect();
            self.states.gather(&captions, &mut text, &mut lengths, &mut pooled)?;
            let z: Vec<f32> = (0..TOGETHER).flat_map(|i| &noisy[slot(i) * picture..][..picture]).copied().collect();
            let t: Vec<f32> = (0..TOGETHER).map(|i| redraws[slot(i)].t).collect();
            for (name, values) in
                [("z", &z), ("t", &t), ("text", &text), ("text_lengths", &lengths), ("text_pooled", &pooled)]
            {
                self.predictor.set(name, values)?;
            }
            self.predictor.run()?;
            let drawn = self.predictor.predictions();
            for (i, &at) in group.iter().enumerate() {
                small[at * picture..][..picture].copy_from_slice(&drawn[i * picture..][..picture]);
            }
        }
        Ok(small)
    }
}

/// The mean of every 4 × 4 pixels of `render` `[side, side, 4]`, in [-1, 1].
fn shrink(render: &[u8], side: usize, mirrored: bool, small: &mut [f32]) {
    let width = side / FACTOR;
    for (i, pixel) in small.chunks_exact_mut(CHANNELS).enumerate() {
        let (row, column) = (i / width, i % width);
        let column = if mirrored { width - 1 - column } else { column };
        let mut sums = [0u32; CHANNELS];
        for y in 0..FACTOR {
            let from = ((FACTOR * row + y) * side + FACTOR * column) * CHANNELS;
            for pixel in render[from..from + FACTOR * CHANNELS].chunks_exact(CHANNELS) {
                for (sum, &byte) in sums.iter_mut().zip(pixel) {
                    *sum += u32::from(byte);
                }
            }
        }
        for (value, sum) in pixel.iter_mut().zip(sums) {
            *value = sum as f32 * (2.0 / (255.0 * (FACTOR * FACTOR) as f32)) - 1.0;
        }
    }
}

/// Peak signal-to-noise ratio in dB of values in [-1, 1].
fn psnr(a: &[f32], b: &[f32]) -> f64 {
    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    10.0 * (4.0 / f64::max(squares / a.len() as f64, 1e-12)).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pictures_are_means_and_mirror() {
        // Two by one small pixels: the left one white, the right one half of it.
        let bright = |i: usize| i % 8 < 4 || i / 8 < 2;
        let render: Vec<u8> = (0..8 * 4).flat_map(|i| [255 * u8::from(bright(i)); 4]).collect();
        let mut small = [0.0; 8];
        shrink(&render, 8, false, &mut small);
        assert_eq!(small, [1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        shrink(&render, 8, true, &mut small);
        assert_eq!(small, [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn psnr_of_a_known_error() {
        assert!((psnr(&[0.0, 0.2], &[0.2, 0.0]) - 20.0).abs() < 1e-4);
    }
}
