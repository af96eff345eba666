//! Learning to draw in few steps: what a teacher does in many guided steps, the network does in four, in two or in one, each
//! with a single prediction.
//!
//! The teacher develops noise of a caption with its sampler and guidance, and its states at the times 1, 3/4, 1/2, 1/4 and 0
//! are kept. An example is one jump between two of these states: the network sees the earlier one, its time and the length of
//! the jump, and learns the prediction with which one Euler step lands on the later one. This is the distillation of guided
//! models (Meng et al., arXiv 2210.03142) with the teacher's whole path solved at once instead of halving by halving, and
//! with the step's length as an input ("shortcut models", Frans et al., arXiv 2410.12557), so that one network knows all jumps.
//!
//! So that the network still draws in many steps, the other examples have no jump: the teacher's own predictions on its way,
//! with and without the caption, and pictures with noise as in [`Drawing`].

use std::path::Path;
use std::sync::Arc;

use data::Dataset;
use engine::ModelInfo;
use formats::canvas::Canvas;
use graph::{Executor, Graph, PackedParameters, Parameters};
use kernels::Cpu;
use models::jit;
use sampling::noise::{Purpose, fill_normal, fill_uniform};
use sampling::{Guidance, NewNoise, Sampler, combine, sample};

use super::picture::{Drawing, load};
use super::{Start, Task};
use crate::config::TurboConfig;
use crate::trainer::precision;
use crate::{TrainConfig, TrainError, flow, samples};

/// The path is cut into this many parts of equal time.
const STOPS: usize = 4;
/// From which stop to which: four steps, two, one.
const JUMPS: [(usize, usize); 7] = [(0, 1), (1, 2), (2, 3), (3, 4), (0, 2), (2, 4), (0, 4)];
/// On how many places of a path the teacher's predictions are learned too.
const LOOKS: usize = 4;
/// Examples of one path.
pub(crate) const GROUP: usize = JUMPS.len() + 2 * LOOKS + 1;
/// Paths the teacher draws at a time.
const TOGETHER: usize = 16;

pub(super) struct FewSteps {
    drawing: Drawing,
    teacher: Teacher,
}

/// The model that is imitated.
struct Teacher {
    times: Vec<f32>,
    /// After how many steps it is at each stop.
    stops: [usize; STOPS + 1],
    guidance: Guidance,
    noise_scale: f32,
    /// Of a batch `[paths with their captions, the same paths without]`.
    executor: Executor,
}

/// The text of a prediction.
#[derive(Clone, Copy)]
enum Text {
    Caption,
    Nothing,
}

/// What an example is about.
#[derive(Clone, Copy)]
enum Part {
    /// From one stop to another.
    Jump(usize, usize),
    /// What the teacher predicted at one of the looked-at places.
    Prediction(Text, usize),
    /// A picture of its own.
    Picture,
}

/// At which of its evaluations a path is looked at.
type Looks = [usize; LOOKS];

/// What the teacher did; each list holds `[paths, H, W, 4]`.
#[derive(Default)]
struct Developed {
    stops: [Vec<f32>; STOPS + 1],
    /// States at the looked-at places.
    states: [Vec<f32>; LOOKS],
    /// Predictions there, with the caption and with nothing.
    predictions: [[Vec<f32>; LOOKS]; 2],
}

impl Part {
    /// Of the example at this place of its group.
    fn of(place: usize) -> Self {
        if let Some(&(from, to)) = JUMPS.get(place) {
            return Self::Jump(from, to);
        }
        match place - JUMPS.len() {
            i if i < LOOKS => Self::Prediction(Text::Caption, i),
            i if i < 2 * LOOKS => Self::Prediction(Text::Nothing, i - LOOKS),
            _ => Self::Picture,
        }
    }
}

impl FewSteps {
    pub(super) fn open(cpu: &Cpu, config: &TrainConfig, turbo: &TurboConfig) -> Result<Self, TrainError> {
        Ok(Self { drawing: Drawing::open(cpu, config, [0.0, 1.0])?, teacher: Teacher::open(cpu, config, turbo)? })
    }
}

