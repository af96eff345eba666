//! The surface that is drawn on: opaque RGBA8, mixed in sRGB as design tools do.

use analysis::{Colour, Picture, PictureError, Rect, Side};

/// An opaque picture being drawn.
pub(crate) struct Canvas {
    pub(crate) picture: Picture,
}

impl Canvas {
    pub(crate) fn new(width: u32, height: u32, colour: Colour) -> Result<Self, PictureError> {
        let [r, g, b] = colour.0;
        Ok(Self { picture: Picture::filled(width, height, [r, g, b, 255])? })
    }

    /// The colour of a pixel that is known to lie inside.
    pub(crate) fn colour(&self, at: usize) -> Colour {
        let pixel = &self.picture.pixels()[at * 4..at * 4 + 3];
        Colour([pixel[0], pixel[1], pixel[2]])
    }

    /// Mixes `share` (0..=1) of a colour into a pixel.
    fn mix(&mut self, at: usize, colour: Colour, share: f32) {
        let pixel = &mut self.picture.pixels_mut()[at * 4..at * 4 + 3];
        for (value, target) in pixel.iter_mut().zip(colour.0) {
            *value = (f32::from(*value) + (f32::from(target) - f32::from(*value)) * share).round() as u8;
        }
    }

    /// A rectangle with round corners of `radius` pixels; `opacity` 0..=1 falls smoothly to 0 towards the side `fade`.
    pub(crate) fn shape(&mut self, rect: Rect, radius: f32, colour: Colour, opacity: f32, fade: Side) {
        let width = self.picture.width() as usize;
        for y in 0..rect.height {
            for x in 0..rect.width {
                let along = |at: u32, of: u32| (at as f32 + 0.5) / of as f32;
                let kept = match fade {
                    Side::Any => 1.0,
                    Side::Left => smooth(along(x, rect.width)),
                    Side::Right => smooth(1.0 - along(x, rect.width)),
                    Side::Top => smooth(along(y, rect.height)),
                    Side::Bottom => smooth(1.0 - along(y, rect.height)),
                };
                let share = opacity * kept * cover(x, y, rect.width, rect.height, radius);
                let (column, row) = (rect.x + x, rect.y + y);
                if share > 0.0 && column < self.picture.width() && row < self.picture.height() {
                    self.mix(row as usize * width + column as usize, colour, share);
                }
            }
        }
    }

    /// A soft cloud around a rectangle: full inside, gone at `reach` pixels from it.
    pub(crate) fn cloud(&mut self, rect: Rect, reach: f32, colour: Colour, opacity: f32) {
        let width = self.picture.width() as usize;
        for at in 0..width * self.picture.height() as usize {
            let outside = |at: usize, from: u32, size: u32| {
                let at = at as f32 + 0.5;
                (from as f32 - at).max(at - (from + size) as f32).max(0.0)
            };
            let (dx, dy) = (outside(at % width, rect.x, rect.width), outside(at / width, rect.y, rect.height));
            let share = smooth(1.0 - dx.hypot(dy) / reach.max(1.0)) * opacity;
            if share > 0.0 {
                self.mix(at, colour, share);
            }
        }
    }

    /// A picture with its upper left corner at `x`, `y`, its corners cut to `radius` pixels.
    pub(crate) fn blit(&mut self, picture: &Picture, x: u32, y: u32, radius: f32) {
        let width = self.picture.width() as usize;
        for (i, &[r, g, b, a]) in picture.pixels().as_chunks::<4>().0.iter().enumerate() {
            let (dx, dy) = (i as u32 % picture.width(), i as u32 / picture.width());
            let (column, row) = (x + dx, y + dy);
            if a == 0 || column >= self.picture.width() || row >= self.picture.height() {
                continue;
            }
            let share = f32::from(a) / 255.0 * cover(dx, dy, picture.width(), picture.height(), radius);
            self.mix(row as usize * width + column as usize, Colour([r, g, b]), share);
        }
    }

