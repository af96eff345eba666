//! A job by names, as a person or a program writes it down: the command line and the server both turn one of these into a
//! request, so that names, defaults and ranges are the same everywhere.

use std::path::Path;

use sampling::{Prediction, RandomSource, SigmaSampler, SigmaSchedule};
use serde::{Deserialize, Serialize};

use crate::stable_diffusion::{self as sd, Architecture, Checkpoint, Tile, is_checkpoint};
use crate::{EngineError, ModelInfo, Preset, Request, Size, Start, Variation, request, store};

/// How far to go from a picture to start from, when nothing else is said.
pub const DEFAULT_STRENGTH: f32 = 0.8;

/// Guidance of latent consistency models that are told it; their authors' default is 8.5.
const LCM_GUIDANCE: f32 = 8.0;

/// A preset's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PresetName {
    /// 8 steps.
    Draft,
    /// 16 steps.
    Standard,
    /// 25 steps.
    #[default]
    Final,
    /// The few steps that a model has learned, 4 if not said; SD-Turbo and SDXL-Turbo: 4 steps of euler_ancestral, trailing, without guidance.
    Turbo,
    /// Latent consistency models: 4 steps of lcm, trailing, without guidance; with 8 where the model is told it.
    Lcm,
    /// SDXL-Lightning: 4 steps of euler, trailing, without guidance.
    Lightning,
}

/// A job by names; what is absent has the model's usual value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Order {
    /// What to draw, at most 32 KiB; empty = anything the model likes.
    pub prompt: String,
    /// What to keep away from, at most 32 KiB.
    pub negative: String,
    /// Seed of the first picture; picture `i` uses `seed + i`.
    pub seed: u64,
    /// Other noise that is mixed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variation: Option<Variation>,
    /// Number of pictures, 1..=64.
    pub count: u32,
    /// Steps by name.
    pub preset: PresetName,
    /// Sampler steps, 1..=200; wins over the preset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<u32>,
    /// Guidance scale, 0..=30; 1 turns it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance: Option<f32>,
    /// Flow times (low, high) between which guidance acts, 0..=1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance_interval: Option<(f32, f32)>,
    /// Scale of the guidance away from the weakened network, 0..=10; our own models only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skip_guidance: Option<f32>,
    /// Sampler's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampler: Option<String>,
    /// Schedule's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// Picture size, `WxH` in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<Size>,
    /// How many times larger than drawn the picture becomes: 1, 2 or 4; our own models only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enlarge: Option<u32>,
    /// How far to go from the picture to start from, 0.01..=1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strength: Option<f32>,
    /// How much of a step's noise is drawn anew, 0..=2, by samplers that do so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta: Option<f32>,
    /// Whose noise a seed stands for: `cpu` or `nv`; Stable Diffusion only, as are all that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rng: Option<String>,
    /// Layer of the text encoder that is read, from the last, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_skip: Option<u32>,
    /// What the model predicts: `epsilon`, `v` or `flow`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prediction: Option<String>,
    /// How much contrast that guidance added is taken back, 0..=1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance_rescale: Option<f32>,
    /// Tiles of the autoencoder: `auto`, `off`, or their side in pixels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tile: Option<Tile>,
}

impl Default for Order {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative: String::new(),
            seed: 0,
            variation: None,
            count: 1,
            preset: PresetName::default(),
            steps: None,
            guidance: None,
            guidance_interval: None,
            skip_guidance: None,
            sampler: None,
            schedule: None,
            size: None,
            enlarge: None,
            strength: None,
            rng: None,
            clip_skip: None,
            prediction: None,
            guidance_rescale: None,
            eta: None,
            tile: None,
        }
    }
}

