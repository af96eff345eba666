//! Sizes of the enlarger, as they stand in a model file's metadata.

use serde::{Deserialize, Serialize};

/// Sizes of an `enlarger` network. The defaults are those of the one built in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Channels of the convolutions, 8 to 512.
    pub width: usize,
    /// Residual blocks of two convolutions at the size of the small picture, 0 to 64; with a coarse part as many again after it.
    pub blocks: usize,
    /// Channels of the coarse part, 8 to 1024.
    #[serde(default = "none")]
    pub coarse_width: usize,
    /// Residual blocks at half the size of the small picture, 0 (no coarse part) to 64.
    #[serde(default = "none")]
    pub coarse_blocks: usize,
}

/// What a file means that says nothing of a coarse part: written before there was one.
fn none() -> usize {
    0
}

impl Default for Config {
    fn default() -> Self {
        Self { width: 64, blocks: 2, coarse_width: 128, coarse_blocks: 5 }
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
    /// Checks every field.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let coarse = if self.coarse_blocks > 0 { self.coarse_width } else { 8 };
        for (field, value, low, high) in [
            ("width", self.width, 8, 512),
            ("blocks", self.blocks, 0, 64),
            ("coarse_width", coarse, 8, 1024),
            ("coarse_blocks", self.coarse_blocks, 0, 64),
        ] {
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
        let old: Config = serde_json::from_str(r#"{"width": 64, "blocks": 5}"#).unwrap();
        assert_eq!(old, Config { width: 64, blocks: 5, coarse_width: 0, coarse_blocks: 0 });
        assert_eq!(old.validate(), Ok(()));
        for (config, field) in [
            (Config { width: 7, ..Config::default() }, "width"),
            (Config { blocks: 65, ..Config::default() }, "blocks"),
            (Config { coarse_width: 0, ..Config::default() }, "coarse_width"),
            (Config { coarse_blocks: 65, ..Config::default() }, "coarse_blocks"),
        ] {
            assert!(config.validate().unwrap_err().to_string().contains(field));
        }
    }
}
