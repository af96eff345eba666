//! Money: whole millionths of a currency's unit, and decimals that are read exactly.
//!
//! Nothing here rounds except [`Money::rounded`] and `Display`, which are for people. Currencies never mix: every operation on
//! two amounts compares their currencies first and gives [`PriceError::Currencies`].

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::de::{Error as _, Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::PriceError;

/// Millionths in one.
pub(crate) const MICRO: u64 = 1_000_000;

/// A currency of ISO 4217, by its code of three letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The dollar of the United States.
    pub const USD: Self = Self(iso_currency::Currency::USD);
    /// The euro.
    pub const EUR: Self = Self(iso_currency::Currency::EUR);

    /// The three letters.
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// Digits after the point in everyday prices: 2 for most, 0 for the yen.
    pub fn digits(self) -> usize {
        self.0.exponent().map_or(2, usize::from)
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Currency {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        iso_currency::Currency::from_code(text).map(Self).ok_or_else(|| ParseError::new(text, "a currency of ISO 4217"))
    }
}

/// A text that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{found}' is not {expected}")]
pub struct ParseError {
    found: String,
    expected: &'static str,
}

impl ParseError {
    pub(crate) fn new(found: &str, expected: &'static str) -> Self {
        Self { found: found.chars().take(64).collect(), expected }
    }
}

/// A number ≥ 0 with at most six digits after the point, held exactly: a price, a power, a share. At most about 1.8e13.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Decimal(u64);

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self(0);
    /// One.
    pub const ONE: Self = Self(MICRO);

    /// From millionths.
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    /// As millionths.
    pub const fn micros(self) -> u64 {
        self.0
    }

    /// The nearest double, for plots.
    pub fn to_f64(self) -> f64 {
        self.0 as f64 / MICRO as f64
    }
}

const DECIMAL: &str = "a number of 0 or more with at most six digits after the point, such as 0.039";

impl FromStr for Decimal {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let micros = || {
            if !digits(whole) || !digits(fraction) || fraction.len() > 6 {
                return None;
            }
            let fraction: u64 = format!("{fraction:0<6}").parse().ok()?;
            whole.parse::<u64>().ok()?.checked_mul(MICRO)?.checked_add(fraction)
        };
        micros().map(Self).ok_or_else(|| ParseError::new(text, DECIMAL))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:06}", self.0 / MICRO, self.0 % MICRO);
        f.write_str(text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// An amount of one currency in whole millionths, within about ± 9.2e12 units. In JSON `{"amount": "85.95", "currency": "USD"}`,
/// where the amount is exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Money {
    micros: i64,
    currency: Currency,
}

impl Money {
    /// From millionths.
    pub const fn from_micros(micros: i64, currency: Currency) -> Self {
        Self { micros, currency }
    }

    /// Nothing, in this currency.
    pub const fn zero(currency: Currency) -> Self {
        Self { micros: 0, currency }
    }

    /// Reads a decimal such as `85.95` or `-0.000001` exactly.
    pub fn parse(text: &str, currency: Currency) -> Result<Self, ParseError> {
        let (sign, size) = text.strip_prefix('-').map_or((1, text), |size| (-1, size));
        let micros = size.parse::<Decimal>().ok().and_then(|size| i64::try_from(size.micros()).ok());
        let expected = "an amount with at most six digits after the point";
        Ok(Self { micros: sign * micros.ok_or_else(|| ParseError::new(text, expected))?, currency })
    }

    /// As millionths.
    pub const fn micros(self) -> i64 {
        self.micros
    }

    /// Its currency.
    pub const fn currency(self) -> Currency {
        self.currency
    }

    /// The nearest double, for plots.
    pub fn to_f64(self) -> f64 {
        self.micros as f64 / MICRO as f64
    }

    /// The sum.
    pub fn checked_add(self, other: Self) -> Result<Self, PriceError> {
        self.with(other, i64::checked_add)
    }

    /// The difference, which may be below zero.
    pub fn checked_sub(self, other: Self) -> Result<Self, PriceError> {
        self.with(other, i64::checked_sub)
    }

    /// So many times as much.
    pub fn checked_mul(self, times: u64) -> Result<Self, PriceError> {
        let micros = i64::try_from(times).ok().and_then(|times| self.micros.checked_mul(times));
        Ok(Self { micros: micros.ok_or(PriceError::Overflow { what: "an amount" })?, ..self })
    }

    /// Which is more.
    pub fn compare(self, other: Self) -> Result<Ordering, PriceError> {
        self.same_currency(other)?;
        Ok(self.micros.cmp(&other.micros))
    }

    fn with(self, other: Self, operation: fn(i64, i64) -> Option<i64>) -> Result<Self, PriceError> {
        self.same_currency(other)?;
        let micros = operation(self.micros, other.micros).ok_or(PriceError::Overflow { what: "an amount" })?;
        Ok(Self { micros, ..self })
    }

    fn same_currency(self, other: Self) -> Result<(), PriceError> {
        same_currency(self.currency, other.currency)
    }

    /// The exact decimal, without zeros at its end.
    pub fn exact(self) -> String {
        let sign = if self.micros < 0 { "-" } else { "" };
        format!("{sign}{}", Decimal(self.micros.unsigned_abs()))
    }

