//! The fields of one table of the file: each is taken once, what is left over is unknown, and every problem is kept with its
//! row, field and line, so that a file is mended in one go.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::str::FromStr;

use jiff::civil::Date;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::read::Problem;
use crate::money::{Decimal, ParseError};

/// Line numbers of byte offsets.
pub(super) struct Lines(Vec<usize>);

impl Lines {
    pub fn new(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect())
    }

    /// From 1.
    pub fn at(&self, offset: usize) -> usize {
        self.0.partition_point(|newline| *newline < offset) + 1
    }
}

/// One table while it is read.
pub(super) struct Fields<'a> {
    table: &'a DeTable<'a>,
    lines: &'a Lines,
    row: String,
    /// Line at which the table begins.
    line: usize,
    /// What stands before the field's name in messages.
    prefix: String,
    taken: BTreeSet<&'static str>,
    problems: Vec<Problem>,
}

impl<'a> Fields<'a> {
    pub fn new(table: &'a DeTable<'a>, line: usize, lines: &'a Lines, row: String, prefix: String) -> Self {
        Self { table, lines, row, line, prefix, taken: BTreeSet::new(), problems: Vec::new() }
    }

    pub fn line(&self) -> usize {
        self.line
    }

    /// A problem with a field.
    pub fn problem(&mut self, field: &str, message: impl Into<String>) {
        let value = self.table.get(field);
        let line = value.map_or(self.line, |value| self.lines.at(value.span().start));
        let field = format!("{}{field}", self.prefix);
        self.problems.push(Problem { row: self.row.clone(), field, line: Some(line), message: message.into() });
    }

    fn value(&mut self, field: &'static str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.taken.insert(field);
        self.table.get(field)
    }

    /// A field that may be missing.
    pub fn maybe<T: FromStr<Err: Display>>(&mut self, field: &'static str) -> Option<T> {
        let value = self.value(field)?;
        let parsed = written(value.get_ref()).and_then(|text| text.parse().map_err(|error: T::Err| error.to_string()));
        parsed.map_err(|message| self.problem(field, message)).ok()
    }

    /// A field that must be there.
    pub fn required<T: FromStr<Err: Display>>(&mut self, field: &'static str) -> Option<T> {
        if self.value(field).is_none() {
            self.problem(field, "is missing");
        }
        self.maybe(field)
    }

    /// A date that may be missing.
    pub fn date(&mut self, field: &'static str) -> Option<Date> {
        let text: String = self.maybe(field)?;
        let date = text.parse().ok();
        if date.is_none() {
            self.problem(field, ParseError::new(&text, "a date such as 2026-06-01").to_string());
        }
        date
    }

    /// A text that must be there and say something.
    pub fn text(&mut self, field: &'static str) -> Option<String> {
        let text: String = self.required(field)?;
        if text.trim().is_empty() {
            self.problem(field, "is empty");
            return None;
        }
        Some(text)
    }

    /// A decimal that must be there and within these bounds.
    pub fn within(&mut self, field: &'static str, low: u64, high: u64) -> Option<Decimal> {
        let decimal: Decimal = self.required(field)?;
        self.bounds(field, decimal, low, high)
    }

    fn bounds(&mut self, field: &'static str, decimal: Decimal, low: u64, high: u64) -> Option<Decimal> {
        let (low, high) = (Decimal::from_micros(low), Decimal::from_micros(high));
        if (low..=high).contains(&decimal) {
            return Some(decimal);
        }
        self.problem(field, format!("{decimal} is not between {low} and {high}"));
        None
    }

    /// A whole number of 1 or more.
    pub fn positive(&mut self, field: &'static str) -> Option<u64> {
        let number = self.required(field)?;
        if number == 0 {
            self.problem(field, "0 is not 1 or more");
            return None;
        }
        Some(number)
    }

