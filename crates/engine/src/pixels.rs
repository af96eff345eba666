//! From the network's values to pixels.

use image::{ImageBuffer, Rgba, imageops};

use crate::Size;
use crate::request::Frame;

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

/// Premultiplied values of a picture of size `from`, `[H, W, 4]`, at size `to` (Catmull-Rom).
pub(crate) fn scaled(values: Vec<f32>, from: Size, to: Size) -> Vec<f32> {
    if from == to {
        return values;
    }
    // Pictures in f32 are in [0, 1] there; the filter may leave that range at edges and is clamped.
    let values = values.into_iter().map(|x| 0.5 * x + 0.5).collect();
    let picture: ImageBuffer<Rgba<f32>, Vec<f32>> =
        ImageBuffer::from_raw(from.width, from.height, values).expect("four values a pixel");
    let picture = imageops::resize(&picture, to.width, to.height, imageops::FilterType::CatmullRom);
    picture.into_raw().into_iter().map(|x| 2.0 * x - 1.0).collect()
}

/// Pixels of what was drawn, `[h, w, 4]`, in their place in a picture `[H, W, 4]`.
pub(crate) fn paste(mut picture: Vec<u8>, frame: Frame, pixels: &[u8]) -> Vec<u8> {
    let (left, top, Size { width, height }) = frame.place();
    let (row, part) = (4 * frame.size.width as usize, 4 * width as usize);
    let rows = picture.chunks_exact_mut(row).skip(top as usize).take(height as usize);
    for (row, pixels) in rows.zip(pixels.chunks_exact(part)) {
        row[4 * left as usize..][..part].copy_from_slice(pixels);
    }
    picture
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
    fn what_is_drawn_comes_into_the_middle() {
        let frame = Frame { drawn: Size::square(4), enlarge: 1, size: Size { width: 2, height: 5 } };
        let values = scaled(vec![0.5; 4 * 16], frame.drawn, frame.place().2);
        assert_eq!(values, [0.5; 4 * 4]);
        let whole = paste(vec![0; 40], frame, &[7; 16]);
        assert_eq!(whole, [vec![0; 8], vec![7; 16], vec![0; 16]].concat());
        // Edges do not ring beyond the range.
        let edge: Vec<f32> = (0..64).map(|i| if i % 16 < 8 { -1.0 } else { 1.0 }).collect();
        let large = scaled(edge, Size::square(4), Size::square(9));
        assert!(large.len() == 4 * 81 && large.iter().all(|x| x.abs() <= 1.0));
        assert!(large[0] < -0.999 && large[4 * 8] > 0.999);
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
