//! Money of a campaign: integer micro-units of one currency, a rate that is given from outside, and a cap that is never passed
//! by a job whose cost is known before it begins.

/// Micro-units of a unit of currency.
pub const MICROS: i64 = 1_000_000;
/// Largest amount in micro-units: a billion units.
const MAX_MICROS: i64 = 1_000_000_000 * MICROS;

/// What drawing costs, in micro-units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rate {
    /// For an hour of the machine.
    Hour(i64),
    /// For a picture.
    Picture(i64),
}

impl Rate {
    /// What so many seconds and pictures cost, rounded up to a micro-unit. Seconds that are no number count as none.
    pub fn cost(self, seconds: f64, pictures: u32) -> i64 {
        let exact = match self {
            Self::Hour(micros) => {
                let milliseconds = (seconds.max(0.0) * 1000.0).ceil() as i128;
                let product = milliseconds * i128::from(micros.max(0));
                product / 3_600_000 + i128::from(product % 3_600_000 != 0)
            }
            Self::Picture(micros) => i128::from(micros.max(0)) * i128::from(pictures),
        };
        i64::try_from(exact).unwrap_or(i64::MAX)
    }
}

/// What is spent of a budget, in micro-units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Most that may be spent; `None` = no limit.
    pub cap: Option<i64>,
    /// What jobs cost that are over.
    pub spent: i64,
    /// What jobs will cost that wait or run.
    pub reserved: i64,
}

/// A job would pass the cap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the next job is planned to cost {}, {} are spent and {} under way: that passes the budget of {}",
    money(*next), money(ledger.spent), money(ledger.reserved), money(ledger.cap.unwrap_or(i64::MAX))
)]
pub struct OverBudget {
    /// What is spent.
    pub ledger: Ledger,
    /// What the job costs.
    pub next: i64,
}

impl Ledger {
    /// Whether a job of this cost may begin.
    pub fn admit(self, next: i64) -> Result<(), OverBudget> {
        let total = i128::from(self.spent) + i128::from(self.reserved) + i128::from(next);
        match self.cap {
            Some(cap) if total > i128::from(cap) => Err(OverBudget { ledger: self, next }),
            _ => Ok(()),
        }
    }
}

/// A decimal such as `1250.50` in micro-units: at most six decimals, no sign, no exponent, no separators of thousands, at most a
/// billion.
pub fn parse_money(text: &str) -> Result<i64, String> {
    let shown: String = text.chars().take(40).collect();
    let wrong = || format!("'{shown}' is not an amount such as 1250.50");
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(part) || (text.contains('.') && part.is_empty()) {
        return Err(wrong());
    }
    if part.len() > 6 {
        return Err(format!("'{shown}' has more than six decimals"));
    }
    let too_much = || format!("'{shown}' is more than a billion");
    let units: i64 = whole.parse().map_err(|_| too_much())?;
    let micros: i64 = format!("{part:0<6}").parse().map_err(|_| wrong())?;
    let all = units.checked_mul(MICROS).and_then(|all| all.checked_add(micros)).filter(|all| *all <= MAX_MICROS);
    all.ok_or_else(too_much)
}

/// Micro-units as a decimal with two to six decimals.
pub fn money(micros: i64) -> String {
    let (sign, micros) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
    let unit = MICROS.unsigned_abs();
    let mut text = format!("{sign}{}.{:06}", micros / unit, micros % unit);
    while text.ends_with('0') && !text[..text.len() - 1].ends_with('.') && text.len() - text.find('.').unwrap_or(0) > 3
    {
        text.pop();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        for (text, micros) in
            [("0", 0), ("1250.50", 1_250_500_000), ("0.000001", 1), ("1000000000", MAX_MICROS), ("007.5", 7_500_000)]
        {
            assert_eq!(parse_money(text), Ok(micros), "{text}");
        }
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1,000",
            "1.0000001",
            "1000000000.000001",
            "99999999999999999999",
            "NaN",
            "١",
        ] {
            assert!(parse_money(bad).is_err(), "{bad}");
        }
        for (micros, text) in
            [(0, "0.00"), (1_250_500_000, "1250.50"), (1, "0.000001"), (-1_500_000, "-1.50"), (123_400, "0.1234")]
        {
            assert_eq!(money(micros), text);
        }
        assert_eq!(money(i64::MIN), "-9223372036854.775808");
    }

    #[test]
    fn costs_round_up() {
        assert_eq!(Rate::Hour(3_600_000).cost(1.0, 9), 1000);
        assert_eq!(Rate::Hour(1).cost(0.001, 1), 1);
        assert_eq!(Rate::Hour(100_000).cost(36.0, 1), 1000);
        assert_eq!(Rate::Picture(39_000).cost(1e9, 4), 156_000);
        for odd in [f64::NAN, -1.0, f64::NEG_INFINITY] {
            assert_eq!(Rate::Hour(1_000_000).cost(odd, 1), 0);
        }
        assert_eq!(Rate::Hour(i64::MAX).cost(f64::INFINITY, 1), i64::MAX);
    }

    #[test]
    fn the_cap_holds() {
        let ledger = Ledger { cap: Some(100), spent: 60, reserved: 30 };
        assert!(ledger.admit(10).is_ok());
        let over = ledger.admit(11).unwrap_err();
        assert!(over.to_string().contains("0.0001"), "{over}");
        assert!(Ledger { cap: None, ..ledger }.admit(i64::MAX).is_ok());
        assert!(Ledger { cap: Some(i64::MAX), spent: i64::MAX, reserved: i64::MAX }.admit(1).is_err());
    }
}
