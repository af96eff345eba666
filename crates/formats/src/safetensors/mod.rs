//! Weight files in the safetensors format (<https://github.com/huggingface/safetensors>): an 8-byte little-endian header
//! length, a JSON header (name -> dtype, shape, byte range), then the tensors without gaps.
//!
//! Besides the plain types there is one packing of our own: an `I16` matrix `NAME` of shape `[rows, columns…]` with a
//! companion `NAME.scale` `F32 [rows]` stands for `value = i16 · scale[row]` (absolute error at most half a scale).

mod foreign;
mod header;
mod index;
mod read;
mod source;
mod write;

pub use foreign::Foreign;
pub use index::{MAX_INDEX, MAX_SHARDS};
pub use read::{File, Rows, View};
pub use source::TensorSource;
pub use write::{Tensor, quantise_rows, write, write_to};

use crate::atomic::WriteError;

/// Longest header accepted, in bytes.
pub const MAX_HEADER: usize = 8 << 20;
/// Most tensors accepted in a file.
pub const MAX_TENSORS: usize = 65_536;
/// Most notes (entries of `__metadata__`) accepted.
pub const MAX_NOTES: usize = 4096;
/// Most dimensions accepted of a tensor.
pub const MAX_RANK: usize = 8;

/// Element types of the format that are read; a file with any other is refused by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dtype {
    /// 64-bit float.
    F64,
    /// 32-bit float.
    F32,
    /// IEEE binary16.
    F16,
    /// bfloat16.
    Bf16,
    /// 8-bit float of 4 exponent and 3 mantissa bits, without infinities (`e4m3fn` of arXiv 2209.05433).
    F8E4M3,
    /// 8-bit float of 5 exponent and 2 mantissa bits (arXiv 2209.05433).
    F8E5M2,
    /// Signed 16-bit integer, with a `.scale` companion when it stands for real numbers.
    I16,
    /// Signed 64-bit integer (position tables and counters of published checkpoints).
    I64,
    /// Signed 32-bit integer.
    I32,
    /// Signed 8-bit integer.
    I8,
    /// Raw bytes.
    U8,
    /// A byte that is 0 or 1.
    Bool,
}

impl Dtype {
    /// Every type.
    const ALL: [Self; 12] = [
        Self::F64,
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::F8E4M3,
        Self::F8E5M2,
        Self::I16,
        Self::I64,
        Self::I32,
        Self::I8,
        Self::U8,
        Self::Bool,
    ];

    /// Bytes an element takes.
    pub fn size(self) -> usize {
        match self {
            Dtype::F8E4M3 | Dtype::F8E5M2 | Dtype::I8 | Dtype::U8 | Dtype::Bool => 1,
            Dtype::F16 | Dtype::Bf16 | Dtype::I16 => 2,
            Dtype::F32 | Dtype::I32 => 4,
            Dtype::F64 | Dtype::I64 => 8,
        }
    }

