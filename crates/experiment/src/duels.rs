//! Blind duels → Bradley–Terry strengths with uncertainty, a ranking that says who cannot be told apart, and the next duel.
//!
//! P(i beats j) = 1/(1 + e^{θ_j − θ_i}); a tie counts as half a win for each. Each strength θ (log-odds, natural logarithm)
//! has the prior N(0, deviation²), so that an item that never lost stays finite and one that never fought stays at 0; it
//! should stay wide (default 2: one item in twenty beats the average one more than 50 times in 51). The fit is the posterior mode by
//! Newton's method, the covariance the inverse of the observed information (prior included): intervals are Wald intervals.

use serde::{Deserialize, Serialize};

use crate::effect::Interval;
use crate::error::{ExperimentError, inside};
use crate::special::normal_isf;

/// The most items that are ranked at once; the fit takes their number cubed.
pub const MOST_ITEMS: usize = 500;

/// Width of the prior of a strength, in log-odds.
pub const DEFAULT_DEVIATION: f64 = 2.0;

/// Who won.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The first item.
    First,
    /// The second item.
    Second,
    /// Neither: half a win each.
    Tie,
}

/// One vote between two items, by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Duel {
    /// Index of one item.
    pub first: usize,
    /// Index of the other.
    pub second: usize,
    /// Who won.
    pub outcome: Outcome,
}

/// One item's strength.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Strength {
    /// Log-odds against an item of strength 0; the strengths sum to 0.
    pub theta: f64,
    /// Standard error of theta.
    pub error: f64,
    /// Wald interval of theta.
    pub interval: Interval,
    /// Duels of this item.
    pub duels: u64,
    /// Rank of its group, from 1: items of one group cannot be told apart from the group's first.
    pub group: usize,
}

/// A fitted set of duels.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranking {
    /// One for each item, in the order of the items.
    pub strengths: Vec<Strength>,
    /// Indices, strongest first; equal strengths in the order of the items.
    pub order: Vec<usize>,
    /// The pair whose duel would teach most, if there are two items.
    pub next: Option<(usize, usize)>,
    /// Covariance of all thetas, row by row.
    #[serde(skip)]
    covariance: Vec<f64>,
}

impl Ranking {
    /// Standard error of theta_i − theta_j; 0 for i = j.
    pub fn error_between(&self, i: usize, j: usize) -> f64 {
        variance_between(&self.covariance, self.strengths.len(), i, j).sqrt()
    }

    /// P(i beats j) in the next vote, at the fitted strengths.
    pub fn chance(&self, i: usize, j: usize) -> f64 {
        logistic(self.strengths[i].theta - self.strengths[j].theta)
    }
}

fn variance_between(covariance: &[f64], n: usize, i: usize, j: usize) -> f64 {
    (covariance[i * n + i] + covariance[j * n + j] - 2.0 * covariance[i * n + j]).max(0.0)
}

fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Fits `items` strengths to the duels. Intervals hold 1 − `alpha` each; groups compare with the group's first at alpha
/// divided by all pairs (Bonferroni), so few pairs are told apart by luck.
///
/// # Errors
/// Fewer than 1 or more than 500 items; a duel of unknown items or of one with itself; `alpha` outside (0, 1); `deviation`
/// outside (0.01, 100).
pub fn rank_duels(items: usize, duels: &[Duel], alpha: f64, deviation: f64) -> Result<Ranking, ExperimentError> {
    if !(1..=MOST_ITEMS).contains(&items) {
        return Err(ExperimentError::field("items", format!("expected 1 to {MOST_ITEMS}, found {items}")));
    }
    inside("alpha", alpha, 0.0, 1.0)?;
    inside("deviation", deviation, 0.01, 100.0)?;
    let mut fought = vec![0u64; items];
    // Wins of i over j (ties as half), and from them the pairs that met: (i, j, wins of i, duels).
    let mut wins = vec![0.0; items * items];
    for (number, duel) in duels.iter().enumerate() {
        let (i, j) = (duel.first, duel.second);
        if i >= items || j >= items || i == j {
            let message = format!("number {number} is of items {i} and {j}, expected two different ones below {items}");
            return Err(ExperimentError::field("duels", message));
        }
        let first = match duel.outcome {
            Outcome::First => 1.0,
            Outcome::Second => 0.0,
            Outcome::Tie => 0.5,
        };
        wins[i * items + j] += first;
        wins[j * items + i] += 1.0 - first;
        fought[i] += 1;
        fought[j] += 1;
    }
    let mut pairs = Vec::new();
    for i in 0..items {
        for j in i + 1..items {
            let (won, lost) = (wins[i * items + j], wins[j * items + i]);
            if won + lost > 0.0 {
                pairs.push((i, j, won, won + lost));
            }
        }
    }
    let precision = 1.0 / (deviation * deviation);
    let theta = mode(items, &pairs, precision);
    let covariance = inverse(&information(&theta, &pairs, precision), items);
    let mut order: Vec<usize> = (0..items).collect();
    order.sort_by(|&i, &j| theta[j].total_cmp(&theta[i]).then(i.cmp(&j)));
    let groups = groups(&theta, &covariance, &order, alpha);
    let z = normal_isf(alpha / 2.0);
    let strengths = (0..items)
        .map(|i| {
            let error = covariance[i * items + i].max(0.0).sqrt();
            let interval = Interval::around(theta[i], z * error);
            Strength { theta: theta[i], error, interval, duels: fought[i], group: groups[i] }
        })
        .collect();
    let next = most_informative(&theta, &covariance, &fought);
    Ok(Ranking { strengths, order, next, covariance })
}

