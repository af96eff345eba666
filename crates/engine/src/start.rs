//! Developing from a picture instead of from noise alone: variations, image-to-image and inpainting.
//!
//! The sampler begins at flow time `strength` with the picture mixed with that much noise (SDEdit, Meng et al., arXiv
//! 2108.01073). Under a mask, the prediction is replaced by the picture itself wherever it is to be kept: that part of
//! the state then stays on the straight line from its noise to the picture and ends at the picture's own pixels.

use std::io::Cursor;
use std::path::Path;

use formats::digest;
use formats::picture::premultiply;
use image::{GrayImage, RgbaImage, imageops};
use serde::{Deserialize, Serialize};

use crate::request::Frame;
use crate::{EngineError, Size};

/// Sides of a starting picture above this are refused.
const MAX_PICTURE_SIDE: u32 = 16_384;

/// A picture to start from, at the size it was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Start {
    /// Straight RGBA.
    picture: RgbaImage,
    /// White = draw anew, black = keep; the picture's size.
    mask: Option<GrayImage>,
    /// Flow time to begin at: near 0 keeps the picture, 1 draws a new one.
    pub strength: f32,
}

/// What a recipe says of the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Flow time the sampler began at.
    pub strength: f32,
    /// SHA-256 of the starting picture's straight RGBA bytes at the size that was drawn.
    pub picture_sha256: String,
    /// The same of the mask's bytes, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask_sha256: Option<String>,
}

/// A start fitted to the size that is drawn.
pub(crate) struct Fitted {
    /// Straight RGBA8 `[H, W, 4]`.
    picture: Vec<u8>,
    /// `[H, W]`: 255 = draw anew, 0 = keep.
    mask: Option<Vec<u8>>,
    /// The picture premultiplied, in [-1, 1], `[H, W, 4]`.
    values: Vec<f32>,
    strength: f32,
}

impl Start {
    /// Opens a PNG, JPEG or WebP picture, and a mask of the same size if there is one: white where the picture is drawn
    /// anew, black where it is kept, grey for a blend.
    pub fn open(picture: &Path, mask: Option<&Path>, strength: f32) -> Result<Self, EngineError> {
        let picture = read("vary", picture)?.into_rgba8();
        let mask = match mask {
            None => None,
            Some(path) => {
                let mask = read("mask", path)?.into_luma8();
                if mask.dimensions() != picture.dimensions() {
                    let ((w, h), (width, height)) = (mask.dimensions(), picture.dimensions());
                    let message = format!("{} has {w}x{h} pixels, the picture {width}x{height}", path.display());
                    return Err(EngineError::field("mask", message));
                }
                Some(mask)
            }
        };
        Ok(Self { picture, mask, strength })
    }

    /// Size of the picture as it was found.
    pub(crate) fn size(&self) -> Size {
        Size { width: self.picture.width(), height: self.picture.height() }
    }

    /// What of the picture lies where a frame has what is drawn.
    pub(crate) fn within(&self, frame: Frame) -> Self {
        if !frame.is_contained() {
            return self.clone();
        }
        let whole = self.fit(frame.size);
        let (left, top, Size { width, height }) = frame.place();
        let cut = |pixels: Vec<u8>| RgbaImage::from_raw(frame.size.width, frame.size.height, pixels).expect("its size");
        let picture = imageops::crop_imm(&cut(whole.picture), left, top, width, height).to_image();
        let mask = whole.mask.map(|mask| {
            let mask = GrayImage::from_raw(frame.size.width, frame.size.height, mask).expect("its size");
            imageops::crop_imm(&mask, left, top, width, height).to_image()
        });
        Self { picture, mask, strength: self.strength }
    }

    /// Whether a picture of the frame's size has nothing but transparent pixels beside what is drawn.
    pub(crate) fn is_empty_beside(&self, frame: Frame) -> bool {
        let (left, top, Size { width, height }) = frame.place();
        let beside = |x: u32, y: u32| !(left..left + width).contains(&x) || !(top..top + height).contains(&y);
        self.picture.enumerate_pixels().all(|(x, y, pixel)| pixel[3] == 0 || !beside(x, y))
    }

    /// The whole picture at `size`, centred on a transparent ground that is kept.
    pub(crate) fn fit(&self, size: Size) -> Fitted {
        let picture = match self.size() == size {
            true => self.picture.as_raw().clone(),
            false => straight(&fit(&premultiplied(&self.picture), size)),
        };
        let values = premultiply(&picture);
        let mask = self.mask.as_ref().map(|mask| fit(mask, size).into_raw());
        Fitted { picture, mask, values, strength: self.strength }
    }
}

impl Fitted {
    /// What the recipe says.
    pub(crate) fn origin(&self) -> Origin {
        Origin {
            strength: self.strength,
            picture_sha256: digest::sha256_bytes(&self.picture),
            mask_sha256: self.mask.as_deref().map(digest::sha256_bytes),
        }
    }

