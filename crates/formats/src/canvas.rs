//! A small drawing surface for charts and contact sheets: opaque RGBA8, rectangles, lines, pictures, 8×8 text.

use std::path::Path;

use font8x8::UnicodeFonts;

use crate::picture::{self, PictureError};

/// Red, green, blue.
pub type Colour = [u8; 3];

/// White.
pub const WHITE: Colour = [255, 255, 255];
/// Near black, for text.
pub const INK: Colour = [30, 34, 40];
/// Light grey, for grids and frames.
pub const GRID: Colour = [222, 226, 232];

/// Width and height of a character in pixels at scale 1.
pub const CHARACTER: usize = 8;

/// An opaque picture being drawn; everything outside it is clipped.
#[derive(Debug, Clone, PartialEq)]
pub struct Canvas {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// RGBA rows from the top, alpha 255.
    pub pixels: Vec<u8>,
}

impl Canvas {
    /// A canvas of one colour.
    pub fn new(width: usize, height: usize, colour: Colour) -> Self {
        let pixel = [colour[0], colour[1], colour[2], 255];
        Canvas { width, height, pixels: pixel.repeat(width * height) }
    }

    /// Sets one pixel.
    pub fn dot(&mut self, x: i64, y: i64, colour: Colour) {
        if (0..self.width as i64).contains(&x) && (0..self.height as i64).contains(&y) {
            let at = (y as usize * self.width + x as usize) * 4;
            self.pixels[at..at + 3].copy_from_slice(&colour);
        }
    }

    /// Fills a rectangle.
    pub fn rectangle(&mut self, x: i64, y: i64, width: i64, height: i64, colour: Colour) {
        for row in y..y + height {
            for column in x..x + width {
                self.dot(column, row, colour);
            }
        }
    }

    /// A straight line between two points.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: Colour) {
        let length = (to.0 - from.0).abs().max((to.1 - from.1).abs());
        if !length.is_finite() {
            return;
        }
        let steps = (length.ceil() as i64).clamp(1, 100_000);
        for i in 0..=steps {
            let share = i as f64 / steps as f64;
            let (x, y) = (from.0 + (to.0 - from.0) * share, from.1 + (to.1 - from.1) * share);
            self.dot(x.round() as i64, y.round() as i64, colour);
        }
    }

    /// One line of text from its top left corner; characters without a glyph become `?`.
    pub fn text(&mut self, x: i64, y: i64, scale: i64, colour: Colour, text: &str) {
        for (i, character) in text.chars().enumerate() {
            let glyph = font8x8::BASIC_FONTS
                .get(character)
                .or_else(|| font8x8::LATIN_FONTS.get(character))
                .or_else(|| font8x8::BASIC_FONTS.get('?'))
                .unwrap_or_default();
            for (row, bits) in glyph.iter().enumerate() {
                for column in (0..8).filter(|column| bits >> column & 1 == 1) {
                    let left = x + (i as i64 * CHARACTER as i64 + column) * scale;
                    self.rectangle(left, y + row as i64 * scale, scale, scale, colour);
                }
            }
        }
    }

    /// Text broken between words to at most `columns` characters a line and `lines` lines; returns the lines used.
    pub fn paragraph(&mut self, x: i64, y: i64, columns: usize, lines: usize, colour: Colour, text: &str) -> usize {
        let broken = wrap(text, columns, lines);
        for (i, line) in broken.iter().enumerate() {
            self.text(x, y + (i * (CHARACTER + 2)) as i64, 1, colour, line);
        }
        broken.len()
    }

    /// Draws straight-alpha RGBA8 `[height, width, 4]` over what is there, each pixel `scale` pixels wide.
    ///
    /// # Panics
    /// When `rgba` is shorter than the size says.
    pub fn picture(&mut self, x: i64, y: i64, width: usize, height: usize, rgba: &[u8], scale: usize) {
        for row in 0..height * scale {
            for column in 0..width * scale {
                let at = (row / scale * width + column / scale) * 4;
                let source = &rgba[at..at + 4];
                let (left, top) = (x + column as i64, y + row as i64);
                if left < 0 || top < 0 || left >= self.width as i64 || top >= self.height as i64 {
                    continue;
                }
                let alpha = u32::from(source[3]);
                let target = (top as usize * self.width + left as usize) * 4;
                for (pixel, &colour) in self.pixels[target..target + 3].iter_mut().zip(source) {
                    let mixed = u32::from(colour) * alpha + u32::from(*pixel) * (255 - alpha);
                    *pixel = ((mixed + 127) / 255) as u8;
                }
            }
        }
    }

    /// Writes the canvas as a PNG.
    pub fn write(&self, path: &Path) -> Result<(), PictureError> {
        picture::write(path, self.width as u32, self.height as u32, &self.pixels, &[])
    }
}

/// Breaks `text` between words; what does not fit ends in `..`.
fn wrap(text: &str, columns: usize, lines: usize) -> Vec<String> {
    let columns = columns.max(3);
    let mut broken: Vec<String> = vec![String::new()];
    for word in text.split_whitespace() {
        let word: String = word.chars().take(columns).collect();
        let line = broken.last_mut().expect("starts with one line");
        let length = line.chars().count();
        if length == 0 {
            line.push_str(&word);
        } else if length + 1 + word.chars().count() <= columns {
            line.push(' ');
            line.push_str(&word);
        } else {
            broken.push(word);
        }
    }
    if broken.len() > lines {
        broken.truncate(lines.max(1));
        let last = broken.last_mut().expect("at least one line");
        *last = last.chars().take(columns - 2).chain("..".chars()).collect();
    }
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_wrapped_and_cut() {
        assert_eq!(wrap("a bright red apple", 10, 3), ["a bright", "red apple"]);
        assert_eq!(wrap("one two three four", 5, 2), ["one", "two.."]);
    }

    #[test]
    fn drawing_is_clipped_and_blended() {
        let mut canvas = Canvas::new(4, 4, WHITE);
        canvas.rectangle(-2, -2, 3, 3, INK);
        assert_eq!(canvas.pixels[..8], [INK[0], INK[1], INK[2], 255, 255, 255, 255, 255]);
        canvas.picture(3, 3, 1, 1, &[0, 0, 0, 128], 2);
        assert_eq!(canvas.pixels[15 * 4], 127);
        canvas.line((0.0, 0.0), (f64::NAN, 1.0), INK);
        canvas.text(-100, 0, 3, INK, "x\u{1F600}");
    }
}
