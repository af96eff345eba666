//! Where weight files keep a text transformer, and under which names.

use std::collections::BTreeMap;

use formats::safetensors::{Error, TensorSource};

use super::Config;
use super::network::{PROJECTION, parameters};
use crate::LoadReport;

/// Names and shapes of the tensors of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// transformers' `CLIPTextModel` and `CLIPTextModelWithProjection`: our own names.
    Transformers,
    /// `CLIPTextModel` as transformers saves it since version 5: without `text_model.`.
    Bare,
    /// open_clip's text tower: queries, keys and values in one tensor, the projection transposed.
    OpenClip,
}

/// Where a file keeps a text transformer: every name begins with `prefix`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// What comes before the names of the layout; other tensors of the file are none of ours.
    pub prefix: &'static str,
    /// Names after the prefix.
    pub layout: Layout,
}

impl Place {
    /// A file of its own, such as `text_encoder/model.safetensors` of diffusers.
    pub const ALONE: Self = Self { prefix: "", layout: Layout::Transformers };
    /// A file of its own, as newer versions of transformers write it.
    pub const ALONE_BARE: Self = Self { prefix: "", layout: Layout::Bare };
    /// CLIP-L in a single file of SD 1.x.
    pub const SD1: Self = Self { prefix: "cond_stage_model.transformer.", layout: Layout::Transformers };
    /// OpenCLIP-H in a single file of SD 2.x.
    pub const SD2: Self = Self { prefix: "cond_stage_model.model.", layout: Layout::OpenClip };
    /// CLIP-L in a single file of SDXL.
    pub const SDXL_L: Self = Self { prefix: "conditioner.embedders.0.transformer.", layout: Layout::Transformers };
    /// OpenCLIP-G in a single file of SDXL.
    pub const SDXL_G: Self = Self { prefix: "conditioner.embedders.1.model.", layout: Layout::OpenClip };
    /// OpenCLIP-G in a single file of the SDXL refiner.
    pub const REFINER_G: Self = Self { prefix: "conditioner.embedders.0.model.", layout: Layout::OpenClip };
}

/// The part of a file's tensor that is a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Whole,
    /// The nth of three equal runs of rows.
    Third(usize),
    Transposed,
}

/// The module that most names of transformers begin with.
const MODULE: &str = "text_model.";
/// Layers of transformers, up to the number.
const LAYERS: &str = "text_model.encoder.layers.";
/// Layers of open_clip, up to the number.
const OPEN_CLIP_LAYERS: &str = "transformer.resblocks.";

/// How the names of open_clip begin, outside and inside a layer.
const OPEN_CLIP: [(&str, &str, Part); 12] = [
    ("text_model.embeddings.token_embedding.", "token_embedding.", Part::Whole),
    ("text_model.embeddings.position_embedding.weight", "positional_embedding", Part::Whole),
    ("text_model.final_layer_norm.", "ln_final.", Part::Whole),
    ("text_projection.weight", "text_projection", Part::Transposed),
    ("self_attn.q_proj.", "attn.in_proj_", Part::Third(0)),
    ("self_attn.k_proj.", "attn.in_proj_", Part::Third(1)),
    ("self_attn.v_proj.", "attn.in_proj_", Part::Third(2)),
    ("self_attn.out_proj.", "attn.out_proj.", Part::Whole),
    ("layer_norm1.", "ln_1.", Part::Whole),
    ("layer_norm2.", "ln_2.", Part::Whole),
    ("mlp.fc1.", "mlp.c_fc.", Part::Whole),
    ("mlp.fc2.", "mlp.c_proj.", Part::Whole),
];

/// Tensors of published files that are no weights: positions by number, the mask, the scale of the contrastive loss.
const NO_WEIGHTS: [&str; 4] =
    ["text_model.embeddings.position_ids", "embeddings.position_ids", "attn_mask", "logit_scale"];

/// A parameter as a file keeps it.
struct Stored {
    name: String,
    shape: Vec<usize>,
    part: Part,
}

impl Place {
    /// The name that stands for the parameter `name` in a file.
    pub(super) fn name(&self, name: &str) -> String {
        self.stored(name, &[]).name
    }

