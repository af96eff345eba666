//! The brand kit as people write it: TOML, checked field by field.

use std::collections::BTreeSet;

use analysis::{Colour, palette};
use serde::{Deserialize, Serialize};

use crate::finding::{Finding, Kind, Level};

/// The version of the file's layout.
pub const SCHEMA: u32 = 1;
/// Most entries of any list.
const MOST: usize = 64;
/// Longest name, word or file name, in characters.
const LONGEST: usize = 200;

/// A brand's rules.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrandKit {
    /// Layout of the file; 1.
    pub schema: u32,
    /// The brand.
    pub name: String,
    /// Counts up with each change; what is made keeps the version it was made with.
    #[serde(default = "first")]
    pub version: u32,
    /// Whether it may be used for what goes out.
    #[serde(default)]
    pub status: Status,
    /// Words added to every prompt.
    #[serde(default)]
    pub prompt_words: Vec<String>,
    /// Words added to every negative prompt.
    #[serde(default)]
    pub negative: Vec<String>,
    /// The palette.
    #[serde(default)]
    pub colours: Vec<PaletteColour>,
    /// Fonts by role.
    #[serde(default)]
    pub fonts: Vec<FontRule>,
    /// Logos by name.
    #[serde(default)]
    pub logos: Vec<LogoRule>,
}

/// State of a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Still being written.
    #[default]
    Draft,
    /// In force.
    Published,
}

/// A colour with its role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaletteColour {
    /// What it is for: templates ask for `background`, `text`, `primary`, `on-primary`, `accent`, `on-accent`.
    pub role: String,
    /// The colour.
    pub value: Colour,
    /// Largest CIEDE2000 difference that still counts as this colour, 0..=100.
    #[serde(default = "ten")]
    pub tolerance: f64,
}

fn first() -> u32 {
    1
}

fn ten() -> f64 {
    10.0
}

/// A font with its role.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FontRule {
    /// What it is for: templates ask for `headline` and `body`.
    pub role: String,
    /// Family name, as it stands in the file. `Rubik` is built in.
    pub family: String,
    /// Weight, 100..=900.
    #[serde(default = "regular")]
    pub weight: u16,
    /// Font files (TrueType, OpenType), beside the kit.
    #[serde(default)]
    pub files: Vec<String>,
}

fn regular() -> u16 {
    400
}

/// What may be done with a logo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogoRule {
    /// Its name in templates.
    pub name: String,
    /// A PNG, beside the kit.
    pub file: String,
    /// Empty space on every side, in shares of the logo's height, 0..=4.
    #[serde(default)]
    pub clear_space: f64,
    /// Least width in pixels.
    #[serde(default)]
    pub min_width: u32,
    /// Backgrounds it may stand on; any when empty.
    #[serde(default)]
    pub backgrounds: Vec<Background>,
    /// The only corner it may stand in.
    #[serde(default)]
    pub corner: Option<Corner>,
}

/// What is behind a logo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Background {
    /// Even, and nearer to white.
    Light,
    /// Even, and nearer to black.
    Dark,
    /// Uneven.
    Picture,
}

/// A corner of the canvas.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum Corner {
    TopLeft,
    TopRight,
    BottomLeft,
    BottomRight,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct FieldError {
    /// The field, as in `colours[2].tolerance`.
    pub field: String,
    /// What was found, and what is expected.
    pub message: String,
}

impl BrandKit {
    /// Reads TOML; unknown keys and everything that [`BrandKit::errors`] finds are refused.
    pub fn parse(text: &str) -> Result<Self, crate::BrandError> {
        let kit: Self = toml::from_str(text).map_err(|error| crate::BrandError::Toml(error.to_string()))?;
        let errors = kit.errors();
        if errors.is_empty() { Ok(kit) } else { Err(crate::BrandError::Invalid(errors)) }
    }

    /// Writes TOML.
    pub fn to_toml(&self) -> Result<String, crate::BrandError> {
        toml::to_string(self).map_err(|error| crate::BrandError::Toml(error.to_string()))
    }

