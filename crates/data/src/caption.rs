//! The caption engine: from what a picture is known to show to paraphrases of different length and order.
//! Everything a paraphrase says was either decided before drawing (style, count, background, paint) or
//! measured afterwards (colours).

use crate::labels::Names;
use crate::split::Choices;
use crate::words;

/// Longest caption in words; the text encoder sees about twenty tokens.
const MAX_WORDS: usize = 14;

/// What is shown, in phrases that a template can take.
#[derive(Debug, Clone, Default)]
pub(crate) struct Phrases {
    /// Without style and background: "a car". True, but says the least.
    pub(crate) plain: String,
    /// As much as is known: "a blue car". Each is true.
    pub(crate) full: Vec<String>,
    /// Bare words: "blue car".
    pub(crate) label: String,
    /// Words for a list: "car", "vehicle".
    pub(crate) keywords: Vec<String>,
    /// Style name, or empty.
    pub(crate) style: String,
    /// "on a yellow background"; `None` when transparent.
    pub(crate) background: Option<String>,
    /// Whether [`Phrases::full`] says what a reader must know, so that `plain` may not stand alone.
    pub(crate) say_all: bool,
}

/// Phrases for one object, with its colour if that is known.
pub(crate) fn single(names: &Names, noun: &str, colour: Option<&str>, style: &str) -> Phrases {
    let detail = |phrase: String| match &names.detail {
        Some(detail) => format!("{phrase} {detail}"),
        None => phrase,
    };
    let coloured = |noun: &str| match colour {
        Some(colour) => format!("{colour} {noun}"),
        None => noun.to_owned(),
    };
    let mut full = vec![detail(words::with_article(&coloured(noun)))];
    for alias in &names.aliases {
        full.push(detail(words::with_article(&coloured(alias))));
    }
    Phrases {
        plain: words::with_article(noun),
        full,
        label: detail(coloured(noun)),
        keywords: names.keywords.clone(),
        style: style.to_owned(),
        background: None,
        say_all: false,
    }
}

/// "a 3d render of"
fn of(style: &str) -> String {
    match style {
        "clip art" => "clip art of".to_owned(),
        "soft gradient" => "a soft gradient illustration of".to_owned(),
        _ => format!("{} {style} of", words::article(style)),
    }
}

/// Six to ten paraphrases, the most telling first.
pub(crate) fn paraphrases(phrases: &Phrases, extra: &[String], choices: &mut Choices) -> Vec<String> {
    let style = phrases.style.as_str();
    let with_background = |text: &str| match &phrases.background {
        Some(background) => format!("{text} {background}"),
        None => text.to_owned(),
    };
    let full = || phrases.full[0].clone();
    let mut out: Vec<String> = Vec::new();
    let main = with_background(&full());
    out.push(main.clone());
    if !style.is_empty() {
        out.push(format!("{main}, {style}"));
        out.push(with_background(&format!("{} {}", of(style), full())));
        out.push(match &phrases.background {
            Some(background) => format!("{} {style}, {}", phrases.label, background.trim_start_matches("on ")),
            None => format!("{} {style}", phrases.label),
        });
        if phrases.background.is_none() {
            out.push(if choices.below(2) == 0 {
                format!("{style}, {}", full())
            } else {
                format!("{}, {style}, transparent background", full())
            });
        } else {
            out.push(format!("{style}, {main}"));
        }
    }
    for other in phrases.full.iter().skip(1).take(3) {
        let other = with_background(other);
        out.push(other.clone());
        if !style.is_empty() {
            out.push(if choices.below(2) == 0 {
                format!("{other}, {style}")
            } else {
                format!("{} {other}", of(style))
            });
        }
    }
    if !phrases.say_all {
        out.push(phrases.plain.clone());
        if !style.is_empty() {
            out.push(format!("{}, {style}", phrases.plain));
        }
    }
    if !phrases.keywords.is_empty() {
        let mut list = phrases.keywords.clone();
        choices.shuffle(&mut list);
        list.truncate(1 + choices.below(3));
        list.insert(choices.below(list.len() + 1), phrases.label.clone());
        let style = if style.is_empty() { String::new() } else { format!(", {style}") };
        out.push(with_background(&format!("{}{style}", list.join(", "))));
    }
    let text = main.clone();
    out.push(match choices.below(4) {
        0 => format!("a picture of {text}"),
        1 => format!("a sticker of {text}"),
        2 => format!("an image of {text}"),
        _ => format!("a drawing of {text}"),
    });
    for text in extra {
        out.push(text.clone());
        if !style.is_empty() && !text.contains(style) {
            out.push(format!("{text}, {style}"));
        }
    }
    let short: Vec<String> = out.iter().filter(|c| c.split_whitespace().count() <= MAX_WORDS).cloned().collect();
    let mut out = if short.len() >= 3 { short } else { out };
    let mut seen = std::collections::BTreeSet::new();
    out.retain(|c| seen.insert(c.clone()));
    out.truncate(12);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paraphrases_are_many_different_and_short() {
        let names = Names {
            noun: "dog face".into(),
            aliases: vec!["dog".into()],
            keywords: vec!["pet".into(), "animal".into()],
            ..Names::default()
        };
        let phrases = single(&names, "dog face", Some("brown"), "3d render");
        let captions = paraphrases(&phrases, &[], &mut Choices::new(&["dog"]));
        for wanted in [
            "a brown dog face",
            "a brown dog face, 3d render",
            "a 3d render of a brown dog face",
            "a dog face",
            "a brown dog",
        ] {
            assert!(captions.iter().any(|c| c == wanted), "{wanted}: {captions:?}");
        }
        assert!(captions.len() >= 6 && captions.iter().all(|c| c.split(' ').count() <= MAX_WORDS));
        let again = paraphrases(&phrases, &[], &mut Choices::new(&["dog"]));
        assert_eq!(captions, again);
    }

    #[test]
    fn a_background_is_always_said() {
        let names = Names { noun: "car".into(), keywords: vec!["vehicle".into()], ..Names::default() };
        let mut phrases = single(&names, "car", None, "clip art");
        phrases.background = Some("on a blue background".into());
        phrases.say_all = true;
        let captions = paraphrases(&phrases, &[], &mut Choices::new(&["car"]));
        assert!(captions.iter().all(|c| c.contains("blue background")), "{captions:?}");
    }
}
