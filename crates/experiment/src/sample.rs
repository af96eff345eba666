//! The sufficient statistics of one arm: successes of people, or sum and sum of squares of a value.

use serde::Serialize;

use crate::error::{ExperimentError, Side, Untestable};

/// The most people one arm may have: counts up to here are exact in double precision.
pub const MOST_PEOPLE: u64 = 1_000_000_000_000_000;

/// What one arm's people did, in sum.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sample {
    people: u64,
    sum: f64,
    /// `None` for proportions, where a value is its own square.
    #[serde(skip_serializing_if = "Option::is_none")]
    sum_squares: Option<f64>,
}

impl Sample {
    /// `successes` of `people`, each counted at most once.
    ///
    /// # Errors
    /// More successes than people; more people than [`MOST_PEOPLE`].
    pub fn proportion(people: u64, successes: u64) -> Result<Self, ExperimentError> {
        people_in_range(people)?;
        if successes > people {
            return Err(ExperimentError::field("successes", format!("{successes} of only {people} people")));
        }
        Ok(Self { people, sum: successes as f64, sum_squares: None })
    }

    /// The sum and the sum of squares of one value (revenue, say) of each of `people`.
    ///
    /// # Errors
    /// Values that are not finite; a sum of squares that no `people` values with this sum can have (below sum²/people);
    /// sums from nobody; more people than [`MOST_PEOPLE`].
    pub fn mean_of(people: u64, sum: f64, sum_squares: f64) -> Result<Self, ExperimentError> {
        people_in_range(people)?;
        if !sum.is_finite() || sum.abs() > 1e150 {
            return Err(ExperimentError::field("sum", format!("expected a number of at most 1e150, found {sum}")));
        }
        if !sum_squares.is_finite() || sum_squares < 0.0 {
            return Err(ExperimentError::field(
                "sum_squares",
                format!("expected a finite number from 0, found {sum_squares}"),
            ));
        }
        if people == 0 && (sum != 0.0 || sum_squares != 0.0) {
            return Err(ExperimentError::field("people", format!("nobody, but a sum of {sum}")));
        }
        // Cauchy–Schwarz, with room for the rounding of somebody else's sums.
        if people > 0 && sum_squares < sum * sum / people as f64 * (1.0 - 1e-9) {
            return Err(ExperimentError::field(
                "sum_squares",
                format!("{sum_squares} is less than sum²/people = {}", sum * sum / people as f64),
            ));
        }
        Ok(Self { people, sum, sum_squares: Some(sum_squares) })
    }

    /// Number of people (or impressions).
    pub fn people(&self) -> u64 {
        self.people
    }

    /// Successes, or the sum of values.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Whether this counts successes.
    pub fn is_proportion(&self) -> bool {
        self.sum_squares.is_none()
    }

    /// Successes and failures of a proportion; `None` for means.
    pub fn counts(&self) -> Option<(u64, u64)> {
        self.is_proportion().then(|| (self.sum as u64, self.people - self.sum as u64))
    }

    /// Mean a person; `None` for nobody.
    pub fn mean(&self) -> Option<f64> {
        (self.people > 0).then(|| self.sum / self.people as f64)
    }

    /// Variance of one person's value, unbiased for means, m·(1−m) for proportions (as in `gbstats`). `None` for nobody,
    /// and for means of one person. Never negative; 0 where the squares say no more than rounding.
    pub fn variance(&self) -> Option<f64> {
        let n = self.people as f64;
        let mean = self.mean()?;
        match self.sum_squares {
            None => Some(mean * (1.0 - mean)),
            Some(_) if self.people < 2 => None,
            Some(squares) => {
                let centred = squares - self.sum * self.sum / n;
                Some(if centred <= 1e-13 * squares { 0.0 } else { centred / (n - 1.0) })
            }
        }
    }

    /// Mean and variance where both exist and vary.
    pub(crate) fn moments(&self, side: Side) -> Result<(f64, f64), Untestable> {
        let needed = if self.is_proportion() { 1 } else { 2 };
        let few = Untestable::TooFew { side, people: self.people, needed };
        let (mean, variance) = (self.mean().ok_or(few)?, self.variance().ok_or(few)?);
        if !mean.is_finite() || !variance.is_finite() {
            return Err(Untestable::OutOfRange);
        }
        Ok((mean, variance))
    }

    /// Both samples' people as one.
    pub(crate) fn plus(&self, other: &Self) -> Self {
        Self {
            people: self.people + other.people,
            sum: self.sum + other.sum,
            sum_squares: self.sum_squares.zip(other.sum_squares).map(|(a, b)| a + b),
        }
    }
}

fn people_in_range(people: u64) -> Result<(), ExperimentError> {
    if people > MOST_PEOPLE {
        return Err(ExperimentError::field("people", format!("expected at most {MOST_PEOPLE}, found {people}")));
    }
    Ok(())
}
