//! How fast this machine runs this model: measured once on the model itself, then kept in the user's
//! cache folder (`$XDG_CACHE_HOME/calotype` or `~/.cache/calotype`).
//!
//! A point is the seconds one evaluation takes a FLOP, by the number of image tokens in it (batch ·
//! patches): small products run below the machine's peak. Between points the seconds a FLOP are
//! interpolated over the logarithm of the tokens.

use std::path::PathBuf;
use std::time::Instant;

use graph::cost::Cost;
use models::jit::{self, Geometry};
use serde::{Deserialize, Serialize};

use crate::generate::build_graph;
use crate::{Engine, EngineError, Model, Options, Request};

/// Pictures a side (in pixels of 4 and 8 patches) and batches measured.
const POINTS: [(usize, usize); 6] = [(4, 1), (4, 2), (8, 1), (8, 2), (8, 4), (8, 8)];
/// Runs of a point; the median counts.
const RUNS: usize = 5;

/// Speed at one number of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Image tokens in one evaluation.
    pub tokens: f64,
    /// Seconds a FLOP.
    pub seconds_per_flop: f64,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// What the measurement belongs to; anything else is measured again.
    pub key: String,
    /// Speeds, by rising number of tokens.
    pub points: Vec<Point>,
    /// Seconds to load and pack model and text encoder.
    pub load_seconds: f64,
    /// Seconds to encode the texts.
    pub text_seconds: f64,
    /// Seconds to plan a graph.
    pub setup_seconds: f64,
    /// Largest memory of the process while loading, in bytes.
    pub load_peak_bytes: u64,
    /// Memory of the process after loading, in bytes.
    pub loaded_bytes: u64,
}

impl Rates {
    /// Seconds of one evaluation of `flops` FLOPs over `tokens` image tokens.
    pub fn seconds(&self, tokens: usize, flops: u64) -> f64 {
        interpolate(&self.points, tokens as f64) * flops as f64
    }
}

/// Linear in the logarithm of the tokens, constant outside the points.
fn interpolate(points: &[Point], tokens: f64) -> f64 {
    let after = points.partition_point(|point| point.tokens < tokens);
    let at = |index: usize| points[index.min(points.len() - 1)];
    let (left, right) = (at(after.saturating_sub(1)), at(after));
    let width = (right.tokens / left.tokens).ln();
    let share = if width > 0.0 { ((tokens / left.tokens).ln() / width).clamp(0.0, 1.0) } else { 0.0 };
    left.seconds_per_flop + share * (right.seconds_per_flop - left.seconds_per_flop)
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
        && !rates.points.is_empty()
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
    engine.text_tokens(&text)?;
    let begin = Instant::now();
    engine.text_tokens(&text)?;
    let text_seconds = begin.elapsed().as_secs_f64();
    let (load_peak_bytes, loaded_bytes) = process_memory();
    let patch = model.info.config.patch;
    let mut points = Vec::new();
    let mut setups = Vec::new();
    for (side, batch) in POINTS {
        let geometry = Geometry { batch, height: side * patch, width: side * patch, text_tokens: 10 };
        let flops = Cost::new(&build_graph(&model.info.config, geometry)?).flops;
        let (setup, seconds) = engine.time(geometry, RUNS)?;
        setups.push(setup);
        points.push(Point { tokens: (side * side * batch) as f64, seconds_per_flop: seconds / flops as f64 });
    }
    let setup_seconds = median(&mut setups);
    points.dedup_by(|b, a| {
        let same = a.tokens == b.tokens;
        if same {
            a.seconds_per_flop = 0.5 * (a.seconds_per_flop + b.seconds_per_flop);
        }
        same
    });
    Ok(Rates { key, points, load_seconds, text_seconds, setup_seconds, load_peak_bytes, loaded_bytes })
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
        "{} {} {isa} {threads} {} {} {processor}",
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
        let points = [(16.0, 4.0), (64.0, 2.0), (256.0, 1.0)]
            .map(|(tokens, seconds_per_flop)| Point { tokens, seconds_per_flop });
        for (tokens, expected) in [(1.0, 4.0), (16.0, 4.0), (32.0, 3.0), (64.0, 2.0), (128.0, 1.5), (1e6, 1.0)] {
            assert!((interpolate(&points, tokens) - expected).abs() <= 1e-12, "{tokens}");
        }
    }

    #[test]
    fn memory_is_known() {
        let (peak, now) = process_memory();
        assert!(peak >= now && now > 0);
    }
}
