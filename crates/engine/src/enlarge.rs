//! Enlarging: a small picture as the network drew it, four times as wide and high.

use std::ops::Range;
use std::sync::Arc;

use formats::picture::{MAX_AREA, MAX_SIDE};
use formats::safetensors::File;
use graph::{Executor, Graph, PackedParameters, Parameters, Precision};
use kernels::Cpu;
use models::enlarger::{self, Config, FACTOR};
use models::weights::{Report, match_keys};

use crate::{EngineError, Size, built_in, pixels};

/// A loaded enlarger.
pub struct Enlarger {
    cpu: Cpu,
    config: Config,
    packed: Arc<PackedParameters>,
    /// For the last size.
    planned: Option<(Size, Executor)>,
}

/// Longest side of the tiles of [`Enlarger::enlarge_pixels`] without their margins.
const TILE: u32 = 128;

/// How far beyond what is seen an edge may be drawn, in pixels of the small picture.
const EDGE: u32 = 4;

/// The graph for one picture of `size`: `x [1, H, W, 4]` to `y [1, 4H, 4W, 4]`.
pub(crate) fn build_graph(config: &Config, size: Size) -> Result<Graph, EngineError> {
    let mut graph = Graph::new();
    let x = graph.input("x", &[1, size.height as usize, size.width as usize, enlarger::CHANNELS])?;
    let y = enlarger::build(&mut graph, config, x)?;
    graph.output("y", y)?;
    Ok(graph::fuse::fuse(&graph))
}

/// What an enlarger's file says about itself, and how its tensors fit.
pub fn inspect(file: &File) -> Result<(Config, Report), EngineError> {
    let wrong = |key, problem: String| EngineError::Metadata { file: file.name().to_owned(), key, problem };
    let text = |key: &'static str| file.metadata().get(key).ok_or_else(|| wrong(key, "is missing".into()));
    let family = text("family")?;
    if family != enlarger::FAMILY {
        let shown: String = family.chars().take(40).collect();
        return Err(wrong("family", format!("is '{shown}', an enlarger's is '{}'", enlarger::FAMILY)));
    }
    let config: Config =
        serde_json::from_str(text("config")?).map_err(|error| wrong("config", format!("is wrong: {error}")))?;
    config.validate().map_err(|error| wrong("config", format!("is wrong: {error}")))?;
    let mut found = Vec::new();
    for name in file.value_names() {
        found.push((name, file.shape(name)?));
    }
    let report = match_keys(&enlarger::parameters(&config), found);
    Ok((config, report))
}

impl Enlarger {
    /// The one built in, and its SHA-256.
    pub fn built_in(cpu: &Cpu, precision: Precision) -> Result<(Self, String), EngineError> {
        let bytes = built_in::enlarger().ok_or(EngineError::NoEnlarger)?;
        let file = File::from_static("built-in enlarger", bytes)?;
        Ok((Self::open(cpu, precision, &file)?, file.sha256()))
    }

    /// Sizes of the one built in.
    pub fn built_in_config() -> Result<Config, EngineError> {
        let bytes = built_in::enlarger().ok_or(EngineError::NoEnlarger)?;
        Ok(inspect(&File::from_static("built-in enlarger", bytes)?)?.0)
    }

    /// Takes a model file of the family `enlarger`; strict: every parameter must be there, and nothing else.
    pub fn open(cpu: &Cpu, precision: Precision, file: &File) -> Result<Self, EngineError> {
        let (config, report) = inspect(file)?;
        if !report.is_complete() {
            return Err(EngineError::Weights { file: file.name().to_owned(), report: Box::new(report) });
        }
        let mut parameters = Parameters::new();
        for spec in enlarger::parameters(&config) {
            let values = file.to_f32(&spec.name)?;
            if !values.iter().all(|value| value.is_finite()) {
                return Err(EngineError::NotFinite { file: file.name().to_owned(), name: spec.name });
            }
            parameters.insert(&spec.name, &spec.shape, values)?;
        }
        let graph = build_graph(&config, Size { width: 8, height: 8 })?;
        let packed = Arc::new(PackedParameters::new(cpu, &[&graph], &parameters, precision)?);
        Ok(Self { cpu: cpu.clone(), config, packed, planned: None })
    }

    /// `values` premultiplied RGBA in about [-1, 1], `[H, W, 4]`, of a picture of `size`; gives the same of one four times as
    /// wide and high.
    pub fn enlarge(&mut self, size: Size, values: &[f32]) -> Result<Vec<f32>, EngineError> {
        let executor = self.planned(size)?;
        for (x, value) in executor.input_mut("x")?.iter_mut().zip(values) {
            *x = (0.5 * value + 0.5).clamp(0.0, 1.0);
        }
        executor.run()?;
        Ok(executor.output("y").iter().map(|y| 2.0 * y - 1.0).collect())
    }

