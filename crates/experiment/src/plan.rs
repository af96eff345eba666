//! Before an experiment: how many people it needs, how many days that is, and what to do with ten variations.
//!
//! The normal formula with unpooled variances, two-sided: n an arm = (z_{α/2} + z_{1−power})²·(v_A + v_B)/δ². With several
//! variations against one control, α is divided among them (Bonferroni, which Holm can only improve on).

use serde::{Deserialize, Serialize};

use crate::error::{ExperimentError, inside};
use crate::special::{normal_isf, normal_sf};

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Baseline {
    /// A rate such as 0.01 clicks an impression.
    Proportion {
        /// In (0, 1).
        rate: f64,
    },
    /// A value a person, such as revenue.
    Mean {
        /// Mean, > 0.
        mean: f64,
        /// Standard deviation of one person's value, > 0.
        deviation: f64,
    },
}

/// How sure the experiment is to be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sureness {
    /// Chance that any variation without an effect is called one; in (0, 1).
    pub alpha: f64,
    /// Chance that a real lift of the planned size is found; in (alpha/2, 1).
    pub power: f64,
    /// Arms with the control, 2 to 64.
    pub arms: usize,
}

impl Default for Sureness {
    fn default() -> Self {
        Self { alpha: 0.05, power: 0.8, arms: 2 }
    }
}

impl Sureness {
    /// z_{α/2} of one comparison, and z of the power.
    fn quantiles(&self) -> Result<(f64, f64), ExperimentError> {
        inside("alpha", self.alpha, 0.0, 1.0)?;
        if !(2..=crate::bayes::MOST_ARMS).contains(&self.arms) {
            let message = format!("expected 2 to {}, found {}", crate::bayes::MOST_ARMS, self.arms);
            return Err(ExperimentError::field("arms", message));
        }
        let each = self.alpha / (self.arms - 1) as f64;
        inside("power", self.power, each / 2.0, 1.0)?;
        // A high power is a small tail, which is where the quantile is exact.
        let beta = 1.0 - self.power;
        Ok((normal_isf(each / 2.0), if beta <= 0.5 { normal_isf(beta) } else { -normal_isf(self.power) }))
    }
}

/// The variance of one person in the control and in a variation with this lift, and the difference of their means.
fn spread(baseline: Baseline, lift: f64) -> Result<(f64, f64), ExperimentError> {
    let refuse = |message: String| Err(ExperimentError::field("lift", message));
    if !lift.is_finite() || lift == 0.0 {
        return refuse(format!("expected a number other than 0, found {lift}"));
    }
    match baseline {
        Baseline::Proportion { rate } => {
            inside("rate", rate, 0.0, 1.0)?;
            let other = rate * (1.0 + lift);
            if !(0.0..=1.0).contains(&other) {
                return refuse(format!("a rate of {rate} with a lift of {lift} is {other}, which is no rate"));
            }
            Ok((rate * (1.0 - rate) + other * (1.0 - other), other - rate))
        }
        Baseline::Mean { mean, deviation } => {
            inside("mean", mean, 0.0, 1e150)?;
            inside("deviation", deviation, 0.0, 1e150)?;
            Ok((2.0 * deviation * deviation, mean * lift))
        }
    }
}

/// People an arm, not rounded.
fn people_exact(baseline: Baseline, lift: f64, sureness: &Sureness) -> Result<f64, ExperimentError> {
    let (z, z_power) = sureness.quantiles()?;
    let (variance, difference) = spread(baseline, lift)?;
    let root = (z + z_power) * variance.sqrt() / difference;
    Ok(root * root)
}

/// People (or impressions) each arm needs to find a relative `lift` (0.2 is 20 % more, −0.1 a tenth less). At least 2.
///
/// # Errors
/// A field out of range; a lift that makes a rate leave 0..=1; more people than 10¹⁵.
pub fn people_per_arm(baseline: Baseline, lift: f64, sureness: &Sureness) -> Result<u64, ExperimentError> {
    let exact = people_exact(baseline, lift, sureness)?.ceil().max(2.0);
    if exact > crate::sample::MOST_PEOPLE as f64 {
        return Err(ExperimentError::field("lift", format!("finding {lift} would take {exact:.1e} people an arm")));
    }
    Ok(exact as u64)
}

/// The chance to find a relative `lift` with this many people an arm (both tails; tends to alpha for a lift near 0).
///
/// # Errors
/// A field out of range.
pub fn power_of(baseline: Baseline, lift: f64, people: u64, sureness: &Sureness) -> Result<f64, ExperimentError> {
    let (z, _) = sureness.quantiles()?;
    let (variance, difference) = spread(baseline, lift)?;
    let shift = difference.abs() * (people as f64 / variance).sqrt();
    let power = normal_sf(z - shift) + normal_sf(z + shift);
    // No variance and no people is 0/0.
    Ok(if power.is_nan() { 0.0 } else { power })
}

