//! Pictures as this interface has them: base64 in and out, the ways in which they are fitted to a size, and upscalers.

use axum::body::Bytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use formats::picture::PARAMETERS_KEY;
use image::imageops::{self, FilterType};
use image::{GrayImage, RgbaImage};

use crate::error::ApiError;

/// Upscalers: name, filter. Without a filter a picture stays as it is.
pub const UPSCALERS: [(&str, Option<FilterType>); 3] =
    [("None", None), ("Lanczos", Some(FilterType::Lanczos3)), ("Nearest", Some(FilterType::Nearest))];

/// An upscaler by its name.
pub fn upscaler(field: &str, name: &str) -> Result<Option<(&'static str, FilterType)>, ApiError> {
    match UPSCALERS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        Some((name, filter)) => Ok(filter.map(|filter| (*name, filter))),
        None => Err(ApiError::field(field, "there is no such upscaler; GET /sdapi/v1/upscalers lists them")),
    }
}

/// A picture in base64, as it is or as a `data:` URL. Addresses are not fetched.
pub fn decoded(field: &str, text: &str) -> Result<Vec<u8>, ApiError> {
    let coded = match text.strip_prefix("data:") {
        Some(rest) => rest.split_once(";base64,").map_or("", |(_, coded)| coded),
        None => text,
    };
    STANDARD.decode(coded.trim()).map_err(|_| ApiError::field(field, "Invalid encoded image: not base64"))
}

/// A1111's text in one of our files.
pub fn text_of(png: &[u8]) -> String {
    let picture = formats::picture::decode(png).ok();
    picture.and_then(|picture| picture.text(PARAMETERS_KEY).map(str::to_owned)).unwrap_or_default()
}

/// One of our files with more settings in A1111's text, in front of the version, which comes last.
pub fn with_settings(png: &Bytes, more: &[(&'static str, String)]) -> Result<Bytes, ApiError> {
    if more.is_empty() {
        return Ok(png.clone());
    }
    let mut text = text_of(png);
    let more: String = more.iter().map(|(key, value)| format!(", {key}: {value}")).collect();
    text.insert_str(text.rfind(", Version: ").unwrap_or(text.len()), &more);
    let png = formats::picture::with_text(png, &[(PARAMETERS_KEY, &text)]).map_err(ApiError::internal)?;
    Ok(png.into())
}

/// A part of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    pub left: u32,
    pub top: u32,
    pub width: u32,
    pub height: u32,
}

/// Scaled to exactly this size. Colours of transparent pixels do not bleed.
pub fn stretch(picture: &RgbaImage, (width, height): (u32, u32), filter: FilterType) -> RgbaImage {
    if picture.dimensions() == (width, height) {
        return picture.clone();
    }
    if picture.pixels().all(|pixel| pixel[3] == 255) {
        return imageops::resize(picture, width, height, filter);
    }
    let mut premultiplied = picture.clone();
    for pixel in premultiplied.pixels_mut() {
        let alpha = u32::from(pixel[3]);
        pixel.0[..3].iter_mut().for_each(|colour| *colour = ((u32::from(*colour) * alpha + 127) / 255) as u8);
    }
    let mut scaled = imageops::resize(&premultiplied, width, height, filter);
    for pixel in scaled.pixels_mut() {
        let alpha = u32::from(pixel[3]).max(1);
        pixel.0[..3].iter_mut().for_each(|c| *c = ((u32::from(*c) * 255 + alpha / 2) / alpha).min(255) as u8);
    }
    scaled
}

/// The largest middle part of a picture of `from` that has the shape of `to`.
pub fn middle(from: (u32, u32), to: (u32, u32)) -> Region {
    let (w, h) = (u64::from(from.0), u64::from(from.1));
    let (x, y) = (u64::from(to.0), u64::from(to.1));
    let width = w.min((h * x / y.max(1)).max(1)) as u32;
    let height = h.min((w * y / x.max(1)).max(1)) as u32;
    Region { left: (from.0 - width) / 2, top: (from.1 - height) / 2, width, height }
}

/// A part of a picture.
pub fn part<P: image::Pixel<Subpixel = u8> + 'static>(
    picture: &image::ImageBuffer<P, Vec<u8>>,
    Region { left, top, width, height }: Region,
) -> image::ImageBuffer<P, Vec<u8>> {
    imageops::crop_imm(picture, left, top, width, height).to_image()
}

