//! The parts of one source, and what is left over.

use formats::safetensors::TensorSource;
use text::clip::{self, Place as TextPlace};

use super::part::{Network, Part, Role};
use super::{BundleError, LISTED, Others};
use crate::unet::DetectError;
use crate::{taesd, unet, vae};

/// Tensors that stand beside the parts of single files and that no generation needs: the schedule of training, the average
/// that trainers keep, markers.
const HARMLESS: [&str; 17] = [
    "betas",
    "alphas_cumprod",
    "alphas_cumprod_prev",
    "sqrt_alphas_cumprod",
    "sqrt_one_minus_alphas_cumprod",
    "log_one_minus_alphas_cumprod",
    "sqrt_recip_alphas_cumprod",
    "sqrt_recipm1_alphas_cumprod",
    "posterior_variance",
    "posterior_log_variance_clipped",
    "posterior_mean_coef1",
    "posterior_mean_coef2",
    "lvlb_weights",
    "logvar",
    "denoiser.sigmas",
    "v_pred",
    "ztsnr",
];
/// How the average of the U-Net's weights begins in files that can be trained on, and what textual inversion trained.
const HARMLESS_STARTS: [&str; 2] = ["model_ema.", "embedding_manager."];

/// Every part of a source.
pub(super) fn parts(source: &TensorSource) -> Result<(Vec<Part>, Others), BundleError> {
    let mut parts = Vec::new();
    match unet::detect(source.shapes()) {
        Ok(unet::Detected { family, config, place }) => {
            parts.push(Part::new(Role::Unet, Network::Unet { family, config, place }, source)?);
        }
        Err(DetectError::NoUnet) => {}
        Err(problem) => return Err(BundleError::Unet { file: source.name().to_owned(), problem }),
    }
    for text in clip::detect(source.shapes()) {
        parts.push(Part::new(role(&text), Network::Text(text), source)?);
    }
    if let Some(place) = vae::detect(source.shapes()) {
        parts.push(Part::new(Role::Vae, Network::Vae { config: vae::Config::SD, place }, source)?);
    }
    // Its names are plain numbers in the original, which could be anything in a file of something else.
    if parts.is_empty()
        && let Some((layout, halves)) = taesd::detect(source.shapes())
    {
        for half in halves {
            let role = match half {
                taesd::Half::Encoder => Role::TaesdEncoder,
                taesd::Half::Decoder => Role::TaesdDecoder,
            };
            parts.push(Part::new(role, Network::Taesd { half, layout }, source)?);
        }
    }
    let others = others(source, &parts);
    Ok((parts, others))
}

/// The role of a text encoder, from its place in a single file, or from its size in a file of its own.
fn role(text: &clip::Detected) -> Role {
    let second = [TextPlace::SDXL_G, TextPlace::REFINER_G].contains(&text.place);
    let alone = text.place.prefix.is_empty() && text.config.width == clip::OPEN_CLIP_G.width;
    if second || alone { Role::TextEncoder2 } else { Role::TextEncoder }
}

/// What no part's report speaks of.
fn others(source: &TensorSource, parts: &[Part]) -> Others {
    let mut others = Others::default();
    for name in source.names() {
        if parts.iter().any(|part| name.starts_with(part.prefix())) {
            continue;
        }
        if HARMLESS.contains(&name) || HARMLESS_STARTS.iter().any(|start| name.starts_with(start)) {
            others.harmless += 1;
            continue;
        }
        others.unknown_count += 1;
        if others.unknown.len() < LISTED {
            others.unknown.push(name.to_owned());
        }
    }
    others
}
