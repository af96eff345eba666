//! Figures of an own machine that somebody plays with, as on a page with sliders. They become a row of the catalogue and go
//! through the same checks as one that was written in the file.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::catalogue::{Billing, Catalogue, CatalogueError};
use crate::money::{Currency, Decimal};

/// The id of the row that figures become.
pub const OWN_ROW: &str = "own.machine";

/// The studio's own machine, as the catalogue calls it.
const LOCAL: &str = "local";

/// What an own machine costs; prices are in the campaign's currency. Ranges are those of the catalogue's fields of these names.
/// How fast it draws is no figure: that is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Figures {
    /// What it cost.
    pub machine_price: Decimal,
    /// Months until it is sold or thrown away.
    pub months: u64,
    /// Share of its price that it then still has.
    pub residual: Decimal,
    /// Power under load in kW.
    pub load_kw: Decimal,
    /// Power when idle in kW.
    pub idle_kw: Decimal,
    /// Energy of the building over energy of the machine.
    pub pue: Decimal,
    /// Price of a kWh.
    pub energy_price: Decimal,
    /// Hours a month that somebody looks after it.
    pub admin_hours: Decimal,
    /// What an hour of that costs.
    pub wage: Decimal,
    /// Room, network and the like a month.
    pub rack: Decimal,
    /// Hours a month in which it may draw.
    pub hours_per_month: Decimal,
    /// Share of them in which it does.
    pub utilisation: Decimal,
}

/// The example of the starter catalogue.
impl Default for Figures {
    fn default() -> Self {
        let micros = Decimal::from_micros;
        Self {
            machine_price: micros(3_000_000_000),
            months: 36,
            residual: micros(100_000),
            load_kw: micros(500_000),
            idle_kw: micros(100_000),
            pue: Decimal::ONE,
            energy_price: micros(150_000),
            admin_hours: Decimal::ZERO,
            wage: Decimal::ZERO,
            rack: Decimal::ZERO,
            hours_per_month: micros(730_000_000),
            utilisation: micros(900_000),
        }
    }
}

impl Catalogue {
    /// The catalogue with one row [`OWN_ROW`] of these figures in place of its rows of the studio's own machine. An error names
    /// the figures that are out of their ranges.
    pub fn with_own(mut self, figures: &Figures, currency: Currency, today: Date) -> Result<Self, CatalogueError> {
        let row = Self::parse("own machine", &figures.row(currency, today))?;
        let is_own = |billing: &Billing| matches!(billing, Billing::Machine(machine) if machine.device == LOCAL);
        self.offers.retain(|offer| !is_own(&offer.billing) && offer.id != OWN_ROW);
        self.offers.extend(row.offers);
        Ok(self)
    }
}

impl Figures {
    /// The row of the file that these figures are.
    fn row(&self, currency: Currency, today: Date) -> String {
        let Self { months, .. } = self;
        let decimals = [
            ("machine_price", self.machine_price),
            ("residual", self.residual),
            ("load_kw", self.load_kw),
            ("idle_kw", self.idle_kw),
            ("pue", self.pue),
            ("energy_price", self.energy_price),
            ("admin_hours", self.admin_hours),
            ("wage", self.wage),
            ("rack", self.rack),
            ("hours_per_month", self.hours_per_month),
            ("utilisation", self.utilisation),
        ];
        let decimals: String = decimals.map(|(name, value)| format!("{name} = \"{value}\"\n")).concat();
        format!(
            "[[offer]]\nid = \"{OWN_ROW}\"\nvendor = \"own\"\nkind = \"own_hw\"\nbilling = \"machine\"\ndevice = \"{LOCAL}\"\n\
             currency = \"{currency}\"\nrounding = \"none\"\nmonths = {months}\n{decimals}source = \"your figures\"\n\
             checked_on = {today}\nconfidence = \"high\"\nrights = \"those of the model\"\n\
             marks = \"the recipe, in the file's metadata\"\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_a_row_and_are_checked_like_one() {
        let today: Date = "2026-06-15".parse().unwrap();
        let with = |figures: &Figures| Catalogue::starter().unwrap().with_own(figures, Currency::EUR, today);
        let catalogue = with(&Figures::default()).unwrap();
        let own: Vec<_> = catalogue.offers.iter().filter(|offer| offer.vendor == "own").collect();
        assert_eq!((own.len(), own[0].id.as_str(), own[0].currency), (1, OWN_ROW, Currency::EUR));
        // As the example that the starter catalogue brings.
        let example = Catalogue::starter().unwrap();
        let example = example.offers.iter().find(|offer| offer.id == "own.workstation").unwrap();
        assert_eq!(own[0].billing, example.billing);
        let field = |figures: Figures| match with(&figures) {
            Err(CatalogueError::Rows { problems, .. }) => problems[0].field.clone(),
            other => panic!("{other:?}"),
        };
        let two = Decimal::from_micros(2_000_000);
        assert_eq!(field(Figures { months: 0, ..Figures::default() }), "months");
        assert_eq!(field(Figures { residual: two, ..Figures::default() }), "residual");
        assert_eq!(field(Figures { utilisation: Decimal::ZERO, ..Figures::default() }), "utilisation");
        assert_eq!(field(Figures { idle_kw: two, ..Figures::default() }), "idle_kw");
    }
}
