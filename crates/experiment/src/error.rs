//! What can be wrong with the input, and why a comparison cannot be made of it.

use serde::Serialize;

/// Input that cannot be right. Names the arm and the field.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ExperimentError {
    /// A field of one arm on one day.
    #[error("arm '{arm}', day {day}, {field}: {message}")]
    Day {
        /// Name of the arm, cut to 64 characters.
        arm: String,
        /// The day as given.
        day: i32,
        /// The field.
        field: String,
        /// What was expected and found.
        message: String,
    },
    /// A field of one arm.
    #[error("arm '{arm}', {field}: {message}")]
    Arm {
        /// Name of the arm, cut to 64 characters.
        arm: String,
        /// The field.
        field: &'static str,
        /// What was expected and found.
        message: String,
    },
    /// A field of the experiment, of a plan, or of the settings.
    #[error("{field}: {message}")]
    Field {
        /// The field.
        field: &'static str,
        /// What was expected and found.
        message: String,
    },
}

impl ExperimentError {
    /// An error of a field that belongs to no arm.
    pub(crate) fn field(field: &'static str, message: impl Into<String>) -> Self {
        Self::Field { field, message: message.into() }
    }

    /// An error of one arm.
    pub(crate) fn arm(arm: &str, field: &'static str, message: impl Into<String>) -> Self {
        Self::Arm { arm: shown(arm), field, message: message.into() }
    }
}

/// A name as an error shows it.
pub(crate) fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}

/// `value` if it lies inside `(low, high)`.
pub(crate) fn inside(field: &'static str, value: f64, low: f64, high: f64) -> Result<f64, ExperimentError> {
    if value > low && value < high {
        Ok(value)
    } else {
        Err(ExperimentError::field(field, format!("expected more than {low} and less than {high}, found {value}")))
    }
}

/// Which of two compared arms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// The arm that is compared with.
    Control,
    /// The arm that is compared.
    Treatment,
}

impl std::fmt::Display for Side {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Control => "the control",
            Self::Treatment => "the treatment",
        })
    }
}

/// Sound data of which a statistic cannot (yet) be computed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "why")]
#[non_exhaustive]
pub enum Untestable {
    /// Fewer people than the statistic needs.
    TooFew {
        /// Which arm.
        side: Side,
        /// How many it has.
        people: u64,
        /// How many the statistic needs.
        needed: u64,
    },
    /// A relative lift needs a baseline above zero.
    Baseline {
        /// The control's mean.
        mean: f64,
    },
    /// An arm where everybody gave the same value.
    NoVariance {
        /// Which arm.
        side: Side,
    },
    /// One arm gives proportions and the other means.
    Kinds,
    /// The numbers are too large, too small or too far apart for double precision.
    OutOfRange,
}

impl Untestable {
    /// The reason, with the arms' own names.
    pub fn words(&self, control: &str, treatment: &str) -> String {
        let name = |side: &Side| match side {
            Side::Control => control,
            Side::Treatment => treatment,
        };
        match self {
            Self::TooFew { side, people, needed } => {
                format!("{} has {people} people, at least {needed} are needed", name(side))
            }
            Self::Baseline { mean } => {
                format!("the mean of {control} is {mean}: a lift relative to it has no meaning, look at the difference")
            }
            Self::NoVariance { side } => {
                format!("everybody in {} gave the same value: its spread cannot be estimated yet", name(side))
            }
            Self::Kinds => format!("one of {control} and {treatment} counts successes and the other sums values"),
            Self::OutOfRange => {
                format!("the values of {control} and {treatment} are outside what double precision can compare")
            }
        }
    }
}

impl std::fmt::Display for Untestable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.words(&Side::Control.to_string(), &Side::Treatment.to_string()))
    }
}

impl std::error::Error for Untestable {}
