//! What a platform covers, drawn over a picture for people to check.

use layout::{Colour, Picture};

use crate::channel::SafeZone;

/// The colour of what is covered.
const COVERED: Colour = Colour([226, 60, 60]);
/// How strongly it shows.
const SHARE: f64 = 0.45;

/// The picture with everything outside the safe zone tinted, and a white line around the safe zone.
pub fn safe_zone_overlay(picture: &Picture, safe: SafeZone) -> Picture {
    let mut drawn = picture.clone();
    let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
    let (left, right) = (width * safe.left / 100.0, width * (1.0 - safe.right / 100.0));
    let (top, bottom) = (height * safe.top / 100.0, height * (1.0 - safe.bottom / 100.0));
    let line = (width.min(height) / 360.0).max(1.0);
    let across = picture.width() as usize;
    for (i, pixel) in drawn.pixels_mut().as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let (x, y) = ((i % across) as f64 + 0.5, (i / across) as f64 + 0.5);
        // Distance into the safe zone; negative outside.
        let inside = (x - left).min(right - x).min(y - top).min(bottom - y);
        if inside < 0.0 {
            let alpha = f64::from(pixel[3]) / 255.0;
            let seen = Colour([pixel[0], pixel[1], pixel[2]]);
            let [r, g, b] = Colour::WHITE.mixed(seen, alpha).mixed(COVERED, SHARE).0;
            *pixel = [r, g, b, 255];
        } else if inside < line {
            *pixel = [255; 4];
        }
    }
    drawn
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_safe_part_stays_as_it_is() {
        let picture = Picture::filled(100, 200, [10, 20, 30, 255]).unwrap();
        let safe = SafeZone { top: 14.0, right: 6.0, bottom: 35.0, left: 6.0 };
        let drawn = safe_zone_overlay(&picture, safe);
        let at = |x, y| drawn.pixel(x, y).unwrap();
        assert_eq!(at(50, 100), [10, 20, 30, 255]);
        for (x, y) in [(50, 27), (5, 100), (94, 100), (50, 130)] {
            assert_ne!(at(x, y), [10, 20, 30, 255], "{x} {y}");
        }
        assert_eq!((at(50, 28), at(6, 100)), ([255; 4], [255; 4]));
    }
}
