//! Names of the U-Net's parameters in published files, and which model a file holds.

use std::collections::BTreeMap;

use super::{Config, parameters};
use crate::checkpoint::{self, Fit, Layout, Place, rename};
use crate::layers::BuildError;

/// Where files keep a U-Net.
const SINGLE_FILE: Place = Place { prefix: "model.diffusion_model.", layout: Layout::Original };
const ALONE: Place = Place { prefix: "", layout: Layout::Original };
const DIFFUSERS: Place = Place { prefix: "", layout: Layout::Diffusers };

/// Modules outside the numbered blocks: ours, diffusers'.
const OUTSIDE: [(&str, &str); 11] = [
    ("time_embed.0.", "time_embedding.linear_1."),
    ("time_embed.2.", "time_embedding.linear_2."),
    ("time_embed.cond_proj.", "time_embedding.cond_proj."),
    ("label_emb.0.0.", "add_embedding.linear_1."),
    ("label_emb.0.2.", "add_embedding.linear_2."),
    ("input_blocks.0.0.", "conv_in."),
    ("middle_block.0.", "mid_block.resnets.0."),
    ("middle_block.1.", "mid_block.attentions.0."),
    ("middle_block.2.", "mid_block.resnets.1."),
    ("out.0.", "conv_norm_out."),
    ("out.2.", "conv_out."),
];

/// Modules of a residual block: ours, diffusers'.
const RESIDUAL: [(&str, &str); 6] = [
    ("in_layers.0.", "norm1."),
    ("in_layers.2.", "conv1."),
    ("emb_layers.1.", "time_emb_proj."),
    ("out_layers.0.", "norm2."),
    ("out_layers.3.", "conv2."),
    ("skip_connection.", "conv_shortcut."),
];

/// The modules of a configuration: ours, diffusers'.
fn modules(config: &Config) -> Vec<(String, String)> {
    let mut modules: Vec<(String, String)> = OUTSIDE.map(|(own, other)| (own.to_owned(), other.to_owned())).to_vec();
    let mut add = |own: String, other: String| modules.push((own, other));
    let levels = config.levels.len();
    for i in 0..levels {
        // The first block is the convolution; each level ends with the one that halves or doubles.
        let (down, up) = (1 + i * (config.blocks + 1), i * (config.blocks + 1));
        add(format!("input_blocks.{}.0.op.", down + config.blocks), format!("down_blocks.{i}.downsamplers.0.conv."));
        for block in 0..config.blocks {
            add(format!("input_blocks.{}.0.", down + block), format!("down_blocks.{i}.resnets.{block}."));
            add(format!("input_blocks.{}.1.", down + block), format!("down_blocks.{i}.attentions.{block}."));
        }
        let doubled = if config.levels[levels - 1 - i].depth > 0 { 2 } else { 1 };
        add(
            format!("output_blocks.{}.{doubled}.conv.", up + config.blocks),
            format!("up_blocks.{i}.upsamplers.0.conv."),
        );
        for block in 0..=config.blocks {
            add(format!("output_blocks.{}.0.", up + block), format!("up_blocks.{i}.resnets.{block}."));
            add(format!("output_blocks.{}.1.", up + block), format!("up_blocks.{i}.attentions.{block}."));
        }
    }
    modules
}

/// The diffusers name of a parameter.
fn diffusers_name(modules: &[(String, String)], name: &str) -> String {
    let found = modules.iter().find_map(|(own, other)| Some((name.strip_prefix(own.as_str())?, other)));
    let Some((rest, module)) = found else { return name.to_owned() };
    format!("{module}{}", rename(rest, RESIDUAL).unwrap_or_else(|| rest.to_owned()))
}

