//! Contrast of words with the real pixels behind them (WCAG 2.2, 1.4.3), and what would repair it.

use std::fmt;

use analysis::Colour;

use crate::canvas::{Canvas, Mask};

/// Coverage from which a pixel counts as ink.
const INK: u8 = 96;
/// Share of the pixels with the lowest contrast that is left out of the worst: single specks do not hide a letter.
const SPECKS: f64 = 0.01;

/// Contrast ratios, 1..=21.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Contrast {
    /// The lowest, without the lowest hundredth of the pixels.
    pub worst: f64,
    /// The mean.
    pub mean: f64,
}

/// What would help, with the contrast that results.
#[derive(Debug, Clone, PartialEq)]
pub enum Fix {
    /// Another colour of the palette for the words.
    Colour {
        /// Its role.
        role: String,
        /// The colour.
        colour: Colour,
        /// The worst contrast then.
        worst: f64,
    },
    /// A soft veil behind the words.
    Scrim {
        /// Its colour.
        colour: Colour,
        /// Its opacity, 0..=1.
        opacity: f32,
        /// The worst contrast then.
        worst: f64,
    },
}

impl fmt::Display for Fix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Colour { role, colour, worst } => write!(f, "words in {role} {colour} ({worst:.1})"),
            Self::Scrim { colour, opacity, worst } => {
                write!(f, "a veil of {colour} at {:.0} % ({worst:.1})", opacity * 100.0)
            }
        }
    }
}

/// What WCAG 2.2 AA requires: 3 for large words (24 px, or 18.66 px when bold), else 4.5.
pub fn required(size: f32, weight: u16) -> f64 {
    let large = size >= 24.0 || (size >= 18.66 && weight >= 700);
    if large { 3.0 } else { 4.5 }
}

/// Luminance of the colours behind ink.
pub(crate) struct Backdrop {
    colours: Vec<Colour>,
}

impl Backdrop {
    pub(crate) fn behind(canvas: &Canvas, mask: &Mask) -> Self {
        let inked = mask.values.iter().enumerate().filter(|(_, share)| **share >= INK);
        Self { colours: inked.map(|(at, _)| canvas.colour(at)).collect() }
    }

    /// Contrast of a colour with what is behind, veiled by `opacity` of another; none without ink.
    pub(crate) fn contrast(&self, ink: Colour, veil: Colour, opacity: f32) -> Option<Contrast> {
        let mixed = |colour: &Colour| if opacity > 0.0 { colour.mixed(veil, f64::from(opacity)) } else { *colour };
        let mut ratios: Vec<f64> = self.colours.iter().map(|colour| ink.contrast(mixed(colour))).collect();
        if ratios.is_empty() {
            return None;
        }
        let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
        let at = (ratios.len() as f64 * SPECKS) as usize;
        let worst = *ratios.select_nth_unstable_by(at, f64::total_cmp).1;
        // On one colour, rounding must not put the mean below the worst.
        Some(Contrast { worst, mean: mean.max(worst) })
    }

    /// What would bring the worst contrast to `required`: colours of the palette, then the thinnest veil.
    pub(crate) fn fixes(&self, ink: Colour, palette: &[(String, Colour)], required: f64) -> Vec<Fix> {
        let mut fixes = Vec::new();
        for (role, colour) in palette.iter().filter(|(_, colour)| *colour != ink) {
            if let Some(contrast) = self.contrast(*colour, ink, 0.0).filter(|contrast| contrast.worst >= required) {
                fixes
                    .push((contrast.worst, Fix::Colour { role: role.clone(), colour: *colour, worst: contrast.worst }));
            }
        }
        fixes.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut fixes: Vec<Fix> = fixes.into_iter().map(|(_, fix)| fix).collect();
        let plain = [Colour::BLACK, Colour::WHITE];
        let veil = palette.iter().map(|(_, colour)| *colour).filter(|colour| ink.contrast(*colour) >= required * 1.5);
        // The brand's own colour when it is strong enough, black or white otherwise.
        let veil = veil.chain(plain).max_by(|a, b| {
            let key = |c: Colour| (!plain.contains(&c), ink.contrast(c));
            key(*a).partial_cmp(&key(*b)).unwrap_or(std::cmp::Ordering::Equal)
        });
        if let Some(veil) = veil {
            for step in 4..=19_u8 {
                let opacity = f32::from(step) * 0.05;
                if let Some(contrast) = self.contrast(ink, veil, opacity).filter(|contrast| contrast.worst >= required)
                {
                    fixes.push(Fix::Scrim { colour: veil, opacity, worst: contrast.worst });
                    break;
                }
            }
        }
        fixes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use analysis::{Rect, Side};

    fn halves() -> (Canvas, Mask) {
        let mut canvas = Canvas::new(40, 10, Colour::WHITE).unwrap();
        canvas.shape(Rect { x: 0, y: 0, width: 20, height: 10 }, 0.0, Colour([60, 60, 60]), 1.0, Side::Any);
        let mut mask = Mask::of(&canvas);
        for x in 5..35 {
            mask.add(x, 5, 255);
        }
        (canvas, mask)
    }

    #[test]
    fn worst_and_mean_are_those_of_the_pixels() {
        let (canvas, mask) = halves();
        let found = Backdrop::behind(&canvas, &mask).contrast(Colour::BLACK, Colour::BLACK, 0.0).unwrap();
        let dark = Colour::BLACK.contrast(Colour([60, 60, 60]));
        assert!((found.worst - dark).abs() < 1e-9 && (found.mean - (dark + 21.0) / 2.0).abs() < 1e-9, "{found:?}");
        let nothing = Mask::of(&canvas);
        assert_eq!(Backdrop::behind(&canvas, &nothing).contrast(Colour::BLACK, Colour::BLACK, 0.0), None);
    }

    #[test]
    fn fixes_do_what_they_promise() {
        let (canvas, mask) = halves();
        let backdrop = Backdrop::behind(&canvas, &mask);
        let palette = [("text".to_owned(), Colour::BLACK), ("primary".to_owned(), Colour([16, 40, 70]))];
        let fixes = backdrop.fixes(Colour::WHITE, &palette, 4.5);
        assert_eq!(fixes.len(), 1, "{fixes:?}");
        let Fix::Scrim { colour, opacity, worst } = &fixes[0] else { panic!("{fixes:?}") };
        assert_eq!(backdrop.contrast(Colour::WHITE, *colour, *opacity).unwrap().worst, *worst);
        assert!(*worst >= 4.5 && *colour != Colour::WHITE);
    }

    #[test]
    fn large_words_need_less() {
        assert_eq!(
            [(24.0, 400), (23.9, 400), (18.7, 700), (18.7, 600)].map(|(s, w)| required(s, w)),
            [3.0, 4.5, 3.0, 4.5]
        );
    }
}