/// Scaled to fill this size; what is beyond is cut off.
pub fn cover(picture: &RgbaImage, size: (u32, u32), filter: FilterType) -> RgbaImage {
    stretch(&part(picture, middle(picture.dimensions(), size)), size, filter)
}

/// Where the whole of a picture of `from` lies in the middle of one of `to`.
pub fn inside(from: (u32, u32), to: (u32, u32)) -> Region {
    let Region { width, height, .. } = middle(to, from);
    Region { left: (to.0 - width) / 2, top: (to.1 - height) / 2, width, height }
}

/// The whole picture scaled into this size; what is beside it repeats its edges.
pub fn contain(picture: &RgbaImage, size: (u32, u32), filter: FilterType) -> RgbaImage {
    let Region { left, top, width, height } = inside(picture.dimensions(), size);
    let scaled = stretch(picture, (width, height), filter);
    RgbaImage::from_fn(size.0, size.1, |x, y| {
        *scaled.get_pixel(x.saturating_sub(left).min(width - 1), y.saturating_sub(top).min(height - 1))
    })
}

/// The smallest part that holds all that a mask marks, with room around it, in the shape of a size as far as the picture
/// goes; none if nothing is marked.
pub fn marked(mask: &GrayImage, padding: u32, size: (u32, u32)) -> Option<Region> {
    let (width, height) = mask.dimensions();
    let (mut left, mut top, mut right, mut bottom) = (width, height, 0, 0);
    for (x, y, _) in mask.enumerate_pixels().filter(|(_, _, grey)| grey[0] > 0) {
        (left, top, right, bottom) = (left.min(x), top.min(y), right.max(x + 1), bottom.max(y + 1));
    }
    if right == 0 {
        return None;
    }
    let (left, right) = (left.saturating_sub(padding), right.saturating_add(padding).min(width));
    let (top, bottom) = (top.saturating_sub(padding), bottom.saturating_add(padding).min(height));
    // The side that is too short for the shape grows, around its middle, within the picture.
    let grown = |from: u32, to: u32, wanted: u64, most: u32| {
        let length = wanted.clamp(u64::from(to - from), u64::from(most)) as u32;
        let from = from.saturating_sub((length - (to - from)) / 2).min(most - length);
        (from, length)
    };
    let (w, h) = (u64::from(right - left), u64::from(bottom - top));
    let (x, y) = (u64::from(size.0.max(1)), u64::from(size.1.max(1)));
    let (left, width) = grown(left, right, (h * x).div_ceil(y), width);
    let (top, height) = grown(top, bottom, (w * y).div_ceil(x), height);
    Some(Region { left, top, width, height })
}

/// `over` at its place in `under`, where the mask (as large as `under`) is white; where it is black, `under` keeps its bytes.
pub fn paste(under: &RgbaImage, over: &RgbaImage, mask: &GrayImage, place: Region) -> RgbaImage {
    let mut whole = under.clone();
    for (x, y, new) in over.enumerate_pixels() {
        let (x, y) = (place.left + x, place.top + y);
        let share = u32::from(mask.get_pixel(x, y)[0]);
        let pixel = whole.get_pixel_mut(x, y);
        *pixel = mixed(*pixel, *new, share);
    }
    whole
}

/// `share` of 255 of `new` in `old`, each colour by how opaque it is.
fn mixed(old: image::Rgba<u8>, new: image::Rgba<u8>, share: u32) -> image::Rgba<u8> {
    if share == 0 {
        return old;
    }
    let (old_weight, new_weight) = (u32::from(old[3]) * (255 - share), u32::from(new[3]) * share);
    let weight = (old_weight + new_weight).max(1);
    let colour = |i: usize| {
        let sum = u32::from(old[i]) * old_weight + u32::from(new[i]) * new_weight;
        ((sum + weight / 2) / weight).min(255) as u8
    };
    image::Rgba([colour(0), colour(1), colour(2), ((old_weight + new_weight + 127) / 255) as u8])
}

