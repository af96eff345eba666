//! What can go wrong while a campaign is priced. Errors of the catalogue file are in `catalogue`.

use crate::money::Currency;

/// A pricing error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PriceError {
    /// Two currencies met in one sum or comparison.
    #[error("{left} and {right} cannot be added or compared: there is no exchange rate here")]
    Currencies {
        /// One.
        left: Currency,
        /// The other.
        right: Currency,
    },
    /// A number left its range.
    #[error("{what} is too large to be counted")]
    Overflow {
        /// What was being counted.
        what: &'static str,
    },
    /// An input out of its range.
    #[error("{field}: {message}")]
    Field {
        /// Name of the input.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

impl PriceError {
    pub(crate) fn field(field: &'static str, message: impl Into<String>) -> Self {
        Self::Field { field, message: message.into() }
    }
}
