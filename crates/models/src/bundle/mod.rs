//! What a path holds: the parts of a Stable Diffusion model, found from names and shapes alone.
//!
//! [`Bundle::open`] takes a single file, an index of shards, a folder of diffusers, or the file of one part (a U-Net, a text
//! encoder, an autoencoder, TAESD). A part says where its tensors are and how they fit; [`Part::read`] gives a parameter's
//! values, and text encoders are loaded with `text::clip::ClipEncoder` from [`Part::source`]. A separate autoencoder takes
//! the place of another with [`Bundle::set`].

mod detect;
mod error;
mod families;
mod folder;
mod part;
mod refused;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use formats::safetensors::{File, TensorSource};
use sampling::Prediction;
use text::clip::Reading;

pub use crate::unet::Family;
pub use error::BundleError;
pub use families::{Needs, needs};
pub use part::{Network, Part, Precision, ReadError, Role};
pub use refused::Lora;

/// Names of tensors that are listed at most.
const LISTED: usize = 8;

/// The parts that a path holds.
#[derive(Debug)]
pub struct Bundle {
    /// The path that was opened.
    pub path: PathBuf,
    /// Family of the U-Net; `None` without one.
    pub family: Option<Family>,
    /// Whether the path is a folder of diffusers.
    pub folder: bool,
    /// The parts, in the order of [`Role`].
    pub parts: Vec<Part>,
    /// What the network predicts, where the files say it: a diffusers folder in its scheduler, some single files in a marker.
    pub prediction: Option<Prediction>,
    /// Tensors outside every part.
    pub others: Others,
}

/// Tensors outside every part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Others {
    /// Those that no generation needs: training schedules, averages kept for training.
    pub harmless: usize,
    /// Those that are not known, the first few.
    pub unknown: Vec<String>,
    /// How many are not known.
    pub unknown_count: usize,
}

impl Bundle {
    /// Says what is at a path. Nothing but headers is read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, BundleError> {
        let path = path.as_ref();
        if path.is_dir() {
            return folder::open(path);
        }
        Self::from_source(TensorSource::open(path)?)
    }

    /// Says what an opened source holds.
    pub fn from_source(source: TensorSource) -> Result<Self, BundleError> {
        let path = PathBuf::from(source.name());
        refused::check(&source)?;
        let (parts, others) = detect::parts(&source)?;
        if parts.is_empty() {
            return Err(BundleError::Nothing { file: source.name().to_owned() });
        }
        let prediction = source.contains("v_pred").then_some(Prediction::V);
        let mut bundle = Self { path, family: None, folder: false, parts: Vec::new(), prediction, others };
        parts.into_iter().for_each(|part| bundle.set(part));
        Ok(bundle)
    }

    /// Puts a part in its role, instead of the one that was there.
    pub fn set(&mut self, part: Part) {
        if let Network::Unet { family, .. } = part.network {
            self.family = Some(family);
        }
        self.parts.retain(|other| other.role != part.role);
        self.parts.push(part);
        self.parts.sort_by_key(|part| part.role);
    }

    /// The part of a role.
    pub fn part(&self, role: Role) -> Option<&Part> {
        self.parts.iter().find(|part| part.role == role)
    }

    /// The part of a role, complete, or an error that says what is missing.
    pub fn require(&self, role: Role) -> Result<&Part, BundleError> {
        let file = || self.path.display().to_string();
        let part = self.part(role).ok_or_else(|| BundleError::MissingPart { file: file(), role })?;
        let file = part.source.name().to_owned();
        if let Some(found) = self.misfit(part) {
            return Err(BundleError::OtherPart { file, role, found });
        }
        if part.report.is_complete() {
            return Ok(part);
        }
        Err(BundleError::Incomplete { file, role, report: Box::new(part.report.clone()) })
    }

    /// What a text encoder is that another family reads.
    fn misfit(&self, part: &Part) -> Option<String> {
        let Network::Text(text) = part.network else { return None };
        let wanted = needs(self.family?).text.iter().find(|(role, _)| *role == part.role);
        let fits = wanted.is_some_and(|(_, config)| config.width == text.config.width);
        (!fits).then(|| part.title())
    }

    /// The parts that the family needs and that are not there; none without a U-Net.
    pub fn missing(&self) -> Vec<Role> {
        let roles = self.family.map_or(&[][..], |family| needs(family).roles);
        roles.iter().copied().filter(|role| self.part(*role).is_none()).collect()
    }

    /// Whether every part that is there has all its tensors, of the right shapes, and none that is not its own, and belongs to
    /// the family.
    pub fn is_sound(&self) -> bool {
        self.parts.iter().all(|part| part.report.is_complete() && self.misfit(part).is_none())
    }

    /// Whether pictures can be made from this path alone.
    pub fn is_complete(&self) -> bool {
        self.family.is_some() && self.missing().is_empty() && self.is_sound()
    }

    /// How the family reads a text encoder's states, without clip skip.
    pub fn reading(&self, role: Role) -> Option<Reading> {
        match &self.part(role)?.network {
            Network::Text(text) => Some(families::reading(self.family?, role, text.config.layers)),
            _ => None,
        }
    }

    /// Every file that is read, once, by name.
    pub fn files(&self) -> Vec<Arc<File>> {
        let files = self.parts.iter().flat_map(|part| part.source.files());
        let by_name: BTreeMap<&str, &Arc<File>> = files.map(|file| (file.name(), file)).collect();
        by_name.into_values().cloned().collect()
    }

    /// What it is, in a few words.
    pub fn title(&self) -> String {
        match (self.family, &self.parts[..]) {
            (Some(family), [_]) => format!("{}, U-Net alone", needs(family).title),
            (Some(family), _) => needs(family).title.to_owned(),
            (None, [part]) => part.title(),
            (None, parts) => parts.iter().map(Part::title).collect::<Vec<_>>().join(", "),
        }
    }
}
