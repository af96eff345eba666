//! A row as it is listed: what it says, and why it is greyed.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;

use super::{Confidence, Kind, Offer, days};
use crate::money::Currency;

/// A row as it is listed on a day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// Unique name.
    pub id: String,
    /// Who offers it.
    pub vendor: String,
    /// Who runs the model, and how it is paid.
    pub kind: Kind,
    /// In which unit.
    pub billing: &'static str,
    /// The model; nothing where any can run.
    pub model: Option<String>,
    /// Currency of its prices.
    pub currency: Currency,
    /// Its prices in a few words.
    pub price: String,
    /// Where the price was read.
    pub source: String,
    /// When.
    pub checked_on: Date,
    /// How sure that is.
    pub confidence: Confidence,
    /// What may be done with the pictures.
    pub rights: String,
    /// What the vendor puts into them.
    pub marks: String,
    /// Anything else.
    pub notes: Option<String>,
    /// The price was looked up more than 90 days ago: it can be used, and should be looked up again.
    pub stale: bool,
    /// It is no longer sold, and cannot be chosen.
    pub retired: bool,
    /// Why it is greyed, if it is.
    pub grey: Option<String>,
    /// Every field as it was written.
    pub fields: BTreeMap<String, String>,
}

impl Offer {
    /// How the row is listed on this day.
    pub fn listed(&self, today: Date) -> Listed {
        let (stale, retired) = (self.is_stale(today), self.is_retired(today));
        let age = days(self.checked_on, today);
        let grey = match (self.retires_on, self.starts_on) {
            (Some(day), _) if retired => Some(format!("no longer sold since {day}")),
            (_, Some(day)) if self.is_early(today) => Some(format!("not sold before {day}")),
            _ => stale.then(|| format!("looked up {age} days ago: look again before buying")),
        };
        Listed {
            id: self.id.clone(),
            vendor: self.vendor.clone(),
            kind: self.kind,
            billing: self.billing.name(),
            model: self.model.clone(),
            currency: self.currency,
            price: self.price_summary(),
            source: self.source.clone(),
            checked_on: self.checked_on,
            confidence: self.confidence,
            rights: self.rights.clone(),
            marks: self.marks.clone(),
            notes: self.notes.clone(),
            stale,
            retired,
            grey,
            fields: self.written().clone(),
        }
    }
}
