//! The catalogue: what every offer asks, as a file that people edit.
//!
//! A row says what its vendor publishes, in the vendor's own unit (image, token, megapixel, credit, second, hour, seat), where
//! that was read and when. Rows older than [`STALE_DAYS`] are stale: shown, marked, still usable. Retired ones cannot be
//! chosen. `docs/prices.md` has an example of each kind of row.

mod check;
mod diff;
mod fields;
mod listed;
mod read;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::money::{Currency, Decimal, ParseError};

pub use check::{Aged, Check, check};
pub use diff::{Change, ChangedField, diff};
pub use listed::Listed;
pub use read::{CatalogueError, Problem};

/// Days after which a price should be looked up again.
pub const STALE_DAYS: i64 = 90;

/// Name by which the embedded catalogue is called in messages.
pub const STARTER_NAME: &str = "the starter catalogue";

const STARTER: &str = include_str!("../../../../catalogue/prices.toml");

/// Offers, in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalogue {
    /// The file's name, for messages.
    pub name: String,
    /// The rows.
    pub offers: Vec<Offer>,
}

impl Catalogue {
    /// The one that comes with the program. It knows what was public in 2026 and must be looked up again before buying.
    pub fn starter() -> Result<Self, CatalogueError> {
        Self::parse(STARTER_NAME, STARTER)
    }

    /// The text of the starter catalogue, to begin an own one with.
    pub fn starter_text() -> &'static str {
        STARTER
    }
}

