//! What a user can ask for, with the range of every field (reliability promise P5).

use std::fmt;
use std::str::FromStr;

use sampling::{Guidance, Sampler, Schedule};
use serde::{Deserialize, Serialize};

use crate::shifts::MAX_SHIFTS;
use crate::steering::Steering;
use crate::{EngineError, ModelInfo, Start, built_in};

/// Longest prompt in bytes, before tokenising.
pub const MAX_PROMPT_BYTES: usize = 32 * 1024;
/// Most sampler steps.
pub const MAX_STEPS: u32 = 200;
/// Largest guidance scale.
pub const MAX_GUIDANCE: f32 = 30.0;
/// Largest scale of the guidance away from the weakened network.
pub const MAX_SKIP_GUIDANCE: f32 = 10.0;
/// Largest share of a step's noise that is drawn anew; samplers have no more.
pub const MAX_ETA: f32 = 2.0;
/// Only steps that begin above this flow time draw noise anew, while the picture is laid out: what is drawn later leaves marks.
pub(crate) const NEW_NOISE_ABOVE: f32 = 0.65;
/// Most pictures of one request.
pub const MAX_COUNT: u32 = 64;
/// The numbers of steps that a model with step lengths has learned to draw in (turbo).
pub const TURBO_STEPS: [u32; 3] = [1, 2, 4];
/// Smallest side in pixels.
pub const MIN_SIDE: u32 = 32;
/// Largest side in pixels of what the network draws; enlarged pictures are up to four times as large.
pub const MAX_SIDE: u32 = 256;
/// Largest side in pixels of a picture that what was drawn is fitted into.
pub const MAX_CANVAS_SIDE: u32 = 2048;

/// Width and height in pixels, written `WxH`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
}

impl Size {
    /// A square.
    pub fn square(side: u32) -> Self {
        Self { width: side, height: side }
    }

