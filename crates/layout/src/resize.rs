//! Scaling with the Lanczos filter, three lobes, on premultiplied alpha.

use analysis::{Picture, PictureError};
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

/// Scaling failed.
#[derive(Debug, thiserror::Error)]
pub enum ResizeError {
    /// The new size is out of range.
    #[error(transparent)]
    Size(#[from] PictureError),
    /// The library refused.
    #[error("cannot scale to {width} x {height}: {message}")]
    Refused {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// Its words.
        message: String,
    },
}

/// A picture at another size; its aspect is not kept.
pub fn resize(picture: &Picture, width: u32, height: u32) -> Result<Picture, ResizeError> {
    if (picture.width(), picture.height()) == (width, height) {
        return Ok(picture.clone());
    }
    // Checks the size before anything is allocated.
    let target = Picture::filled(width, height, [0; 4])?;
    let refused = |message: String| ResizeError::Refused { width, height, message };
    let source = ImageRef::new(picture.width(), picture.height(), picture.pixels(), PixelType::U8x4)
        .map_err(|error| refused(error.to_string()))?;
    let mut image = Image::from_vec_u8(width, height, target.into_pixels(), PixelType::U8x4)
        .map_err(|error| refused(error.to_string()))?;
    let options =
        ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3)).use_alpha(picture.has_alpha());
    Resizer::new().resize(&source, &mut image, &options).map_err(|error| refused(error.to_string()))?;
    Ok(Picture::new(width, height, image.into_vec())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_do_not_bleed_from_what_is_transparent() {
        // Transparent green beside opaque red: no green may appear.
        let pixels = (0..64).flat_map(|i| if i % 8 < 4 { [0, 255, 0, 0] } else { [200, 0, 0, 255] }).collect();
        let small = resize(&Picture::new(8, 8, pixels).unwrap(), 5, 5).unwrap();
        assert!(small.pixels().chunks_exact(4).all(|p| p[1] == 0 || p[3] == 0), "{:?}", small.pixels());
        assert!(small.pixels().chunks_exact(4).any(|p| p[3] > 0 && p[3] < 255));
    }

    #[test]
    fn limits() {
        let dot = Picture::filled(1, 1, [9, 8, 7, 255]).unwrap();
        assert_eq!(resize(&dot, 8192, 1).unwrap().pixel(8191, 0), Some([9, 8, 7, 255]));
        assert!(matches!(resize(&dot, 0, 5), Err(ResizeError::Size(_))));
        assert!(matches!(resize(&dot, 8192, 8192), Err(ResizeError::Size(_))));
    }
}
