//! Where models come from: the one built in, or a path to a model file or to a folder with one.

use std::path::{Path, PathBuf};
use std::time::Instant;

use formats::safetensors::File;

use crate::model::{self, Model, ModelInfo};
use crate::{EngineError, built_in};

/// The name of the built-in model.
pub const DEFAULT_MODEL: &str = "default";
/// The model file inside a model folder.
pub const MODEL_FILE: &str = "model.safetensors";

/// Loads a model by name, or by path to a file or folder.
pub fn open(name: &str) -> Result<Model, EngineError> {
    let begin = Instant::now();
    let mut model = Model::from_file(open_file(name)?)?;
    model.open_seconds = begin.elapsed().as_secs_f64();
    Ok(model)
}

/// What a model is, and whether its tensors fit, without loading them.
pub fn inspect(name: &str) -> Result<(ModelInfo, models::weights::Report), EngineError> {
    model::inspect(&open_file(name)?)
}

/// The models that can be used by name.
pub fn list() -> Result<Vec<(&'static str, ModelInfo)>, EngineError> {
    match built_in::model() {
        None => Ok(Vec::new()),
        Some(bytes) => {
            let file = File::from_static("built-in model", bytes)?;
            Ok(vec![(DEFAULT_MODEL, ModelInfo::from_metadata(file.name(), file.metadata())?)])
        }
    }
}

/// The checked file behind a name or path.
pub fn open_file(name: &str) -> Result<File, EngineError> {
    if name == DEFAULT_MODEL {
        let bytes = built_in::model().ok_or(EngineError::NoBuiltInModel)?;
        return Ok(File::from_static("built-in model", bytes)?);
    }
    let path = Path::new(name);
    if path.is_dir() {
        let file: PathBuf = path.join(MODEL_FILE);
        if !file.is_file() {
            return Err(EngineError::NoModelFile { path: path.to_owned() });
        }
        return Ok(File::open(file)?);
    }
    if !path.exists() {
        return Err(EngineError::UnknownModel { name: name.chars().take(200).collect() });
    }
    Ok(File::open(path)?)
}
