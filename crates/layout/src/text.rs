//! Setting type: shaping (also right to left, and Chinese, Japanese, Korean), breaking of lines, the largest size that fits.

use std::sync::Arc;

use cosmic_text::fontdb::{self, Source};
use cosmic_text::{
    Attrs, Buffer, Ellipsize, EllipsizeHeightLimit, Family, FontSystem, LayoutGlyph, Metrics, Shaping, SwashCache,
    Weight, Wrap,
};

use crate::canvas::Mask;
use crate::template::Align;

/// The family that is always there: Latin, Cyrillic, Hebrew and Arabic; weights 300 to 900.
pub const BUILT_IN: &str = "Rubik";
const BUILT_IN_FONT: &[u8] = include_bytes!("../fonts/rubik.ttf");
/// Sizes that are tried between the largest and the smallest.
const STEPS: u16 = 40;

/// Fonts and what is kept between texts.
pub(crate) struct Typesetter {
    fonts: FontSystem,
    cache: SwashCache,
}

impl std::fmt::Debug for Typesetter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Typesetter")
    }
}

/// How a text is set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Style {
    pub(crate) family: String,
    pub(crate) weight: u16,
    /// Pixels.
    pub(crate) size: f32,
    /// Distance of lines in shares of the size.
    pub(crate) leading: f32,
}

/// One line that was set.
#[derive(Debug, Clone)]
struct Line {
    glyphs: Vec<LayoutGlyph>,
    /// Left edge of its ink, and its width, in pixels.
    left: f32,
    width: f32,
    rtl: bool,
    /// From the text's upper edge.
    baseline: f32,
}

/// A text that was set.
#[derive(Debug, Clone)]
pub(crate) struct Set {
    lines: Vec<Line>,
    pub(crate) width: f32,
    pub(crate) height: f32,
    /// Characters that no font has, each once.
    pub(crate) missing: Vec<char>,
}

impl Set {
    pub(crate) fn line_count(&self) -> usize {
        self.lines.len()
    }

    /// Whether it begins from the right.
    pub(crate) fn is_rtl(&self) -> bool {
        self.lines.first().is_some_and(|line| line.rtl)
    }
}

/// Names of the families in a TrueType or OpenType file; none when it is no font.
pub fn families(bytes: &[u8]) -> Vec<String> {
    let mut database = fontdb::Database::new();
    let ids = database.load_font_source(Source::Binary(Arc::new(bytes.to_vec())));
    names(&database, &ids)
}

fn names(database: &fontdb::Database, ids: &[fontdb::ID]) -> Vec<String> {
    let faces = ids.iter().filter_map(|id| database.face(*id));
    let mut names: Vec<String> = faces.flat_map(|face| face.families.iter().map(|(name, _)| name.clone())).collect();
    names.dedup();
    names
}

impl Typesetter {
    pub(crate) fn new() -> Self {
        let mut database = fontdb::Database::new();
        database.load_font_source(Source::Binary(Arc::new(BUILT_IN_FONT)));
        database.set_sans_serif_family(BUILT_IN);
        database.set_serif_family(BUILT_IN);
        database.set_monospace_family(BUILT_IN);
        // No font of the system: the same kit looks the same everywhere.
        Self { fonts: FontSystem::new_with_locale_and_db("en".into(), database), cache: SwashCache::new() }
    }

    /// Adds a font file and gives the families in it; none when it is no font.
    pub(crate) fn add_font(&mut self, bytes: Vec<u8>) -> Vec<String> {
        let database = self.fonts.db_mut();
        let ids = database.load_font_source(Source::Binary(Arc::new(bytes)));
        names(database, &ids)
    }

    /// Whether a family is there.
    pub(crate) fn has(&self, family: &str) -> bool {
        self.fonts.db().faces().any(|face| face.families.iter().any(|(name, _)| name == family))
    }

