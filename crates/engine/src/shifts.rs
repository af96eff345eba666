//! One picture at several places of the network's grid.
//!
//! The network sees patches, and its detail network places of four pixels: where they meet, its error jumps. At another place
//! the same picture meets the grid elsewhere, so the mean of predictions made at several places has smaller jumps and a smaller
//! error ("cycle spinning": Coifman & Donoho, "Translation-invariant de-noising", 1995). Around the moved picture is what is
//! around pictures: nothing, with the noise of that time. Measured in `docs/adr/0021-the-last-prediction-at-three-places.md`.

use models::jit::Config;
use sampling::noise::{NoiseAddress, Purpose, fill_normal};

use crate::Size;

/// The time from which on a prediction gains. Before it, nearer to noise, a picture at another place is predicted so much worse
/// that the mean loses.
const FROM: f32 = 1.0 / 3.0;
/// At how many places a prediction can be made.
pub const MAX_SHIFTS: u32 = 3;
/// Premultiplied values of nothing.
const NOTHING: f32 = -1.0;

/// Whether the prediction at `t` is made at several places: the last, which becomes the picture, if it is late enough.
pub(crate) fn apply(times: &[f32], t: f32) -> bool {
    times.len() >= 2 && t == times[times.len() - 2] && t <= FROM
}

/// Where pictures are moved: one patch wider and higher than they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Canvas {
    picture: Size,
    pub(crate) size: Size,
    patch: usize,
    channels: usize,
    noise_scale: f32,
}

impl Canvas {
    pub(crate) fn new(config: &Config, picture: Size) -> Self {
        let &Config { patch, channels, noise_scale, .. } = config;
        let size = Size { width: picture.width + patch as u32, height: picture.height + patch as u32 };
        Self { picture, size, patch, channels, noise_scale }
    }

    /// The places beside the picture's own, if there are `count` in all. With patches of 32 they are (18, 18) and (25, 9), which
    /// also lie differently on places of four.
    pub(crate) fn shifts(self, count: u32) -> impl Iterator<Item = Shift> {
        let part = |quarters: usize, more: usize| (quarters * self.patch / 4 + more) % self.patch;
        [(part(2, 2), part(2, 2)), (part(3, 1), part(1, 1))]
            .into_iter()
            .zip(1..count.min(MAX_SHIFTS))
            .map(move |((right, down), index)| Shift { canvas: self, index, right, down })
    }
}

/// One of the places.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shift {
    canvas: Canvas,
    index: u32,
    right: usize,
    down: usize,
}

impl Shift {
    /// States at time `t`, `[pictures, H, W, channels]`, moved, with nothing around them and the noise of each picture's seed.
    pub(crate) fn moved(self, z: &[f32], seeds: &[u64], t: f32) -> Vec<f32> {
        let Canvas { picture, size, channels, noise_scale, .. } = self.canvas;
        let mut out = vec![0.0; seeds.len() * size.pixels() * channels];
        let pictures = z.chunks_exact(picture.pixels() * channels);
        for ((out, z), &seed) in out.chunks_exact_mut(size.pixels() * channels).zip(pictures).zip(seeds) {
            fill_normal(NoiseAddress { seed, image: 0, step: self.index, purpose: Purpose::Surroundings }, out);
            out.iter_mut().for_each(|value| *value = t * noise_scale * *value + (1.0 - t) * NOTHING);
            for (y, row) in z.chunks_exact(picture.width as usize * channels).enumerate() {
                out[self.row(y)..][..row.len()].copy_from_slice(row);
            }
        }
        out
    }

    /// Adds the pictures' own part of `moved` to `sum`, `[pictures, H, W, channels]`.
    pub(crate) fn add_back(self, moved: &[f32], sum: &mut [f32]) {
        let Canvas { picture, size, channels, .. } = self.canvas;
        let pictures = sum.chunks_exact_mut(picture.pixels() * channels);
        for (sum, moved) in pictures.zip(moved.chunks_exact(size.pixels() * channels)) {
            for (y, row) in sum.chunks_exact_mut(picture.width as usize * channels).enumerate() {
                let moved = &moved[self.row(y)..][..row.len()];
                row.iter_mut().zip(moved).for_each(|(sum, value)| *sum += value);
            }
        }
    }

    /// Where row `y` of the picture begins on the canvas.
    fn row(self, y: usize) -> usize {
        ((y + self.down) * self.canvas.size.width as usize + self.right) * self.canvas.channels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: Size = Size { width: 5, height: 3 };

    fn canvas(patch: usize) -> Canvas {
        Canvas::new(&Config { patch, ..Config::default() }, PICTURE)
    }

    #[test]
    fn what_is_moved_comes_back() {
        for patch in [1, 2, 4, 32] {
            let canvas = canvas(patch);
            let values = PICTURE.pixels() * canvas.channels;
            let z: Vec<f32> = (0..2 * values).map(|i| i as f32).collect();
            for shift in canvas.shifts(MAX_SHIFTS) {
                let moved = shift.moved(&z, &[7, 8], 0.25);
                assert_eq!(moved.len(), 2 * canvas.size.pixels() * canvas.channels);
                let mut sum = z.clone();
                shift.add_back(&moved, &mut sum);
                assert!(sum.iter().zip(&z).all(|(sum, z)| *sum == 2.0 * z), "{shift:?}");
                // A picture's surroundings are its own, whatever is beside it.
                assert_eq!(shift.moved(&z[values..], &[8], 0.25), moved[moved.len() / 2..]);
            }
        }
    }

    #[test]
    fn surroundings_are_nothing_with_noise() {
        let canvas = canvas(32);
        let z = vec![-1.0; PICTURE.pixels() * canvas.channels];
        let shift = canvas.shifts(2).next().unwrap();
        assert!(shift.moved(&z, &[1], 0.0).iter().all(|value| *value == NOTHING));
        let noisy = shift.moved(&z, &[1], 0.5);
        let mean = noisy.iter().sum::<f32>() / noisy.len() as f32;
        assert!((mean + 0.5).abs() < 0.05, "{mean}");
    }

    #[test]
    fn places_lie_differently_on_every_grid() {
        let shifts: Vec<_> = canvas(32).shifts(9).map(|shift| (shift.right, shift.down)).collect();
        assert_eq!(shifts, [(18, 18), (25, 9)]);
        assert_eq!(canvas(32).shifts(2).count(), 1);
        assert_eq!(canvas(32).shifts(1).count(), 0);
    }

    #[test]
    fn only_late_last_predictions() {
        assert!(apply(&[1.0, 0.5, 0.25, 0.0], 0.25));
        assert!(!apply(&[1.0, 0.5, 0.25, 0.0], 0.5));
        assert!(!apply(&[1.0, 0.5, 0.0], 0.5));
        assert!(!apply(&[1.0], 1.0) && !apply(&[], 1.0));
    }
}
