//! What a user can ask of a Stable Diffusion checkpoint, with the range of every field.

use std::fmt;
use std::str::FromStr;

use sampling::{DiscreteSigmas, Guidance, Prediction, RandomSource, SigmaSampler, SigmaSchedule};
use serde::{Deserialize, Serialize};

use super::Architecture;
use crate::request::{MAX_ETA, check_seeds, range, seeds, text};
use crate::{EngineError, MAX_COUNT, MAX_GUIDANCE, MAX_STEPS, Preset, Size, Start, Variation};

/// Smallest side in pixels.
pub const MIN_SIDE: u32 = 64;
/// Largest side in pixels.
pub const MAX_SIDE: u32 = 4096;
/// Smallest side of a tile in pixels.
const MIN_TILE: u32 = 128;
/// Tiles are multiples of this.
const TILE_STEP: u32 = 64;
/// The tile that `auto` chooses.
const AUTO_TILE: u32 = 512;
/// Above this many pixels `auto` tiles. By size alone: the same request must give the same pixels on every machine.
const AUTO_PIXELS: u64 = 1280 * 1280;

/// In which pieces the autoencoder works. Tiles need less memory and change pixels a little.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Tile {
    /// Whole up to 1280 × 1280 pixels, then tiles of 512.
    #[default]
    Auto,
    /// Whole.
    Off,
    /// Tiles of this side in pixels: a multiple of 64 from 128.
    Side(u32),
}

impl Tile {
    /// Side of the tiles in pixels for a picture, if it is cut at all.
    pub fn side(self, size: Size) -> Option<u32> {
        let side = match self {
            Self::Off => return None,
            Self::Auto if u64::from(size.width) * u64::from(size.height) <= AUTO_PIXELS => return None,
            Self::Auto => AUTO_TILE,
            Self::Side(side) => side,
        };
        (side < size.width.max(size.height)).then_some(side)
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Off => f.write_str("off"),
            Self::Side(side) => write!(f, "{side}"),
        }
    }
}

impl FromStr for Tile {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self, EngineError> {
        let side = |side: &u32| (MIN_TILE..=MAX_SIDE).contains(side) && side.is_multiple_of(TILE_STEP);
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            _ => text.parse().ok().filter(side).map(Self::Side).ok_or_else(|| {
                let shown: String = text.chars().take(40).collect();
                EngineError::field(
                    "tile",
                    format!(
                        "'{shown}' is not auto, off or a multiple of {TILE_STEP} pixels in {MIN_TILE}..={MAX_SIDE}"
                    ),
                )
            }),
        }
    }
}

impl TryFrom<String> for Tile {
    type Error = EngineError;

    fn try_from(text: String) -> Result<Self, EngineError> {
        text.parse()
    }
}

impl From<Tile> for String {
    fn from(tile: Tile) -> Self {
        tile.to_string()
    }
}