/// ln posterior up to a constant.
fn log_posterior(theta: &[f64], pairs: &[(usize, usize, f64, f64)], precision: f64) -> f64 {
    // ln P(win) = −ln(1 + e^{−x}), whichever side of 0 x is on.
    let log_chance = |x: f64| x.min(0.0) - (-x.abs()).exp().ln_1p();
    let fit: f64 = pairs
        .iter()
        .map(|&(i, j, won, met)| {
            let x = theta[i] - theta[j];
            won * log_chance(x) + (met - won) * log_chance(-x)
        })
        .sum();
    fit - 0.5 * precision * theta.iter().map(|t| t * t).sum::<f64>()
}

/// The posterior mode: Newton steps, halved while they do not climb (the function is strictly concave).
fn mode(items: usize, pairs: &[(usize, usize, f64, f64)], precision: f64) -> Vec<f64> {
    let mut theta = vec![0.0; items];
    let mut height = log_posterior(&theta, pairs, precision);
    for _ in 0..200 {
        let mut gradient: Vec<f64> = theta.iter().map(|t| -precision * t).collect();
        for &(i, j, won, met) in pairs {
            let excess = won - met * logistic(theta[i] - theta[j]);
            gradient[i] += excess;
            gradient[j] -= excess;
        }
        let step = solve(&cholesky(&information(&theta, pairs, precision), items), &gradient);
        let longest = step.iter().fold(0.0_f64, |m, s| m.max(s.abs()));
        let mut part = 1.0;
        loop {
            let next: Vec<f64> = theta.iter().zip(&step).map(|(t, s)| t + part * s).collect();
            let reached = log_posterior(&next, pairs, precision);
            // Near the top a full step may lose a rounding error; it is taken.
            if reached >= height || longest < 1e-6 || part < 1e-10 {
                (theta, height) = (next, reached);
                break;
            }
            part *= 0.5;
        }
        if longest < 1e-13 {
            break;
        }
    }
    theta
}

/// The observed information, prior included: positive definite.
fn information(theta: &[f64], pairs: &[(usize, usize, f64, f64)], precision: f64) -> Vec<f64> {
    let n = theta.len();
    let mut matrix = vec![0.0; n * n];
    for i in 0..n {
        matrix[i * n + i] = precision;
    }
    for &(i, j, _, met) in pairs {
        let x = theta[i] - theta[j];
        let weight = met * logistic(x) * logistic(-x);
        matrix[i * n + i] += weight;
        matrix[j * n + j] += weight;
        matrix[i * n + j] -= weight;
        matrix[j * n + i] -= weight;
    }
    matrix
}

/// L of L·Lᵀ, row by row.
fn cholesky(matrix: &[f64], n: usize) -> Vec<f64> {
    let mut lower = vec![0.0; n * n];
    for i in 0..n {
        for j in 0..=i {
            let dot: f64 = (0..j).map(|k| lower[i * n + k] * lower[j * n + k]).sum();
            let rest = matrix[i * n + j] - dot;
            lower[i * n + j] = if i == j { rest.max(f64::MIN_POSITIVE).sqrt() } else { rest / lower[j * n + j] };
        }
    }
    lower
}

