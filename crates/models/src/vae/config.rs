//! Sizes of the autoencoder (`autoencoder_kl_32x32x4` and the `ddconfig` of Stable Diffusion in the original code).

use crate::layers::{BuildError, size};

/// Sizes of an autoencoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Channels of the first level.
    pub width: usize,
    /// Channels of each level from fine to coarse, in widths.
    pub multipliers: &'static [usize],
    /// Residual blocks of a level of the encoder; the decoder has one more.
    pub blocks: usize,
    /// Channels `Z` of the latent.
    pub latent: usize,
}

impl Config {
    /// Stable Diffusion 1.x, 2.x and XL. They differ in what a latent is multiplied by after encoding: 0.18215, and 0.13025
    /// for XL, which is no part of the network.
    pub const SD: Self = Self { width: 128, multipliers: &[1, 2, 4, 4], blocks: 2, latent: 4 };

    /// Pixels of a latent's pixel, on each axis.
    pub fn factor(&self) -> usize {
        1 << self.multipliers.len().saturating_sub(1)
    }

    /// Channels of the coarsest level.
    pub(super) fn coarsest(&self) -> usize {
        self.width * self.multipliers.last().copied().unwrap_or(1)
    }

    /// Checks every field, so that building never overflows or divides by zero.
    pub(super) fn validate(&self) -> Result<(), BuildError> {
        size("width", self.width, 32, 4096)?;
        size("levels", self.multipliers.len(), 1, 8)?;
        size("blocks of a level", self.blocks, 1, 16)?;
        size("latent channels", self.latent, 1, 64)?;
        self.multipliers.iter().try_for_each(|m| size("channels of a level, in widths", *m, 1, 16))
    }
}
