//! Where pictures come from: one file a kind of source. A source lists [`Base`]s; nothing is rendered yet.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{DataError, io};
use crate::labels::{Labels, Names};
use crate::picture::Square;
use crate::recipe::{Recipe, Source, SourceKind};
use crate::shard::Skipped;
use crate::split::hash;
use crate::svg;

pub(crate) mod fluent;
pub(crate) mod folder;
pub(crate) mod iconify;
pub(crate) mod openclipart;

/// The drawing of a picture before it is rendered.
#[derive(Debug, Clone)]
pub(crate) enum Art {
    /// An SVG text; `currentColor` in it is painted.
    Svg(Arc<str>),
    /// A file with pixels or an SVG.
    File(PathBuf),
}

/// One picture of a source.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    /// Name of the source.
    pub(crate) source: String,
    /// Name inside the source.
    pub(crate) id: String,
    pub(crate) art: Art,
    pub(crate) names: Names,
    pub(crate) style: String,
    pub(crate) licence: String,
    pub(crate) author: String,
    /// Drawn in one colour that is free to choose.
    pub(crate) mono: bool,
    /// A second, pale tone beside the lines.
    pub(crate) duotone: bool,
    /// Captions a person wrote; they are taken as they are.
    pub(crate) captions: Vec<String>,
}

impl Base {
    /// A base of `source` with the source's style, licence and author.
    pub(crate) fn new(source: &Source, id: impl Into<String>, art: Art, names: Names) -> Self {
        Base {
            source: source.name.clone(),
            id: id.into(),
            art,
            names,
            style: source.style.clone(),
            licence: source.licence.clone(),
            author: source.author.clone(),
            mono: false,
            duotone: false,
            captions: Vec::new(),
        }
    }

    /// Renders at `size`; a picture in one colour is painted with `paint`.
    pub(crate) fn render(&self, size: usize, paint: [u8; 3]) -> Result<Square, DataError> {
        match &self.art {
            Art::Svg(text) => {
                let [r, g, b] = paint;
                let text = text.replace("currentColor", &format!("#{r:02x}{g:02x}{b:02x}"));
                svg::render(text.as_bytes(), size)
            }
            Art::File(path) => {
                let bytes = fs::read(path).map_err(io(path))?;
                if path.extension().is_some_and(|e| e == "svg") {
                    return svg::render(&bytes, size);
                }
                if !self.captions.is_empty() {
                    return Square::decode(&bytes, size);
                }
                Ok(svg::fit(Square::decode(&bytes, 256)?, size))
            }
        }
    }
}

/// Lists all pictures of a recipe's sources.
pub(crate) fn list(
    recipe: &Recipe,
    recipe_path: &Path,
    root: &Path,
    skipped: &mut Vec<Skipped>,
) -> Result<Vec<Base>, DataError> {
    let missing = |name: &str, package: &str, path: &Path| DataError::MissingSource {
        name: name.to_owned(),
        package: package.to_owned(),
        path: path.to_owned(),
        root: root.to_owned(),
    };
    let mut labels = Labels::default();
    if let Some(package) = &recipe.labels {
        let path = root.join(&package.path);
        if !path.is_dir() {
            return Err(missing("labels", &package.package, &path));
        }
        labels = Labels::read(&path)?;
        labels.add_icon_words(&package.words);
    }
    let mut paths = Vec::new();
    for source in &recipe.sources {
        let path = match source.kind {
            SourceKind::Folder => recipe_path.parent().unwrap_or(Path::new(".")).join(&source.path),
            _ => root.join(&source.path),
        };
        if !path.is_dir() {
            let package = if source.package.is_empty() { "(none named)" } else { &source.package };
            return Err(missing(&source.name, package, &path));
        }
        if source.kind == SourceKind::IconifyEmoji {
            labels.add_spellings(iconify::spellings(&path)?);
        }
        paths.push(path);
    }
    let mut bases = Vec::new();
    for (source, path) in recipe.sources.iter().zip(&paths) {
        let listed = match source.kind {
            SourceKind::EmojiFiles => fluent::list(source, path, &labels, skipped)?,
            SourceKind::IconifyEmoji => iconify::emoji(source, path, &labels, skipped)?,
            SourceKind::IconifyIcons => iconify::icons(source, path, &labels)?,
            SourceKind::Openclipart => openclipart::list(source, path, &labels, skipped)?,
            SourceKind::Folder => folder::bases(source, path, skipped)?,
        };
        let mut kept = thin(listed, source.max_variants);
        if source.max_pictures > 0 && kept.len() > source.max_pictures {
            kept.sort_by_cached_key(|base| hash(&["keep", &base.id]));
            kept.truncate(source.max_pictures);
            kept.sort_by(|a, b| a.id.cmp(&b.id));
        }
        bases.extend(kept);
    }
    Ok(bases)
}

/// Keeps at most `max` near duplicates of each concept and noun, chosen by name.
fn thin(bases: Vec<Base>, max: usize) -> Vec<Base> {
    let mut variants: BTreeMap<(String, String), Vec<(u64, String)>> = BTreeMap::new();
    for base in bases.iter().filter(|b| b.names.variant) {
        let key = (base.names.concept.clone(), base.style.clone());
        variants.entry(key).or_default().push((hash(&["variant", &base.id]), base.id.clone()));
    }
    for ids in variants.values_mut() {
        ids.sort();
        ids.truncate(max);
    }
    bases
        .into_iter()
        .filter(|base| {
            !base.names.variant
                || variants
                    .get(&(base.names.concept.clone(), base.style.clone()))
                    .is_some_and(|ids| ids.iter().any(|(_, id)| *id == base.id))
        })
        .collect()
}
