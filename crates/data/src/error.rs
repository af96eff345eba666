//! Everything that can go wrong while a dataset is built or read.

use std::path::PathBuf;

use crate::split::Split;

/// Why a dataset could not be built or read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file or folder could not be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A recipe does not parse or contradicts itself.
    #[error("recipe {path}: {reason}", path = path.display())]
    Recipe {
        /// The recipe file.
        path: PathBuf,
        /// What is wrong, in one sentence.
        reason: String,
    },
    /// A source that the recipe asks for is not installed.
    #[error("source `{name}` is missing: {path} does not exist; it comes from the package {package}, which `recipes/install-sources.sh {root}` installs", path = path.display(), root = root.display())]
    MissingSource {
        /// Name of the source in the recipe.
        name: String,
        /// The package that holds it.
        package: String,
        /// Where it was looked for.
        path: PathBuf,
        /// The sources folder.
        root: PathBuf,
    },
    /// A file of a source or dataset does not have the expected form.
    #[error("{path}: {reason}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The output folder already holds a dataset.
    #[error("{path} already exists; a dataset is never overwritten, choose another folder", path = .0.display())]
    OutputExists(PathBuf),
    /// The folder holds no records of the wanted split.
    #[error("{path} holds no pictures of the split `{split}`", path = path.display())]
    Empty {
        /// The dataset.
        path: PathBuf,
        /// The split that was asked for.
        split: Split,
    },
    /// A resolution that pictures cannot be decoded at.
    #[error("resolution {0} is not usable: it must be between 8 and 1024 pixels")]
    Resolution(usize),
    /// A picture could not be decoded, encoded or rendered.
    #[error("{0}")]
    Picture(String),
}

/// Attaches a path to an I/O error.
pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> DataError {
    let path = path.into();
    move |source| DataError::Io { path, source }
}
