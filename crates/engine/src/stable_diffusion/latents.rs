//! Between the streams of noise, which know channels first, and the networks, which know channels last; and masks of latents.

/// Values `[C, n]` to `[n, C]`.
pub(super) fn channels_last(values: &[f32], channels: usize) -> Vec<f32> {
    let cells = values.len() / channels;
    (0..values.len()).map(|at| values[at % channels * cells + at / channels]).collect()
}

/// A mask of pixels `[H, W]`, 255 = draw anew, to the mean over each cell of `factor`² pixels, `[h, w]` in 0..=1.
pub(super) fn mean_mask(mask: &[u8], width: usize, factor: usize) -> Vec<f32> {
    let scale = 1.0 / (255 * factor * factor) as f32;
    let cells = width / factor;
    let mut sums = vec![0u32; mask.len() / (factor * factor)];
    for (y, row) in mask.chunks_exact(width).enumerate() {
        for (x, &value) in row.iter().enumerate() {
            sums[y / factor * cells + x / factor] += u32::from(value);
        }
    }
    sums.into_iter().map(|sum| sum as f32 * scale).collect()
}

/// The same as inpainting models were trained to see it: the first pixel of each cell, 1 = draw anew from half white on.
pub(super) fn nearest_mask(mask: &[u8], width: usize, factor: usize) -> Vec<f32> {
    let first = |row: &[u8]| -> Vec<f32> { row.iter().step_by(factor).map(|&m| f32::from(is_anew(m))).collect() };
    mask.chunks_exact(width).step_by(factor).flat_map(first).collect()
}

/// Whether an inpainting model draws this pixel.
pub(super) fn is_anew(mask: u8) -> bool {
    mask >= 128
}

/// `denoised := mask·denoised + (1 - mask)·kept`, `[n, C]` under a mask `[n]`.
pub(super) fn keep(mask: &[f32], kept: &[f32], denoised: &mut [f32]) {
    let channels = denoised.len() / mask.len();
    let cells = denoised.chunks_exact_mut(channels).zip(kept.chunks_exact(channels));
    for ((new, old), &anew) in cells.zip(mask) {
        for (new, old) in new.iter_mut().zip(old) {
            *new = anew * *new + (1.0 - anew) * old;
        }
    }
}

/// Colours `[n, 3]` in [-1, 1] to opaque RGBA8.
pub(super) fn to_pixels(colours: &[f32]) -> Vec<u8> {
    let byte = |value: f32| ((value * 0.5 + 0.5).clamp(0.0, 1.0) * 255.0).round_ties_even() as u8;
    colours.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [byte(r), byte(g), byte(b), 255]).collect()
}

/// Colours `[n, 3]` to the opaque RGBA `[n, 4]` that previews are made of.
pub(super) fn opaque(colours: &[f32]) -> Vec<f32> {
    colours.as_chunks::<3>().0.iter().flat_map(|&[r, g, b]| [r, g, b, 1.0].map(|v| v.clamp(-1.0, 1.0))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_and_masks() {
        assert_eq!(channels_last(&[1.0, 2.0, 3.0, 10.0, 20.0, 30.0], 2), [1.0, 10.0, 2.0, 20.0, 3.0, 30.0]);
        let mask = [255, 0, 0, 0, 255, 0, 0, 255];
        assert_eq!(mean_mask(&mask, 4, 2), [0.5, 0.25]);
        assert_eq!(nearest_mask(&mask, 4, 2), [1.0, 0.0]);
        let mut denoised = [1.0, 1.0, 1.0, 1.0];
        keep(&[0.0, 0.5], &[3.0, 5.0, 3.0, 5.0], &mut denoised);
        assert_eq!(denoised, [3.0, 5.0, 2.0, 3.0]);
        assert_eq!(to_pixels(&[-1.0, 0.0, 9.0]), [0, 128, 255, 255]);
    }
}
