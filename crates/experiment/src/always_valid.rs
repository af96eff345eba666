//! Intervals and p-values that may be looked at any day: the asymptotic confidence sequence of Waudby-Smith et al.,
//! "Time-uniform central limit theory and asymptotic confidence sequences", arXiv 2103.06476.
//!
//! Over all looks together, the chance that an experiment without an effect ever shows one stays below alpha, once every arm
//! is large enough for the central limit theorem (keep the first looks back until the minimum counts are met). The
//! formulas are those of `gbstats`' `SequentialTwoSidedTTest`.

use crate::effect::{Effect, Interval};
use crate::error::{ExperimentError, inside};
use crate::fixed::Test;

/// The people (of both arms) at which the interval is narrowest, where nothing else is known.
pub const DEFAULT_TUNING: f64 = 5000.0;

/// The test of no effect that stays right however often it is looked at. `tuning` (N*) is the number of people of both arms
/// at which the interval is narrowest; it must be chosen before the data.
///
/// # Errors
/// `alpha` outside (0, 1); `tuning` outside (0, 1e15).
pub fn always_valid(effect: &Effect, alpha: f64, tuning: f64) -> Result<Test, ExperimentError> {
    inside("alpha", alpha, 0.0, 1.0)?;
    inside("tuning", tuning, 0.0, 1e15)?;
    // Eq. 161: rho² such that the sequence is tightest at N*.
    let log_alpha = alpha.ln();
    let rho_square = (-2.0 * log_alpha + (1.0 - 2.0 * log_alpha).ln()) / tuning;
    let n = effect.people as f64;
    let grown = n * rho_square + 1.0;
    // Eq. 9, with s² = variance·N; ln(√grown/alpha) by parts so that a tiny alpha keeps its digits.
    let half = (effect.variance * 2.0 * grown * (0.5 * grown.ln() - log_alpha) / (n * rho_square)).sqrt();
    // Eq. 155, in logarithms: the e-value overflows long before its inverse is of no interest.
    let squares = effect.estimate * effect.estimate / effect.variance * n;
    let log_p = 0.5 * grown.ln() - rho_square * squares / (2.0 * grown);
    Ok(Test {
        estimate: effect.estimate,
        interval: Interval::around(effect.estimate, half),
        p_value: log_p.min(0.0).exp(),
    })
}
