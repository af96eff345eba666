//! Templates: named layers in shares of the canvas, with slots like `{headline}` in their texts.

use std::collections::BTreeSet;

use analysis::Side;
use serde::{Deserialize, Serialize};

use crate::kit::FieldError;
use crate::place::{Axis, Frame};

/// The version of the file's layout.
pub const SCHEMA: u32 = 1;
/// Most layers of a template and most texts of a layer.
const MOST: usize = 64;

/// A template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Template {
    /// Layout of the file; 1.
    pub schema: u32,
    /// Its name.
    pub name: String,
    /// The size it was designed at, pixels across and down. Other sizes scale its text.
    pub size: [u32; 2],
    /// Role of the colour behind everything.
    pub background: String,
    /// How it may be turned around when the picture is quieter on the other side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Axis>,
    /// From back to front, unless `z` says otherwise.
    pub layers: Vec<Layer>,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Its name, for findings.
    pub name: String,
    /// Higher ones lie in front; the order in the file decides between equals.
    #[serde(default)]
    pub z: i32,
    /// Where it stands.
    pub frame: Frame,
    /// Where it stands when the brand has no logo at all.
    #[serde(default)]
    pub frame_without_logo: Option<Frame>,
    /// What it shows.
    pub content: Content,
}

/// What a layer shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub enum Content {
    /// The picture, cropped around its subject.
    Picture {
        /// How it fills the frame.
        #[serde(default)]
        fit: Fit,
        /// The side on which words will stand.
        #[serde(default)]
        side: Side,
        /// Radius of the corners, in shares of the frame's shorter side, 0..=0.5.
        #[serde(default)]
        radius: f32,
        /// Where a cut-out stands, instead of the frame.
        #[serde(default)]
        cut_out: Option<Frame>,
    },
    /// A rectangle.
    Shape {
        /// Role of its colour, or `#rrggbb`.
        fill: String,
        /// 0..=1.
        #[serde(default = "one")]
        opacity: f32,
        /// Radius of the corners, in shares of the frame's shorter side, 0..=0.5.
        #[serde(default)]
        radius: f32,
        /// The side towards which it vanishes.
        #[serde(default)]
        fade: Side,
    },
    /// A logo of the brand; of `main` and `main-…` the first whose rules allow the background.
    Logo {
        /// Its name.
        logo: String,
    },
    /// Texts below each other, set as large as all of them fit.
    Text {
        /// Along the line.
        #[serde(default)]
        align: Align,
        /// Down the frame.
        #[serde(default)]
        valign: Valign,
        /// What happens to a text that does not fit at its smallest size.
        #[serde(default)]
        overflow: Overflow,
        /// Whether too little contrast is repaired, or only reported.
        #[serde(default)]
        repair: bool,
        /// From the top.
        blocks: Vec<Block>,
    },
}

fn one() -> f32 {
    1.0
}

/// How a picture fills its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// Cut-outs are contained, other pictures cover.
    #[default]
    Auto,
    /// Fills the frame; what is over is cropped.
    Cover,
    /// Stands inside whole, what is transparent around it trimmed.
    Contain,
}

/// Along the line; start and end follow the direction of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Align {
    #[default]
    Start,
    Centre,
    End,
}

/// Down the frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Valign {
    Top,
    #[default]
    Middle,
    Bottom,
}

/// What happens to a text that does not fit at its smallest size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Overflow {
    /// It is cut with an ellipsis so that people see where, and that is an error.
    #[default]
    Error,
    /// It is cut with an ellipsis, and that is a warning.
    Ellipsis,
}

/// One text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// Words and slots like `{headline}`; left out when nothing is in it.
    pub text: String,
    /// Role of the font.
    #[serde(default = "body")]
    pub font: String,
    /// Weight instead of the font rule's, 100..=900.
    #[serde(default)]
    pub weight: Option<u16>,
    /// Smallest and largest size in pixels, at the template's own size.
    pub size: [f32; 2],
    /// Role of the colour, or `#rrggbb`.
    pub colour: String,
    /// Most lines.
    #[serde(default)]
    pub lines: Option<u32>,
    /// Distance of lines, in shares of the size, 0.8..=3.
    #[serde(default = "leading")]
    pub leading: f32,
    /// Space before it, in shares of its size, 0..=8; not before the first.
    #[serde(default)]
    pub gap: f32,
    /// A plate behind it, as of a button.
    #[serde(default)]
    pub plate: Option<Plate>,
}

