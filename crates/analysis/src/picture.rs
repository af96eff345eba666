//! Pixels in memory: `[height, width, 4] u8`, straight alpha, rows from the top. The size is checked once, when a picture is
//! made; everything that takes one relies on it.

use formats::picture::{MAX_AREA, MAX_SIDE};

/// A picture: at least 1 × 1, at most [`MAX_SIDE`] a side and [`MAX_AREA`] pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    pixels: Vec<u8>,
}

/// What can be wrong with given pixels.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PictureError {
    /// A side or the area is out of range.
    #[error("{width} x {height} pixels: sides are 1 to {MAX_SIDE}, the area at most {MAX_AREA}")]
    Size {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
    },
    /// The bytes are not those of the size.
    #[error("{width} x {height} pixels take {expected} bytes; {found} were given")]
    Bytes {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Bytes needed.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
}

/// A rectangle of whole pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Rect {
    /// Left edge.
    pub x: u32,
    /// Top edge.
    pub y: u32,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
}

impl Rect {
    /// Width by height.
    pub fn aspect(self) -> f64 {
        f64::from(self.width) / f64::from(self.height.max(1))
    }

    /// Whether two rectangles share a pixel.
    pub fn meets(self, other: Rect) -> bool {
        let apart = |a: u32, la: u32, b: u32, lb: u32| {
            u64::from(a) + u64::from(la) <= u64::from(b) || u64::from(b) + u64::from(lb) <= u64::from(a)
        };
        !apart(self.x, self.width, other.x, other.width) && !apart(self.y, self.height, other.y, other.height)
    }
}

impl Picture {
    /// Takes pixels `[height, width, 4] u8`, straight alpha.
    pub fn new(width: u32, height: u32, pixels: Vec<u8>) -> Result<Self, PictureError> {
        let expected = checked_bytes(width, height)?;
        match pixels.len() == expected {
            true => Ok(Self { width, height, pixels }),
            false => Err(PictureError::Bytes { width, height, expected, found: pixels.len() }),
        }
    }

    /// A picture of one colour.
    pub fn filled(width: u32, height: u32, rgba: [u8; 4]) -> Result<Self, PictureError> {
        let bytes = checked_bytes(width, height)?;
        Ok(Self { width, height, pixels: rgba.repeat(bytes / 4) })
    }

    /// Pixels across.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Pixels down.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Width by height.
    pub fn aspect(&self) -> f64 {
        f64::from(self.width) / f64::from(self.height)
    }

    /// `[height, width, 4] u8`, straight alpha.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// The same, to be changed.
    pub fn pixels_mut(&mut self) -> &mut [u8] {
        &mut self.pixels
    }

    /// The pixels alone.
    pub fn into_pixels(self) -> Vec<u8> {
        self.pixels
    }

    /// The whole as a rectangle.
    pub fn rect(&self) -> Rect {
        Rect { x: 0, y: 0, width: self.width, height: self.height }
    }

    /// The pixel at column `x`, row `y`; none outside.
    pub fn pixel(&self, x: u32, y: u32) -> Option<[u8; 4]> {
        (x < self.width && y < self.height).then(|| self.rgba()[y as usize * self.width as usize + x as usize])
    }

    /// The part of a rectangle that lies inside; at least one pixel.
    pub fn crop(&self, rect: Rect) -> Picture {
        let (x, y) = (rect.x.min(self.width - 1), rect.y.min(self.height - 1));
        let (width, height) = (rect.width.clamp(1, self.width - x), rect.height.clamp(1, self.height - y));
        let row = self.width as usize * 4;
        let pixels = (y..y + height)
            .flat_map(|y| &self.pixels[y as usize * row + x as usize * 4..][..width as usize * 4])
            .copied()
            .collect();
        Picture { width, height, pixels }
    }

    /// Whether some pixel can be seen through.
    pub fn has_alpha(&self) -> bool {
        self.rgba().iter().any(|pixel| pixel[3] < 255)
    }

