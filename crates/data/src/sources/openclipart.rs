//! The Open Clip Art Library: folders of SVG whose metadata holds title, keywords and author. Much of it is
//! noise for captions, so folders, words and over-long titles are left out.

use std::fs;
use std::path::{Path, PathBuf};

use resvg::usvg::roxmltree::{Document, Node, ParsingOptions};

use crate::error::{DataError, io};
use crate::labels::{self, Labels};
use crate::recipe::Source;
use crate::shard::Skipped;
use crate::sources::{Art, Base};

/// Words at the end or start of titles that say nothing about the picture.
const NOISE: &[&str] = &[
    "icon", "clipart", "clip", "art", "svg", "simple", "vector", "architetto", "remix", "the", "a", "an", "by", "of", "in", "and", "with", "drawing",
    "image", "picture", "outline", "color", "colour", "bw", "grayscale", "contour", "final", "new", "v", "version", "mark", "ii", "ganson", "jonathon",
];

/// Lists the usable SVG files below `path`.
pub(crate) fn list(source: &Source, path: &Path, labels: &Labels, skipped: &mut Vec<Skipped>) -> Result<Vec<Base>, DataError> {
    let mut files = Vec::new();
    walk(path, &mut files)?;
    files.sort();
    let mut bases = Vec::new();
    for file in files {
        let inside = file.strip_prefix(path).unwrap_or(&file).to_string_lossy().into_owned();
        if source.skip_folders.iter().any(|folder| inside.starts_with(folder.as_str())) {
            continue;
        }
        match read(source, &file, &inside, labels) {
            Ok(Some(base)) => bases.push(base),
            Ok(None) => {}
            Err(reason) => skipped.push(Skipped { file: format!("{}/{inside}", source.name), reason }),
        }
    }
    Ok(bases)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), DataError> {
    for entry in fs::read_dir(folder).map_err(io(folder))? {
        let path = entry.map_err(io(folder))?.path();
        if path.is_dir() {
            walk(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "svg") {
            files.push(path);
        }
    }
    Ok(())
}

fn text<'a>(node: Node<'a, 'a>, name: &str) -> Option<&'a str> {
    let found = node.descendants().find(|n| n.tag_name().name() == name)?;
    found.descendants().filter_map(|n| n.text()).map(str::trim).find(|t| !t.is_empty())
}

fn read(source: &Source, file: &Path, inside: &str, labels: &Labels) -> Result<Option<Base>, String> {
    let bytes = fs::read(file).map_err(|e| e.to_string())?;
    let content = String::from_utf8_lossy(&bytes);
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&content, options).map_err(|e| e.to_string())?;
    let drawn = document.descendants().filter(|n| matches!(n.tag_name().name(), "text" | "flowRoot" | "image")).count();
    if drawn > 0 {
        // Lettering needs fonts; embedded photographs are not drawings.
        return Ok(None);
    }
    let work = document.descendants().find(|n| n.tag_name().name() == "Work");
    let stem = file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    let title = work.and_then(|w| text(w, "title")).unwrap_or(&stem);
    let author = work
        .and_then(|w| w.descendants().find(|n| n.tag_name().name() == "creator"))
        .and_then(|creator| text(creator, "title"))
        .unwrap_or("");
    let keywords: Vec<String> = work
        .map(|w| w.descendants().filter(|n| n.tag_name().name() == "li").filter_map(|n| n.text()).map(|t| t.trim().to_lowercase()).collect())
        .unwrap_or_default();
    let unwanted = |word: &str| source.skip_words.iter().any(|skip| skip == word);
    let Some(noun) = noun(title).or_else(|| noun(&stem)) else { return Ok(None) };
    let words = |s: &str| s.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).collect::<Vec<_>>();
    if words(&noun).iter().chain(&words(inside)).chain(keywords.iter().flat_map(|k| words(k)).collect::<Vec<_>>().iter()).any(|w| unwanted(w)) {
        return Ok(None);
    }
    let Some(mut names) = labels::icon(labels, &noun, group(inside)) else { return Ok(None) };
    let mut all: Vec<String> = keywords
        .into_iter()
        .filter(|k| (3..=18).contains(&k.len()) && k.chars().all(|c| c.is_ascii_lowercase() || c == ' ') && *k != noun)
        .filter(|k| !k.contains("clip") && !k.contains("unsorted") && !crate::words::names_colour(k))
        .collect();
    all.truncate(6);
    all.extend(names.keywords);
    all.dedup();
    names.keywords = all;
    let mut base = Base::new(source, inside, Art::File(file.to_owned()), names);
    if !author.is_empty() && author.len() < 60 {
        base.author = author.to_owned();
    }
    Ok(Some(base))
}

fn group(inside: &str) -> &'static str {
    match inside.split('/').next() {
        Some("people") => "people",
        Some("animals") => "animals",
        Some("plants") => "plants",
        Some("food") => "food",
        _ if inside.contains("flags") => "flags",
        _ => "clip art",
    }
}

/// The noun in a title: lower-case words, without numbers, authors and remarks; at most five words.
fn noun(title: &str) -> Option<String> {
    let title = title.to_lowercase().replace(['_', '-'], " ");
    let title = title.split(['(', '[', ',', ':', '.', '/', '|']).next()?;
    let words: Vec<&str> = title.split_whitespace().map(|w| w.trim_matches(|c: char| !c.is_ascii_alphabetic())).filter(|w| !w.is_empty()).collect();
    let first = words.iter().position(|w| !NOISE.contains(w))?;
    let last = words.iter().rposition(|w| !NOISE.contains(w))?;
    let words = &words[first..=last];
    if words.len() > 5 || words.iter().all(|w| w.len() < 3) {
        return None;
    }
    let noun = words.join(" ");
    noun.chars().all(|c| c.is_ascii_lowercase() || c == ' ' || c == '\'').then_some(noun)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_become_nouns() {
        assert_eq!(noun("Red_apple-01").as_deref(), Some("red apple"));
        assert_eq!(noun("A cat (remix)").as_deref(), Some("cat"));
        assert_eq!(noun("icon of a fire truck").as_deref(), Some("fire truck"));
        assert_eq!(noun("42"), None);
    }
}
