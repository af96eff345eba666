//! Scalar definitions of the pixel shuffles in f64; see `crate::elementwise` for shapes.

use crate::elementwise::PixelShape;

/// `f(position in the coarse picture, position in the fine one)` for each value.
fn for_values(shape: &PixelShape, mut f: impl FnMut(usize, usize)) {
    let PixelShape { batch, height, width, channels, factor } = *shape;
    for b in 0..batch {
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            for (dy, dx) in (0..factor).flat_map(|dy| (0..factor).map(move |dx| (dy, dx))) {
                for c in 0..channels {
                    let coarse = (b * height + y) * width + x;
                    let fine = ((b * height + y) * factor + dy) * width * factor + x * factor + dx;
                    f((coarse * channels + c) * factor * factor + dy * factor + dx, fine * channels + c);
                }
            }
        }
    }
}

/// Definition of `elementwise::pixel_shuffle`.
pub fn pixel_shuffle(shape: &PixelShape, x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    for_values(shape, |coarse, fine| y[fine] = x[coarse]);
    y
}

/// Definition of `elementwise::pixel_unshuffle`.
pub fn pixel_unshuffle(shape: &PixelShape, x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    for_values(shape, |coarse, fine| y[coarse] = x[fine]);
    y
}
