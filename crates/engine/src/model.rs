//! A model file: safetensors whose metadata says what the tensors are.
//!
//! | metadata key | meaning |
//! |---|---|
//! | `family` | `jit` |
//! | `config` | [`jit::Config`] as JSON |
//! | `name` | name shown to people and recorded in recipes |
//! | `image_size` | side in pixels of the pictures it was trained on last; the default size |
//! | `text_tokens` | longest caption in tokens it was trained on; longer prompts are cut there |
//! | `pictures_seen` | training pictures seen |
//! | `shifts` | at how many places of the network's grid the last prediction is made if a request does not say it; 3 in files without it |
//!
//! Other keys are kept and ignored. Tensors may be f32, bf16, f16 or 16-bit integers with scales.

use std::collections::BTreeMap;
use std::path::Path;

use formats::safetensors::{File, Tensor};
use graph::{Graph, PackedParameters, Parameters, Precision};
use kernels::Cpu;
use models::jit;
use models::weights::{Report, match_keys};

use crate::EngineError;
use crate::shifts::MAX_SHIFTS;

/// What a model file says about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// Name shown to people and recorded in recipes.
    pub name: String,
    /// Sizes of the network.
    pub config: jit::Config,
    /// Native side in pixels.
    pub image_size: u32,
    /// Longest caption in tokens.
    pub text_tokens: usize,
    /// Training pictures seen.
    pub pictures_seen: u64,
    /// At how many places of the network's grid the last prediction is made if a request does not say it, 1..=3.
    pub shifts: u32,
}

impl ModelInfo {
    /// As safetensors metadata.
    pub fn to_metadata(&self) -> BTreeMap<String, String> {
        let config = serde_json::to_string(&self.config).expect("a configuration of numbers is JSON");
        [
            ("family", jit::FAMILY.to_owned()),
            ("config", config),
            ("name", self.name.clone()),
            ("image_size", self.image_size.to_string()),
            ("text_tokens", self.text_tokens.to_string()),
            ("pictures_seen", self.pictures_seen.to_string()),
            ("shifts", self.shifts.to_string()),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect()
    }

    /// From the metadata of `file`.
    pub fn from_metadata(file: &str, metadata: &BTreeMap<String, String>) -> Result<Self, EngineError> {
        let wrong = |key, problem: String| EngineError::Metadata { file: file.to_owned(), key, problem };
        let text = |key: &'static str| metadata.get(key).ok_or_else(|| wrong(key, "is missing".into()));
        let number = |key: &'static str, low: u64, high: u64| {
            let value = text(key)?;
            value.parse::<u64>().ok().filter(|n| (low..=high).contains(n)).ok_or_else(|| {
                let shown: String = value.chars().take(40).collect();
                wrong(key, format!("is '{shown}', must be a number in {low}..={high}"))
            })
        };
        let family = text("family")?;
        if family != jit::FAMILY {
            let shown: String = family.chars().take(40).collect();
            return Err(wrong("family", format!("is '{shown}', known: {}", jit::FAMILY)));
        }
        let config: jit::Config =
            serde_json::from_str(text("config")?).map_err(|error| wrong("config", format!("is wrong: {error}")))?;
        config.validate().map_err(|error| wrong("config", format!("is wrong: {error}")))?;
        if config.channels != 4 {
            return Err(wrong("config", format!("has {} channels, pictures need 4 (RGBA)", config.channels)));
        }
        let name = text("name")?;
        if name.is_empty() || name.len() > 200 || name.chars().any(char::is_control) {
            return Err(wrong("name", "must be 1 to 200 printable bytes".into()));
        }
        Ok(Self {
            name: name.clone(),
            config,
            image_size: number("image_size", 16, 1024)? as u32,
            text_tokens: number("text_tokens", 2, 128)? as usize,
            pictures_seen: number("pictures_seen", 0, u64::MAX)?,
            // Files written before there was the key are versions of the default model.
            shifts: match metadata.get("shifts") {
                Some(_) => number("shifts", 1, MAX_SHIFTS.into())? as u32,
                None => MAX_SHIFTS,
            },
        })
    }
}

/// A model whose keys and shapes were checked: its description, and where its weights are.
#[derive(Debug)]
pub struct Model {
    /// What the file says about itself.
    pub info: ModelInfo,
    /// SHA-256 of the file, in hexadecimal; empty for weights that were never saved.
    pub sha256: String,
    /// Seconds it took to open and digest the file.
    pub open_seconds: f64,
    weights: Weights,
}

#[derive(Debug)]
enum Weights {
    File(File),
    Memory(Parameters),
}

/// How the tensors of `file` fit the network that its metadata describes.
pub fn inspect(file: &File) -> Result<(ModelInfo, Report), EngineError> {
    let info = ModelInfo::from_metadata(file.name(), file.metadata())?;
    let mut found = Vec::new();
    for name in file.value_names() {
        found.push((name, file.shape(name)?));
    }
    let report = match_keys(&jit::parameters(&info.config), found);
    Ok((info, report))
}

