//! Files: JPEG, PNG, WebP, and the best quality that meets a cap of bytes, what metadata takes included.

use formats::{exif, picture as png};
use img_parts::ImageEXIF;
use img_parts::webp::WebP;
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use layout::Picture;
use serde::{Deserialize, Serialize};

/// Best quality that is tried; above it files grow and nothing is seen.
pub const BEST: u8 = 92;
/// Least quality that is tried; below it blocks show.
pub const LEAST: u8 = 40;
/// Quality from which colours keep their full resolution.
const FULL_COLOUR: u8 = 70;

/// A file format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// JPEG, progressive, on white.
    Jpeg,
    /// PNG, without loss.
    Png,
    /// WebP, lossy.
    Webp,
}

impl Format {
    /// Its files' extension.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Webp => "webp",
        }
    }
}

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its format.
    pub format: Format,
    /// Quality, 1..=100; none for formats without loss.
    pub quality: Option<u8>,
}

/// No file came out.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The cap cannot be met.
    #[error("at most {cap} bytes are allowed; the smallest file was {smallest} bytes ({tried})")]
    Cap {
        /// The cap.
        cap: u64,
        /// The smallest file that came out.
        smallest: u64,
        /// What was tried, as `jpeg at quality 40`.
        tried: String,
    },
    /// No format was given.
    #[error("no format to try")]
    NoFormat,
    /// The picture is too large for the format.
    #[error("{width} x {height} pixels do not fit into {format:?}")]
    Size {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// The format.
        format: Format,
    },
    /// PNG failed.
    #[error(transparent)]
    Png(#[from] png::PictureError),
    /// JPEG failed.
    #[error("cannot encode JPEG: {0}")]
    Jpeg(#[from] jpeg_encoder::EncodingError),
    /// WebP failed.
    #[error("cannot encode WebP: {0}")]
    Webp(String),
}

/// One file, with texts inside (key, text): PNG keeps all, JPEG and WebP what EXIF has a place for. `quality` is 1..=100 and
/// means nothing to PNG.
pub fn encode(
    picture: &Picture,
    format: Format,
    quality: u8,
    text: &[(String, String)],
) -> Result<Vec<u8>, EncodeError> {
    let (width, height) = (picture.width(), picture.height());
    let too_large = || EncodeError::Size { width, height, format };
    match format {
        Format::Png => {
            let text: Vec<(&str, &str)> = text.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
            Ok(png::encode(width, height, picture.pixels(), &text)?)
        }
        Format::Jpeg => {
            let mut bytes = Vec::new();
            let mut encoder = Encoder::new(&mut bytes, quality.clamp(1, 100));
            encoder.set_progressive(true);
            encoder.set_optimized_huffman_tables(true);
            let full = quality >= FULL_COLOUR;
            encoder.set_sampling_factor(if full { SamplingFactor::R_4_4_4 } else { SamplingFactor::R_4_2_0 });
            if let Some(block) = exif::encode(text) {
                encoder.add_exif_metadata(&block)?;
            }
            let size = |side: u32| u16::try_from(side).map_err(|_| too_large());
            encoder.encode(&on_white(picture), size(width)?, size(height)?, ColorType::Rgb)?;
            Ok(bytes)
        }
        Format::Webp => {
            let failed = |message: &str| EncodeError::Webp(message.to_owned());
            let mut config = webp::WebPConfig::new().map_err(|()| failed("no configuration"))?;
            config.quality = f32::from(quality.clamp(1, 100));
            config.method = 4;
            let encoder = webp::Encoder::from_rgba(picture.pixels(), width, height);
            let file = encoder.encode_advanced(&config).map_err(|error| failed(&format!("{error:?}")))?.to_vec();
            let Some(block) = exif::encode(text) else { return Ok(file) };
            let mut parts = WebP::from_bytes(file.into()).map_err(|error| failed(&error.to_string()))?;
            parts.set_exif(Some(block.into()));
            let mut bytes = Vec::new();
            parts.encoder().write_to(&mut bytes).map_err(|error| failed(&error.to_string()))?;
            Ok(bytes)
        }
    }
}

/// The best file of at most `cap` bytes in the first format that can meet it, qualities from [`BEST`] down to [`LEAST`].
pub fn encode_within(
    picture: &Picture,
    formats: &[Format],
    cap: Option<u64>,
    text: &[(String, String)],
) -> Result<Encoded, EncodeError> {
    let cap_bytes = cap.unwrap_or(u64::MAX);
    let mut smallest = u64::MAX;
    let mut tried = Vec::new();
    for &format in formats {
        let mut attempt = |quality: u8| -> Result<Option<Vec<u8>>, EncodeError> {
            let bytes = encode(picture, format, quality, text)?;
            smallest = smallest.min(bytes.len() as u64);
            Ok((bytes.len() as u64 <= cap_bytes).then_some(bytes))
        };
        if format == Format::Png {
            if let Some(bytes) = attempt(BEST)? {
                return Ok(Encoded { bytes, format, quality: None });
            }
            tried.push("png".to_owned());
            continue;
        }
        let done = |bytes, quality| Encoded { bytes, format, quality: Some(quality) };
        if let Some(bytes) = attempt(BEST)? {
            return Ok(done(bytes, BEST));
        }
        // The largest quality that fits lies in `low..high`; `best` is the file of `low`.
        let (mut low, mut high) = (LEAST, BEST);
        if let Some(mut best) = attempt(low)? {
            while high - low > 1 {
                let middle = low.midpoint(high);
                match attempt(middle)? {
                    Some(bytes) => (low, best) = (middle, bytes),
                    None => high = middle,
                }
            }
            return Ok(done(best, low));
        }
        tried.push(format!("{} at quality {LEAST}", if format == Format::Jpeg { "jpeg" } else { "webp" }));
    }
    match cap {
        Some(cap) if !formats.is_empty() => Err(EncodeError::Cap { cap, smallest, tried: tried.join(", ") }),
        _ => Err(EncodeError::NoFormat),
    }
}

/// RGB8 on white.
pub(crate) fn on_white(picture: &Picture) -> Vec<u8> {
    let over = |value: u8, alpha: u8| {
        ((u32::from(value) * u32::from(alpha) + 255 * (255 - u32::from(alpha)) + 127) / 255) as u8
    };
    picture.pixels().as_chunks::<4>().0.iter().flat_map(|&[r, g, b, a]| [over(r, a), over(g, a), over(b, a)]).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A picture with much to encode.
    pub(crate) fn busy(width: u32, height: u32) -> Picture {
        let pixels = (0..width * height)
            .flat_map(|i| {
                let (x, y) = (i % width, i / width);
                let v = x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(40_503).wrapping_mul(x | 1);
                [
                    (x * 255 / width) as u8 ^ (v >> 27) as u8,
                    (y * 255 / height) as u8 ^ (v >> 26) as u8,
                    (v >> 25) as u8,
                    255,
                ]
            })
            .collect();
        Picture::new(width, height, pixels).unwrap()
    }

    fn decoded(bytes: &[u8]) -> image::RgbaImage {
        image::load_from_memory(bytes).unwrap().to_rgba8()
    }

    #[test]
    fn files_decode_to_what_went_in() {
        let picture = busy(60, 40);
        for format in [Format::Jpeg, Format::Png, Format::Webp] {
            let image = decoded(&encode(&picture, format, 92, &[]).unwrap());
            assert_eq!(image.dimensions(), (60, 40));
            let off: u64 = image.as_raw().iter().zip(picture.pixels()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            assert!(off / 9600 < if format == Format::Png { 1 } else { 20 }, "{format:?} {off}");
        }
        let clear = Picture::filled(4, 4, [0, 0, 0, 0]).unwrap();
        assert_eq!(decoded(&encode(&clear, Format::Jpeg, 90, &[]).unwrap()).get_pixel(1, 1).0, [255; 4]);
        assert_eq!(decoded(&encode(&clear, Format::Webp, 90, &[]).unwrap()).get_pixel(1, 1).0[3], 0);
    }

    #[test]
    fn metadata_is_inside_and_counts() {
        let picture = busy(64, 64);
        let text =
            vec![("parameters".to_owned(), "a long prompt ".repeat(100)), ("calotype".to_owned(), "{}".to_owned())];
        for format in [Format::Jpeg, Format::Png, Format::Webp] {
            let bare = encode(&picture, format, 80, &[]).unwrap();
            let full = encode(&picture, format, 80, &text).unwrap();
            assert!(full.len() > bare.len() + 1000, "{format:?}");
            assert_eq!(decoded(&full), decoded(&bare));
            // A cap between the two sizes cannot be met at this quality.
            let cap = bare.len() as u64 + 500;
            if let Ok(found) = encode_within(&picture, &[format], Some(cap), &text) {
                assert!(found.bytes.len() as u64 <= cap && found.quality.is_some_and(|q| q < 80));
            }
        }
    }

    #[test]
    fn an_impossible_cap_says_how_far_it_is() {
        let error = encode_within(&busy(300, 200), &[Format::Png, Format::Jpeg], Some(900), &[]).unwrap_err();
        let EncodeError::Cap { cap: 900, smallest, tried } = &error else { panic!("{error}") };
        assert!(*smallest > 900 && tried == "png, jpeg at quality 40", "{error}");
        assert!(matches!(encode_within(&busy(3, 2), &[], Some(9), &[]), Err(EncodeError::NoFormat)));
    }

    #[test]
    fn the_best_quality_under_the_cap_is_found() {
        let picture = busy(160, 120);
        let sizes: Vec<u64> =
            (LEAST..=BEST).map(|q| encode(&picture, Format::Jpeg, q, &[]).unwrap().len() as u64).collect();
        let cap = sizes[25] + 10;
        let found = encode_within(&picture, &[Format::Jpeg], Some(cap), &[]).unwrap();
        let best = (LEAST..=BEST).zip(&sizes).filter(|(_, size)| **size <= cap).map(|(q, _)| q).max().unwrap();
        assert!(found.quality.unwrap().abs_diff(best) <= 1, "{:?} {best}", found.quality);
        let uncapped = encode_within(&picture, &[Format::Jpeg], None, &[]).unwrap();
        assert_eq!(uncapped.quality, Some(BEST));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn a_cap_holds_or_is_refused(width in 1_u32..60, height in 1_u32..60, cap in 1_u64..20_000, format in 0_usize..3) {
            let format = [Format::Jpeg, Format::Png, Format::Webp][format];
            match encode_within(&busy(width, height), &[format], Some(cap), &[]) {
                Ok(found) => prop_assert!(found.bytes.len() as u64 <= cap),
                Err(EncodeError::Cap { smallest, .. }) => prop_assert!(smallest > cap),
                Err(error) => prop_assert!(false, "{error}"),
            }
        }
    }
}
