//! Sizes of the pixel transformer, as they stand in a model file's metadata.

use serde::{Deserialize, Serialize};

use crate::jit::detail::PLACE;
use crate::jit::finish;

/// Sizes of a `jit` network. The defaults are those of the default model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Width `D` of the tokens.
    pub width: usize,
    /// Transformer blocks.
    pub blocks: usize,
    /// Attention heads; the head size is `width / heads`.
    pub heads: usize,
    /// Hidden width of the SwiGLU layers.
    pub hidden: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
    /// Picture channels `C` (4 = premultiplied RGBA).
    pub channels: usize,
    /// Width between the two linears of the stem.
    pub stem: usize,
    /// Width of the text encoder's states.
    pub text_width: usize,
    /// Transformer blocks of the text refiner.
    pub refiner_blocks: usize,
    /// Deviation of the noise that pictures are mixed with; 1 but for large patches (see [`grow`](crate::jit::grow)).
    pub noise_scale: f32,
    /// Channels of the detail network, 0 for none: a correction of the picture by convolutions across the patches.
    pub detail_width: usize,
    /// Residual blocks of the detail network.
    pub detail_blocks: usize,
    /// Channels of the finisher's finest level, 0 for none (see [`finish`](crate::jit::finish)).
    pub finish_width: usize,
    /// Whether the model has an early expert (see [`early`](crate::jit::early)).
    pub early: bool,
    /// Whether the network is told the length of the step that its prediction is for, so that it can learn to take long ones.
    pub step_length: bool,
    /// Whether the last half of the blocks also see what the blocks of the first half gave, the last the first.
    pub long_skips: bool,
    /// Whether the network's last layers give the velocity `ε − x` instead of the picture; what it predicts is a picture still.
    pub velocity: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            width: 256,
            blocks: 12,
            heads: 4,
            hidden: 704,
            patch: 16,
            channels: 4,
            stem: 128,
            text_width: 384,
            refiner_blocks: 1,
            noise_scale: 1.0,
            detail_width: 0,
            detail_blocks: 2,
            finish_width: 0,
            early: false,
            step_length: false,
            long_skips: false,
            velocity: false,
        }
    }
}

/// A configuration, or a geometry asked of it, that cannot be built.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A field is out of its range.
    #[error("jit config: {field} is {value}, must be in {low}..={high}")]
    Range {
        /// Field name.
        field: &'static str,
        /// What it is.
        value: usize,
        /// Smallest allowed value.
        low: usize,
        /// Largest allowed value.
        high: usize,
    },
    /// One field must be a multiple of another number.
    #[error("jit config: {field} is {value}, must be a multiple of {of}")]
    Multiple {
        /// Field name.
        field: &'static str,
        /// What it is.
        value: usize,
        /// Of what it must be a multiple.
        of: usize,
    },
    /// The noise's deviation is out of its range.
    #[error("jit config: noise_scale is {0}, must be in 0.1..=10")]
    NoiseScale(String),
}

pub(crate) fn in_range(field: &'static str, value: usize, low: usize, high: usize) -> Result<(), ConfigError> {
    if (low..=high).contains(&value) { Ok(()) } else { Err(ConfigError::Range { field, value, low, high }) }
}

pub(crate) fn multiple(field: &'static str, value: usize, of: usize) -> Result<(), ConfigError> {
    if value.is_multiple_of(of) { Ok(()) } else { Err(ConfigError::Multiple { field, value, of }) }
}

impl Config {
    /// Checks every field, so that building never overflows or divides by zero.
    pub fn validate(&self) -> Result<(), ConfigError> {
        in_range("width", self.width, 16, 4096)?;
        in_range("blocks", self.blocks, 1, 128)?;
        in_range("heads", self.heads, 1, 64)?;
        in_range("hidden", self.hidden, 16, 16384)?;
        in_range("patch", self.patch, 1, 64)?;
        in_range("channels", self.channels, 1, 16)?;
        in_range("stem", self.stem, 8, 4096)?;
        in_range("text_width", self.text_width, 16, 4096)?;
        in_range("refiner_blocks", self.refiner_blocks, 0, 16)?;
        in_range("detail_width", self.detail_width, 0, 1024)?;
        in_range("detail_blocks", self.detail_blocks, 1, 32)?;
        if self.detail_width > 0 {
            multiple("patch", self.patch, PLACE)?;
        }
        in_range("finish_width", self.finish_width, 0, 256)?;
        if self.finish_width > 0 {
            multiple("patch", self.patch, finish::MULTIPLE)?;
        }
        if !(0.1..=10.0).contains(&self.noise_scale) {
            return Err(ConfigError::NoiseScale(self.noise_scale.to_string()));
        }
        multiple("width", self.width, self.heads)?;
        // Rotary pairs for rows and for columns.
        multiple("head size (width / heads)", self.head_size(), 4)
    }

    /// Size of one attention head.
    pub fn head_size(&self) -> usize {
        self.width / self.heads
    }

    /// Values of one patch.
    pub fn patch_values(&self) -> usize {
        self.patch * self.patch * self.channels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_is_valid_and_bad_fields_are_named() {
        assert_eq!(Config::default().validate(), Ok(()));
        let bad = [
            (Config { width: 0, ..Config::default() }, "width"),
            (Config { width: 257, ..Config::default() }, "width"),
            (Config { heads: 0, ..Config::default() }, "heads"),
            (Config { width: 264, ..Config::default() }, "head size"),
            (Config { blocks: 129, ..Config::default() }, "blocks"),
            (Config { patch: 0, ..Config::default() }, "patch"),
            (Config { hidden: usize::MAX, ..Config::default() }, "hidden"),
            (Config { channels: 0, ..Config::default() }, "channels"),
            (Config { stem: 0, ..Config::default() }, "stem"),
            (Config { text_width: 0, ..Config::default() }, "text_width"),
            (Config { refiner_blocks: 17, ..Config::default() }, "refiner_blocks"),
            (Config { detail_width: 1025, ..Config::default() }, "detail_width"),
            (Config { detail_blocks: 0, ..Config::default() }, "detail_blocks"),
            (Config { detail_width: 8, patch: 6, ..Config::default() }, "patch"),
            (Config { finish_width: 257, ..Config::default() }, "finish_width"),
            (Config { finish_width: 8, patch: 12, ..Config::default() }, "patch"),
            (Config { noise_scale: f32::NAN, ..Config::default() }, "noise_scale"),
        ];
        for (config, field) in bad {
            let message = config.validate().unwrap_err().to_string();
            assert!(message.contains(field), "{message}");
        }
    }
}