fn body() -> String {
    "body".into()
}

fn leading() -> f32 {
    1.2
}

/// A plate that hugs a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plate {
    /// Role of the colour, or `#rrggbb`.
    pub fill: String,
    /// Radius of the corners in shares of its height, 0..=0.5.
    #[serde(default)]
    pub radius: f32,
    /// Space beside and above the words, in shares of the size, 0..=4.
    pub pad: [f32; 2],
}

/// A template that cannot be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TemplateError {
    /// Not TOML, an unknown key, or a wrong type.
    #[error("template: {0}")]
    Toml(String),
    /// Values out of range, by field.
    #[error("template: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Invalid(Vec<FieldError>),
}

impl Template {
    /// Reads TOML; unknown keys and everything that [`Template::errors`] finds are refused.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let template: Self = toml::from_str(text).map_err(|error| TemplateError::Toml(error.to_string()))?;
        let errors = template.errors();
        if errors.is_empty() { Ok(template) } else { Err(TemplateError::Invalid(errors)) }
    }

    /// The template turned around, so that its words stand on the other side.
    pub fn turned(&self, axis: Axis) -> Self {
        let side = |side: Side| match (axis, side) {
            (Axis::Across, Side::Left) => Side::Right,
            (Axis::Across, Side::Right) => Side::Left,
            (Axis::Down, Side::Top) => Side::Bottom,
            (Axis::Down, Side::Bottom) => Side::Top,
            (_, same) => same,
        };
        let mut turned = self.clone();
        for layer in &mut turned.layers {
            layer.frame = layer.frame.turned(axis);
            layer.frame_without_logo = layer.frame_without_logo.map(|frame| frame.turned(axis));
            match &mut layer.content {
                Content::Picture { side: words, cut_out, .. } => {
                    *words = side(*words);
                    *cut_out = cut_out.map(|frame| frame.turned(axis));
                }
                Content::Shape { fade, .. } => *fade = side(*fade),
                Content::Text { valign, .. } if axis == Axis::Down => {
                    *valign = match *valign {
                        Valign::Top => Valign::Bottom,
                        Valign::Middle => Valign::Middle,
                        Valign::Bottom => Valign::Top,
                    };
                }
                Content::Text { .. } | Content::Logo { .. } => {}
            }
        }
        turned
    }

    /// Its slots, in alphabetical order.
    pub fn slots(&self) -> BTreeSet<String> {
        let texts = self.layers.iter().filter_map(|layer| match &layer.content {
            Content::Text { blocks, .. } => Some(blocks),
            _ => None,
        });
        texts.flatten().flat_map(|block| slots(&block.text)).map(str::to_owned).collect()
    }

    /// Everything that is wrong, by field.
    pub fn errors(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut wrong = |field: String, message: String| errors.push(FieldError { field, message });
        if self.schema != SCHEMA {
            wrong("schema".into(), format!("{} was found; {SCHEMA} is known", self.schema));
        }
        if self.size.iter().any(|side| !(1..=8192).contains(side)) {
            wrong("size".into(), format!("{} x {} is not in 1..=8192", self.size[0], self.size[1]));
        }
        if self.layers.len() > MOST {
            wrong("layers".into(), format!("has {} entries; at most {MOST} are accepted", self.layers.len()));
        }
        let mut seen = BTreeSet::new();
        for (i, layer) in self.layers.iter().enumerate() {
            let at = |field: &str| format!("layers[{i}].{field}");
            if !seen.insert(layer.name.as_str()) {
                wrong(at("name"), format!("`{}` stands there twice", layer.name));
            }
            let cut_out = if let Content::Picture { cut_out, .. } = &layer.content { *cut_out } else { None };
            let frames = [
                ("frame", Some(layer.frame)),
                ("frame_without_logo", layer.frame_without_logo),
                ("content.cut_out", cut_out),
            ];
            for (field, frame) in frames {
                if let Some(message) = frame.and_then(|frame| frame.fault()) {
                    wrong(at(field), message);
                }
            }
            let mut ranged = |field: String, value: f32, low: f32, high: f32| {
                if !(low..=high).contains(&value) {
                    wrong(field, format!("{value} is not in {low}..={high}"));
                }
            };
            match &layer.content {
                Content::Picture { radius, .. } => ranged(at("content.radius"), *radius, 0.0, 0.5),
                Content::Shape { radius, opacity, .. } => {
                    ranged(at("content.radius"), *radius, 0.0, 0.5);
                    ranged(at("content.opacity"), *opacity, 0.0, 1.0);
                }
                Content::Logo { .. } => {}
                Content::Text { blocks, .. } => {
                    for (j, block) in blocks.iter().enumerate() {
                        let at = |field: &str| format!("layers[{i}].content.blocks[{j}].{field}");
                        ranged(at("leading"), block.leading, 0.8, 3.0);
                        ranged(at("gap"), block.gap, 0.0, 8.0);
                        ranged(at("size[0]"), block.size[0], 4.0, 2000.0);
                        ranged(at("size[1]"), block.size[1], block.size[0].max(4.0), 2000.0);
                        if let Some(weight) = block.weight {
                            ranged(at("weight"), f32::from(weight), 100.0, 900.0);
                        }
                        if let Some(plate) = &block.plate {
                            ranged(at("plate.radius"), plate.radius, 0.0, 0.5);
                            ranged(at("plate.pad[0]"), plate.pad[0], 0.0, 4.0);
                            ranged(at("plate.pad[1]"), plate.pad[1], 0.0, 4.0);
                        }
                    }
                    if blocks.is_empty() || blocks.len() > MOST {
                        wrong(at("content.blocks"), format!("has {} entries; 1..={MOST} are accepted", blocks.len()));
                    }
                }
            }
        }
        errors
    }
}

