//! How fast this machine runs this model: measured once on the model itself, then kept in the user's
//! cache folder (`$XDG_CACHE_HOME/calotype` or `~/.cache/calotype`).
//!
//! A point is the seconds that one step of a real job takes a FLOP of its evaluation. Small products run below the
//! machine's peak, and attention, which is slower, has a larger share in larger pictures: so there is a curve over the
//! image tokens of an evaluation (batch · patches) for each of some picture sizes. Between points and between curves the
//! seconds a FLOP are interpolated over the logarithm.

use std::path::PathBuf;
use std::time::Instant;

use graph::cost::Cost;
use models::jit::{self, Geometry, early};
use serde::{Deserialize, Serialize};

use crate::event::{CancelToken, Event};
use crate::finish::Finisher;
use crate::network;
use crate::steering::Sides;
use crate::{Engine, EngineError, MAX_SIDE, MIN_SIDE, Model, Options, Request, Size, built_in};

/// What is measured: a picture's side in patches, and the evaluation's batches. An even batch is a guided one. The largest
/// comes first, because a processor that idled takes a while to run at its speed.
const CURVES: [(u32, &[u32]); 5] =
    [(16, &[1, 2]), (8, &[1, 2, 8]), (4, &[1, 2, 8, 16]), (2, &[1, 2, 8]), (1, &[1, 2, 8])];
/// Steps of a measured job.
const STEPS: u32 = 8;
/// Higher whenever something else is measured than before, or it has become faster, so that what was kept is measured again.
const VERSION: u32 = 7;

/// Speed at one number of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Image tokens of one picture.
    pub patches: f64,
    /// Image tokens in one evaluation.
    pub tokens: f64,
    /// Seconds a FLOP.
    pub seconds_per_flop: f64,
    /// Seconds to plan a graph, and to touch its memory for the first time.
    pub setup_seconds: f64,
}

/// Speed of a finisher.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Finishing {
    /// Seconds a pixel of a prediction.
    pub seconds_per_pixel: f64,
    /// Seconds a pixel to plan the graph, and to touch its memory for the first time.
    pub setup_seconds_per_pixel: f64,
}

/// Speed of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Speed {
    /// By rising number of patches, then of tokens.
    pub points: Vec<Point>,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// What the measurement belongs to; anything else is measured again.
    pub key: String,
    /// Of the network.
    pub network: Speed,
    /// Of its early expert.
    pub early: Option<Speed>,
    /// Seconds to encode one pixel of a finished picture as PNG.
    pub png_seconds_per_pixel: f64,
    /// Seconds to finish one prediction, for each of its pixels, and those before the first one; 0 without a finisher.
    pub finishing: Finishing,
    /// Seconds to enlarge a picture and to encode it, for each pixel of four times the drawn size; 0 without an enlarger.
    pub enlarging_seconds_per_pixel: f64,
    /// Seconds to load and pack model and text encoder.
    pub load_seconds: f64,
    /// Seconds to encode the first texts.
    pub text_seconds: f64,
    /// Largest memory of the process while loading, in bytes.
    pub load_peak_bytes: u64,
    /// Memory of the process after loading, in bytes.
    pub loaded_bytes: u64,
}

impl Speed {
    /// Seconds of one evaluation of `flops` FLOPs over `batch` pictures of `patches` image tokens.
    pub fn seconds(&self, patches: usize, batch: usize, flops: u64) -> f64 {
        self.interpolated(patches, batch, |point| point.seconds_per_flop) * flops as f64
    }

    /// Seconds before the first evaluation over `batch` pictures of `patches` image tokens.
    pub fn setup_seconds(&self, patches: usize, batch: usize) -> f64 {
        self.interpolated(patches, batch, |point| point.setup_seconds)
    }

    fn interpolated(&self, patches: usize, batch: usize, value: impl Fn(&Point) -> f64) -> f64 {
        let (patches, tokens) = (patches as f64, (patches * batch) as f64);
        let curves = self.points.chunk_by(|a, b| a.patches == b.patches);
        let at_size: Vec<(f64, f64)> = curves
            .map(|curve| {
                let points: Vec<(f64, f64)> = curve.iter().map(|p| (p.tokens, value(p))).collect();
                (curve[0].patches, interpolate(&points, tokens))
            })
            .collect();
        interpolate(&at_size, patches)
    }
}

/// The value at `x` of a curve through `points`, which rise in x: linear in the logarithm of x, constant outside.
fn interpolate(points: &[(f64, f64)], x: f64) -> f64 {
    let after = points.partition_point(|point| point.0 < x);
    let at = |index: usize| points[index.min(points.len() - 1)];
    let (left, right) = (at(after.saturating_sub(1)), at(after));
    let width = (right.0 / left.0).ln();
    let share = if width > 0.0 { ((x / left.0).ln() / width).clamp(0.0, 1.0) } else { 0.0 };
    left.1 + share * (right.1 - left.1)
}

