//! What can go wrong between a prompt and its states, and the report of strict loading.

use std::collections::BTreeMap;
use std::fmt;

/// Text could not be encoded, or the encoder could not be loaded.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TextError {
    /// A weight file that cannot be read.
    #[error(transparent)]
    File(#[from] formats::safetensors::Error),
    /// A weight file whose tensors are not exactly the network's.
    #[error("{file}: not the weights of the text encoder: {report}")]
    Weights {
        /// Path or name of the file.
        file: String,
        /// What does not fit.
        report: Box<LoadReport>,
    },
    /// A tokenizer file that cannot be read or used.
    #[error("tokenizer: {0}")]
    Tokenizer(String),
    /// A prompt above the limit.
    #[error("prompt {index} has {bytes} bytes; at most {limit} are accepted")]
    PromptTooLong {
        /// Position in the batch.
        index: usize,
        /// Its length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A number of tokens the network does not have positions for.
    #[error("{found} tokens were asked for; the text encoder takes {least} to {most}")]
    MaxTokens {
        /// What was asked for.
        found: usize,
        /// Fewest: the two special tokens.
        least: usize,
        /// Most: the positions of the network.
        most: usize,
    },
    /// States of a layer that does not exist.
    #[error("{found} layers were to be left out; the text encoder has {layers}")]
    Skip {
        /// What was asked for.
        found: usize,
        /// Layers of the network.
        layers: usize,
    },
    /// The tokenizer and the weights do not belong together.
    #[error("token {id} of the tokenizer is outside the {rows} rows of the word table")]
    TokenId {
        /// The token.
        id: u32,
        /// Rows of the word table.
        rows: usize,
    },
    /// The graph could not be built.
    #[error("text encoder: {0}")]
    Shape(#[from] graph::ShapeError),
    /// The weights could not be packed.
    #[error("text encoder: {0}")]
    Parameter(#[from] graph::ParameterError),
    /// The graph could not be run.
    #[error("text encoder: {0}")]
    Executor(#[from] graph::ExecutorError),
}

/// A tensor of another shape than the network's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongShape {
    /// Its name.
    pub name: String,
    /// Shape in the network.
    pub expected: Vec<usize>,
    /// Shape in the file.
    pub found: Vec<usize>,
}

/// How the tensors of a file fit the network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Names that fit.
    pub loaded: Vec<String>,
    /// Names the file lacks.
    pub missing: Vec<String>,
    /// Names the network does not have.
    pub unused: Vec<String>,
    /// Names whose shape differs.
    pub wrong_shape: Vec<WrongShape>,
}

impl LoadReport {
    /// Compares the tensors of a file with those of a network, by name.
    pub(crate) fn new<'a>(
        mut expected: BTreeMap<String, Vec<usize>>,
        found: impl IntoIterator<Item = (&'a str, &'a [usize])>,
    ) -> Self {
        let mut report = Self::default();
        for (name, found) in found {
            match expected.remove(name) {
                None => report.unused.push(name.to_owned()),
                Some(expected) if expected == found => report.loaded.push(name.to_owned()),
                Some(expected) => {
                    report.wrong_shape.push(WrongShape { name: name.to_owned(), expected, found: found.to_vec() });
                }
            }
        }
        report.missing = expected.into_keys().collect();
        report
    }

    /// Whether every tensor fits and none is left over.
    pub fn is_complete(&self) -> bool {
        self.missing.is_empty() && self.unused.is_empty() && self.wrong_shape.is_empty()
    }
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (loaded, missing, unused) = (self.loaded.len(), self.missing.len(), self.unused.len());
        write!(f, "{loaded} loaded, {missing} missing, {unused} unused, {} of another shape", self.wrong_shape.len())?;
        if let Some(name) = self.missing.first() {
            write!(f, "; first missing: {name}")?;
        }
        if let Some(name) = self.unused.first() {
            write!(f, "; first unused: {name}")?;
        }
        if let Some(WrongShape { name, expected, found }) = self.wrong_shape.first() {
            write!(f, "; {name}: expected {expected:?}, found {found:?}")?;
        }
        Ok(())
    }
}