impl Task for FewSteps {
    fn dataset(&self) -> &Dataset {
        self.drawing.dataset()
    }

    fn start(&self) -> Result<Start, TrainError> {
        self.drawing.start()
    }

    fn pictures(&self, examples: u64) -> u64 {
        examples / GROUP as u64
    }

    fn loss_graph(&self, batch: usize) -> Result<Graph, TrainError> {
        self.drawing.loss_graph(batch)
    }

    fn fill(&mut self, cpu: &Cpu, first: u64) -> Result<(), TrainError> {
        self.drawing.fill(cpu, first)?;
        let Drawing { config, states, batch, .. } = &mut self.drawing;
        let (tokens, width) = (config.text_tokens, states.width());
        let mut nothing = (vec![0.0; tokens * width], vec![0.0; 1], vec![0.0; width]);
        states.gather(&[String::new()], &mut nothing.0, &mut nothing.1, &mut nothing.2)?;
        // A path's examples have the caption of the first of them, or none.
        for (values, without) in
            [(&mut batch.text, &nothing.0), (&mut batch.text_lengths, &nothing.1), (&mut batch.text_pooled, &nothing.2)]
        {
            for group in values.chunks_exact_mut(GROUP * without.len()) {
                let (caption, others) = group.split_at_mut(without.len());
                for (i, other) in others.chunks_exact_mut(without.len()).enumerate() {
                    match Part::of(i + 1) {
                        Part::Jump(..) | Part::Prediction(Text::Caption, _) => other.copy_from_slice(caption),
                        Part::Prediction(Text::Nothing, _) => other.copy_from_slice(without),
                        Part::Picture => {}
                    }
                }
            }
        }
        let paths = config.batch / GROUP;
        let picture = batch.z.len() / config.batch;
        for begin in (0..paths).step_by(TOGETHER) {
            // A last round that is not full draws its last path again.
            let path = |slot: usize| (begin + slot).min(paths - 1);
            for (name, values, without) in [
                ("text", &batch.text, &nothing.0),
                ("text_lengths", &batch.text_lengths, &nothing.1),
                ("text_pooled", &batch.text_pooled, &nothing.2),
            ] {
                let row = without.len();
                for (i, target) in self.teacher.executor.input_mut(name)?.chunks_exact_mut(row).enumerate() {
                    let caption = || &values[path(i) * GROUP * row..][..row];
                    target.copy_from_slice(if i < TOGETHER { caption() } else { without });
                }
            }
            let number = |slot: usize| first + (path(slot) * GROUP) as u64;
            let mut noise = vec![0.0; TOGETHER * picture];
            let scale = self.teacher.noise_scale;
            let mut items: Vec<&mut [f32]> = noise.chunks_exact_mut(picture).collect();
            cpu.pool.run_chunks(&mut items, 1, |i, item| {
                fill_normal(flow::address(config.seed, number(i), Purpose::TrainingNoise), item[0]);
                item[0].iter_mut().for_each(|noise| *noise *= scale);
            });
            let looks: Vec<Looks> = (0..TOGETHER).map(|i| self.teacher.looks(config.seed, number(i))).collect();
            let developed = self.teacher.develop(noise, &looks)?;
            let examples = GROUP * begin..GROUP * (begin + TOGETHER).min(paths);
            for (i, example) in examples.clone().enumerate() {
                let (t, step) = match Part::of(i % GROUP) {
                    Part::Jump(from, to) => (time(from), time(from) - time(to)),
                    Part::Prediction(_, look) => (self.teacher.times[looks[i / GROUP][look]], 0.0),
                    Part::Picture => continue,
                };
                batch.t[example] = t;
                batch.step[example] = step;
                batch.weight[example] = flow::weight(&config.flow, t);
            }
            let range = examples.start * picture..examples.end * picture;
            let mut items: Vec<(&mut [f32], &mut [f32])> = batch.z[range.clone()]
                .chunks_exact_mut(picture)
                .zip(batch.x[range].chunks_exact_mut(picture))
                .collect();
            cpu.pool.run_chunks(&mut items, 1, |i, item| {
                let (z, x) = &mut item[0];
                let own = i / GROUP * picture..(i / GROUP + 1) * picture;
                match Part::of(i % GROUP) {
                    Part::Jump(from, to) => {
                        z.copy_from_slice(&developed.stops[from][own.clone()]);
                        target((from, to), z, &developed.stops[to][own], x);
                    }
                    Part::Prediction(text, look) => {
                        z.copy_from_slice(&developed.states[look][own.clone()]);
                        x.copy_from_slice(&developed.predictions[text as usize][look][own]);
                    }
                    Part::Picture => {}
                }
            });
        }
        Ok(())
    }

