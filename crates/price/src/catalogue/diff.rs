//! `prices diff`: what changed between two catalogues.

use serde::Serialize;

use super::Catalogue;
use crate::money::Decimal;

/// A row that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// Only the new catalogue has it.
    Added {
        /// The row.
        id: String,
    },
    /// Only the old catalogue has it.
    Removed {
        /// The row.
        id: String,
    },
    /// Both have it, with other fields.
    Changed {
        /// The row.
        id: String,
        /// The fields, by name.
        fields: Vec<ChangedField>,
    },
}

/// A field that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChangedField {
    /// Its name, such as `rate[1024x1024 low].price`.
    pub field: String,
    /// What it was; nothing if it was missing.
    pub old: Option<String>,
    /// What it is; nothing if it is missing.
    pub new: Option<String>,
    /// By how many percent a number grew, below 0 if it fell.
    pub percent: Option<f64>,
}

/// What changed: rows of the old catalogue in its order, then those that were added.
pub fn diff(old: &Catalogue, new: &Catalogue) -> Vec<Change> {
    let mut changes = Vec::new();
    for before in &old.offers {
        let id = before.id.clone();
        let Some(after) = new.offers.iter().find(|offer| offer.id == id) else {
            changes.push(Change::Removed { id });
            continue;
        };
        let mut names: Vec<&String> = before.written().keys().chain(after.written().keys()).collect();
        names.sort();
        names.dedup();
        let pairs = names.into_iter().map(|name| (name, before.written().get(name), after.written().get(name)));
        let fields: Vec<ChangedField> = pairs
            .filter(|(_, old, new)| old != new)
            .map(|(name, old, new)| ChangedField {
                field: name.clone(),
                old: old.cloned(),
                new: new.cloned(),
                percent: old.zip(new).and_then(|(old, new)| percent(old, new)),
            })
            .collect();
        if !fields.is_empty() {
            changes.push(Change::Changed { id, fields });
        }
    }
    let is_new = |id: &str| old.offers.iter().all(|offer| offer.id != id);
    let added = new.offers.iter().filter(|offer| is_new(&offer.id));
    changes.extend(added.map(|offer| Change::Added { id: offer.id.clone() }));
    changes
}

fn percent(old: &str, new: &str) -> Option<f64> {
    let (old, new): (Decimal, Decimal) = (old.parse().ok()?, new.parse().ok()?);
    (old != Decimal::ZERO).then(|| (new.to_f64() / old.to_f64() - 1.0) * 100.0)
}
