//! The catalogue of channels: a data file that people edit (`catalogue/channels.toml` is the one to start from).

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::encode::Format;

/// The version of the file's layout.
const SCHEMA: u32 = 1;
/// Most bytes of a catalogue.
const MOST_BYTES: u64 = 4 << 20;
/// Largest difference of a ratio and its pixels, as a share.
const RATIO_TOLERANCE: f64 = 0.01;
const STARTER: &str = include_str!("../../../catalogue/channels.toml");

/// Where pictures go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Catalogue {
    /// Layout of the file; 1.
    pub schema: u32,
    /// The channels, in the order of the file.
    pub channels: Vec<Channel>,
}

/// One place where a picture is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Its id, as `meta.story`.
    pub id: String,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Width to height, as `1.91:1`.
    pub ratio: String,
    /// Most bytes of the file, metadata included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// Accepted formats, the preferred one first.
    pub formats: Vec<Format>,
    /// The template it is composed by; without one it is a crop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// What the platform covers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub safe: Option<SafeZone>,
    /// The page these figures are from.
    pub source: String,
    /// When somebody last looked there, as 2026-11-27.
    pub checked_on: String,
    /// How well they are known.
    pub confidence: Confidence,
    /// Anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// How well figures are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Seen on the platform's own page.
    High,
    /// Seen on a page about the platform.
    Medium,
    /// Not looked up again.
    Low,
}

/// What a platform covers, in percent of the picture's sides.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs)]
pub struct SafeZone {
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
    pub left: f64,
}

/// A catalogue that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Not TOML, an unknown key, or a wrong type.
    #[error("channels: {0}")]
    Toml(String),
    /// Values out of range: channel, field, and what is wrong.
    #[error("channels: {}", .0.join("; "))]
    Invalid(Vec<String>),
}

impl Catalogue {
    /// The catalogue to start from.
    pub fn starter() -> Result<Self, CatalogueError> {
        Self::parse(STARTER)
    }

    /// The text of the catalogue to start from.
    pub fn starter_text() -> &'static str {
        STARTER
    }

    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, CatalogueError> {
        use std::io::Read;
        let failed = |source| CatalogueError::Io { path: path.display().to_string(), source };
        let mut text = String::new();
        let file = std::fs::File::open(path).map_err(failed)?;
        file.take(MOST_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
        if text.len() as u64 > MOST_BYTES {
            return Err(CatalogueError::Toml(format!("the file has more than {MOST_BYTES} bytes")));
        }
        Self::parse(&text)
    }

    /// Reads TOML; everything that is wrong is told at once.
    pub fn parse(text: &str) -> Result<Self, CatalogueError> {
        let catalogue: Self = toml::from_str(text).map_err(|error| CatalogueError::Toml(error.to_string()))?;
        let errors = catalogue.errors();
        if errors.is_empty() { Ok(catalogue) } else { Err(CatalogueError::Invalid(errors)) }
    }

    /// The channel of an id.
    pub fn get(&self, id: &str) -> Option<&Channel> {
        self.channels.iter().find(|channel| channel.id == id)
    }

    fn errors(&self) -> Vec<String> {
        let mut errors = Vec::new();
        if self.schema != SCHEMA {
            errors.push(format!("schema: {} was found; {SCHEMA} is known", self.schema));
        }
        let mut seen = BTreeSet::new();
        for (row, channel) in self.channels.iter().enumerate() {
            let mut wrong = |field: &str, message: String| {
                errors.push(format!("channels[{row}] `{}`: {field}: {message}", channel.id));
            };
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
            if channel.id.is_empty() || channel.id.len() > 80 || !channel.id.chars().all(plain) {
                wrong("id", "1 to 80 lower-case letters, digits, `.`, `-` or `_` are expected".into());
            }
            if !seen.insert(channel.id.as_str()) {
                wrong("id", "stands there twice".into());
            }
            let sized = |side: u32| (1..=8192).contains(&side);
            if !sized(channel.width) || !sized(channel.height) {
                wrong("width, height", format!("{} x {} is not in 1..=8192", channel.width, channel.height));
            } else {
                let own = f64::from(channel.width) / f64::from(channel.height);
                match ratio(&channel.ratio) {
                    None => wrong("ratio", format!("`{}` is not width:height, as 4:5 or 1.91:1", channel.ratio)),
                    Some(ratio) if (ratio / own - 1.0).abs() > RATIO_TOLERANCE => {
                        wrong("ratio", format!("{} is not {} x {}", channel.ratio, channel.width, channel.height));
                    }
                    Some(_) => {}
                }
            }
            if channel.max_bytes == Some(0) {
                wrong("max_bytes", "0 leaves no room for a picture".into());
            }
            if channel.formats.is_empty() {
                wrong("formats", "at least one is needed".into());
            }
            if let Some(name) = channel.template.as_deref().filter(|name| layout::Template::built_in(name).is_none()) {
                wrong("template", format!("there is no template `{name}`"));
            }
            if let Some(safe) = channel.safe {
                let sides = [safe.top, safe.right, safe.bottom, safe.left];
                let ranged = sides.iter().all(|side| (0.0..100.0).contains(side));
                if !ranged || safe.top + safe.bottom >= 100.0 || safe.left + safe.right >= 100.0 {
                    wrong("safe", format!("{sides:?} percent leave nothing, or are not in 0..100"));
                }
            }
            if !(channel.source.starts_with("https://") || channel.source.starts_with("http://")) {
                wrong("source", format!("`{}` is no address of a page", channel.source));
            }
            if !is_date(&channel.checked_on) {
                wrong("checked_on", format!("`{}` is no date, as 2026-11-27", channel.checked_on));
            }
        }
        errors
    }
}

