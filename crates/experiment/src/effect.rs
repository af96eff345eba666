//! How much better one arm is than another: a difference, or a lift relative to the control, each with its variance.

use serde::{Deserialize, Serialize};

use crate::error::{Side, Untestable};
use crate::sample::Sample;

/// Which end of a metric is the good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Clicks, conversions, revenue.
    #[default]
    LargerIsBetter,
    /// Complaints, cost, time.
    SmallerIsBetter,
}

impl Direction {
    /// +1 or −1: what a value is multiplied by to be better when larger.
    pub fn sign(self) -> f64 {
        match self {
            Self::LargerIsBetter => 1.0,
            Self::SmallerIsBetter => -1.0,
        }
    }
}

/// In what an effect is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// `(mean_B − mean_A) / mean_A`: 0.2 is 20 % more.
    #[default]
    Relative,
    /// `mean_B − mean_A`, in the metric's own unit.
    Absolute,
}

/// Two ends, `low ≤ high`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

impl Interval {
    /// `centre` ± `half`.
    pub(crate) fn around(centre: f64, half: f64) -> Self {
        Self { low: centre - half, high: centre + half }
    }

    /// Whether `value` lies inside or on an end.
    pub fn contains(&self, value: f64) -> bool {
        self.low <= value && value <= self.high
    }
}

/// An estimated effect and what its tests need.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Effect {
    /// Point estimate, treatment against control.
    pub estimate: f64,
    /// Variance of the estimate (its standard error squared), > 0.
    pub variance: f64,
    /// People of both arms.
    pub people: u64,
    /// Welch–Satterthwaite degrees of freedom.
    pub degrees: f64,
}

impl Effect {
    /// The effect of `treatment` (B) against `control` (A). The variance of a relative lift is the delta method's,
    /// v_B/(n_B·m_A²) + v_A·m_B²/(n_A·m_A⁴); formulas and conventions are those of `gbstats`.
    ///
    /// # Errors
    /// [`Untestable`]: nobody in an arm, no spread, a control of zero (relative only).
    pub fn between(control: &Sample, treatment: &Sample, scale: Scale) -> Result<Self, Untestable> {
        if control.is_proportion() != treatment.is_proportion() {
            return Err(Untestable::Kinds);
        }
        let (mean_a, variance_a) = control.moments(Side::Control)?;
        let (mean_b, variance_b) = treatment.moments(Side::Treatment)?;
        for (side, variance) in [(Side::Control, variance_a), (Side::Treatment, variance_b)] {
            if variance <= 0.0 {
                return Err(Untestable::NoVariance { side });
            }
        }
        let (n_a, n_b) = (control.people() as f64, treatment.people() as f64);
        for (side, people) in [(Side::Control, control.people()), (Side::Treatment, treatment.people())] {
            if people < 2 {
                return Err(Untestable::TooFew { side, people, needed: 2 });
            }
        }
        let (share_a, share_b) = (variance_a / n_a, variance_b / n_b);
        let (estimate, variance) = match scale {
            Scale::Absolute => (mean_b - mean_a, share_a + share_b),
            Scale::Relative if mean_a <= 0.0 => return Err(Untestable::Baseline { mean: mean_a }),
            Scale::Relative => {
                let ratio = mean_b / mean_a;
                ((mean_b - mean_a) / mean_a, share_b / mean_a / mean_a + share_a / mean_a / mean_a * ratio * ratio)
            }
        };
        // Each share over their sum, so that neither squares nor fourth powers of tiny variances underflow.
        let (part_a, part_b) = (share_a / (share_a + share_b), share_b / (share_a + share_b));
        let degrees = 1.0 / (part_a * part_a / (n_a - 1.0) + part_b * part_b / (n_b - 1.0));
        let effect = Self { estimate, variance, people: control.people() + treatment.people(), degrees };
        if [estimate, variance, degrees].iter().all(|x| x.is_finite()) && variance > 0.0 {
            Ok(effect)
        } else {
            Err(Untestable::OutOfRange)
        }
    }

    /// Standard error of the estimate.
    pub fn standard_error(&self) -> f64 {
        self.variance.sqrt()
    }
}
