//! Recipes: which sources a dataset is made of, and in what proportions. TOML; unknown keys are errors.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{DataError, io};
use crate::split::SplitShares;

/// A parsed recipe.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Recipe {
    /// Name of the dataset.
    pub(crate) name: String,
    /// Side of the stored pictures in pixels.
    #[serde(default = "default_size")]
    pub(crate) size: usize,
    /// Records in a shard.
    #[serde(default = "default_shard")]
    pub(crate) records_per_shard: usize,
    /// Folder of `emojibase-data` inside the sources folder; wanted by emoji sources.
    pub(crate) labels: Option<Package>,
    /// Shares of the sampling mass.
    #[serde(default)]
    pub(crate) mix: Mix,
    /// How many variants to make.
    #[serde(default)]
    pub(crate) variants: Variants,
    /// Upper bounds of sampling mass.
    #[serde(default, rename = "cap")]
    pub(crate) caps: Vec<Cap>,
    /// Shares that are held out.
    #[serde(default)]
    pub(crate) splits: SplitShares,
    /// The sources, in order.
    #[serde(rename = "source")]
    pub(crate) sources: Vec<Source>,
}

fn default_size() -> usize {
    128
}

fn default_shard() -> usize {
    500
}

/// A package inside the sources folder.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Package {
    /// Its name in its registry.
    pub(crate) package: String,
    /// Its folder, relative to the sources folder.
    pub(crate) path: PathBuf,
    /// Further words that names of icons may have.
    #[serde(default)]
    pub(crate) words: Vec<String>,
}

/// Shares of sampling mass by kind and by style; what is not named keeps its natural share.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mix {
    /// By kind: `original`, `recoloured`, `composed`.
    #[serde(default)]
    pub(crate) kinds: BTreeMap<String, f64>,
    /// By style.
    #[serde(default)]
    pub(crate) styles: BTreeMap<String, f64>,
}

/// Numbers of variants to make of all sources together.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variants {
    /// Objects with a named other colour.
    #[serde(default)]
    pub(crate) recolour: usize,
    /// Objects on a named coloured background.
    #[serde(default)]
    pub(crate) background: usize,
    /// Solid shapes in one colour.
    #[serde(default)]
    pub(crate) silhouette: usize,
    /// Contours in one colour.
    #[serde(default)]
    pub(crate) outline: usize,
    /// Two to six copies.
    #[serde(default)]
    pub(crate) copies: usize,
    /// Two objects beside or above each other.
    #[serde(default)]
    pub(crate) pairs: usize,
    /// Repeating patterns.
    #[serde(default)]
    pub(crate) patterns: usize,
}

/// An upper bound of the sampling mass of all records that match.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cap {
    /// Subject to match; absent matches all.
    pub(crate) group: Option<String>,
    /// Style to match; absent matches all.
    pub(crate) style: Option<String>,
    /// The bound, in `0..=1`.
    pub(crate) share: f64,
}

/// How a source's files are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SourceKind {
    /// A folder of pictures named by emoji code points.
    EmojiFiles,
    /// An Iconify JSON package of emoji.
    IconifyEmoji,
    /// An Iconify JSON package of icons named after what they show.
    IconifyIcons,
    /// The Open Clip Art Library's folders of SVG with metadata.
    Openclipart,
    /// Pictures with captions in a `.txt` beside each.
    Folder,
}

/// One source.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Source {
    /// Name in records and reports.
    pub(crate) name: String,
    /// Layout.
    pub(crate) kind: SourceKind,
    /// Folder relative to the sources folder (for `folder`: relative to the recipe, or absolute).
    pub(crate) path: PathBuf,
    /// The package it comes from, for error messages.
    #[serde(default)]
    pub(crate) package: String,
    /// Style name of its pictures.
    #[serde(default)]
    pub(crate) style: String,
    /// Licence.
    #[serde(default)]
    pub(crate) licence: String,
    /// Author, where files do not name one.
    #[serde(default)]
    pub(crate) author: String,
    /// Endings of names that select another style (`"-fill" = "silhouette"`); an empty style leaves them out.
    #[serde(default)]
    pub(crate) suffixes: BTreeMap<String, String>,
    /// Beginnings of names that are folders rather than things (`"fruit-"`); they are left out of the names.
    #[serde(default)]
    pub(crate) prefixes: Vec<String>,
    /// Whether numbers at the ends of names tell drawings apart; otherwise they are sizes of one drawing.
    #[serde(default)]
    pub(crate) numbered: bool,
    /// Words in names that leave a picture out.
    #[serde(default)]
    pub(crate) skip_words: Vec<String>,
    /// Folders that are left out.
    #[serde(default)]
    pub(crate) skip_folders: Vec<String>,
    /// Pictures kept at most, chosen by name; 0 keeps all.
    #[serde(default)]
    pub(crate) max_pictures: usize,
    /// Near duplicates (skin tones) kept for each concept.
    #[serde(default = "default_variants")]
    pub(crate) max_variants: usize,
}

fn default_variants() -> usize {
    3
}

impl Recipe {
    /// Reads a recipe; returns it with its text.
    pub(crate) fn read(path: &Path) -> Result<(Self, String), DataError> {
        let text = fs::read_to_string(path).map_err(io(path))?;
        let wrong = |reason: String| DataError::Recipe { path: path.to_owned(), reason };
        let recipe: Recipe = toml::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        recipe.check_size(path)?;
        if recipe.records_per_shard == 0 {
            return Err(wrong("records_per_shard is 0".into()));
        }
        for (share, what) in recipe
            .caps
            .iter()
            .map(|c| (c.share, "cap"))
            .chain(recipe.mix.kinds.values().chain(recipe.mix.styles.values()).map(|&s| (s, "mix")))
        {
            if !(0.0..=1.0).contains(&share) {
                return Err(wrong(format!("a share in `{what}` is {share}, it must be between 0 and 1")));
            }
        }
        let emoji = |s: &Source| !matches!(s.kind, SourceKind::Folder);
        if recipe.labels.is_none() && recipe.sources.iter().any(emoji) {
            return Err(wrong("`labels` is missing; all sources but folders need it".into()));
        }
        Ok((recipe, text))
    }

    /// The side must be one that pictures can have.
    pub(crate) fn check_size(&self, path: &Path) -> Result<(), DataError> {
        if (16..=1024).contains(&self.size) {
            return Ok(());
        }
        let reason = format!("size is {}, it must be between 16 and 1024", self.size);
        Err(DataError::Recipe { path: path.to_owned(), reason })
    }
}

/// The folder sources are installed in when none is named.
pub(crate) fn default_sources() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(|| {
        let home = std::env::var_os("HOME").map(PathBuf::from)?;
        Some(home.join(".cache"))
    });
    cache.unwrap_or_else(|| PathBuf::from(".")).join("calotype").join("sources")
}