    /// Sets a text in lines of at most `width` pixels; `cut` ends it with an ellipsis after so many pixels of height.
    pub(crate) fn set(&mut self, text: &str, style: &Style, width: f32, cut: Option<f32>) -> Set {
        let line_height = style.size * style.leading;
        let mut buffer = Buffer::new(&mut self.fonts, Metrics::new(style.size, line_height));
        buffer.set_wrap(if cut.is_some() { Wrap::WordOrGlyph } else { Wrap::Word });
        if let Some(height) = cut {
            // Whole lines: a limit in pixels is rounded, and may leave one too many.
            let lines = ((height / line_height + 1e-3) as usize).max(1);
            buffer.set_ellipsize(Ellipsize::End(EllipsizeHeightLimit::Lines(lines)));
        }
        buffer.set_size(Some(width), None);
        let attrs = Attrs::new().family(Family::Name(&style.family)).weight(Weight(style.weight));
        buffer.set_text(text, &attrs, Shaping::Advanced, None);
        buffer.shape_until_scroll(&mut self.fonts, false);
        let mut set = Set { lines: Vec::new(), width: 0.0, height: 0.0, missing: Vec::new() };
        for run in buffer.layout_runs() {
            let (mut left, mut right) = (f32::INFINITY, f32::NEG_INFINITY);
            for glyph in run.glyphs {
                let cluster = run.text.get(glyph.start..glyph.end).unwrap_or_default();
                if !cluster.chars().all(char::is_whitespace) {
                    left = left.min(glyph.x);
                    right = right.max(glyph.x + glyph.w);
                }
                if glyph.glyph_id == 0 {
                    let visible = |c: &char| !c.is_whitespace() && !c.is_control() && !is_joiner(*c);
                    for character in cluster.chars().filter(visible) {
                        if !set.missing.contains(&character) {
                            set.missing.push(character);
                        }
                    }
                }
            }
            if left > right {
                (left, right) = (0.0, 0.0);
            }
            set.lines.push(Line {
                glyphs: run.glyphs.to_vec(),
                left,
                width: right - left,
                rtl: run.rtl,
                baseline: run.line_y,
            });
            set.width = set.width.max(right - left);
            set.height = set.height.max(run.line_top + run.line_height);
        }
        set
    }

    /// The same number of lines, as even in length as possible.
    pub(crate) fn balanced(&mut self, text: &str, style: &Style, width: f32) -> Set {
        let set = self.set(text, style, width, None);
        let lines = set.line_count();
        if lines < 2 {
            return set;
        }
        let (mut narrow, mut wide, mut best) = (width / lines as f32, width, set);
        for _ in 0..8 {
            let middle = (narrow + wide) / 2.0;
            let tried = self.set(text, style, middle, None);
            if tried.line_count() == lines && tried.width <= middle + 0.5 {
                (wide, best) = (middle, tried);
            } else {
                narrow = middle;
            }
        }
        best
    }

    /// Adds a text to a mask, with its frame's left edge, width and upper edge in pixels.
    pub(crate) fn ink(&mut self, set: &Set, align: Align, left: f32, width: f32, top: f32, mask: &mut Mask) {
        for line in &set.lines {
            let at_right = matches!((align, line.rtl), (Align::Start, true) | (Align::End, false));
            let from = match align {
                Align::Centre => left + (width - line.width) / 2.0,
                _ if at_right => left + width - line.width,
                _ => left,
            };
            for glyph in &line.glyphs {
                let physical = glyph.physical((from - line.left, (top + line.baseline).round()), 1.0);
                let Some(image) = self.cache.get_image(&mut self.fonts, physical.cache_key) else { continue };
                let across = image.placement.width as usize;
                // Colour glyphs are used for their shape.
                let bytes = if image.content == cosmic_text::SwashContent::Mask { 1 } else { 4 };
                for (i, pixel) in
                    image.data.chunks_exact(bytes).enumerate().take(across * image.placement.height as usize)
                {
                    let x = i64::from(physical.x + image.placement.left) + (i % across) as i64;
                    let y = i64::from(physical.y - image.placement.top) + (i / across) as i64;
                    mask.add(x, y, pixel[bytes - 1]);
                }
            }
        }
    }
}