    /// Number of pixels.
    pub fn pixels(self) -> usize {
        self.width as usize * self.height as usize
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl FromStr for Size {
    type Err = EngineError;

    fn from_str(text: &str) -> Result<Self, EngineError> {
        let number = |digits: &str| digits.parse::<u32>().ok();
        let parsed = match text.split_once(['x', 'X']) {
            Some((width, height)) => number(width).zip(number(height)),
            None => number(text).map(|side| (side, side)),
        };
        let (width, height) = parsed.ok_or_else(|| {
            let shown: String = text.chars().take(40).collect();
            EngineError::field("size", format!("'{shown}' is not WIDTHxHEIGHT in pixels, such as 128x128"))
        })?;
        Ok(Self { width, height })
    }
}

impl TryFrom<String> for Size {
    type Error = EngineError;

    fn try_from(text: String) -> Result<Self, EngineError> {
        text.parse()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

/// What the network draws and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Size that the network draws.
    pub drawn: Size,
    /// How many times wider and higher the enlarger makes that: 1, 2 or 4.
    pub enlarge: u32,
    /// Size of the finished picture.
    pub size: Size,
}

impl Frame {
    /// What is drawn and enlarged is the picture.
    fn whole(drawn: Size, enlarge: u32) -> Self {
        Self { drawn, enlarge, size: Size { width: enlarge * drawn.width, height: enlarge * drawn.height } }
    }

    /// Size of what is drawn once it is enlarged.
    pub fn enlarged(self) -> Size {
        Self::whole(self.drawn, self.enlarge).size
    }

    /// Whether what is drawn is scaled into the middle of a picture of another size.
    pub fn is_contained(self) -> bool {
        self.size != self.enlarged()
    }

    /// The place of what is drawn in the picture, from the upper left: the largest square in its middle, if it is contained.
    pub fn place(self) -> (u32, u32, Size) {
        if !self.is_contained() {
            return (0, 0, self.size);
        }
        let side = self.size.width.min(self.size.height);
        ((self.size.width - side) / 2, (self.size.height - side) / 2, Size::square(side))
    }
}

/// Named trade-offs between time and quality; a preset sets the number of steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// 4 steps that the model has learned to take; [`Request::turbo`].
    Turbo,
    /// 8 steps.
    Draft,
    /// 16 steps.
    Standard,
    /// 25 steps.
    Final,
}

impl Preset {
    /// Sampler steps of the preset.
    pub fn steps(self) -> u32 {
        match self {
            Self::Turbo => 4,
            Self::Draft => 8,
            Self::Standard => 16,
            Self::Final => 25,
        }
    }
}

/// Noise of another seed that is mixed into a picture's own, so that it becomes another one little by little.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variation {
    /// Seed of the first picture's other noise; picture `i` uses `seed + i`, and all have the request's own seed.
    pub seed: u64,
    /// How far to go to the other noise, 0..=1.
    pub strength: f32,
}

/// One job: `count` pictures of one prompt; picture `i` uses `seed + i`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Request {
    /// What to draw, at most 32 KiB; empty = anything the model likes.
    pub prompt: String,
    /// What to keep away from, at most 32 KiB.
    pub negative: String,
    /// Seed of the first picture; any number as long as `seed + count - 1` exists.
    pub seed: u64,
    /// Other noise that is mixed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variation: Option<Variation>,
    /// Sampler steps, 1..=200.
    pub steps: u32,
    /// Guidance scale, 0..=30; 1 turns guidance off.
    pub guidance: f32,
    /// Flow times (low, high) between which guidance acts, 0..=1.
    pub guidance_interval: (f32, f32),
    /// Scale of the guidance away from what the network predicts without its middle block, 0..=10: shapes are simpler and firmer. It
    /// acts where the other guidance does, at flow times above 0.65; 0 turns it off.
    pub skip_guidance: f32,
    /// How the flow is integrated.
    pub sampler: Sampler,
    /// How much of a step's noise is drawn anew, 0..=2, by a sampler that does so, at flow times above 0.65; others
    /// refuse one above 0. Default: the sampler's.
    pub eta: Option<f32>,
    /// Which times are visited.
    pub schedule: Schedule,
    /// Picture size. Squares up to the size that the model was trained for, and twice and four times that, are drawn as they are.
    /// Into every other size with sides in 32..=2048 the model's own square is fitted: scaled to the shorter side, in the middle,
    /// with nothing, or what the picture to start from has there, beside it. Default: the size of the picture to start from if that
    /// can be drawn and has nothing beside its square, else four times the size that the model was trained for.
    pub size: Option<Size>,
    /// How many times wider and higher than drawn the picture becomes: 1, 2 or 4. Then the network draws the whole picture in its
    /// shape, with sides that are multiples of the model's patch in 32..=256. Default: what the size needs.
    pub enlarge: Option<u32>,
    /// Number of pictures, 1..=64.
    pub count: u32,
    /// A picture to start from, and how far to go from it, 0.01..=1.
    #[serde(skip)]
    pub start: Option<Start>,
    /// Whether to draw in the few steps that the model has learned to take, each with one prediction (the last at `shifts` places)
    /// and the guidance it has learned. Default: if the model has learned them, `steps` is one of [`TURBO_STEPS`] and `negative`,
    /// guidance, sampler, schedule and start are left as they are.
    pub turbo: Option<bool>,
    /// At how many places of the network's grid of patches the last prediction is made, 1..=3. Their mean has fewer seams: it is the
    /// picture, if the last prediction is made at a flow time of at most 1/3 (8 steps and more, and 4 that the model has learned).
    /// Default: what the model's file says.
    pub shifts: Option<u32>,
}