fn solve(lower: &[f64], right: &[f64]) -> Vec<f64> {
    let n = right.len();
    let mut x = right.to_vec();
    for i in 0..n {
        let dot: f64 = (0..i).map(|k| lower[i * n + k] * x[k]).sum();
        x[i] = (x[i] - dot) / lower[i * n + i];
    }
    for i in (0..n).rev() {
        let dot: f64 = (i + 1..n).map(|k| lower[k * n + i] * x[k]).sum();
        x[i] = (x[i] - dot) / lower[i * n + i];
    }
    x
}

fn inverse(matrix: &[f64], n: usize) -> Vec<f64> {
    let lower = cholesky(matrix, n);
    let mut result = Vec::with_capacity(n * n);
    let mut unit = vec![0.0; n];
    for i in 0..n {
        unit[i] = 1.0;
        result.extend(solve(&lower, &unit));
        unit[i] = 0.0;
    }
    result
}

/// Each item's group, from 1: a group is opened by the strongest item left and takes those below it, in order, up to the
/// first that is told apart from it.
fn groups(theta: &[f64], covariance: &[f64], order: &[usize], alpha: f64) -> Vec<usize> {
    let n = theta.len();
    let z = normal_isf(alpha / (n * n.saturating_sub(1)).max(2) as f64);
    let mut groups = vec![0; n];
    let (mut group, mut head) = (0, None);
    for &i in order {
        let apart = head.is_none_or(|h: usize| theta[h] - theta[i] > z * variance_between(covariance, n, h, i).sqrt());
        if apart {
            group += 1;
            head = Some(i);
        }
        groups[i] = group;
    }
    groups
}

