//! Numbers about pictures, from the judge's unit vectors and from pixels.

/// The share of pictures whose own caption (candidate 0) is nearer than every other candidate.
pub fn retrieval(pictures: &[Vec<f32>], candidates: &[Vec<&[f32]>]) -> f64 {
    let first = |(picture, candidates): (&Vec<f32>, &Vec<&[f32]>)| {
        let own = dot(picture, candidates[0]);
        candidates[1..].iter().all(|other| dot(picture, other) < own)
    };
    share(pictures.iter().zip(candidates).map(first))
}

/// Kernel distance of two equally large sets of unit vectors, of which those in the same place belong to one question and
/// are therefore not compared: the unbiased squared maximum mean discrepancy with the kernel
/// `(⟨a, b⟩ + 1)³` ("KID", Bińkowski et al., arXiv 1801.01401, section 4). 0 when both come from one distribution; it
/// can be a little negative.
pub fn kernel_distance(a: &[Vec<f32>], b: &[Vec<f32>]) -> f64 {
    let kernel = |x: &[f32], y: &[f32]| (dot(x, y) + 1.0).powi(3);
    let mean = |a: &[Vec<f32>], b: &[Vec<f32>]| {
        let mut sum = 0.0;
        for (i, x) in a.iter().enumerate() {
            sum += b.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, y)| kernel(x, y)).sum::<f64>();
        }
        sum / (a.len() * b.len().saturating_sub(1)).max(1) as f64
    };
    mean(a, a) + mean(b, b) - 2.0 * mean(a, b)
}

/// Mean distance `1 - ⟨a, b⟩` of the pairs inside each group.
pub fn diversity(groups: &[Vec<Vec<f32>>]) -> f64 {
    let (mut sum, mut pairs) = (0.0, 0usize);
    for group in groups {
        for i in 0..group.len() {
            for j in 0..i {
                sum += 1.0 - dot(&group[i], &group[j]);
                pairs += 1;
            }
        }
    }
    sum / pairs.max(1) as f64
}

/// Whether a picture is a copy: its nearest training picture is less than a third as far as the second nearest (distances
/// of premultiplied bytes, all pictures of one size; those equal to the nearest are passed over as the same picture).
pub fn is_copy<'a>(picture: &[u8], training: impl Iterator<Item = &'a [u8]>) -> bool {
    let (mut nearest, mut second) = (u64::MAX, u64::MAX);
    let mut best: &[u8] = &[];
    for other in training {
        let distance: u64 = picture.iter().zip(other).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum();
        if distance < nearest {
            if other != best {
                second = nearest;
            }
            (nearest, best) = (distance, other);
        } else if distance < second && other != best {
            second = distance;
        }
    }
    // Squares of distances.
    nearest.saturating_mul(9) < second && second < u64::MAX
}

/// The share of the answers that are yes; 0 of none.
pub fn share(answers: impl Iterator<Item = bool>) -> f64 {
    let (mut yes, mut all) = (0usize, 0usize);
    for answer in answers {
        yes += usize::from(answer);
        all += 1;
    }
    yes as f64 / all.max(1) as f64
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(angle: f32) -> Vec<f32> {
        vec![angle.cos(), angle.sin()]
    }

    #[test]
    fn the_nearest_caption_must_be_the_own_one() {
        let (right, near, far) = (unit(0.1), unit(0.2), unit(2.0));
        let candidates = vec![vec![&right[..], &near, &far], vec![&far[..], &near, &right]];
        assert_eq!(retrieval(&[unit(0.0), unit(0.0)], &candidates), 0.5);
        // A tie is not a hit.
        assert_eq!(retrieval(&[unit(0.0)], &[vec![&right, &right]]), 0.0);
    }

    #[test]
    fn kernel_distance_is_zero_for_one_distribution_and_grows() {
        let set = |start: f32| (0..400).map(|i| unit(start + 0.37 * (i as f32 * 1.7).sin())).collect::<Vec<_>>();
        let odd = |start: f32| (0..400).map(|i| unit(start + 0.37 * (i as f32 * 1.9 + 0.4).sin())).collect::<Vec<_>>();
        assert!(kernel_distance(&set(0.0), &odd(0.0)).abs() < 0.02);
        assert!(kernel_distance(&set(0.0), &odd(1.0)) > 0.5);
    }

    #[test]
    fn diversity_of_equal_and_opposite_pictures() {
        assert!(diversity(&[vec![unit(1.0); 3]]).abs() < 1e-6);
        assert!((diversity(&[vec![unit(0.0), unit(std::f32::consts::PI)]]) - 2.0).abs() < 1e-6);
        assert_eq!(diversity(&[]), 0.0);
    }

    #[test]
    fn copies_are_much_nearer_to_one_picture_than_to_any_other() {
        let training: [&[u8]; 4] = [&[0, 0], &[100, 100], &[100, 100], &[200, 0]];
        let copy = |picture: &[u8]| is_copy(picture, training.into_iter());
        assert!(copy(&[101, 99]), "near a picture that is there twice");
        assert!(!copy(&[50, 50]), "between two");
        assert!(!is_copy(&[1, 1], [&[0u8, 0][..]].into_iter()), "no second picture to compare with");
    }
}
