//! The recipe inside a picture of a Stable Diffusion checkpoint, and the `parameters` text that other programs read.

use formats::picture::{PARAMETERS_KEY, Picture, RECIPE_KEY};
use sampling::{Prediction, RandomSource, SigmaSampler, SigmaSchedule};
use serde::{Deserialize, Serialize};

use super::{Request, Tile};
use crate::options::PrecisionChoice;
use crate::recipe::{PictureRecipe, RECIPE_VERSION};
use crate::{EngineError, Origin, Size, Variation};

/// The value of `pipeline` in these recipes.
const PIPELINE: &str = "stable_diffusion";

/// Everything the pixels of one picture depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Layout of this recipe.
    pub recipe: u32,
    /// `stable_diffusion`.
    pub pipeline: String,
    /// Version of Calotype that made the picture.
    pub version: String,
    /// Prompt.
    pub prompt: String,
    /// Negative prompt.
    pub negative: String,
    /// Seed of this picture.
    pub seed: u64,
    /// Other noise that was mixed in, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variation: Option<Variation>,
    /// Sampler steps.
    pub steps: u32,
    /// Guidance scale.
    pub guidance: f32,
    /// Flow times between which guidance acted.
    pub guidance_interval: (f32, f32),
    /// How much contrast was given back.
    pub guidance_rescale: f32,
    /// Sampler.
    pub sampler: SigmaSampler,
    /// How much of a step's noise was drawn anew.
    pub eta: f32,
    /// Schedule.
    pub schedule: SigmaSchedule,
    /// Picture size.
    pub size: Size,
    /// Whose noise the seed stands for.
    pub rng: RandomSource,
    /// The text encoder's layer from the last, from 1; absent = the family's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_skip: Option<u32>,
    /// What the network predicts.
    pub prediction: Prediction,
    /// Side in pixels of the autoencoder's tiles; absent = whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tile: Option<u32>,
    /// The picture it was developed from, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Origin>,
    /// Family of the model.
    pub family: String,
    /// The model's name.
    pub model: String,
    /// SHA-256 of the model's file, or of its files' digests.
    pub model_sha256: String,
    /// SHA-256 of the autoencoder's file, if it has one of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vae_sha256: Option<String>,
    /// Instruction set.
    pub isa: String,
    /// Precision of matrix products.
    pub precision: PrecisionChoice,
}

impl Recipe {
    pub(super) fn new(request: &Request, index: u32) -> Self {
        let (seed, variation) = request.seeds(index);
        Self {
            recipe: RECIPE_VERSION,
            pipeline: PIPELINE.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            prompt: request.prompt.clone(),
            negative: request.negative.clone(),
            seed,
            variation,
            steps: request.steps,
            guidance: request.guidance,
            guidance_interval: request.guidance_interval,
            guidance_rescale: request.guidance_rescale,
            sampler: request.sampler,
            eta: request.eta(),
            schedule: request.schedule,
            size: Size::square(0),
            rng: request.rng,
            clip_skip: request.clip_skip,
            prediction: Prediction::Epsilon,
            tile: None,
            start: None,
            family: String::new(),
            model: String::new(),
            model_sha256: String::new(),
            vae_sha256: None,
            isa: String::new(),
            precision: PrecisionChoice::F32,
        }
    }

    /// The request for this one picture, but for the picture it may have started from.
    pub fn request(&self) -> Request {
        Request {
            prompt: self.prompt.clone(),
            negative: self.negative.clone(),
            seed: self.seed,
            variation: self.variation,
            steps: self.steps,
            guidance: self.guidance,
            guidance_interval: self.guidance_interval,
            guidance_rescale: self.guidance_rescale,
            sampler: self.sampler,
            eta: Some(self.eta),
            schedule: self.schedule,
            size: Some(self.size),
            count: 1,
            rng: self.rng,
            clip_skip: self.clip_skip,
            prediction: Some(self.prediction),
            tile: self.tile.map_or(Tile::Off, Tile::Side),
            start: None,
            previews: false,
        }
    }

    /// Whether a picture holds a recipe of this kind, well or damaged.
    pub fn is_inside(picture: &Picture) -> bool {
        let value = picture.text(RECIPE_KEY).and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
        value.is_some_and(|value| value["pipeline"] == PIPELINE)
    }

    /// The recipe inside a picture; `file` is what errors call it.
    pub fn from_picture(file: &str, picture: &Picture) -> Result<Self, EngineError> {
        let wrong = |problem: String| EngineError::Recipe { file: file.to_owned(), problem };
        let text = picture.text(RECIPE_KEY).ok_or_else(|| wrong("no Calotype recipe inside this picture".into()))?;
        let recipe: Self =
            serde_json::from_str(text).map_err(|error| wrong(format!("its recipe cannot be read: {error}")))?;
        if recipe.recipe != RECIPE_VERSION {
            return Err(wrong(format!("its recipe has layout {}, this program reads {RECIPE_VERSION}", recipe.recipe)));
        }
        Ok(recipe)
    }

