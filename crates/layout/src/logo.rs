//! Rules of logos, checked on what was drawn.

use std::fmt;

use analysis::{Picture, Rect};

use crate::kit::{Background, Corner, LogoRule};

/// Standard deviation of luma from which a background is a picture.
const UNEVEN: f64 = 24.0;

/// A broken rule.
#[derive(Debug, Clone, PartialEq)]
pub enum LogoFault {
    /// Narrower than allowed.
    TooSmall {
        /// Pixels across.
        width: u32,
        /// Least.
        least: u32,
    },
    /// Something stands in its clear space.
    Crowded {
        /// The layer, or `edge` for the canvas' edge.
        by: String,
        /// Pixels that must stay clear on every side.
        clear: u32,
    },
    /// On a background that is not allowed.
    Background {
        /// What is behind it.
        found: Background,
        /// What is allowed.
        allowed: Vec<Background>,
    },
    /// In another corner than allowed.
    Corner {
        /// Where it must stand.
        expected: Corner,
    },
}

impl fmt::Display for LogoFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall { width, least } => {
                write!(f, "the logo is {width} px wide; at least {least} px are required")
            }
            Self::Crowded { by, clear } => write!(f, "`{by}` stands in the logo's clear space of {clear} px"),
            Self::Background { found, allowed } => {
                let names: Vec<&str> = allowed.iter().map(|b| name(*b)).collect();
                write!(f, "the logo stands on {}; allowed: {}", name(*found), names.join(", "))
            }
            Self::Corner { expected } => {
                let corner = match expected {
                    Corner::TopLeft => "upper left",
                    Corner::TopRight => "upper right",
                    Corner::BottomLeft => "lower left",
                    Corner::BottomRight => "lower right",
                };
                write!(f, "the logo must stand in the {corner} corner")
            }
        }
    }
}

fn name(background: Background) -> &'static str {
    match background {
        Background::Light => "a light ground",
        Background::Dark => "a dark ground",
        Background::Picture => "a picture",
    }
}

/// What is behind a rectangle.
pub(crate) fn background(canvas: &Picture, rect: Rect) -> Background {
    let part = canvas.crop(rect);
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    for pixel in part.pixels().as_chunks::<4>().0 {
        let v = 0.299 * f64::from(pixel[0]) + 0.587 * f64::from(pixel[1]) + 0.114 * f64::from(pixel[2]);
        sum += v;
        squares += v * v;
        count += 1.0;
    }
    let mean: f64 = sum / count;
    if (squares / count - mean * mean).max(0.0_f64).sqrt() > UNEVEN {
        Background::Picture
    } else if mean >= 128.0 {
        Background::Light
    } else {
        Background::Dark
    }
}

/// What is broken, given what is behind the logo and where everything else stands.
pub(crate) fn faults(
    rule: &LogoRule,
    rect: Rect,
    behind: Background,
    (width, height): (u32, u32),
    others: &[(String, Rect)],
) -> Vec<LogoFault> {
    let mut faults = Vec::new();
    if rect.width < rule.min_width {
        faults.push(LogoFault::TooSmall { width: rect.width, least: rule.min_width });
    }
    if !rule.backgrounds.is_empty() && !rule.backgrounds.contains(&behind) {
        faults.push(LogoFault::Background { found: behind, allowed: rule.backgrounds.clone() });
    }
    if let Some(expected) = rule.corner {
        let left = 2 * rect.x + rect.width < width;
        let top = 2 * rect.y + rect.height < height;
        let found = match (left, top) {
            (true, true) => Corner::TopLeft,
            (false, true) => Corner::TopRight,
            (true, false) => Corner::BottomLeft,
            (false, false) => Corner::BottomRight,
        };
        if found != expected {
            faults.push(LogoFault::Corner { expected });
        }
    }
    let clear = (rule.clear_space * f64::from(rect.height)).round() as u32;
    let edge = rect.x < clear
        || rect.y < clear
        || rect.x + rect.width + clear > width
        || rect.y + rect.height + clear > height;
    let grown = Rect {
        x: rect.x.saturating_sub(clear),
        y: rect.y.saturating_sub(clear),
        width: rect.width + clear.min(rect.x) + clear,
        height: rect.height + clear.min(rect.y) + clear,
    };
    if edge {
        faults.push(LogoFault::Crowded { by: "edge".into(), clear });
    }
    for (layer, _) in others.iter().filter(|(_, other)| grown.meets(*other)) {
        faults.push(LogoFault::Crowded { by: layer.clone(), clear });
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule() -> LogoRule {
        LogoRule {
            name: "main".into(),
            file: "logo.png".into(),
            clear_space: 0.5,
            min_width: 40,
            backgrounds: vec![Background::Light],
            corner: Some(Corner::TopLeft),
        }
    }

    #[test]
    fn every_rule_is_checked() {
        let rect = Rect { x: 20, y: 20, width: 60, height: 20 };
        let words = |x| vec![("words".to_owned(), Rect { x, y: 20, width: 50, height: 20 })];
        assert_eq!(faults(&rule(), rect, Background::Light, (300, 200), &words(91)), []);
        let found = faults(&rule(), rect, Background::Dark, (90, 30), &words(89));
        let text: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            [
                "the logo stands on a dark ground; allowed: a light ground",
                "the logo must stand in the upper left corner",
                "`edge` stands in the logo's clear space of 10 px",
                "`words` stands in the logo's clear space of 10 px",
            ]
        );
        let small = Rect { width: 39, ..rect };
        assert_eq!(
            faults(&rule(), small, Background::Light, (300, 200), &[]),
            [LogoFault::TooSmall { width: 39, least: 40 }]
        );
    }

    #[test]
    fn backgrounds_are_told_apart() {
        let flat = |v| Picture::filled(8, 8, [v, v, v, 255]).unwrap();
        let whole = Rect { x: 0, y: 0, width: 8, height: 8 };
        assert_eq!([flat(250), flat(20)].map(|p| background(&p, whole)), [Background::Light, Background::Dark]);
        let pixels = (0..64).flat_map(|i| if i % 2 == 0 { [255; 4] } else { [0, 0, 0, 255] }).collect();
        assert_eq!(background(&Picture::new(8, 8, pixels).unwrap(), whole), Background::Picture);
    }
}