    /// A plain kit to start from: ink on white with one strong colour, the built-in font, no logo.
    pub fn starter() -> Self {
        let colour = |role: &str, rgb| PaletteColour { role: role.into(), value: Colour(rgb), tolerance: 10.0 };
        let font =
            |role: &str, weight| FontRule { role: role.into(), family: "Rubik".into(), weight, files: Vec::new() };
        Self {
            schema: SCHEMA,
            name: "Starter".into(),
            version: 1,
            status: Status::Draft,
            prompt_words: Vec::new(),
            negative: Vec::new(),
            colours: vec![
                colour("background", [250, 248, 244]),
                colour("text", [24, 28, 38]),
                colour("primary", [22, 58, 92]),
                colour("on-primary", [255, 255, 255]),
                colour("accent", [196, 58, 30]),
                colour("on-accent", [255, 255, 255]),
            ],
            fonts: vec![font("headline", 700), font("body", 400)],
            logos: Vec::new(),
        }
    }

    /// The colour of a role.
    pub fn colour(&self, role: &str) -> Option<Colour> {
        self.colours.iter().find(|colour| colour.role == role).map(|colour| colour.value)
    }

    /// Everything that is wrong, by field.
    pub fn errors(&self) -> Vec<FieldError> {
        let mut errors = Vec::new();
        let mut wrong = |field: String, message: String| errors.push(FieldError { field, message });
        if self.schema != SCHEMA {
            wrong("schema".into(), format!("{} was found; {SCHEMA} is known", self.schema));
        }
        if self.version == 0 {
            wrong("version".into(), "0 was found; versions start with 1".into());
        }
        let name = |text: &str| match text.trim().is_empty() {
            true => Some("must not be empty".to_owned()),
            false if text.chars().count() > LONGEST => Some(format!("has more than {LONGEST} characters")),
            false if text.chars().any(char::is_control) => Some("has control characters".to_owned()),
            false => None,
        };
        let mut named = |field: String, text: &str| {
            if let Some(message) = name(text) {
                errors.push(FieldError { field, message });
            }
        };
        named("name".into(), &self.name);
        for (list, words) in [("prompt_words", &self.prompt_words), ("negative", &self.negative)] {
            for (i, word) in words.iter().enumerate() {
                named(format!("{list}[{i}]"), word);
            }
        }
        for (i, colour) in self.colours.iter().enumerate() {
            named(format!("colours[{i}].role"), &colour.role);
        }
        for (i, font) in self.fonts.iter().enumerate() {
            named(format!("fonts[{i}].role"), &font.role);
            named(format!("fonts[{i}].family"), &font.family);
            for (j, file) in font.files.iter().enumerate() {
                named(format!("fonts[{i}].files[{j}]"), file);
            }
        }
        for (i, logo) in self.logos.iter().enumerate() {
            named(format!("logos[{i}].name"), &logo.name);
            named(format!("logos[{i}].file"), &logo.file);
        }
        let mut wrong = |field: String, message: String| errors.push(FieldError { field, message });
        let lengths = [
            ("prompt_words", self.prompt_words.len()),
            ("negative", self.negative.len()),
            ("colours", self.colours.len()),
            ("fonts", self.fonts.len()),
            ("logos", self.logos.len()),
        ];
        for (field, length) in lengths.into_iter().filter(|(_, length)| *length > MOST) {
            wrong(field.into(), format!("has {length} entries; at most {MOST} are accepted"));
        }
        for (i, colour) in self.colours.iter().enumerate() {
            if !(0.0..=100.0).contains(&colour.tolerance) {
                wrong(format!("colours[{i}].tolerance"), format!("{} is not in 0..=100", colour.tolerance));
            }
        }
        for (i, font) in self.fonts.iter().enumerate() {
            if !(100..=900).contains(&font.weight) {
                wrong(format!("fonts[{i}].weight"), format!("{} is not in 100..=900", font.weight));
            }
        }
        for (i, logo) in self.logos.iter().enumerate() {
            if !(0.0..=4.0).contains(&logo.clear_space) {
                wrong(format!("logos[{i}].clear_space"), format!("{} is not in 0..=4", logo.clear_space));
            }
            if logo.min_width > 4096 {
                wrong(format!("logos[{i}].min_width"), format!("{} is more than 4096", logo.min_width));
            }
        }
        let mut twice = |list: &str, key: &str, names: Vec<&str>| {
            let mut seen = BTreeSet::new();
            for (i, name) in names.into_iter().enumerate() {
                if !seen.insert(name) {
                    wrong(format!("{list}[{i}].{key}"), format!("`{name}` stands there twice"));
                }
            }
        };
        twice("colours", "role", self.colours.iter().map(|c| c.role.as_str()).collect());
        twice("fonts", "role", self.fonts.iter().map(|f| f.role.as_str()).collect());
        twice("logos", "name", self.logos.iter().map(|l| l.name.as_str()).collect());
        errors
    }

