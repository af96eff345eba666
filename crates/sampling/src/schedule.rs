//! Which times a sampler visits: `steps + 1` values falling from exactly 1 to exactly 0.
//!
//! *Linear*: `u_i = 1 - i/steps`. *Shifted* (Esser et al., arXiv 2403.03206, section 5.3.2):
//! `t = s·u / (1 + (s - 1)·u)`; `s > 1` spends more steps near the noise, `s < 1` near the picture.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ParseError;

/// The spacing of the times from noise (1) to picture (0).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Schedule {
    /// Equal steps.
    #[default]
    Linear,
    /// Equal steps bent by the shift, in 0.1..=10.
    Shifted(f32),
}

/// The shift that plain `shifted` means.
const DEFAULT_SHIFT: f32 = 2.0;

impl Schedule {
    /// `steps + 1` times, strictly falling, the first exactly 1 and the last exactly 0.
    /// `steps = 0` gives just `[1.0]`.
    pub fn times(self, steps: usize) -> Vec<f32> {
        (0..=steps)
            .map(|i| {
                let u = if steps == 0 { 1.0 } else { (steps - i) as f64 / steps as f64 };
                match self {
                    Self::Linear => u as f32,
                    Self::Shifted(shift) => {
                        let s = f64::from(shift);
                        (s * u / (1.0 + (s - 1.0) * u)) as f32
                    }
                }
            })
            .collect()
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Linear => f.write_str("linear"),
            Self::Shifted(shift) => write!(f, "shifted:{shift}"),
        }
    }
}

impl FromStr for Schedule {
    type Err = ParseError;

    fn from_str(name: &str) -> Result<Self, ParseError> {
        let unknown = || ParseError::Schedule(name.chars().take(40).collect());
        match name {
            "linear" => Ok(Self::Linear),
            "shifted" => Ok(Self::Shifted(DEFAULT_SHIFT)),
            _ => {
                let shift = name.strip_prefix("shifted:").ok_or_else(unknown)?;
                let shift: f32 = shift.parse().map_err(|_| unknown())?;
                // NaN and infinities are outside the range too.
                if (0.1..=10.0).contains(&shift) { Ok(Self::Shifted(shift)) } else { Err(unknown()) }
            }
        }
    }
}

impl TryFrom<String> for Schedule {
    type Error = ParseError;

    fn try_from(name: String) -> Result<Self, ParseError> {
        name.parse()
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        assert_eq!(Schedule::Linear.times(4), [1.0, 0.75, 0.5, 0.25, 0.0]);
        // s = 3 at u = 1/2: 1.5 / 2 = 0.75; at u = 1/4: 0.75 / 1.5 = 0.5.
        assert_eq!(Schedule::Shifted(3.0).times(4)[2], 0.75);
        assert_eq!(Schedule::Shifted(3.0).times(4)[3], 0.5);
        assert_eq!(Schedule::Shifted(1.0).times(7), Schedule::Linear.times(7));
    }

    #[test]
    fn falls_strictly_from_one_to_zero() {
        for schedule in [Schedule::Linear, Schedule::Shifted(0.1), Schedule::Shifted(10.0)] {
            for steps in [1, 2, 3, 25, 200] {
                let times = schedule.times(steps);
                assert_eq!((times.len(), times[0], times[steps]), (steps + 1, 1.0, 0.0));
                assert!(times.windows(2).all(|w| w[0] > w[1]), "{schedule} {steps}");
            }
        }
    }

    #[test]
    fn names_round_trip_and_bad_names_fail() {
        for name in ["linear", "shifted:2", "shifted:0.5"] {
            assert_eq!(name.parse::<Schedule>().unwrap().to_string(), name);
        }
        for bad in ["", "Linear", "shifted:", "shifted:0", "shifted:NaN", "shifted:inf", "shifted:-1", "shifted:11"] {
            assert!(bad.parse::<Schedule>().is_err(), "{bad}");
        }
    }
}
