//! The one entrance for pictures from outside (PNG, JPEG, WebP), with limits that hold before anything large is allocated,
//! and the formats in which pictures go out.

use std::io::Cursor;

use axum::body::Bytes;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::webp::{WebPDecoder, WebPEncoder};
use image::{ExtendedColorType, GrayImage, ImageDecoder, ImageEncoder, ImageFormat, RgbImage, RgbaImage, imageops};
use serde::Deserialize;

use crate::error::ApiError;

/// Longest side of a given picture, pixels.
pub const MAX_SIDE: u32 = 8192;
/// Largest area of a given picture, pixels.
pub const MAX_AREA: u64 = 40_000_000;
/// Most bytes of a given picture.
pub const MAX_BYTES: usize = 50 << 20;
/// Most bytes that decoding one may take.
const MAX_DECODING: u64 = 256 << 20;
/// Quality of JPEG when none is asked for.
pub const JPEG_QUALITY: u8 = 90;

/// A format in which pictures go out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// PNG, with the recipe inside.
    #[default]
    Png,
    /// JPEG, on white, with the recipe in its EXIF block, as WebP.
    #[serde(alias = "jpg")]
    Jpeg,
    /// WebP without loss.
    Webp,
}

impl Format {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Png => "png",
            Self::Jpeg => "jpeg",
            Self::Webp => "webp",
        }
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Webp => "image/webp",
        }
    }

    /// Its files' extension.
    pub fn extension(self) -> &'static str {
        if self == Self::Jpeg { "jpg" } else { self.name() }
    }
}

/// Text inside a picture: key, text.
pub type Text = Vec<(String, String)>;

/// Decodes a picture from outside. Blocks: call it on a thread for such work.
pub fn decode(field: &str, bytes: &[u8]) -> Result<RgbaImage, ApiError> {
    Ok(read(field, bytes)?.0)
}

/// Decodes a picture from outside, and the text in it: all that of PNG files, of JPEG and WebP files what EXIF has a place for.
/// Blocks.
pub fn read(field: &str, bytes: &[u8]) -> Result<(RgbaImage, Text), ApiError> {
    let wrong = |message: String| ApiError::field(field, message);
    if bytes.len() > MAX_BYTES {
        return Err(wrong(format!("has {} bytes; at most {MAX_BYTES} are accepted", bytes.len())));
    }
    let format = image::guess_format(bytes).ok();
    if format == Some(ImageFormat::Png) {
        let picture = formats::picture::decode(bytes).map_err(|error| wrong(error.to_string()))?;
        let image = RgbaImage::from_raw(picture.width, picture.height, picture.pixels);
        return Ok((image.ok_or_else(|| wrong("is not a picture that can be read".into()))?, picture.text));
    }
    if !matches!(format, Some(ImageFormat::Jpeg | ImageFormat::WebP)) {
        return Err(wrong("is not a PNG, JPEG or WebP picture".into()));
    }
    if format == Some(ImageFormat::WebP) {
        let decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(|error| wrong(error.to_string()))?;
        if decoder.has_animation() {
            return Err(wrong("is animated; one frame is accepted".into()));
        }
        check_sides(field, decoder.dimensions())?;
    }
    let mut reader = image::ImageReader::new(Cursor::new(bytes));
    let mut limits = image::Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    limits.max_alloc = Some(MAX_DECODING);
    reader.limits(limits);
    let reader = reader.with_guessed_format().map_err(|error| wrong(error.to_string()))?;
    let mut decoder = reader.into_decoder().map_err(|error| wrong(error.to_string()))?;
    check_sides(field, decoder.dimensions())?;
    let exif = decoder.exif_metadata().ok().flatten().filter(|exif| exif.len() <= formats::picture::MAX_TEXT);
    let text = exif.map_or(Vec::new(), |exif| formats::exif::decode(&exif));
    let image = image::DynamicImage::from_decoder(decoder).map_err(|error| wrong(error.to_string()))?;
    Ok((image.into_rgba8(), text))
}

