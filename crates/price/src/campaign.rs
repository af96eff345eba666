//! What a campaign asks for, and how many pictures that is.
//!
//! ```text
//! generations    G = A·K·(1+r)·V       A approved assets, K candidates for each, r retries, V re-generated channel ratios
//! draft funnel   A·K drafts and A·f finals instead; f = (1+r)·V unless it is given
//! ```
//! Crops of a picture to other channels are free: only ratios that are drawn anew count in V.

use serde::{Deserialize, Serialize};

use crate::exact::Exact;
use crate::money::{Currency, Decimal, Money};
use crate::{PriceError, Size};

/// What a campaign asks for. Missing fields have the values of [`Campaign::default`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Campaign {
    /// The currency it is counted in; offers in others are left out, as there is no exchange rate.
    pub currency: Currency,
    /// A: assets that will be approved.
    pub assets: u64,
    /// K: candidates drawn for each of them.
    pub candidates: u64,
    /// r: share drawn again, such as 0.3.
    pub retries: Decimal,
    /// V: ratios that are drawn anew instead of cropped, 1 or more.
    pub ratios: u64,
    /// Drafts first and finals of what was picked; without it all candidates are finals.
    pub funnel: Option<Funnel>,
    /// Size of a final.
    pub size: Size,
    /// Preset under which the speed of a final was measured.
    pub preset: String,
    /// Qualities to look at, by the vendors' names; empty = all.
    pub qualities: Vec<String>,
    /// Reference pictures sent along with every generation.
    pub references: u64,
    /// Months in which plans and seats are paid, 1 or more.
    pub months: u64,
    /// People who need a seat, 1 or more.
    pub seats: u64,
    /// Own or rented machines that draw at the same time, 1 or more.
    pub devices: u64,
    /// Seconds to wait before the first picture.
    pub queue_seconds: Decimal,
    /// The most it may cost, with upscales, storage and review.
    pub budget: Option<Money>,
    /// Hours until the last picture must be there.
    pub deadline_hours: Option<Decimal>,
    /// What comes to every approved asset besides drawing.
    pub extras: Extras,
    /// The largest volume of the plots, in pictures; without it ten times the campaign's, at least 1,000.
    pub plot_up_to: Option<u64>,
}

/// Drafts first, finals of what was picked.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Funnel {
    /// Drafts in all, where they are counted already; without it A·K.
    pub drafts: Option<u64>,
    /// Finals in all, where they are counted already; without it A·f.
    pub finals: Option<u64>,
    /// f: finals for each approved asset; without it (1+r)·V.
    pub finals_per_asset: Option<Decimal>,
    /// The vendor's name of the draft's quality; without it the cheapest one.
    pub draft_quality: Option<String>,
    /// Size of a draft; without it that of a final.
    pub draft_size: Option<Size>,
    /// Preset under which the speed of a draft was measured; without it `draft`.
    pub draft_preset: Option<String>,
}

/// What comes to every approved asset besides drawing. Prices are in the campaign's currency.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Extras {
    /// Pictures enlarged for each approved asset.
    pub upscales_per_asset: Decimal,
    /// Price of enlarging one.
    pub upscale_price: Decimal,
    /// Megabytes of a picture; every generation is kept.
    pub picture_megabytes: Decimal,
    /// Price of a gigabyte and month.
    pub storage_price: Decimal,
    /// Months they are kept.
    pub storage_months: u64,
    /// Minutes a reviewer spends for each approved asset.
    pub reviewer_minutes: Decimal,
    /// What an hour of a reviewer costs.
    pub reviewer_wage: Decimal,
}

impl Default for Campaign {
    fn default() -> Self {
        Self {
            currency: Currency::USD,
            assets: 0,
            candidates: 1,
            retries: Decimal::ZERO,
            ratios: 1,
            funnel: None,
            size: Size { width: 1024, height: 1024 },
            preset: "final".into(),
            qualities: Vec::new(),
            references: 0,
            months: 1,
            seats: 1,
            devices: 1,
            queue_seconds: Decimal::ZERO,
            budget: None,
            deadline_hours: None,
            extras: Extras::default(),
            plot_up_to: None,
        }
    }
}