    /// A list of texts.
    pub fn list<T: FromStr<Err: Display>>(&mut self, field: &'static str) -> Vec<T> {
        let Some(value) = self.value(field) else { return Vec::new() };
        let Some(items) = value.get_ref().as_array() else {
            self.problem(field, "is not a list");
            return Vec::new();
        };
        let parse = |item: &Spanned<DeValue<'_>>| -> Result<T, String> {
            written(item.get_ref())?.parse().map_err(|error: T::Err| error.to_string())
        };
        let parsed: Vec<_> = items.iter().map(parse).collect();
        parsed.into_iter().filter_map(|item| item.map_err(|message| self.problem(field, message)).ok()).collect()
    }

    /// A list of tables.
    pub fn tables(&mut self, field: &'static str) -> Vec<Fields<'a>> {
        let Some(value) = self.value(field) else { return Vec::new() };
        let tables = value.get_ref().as_array().map(|items| {
            items.iter().map(|item| Some((item.get_ref().as_table()?, item.span().start))).collect::<Option<Vec<_>>>()
        });
        let Some(Some(tables)) = tables else {
            self.problem(field, format!("is not a list of tables [[offer.{field}]]"));
            return Vec::new();
        };
        let (lines, row, prefix) = (self.lines, &self.row, &self.prefix);
        let inner = |(i, (table, start)): (usize, (&'a DeTable<'a>, usize))| {
            Fields::new(table, lines.at(start), lines, row.clone(), format!("{prefix}{field}[{i}]."))
        };
        tables.into_iter().enumerate().map(inner).collect()
    }

    /// Keeps the problems of an inner table.
    pub fn close(&mut self, inner: Fields<'a>, context: &str) {
        self.problems.extend(inner.finish(Some(context)));
    }

    /// Every problem. Whatever was not taken is one, unless nobody knows what could be: `unknown` says for what it was read.
    pub fn finish(mut self, unknown: Option<&str>) -> Vec<Problem> {
        let Some(context) = unknown else { return self.problems };
        for key in self.table.keys().filter(|key| !self.taken.contains(key.get_ref().as_ref())) {
            let line = Some(self.lines.at(key.span().start));
            let field = format!("{}{}", self.prefix, key.get_ref());
            let message = format!("unknown key{context}");
            self.problems.push(Problem { row: self.row.clone(), field, line, message });
        }
        self.problems
    }

    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// A value as text, from which the types of the catalogue are read.
fn written(value: &DeValue<'_>) -> Result<String, String> {
    match value {
        DeValue::String(text) => Ok(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => Ok(number.as_str().to_owned()),
        DeValue::Integer(number) => Err(format!("{} is not a decimal number", number.as_str())),
        DeValue::Boolean(yes) => Ok(yes.to_string()),
        DeValue::Datetime(date) => Ok(date.to_string()),
        DeValue::Float(number) => {
            Err(format!("fractions are written in quotes, so that they stay exact: \"{}\"", number.as_str()))
        }
        DeValue::Array(_) | DeValue::Table(_) => Err(format!("found {}", value.type_str())),
    }
}

/// Every field as text; tables in lists are called by the size and quality they have.
pub(super) fn flatten(table: &DeTable<'_>) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    for (key, value) in table {
        let key = key.get_ref();
        match value.get_ref() {
            DeValue::Array(items) => {
                let mut texts = Vec::new();
                for (i, item) in items.iter().enumerate() {
                    match item.get_ref() {
                        DeValue::Table(inner) => {
                            let inner = flatten(inner);
                            let part = |name: &str| inner.get(name).cloned();
                            let name: Vec<String> = [part("size"), part("quality")].into_iter().flatten().collect();
                            let name = if name.is_empty() { i.to_string() } else { name.join(" ") };
                            let rest = inner.iter().filter(|(field, _)| !matches!(field.as_str(), "size" | "quality"));
                            fields.extend(rest.map(|(field, text)| (format!("{key}[{name}].{field}"), text.clone())));
                        }
                        other => texts.extend(written(other)),
                    }
                }
                if !texts.is_empty() {
                    fields.insert(key.to_string(), texts.join(", "));
                }
            }
            DeValue::Table(inner) => {
                fields.extend(flatten(inner).into_iter().map(|(field, text)| (format!("{key}.{field}"), text)));
            }
            other => fields.extend(written(other).ok().map(|text| (key.to_string(), text))),
        }
    }
    fields
}