    /// Ink through a mask of the canvas' size.
    pub(crate) fn ink(&mut self, mask: &Mask, colour: Colour) {
        for (at, &share) in mask.values.iter().enumerate().filter(|(_, share)| **share > 0) {
            self.mix(at, colour, f32::from(share) / 255.0);
        }
    }
}

/// What ink covers, 0..=255 a pixel, of the canvas' size.
pub(crate) struct Mask {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) values: Vec<u8>,
}

impl Mask {
    pub(crate) fn of(canvas: &Canvas) -> Self {
        let (width, height) = (canvas.picture.width(), canvas.picture.height());
        Self { width, height, values: vec![0; width as usize * height as usize] }
    }

    pub(crate) fn add(&mut self, x: i64, y: i64, share: u8) {
        if (0..i64::from(self.width)).contains(&x) && (0..i64::from(self.height)).contains(&y) {
            let value = &mut self.values[y as usize * self.width as usize + x as usize];
            *value = value.saturating_add(share);
        }
    }

    /// The smallest rectangle around all ink.
    pub(crate) fn bounds(&self) -> Option<Rect> {
        let width = self.width as usize;
        let inked = || self.values.iter().enumerate().filter(|(_, v)| **v > 0).map(|(at, _)| at);
        let (top, bottom) = (inked().next()? / width, inked().next_back()? / width);
        let left = inked().map(|at| at % width).min()?;
        let right = inked().map(|at| at % width).max()?;
        let rect = |x: usize, y: usize, w: usize, h: usize| Rect {
            x: x as u32,
            y: y as u32,
            width: w as u32,
            height: h as u32,
        };
        Some(rect(left, top, right - left + 1, bottom - top + 1))
    }
}

/// Share of a pixel inside a rectangle with round corners, by its distance to the outline.
fn cover(x: u32, y: u32, width: u32, height: u32, radius: f32) -> f32 {
    let radius = radius.min(width as f32 / 2.0).min(height as f32 / 2.0);
    if radius <= 0.0 {
        return 1.0;
    }
    let off = |at: u32, size: u32| {
        let half = size as f32 / 2.0;
        ((at as f32 + 0.5 - half).abs() - (half - radius)).max(0.0)
    };
    (radius - off(x, width).hypot(off(y, height)) + 0.5).clamp(0.0, 1.0)
}

fn smooth(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_are_round_and_edges_exact() {
        let mut canvas = Canvas::new(20, 20, Colour::WHITE).unwrap();
        canvas.shape(Rect { x: 2, y: 2, width: 16, height: 16 }, 8.0, Colour::BLACK, 1.0, Side::Any);
        assert_eq!(canvas.colour(2 * 20 + 2), Colour::WHITE);
        assert_eq!(canvas.colour(10 * 20 + 10), Colour::BLACK);
        assert_eq!((canvas.colour(10 * 20 + 1), canvas.colour(10 * 20 + 3)), (Colour::WHITE, Colour::BLACK));
        // What lies outside is left out.
        canvas.shape(Rect { x: 15, y: 15, width: 90, height: 90 }, 0.0, Colour::BLACK, 1.0, Side::Left);
        canvas.blit(&Picture::filled(4, 4, [255, 0, 0, 255]).unwrap(), 18, 18, 0.0);
        assert_eq!(canvas.colour(19 * 20 + 19), Colour([255, 0, 0]));
    }

    #[test]
    fn bounds_of_ink() {
        let canvas = Canvas::new(6, 5, Colour::WHITE).unwrap();
        let mut mask = Mask::of(&canvas);
        assert_eq!(mask.bounds(), None);
        for (x, y) in [(1, 3), (4, 2), (-1, 0), (9, 9)] {
            mask.add(x, y, 200);
        }
        assert_eq!(mask.bounds(), Some(Rect { x: 1, y: 2, width: 4, height: 2 }));
    }
}