/// One job: `count` pictures of one prompt; picture `i` uses `seed + i`.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// What to draw, at most 32 KiB. Past 75 tokens it is read in chunks.
    pub prompt: String,
    /// What to keep away from, at most 32 KiB.
    pub negative: String,
    /// Seed of the first picture.
    pub seed: u64,
    /// Other noise that is mixed in.
    pub variation: Option<Variation>,
    /// Sampler steps, 1..=200.
    pub steps: u32,
    /// Guidance scale, 0..=30; 1 turns guidance off.
    pub guidance: f32,
    /// Flow times (low, high) between which guidance acts, 0..=1; the flow time of a noise level is σ/(1 + σ).
    pub guidance_interval: (f32, f32),
    /// How much of the contrast of the conditional prediction the guided one is given back, 0..=1.
    pub guidance_rescale: f32,
    /// How noise levels are walked down.
    pub sampler: SigmaSampler,
    /// How much of a step's noise is drawn anew, 0..=2; default: the sampler's own.
    pub eta: Option<f32>,
    /// Which noise levels are visited.
    pub schedule: SigmaSchedule,
    /// Picture size in 64..=4096, multiples of [`Architecture::multiple`]. Default: that of the picture to start from, cut
    /// down to such multiples, else the side the model was trained on.
    pub size: Option<Size>,
    /// Number of pictures, 1..=64.
    pub count: u32,
    /// Whose noise a seed stands for.
    pub rng: RandomSource,
    /// Which layer of the text encoder is read, counted from the last, from 1; default: the family's (1 for SD 1.x, else 2).
    pub clip_skip: Option<u32>,
    /// What the U-Net predicts; default: the checkpoint's convention.
    pub prediction: Option<Prediction>,
    /// In which pieces the autoencoder works.
    pub tile: Tile,
    /// A picture to start from, and how far to go from it, 0.01..=1.
    pub start: Option<Start>,
    /// Whether the emerging picture is decoded for every step's event.
    pub previews: bool,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative: String::new(),
            seed: 0,
            variation: None,
            steps: Preset::Final.steps(),
            guidance: 7.0,
            guidance_interval: (0.0, 1.0),
            guidance_rescale: 0.0,
            sampler: SigmaSampler::DpmPp2M,
            eta: None,
            schedule: SigmaSchedule::Karras,
            size: None,
            count: 1,
            rng: RandomSource::Cpu,
            clip_skip: None,
            prediction: None,
            tile: Tile::Auto,
            start: None,
            previews: false,
        }
    }
}

impl Request {
    /// Checks every field that does not depend on a model; the error names the field.
    pub fn validate(&self) -> Result<(), EngineError> {
        text("prompt", &self.prompt)?;
        text("negative", &self.negative)?;
        range("steps", self.steps, 1, MAX_STEPS)?;
        range("count", self.count, 1, MAX_COUNT)?;
        range("guidance", self.guidance, 0.0, MAX_GUIDANCE)?;
        let (low, high) = self.guidance_interval;
        range("guidance_interval", low, 0.0, 1.0)?;
        range("guidance_interval", high, low, 1.0)?;
        range("guidance_rescale", self.guidance_rescale, 0.0, 1.0)?;
        range("eta", self.eta(), 0.0, MAX_ETA)?;
        range("clip_skip", self.clip_skip.unwrap_or(1), 1, 12)?;
        if let Some(start) = &self.start {
            range("strength", start.strength, 0.01, 1.0)?;
        }
        if self.prediction == Some(Prediction::Flow) {
            flow_sampler(self.sampler)?;
        }
        check_seeds(self.seed, self.variation, self.count)
    }

    /// Seed and variation of a picture.
    pub(crate) fn seeds(&self, index: u32) -> (u64, Option<Variation>) {
        seeds(self.seed, self.variation, index)
    }

    /// The size in pixels for a model.
    pub fn size_for(&self, model: &Architecture) -> Result<Size, EngineError> {
        let multiple = model.multiple();
        let own = self.start.as_ref().map(Start::size).map(|size| {
            let side = |side: u32| (side.clamp(MIN_SIDE, MAX_SIDE) / multiple * multiple).max(multiple);
            Size { width: side(size.width), height: side(size.height) }
        });
        let size = self.size.or(own).unwrap_or(Size::square(model.native_side(self.prediction)));
        for side in [size.width, size.height] {
            range("size", side, MIN_SIDE.min(multiple), MAX_SIDE)?;
            if !side.is_multiple_of(multiple) {
                let message = format!("{size}: both sides must be multiples of {multiple} for this model");
                return Err(EngineError::field("size", message));
            }
        }
        Ok(size)
    }

    /// The sampler's eta.
    pub fn eta(&self) -> f32 {
        self.eta.unwrap_or(self.sampler.default_eta())
    }

    /// The noise levels that the sampler visits, falling to 0: from the highest, or from where `strength` begins. Flow models
    /// have flow times instead.
    pub(super) fn levels(&self, sigmas: &DiscreteSigmas, prediction: Prediction) -> Result<Vec<f32>, EngineError> {
        let steps = self.steps as usize;
        let mut levels = match prediction {
            Prediction::Flow => sampling::Schedule::Linear.times(steps),
            _ => sigmas.schedule(self.schedule, steps)?,
        };
        if let Some(start) = &self.start {
            let taken = ((steps as f32 * start.strength) as usize).clamp(1, steps);
            levels.drain(..steps - taken);
        }
        Ok(levels)
    }