/// The smallest relative lift upwards that this many people an arm can find; `None` where even a rate of 1 is not enough.
///
/// # Errors
/// A field out of range; nobody.
pub fn detectable_lift(baseline: Baseline, people: u64, sureness: &Sureness) -> Result<Option<f64>, ExperimentError> {
    let (z, z_power) = sureness.quantiles()?;
    if people == 0 {
        return Err(ExperimentError::field("people", "expected at least 1, found 0"));
    }
    let (n, square) = (people as f64, (z + z_power) * (z + z_power));
    match baseline {
        Baseline::Proportion { rate } => {
            inside("rate", rate, 0.0, 1.0)?;
            // n·d² = Z²·(p·q + (p+d)·(q−d)), a quadratic in d.
            let (a, half_b, c) = (n + square, -0.5 * square * (1.0 - 2.0 * rate), -2.0 * square * rate * (1.0 - rate));
            let root = (half_b * half_b - a * c).sqrt();
            let difference = if half_b <= 0.0 { (root - half_b) / a } else { -c / (root + half_b) };
            Ok((rate + difference <= 1.0).then_some(difference / rate))
        }
        Baseline::Mean { mean, deviation } => {
            inside("mean", mean, 0.0, 1e150)?;
            inside("deviation", deviation, 0.0, 1e150)?;
            let lift = (2.0 * square / n).sqrt() * deviation / mean;
            Ok(lift.is_finite().then_some(lift))
        }
    }
}

/// Whole days until every arm has its people, with `traffic` people a day shared evenly by all arms.
///
/// # Errors
/// No arms or no traffic.
pub fn days_needed(people_per_arm: u64, arms: usize, traffic: u64) -> Result<u64, ExperimentError> {
    if arms == 0 || traffic == 0 {
        let field = if arms == 0 { "arms" } else { "traffic" };
        return Err(ExperimentError::field(field, "expected at least 1, found 0"));
    }
    let all = u128::from(people_per_arm) * arms as u128;
    Ok(u64::try_from(all.div_ceil(u128::from(traffic))).unwrap_or(u64::MAX))
}

/// One way to get an answer for many variations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Way {
    /// Which way.
    pub kind: WayKind,
    /// Arms that run at the same time, with the control.
    pub arms: usize,
    /// People of all arms and stages together.
    pub people: u64,
    /// Days that takes.
    pub days: u64,
    /// What to do, in one or two sentences.
    pub words: String,
}

/// The kinds of [`Way`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WayKind {
    /// All arms to the end.
    AllAtOnce,
    /// A screening stage with every arm, then the best few against the control.
    Staged,
    /// Shares follow the results.
    Bandit,
    /// The most different ideas only.
    Fewer,
}

