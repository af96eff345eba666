//! Folders as diffusers saves them: `unet`, `vae`, `text_encoder`, `text_encoder_2` and `scheduler`, each with its
//! configuration. Sizes are read from there, so that models of any size are understood.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use formats::safetensors::TensorSource;
use models::checkpoint::{Layout, Place};
use models::unet::{self, Family, Heads, Level};
use models::vae;
use sampling::{Betas, Prediction};
use serde_json::Value;
use text::clip::{self, Activation, Reading};

use super::load::{Part, stem, wrong};
use super::{Architecture, Checkpoint, CheckpointProblem, TextModel};
use crate::EngineError;

const PLACE: Place = Place { prefix: "", layout: Layout::Diffusers };
/// Whether a folder is a pipeline of diffusers.
pub(super) fn is_pipeline(path: &Path) -> bool {
    path.join("unet").join("config.json").is_file()
}

/// Opens a folder; `vae` is a file to take the autoencoder from instead.
pub(super) fn open(path: &Path, own_vae: Option<&Path>) -> Result<Checkpoint, EngineError> {
    let unet_config = Config::read(path, "unet")?;
    let unet = unet_config.unet()?;
    let vae_config = Config::read(path, "vae")?;
    let vae = vae_config.vae()?;
    let has_second = path.join("text_encoder_2").is_dir();
    let has_first = path.join("text_encoder").is_dir();
    let family = match (unet.vector.is_some(), has_first) {
        (true, true) => Family::Sdxl,
        (true, false) => Family::SdxlRefiner,
        (false, _) => {
            // The width of the text states would tell published models apart, but not others.
            let gelu = Config::read(path, "text_encoder")?.text("hidden_act")? == "gelu";
            if gelu { Family::Sd2 } else { Family::Sd1 }
        }
    };
    if family == Family::Sdxl && !has_second {
        let problem = CheckpointProblem::Missing { network: "second text encoder", hint: "" };
        return Err(wrong(path, problem));
    }
    let mut architecture = Architecture { unet, vae, ..Architecture::published(family, unet) };
    let folders: &[&str] = match family {
        Family::Sd1 | Family::Sd2 => &["text_encoder"],
        Family::Sdxl => &["text_encoder", "text_encoder_2"],
        Family::SdxlRefiner => &["text_encoder_2"],
    };
    let published = architecture.text;
    architecture.text = Vec::new();
    let mut text = Vec::new();
    for (folder, usual) in folders.iter().zip(published) {
        let config = Config::read(path, folder)?.text_model()?;
        // diffusers leaves out the last layer of SD 2.x, which is not read, instead of skipping it.
        let reading = if family == Family::Sd2 { Reading { skip: 0, ..usual.reading } } else { usual.reading };
        architecture.text.push(TextModel { config, reading, ..usual });
        let source = TensorSource::open(path.join(folder))?;
        let bare = source.contains("final_layer_norm.weight");
        text.push((PathBuf::from(source.name()), if bare { clip::Place::ALONE_BARE } else { clip::Place::ALONE }));
    }
    architecture.latent_scale = vae_config.number("scaling_factor").unwrap_or(architecture.latent_scale);
    let factor = architecture.vae.factor() as u64;
    if let Some(cells) = unet_config.count("sample_size") {
        architecture.native_side = ((cells as u64 * factor) as u32).clamp(super::MIN_SIDE, super::MAX_SIDE);
    }
    conventions(path, &mut architecture)?;
    let unet = Part::unet(&TensorSource::open(path.join("unet"))?, &unet, PLACE)?;
    let vae = match own_vae {
        Some(own) => Part::vae_alone(own, &vae)?,
        None => Part::vae(&TensorSource::open(path.join("vae"))?, &vae, PLACE)?,
    };
    Ok(Checkpoint::from_parts(stem(path), architecture, unet, (vae, own_vae.is_some()), text))
}

