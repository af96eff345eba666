//! Noise between that of two seeds, so that a picture changes little by little: A1111's "variation seed"
//! (`modules/rng.py`, `slerp`).

use crate::elementary::sin_cos;

/// Vectors whose cosine is above this are mixed in a straight line: the arc between them says nothing.
const PARALLEL: f64 = 0.9995;

/// Turns `noise` by the share `strength`, 0..=1, of the arc that leads to `other`. Both are `[outer, inner, columns]`; each run
/// along `inner` is turned by itself. A1111 does so with the columns of each channel, `[channels, height, width]`.
pub fn slerp(strength: f32, noise: &mut [f32], other: &[f32], [outer, inner, columns]: [usize; 3]) {
    assert!(noise.len() == outer * inner * columns && other.len() == noise.len());
    let strength = f64::from(strength);
    for plane in 0..outer {
        for column in 0..columns {
            let at = |i: usize| (plane * inner + i) * columns + column;
            let sum = |a: &[f32], b: &[f32]| (0..inner).map(|i| f64::from(a[at(i)]) * f64::from(b[at(i)])).sum::<f64>();
            let norms = (sum(noise, noise) * sum(other, other)).sqrt();
            let cosine = if norms > 0.0 { sum(noise, other) / norms } else { 1.0 };
            let (own, others) = if cosine > PARALLEL {
                (1.0 - strength, strength)
            } else {
                let angle = arc_cosine(cosine);
                let sine = |x: f64| sin_cos(x).0;
                (sine((1.0 - strength) * angle) / sine(angle), sine(strength * angle) / sine(angle))
            };
            for i in (0..inner).map(at) {
                noise[i] = (own * f64::from(noise[i]) + others * f64::from(other[i])) as f32;
            }
        }
    }
}

/// The angle in (0, π) with this cosine, by halving: of plain operations like the noise, so the bits are the same everywhere.
fn arc_cosine(cosine: f64) -> f64 {
    let (mut low, mut high) = (0.0, std::f64::consts::PI);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if sin_cos(middle).1 > cosine { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{NoiseAddress, Purpose, fill_normal};

    fn noise(seed: u64) -> Vec<f32> {
        let mut values = vec![0.0; 4 * 6 * 5];
        fill_normal(NoiseAddress { seed, image: 0, step: 0, purpose: Purpose::Initial }, &mut values);
        values
    }

    #[test]
    fn ends_are_the_noises_and_the_way_is_an_arc() {
        let (from, to) = (noise(1), noise(2));
        let turned = |strength: f32, shape| {
            let mut values = from.clone();
            slerp(strength, &mut values, &to, shape);
            values
        };
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).all(|(a, b)| (a - b).abs() <= 1e-5);
        for shape in [[1, 120, 1], [4, 6, 5]] {
            assert!(near(&turned(0.0, shape), &from) && near(&turned(1.0, shape), &to), "{shape:?}");
        }
        // By the formula, with the library's functions, for the second column of the third plane.
        let run = |values: &[f32]| (0..6).map(|i| f64::from(values[(2 * 6 + i) * 5 + 1])).collect::<Vec<f64>>();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (a, b) = (run(&from), run(&to));
        let angle = (dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()).acos();
        let expected = a.iter().zip(&b).map(|(a, b)| (a * (0.7 * angle).sin() + b * (0.3 * angle).sin()) / angle.sin());
        for (found, expected) in run(&turned(0.3, [4, 6, 5])).into_iter().zip(expected) {
            assert!((found - expected).abs() <= 1e-5, "{found} {expected}");
        }
    }

    #[test]
    fn the_same_noise_stays() {
        let mut values = noise(1);
        slerp(0.5, &mut values, &noise(1), [1, 120, 1]);
        assert!(values.iter().zip(noise(1)).all(|(a, b)| (a - b).abs() <= 1e-6));
        let mut nothing = [0.0; 4];
        slerp(0.5, &mut nothing, &[0.0; 4], [1, 4, 1]);
        assert_eq!(nothing, [0.0; 4]);
    }
}
