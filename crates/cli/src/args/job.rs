//! What `generate` and `plan` share: the job.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use engine::stable_diffusion::{self as sd, Architecture, Tile, is_checkpoint};
use engine::{
    DEFAULT_STRENGTH, EngineError, MAX_PROMPT_BYTES, Order, PresetName, Request, Size, Start, Variation, store,
};

use super::RunArgs;
use super::sampling::SamplingArgs;

/// Options that describe a job; shared by `generate` and `plan`.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// What to draw; "" = anything the model likes, - = read from standard input.
    #[arg(value_parser = prompt)]
    pub prompt: String,
    /// Model: a name from `calotype models`, or a path to a model file or folder.
    #[arg(long, value_name = "NAME|PATH", default_value = store::DEFAULT_MODEL)]
    pub model: String,
    /// What to keep away from.
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub negative: String,
    /// Seed; picture i of --count uses seed + i.
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    pub seed: u64,
    /// Sampler steps, 1 to 200; overrides --preset.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub steps: Option<u32>,
    /// Guidance, sampler and schedule.
    #[command(flatten)]
    pub sampling: SamplingArgs,
    /// Options that only Stable Diffusion checkpoints know.
    #[command(flatten)]
    pub stable_diffusion: StableDiffusionArgs,
    /// Size in pixels, such as 1080x1350, sides 32 to 2048: the model's square is fitted into it, with nothing beside it;
    /// Stable Diffusion: multiples of 8 up to 4096 [default: 4 times what the model draws, 512x512 for the built-in one;
    /// Stable Diffusion: the model's].
    #[arg(long, value_name = "WxH")]
    pub size: Option<Size>,
    /// How many times larger than drawn the picture becomes: 1, 2 or 4. The network then draws the whole shape of --size
    /// [default: what --size needs]; not for Stable Diffusion.
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub enlarge: Option<u32>,
    /// Number of pictures, 1 to 64.
    #[arg(long, value_name = "N", default_value_t = 1, allow_negative_numbers = true)]
    pub count: u32,
    /// Start from this picture instead of from noise alone: more like it, or what the prompt makes of it.
    #[arg(long, value_name = "IMAGE")]
    pub vary: Option<PathBuf>,
    /// How far to go from the picture of --vary, 0.01 (hardly) to 1 (a new picture); takes as large a share of the steps.
    #[arg(long, value_name = "X", default_value_t = DEFAULT_STRENGTH, allow_negative_numbers = true, requires = "vary")]
    pub strength: f32,
    /// With --vary: draw only where this picture is white and keep what lies under black.
    #[arg(long, value_name = "IMAGE", requires = "vary")]
    pub mask: Option<PathBuf>,
    /// Mixes the noise of this seed in, so that a picture changes little by little; picture i uses N + i.
    #[arg(long, value_name = "N")]
    pub variation_seed: Option<u64>,
    /// How much of it, 0 (nothing) to 1 (only it).
    #[arg(long, value_name = "X", default_value_t = 0.2, allow_negative_numbers = true, requires = "variation_seed")]
    pub variation_strength: f32,
    /// Steps by name: draft 8, standard 16, final 25; turbo: the few steps that a model has learned (4, or --steps 1 or 2). For
    /// Stable Diffusion models of few steps turbo, lcm, lightning: 4 steps without guidance, and their sampler.
    #[arg(long, value_enum, default_value_t = PresetArg::Final)]
    pub preset: PresetArg,
    /// How to run.
    #[command(flatten)]
    pub run: RunArgs,
}

impl JobArgs {
    /// Whether the model is a Stable Diffusion checkpoint.
    pub fn is_stable_diffusion(&self) -> bool {
        self.model != store::DEFAULT_MODEL && is_checkpoint(Path::new(&self.model))
    }

    /// The job by names.
    fn order(&self) -> Order {
        let own = &self.stable_diffusion;
        Order {
            prompt: self.prompt.clone(),
            negative: self.negative.clone(),
            seed: self.seed,
            variation: self.variation_seed.map(|seed| Variation { seed, strength: self.variation_strength }),
            count: self.count,
            preset: match self.preset {
                PresetArg::Draft => PresetName::Draft,
                PresetArg::Standard => PresetName::Standard,
                PresetArg::Final => PresetName::Final,
                PresetArg::Turbo => PresetName::Turbo,
                PresetArg::Lcm => PresetName::Lcm,
                PresetArg::Lightning => PresetName::Lightning,
            },
            steps: self.steps,
            size: self.size,
            enlarge: self.enlarge,
            strength: Some(self.strength),
            rng: own.rng.clone(),
            clip_skip: own.clip_skip,
            prediction: own.prediction.clone(),
            guidance_rescale: own.guidance_rescale,
            tile: own.tile,
            ..self.sampling.order()
        }
    }

