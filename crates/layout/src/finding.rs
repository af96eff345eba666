//! What a composition tells about itself: reasons a person can act on.

use std::fmt;

use analysis::Colour;

use crate::contrast::{Contrast, Fix};
use crate::logo::LogoFault;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Note,
    /// Somebody should look.
    Warning,
    /// Must not go out like this.
    Error,
}

/// One remark.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// The layer; empty for the whole.
    pub layer: String,
    /// What it is.
    pub kind: Kind,
}

/// What a remark is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// A template asks for a text that was not given.
    MissingText {
        /// The slot.
        slot: String,
    },
    /// A given text has no place in the template.
    UnusedText {
        /// The slot.
        slot: String,
    },
    /// No font has these characters.
    MissingGlyphs {
        /// The characters, each once.
        characters: Vec<char>,
    },
    /// The brand's font was not found; the built-in one stands in.
    MissingFont {
        /// The family.
        family: String,
    },
    /// A text does not fit at its smallest size and was cut.
    Overlong {
        /// The text.
        text: String,
        /// The size, in pixels.
        size: f32,
    },
    /// Too little contrast with the real pixels behind the words.
    Contrast {
        /// What was measured.
        contrast: Contrast,
        /// What is required.
        required: f64,
        /// What would help, the best first.
        fixes: Vec<Fix>,
    },
    /// Contrast was too low and has been repaired.
    Repaired {
        /// What was measured before.
        before: Contrast,
        /// What was done.
        fix: Fix,
    },
    /// A rule of a logo is broken.
    Logo(LogoFault),
    /// The template shows a logo and the brand has none of that name.
    NoLogo {
        /// The logo.
        name: String,
    },
    /// A colour outside the palette.
    OffPalette {
        /// The picture's colour.
        colour: Colour,
        /// Share of the picture.
        share: f64,
        /// Role of the nearest brand colour.
        role: String,
        /// The nearest brand colour.
        nearest: Colour,
        /// CIEDE2000 difference.
        delta_e: f64,
        /// What the brand allows.
        tolerance: f64,
    },
    /// Stands where the platform puts its own things.
    Covered,
    /// Words stand on the subject of the picture.
    OnSubject {
        /// Share of the subject that they cover, 0..=1.
        share: f64,
    },
    /// The template was turned around: the picture is quieter on the other side.
    Turned,
    /// The picture has too few pixels for its place and was resampled.
    Enlarged {
        /// How many times.
        times: f64,
    },
    /// The picture has too few pixels for its place and was enlarged by a network.
    Redrawn {
        /// How many times.
        times: f64,
    },
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.layer.is_empty() {
            write!(f, "{}: ", self.layer)?;
        }
        match &self.kind {
            Kind::MissingText { slot } => write!(f, "no text for {{{slot}}}"),
            Kind::UnusedText { slot } => write!(f, "the template has no place for {{{slot}}}"),
            Kind::MissingGlyphs { characters } => {
                f.write_str("no font has ")?;
                for (i, c) in characters.iter().enumerate() {
                    let comma = if i > 0 { ", " } else { "" };
                    write!(f, "{comma}`{c}` (U+{:04X})", u32::from(*c))?;
                }
                Ok(())
            }
            Kind::MissingFont { family } => write!(f, "the font `{family}` was not found; the built-in one stands in"),
            Kind::Overlong { text, size } => {
                let start: String = text.chars().take(40).collect();
                write!(f, "`{start}` does not fit at {size:.1} px and was cut")
            }
            Kind::Contrast { contrast, required, fixes } => {
                write!(
                    f,
                    "contrast {:.1} at worst, {:.1} on average; {required} is required",
                    contrast.worst, contrast.mean
                )?;
                for (i, fix) in fixes.iter().enumerate() {
                    write!(f, "{}{fix}", if i == 0 { "; helps: " } else { ", or " })?;
                }
                Ok(())
            }
            Kind::Repaired { before, fix } => write!(f, "contrast was {:.1} at worst; {fix}", before.worst),
            Kind::Logo(fault) => write!(f, "{fault}"),
            Kind::NoLogo { name } => write!(f, "the brand has no logo `{name}`"),
            Kind::OffPalette { colour, share, role, nearest, delta_e, tolerance } => write!(
                f,
                "{colour} covers {:.0} %; the nearest brand colour is {role} {nearest}, {delta_e:.0} away where {tolerance:.0} is allowed",
                share * 100.0
            ),
            Kind::Covered => f.write_str("stands outside the safe zone"),
            Kind::OnSubject { share } => write!(
                f,
                "the words cover {:.0} % of the subject; a picture with more room beside it, or another template, helps",
                share * 100.0
            ),
            Kind::Turned => f.write_str("the words stand on the other side, where the picture is quieter"),
            Kind::Enlarged { times } => {
                write!(f, "the picture is resampled to {times:.1} times its size and may look soft")
            }
            Kind::Redrawn { times } => write!(f, "the picture is enlarged {times:.1} times by the network"),
        }
    }
}
