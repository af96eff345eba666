//! Why a path is no model, or lacks something.

use formats::safetensors;

use super::{Lora, Role};
use crate::layers::BuildError;
use crate::unet::DetectError;
use crate::weights::Report;

/// A path that is not, or not wholly, a model.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// A file that cannot be read.
    #[error(transparent)]
    File(#[from] safetensors::Error),
    /// A network that cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A U-Net of another family.
    #[error("{file}: {problem}")]
    Unet {
        /// The file.
        file: String,
        /// What was found.
        problem: DetectError,
    },
    /// A LoRA.
    #[error("{file}: {lora}, not a model; LoRA files cannot be used yet")]
    Lora {
        /// The file.
        file: String,
        /// What it is made for.
        lora: Lora,
    },
    /// A model of a kind that is recognised, and not run.
    #[error("{file}: {what}, which Calotype does not run")]
    Unsupported {
        /// The file.
        file: String,
        /// What it is.
        what: String,
    },
    /// Nothing that is known.
    #[error("{file}: none of its tensors belong to a network that Calotype knows")]
    Nothing {
        /// The file.
        file: String,
    },
    /// A folder with the parts of a diffusers model but not its list of parts.
    #[error("{folder}: no model_index.json in this folder, which has {}; a folder of diffusers has both", found.join(", "))]
    NoModelIndex {
        /// The folder.
        folder: String,
        /// Folders of parts.
        found: Vec<String>,
    },
    /// A JSON file of a folder that is not what it should be.
    #[error("{file}: {problem}")]
    Json {
        /// The file.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// Another network where a part should be.
    #[error("{file}: the {role} should be here, but found is: {found}")]
    OtherPart {
        /// The weight file.
        file: String,
        /// The part that belongs there.
        role: Role,
        /// What is there.
        found: String,
    },
    /// A part that the model needs.
    #[error("{file}: no {role}")]
    MissingPart {
        /// The path.
        file: String,
        /// The part.
        role: Role,
    },
    /// A part whose tensors do not fit.
    #[error("{file}: {role}: {report}")]
    Incomplete {
        /// The file.
        file: String,
        /// The part.
        role: Role,
        /// What fits and what does not.
        report: Box<Report>,
    },
}
