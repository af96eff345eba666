//! What an own machine costs: so much a month, whether it draws or not, and a little energy for each picture.
//!
//! ```text
//! fixed     price·(1−residual)/months + idle_kW·730·PUE·kWh + admin_h·wage + rack          a month
//! marginal  s_img/3600·(load_kW − idle_kW)·PUE·kWh                                         a picture
//! capacity  3600·H·u / s_img                                                               pictures a month
//! ```

use crate::PriceError;
use crate::catalogue::Machine;
use crate::exact::Exact;
use crate::money::{Currency, Decimal, Money};

/// Hours of an average month.
pub const HOURS_PER_MONTH: u64 = 730;

impl Machine {
    /// What it costs a month before it draws anything.
    pub fn fixed(&self, currency: Currency) -> Result<Money, PriceError> {
        self.exact_fixed()?.money(currency)
    }

    /// What a picture of so many seconds costs besides.
    pub fn marginal(&self, currency: Currency, seconds_per_picture: Decimal) -> Result<Money, PriceError> {
        self.exact_marginal(Exact::number(seconds_per_picture))?.money(currency)
    }

    pub(crate) fn exact_fixed(&self) -> Result<Exact, PriceError> {
        let lost = Exact::ONE.less(Exact::number(self.residual))?;
        let worn = Exact::price(self.machine_price).mul(lost)?.div(Exact::whole(self.months))?;
        let idle = Exact::number(self.idle_kw).mul(Exact::whole(HOURS_PER_MONTH))?.mul(self.kwh()?)?;
        let admin = Exact::number(self.admin_hours).mul(Exact::price(self.wage))?;
        worn.add(idle)?.add(admin)?.add(Exact::price(self.rack))
    }

    pub(crate) fn exact_marginal(&self, seconds: Exact) -> Result<Exact, PriceError> {
        let more = Exact::number(self.load_kw).less(Exact::number(self.idle_kw))?;
        seconds.div(Exact::whole(3600))?.mul(more)?.mul(self.kwh()?)
    }

    /// Pictures of so many seconds in a month.
    pub(crate) fn capacity(&self, seconds: Exact) -> Result<Exact, PriceError> {
        let hours = Exact::number(self.hours_per_month).mul(Exact::number(self.utilisation))?;
        hours.mul(Exact::whole(3600))?.div(seconds)
    }

    /// Price of a kWh at the machine.
    fn kwh(&self) -> Result<Exact, PriceError> {
        Exact::number(self.pue).mul(Exact::price(self.energy_price))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::curve::break_even;

    /// The machine of the worked check: 3,000, 36 months, 10 % residual, 0.5 kW and 0.1 kW, 0.15 a kWh.
    fn machine(admin_hours: u64) -> Machine {
        let decimal = |text: &str| text.parse().unwrap();
        Machine {
            device: "local".into(),
            machine_price: decimal("3000"),
            months: 36,
            residual: decimal("0.1"),
            load_kw: decimal("0.5"),
            idle_kw: decimal("0.1"),
            pue: Decimal::ONE,
            energy_price: decimal("0.15"),
            admin_hours: decimal(&admin_hours.to_string()),
            wage: decimal("60"),
            rack: Decimal::ZERO,
            hours_per_month: decimal("730"),
            utilisation: Decimal::ONE,
        }
    }

    #[test]
    fn the_worked_check() {
        let usd = |text| Money::parse(text, Currency::USD).unwrap();
        let machine_alone = machine(0);
        let fixed = machine_alone.fixed(Currency::USD).unwrap();
        let marginal = machine_alone.marginal(Currency::USD, "6".parse().unwrap()).unwrap();
        assert_eq!(fixed, usd("85.95"));
        assert_eq!(marginal, usd("0.0001"));
        assert_eq!(break_even(fixed, usd("0.03"), marginal), Ok(Some(2_875)));
        let with_admin = machine(2).fixed(Currency::USD).unwrap();
        assert_eq!(with_admin, usd("205.95"));
        assert_eq!(break_even(with_admin, usd("0.03"), marginal), Ok(Some(6_888)));
        assert_eq!(break_even(fixed, usd("0.0001"), marginal), Ok(None), "it never pays off");
        assert!(break_even(fixed, Money::zero(Currency::EUR), marginal).is_err());
    }

    #[test]
    fn capacity_is_of_the_hours_it_draws() {
        let half = Machine { utilisation: "0.5".parse().unwrap(), ..machine(0) };
        assert_eq!(half.capacity(Exact::whole(6)).unwrap(), Exact::whole(219_000));
    }
}
