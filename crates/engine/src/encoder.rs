//! The built-in text encoder, and the hash of its weights.

use graph::Precision;
use kernels::Cpu;
use text::TextEncoder;

use crate::{EngineError, built_in};

/// Opens the built-in text encoder; also the SHA-256 of its weights.
pub fn open(cpu: &Cpu, precision: Precision) -> Result<(TextEncoder, String), EngineError> {
    let files = built_in::text_encoder().ok_or(EngineError::NoTextEncoder)?;
    let encoder = TextEncoder::from_static(cpu, files.weights, files.tokenizer, precision)?;
    let sha256 = encoder.sha256();
    Ok((encoder, sha256))
}