    /// The engine's request; opens the picture to start from.
    pub fn request(&self) -> Result<Request, EngineError> {
        if let Some(field) = self.stable_diffusion.file_given() {
            let message = "only Stable Diffusion checkpoints know this option".into();
            return Err(EngineError::Field { field, message });
        }
        self.order().request(self.start()?)
    }

    /// The request for a Stable Diffusion checkpoint; opens the picture to start from.
    pub fn stable_diffusion_request(&self, model: &Architecture, previews: bool) -> Result<sd::Request, EngineError> {
        self.order().stable_diffusion_request(model, self.start()?, previews)
    }

    /// The picture to start from.
    fn start(&self) -> Result<Option<Start>, EngineError> {
        let open = |picture: &PathBuf| Start::open(picture, self.mask.as_deref(), self.strength);
        self.vary.as_ref().map(open).transpose()
    }
}

/// Options that only Stable Diffusion checkpoints know.
#[derive(Debug, Args)]
pub struct StableDiffusionArgs {
    /// Take the autoencoder from this file.
    #[arg(long, value_name = "FILE", help_heading = STABLE_DIFFUSION)]
    pub vae: Option<PathBuf>,
    /// Decode previews with TAESD from this file.
    #[arg(long, value_name = "FILE", help_heading = STABLE_DIFFUSION)]
    pub taesd: Option<PathBuf>,
    /// Whose noise a seed stands for: cpu (torch's, as ComfyUI and diffusers) or nv (CUDA's, as A1111) [default: cpu].
    #[arg(long, value_name = "NAME", help_heading = STABLE_DIFFUSION)]
    pub rng: Option<String>,
    /// Layer of the text encoder that is read, from the last, from 1 [default: 1 for SD 1.x, else 2].
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = STABLE_DIFFUSION)]
    pub clip_skip: Option<u32>,
    /// What the model predicts: epsilon, v or flow [default: as the files say; else v for SD 2.x but its inpainting model,
    /// epsilon for all others].
    #[arg(long, value_name = "NAME", help_heading = STABLE_DIFFUSION)]
    pub prediction: Option<String>,
    /// How much contrast that guidance added is taken back, 0 to 1 [default: 0].
    #[arg(long, value_name = "X", allow_negative_numbers = true, help_heading = STABLE_DIFFUSION)]
    pub guidance_rescale: Option<f32>,
    /// Tiles of the autoencoder: auto, off, or their side in pixels; they need less memory [default: auto].
    #[arg(long, value_name = "N", help_heading = STABLE_DIFFUSION)]
    pub tile: Option<Tile>,
}

const STABLE_DIFFUSION: &str = "Stable Diffusion checkpoints";

impl StableDiffusionArgs {
    /// The first option that was given and that names a file.
    fn file_given(&self) -> Option<&'static str> {
        let options = [("vae", self.vae.is_some()), ("taesd", self.taesd.is_some())];
        options.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }
}

/// A preset's name.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum PresetArg {
    /// 8 steps.
    Draft,
    /// 16 steps.
    Standard,
    /// 25 steps.
    Final,
    /// Few learned steps; SD-Turbo and SDXL-Turbo: 4 steps of euler_ancestral, trailing.
    Turbo,
    /// Latent consistency models: 4 steps of lcm, trailing.
    Lcm,
    /// SDXL-Lightning: 4 steps of euler, trailing.
    Lightning,
}

/// A prompt, or what standard input holds in its place, without the end of its last line.
fn prompt(text: &str) -> Result<String, String> {
    if text != "-" {
        return Ok(text.to_owned());
    }
    let most = MAX_PROMPT_BYTES + "\r\n".len();
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(most as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("standard input: {error}"))?;
    if bytes.len() > most {
        return Err(format!("standard input has more than {MAX_PROMPT_BYTES} bytes"));
    }
    let read = String::from_utf8(bytes).map_err(|_| "standard input is not UTF-8".to_owned())?;
    Ok(read.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use crate::args::{Cli, Command};

    #[test]
    fn presets_set_steps_and_steps_win() {
        let steps = |args: &[&str]| {
            let args = ["calotype", "generate", "a cat"].iter().chain(args);
            match Cli::try_parse_from(args).unwrap().command {
                Some(Command::Generate(generate)) => generate.job.request().unwrap().steps,
                _ => unreachable!("generate was parsed"),
            }
        };
        assert_eq!(steps(&[]), 25);
        assert_eq!(steps(&["--preset", "draft"]), 8);
        assert_eq!(steps(&["--preset", "standard"]), 16);
        assert_eq!(steps(&["--preset", "draft", "--steps", "3"]), 3);
    }
}
