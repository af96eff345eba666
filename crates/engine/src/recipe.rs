//! The recipe inside every picture: all that its pixels depend on. The number of threads is absent
//! because it cannot matter.

use formats::picture::{PARAMETERS_KEY, Picture, RECIPE_KEY};
use sampling::{Sampler, Schedule};
use serde::{Deserialize, Serialize};

use crate::options::PrecisionChoice;
use crate::{EngineError, Origin, Request, Size, Variation};

/// The version of the recipe's layout.
pub const RECIPE_VERSION: u32 = 1;

/// Everything the pixels of one picture depend on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recipe {
    /// Layout of this recipe.
    pub recipe: u32,
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
    /// Scale of the guidance away from the weakened network; pictures that do not say so know none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skip_guidance: f32,
    /// Sampler.
    pub sampler: Sampler,
    /// How much of a step's noise was drawn anew.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub eta: f32,
    /// Schedule.
    pub schedule: Schedule,
    /// Picture size.
    pub size: Size,
    /// How many times wider and higher than drawn the picture is.
    #[serde(default = "once")]
    pub enlarge: u32,
    /// Whether what was drawn and enlarged was fitted into a picture of another size.
    #[serde(default, skip_serializing_if = "is_false")]
    pub contained: bool,
    /// SHA-256 of the enlarger's file, if it was enlarged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enlarger_sha256: Option<String>,
    /// Whether it was drawn in few steps that the model has learned to take.
    #[serde(default, skip_serializing_if = "is_false")]
    pub turbo: bool,
    /// At how many places of the network's grid the last prediction was made; pictures that do not say so know one.
    #[serde(default = "once")]
    pub shifts: u32,
    /// The picture it was developed from, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Origin>,
    /// The model's name.
    pub model: String,
    /// SHA-256 of the model's file.
    pub model_sha256: String,
    /// SHA-256 of the text encoder's weights.
    pub text_encoder_sha256: String,
    /// Instruction set.
    pub isa: String,
    /// Precision of matrix products.
    pub precision: PrecisionChoice,
}

fn once() -> u32 {
    1
}

fn is_zero(value: &f32) -> bool {
    *value == 0.0
}

fn is_false(value: &bool) -> bool {
    !value
}

/// What every kind of recipe can say.
pub trait PictureRecipe {
    /// Seed of the picture.
    fn seed(&self) -> u64;

    /// The text chunks of the picture: the recipe, and a line that other programs show.
    fn text_chunks(&self) -> [(&'static str, String); 2];
}

impl Recipe {
    /// The request for this one picture, but for the picture it may have started from.
    pub fn request(&self) -> Request {
        let usual = Request::default();
        // Learned steps leave no room for these: a request says so by leaving them as they are.
        let (skip_guidance, sampler, eta) = match self.turbo {
            true => (usual.skip_guidance, usual.sampler, None),
            false => (self.skip_guidance, self.sampler, Some(self.eta)),
        };
        Request {
            prompt: self.prompt.clone(),
            negative: self.negative.clone(),
            seed: self.seed,
            variation: self.variation,
            steps: self.steps,
            guidance: self.guidance,
            guidance_interval: self.guidance_interval,
            skip_guidance,
            sampler,
            eta,
            schedule: self.schedule,
            size: Some(self.size),
            enlarge: (!self.contained).then_some(self.enlarge),
            count: 1,
            start: None,
            turbo: Some(self.turbo),
            shifts: Some(self.shifts),
        }
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
}

impl PictureRecipe for Recipe {
    fn seed(&self) -> u64 {
        self.seed
    }

    fn text_chunks(&self) -> [(&'static str, String); 2] {
        let json = serde_json::to_string(self).expect("a recipe of text and finite numbers is JSON");
        let mut line = self.prompt.clone();
        if !self.negative.is_empty() {
            line += &format!("\nNegative prompt: {}", self.negative);
        }
        let strength = self.start.as_ref().map_or(String::new(), |o| format!("Denoising strength: {}, ", o.strength));
        let variation = self.variation.map_or(String::new(), |Variation { seed, strength }| {
            format!("Variation seed: {seed}, Variation seed strength: {strength}, ")
        });
        line += &format!(
            "\nSteps: {}, Sampler: {}, Schedule type: {}, CFG scale: {}, Seed: {}, Size: {}, {variation}{strength}Model hash: {}, \
             Model: {}, Version: Calotype {}",
            self.steps,
            if self.turbo { Sampler::Euler } else { self.sampler },
            if self.turbo { Schedule::Linear } else { self.schedule },
            if self.turbo { 1.0 } else { self.guidance },
            self.seed,
            self.size,
            self.model_sha256.get(..10).unwrap_or(""),
            self.model,
            self.version
        );
        [(RECIPE_KEY, json), (PARAMETERS_KEY, line)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> Recipe {
        Recipe {
            recipe: RECIPE_VERSION,
            version: "0.1.0".into(),
            prompt: "ein rotes Haus \u{1F3E0}\n\"quoted\"".into(),
            negative: "blau".into(),
            seed: u64::MAX,
            variation: Some(Variation { seed: 9, strength: 0.25 }),
            steps: 25,
            guidance: 3.1,
            guidance_interval: (0.1, 0.9),
            skip_guidance: 0.7,
            sampler: Sampler::DpmPp2MSde,
            eta: 0.7,
            schedule: Schedule::Shifted(1.7),
            size: Size { width: 128, height: 64 },
            enlarge: 1,
            contained: false,
            enlarger_sha256: None,
            turbo: false,
            shifts: 3,
            start: None,
            model: "tiny".into(),
            model_sha256: "ab".repeat(32),
            text_encoder_sha256: "cd".repeat(32),
            isa: "avx2".into(),
            precision: PrecisionChoice::F32,
        }
    }

    #[test]
    fn survives_a_picture() {
        let chunks = recipe().text_chunks();
        let text: Vec<(&str, &str)> = chunks.iter().map(|(key, text)| (*key, text.as_str())).collect();
        let png = formats::picture::encode(1, 1, &[1, 2, 3, 4], &text).unwrap();
        let picture = formats::picture::decode(&png).unwrap();
        assert_eq!(Recipe::from_picture("p", &picture).unwrap(), recipe());
        assert!(picture.text(PARAMETERS_KEY).unwrap().contains("Seed: 18446744073709551615, Size: 128x64"));
    }

    #[test]
    fn damaged_recipes_are_errors() {
        let with = |text: &str| {
            let png = formats::picture::encode(1, 1, &[0; 4], &[(RECIPE_KEY, text)]).unwrap();
            Recipe::from_picture("p.png", &formats::picture::decode(&png).unwrap())
        };
        let mut future = recipe();
        future.recipe = 2;
        for text in ["", "{}", "[1]", &serde_json::to_string(&future).unwrap()] {
            assert!(with(text).unwrap_err().to_string().starts_with("p.png: its recipe"), "{text}");
        }
    }
}
