//! Variants of one picture: its main colour changed, its shape alone, its contour, another background.
//! They work on pixels, so they treat drawings and renders alike and keep shading and outlines.

use crate::colour::{self, Lab};
use crate::picture::Square;

/// Hues closer than this to the main colour's change fully, in degrees; beyond `HUE_END` not at all.
const HUE_FULL: f32 = 32.0;
const HUE_END: f32 = 50.0;

/// Chroma below which a pixel counts as gray and keeps its colour.
const GRAY: f32 = 12.0;

/// Chroma a main colour needs to be told from the rest of the picture.
pub(crate) const VIVID: f32 = 24.0;

fn chroma([_, a, b]: Lab) -> f32 {
    a.hypot(b)
}

fn hue([_, a, b]: Lab) -> f32 {
    b.atan2(a).to_degrees()
}

/// Difference of two hues in `-180..=180` degrees.
fn turn(from: f32, to: f32) -> f32 {
    (to - from + 540.0).rem_euclid(360.0) - 180.0
}

/// Whether `main` can be replaced: gray, black and white are everywhere in a picture.
pub(crate) fn replaceable(main: Lab) -> bool {
    chroma(main) >= VIVID
}

/// Changes everything of about the hue of `main` to the paint `target`, keeping light and shade.
pub(crate) fn recolour(picture: &Square, main: Lab, target: &str) -> Square {
    let paint = colour::to_lab(colour::paint(target));
    let (main_hue, main_chroma) = (hue(main), chroma(main));
    let neutral = chroma(paint) < GRAY;
    // Near black and white there is less room for shade.
    let room = if paint[0] < 20.0 || paint[0] > 90.0 { 0.45 } else { 0.85 };
    let mut out = picture.clone();
    let mut last: Option<([u8; 3], [u8; 3])> = None;
    for pixel in out.pixels.chunks_exact_mut(4).filter(|p| p[3] > 0) {
        let alpha = u32::from(pixel[3]);
        let own = [pixel[0], pixel[1], pixel[2]].map(|c| ((u32::from(c) * 255 + alpha / 2) / alpha).min(255) as u8);
        let new = match last {
            Some((from, to)) if from == own => to,
            _ => {
                let lab = colour::to_lab(own);
                let new = change(lab, main[0], main_hue, main_chroma, paint, neutral, room);
                last = Some((own, new));
                new
            }
        };
        for c in 0..3 {
            pixel[c] = ((u32::from(new[c]) * alpha + 127) / 255) as u8;
        }
    }
    out
}

fn change(lab: Lab, main_light: f32, main_hue: f32, main_chroma: f32, paint: Lab, neutral: bool, room: f32) -> [u8; 3] {
    let own_chroma = chroma(lab);
    let away = turn(main_hue, hue(lab));
    let by_hue = ((HUE_END - away.abs()) / (HUE_END - HUE_FULL)).clamp(0.0, 1.0);
    let by_chroma = ((own_chroma - GRAY * 0.5) / (GRAY * 0.5)).clamp(0.0, 1.0);
    let amount = by_hue * by_chroma;
    if amount <= 0.0 {
        return colour::from_lab(lab);
    }
    let light = (paint[0] + (lab[0] - main_light) * room).clamp(1.0, 99.0);
    let strength = (own_chroma / main_chroma).min(1.25);
    let angle = if neutral { hue(paint) } else { hue(paint) + away * 0.5 }.to_radians();
    let new_chroma = chroma(paint) * strength;
    let new = [light, new_chroma * angle.cos(), new_chroma * angle.sin()];
    colour::from_lab([0, 1, 2].map(|c| lab[c] + (new[c] - lab[c]) * amount))
}

/// The shape of a picture in one colour.
pub(crate) fn silhouette(picture: &Square, [r, g, b]: [u8; 3]) -> Square {
    let mut out = picture.clone();
    for pixel in out.pixels.chunks_exact_mut(4) {
        // Shadows and glows are not part of the shape.
        let alpha = ((u32::from(pixel[3]).saturating_sub(64)) * 255 / 128).min(255);
        for (c, value) in [r, g, b].into_iter().enumerate() {
            pixel[c] = ((u32::from(value) * alpha + 127) / 255) as u8;
        }
        pixel[3] = alpha as u8;
    }
    out
}