    fn stored(&self, name: &str, shape: &[usize]) -> Stored {
        let (name, part) = match self.layout {
            Layout::Transformers => (name.to_owned(), Part::Whole),
            Layout::Bare => (name.strip_prefix(MODULE).unwrap_or(name).to_owned(), Part::Whole),
            Layout::OpenClip => open_clip_name(name),
        };
        let mut shape = shape.to_vec();
        match part {
            Part::Whole => {}
            Part::Third(_) => shape.iter_mut().take(1).for_each(|rows| *rows *= 3),
            Part::Transposed => shape.reverse(),
        }
        Stored { name: format!("{}{name}", self.prefix), shape, part }
    }

    /// The name of the first norm's gain in a layer.
    pub(super) fn layer_norm(&self, layer: usize) -> String {
        self.name(&format!("{LAYERS}{layer}.layer_norm1.weight"))
    }

    /// Fills the values of the parameter `name` of this shape, from a file that [`fit`]s.
    pub(super) fn read(
        &self,
        file: &TensorSource,
        name: &str,
        shape: &[usize],
        values: &mut [f32],
    ) -> Result<(), Error> {
        let stored = self.stored(name, shape);
        match (stored.part, shape) {
            (Part::Third(third), _) => file.read_f32_from(&stored.name, third * values.len(), values),
            (Part::Transposed, &[rows, columns]) => {
                let stored = file.to_f32_of_shape(&stored.name, &stored.shape)?;
                for (row, values) in values.chunks_exact_mut(columns).enumerate() {
                    for (column, value) in values.iter_mut().enumerate() {
                        *value = stored[column * rows + row];
                    }
                }
                Ok(())
            }
            _ => file.read_f32(&stored.name, values),
        }
    }
}

fn open_clip_name(name: &str) -> (String, Part) {
    let in_layer = name.strip_prefix(LAYERS).and_then(|rest| rest.split_once('.'));
    let (start, rest) = match in_layer {
        Some((number, rest)) => (format!("{OPEN_CLIP_LAYERS}{number}."), rest),
        None => (String::new(), name),
    };
    let renamed = OPEN_CLIP.iter().find_map(|(from, to, part)| Some((rest.strip_prefix(from)?, to, *part)));
    match renamed {
        Some((rest, to, part)) => (format!("{start}{to}{rest}"), part),
        None => (name.to_owned(), Part::Whole),
    }
}

/// Compares the tensors of a file, names and shapes, with the network's. What is outside the place does not count.
pub fn fit<'a>(config: &Config, place: Place, found: impl IntoIterator<Item = (&'a str, &'a [usize])>) -> LoadReport {
    let stored = parameters(config).into_iter().map(|(name, shape)| place.stored(&name, &shape));
    let expected: BTreeMap<String, Vec<usize>> = stored.map(|stored| (stored.name, stored.shape)).collect();
    let projection = place.name(PROJECTION);
    let ours = found.into_iter().filter(|(name, _)| {
        let own_name = name.strip_prefix(place.prefix);
        let unread = *name == projection && config.projection.is_none();
        own_name.is_some_and(|name| !NO_WEIGHTS.contains(&name)) && !unread
    });
    LoadReport::new(expected, ours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clip::OPEN_CLIP_G;

    #[test]
    fn every_parameter_has_its_own_place() {
        for place in [Place::ALONE, Place::ALONE_BARE, Place::SDXL_G] {
            let mut places: Vec<(String, usize)> = Vec::new();
            for (name, shape) in parameters(&OPEN_CLIP_G) {
                let stored = place.stored(&name, &shape);
                assert!(stored.name.starts_with(place.prefix));
                let same = match place.layout {
                    Layout::Transformers => true,
                    Layout::Bare => !name.starts_with(MODULE),
                    Layout::OpenClip => false,
                };
                assert_eq!(stored.name == name, same, "{name}");
                places.push((stored.name, if let Part::Third(third) = stored.part { third } else { 0 }));
            }
            let all = places.len();
            places.sort();
            places.dedup();
            assert_eq!(places.len(), all);
        }
    }
}
