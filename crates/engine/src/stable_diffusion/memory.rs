//! What a request needs of memory, from shapes alone, and whether it is there.

use graph::Precision;
use graph::cost::Cost;
use models::unet;
use text::clip;

use super::architecture::TextModel;
use super::load::MAPPED;
use super::networks::{Half, Networks, unet_graph, vae_graph};
use super::request::flow_time;
use super::tiling::spans;
use super::{Architecture, Request, Tile, prompt};
use crate::{EngineError, Size};
use sampling::{DiscreteSigmas, Prediction};

/// The program itself, its threads and what allocators keep, in bytes.
const PROGRAM: u64 = 60 << 20;

/// One network of a job.
#[derive(Debug, Clone)]
pub(super) struct Part {
    /// Price of one run.
    pub(super) cost: Cost,
    /// Runs in the whole job.
    pub(super) runs: usize,
}

/// What a request takes.
#[derive(Debug, Clone)]
pub(super) struct Work {
    pub(super) size: Size,
    /// Evaluations of the U-Net.
    pub(super) evaluations: usize,
    /// Text encoders, in their order.
    pub(super) text: Vec<Part>,
    /// U-Net with guidance and without, as far as they run.
    pub(super) unet: Vec<Part>,
    pub(super) encoder: Option<Part>,
    pub(super) decoder: Part,
    /// Bytes of the U-Net's largest parameter as f32.
    largest: u64,
}

impl Work {
    /// Peak memory of the process in bytes: networks come one after the other, and the U-Net stays.
    pub(super) fn peak(&self) -> u64 {
        let picture = 64 * u64::from(self.size.width) * u64::from(self.size.height);
        let text = self.text.iter().map(|part| 2 * part.cost.packed_bytes + part.cost.arena_bytes).max().unwrap_or(0);
        let encoder = self.encoder.as_ref();
        let kept = encoder.map_or(0, |part| part.cost.packed_bytes);
        let encode = encoder.map_or(0, |part| part.cost.packed_bytes + part.cost.arena_bytes);
        let unet = kept + self.unet.iter().map(|part| part.cost.packed_bytes).max().unwrap_or(0);
        // While weights are packed, part of the file is mapped and two tensors are there as f32.
        let load = unet + MAPPED as u64 + 2 * self.largest;
        let step = unet + self.unet.iter().map(|part| part.cost.arena_bytes).max().unwrap_or(0);
        let decode = unet + self.decoder.cost.packed_bytes + self.decoder.cost.arena_bytes;
        PROGRAM + picture + [text, encode, load, step, decode].into_iter().max().unwrap_or(0)
    }

    /// All runs of all networks.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Part> {
        self.text.iter().chain(&self.unet).chain(&self.encoder).chain([&self.decoder])
    }
}

/// What a request takes of a model.
pub(super) fn work(model: &Architecture, precision: Precision, request: &Request) -> Result<Work, EngineError> {
    let size = request.size_for(model)?;
    let count = request.count as usize;

    let mut parts = Vec::new();
    let sides = prompt::tokenise(model, request)?;
    let chunks = sides.first().map_or(1, |sides| sides[0].len());
    for (index, encoder) in model.text.iter().enumerate() {
        let graph = text_graph(encoder, prompt::reading(model, index, request)?, chunks)?;
        parts.push(Part { cost: Cost::new(&graph, precision), runs: 2 });
    }

    let prediction = request.prediction.unwrap_or(model.prediction);
    let levels = request.levels(&DiscreteSigmas::new(&model.betas)?, prediction)?;
    let evaluated = match prediction {
        Prediction::Flow => super::request::flow_sampler(request.sampler)?.evaluation_times(&levels),
        _ => request.sampler.evaluation_sigmas(&levels),
    };
    let guidance = request.guidance();
    let has_sides = |level: f32| guidance.is_guided(flow_time(prediction, level)) && !model.knows_guidance();
    let guided = evaluated.iter().filter(|level| has_sides(**level)).count();
    let factor = model.vae.factor();
    let (height, width) = (size.height as usize / factor, size.width as usize / factor);
    let specs = unet::parameters(&model.unet)?;
    let largest = specs.iter().map(|spec| 4 * spec.len() as u64).max().unwrap_or(0);
    let mut unet = Vec::new();
    for (batch, runs) in [(2, guided), (1, evaluated.len() - guided)].into_iter().filter(|(_, runs)| *runs > 0) {
        let context_tokens = chunks * clip::TOKENS;
        let graph = unet_graph(&model.unet, unet::Geometry { batch, height, width, context_tokens })?;
        unet.push(Part { cost: Cost::new(&graph, precision), runs: runs * count });
    }

    let tile = request.tile.side(size).map_or(usize::MAX, |side| (side as usize / factor).max(1));
    let (rows, columns) = (spans(height, tile), spans(width, tile));
    let half = |half| -> Result<Part, EngineError> {
        let graph = vae_graph(&model.vae, half, rows[0].len * factor, columns[0].len * factor)?;
        Ok(Part { cost: Cost::new(&graph, precision), runs: rows.len() * columns.len() })
    };
    let encodings = usize::from(request.start.is_some()) + usize::from(model.is_inpainting());
    let encoder = match encodings {
        0 => None,
        n => half(Half::Encoder).map(|part| Some(Part { runs: n * part.runs, ..part }))?,
    };
    let decoder = half(Half::Decoder)?;
    let decoder = Part { runs: decoder.runs * count, ..decoder };
    Ok(Work { size, evaluations: evaluated.len() * count, text: parts, unet, encoder, decoder, largest })
}

