//! Which text transformers a file holds, from names and shapes alone.

use std::collections::BTreeMap;

use super::network::WORD_TABLE;
use super::{CLIP_L, Config, Layout, OPEN_CLIP_G, OPEN_CLIP_H, Place};

/// Where files keep text transformers.
const PLACES: [Place; 9] = [
    Place::SD1,
    bare(Place::SD1),
    Place::SD2,
    Place::SDXL_L,
    bare(Place::SDXL_L),
    Place::SDXL_G,
    Place::REFINER_G,
    Place::ALONE,
    Place::ALONE_BARE,
];

const fn bare(place: Place) -> Place {
    Place { layout: Layout::Bare, ..place }
}

/// A text transformer that a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detected {
    /// Dimensions, with the layers of the file.
    pub config: Config,
    /// Where and under which names.
    pub place: Place,
}

impl Detected {
    /// The published name of the network.
    pub fn title(&self) -> &'static str {
        match self.config.width {
            768 => "CLIP ViT-L/14",
            1024 => "OpenCLIP ViT-H/14",
            _ => "OpenCLIP ViT-bigG/14",
        }
    }
}

/// The text transformers of published sizes; the first of SDXL before the second.
///
/// Files of SD 2.x in the layout of transformers lack the last layer, which the model does not read; so may others.
pub fn detect<'a>(found: impl IntoIterator<Item = (&'a str, &'a [usize])>) -> Vec<Detected> {
    let found: BTreeMap<&str, &[usize]> = found.into_iter().collect();
    let at = |place: Place| {
        let &&[words, width] = found.get(place.name(WORD_TABLE).as_str())? else { return None };
        let config = [CLIP_L, OPEN_CLIP_H, OPEN_CLIP_G].into_iter().find(|config| config.width == width)?;
        let last = place.layer_norm(config.layers - 1);
        let shortened = config == OPEN_CLIP_H && !found.contains_key(last.as_str());
        let layers = config.layers - usize::from(shortened);
        (words == config.vocabulary).then_some(Detected { config: Config { layers, ..config }, place })
    };
    PLACES.into_iter().filter_map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clip::{fit, parameters};

    #[test]
    fn published_sizes_are_found() {
        let shorter = Config { layers: 23, ..OPEN_CLIP_H };
        for (config, place) in [(CLIP_L, Place::SD1), (shorter, Place::ALONE), (OPEN_CLIP_G, Place::ALONE_BARE)] {
            let stored: Vec<(String, Vec<usize>)> =
                parameters(&config).into_iter().map(|(name, shape)| (place.name(&name), shape)).collect();
            let found = || stored.iter().map(|(name, shape)| (name.as_str(), &shape[..]));
            assert_eq!(detect(found()), [Detected { config, place }]);
            assert!(fit(&config, place, found()).is_complete());
        }
        assert_eq!(detect([(WORD_TABLE, &[49_408, 512][..])]), []);
        assert_eq!(detect([(WORD_TABLE, &[7][..])]), []);
    }
}