    /// Pixels as quadruples.
    pub(crate) fn rgba(&self) -> &[[u8; 4]] {
        self.pixels.as_chunks::<4>().0
    }

    /// Luma of each pixel, `[height, width] f32` in 0..=255 (Rec. 601 weights), seen over white.
    pub(crate) fn luma(&self) -> Vec<f32> {
        self.rgba().iter().map(|&pixel| luma(pixel)).collect()
    }

    /// Averages over equal fields, at most `side` fields along the longer side: premultiplied red, green, blue, and alpha, all
    /// 0..=255. Returns fields across, fields down, values `[down, across, 4]`.
    pub(crate) fn fields(&self, side: usize) -> (usize, usize, Vec<[f32; 4]>) {
        let (width, height) = (self.width as usize, self.height as usize);
        let longer = width.max(height);
        let of = |length: usize| (length * side.min(longer)).div_ceil(longer).clamp(1, length);
        let (across, down) = (of(width), of(height));
        let mut sums = vec![[0_u64; 4]; across * down];
        let mut counts = vec![0_u64; across * down];
        for y in 0..height {
            let row = y * down / height * across;
            for x in 0..width {
                let [r, g, b, a] = self.rgba()[y * width + x].map(u64::from);
                let at = row + x * across / width;
                for (sum, value) in sums[at].iter_mut().zip([r * a, g * a, b * a, a * 255]) {
                    *sum += value;
                }
                counts[at] += 1;
            }
        }
        let means =
            sums.iter().zip(&counts).map(|(sum, &count)| sum.map(|s| (s as f64 / (count as f64 * 255.0)) as f32));
        (across, down, means.collect())
    }
}

/// Luma of one pixel over white, 0..=255.
pub(crate) fn luma([r, g, b, a]: [u8; 4]) -> f32 {
    let alpha = f32::from(a) / 255.0;
    (0.299 * f32::from(r) + 0.587 * f32::from(g) + 0.114 * f32::from(b)) * alpha + 255.0 * (1.0 - alpha)
}

fn checked_bytes(width: u32, height: u32) -> Result<usize, PictureError> {
    let area = u64::from(width) * u64::from(height);
    if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE || area > MAX_AREA {
        return Err(PictureError::Size { width, height });
    }
    Ok(area as usize * 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked() {
        assert!(matches!(Picture::new(0, 1, vec![]), Err(PictureError::Size { .. })));
        assert!(matches!(Picture::new(8193, 1, vec![0; 8193 * 4]), Err(PictureError::Size { .. })));
        assert!(matches!(Picture::filled(8192, 8192, [0; 4]), Err(PictureError::Size { .. })));
        let error = Picture::new(2, 2, vec![0; 15]).unwrap_err();
        assert_eq!(error.to_string(), "2 x 2 pixels take 16 bytes; 15 were given");
    }

    #[test]
    fn a_crop_stays_inside() {
        let picture = Picture::new(3, 2, (0..24).collect()).unwrap();
        let crop = picture.crop(Rect { x: 1, y: 1, width: 9, height: 9 });
        assert_eq!((crop.width(), crop.height(), crop.pixels()), (2, 1, &[16, 17, 18, 19, 20, 21, 22, 23][..]));
        let outside = picture.crop(Rect { x: u32::MAX, y: u32::MAX, width: u32::MAX, height: 0 });
        assert_eq!((outside.width(), outside.height()), (1, 1));
    }

    #[test]
    fn fields_keep_the_mean() {
        let picture = Picture::new(5, 3, (0..60).map(|i| if i % 4 == 3 { 255 } else { i * 4 }).collect()).unwrap();
        let (across, down, fields) = picture.fields(1);
        assert_eq!((across, down), (1, 1));
        let mean: f32 = picture.rgba().iter().map(|p| f32::from(p[0])).sum::<f32>() / 15.0;
        assert!((fields[0][0] - mean).abs() < 1e-3 && fields[0][3] == 255.0);
        assert_eq!(picture.fields(96).0, 5);
    }
}
