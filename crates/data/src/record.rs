//! What is known about one picture: its captions, where it comes from, how often it is drawn.

use serde::{Deserialize, Serialize};

use crate::split::Split;

/// How a picture came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The picture as its author drew it.
    #[default]
    Original,
    /// One picture with other colours, a coloured background, as outline or silhouette.
    Recoloured,
    /// Several pictures arranged in one.
    Composed,
}

impl Kind {
    /// The word used in recipes and reports.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Original => "original",
            Kind::Recoloured => "recoloured",
            Kind::Composed => "composed",
        }
    }
}

/// One picture with its captions; the content of `KEY.json` in a shard.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Name of the record, unique in its dataset.
    pub key: String,
    /// The thing shown, the same word in every style ("dog face"); splits are made by it.
    pub concept: String,
    /// Name of the style, or empty ("flat illustration").
    #[serde(default)]
    pub style: String,
    /// Name of the source in the recipe.
    #[serde(default)]
    pub source: String,
    /// Licence, as SPDX identifier where there is one.
    #[serde(default)]
    pub licence: String,
    /// Author, as far as the source tells.
    #[serde(default)]
    pub author: String,
    /// How the picture came to be.
    #[serde(default)]
    pub kind: Kind,
    /// Near duplicates and overfull subjects share this name; see the `[[cap]]` tables of recipes.
    #[serde(default)]
    pub group: String,
    /// The object alone, as a caption ("a dog face"); may be empty.
    #[serde(default)]
    pub object: String,
    /// Paraphrases, all true of this picture; at least one.
    pub captions: Vec<String>,
    /// Paraphrases kept away from training, for the split [`Split::HeldOutCaptions`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub held_out_captions: Vec<String>,
    /// Name of the main colour of the foreground, if one colour clearly is the main one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<String>,
    /// Name of the background colour; none when the background is transparent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<String>,
    /// Number of objects, where it was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// The split the record belongs to.
    #[serde(default)]
    pub split: Split,
    /// Relative frequency with which training draws the record.
    #[serde(default = "one")]
    pub weight: f32,
}

/// Groups whose pictures mean something else, or nothing, in a mirror.
const ONE_SIDED_GROUPS: [&str; 3] = ["flags", "symbols", "clocks"];
/// Words of captions with the same effect: sides, directions and writing.
const ONE_SIDED_WORDS: [&str; 24] = [
    "left",
    "right",
    "arrow",
    "arrows",
    "letter",
    "letters",
    "text",
    "word",
    "words",
    "number",
    "numbers",
    "digit",
    "sign",
    "button",
    "clock",
    "o'clock",
    "watch",
    "flag",
    "calendar",
    "newspaper",
    "keyboard",
    "map",
    "globe",
    "logo",
];

impl Record {
    /// Whether the captions are as true of the mirrored picture.
    pub fn is_two_sided(&self) -> bool {
        let one_sided = |caption: &String| {
            let words = caption.split(|c: char| !(c.is_alphanumeric() || c == '\''));
            words.map(str::to_lowercase).any(|word| ONE_SIDED_WORDS.contains(&word.as_str()))
        };
        !ONE_SIDED_GROUPS.contains(&self.group.as_str()) && !self.captions.iter().any(one_sided)
    }
}

fn one() -> f32 {
    1.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_sides_and_flags_are_not_mirrored() {
        let record = |group: &str, caption: &str| Record {
            group: group.into(),
            captions: vec!["a thing".into(), caption.into()],
            ..Record::default()
        };
        assert!(record("animals", "a dog, bright upright").is_two_sided());
        assert!(!record("animals", "a dog to the Left, of a cat").is_two_sided());
        assert!(!record("objects", "ten o'clock").is_two_sided());
        assert!(!record("flags", "Chad").is_two_sided());
    }
}
