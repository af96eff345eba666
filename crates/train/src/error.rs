//! What can go wrong in training, each with what, where and what was expected.

use std::path::PathBuf;

/// An error of the trainer.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A file or folder could not be used.
    #[error("{doing} failed at {path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was being done.
        doing: &'static str,
        /// The operating system's word.
        source: std::io::Error,
    },
    /// The configuration is not valid TOML, or has an unknown or missing field.
    #[error("{path} is not a training configuration: {message}", path = path.display())]
    ConfigSyntax {
        /// The file.
        path: PathBuf,
        /// The parser's message with line and field.
        message: String,
    },
    /// A field of the configuration is out of range.
    #[error("training configuration: {field} must be {expected}, found {found}")]
    ConfigRange {
        /// The field.
        field: &'static str,
        /// The range.
        expected: String,
        /// What the file says.
        found: String,
    },
    /// Output exists already and `--resume` was not given.
    #[error("{folder} already holds checkpoints: give --resume to go on, or choose another output folder", folder = folder.display())]
    WouldOverwrite {
        /// The output folder.
        folder: PathBuf,
    },
    /// Nothing to continue from.
    #[error("{folder} holds no checkpoint to continue from", folder = folder.display())]
    NoCheckpoint {
        /// The checkpoint folder.
        folder: PathBuf,
    },
    /// Every checkpoint is damaged.
    #[error("no checkpoint in {folder} is whole: {reasons}", folder = folder.display())]
    NoWholeCheckpoint {
        /// The checkpoint folder.
        folder: PathBuf,
        /// One sentence each.
        reasons: String,
    },
    /// A checkpoint or weight file does not fit the network.
    #[error("{path} does not fit this network: tensor {tensor}: expected {expected}, found {found}", path = path.display())]
    Mismatch {
        /// The file or folder.
        path: PathBuf,
        /// The tensor.
        tensor: String,
        /// Shape wanted.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The loss is no longer a number.
    #[error("the loss became {loss} at step {step}: lower optimiser.learning_rate and resume from the last checkpoint")]
    Diverged {
        /// The loss.
        loss: f32,
        /// The step.
        step: u64,
    },
    /// The data set cannot be used.
    #[error(transparent)]
    Data(#[from] data::DataError),
    /// A file could not be written.
    #[error(transparent)]
    Write(#[from] formats::atomic::WriteError),
    /// A tensor file cannot be used.
    #[error(transparent)]
    Format(#[from] formats::safetensors::Error),
    /// The engine refused.
    #[error(transparent)]
    Engine(#[from] engine::EngineError),
    /// The text encoder refused.
    #[error(transparent)]
    Text(#[from] text::TextError),
    /// A picture could not be written.
    #[error(transparent)]
    Picture(#[from] formats::picture::PictureError),
    /// The network could not be built.
    #[error(transparent)]
    Network(#[from] models::jit::BuildError),
    /// The enlarger could not be built.
    #[error(transparent)]
    Enlarger(#[from] models::enlarger::ConfigError),
    /// The loss could not be added to the network.
    #[error("training graph: {0}")]
    Shape(#[from] graph::ShapeError),
    /// The gradients could not be built.
    #[error("training graph: {0}")]
    Gradient(#[from] graph::autodiff::AutodiffError),
    /// Parameters and graph do not fit.
    #[error(transparent)]
    Parameter(#[from] graph::ParameterError),
    /// The graph could not be run.
    #[error("training graph: {0}")]
    Executor(#[from] graph::ExecutorError),
}
