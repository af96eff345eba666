//! The most different of many pictures: a stated distance, and greedy farthest points (T. Gonzalez, "Clustering to minimize
//! the maximum intercluster distance", 1985: never worse than half the best possible spread).

use crate::colour::{linear, oklab_of_linear};
use crate::{Picture, distance};

/// Fields a side of the small picture that is compared.
const SIDE: usize = 8;
/// What all 64 bits of the hash weigh against one unit of OKLab.
const HASH_WEIGHT: f64 = 0.25;

/// What is compared of a picture: the OKLab colours of 8 × 8 fields (seen over white) and the perceptual hash.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Feature {
    colours: Vec<[f64; 3]>,
    hash: u64,
}

impl Feature {
    /// The feature of a picture.
    pub fn of(picture: &Picture) -> Self {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let (across, down, fields) = picture.fields(64);
        let mut colours = Vec::with_capacity(SIDE * SIDE);
        for row in 0..SIDE {
            for column in 0..SIDE {
                // Field centres, so that pictures of every aspect are compared in the same places.
                let x = (column * 2 + 1) * across / (2 * SIDE);
                let y = (row * 2 + 1) * down / (2 * SIDE);
                let [r, g, b, a] = fields[y.min(down - 1) * across + x.min(across - 1)];
                let over_white = |v: f32| linear((v + 255.0 - a).round().clamp(0.0, 255.0) as u8);
                colours.push(oklab_of_linear([r, g, b].map(over_white)));
            }
        }
        Self { colours, hash: crate::dhash(width, height, picture.pixels()) }
    }

    /// The perceptual hash.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// Root mean square difference of the fields in OKLab, plus 0.25 × the share of differing bits of the hash. A metric:
    /// 0 for equal features, symmetric, and the direct way is the shortest.
    pub fn distance(&self, other: &Self) -> f64 {
        let squares: f64 = self.colours.iter().zip(&other.colours).map(|(a, b)| crate::colour::squared(*a, *b)).sum();
        (squares / (SIDE * SIDE) as f64).sqrt() + HASH_WEIGHT * f64::from(distance(self.hash, other.hash)) / 64.0
    }
}

/// Indices of the `count` most different features, the first of which is the one farthest from feature 0 and each next the
/// one whose nearest chosen neighbour is farthest; the lower index wins a tie. Fewer when there are fewer.
pub fn most_different(features: &[Feature], count: usize) -> Vec<usize> {
    let mut chosen = Vec::new();
    let Some(start) = features.first() else { return chosen };
    let mut nearest: Vec<f64> = features.iter().map(|feature| feature.distance(start)).collect();
    while chosen.len() < count.min(features.len()) {
        let mut best: Option<usize> = None;
        for index in (0..features.len()).filter(|index| !chosen.contains(index)) {
            if best.is_none_or(|best| nearest[index] > nearest[best]) {
                best = Some(index);
            }
        }
        let Some(best) = best else { break };
        for (near, feature) in nearest.iter_mut().zip(features) {
            let apart = feature.distance(&features[best]);
            // Feature 0 only says where to begin; it holds no place among the chosen.
            *near = if chosen.is_empty() { apart } else { near.min(apart) };
        }
        chosen.push(best);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn flat(rgb: [u8; 3]) -> Feature {
        Feature::of(&Picture::filled(9, 7, [rgb[0], rgb[1], rgb[2], 255]).unwrap())
    }

    #[test]
    fn each_colour_comes_once_before_a_near_one() {
        let colours = [[250, 0, 0], [245, 5, 0], [0, 250, 0], [0, 245, 5], [0, 0, 250], [5, 0, 245]].map(flat);
        let mut chosen: Vec<usize> = most_different(&colours, 3).iter().map(|i| i / 2).collect();
        chosen.sort_unstable();
        assert_eq!(chosen, [0, 1, 2]);
        assert_eq!(most_different(&colours, 99).len(), 6);
        assert_eq!(most_different(&[], 6), Vec::<usize>::new());
        // Equal ones: by index.
        assert_eq!(most_different(&[flat([1; 3]), flat([1; 3]), flat([1; 3])], 2), [0, 1]);
    }

    proptest! {
        #[test]
        fn spread_is_at_least_half_the_best(colours in prop::collection::vec(any::<[u8; 3]>(), 3..9)) {
            let features: Vec<Feature> = colours.into_iter().map(flat).collect();
            let spread = |of: &[usize]| {
                let mut least = f64::INFINITY;
                for (i, &a) in of.iter().enumerate() {
                    for &b in &of[..i] {
                        least = least.min(features[a].distance(&features[b]));
                    }
                }
                least
            };
            let found = spread(&most_different(&features, 3));
            let n = features.len();
            let mut best = 0.0_f64;
            for a in 0..n {
                for b in 0..a {
                    for c in 0..b {
                        best = best.max(spread(&[a, b, c]));
                    }
                }
            }
            prop_assert!(found >= best / 2.0 - 1e-12);
        }
    }
}