    /// The name in the file.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F64 => "F64",
            Dtype::F32 => "F32",
            Dtype::F16 => "F16",
            Dtype::Bf16 => "BF16",
            Dtype::F8E4M3 => "F8_E4M3",
            Dtype::F8E5M2 => "F8_E5M2",
            Dtype::I16 => "I16",
            Dtype::I64 => "I64",
            Dtype::I32 => "I32",
            Dtype::I8 => "I8",
            Dtype::U8 => "U8",
            Dtype::Bool => "BOOL",
        }
    }

    /// Whether an element alone stands for a real number.
    pub fn is_float(self) -> bool {
        matches!(self, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::Bf16 | Dtype::F8E4M3 | Dtype::F8E5M2)
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

impl std::fmt::Display for Dtype {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// What is wrong, and in which file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {problem}")]
pub struct Error {
    /// Path of the file, or the name given to built-in bytes.
    pub file: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with a safetensors file or a question about it. Sizes and offsets are bytes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // The message of each says what its fields are.
pub enum Problem {
    #[error("cannot read: {message}")]
    Io { kind: std::io::ErrorKind, message: String },
    #[error("the file has {found} bytes; a header length takes 8")]
    TooShort { found: usize },
    #[error("the header is said to take {found} bytes; at most {limit} are accepted")]
    HeaderTooLong { found: u64, limit: usize },
    #[error("the header is said to take {expected} bytes, but {found} remain")]
    HeaderTruncated { expected: usize, found: usize },
    #[error("the header is not UTF-8 (first wrong byte: {at})")]
    HeaderNotUtf8 { at: usize },
    #[error("the header is not what the format asks for: {message}")]
    Header { message: String },
    #[error("more than {limit} tensors")]
    TooManyTensors { limit: usize },
    #[error("more than {limit} notes")]
    TooManyNotes { limit: usize },
    #[error("tensor `{tensor}` stands in the header twice")]
    Duplicate { tensor: String },
    #[error("tensor `{tensor}`: element type {found} is not read")]
    UnknownDtype { tensor: String, found: String },
    #[error("tensor `{tensor}`: more than {limit} dimensions")]
    TooManyDimensions { tensor: String, limit: usize },
    #[error("tensor `{tensor}`: its shape {shape:?} has more elements than can be counted")]
    ShapeOverflow { tensor: String, shape: Vec<usize> },
    #[error("tensor `{tensor}`: its byte range {start}..{end} runs backwards")]
    RangeBackwards { tensor: String, start: usize, end: usize },
    #[error("tensor `{tensor}`: its byte range ends at {end}, but the data has {found} bytes")]
    RangeOutside { tensor: String, end: usize, found: usize },
    #[error("tensor `{tensor}`: its shape needs {expected} bytes, its byte range has {found}")]
    SizeMismatch { tensor: String, expected: usize, found: usize },
    #[error("tensor `{tensor}`: starts at {found}, but the one before ends at {expected}")]
    GapOrOverlap { tensor: String, expected: usize, found: usize },
    #[error("the tensors end at {expected}, but the data has {found} bytes")]
    TrailingBytes { expected: usize, found: usize },
    #[error("tensor `{tensor}` is missing")]
    Missing { tensor: String },
    #[error("tensor `{tensor}`: expected shape {expected:?}, found {found:?}")]
    Shape { tensor: String, expected: Vec<usize>, found: Vec<usize> },
    #[error("tensor `{tensor}`: expected a type that stands for real numbers, found {found}")]
    NotReal { tensor: String, found: Dtype },
    #[error("tensor `{tensor}`: expected {expected}, found {found}")]
    Dtype { tensor: String, expected: Dtype, found: Dtype },
    #[error("tensor `{tensor}`: {found} elements were given for shape {expected:?}")]
    Elements { tensor: String, expected: Vec<usize>, found: usize },
    #[error("the tensor name `{tensor}` is reserved")]
    ReservedName { tensor: String },
    #[error("{0}")]
    Foreign(Foreign),
    #[error("the index has {found} bytes; at most {limit} are accepted")]
    IndexTooLong { found: usize, limit: usize },
    #[error("the index is not what the format asks for: {message}")]
    Index { message: String },
    #[error("the index names tensor `{tensor}` twice")]
    IndexDuplicate { tensor: String },
    #[error("the index names the shard `{shard}`, which is not the name of a .safetensors file beside it")]
    ShardName { shard: String },
    #[error("the index names more than {limit} shards")]
    TooManyShards { limit: usize },
    #[error("the index names the shard `{shard}`, which cannot be read: {message}")]
    ShardMissing { shard: String, message: String },
    #[error("the index says that tensor `{tensor}` is in the shard `{shard}`, which does not have it")]
    NotInShard { tensor: String, shard: String },
    #[error("tensor `{tensor}` is in the shard `{shard}`, but the index does not say so")]
    NotInIndex { tensor: String, shard: String },
    #[error("tensor `{tensor}` is in two shards, `{first}` and `{second}`")]
    InTwoShards { tensor: String, first: String, second: String },
    #[error("no .safetensors file in this folder{hint}")]
    NoWeights { hint: String },
    #[error("several .safetensors files in this folder; name one of them: {}", found.join(", "))]
    ManyWeights { found: Vec<String> },
    #[error("{message}")]
    Write { kind: std::io::ErrorKind, message: String },
}

impl From<WriteError> for Error {
    fn from(error: WriteError) -> Self {
        let message = format!("{}: {}", error.action, error.source);
        Self { file: error.path.display().to_string(), problem: Problem::Write { kind: error.source.kind(), message } }
    }
}
