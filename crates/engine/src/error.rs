//! Everything that can go wrong between a request and its pictures: what, where, what to do.

use std::path::PathBuf;

/// An engine error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// A field of the request is out of its range.
    #[error("{field}: {message}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// This build has no default model.
    #[error("this build has no built-in model: name one with --model PATH, or train one with `calotype train`")]
    NoBuiltInModel,
    /// This build has no text encoder.
    #[error("this build has no built-in text encoder: build again with weights/minilm in place")]
    NoTextEncoder,
    /// Nothing by this name or path.
    #[error("no model '{name}': it is neither a built-in model (see `calotype models`) nor a file or folder")]
    UnknownModel {
        /// What was asked for.
        name: String,
    },
    /// A folder without a model file.
    #[error("{}: no model.safetensors in this folder", path.display())]
    NoModelFile {
        /// The folder.
        path: PathBuf,
    },
    /// A model file whose notes do not describe a model of ours.
    #[error("{file}: not a Calotype model: metadata '{key}' {problem}")]
    Metadata {
        /// The file.
        file: String,
        /// The metadata key.
        key: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A model file whose tensors do not fit its configuration.
    #[error("{file}: the weights do not fit the model: {report}")]
    Weights {
        /// The file.
        file: String,
        /// What fits and what does not.
        report: Box<models::weights::Report>,
    },
    /// A weight is infinite or not a number.
    #[error("{file}: tensor {name} holds values that are not finite numbers")]
    NotFinite {
        /// The file.
        file: String,
        /// The tensor.
        name: String,
    },
    /// A weight file that cannot be read.
    #[error(transparent)]
    File(#[from] formats::safetensors::Error),
    /// A picture that cannot be read or written.
    #[error(transparent)]
    Picture(#[from] formats::picture::PictureError),
    /// The text encoder refused.
    #[error("text encoder: {0}")]
    Text(#[from] text::TextError),
    /// A checkpoint of the Stable Diffusion family that cannot be used.
    #[error("{file}: {problem}")]
    Checkpoint {
        /// The file or folder.
        file: String,
        /// What is wrong with it.
        problem: crate::stable_diffusion::CheckpointProblem,
    },
    /// A path that holds no whole model.
    #[error(transparent)]
    Bundle(#[from] models::bundle::BundleError),
    /// A network of the Stable Diffusion family cannot be built.
    #[error(transparent)]
    Network(#[from] models::unet::BuildError),
    /// A noise process or a schedule that cannot be.
    #[error("schedule: {0}")]
    Sigmas(#[from] sampling::SigmaError),
    /// The machine has too little memory for a request.
    #[error("this needs {needed} MB of memory, {available} MB are available; {}", if fitting.is_empty() { "close other programs, or draw a smaller picture".to_owned() } else { format!("this would fit: {fitting}") })]
    Memory {
        /// Peak memory in megabytes.
        needed: u64,
        /// What there is, in megabytes.
        available: u64,
        /// Options with which it would fit, separated by commas.
        fitting: String,
    },
    /// This build has no enlarger.
    #[error("this build of the program has no enlarger: ask for a smaller picture")]
    NoEnlarger,
    /// The network cannot be built.
    #[error(transparent)]
    Build(#[from] models::jit::BuildError),
    /// Parameters and graph do not fit.
    #[error(transparent)]
    Parameter(#[from] graph::ParameterError),
    /// The graph cannot be made.
    #[error("graph: {0}")]
    Shape(#[from] graph::ShapeError),
    /// The graph cannot be run.
    #[error("graph: {0}")]
    Executor(#[from] graph::ExecutorError),
    /// The instruction set cannot be used.
    #[error(transparent)]
    Isa(#[from] simd::IsaError),
    /// bf16 products were asked for where there are none.
    #[error("precision bf16 needs the instruction set avx512bf16 or amx, this is {isa}: use --precision f32 or auto")]
    NoBf16 {
        /// The instruction set in use.
        isa: simd::Isa,
    },
    /// A picture without a recipe of ours, or with a damaged one.
    #[error("{file}: {problem}")]
    Recipe {
        /// The picture.
        file: String,
        /// What is wrong.
        problem: String,
    },
    /// The picture came out as not-a-number.
    #[error("the picture of seed {seed} has values that are not numbers: the model's weights are unusable")]
    NotANumber {
        /// Seed of the picture.
        seed: u64,
    },
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
}

impl EngineError {
    /// A field out of its range.
    pub(crate) fn field(field: &'static str, message: impl Into<String>) -> Self {
        Self::Field { field, message: message.into() }
    }

    /// Whether the user asked for something impossible (wrong usage), as opposed to a failure.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Field { .. } | Self::NoBf16 { .. } | Self::Isa(_))
    }
}