/// What the schedule and the pipeline say, where they are there.
fn conventions(path: &Path, architecture: &mut Architecture) -> Result<(), EngineError> {
    if path.join("scheduler").join("scheduler_config.json").is_file() {
        let schedule = Config::of(path.join("scheduler").join("scheduler_config.json"))?;
        if let Ok(name) = schedule.text("prediction_type") {
            architecture.prediction =
                name.parse::<Prediction>().map_err(|error| schedule.wrong("prediction_type", error))?;
        }
        let usual = Betas::STABLE_DIFFUSION;
        architecture.betas = Betas {
            rise: match schedule.text("beta_schedule") {
                Ok(name) => name.parse().map_err(|error| schedule.wrong("beta_schedule", error))?,
                Err(_) => usual.rise,
            },
            start: schedule.value["beta_start"].as_f64().unwrap_or(usual.start),
            end: schedule.value["beta_end"].as_f64().unwrap_or(usual.end),
            timesteps: schedule.count("num_train_timesteps").unwrap_or(usual.timesteps),
            zero_terminal_snr: schedule.value["rescale_betas_zero_snr"].as_bool().unwrap_or(false),
        };
    }
    if path.join("model_index.json").is_file() {
        let index = Config::of(path.join("model_index.json"))?;
        if let Some(zero) = index.value["force_zeros_for_empty_prompt"].as_bool() {
            architecture.zero_empty_negative = zero;
        }
    }
    Ok(())
}

/// A configuration file of a part.
struct Config {
    path: PathBuf,
    value: Value,
}

impl Config {
    fn read(path: &Path, folder: &str) -> Result<Self, EngineError> {
        Self::of(path.join(folder).join("config.json"))
    }

    fn of(path: PathBuf) -> Result<Self, EngineError> {
        let failed = |problem: String| wrong(&path, CheckpointProblem::Config { key: "the file".into(), problem });
        let text = std::fs::read_to_string(&path).map_err(|error| failed(format!("cannot be read: {error}")))?;
        // Python writes numbers that JSON does not have.
        let text = [": -Infinity", ": Infinity", ": NaN"].iter().fold(text, |text, no| text.replace(no, ": null"));
        let value = serde_json::from_str(&text).map_err(|error| failed(format!("is not JSON: {error}")))?;
        Ok(Self { path, value })
    }

    fn wrong(&self, key: &str, problem: impl std::fmt::Display) -> EngineError {
        wrong(&self.path, CheckpointProblem::Config { key: key.to_owned(), problem: problem.to_string() })
    }

    fn text(&self, key: &str) -> Result<&str, EngineError> {
        self.value[key].as_str().ok_or_else(|| self.wrong(key, "is not a text"))
    }

    fn number(&self, key: &str) -> Option<f32> {
        self.value[key].as_f64().map(|number| number as f32).filter(|number| number.is_finite() && *number > 0.0)
    }

    fn count(&self, key: &str) -> Option<usize> {
        self.value[key].as_u64().and_then(|count| usize::try_from(count).ok())
    }

    fn needed(&self, key: &str) -> Result<usize, EngineError> {
        self.count(key)
            .filter(|count| *count <= 1 << 20)
            .ok_or_else(|| self.wrong(key, "is not a number of this family"))
    }

    /// One number for all levels, or one for each.
    fn each(&self, key: &str, levels: usize, default: usize) -> Result<Vec<usize>, EngineError> {
        let number = |value: &Value| value.as_u64().map(|n| n as usize).filter(|n| (1..=1 << 16).contains(n));
        let found: Option<Vec<usize>> = match &self.value[key] {
            Value::Null => Some(vec![default; levels]),
            Value::Array(values) if values.len() == levels => values.iter().map(number).collect(),
            value => number(value).map(|n| vec![n; levels]),
        };
        found.ok_or_else(|| self.wrong(key, "is not a number, or one for each level"))
    }

