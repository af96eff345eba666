//! The error that shape inference reports.

/// An operation was given tensors whose shapes do not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{op}: expected {expected}, found {found}")]
pub struct ShapeError {
    /// The operation (with the tensor's name for inputs, parameters and outputs).
    pub op: String,
    /// What the operation needs.
    pub expected: String,
    /// What it was given.
    pub found: String,
}

impl ShapeError {
    /// For operation or network `op`.
    pub fn new(op: impl Into<String>, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { op: op.into(), expected: expected.into(), found: found.into() }
    }
}

/// Fails with `expected` and the shapes of the operands unless `condition` holds.
pub(crate) fn check(
    op: &str,
    condition: bool,
    expected: impl FnOnce() -> String,
    found: &[&[usize]],
) -> Result<(), ShapeError> {
    if condition {
        return Ok(());
    }
    let found = found.iter().map(|s| format!("{s:?}")).collect::<Vec<_>>().join(", ");
    Err(ShapeError::new(op, expected(), found))
}
