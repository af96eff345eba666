//! Square pictures in memory: `[size, size, 4]` u8, RGBA, alpha premultiplied; rows from the top.
//! Files hold straight alpha, as PNG wants it; premultiplying what was un-premultiplied gives the same bytes back.

use std::io::Cursor;

use image::{ImageEncoder, RgbaImage};

use crate::error::DataError;

/// A picture with straight alpha, for showing: `[height, width, 4]` u8 RGBA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// `[height, width, 4]` RGBA, straight alpha.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// Encodes the picture as PNG.
    pub fn to_png(&self) -> Result<Vec<u8>, DataError> {
        encode(&self.pixels, self.width, self.height)
    }
}

/// A square premultiplied picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Square {
    pub(crate) size: usize,
    pub(crate) pixels: Vec<u8>,
}

impl Square {
    pub(crate) fn new(size: usize) -> Self {
        Square { size, pixels: vec![0; size * size * 4] }
    }

    /// The premultiplied pixel at column `x`, row `y`.
    pub(crate) fn pixel(&self, x: usize, y: usize) -> [u8; 4] {
        let i = (y * self.size + x) * 4;
        [self.pixels[i], self.pixels[i + 1], self.pixels[i + 2], self.pixels[i + 3]]
    }

    /// Decodes PNG, JPEG or WebP bytes into a square of `size`; a picture that is not square is centred
    /// on a transparent one.
    pub(crate) fn decode(bytes: &[u8], size: usize) -> Result<Self, DataError> {
        let mut reader = image::ImageReader::new(Cursor::new(bytes));
        let mut limits = image::Limits::default();
        limits.max_image_width = Some(16_384);
        limits.max_image_height = Some(16_384);
        limits.max_alloc = Some(1 << 30);
        reader.limits(limits);
        let reader = reader.with_guessed_format().map_err(|e| DataError::Picture(e.to_string()))?;
        let picture = reader.decode().map_err(|e| DataError::Picture(e.to_string()))?.into_rgba8();
        Ok(Self::from_straight(picture, size))
    }

    fn from_straight(mut picture: RgbaImage, size: usize) -> Self {
        for pixel in picture.chunks_exact_mut(4) {
            premultiply(pixel);
        }
        let (w, h) = (picture.width() as usize, picture.height() as usize);
        let side = w.max(h);
        if w == h {
            return Square { size: side, pixels: picture.into_raw() }.resized(size);
        }
        let mut square = Square::new(side);
        let (left, top) = ((side - w) / 2, (side - h) / 2);
        for (y, row) in picture.as_raw().chunks_exact(w * 4).enumerate() {
            let at = ((top + y) * side + left) * 4;
            square.pixels[at..at + w * 4].copy_from_slice(row);
        }
        square.resized(size)
    }

    /// The picture at another size: the mean of the covered area when it shrinks (bilinear when it grows).
    pub(crate) fn resized(self, size: usize) -> Self {
        if size == self.size {
            return self;
        }
        if size > self.size {
            let from = RgbaImage::from_raw(self.size as u32, self.size as u32, self.pixels).expect("square");
            let to = image::imageops::resize(&from, size as u32, size as u32, image::imageops::FilterType::Triangle);
            return Square { size, pixels: to.into_raw() };
        }
        let spans = spans(self.size, size);
        let area = (self.size as u64) * (self.size as u64);
        let mut out = Square::new(size);
        for (y, rows) in spans.iter().enumerate() {
            for (x, columns) in spans.iter().enumerate() {
                let mut sum = [0u64; 4];
                for &(row, h) in rows {
                    for &(column, w) in columns {
                        let i = (row * self.size + column) * 4;
                        for (sum, value) in sum.iter_mut().zip(&self.pixels[i..i + 4]) {
                            *sum += h * w * u64::from(*value);
                        }
                    }
                }
                let i = (y * size + x) * 4;
                for (pixel, sum) in out.pixels[i..i + 4].iter_mut().zip(sum) {
                    *pixel = ((sum + area / 2) / area) as u8;
                }
            }
        }
        out
    }

    /// Encodes as PNG with straight alpha.
    pub(crate) fn to_png(&self) -> Result<Vec<u8>, DataError> {
        encode(&straight(&self.pixels), self.size, self.size)
    }