    /// The picture over white, `[H, W, 3]` in [-1, 1].
    pub(crate) fn colours(&self) -> Vec<f32> {
        let over_white = |colour: u8, alpha: u8| {
            let alpha = f32::from(alpha) / 255.0;
            (f32::from(colour) / 255.0 * alpha + (1.0 - alpha)) * 2.0 - 1.0
        };
        self.picture.chunks_exact(4).flat_map(|p| [0, 1, 2].map(|i| over_white(p[i], p[3]))).collect()
    }

    /// `[H, W]`: 255 = draw anew, 0 = keep; none without a mask.
    pub(crate) fn mask(&self) -> Option<&[u8]> {
        self.mask.as_deref()
    }

    /// Puts the picture over opaque `pixels` wherever it is kept: what is kept whole has its own bytes.
    pub(crate) fn paint_over(&self, pixels: &mut [u8]) {
        let Some(mask) = &self.mask else { return };
        for ((new, old), &anew) in pixels.chunks_exact_mut(4).zip(self.picture.chunks_exact(4)).zip(mask) {
            let (anew, alpha) = (u32::from(anew), u32::from(old[3]));
            for (new, &old) in new[..3].iter_mut().zip(old) {
                let old = (u32::from(old) * alpha + 255 * (255 - alpha) + 127) / 255;
                *new = ((u32::from(*new) * anew + old * (255 - anew) + 127) / 255) as u8;
            }
        }
    }

    /// Mixes the picture into its noise: the state at time `strength`.
    pub(crate) fn mix(&self, noise: &mut [f32]) {
        let t = self.strength;
        for (z, x) in noise.iter_mut().zip(&self.values) {
            *z = (1.0 - t) * x + t * *z;
        }
    }

    /// `pixels` of what was drawn, in their place in the picture.
    pub(crate) fn around(&self, frame: Frame, pixels: &[u8]) -> Vec<u8> {
        crate::pixels::paste(self.picture.clone(), frame, pixels)
    }

    /// Puts the picture where it is kept into a prediction `[H, W, 4]`.
    pub(crate) fn keep(&self, prediction: &mut [f32]) {
        let Some(mask) = &self.mask else { return };
        for ((new, old), &anew) in prediction.chunks_exact_mut(4).zip(self.values.chunks_exact(4)).zip(mask) {
            let anew = f32::from(anew) / 255.0;
            for (new, old) in new.iter_mut().zip(old) {
                *new = anew * *new + (1.0 - anew) * old;
            }
        }
    }

    /// Gives the pixels that are kept whole their own bytes, which rounding may have missed by one.
    pub(crate) fn restore(&self, pixels: &mut [u8]) {
        let Some(mask) = &self.mask else { return };
        for ((new, old), _) in
            pixels.chunks_exact_mut(4).zip(self.picture.chunks_exact(4)).zip(mask).filter(|(_, anew)| **anew == 0)
        {
            new.copy_from_slice(old);
        }
    }
}

/// Decodes a picture file of any size a user may have.
fn read(field: &'static str, path: &Path) -> Result<image::DynamicImage, EngineError> {
    let wrong = |problem: String| EngineError::field(field, format!("{}: {problem}", path.display()));
    let bytes = std::fs::read(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let mut reader = image::ImageReader::new(Cursor::new(bytes));
    let mut limits = image::Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_PICTURE_SIDE), Some(MAX_PICTURE_SIDE));
    limits.max_alloc = Some(1 << 30);
    reader.limits(limits);
    let reader = reader.with_guessed_format().map_err(|error| wrong(error.to_string()))?;
    reader.decode().map_err(|error| wrong(format!("is not a PNG, JPEG or WebP picture that can be read: {error}")))
}

/// A PNG, JPEG or WebP file as straight RGBA8, and its size; `field` is what the user calls it.
pub fn read_picture(field: &'static str, path: &Path) -> Result<(Size, Vec<u8>), EngineError> {
    let picture = read(field, path)?.into_rgba8();
    Ok((Size { width: picture.width(), height: picture.height() }, picture.into_raw()))
}

/// Scales a picture to fit into `size`, centred on zeros.
fn fit<P>(picture: &image::ImageBuffer<P, Vec<u8>>, size: Size) -> image::ImageBuffer<P, Vec<u8>>
where
    P: image::Pixel<Subpixel = u8> + 'static,
{
    let (width, height) = picture.dimensions();
    if (width, height) == (size.width, size.height) {
        return picture.clone();
    }
    let scale = (f64::from(size.width) / f64::from(width)).min(f64::from(size.height) / f64::from(height));
    let side = |side: u32, most: u32| ((f64::from(side) * scale).round() as u32).clamp(1, most);
    let (w, h) = (side(width, size.width), side(height, size.height));
    let scaled = imageops::resize(picture, w, h, imageops::FilterType::Triangle);
    let mut whole = image::ImageBuffer::new(size.width, size.height);
    imageops::replace(&mut whole, &scaled, i64::from((size.width - w) / 2), i64::from((size.height - h) / 2));
    whole
}

