//! What a test says, in one sentence that leaves out what it does not say.

use campaign::Unit;
use experiment::{Call, ComparedMetric, Comparison, Interval, Report, Scale, Verdict, Versus};
use serde::Serialize;
use utoipa::ToSchema;

/// Days below which weekdays were not all seen.
const WEEK: usize = 7;

/// What a test says.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Answer {
    /// `no_results`, `described` (people were not assigned at random), `unhealthy`, `not_yet`, `winner`, `tied` (better than the
    /// first, but not told apart from others) or `no_difference`.
    pub kind: &'static str,
    /// The sentence.
    pub headline: String,
    /// Index of the creative that won.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub winner: Option<usize>,
    /// What to keep in mind.
    pub cautions: Vec<String>,
}

impl Answer {
    fn new(kind: &'static str, headline: impl Into<String>) -> Self {
        Self { kind, headline: headline.into(), winner: None, cautions: Vec::new() }
    }

    /// The answer before there are results.
    pub fn none() -> Self {
        Self::new("no_results", "Not yet: there are no results.")
    }

    /// The answer of a report.
    pub fn of(report: &Report, unit: Option<Unit>, reweighted: bool, days: usize) -> Self {
        let mut answer = match report {
            Report::Described(_) => Self::new(
                "described",
                "This data cannot name a winner: the platform chose who saw which creative, so each was seen by other people.",
            ),
            Report::Compared(comparison) => {
                comparison.metrics.first().map_or_else(Self::none, |metric| of(comparison, metric))
            }
        };
        let cautions = &mut answer.cautions;
        if let Report::Compared(comparison) = report {
            cautions.extend(comparison.health.warnings.iter().cloned());
            cautions
                .extend(comparison.metrics.iter().flat_map(|metric| metric.warnings.iter().map(|text| sentence(text))));
            if unit == Some(Unit::Impressions) {
                cautions.push(
                    "Impressions are not people: whoever saw a creative often counts often, so the intervals are too narrow. \
                     Count people if the platform can."
                        .into(),
                );
            }
            if reweighted {
                cautions.push(
                    "Shares were changed while people came: whether they arrived as planned cannot be checked, and the \
                     creatives had different days."
                        .into(),
                );
            }
            if days < WEEK {
                cautions.push(format!("Only {days} of the days of a week were seen: weekdays differ."));
            }
        }
        answer
    }
}

/// The answer of one metric.
fn of(comparison: &Comparison, metric: &ComparedMetric) -> Answer {
    let name = |i: usize| format!("'{}'", metric.arms.get(i).map_or("", |arm| arm.name.as_str()));
    let names = |list: &[usize]| list.iter().map(|&i| name(i)).collect::<Vec<_>>().join(", ");
    let control = control(metric);
    let versus = |arm: usize| metric.versus.iter().find(|one| one.arm == arm);
    match &metric.verdict {
        Verdict::Unhealthy => {
            let p = comparison.health.ratio.map_or(0.0, |ratio| ratio.p_value);
            let headline = format!(
                "This data cannot name a winner: people did not arrive in the planned shares (p = {p:.1e}), so something \
                 dropped or doubled them."
            );
            Answer::new("unhealthy", headline)
        }
        Verdict::NoDifference => Answer::new(
            "no_difference",
            metric.words.replacen("No arm differs", "It makes no difference: none differs", 1),
        ),
        Verdict::Winner { arm, tied } if *arm == control => Answer {
            winner: Some(*arm),
            ..Answer::new(
                if tied.is_empty() { "winner" } else { "tied" },
                format!("Keep {}: every other creative is worse.", name(control)),
            )
        },
        Verdict::Winner { arm, tied } => {
            let by = versus(*arm)
                .and_then(|one| one.any_time)
                .map_or(String::new(), |test| format!(" by {}", range(better(test.interval), metric.scale)));
            let mut headline = format!("{} is better than {}{by}", name(*arm), name(control));
            headline += &match tied.is_empty() {
                true => ".".to_owned(),
                false => format!(", but cannot be told apart from {} yet.", names(tied)),
            };
            Answer { winner: Some(*arm), ..Answer::new(if tied.is_empty() { "winner" } else { "tied" }, headline) }
        }
        Verdict::KeepGoing { worse } => {
            let mut headline = format!("Not yet: {}.", not_yet(metric, control));
            if !worse.is_empty() {
                headline += &format!(" Worse than {}, and may be stopped: {}.", name(control), names(worse));
            }
            Answer::new("not_yet", headline)
        }
    }
}

/// The arm that the others are compared with.
fn control(metric: &ComparedMetric) -> usize {
    (0..metric.arms.len()).find(|i| metric.versus.iter().all(|one| one.arm != *i)).unwrap_or(0)
}