    /// Draws `top` over this picture, its upper left corner at (`left`, `up`); what falls outside is cut.
    pub(crate) fn draw(&mut self, top: &Square, left: isize, up: isize) {
        for y in 0..top.size as isize {
            for x in 0..top.size as isize {
                let (to_x, to_y) = (left + x, up + y);
                if !(0..self.size as isize).contains(&to_x) || !(0..self.size as isize).contains(&to_y) {
                    continue;
                }
                let source = top.pixel(x as usize, y as usize);
                let i = (to_y as usize * self.size + to_x as usize) * 4;
                let keep = 255 - u32::from(source[3]);
                for (under, over) in self.pixels[i..i + 4].iter_mut().zip(source) {
                    *under = (u32::from(over) + (u32::from(*under) * keep + 127) / 255).min(255) as u8;
                }
            }
        }
    }

    /// Share of the square that is covered, in `0..=1`.
    pub(crate) fn coverage(&self) -> f64 {
        let alpha: u64 = self.pixels.chunks_exact(4).map(|p| u64::from(p[3])).sum();
        alpha as f64 / (255 * self.size * self.size) as f64
    }
}

/// A straight-alpha picture `[height, width, 4]` as a square of `size` pixels a side: premultiplied bytes, centred on
/// transparency if it is not square.
///
/// # Panics
/// When `pixels` does not hold `width · height` pixels.
pub fn premultiplied_square(pixels: &[u8], width: usize, height: usize, size: usize) -> Vec<u8> {
    let picture = RgbaImage::from_raw(width as u32, height as u32, pixels.to_vec()).expect("width by height pixels");
    Square::from_straight(picture, size).pixels
}

/// For each target pixel the source pixels it covers, with integer weights that sum to `from`.
fn spans(from: usize, to: usize) -> Vec<Vec<(usize, u64)>> {
    (0..to)
        .map(|i| {
            let (start, end) = (i * from, (i + 1) * from);
            (start / to..end.div_ceil(to))
                .map(|s| (s, (end.min((s + 1) * to) - start.max(s * to)) as u64))
                .filter(|&(_, weight)| weight > 0)
                .collect()
        })
        .collect()
}

fn premultiply(pixel: &mut [u8]) {
    let alpha = u32::from(pixel[3]);
    if alpha == 255 {
        return;
    }
    for c in &mut pixel[..3] {
        *c = ((u32::from(*c) * alpha + 127) / 255) as u8;
    }
}

/// Straight-alpha copy of premultiplied RGBA.
pub(crate) fn straight(pixels: &[u8]) -> Vec<u8> {
    let mut out = pixels.to_vec();
    for pixel in out.chunks_exact_mut(4) {
        let alpha = u32::from(pixel[3]);
        if alpha == 0 || alpha == 255 {
            continue;
        }
        for c in &mut pixel[..3] {
            *c = ((u32::from(*c) * 255 + alpha / 2) / alpha).min(255) as u8;
        }
    }
    out
}

fn encode(straight: &[u8], width: usize, height: usize) -> Result<Vec<u8>, DataError> {
    use image::codecs::png::{CompressionType, FilterType, PngEncoder};
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
        .write_image(straight, width as u32, height as u32, image::ExtendedColorType::Rgba8)
        .map_err(|e| DataError::Picture(e.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_give_back_every_premultiplied_byte() {
        let mut square = Square::new(256);
        for alpha in 0..256usize {
            for value in 0..256usize {
                let i = (alpha * 256 + value) * 4;
                let v = value.min(alpha) as u8;
                square.pixels[i..i + 4].copy_from_slice(&[v, v, v, alpha as u8]);
            }
        }
        let back = Square::decode(&square.to_png().expect("encodes"), 256).expect("decodes");
        assert_eq!(back, square);
    }

    #[test]
    fn shrinking_takes_the_mean() {
        let square =
            Square { size: 3, pixels: [0, 90, 90, 90, 90, 90, 90, 90, 90].iter().flat_map(|&v| [v; 4]).collect() };
        assert_eq!(square.clone().resized(1).pixel(0, 0), [80; 4]);
        assert_eq!(square.resized(2).pixel(0, 0), [50; 4]);
    }

    #[test]
    fn a_wide_picture_is_centred() {
        let picture = RgbaImage::from_pixel(4, 2, image::Rgba([200, 100, 0, 255]));
        let square = Square::from_straight(picture, 4);
        assert_eq!(square.pixel(0, 0), [0; 4]);
        assert_eq!(square.pixel(0, 1), [200, 100, 0, 255]);
        assert_eq!(square.pixel(3, 3), [0; 4]);
    }

    #[test]
    fn drawing_covers_and_clips() {
        let mut under = Square { size: 2, pixels: [255u8, 255, 255, 255].repeat(4) };
        under.draw(&Square { size: 2, pixels: [10u8, 0, 0, 255].repeat(4) }, 1, 1);
        assert_eq!(under.pixel(0, 0), [255; 4]);
        assert_eq!(under.pixel(1, 1), [10, 0, 0, 255]);
    }
}
