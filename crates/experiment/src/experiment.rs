//! The data of an experiment: arms, days, metrics, and how people came to their arms. Checked before anything is computed.

use serde::{Deserialize, Serialize};

use crate::always_valid::DEFAULT_TUNING;
use crate::bayes::{BetaPrior, MOST_ARMS};
use crate::effect::Direction;
use crate::error::{ExperimentError, inside, shown};
use crate::sample::Sample;

/// How people came to see one arm and not another. There is no default: the importer must ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Assignment {
    /// At random, by the platform's own experiment tool.
    PlatformExperiment,
    /// At random, by us (see [`crate::Assigner`]).
    Own,
    /// By an optimiser that shows each creative to those who like such things: the arms' people differ, so their results
    /// can be described but not compared.
    PlatformOptimised,
}

/// What a metric's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// Successes of people, each counted at most once: clicks, conversions.
    Proportion,
    /// A value a person, by sum and sum of squares: revenue.
    Mean,
}

/// One question that the experiment asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metric {
    /// Shown name.
    pub name: String,
    /// Kind of its values.
    pub kind: MetricKind,
    /// Which end is the good one.
    #[serde(default)]
    pub direction: Direction,
    /// Threshold of caring: a relative lift (0.01 is 1 %) too small to matter, in (0, 10).
    #[serde(default = "default_caring")]
    pub caring: f64,
}

fn default_caring() -> f64 {
    0.01
}

/// One metric's total of one day.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Total {
    /// Successes, or the sum of the values.
    pub sum: f64,
    /// Sum of the squared values; needed for means, not looked at for proportions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sum_squares: Option<f64>,
}

/// One day of one arm: counts of this day alone, not running totals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Day {
    /// Number of the day, from any origin (days since 1970-01-01, say).
    pub day: i32,
    /// People (or impressions) who saw the arm for the first time on this day.
    pub people: u64,
    /// One for each metric, in their order.
    pub totals: Vec<Total>,
}

/// One creative under test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arm {
    /// Shown name; unique.
    pub name: String,
    /// Planned share of people, from 0, relative to the other arms.
    #[serde(default = "one")]
    pub weight: f64,
    /// Its days, each at most once, in any order.
    pub days: Vec<Day>,
}

fn one() -> f64 {
    1.0
}

/// How sure and how patient the evaluation is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Index of the arm that the others are compared with.
    pub control: usize,
    /// Chance of ever naming a difference where there is none, over all arms and looks; in (0, 1).
    pub alpha: f64,
    /// People of both compared arms at which the always-valid interval is narrowest; choose it before the data.
    pub tuning: f64,
    /// Prior of proportions.
    pub prior: BetaPrior,
    /// No verdict before each arm has this many people…
    pub least_people: u64,
    /// …and, for proportions, this many successes and this many failures.
    pub least_successes: u64,
    /// Whether people should have arrived in the planned shares. False where shares were changed on the way (bandits).
    pub check_ratio: bool,
    /// p below which the planned shares count as broken; in (0, 1).
    pub ratio_alpha: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            control: 0,
            alpha: 0.05,
            tuning: DEFAULT_TUNING,
            prior: BetaPrior::default(),
            least_people: 100,
            least_successes: 25,
            check_ratio: true,
            ratio_alpha: 0.001,
        }
    }
}

/// An experiment with all its results so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// How people came to their arms.
    pub assignment: Assignment,
    /// What is asked; at least one.
    pub metrics: Vec<Metric>,
    /// 1 to 64 arms.
    pub arms: Vec<Arm>,
    /// How sure.
    #[serde(default)]
    pub settings: Settings,
}

/// Running totals: `samples[day][metric][arm]` and `people[day][arm]`, for each day that any arm has.
pub(crate) struct Totals {
    pub days: Vec<i32>,
    pub people: Vec<Vec<u64>>,
    pub samples: Vec<Vec<Vec<Sample>>>,
}

impl Experiment {
    /// Checks everything and adds the days up.
    pub(crate) fn totals(&self) -> Result<Totals, ExperimentError> {
        self.check()?;
        let mut days: Vec<i32> = self.arms.iter().flat_map(|arm| arm.days.iter().map(|day| day.day)).collect();
        days.sort_unstable();
        days.dedup();
        let mut people = vec![vec![0; self.arms.len()]; days.len()];
        let mut samples: Vec<Vec<Vec<Sample>>> = Vec::with_capacity(days.len());
        let mut running = Vec::with_capacity(self.arms.len());
        for arm in &self.arms {
            let mut sorted: Vec<&Day> = arm.days.iter().collect();
            sorted.sort_by_key(|day| day.day);
            if let Some(pair) = sorted.windows(2).find(|pair| pair[0].day == pair[1].day) {
                return Err(ExperimentError::arm(&arm.name, "days", format!("day {} is there twice", pair[0].day)));
            }
            let empty: Vec<Sample> =
                self.metrics.iter().map(|metric| metric.sample(0, Total::default())).collect::<Result<_, _>>()?;
            running.push((sorted.into_iter().peekable(), 0u64, empty));
        }
        for (index, &day) in days.iter().enumerate() {
            let mut metrics = vec![Vec::with_capacity(self.arms.len()); self.metrics.len()];
            for (a, (arm, (rest, count, sums))) in self.arms.iter().zip(&mut running).enumerate() {
                if let Some(row) = rest.next_if(|row| row.day == day) {
                    *count = add(&arm.name, *count, row)?;
                    for (metric, (sum, &total)) in self.metrics.iter().zip(sums.iter_mut().zip(&row.totals)) {
                        *sum = sum.plus(&metric.of_day(arm, row, total)?);
                    }
                }
                people[index][a] = *count;
                metrics.iter_mut().zip(sums.iter()).for_each(|(list, sum)| list.push(*sum));
            }
            samples.push(metrics);
        }
        Ok(Totals { days, people, samples })
    }