impl Default for Request {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative: String::new(),
            seed: 0,
            variation: None,
            steps: Preset::Final.steps(),
            guidance: 3.0,
            guidance_interval: (0.32, 1.0),
            skip_guidance: 0.5,
            sampler: Sampler::default(),
            eta: None,
            schedule: Schedule::Shifted(3.0),
            size: None,
            enlarge: None,
            count: 1,
            start: None,
            turbo: None,
            shifts: None,
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
        range("shifts", self.shifts.unwrap_or(1), 1, MAX_SHIFTS)?;
        let (low, high) = self.guidance_interval;
        range("guidance_interval", low, 0.0, 1.0)?;
        range("guidance_interval", high, low, 1.0)?;
        range("skip_guidance", self.skip_guidance, 0.0, MAX_SKIP_GUIDANCE)?;
        let eta = self.eta.unwrap_or_default();
        range("eta", eta, 0.0, MAX_ETA)?;
        if eta > 0.0 && !self.sampler.draws_noise() {
            let message = format!("{eta}: {} draws no noise anew; dpmpp_2m_sde does", self.sampler);
            return Err(EngineError::field("eta", message));
        }
        if let Schedule::Shifted(shift) = self.schedule {
            range("schedule", shift, 0.1, 10.0)?;
        }
        if let Some(enlarge) = self.enlarge
            && !matches!(enlarge, 1 | 2 | 4)
        {
            return Err(EngineError::field("enlarge", format!("{enlarge} is not 1, 2 or 4")));
        }
        if let Some(start) = &self.start {
            range("strength", start.strength, 0.01, 1.0)?;
        }
        check_seeds(self.seed, self.variation, self.count)
    }

    /// How much of a step's noise the sampler draws anew.
    pub fn eta(&self) -> f32 {
        self.eta.unwrap_or(self.sampler.default_eta())
    }

    /// Seed and variation of a picture.
    pub(crate) fn seeds(&self, index: u32) -> (u64, Option<Variation>) {
        seeds(self.seed, self.variation, index)
    }

    /// What is drawn, and how it is enlarged, by a model with this patch and native side.
    pub fn frame(&self, patch: usize, native: u32) -> Result<Frame, EngineError> {
        if self.size.is_none()
            && let Some(start) = &self.start
            && let Ok(frame) = self.frame_of(start.size(), patch, native)
            && start.is_empty_beside(frame)
        {
            return Ok(frame);
        }
        let enlarge = self.enlarge.unwrap_or(if built_in::enlarger().is_some() { 4 } else { 1 });
        self.frame_of(self.size.unwrap_or(Size::square(native.saturating_mul(enlarge))), patch, native)
    }

    fn frame_of(&self, size: Size, patch: usize, native: u32) -> Result<Frame, EngineError> {
        let side = size.width.min(size.height);
        let by_size = match side.div_ceil(native) {
            _ if built_in::enlarger().is_none() => 1,
            0..=1 => 1,
            2 => 2,
            _ => 4,
        };
        let is_own = size.width == size.height
            && (side == by_size * native
                || ((MIN_SIDE..native).contains(&side) && (side as usize).is_multiple_of(patch)));
        if self.enlarge.is_none() && !is_own {
            for side in [size.width, size.height] {
                range("size", side, MIN_SIDE, MAX_CANVAS_SIDE)?;
            }
            let drawn = Size::square(native);
            can_draw(drawn, 1, patch)?;
            return Ok(Frame { drawn, enlarge: by_size, size });
        }
        let enlarge = self.enlarge.unwrap_or(by_size);
        can_draw(size, enlarge, patch)?;
        Ok(Frame::whole(Size { width: size.width / enlarge, height: size.height / enlarge }, enlarge))
    }

    /// Whether the model of `info` draws this in the few steps that it has learned to take.
    ///
    /// # Errors
    /// If that is asked for, but the model has not learned it or the request wants what it leaves no room for.
    pub fn is_turbo(&self, info: &ModelInfo) -> Result<bool, EngineError> {
        let refused = |problem: String| EngineError::field("turbo", problem);
        let is_known = TURBO_STEPS.contains(&self.steps);
        let other = self.other_than_turbo();
        match self.turbo {
            Some(true) if !info.config.step_length => {
                Err(refused(format!("{} has not learned few steps: choose another preset", info.name)))
            }
            Some(true) if !is_known => Err(refused(format!("steps is {}, must be 1, 2 or 4", self.steps))),
            Some(true) => match other {
                Some(name) => Err(refused(format!("leaves no room for {name}"))),
                None => Ok(true),
            },
            Some(false) => Ok(false),
            None => Ok(info.config.step_length && is_known && other.is_none()),
        }
    }

    /// At how many places the model of `info` makes the last prediction of this.
    pub(crate) fn shifts_of(&self, info: &ModelInfo) -> u32 {
        self.shifts.unwrap_or(info.shifts)
    }

    /// A field that is set to something for which steps that were learned leave no room.
    pub(crate) fn other_than_turbo(&self) -> Option<&'static str> {
        let usual = Self::default();
        let fields = [
            ("negative", !self.negative.is_empty()),
            ("guidance", self.guidance != usual.guidance),
            ("guidance_interval", self.guidance_interval != usual.guidance_interval),
            ("skip_guidance", self.skip_guidance != usual.skip_guidance),
            ("sampler", self.sampler != usual.sampler),
            ("eta", self.eta.is_some()),
            ("schedule", self.schedule != usual.schedule),
            ("start", self.start.is_some()),
        ];
        fields.into_iter().find(|(_, is_set)| *is_set).map(|(name, _)| name)
    }

    /// The times that the sampler visits, falling to 0: from 1, or from the strength of the start. Few steps that a model has
    /// learned (`turbo`) are equal.
    pub fn times(&self, turbo: bool) -> Vec<f32> {
        if turbo {
            return Schedule::Linear.times(self.steps as usize);
        }
        let mut times = self.schedule.times(self.steps as usize);
        if let Some(start) = &self.start {
            times.retain(|&t| t < start.strength);
            times.insert(0, start.strength);
        }
        times
    }

    /// Guidance scale and interval.
    pub fn guidance(&self) -> Guidance {
        Guidance { scale: self.guidance, low: self.guidance_interval.0, high: self.guidance_interval.1 }
    }

    /// All that steers its predictions; few steps that a model has learned (`turbo`) have learned their guidance too.
    pub(crate) fn steering(&self, turbo: bool) -> Steering {
        let guidance = self.guidance();
        match turbo {
            true => Steering { guidance: Guidance { scale: 1.0, ..guidance }, skip: 0.0 },
            false => Steering { guidance, skip: self.skip_guidance },
        }
    }
}