fn check_sides(field: &str, (width, height): (u32, u32)) -> Result<(), ApiError> {
    let fits = (1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height);
    if fits && u64::from(width) * u64::from(height) <= MAX_AREA {
        return Ok(());
    }
    let message = format!("{width} x {height} pixels: sides are 1 to {MAX_SIDE}, the area at most {MAX_AREA}");
    Err(ApiError::field(field, message))
}

/// As a PNG file.
pub fn png(picture: &RgbaImage) -> Result<Vec<u8>, ApiError> {
    formats::picture::encode(picture.width(), picture.height(), picture.as_raw(), &[]).map_err(ApiError::internal)
}

/// A mask as a PNG file: white = draw anew, black = keep; scaled to the size of its picture.
pub fn mask_png(mask: &GrayImage, (width, height): (u32, u32)) -> Result<Vec<u8>, ApiError> {
    let scaled = match mask.dimensions() == (width, height) {
        true => mask.clone(),
        false => imageops::resize(mask, width, height, imageops::FilterType::Triangle),
    };
    let rgba = RgbaImage::from_fn(width, height, |x, y| {
        let [grey] = scaled.get_pixel(x, y).0;
        image::Rgba([grey, grey, grey, 255])
    });
    png(&rgba)
}

/// Brightness over black: what is transparent is black.
pub fn grey(picture: &RgbaImage) -> GrayImage {
    GrayImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [r, g, b, a] = picture.get_pixel(x, y).0.map(u32::from);
        image::Luma([((r * 299 + g * 587 + b * 114) / 1000 * a / 255) as u8])
    })
}

/// On an opaque ground.
pub fn flatten(picture: &RgbaImage, ground: [u8; 3]) -> RgbImage {
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [r, g, b, a] = picture.get_pixel(x, y).0.map(u32::from);
        let over = |colour: u32, ground: u8| ((colour * a + u32::from(ground) * (255 - a) + 127) / 255) as u8;
        image::Rgb([over(r, ground[0]), over(g, ground[1]), over(b, ground[2])])
    })
}

/// How a picture is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Wanted {
    /// Format.
    pub format: Format,
    /// Quality of JPEG, 1..=100.
    pub quality: Option<u8>,
    /// Width in pixels, at most the picture's own; the height follows.
    pub width: Option<u32>,
    /// Ground under transparent pixels; JPEG has white if none is named.
    pub ground: Option<[u8; 3]>,
    /// Leave the text in it out.
    pub bare: bool,
}

/// Turns one of our PNG files into what is wanted; at its full size the text in it comes along. Blocks.
pub fn convert(png: Bytes, wanted: Wanted) -> Result<Bytes, ApiError> {
    if wanted.format == Format::Png && wanted.width.is_none() && wanted.ground.is_none() && !wanted.bare {
        return Ok(png);
    }
    let picture = formats::picture::decode(&png).map_err(ApiError::internal)?;
    let mut text = if wanted.bare { Vec::new() } else { picture.text };
    let mut image = RgbaImage::from_raw(picture.width, picture.height, picture.pixels)
        .ok_or_else(|| ApiError::internal("a stored picture has too few pixels"))?;
    if let Some(width) = wanted.width.filter(|width| *width < image.width()) {
        let height = u64::from(image.height()) * u64::from(width) / u64::from(image.width());
        image = imageops::resize(&image, width.max(1), height.max(1) as u32, imageops::FilterType::Triangle);
        text.clear();
    }
    encode(&image, wanted, &text).map(Bytes::from)
}