    fn unet(&self) -> Result<unet::Config, EngineError> {
        let (width, multipliers) = self.channels()?;
        let levels = multipliers.len();
        let depths = self.each("transformer_layers_per_block", levels, 1)?;
        let kinds = self.value["down_block_types"].as_array().filter(|kinds| kinds.len() == levels);
        let kinds = kinds.ok_or_else(|| self.wrong("down_block_types", "is not one name for each level"))?;
        let mut all = Vec::new();
        for ((multiplier, kind), depth) in multipliers.iter().zip(kinds).zip(&depths) {
            let depth = match kind.as_str() {
                Some("CrossAttnDownBlock2D") => *depth,
                Some("DownBlock2D") => 0,
                _ => {
                    return Err(
                        self.wrong("down_block_types", format!("has {kind}, which no model of this family has"))
                    );
                }
            };
            all.push(Level { multiplier: *multiplier, depth });
        }
        // Named after their size, but numbers of heads: an old mistake that published files depend on.
        let heads = match &self.value["num_attention_heads"] {
            Value::Null => self.each("attention_head_dim", levels, 8)?,
            _ => self.each("num_attention_heads", levels, 8)?,
        };
        let sizes: Vec<usize> = multipliers.iter().zip(&heads).map(|(m, heads)| m * width / heads).collect();
        let same = |numbers: &[usize]| numbers.iter().all(|n| *n == numbers[0]);
        let heads = match (same(&heads), same(&sizes)) {
            (true, _) => Heads::Count(heads[0]),
            (_, true) => Heads::Size(sizes[0]),
            _ => {
                return Err(
                    self.wrong("attention_head_dim", "gives neither as many heads nor heads as large everywhere")
                );
            }
        };
        let vector = match &self.value["addition_embed_type"] {
            Value::Null => None,
            _ => Some(self.needed("projection_class_embeddings_input_dim")?),
        };
        let guidance = match &self.value["time_cond_proj_dim"] {
            Value::Null => None,
            _ => Some(self.needed("time_cond_proj_dim")?),
        };
        Ok(unet::Config {
            in_channels: self.needed("in_channels")?,
            out_channels: self.needed("out_channels")?,
            width,
            levels: kept(&LEVELS, &all),
            middle_depth: depths[levels - 1],
            blocks: self.needed("layers_per_block")?,
            heads,
            context: self.needed("cross_attention_dim")?,
            vector,
            guidance,
        })
    }

    fn vae(&self) -> Result<vae::Config, EngineError> {
        let (width, multipliers) = self.channels()?;
        Ok(vae::Config {
            width,
            multipliers: kept(&MULTIPLIERS, &multipliers),
            blocks: self.needed("layers_per_block")?,
            latent: self.needed("latent_channels")?,
        })
    }

    /// Channels of the first level, and of each level in multiples of it.
    fn channels(&self) -> Result<(usize, Vec<usize>), EngineError> {
        let key = "block_out_channels";
        let levels = self.value[key].as_array().map_or(0, Vec::len);
        if !(1..=8).contains(&levels) {
            return Err(self.wrong(key, "is not a list of 1 to 8 numbers"));
        }
        let channels = self.each(key, levels, 0)?;
        if channels.iter().any(|c| !c.is_multiple_of(channels[0])) {
            return Err(self.wrong(key, "are not multiples of the first"));
        }
        Ok((channels[0], channels.iter().map(|c| c / channels[0]).collect()))
    }

    fn text_model(&self) -> Result<clip::Config, EngineError> {
        let projected = self.value["architectures"]
            .as_array()
            .is_some_and(|names| names.iter().any(|name| name.as_str().is_some_and(|n| n.ends_with("WithProjection"))));
        Ok(clip::Config {
            width: self.needed("hidden_size")?,
            layers: self.needed("num_hidden_layers")?,
            heads: self.needed("num_attention_heads")?.max(1),
            intermediate: self.needed("intermediate_size")?,
            activation: match self.text("hidden_act")? {
                "quick_gelu" => Activation::QuickGelu,
                "gelu" => Activation::Gelu,
                other => return Err(self.wrong("hidden_act", format!("is {other}, known: quick_gelu, gelu"))),
            },
            projection: if projected { Some(self.needed("projection_dim")?) } else { None },
            vocabulary: self.needed("vocab_size")?,
        })
    }
}

type Kept<T> = Mutex<Vec<&'static [T]>>;
static LEVELS: Kept<Level> = Mutex::new(Vec::new());
static MULTIPLIERS: Kept<usize> = Mutex::new(Vec::new());

/// A list that lives as long as the program, as the published sizes do. Each is kept once, however often it is opened.
fn kept<T: Copy + PartialEq>(all: &Kept<T>, list: &[T]) -> &'static [T] {
    let mut all = all.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if let Some(found) = all.iter().find(|found| **found == list) {
        return found;
    }
    let new: &'static [T] = Vec::leak(list.to_vec());
    all.push(new);
    new
}
