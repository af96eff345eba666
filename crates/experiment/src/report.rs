//! From data to words: what each arm did, how it compares with the control, whether the experiment is healthy, who won.
//!
//! Where people were not assigned at random, [`Report::Described`] comes back, which has no place for a winner.

use serde::Serialize;

use crate::always_valid::always_valid;
use crate::bayes::{BayesSettings, Beliefs, bayes};
use crate::effect::{Effect, Interval, Scale};
use crate::error::ExperimentError;
use crate::experiment::{Assignment, Experiment, Metric, MetricKind, Settings, Totals};
use crate::fixed::{Reference, Test, fixed_horizon, holm, newcombe, wilson};
use crate::ratio::{RatioTest, ratio_chi_square, ratio_sequential};
use crate::sample::Sample;
use crate::special::t_isf;
use crate::verdict::{Verdict, verdict};

/// What an experiment says.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Report {
    /// People came to the arms by an optimiser: what each arm did, and nothing about which is better.
    Described(Description),
    /// People came at random: the arms can be compared.
    Compared(Comparison),
}

/// What each arm did, without a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Description {
    /// One for each metric.
    pub metrics: Vec<DescribedMetric>,
    /// Why there is no winner.
    pub words: String,
}

/// One metric of a [`Description`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DescribedMetric {
    /// Name of the metric.
    pub name: String,
    /// One for each arm.
    pub arms: Vec<ArmDescription>,
}

/// What one arm did, by one metric.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArmDescription {
    /// Name of the arm.
    pub name: String,
    /// Its people.
    pub people: u64,
    /// Successes, or the sum of values.
    pub sum: f64,
    /// Rate or mean; absent for nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Interval of the mean at 1 − alpha, right when looked at once: Wilson's, or Student's for means. Absent where the
    /// data have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
}

/// A comparison of randomly assigned arms.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Whether the numbers can be trusted.
    pub health: Health,
    /// One for each metric.
    pub metrics: Vec<ComparedMetric>,
}

/// Whether people arrived as planned.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Health {
    /// False: no verdict is given.
    pub sound: bool,
    /// The test of the planned shares that may be looked at any day; it decides. Absent where shares were changed on the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<RatioTest>,
    /// The chi-square test, for a single look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_fixed: Option<RatioTest>,
    /// What is wrong or odd, in words.
    pub warnings: Vec<String>,
}

/// One metric of a [`Comparison`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedMetric {
    /// Name of the metric.
    pub name: String,
    /// In what `versus` and `series` are measured: lift where the control's mean is above zero, else difference.
    pub scale: Scale,
    /// One for each arm.
    pub arms: Vec<ArmDescription>,
    /// One for each arm but the control.
    pub versus: Vec<Versus>,
    /// The Bayesian view of all arms; absent where it cannot be computed (`warnings` says why).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beliefs: Option<Beliefs>,
    /// Who won, if anybody did.
    pub verdict: Verdict,
    /// The verdict in a sentence.
    pub words: String,
    /// The always-valid interval of each arm against the control after each day, for plotting.
    pub series: Vec<SeriesPoint>,
    /// What the metric's data lack, in words.
    pub warnings: Vec<String>,
}

/// One arm against the control.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Versus {
    /// Index of the arm.
    pub arm: usize,
    /// The test that may be looked at any day: the default. Its interval is at alpha over the number of comparisons, so that
    /// all intervals hold together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub any_time: Option<Test>,
    /// The p-value of `any_time`, adjusted for all comparisons by Holm's method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub any_time_holm: Option<f64>,
    /// The fixed-horizon test (Welch), right only when looked at once at the planned size; same alpha.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed: Option<Test>,
    /// Its p-value, adjusted by Holm's method.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_holm: Option<f64>,
    /// Fixed-horizon interval of the difference: Newcombe's for proportions, Welch's for means; same alpha.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub difference: Option<Interval>,
    /// What may be said today.
    pub call: Call,
    /// Why a test is absent, or why nothing is called yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What may be said of an arm against the control, at any look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// Better than the control.
    Better,
    /// Worse than the control.
    Worse,
    /// Not told apart.
    Unclear,
    /// Too little data to say anything.
    NotYet,
}

/// One interval of the plot over days.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SeriesPoint {
    /// The day, as in the data.
    pub day: i32,
    /// Index of the arm.
    pub arm: usize,
    /// Estimate after this day.
    pub estimate: f64,
    /// Always-valid interval after this day, with all others at once.
    pub interval: Interval,
}

