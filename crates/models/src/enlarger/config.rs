//! Sizes of the enlarger, as they stand in a model file's metadata.

use serde::{Deserialize, Serialize};

/// Sizes of an `enlarger` network. The defaults are those of the one built in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Channels of the convolutions, 8 to 512.
    pub width: usize,
    /// Residual blocks of two convolutions, 0 to 64.
    pub blocks: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self { width: 64, blocks: 5 }
    }
}

/// A configuration that cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("enlarger config: {field} is {value}, must be in {low}..={high}")]
pub struct ConfigError {
    /// Field name.
    pub field: &'static str,
    /// What it is.
    pub value: usize,
    /// Smallest allowed value.
    pub low: usize,
    /// Largest allowed value.
    pub high: usize,
}

impl Config {
    /// How far a pixel of the small picture reaches, in pixels of it: one for each convolution.
    pub fn reach(&self) -> usize {
        2 + 2 * self.blocks
    }

    /// Checks every field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        for (field, value, low, high) in [("width", self.width, 8, 512), ("blocks", self.blocks, 0, 64)] {
            if !(low..=high).contains(&value) {
                return Err(ConfigError { field, value, low, high });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_fields_are_named() {
        assert_eq!(Config::default().validate(), Ok(()));
        assert_eq!(Config::default().reach(), 12);
        for (config, field) in [
            (Config { width: 7, ..Config::default() }, "width"),
            (Config { blocks: 65, ..Config::default() }, "blocks"),
        ] {
            assert!(config.validate().unwrap_err().to_string().contains(field));
        }
    }
}