impl Model {
    /// Takes a checked file; strict: every parameter must be there with its shape, and nothing else.
    pub fn from_file(file: File) -> Result<Self, EngineError> {
        let (info, report) = inspect(&file)?;
        if !report.is_complete() {
            return Err(EngineError::Weights { file: file.name().to_owned(), report: Box::new(report) });
        }
        Ok(Self { info, sha256: file.sha256(), open_seconds: 0.0, weights: Weights::File(file) })
    }

    /// Takes weights in memory, such as those of a running training.
    pub fn from_parameters(info: ModelInfo, parameters: Parameters) -> Result<Self, EngineError> {
        info.config.validate().map_err(jit::BuildError::from)?;
        let report =
            match_keys(&jit::parameters(&info.config), parameters.iter().map(|p| (p.name.as_str(), &p.shape[..])));
        if !report.is_complete() {
            return Err(EngineError::Weights { file: info.name, report: Box::new(report) });
        }
        Ok(Self { info, sha256: String::new(), open_seconds: 0.0, weights: Weights::Memory(parameters) })
    }

    /// Packs the weights that `graph` reads, one tensor at a time; here their names begin with `prefix`.
    pub(crate) fn pack(
        &self,
        cpu: &Cpu,
        graph: &Graph,
        precision: Precision,
        prefix: &str,
    ) -> Result<PackedParameters, EngineError> {
        PackedParameters::from_source(cpu, &[graph], precision, |name, values| {
            let name = format!("{prefix}{name}");
            match &self.weights {
                Weights::Memory(parameters) => {
                    let parameter = parameters.get(&name).expect("checked when the model was made");
                    values.copy_from_slice(&parameter.data);
                    Ok(())
                }
                Weights::File(file) => {
                    file.read_f32(&name, values)?;
                    check_finite(file.name(), &name, values)
                }
            }
        })
    }
}

/// Refuses weights that are infinite, not a number, or so large that a square of them would be.
pub(crate) fn check_finite(file: &str, name: &str, values: &[f32]) -> Result<(), EngineError> {
    const LARGEST: f32 = 1e19;
    // Without a way out in between, so that many are compared at a time.
    match values.iter().fold(true, |good, value| good & (value.abs() <= LARGEST)) {
        true => Ok(()),
        false => Err(EngineError::NotFinite { file: file.to_owned(), name: name.to_owned() }),
    }
}

/// Writes a model file (f32) and returns its SHA-256.
pub fn write(path: &Path, info: &ModelInfo, parameters: &Parameters) -> Result<String, EngineError> {
    let tensors = parameters.iter().map(|p| Tensor::f32(p.name.as_str(), &p.shape, p.data.as_slice()));
    Ok(formats::safetensors::write(path, tensors, &info.to_metadata())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> ModelInfo {
        ModelInfo {
            name: "tiny".into(),
            config: jit::Config { blocks: 1, ..jit::Config::default() },
            image_size: 64,
            text_tokens: 16,
            pictures_seen: 12,
            shifts: 2,
        }
    }

    #[test]
    fn metadata_round_trips() {
        assert_eq!(ModelInfo::from_metadata("f", &info().to_metadata()).unwrap(), info());
    }

    #[test]
    fn places_of_the_last_prediction_have_a_range_and_are_three_in_old_files() {
        let with = |value: &str| {
            let metadata =
                BTreeMap::from_iter(info().to_metadata().into_iter().chain([("shifts".into(), value.into())]));
            ModelInfo::from_metadata("f", &metadata)
        };
        assert_eq!(with("1").unwrap().shifts, 1);
        for value in ["0", "4", "many"] {
            assert!(with(value).unwrap_err().to_string().contains("'shifts'"), "{value}");
        }
        let mut old = info().to_metadata();
        old.remove("shifts").unwrap();
        assert_eq!(ModelInfo::from_metadata("f", &old).unwrap().shifts, 3);
    }

    #[test]
    fn bad_metadata_names_its_key() {
        for (key, value) in [
            ("family", "unet"),
            ("config", "{"),
            ("config", r#"{"width": 0}"#),
            ("config", r#"{"wdith": 1}"#),
            ("config", r#"{"channels": 3}"#),
            ("name", ""),
            ("name", "a\nb"),
            ("image_size", "-1"),
            ("image_size", "99999999999999999999"),
            ("text_tokens", "0"),
            ("pictures_seen", "many"),
        ] {
            let mut metadata = info().to_metadata();
            metadata.insert(key.into(), value.into());
            let message = ModelInfo::from_metadata("f", &metadata).unwrap_err().to_string();
            assert!(message.contains(&format!("'{key}'")), "{message}");
            metadata.remove(key);
            let message = ModelInfo::from_metadata("f", &metadata).unwrap_err().to_string();
            assert!(message.contains("missing"), "{message}");
        }
    }
}