    /// The text that A1111's web interface and everything that learnt from it reads: the prompts, then the settings in its
    /// order and words; what has its usual value is left out.
    pub fn infotext(&self) -> String {
        let mut text = self.prompt.clone();
        if !self.negative.is_empty() {
            text += &format!("\nNegative prompt: {}", self.negative);
        }
        let mut fields = vec![
            ("Steps", self.steps.to_string()),
            ("Sampler", sampler_label(self.sampler).to_owned()),
            ("Schedule type", schedule_label(self.schedule).to_owned()),
            ("CFG scale", self.guidance.to_string()),
            ("Seed", self.seed.to_string()),
            ("Size", self.size.to_string()),
            ("Model hash", self.model_sha256.get(..10).unwrap_or("").to_owned()),
            ("Model", self.model.clone()),
        ];
        let mut add = |key, value: Option<String>| fields.extend(value.map(|value| (key, value)));
        add("VAE hash", self.vae_sha256.as_ref().and_then(|hash| hash.get(..10)).map(str::to_owned));
        add("Variation seed", self.variation.map(|variation| variation.seed.to_string()));
        add("Variation seed strength", self.variation.map(|variation| variation.strength.to_string()));
        add("Denoising strength", self.start.as_ref().map(|start| start.strength.to_string()));
        add("Clip skip", self.clip_skip.filter(|n| *n > 1).map(|n| n.to_string()));
        add("RNG", Some(if self.rng == RandomSource::Cpu { "CPU" } else { "NV" }.to_owned()));
        add("Eta", (self.eta != self.sampler.default_eta()).then(|| self.eta.to_string()));
        add("Version", Some(format!("Calotype {}", self.version)));
        let fields: Vec<String> = fields.into_iter().map(|(key, value)| format!("{key}: {}", quoted(&value))).collect();
        format!("{text}\n{}", fields.join(", "))
    }
}

impl PictureRecipe for Recipe {
    fn seed(&self) -> u64 {
        self.seed
    }

    fn text_chunks(&self) -> [(&'static str, String); 2] {
        let json = serde_json::to_string(self).expect("a recipe of text and finite numbers is JSON");
        [(RECIPE_KEY, json), (PARAMETERS_KEY, self.infotext())]
    }
}

/// A value that would end early is written as JSON.
fn quoted(value: &str) -> String {
    if value.contains([',', ':', '\n']) { serde_json::Value::from(value).to_string() } else { value.to_owned() }
}

fn sampler_label(sampler: SigmaSampler) -> &'static str {
    match sampler {
        SigmaSampler::Euler => "Euler",
        SigmaSampler::EulerAncestral => "Euler a",
        SigmaSampler::Heun => "Heun",
        SigmaSampler::Ddim => "DDIM",
        SigmaSampler::DpmPp2M => "DPM++ 2M",
        SigmaSampler::DpmPp2MSde => "DPM++ 2M SDE",
        SigmaSampler::UniPc => "UniPC",
        SigmaSampler::Lcm => "LCM",
    }
}

fn schedule_label(schedule: SigmaSchedule) -> &'static str {
    match schedule {
        SigmaSchedule::Normal => "Normal",
        SigmaSchedule::Karras => "Karras",
        SigmaSchedule::Exponential => "Exponential",
        SigmaSchedule::Simple => "Simple",
        SigmaSchedule::SgmUniform => "SGM Uniform",
        SigmaSchedule::Trailing => "Trailing",
        SigmaSchedule::Leading => "DDIM",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> Recipe {
        let request = Request {
            prompt: "a \u{1F3E0}, red".into(),
            negative: "blue".into(),
            seed: 965_400_086,
            ..Request::default()
        };
        Recipe {
            size: Size { width: 512, height: 768 },
            model: "mix, v1".into(),
            model_sha256: "6ce0161689".repeat(6),
            clip_skip: Some(2),
            ..Recipe::new(&request, 0)
        }
    }

    #[test]
    fn survives_a_picture_and_gives_its_request_back() {
        let chunks = recipe().text_chunks();
        let text: Vec<(&str, &str)> = chunks.iter().map(|(key, text)| (*key, text.as_str())).collect();
        let picture = formats::picture::decode(&formats::picture::encode(1, 1, &[1, 2, 3, 4], &text).unwrap()).unwrap();
        assert!(Recipe::is_inside(&picture));
        let found = Recipe::from_picture("p", &picture).unwrap();
        assert_eq!(found, recipe());
        let again = found.request();
        assert_eq!((again.seed, again.steps, again.tile), (965_400_086, 25, Tile::Off));
    }

    #[test]
    fn the_text_is_the_one_that_others_read() {
        assert_eq!(
            recipe().infotext(),
            format!(
                "a \u{1F3E0}, red\nNegative prompt: blue\nSteps: 25, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, \
                 Seed: 965400086, Size: 512x768, Model hash: 6ce0161689, Model: \"mix, v1\", Clip skip: 2, RNG: CPU, \
                 Version: Calotype {}",
                env!("CARGO_PKG_VERSION")
            )
        );
    }
}
