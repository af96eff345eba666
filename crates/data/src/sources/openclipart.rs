//! The Open Clip Art Library: folders of SVG whose metadata holds title, keywords and author. Much of it is
//! noise for captions, so folders, words and over-long titles are left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use resvg::usvg::roxmltree::{Document, Node, ParsingOptions};

use crate::error::{DataError, io};
use crate::labels::{self, Labels};
use crate::recipe::Source;
use crate::shard::Skipped;
use crate::sources::{Art, Base};
use crate::words::COLOUR_WORDS;

/// Words at the end or start of titles that say nothing about the picture.
const NOISE: &[&str] = &[
    "icon",
    "clipart",
    "clip",
    "art",
    "svg",
    "simple",
    "vector",
    "architetto",
    "remix",
    "the",
    "a",
    "an",
    "by",
    "of",
    "in",
    "and",
    "with",
    "drawing",
    "image",
    "picture",
    "outline",
    "color",
    "colour",
    "bw",
    "grayscale",
    "contour",
    "final",
    "illustration",
    "contour",
    "symbol",
    "jon",
    "phillips",
    "silhouette",
    "drawn",
    "lines",
    "straight",
    "cartoon",
    "sketch",
    "blueprint",
    "submission",
    "template",
    "one",
    "two",
    "on",
    "to",
    "with",
    "for",
    "under",
    "final",
    "new",
    "v",
    "version",
    "mark",
    "ii",
    "ganson",
    "jonathon",
];

/// Lists the usable SVG files below `path`.
pub(crate) fn list(
    source: &Source,
    path: &Path,
    labels: &Labels,
    skipped: &mut Vec<Skipped>,
) -> Result<Vec<Base>, DataError> {
    let mut files = Vec::new();
    walk(path, &mut files)?;
    files.sort();
    let mut metas = Vec::new();
    for file in files {
        let inside = file.strip_prefix(path).unwrap_or(&file).to_string_lossy().into_owned();
        if source.skip_folders.iter().any(|folder| inside.starts_with(folder.as_str())) {
            continue;
        }
        match read(&file, &inside) {
            Ok(Some(meta)) => metas.push((file, meta)),
            Ok(None) => {}
            Err(reason) => skipped.push(Skipped { file: format!("{}/{inside}", source.name), reason }),
        }
    }
    let vocabulary = Vocabulary::new(labels, &metas);
    Ok(metas.iter().filter_map(|(file, meta)| base(source, file.clone(), meta.clone(), &vocabulary)).collect())
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

/// What a file says of itself.
#[derive(Debug, Clone, Default)]
struct Meta {
    /// Path below the library's root.
    inside: String,
    stem: String,
    title: String,
    author: String,
    keywords: Vec<String>,
}

/// Reads a file's metadata; `None` when it holds lettering, which needs fonts, or an embedded photograph.
fn read(file: &Path, inside: &str) -> Result<Option<Meta>, String> {
    let bytes = fs::read(file).map_err(|e| e.to_string())?;
    let content = String::from_utf8_lossy(&bytes);
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(&content, options).map_err(|e| e.to_string())?;
    if document.descendants().any(|n| matches!(n.tag_name().name(), "text" | "flowRoot" | "image")) {
        return Ok(None);
    }
    let work = document.descendants().find(|n| n.tag_name().name() == "Work");
    let creator = work.and_then(|w| w.descendants().find(|n| n.tag_name().name() == "creator"));
    let items = work.into_iter().flat_map(|w| w.descendants()).filter(|n| n.tag_name().name() == "li");
    Ok(Some(Meta {
        inside: inside.to_owned(),
        stem: file.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default(),
        title: work.and_then(|w| text(w, "title")).unwrap_or_default().to_owned(),
        author: creator.and_then(|c| text(c, "title")).unwrap_or_default().to_owned(),
        keywords: items.filter_map(|n| n.text()).map(|t| t.trim().to_lowercase()).filter(|t| !t.is_empty()).collect(),
    }))
}

/// Words that may stand in captions: those of emoji, and those several authors use as keywords.
struct Vocabulary<'a> {
    labels: &'a Labels,
    authors: BTreeMap<String, BTreeSet<String>>,
    /// How often an author gives the same title; series titles name no single picture.
    titles: BTreeMap<(String, String), usize>,
}

/// Authors that must use a keyword before it counts as a word.
const AUTHORS: usize = 3;

/// Pictures an author may give the same title.
const SAME_TITLE: usize = 3;

impl<'a> Vocabulary<'a> {
    fn new(labels: &'a Labels, metas: &[(PathBuf, Meta)]) -> Self {
        let (mut authors, mut titles) = (BTreeMap::<String, BTreeSet<String>>::new(), BTreeMap::new());
        for (_, meta) in metas {
            for word in meta.keywords.iter().flat_map(|k| words(k)) {
                authors.entry(word).or_default().insert(meta.author.clone());
            }
            *titles.entry((meta.author.clone(), meta.title.clone())).or_default() += 1;
        }
        Vocabulary { labels, authors, titles }
    }

