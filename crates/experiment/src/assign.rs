//! Who sees what: a hash of the experiment's salt and the person's id, with no state to keep.
//!
//! SHA-256 of `u64 length of the salt, little endian ‖ salt ‖ id` (UTF-8 bytes); its first 8 bytes, big endian, are a whole
//! number h in 0..2⁶⁴. The arms stand on 0..1 in their order, each as long as its weight over the sum of weights, and the
//! person goes to the arm that holds h/2⁶⁴. So
//! * the same person gets the same arm while salt and weights stay, on every machine;
//! * another salt shuffles all people anew, independently;
//! * changed weights move only people at moved borders: to close an arm without moving the others' people, set its weight
//!   to 0 *and* keep those already assigned (bandits change weights daily: store the first assignment).

use sha2::{Digest, Sha256};

use crate::error::ExperimentError;

/// The arms of one experiment, ready to assign people to.
#[derive(Debug, Clone, PartialEq)]
pub struct Assigner {
    salt: Vec<u8>,
    /// Upper border of each arm in units of 2⁻⁶⁴, exclusive; of the last arm with weight 2⁶⁴.
    borders: Vec<u128>,
}

impl Assigner {
    /// `weights` need not sum to 1; an arm of weight 0 gets nobody.
    ///
    /// # Errors
    /// An empty salt; no arm, or more than 64; a weight that is negative or not finite; only zeros.
    pub fn new(salt: &str, weights: &[f64]) -> Result<Self, ExperimentError> {
        if salt.is_empty() {
            return Err(ExperimentError::field("salt", "expected at least one character, found none"));
        }
        if weights.is_empty() || weights.len() > crate::bayes::MOST_ARMS {
            let message = format!("expected 1 to {}, found {}", crate::bayes::MOST_ARMS, weights.len());
            return Err(ExperimentError::field("weights", message));
        }
        if let Some(bad) = weights.iter().find(|w| !w.is_finite() || **w < 0.0) {
            return Err(ExperimentError::field("weights", format!("expected finite numbers from 0, found {bad}")));
        }
        // By the largest first, so that the sum of 64 huge weights stays finite.
        let largest = weights.iter().copied().fold(0.0, f64::max);
        if largest == 0.0 {
            return Err(ExperimentError::field("weights", "expected one above 0, found only zeros"));
        }
        let total: f64 = weights.iter().map(|w| w / largest).sum();
        let last = weights.iter().rposition(|w| *w > 0.0).unwrap_or(0);
        let mut sum = 0.0;
        let borders = weights
            .iter()
            .enumerate()
            .map(|(i, w)| {
                sum += w / largest;
                if i >= last { 1 << 64 } else { (sum / total * 2f64.powi(64)) as u128 }
            })
            .collect();
        Ok(Self { salt: salt.as_bytes().to_vec(), borders })
    }

    /// The index of this person's arm.
    pub fn arm(&self, person: &str) -> usize {
        let digest = Sha256::new()
            .chain_update((self.salt.len() as u64).to_le_bytes())
            .chain_update(&self.salt)
            .chain_update(person.as_bytes())
            .finalize();
        let hash = digest.iter().take(8).fold(0u128, |hash, &byte| hash << 8 | u128::from(byte));
        self.borders.partition_point(|&border| border <= hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ratio::ratio_chi_square;

    const MILLION: u64 = 1_000_000;

    #[test]
    fn a_million_people_arrive_in_the_planned_shares() {
        for weights in [vec![1.0; 2], vec![0.5, 0.3, 0.15, 0.05], vec![1.0; 64], vec![3.0, 0.0, 1.0]] {
            let assigner = Assigner::new("spring-2026", &weights).expect("assigner");
            let mut people = vec![0u64; weights.len()];
            for i in 0..MILLION {
                people[assigner.arm(&i.to_string())] += 1;
            }
            let p = ratio_chi_square(&people, &weights).expect("test").p_value;
            assert!(p > 1e-3, "{weights:?}: {people:?}, p = {p}");
            assert!(weights.iter().zip(&people).all(|(w, n)| *w > 0.0 || *n == 0));
        }
    }

    #[test]
    fn two_salts_assign_independently() {
        let (a, b) = (Assigner::new("a", &[1.0, 1.0]).expect("a"), Assigner::new("b", &[1.0, 1.0]).expect("b"));
        let mut cells = [0u64; 4];
        for i in 0..MILLION {
            let id = format!("person-{i}");
            cells[2 * a.arm(&id) + b.arm(&id)] += 1;
        }
        assert!(ratio_chi_square(&cells, &[1.0; 4]).expect("test").p_value > 1e-3, "{cells:?}");
    }

    #[test]
    fn the_same_person_stays_and_a_longer_salt_is_another_one() {
        let assigner = Assigner::new("salt", &[1.0, 1.0, 2.0]).expect("assigner");
        let scaled = Assigner::new("salt", &[25.0, 25.0, 50.0]).expect("assigner");
        let longer = Assigner::new("salt1", &[1.0, 1.0, 2.0]).expect("assigner");
        let ids: Vec<String> = (0..1000).map(|i| i.to_string()).collect();
        assert!(ids.iter().all(|id| assigner.arm(id) == scaled.arm(id)));
        assert!(ids.iter().any(|id| longer.arm(id) != assigner.arm(&format!("1{id}"))));
    }

    /// The documented recipe, computed with Python's hashlib: the assignment must never change between versions.
    #[test]
    fn the_recipe_is_the_documented_one() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../tests/golden/plan.json")).expect("golden file");
        let rows: Vec<(String, String, Vec<f64>, usize)> =
            serde_json::from_value(golden["assignments"].clone()).expect("rows");
        assert!(rows.len() >= 500);
        for (salt, person, weights, arm) in rows {
            assert_eq!(Assigner::new(&salt, &weights).expect("assigner").arm(&person), arm, "{salt} {person}");
        }
    }

    #[test]
    fn bad_weights_are_named() {
        for weights in [vec![], vec![0.0], vec![-1.0, 2.0], vec![f64::NAN], vec![f64::INFINITY], vec![1.0; 65]] {
            let error = Assigner::new("s", &weights).expect_err("must be refused").to_string();
            assert!(error.starts_with("weights:"), "{error}");
        }
        assert!(Assigner::new("", &[1.0]).is_err());
        assert!(Assigner::new("s", &[f64::MAX; 64]).is_ok());
    }
}
