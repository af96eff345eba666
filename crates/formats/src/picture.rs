//! Pictures: PNG, 8-bit RGBA with straight alpha, with text chunks that carry the recipe. Reading is the one entrance for
//! PNG bytes from outside, with limits on sides, area and text that hold before anything is allocated.

use crate::atomic::{WriteError, write_bytes_atomic};
use png::text_metadata::{EncodableTextChunk, ITXtChunk, TEXtChunk};
use std::path::Path;

/// Longest side, pixels.
pub const MAX_SIDE: u32 = 8192;
/// Largest area, pixels.
pub const MAX_AREA: u64 = 40_000_000;
/// Most bytes of all text chunks together, as stored and as read.
pub const MAX_TEXT: usize = 1 << 20;
/// Key of the text chunk that holds the recipe as JSON.
pub const RECIPE_KEY: &str = "calotype";
/// Key of the text chunk other programs read.
pub const PARAMETERS_KEY: &str = "parameters";

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// A decoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// `[height, width, 4] u8`, straight alpha.
    pub pixels: Vec<u8>,
    /// Text chunks in the order of the file: key, text.
    pub text: Vec<(String, String)>,
}

impl Picture {
    /// The first text of this key.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.text.iter().find(|(found, _)| found == key).map(|(_, text)| text.as_str())
    }
}

