//! Fixed horizon: tests and intervals that are right when looked at once, at a size that was planned before.
//!
//! Two-sided p-values are twice the survival function: `2·(1 − cdf)` is 0 from eight standard errors on.

use serde::{Deserialize, Serialize};

use crate::effect::{Effect, Interval};
use crate::error::{ExperimentError, Side, Untestable, inside};
use crate::sample::Sample;
use crate::special::{normal_isf, normal_sf, t_isf, t_sf};

/// What the estimate over its standard error is held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// Student's t with Welch–Satterthwaite degrees of freedom (as in `gbstats`).
    #[default]
    Welch,
    /// The standard normal.
    Normal,
}

/// A two-sided p-value and the interval that agrees with it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Test {
    /// The effect that was found.
    pub estimate: f64,
    /// Two-sided interval at 1 − alpha.
    pub interval: Interval,
    /// Two-sided p-value of "no effect".
    pub p_value: f64,
}

/// The two-sided test of no effect and the interval at `1 − alpha`.
///
/// # Errors
/// `alpha` outside (0, 1).
pub fn fixed_horizon(effect: &Effect, alpha: f64, reference: Reference) -> Result<Test, ExperimentError> {
    inside("alpha", alpha, 0.0, 1.0)?;
    let error = effect.standard_error();
    let z = (effect.estimate / error).abs();
    let (p_value, critical) = match reference {
        Reference::Welch => (2.0 * t_sf(z, effect.degrees), t_isf(alpha / 2.0, effect.degrees)),
        Reference::Normal => (2.0 * normal_sf(z), normal_isf(alpha / 2.0)),
    };
    Ok(Test {
        estimate: effect.estimate,
        interval: Interval::around(effect.estimate, critical * error),
        p_value: p_value.min(1.0),
    })
}

/// Wilson's score interval of one proportion at `1 − alpha`: never outside 0..=1, and 0 of n has an upper end.
///
/// # Errors
/// `alpha` outside (0, 1); [`Untestable`] for nobody or for means.
pub fn wilson(sample: &Sample, alpha: f64) -> Result<Result<Interval, Untestable>, ExperimentError> {
    inside("alpha", alpha, 0.0, 1.0)?;
    Ok(wilson_at(sample, normal_isf(alpha / 2.0), Side::Treatment))
}

/// Wilson's interval at the normal quantile `z`.
fn wilson_at(sample: &Sample, z: f64, side: Side) -> Result<Interval, Untestable> {
    let (successes, failures) = sample.counts().ok_or(Untestable::Kinds)?;
    let n = sample.people() as f64;
    if sample.people() == 0 {
        return Err(Untestable::TooFew { side, people: 0, needed: 1 });
    }
    let (p, q, square) = (successes as f64 / n, failures as f64 / n, z * z);
    let centre = (p + square / (2.0 * n)) / (1.0 + square / n);
    let half = z / (1.0 + square / n) * (p * q / n + square / (4.0 * n * n)).sqrt();
    Ok(Interval {
        low: if successes == 0 { 0.0 } else { (centre - half).max(0.0) },
        high: if failures == 0 { 1.0 } else { (centre + half).min(1.0) },
    })
}

/// Newcombe's hybrid score interval (1998, method 10) of the difference of two proportions, treatment − control.
///
/// # Errors
/// `alpha` outside (0, 1); [`Untestable`] for nobody or for means.
pub fn newcombe(
    control: &Sample,
    treatment: &Sample,
    alpha: f64,
) -> Result<Result<Interval, Untestable>, ExperimentError> {
    inside("alpha", alpha, 0.0, 1.0)?;
    let z = normal_isf(alpha / 2.0);
    Ok((|| {
        let (a, b) = (wilson_at(control, z, Side::Control)?, wilson_at(treatment, z, Side::Treatment)?);
        let mean = |sample: &Sample| sample.sum() / sample.people() as f64;
        let (p_a, p_b) = (mean(control), mean(treatment));
        Ok(Interval {
            low: p_b - p_a - (p_b - b.low).hypot(a.high - p_a),
            high: p_b - p_a + (b.high - p_b).hypot(p_a - a.low),
        })
    })())
}

/// Holm's step-down adjustment: p-values that may each be held against the alpha of all together. NaN counts as 1.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let clean = |p: f64| if p.is_nan() { 1.0 } else { p.clamp(0.0, 1.0) };
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&i, &j| clean(p_values[i]).total_cmp(&clean(p_values[j])));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut highest = 0.0_f64;
    for (rank, &i) in order.iter().enumerate() {
        highest = highest.max((clean(p_values[i]) * (p_values.len() - rank) as f64).min(1.0));
        adjusted[i] = highest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    const BILLION: u64 = 1_000_000_000;

    fn sample((successes, people): (u64, u64)) -> Sample {
        Sample::proportion(people, successes).expect("sample")
    }

    /// Values of statsmodels 0.15 (`proportion_confint`, `confint_proportions_2indep`).
    #[test]
    fn intervals_at_the_ends_are_those_of_statsmodels() {
        for (counts, low, high) in [
            ((0, 1), 0.0, 0.7934506856227627),
            ((0, 10), 0.0, 0.27753279986288926),
            ((10, 10), 0.7224672001371106, 1.0),
            ((0, BILLION), 0.0, 3.8414588059373206e-09),
            ((BILLION, BILLION), 0.9999999961585411, 1.0),
        ] {
            let ours = wilson(&sample(counts), 0.05).expect("alpha").expect("people");
            assert!((ours.low - low).abs() <= 1e-12 * low && (ours.high - high).abs() <= 1e-12 * high, "{ours:?}");
        }
        for (treatment, control, low, high) in [
            ((0, 10), (0, 20), -0.1611251580528194, 0.27753279986288926),
            ((10, 10), (0, 20), 0.6790860371419145, 1.0),
            ((10, 10), (20, 20), -0.27753279986288937, 0.16112515805281957),
            ((0, BILLION), (BILLION, BILLION), -1.0, -0.9999999945673568),
        ] {
            let ours = newcombe(&sample(control), &sample(treatment), 0.05).expect("alpha").expect("people");
            assert!((ours.low - low).abs() < 1e-12 && (ours.high - high).abs() < 1e-12, "{ours:?}");
            assert!(ours.low >= -1.0 && ours.high <= 1.0);
        }
    }

    #[test]
    fn nobody_means_and_bad_alphas_are_told() {
        let some = sample((1, 10));
        assert!(matches!(wilson(&sample((0, 0)), 0.05), Ok(Err(Untestable::TooFew { people: 0, .. }))));
        let mean = Sample::mean_of(10, 5.0, 5.0).expect("sample");
        assert!(matches!(newcombe(&some, &mean, 0.05), Ok(Err(Untestable::Kinds))));
        for alpha in [0.0, 1.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(wilson(&some, alpha).is_err() && newcombe(&some, &some, alpha).is_err(), "{alpha}");
        }
    }

    #[test]
    fn holm_keeps_order_and_takes_nan_for_one() {
        assert_eq!(holm(&[]), Vec::<f64>::new());
        let adjusted = holm(&[0.04, f64::NAN, 0.01]);
        assert!((adjusted[0] - 0.08).abs() < 1e-15 && adjusted[1] == 1.0 && (adjusted[2] - 0.03).abs() < 1e-15);
    }
}
