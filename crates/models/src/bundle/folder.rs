//! A folder of diffusers: `model_index.json` and one folder a part; or the folder of one part.

use std::path::Path;

use formats::safetensors::TensorSource;
use sampling::Prediction;
use serde_json::Value;

use super::part::Role;
use super::{Bundle, BundleError, Others, detect, refused};

/// The list of a model's parts.
const LIST: &str = "model_index.json";
const SCHEDULER: &str = "scheduler/scheduler_config.json";
/// Longest JSON file accepted, in bytes.
const MAX_JSON: u64 = 1 << 20;
/// The folders that are read.
const FOLDERS: [(&str, Role); 4] = [
    ("unet", Role::Unet),
    ("text_encoder", Role::TextEncoder),
    ("text_encoder_2", Role::TextEncoder2),
    ("vae", Role::Vae),
];

pub(super) fn open(path: &Path) -> Result<Bundle, BundleError> {
    let name = || path.display().to_string();
    let is_folder = |folder: &&str| path.join(folder).is_dir();
    let found: Vec<&str> = FOLDERS.map(|(folder, _)| folder).into_iter().filter(is_folder).collect();
    let Some(list) = json(&path.join(LIST))? else {
        if found.is_empty() {
            return Bundle::from_source(TensorSource::open(path)?);
        }
        let found = found.into_iter().map(|folder| format!("{folder}/")).collect();
        return Err(BundleError::NoModelIndex { folder: name(), found });
    };
    let mut bundle = Bundle {
        path: path.to_owned(),
        family: None,
        folder: true,
        parts: Vec::new(),
        prediction: prediction(path)?,
        others: Others::default(),
    };
    for (folder, role) in FOLDERS.into_iter().filter(|(folder, _)| found.contains(folder)) {
        let source = TensorSource::open(path.join(folder))?;
        refused::check(&source)?;
        let (parts, others) = detect::parts(&source)?;
        bundle.others.harmless += others.harmless;
        let title = parts.first().map_or("nothing that is known".to_owned(), |part| part.title());
        let part = parts.into_iter().find(|part| part.role == role);
        let file = || source.name().to_owned();
        bundle.set(part.ok_or_else(|| BundleError::OtherPart { file: file(), role, found: title })?);
    }
    if bundle.parts.is_empty() {
        let class = list.get("_class_name").and_then(Value::as_str).unwrap_or("no class");
        let class: String = class.chars().filter(|c| !c.is_control()).take(80).collect();
        return Err(BundleError::Unsupported { file: name(), what: format!("a diffusers folder of {class}") });
    }
    Ok(bundle)
}

/// What the scheduler says of the network's prediction. Without a word it is the noise.
fn prediction(folder: &Path) -> Result<Option<Prediction>, BundleError> {
    let path = folder.join(SCHEDULER);
    let Some(scheduler) = json(&path)? else { return Ok(None) };
    let Some(name) = scheduler.get("prediction_type") else { return Ok(Some(Prediction::Epsilon)) };
    let wrong = |problem| BundleError::Json { file: path.display().to_string(), problem };
    let name = name.as_str().ok_or_else(|| wrong("prediction_type is no text".to_owned()))?;
    name.parse().map(Some).map_err(|error| wrong(format!("{error}")))
}

/// An object in a file, if there is one.
fn json(path: &Path) -> Result<Option<Value>, BundleError> {
    let wrong = |problem| BundleError::Json { file: path.display().to_string(), problem };
    let status = match std::fs::metadata(path) {
        Ok(status) => status,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(error.to_string())),
    };
    if !status.is_file() || status.len() > MAX_JSON {
        return Err(wrong(format!("not a file of at most {MAX_JSON} bytes")));
    }
    let bytes = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|error| wrong(format!("not JSON: {error}")))?;
    if value.is_object() { Ok(Some(value)) } else { Err(wrong("not a JSON object".to_owned())) }
}
