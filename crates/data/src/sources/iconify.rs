//! Iconify JSON packages: `icons.json` holds SVG bodies by name, `chars.json` names by code point.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use crate::error::{DataError, io};
use crate::labels::{self, Labels};
use crate::recipe::Source;
use crate::shard::Skipped;
use crate::sources::{Art, Base};

#[derive(Debug, Deserialize)]
struct Set {
    icons: BTreeMap<String, Icon>,
    width: Option<f32>,
    height: Option<f32>,
}

#[derive(Debug, Deserialize)]
struct Icon {
    body: String,
    left: Option<f32>,
    top: Option<f32>,
    width: Option<f32>,
    height: Option<f32>,
    #[serde(default)]
    hidden: bool,
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, DataError> {
    let bytes = fs::read(path).map_err(io(path))?;
    serde_json::from_slice(&bytes).map_err(|e| DataError::Malformed { path: path.to_owned(), reason: e.to_string() })
}

/// Code points and names of a package's emoji, from `chars.json`.
pub(crate) fn spellings(path: &Path) -> Result<Vec<(String, String)>, DataError> {
    let file = path.join("chars.json");
    if !file.is_file() {
        return Ok(Vec::new());
    }
    let chars: BTreeMap<String, String> = read(&file)?;
    Ok(chars.into_iter().collect())
}

fn svg(set: &Set, icon: &Icon) -> Arc<str> {
    let side = |own: Option<f32>, shared: Option<f32>| own.or(shared).unwrap_or(16.0);
    let (w, h) = (side(icon.width, set.width), side(icon.height, set.height));
    let (x, y) = (icon.left.unwrap_or(0.0), icon.top.unwrap_or(0.0));
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="{w}" height="{h}" viewBox="{x} {y} {w} {h}">{}</svg>"#,
        icon.body
    )
    .into()
}

/// The emoji of a package; names that belong to no emoji are left out.
pub(crate) fn emoji(
    source: &Source,
    path: &Path,
    labels: &Labels,
    skipped: &mut Vec<Skipped>,
) -> Result<Vec<Base>, DataError> {
    let set: Set = read(&path.join("icons.json"))?;
    let mut bases = Vec::new();
    let mut unknown = 0;
    for (name, icon) in &set.icons {
        // Numbered drawings of one emoji ("cactus-2") share its names.
        let plain = name.trim_end_matches(|c: char| c.is_ascii_digit());
        let plain = plain.strip_suffix('-').unwrap_or(name);
        let Some(names) = labels.by_name(name).or_else(|| labels.by_name(plain)) else {
            unknown += 1;
            continue;
        };
        let mut base = Base::new(source, name.clone(), Art::Svg(svg(&set, icon)), names.clone());
        base.mono = icon.body.contains("currentColor");
        bases.push(base);
    }
    if unknown > 0 {
        skipped.push(Skipped {
            file: source.name.clone(),
            reason: format!("{unknown} pictures have names that belong to no emoji"),
        });
    }
    Ok(bases)
}

/// The icons of a package, named after what they show.
pub(crate) fn icons(source: &Source, path: &Path, labels: &Labels) -> Result<Vec<Base>, DataError> {
    let set: Set = read(&path.join("icons.json"))?;
    let mut found: BTreeMap<(String, String), (u32, Base)> = BTreeMap::new();
    for (name, icon) in set.icons.iter().filter(|(_, icon)| !icon.hidden) {
        let suffix =
            source.suffixes.iter().filter(|(suffix, _)| name.ends_with(suffix.as_str())).max_by_key(|(s, _)| s.len());
        let (plain, style) = match suffix {
            Some((_, style)) if style.is_empty() => continue,
            Some((suffix, style)) => (name.strip_suffix(suffix.as_str()).unwrap_or(name), style.clone()),
            None => (name.as_str(), source.style.clone()),
        };
        // One drawing in several sizes ("book-24"): the largest stays.
        let (plain, number) = match plain.rsplit_once('-') {
            Some((head, tail)) if tail.parse::<u32>().is_ok() => (head, tail.parse().unwrap_or(0)),
            _ => (plain, 0),
        };
        let prefix = source.prefixes.iter().filter(|p| plain.starts_with(p.as_str())).max_by_key(|p| p.len());
        let plain = prefix.and_then(|p| plain.strip_prefix(p.as_str())).unwrap_or(plain);
        if plain.split('-').any(|word| source.skip_words.iter().any(|skip| skip == word)) {
            continue;
        }
        // Words that no emoji uses are mostly jargon of user interfaces.
        if !plain.split('-').all(|word| labels.knows_of_icons(word)) {
            continue;
        }
        let Some(names) = labels::icon(labels, plain, "icons") else { continue };
        let mut base = Base::new(source, name.clone(), Art::Svg(svg(&set, icon)), names);
        base.mono = icon.body.contains("currentColor");
        base.duotone = name.ends_with("-duotone");
        base.style.clone_from(&style);
        let drawing = if source.numbered { name } else { plain };
        let key = (drawing.to_owned(), format!("{style}{}", base.duotone));
        match found.get(&key) {
            Some((size, _)) if *size >= number => {}
            _ => drop(found.insert(key, (number, base))),
        }
    }
    Ok(found.into_values().map(|(_, base)| base).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_folders_and_sizes_but_not_drawings() {
        let folder = tempfile::tempdir().expect("folder");
        let icon = |name: &str| format!(r#""{name}": {{ "body": "<path d='M0 0h9v9z'/>" }}"#);
        let names = ["fruit-acorn", "acorn-16", "acorn-24", "acorn-flow", "jargon"].map(icon);
        fs::write(folder.path().join("icons.json"), format!(r#"{{ "icons": {{ {} }} }}"#, names.join(",")))
            .expect("file");
        let mut labels = Labels::default();
        labels.add_icon_words(&["acorn".to_owned(), "flow".to_owned()]);
        let list = |more: &str| {
            let text = format!(
                "name = 'x'\nkind = 'iconify-icons'\npath = 'x'\nprefixes = ['fruit-']\nskip_words = ['flow']\n{more}"
            );
            let source: Source = toml::from_str(&text).expect("source");
            let bases = icons(&source, folder.path(), &labels).expect("icons");
            assert!(bases.iter().all(|b| b.names.noun == "acorn"));
            bases.into_iter().map(|b| b.id).collect::<Vec<_>>()
        };
        assert_eq!(list(""), ["acorn-24"]);
        assert_eq!(list("numbered = true"), ["acorn-16", "acorn-24", "fruit-acorn"]);
    }
}