/// Compares the tensors of a file, names and shapes, with the network's. What is outside the place does not count.
pub fn fit<'a>(
    config: &Config,
    place: Place,
    found: impl IntoIterator<Item = (&'a str, &'a [usize])>,
) -> Result<Fit, BuildError> {
    let modules = modules(config);
    let names = |name: &str| match place.layout {
        Layout::Original => vec![name.to_owned()],
        Layout::Diffusers => vec![diffusers_name(&modules, name)],
    };
    Ok(checkpoint::fit(&parameters(config)?, place, names, |_| false, found))
}

/// Published families of U-Nets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Stable Diffusion 1.x.
    Sd1,
    /// Stable Diffusion 2.x. Whether a model predicts noise or velocity is not seen in its weights.
    Sd2,
    /// Stable Diffusion XL, base.
    Sdxl,
    /// Stable Diffusion XL, refiner.
    SdxlRefiner,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 4] = [Self::Sd1, Self::Sd2, Self::Sdxl, Self::SdxlRefiner];

    /// Sizes of the text-to-picture model.
    pub const fn config(self) -> Config {
        match self {
            Self::Sd1 => Config::SD1,
            Self::Sd2 => Config::SD2,
            Self::Sdxl => Config::SDXL,
            Self::SdxlRefiner => Config::SDXL_REFINER,
        }
    }
}

/// The U-Net that a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detected {
    /// Family.
    pub family: Family,
    /// Sizes, with the input channels and the guidance features of the file.
    pub config: Config,
    /// Where and under which names.
    pub place: Place,
}

/// A file holds no U-Net of a known family.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DetectError {
    /// No tensor has the name of a U-Net's first convolution.
    #[error("the file holds no U-Net of the Stable Diffusion family")]
    NoUnet,
    /// A U-Net of other sizes.
    #[error(
        "the file holds a U-Net of an unknown family: {width} channels, text states of {context:?}, vector of {vector:?}"
    )]
    Unknown {
        /// Channels of the first level.
        width: usize,
        /// Width of the text states, if it has cross attention.
        context: Option<usize>,
        /// Width of the vector, if it has one.
        vector: Option<usize>,
    },
}

/// Finds out from names and shapes alone which U-Net a file holds.
pub fn detect<'a>(found: impl IntoIterator<Item = (&'a str, &'a [usize])>) -> Result<Detected, DetectError> {
    let found: BTreeMap<&str, &[usize]> = found.into_iter().collect();
    let first = |place: Place| match place.layout {
        Layout::Original => format!("{}input_blocks.0.0.weight", place.prefix),
        Layout::Diffusers => format!("{}conv_in.weight", place.prefix),
    };
    // The first convolution [width, channels, 3, 3].
    let stem = |place: Place| match found.get(first(place).as_str()) {
        Some(&[width, channels, 3, 3]) => Some((place, *width, *channels)),
        _ => None,
    };
    let (place, width, in_channels) =
        [SINGLE_FILE, ALONE, DIFFUSERS].into_iter().find_map(stem).ok_or(DetectError::NoUnet)?;
    let (label, scale) = match place.layout {
        Layout::Original => ("label_emb.0.0.weight", "time_embed.cond_proj.weight"),
        Layout::Diffusers => ("add_embedding.linear_1.weight", "time_embedding.cond_proj.weight"),
    };
    // Columns of a matrix.
    let columns = |shape: &&[usize]| shape.get(1).copied();
    let own = || found.iter().filter_map(|(name, shape)| Some((name.strip_prefix(place.prefix)?, shape)));
    let context = own().find(|(name, _)| name.ends_with(".attn2.to_k.weight")).and_then(|(_, shape)| columns(shape));
    let columns_of = |wanted: &str| own().find(|(name, _)| *name == wanted).and_then(|(_, shape)| columns(shape));
    let (vector, guidance) = (columns_of(label), columns_of(scale));
    let fits = |family: &Family| {
        let config = family.config();
        config.width == width && Some(config.context) == context && config.vector == vector
    };
    let family = Family::ALL.into_iter().find(fits).ok_or(DetectError::Unknown { width, context, vector })?;
    Ok(Detected { family, config: Config { in_channels, guidance, ..family.config() }, place })
}
