//! What CLIP does to a prompt before it looks for words: `basic_clean` and `whitespace_clean` of OpenAI's `SimpleTokenizer`,
//! which call ftfy (6.3) and Python's `html.unescape`, then lower case.
//!
//! Left out of ftfy: guessing that text was decoded in the wrong encoding ("Ã©"), and entities in capitals ("&EACUTE;").

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use tokenizers::NormalizedString;

static ENTITY: LazyLock<Regex> = LazyLock::new(|| Regex::new("&#?[0-9A-Za-z]{1,24};").expect("a fixed pattern"));
static TERMINAL_ESCAPE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\x1b\[[\d;]*[a-zA-Z]").expect("a fixed pattern"));

/// The cleaned prompt: single spaces, lower case.
pub(super) fn clean(prompt: &str) -> String {
    let text = unescape(&unescape(&repair(prompt)));
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

/// Python's `html.unescape`, which drops references to control characters.
fn unescape(text: &str) -> String {
    htmlize::unescape(text).chars().filter(|&c| !is_control(c)).collect()
}

/// `ftfy.fix_text`, line by line. From the first line with a `<` on, entities are taken for deliberate.
fn repair(prompt: &str) -> String {
    let mut found = String::with_capacity(prompt.len());
    let mut entities = true;
    for line in prompt.split_inclusive('\n') {
        entities &= !line.contains('<');
        found.push_str(&repair_line(line, entities));
    }
    found
}

/// Every repair, again until nothing changes.
fn repair_line(line: &str, entities: bool) -> String {
    let mut text = line.to_owned();
    loop {
        let before = text.clone();
        while entities && let Cow::Owned(unescaped) = ENTITY.replace_all(&text, whole_entity) {
            if unescaped == text {
                break;
            }
            text = unescaped;
        }
        text = replace_characters(&TERMINAL_ESCAPE.replace_all(&text, ""));
        if !text.is_ascii() {
            text = NormalizedString::from(text.as_str()).nfc().get().to_owned();
        }
        if text == before {
            return text;
        }
    }
}

/// What an entity stands for, unless only its beginning is known.
fn whole_entity(entity: &Captures) -> String {
    let unescaped = htmlize::unescape(&entity[0]);
    if unescaped.contains(';') { entity[0].to_owned() } else { unescaped.into_owned() }
}

/// Straight quotes, no ligatures, no wide or narrow forms, `\n` for every line break, no control characters; C1 controls are
/// read as Windows-1252.
fn replace_characters(text: &str) -> String {
    let mut found = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{80}'..='\u{9F}' => found.push_str(&htmlize::unescape(format!("&#{};", u32::from(c)))),
            'Ĳ' => found.push_str("IJ"),
            'ĳ' => found.push_str("ij"),
            'ŉ' => found.push_str("ʼn"),
            'Ǆ' => found.push_str("DŽ"),
            'ǅ' => found.push_str("Dž"),
            'ǆ' => found.push_str("dž"),
            'Ǉ' => found.push_str("LJ"),
            'ǈ' => found.push_str("Lj"),
            'ǉ' => found.push_str("lj"),
            'Ǌ' => found.push_str("NJ"),
            'ǋ' => found.push_str("Nj"),
            'ǌ' => found.push_str("nj"),
            'Ǳ' => found.push_str("DZ"),
            'ǲ' => found.push_str("Dz"),
            'ǳ' => found.push_str("dz"),
            'ﬀ' => found.push_str("ff"),
            'ﬁ' => found.push_str("fi"),
            'ﬂ' => found.push_str("fl"),
            'ﬃ' => found.push_str("ffi"),
            'ﬄ' => found.push_str("ffl"),
            'ﬅ' => found.push_str("ſt"),
            'ﬆ' => found.push_str("st"),
            '\u{3000}' => found.push(' '),
            '\u{FF01}'..='\u{FFEF}' => found.push_str(NormalizedString::from(c.to_string()).nfkc().get()),
            'ʼ' | '\u{2018}'..='\u{201B}' => found.push('\''),
            '\u{201C}'..='\u{201F}' => found.push('"'),
            '\r' | '\u{2028}' | '\u{2029}' => found.push('\n'),
            c if is_control(c) => {}
            c => found.push(c),
        }
    }
    found
}

/// Characters that show nothing: ASCII controls but white space, deprecated Arabic forms, marks of annotations and byte order.
fn is_control(c: char) -> bool {
    matches!(
        c,
        '\0'..='\x08' | '\x0B' | '\x0E'..='\x1F' | '\x7F' | '\u{206A}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFC}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_cleaned() {
        for (prompt, cleaned) in [
            (" A  Cat\r\n\tsat ", "a cat sat"),
            ("&amp;amp;amp;amp;lt;", "<"),
            ("<&amp;amp;amp;", "<&amp;"),
            ("x\n<\n&amp;amp;amp;", "x < &amp;"),
            ("&copy2 &notit; &EACUTE;", "©2 ¬it; &eacute;"),
            ("“it’s” ﬁne ＆ｌｔ；", "\"it's\" fine <"),
            ("\u{1b}[1;31mred\u{1b}[0m \u{feff}b\0om &#1x", "red bom x"),
            ("e\u{301} \u{ff76}\u{ff9e}", "é ガ"),
        ] {
            assert_eq!(clean(prompt), cleaned, "{prompt:?}");
        }
    }
}
