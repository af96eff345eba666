//! The models that can be named in requests: the built-in one, and what lies in the folder of models. A name is looked up in
//! the folder's listing; it is never made into a path.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use engine::{Kind, store};

use crate::error::ApiError;

/// A model that can be used.
#[derive(Debug, Clone)]
pub struct KnownModel {
    /// Its name in requests.
    pub name: String,
    /// What the engine opens.
    pub path: String,
    /// What it is.
    pub kind: Arc<Kind>,
}

/// The models there are.
#[derive(Debug)]
pub struct Models {
    folder: PathBuf,
    /// What was opened before, by path, as long as the file is the same.
    opened: Mutex<HashMap<String, Opened>>,
}

/// When a file was last changed, and what it is.
type Opened = (Option<SystemTime>, Arc<Kind>);

impl Models {
    /// Looks into a folder, which need not exist.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), opened: Mutex::default() }
    }

    /// Names and paths, the built-in model first.
    pub fn names(&self) -> Vec<(String, String)> {
        let mut found = BTreeMap::new();
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let (path, file_name) = (entry.path(), entry.file_name());
            let (Some(text), Some(name)) = (path.to_str(), file_name.to_str()) else { continue };
            let name = match path.is_dir() {
                true => Some(name),
                false => name.strip_suffix(".safetensors"),
            };
            if let Some(name) = name.filter(|name| !name.starts_with('.') && *name != store::DEFAULT_MODEL) {
                found.entry(name.to_owned()).or_insert_with(|| text.to_owned());
            }
        }
        let built_in =
            engine::built_in::model().map(|_| (store::DEFAULT_MODEL.to_owned(), store::DEFAULT_MODEL.to_owned()));
        built_in.into_iter().chain(found).collect()
    }

    /// The model of this name. Blocks: reads headers the first time.
    pub fn find(&self, name: &str) -> Result<KnownModel, ApiError> {
        let shown: String = name.chars().take(100).collect();
        let found = if name == store::DEFAULT_MODEL {
            Some((name.to_owned(), name.to_owned()))
        } else {
            self.names().into_iter().find(|(known, _)| known == name)
        };
        let Some((name, path)) = found else {
            return Err(ApiError::field(
                "model",
                format!("there is no model '{shown}'; GET /api/v1/models lists them"),
            ));
        };
        let kind = self.open(&path)?;
        Ok(KnownModel { name, path, kind })
    }

    /// Every model that can be opened, and why others cannot. Blocks.
    pub fn list(&self) -> Vec<(String, Result<KnownModel, ApiError>)> {
        let open = |(name, path): (String, String)| {
            let model = self.open(&path).map(|kind| KnownModel { name: name.clone(), path, kind });
            (name, model)
        };
        self.names().into_iter().map(open).collect()
    }

    fn open(&self, path: &str) -> Result<Arc<Kind>, ApiError> {
        let changed = std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((when, kind)) = opened.get(path)
            && *when == changed
        {
            return Ok(kind.clone());
        }
        let kind = Arc::new(Kind::open(path)?);
        opened.insert(path.to_owned(), (changed, kind.clone()));
        Ok(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_never_paths() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("secret.safetensors"), b"x").unwrap();
        let inner = folder.path().join("models");
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(inner.join("mine.safetensors"), b"x").unwrap();
        let models = Models::new(&inner);
        assert!(models.names().iter().any(|(name, _)| name == "mine"));
        let absolute = folder.path().join("secret").to_str().unwrap().to_owned();
        for bad in
            ["../secret", "../secret.safetensors", absolute.as_str(), "mine.safetensors", "", ".", "..", "/etc", "a\0b"]
        {
            let error = models.find(bad).unwrap_err();
            assert!(error.message.contains("there is no model"), "{bad}: {error:?}");
        }
        // This one is there, and no model.
        assert_eq!(models.find("mine").unwrap_err().field.as_deref(), Some("model"));
    }
}
