//! What a job will take, before it runs: seconds, peak memory, FLOPs, cost.

use graph::Precision;
use graph::cost::Cost;
use models::jit::{self, Geometry, early};
use sampling::Sampler;
use serde::Serialize;

use crate::enlarge::{self, Enlarger};
use crate::finish;
use crate::generate::pictures_together;
use crate::network;
use crate::rates::{self, Rates};
use crate::request::Frame;
use crate::shifts::{self, Canvas};
use crate::steering::Sides;
use crate::{EngineError, Model, Options, Request, Size, built_in, precision_name};

/// A prediction.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Seconds of drawing, from the first event to the last.
    pub seconds: f64,
    /// Seconds of loading before that.
    pub load_seconds: f64,
    /// Peak memory of the process in bytes.
    pub peak_memory_bytes: u64,
    /// Floating-point operations of the network.
    pub flops: f64,
    /// Evaluations of the network.
    pub evaluations: usize,
    /// Pictures.
    pub images: u32,
    /// Picture size.
    pub size: Size,
    /// Loading and drawing at the given price an hour.
    pub cost: f64,
    /// The given price an hour.
    pub price_per_hour: f64,
    /// Instruction set.
    pub isa: String,
    /// Precision of matrix products.
    pub precision: &'static str,
    /// Threads.
    pub threads: usize,
    /// Whether the machine was measured just now.
    pub measured_now: bool,
}

/// What scaling to a picture of another size takes for each of its pixels (AMD EPYC, Zen 5).
const FIT_SECONDS_PER_PIXEL: f64 = 6e-8;
/// Scaled pixels are smooth: writing them takes this part of the time that others take.
const SMOOTH_PNG: f64 = 0.6;

/// Predicts a request. Measures the machine first if it was not measured with this model before, or
/// if `fresh`.
pub fn plan(
    request: &Request,
    model: &Model,
    options: &Options,
    price_per_hour: f64,
    fresh: bool,
) -> Result<Plan, EngineError> {
    request.validate()?;
    if !(0.0..=1e9).contains(&price_per_hour) {
        return Err(EngineError::field("price", format!("{price_per_hour} is not in 0..=1000000000")));
    }
    let frame = request.frame(model.info.config.patch, model.info.image_size)?;
    let (isa, threads, precision) = options.choose()?;
    let tokens = text_tokens(request, model)?;
    let (rates, measured_now) = rates::load_or_measure(model, options, fresh)?;
    let job = price(request, model, frame, tokens, precision, &rates)?;
    let load_seconds = model.open_seconds + rates.load_seconds;
    Ok(Plan {
        seconds: job.seconds,
        load_seconds,
        peak_memory_bytes: rates.load_peak_bytes.max(rates.loaded_bytes + job.bytes),
        flops: job.flops,
        evaluations: job.evaluations,
        images: request.count,
        size: frame.size,
        cost: (job.seconds + load_seconds) / 3600.0 * price_per_hour,
        price_per_hour,
        isa: isa.to_string(),
        precision: precision_name(precision),
        threads,
        measured_now,
    })
}

/// Tokens of the longer of prompt and negative prompt.
fn text_tokens(request: &Request, model: &Model) -> Result<usize, EngineError> {
    let files = built_in::text_encoder().ok_or(EngineError::NoTextEncoder)?;
    let tokenizer = text::Tokenizer::new(files.tokenizer)?;
    let mut longest = 2;
    for text in [&request.prompt, &request.negative] {
        longest = longest.max(tokenizer.encode(text, model.info.text_tokens)?.len());
    }
    Ok(longest)
}

struct Job {
    seconds: f64,
    flops: f64,
    evaluations: usize,
    bytes: u64,
}

/// The largest sum of `most` neighbours, or of all if they are fewer.
fn most_at_once(bytes: &[u64], most: usize) -> u64 {
    bytes.windows(most.min(bytes.len()).max(1)).map(|window| window.iter().sum()).max().unwrap_or(0)
}