/// What is marked takes the colours around it, the nearer the stronger.
pub fn filled(picture: &RgbaImage, mask: &GrayImage) -> RgbaImage {
    // What is kept, each colour times how much of it is kept.
    let mut kept = picture.clone();
    for (pixel, grey) in kept.pixels_mut().zip(mask.pixels()) {
        let share = 255 - u32::from(grey[0]);
        let alpha = (u32::from(pixel[3]) * share + 127) / 255;
        pixel.0[..3].iter_mut().for_each(|colour| *colour = ((u32::from(*colour) * alpha + 127) / 255) as u8);
        pixel[3] = alpha as u8;
    }
    let mut ground = RgbaImage::from_pixel(picture.width(), picture.height(), image::Rgba([127, 127, 127, 255]));
    for sigma in [256.0, 64.0, 16.0, 4.0] {
        let blurred = imageops::fast_blur(&kept, sigma);
        for (below, above) in ground.pixels_mut().zip(blurred.pixels()) {
            let rest = 255 - u32::from(above[3]);
            for i in 0..3 {
                below[i] = (u32::from(above[i]) + (u32::from(below[i]) * rest + 127) / 255).min(255) as u8;
            }
        }
    }
    let whole = Region { left: 0, top: 0, width: picture.width(), height: picture.height() };
    paste(picture, &ground, mask, whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32) -> RgbaImage {
        RgbaImage::from_fn(width, height, |x, _| image::Rgba([if x < width / 2 { 250 } else { 10 }, 40, 60, 255]))
    }

    #[test]
    fn sizes_are_exact() {
        for (from, to) in [((100, 50), (64, 64)), ((1, 900), (512, 32)), ((64, 64), (64, 64)), ((7, 5), (640, 32))] {
            let picture = picture(from.0, from.1);
            for fitted in [
                stretch(&picture, to, FilterType::Lanczos3),
                cover(&picture, to, FilterType::Lanczos3),
                contain(&picture, to, FilterType::Lanczos3),
            ] {
                assert_eq!(fitted.dimensions(), to, "{from:?}");
            }
        }
        assert_eq!(middle((100, 50), (64, 64)), Region { left: 25, top: 0, width: 50, height: 50 });
        assert_eq!(inside((100, 50), (64, 64)), Region { left: 0, top: 16, width: 64, height: 32 });
    }

    #[test]
    fn what_is_marked_has_the_shape_that_is_asked_for() {
        let mut mask = GrayImage::new(200, 100);
        assert_eq!(marked(&mask, 4, (64, 64)), None);
        for (x, y) in [(50, 40), (69, 49)] {
            mask.put_pixel(x, y, image::Luma([255]));
        }
        assert_eq!(marked(&mask, 0, (64, 64)).unwrap(), Region { left: 50, top: 35, width: 20, height: 20 });
        assert_eq!(marked(&mask, 10, (64, 64)).unwrap(), Region { left: 40, top: 25, width: 40, height: 40 });
        // At the picture's edge it moves; what is larger than the picture is the picture.
        mask.put_pixel(0, 0, image::Luma([1]));
        let region = marked(&mask, u32::MAX, (64, 64)).unwrap();
        assert_eq!(region, Region { left: 0, top: 0, width: 200, height: 100 });
    }

    #[test]
    fn what_is_kept_keeps_its_bytes() {
        let under = picture(64, 32);
        let mask = GrayImage::from_fn(64, 32, |x, _| image::Luma([if (20..40).contains(&x) { 255 } else { 0 }]));
        let place = Region { left: 16, top: 4, width: 32, height: 24 };
        let over = RgbaImage::from_pixel(32, 24, image::Rgba([1, 2, 3, 200]));
        let pasted = paste(&under, &over, &mask, place);
        for (x, y, pixel) in pasted.enumerate_pixels() {
            let is_new = (20..40).contains(&x) && (4..28).contains(&y);
            assert_eq!(pixel, if is_new { over.get_pixel(0, 0) } else { under.get_pixel(x, y) }, "{x} {y}");
        }
        let filled = filled(&under, &mask);
        assert_eq!(
            part(&filled, Region { left: 0, top: 0, width: 20, height: 32 }),
            part(&under, Region { left: 0, top: 0, width: 20, height: 32 })
        );
        // The colour of either side reaches into the hole.
        assert!(filled.get_pixel(21, 16)[0] > filled.get_pixel(38, 16)[0] + 100, "{filled:?}");
        assert!(filled.pixels().all(|pixel| pixel[3] == 255));
    }
}