/// A picture in the format that is wanted, with text in it.
pub fn encode(image: &RgbaImage, wanted: Wanted, text: &[(String, String)]) -> Result<Vec<u8>, ApiError> {
    let (width, height) = image.dimensions();
    let ground = wanted.ground.or((wanted.format == Format::Jpeg).then_some([255; 3]));
    let flat = ground.map(|ground| flatten(image, ground));
    let (pixels, colour) = match &flat {
        Some(flat) => (flat.as_raw(), ExtendedColorType::Rgb8),
        None => (image.as_raw(), ExtendedColorType::Rgba8),
    };
    let mut bytes = Vec::new();
    let exif = formats::exif::encode(text);
    match wanted.format {
        Format::Png => {
            image::codecs::png::PngEncoder::new(&mut bytes)
                .write_image(pixels, width, height, colour)
                .map_err(ApiError::internal)?;
            let text: Vec<(&str, &str)> = text.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
            return formats::picture::with_text(&bytes, &text).map_err(ApiError::internal);
        }
        Format::Jpeg => {
            let quality = wanted.quality.unwrap_or(JPEG_QUALITY).clamp(1, 100);
            let mut encoder = JpegEncoder::new_with_quality(&mut bytes, quality);
            exif.map_or(Ok(()), |exif| encoder.set_exif_metadata(exif)).map_err(ApiError::internal)?;
            encoder.write_image(pixels, width, height, colour)
        }
        Format::Webp => {
            let mut encoder = WebPEncoder::new_lossless(&mut bytes);
            exif.map_or(Ok(()), |exif| encoder.set_exif_metadata(exif)).map_err(ApiError::internal)?;
            encoder.write_image(pixels, width, height, colour)
        }
    }
    .map_err(ApiError::internal)?;
    Ok(bytes)
}

/// A colour written `#rrggbb`.
pub fn colour(field: &str, text: &str) -> Result<[u8; 3], ApiError> {
    let digits = text.strip_prefix('#').unwrap_or(text);
    let parsed = (digits.len() == 6 && digits.is_ascii()).then(|| u32::from_str_radix(digits, 16).ok()).flatten();
    let value = parsed.ok_or_else(|| ApiError::field(field, "is not a colour such as #ffffff"))?;
    Ok([(value >> 16) as u8, (value >> 8) as u8, value as u8])
}

#[cfg(test)]
mod tests {
    use super::*;
    use formats::picture::{PARAMETERS_KEY, RECIPE_KEY};

    fn picture() -> RgbaImage {
        RgbaImage::from_fn(8, 4, |x, _| image::Rgba([255, 0, 0, if x < 4 { 255 } else { 0 }]))
    }

    #[test]
    fn formats_come_back() {
        let text = [(RECIPE_KEY, "{}"), (PARAMETERS_KEY, "ein Haus 🏠\nSteps: 4")].map(|(k, v)| (k.into(), v.into()));
        for format in [Format::Png, Format::Jpeg, Format::Webp] {
            let bytes = encode(&picture(), Wanted { format, ..Wanted::default() }, &text).unwrap();
            let (again, found) = read("image", &bytes).unwrap();
            assert_eq!(found, text, "{format:?}");
            assert_eq!(again.dimensions(), (8, 4), "{format:?}");
            let ground = if format == Format::Jpeg { 255 } else { 0 };
            assert_eq!(again.get_pixel(7, 0)[3], ground, "{format:?}");
        }
        let wanted = Wanted { ground: Some([0, 0, 255]), ..Wanted::default() };
        let (blue, found) = read("image", &encode(&picture(), wanted, &text).unwrap()).unwrap();
        assert_eq!((blue.get_pixel(7, 0).0, found.as_slice()), ([0, 0, 255, 255], text.as_slice()));
        let png = Bytes::from(png(&picture()).unwrap());
        let small = convert(png, Wanted { width: Some(4), ..Wanted::default() }).unwrap();
        assert_eq!(decode("image", &small).unwrap().dimensions(), (4, 2));
    }

    #[test]
    fn bombs_and_rubbish_are_refused() {
        let mut wide = encode(&picture(), Wanted { format: Format::Jpeg, ..Wanted::default() }, &[]).unwrap();
        let at = wide.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
        wide[at + 5..at + 9].copy_from_slice(&[0xff, 0xff, 0xff, 0xff]);
        let svg = b"<svg xmlns='http://www.w3.org/2000/svg'/>".to_vec();
        let gif = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;".to_vec();
        for bytes in [wide, svg, gif, Vec::new(), vec![0; 1000], b"\x89PNG\r\n\x1a\n".to_vec()] {
            assert_eq!(decode("image", &bytes).unwrap_err().field.as_deref(), Some("image"));
        }
    }

    #[test]
    fn colours() {
        assert_eq!(colour("background", "#ff0080").unwrap(), [255, 0, 128]);
        for bad in ["", "#fff", "#gggggg", "#ff00zz", "white", "é1234"] {
            assert!(colour("background", bad).is_err(), "{bad}");
        }
    }
}
