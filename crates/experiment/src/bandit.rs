//! Bandit weights: how to share out the next people, given the chance of each arm to be the best.
//!
//! *Thompson*: the share is that chance. *Top-two Thompson* (Russo, arXiv 1602.08448): with probability b the arm that a draw
//! calls best, else the best of the others in further draws; share_j = w_j·(b + (1−b)·Σ_{i≠j} w_i/(1−w_i)). It finds out
//! which arm is best; plain Thompson earns most while it learns.

use serde::{Deserialize, Serialize};

use crate::error::{ExperimentError, inside};

/// How shares follow from chances.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BanditRule {
    /// Share = P(best).
    Thompson,
    /// The leader's part `b` in (0, 1]; ½ is the usual choice.
    TopTwo {
        /// Part of the people that follow the first draw.
        b: f64,
    },
}

impl Default for BanditRule {
    fn default() -> Self {
        Self::TopTwo { b: 0.5 }
    }
}

/// Shares of the next people, which sum to 1 and are never below `floor`: p = f + (1 − n·f)·share.
///
/// `best` holds each arm's P(best) (see [`crate::bayes`]) and is normalised here. Where one arm has all of it, the part of
/// the challengers is split evenly among the others.
///
/// # Errors
/// No arm, a chance that is negative or not finite, all chances zero; `floor` outside [0, 1/n]; `b` outside (0, 1].
pub fn bandit_shares(best: &[f64], rule: BanditRule, floor: f64) -> Result<Vec<f64>, ExperimentError> {
    let n = best.len() as f64;
    let total: f64 = best.iter().sum();
    if let Some(bad) = best.iter().find(|p| !p.is_finite() || **p < 0.0) {
        return Err(ExperimentError::field("best", format!("expected chances from 0, found {bad}")));
    }
    if total <= 0.0 || !total.is_finite() {
        return Err(ExperimentError::field("best", format!("expected chances that sum to 1, found {total}")));
    }
    if !(0.0..=1.0 / n).contains(&floor) {
        return Err(ExperimentError::field("floor", format!("expected 0 to 1/{n}, found {floor}")));
    }
    let w: Vec<f64> = best.iter().map(|p| p / total).collect();
    let shares = match rule {
        BanditRule::Thompson => w,
        BanditRule::TopTwo { b } => {
            inside("b", b, 0.0, 1.0 + f64::EPSILON)?;
            top_two(&w, b)
        }
    };
    Ok(shares.iter().map(|share| floor + (1.0 - n * floor).max(0.0) * share).collect())
}

fn top_two(w: &[f64], b: f64) -> Vec<f64> {
    if w.len() == 1 {
        return vec![1.0];
    }
    // 1 − w_i as the sum of the others: the leader's may be far below the precision of 1.
    let others: Vec<f64> =
        (0..w.len()).map(|i| w.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, p)| p).sum()).collect();
    (0..w.len())
        .map(|j| {
            let challenged: f64 = (0..w.len())
                .filter(|&i| i != j && w[i] > 0.0)
                .map(|i| if others[i] > 0.0 { w[i] * (w[j] / others[i]) } else { 1.0 / (w.len() - 1) as f64 })
                .sum();
            b * w[j] + (1.0 - b) * challenged
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_worked_example() {
        // w = (0.6, 0.3, 0.1): 0.6·(½ + ½·(0.3/0.7 + 0.1/0.9)) = 0.4619…
        let shares = bandit_shares(&[0.6, 0.3, 0.1], BanditRule::default(), 0.0).expect("shares");
        let exact = 0.6 * (0.5 + 0.5 * (0.3 / 0.7 + 0.1 / 0.9));
        assert!((shares[0] - exact).abs() < 1e-15, "{shares:?}");
        let floored = bandit_shares(&[0.6, 0.3, 0.1], BanditRule::Thompson, 0.05).expect("shares");
        assert!((floored[0] - (0.05 + 0.85 * 0.6)).abs() < 1e-15);
    }

    #[test]
    fn a_certain_leader_leaves_the_rest_to_the_others() {
        let shares = bandit_shares(&[1.0, 0.0, 0.0], BanditRule::default(), 0.0).expect("shares");
        assert_eq!(shares, [0.5, 0.25, 0.25]);
    }

    #[test]
    fn bad_input_is_named() {
        for (best, rule, floor, name) in [
            (vec![], BanditRule::Thompson, 0.0, "best"),
            (vec![0.0, 0.0], BanditRule::Thompson, 0.0, "best"),
            (vec![f64::NAN, 1.0], BanditRule::Thompson, 0.0, "best"),
            (vec![0.5, 0.5], BanditRule::Thompson, 0.6, "floor"),
            (vec![0.5, 0.5], BanditRule::TopTwo { b: 0.0 }, 0.1, "b:"),
        ] {
            let error = bandit_shares(&best, rule, floor).expect_err("must be refused").to_string();
            assert!(error.starts_with(name), "{error}");
        }
    }

    proptest! {
        #[test]
        fn shares_sum_to_one_and_keep_the_floor(
            exponents in proptest::collection::vec(-300.0..0.0_f64, 1..64),
            b in 0.01..=1.0_f64,
            part in 0.0..=1.0_f64,
        ) {
            let best: Vec<f64> = exponents.iter().map(|e| 10f64.powf(*e)).collect();
            let floor = part / best.len() as f64;
            for rule in [BanditRule::Thompson, BanditRule::TopTwo { b }] {
                let shares = bandit_shares(&best, rule, floor).expect("shares");
                prop_assert!((shares.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{shares:?}");
                prop_assert!(shares.iter().all(|s| *s >= floor * (1.0 - 1e-12)), "{shares:?}");
            }
        }
    }
}