impl Order {
    /// The request for a model of ours.
    pub fn request(&self, start: Option<Start>) -> Result<Request, EngineError> {
        let preset = match self.preset {
            PresetName::Draft => Preset::Draft,
            PresetName::Standard => Preset::Standard,
            PresetName::Final => Preset::Final,
            PresetName::Turbo => Preset::Turbo,
            PresetName::Lcm | PresetName::Lightning => {
                return Err(only_stable_diffusion("preset"));
            }
        };
        if let Some(field) = self.given_for_stable_diffusion() {
            return Err(only_stable_diffusion(field));
        }
        let usual = Request::default();
        Ok(Request {
            prompt: self.prompt.clone(),
            negative: self.negative.clone(),
            seed: self.seed,
            variation: self.variation,
            steps: self.steps.unwrap_or(preset.steps()),
            guidance: self.guidance.unwrap_or(usual.guidance),
            guidance_interval: self.guidance_interval.unwrap_or(usual.guidance_interval),
            skip_guidance: self.skip_guidance.unwrap_or(usual.skip_guidance),
            sampler: named("sampler", self.sampler.as_deref())?.unwrap_or(usual.sampler),
            eta: self.eta,
            schedule: named("schedule", self.schedule.as_deref())?.unwrap_or(usual.schedule),
            size: self.size,
            enlarge: self.enlarge,
            count: self.count,
            start,
            turbo: (preset == Preset::Turbo).then_some(true),
            shifts: usual.shifts,
        })
    }

    /// The request for a Stable Diffusion checkpoint.
    pub fn stable_diffusion_request(
        &self,
        model: &Architecture,
        start: Option<Start>,
        previews: bool,
    ) -> Result<sd::Request, EngineError> {
        if self.enlarge.is_some() {
            let message = "pictures of Stable Diffusion checkpoints are not enlarged: give the size";
            return Err(EngineError::field("enlarge", message));
        }
        if self.skip_guidance.is_some() {
            return Err(EngineError::field(
                "skip_guidance",
                "is for our own models, not for Stable Diffusion checkpoints",
            ));
        }
        let usual = sd::Request::default();
        let few = |sampler| (4, 1.0, sampler, SigmaSchedule::Trailing);
        let plain = |preset: Preset| (preset.steps(), usual.guidance, usual.sampler, usual.schedule);
        let (steps, guidance, sampler, schedule) = match self.preset {
            PresetName::Draft => plain(Preset::Draft),
            PresetName::Standard => plain(Preset::Standard),
            PresetName::Final => plain(Preset::Final),
            PresetName::Turbo => few(SigmaSampler::EulerAncestral),
            PresetName::Lcm if model.knows_guidance() => (4, LCM_GUIDANCE, SigmaSampler::Lcm, SigmaSchedule::Trailing),
            PresetName::Lcm => few(SigmaSampler::Lcm),
            PresetName::Lightning => few(SigmaSampler::Euler),
        };
        let prediction = self.prediction.as_deref().map(|name| match name {
            "v" => "v_prediction",
            "flow" => "flow_prediction",
            name => name,
        });
        Ok(sd::Request {
            prompt: self.prompt.clone(),
            negative: self.negative.clone(),
            seed: self.seed,
            variation: self.variation,
            steps: self.steps.unwrap_or(steps),
            guidance: self.guidance.unwrap_or(guidance),
            guidance_interval: self.guidance_interval.unwrap_or(usual.guidance_interval),
            guidance_rescale: self.guidance_rescale.unwrap_or(usual.guidance_rescale),
            sampler: named("sampler", self.sampler.as_deref())?.unwrap_or(sampler),
            eta: self.eta,
            schedule: named("schedule", self.schedule.as_deref())?.unwrap_or(schedule),
            size: self.size,
            count: self.count,
            rng: named::<RandomSource>("rng", self.rng.as_deref())?.unwrap_or(usual.rng),
            clip_skip: self.clip_skip,
            prediction: named::<Prediction>("prediction", prediction)?,
            tile: self.tile.unwrap_or(usual.tile),
            start,
            previews,
        })
    }

    /// The first field that was given and that only Stable Diffusion checkpoints know.
    fn given_for_stable_diffusion(&self) -> Option<&'static str> {
        let fields = [
            ("rng", self.rng.is_some()),
            ("clip_skip", self.clip_skip.is_some()),
            ("prediction", self.prediction.is_some()),
            ("guidance_rescale", self.guidance_rescale.is_some()),
            ("tile", self.tile.is_some()),
        ];
        fields.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }
}