/// Characters that join or direct others and have no glyph of their own.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// Sizes from the largest (1) to the smallest (0), as shares of the way between them.
pub(crate) fn steps() -> impl Iterator<Item = f32> {
    (0..=STEPS).rev().map(|step| f32::from(step) / f32::from(STEPS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(size: f32) -> Style {
        Style { family: BUILT_IN.into(), weight: 400, size, leading: 1.2 }
    }

    fn ink(typesetter: &mut Typesetter, set: &Set, align: Align) -> Mask {
        let mut mask = Mask { width: 400, height: 200, values: vec![0; 400 * 200] };
        typesetter.ink(set, align, 0.0, 400.0, 0.0, &mut mask);
        mask
    }

    #[test]
    fn lines_break_between_words_and_grow_with_the_size() {
        let mut typesetter = Typesetter::new();
        let one = typesetter.set("Autumn is here", &style(20.0), 400.0, None);
        let two = typesetter.set("Autumn is here", &style(20.0), 100.0, None);
        assert_eq!((one.line_count(), two.line_count()), (1, 2));
        assert!(two.width <= 100.0 && one.width > 100.0 && two.height == 48.0);
        let large = typesetter.set("Autumn is here", &style(40.0), 400.0, None);
        assert!((large.width / one.width - 2.0).abs() < 0.05);
        // A word that is wider than its place says so by its width.
        assert!(typesetter.set("Autumnal", &style(40.0), 50.0, None).width > 50.0);
    }

    #[test]
    fn bold_is_bolder() {
        let mut typesetter = Typesetter::new();
        let mut sum = |weight| {
            let set = typesetter.set("Hill", &Style { weight, ..style(40.0) }, 400.0, None);
            ink(&mut typesetter, &set, Align::Start).values.iter().map(|v| u64::from(*v)).sum::<u64>()
        };
        let (light, regular, black) = (sum(300), sum(400), sum(900));
        assert!(light < regular && regular < black, "{light} {regular} {black}");
    }

    #[test]
    fn hebrew_and_arabic_run_from_the_right() {
        let mut typesetter = Typesetter::new();
        for text in ["הסתיו כאן", "الخريف هنا"] {
            let set = typesetter.set(text, &style(30.0), 400.0, None);
            assert!(set.missing.is_empty(), "{:?}", set.missing);
            assert!(set.lines[0].rtl);
            let bounds = ink(&mut typesetter, &set, Align::Start).bounds().unwrap();
            assert!(bounds.x + bounds.width > 390, "{bounds:?}");
            let bounds = ink(&mut typesetter, &set, Align::End).bounds().unwrap();
            assert!(bounds.x < 10, "{bounds:?}");
        }
        // Shaping: joined letters are other glyphs than lone ones.
        let joined = typesetter.set("سلام", &style(30.0), 400.0, None);
        let lone: f32 = "سلام".chars().map(|c| typesetter.set(&c.to_string(), &style(30.0), 400.0, None).width).sum();
        assert!(joined.width < 0.9 * lone, "{} {lone}", joined.width);
    }

    #[test]
    fn japanese_breaks_without_spaces_once_a_font_is_there() {
        let text = "春の新作が届きました。";
        let mut typesetter = Typesetter::new();
        let missing = typesetter.set(text, &style(20.0), 400.0, None).missing;
        assert_eq!(missing, "春の新作が届きました。".chars().collect::<Vec<_>>());
        let font = include_bytes!("../tests/data/noto-sans-jp-subset.otf").to_vec();
        assert_eq!(typesetter.add_font(font), ["Noto Sans JP"]);
        let set = typesetter.set(text, &style(20.0), 105.0, None);
        assert!(set.missing.is_empty() && set.width <= 105.0, "{:?} {}", set.missing, set.width);
        assert!(set.line_count() >= 3);
        assert!(ink(&mut typesetter, &set, Align::Start).bounds().is_some());
    }

    #[test]
    fn balance_keeps_the_lines_and_evens_them() {
        let mut typesetter = Typesetter::new();
        let text = "A warm jumper for the first cold morning of the year";
        let plain = typesetter.set(text, &style(20.0), 330.0, None);
        let even = typesetter.balanced(text, &style(20.0), 330.0);
        assert_eq!((plain.line_count(), even.line_count()), (2, 2));
        let spread = |set: &Set| (set.lines[0].width - set.lines[1].width).abs();
        assert!(spread(&even) < spread(&plain));
    }

    #[test]
    fn a_cut_text_stays_in_its_height() {
        let mut typesetter = Typesetter::new();
        let set = typesetter.set(&"word ".repeat(200), &style(20.0), 200.0, Some(66.0));
        assert!(set.height <= 66.0 && set.width <= 200.5, "{} {}", set.height, set.width);
        for odd in ["", " ", "\n\n", "\u{202e}", "a\u{300}\u{300}\u{300}", "🦄", "\u{0}"] {
            let set = typesetter.set(odd, &style(20.0), 1.0, Some(1.0));
            ink(&mut typesetter, &set, Align::Centre);
        }
    }
}
