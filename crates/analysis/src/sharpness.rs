//! Sharpness as the variance of the Laplacian (Pech-Pacheco et al., "Diatom autofocusing in brightfield microscopy", ICPR 2000).

use crate::Picture;

/// Variance of the 4-neighbour Laplacian of luma (0..=255, Rec. 601, over white); the border is mirrored about its pixels, as
/// OpenCV and `scipy.ndimage` (`mirror`) do. 0 is a flat picture; below about 100 at 1024 pixels most people say "soft". It
/// grows with noise and depends on the size, so compare pictures of one size.
pub fn sharpness(picture: &Picture) -> f64 {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let luma = picture.luma();
    let mirrored = |at: usize, length: usize| {
        let before = if at == 0 { 1.min(length - 1) } else { at - 1 };
        let after = if at + 1 == length { length.saturating_sub(2) } else { at + 1 };
        (before, after)
    };
    let (mut sum, mut squares) = (0.0_f64, 0.0_f64);
    for y in 0..height {
        let (above, below) = mirrored(y, height);
        for x in 0..width {
            let (left, right) = mirrored(x, width);
            let at = |x: usize, y: usize| f64::from(luma[y * width + x]);
            let value = at(left, y) + at(right, y) + at(x, above) + at(x, below) - 4.0 * at(x, y);
            sum += value;
            squares += value * value;
        }
    }
    let count = (width * height) as f64;
    (squares / count - (sum / count).powi(2)).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(width: u32, height: u32, value: impl Fn(u32, u32) -> u8) -> Picture {
        let pixels = (0..height)
            .flat_map(|y| (0..width).map(move |x| (x, y)))
            .flat_map(|(x, y)| {
                let v = value(x, y);
                [v, v, v, 255]
            })
            .collect();
        Picture::new(width, height, pixels).unwrap()
    }

    #[test]
    fn equals_scipy() {
        // tests/golden/sharpness.py
        let picture = grey(17, 11, |x, y| ((x * 37 + y * 91 + x * y * 5) % 251) as u8);
        let golden = 149_197.152_620_892_8;
        assert!((sharpness(&picture) / golden - 1.0).abs() < 1e-6, "{}", sharpness(&picture));
    }

    #[test]
    fn blur_lowers_it() {
        let sharp = grey(64, 64, |x, y| if (x / 8 + y / 8).is_multiple_of(2) { 20 } else { 230 });
        let soft = grey(64, 64, |x, _| (x * 4) as u8);
        assert!(sharpness(&sharp) > 100.0 * sharpness(&soft));
        assert_eq!(sharpness(&grey(1, 1, |_, _| 7)), 0.0);
        assert_eq!(sharpness(&grey(8192, 1, |_, _| 7)), 0.0);
    }
}