    /// For people: rounded half away from zero to this many digits after the point, 0 to 6.
    pub fn rounded(self, digits: usize) -> String {
        let digits = digits.min(6);
        let unit = 10_u64.pow(6 - digits as u32);
        let rounded = (self.micros.unsigned_abs() + unit / 2) / unit;
        let one = 10_u64.pow(digits as u32);
        let sign = if self.micros < 0 && rounded > 0 { "-" } else { "" };
        match digits {
            0 => format!("{sign}{rounded}"),
            _ => format!("{sign}{}.{:0digits$}", rounded / one, rounded % one),
        }
    }
}

impl Money {
    /// For people: with the digits of everyday prices, with four below 1, and the currency's code.
    pub fn short(self) -> String {
        let small = self.micros.unsigned_abs() < MICRO && self.micros != 0;
        format!("{} {}", self.rounded(if small { 4 } else { self.currency.digits() }), self.currency)
    }
}

/// Two currencies must be one.
pub(crate) fn same_currency(left: Currency, right: Currency) -> Result<(), PriceError> {
    if left == right { Ok(()) } else { Err(PriceError::Currencies { left, right }) }
}

/// Rounded to the digits of everyday prices, with the currency's code.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{} {}", self.rounded(self.currency.digits()), self.currency))
    }
}

impl Serialize for Currency {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A string, or a whole number. Fractions are refused as numbers: most decimals have no exact double.
impl<'de> Deserialize<'de> for Decimal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Decimal;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{DECIMAL} (in quotes)")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Decimal, E> {
                text.parse().map_err(E::custom)
            }

            fn visit_u64<E: serde::de::Error>(self, whole: u64) -> Result<Decimal, E> {
                whole
                    .checked_mul(MICRO)
                    .map(Decimal)
                    .ok_or_else(|| E::invalid_value(Unexpected::Unsigned(whole), &self))
            }
        }
        deserializer.deserialize_any(Text)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    amount: String,
    currency: Currency,
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written { amount: self.exact(), currency: self.currency }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        Self::parse(&written.amount, written.currency).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimals_are_read_exactly_or_not_at_all() {
        for (text, micros) in [("0", 0), ("0.00588", 5_880), ("3000", 3_000_000_000), ("1.000001", 1_000_001)] {
            assert_eq!(text.parse::<Decimal>().unwrap().micros(), micros, "{text}");
            assert_eq!(text.parse::<Decimal>().unwrap().to_string(), text);
        }
        assert_eq!("18446744073709.551615".parse::<Decimal>().unwrap().micros(), u64::MAX);
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1,5",
            "0.0000001",
            "18446744073709.551616",
            "NaN",
            " 1",
            "1_000",
            "١",
        ] {
            assert!(text.parse::<Decimal>().is_err(), "{text}");
        }
    }

    #[test]
    fn people_see_rounded_amounts() {
        let money = |text| Money::parse(text, Currency::USD).unwrap();
        assert_eq!(money("85.954999").to_string(), "85.95 USD");
        assert_eq!(money("85.955").to_string(), "85.96 USD");
        assert_eq!(money("-0.005").to_string(), "-0.01 USD");
        assert_eq!(money("-0.004").to_string(), "0.00 USD");
        assert_eq!(money("0.214975").rounded(3), "0.215");
        assert_eq!(money("9223372036854.775807").rounded(0), "9223372036855");
        assert_eq!(Money::parse("1.5", "JPY".parse().unwrap()).unwrap().to_string(), "2 JPY");
    }

    #[test]
    fn currencies_are_of_iso_4217() {
        assert_eq!("EUR".parse::<Currency>().unwrap(), Currency::EUR);
        for text in ["eur", "EURO", "ZZZ", ""] {
            assert!(text.parse::<Currency>().is_err(), "{text}");
        }
    }

    fn amounts() -> impl Strategy<Value = Money> {
        let currencies = prop::sample::select(vec!["USD", "EUR", "JPY", "GBP", "KWD"]);
        (any::<i64>(), currencies).prop_map(|(micros, code)| Money::from_micros(micros, code.parse().unwrap()))
    }

    proptest! {
        #[test]
        fn currencies_never_mix(a in amounts(), b in amounts()) {
            let mixed = Err(PriceError::Currencies { left: a.currency(), right: b.currency() });
            if a.currency() == b.currency() {
                let sum = a.micros().checked_add(b.micros());
                prop_assert_eq!(a.checked_add(b).ok().map(Money::micros), sum);
                prop_assert_eq!(a.compare(b), Ok(a.micros().cmp(&b.micros())));
            } else {
                prop_assert_eq!(a.checked_add(b), mixed.clone());
                prop_assert_eq!(a.checked_sub(b), mixed);
                prop_assert!(a.compare(b).is_err());
            }
        }

        #[test]
        fn amounts_survive_being_written(a in amounts()) {
            prop_assume!(a.micros() != i64::MIN);
            prop_assert_eq!(Money::parse(&a.exact(), a.currency()).unwrap(), a);
            let json = serde_json::to_string(&a).unwrap();
            prop_assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), a);
        }

        #[test]
        fn no_text_panics(text in ".{0,24}") {
            if let Ok(decimal) = text.parse::<Decimal>() {
                prop_assert_eq!(decimal.to_string().parse::<Decimal>().unwrap(), decimal);
            }
            let _ = Money::parse(&text, Currency::USD);
        }

        #[test]
        fn rounding_is_to_the_nearest(micros in any::<i64>(), digits in 0_usize..8) {
            let unit = 10_i128.pow(6 - digits.min(6) as u32);
            let shown = Money::from_micros(micros, Currency::USD).rounded(digits);
            let scaled: i128 = shown.replace('.', "").parse().unwrap();
            prop_assert!((scaled * unit - i128::from(micros)).abs() * 2 <= unit);
        }
    }
}