    /// Which dominant colours of a picture are outside the palette, the largest first: colours that cover at least 4 % and are
    /// further from every brand colour than its tolerance.
    pub fn palette_findings(&self, picture: &analysis::Picture) -> Vec<Finding> {
        self.off_palette(&palette::dominant(picture, 6))
    }

    /// [`BrandKit::palette_findings`] of colours that were found before.
    pub fn off_palette(&self, swatches: &[palette::Swatch]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for swatch in swatches.iter().filter(|swatch| swatch.share >= 0.04) {
            let excess = |colour: &PaletteColour| swatch.colour.delta_e(colour.value) - colour.tolerance;
            let Some(nearest) = self.colours.iter().min_by(|a, b| excess(a).total_cmp(&excess(b))) else { continue };
            if excess(nearest) > 0.0 {
                findings.push(Finding {
                    level: Level::Warning,
                    layer: String::new(),
                    kind: Kind::OffPalette {
                        colour: swatch.colour,
                        share: swatch.share,
                        role: nearest.role.clone(),
                        nearest: nearest.value,
                        delta_e: swatch.colour.delta_e(nearest.value),
                        tolerance: nearest.tolerance,
                    },
                });
            }
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kit_comes_back_from_toml() {
        let mut kit = BrandKit::starter();
        kit.logos.push(LogoRule {
            name: "main".into(),
            file: "logo.png".into(),
            clear_space: 0.5,
            min_width: 40,
            backgrounds: vec![Background::Light],
            corner: Some(Corner::TopLeft),
        });
        assert_eq!(kit.errors(), []);
        assert_eq!(BrandKit::parse(&kit.to_toml().unwrap()).unwrap(), kit);
    }

    #[test]
    fn what_is_wrong_is_named_by_field() {
        let mut kit = BrandKit::starter();
        kit.schema = 2;
        kit.version = 0;
        kit.name = " ".into();
        kit.colours[1].role = "background".into();
        kit.colours[2].tolerance = f64::NAN;
        kit.fonts[0].weight = 1000;
        kit.fonts[1].family = "x\n".into();
        let fields: Vec<String> = kit.errors().into_iter().map(|error| error.field).collect();
        assert_eq!(
            fields,
            [
                "schema",
                "version",
                "name",
                "fonts[1].family",
                "colours[2].tolerance",
                "fonts[0].weight",
                "colours[1].role"
            ]
        );
    }

    #[test]
    fn unknown_keys_and_bad_colours_are_refused() {
        let base = "schema = 1\nname = \"A\"\nversion = 1\n";
        for (text, expected) in [
            ("colour = 3\n", "unknown field `colour`"),
            ("[[colours]]\nrole = \"text\"\nvalue = \"blue\"\n", "`blue` is not a colour"),
            ("[[logos]]\nname = \"x\"\nfile = \"y\"\ncorner = \"middle\"\n", "unknown variant `middle`"),
            ("status = \"live\"\n", "unknown variant `live`"),
        ] {
            let error = BrandKit::parse(&format!("{base}{text}")).unwrap_err().to_string();
            assert!(error.contains(expected) && error.contains("line"), "{error}");
        }
    }

    #[test]
    fn colours_off_the_palette_are_listed() {
        let pixels = (0..100).flat_map(|i| if i < 60 { [250, 248, 244, 255] } else { [30, 160, 60, 255] }).collect();
        let picture = analysis::Picture::new(10, 10, pixels).unwrap();
        let found = BrandKit::starter().palette_findings(&picture);
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().starts_with("#1ea03c covers 40 %"), "{}", found[0]);
    }
}
