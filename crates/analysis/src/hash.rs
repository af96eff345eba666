//! A 64-bit perceptual hash (difference hash: N. Krawetz, "Kind of Like That", 2013) and what its distances mean.

use crate::Picture;

/// Largest distance, in bits, of pictures that are one to the eye.
pub const DUPLICATE: u32 = 6;
/// Largest distance, in bits, of pictures that resemble each other.
pub const SIMILAR: u32 = 12;

/// How alike two hashes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// At most [`DUPLICATE`] bits apart.
    Duplicate,
    /// At most [`SIMILAR`] bits apart.
    Similar,
    /// Further apart.
    Different,
}

impl Likeness {
    /// The class of a distance in bits.
    pub fn of(distance: u32) -> Self {
        if distance <= DUPLICATE {
            Self::Duplicate
        } else if distance <= SIMILAR {
            Self::Similar
        } else {
            Self::Different
        }
    }
}

impl Picture {
    /// [`dhash`] of this picture.
    pub fn dhash(&self) -> u64 {
        dhash(self.width() as usize, self.height() as usize, self.pixels())
    }
}

/// Whether each of 8 × 8 fields is darker than its right neighbour: bits that survive scaling and small changes.
/// `pixels` is straight RGBA8 `[height, width, 4]`, seen over white; sizes that do not match it give 0.
pub fn dhash(width: usize, height: usize, pixels: &[u8]) -> u64 {
    if pixels.len() != width * height * 4 {
        return 0;
    }
    let mean = |column: usize, row: usize| {
        let (left, right) = (column * width / 9, ((column + 1) * width / 9).max(column * width / 9 + 1).min(width));
        let (top, bottom) = (row * height / 8, ((row + 1) * height / 8).max(row * height / 8 + 1).min(height));
        let (mut sum, mut count) = (0_u64, 0_u64);
        for y in top..bottom {
            for pixel in pixels[4 * (y * width + left)..4 * (y * width + right)].chunks_exact(4) {
                let [r, g, b, a] = [pixel[0], pixel[1], pixel[2], pixel[3]].map(u64::from);
                sum += (r * 299 + g * 587 + b * 114) / 1000 * a / 255 + (255 - a);
                count += 1;
            }
        }
        sum / count.max(1)
    };
    let mut bits = 0;
    for row in 0..8 {
        for column in 0..8 {
            bits = bits << 1 | u64::from(mean(column, row) < mean(column + 1, row));
        }
    }
    bits
}

/// Bits in which two hashes differ, 0..=64.
pub fn distance(a: u64, b: u64) -> u32 {
    (a ^ b).count_ones()
}

/// Folds near duplicates into groups of indices. Give the best pictures first: each group is led by its first member, and a
/// picture joins the nearest leader that is at most `within` bits away (the earlier one of two equally near). Distances are
/// measured to leaders only, so a chain of small changes never joins two pictures that differ.
pub fn fold(hashes: &[u64], within: u32) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (index, &hash) in hashes.iter().enumerate() {
        let nearest =
            groups.iter_mut().map(|group| (distance(hashes[group[0]], hash), group)).min_by_key(|(apart, _)| *apart);
        match nearest {
            Some((apart, group)) if apart <= within => group.push(index),
            _ => groups.push(vec![index]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn alike_pictures_have_alike_bits() {
        let picture = |shift: usize| -> Vec<u8> {
            (0..64 * 64).flat_map(|i| [((i % 64 * 4 + shift) % 256) as u8, (i / 64 * 3) as u8, 90, 255]).collect()
        };
        let apart = |a: &[u8], b: &[u8]| distance(dhash(64, 64, a), dhash(64, 64, b));
        assert_eq!(apart(&picture(0), &picture(0)), 0);
        assert!(apart(&picture(0), &picture(2)) <= 4);
        let flipped: Vec<u8> =
            picture(0).chunks_exact(256).flat_map(|row| row.rchunks_exact(4).flatten()).copied().collect();
        assert!(apart(&picture(0), &flipped) > 30);
        assert_eq!(dhash(1, 1, &[0; 4]), 0);
        assert_eq!(dhash(2, 2, &[0; 4]), 0);
    }

    #[test]
    fn classes_are_those_of_the_design() {
        let class = |bits: u32| Likeness::of(bits);
        assert_eq!([0, 6, 7, 12, 13, 64].map(class), {
            use Likeness::*;
            [Duplicate, Duplicate, Similar, Similar, Different, Different]
        });
    }

    #[test]
    fn a_chain_does_not_join_what_differs() {
        // 0, 5 bits, 10 bits: the second joins the first; the third is 10 from the leader.
        assert_eq!(fold(&[0, 0b1_1111, 0b11_1111_1111], DUPLICATE), vec![vec![0, 1], vec![2]]);
        assert_eq!(fold(&[], DUPLICATE), Vec::<Vec<usize>>::new());
    }

    proptest! {
        #[test]
        fn folding_keeps_every_picture_once(hashes in prop::collection::vec(any::<u64>(), 0..40), within in 0_u32..=64) {
            let groups = fold(&hashes, within);
            let mut seen: Vec<usize> = groups.iter().flatten().copied().collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..hashes.len()).collect::<Vec<_>>());
            for group in &groups {
                for &member in group {
                    prop_assert!(distance(hashes[group[0]], hashes[member]) <= within);
                }
            }
            for (i, a) in groups.iter().enumerate() {
                for b in &groups[..i] {
                    prop_assert!(distance(hashes[a[0]], hashes[b[0]]) > within);
                }
            }
        }
    }
}