/// The kept measurement for this model and these options, or a new one.
pub fn load_or_measure(model: &Model, options: &Options, fresh: bool) -> Result<(Rates, bool), EngineError> {
    let key = key(model, options)?;
    let path = cache_path(&key);
    if !fresh
        && let Some(path) = &path
        && let Ok(text) = std::fs::read(path)
        && let Ok(rates) = serde_json::from_slice::<Rates>(&text)
        && rates.key == key
        && !rates.network.points.is_empty()
    {
        return Ok((rates, false));
    }
    let rates = measure(model, options, key)?;
    if let Some(path) = path
        && let Some(folder) = path.parent()
        && std::fs::create_dir_all(folder).is_ok()
        && let Ok(text) = serde_json::to_vec_pretty(&rates)
    {
        // A measurement that cannot be kept is made again next time.
        let _ = formats::atomic::write_bytes_atomic(&path, &text);
    }
    Ok((rates, true))
}

fn measure(model: &Model, options: &Options, key: String) -> Result<Rates, EngineError> {
    let begin = Instant::now();
    let mut engine = Engine::new(model, options)?;
    let load_seconds = begin.elapsed().as_secs_f64();
    let text = Request { prompt: "a red house on a green hill, flat illustration".into(), ..Request::default() };
    let seconds = || {
        let begin = Instant::now();
        engine.text_tokens(&text)?;
        Ok::<_, EngineError>(begin.elapsed().as_secs_f64())
    };
    // The first time plans.
    let (text_seconds, text_again) = (seconds()?, seconds()?);
    let (load_peak_bytes, loaded_bytes) = process_memory();
    let (finisher, early) = (engine.finisher.take(), engine.early.take());
    let mut png = Vec::new();
    let config = &model.info.config;
    let network = speed(&mut engine, config, &text, text_again, &mut png)?;
    let early = match (early, early::config(config)) {
        (Some(early), Some(config)) => {
            engine.network = early;
            Some(speed(&mut engine, &config, &text, text_again, &mut png)?)
        }
        _ => None,
    };
    let finishing = match finisher {
        Some(finisher) => finishing(finisher, model)?,
        None => Finishing::default(),
    };
    let png_seconds_per_pixel = median(&mut png);
    let enlarging_seconds_per_pixel = enlarging(&mut engine, &text)?;
    let rates = Rates {
        key,
        network,
        early,
        finishing,
        enlarging_seconds_per_pixel,
        load_seconds,
        text_seconds,
        png_seconds_per_pixel,
        load_peak_bytes,
        loaded_bytes,
    };
    Ok(rates)
}

/// Measures the engine's network, which is that of `config`, and nothing else; `text_seconds` is what the text takes.
fn speed(
    engine: &mut Engine,
    config: &jit::Config,
    text: &Request,
    text_seconds: f64,
    png: &mut Vec<f64>,
) -> Result<Speed, EngineError> {
    let patch = config.patch as u32;
    let mut points = Vec::new();
    for (side, batches) in CURVES.into_iter().filter(|(side, _)| (MIN_SIDE..=MAX_SIDE).contains(&(side * patch))) {
        for &batch in batches {
            let guided = batch % 2 == 0;
            let request = Request {
                steps: STEPS,
                count: if guided { batch / 2 } else { batch },
                guidance: if guided { 2.0 } else { 1.0 },
                guidance_interval: (0.0, 1.0),
                skip_guidance: 0.0,
                size: Some(Size::square(side * patch)),
                enlarge: Some(1),
                // One evaluation a step.
                shifts: Some(1),
                ..text.clone()
            };
            // Planning and first touch of memory, then the job as it runs from then on.
            let first = job_seconds(engine, &request, png)?;
            let again = [(); 3].map(|()| job_seconds(engine, &request, png));
            let mut again = again.into_iter().collect::<Result<Vec<f64>, _>>()?;
            let seconds = median(&mut again);
            let side = side as usize;
            let pixels = side * patch as usize;
            let geometry = Geometry { batch: batch as usize, height: pixels, width: pixels, text_tokens: 10 };
            let flops = Cost::new(&network::graph(config, geometry, Sides::One)?, engine.precision()).flops as f64;
            let patches = (side * side) as f64;
            points.push(Point {
                patches,
                tokens: patches * f64::from(batch),
                seconds_per_flop: (seconds - text_seconds).max(0.0) / f64::from(STEPS) / flops,
                setup_seconds: (first - seconds).max(0.0),
            });
        }
    }
    points.sort_by(|a, b| a.tokens.total_cmp(&b.tokens));
    points.sort_by(|a, b| a.patches.total_cmp(&b.patches));
    Ok(Speed { points })
}

