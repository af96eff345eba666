//! Sinusoidal features of numbers: the vector of SDXL, pooled text and picture sizes (arXiv 2307.01952, section 2.2), and the
//! guidance scale of latent consistency models (arXiv 2310.04378, section 4.2).

use models::unet::Family;

use crate::Size;

/// Longest period of the features.
const MAX_PERIOD: f64 = 10_000.0;
/// How beautiful the refiner is told a picture is that it should draw, and one that it should keep away from.
const SCORES: [f32; 2] = [6.0, 2.5];

/// The numbers beside the pooled text: height and width of the original picture, top and left of the crop, then height and
/// width of the target; the refiner has a score instead of the target. `side`: 0 of the prompt, 1 of the negative one.
fn numbers(family: Family, size: Size, side: usize) -> Vec<f32> {
    let (height, width) = (size.height as f32, size.width as f32);
    match family {
        Family::SdxlRefiner => vec![height, width, 0.0, 0.0, SCORES[side]],
        _ => vec![height, width, 0.0, 0.0, height, width],
    }
}

/// The vector `[V]` of one side.
pub(super) fn vector(family: Family, pooled: &[f32], size: Size, side: usize, width: usize) -> Vec<f32> {
    let numbers = numbers(family, size, side);
    let features = width.saturating_sub(pooled.len()) / numbers.len();
    let half = features / 2;
    let mut vector = pooled.to_vec();
    for number in numbers {
        let angle = |i: usize| f64::from(number) * (-MAX_PERIOD.ln() * i as f64 / half.max(1) as f64).exp();
        vector.extend((0..half).map(|i| angle(i).cos() as f32));
        vector.extend((0..half).map(|i| angle(i).sin() as f32));
    }
    vector.resize(width, 0.0);
    vector
}

/// The features `[width]` of a guidance scale, sines first. What counts is how far it is above 1, in thousandths.
pub(super) fn guidance_features(scale: f32, width: usize) -> Vec<f32> {
    let half = width / 2;
    let number = 1000.0 * f64::from(scale - 1.0);
    // Other than above, the last period is the longest.
    let angle = |i: usize| number * (-MAX_PERIOD.ln() * i as f64 / (half.max(2) - 1) as f64).exp();
    let mut features: Vec<f32> = (0..half).map(|i| angle(i).sin() as f32).collect();
    features.extend((0..half).map(|i| angle(i).cos() as f32));
    features.resize(width, 0.0);
    features
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_widths_are_filled() {
        let size = Size { width: 768, height: 1024 };
        let base = vector(Family::Sdxl, &[0.5; 1280], size, 0, 2816);
        assert_eq!((base.len(), base[1279]), (2816, 0.5));
        assert_eq!(base[1280], (1024.0f64).cos() as f32);
        assert_eq!(base[1280 + 128], (1024.0f64).sin() as f32);
        // Top and left of the crop: cosines of zero, then sines.
        assert_eq!((base[1280 + 2 * 256], base[1280 + 2 * 256 + 128]), (1.0, 0.0));
        let refiner = |side| vector(Family::SdxlRefiner, &[0.5; 1280], size, side, 2560);
        assert_eq!(refiner(0)[1280 + 4 * 256], (6.0f64).cos() as f32);
        assert_eq!(refiner(1)[1280 + 4 * 256], (2.5f64).cos() as f32);
    }
}
