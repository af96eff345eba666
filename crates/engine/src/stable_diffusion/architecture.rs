//! The networks of a checkpoint and the conventions they were trained with, none of which a weight shows.

use models::unet::{self, Family};
use models::vae;
use sampling::{Betas, Prediction};
use text::clip::{self, CLIP_L, OPEN_CLIP_G, OPEN_CLIP_H, Padding, Reading};

/// What latents of SD 1.x and 2.x are multiplied by after encoding, so that their variance is about 1.
const LATENT_SCALE: f32 = 0.18215;
/// The same of SDXL.
const LATENT_SCALE_XL: f32 = 0.13025;
/// Input channels of the models that paint under a mask: the latent, the mask, the masked picture's latent.
pub(super) const INPAINTING_CHANNELS: usize = 9;

/// A text encoder and how it is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TextModel {
    /// Its sizes.
    pub config: clip::Config,
    /// What is read of it when no clip skip is asked for.
    pub reading: Reading,
    /// What fills a chunk of tokens after its end.
    pub padding: Padding,
}

/// The networks of a checkpoint and their conventions.
#[derive(Debug, Clone, PartialEq)]
pub struct Architecture {
    /// Family.
    pub family: Family,
    /// Sizes of the U-Net.
    pub unet: unet::Config,
    /// Sizes of the autoencoder.
    pub vae: vae::Config,
    /// Text encoders; their states stand side by side in this order. The last one's pooled vector is the U-Net's, if it
    /// wants one.
    pub text: Vec<TextModel>,
    /// What a latent is multiplied by after encoding.
    pub latent_scale: f32,
    /// What the U-Net predicts.
    pub prediction: Prediction,
    /// The noise it was trained with.
    pub betas: Betas,
    /// Side in pixels of the pictures it was trained on.
    pub native_side: u32,
    /// Whether an empty negative prompt means states of zero instead of those of the empty text.
    pub zero_empty_negative: bool,
}

impl Architecture {
    /// The published model of a family; `unet` may have the input channels of an inpainting model.
    ///
    /// What an SD 2.x model predicts is not seen in its weights. The convention here: velocity, as the 768-pixel models do,
    /// but noise if it paints under masks, as the one published such model does.
    pub fn published(family: Family, unet: unet::Config) -> Self {
        let model = |config, reading, padding| TextModel { config, reading, padding };
        let text = match family {
            Family::Sd1 => vec![model(CLIP_L, Reading::SD1, Padding::End)],
            Family::Sd2 => vec![model(OPEN_CLIP_H, Reading::SD2, Padding::Zero)],
            Family::Sdxl => {
                vec![model(CLIP_L, Reading::SDXL_L, Padding::End), model(OPEN_CLIP_G, Reading::SDXL_G, Padding::Zero)]
            }
            Family::SdxlRefiner => vec![model(OPEN_CLIP_G, Reading::SDXL_G, Padding::Zero)],
        };
        let large = matches!(family, Family::Sdxl | Family::SdxlRefiner);
        let velocity = family == Family::Sd2 && unet.in_channels != INPAINTING_CHANNELS;
        Self {
            family,
            unet,
            vae: vae::Config::SD,
            text,
            latent_scale: if large { LATENT_SCALE_XL } else { LATENT_SCALE },
            prediction: if velocity { Prediction::V } else { Prediction::Epsilon },
            betas: Betas::STABLE_DIFFUSION,
            native_side: match family {
                _ if large => 1024,
                Family::Sd2 if velocity => 768,
                _ => 512,
            },
            zero_empty_negative: family == Family::Sdxl,
        }
    }

    /// The family's name in recipes.
    pub fn family_name(&self) -> &'static str {
        match self.family {
            Family::Sd1 => "sd1",
            Family::Sd2 => "sd2",
            Family::Sdxl => "sdxl",
            Family::SdxlRefiner => "sdxl_refiner",
        }
    }

    /// Pixels that both sides of a picture are a multiple of.
    pub fn multiple(&self) -> u32 {
        self.vae.factor() as u32
    }

    /// Side in pixels of the pictures that a model of this family which predicts this was trained on: of SD 2.x, those that
    /// predict noise have the smaller ones.
    pub fn native_side(&self, prediction: Option<Prediction>) -> u32 {
        let noise = prediction.unwrap_or(self.prediction) == Prediction::Epsilon;
        if self.family == Family::Sd2 && noise { self.native_side.min(512) } else { self.native_side }
    }

    /// Whether the U-Net is told the guidance scale: its one prediction is then guided already, without a negative prompt.
    pub fn knows_guidance(&self) -> bool {
        self.unet.guidance.is_some()
    }

    /// Whether the U-Net sees a mask and the masked picture.
    pub fn is_inpainting(&self) -> bool {
        self.unet.in_channels == INPAINTING_CHANNELS
    }
}
