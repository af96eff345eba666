//! Files that are recognised and not run: additions to a model, and models of other families.

use std::fmt;

use formats::safetensors::TensorSource;

use super::{BundleError, Family, needs};

/// A low-rank addition to a model's weights (arXiv 2106.09685), or one of its relatives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lora {
    /// The family that it was made for, as far as the shapes show.
    pub family: Option<Family>,
    /// Layers that it changes.
    pub layers: usize,
    /// Its largest rank; `None` for relatives that have none.
    pub rank: Option<usize>,
}

impl fmt::Display for Lora {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = self.family.map_or("an unknown family", |family| needs(family).title);
        write!(f, "a LoRA for {family}")?;
        self.rank.map_or(Ok(()), |rank| write!(f, " of rank {rank}"))?;
        write!(f, " that changes {} layers", self.layers)
    }
}

/// How the first factor of a pair ends, in kohya's scripts, in diffusers and peft, in older diffusers; then the relatives
/// LoHa and LoKr.
const DOWN: [&str; 4] = [".lora_down.weight", ".lora_A.weight", ".lora.down.weight", "_lora.down.weight"];
const RELATIVES: [&str; 3] = [".hada_w1_a", ".lokr_w1", ".lokr_w1_a"];
/// How the layers end that read the text, with dots or with underscores.
const TEXT_READERS: [&str; 3] = ["attn2.to_k", "attn2_to_k", "attn2.processor.to_k"];

/// Names, after the prefix of a single file, that only one kind of model has.
const OTHER_KINDS: [(&str, &str); 9] = [
    ("joint_blocks.0.x_block.attn.qkv.weight", "a network of Stable Diffusion 3"),
    ("double_blocks.0.img_attn.qkv.weight", "a network of FLUX"),
    ("transformer_blocks.0.ff_context.net.0.proj.weight", "a transformer of Stable Diffusion 3 or FLUX"),
    ("controlnet_cond_embedding.conv_in.weight", "a ControlNet"),
    ("input_hint_block.0.weight", "a ControlNet"),
    ("control_model.input_hint_block.0.weight", "a ControlNet"),
    ("down_blocks.0.motion_modules.0.temporal_transformer.norm.weight", "a motion module"),
    ("emb_params", "a textual inversion"),
    ("edm_mean", "Playground 2.5"),
];
const PREFIXES: [&str; 2] = ["", "model.diffusion_model."];

/// Refuses what is recognised and not run.
pub(super) fn check(source: &TensorSource) -> Result<(), BundleError> {
    let file = || source.name().to_owned();
    if let Some(lora) = lora(source) {
        return Err(BundleError::Lora { file: file(), lora });
    }
    for (name, what) in OTHER_KINDS {
        if PREFIXES.iter().any(|prefix| source.contains(&format!("{prefix}{name}"))) {
            return Err(BundleError::Unsupported { file: file(), what: what.to_owned() });
        }
    }
    Ok(())
}

fn lora(source: &TensorSource) -> Option<Lora> {
    let mut lora = Lora { family: None, layers: 0, rank: None };
    for (name, shape) in source.shapes() {
        let Some(layer) = DOWN.iter().find_map(|end| name.strip_suffix(end)) else {
            lora.layers += usize::from(RELATIVES.iter().any(|end| name.ends_with(end)));
            continue;
        };
        lora.layers += 1;
        let (rank, inputs) = (shape.first().copied(), shape.get(1).copied());
        lora.rank = lora.rank.max(rank);
        if TEXT_READERS.iter().any(|reader| layer.ends_with(reader)) {
            let of_width = |family: &Family| Some(family.config().context) == inputs;
            lora.family = lora.family.or(Family::ALL.into_iter().find(of_width));
        }
    }
    (lora.layers > 0).then_some(lora)
}
