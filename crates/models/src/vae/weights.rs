//! Names of the autoencoder's parameters in published files.

use std::collections::BTreeMap;

use super::{Config, parameters};
use crate::checkpoint::{self, Fit, Layout, Place, rename};
use crate::layers::BuildError;

/// Prefixes of files: of a single file of Stable Diffusion, of an autoencoder alone.
const PREFIXES: [&str; 2] = ["first_stage_model.", ""];
/// Begin the names of the discriminator's weights and of the averages of training, which some files still have; no part of the
/// network.
const TRAINING: [&str; 2] = ["loss.", "model_ema."];

/// Modules of the two halves: ours, diffusers'.
const OUTSIDE: [(&str, &str); 5] = [
    ("norm_out.", "conv_norm_out."),
    ("mid.block_1.", "mid_block.resnets.0."),
    ("mid.block_2.", "mid_block.resnets.1."),
    ("conv_in.", "conv_in."),
    ("conv_out.", "conv_out."),
];
/// Modules of the attention: ours, diffusers' since version 0.17, diffusers' before.
const ATTENTION: [(&str, &str, &str); 5] = [
    ("mid.attn_1.norm.", "group_norm.", "group_norm."),
    ("mid.attn_1.q.", "to_q.", "query."),
    ("mid.attn_1.k.", "to_k.", "key."),
    ("mid.attn_1.v.", "to_v.", "value."),
    ("mid.attn_1.proj_out.", "to_out.0.", "proj_attn."),
];
/// The one module of a residual block that diffusers names differently.
const SHORTCUT: (&str, &str) = ("nin_shortcut.", "conv_shortcut.");

/// The original names of a parameter, the usual one first; the other is that of files converted back from diffusers.
fn original_names(name: &str) -> Vec<String> {
    let converted = name.split_once('.').and_then(|(half, rest)| {
        let (rest, new) = ATTENTION.iter().find_map(|(own, new, _)| Some((rest.strip_prefix(own)?, new)))?;
        Some(format!("{half}.mid.attn_1.{new}{rest}"))
    });
    [name.to_owned()].into_iter().chain(converted).collect()
}

/// The diffusers names of a parameter, the usual one first.
fn diffusers_names(config: &Config, name: &str) -> Vec<String> {
    let Some((half, rest)) = name.split_once('.').filter(|(half, _)| matches!(*half, "encoder" | "decoder")) else {
        return vec![name.to_owned()];
    };
    for (own, new, old) in ATTENTION {
        if let Some(rest) = rest.strip_prefix(own) {
            return [new, old].map(|module| format!("{half}.mid_block.attentions.0.{module}{rest}")).to_vec();
        }
    }
    let renamed = rename(rest, modules(config)).unwrap_or_else(|| rest.to_owned());
    vec![format!("{half}.{}", renamed.replace(SHORTCUT.0, SHORTCUT.1))]
}

/// The modules of either half: ours, diffusers'. The decoder of diffusers counts its levels from the coarsest.
fn modules(config: &Config) -> Vec<(String, String)> {
    let mut modules: Vec<(String, String)> = OUTSIDE.map(|(own, other)| (own.to_owned(), other.to_owned())).to_vec();
    for i in 0..config.multipliers.len() {
        let up = config.multipliers.len() - 1 - i;
        modules.extend([
            (format!("down.{i}.block."), format!("down_blocks.{i}.resnets.")),
            (format!("down.{i}.downsample."), format!("down_blocks.{i}.downsamplers.0.")),
            (format!("up.{i}.block."), format!("up_blocks.{up}.resnets.")),
            (format!("up.{i}.upsample."), format!("up_blocks.{up}.upsamplers.0.")),
        ]);
    }
    modules
}

/// Compares the tensors of a file, names and shapes, with the network's. What is outside the place does not count.
pub fn fit<'a>(
    config: &Config,
    place: Place,
    found: impl IntoIterator<Item = (&'a str, &'a [usize])>,
) -> Result<Fit, BuildError> {
    let names = |name: &str| match place.layout {
        Layout::Original => original_names(name),
        Layout::Diffusers => diffusers_names(config, name),
    };
    let ignored = |name: &str| TRAINING.iter().any(|start| name.starts_with(start));
    Ok(checkpoint::fit(&parameters(config)?, place, names, ignored, found))
}

/// Where a file keeps an autoencoder with latents of the channels of [`Config::SD`], from names and shapes alone; nowhere when
/// it has none.
pub fn detect<'a>(found: impl IntoIterator<Item = (&'a str, &'a [usize])>) -> Option<Place> {
    let found: BTreeMap<&str, &[usize]> = found.into_iter().collect();
    let (width, latent) = (Config::SD.coarsest(), Config::SD.latent);
    PREFIXES.into_iter().find_map(|prefix| {
        let stem = found.get(format!("{prefix}decoder.conv_in.weight").as_str())?;
        let original = found.contains_key(format!("{prefix}decoder.mid.block_1.norm1.weight").as_str());
        let layout = if original { Layout::Original } else { Layout::Diffusers };
        (**stem == [width, latent, 3, 3]).then_some(Place { prefix, layout })
    })
}