fn ratio(text: &str) -> Option<f64> {
    let (width, height) = text.split_once(':')?;
    let number = |text: &str| text.parse::<f64>().ok().filter(|value| *value > 0.0 && value.is_finite());
    Some(number(width)? / number(height)?)
}

fn is_date(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let number = |part: &str, digits: usize, low: u32, high: u32| {
        part.len() == digits
            && part.bytes().all(|b| b.is_ascii_digit())
            && part.parse().is_ok_and(|v: u32| (low..=high).contains(&v))
    };
    matches!(parts[..], [y, m, d] if number(y, 4, 2000, 2200) && number(m, 2, 1, 12) && number(d, 2, 1, 31))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_starter_has_every_row_of_the_design() {
        let catalogue = Catalogue::starter().unwrap();
        for (id, width, height, cap) in [
            ("meta.feed.4x5", 1080, 1350, Some(30_000_000)),
            ("meta.feed.1x1", 1080, 1080, Some(30_000_000)),
            ("meta.feed.link", 1200, 628, Some(30_000_000)),
            ("meta.story", 1080, 1920, Some(30_000_000)),
            ("meta.reels", 1080, 1920, Some(30_000_000)),
            ("google.rda.landscape", 1200, 628, Some(5_120_000)),
            ("google.rda.square", 1200, 1200, Some(5_120_000)),
            ("google.rda.portrait", 1200, 1500, Some(5_120_000)),
            ("google.display.300x250", 300, 250, Some(150_000)),
            ("google.display.336x280", 336, 280, Some(150_000)),
            ("google.display.728x90", 728, 90, Some(150_000)),
            ("google.display.970x250", 970, 250, Some(150_000)),
            ("google.display.300x600", 300, 600, Some(150_000)),
            ("google.display.160x600", 160, 600, Some(150_000)),
            ("google.display.320x50", 320, 50, Some(150_000)),
            ("google.display.320x100", 320, 100, Some(150_000)),
            ("linkedin.single.h", 1200, 628, Some(5_000_000)),
            ("linkedin.single.sq", 1200, 1200, Some(5_000_000)),
            ("linkedin.single.v", 720, 900, Some(5_000_000)),
            ("x.image.1x1", 1200, 1200, Some(5_000_000)),
            ("x.image.wide", 1200, 628, Some(5_000_000)),
            ("tiktok.image", 1080, 1920, None),
            ("youtube.thumb", 1280, 720, Some(2_000_000)),
            ("youtube.banner", 2560, 1440, Some(6_000_000)),
            ("pinterest.pin", 1000, 1500, Some(20_000_000)),
            ("email.hero.wide", 1200, 400, Some(200_000)),
            ("email.hero.tall", 1200, 600, Some(200_000)),
        ] {
            let channel = catalogue.get(id).unwrap_or_else(|| panic!("{id}"));
            assert_eq!((channel.width, channel.height, channel.max_bytes), (width, height, cap), "{id}");
            let wide = f64::from(width) / f64::from(height);
            assert_eq!(
                channel.template.is_some(),
                id.starts_with("google.display") || id.starts_with("email"),
                "{wide}"
            );
        }
    }

    #[test]
    fn every_fault_is_named() {
        let row = "schema = 1\n[[channels]]\nid = \"a\"\nwidth = 100\nheight = 50\nratio = \"2:1\"\nformats = [\"png\"]\n\
                   source = \"https://example.org\"\nchecked_on = \"2026-11-27\"\nconfidence = \"low\"\n";
        assert!(Catalogue::parse(row).is_ok());
        for (from, to, expected) in [
            ("2:1", "3:1", "channels[0] `a`: ratio: 3:1 is not 100 x 50"),
            ("2:1", "2", "ratio: `2` is not width:height"),
            ("2:1", "2:0", "ratio: `2:0` is not width:height"),
            ("width = 100", "width = 9000", "width, height: 9000 x 50 is not in 1..=8192"),
            ("\"a\"", "\"A b\"", "id: 1 to 80 lower-case letters"),
            ("[\"png\"]", "[]", "formats: at least one is needed"),
            ("[\"png\"]", "[\"gif\"]", "unknown variant `gif`"),
            ("https://", "", "source: `example.org` is no address"),
            ("2026-11-27", "2026-13-27", "checked_on: `2026-13-27` is no date"),
            ("confidence", "colour = 1\nconfidence", "unknown field `colour`"),
            ("confidence", "max_bytes = 0\nconfidence", "max_bytes: 0 leaves no room"),
            ("confidence", "max_bytes = -1\nconfidence", "invalid value"),
            ("confidence", "template = \"none\"\nconfidence", "there is no template `none`"),
            ("confidence", "safe = { top = 60, bottom = 50, left = 0, right = 0 }\nconfidence", "leave nothing"),
            ("source = \"https://example.org\"\n", "", "missing field `source`"),
            ("schema = 1", "schema = 2", "schema: 2 was found"),
        ] {
            let error = Catalogue::parse(&row.replacen(from, to, 1)).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}\n{expected}");
        }
        let twice = format!("{row}{}", &row["schema = 1\n".len()..]);
        assert!(Catalogue::parse(&twice).unwrap_err().to_string().contains("channels[1] `a`: id: stands there twice"));
        assert!(matches!(Catalogue::read(Path::new("/nonexistent/c.toml")), Err(CatalogueError::Io { .. })));
    }
}
