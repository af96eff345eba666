//! What a campaign costs: a catalogue of offers as a data file, the cost model, the cheapest plan at every volume.

#![forbid(unsafe_code)]

mod campaign;
pub mod catalogue;
mod curve;
mod error;
mod exact;
mod hardware;
mod money;
mod own;
mod report;
mod table;
mod tariff;

pub use campaign::{Campaign, Extras, Funnel, Speed, Work};
pub use catalogue::{Catalogue, CatalogueError, Size};
pub use curve::{Curve, Envelope, Segment, break_even};
pub use error::PriceError;
pub use hardware::HOURS_PER_MONTH;
pub use jiff::civil::Date;
pub use money::{Currency, Decimal, Money, ParseError};
pub use own::{Figures, OWN_ROW};
pub use report::{BreakEven, BreakPoint, Excluded, ExtraCosts, Line, Point, Report, Series, report};
pub use tariff::Reason;

/// Today, in UTC.
pub fn today() -> Date {
    jiff::tz::Offset::UTC.to_datetime(jiff::Timestamp::now()).date()
}