    fn check(&self) -> Result<(), ExperimentError> {
        let Settings { control, alpha, tuning, ratio_alpha, .. } = self.settings;
        inside("settings.alpha", alpha, 0.0, 1.0)?;
        inside("settings.tuning", tuning, 0.0, 1e15)?;
        inside("settings.ratio_alpha", ratio_alpha, 0.0, 1.0)?;
        if self.arms.is_empty() || self.arms.len() > MOST_ARMS {
            return Err(ExperimentError::field(
                "arms",
                format!("expected 1 to {MOST_ARMS}, found {}", self.arms.len()),
            ));
        }
        if control >= self.arms.len() {
            return Err(ExperimentError::field("settings.control", format!("{control} of {} arms", self.arms.len())));
        }
        if self.metrics.is_empty() {
            return Err(ExperimentError::field("metrics", "expected at least one, found none"));
        }
        for metric in &self.metrics {
            if !(metric.caring > 0.0 && metric.caring < 10.0) {
                let message = format!(
                    "expected more than 0 and less than 10 for '{}', found {}",
                    shown(&metric.name),
                    metric.caring
                );
                return Err(ExperimentError::field("metrics.caring", message));
            }
        }
        let mut names = std::collections::BTreeSet::new();
        for arm in &self.arms {
            if arm.name.is_empty() || !names.insert(&arm.name) {
                return Err(ExperimentError::arm(&arm.name, "name", "expected a name that no other arm has"));
            }
            if !arm.weight.is_finite() || !(0.0..=1e100).contains(&arm.weight) {
                return Err(ExperimentError::arm(
                    &arm.name,
                    "weight",
                    format!("expected 0 to 1e100, found {}", arm.weight),
                ));
            }
            for row in &arm.days {
                if row.totals.len() != self.metrics.len() {
                    let message =
                        format!("expected {} of them, one a metric, found {}", self.metrics.len(), row.totals.len());
                    return Err(of_day(&arm.name, row.day, "totals", message));
                }
            }
        }
        Ok(())
    }
}

fn of_day(arm: &str, day: i32, field: &str, message: impl Into<String>) -> ExperimentError {
    ExperimentError::Day { arm: shown(arm), day, field: field.into(), message: message.into() }
}

/// The arm's people with this day's.
fn add(arm: &str, count: u64, row: &Day) -> Result<u64, ExperimentError> {
    count.checked_add(row.people).filter(|&sum| sum <= crate::sample::MOST_PEOPLE).ok_or_else(|| {
        of_day(
            arm,
            row.day,
            "people",
            format!("{count} before and {} more are over {}", row.people, crate::sample::MOST_PEOPLE),
        )
    })
}

impl Metric {
    fn sample(&self, people: u64, total: Total) -> Result<Sample, ExperimentError> {
        match self.kind {
            MetricKind::Proportion if total.sum.fract() != 0.0 || !(0.0..=people as f64).contains(&total.sum) => {
                let message = format!("expected a whole number from 0 to the {people} people, found {}", total.sum);
                Err(ExperimentError::field("sum", message))
            }
            MetricKind::Proportion => Sample::proportion(people, total.sum as u64),
            MetricKind::Mean => {
                let squares = match total.sum_squares {
                    Some(squares) => squares,
                    None if people == 0 && total.sum == 0.0 => 0.0,
                    None => return Err(ExperimentError::field("sum_squares", "missing; a mean needs it")),
                };
                Sample::mean_of(people, total.sum, squares)
            }
        }
    }

    /// A day's sample; an error names arm, day and metric.
    fn of_day(&self, arm: &Arm, row: &Day, total: Total) -> Result<Sample, ExperimentError> {
        self.sample(row.people, total).map_err(|error| match error {
            ExperimentError::Field { field, message } => {
                of_day(&arm.name, row.day, &format!("{} of '{}'", field, shown(&self.name)), message)
            }
            other => other,
        })
    }
}
