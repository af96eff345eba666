//! Bayes: what is believed of each arm, the chance that it is the best, and what choosing it is expected to cost.
//!
//! Proportions have the exact beta posterior, means the normal one with their standard error and a flat prior. All numbers
//! come from deterministic quadrature (see `quadrature`), for 2 to 64 arms; none from sampling.

mod posterior;
mod quadrature;

use serde::{Deserialize, Serialize};

use crate::effect::{Direction, Interval};
use crate::error::{ExperimentError, Untestable, inside};
use crate::sample::Sample;
use posterior::Posterior;
use quadrature::{Distribution, compare};

/// The most arms an experiment may have.
pub const MOST_ARMS: usize = 64;

/// What was believed of a proportion before: as if `successes` and `failures` had been seen. The default is uniform.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BetaPrior {
    /// In [0.01, 1e9].
    pub successes: f64,
    /// In [0.01, 1e9].
    pub failures: f64,
}

impl Default for BetaPrior {
    fn default() -> Self {
        Self { successes: 1.0, failures: 1.0 }
    }
}

/// How arms are compared.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BayesSettings {
    /// Of proportions.
    pub prior: BetaPrior,
    /// Which end is the good one.
    pub direction: Direction,
    /// Index of the control.
    pub control: usize,
    /// Credible intervals hold 1 − alpha.
    pub alpha: f64,
    /// The expected loss, in the metric's unit, below which nobody cares: choosing may stop.
    pub caring: f64,
}

/// What is believed of one arm.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Belief {
    /// Expected value of the metric.
    pub mean: f64,
    /// Equal-tailed credible interval.
    pub interval: Interval,
    /// P(this arm is the best of all).
    pub best: f64,
    /// P(this arm is better than the control); ½ for the control.
    pub beats_control: f64,
    /// Expected loss of choosing this arm: how far the best of the others is ahead, where it is; in the metric's unit.
    pub expected_loss: f64,
}

/// What is believed of all arms.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Beliefs {
    /// One for each arm, in their order.
    pub arms: Vec<Belief>,
    /// The arm with the smallest expected loss.
    pub choice: usize,
    /// Whether that loss is below the threshold of caring.
    pub may_stop: bool,
}

/// Compares all arms at once. Nobody in an arm is fine for proportions: the prior stays.
///
/// # Errors
/// Fewer than 1 or more than 64 arms, or a setting out of range. Inside: [`Untestable`] with the index of the arm, for means
/// of fewer than two people or without spread.
pub fn bayes(
    samples: &[Sample],
    settings: &BayesSettings,
) -> Result<Result<Beliefs, (usize, Untestable)>, ExperimentError> {
    let BayesSettings { prior, direction, control, alpha, caring } = *settings;
    if samples.is_empty() || samples.len() > MOST_ARMS {
        return Err(ExperimentError::field("arms", format!("expected 1 to {MOST_ARMS}, found {}", samples.len())));
    }
    if control >= samples.len() {
        return Err(ExperimentError::field("control", format!("{control} of {} arms", samples.len())));
    }
    inside("alpha", alpha, 0.0, 1.0)?;
    for (field, value) in [("prior.successes", prior.successes), ("prior.failures", prior.failures)] {
        if !(0.01..=1e9).contains(&value) {
            return Err(ExperimentError::field(field, format!("expected 0.01 to 1e9, found {value}")));
        }
    }
    if caring.is_nan() || caring < 0.0 {
        return Err(ExperimentError::field("caring", format!("expected a number from 0, found {caring}")));
    }
    Ok(posteriors(samples, prior).map(|posteriors| {
        let better_is_larger: Vec<Posterior> =
            posteriors.iter().map(|p| if direction == Direction::LargerIsBetter { *p } else { p.mirrored() }).collect();
        let compared = compare(&better_is_larger, control);
        let arms: Vec<Belief> = posteriors
            .iter()
            .enumerate()
            .map(|(i, &posterior)| {
                let distribution = Distribution::new(posterior);
                Belief {
                    mean: posterior.mean(),
                    interval: Interval {
                        low: distribution.quantile(alpha / 2.0, false),
                        high: distribution.quantile(alpha / 2.0, true),
                    },
                    best: compared.best[i],
                    beats_control: compared.beats_control[i],
                    expected_loss: compared.loss[i],
                }
            })
            .collect();
        let choice =
            (0..arms.len()).min_by(|&i, &j| arms[i].expected_loss.total_cmp(&arms[j].expected_loss)).unwrap_or(control);
        Beliefs { may_stop: arms.len() > 1 && arms[choice].expected_loss < caring, arms, choice }
    }))
}

/// The posterior of each arm, or the first arm that has none.
fn posteriors(samples: &[Sample], prior: BetaPrior) -> Result<Vec<Posterior>, (usize, Untestable)> {
    let mut largest = 0.0_f64;
    let mut narrowest = (f64::INFINITY, 0);
    let mut all = Vec::with_capacity(samples.len());
    for (i, sample) in samples.iter().enumerate() {
        if sample.is_proportion() != samples[0].is_proportion() {
            return Err((i, Untestable::Kinds));
        }
        let side = crate::error::Side::Treatment;
        all.push(match sample.counts() {
            Some((successes, failures)) => {
                Posterior::Beta { a: successes as f64 + prior.successes, b: failures as f64 + prior.failures }
            }
            None => {
                let (mean, variance) = sample.moments(side).map_err(|why| (i, why))?;
                if variance <= 0.0 {
                    return Err((i, Untestable::NoVariance { side }));
                }
                let sd = (variance / sample.people() as f64).sqrt();
                largest = largest.max(mean.abs());
                if sd < narrowest.0 {
                    narrowest = (sd, i);
                }
                if !(1e-140..1e140).contains(&sd) {
                    return Err((i, Untestable::OutOfRange));
                }
                Posterior::Normal { mean, sd }
            }
        });
    }
    // Below this, neighbouring nodes of the quadrature are the same number.
    if narrowest.0 < 1e-11 * largest {
        return Err((narrowest.1, Untestable::OutOfRange));
    }
    Ok(all)
}
