//! What a model file is and lacks, as far as its header says; the weights are not read.

use std::path::Path;

use formats::safetensors::TensorSource;
use models::ParameterSpec;
use models::bundle::{Bundle, BundleError, Part};
use serde::Serialize;

use crate::{EngineError, ModelInfo, model};

/// What a file is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Inspection {
    /// `model` (pictures can be made from it alone), `part`, `lora` or `unknown`.
    pub kind: &'static str,
    /// What it is, for people.
    pub title: String,
    /// What stands in its way, if something does.
    pub problem: Option<String>,
    /// Its parts.
    pub parts: Vec<InspectedPart>,
    /// Names of parts that are missing.
    pub missing: Vec<String>,
}

/// A part of a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InspectedPart {
    /// What it is for.
    pub role: String,
    /// What it is.
    pub title: String,
    /// Its parameters.
    pub parameters: usize,
    /// How they are stored.
    pub precision: String,
    /// How the tensors fit, if they do not fit exactly.
    pub misfit: Option<String>,
}

/// Says what a file is. Errors that speak of it call it `the file`.
pub fn inspect_file(path: &Path) -> Inspection {
    let plain = |text: String| text.replace(&path.display().to_string(), "the file");
    let unknown = |problem: String| Inspection {
        kind: "unknown",
        title: "No model that Calotype knows".into(),
        problem: Some(plain(problem)),
        parts: Vec::new(),
        missing: Vec::new(),
    };
    let source = match TensorSource::open(path) {
        Ok(source) => source,
        Err(error) => return unknown(error.to_string()),
    };
    if source.note("family").is_some() {
        return own(&source).unwrap_or_else(|error| unknown(error.to_string()));
    }
    match Bundle::from_source(source) {
        Ok(bundle) => known(&bundle),
        Err(BundleError::Lora { lora, .. }) => Inspection {
            kind: "lora",
            title: lora.to_string(),
            problem: Some("LoRA files cannot be used yet".into()),
            parts: Vec::new(),
            missing: Vec::new(),
        },
        Err(error) => unknown(error.to_string()),
    }
}

fn own(source: &TensorSource) -> Result<Inspection, EngineError> {
    let (info, report): (ModelInfo, _) = model::inspect(&source.files()[0])?;
    let parameters = models::jit::parameters(&info.config).iter().map(ParameterSpec::len).sum();
    let fits = report.is_complete();
    Ok(Inspection {
        kind: if fits { "model" } else { "part" },
        title: format!("{}: a model of Calotype's own kind, drawing {} px", info.name, info.image_size),
        problem: (!fits).then(|| "the weights do not fit the model".into()),
        parts: vec![InspectedPart {
            role: "network".into(),
            title: format!("{} blocks of width {}", info.config.blocks, info.config.width),
            parameters,
            precision: String::new(),
            misfit: (!fits).then(|| report.to_string()),
        }],
        missing: Vec::new(),
    })
}

fn known(bundle: &Bundle) -> Inspection {
    let part = |part: &Part| InspectedPart {
        role: part.role.to_string(),
        title: part.title(),
        parameters: part.precision.elements(),
        precision: part.precision.to_string(),
        misfit: (!part.report.is_complete()).then(|| part.report.to_string()),
    };
    let unknown = bundle.others.unknown_count;
    Inspection {
        kind: if bundle.is_complete() { "model" } else { "part" },
        title: bundle.title(),
        problem: (unknown > 0).then(|| format!("{unknown} tensors belong to no part that is known")),
        parts: bundle.parts.iter().map(part).collect(),
        missing: bundle.missing().into_iter().map(|role| role.to_string()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_no_models_say_so_without_their_path() {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in [("a.safetensors", &b"x"[..]), ("b.ckpt", b"PK\x03\x04"), ("c.txt", b"")] {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            let found = inspect_file(&path);
            assert_eq!(found.kind, "unknown", "{name}");
            assert!(!found.problem.unwrap().contains(folder.path().to_str().unwrap()), "{name}");
        }
    }
}