/// Corrects a few predictions of the size that the model draws.
fn finishing(mut finisher: Finisher, model: &Model) -> Result<Finishing, EngineError> {
    let size = Size::square(model.info.image_size);
    let (side, pixels) = (size.width as usize, size.pixels());
    let jit::Config { channels, width, patch, .. } = model.info.config;
    let (z, condition) = (vec![0.0; channels * pixels], vec![0.0; width]);
    let tokens = vec![0.0; width * pixels / (patch * patch)];
    let mut samples = Vec::new();
    for _ in 0..6 {
        let begin = Instant::now();
        finisher.correction([1, side, side], &z, |name| match name {
            "tokens" => &tokens,
            "condition" => &condition,
            _ => &z,
        })?;
        samples.push(begin.elapsed().as_secs_f64());
    }
    let first = samples.remove(0);
    let seconds = median(&mut samples);
    let pixels = pixels as f64;
    Ok(Finishing { seconds_per_pixel: seconds / pixels, setup_seconds_per_pixel: (first - seconds).max(0.0) / pixels })
}

/// Seconds for each pixel of a picture four times as large as the model draws, beyond drawing it.
fn enlarging(engine: &mut Engine, text: &Request) -> Result<f64, EngineError> {
    if built_in::enlarger().is_none() {
        return Ok(0.0);
    }
    let mut seconds = |enlarge| {
        let request = Request { steps: 1, enlarge: Some(enlarge), ..text.clone() };
        let mut pixels = 0;
        let mut samples = Vec::new();
        // The first one plans.
        for _ in 0..4 {
            let begin = Instant::now();
            let images = engine.generate(&request, &mut |_| {}, &CancelToken::new())?;
            if enlarge > 1 {
                std::hint::black_box(images[0].png().is_ok());
            }
            samples.push(begin.elapsed().as_secs_f64());
            pixels = images[0].size.width * images[0].size.height;
        }
        Ok::<_, EngineError>((median(&mut samples[1..]), f64::from(pixels)))
    };
    let (small, _) = seconds(1)?;
    let (large, pixels) = seconds(4)?;
    Ok((large - small).max(0.0) / pixels)
}

/// Seconds of drawing a request, without the encoding of its pictures, whose seconds a pixel join `png`.
fn job_seconds(engine: &mut Engine, request: &Request, png: &mut Vec<f64>) -> Result<f64, EngineError> {
    let begin = Instant::now();
    let mut encoding = 0.0;
    let mut encode = |event: Event<'_>| {
        if let Event::Image { image, .. } = event {
            let begin = Instant::now();
            std::hint::black_box(image.png().is_ok());
            let seconds = begin.elapsed().as_secs_f64();
            encoding += seconds;
            png.push(seconds / f64::from(image.size.width * image.size.height));
        }
    };
    engine.generate(request, &mut encode, &CancelToken::new())?;
    Ok(begin.elapsed().as_secs_f64() - encoding)
}

/// The middle of some measurements.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// Everything a measurement depends on.
fn key(model: &Model, options: &Options) -> Result<String, EngineError> {
    let (isa, threads, precision) = options.choose()?;
    let processor = std::fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| text.lines().find(|line| line.starts_with("model name")).map(str::to_owned))
        .unwrap_or_default();
    Ok(format!(
        "{} {VERSION} {} {isa} {threads} {} {} {processor}",
        env!("CARGO_PKG_VERSION"),
        jit::FAMILY,
        crate::precision_name(precision),
        model.sha256
    ))
}

fn cache_path(key: &str) -> Option<PathBuf> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let folder = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    let name = &formats::digest::sha256_bytes(key.as_bytes())[..16];
    Some(folder.join("calotype").join(format!("rates-{name}.json")))
}

/// Peak and present memory of this process in bytes; zero where the system does not tell.
pub fn process_memory() -> (u64, u64) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok())
            .map_or(0, |kib| kib * 1024)
    };
    (field("VmHWM:"), field("VmRSS:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpolation_is_linear_in_the_logarithm() {
        let points = [(16.0, 4.0), (64.0, 2.0), (256.0, 1.0)];
        for (tokens, expected) in [(1.0, 4.0), (16.0, 4.0), (32.0, 3.0), (64.0, 2.0), (128.0, 1.5), (1e6, 1.0)] {
            assert!((interpolate(&points, tokens) - expected).abs() <= 1e-12, "{tokens}");
        }
    }

    #[test]
    fn sizes_have_curves_of_their_own() {
        let point = |patches, tokens, seconds_per_flop| Point {
            patches,
            tokens,
            seconds_per_flop,
            setup_seconds: 2.0 * seconds_per_flop,
        };
        let points = vec![point(16.0, 16.0, 4.0), point(16.0, 64.0, 2.0), point(64.0, 64.0, 6.0)];
        let speed = Speed { points };
        for (patches, batch, expected) in [(16, 1, 4.0), (16, 2, 3.0), (16, 9, 2.0), (64, 3, 6.0), (32, 2, 4.0)] {
            assert!((speed.seconds(patches, batch, 1) - expected).abs() <= 1e-12, "{patches} {batch}");
            assert!((speed.setup_seconds(patches, batch) - 2.0 * expected).abs() <= 1e-12, "{patches} {batch}");
        }
    }

    #[test]
    fn memory_is_known() {
        let (peak, now) = process_memory();
        assert!(peak >= now && now > 0);
    }
}