/// The slots of a text: lower-case letters, digits, `_` and `-` between braces.
pub(crate) fn slots(text: &str) -> Vec<&str> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-'))
    };
    text.split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}'))
        .map(|(name, _)| name)
        .filter(|n| is_name(n))
        .collect()
}

/// The text with its slots filled; what `value` does not know stays empty. Values are never searched for slots again.
pub(crate) fn fill<'a>(text: &str, value: &dyn Fn(&str) -> Option<&'a str>) -> String {
    let names = slots(text);
    let mut filled = String::new();
    let mut rest = text;
    for name in names {
        let slot = format!("{{{name}}}");
        let Some((before, after)) = rest.split_once(&slot) else { continue };
        filled.push_str(before);
        filled.push_str(value(name).unwrap_or_default());
        rest = after;
    }
    filled + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_filled_once() {
        let value = |name: &str| match name {
            "headline" => Some("{cta} now"),
            "cta" => Some("Buy"),
            _ => None,
        };
        assert_eq!(fill("{headline}: {cta}! {none}{Not}{", &value), "{cta} now: Buy! {Not}{");
        assert_eq!(slots("a {x_1} {} {y} }{"), ["x_1", "y"]);
    }

    #[test]
    fn what_is_wrong_is_named_by_field() {
        let text = |extra: &str, block: &str| {
            format!(
                "schema = 1\nname = \"t\"\nsize = [100, 50]\nbackground = \"background\"\n{extra}\n[[layers]]\nname = \"w\"\n\
                 frame = {{ x = 0.5, y = 0.0, width = 0.6, height = 1.0 }}\n[layers.content]\nkind = \"text\"\n\
                 [[layers.content.blocks]]\ntext = \"{{headline}}\"\ncolour = \"text\"\n{block}\n"
            )
        };
        let error = Template::parse(&text("", "size = [20, 10]\ngap = -1.0")).unwrap_err();
        let TemplateError::Invalid(errors) = &error else { panic!("{error}") };
        let fields: Vec<&str> = errors.iter().map(|e| e.field.as_str()).collect();
        assert_eq!(
            fields,
            ["layers[0].frame", "layers[0].content.blocks[0].gap", "layers[0].content.blocks[0].size[1]"]
        );
        for (extra, block) in [("colour = 1", "size = [9, 9]"), ("", "size = [9, 9]\nsizes = 3"), ("", "size = 3")] {
            assert!(matches!(Template::parse(&text(extra, block)), Err(TemplateError::Toml(_))));
        }
        assert!(Template::parse("[[layers]]\nname = \"x\"").unwrap_err().to_string().contains("line"));
    }
}