/// Evaluates an experiment after its last day. The verdict holds at whatever day this is called, and however often.
///
/// # Errors
/// Data that cannot be right, naming arm, day and field; settings out of range. Data that are merely few are no error.
pub fn evaluate(experiment: &Experiment) -> Result<Report, ExperimentError> {
    let totals = experiment.totals()?;
    let nobody = |metric: &Metric| match metric.kind {
        MetricKind::Proportion => Sample::proportion(0, 0),
        MetricKind::Mean => Sample::mean_of(0, 0.0, 0.0),
    };
    let latest: Vec<Vec<Sample>> = match totals.samples.last() {
        Some(last) => last.clone(),
        None => {
            let row = |metric: &Metric| Ok(vec![nobody(metric)?; experiment.arms.len()]);
            experiment.metrics.iter().map(row).collect::<Result<_, ExperimentError>>()?
        }
    };
    let described: Vec<Vec<ArmDescription>> = latest
        .iter()
        .map(|samples| {
            experiment
                .arms
                .iter()
                .zip(samples)
                .map(|(arm, sample)| describe(&arm.name, sample, &experiment.settings))
                .collect()
        })
        .collect::<Result<_, ExperimentError>>()?;
    if experiment.assignment == Assignment::PlatformOptimised {
        let names = experiment.metrics.iter().map(|metric| metric.name.clone());
        return Ok(Report::Described(Description {
            metrics: names.zip(described).map(|(name, arms)| DescribedMetric { name, arms }).collect(),
            words: "The platform chose who saw which creative, so the arms had different people. Their numbers can be \
                    described, not compared: no winner can be named. Use the platform's experiment tool, or assign people here."
                .into(),
        }));
    }
    let health = health(experiment, &totals)?;
    let metrics = experiment
        .metrics
        .iter()
        .enumerate()
        .zip(described)
        .map(|((m, metric), arms)| compare_metric(experiment, &totals, m, metric, &latest[m], arms, health.sound))
        .collect::<Result<_, ExperimentError>>()?;
    Ok(Report::Compared(Comparison { health, metrics }))
}

fn describe(name: &str, sample: &Sample, settings: &Settings) -> Result<ArmDescription, ExperimentError> {
    let interval = if sample.is_proportion() {
        wilson(sample, settings.alpha)?.ok()
    } else {
        sample.mean().zip(sample.variance()).and_then(|(mean, variance)| {
            let n = sample.people() as f64;
            let half = t_isf(settings.alpha / 2.0, n - 1.0) * (variance / n).sqrt();
            half.is_finite().then(|| Interval::around(mean, half))
        })
    };
    Ok(ArmDescription {
        name: name.to_string(),
        people: sample.people(),
        sum: sample.sum(),
        mean: sample.mean(),
        interval,
    })
}

fn health(experiment: &Experiment, totals: &Totals) -> Result<Health, ExperimentError> {
    let weights: Vec<f64> = experiment.arms.iter().map(|arm| arm.weight).collect();
    let mut health = Health { sound: true, ratio: None, ratio_fixed: None, warnings: Vec::new() };
    let Some(people) = totals.people.last() else {
        health.warnings.push("There are no results yet.".into());
        return Ok(health);
    };
    for (arm, &count) in experiment.arms.iter().zip(people) {
        if arm.weight == 0.0 && count > 0 && experiment.settings.check_ratio {
            health.warnings.push(format!("'{}' has a planned share of 0 but {count} people.", arm.name));
        }
        if arm.weight > 0.0 && count == 0 {
            health.warnings.push(format!("'{}' has no people yet.", arm.name));
        }
    }
    if experiment.settings.check_ratio {
        let (ratio, fixed) = (ratio_sequential(&totals.people, &weights)?, ratio_chi_square(people, &weights)?);
        if ratio.p_value < experiment.settings.ratio_alpha {
            health.sound = false;
            health.warnings.push(format!(
                "People did not arrive in the planned shares (p = {:.1e}): something dropped or doubled them. Find out what \
                 before trusting any number here.",
                ratio.p_value
            ));
        }
        (health.ratio, health.ratio_fixed) = (Some(ratio), Some(fixed));
    }
    Ok(health)
}

/// What an arm lacks for a verdict, if anything.
pub(crate) fn lacks(name: &str, sample: &Sample, settings: &Settings) -> Option<String> {
    if sample.people() < settings.least_people {
        return Some(format!("'{name}' has {} people, a verdict waits for {}", sample.people(), settings.least_people));
    }
    let (successes, failures) = sample.counts()?;
    let (few, what) = if successes <= failures { (successes, "successes") } else { (failures, "failures") };
    (few < settings.least_successes)
        .then(|| format!("'{name}' has {few} {what}, a verdict waits for {}", settings.least_successes))
}