fn text_graph(model: &TextModel, reading: clip::Reading, chunks: usize) -> Result<graph::Graph, EngineError> {
    let mut graph = graph::Graph::new();
    clip::build(&mut graph, &model.config, reading, chunks)?;
    Ok(graph::fuse::fuse(&graph))
}

/// Changes to a request that need less memory: the option to give, and the peak with it.
pub(super) fn cheaper(
    model: &Architecture,
    precision: Precision,
    has_bf16: bool,
    request: &Request,
    peak: u64,
) -> Result<Vec<(String, u64)>, EngineError> {
    let mut found = Vec::new();
    let mut add = |option: String, precision, changed: &Request| -> Result<(), EngineError> {
        let less = work(model, precision, changed)?.peak();
        if less < peak {
            found.push((option, less));
        }
        Ok(())
    };
    let tiled = Request { tile: Tile::Side(256), ..request.clone() };
    add("--tile 256".into(), precision, &tiled)?;
    if precision == Precision::F32 && has_bf16 {
        add("--precision bf16".into(), Precision::Bf16, request)?;
        add("--precision bf16 --tile 256".into(), Precision::Bf16, &tiled)?;
    }
    let size = request.size_for(model)?;
    let half = |side: u32| (side / 2).next_multiple_of(model.multiple());
    let half = Size { width: half(size.width), height: half(size.height) };
    if half != size {
        add(format!("--size {half}"), precision, &Request { size: Some(half), ..request.clone() })?;
    }
    Ok(found)
}

/// Refuses a request that this machine has no memory for, with what would fit. Where the system does not tell, all goes.
pub(super) fn check(networks: &Networks, request: &Request) -> Result<(), EngineError> {
    let model = &networks.checkpoint.architecture;
    let peak = work(model, networks.precision, request)?.peak();
    let Some(available) = available() else { return Ok(()) };
    let present = crate::process_memory().1;
    if peak.saturating_sub(present) <= available {
        return Ok(());
    }
    let has_bf16 = networks.cpu.isa >= simd::Isa::Avx512Bf16;
    let options = cheaper(model, networks.precision, has_bf16, request, peak)?;
    let fitting: Vec<String> = options
        .iter()
        .filter(|(_, less)| less.saturating_sub(present) <= available)
        .map(|(option, less)| format!("{option} ({} MB)", less / 1_000_000))
        .collect();
    Err(EngineError::Memory {
        needed: peak / 1_000_000,
        available: (available + present) / 1_000_000,
        fitting: fitting.join(", "),
    })
}

/// Bytes that a process can still take: what the system says, less if its control group allows less.
pub(super) fn available() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let system = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024;
    let number = |path: &str| std::fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let group = number("/sys/fs/cgroup/memory.max")
        .zip(number("/sys/fs/cgroup/memory.current"))
        .map(|(most, now)| most.saturating_sub(now));
    Some(group.map_or(system, |group| group.min(system)))
}

#[cfg(test)]
mod tests {
    use models::unet::{Config, Family};

    use super::*;

    /// SD 1.5 at 512 × 512 in bf16: the model's weights and less than 700 MB.
    #[test]
    fn a_picture_of_sd1_needs_little_beside_its_weights() {
        let model = Architecture::published(Family::Sd1, Config::SD1);
        let work = work(&model, Precision::Bf16, &Request::default()).unwrap();
        let weights = |part: &Part| part.cost.packed_bytes;
        let weights = weights(&work.text[0]) + weights(&work.unet[0]) + 2 * weights(&work.decoder);
        println!(
            "peak {} MB, weights {} MB, step {} MB, decode {} MB",
            work.peak() / 1_000_000,
            weights / 1_000_000,
            work.unet[0].cost.arena_bytes / 1_000_000,
            work.decoder.cost.arena_bytes / 1_000_000
        );
        assert!(work.peak() - weights < 700_000_000);
        assert_eq!((work.evaluations, work.text[0].runs), (25, 2));
        assert!(work.unet[0].cost.flops as f64 * 25.0 > 2e13);
    }

    #[test]
    fn tiles_and_bf16_are_cheaper() {
        let model = Architecture::published(Family::Sdxl, Config::SDXL);
        let request = Request { size: Some(Size::square(2048)), tile: Tile::Off, ..Request::default() };
        let peak = work(&model, Precision::F32, &request).unwrap().peak();
        let options = cheaper(&model, Precision::F32, true, &request, peak).unwrap();
        let names: Vec<&str> = options.iter().map(|(option, _)| option.as_str()).collect();
        assert_eq!(names, ["--tile 256", "--precision bf16", "--precision bf16 --tile 256", "--size 1024x1024"]);
        assert!(options.iter().all(|(_, less)| *less < peak));
    }
}