/// What can be wrong with a picture.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)] // The message of each says what its fields are.
pub enum PictureError {
    #[error("not a PNG file")]
    NotPng,
    #[error("the PNG is cut off at byte {at}")]
    Truncated { at: usize },
    #[error("{width} x {height} pixels: sides are 1 to {MAX_SIDE}, the area at most {MAX_AREA}")]
    Size { width: u32, height: u32 },
    #[error("{found} bytes of text; at most {MAX_TEXT} are accepted")]
    TooMuchText { found: usize },
    #[error("the PNG is animated; one frame is accepted")]
    Animated,
    #[error("{found} bytes of pixels were given, {expected} are needed")]
    Pixels { expected: usize, found: usize },
    #[error("text chunk `{key}`: {message}")]
    Text { key: String, message: String },
    #[error("not a valid PNG: {0}")]
    Decode(#[from] png::DecodingError),
    #[error("cannot encode: {0}")]
    Encode(#[from] png::EncodingError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("cannot read {path}: {source}")]
    Io { path: String, source: std::io::Error },
    #[error("{path}: {source}")]
    File { path: String, source: Box<Self> },
}

/// Encodes pixels `[height, width, 4] u8` (straight alpha) with text chunks (`tEXt` when Latin-1 suffices, else `iTXt`).
pub fn encode(width: u32, height: u32, pixels: &[u8], text: &[(&str, &str)]) -> Result<Vec<u8>, PictureError> {
    let expected = checked_pixels(width, height)? * 4;
    if pixels.len() != expected {
        return Err(PictureError::Pixels { expected, found: pixels.len() });
    }
    let found = text.iter().map(|(key, text)| key.len() + text.len()).sum();
    if found > MAX_TEXT - 64 * text.len().min(1024) {
        return Err(PictureError::TooMuchText { found });
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    for (key, text) in text {
        let added = if is_latin1(text) {
            encoder.add_text_chunk((*key).to_owned(), (*text).to_owned())
        } else {
            encoder.add_itxt_chunk((*key).to_owned(), (*text).to_owned())
        };
        added.map_err(|error| PictureError::Text { key: (*key).to_owned(), message: error.to_string() })?;
    }
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(bytes)
}

/// A PNG file with these text chunks in the place of those with the same keys; the pixels stay as they are stored.
pub fn with_text(png: &[u8], text: &[(&str, &str)]) -> Result<Vec<u8>, PictureError> {
    scan(png)?;
    let mut added = Vec::new();
    for (key, text) in text {
        let done = match is_latin1(text) {
            true => TEXtChunk::new(*key, *text).encode(&mut added),
            false => ITXtChunk::new(*key, *text).encode(&mut added),
        };
        done.map_err(|error| PictureError::Text { key: (*key).to_owned(), message: error.to_string() })?;
    }
    let mut out = SIGNATURE.to_vec();
    let mut rest = &png[SIGNATURE.len()..];
    while let Some((&[a, b, c, d, ref kind @ ..], content)) = rest.split_first_chunk::<8>() {
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let truncated = PictureError::Truncated { at: png.len() - rest.len() };
        let Some((whole, after)) = rest.split_at_checked(12 + length) else { return Err(truncated) };
        let has = |key: &str| content.strip_prefix(key.as_bytes()).is_some_and(|rest| rest.first() == Some(&0));
        if !(is_text(kind) && text.iter().any(|(key, _)| has(key))) {
            out.extend_from_slice(whole);
        }
        match kind {
            b"IHDR" => out.extend_from_slice(&added),
            b"IEND" => break,
            _ => {}
        }
        rest = after;
    }
    Ok(out)
}

/// [`encode`], then an atomic write.
pub fn write(path: &Path, width: u32, height: u32, pixels: &[u8], text: &[(&str, &str)]) -> Result<(), PictureError> {
    Ok(write_bytes_atomic(path, &encode(width, height, pixels, text)?)?)
}

/// Decodes any one-frame PNG to RGBA8.
pub fn decode(bytes: &[u8]) -> Result<Picture, PictureError> {
    let (width, height) = scan(bytes)?;
    let mut decoder = png::Decoder::new_with_limits(std::io::Cursor::new(bytes), png::Limits { bytes: 16 << 20 });
    decoder.set_transformations(
        png::Transformations::EXPAND | png::Transformations::ALPHA | png::Transformations::STRIP_16,
    );
    decoder.set_ignore_iccp_chunk(true);
    let mut reader = decoder.read_info()?;
    let mut raw = vec![0; reader.output_buffer_size().ok_or(PictureError::Size { width, height })?];
    let frame = reader.next_frame(&mut raw)?;
    raw.truncate(frame.buffer_size());
    reader.finish()?;
    let expected = checked_pixels(width, height)? * 4;
    let mut pixels = raw;
    if frame.color_type == png::ColorType::GrayscaleAlpha {
        let mut rgba = Vec::with_capacity(expected);
        for &[grey, alpha] in pixels.as_chunks::<2>().0 {
            rgba.extend_from_slice(&[grey, grey, grey, alpha]);
        }
        pixels = rgba;
    }
    if pixels.len() != expected {
        return Err(PictureError::Pixels { expected, found: pixels.len() });
    }
    Ok(Picture { width, height, pixels, text: texts(reader.info())? })
}

/// Reads and decodes a PNG file; whatever is wrong, the error names the file.
pub fn read(path: &Path) -> Result<Picture, PictureError> {
    use std::io::Read;
    let name = || path.display().to_string();
    let failed = |source| PictureError::Io { path: name(), source };
    let mut bytes = Vec::new();
    // The largest accepted picture takes 160 MB raw; a longer file is cut here and found truncated.
    std::fs::File::open(path).map_err(failed)?.take(256 << 20).read_to_end(&mut bytes).map_err(failed)?;
    decode(&bytes).map_err(|error| PictureError::File { path: name(), source: Box::new(error) })
}

/// Model output to pixels: premultiplied RGBA in [-1, 1], `[pixels, 4] f32`, to straight RGBA8. NaN counts as -1.
pub fn unpremultiply(values: &[f32]) -> Vec<u8> {
    let unit = |value: f32| (if value.is_nan() { -1.0 } else { value.clamp(-1.0, 1.0) } + 1.0) * 0.5;
    let byte = |value: f32| (value.min(1.0) * 255.0).round() as u8;
    values
        .as_chunks::<4>()
        .0
        .iter()
        .flat_map(|pixel| {
            let [r, g, b, a] = pixel.map(unit);
            if byte(a) == 0 { [0; 4] } else { [byte(r / a), byte(g / a), byte(b / a), byte(a)] }
        })
        .collect()
}

/// Pixels to model input: straight RGBA8 to premultiplied RGBA in [-1, 1], `[pixels, 4] f32`.
pub fn premultiply(pixels: &[u8]) -> Vec<f32> {
    pixels
        .as_chunks::<4>()
        .0
        .iter()
        .flat_map(|&[r, g, b, a]| {
            let alpha = f32::from(a) / 255.0;
            let colour = |value: u8| f32::from(value) / 255.0 * alpha * 2.0 - 1.0;
            [colour(r), colour(g), colour(b), alpha * 2.0 - 1.0]
        })
        .collect()
}

/// Whether `tEXt` can hold it.
fn is_latin1(text: &str) -> bool {
    text.chars().all(|c| c != '\0' && u32::from(c) < 256)
}

fn is_text(kind: &[u8; 4]) -> bool {
    matches!(kind, b"tEXt" | b"zTXt" | b"iTXt")
}

fn checked_pixels(width: u32, height: u32) -> Result<usize, PictureError> {
    let area = u64::from(width) * u64::from(height);
    if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE || area > MAX_AREA {
        return Err(PictureError::Size { width, height });
    }
    Ok(area as usize)
}

/// Walks the chunks without decoding: size, text and animation are judged before memory is spent. Returns width and height.
fn scan(bytes: &[u8]) -> Result<(u32, u32), PictureError> {
    let mut rest = bytes.strip_prefix(SIGNATURE).ok_or(PictureError::NotPng)?;
    let mut size = None;
    let mut text = 0usize;
    loop {
        let truncated = PictureError::Truncated { at: bytes.len() - rest.len() };
        let Some((&[a, b, c, d, ref kind @ ..], after)) = rest.split_first_chunk::<8>() else {
            return Err(truncated);
        };
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        let Some(content) = after.get(..length) else {
            return Err(truncated);
        };
        match kind {
            b"IHDR" => {
                let Some((&[w0, w1, w2, w3, h0, h1, h2, h3], _)) = content.split_first_chunk::<8>() else {
                    return Err(PictureError::NotPng);
                };
                let found = (u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3]));
                checked_pixels(found.0, found.1)?;
                if size.replace(found).is_some() {
                    return Err(PictureError::NotPng);
                }
            }
            b"acTL" | b"fcTL" | b"fdAT" => return Err(PictureError::Animated),
            kind if is_text(kind) => {
                text += length;
                if text > MAX_TEXT {
                    return Err(PictureError::TooMuchText { found: text });
                }
            }
            b"IEND" => return size.ok_or(PictureError::NotPng),
            _ => {}
        }
        if size.is_none() {
            return Err(PictureError::NotPng);
        }
        rest = after.get(length + 4..).ok_or(truncated)?;
    }
}

/// All text chunks, unpacked within the limit.
fn texts(info: &png::Info) -> Result<Vec<(String, String)>, PictureError> {
    let mut found = Vec::new();
    let mut total = 0;
    let mut add = |key: &str, text: String| {
        total += key.len() + text.len();
        found.push((key.to_owned(), text));
        // A Latin-1 byte takes up to two bytes of UTF-8.
        if total > 2 * MAX_TEXT { Err(PictureError::TooMuchText { found: total }) } else { Ok(()) }
    };
    let bad =
        |key: &str, error: png::DecodingError| PictureError::Text { key: key.to_owned(), message: error.to_string() };
    for chunk in &info.uncompressed_latin1_text {
        add(&chunk.keyword, chunk.text.clone())?;
    }
    for chunk in &info.compressed_latin1_text {
        let mut chunk = chunk.clone();
        chunk.decompress_text_with_limit(MAX_TEXT).map_err(|error| bad(&chunk.keyword, error))?;
        add(&chunk.keyword, chunk.get_text().map_err(|error| bad(&chunk.keyword, error))?)?;
    }
    for chunk in &info.utf8_text {
        let mut chunk = chunk.clone();
        chunk.decompress_text_with_limit(MAX_TEXT).map_err(|error| bad(&chunk.keyword, error))?;
        add(&chunk.keyword, chunk.get_text().map_err(|error| bad(&chunk.keyword, error))?)?;
    }
    Ok(found)
}
