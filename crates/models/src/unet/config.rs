//! Sizes of the U-Nets, as in the configuration files of the original code (`v1-inference.yaml`, `v2-inference.yaml`,
//! `sd_xl_base.yaml`, `sd_xl_refiner.yaml`).

use crate::layers::{BuildError, size};

/// One resolution of the U-Net.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Channels, in multiples of the width.
    pub multiplier: usize,
    /// Transformer blocks after each residual block; 0 is no transformer.
    pub depth: usize,
}

/// How attention is divided into heads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heads {
    /// So many heads at every level.
    Count(usize),
    /// Heads of this size at every level.
    Size(usize),
}

impl Heads {
    /// Number of heads and their size for so many channels.
    pub(super) fn split(self, channels: usize) -> (usize, usize) {
        match self {
            Heads::Count(count) => (count, channels / count),
            Heads::Size(size) => (channels / size, size),
        }
    }
}

/// Sizes of a U-Net.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Channels of the input: 4 of the latent; 9 with those of a mask and of the masked picture's latent.
    pub in_channels: usize,
    /// Channels of the output.
    pub out_channels: usize,
    /// Channels of the first level.
    pub width: usize,
    /// From fine to coarse.
    pub levels: &'static [Level],
    /// Transformer blocks in the middle, at the coarsest resolution.
    pub middle_depth: usize,
    /// Residual blocks of a level on the way down; one more on the way up.
    pub blocks: usize,
    /// Attention heads.
    pub heads: Heads,
    /// Width of the text states.
    pub context: usize,
    /// Width of an additional vector of conditions (pooled text, picture sizes), if there is one.
    pub vector: Option<usize>,
    /// Width of the features of the guidance scale, for models that were distilled to know it (arXiv 2310.04378, section 4.2).
    pub guidance: Option<usize>,
}

const fn level(multiplier: usize, depth: usize) -> Level {
    Level { multiplier, depth }
}

/// Channels of the input of inpainting models.
const INPAINTING: usize = 9;

impl Config {
    /// Stable Diffusion 1.x.
    pub const SD1: Self = Self {
        in_channels: 4,
        out_channels: 4,
        width: 320,
        levels: &[level(1, 1), level(2, 1), level(4, 1), level(4, 0)],
        middle_depth: 1,
        blocks: 2,
        heads: Heads::Count(8),
        context: 768,
        vector: None,
        guidance: None,
    };
    /// Stable Diffusion 2.x.
    pub const SD2: Self = Self { heads: Heads::Size(64), context: 1024, ..Self::SD1 };
    /// Stable Diffusion XL, base (arXiv 2307.01952, table 1).
    pub const SDXL: Self = Self {
        levels: &[level(1, 0), level(2, 2), level(4, 10)],
        middle_depth: 10,
        heads: Heads::Size(64),
        context: 2048,
        vector: Some(2816),
        ..Self::SD1
    };
    /// Stable Diffusion XL, refiner.
    pub const SDXL_REFINER: Self = Self {
        width: 384,
        levels: &[level(1, 0), level(2, 4), level(4, 4), level(4, 0)],
        middle_depth: 4,
        heads: Heads::Size(64),
        context: 1280,
        vector: Some(2560),
        ..Self::SD1
    };

    /// The inpainting model of the same size: beside the latent a mask and the latent of the masked picture.
    pub const fn inpainting(self) -> Self {
        Self { in_channels: INPAINTING, ..self }
    }

    /// Channels of a level.
    pub(super) fn channels(&self, level: usize) -> usize {
        self.width * self.levels[level].multiplier
    }

    /// Checks every field, so that building never overflows or divides by zero.
    pub(super) fn validate(&self) -> Result<(), BuildError> {
        size("input channels", self.in_channels, 1, 64)?;
        size("output channels", self.out_channels, 1, 64)?;
        size("width", self.width, 32, 4096)?;
        size("levels", self.levels.len(), 1, 8)?;
        size("blocks of a level", self.blocks, 1, 16)?;
        size("width of the text states", self.context, 1, 16384)?;
        size("width of the vector", self.vector.unwrap_or(1), 1, 16384)?;
        size("features of the guidance", self.guidance.unwrap_or(4), 4, 16384)?;
        let (Heads::Count(unit) | Heads::Size(unit)) = self.heads;
        size("heads", unit, 1, 4096)?;
        size("transformer blocks of the middle", self.middle_depth, 1, 64)?;
        for (index, level) in self.levels.iter().enumerate() {
            size("channels of a level, in widths", level.multiplier, 1, 16)?;
            size("transformer blocks", level.depth.max(1), 1, 64)?;
            let transformer = level.depth > 0 || index + 1 == self.levels.len();
            size("channels of a level", self.channels(index), if transformer { unit } else { 1 }, 1 << 16)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_sizes_are_valid_and_bad_fields_are_named() {
        for config in [Config::SD1, Config::SD2, Config::SDXL, Config::SDXL_REFINER, Config::SDXL.inpainting()] {
            assert_eq!(config.validate(), Ok(()));
        }
        let bad = [
            (Config { in_channels: 0, ..Config::SD1 }, "input channels is 0"),
            (Config { width: 330, ..Config::SD1 }, "width is 330"),
            (Config { levels: &[], ..Config::SD1 }, "levels is 0"),
            (Config { blocks: 0, ..Config::SD1 }, "blocks of a level is 0"),
            (Config { heads: Heads::Count(0), ..Config::SD1 }, "heads is 0"),
            (Config { heads: Heads::Size(60), ..Config::SD1 }, "channels of a level is 320"),
            (Config { vector: Some(0), ..Config::SD1 }, "width of the vector is 0"),
            (Config { guidance: Some(2), ..Config::SD1 }, "features of the guidance is 2"),
            (Config { levels: const { &[level(17, 0)] }, ..Config::SD1 }, "channels of a level, in widths is 17"),
        ];
        for (config, text) in bad {
            let message = config.validate().unwrap_err().to_string();
            assert!(message.starts_with(text), "{message}");
        }
    }
}
