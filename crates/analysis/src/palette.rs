//! The colours a picture is made of, and how far they are from a brand's.

use crate::colour::{linear, oklab_of_linear, squared};
use crate::{Colour, Picture};

/// Bits a channel of the histogram that is clustered.
const BITS: u32 = 5;
/// Most rounds of k-means.
const ROUNDS: usize = 50;

/// One colour of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Swatch {
    /// The colour.
    pub colour: Colour,
    /// Share of the visible pixels, 0..=1.
    pub share: f64,
}

/// The dominant colours, the largest share first: k-means in OKLab over a histogram of the visible pixels (weighted by alpha).
/// Starts with the most frequent colour and then the one with the largest weight × squared distance, so the answer is the same
/// every time. At most `count` colours, fewer when the picture has fewer, none when nothing can be seen.
pub fn dominant(picture: &Picture, count: usize) -> Vec<Swatch> {
    let points = histogram(picture);
    if points.is_empty() || count == 0 {
        return Vec::new();
    }
    let mut centres: Vec<[f64; 3]> = Vec::new();
    let mut nearest = vec![f64::INFINITY; points.len()];
    while centres.len() < count.min(points.len()) {
        let score = |i: usize| if centres.is_empty() { points[i].1 } else { points[i].1 * nearest[i] };
        let best = (0..points.len()).fold(0, |best, i| if score(i) > score(best) { i } else { best });
        // What is left lies within a hundredth of OKLab of a centre: no colour of its own.
        if !centres.is_empty() && nearest.iter().all(|&d| d < 1e-4) {
            break;
        }
        let centre = points[best].0;
        for (near, (point, _)) in nearest.iter_mut().zip(&points) {
            *near = near.min(squared(*point, centre));
        }
        centres.push(centre);
    }
    let mut weights = vec![0.0; centres.len()];
    let mut owner = vec![usize::MAX; points.len()];
    for _ in 0..ROUNDS {
        let mut changed = false;
        let mut sums = vec![[0.0_f64; 3]; centres.len()];
        weights.fill(0.0);
        for ((point, weight), owner) in points.iter().zip(&mut owner) {
            let mut best = 0;
            for i in 1..centres.len() {
                if squared(*point, centres[i]) < squared(*point, centres[best]) {
                    best = i;
                }
            }
            changed |= std::mem::replace(owner, best) != best;
            weights[best] += weight;
            for (sum, value) in sums[best].iter_mut().zip(point) {
                *sum += value * weight;
            }
        }
        for ((centre, sum), &weight) in centres.iter_mut().zip(&sums).zip(&weights) {
            if weight > 0.0 {
                *centre = sum.map(|value| value / weight);
            }
        }
        if !changed {
            break;
        }
    }
    let total: f64 = weights.iter().sum();
    let mut swatches: Vec<Swatch> = centres
        .into_iter()
        .zip(weights)
        .filter(|(_, weight)| *weight > 0.0)
        .map(|(centre, weight)| Swatch { colour: Colour::from_oklab(centre), share: weight / total })
        .collect();
    swatches.sort_by(|a, b| b.share.total_cmp(&a.share).then(a.colour.cmp(&b.colour)));
    swatches
}

/// OKLab mean and weight of each occupied field of an RGB cube, in the order of the cube.
fn histogram(picture: &Picture) -> Vec<([f64; 3], f64)> {
    let mut bins = vec![([0_u64; 3], 0_u64); 1 << (3 * BITS)];
    for &[r, g, b, a] in picture.rgba() {
        let cell = |v: u8| usize::from(v >> (8 - BITS));
        let (sums, weight) = &mut bins[(cell(r) << (2 * BITS)) | (cell(g) << BITS) | cell(b)];
        for (sum, value) in sums.iter_mut().zip([r, g, b]) {
            *sum += u64::from(value) * u64::from(a);
        }
        *weight += u64::from(a);
    }
    bins.into_iter()
        .filter(|(_, weight)| *weight > 0)
        .map(|(sums, weight)| {
            let mean = sums.map(|sum| linear(((sum + weight / 2) / weight) as u8));
            (oklab_of_linear(mean), weight as f64)
        })
        .collect()
}