    /// Any picture of `size`, straight RGBA8, `times` (2 or 4) as wide and high. It is enlarged in tiles that overlap as far as the
    /// network sees, so that it looks as in one piece and memory does not grow with it; nothing stays nothing.
    ///
    /// # Errors
    /// Another `times`, or a result of more than 40 million pixels or a longer side than 8192.
    pub fn enlarge_pixels(&mut self, size: Size, times: u32, pixels: &[u8]) -> Result<Vec<u8>, EngineError> {
        if ![2, 4].contains(&times) {
            return Err(EngineError::field("times", format!("{times} is not 2 or 4")));
        }
        let [width, height] = [size.width, size.height].map(|side| u64::from(side) * u64::from(times));
        if width.max(height) > u64::from(MAX_SIDE) || width * height > MAX_AREA || width * height == 0 {
            let most = format!("sides are at most {MAX_SIDE}, the area at most {MAX_AREA}");
            return Err(EngineError::field("times", format!("gives {width}x{height} pixels; {most}")));
        }
        let values = formats::picture::premultiply(pixels);
        let margin = self.config.reach() as u32;
        let (factor, row) = (times as usize, 4 * size.width as usize);
        let mut large = vec![0; factor * factor * pixels.len()];
        let Some([across, down]) = seen(size, pixels) else { return Ok(large) };
        let (columns, rows) = (tiles(across, size.width, margin), tiles(down, size.height, margin));
        let tile = Size { width: columns[0].input, height: rows[0].input };
        let (read, written) = (4 * tile.width as usize, 4 * factor * tile.width as usize);
        let mut part = vec![0.0; read * tile.height as usize];
        for across in &rows {
            for along in &columns {
                for (y, part) in part.chunks_exact_mut(read).enumerate() {
                    let begin = (across.begin as usize + y) * row + 4 * along.begin as usize;
                    part.copy_from_slice(&values[begin..][..read]);
                }
                let made = self.enlarge(tile, &part)?;
                let made = if times == 2 { pixels::halve(Self::enlarged(tile), &made) } else { made };
                let made = pixels::to_pixels(&made);
                let length = 4 * factor * (along.end - along.start) as usize;
                for y in factor * across.start as usize..factor * across.end as usize {
                    let from = (y - factor * across.begin as usize) * written;
                    let from = from + 4 * factor * (along.start - along.begin) as usize;
                    let to = factor * (y * row + 4 * along.start as usize);
                    large[to..][..length].copy_from_slice(&made[from..][..length]);
                }
            }
        }
        Ok(large)
    }

    /// What runs the network on a picture of `size`.
    fn planned(&mut self, size: Size) -> Result<&mut Executor, EngineError> {
        if self.planned.as_ref().is_none_or(|(planned, _)| *planned != size) {
            let graph = build_graph(&self.config, size)?;
            self.planned = Some((size, Executor::new(&self.cpu, Arc::new(graph), self.packed.clone())?));
        }
        Ok(&mut self.planned.as_mut().expect("planned above").1)
    }

    /// The size that [`enlarge`](Self::enlarge) gives.
    pub fn enlarged(size: Size) -> Size {
        Size { width: FACTOR as u32 * size.width, height: FACTOR as u32 * size.height }
    }
}

/// Where a tile lies along one side, in pixels: it is read from `begin` on, `input` of them, and gives `start..end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Along {
    begin: u32,
    input: u32,
    start: u32,
    end: u32,
}

/// Columns and rows of a picture, straight RGBA8, between which something can be seen or its edge may be drawn; none when nothing can.
fn seen(size: Size, pixels: &[u8]) -> Option<[Range<u32>; 2]> {
    let (mut across, mut down) = (size.width..0, size.height..0);
    for (y, row) in (0..).zip(pixels.chunks_exact(4 * size.width as usize)) {
        let mut shown = (0..).zip(row.as_chunks::<4>().0).filter(|(_, pixel)| pixel[3] > 0).map(|(x, _)| x);
        let Some(first) = shown.next() else { continue };
        across = across.start.min(first)..across.end.max(shown.last().unwrap_or(first) + 1);
        down = down.start.min(y)..y + 1;
    }
    let wider = |part: Range<u32>, side: u32| part.start.saturating_sub(EDGE)..(part.end + EDGE).min(side);
    (!down.is_empty()).then(|| [wider(across, size.width), wider(down, size.height)])
}

