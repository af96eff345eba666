//! From the network's values to pixels.

use crate::Size;

/// A network that was trained on pictures which are mostly quite transparent or quite opaque comes within about this
/// much of either (of 255). Left alone, the first shows as dots around a subject and the second as a ground that shines
/// through it.
const MARGIN: f32 = 12.0;

/// Premultiplied RGBA in about [-1, 1], `[pixels, 4]`, to straight RGBA8: alpha is stretched so that what lies within
/// the margin of nothing is nothing, and what lies within it of opaque is opaque.
pub fn to_pixels(values: &[f32]) -> Vec<u8> {
    let mut pixels = formats::picture::unpremultiply(values);
    for pixel in pixels.chunks_exact_mut(4) {
        let alpha = (f32::from(pixel[3]) - MARGIN) * (255.0 / (255.0 - 2.0 * MARGIN));
        pixel[3] = alpha.clamp(0.0, 255.0).round() as u8;
        if pixel[3] == 0 {
            pixel.fill(0);
        }
    }
    pixels
}

/// The mean of every 2 × 2 pixels of a picture of `size`, `[H, W, 4]`.
pub(crate) fn halve(size: Size, values: &[f32]) -> Vec<f32> {
    let row = 4 * size.width as usize;
    let rows = values.chunks_exact(2 * row).flat_map(|pair| {
        let (upper, lower) = pair.split_at(row);
        upper.chunks_exact(8).zip(lower.chunks_exact(8))
    });
    rows.flat_map(|(upper, lower)| [0, 1, 2, 3].map(|i| 0.25 * (upper[i] + upper[i + 4] + lower[i] + lower[i + 4])))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_as_large_is_the_mean_of_four() {
        // 4 × 2 pixels, each with its number in all channels.
        let values: Vec<f32> = (0..8).flat_map(|i| [i as f32; 4]).collect();
        assert_eq!(halve(Size { width: 4, height: 2 }, &values), [[2.5; 4], [4.5; 4]].concat());
    }

    #[test]
    fn the_ends_are_reached_and_the_middle_stays() {
        let alpha = |alpha: f32| to_pixels(&[alpha * 2.0 - 1.0; 4])[3];
        assert_eq!((alpha(0.0), alpha(11.0 / 255.0), alpha(244.0 / 255.0), alpha(1.0)), (0, 0, 255, 255));
        assert_eq!((alpha(127.0 / 255.0), alpha(128.0 / 255.0)), (127, 128));
        assert!((1..255).contains(&alpha(14.0 / 255.0)) && (1..255).contains(&alpha(241.0 / 255.0)));
        assert_eq!(to_pixels(&[-0.97, -1.0, -1.0, -0.97]), [0; 4], "a nearly transparent pixel has no colour left");
    }
}