    fn knows(&self, word: &str) -> bool {
        let used = |w: &str| self.authors.get(w).is_some_and(|a| a.len() >= AUTHORS);
        word.len() > 1 && (self.labels.knows(word) || used(word) || used(&format!("{word}s")))
    }

    /// The noun for a file: from its title, its file name, or a keyword that an emoji shows.
    fn noun(&self, meta: &Meta) -> Option<String> {
        let series = self.titles.get(&(meta.author.clone(), meta.title.clone())).is_some_and(|&n| n > SAME_TITLE);
        let title = if series { None } else { self.trimmed(&meta.title, &meta.author) };
        title.or_else(|| self.trimmed(&meta.stem, &meta.author)).or_else(|| {
            let general = [
                "animal", "food", "plant", "nature", "person", "people", "house", "sign", "symbol", "art", "drink",
                "sport", "computer", "money", "fish", "bird",
            ];
            meta.keywords.iter().find(|k| self.labels.shows(k) && !general.contains(&k.as_str())).cloned()
        })
    }

    /// The known words of a title, without its author's name and noise at both ends; at most five.
    fn trimmed(&self, title: &str, author: &str) -> Option<String> {
        let names = words(author);
        let together: String = names.concat();
        let title = title.to_lowercase().replace(['_', '-'], " ");
        let title = title.split(['(', '[', ',', ':', '.', '/', '|']).next()?;
        let all: Vec<&str> = title
            .split_whitespace()
            .map(|w| w.trim_matches(|c: char| !c.is_alphabetic()))
            .filter(|w| !w.is_empty() && *w != together && !names.iter().any(|n| n == w))
            .collect();
        let good = |w: &&str| !NOISE.contains(w) && self.knows(w);
        let first = all.iter().position(good)?;
        let last = all.iter().rposition(good)?;
        let kept = &all[first..=last];
        let fits = kept.len() <= 5
            && kept.iter().all(|w| self.knows(w) || w.len() <= 3 && NOISE.contains(w))
            && kept.iter().any(|w| w.len() > 2)
            // Half of the title unknown: what is left may not be what it shows.
            && kept.len() * 2 >= all.iter().filter(|w| !NOISE.contains(w)).count();
        let noun = kept.join(" ");
        let fits = fits && !(COLOUR_WORDS.contains(kept.last()?) && noun != "orange");
        (fits && noun.chars().all(|c| c.is_ascii_lowercase() || c == ' ')).then_some(noun)
    }
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).map(str::to_lowercase).collect()
}

fn base(source: &Source, file: PathBuf, meta: Meta, vocabulary: &Vocabulary<'_>) -> Option<Base> {
    let noun = vocabulary.noun(&meta)?;
    let texts = [&noun, &meta.inside, &meta.title];
    let unwanted = |word: &String| source.skip_words.contains(word);
    if texts.into_iter().chain(&meta.keywords).flat_map(|t| words(t)).any(|w| unwanted(&w)) {
        return None;
    }
    let mut names = labels::icon(vocabulary.labels, &noun, group(&meta.inside))?;
    let mut all: Vec<String> = meta
        .keywords
        .into_iter()
        .filter(|k| (3..=18).contains(&k.len()) && *k != noun && !k.contains("clip") && !crate::words::names_colour(k))
        .filter(|k| {
            words(k).iter().all(|w| vocabulary.knows(w)) && k.chars().all(|c| c.is_ascii_lowercase() || c == ' ')
        })
        .take(6)
        .collect();
    all.extend(names.keywords);
    all.dedup();
    names.keywords = all;
    let inside = meta.inside;
    let mut base = Base::new(source, inside, Art::File(file), names);
    if !meta.author.is_empty() && meta.author.len() < 60 {
        base.author = meta.author;
    }
    Some(base)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_become_nouns() {
        let keywords = ["red", "apple", "cat", "fire", "truck"].map(String::from).to_vec();
        let metas: Vec<(PathBuf, Meta)> = (0..3)
            .map(|i| {
                let meta = Meta {
                    author: format!("author {i}"),
                    title: format!("{i}"),
                    keywords: keywords.clone(),
                    ..Meta::default()
                };
                (PathBuf::new(), meta)
            })
            .collect();
        let labels = Labels::default();
        let vocabulary = Vocabulary::new(&labels, &metas);
        for (title, noun) in [
            ("Red_apple-01", Some("red apple")),
            ("A cat (remix)", Some("cat")),
            ("icon of a fire truck", Some("fire truck")),
            ("jane doe cat", Some("cat")),
            ("mela rossa", None),
            ("42", None),
        ] {
            assert_eq!(vocabulary.trimmed(title, "Jane Doe").as_deref(), noun, "{title}");
        }
    }
}