/// What a model is, without its weights: enough to say whether an order can be carried out.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A model of ours.
    Own(Box<ModelInfo>),
    /// A Stable Diffusion checkpoint.
    StableDiffusion(Box<Architecture>),
}

impl Kind {
    /// What lies behind a name or path. Reads headers only.
    pub fn open(name: &str) -> Result<Self, EngineError> {
        if name != store::DEFAULT_MODEL && is_checkpoint(Path::new(name)) {
            return Ok(Self::StableDiffusion(Box::new(Checkpoint::open(Path::new(name), None)?.architecture)));
        }
        let file = store::open_file(name)?;
        Ok(Self::Own(Box::new(ModelInfo::from_metadata(file.name(), file.metadata())?)))
    }

    /// Checks every field of an order; gives the picture's size (when it starts from noise) and the number of steps.
    pub fn check(&self, order: &Order) -> Result<(Size, u32), EngineError> {
        if let Some(strength) = order.strength {
            request::range("strength", strength, 0.01, 1.0)?;
        }
        match self {
            Self::Own(info) => {
                let request = order.request(None)?;
                request.validate()?;
                // An order asks for it by its preset.
                request.is_turbo(info).map_err(|error| match error {
                    EngineError::Field { field: "turbo", message } => EngineError::field("preset", message),
                    error => error,
                })?;
                Ok((request.frame(info.config.patch, info.image_size)?.size, request.steps))
            }
            Self::StableDiffusion(architecture) => {
                let request = order.stable_diffusion_request(architecture, None, false)?;
                request.validate()?;
                Ok((request.size_for(architecture)?, request.steps))
            }
        }
    }
}

/// A value by its name; which names there are depends on the model, so it is asked after that is known.
fn named<T: std::str::FromStr<Err = sampling::ParseError>>(
    field: &'static str,
    name: Option<&str>,
) -> Result<Option<T>, EngineError> {
    name.map(|name| name.parse().map_err(|error: T::Err| EngineError::field(field, error.to_string()))).transpose()
}

fn only_stable_diffusion(field: &'static str) -> EngineError {
    EngineError::field(field, "only Stable Diffusion checkpoints know this option")
}

#[cfg(test)]
mod tests {
    use models::unet::{Config, Family};

    use super::*;

    #[test]
    fn presets_set_steps_and_steps_win() {
        let steps = |text: &str| serde_json::from_str::<Order>(text).unwrap().request(None).unwrap().steps;
        assert_eq!(steps("{}"), 25);
        assert_eq!(steps(r#"{"preset": "draft"}"#), 8);
        assert_eq!(steps(r#"{"preset": "draft", "steps": 3}"#), 3);
    }

    #[test]
    fn errors_name_the_field() {
        let field = |text: &str| {
            let order: Order = serde_json::from_str(text).unwrap();
            order.request(None).and_then(|r| r.validate()).unwrap_err().to_string()
        };
        for (name, text) in [
            ("sampler", r#"{"sampler": "x"}"#),
            ("schedule", r#"{"schedule": "shifted:99"}"#),
            ("preset", r#"{"preset": "lcm"}"#),
            ("clip_skip", r#"{"clip_skip": 2}"#),
            ("steps", r#"{"steps": 201}"#),
            ("guidance", r#"{"guidance": 1e308}"#),
        ] {
            assert!(field(text).starts_with(name), "{text}");
        }
        let order = Order { enlarge: Some(2), ..Order::default() };
        let model = Architecture::published(Family::Sd1, Config::SD1);
        let error = order.stable_diffusion_request(&model, None, false).unwrap_err();
        assert!(error.to_string().starts_with("enlarge"));
        let order = Order { preset: PresetName::Lcm, ..Order::default() };
        let guidance = |config| {
            let model = Architecture::published(Family::Sd1, config);
            order.stable_diffusion_request(&model, None, false).unwrap().guidance
        };
        assert_eq!(guidance(Config::SD1), 1.0);
        assert_eq!(guidance(Config { guidance: Some(256), ..Config::SD1 }), LCM_GUIDANCE);
    }
}