    fn inputs(&self) -> Vec<(&'static str, &[f32])> {
        self.drawing.inputs()
    }

    fn write(&self, path: &Path, parameters: &Parameters, seen: u64) -> Result<(), TrainError> {
        self.drawing.write(path, parameters, seen)
    }

    fn sheet(&self, cpu: &Cpu, path: &Path) -> Result<Canvas, TrainError> {
        samples::draw(
            cpu,
            path,
            &self.drawing.config.report.prompts,
            &[1, 2, 4, samples::STEPS],
            &engine::Request::default(),
        )
    }
}

/// Flow time of a stop.
fn time(stop: usize) -> f32 {
    1.0 - stop as f32 / STOPS as f32
}

/// After how many steps a sampler that visits `times` is at each stop, if it stops at all of them.
pub(crate) fn stops(times: &[f32]) -> Option<[usize; STOPS + 1]> {
    let mut found = [0; STOPS + 1];
    for (stop, found) in found.iter_mut().enumerate() {
        *found = times.iter().position(|t| (t - time(stop)).abs() < 1e-5)?;
    }
    Some(found)
}

/// The prediction with which an Euler step takes `from` to `to`: `to = (s/t)·from + (1 - s/t)·x`.
fn target((start, end): (usize, usize), from: &[f32], to: &[f32], x: &mut [f32]) {
    let keep = time(end) / time(start);
    for ((x, from), to) in x.iter_mut().zip(from).zip(to) {
        *x = (to - keep * from) / (1.0 - keep);
    }
}

impl Teacher {
    fn open(cpu: &Cpu, config: &TrainConfig, turbo: &TurboConfig) -> Result<Self, TrainError> {
        let file = engine::store::open_file(&turbo.teacher)?;
        let info = ModelInfo::from_metadata(file.name(), file.metadata())?;
        let network = &config.model;
        let told = |c: &jit::Config| (c.patch, c.noise_scale.to_bits(), c.text_width);
        if told(&info.config) != told(network) || info.text_tokens != config.text_tokens {
            return Err(TrainError::ConfigRange {
                field: "turbo.teacher",
                expected: format!(
                    "a model with the run's patch ({}), noise_scale ({}), text_width ({}) and text_tokens ({})",
                    network.patch, network.noise_scale, network.text_width, config.text_tokens
                ),
                found: info.name,
            });
        }
        let parameters = load(&file, &jit::parameters(&info.config))?;
        let side = config.resolution;
        let geometry =
            jit::Geometry { batch: 2 * TOGETHER, height: side, width: side, text_tokens: config.text_tokens };
        let mut graph = Graph::new();
        let outputs = jit::build(&mut graph, &info.config, geometry)?;
        graph.output("x_hat", outputs.prediction)?;
        for input in [outputs.text, outputs.text_lengths, outputs.text_pooled] {
            graph.hold(input)?;
        }
        let graph = Arc::new(graph::fuse::fuse(&graph));
        let packed = Arc::new(PackedParameters::new(cpu, &[&graph], &parameters, precision(cpu, config.precision))?);
        let mut executor = Executor::new(cpu, graph, packed)?;
        if info.config.step_length {
            executor.input_mut("step")?.fill(0.0);
        }
        let (low, high) = turbo.guidance_interval;
        let times = turbo.schedule.times(turbo.steps);
        Ok(Self {
            stops: stops(&times).expect("a checked configuration"),
            times,
            guidance: Guidance { scale: turbo.guidance, low, high },
            noise_scale: info.config.noise_scale,
            executor,
        })
    }

