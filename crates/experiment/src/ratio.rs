//! Sample-ratio mismatch: whether people arrived in the planned shares. If not, something dropped or doubled people, and no
//! comparison of the arms can be trusted.

use serde::Serialize;

use crate::error::ExperimentError;
use crate::special::{chi_square_sf, deviance, stirling_error};

/// How strongly the sequential test expects the planned shares; the value of Lindon and Malek's own implementation.
pub const DIRICHLET_CONCENTRATION: f64 = 10_000.0;

/// A test of the planned shares.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct RatioTest {
    /// p-value of the planned shares.
    pub p_value: f64,
    /// Arms in the test: those with a weight above 0.
    pub arms: usize,
}

/// People and planned share of the arms that take part; arms of weight 0 leave the test.
fn planned(people: &[u64], weights: &[f64]) -> Result<Vec<(f64, f64)>, ExperimentError> {
    if people.len() != weights.len() {
        let message = format!("expected {} of them, one an arm, found {}", people.len(), weights.len());
        return Err(ExperimentError::field("weights", message));
    }
    if let Some(bad) = weights.iter().find(|w| !w.is_finite() || **w < 0.0) {
        return Err(ExperimentError::field("weights", format!("expected finite numbers from 0, found {bad}")));
    }
    let total: f64 = weights.iter().sum();
    if !total.is_finite() {
        return Err(ExperimentError::field("weights", "their sum is not finite"));
    }
    Ok(people.iter().zip(weights).filter(|(_, w)| **w > 0.0).map(|(&n, w)| (n as f64, w / total)).collect())
}

/// Pearson's chi-square test, to be looked at once. With nobody, or one arm, p = 1.
///
/// # Errors
/// Weights that are negative, not finite, or not one an arm.
pub fn ratio_chi_square(people: &[u64], weights: &[f64]) -> Result<RatioTest, ExperimentError> {
    let planned = planned(people, weights)?;
    let total: f64 = planned.iter().map(|(n, _)| n).sum();
    if planned.len() < 2 || total == 0.0 {
        return Ok(RatioTest { p_value: 1.0, arms: planned.len() });
    }
    let statistic: f64 =
        planned.iter().map(|(n, share)| (n - share * total) * ((n - share * total) / (share * total))).sum();
    let p_value = if statistic.is_finite() { chi_square_sf(statistic, planned.len() - 1) } else { 0.0 };
    Ok(RatioTest { p_value, arms: planned.len() })
}

/// The test that may be looked at every day: Lindon and Malek, "Anytime-valid inference for multinomial count data",
/// arXiv 2011.03567. `days` holds the *running totals* of people an arm, one row a look. p is the smallest 1/BF so far, BF
/// being the Bayes factor of a Dirichlet around the planned shares against those shares.
///
/// # Errors
/// Weights that are negative, not finite, or not one an arm.
pub fn ratio_sequential(days: &[Vec<u64>], weights: &[f64]) -> Result<RatioTest, ExperimentError> {
    let mut test = RatioTest { p_value: 1.0, arms: weights.iter().filter(|w| **w > 0.0).count() };
    for people in days {
        let planned = planned(people, weights)?;
        if planned.len() > 1 {
            test.p_value = test.p_value.min((-log_bayes_factor(&planned)).exp());
        }
    }
    Ok(test)
}

/// ln BF = lnΓ(c) − lnΓ(c+n) + Σ (lnΓ(c·θ_i+x_i) − lnΓ(c·θ_i) − x_i·ln θ_i), with Stirling's formula put in: the large terms
/// gather into deviances from the expected counts, and nothing of size n·ln n is left to cancel.
fn log_bayes_factor(planned: &[(f64, f64)]) -> f64 {
    let c = DIRICHLET_CONCENTRATION;
    let grown = c + planned.iter().map(|(n, _)| n).sum::<f64>();
    let parts: f64 = planned
        .iter()
        .map(|&(n, share)| {
            let (before, after) = (c * share, c * share + n);
            deviance(after, grown * share) - 0.5 * (after / before).ln() + stirling_error(after)
                - stirling_error(before)
        })
        .sum();
    parts + 0.5 * (grown / c).ln() - stirling_error(grown) + stirling_error(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arm_without_weight_leaves_the_test() {
        let with = ratio_chi_square(&[5000, 17, 5100], &[1.0, 0.0, 1.0]).expect("test");
        let without = ratio_chi_square(&[5000, 5100], &[1.0, 1.0]).expect("test");
        assert_eq!(with, without);
        assert_eq!(with.arms, 2);
        let sequential = ratio_sequential(&[vec![5000, 17, 5100]], &[1.0, 0.0, 1.0]).expect("test");
        assert_eq!(sequential, ratio_sequential(&[vec![5000, 5100]], &[1.0, 1.0]).expect("test"));
    }

    #[test]
    fn extreme_counts_give_numbers() {
        let many = vec![1_000_000_000; 64];
        let mut skewed = many.clone();
        skewed[3] = 0;
        for (people, healthy) in [(many, true), (skewed, false), (vec![0; 64], true)] {
            let weights = vec![1.0; 64];
            let fixed = ratio_chi_square(&people, &weights).expect("test").p_value;
            let sequential = ratio_sequential(&[people], &weights).expect("test").p_value;
            assert_eq!((fixed > 0.5, sequential > 0.5), (healthy, healthy), "{fixed} {sequential}");
        }
        assert_eq!(ratio_chi_square(&[7], &[1.0]).expect("test").p_value, 1.0);
        assert!(ratio_chi_square(&[7], &[f64::NAN]).is_err());
        assert!(ratio_chi_square(&[7], &[1.0, 2.0]).is_err());
    }

    #[test]
    fn log_factors_and_p_values_are_those_of_the_references() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../tests/golden/compare.json")).expect("golden file");
        let rows = |name: &str| {
            let rows: Vec<(Vec<u64>, Vec<f64>, f64)> = serde_json::from_value(golden[name].clone()).expect("rows");
            assert!(rows.len() >= 500);
            rows
        };
        for (people, weights, reference) in rows("srm") {
            let ours = ratio_chi_square(&people, &weights).expect("test").p_value;
            assert!(
                (ours - reference).abs() <= 1e-9 * reference + 1e-300,
                "{people:?} {weights:?}: {ours:e} {reference:e}"
            );
        }
        for (people, weights, reference) in rows("dirichlet") {
            let ours = log_bayes_factor(&planned(&people, &weights).expect("planned"));
            assert!((ours - reference).abs() <= 1e-9 * reference.abs().max(1.0), "{people:?}: {ours} {reference}");
        }
    }
}