/// Whether a network with this patch can draw a picture of `size` that is `enlarge` times as large as what it draws.
fn can_draw(size: Size, enlarge: u32, patch: usize) -> Result<(), EngineError> {
    for side in [size.width, size.height] {
        range("size", side, MIN_SIDE * enlarge, MAX_SIDE * enlarge)?;
        let of = patch * enlarge as usize;
        if !(side as usize).is_multiple_of(of) {
            let drawn = if enlarge > 1 { format!(" when it is drawn {enlarge} times smaller") } else { String::new() };
            let message = format!("{size}: both sides must be multiples of {of}{drawn}");
            return Err(EngineError::field("size", message));
        }
    }
    Ok(())
}

/// Seed and variation of picture `index` of a request: with a variation it is that one's seed which moves on.
pub(crate) fn seeds(seed: u64, variation: Option<Variation>, index: u32) -> (u64, Option<Variation>) {
    let index = u64::from(index);
    match variation {
        None => (seed + index, None),
        Some(own) => (seed, Some(Variation { seed: own.seed + index, ..own })),
    }
}

/// Whether all pictures of a request have seeds.
pub(crate) fn check_seeds(seed: u64, variation: Option<Variation>, count: u32) -> Result<(), EngineError> {
    let (field, seed) = match variation {
        None => ("seed", seed),
        Some(variation) => {
            range("variation", variation.strength, 0.0, 1.0)?;
            ("variation", variation.seed)
        }
    };
    match seed.checked_add(u64::from(count) - 1) {
        Some(_) => Ok(()),
        None => Err(EngineError::field(field, format!("{seed} + count - 1 is above {}", u64::MAX))),
    }
}

pub(crate) fn text(field: &'static str, text: &str) -> Result<(), EngineError> {
    if text.len() <= MAX_PROMPT_BYTES {
        return Ok(());
    }
    Err(EngineError::field(field, format!("has {} bytes; at most {MAX_PROMPT_BYTES} are allowed", text.len())))
}