    /// Guidance scale and interval.
    pub(super) fn guidance(&self) -> Guidance {
        Guidance { scale: self.guidance, low: self.guidance_interval.0, high: self.guidance_interval.1 }
    }
}

/// The flow sampler of this name; the others are made for noise levels.
pub(super) fn flow_sampler(sampler: SigmaSampler) -> Result<sampling::Sampler, EngineError> {
    sampler.name().parse().map_err(|error| EngineError::field("sampler", format!("with prediction flow: {error}")))
}

/// The flow time with the signal-to-noise ratio of a noise level.
pub(super) fn flow_time(prediction: Prediction, level: f32) -> f32 {
    if prediction == Prediction::Flow { level } else { level / (1.0 + level) }
}

#[cfg(test)]
mod tests {
    use models::unet::{Config, Family};

    use super::*;

    #[test]
    fn edges_of_every_range() {
        type Change = fn(&mut Request);
        let bad: [(&str, Change); 12] = [
            ("steps", |r| r.steps = 0),
            ("guidance", |r| r.guidance = f32::NAN),
            ("guidance_interval", |r| r.guidance_interval = (0.6, 0.5)),
            ("guidance_rescale", |r| r.guidance_rescale = 1.1),
            ("guidance_rescale", |r| r.guidance_rescale = f32::NAN),
            ("eta", |r| r.eta = Some(-0.1)),
            ("clip_skip", |r| r.clip_skip = Some(0)),
            ("clip_skip", |r| r.clip_skip = Some(13)),
            ("count", |r| r.count = 0),
            ("seed", |r| (r.seed, r.count) = (u64::MAX, 2)),
            ("sampler", |r| (r.prediction, r.sampler) = (Some(Prediction::Flow), SigmaSampler::Lcm)),
            ("prompt", |r| r.prompt = "x".repeat(1 << 16)),
        ];
        for (field, change) in bad {
            let mut request = Request::default();
            change(&mut request);
            let message = request.validate().unwrap_err().to_string();
            assert!(message.starts_with(field), "{message}");
        }
        assert!(Request::default().validate().is_ok());
    }

    #[test]
    fn sizes_are_the_models() {
        let model = Architecture::published(Family::Sd1, Config::SD1);
        let size =
            |width, height| Request { size: Some(Size { width, height }), ..Request::default() }.size_for(&model);
        assert_eq!(Request::default().size_for(&model).unwrap(), Size::square(512));
        assert!(size(512, 768).is_ok() && size(520, 8).is_ok());
        let sd2 = Architecture::published(Family::Sd2, Config::SD2);
        let side = |prediction| Request { prediction, ..Request::default() }.size_for(&sd2).unwrap();
        assert_eq!(side(None), Size::square(768));
        assert_eq!(side(Some(Prediction::Epsilon)), Size::square(512));
        for (width, height) in [(500, 512), (0, 512), (512, 8192), (516, 512)] {
            assert!(size(width, height).unwrap_err().to_string().starts_with("size"), "{width} {height}");
        }
    }

    #[test]
    fn tiles() {
        let tile = |text: &str| text.parse::<Tile>();
        assert_eq!(
            (tile("auto").unwrap(), tile("off").unwrap(), tile("256").unwrap()),
            (Tile::Auto, Tile::Off, Tile::Side(256))
        );
        for bad in ["", "0", "64", "100", "-1", "9999999", "on"] {
            assert!(tile(bad).unwrap_err().to_string().starts_with("tile"), "{bad}");
        }
        assert_eq!(Tile::Auto.side(Size::square(1024)), None);
        assert_eq!(Tile::Auto.side(Size::square(2048)), Some(512));
        assert_eq!(Tile::Side(512).side(Size::square(512)), None);
    }
}