fn compare_metric(
    experiment: &Experiment,
    totals: &Totals,
    index: usize,
    metric: &Metric,
    latest: &[Sample],
    arms: Vec<ArmDescription>,
    sound: bool,
) -> Result<ComparedMetric, ExperimentError> {
    let settings = &experiment.settings;
    let control = settings.control;
    let scale = if latest[control].mean().is_some_and(|mean| mean > 0.0) { Scale::Relative } else { Scale::Absolute };
    // All comparisons with the control hold together.
    let each = settings.alpha / (latest.len() - 1).max(1) as f64;
    let mut warnings: Vec<String> =
        arms.iter().zip(latest).filter_map(|(arm, sample)| lacks(&arm.name, sample, settings)).collect();
    let mut versus = Vec::new();
    for arm in (0..latest.len()).filter(|&arm| arm != control) {
        versus.push(against_control(settings, &arms, latest, arm, scale, each)?);
    }
    call(&mut versus, settings, metric);
    let mut series = Vec::new();
    for (day, samples) in totals.days.iter().zip(&totals.samples) {
        let samples = &samples[index];
        for arm in (0..samples.len()).filter(|&arm| arm != control) {
            if let Ok(effect) = Effect::between(&samples[control], &samples[arm], scale) {
                let test = always_valid(&effect, each, settings.tuning)?;
                if finite(&test) {
                    series.push(SeriesPoint { day: *day, arm, estimate: test.estimate, interval: test.interval });
                }
            }
        }
    }
    let anchor = latest[control].mean().unwrap_or(0.0).abs();
    let beliefs = bayes(
        latest,
        &BayesSettings {
            prior: settings.prior,
            direction: metric.direction,
            control,
            alpha: settings.alpha,
            caring: metric.caring * anchor,
        },
    )?;
    let beliefs = match beliefs {
        Ok(beliefs) => Some(beliefs),
        Err((arm, why)) => {
            warnings.push(format!("No Bayesian view: {}.", why.words(&arms[control].name, &arms[arm].name)));
            None
        }
    };
    let (verdict, words) = verdict(settings, metric, &arms, latest, &versus, scale, sound)?;
    Ok(ComparedMetric { name: metric.name.clone(), scale, arms, versus, beliefs, verdict, words, series, warnings })
}

fn against_control(
    settings: &Settings,
    arms: &[ArmDescription],
    latest: &[Sample],
    arm: usize,
    scale: Scale,
    each: f64,
) -> Result<Versus, ExperimentError> {
    let control = settings.control;
    let mut versus = Versus {
        arm,
        any_time: None,
        any_time_holm: None,
        fixed: None,
        fixed_holm: None,
        difference: None,
        call: Call::NotYet,
        note: [control, arm].iter().find_map(|&i| lacks(&arms[i].name, &latest[i], settings)),
    };
    match Effect::between(&latest[control], &latest[arm], scale) {
        Ok(effect) => {
            versus.any_time = Some(always_valid(&effect, each, settings.tuning)?).filter(finite);
            versus.fixed = Some(fixed_horizon(&effect, each, Reference::Welch)?).filter(finite);
            if versus.any_time.is_some() && versus.note.is_none() {
                versus.call = Call::Unclear;
            }
        }
        Err(why) => versus.note = Some(why.words(&arms[control].name, &arms[arm].name)),
    }
    versus.difference = if latest[arm].is_proportion() {
        newcombe(&latest[control], &latest[arm], each)?.ok()
    } else {
        match Effect::between(&latest[control], &latest[arm], Scale::Absolute) {
            Ok(effect) => {
                Some(fixed_horizon(&effect, each, Reference::Welch)?).filter(finite).map(|test| test.interval)
            }
            Err(_) => None,
        }
    };
    Ok(versus)
}

fn finite(test: &Test) -> bool {
    [test.estimate, test.interval.low, test.interval.high, test.p_value].iter().all(|x| x.is_finite())
}

/// Holm's adjustment over all comparisons (one that cannot be made counts as p = 1), and what follows from it.
fn call(versus: &mut [Versus], settings: &Settings, metric: &Metric) {
    let p = |test: &Option<Test>| test.map_or(1.0, |test| test.p_value);
    let any_time = holm(&versus.iter().map(|v| p(&v.any_time)).collect::<Vec<_>>());
    let fixed = holm(&versus.iter().map(|v| p(&v.fixed)).collect::<Vec<_>>());
    for ((v, any_time), fixed) in versus.iter_mut().zip(any_time).zip(fixed) {
        v.any_time_holm = v.any_time.map(|_| any_time);
        v.fixed_holm = v.fixed.map(|_| fixed);
        if let (Call::Unclear, Some(test)) = (v.call, v.any_time)
            && any_time < settings.alpha
        {
            v.call = if test.estimate * metric.direction.sign() > 0.0 { Call::Better } else { Call::Worse };
        }
    }
}