/// The contour of a picture as a line of about `width` pixels in one colour.
pub(crate) fn outline(picture: &Square, width: f32, paint: [u8; 3]) -> Square {
    let n = picture.size as isize;
    let inside = |x: isize, y: isize| {
        (0..n).contains(&x) && (0..n).contains(&y) && picture.pixels[((y * n + x) * 4 + 3) as usize] >= 128
    };
    let reach = width.ceil() as isize + 1;
    let mut line = Square::new(picture.size);
    for y in 0..n {
        for x in 0..n {
            if !inside(x, y) {
                continue;
            }
            let mut nearest = f32::INFINITY;
            for dy in -reach..=reach {
                for dx in -reach..=reach {
                    if !inside(x + dx, y + dy) {
                        nearest = nearest.min(((dx * dx + dy * dy) as f32).sqrt());
                    }
                }
            }
            let alpha = (width + 0.5 - nearest + 0.5).clamp(0.0, 1.0);
            line.pixels[((y * n + x) * 4 + 3) as usize] = (alpha * 255.0) as u8;
        }
    }
    for pixel in line.pixels.chunks_exact_mut(4) {
        let alpha = u32::from(pixel[3]);
        for (c, value) in paint.into_iter().enumerate() {
            pixel[c] = ((u32::from(value) * alpha + 127) / 255) as u8;
        }
    }
    line
}

/// The picture on a square of one colour.
pub(crate) fn on_background(picture: &Square, [r, g, b]: [u8; 3]) -> Square {
    let mut out = Square { size: picture.size, pixels: [r, g, b, 255].repeat(picture.size * picture.size) };
    out.draw(picture, 0, 0);
    out
}

/// Share of the covered pixels that lie deeper inside than `depth` (share of the side): none in drawings
/// made of lines thinner than twice that, much in solid shapes.
pub(crate) fn solidity(picture: &Square, depth: f32) -> f64 {
    let n = picture.size;
    let reach = ((n as f32 * depth).round() as usize).max(1);
    let inked: Vec<bool> = picture.pixels.chunks_exact(4).map(|p| p[3] >= 96).collect();
    // Erosion by a square, one axis after the other: a pixel stays when its whole neighbourhood is inked.
    let erode = |mask: &[bool], stride: usize, along: usize| -> Vec<bool> {
        let mut out = vec![false; n * n];
        for line in 0..n {
            let mut run = 0;
            for at in 0..n {
                run = if mask[line * along + at * stride] { run + 1 } else { 0 };
                if run > 2 * reach {
                    out[line * along + (at - reach) * stride] = true;
                }
            }
        }
        out
    };
    let deep = erode(&erode(&inked, 1, n), n, 1);
    let count = |mask: &[bool]| mask.iter().filter(|m| **m).count();
    let all = count(&inked);
    if all == 0 { 0.0 } else { count(&deep) as f64 / all as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colour::Palette;

    fn square(size: usize, at: impl Fn(usize, usize) -> [u8; 4]) -> Square {
        let pixels = (0..size * size).flat_map(|i| at(i % size, i / size)).collect();
        Square { size, pixels }
    }

    #[test]
    fn the_main_colour_changes_and_the_rest_stays() {
        let picture = square(32, |x, y| match (x, y) {
            (8..24, 0..20) => [200 + y as u8, 30, 40, 255],
            (8..24, 20..26) => [250, 250, 250, 255],
            (0..8, _) => [20, 20, 20, 255],
            _ => [0; 4],
        });
        let palette = Palette::default();
        let main = palette.measure(&picture)[0].mean;
        for target in ["blue", "green", "yellow", "purple", "black", "light blue"] {
            let changed = recolour(&picture, main, target);
            assert!(palette.measure(&changed).iter().any(|s| s.name == target && s.share > 0.3), "{target}");
            assert!(changed.pixel(10, 22).iter().zip([250; 3]).all(|(a, b)| a.abs_diff(b) <= 2));
            assert!(changed.pixel(2, 2).iter().zip([20; 3]).all(|(a, b)| a.abs_diff(b) <= 2));
            assert_eq!(changed.pixel(30, 30), [0; 4]);
        }
    }

    #[test]
    fn lines_and_solids_are_told_apart() {
        let solid =
            square(32, |x, y| if (4..28).contains(&x) && (4..28).contains(&y) { [0, 0, 0, 255] } else { [0; 4] });
        assert!(solidity(&solid, 0.055) > 0.5);
        let line = outline(&solid, 2.0, [0, 0, 0]);
        assert_eq!(solidity(&line, 0.055), 0.0);
        assert_eq!(line.pixel(16, 16), [0; 4]);
        assert_eq!(line.pixel(5, 16), [0, 0, 0, 255]);
    }

    #[test]
    fn backgrounds_fill_the_square() {
        let picture = square(4, |x, _| if x == 0 { [9, 9, 9, 255] } else { [0; 4] });
        let out = on_background(&picture, [1, 2, 3]);
        assert_eq!((out.pixel(0, 0), out.pixel(3, 3)), ([9, 9, 9, 255], [1, 2, 3, 255]));
    }
}