/// Colours times alpha, so that scaling does not mix in the colours of transparent pixels.
fn premultiplied(picture: &RgbaImage) -> RgbaImage {
    let mut picture = picture.clone();
    for pixel in picture.chunks_exact_mut(4) {
        let alpha = u32::from(pixel[3]);
        pixel[..3].iter_mut().for_each(|c| *c = ((u32::from(*c) * alpha + 127) / 255) as u8);
    }
    picture
}

/// Straight RGBA bytes of a premultiplied picture.
fn straight(picture: &RgbaImage) -> Vec<u8> {
    let mut pixels = picture.as_raw().clone();
    for pixel in pixels.chunks_exact_mut(4) {
        let alpha = u32::from(pixel[3]).max(1);
        pixel[..3].iter_mut().for_each(|c| *c = ((u32::from(*c) * 255 + alpha / 2) / alpha).min(255) as u8);
    }
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(width: u32, height: u32) -> Start {
        let picture = RgbaImage::from_fn(width, height, |x, y| image::Rgba([200, (x * 7) as u8, (y * 7) as u8, 255]));
        let mask = GrayImage::from_fn(width, height, |x, _| image::Luma([if x < width / 2 { 0 } else { 255 }]));
        Start { picture, mask: Some(mask), strength: 0.5 }
    }

    #[test]
    fn a_fitting_picture_keeps_its_bytes() {
        let start = start(16, 16);
        let fitted = start.fit(Size::square(16));
        assert_eq!(fitted.picture, *start.picture.as_raw());
        assert_eq!(fitted.mask.as_ref(), Some(start.mask.as_ref().unwrap().as_raw()));
    }

    #[test]
    fn a_wide_picture_is_centred_and_its_border_is_kept() {
        let fitted = start(32, 16).fit(Size::square(16));
        let mask = fitted.mask.unwrap();
        assert_eq!(fitted.picture[..16 * 4 * 4], [0; 16 * 4 * 4]);
        assert_eq!(fitted.picture[(5 * 16 + 3) * 4 + 3], 255);
        assert!(mask[..4 * 16].iter().all(|&m| m == 0) && mask[5 * 16 + 15] == 255);
    }

    #[test]
    fn what_a_frame_contains_is_cut_out_and_goes_back() {
        let start = start(32, 16);
        let frame = Frame { drawn: Size::square(8), enlarge: 1, size: Size { width: 32, height: 16 } };
        let inner = start.within(frame);
        assert_eq!((inner.size(), inner.strength), (Size::square(16), 0.5));
        assert_eq!(inner.picture.get_pixel(0, 3), start.picture.get_pixel(8, 3));
        assert_eq!(inner.mask.as_ref().unwrap().get_pixel(7, 0)[0], 0);
        assert_eq!(inner.mask.as_ref().unwrap().get_pixel(8, 0)[0], 255);
        assert_eq!(start.fit(frame.size).around(frame, inner.picture.as_raw()), *start.picture.as_raw());
        assert!(!start.is_empty_beside(frame));
        let square = Frame { size: Size::square(8), ..frame };
        assert!(start.is_empty_beside(Frame { drawn: frame.size, ..frame }) && !square.is_contained());
    }

    #[test]
    fn kept_pixels_come_back_exactly_and_the_rest_is_drawn() {
        let fitted = start(16, 16).fit(Size::square(16));
        let mut values = vec![1.0; fitted.values.len()];
        fitted.keep(&mut values);
        let mut pixels = vec![9; fitted.picture.len()];
        fitted.restore(&mut pixels);
        for (i, pixel) in pixels.chunks_exact(4).enumerate() {
            let (left, at) = (i % 16 < 8, 4 * i..4 * i + 4);
            assert_eq!(pixel == &fitted.picture[at.clone()], left);
            assert_eq!(values[at.clone()] == fitted.values[at], left || fitted.values[4 * i..4 * i + 4] == [1.0; 4]);
        }
    }

    #[test]
    fn the_state_at_strength_is_the_mix() {
        let mut fitted = start(16, 16).fit(Size::square(16));
        let mut noise = vec![2.0; fitted.values.len()];
        fitted.mix(&mut noise);
        assert_eq!(noise[0], 0.5 * fitted.values[0] + 1.0);
        fitted.strength = 1.0;
        let mut noise = vec![2.0; fitted.values.len()];
        fitted.mix(&mut noise);
        assert!(noise.iter().all(|&z| z == 2.0));
    }

    #[test]
    fn bad_files_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let (text, small, large) = (dir.path().join("a.png"), dir.path().join("s.png"), dir.path().join("l.png"));
        std::fs::write(&text, "not a picture").unwrap();
        RgbaImage::new(4, 4).save(&small).unwrap();
        RgbaImage::new(8, 4).save(&large).unwrap();
        for (picture, mask, field) in [
            (dir.path().join("none.png"), None, "vary"),
            (text.clone(), None, "vary"),
            (small.clone(), Some(text), "mask"),
            (small.clone(), Some(large), "mask"),
        ] {
            let error = Start::open(&picture, mask.as_deref(), 0.5).unwrap_err().to_string();
            assert!(error.starts_with(field), "{error}");
        }
        assert!(Start::open(&small, Some(&small), 0.5).is_ok());
    }
}