/// Ways to test `sureness.arms` arms with `traffic` people a day, each with its price, the full test first.
///
/// * *Staged*: a quarter of one comparison's people for every arm, then the best third (at most three) with the control and
///   new people. The final's alpha is shared by the finalists alone, because its data are not those that chose them.
/// * *Bandit*: no promise of finding the winner; priced at the people of one full comparison, spread over all.
/// * *Fewer*: the control and the three most different ideas.
///
/// # Errors
/// A field out of range.
pub fn ways(baseline: Baseline, lift: f64, sureness: &Sureness, traffic: u64) -> Result<Vec<Way>, ExperimentError> {
    let each = people_per_arm(baseline, lift, sureness)?;
    let all = |n: u64, arms: usize| n.saturating_mul(arms as u64);
    let arms = sureness.arms;
    let mut ways = vec![Way {
        kind: WayKind::AllAtOnce,
        arms,
        people: all(each, arms),
        days: days_needed(each, arms, traffic)?,
        words: format!("Run all {arms} arms to {each} people each."),
    }];
    if arms <= 3 {
        return Ok(ways);
    }
    let finalists = ((arms - 1) / 3).clamp(1, 3);
    let last = people_per_arm(baseline, lift, &Sureness { arms: finalists + 1, ..*sureness })?;
    let screen = people_per_arm(baseline, lift, &Sureness { arms: 2, ..*sureness })?.div_ceil(4);
    ways.push(Way {
        kind: WayKind::Staged,
        arms,
        people: all(screen, arms).saturating_add(all(last, finalists + 1)),
        days: days_needed(screen, arms, traffic)?.saturating_add(days_needed(last, finalists + 1, traffic)?),
        words: format!(
            "Screen all {arms} arms with {screen} people each, then give the best {finalists} and the control {last} new \
             people each; only the second stage says who won."
        ),
    });
    let pair = people_per_arm(baseline, lift, &Sureness { arms: 2, ..*sureness })?;
    ways.push(Way {
        kind: WayKind::Bandit,
        arms,
        people: all(pair, 2),
        days: days_needed(pair, 2, traffic)?,
        words:
            "Let a bandit move people to what works: fewer people see poor pictures, but it chooses rather than proves."
                .into(),
    });
    if arms > 4 {
        let few = people_per_arm(baseline, lift, &Sureness { arms: 4, ..*sureness })?;
        ways.push(Way {
            kind: WayKind::Fewer,
            arms: 4,
            people: all(few, 4),
            days: days_needed(few, 4, traffic)?,
            words: format!(
                "Fold near-duplicates and test only the three most different ideas with the control, {few} people each; \
                 different ideas also differ more in their results."
            ),
        });
    }
    Ok(ways)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLICKS: Baseline = Baseline::Proportion { rate: 0.01 };

    #[test]
    fn ten_variations_have_four_ways_and_all_cheaper_ones_are() {
        let ten = Sureness { arms: 10, ..Sureness::default() };
        let ways = ways(CLICKS, 0.2, &ten, 20_000).expect("ways");
        let kinds: Vec<WayKind> = ways.iter().map(|way| way.kind).collect();
        assert_eq!(kinds, [WayKind::AllAtOnce, WayKind::Staged, WayKind::Bandit, WayKind::Fewer]);
        let all = people_per_arm(CLICKS, 0.2, &ten).expect("people");
        assert_eq!((ways[0].people, ways[0].days), (10 * all, (10 * all).div_ceil(20_000)));
        assert!(ways[1..].iter().all(|way| way.people < ways[0].people && way.days < ways[0].days), "{ways:?}");
        let pair = super::ways(CLICKS, 0.2, &Sureness::default(), 20_000).expect("ways");
        assert!(pair.len() == 1 && pair[0].people == 2 * 42_691 && pair[0].days == 5, "{pair:?}");
    }

    #[test]
    fn days_are_whole_and_never_wrap() {
        assert_eq!(days_needed(100, 2, 100).expect("days"), 2);
        assert_eq!(days_needed(101, 2, 100).expect("days"), 3);
        assert_eq!(days_needed(u64::MAX, 64, 1).expect("days"), u64::MAX);
        assert!(days_needed(1, 0, 1).is_err() && days_needed(1, 1, 0).is_err());
    }

    #[test]
    fn bad_plans_are_named() {
        let good = Sureness::default();
        for (baseline, lift, sureness, field) in [
            (Baseline::Proportion { rate: 0.0 }, 0.2, good, "rate"),
            (Baseline::Proportion { rate: f64::NAN }, 0.2, good, "rate"),
            (Baseline::Mean { mean: 1.0, deviation: 0.0 }, 0.2, good, "deviation"),
            (CLICKS, 0.0, good, "lift"),
            (CLICKS, 100.0, good, "lift"),
            (CLICKS, -1.1, good, "lift"),
            (CLICKS, 1e-12, good, "lift"),
            (CLICKS, 0.2, Sureness { alpha: 0.0, ..good }, "alpha"),
            (CLICKS, 0.2, Sureness { power: 0.01, ..good }, "power"),
            (CLICKS, 0.2, Sureness { power: 1.0, ..good }, "power"),
            (CLICKS, 0.2, Sureness { arms: 1, ..good }, "arms"),
            (CLICKS, 0.2, Sureness { arms: 65, ..good }, "arms"),
        ] {
            let error = people_per_arm(baseline, lift, &sureness).expect_err("must be refused").to_string();
            assert!(error.starts_with(field), "{error}");
        }
    }

    proptest! {
        #[test]
        fn the_detectable_lift_is_the_inverse_of_the_people(
            rate in 1e-6..0.999_f64,
            people in 2..1_000_000_000_000_u64,
            alpha in 1e-6..0.5_f64,
            power in 0.5..0.999_f64,
            arms in 2..64usize,
        ) {
            let sureness = Sureness { alpha, power, arms };
            let baseline = Baseline::Proportion { rate };
            if let Some(lift) = detectable_lift(baseline, people, &sureness).expect("lift") {
                prop_assert!(lift > 0.0 && rate * (1.0 + lift) <= 1.0 + 1e-12);
                if rate * (1.0 + lift) < 1.0 {
                    let exact = people_exact(baseline, lift, &sureness).expect("people");
                    prop_assert!((exact / people as f64 - 1.0).abs() < 1e-6, "{exact} {people}");
                }
            }
        }
    }
}
