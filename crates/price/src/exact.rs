//! Fractions ≥ 0 that are exact or an error: costs stay fractions of millionths until one rounding at the end.

use std::cmp::Ordering;

use num_rational::Ratio;
use num_traits::{CheckedAdd, CheckedDiv, CheckedMul, CheckedSub, Zero};

use crate::PriceError;
use crate::money::{Currency, Decimal, MICRO, Money};

/// A fraction ≥ 0. Money is counted in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exact(Ratio<u128>);

const OVERFLOW: PriceError = PriceError::Overflow { what: "a cost" };

impl Exact {
    pub const ZERO: Self = Self(Ratio::new_raw(0, 1));
    pub const ONE: Self = Self(Ratio::new_raw(1, 1));

    pub fn whole(number: u64) -> Self {
        Self(Ratio::from_integer(number.into()))
    }

    /// The number that a decimal stands for.
    pub fn number(decimal: Decimal) -> Self {
        Self(Ratio::new(decimal.micros().into(), MICRO.into()))
    }

    /// The millionths of a price.
    pub fn price(decimal: Decimal) -> Self {
        Self::whole(decimal.micros())
    }

    pub fn add(self, other: Self) -> Result<Self, PriceError> {
        self.0.checked_add(&other.0).map(Self).ok_or(OVERFLOW)
    }

    pub fn mul(self, other: Self) -> Result<Self, PriceError> {
        self.0.checked_mul(&other.0).map(Self).ok_or(OVERFLOW)
    }

    /// The quotient; dividing by nothing is an overflow.
    pub fn div(self, other: Self) -> Result<Self, PriceError> {
        if other.is_zero() { Err(OVERFLOW) } else { self.0.checked_div(&other.0).map(Self).ok_or(OVERFLOW) }
    }

    /// The difference, or zero if it were below.
    pub fn less(self, other: Self) -> Result<Self, PriceError> {
        if self <= other { Ok(Self::ZERO) } else { self.0.checked_sub(&other.0).map(Self).ok_or(OVERFLOW) }
    }

    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    /// The whole part, at most `u64::MAX`.
    pub fn floor(self) -> u64 {
        u64::try_from(self.0.numer() / self.0.denom()).unwrap_or(u64::MAX)
    }

    pub fn ceil(self) -> Result<u64, PriceError> {
        u64::try_from(self.0.numer().div_ceil(*self.0.denom())).map_err(|_| OVERFLOW)
    }

    /// Millionths as money, rounded to the nearest, half up: the only place where a cost is rounded.
    pub fn money(self, currency: Currency) -> Result<Money, PriceError> {
        let (whole, rest) = (self.0.numer() / self.0.denom(), self.0.numer() % self.0.denom());
        let up = u128::from(rest >= self.0.denom() - rest);
        let micros = whole.checked_add(up).and_then(|micros| i64::try_from(micros).ok()).ok_or(OVERFLOW)?;
        Ok(Money::from_micros(micros, currency))
    }

    pub fn to_f64(self) -> f64 {
        *self.0.numer() as f64 / *self.0.denom() as f64
    }
}

impl PartialOrd for Exact {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Exact {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_once_and_half_up() {
        let money =
            |numerator, denominator| Exact(Ratio::new(numerator, denominator)).money(Currency::USD).map(Money::micros);
        assert_eq!(money(1, 2), Ok(1));
        assert_eq!(money(1, 3), Ok(0));
        assert_eq!(money(5, 3), Ok(2));
        assert_eq!(money(i64::MAX as u128, 1), Ok(i64::MAX));
        assert_eq!(money(i64::MAX as u128 + 1, 1), Err(OVERFLOW));
        assert_eq!(money(u128::MAX, 1), Err(OVERFLOW));
    }

    #[test]
    fn too_large_and_undefined_are_errors() {
        let large = Exact(Ratio::new_raw(u128::MAX, 1));
        assert_eq!(large.add(Exact::ONE), Err(OVERFLOW));
        assert_eq!(large.mul(Exact::whole(2)), Err(OVERFLOW));
        assert_eq!(Exact::ONE.div(Exact::ZERO), Err(OVERFLOW));
        assert_eq!(Exact::ONE.less(large), Ok(Exact::ZERO));
        assert_eq!(large.ceil(), Err(OVERFLOW));
        assert_eq!(large.floor(), u64::MAX);
    }
}
