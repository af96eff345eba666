//! Who won, in a word and in a sentence.
//!
//! Everything here follows from always-valid tests, so it may be asked every day:
//! * *Unhealthy*: people did not arrive in the planned shares.
//! * *No difference*: every arm's interval against the control lies inside the threshold of caring.
//! * *Winner*: an arm that beats the control after Holm's adjustment, the best-looking of these; with it the arms that cannot
//!   be told apart from it. Or the control, if every other arm is worse.
//! * *Keep going*: anything else.

use serde::Serialize;

use crate::always_valid::always_valid;
use crate::effect::{Effect, Scale};
use crate::error::ExperimentError;
use crate::experiment::{Metric, Settings};
use crate::report::{ArmDescription, Call, Versus, lacks};
use crate::sample::Sample;

/// Who won, if anybody did.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// An arm is better than the control (or the control than all others).
    Winner {
        /// Index of the arm.
        arm: usize,
        /// Arms that cannot be told apart from it, or for which it is too early; empty for a clear winner.
        tied: Vec<usize>,
    },
    /// No arm differs from the control by more than the threshold of caring.
    NoDifference,
    /// Not decided yet.
    KeepGoing {
        /// Arms that are already worse than the control and may be stopped.
        worse: Vec<usize>,
    },
    /// The data cannot be trusted; see the health report.
    Unhealthy,
}

/// The verdict on one metric and its sentence.
pub(crate) fn verdict(
    settings: &Settings,
    metric: &Metric,
    arms: &[ArmDescription],
    samples: &[Sample],
    versus: &[Versus],
    scale: Scale,
    sound: bool,
) -> Result<(Verdict, String), ExperimentError> {
    let control = settings.control;
    let names = |list: &[usize]| list.iter().map(|&i| format!("'{}'", arms[i].name)).collect::<Vec<_>>().join(", ");
    if !sound {
        return Ok((
            Verdict::Unhealthy,
            "Unhealthy: people did not arrive in the planned shares, so nobody won.".into(),
        ));
    }
    if versus.is_empty() {
        let words = format!("Nothing to compare: '{}' is the only arm.", arms[control].name);
        return Ok((Verdict::KeepGoing { worse: Vec::new() }, words));
    }
    let caring = match scale {
        Scale::Relative => metric.caring,
        Scale::Absolute => metric.caring * samples[control].mean().unwrap_or(0.0).abs(),
    };
    let inside = |v: &Versus| {
        v.call != Call::NotYet && v.any_time.is_some_and(|t| t.interval.low > -caring && t.interval.high < caring)
    };
    if versus.iter().all(inside) {
        let words = format!("No arm differs from '{}' by more than {} %.", arms[control].name, percent(metric.caring));
        return Ok((Verdict::NoDifference, words));
    }
    let of_call = |call: Call| versus.iter().filter(|v| v.call == call).map(|v| v.arm).collect::<Vec<_>>();
    let (better, worse) = (of_call(Call::Better), of_call(Call::Worse));
    let height = |arm: usize| samples[arm].mean().unwrap_or(0.0) * metric.direction.sign();
    if let Some(arm) = better.iter().copied().max_by(|&i, &j| height(i).total_cmp(&height(j)).then(j.cmp(&i))) {
        let tied = not_told_apart(settings, metric, arms, samples, arm)?;
        let lift = versus.iter().find(|v| v.arm == arm).and_then(|v| v.any_time);
        let mut words = format!("'{}' beats '{}'", arms[arm].name, arms[control].name);
        if let (Some(test), Scale::Relative) = (lift, scale) {
            let (low, high) = (percent(test.interval.low), percent(test.interval.high));
            words += &format!(" by {} % (between {low} and {high} %)", percent(test.estimate));
        }
        words += &match tied.len() {
            0 => ". It is the winner.".to_string(),
            _ => format!(". It cannot yet be told apart from {}.", names(&tied)),
        };
        return Ok((Verdict::Winner { arm, tied }, words));
    }
    if worse.len() == versus.len() {
        let words = format!("'{}' is better than every other arm: keep it.", arms[control].name);
        return Ok((Verdict::Winner { arm: control, tied: Vec::new() }, words));
    }
    let mut words = match versus.iter().find(|v| v.call == Call::NotYet).and_then(|v| v.note.as_deref()) {
        Some(note) => format!("Keep going: {note}."),
        None => "Keep going: nothing is decided yet.".to_string(),
    };
    if !worse.is_empty() {
        words += &format!(" Worse than '{}', may be stopped: {}.", arms[control].name, names(&worse));
    }
    Ok((Verdict::KeepGoing { worse }, words))
}

/// The arms, the control apart, that `leader` does not beat in an always-valid test at alpha over all its comparisons.
fn not_told_apart(
    settings: &Settings,
    metric: &Metric,
    arms: &[ArmDescription],
    samples: &[Sample],
    leader: usize,
) -> Result<Vec<usize>, ExperimentError> {
    let each = settings.alpha / (samples.len() - 1) as f64;
    let mut tied = Vec::new();
    for rival in (0..samples.len()).filter(|&rival| rival != leader && rival != settings.control) {
        let ready = lacks(&arms[rival].name, &samples[rival], settings).is_none();
        let beaten = match Effect::between(&samples[rival], &samples[leader], Scale::Absolute) {
            Ok(effect) => {
                let test = always_valid(&effect, each, settings.tuning)?;
                test.p_value < each && effect.estimate * metric.direction.sign() > 0.0
            }
            Err(_) => false,
        };
        if !(ready && beaten) {
            tied.push(rival);
        }
    }
    Ok(tied)
}

/// A share in percent, to three significant digits and without trailing zeros.
fn percent(share: f64) -> String {
    let value = share * 100.0;
    let digits = if value == 0.0 { 0 } else { (2 - value.abs().log10().floor() as i32).clamp(0, 6) };
    let text = format!("{value:.*}", digits as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_string() } else { text }
}