/// NaN is outside every range.
pub(crate) fn range<T: PartialOrd + fmt::Display>(
    field: &'static str,
    value: T,
    low: T,
    high: T,
) -> Result<(), EngineError> {
    if (&low..=&high).contains(&&value) {
        return Ok(());
    }
    Err(EngineError::field(field, format!("{value} is not in {low}..={high}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_of_every_range() {
        let ok = |change: fn(&mut Request)| {
            let mut request = Request::default();
            change(&mut request);
            request.validate()
        };
        type Change = fn(&mut Request);
        let good: [Change; 13] = [
            |r| r.prompt = "x".repeat(MAX_PROMPT_BYTES),
            |r| r.steps = 1,
            |r| r.steps = MAX_STEPS,
            |r| r.guidance = 0.0,
            |r| r.guidance = MAX_GUIDANCE,
            |r| r.count = MAX_COUNT,
            |r| r.seed = u64::MAX,
            |r| r.guidance_interval = (0.0, 1.0),
            |r| r.guidance_interval = (0.5, 0.5),
            |r| r.skip_guidance = 10.0,
            |r| r.schedule = Schedule::Shifted(10.0),
            |r| (r.sampler, r.eta) = (Sampler::DpmPp2MSde, Some(MAX_ETA)),
            |r| (r.sampler, r.eta) = (Sampler::Heun, Some(0.0)),
        ];
        for change in good {
            ok(change).unwrap();
        }
        let bad: [(&str, Change); 26] = [
            ("enlarge", |r| r.enlarge = Some(3)),
            ("prompt", |r| r.prompt = "x".repeat(MAX_PROMPT_BYTES + 1)),
            ("negative", |r| r.negative = "x".repeat(10 << 20)),
            ("steps", |r| r.steps = 0),
            ("steps", |r| r.steps = MAX_STEPS + 1),
            ("steps", |r| r.steps = u32::MAX),
            ("guidance", |r| r.guidance = -0.1),
            ("guidance", |r| r.guidance = 30.1),
            ("guidance", |r| r.guidance = f32::NAN),
            ("guidance", |r| r.guidance = f32::INFINITY),
            ("guidance", |r| r.guidance = f32::MAX),
            ("count", |r| r.count = 0),
            ("count", |r| r.count = MAX_COUNT + 1),
            ("guidance_interval", |r| r.guidance_interval = (-0.1, 0.5)),
            ("guidance_interval", |r| r.guidance_interval = (0.6, 0.5)),
            ("guidance_interval", |r| r.guidance_interval = (0.1, f32::NAN)),
            ("guidance_interval", |r| r.guidance_interval = (0.1, 1.1)),
            ("skip_guidance", |r| r.skip_guidance = -0.1),
            ("skip_guidance", |r| r.skip_guidance = f32::NAN),
            ("eta", |r| (r.sampler, r.eta) = (Sampler::DpmPp2MSde, Some(f32::NAN))),
            ("eta: 0.5: heun draws no noise", |r| (r.sampler, r.eta) = (Sampler::Heun, Some(0.5))),
            ("schedule", |r| r.schedule = Schedule::Shifted(f32::NAN)),
            ("seed", |r| (r.seed, r.count) = (u64::MAX, 2)),
            ("variation", |r| (r.variation, r.count) = (Some(Variation { seed: u64::MAX, strength: 0.1 }), 2)),
            ("variation", |r| r.variation = Some(Variation { seed: 0, strength: f32::NAN })),
            ("variation", |r| r.variation = Some(Variation { seed: 0, strength: 1.1 })),
        ];
        for (field, change) in bad {
            let message = ok(change).unwrap_err().to_string();
            assert!(message.starts_with(field), "{message}");
        }
    }

    #[test]
    fn sizes() {
        let frame = |text: &str, enlarge| {
            let size = |s| Request { size: Some(s), enlarge, ..Request::default() }.frame(16, 128);
            text.parse::<Size>().and_then(size)
        };
        let plain = |width, height| Frame::whole(Size { width, height }, 1);
        assert_eq!(frame("128x64", Some(1)).unwrap(), plain(128, 64));
        assert_eq!(frame("64", Some(1)).unwrap(), plain(64, 64));
        assert_eq!(frame("256", Some(1)).unwrap(), plain(256, 256));
        assert_eq!(frame("256", Some(4)).unwrap(), Frame::whole(Size::square(64), 4));
        let native = Request { enlarge: Some(1), ..Request::default() };
        assert_eq!(native.frame(16, 128).unwrap(), plain(128, 128));
        for bad in
            ["", "x", "128x", "0x0", "16x16", "257x257", "272x272", "100x128", "-64x64", "1e3x64", "99999999999x64"]
        {
            assert!(frame(bad, Some(1)).unwrap_err().to_string().starts_with("size"), "{bad}");
        }
        assert_eq!(frame("64", None).unwrap(), plain(64, 64));
        assert_eq!(frame("128", None).unwrap(), plain(128, 128));
        for bad in ["31x64", "64x31", "2049x64", "64x2049"] {
            assert!(frame(bad, None).unwrap_err().to_string().starts_with("size"), "{bad}");
        }
        // The model's own square in a picture of another size.
        for (text, place, enlarge) in [
            ("128x64", (32, 0, 64), 1),
            ("100", (0, 0, 100), 1),
            ("384x640", (0, 128, 384), 4),
            ("1080x1351", (0, 135, 1080), 4),
            ("2048x250", (899, 0, 250), 2),
            ("1024", (0, 0, 1024), 4),
        ] {
            let found = frame(text, None).unwrap();
            let enlarge = if built_in::enlarger().is_some() { enlarge } else { 1 };
            assert_eq!(found, Frame { drawn: Size::square(128), enlarge, size: text.parse().unwrap() });
            assert!(found.is_contained());
            assert_eq!(found.place(), (place.0, place.1, Size::square(place.2)));
        }
        if built_in::enlarger().is_some() {
            assert_eq!(frame("256", None).unwrap(), Frame::whole(Size::square(128), 2));
            assert_eq!(frame("512", None).unwrap(), Frame::whole(Size::square(128), 4));
            assert_eq!(Request::default().frame(16, 128).unwrap().size, Size::square(512));
            let message = frame("520", Some(4)).unwrap_err().to_string();
            assert!(message.contains("multiples of 64"), "{message}");
        }
    }

    #[test]
    fn unknown_json_fields_are_refused() {
        assert!(serde_json::from_str::<Request>(r#"{"prompt": "a cat", "size": "64x64"}"#).is_ok());
        for bad in
            [r#"{"promt": "a"}"#, r#"{"size": 64}"#, r#"{"steps": -1}"#, r#"{"seed": 1e40}"#, r#"{"sampler": "x"}"#]
        {
            assert!(serde_json::from_str::<Request>(bad).is_err(), "{bad}");
        }
    }
}