/// Why it is too early.
fn not_yet(metric: &ComparedMetric, control: usize) -> String {
    if let Some(note) = metric.versus.iter().find(|one| one.call == Call::NotYet).and_then(|one| one.note.as_ref()) {
        return note.clone();
    }
    let best = metric
        .versus
        .iter()
        .filter_map(|one: &Versus| Some((one.arm, one.any_time?)))
        .max_by(|(_, a), (_, b)| a.estimate.abs().total_cmp(&b.estimate.abs()));
    let name = |i: usize| metric.arms.get(i).map_or("", |arm| arm.name.as_str());
    match best {
        Some((arm, test)) => {
            let Interval { low, high } = test.interval;
            let (low, high) = (signed(low, metric.scale), signed(high, metric.scale));
            format!("'{}' may be anything from {low} to {high} against '{}'", name(arm), name(control))
        }
        None => "nothing is decided".into(),
    }
}

/// An interval on one side of 0, as a gain.
fn better(interval: Interval) -> Interval {
    match interval.high < 0.0 {
        true => Interval { low: -interval.high, high: -interval.low },
        false => interval,
    }
}

fn range(Interval { low, high }: Interval, scale: Scale) -> String {
    match scale {
        Scale::Relative => format!("{} to {} %", plain(low * 100.0, 2), plain(high * 100.0, 2)),
        Scale::Absolute => format!("{} to {} a person", plain(low, 2), plain(high, 2)),
    }
}

fn signed(value: f64, scale: Scale) -> String {
    let sign = if value < 0.0 { "−" } else { "+" };
    match scale {
        Scale::Relative => format!("{sign}{} %", plain(value.abs() * 100.0, 2)),
        Scale::Absolute => format!("{sign}{} a person", plain(value.abs(), 2)),
    }
}

/// A share in percent, to about three digits.
pub fn percent(share: f64) -> String {
    plain(share * 100.0, 3)
}

/// A number to about so many digits, without zeros at its end.
fn plain(value: f64, digits: i32) -> String {
    let digits = if value == 0.0 { 0 } else { (digits - 1 - value.abs().log10().floor() as i32).clamp(0, 6) };
    let text = format!("{value:.*}", digits as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    let end = if text.ends_with('.') { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use experiment::{Arm, Assignment, Day, Direction, Experiment, Metric, MetricKind, Settings, Total, evaluate};

    fn answer(assignment: Assignment, counts: &[(u64, u64)]) -> Answer {
        let arm = |(i, &(people, sum)): (usize, &(u64, u64))| Arm {
            name: ["A", "B", "C"][i].into(),
            weight: 1.0,
            days: vec![Day { day: 1, people, totals: vec![Total { sum: sum as f64, sum_squares: None }] }],
        };
        let experiment = Experiment {
            assignment,
            metrics: vec![Metric {
                name: "clicks".into(),
                kind: MetricKind::Proportion,
                direction: Direction::LargerIsBetter,
                caring: 0.01,
            }],
            arms: counts.iter().enumerate().map(arm).collect(),
            settings: Settings::default(),
        };
        Answer::of(&evaluate(&experiment).unwrap(), Some(Unit::People), false, 14)
    }

    #[test]
    fn each_kind_has_its_sentence() {
        let own = |counts: &[(u64, u64)]| answer(Assignment::Own, counts);
        let won = own(&[(20_000, 1000), (20_000, 1400), (20_000, 1010)]);
        assert_eq!((won.kind, won.winner), ("winner", Some(1)));
        assert!(won.headline.starts_with("'B' is better than 'A' by ") && won.headline.ends_with(" %."), "{won:?}");
        let tied = own(&[(20_000, 1000), (20_000, 1400), (20_000, 1401)]);
        assert_eq!((tied.kind, tied.winner), ("tied", Some(2)));
        assert!(tied.headline.ends_with("cannot be told apart from 'B' yet."), "{tied:?}");
        let early = own(&[(10, 1), (10, 2)]);
        assert_eq!((early.kind, early.winner), ("not_yet", None));
        assert!(early.headline.starts_with("Not yet: 'A' has 10 people, a verdict waits for 100"), "{early:?}");
        let open = own(&[(5000, 250), (5000, 270)]);
        assert!(open.headline.starts_with("Not yet: 'B' may be anything from −"), "{open:?}");
        let worse = own(&[(20_000, 1400), (20_000, 1000)]);
        assert_eq!(worse.headline, "Keep 'A': every other creative is worse.");
        let same = own(&[(400_000_000, 20_000_000), (400_000_000, 20_000_100)]);
        assert_eq!(same.headline, "It makes no difference: none differs from 'A' by more than 1 %.");
        let lost = own(&[(20_000, 1000), (10_000, 700)]);
        assert_eq!((lost.kind, lost.winner), ("unhealthy", None));
        let seen = answer(Assignment::PlatformOptimised, &[(20_000, 1000), (20_000, 1400)]);
        assert_eq!((seen.kind, seen.winner), ("described", None));
        assert!(!seen.headline.contains('B') && seen.headline.contains("cannot name a winner"));
    }
}
