//! `prices check`: what is wrong with a file, and what is old in it.

use std::path::Path;

use jiff::civil::Date;
use serde::Serialize;

use super::read::{read_text, rows};
use super::{CatalogueError, Problem, STARTER, STARTER_NAME, days};

/// What a look at a catalogue found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The file.
    pub file: String,
    /// Rows that can be used.
    pub sound: usize,
    /// What is wrong with the others; empty = the file can be used.
    pub problems: Vec<Problem>,
    /// Rows to look up again, with the days since they were.
    pub stale: Vec<Aged>,
    /// Rows that are no longer sold.
    pub retired: Vec<Aged>,
}

/// A row and its age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Aged {
    /// The row.
    pub id: String,
    /// Where to look it up.
    pub source: String,
    /// Days since it was looked up, or since it was retired.
    pub days: i64,
}

/// Looks at a file, or at the starter catalogue; an error only if it cannot be read at all.
pub fn check(path: Option<&Path>, today: Date) -> Result<Check, CatalogueError> {
    let (file, text) = match path {
        Some(path) => (path.display().to_string(), read_text(path)?),
        None => (STARTER_NAME.to_owned(), STARTER.to_owned()),
    };
    let (offers, mut problems) = rows(&text);
    for offer in offers.iter().filter(|offer| offer.checked_on > today) {
        let message = format!("{} is after today, {today}", offer.checked_on);
        problems.push(Problem { row: offer.id.clone(), field: "checked_on".into(), line: Some(offer.line), message });
    }
    problems.sort_by_key(|problem| problem.line);
    let aged = |offer: &super::Offer, since| Aged {
        id: offer.id.clone(),
        source: offer.source.clone(),
        days: days(since, today),
    };
    let stale = offers.iter().filter(|offer| offer.is_stale(today)).map(|offer| aged(offer, offer.checked_on));
    let retired = offers.iter().filter(|offer| offer.is_retired(today));
    let retired = retired.filter_map(|offer| Some(aged(offer, offer.retires_on?))).collect();
    Ok(Check { file, sound: offers.len(), stale: stale.collect(), retired, problems })
}