    /// Where the path of example `number` is looked at.
    fn looks(&self, seed: u64, number: u64) -> Looks {
        let mut u = [0.0f32; LOOKS];
        fill_uniform(flow::address(seed, number, Purpose::Augmentation), &mut u);
        let evaluations = self.times.len() - 1;
        u.map(|u| ((u * evaluations as f32) as usize).min(evaluations - 1))
    }

    /// From `noise` to pictures.
    fn develop(&mut self, noise: Vec<f32>, looks: &[Looks]) -> Result<Developed, TrainError> {
        let mut developed = Developed::default();
        let Developed { stops, states, predictions } = &mut developed;
        stops[0] = noise.clone();
        for list in states.iter_mut().chain(predictions.as_flattened_mut()) {
            *list = vec![0.0; noise.len()];
        }
        let Teacher { times, stops: visits, guidance, executor, .. } = self;
        let picture = noise.len() / looks.len();
        let mut evaluation = 0;
        sample(
            Sampler::DpmPp2M,
            NewNoise::NONE,
            times,
            noise,
            &mut |z, t| {
                for side in executor.input_mut("z")?.chunks_exact_mut(z.len()) {
                    side.copy_from_slice(z);
                }
                executor.input_mut("t")?.fill(t);
                executor.run()?;
                let (with, without) = executor.output("x_hat").split_at(z.len());
                for (path, places) in looks.iter().enumerate() {
                    let own = path * picture..(path + 1) * picture;
                    for (look, _) in places.iter().enumerate().filter(|(_, place)| **place == evaluation) {
                        states[look][own.clone()].copy_from_slice(&z[own.clone()]);
                        predictions[0][look][own.clone()].copy_from_slice(&with[own.clone()]);
                        predictions[1][look][own.clone()].copy_from_slice(&without[own.clone()]);
                    }
                }
                evaluation += 1;
                let mut prediction = with.to_vec();
                combine(guidance.scale_at(t), without, &mut prediction);
                Ok::<_, TrainError>(prediction)
            },
            &mut |_, _| {},
            &mut |step| {
                if let Some(stop) = visits.iter().position(|&visit| visit == step.done) {
                    stops[stop] = step.z.to_vec();
                }
                Ok(())
            },
        )?;
        Ok(developed)
    }
}

#[cfg(test)]
mod tests {
    use sampling::Schedule;

    use super::*;

    #[test]
    fn schedules_that_stop_where_few_steps_do() {
        assert_eq!(stops(&Schedule::Shifted(3.0).times(20)), Some([0, 10, 15, 18, 20]));
        assert_eq!(stops(&Schedule::Linear.times(8)), Some([0, 2, 4, 6, 8]));
        assert_eq!(stops(&Schedule::Linear.times(6)), None);
    }

    #[test]
    fn jumps_land_where_an_euler_step_takes_them() {
        for jump in JUMPS {
            let (from, to) = ([0.3f32, -1.2], [0.8f32, 0.1]);
            let mut x = [0.0; 2];
            target(jump, &from, &to, &mut x);
            let times = [time(jump.0), time(jump.1)];
            let landed = sample(
                Sampler::Euler,
                NewNoise::NONE,
                &times,
                from.to_vec(),
                &mut |_, _| Ok::<_, ()>(x.to_vec()),
                &mut |_, _| {},
                &mut |_| Ok(()),
            );
            for (landed, to) in landed.unwrap().iter().zip(to) {
                assert!((landed - to).abs() < 1e-5, "{jump:?}");
            }
        }
    }
}