/// Declares an enum whose variants are known by names in the file.
macro_rules! names {
    ($(#[$doc:meta])* $type:ident ($expected:literal) { $($(#[$inner:meta])* $variant:ident = $name:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $type { $($(#[$inner])* $variant,)+ }

        impl $type {
            /// The name in the file.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }

        impl FromStr for $type {
            type Err = ParseError;

            fn from_str(text: &str) -> Result<Self, ParseError> {
                match text { $($name => Ok(Self::$variant),)+ _ => Err(ParseError::new(text, $expected)) }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }
    };
}

names! {
    /// Who runs the model, and how it is paid.
    Kind ("one of api, plan, gpu_rent, own_hw") {
        /// Somebody's model, paid by use.
        Api = "api",
        /// Somebody's model, paid by the month.
        Plan = "plan",
        /// Any model on a rented machine.
        GpuRent = "gpu_rent",
        /// Any model on an own machine.
        OwnHw = "own_hw",
    }
}

names! {
    /// Whether a started unit (credit, megapixel, second) of a picture is charged as a whole one.
    Rounding ("one of none, up") {
        /// Parts of a unit are charged as parts.
        None = "none",
        /// A started unit is charged as a whole one.
        Up = "up",
    }
}

names! {
    /// How sure the row is.
    Confidence ("one of high, medium, low") {
        /// Read on the vendor's page.
        High = "high",
        /// Read where somebody quotes the vendor's page.
        Medium = "medium",
        /// From memory, or an end of a range.
        Low = "low",
    }
}

/// Width and height in pixels, written `1024x1536`; each 1 to 65,536.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Size {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

impl Size {
    /// Pixels.
    pub fn pixels(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}x{}", self.width, self.height))
    }
}

impl FromStr for Size {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let side = |side: &str| side.parse::<u32>().ok().filter(|side| (1..=65_536).contains(side));
        let size =
            text.split_once('x').and_then(|(width, height)| Some(Self { width: side(width)?, height: side(height)? }));
        size.ok_or_else(|| ParseError::new(text, "a size in pixels such as 1024x1024"))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One row: what somebody offers, and where that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Offer {
    /// Unique name.
    pub id: String,
    /// Who offers it.
    pub vendor: String,
    /// Who runs the model, and how it is paid.
    pub kind: Kind,
    /// In which unit it is paid, and what for.
    pub billing: Billing,
    /// The model, as the vendor calls it; nothing where any model can run.
    pub model: Option<String>,
    /// Currency of every price in the row.
    pub currency: Currency,
    /// Whether started units are charged whole.
    pub rounding: Rounding,
    /// Sizes that can be asked for; empty = any.
    pub sizes: Vec<Size>,
    /// The first day of this price.
    pub starts_on: Option<Date>,
    /// The first day on which it is no longer sold.
    pub retires_on: Option<Date>,
    /// Where the price was read: an address, or for an own machine whatever says it.
    pub source: String,
    /// The day it was read there.
    pub checked_on: Date,
    /// How sure that is.
    pub confidence: Confidence,
    /// What may be done with the pictures.
    pub rights: String,
    /// What the vendor puts into the pictures: watermarks, provenance data.
    pub marks: String,
    /// Anything else.
    pub notes: Option<String>,
    /// Price of one reference picture sent along.
    pub reference_price: Option<Decimal>,
    /// Seconds a picture takes as the vendor states them. Own speed is measured instead.
    pub seconds_per_image: Option<Decimal>,
    /// Pictures the vendor draws for one customer at a time.
    pub parallel: u64,
    /// Energy of a picture in watt hours, where the vendor states it.
    pub watt_hours_per_image: Option<Decimal>,
    /// The line of the file at which the row begins, from 1.
    pub line: usize,
    /// Every field as it was written, for listing and comparing.
    written: BTreeMap<String, String>,
}

impl Offer {
    /// Whether this price was read more than [`STALE_DAYS`] before `today`.
    pub fn is_stale(&self, today: Date) -> bool {
        days(self.checked_on, today) > STALE_DAYS
    }

    /// Whether it is no longer sold.
    pub fn is_retired(&self, today: Date) -> bool {
        self.retires_on.is_some_and(|day| day <= today)
    }

    /// Whether it is sold only later.
    pub fn is_early(&self, today: Date) -> bool {
        self.starts_on.is_some_and(|day| day > today)
    }

    /// Its prices in a few words, for a list.
    pub(crate) fn price_summary(&self) -> String {
        let rates = |rates: &[Rate], unit: &str| {
            let rates = rates.iter().map(|rate| format!("{} {} {}{unit}", rate.size, rate.quality, rate.value));
            rates.collect::<Vec<_>>().join(", ")
        };
        match &self.billing {
            Billing::Image { price, .. } => format!("{price} a picture"),
            Billing::ImageQualitySize { rates: list } => rates(list, ""),
            Billing::OutputTokens { per_million_tokens, rates: list } => {
                format!("{per_million_tokens} a million tokens; {}", rates(list, " tokens"))
            }
            Billing::Megapixel { per_megapixel, next_megapixel, .. } => {
                let next = next_megapixel.map_or(String::new(), |next| format!(", {next} for further ones"));
                format!("{per_megapixel} a megapixel{next}")
            }
            Billing::Credit { credits_per_image, credit_price, monthly, included_credits } => {
                let month = format!("{monthly} a month with {included_credits} credits; ");
                let month = if *monthly == Decimal::ZERO { String::new() } else { month };
                let price = credit_price.map_or("no more".into(), |price| format!("{price} a credit"));
                format!("{month}{price}; {credits_per_image} credits a picture")
            }
            Billing::GpuSecond { price, seconds, .. } => {
                format!("{price} {}", if *seconds == 1 { "a second" } else { "an hour" })
            }
            Billing::GpuHours { monthly, included_hours, extra_hour, slow_lane, .. } => {
                let then = match extra_hour {
                    _ if *slow_lane => "then slowly".into(),
                    Some(hour) => format!("then {hour} an hour"),
                    None => "no more".to_owned(),
                };
                format!("{monthly} a month with {included_hours} hours, {then}")
            }
            Billing::Seat { per_seat, included_images, extra_image } => {
                let then = extra_image.map_or("no more".into(), |price| format!("then {price}"));
                format!("{per_seat} a seat and month with {included_images} pictures, {then}")
            }
            Billing::Machine(machine) => {
                let (price, months) = (machine.machine_price, machine.months);
                format!("{price} over {months} months, {} kW at {} a kWh", machine.load_kw, machine.energy_price)
            }
        }
    }

    /// Every field as it was written, nested ones as `rate[1024x1024 low].price`.
    pub fn written(&self) -> &BTreeMap<String, String> {
        &self.written
    }
}

/// Days from one date to another; below zero if the second is earlier.
fn days(from: Date, to: Date) -> i64 {
    from.duration_until(to).as_hours() / 24
}

/// A price for one quality and size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rate {
    /// Size of the picture.
    pub size: Size,
    /// The vendor's name of the quality.
    pub quality: String,
    /// Price of a picture, or its output tokens.
    pub value: Decimal,
}

/// In which unit an offer is paid. Prices are in the row's currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Billing {
    /// One price a picture.
    Image {
        /// Price of a picture.
        price: Decimal,
        /// The vendor's name of the quality, if it has several.
        quality: Option<String>,
    },
    /// A price for each quality and size.
    ImageQualitySize {
        /// The prices.
        rates: Vec<Rate>,
    },
    /// A picture is so many output tokens.
    OutputTokens {
        /// Price of a million tokens.
        per_million_tokens: Decimal,
        /// Tokens of a picture.
        rates: Vec<Rate>,
    },
    /// By area.
    Megapixel {
        /// Price of a megapixel; with `next_megapixel` of the first one.
        per_megapixel: Decimal,
        /// Price of every further one.
        next_megapixel: Option<Decimal>,
        /// Pixels that the vendor calls a megapixel.
        pixels_per_megapixel: u64,
    },
    /// In credits, bought as used or included in a month.
    Credit {
        /// Credits of a picture.
        credits_per_image: Decimal,
        /// Price of a credit beyond those included; nothing if no more are sold.
        credit_price: Option<Decimal>,
        /// Price of a month.
        monthly: Decimal,
        /// Credits included in a month.
        included_credits: Decimal,
    },
    /// A machine by the time it runs.
    GpuSecond {
        /// Name of the machine under which its speed is measured.
        device: String,
        /// Price of `seconds`.
        price: Decimal,
        /// 1 or 3,600.
        seconds: u64,
        /// Share of the paid time in which it draws, above 0, at most 1.
        utilisation: Decimal,
        /// Paid seconds before it draws the first picture.
        cold_start_seconds: Decimal,
        /// Pictures drawn for each start.
        images_per_start: u64,
        /// Power under load in kW, if known.
        load_kw: Option<Decimal>,
        /// Energy of the building over energy of the machine, 1 or more.
        pue: Decimal,
    },
    /// A month that includes fast hours; afterwards a slow lane, or hours at a price, or nothing.
    GpuHours {
        /// Price of a month.
        monthly: Decimal,
        /// Fast hours in it.
        included_hours: Decimal,
        /// Price of a further fast hour.
        extra_hour: Option<Decimal>,
        /// Whether drawing goes on without charge, but slowly.
        slow_lane: bool,
        /// Seconds of a picture in the slow lane, as the vendor states them.
        slow_seconds_per_image: Option<Decimal>,
    },
    /// By people who may use it.
    Seat {
        /// Price of a seat and month.
        per_seat: Decimal,
        /// Pictures included in a seat and month.
        included_images: u64,
        /// Price of a further picture.
        extra_image: Option<Decimal>,
    },
    /// An own machine: nobody's bill, but a price, a life and a use of power.
    Machine(Machine),
}

impl Billing {
    /// The name in the file.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Image { .. } => "image",
            Self::ImageQualitySize { .. } => "image_quality_size",
            Self::OutputTokens { .. } => "output_tokens",
            Self::Megapixel { .. } => "megapixel",
            Self::Credit { .. } => "credit",
            Self::GpuSecond { .. } => "gpu_second",
            Self::GpuHours { .. } => "gpu_hours",
            Self::Seat { .. } => "seat",
            Self::Machine(_) => "machine",
        }
    }
}

/// An own machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Name of the machine under which its speed is measured.
    pub device: String,
    /// What it cost.
    pub machine_price: Decimal,
    /// Months until it is sold or thrown away, 1 or more.
    pub months: u64,
    /// Share of its price that it then still has, 0 to 1.
    pub residual: Decimal,
    /// Power under load in kW.
    pub load_kw: Decimal,
    /// Power when idle in kW, at most `load_kw`.
    pub idle_kw: Decimal,
    /// Energy of the building over energy of the machine, 1 or more.
    pub pue: Decimal,
    /// Price of a kWh.
    pub energy_price: Decimal,
    /// Hours a month that somebody looks after it.
    pub admin_hours: Decimal,
    /// What an hour of that costs.
    pub wage: Decimal,
    /// Room, network and the like a month.
    pub rack: Decimal,
    /// Hours a month in which it may draw, above 0, at most 744.
    pub hours_per_month: Decimal,
    /// Share of them in which it does, above 0, at most 1.
    pub utilisation: Decimal,
}