/// A swatch beside the brand colour nearest to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// The picture's colour.
    pub swatch: Swatch,
    /// Index of the nearest brand colour.
    pub nearest: usize,
    /// CIEDE2000 difference to it.
    pub delta_e: f64,
}

/// How far a picture's colours are from a palette.
#[derive(Debug, Clone, PartialEq)]
pub struct PaletteDistance {
    /// Mean CIEDE2000 difference to the nearest brand colour, weighted by share.
    pub mean: f64,
    /// One entry a swatch, in their order.
    pub matches: Vec<Match>,
}

/// Compares dominant colours with a palette; none when either is empty.
pub fn compare(swatches: &[Swatch], palette: &[Colour]) -> Option<PaletteDistance> {
    let matches: Vec<Match> = swatches
        .iter()
        .filter_map(|&swatch| {
            let differences = palette.iter().map(|colour| swatch.colour.delta_e(*colour)).enumerate();
            let (nearest, delta_e) = differences.min_by(|a, b| a.1.total_cmp(&b.1))?;
            Some(Match { swatch, nearest, delta_e })
        })
        .collect();
    let total: f64 = matches.iter().map(|m| m.swatch.share).sum();
    (total > 0.0).then(|| PaletteDistance {
        mean: matches.iter().map(|m| m.delta_e * m.swatch.share).sum::<f64>() / total,
        matches,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn three_planted_colours_are_found() {
        let planted = [[200, 30, 40, 255], [20, 60, 160, 255], [240, 230, 210, 255]];
        let pixels = (0..100).flat_map(|i| planted[if i < 50 { 2 } else { usize::from(i < 80) }]).collect();
        let found = dominant(&Picture::new(10, 10, pixels).unwrap(), 5);
        let shares: Vec<(Colour, f64)> = found.iter().map(|s| (s.colour, s.share)).collect();
        let colour = |i: usize| Colour([planted[i][0], planted[i][1], planted[i][2]]);
        assert_eq!(shares, [(colour(2), 0.5), (colour(1), 0.3), (colour(0), 0.2)]);
        assert_eq!(dominant(&Picture::filled(3, 3, [9, 9, 9, 0]).unwrap(), 5), []);
        assert_eq!(dominant(&Picture::filled(3, 3, [9; 4]).unwrap(), 0), []);
    }

    #[test]
    fn a_brand_picture_is_near_its_palette() {
        let palette = [Colour([200, 30, 40]), Colour([240, 230, 210])];
        let swatch = |colour, share| Swatch { colour, share };
        let near = compare(&[swatch(Colour([202, 32, 41]), 0.6), swatch(palette[1], 0.4)], &palette).unwrap();
        assert!(near.mean < 1.0 && near.matches[0].nearest == 0 && near.matches[1].delta_e == 0.0);
        let far = compare(&[swatch(Colour([0, 160, 60]), 1.0)], &palette).unwrap();
        assert!(far.mean > 25.0);
        assert_eq!(compare(&[], &palette), None);
        assert_eq!(compare(&[swatch(palette[0], 1.0)], &[]), None);
    }

    proptest! {
        #[test]
        fn shares_sum_to_one(pixels in prop::collection::vec(any::<[u8; 4]>(), 1..200), count in 1_usize..8) {
            let flat: Vec<u8> = pixels.iter().flatten().copied().collect();
            let picture = Picture::new(pixels.len() as u32, 1, flat).unwrap();
            let found = dominant(&picture, count);
            prop_assert!(found.len() <= count);
            if pixels.iter().any(|p| p[3] > 0) {
                prop_assert!((found.iter().map(|s| s.share).sum::<f64>() - 1.0).abs() < 1e-9);
            }
            prop_assert_eq!(&found, &dominant(&picture, count));
        }
    }
}