/// Tiles along a part of a side. All are read at the same size, so that the network is planned once; the outer ones end where the
/// picture does. Sizes are even where they can be, as convolutions go by twos.
fn tiles(part: Range<u32>, side: u32, margin: u32) -> Vec<Along> {
    let start = part.start / 2 * 2;
    let length = part.end - start;
    let tile = length.div_ceil(length.div_ceil(TILE)).next_multiple_of(2);
    let input = side.min(tile + 2 * margin);
    let along = |start: u32| {
        let begin = start.saturating_sub(margin).min(side - input);
        Along { begin, input, start, end: (start + tile).min(part.end) }
    };
    (start..part.end).step_by(tile as usize).map(along).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_a_side_once_and_see_as_far_as_the_network() {
        for (part, side) in
            [(0..1, 1), (0..7, 7), (0..128, 128), (5..152, 152), (0..257, 257), (31..500, 512), (0..999, 1000)]
        {
            let all = tiles(part.clone(), side, 12);
            assert_eq!((all[0].start, all.last().unwrap().end), (part.start / 2 * 2, part.end));
            assert!(all.windows(2).all(|pair| pair[0].end == pair[1].start));
            for tile in &all {
                let end = tile.begin + tile.input;
                assert!(tile.begin == 0 || tile.start - tile.begin >= 12, "{side} {tile:?}");
                assert!(end <= side && (end == side || end - tile.end >= 12), "{side} {tile:?}");
            }
        }
    }

    #[test]
    fn only_what_is_seen_is_enlarged() {
        let (mut enlarger, _) = Enlarger::built_in(&Cpu::detected(2), Precision::F32).unwrap();
        let size = Size { width: 90, height: 70 };
        let shown = |x: usize, y: usize| (41..80).contains(&x) && (13..30).contains(&y);
        let pixel = |i: usize| if shown(i % 90, i / 90) { [200, 30, 60, 255] } else { [0; 4] };
        let picture: Vec<u8> = (0..size.pixels()).flat_map(pixel).collect();
        assert_eq!(seen(size, &picture), Some([37..84, 9..34]));
        let tiled = enlarger.enlarge_pixels(size, 4, &picture).unwrap();
        let whole = pixels::to_pixels(&enlarger.enlarge(size, &formats::picture::premultiply(&picture)).unwrap());
        for (i, (tiled, whole)) in tiled.as_chunks::<4>().0.iter().zip(whole.as_chunks::<4>().0).enumerate() {
            // Colours of what can hardly be seen are those of a quotient of small numbers.
            let off = (0..4).filter(|c| *c == 3 || whole[3] > 32).map(|c| tiled[c].abs_diff(whole[c])).max();
            assert!(off <= Some(1), "{} {}: {tiled:?} {whole:?}", i % 360, i / 360);
        }
        assert_eq!(enlarger.enlarge_pixels(size, 2, &vec![0; 4 * 6300]).unwrap(), vec![0; 16 * 6300]);
    }

    #[test]
    fn tiles_give_the_picture_in_one_piece() {
        let (mut enlarger, _) = Enlarger::built_in(&Cpu::detected(2), Precision::F32).unwrap();
        let size = Size { width: 300, height: 141 };
        let noise = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7) as u8;
        let mut picture: Vec<u8> = (0..4 * size.pixels()).map(noise).collect();
        picture.chunks_exact_mut(4).for_each(|pixel| pixel[3] |= 0x80);
        let whole = enlarger.enlarge(size, &formats::picture::premultiply(&picture)).unwrap();
        let large = Enlarger::enlarged(size);
        for (times, whole) in [(4, pixels::to_pixels(&whole)), (2, pixels::to_pixels(&pixels::halve(large, &whole)))] {
            let tiled = enlarger.enlarge_pixels(size, times, &picture).unwrap();
            assert_eq!(tiled.len(), whole.len());
            // Sums are in another order where a tile begins at an odd pixel.
            let off = tiled.iter().zip(&whole).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
            assert!(off <= 1, "{times}: {off}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let (mut enlarger, _) = Enlarger::built_in(&Cpu::detected(1), Precision::F32).unwrap();
        for (size, times) in [(Size::square(8), 3), (Size { width: 2049, height: 1 }, 4), (Size::square(1600), 4)] {
            let refused = enlarger.enlarge_pixels(size, times, &vec![0; 4 * size.pixels()]).unwrap_err();
            assert!(refused.to_string().starts_with("times"), "{refused}");
        }
    }
}