/// The pair with the largest p·(1−p)·Var(θ_i − θ_j): one more duel multiplies the determinant of the information by one
/// plus that. Ties go to items with fewer duels, then to the first.
fn most_informative(theta: &[f64], covariance: &[f64], fought: &[u64]) -> Option<(usize, usize)> {
    let n = theta.len();
    let mut best: Option<(f64, u64, (usize, usize))> = None;
    for i in 0..n {
        for j in i + 1..n {
            let x = theta[i] - theta[j];
            let gain = logistic(x) * logistic(-x) * variance_between(covariance, n, i, j);
            let duels = fought[i] + fought[j];
            let better = best.is_none_or(|(most, fewest, _)| {
                gain > most * (1.0 + 1e-12) || (gain >= most * (1.0 - 1e-12) && duels < fewest)
            });
            if better {
                best = Some((gain, duels, (i, j)));
            }
        }
    }
    best.map(|(_, _, pair)| pair)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn duel(first: usize, second: usize, outcome: Outcome) -> Duel {
        Duel { first, second, outcome }
    }

    #[test]
    fn an_undefeated_item_stays_finite_and_leads() {
        let duels: Vec<Duel> = (0..300).map(|n| duel(0, 1 + n % 3, Outcome::First)).collect();
        let ranking = rank_duels(5, &duels, 0.05, DEFAULT_DEVIATION).expect("ranking");
        assert_eq!(ranking.order[0], 0);
        let top = ranking.strengths[0];
        assert!(top.theta > 3.0 && top.theta < 10.0, "{top:?}");
        assert!(ranking.strengths.iter().map(|s| s.theta).sum::<f64>().abs() < 1e-12);
        // Item 4 never fought: its strength is the prior's, and it is who the next duel needs.
        assert!((ranking.strengths[4].error - DEFAULT_DEVIATION).abs() < 1e-12);
        assert!(ranking.next.is_some_and(|(i, j)| i == 4 || j == 4), "{:?}", ranking.next);
    }

    #[test]
    fn items_that_only_tie_are_one_group_and_a_clear_winner_another() {
        let mut duels = vec![duel(1, 2, Outcome::Tie); 200];
        duels.extend([duel(0, 1, Outcome::First), duel(2, 0, Outcome::Second)].repeat(50));
        let ranking = rank_duels(3, &duels, 0.05, DEFAULT_DEVIATION).expect("ranking");
        let groups: Vec<usize> = ranking.strengths.iter().map(|s| s.group).collect();
        assert_eq!(groups, [1, 2, 2]);
        assert!((ranking.strengths[1].theta - ranking.strengths[2].theta).abs() < 1e-12);
        assert!(ranking.chance(0, 1) > 0.95 && (ranking.chance(0, 1) + ranking.chance(1, 0) - 1.0).abs() < 1e-15);
    }

    #[test]
    fn the_next_duel_is_the_one_that_adds_most_information() {
        let duels = [
            duel(0, 1, Outcome::First),
            duel(0, 1, Outcome::Tie),
            duel(1, 2, Outcome::Second),
            duel(2, 3, Outcome::First),
        ];
        let ranking = rank_duels(4, &duels, 0.05, DEFAULT_DEVIATION).expect("ranking");
        let theta: Vec<f64> = ranking.strengths.iter().map(|s| s.theta).collect();
        let log_determinant = |extra: Option<(usize, usize)>| {
            let mut pairs = vec![(0, 1, 1.5, 2.0), (1, 2, 0.0, 1.0), (2, 3, 1.0, 1.0)];
            pairs.extend(extra.map(|(i, j)| (i, j, 0.5, 1.0)));
            let lower = cholesky(&information(&theta, &pairs, 0.25), 4);
            (0..4).map(|i| 2.0 * lower[i * 5].ln()).sum::<f64>()
        };
        let all = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)];
        let best = all.into_iter().max_by(|&a, &b| log_determinant(Some(a)).total_cmp(&log_determinant(Some(b))));
        assert_eq!(ranking.next, best);
    }

    #[test]
    fn bad_duels_are_named() {
        for bad in [duel(0, 0, Outcome::Tie), duel(0, 7, Outcome::First)] {
            let error = rank_duels(3, &[bad], 0.05, 2.0).expect_err("must be refused").to_string();
            assert!(error.starts_with("duels: number 0"), "{error}");
        }
        assert!(rank_duels(0, &[], 0.05, 2.0).is_err() && rank_duels(501, &[], 0.05, 2.0).is_err());
        assert!(rank_duels(2, &[], 0.05, f64::NAN).is_err());
        assert_eq!(rank_duels(1, &[], 0.05, 2.0).expect("one item").next, None);
    }

    /// (items, deviation of the prior, duels as [i, j, score of i], thetas, standard errors).
    type Golden = (usize, f64, Vec<(usize, usize, f64)>, Vec<f64>, Vec<f64>);

    #[test]
    fn strengths_and_errors_are_those_of_choix_and_of_the_exact_hessian() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../tests/golden/duels.json")).expect("golden file");
        let rows: Vec<Golden> = serde_json::from_value(golden["rows"].clone()).expect("rows");
        assert!(rows.len() >= 500);
        for (items, deviation, table, thetas, errors) in rows {
            let outcome = |score: f64| match score {
                1.0 => Outcome::First,
                0.0 => Outcome::Second,
                _ => Outcome::Tie,
            };
            let duels: Vec<Duel> = table.iter().map(|&(i, j, score)| duel(i, j, outcome(score))).collect();
            let ranking = rank_duels(items, &duels, 0.05, deviation).expect("ranking");
            for (ours, (theta, error)) in ranking.strengths.iter().zip(thetas.iter().zip(&errors)) {
                assert!((ours.theta - theta).abs() < 1e-9, "{} {theta}", ours.theta);
                assert!((ours.error / error - 1.0).abs() < 1e-9, "{} {error}", ours.error);
            }
        }
    }

    proptest! {
        #[test]
        fn any_duels_give_finite_strengths(
            items in 2..65usize,
            raw in proptest::collection::vec((0..64usize, 1..64usize, 0..3u8), 0..300),
            deviation in 0.02..99.0_f64,
        ) {
            let duels: Vec<Duel> = raw
                .into_iter()
                .map(|(i, gap, outcome)| {
                    let first = i % items;
                    let second = (first + 1 + gap % (items - 1)) % items;
                    duel(first, second, [Outcome::First, Outcome::Second, Outcome::Tie][usize::from(outcome)])
                })
                .collect();
            let ranking = rank_duels(items, &duels, 0.05, deviation).expect("ranking");
            for s in &ranking.strengths {
                prop_assert!(s.theta.is_finite() && s.error.is_finite() && s.error > 0.0, "{s:?}");
            }
        }
    }
}