/// Adds up every evaluation that the pipeline will make.
fn price(
    request: &Request,
    model: &Model,
    frame: Frame,
    tokens: usize,
    precision: Precision,
    rates: &Rates,
) -> Result<Job, EngineError> {
    let size = frame.drawn;
    let config = &model.info.config;
    let together = pictures_together(config, size, request.count);
    let turbo = request.is_turbo(&model.info)?;
    let times = request.times(turbo);
    let steering = request.steering(turbo);
    let sampler = if turbo { Sampler::Euler } else { request.sampler };
    let evaluations = sampler.evaluation_times(&times);
    let is_finished = |t: f32| !turbo && finish::applies(config, t);
    let is_early = |t: f32| !turbo && network::is_early(config, t);
    // Runs of a network with these sides, and how many of them are finished.
    let runs = |early: bool, sides_wanted| {
        let alike = evaluations.iter().filter(|t| steering.sides(**t) == sides_wanted && is_early(**t) == early);
        (alike.clone().count(), alike.filter(|t| is_finished(**t)).count())
    };
    let expert = early::config(config);
    let networks = [(config, &rates.network)].into_iter().chain(expert.as_ref().zip(rates.early.as_ref()));
    let shifts = request.shifts_of(&model.info);
    // The last prediction is also made at other places, with the sides that it has anyway.
    let moved = evaluations.iter().filter(|t| shifts::apply(&times, **t)).count() * (shifts as usize - 1);
    let last = evaluations.last().copied().unwrap_or(0.0);
    let moved_finished = if is_finished(last) { moved } else { 0 };
    let canvas = Canvas::new(config, size).size;
    let count = request.count as usize;
    let pixels = u64::from(size.width * size.height);
    let mut job = Job { seconds: rates.text_seconds, flops: 0.0, evaluations: 0, bytes: 0 };
    // Memory of the graphs of network, early expert and finisher, in the order in which they are planned.
    let mut arenas = [const { Vec::new() }; 3];
    // Full groups, then the smaller last one.
    let rest = count % together;
    for (groups, group) in [(count / together, together), (rest.min(1), rest)] {
        let usual = networks.clone().enumerate().flat_map(|(early, network)| {
            Sides::ALL.map(|sides| (early, network, sides, size, runs(early == 1, sides)))
        });
        let moved = (0, (config, &rates.network), steering.sides(last), canvas, (moved, moved_finished));
        for (early, (network, speed), sides, size, (evaluations, finished)) in usual.chain([moved]) {
            if groups == 0 || evaluations == 0 {
                continue;
            }
            let geometry = Geometry {
                batch: sides.count() * group,
                height: size.height as usize,
                width: size.width as usize,
                text_tokens: tokens,
            };
            let cost = Cost::new(&network::graph(network, geometry, sides)?, precision);
            let patches = (geometry.width / config.patch) * (geometry.height / config.patch);
            let runs = groups * evaluations;
            job.seconds += speed.setup_seconds(patches, geometry.batch);
            job.seconds += runs as f64 * speed.seconds(patches, geometry.batch, cost.flops);
            job.flops += runs as f64 * cost.flops as f64;
            job.evaluations += runs;
            arenas[early].push(cost.arena_bytes);
            if finished > 0 {
                let cost = Cost::new(
                    &jit::finish::graph(config, [geometry.batch, geometry.height, geometry.width])?,
                    precision,
                );
                let (runs, pixels) = (groups * finished, (geometry.batch * size.pixels()) as f64);
                job.seconds += pixels * rates.finishing.setup_seconds_per_pixel;
                job.seconds += runs as f64 * pixels * rates.finishing.seconds_per_pixel;
                job.flops += runs as f64 * cost.flops as f64;
                arenas[2].push(cost.arena_bytes);
            }
        }
    }
    for (arenas, most) in arenas.iter().zip([network::KEPT_EXECUTORS, network::KEPT_EXECUTORS, finish::KEPT_EXECUTORS])
    {
        job.bytes += most_at_once(arenas, most);
    }
    // State, predictions and a copy of each, in f32 [H, W, 4].
    job.bytes += 5 * 16 * pixels * together as u64;
    if frame.enlarge > 1 {
        let large = Enlarger::enlarged(size).pixels();
        let cost = Cost::new(&enlarge::build_graph(&Enlarger::built_in_config()?, size)?, precision);
        // The rate was measured with the writing of what is enlarged.
        let enlarging = (rates.enlarging_seconds_per_pixel - rates.png_seconds_per_pixel).max(0.0);
        job.seconds += enlarging * large as f64 * count as f64;
        job.flops += count as f64 * cost.flops as f64;
        job.evaluations += count;
        // The graph's memory and its picture in f32.
        job.bytes += cost.arena_bytes + 2 * 16 * large as u64;
    }
    let place = frame.place().2.pixels();
    let mut writing = rates.png_seconds_per_pixel;
    if frame.is_contained() {
        writing = SMOOTH_PNG * writing + FIT_SECONDS_PER_PIXEL;
        job.bytes += 16 * place as u64;
    }
    job.seconds += writing * place as f64 * count as f64;
    job.bytes += 4 * (frame.size.pixels() * count) as u64;
    Ok(job)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn graphs_that_are_no_longer_kept_take_no_memory() {
        assert_eq!(most_at_once(&[], 3), 0);
        assert_eq!(most_at_once(&[5, 7], 3), 12);
        assert_eq!(most_at_once(&[1, 9, 2, 8, 3], 3), 19);
    }
}
