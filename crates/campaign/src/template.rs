//! Text with slots: `a {season} street in {city}`; `{{` and `}}` stand for the braces themselves.

use std::collections::BTreeMap;

/// Longest name of a slot in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// Text with slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Slot(String),
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// A brace without its partner.
    #[error("has a {brace} without its partner at byte {at} ({brace}{brace} stands for the sign itself)")]
    Unpaired {
        /// The brace.
        brace: char,
        /// Where it stands.
        at: usize,
    },
    /// A slot whose name is none.
    #[error("has a slot named '{name}'; names are 1 to {MAX_NAME_BYTES} letters a-z, digits, _ and -")]
    Name {
        /// The name, cut to 64 characters.
        name: String,
    },
}

/// Whether a slot may have this name.
pub fn is_name(name: &str) -> bool {
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

impl Template {
    /// Reads a template.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let (mut own, mut at) = (String::new(), 0);
        while let Some(found) = text[at..].find(['{', '}']) {
            let brace = at + found;
            own.push_str(&text[at..brace]);
            let rest = &text[brace..];
            if rest.starts_with("{{") || rest.starts_with("}}") {
                own.push_str(&rest[..1]);
                at = brace + 2;
                continue;
            }
            if rest.starts_with('}') {
                return Err(TemplateError::Unpaired { brace: '}', at: brace });
            }
            let Some(end) = rest.find('}') else { return Err(TemplateError::Unpaired { brace: '{', at: brace }) };
            let name = rest[1..end].trim();
            if !is_name(name) {
                return Err(TemplateError::Name { name: name.chars().take(64).collect() });
            }
            if !own.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut own)));
            }
            pieces.push(Piece::Slot(name.to_owned()));
            at = brace + end + 1;
        }
        own.push_str(&text[at..]);
        if !own.is_empty() {
            pieces.push(Piece::Text(own));
        }
        Ok(Self { pieces })
    }

    /// The template with another in the place of one slot.
    pub fn with(&self, slot: &str, other: &Self) -> Self {
        let pieces = self.pieces.iter().flat_map(|piece| match piece {
            Piece::Slot(name) if name == slot => other.pieces.clone(),
            piece => vec![piece.clone()],
        });
        Self { pieces: pieces.collect() }
    }

    /// This, then `other`, with `between` between them; an empty one counts for nothing.
    pub fn then(&self, between: &str, other: &Self) -> Self {
        let glue = (!self.pieces.is_empty() && !other.pieces.is_empty()).then(|| Piece::Text(between.to_owned()));
        Self { pieces: self.pieces.iter().cloned().chain(glue).chain(other.pieces.iter().cloned()).collect() }
    }

    /// Names of its slots in the order in which they first stand in it.
    pub fn slots(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for piece in &self.pieces {
            if let Piece::Slot(name) = piece
                && !names.contains(&name.as_str())
            {
                names.push(name);
            }
        }
        names
    }

    /// The finished text; the name of a slot that has no value is the error.
    pub fn fill(&self, values: &BTreeMap<String, String>) -> Result<String, String> {
        let mut text = String::new();
        for piece in &self.pieces {
            text.push_str(match piece {
                Piece::Text(text) => text,
                Piece::Slot(name) => values.get(name).ok_or_else(|| name.clone())?,
            });
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn slots_are_filled() {
        let template = Template::parse("a {season} street in { city }, {season}; {{x}}").unwrap();
        assert_eq!(template.slots(), ["season", "city"]);
        let filled = template.fill(&values(&[("season", "{odd}"), ("city", "Łódź")])).unwrap();
        // A value is text: what looks like a slot in it stays as it is.
        assert_eq!(filled, "a {odd} street in Łódź, {odd}; {x}");
        assert_eq!(template.fill(&values(&[("season", "x")])), Err("city".into()));
        assert_eq!(Template::parse("").unwrap().fill(&values(&[])).unwrap(), "");
    }

    #[test]
    fn styles_go_after_or_around() {
        let prompt = Template::parse("a {thing}").unwrap();
        let after = prompt.then(", ", &Template::parse("3d render").unwrap());
        assert_eq!(after.fill(&values(&[("thing", "fox")])).unwrap(), "a fox, 3d render");
        let around = Template::parse("a {kind} of {prompt}").unwrap().with("prompt", &prompt);
        assert_eq!(around.slots(), ["kind", "thing"]);
        let nothing = Template::parse("").unwrap();
        assert_eq!(nothing.then(", ", &prompt), prompt);
        assert_eq!(prompt.then(", ", &nothing), prompt);
    }

    #[test]
    fn bad_templates_say_where() {
        for (bad, at) in [("a {b", 2), ("é } b", 3), ("}", 0), ("{{}", 2)] {
            assert!(
                matches!(Template::parse(bad), Err(TemplateError::Unpaired { at: found, .. }) if found == at),
                "{bad}"
            );
        }
        for bad in ["{}", "{a b}", "{a|b}", "{é}", &format!("{{{}}}", "x".repeat(65)), "{a{b}"] {
            assert!(matches!(Template::parse(bad), Err(TemplateError::Name { .. })), "{bad}");
        }
    }
}