/// How many pictures a campaign draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Work {
    /// Cheap ones to pick from.
    pub drafts: u64,
    /// At full quality.
    pub finals: u64,
    /// Both.
    pub generations: u64,
    /// Reference pictures sent along.
    pub references: u64,
}

const GENERATIONS: PriceError = PriceError::Overflow { what: "the number of generations" };

impl Campaign {
    /// How many pictures it draws; an error if an input is out of its range or the number is too large.
    pub fn work(&self) -> Result<Work, PriceError> {
        let positive = [
            ("candidates", self.candidates),
            ("ratios", self.ratios),
            ("months", self.months),
            ("seats", self.seats),
            ("devices", self.devices),
        ];
        for (field, value) in positive {
            if value == 0 {
                return Err(PriceError::field(field, "0 is not 1 or more"));
            }
        }
        if let Some(budget) = self.budget {
            let zero = Money::zero(self.currency);
            if budget.compare(zero)?.is_lt() {
                return Err(PriceError::field("budget", format!("{budget} is below 0")));
            }
        }
        let count = || {
            let candidates = Exact::whole(self.assets).mul(Exact::whole(self.candidates))?;
            let again = Exact::ONE.add(Exact::number(self.retries))?.mul(Exact::whole(self.ratios))?;
            let (drafts, finals) = match &self.funnel {
                None => (Exact::ZERO, candidates.mul(again)?),
                Some(funnel) => {
                    let each = funnel.finals_per_asset.map_or(again, Exact::number);
                    let finals = funnel.finals.map(Exact::whole);
                    let finals = finals.map_or_else(|| Exact::whole(self.assets).mul(each), Ok)?;
                    (funnel.drafts.map_or(candidates, Exact::whole), finals)
                }
            };
            let (drafts, finals) = (drafts.ceil()?, finals.ceil()?);
            let generations = drafts.checked_add(finals).ok_or(GENERATIONS)?;
            let references = generations.checked_mul(self.references).ok_or(GENERATIONS)?;
            Ok(Work { drafts, finals, generations, references })
        };
        count().map_err(|_: PriceError| GENERATIONS)
    }
}

impl Work {
    /// The share of drafts among the generations.
    pub(crate) fn draft_share(&self) -> Result<Exact, PriceError> {
        if self.generations == 0 {
            return Ok(Exact::ZERO);
        }
        Exact::whole(self.drafts).div(Exact::whole(self.generations))
    }
}

impl Extras {
    /// Upscales, storage of these generations, and review of these assets, in this order.
    pub(crate) fn of(&self, assets: u64, generations: u64) -> Result<[Exact; 3], PriceError> {
        let assets = Exact::whole(assets);
        let upscales = assets.mul(Exact::number(self.upscales_per_asset))?.mul(Exact::price(self.upscale_price))?;
        let megabytes = Exact::whole(generations).mul(Exact::number(self.picture_megabytes))?;
        let gigabyte_months = megabytes.div(Exact::whole(1000))?.mul(Exact::whole(self.storage_months))?;
        let storage = gigabyte_months.mul(Exact::price(self.storage_price))?;
        let hours = assets.mul(Exact::number(self.reviewer_minutes))?.div(Exact::whole(60))?;
        Ok([upscales, storage, hours.mul(Exact::price(self.reviewer_wage))?])
    }
}

/// How fast a machine draws: seconds of a picture, from the studio's own history, or as the engine predicts them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speed {
    /// The machine, as rows of the catalogue call it; `local` is the studio's own.
    pub device: String,
    /// The model.
    pub model: String,
    /// Size of the picture.
    pub size: Size,
    /// The preset.
    pub preset: String,
    /// Half of the pictures took at most so many seconds, above 0.
    pub p50_seconds: f64,
    /// 95 % took at most so many, at least `p50_seconds`.
    pub p95_seconds: f64,
    /// Pictures that were measured; 0 = none: the seconds are what the engine predicts.
    pub pictures: u64,
}

