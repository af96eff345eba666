//! File names: a pattern with slots, what no system refuses, never the same name twice.

use std::collections::BTreeSet;

/// Longest part that a slot fills in, in characters.
const LONGEST: usize = 80;
/// Slots of a pattern.
const SLOTS: &[&str] = &["campaign", "asset", "channel", "width", "height", "ext", "seed"];

/// A pattern of file names, as `{campaign}_{asset}_{channel}_{width}x{height}.{ext}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

/// A pattern that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// An unknown slot.
    #[error("the name pattern has no slot {{{found}}}; known: {}", SLOTS.join(", "))]
    Slot {
        /// What was found.
        found: String,
    },
    /// A brace without its partner.
    #[error("the name pattern `{pattern}` has a brace without its partner")]
    Brace {
        /// The pattern.
        pattern: String,
    },
    /// A character that file names must not have.
    #[error("the name pattern has `{found}`; letters, digits, `.`, `-`, `_` and slots are accepted")]
    Character {
        /// What was found.
        found: char,
    },
    /// No slot for the format.
    #[error("the name pattern must end in .{{ext}}")]
    Extension,
}

impl Default for Pattern {
    fn default() -> Self {
        Self("{campaign}_{asset}_{channel}_{width}x{height}.{ext}".into())
    }
}

impl Pattern {
    /// Checks a pattern.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let brace = || PatternError::Brace { pattern: pattern.chars().take(200).collect() };
        let mut rest = pattern;
        while let Some(at) = rest.find(['{', '}']) {
            let (plain, from) = rest.split_at(at);
            characters(plain)?;
            let (slot, after) = from.strip_prefix('{').and_then(|from| from.split_once('}')).ok_or_else(brace)?;
            if !SLOTS.contains(&slot) {
                return Err(PatternError::Slot { found: slot.chars().take(40).collect() });
            }
            rest = after;
        }
        characters(rest)?;
        if !pattern.ends_with(".{ext}") {
            return Err(PatternError::Extension);
        }
        Ok(Self(pattern.into()))
    }

    /// The name for these values: slot, value.
    fn name(&self, values: &[(&str, &str)]) -> String {
        let mut name = self.0.clone();
        for (slot, value) in values {
            // A value is sanitised and cannot bring a brace.
            name = name.replace(&format!("{{{slot}}}"), &sanitised(value));
        }
        let stem = name.rsplit_once('.').map_or(name.as_str(), |(stem, _)| stem);
        if stem.trim_matches(['.', '-', '_']).is_empty() || is_reserved(stem) {
            format!("picture-{name}")
        } else {
            name
        }
    }
}

fn characters(text: &str) -> Result<(), PatternError> {
    match text.chars().find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))) {
        Some(found) => Err(PatternError::Character { found }),
        None => Ok(()),
    }
}

/// A part of a file name: ASCII letters, digits, `.`, `-` and `_` stay, everything between them becomes one `-`; no dots or
/// hyphens at the ends, at most 80 characters. `x` when nothing is left.
pub fn sanitised(part: &str) -> String {
    let mut clean = String::new();
    for c in part.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_') {
            clean.push(c);
        } else if !clean.ends_with('-') {
            clean.push('-');
        }
        if clean.len() >= LONGEST {
            break;
        }
    }
    let clean = clean.trim_matches(['.', '-']);
    if clean.is_empty() { "x".into() } else { clean.into() }
}

/// Names that Windows keeps for devices.
fn is_reserved(stem: &str) -> bool {
    let first = stem.split('.').next().unwrap_or_default().to_ascii_uppercase();
    let numbered = first.len() == 4 && (first.starts_with("COM") || first.starts_with("LPT")) && !first.ends_with('0');
    matches!(first.as_str(), "CON" | "PRN" | "AUX" | "NUL")
        || (numbered && first.ends_with(|c: char| c.is_ascii_digit()))
}

/// Gives names, each one once; upper and lower case count as the same.
#[derive(Debug, Clone, Default)]
pub struct Names {
    pattern: Pattern,
    given: BTreeSet<String>,
}

impl Names {
    /// Names of a pattern.
    pub fn new(pattern: Pattern) -> Self {
        Self { pattern, given: BTreeSet::new() }
    }

    /// The name for these values (slot, value) in a folder, with `-2`, `-3`, … where it was given before.
    pub fn next(&mut self, folder: &str, values: &[(&str, &str)]) -> String {
        let name = self.pattern.name(values);
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name.as_str(), ""));
        let mut number = 1_u64;
        loop {
            let tried = if number == 1 { name.clone() } else { format!("{stem}-{number}.{extension}") };
            let path = format!("{folder}/{tried}");
            if self.given.insert(path.to_ascii_lowercase()) {
                return path;
            }
            number += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values<'a>(campaign: &'a str, asset: &'a str) -> Vec<(&'a str, &'a str)> {
        vec![
            ("campaign", campaign),
            ("asset", asset),
            ("channel", "meta.story"),
            ("width", "1080"),
            ("height", "1920"),
            ("ext", "jpg"),
        ]
    }

    #[test]
    fn names_of_the_default_pattern() {
        let mut names = Names::default();
        let name = names.next("meta.story", &values("Autumn sale", "jumper/01"));
        assert_eq!(name, "meta.story/Autumn-sale_jumper-01_meta.story_1080x1920.jpg");
        assert_eq!(names.next("meta.story", &values("autumn SALE", "jumper 01")), name_with(&name, 2));
        fn name_with(name: &str, number: u32) -> String {
            name.replace("Autumn-sale", "autumn-SALE").replace(".jpg", &format!("-{number}.jpg"))
        }
        let mut names = Names::new(Pattern::new("{asset}.{ext}").unwrap());
        assert_eq!(names.next("a", &values("", "con")), "a/picture-con.jpg");
        assert_eq!(names.next("a", &values("", "../../etc")), "a/etc.jpg");
        assert_eq!(names.next("a", &values("", "セーター")), "a/x.jpg");
    }

    #[test]
    fn bad_patterns_are_refused() {
        let error = |pattern: &str| Pattern::new(pattern).unwrap_err();
        assert_eq!(error("{colour}.{ext}"), PatternError::Slot { found: "colour".into() });
        assert!(matches!(error("{asset.{ext}"), PatternError::Slot { .. }));
        assert!(matches!(error("a}.{ext}"), PatternError::Brace { .. }));
        assert!(matches!(error("{ext"), PatternError::Brace { .. }));
        assert_eq!(error("../{asset}.{ext}"), PatternError::Character { found: '/' });
        assert_eq!(error("{asset}.jpg"), PatternError::Extension);
        assert_eq!(error(""), PatternError::Extension);
    }

    proptest! {
        #[test]
        fn names_are_safe_and_never_twice(parts in prop::collection::vec((any::<String>(), any::<String>()), 1..30)) {
            let mut names = Names::default();
            let mut seen = BTreeSet::new();
            for (campaign, asset) in &parts {
                let path = names.next("f", &values(campaign, asset));
                let name = path.strip_prefix("f/").unwrap();
                prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_')));
                prop_assert!(name.len() < 255 && !name.starts_with('.'));
                prop_assert!(seen.insert(path.to_ascii_lowercase()));
            }
        }
    }
}