impl Speed {
    /// An error if the numbers cannot be those of a measurement.
    pub fn check(&self) -> Result<(), PriceError> {
        seconds("p50_seconds", self.p50_seconds)?;
        seconds("p95_seconds", self.p95_seconds)?;
        if self.p95_seconds < self.p50_seconds {
            return Err(PriceError::field("p95_seconds", format!("{} is below p50_seconds", self.p95_seconds)));
        }
        Ok(())
    }

    /// Seconds of a picture, to the millionth.
    pub(crate) fn median(&self) -> Result<Exact, PriceError> {
        seconds("p50_seconds", self.p50_seconds)
    }
}

/// Seconds above 0 and at most a month, to the millionth.
fn seconds(field: &'static str, seconds: f64) -> Result<Exact, PriceError> {
    let micros = (seconds * 1e6).round();
    if (1.0..=2_678_400e6).contains(&micros) {
        return Ok(Exact::number(Decimal::from_micros(micros as u64)));
    }
    Err(PriceError::field(field, format!("{seconds} is not above 0 and at most a month")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generations_of_the_worked_check() {
        let campaign = Campaign { candidates: 8, retries: "0.3".parse().unwrap(), ..Campaign::default() };
        let generations = |assets| Campaign { assets, ..campaign.clone() }.work().unwrap().generations;
        assert_eq!(generations(0), 0);
        assert_eq!(generations(50), 520);
        assert_eq!(generations(500), 5_200);
        let three = Campaign { assets: 50, ratios: 3, references: 2, ..campaign.clone() }.work().unwrap();
        assert_eq!((three.generations, three.references), (1_560, 3_120));
        let funnel = Campaign { assets: 50, ratios: 3, funnel: Some(Funnel::default()), ..campaign.clone() };
        let work = funnel.work().unwrap();
        assert_eq!((work.drafts, work.finals), (400, 195), "A·K and A·(1+r)·V");
        let funnel = Some(Funnel { finals_per_asset: Some("2.5".parse().unwrap()), ..Funnel::default() });
        assert_eq!(Campaign { assets: 3, funnel, ..campaign.clone() }.work().unwrap().finals, 8, "7.5 are 8 pictures");
        let counted = Some(Funnel { drafts: Some(37), finals: Some(5), ..Funnel::default() });
        let work = Campaign { assets: 3, funnel: counted, ..campaign }.work().unwrap();
        assert_eq!((work.drafts, work.finals, work.generations), (37, 5, 42));
    }

    #[test]
    fn inputs_out_of_their_range_are_named() {
        let field = |campaign: Campaign| match campaign.work() {
            Err(PriceError::Field { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(field(Campaign { candidates: 0, ..Campaign::default() }), "candidates");
        assert_eq!(field(Campaign { ratios: 0, ..Campaign::default() }), "ratios");
        assert_eq!(field(Campaign { devices: 0, ..Campaign::default() }), "devices");
        let most = Campaign { assets: u64::MAX, candidates: u64::MAX, ratios: u64::MAX, ..Campaign::default() };
        assert_eq!(most.work(), Err(GENERATIONS));
        let euros = Campaign { budget: Some(Money::zero(Currency::EUR)), ..Campaign::default() };
        assert!(matches!(euros.work(), Err(PriceError::Currencies { .. })));
        let below = Campaign { budget: Some(Money::from_micros(-1, Currency::USD)), ..Campaign::default() };
        assert_eq!(field(below), "budget");
    }

    #[test]
    fn speeds_are_those_of_a_measurement() {
        let speed = Speed {
            device: "local".into(),
            model: "default".into(),
            size: "1024x1024".parse().unwrap(),
            preset: "final".into(),
            p50_seconds: 6.0,
            p95_seconds: 7.0,
            pictures: 20,
        };
        assert_eq!(speed.check(), Ok(()));
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e300] {
            assert!(Speed { p50_seconds: bad, ..speed.clone() }.check().is_err(), "{bad}");
        }
        assert!(Speed { p95_seconds: 5.0, ..speed.clone() }.check().is_err());
        assert_eq!(Speed { pictures: 0, ..speed }.check(), Ok(()), "a prediction");
    }
}
