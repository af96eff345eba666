//! What a test brought: a CSV file with one creative on one day a row, checked as a whole before any of it is taken.
//!
//! Columns: `creative`, `day`, `people` or `impressions`, and `clicks`, `conversions`, `revenue`, `revenue_squared`, of which
//! those of the test's metric must be there. Counts are of the day alone, not running totals.

use std::collections::{BTreeSet, HashMap};
use std::io::Read;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::rows::{MAX_SHOWN, RowError, RowsError};
use crate::table::{Record, Table};

/// Most days of a test: a longer one measures the seasons.
pub const MAX_DAYS: usize = 366;
/// Largest count of a row: one every 30 microseconds, for a year.
pub const MAX_COUNT: u64 = 1_000_000_000_000;
/// Largest sum of a row, in whatever unit.
const MAX_SUM: f64 = 1e12;
/// Largest sum of squares of a row.
const MAX_SQUARES: f64 = 1e24;
/// Days that a test can have.
const YEARS: std::ops::RangeInclusive<i16> = 2000..=2099;

/// What decides a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Clicks of people, each counted once.
    Clicks,
    /// Conversions of people, each counted once.
    Conversions,
    /// Revenue a person.
    Revenue,
}

impl Metric {
    /// The name in files, databases and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clicks => "clicks",
            Self::Conversions => "conversions",
            Self::Revenue => "revenue",
        }
    }

    /// The metric of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Clicks, Self::Conversions, Self::Revenue].into_iter().find(|metric| metric.name() == name)
    }

    fn columns(self) -> &'static [Column] {
        match self {
            Self::Clicks => &[Column::Clicks],
            Self::Conversions => &[Column::Conversions],
            Self::Revenue => &[Column::Revenue, Column::RevenueSquared],
        }
    }
}

/// Of what rows count the clicks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// People, each once.
    People,
    /// Impressions: one person may have had several, so that results look surer than they are.
    Impressions,
}

impl Unit {
    /// The name in files, databases and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::People => "people",
            Self::Impressions => "impressions",
        }
    }

    /// The unit of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::People, Self::Impressions].into_iter().find(|unit| unit.name() == name)
    }
}

/// One creative on one day.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultRow {
    /// Number of the row in its file; the first after the header is 1.
    pub row: u64,
    /// The line it begins on, from 1.
    pub line: u64,
    /// Index of the creative.
    pub creative: usize,
    /// Days since 1970-01-01.
    pub day: i32,
    /// People or impressions.
    pub people: u64,
    /// Clicks; absent without such a column, as are the others.
    pub clicks: Option<u64>,
    /// Conversions.
    pub conversions: Option<u64>,
    /// Sum of the revenue.
    pub revenue: Option<f64>,
    /// Sum of each person's revenue, squared.
    pub revenue_squared: Option<f64>,
}

/// A file of results.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// What was counted.
    pub unit: Unit,
    /// Its rows.
    pub rows: Vec<ResultRow>,
}

/// A day of the calendar, `YYYY-MM-DD`, as days since 1970-01-01.
pub fn parse_day(text: &str) -> Option<i32> {
    let date: Date = text.parse().ok()?;
    (date.to_string() == text).then(|| (date - jiff::civil::date(1970, 1, 1)).get_days())
}

/// The day of a number of days since 1970-01-01.
pub fn day_text(day: i32) -> String {
    let span = jiff::Span::new().try_days(day);
    let date = span.and_then(|span| jiff::civil::date(1970, 1, 1).checked_add(span));
    date.map_or_else(|_| day.to_string(), |date| date.to_string())
}

/// Reads results of `creatives`: every row, or what is wrong. The file may be as long as it likes; what is kept of it is bounded
/// by creatives and days.
///
/// # Errors
/// Columns that are missing, unknown or contradictory; rows that cannot be right, each by row, line and column, at most
/// [`MAX_SHOWN`] of them; no rows at all.
pub fn read_results(csv: &mut dyn Read, creatives: &[String], metric: Metric) -> Result<Results, RowsError> {
    let mut table = Table::open(csv)?;
    let columns = columns(&table.columns, metric)?;
    let impressions = columns.contains(&Column::Impressions);
    let mut reader = RowReader {
        columns,
        names: table.columns.clone(),
        creatives: creatives.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect(),
        seen: HashMap::new(),
        days: BTreeSet::new(),
    };
    let (mut rows, mut errors) = (Vec::new(), Vec::new());
    while errors.len() < MAX_SHOWN
        && let Some(record) = table.next()?
    {
        match reader.read(record) {
            Ok(row) => rows.push(row),
            Err(error) => errors.push(error),
        }
    }
    if !errors.is_empty() {
        return Err(RowsError::Rows { rows: errors });
    }
    if rows.is_empty() {
        return Err(RowsError::File { message: "has no results: nothing stands below its header".into() });
    }
    Ok(Results { unit: if impressions { Unit::Impressions } else { Unit::People }, rows })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Creative,
    Day,
    People,
    Impressions,
    Clicks,
    Conversions,
    Revenue,
    RevenueSquared,
}

impl Column {
    const ALL: [(&'static str, Self); 10] = [
        ("creative", Self::Creative),
        ("day", Self::Day),
        ("people", Self::People),
        ("impressions", Self::Impressions),
        ("clicks", Self::Clicks),
        ("conversions", Self::Conversions),
        ("revenue", Self::Revenue),
        ("revenue_squared", Self::RevenueSquared),
        ("revenue²", Self::RevenueSquared),
        ("revenue2", Self::RevenueSquared),
    ];

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, column)| *column == self).map_or("", |(name, _)| name)
    }
}

/// What each column of a file is.
fn columns(names: &[String], metric: Metric) -> Result<Vec<Column>, RowsError> {
    let refuse = |column: &str, message: String| {
        let shown: String = column.chars().take(64).collect();
        Err(RowsError::Header { column: format!("'{shown}'"), message })
    };
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let known = Column::ALL.iter().find(|(known, _)| *known == name.to_lowercase());
        let Some((_, column)) = known else {
            let known: Vec<&str> = Column::ALL[..8].iter().map(|(name, _)| *name).collect();
            return refuse(name, format!("is unknown: results have the columns {}", known.join(", ")));
        };
        if found.contains(column) {
            return refuse(name, format!("is '{}' once more", column.name()));
        }
        found.push(*column);
    }
    let has = |column: Column| found.contains(&column);
    if has(Column::People) && has(Column::Impressions) {
        return refuse("impressions", "stands beside 'people': keep the one that clicks were counted of".into());
    }
    for column in [Column::Creative, Column::Day] {
        if !has(column) {
            return refuse(column.name(), "is missing".into());
        }
    }
    if !has(Column::People) && !has(Column::Impressions) {
        return refuse("people", "is missing, and so is 'impressions'".into());
    }
    if let Some(missing) = metric.columns().iter().find(|column| !has(**column)) {
        return refuse(missing.name(), format!("is missing: the test is decided by {}", metric.name()));
    }
    Ok(found)
}

struct RowReader<'c> {
    columns: Vec<Column>,
    names: Vec<String>,
    creatives: HashMap<&'c str, usize>,
    /// The row of each creative and day.
    seen: HashMap<(usize, i32), u64>,
    days: BTreeSet<i32>,
}

impl RowReader<'_> {
    fn read(&mut self, Record { row, line, cells }: Record) -> Result<ResultRow, RowError> {
        let wrong =
            |column: Option<&str>, message: String| RowError { row, line, column: column.map(str::to_owned), message };
        if cells.len() != self.columns.len() {
            let message = format!("has {} cells, the header has {}", cells.len(), self.columns.len());
            return Err(wrong(None, message));
        }
        let mut found = ResultRow {
            row,
            line,
            creative: 0,
            day: 0,
            people: 0,
            clicks: None,
            conversions: None,
            revenue: None,
            revenue_squared: None,
        };
        for ((column, name), cell) in self.columns.iter().zip(&self.names).zip(cells) {
            let told = |message: String| wrong(Some(name), message);
            let cell = cell.map_err(told)?;
            match column {
                Column::Creative => {
                    found.creative = *self
                        .creatives
                        .get(cell.as_str())
                        .ok_or_else(|| told(format!("'{}' is no creative of this test", shown(&cell))))?;
                }
                Column::Day => found.day = day(&cell).map_err(told)?,
                Column::People | Column::Impressions => found.people = whole(&cell).map_err(told)?,
                Column::Clicks => found.clicks = Some(whole(&cell).map_err(told)?),
                Column::Conversions => found.conversions = Some(whole(&cell).map_err(told)?),
                Column::Revenue => found.revenue = Some(decimal(&cell, -MAX_SUM..=MAX_SUM).map_err(told)?),
                Column::RevenueSquared => {
                    found.revenue_squared = Some(decimal(&cell, 0.0..=MAX_SQUARES).map_err(told)?);
                }
            }
        }
        let name = |column: Column| {
            let at = self.columns.iter().position(|one| *one == column);
            at.and_then(|at| self.names.get(at)).map(String::as_str)
        };
        contradiction(&found).map_or(Ok(()), |(column, message)| Err(wrong(name(column), message)))?;
        if let Some(before) = self.seen.insert((found.creative, found.day), row) {
            let message = format!("the creative has this day in row {before} already");
            return Err(wrong(name(Column::Day), message));
        }
        self.days.insert(found.day);
        if self.days.len() > MAX_DAYS {
            return Err(wrong(name(Column::Day), format!("is one more than the {MAX_DAYS} days a test may have")));
        }
        Ok(found)
    }
}

/// What cannot be together in one row.
fn contradiction(row: &ResultRow) -> Option<(Column, String)> {
    for (column, count) in [(Column::Clicks, row.clicks), (Column::Conversions, row.conversions)] {
        if let Some(count) = count.filter(|count| *count > row.people) {
            return Some((column, format!("{count} of only {}: each is counted at most once", row.people)));
        }
    }
    let revenue = row.revenue.unwrap_or(0.0);
    if row.people == 0 && revenue != 0.0 {
        return Some((Column::Revenue, format!("{revenue} from nobody")));
    }
    let squares = row.revenue_squared?;
    if row.people == 0 {
        return (squares != 0.0).then(|| (Column::RevenueSquared, format!("{squares} from nobody")));
    }
    // Cauchy-Schwarz, with room for the rounding of somebody else's sums.
    let least = revenue * revenue / row.people as f64;
    (squares < least * (1.0 - 1e-9)).then(|| {
        let message = format!(
            "{squares} is less than revenue²/people = {least}: square each person's revenue, then add these up"
        );
        (Column::RevenueSquared, message)
    })
}

fn day(text: &str) -> Result<i32, String> {
    let day = parse_day(text).ok_or_else(|| format!("'{}' is no day such as 2026-11-27", shown(text)))?;
    let year = text.get(..4).and_then(|year| year.parse().ok());
    match year.is_some_and(|year| YEARS.contains(&year)) {
        true => Ok(day),
        false => Err(format!("'{text}' is not in the years {} to {}", YEARS.start(), YEARS.end())),
    }
}

fn whole(text: &str) -> Result<u64, String> {
    if text.is_empty() {
        return Err("is empty: write 0 where nothing was counted".into());
    }
    if text.strip_prefix('-').is_some_and(|rest| rest.parse::<f64>().is_ok()) {
        return Err(format!("{} is negative", shown(text)));
    }
    let number = text.parse::<u64>().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()));
    let is_long = text.bytes().all(|byte| byte.is_ascii_digit());
    match number {
        Some(number) if number <= MAX_COUNT => Ok(number),
        None if !is_long => {
            Err(format!("'{}' is no whole number: write digits alone, without signs between them", shown(text)))
        }
        _ => Err(format!("{} is more than {MAX_COUNT}", shown(text))),
    }
}

fn decimal(text: &str, range: std::ops::RangeInclusive<f64>) -> Result<f64, String> {
    if text.is_empty() {
        return Err("is empty: write 0 where nothing was earned".into());
    }
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'));
    let number = text.parse::<f64>().ok().filter(|_| is_plain);
    let number = number.ok_or_else(|| format!("'{}' is no number such as 1234.50", shown(text)))?;
    match range.contains(&number) {
        true => Ok(number),
        false => Err(format!("{} is not in {:e} to {:e}", shown(text), range.start(), range.end())),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], metric: Metric) -> Result<Results, RowsError> {
        read_results(&mut &*text, &["hero-01".into(), "hero-02".into()], metric)
    }

    fn told(text: &str, metric: Metric) -> String {
        read(text.as_bytes(), metric).unwrap_err().to_string()
    }

    #[test]
    fn days_are_days_of_the_calendar() {
        assert_eq!(
            (parse_day("1970-01-01"), parse_day("1970-01-02"), parse_day("2026-11-27")),
            (Some(0), Some(1), Some(20784))
        );
        for bad in ["", "2026-02-29", "2026-11-31", "2026-1-1", "20261127", "27.11.2026", "2026-11-27T00", "+2026-11-2"]
        {
            assert_eq!(parse_day(bad), None, "{bad}");
        }
        assert_eq!((day_text(20784).as_str(), day_text(-1).as_str()), ("2026-11-27", "1969-12-31"));
        assert_eq!(day_text(i32::MAX), i32::MAX.to_string());
    }

    #[test]
    fn every_encoding_and_separator_says_the_same() {
        let text = "Creative,day,IMPRESSIONS,clicks,revenue,Revenue²\nhero-02,2026-11-27,100,7,12.50,90.25\n\nhero-01,2026-11-27,0,0,0,0\n";
        let expected = read(text.as_bytes(), Metric::Clicks).unwrap();
        let first = ResultRow {
            row: 1,
            line: 2,
            creative: 1,
            day: 20784,
            people: 100,
            clicks: Some(7),
            conversions: None,
            revenue: Some(12.5),
            revenue_squared: Some(90.25),
        };
        assert_eq!((expected.unit, expected.rows.len(), &expected.rows[0]), (Unit::Impressions, 2, &first));
        assert_eq!(read(text.as_bytes(), Metric::Revenue).unwrap(), expected);
        for other in [';', '\t'] {
            assert_eq!(read(text.replace(',', &other.to_string()).as_bytes(), Metric::Clicks).unwrap(), expected);
        }
        let utf16: Vec<u8> = [0xfeff].into_iter().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
        assert_eq!(read(&utf16, Metric::Clicks).unwrap(), expected);
        assert_eq!(read(&[b"\xef\xbb\xbf", text.as_bytes()].concat(), Metric::Clicks).unwrap(), expected);
        assert_eq!(read(text.replace("hero-02", "\"hero-02\"").as_bytes(), Metric::Clicks).unwrap(), expected);
    }

    #[test]
    fn every_wrong_row_is_named_by_row_and_column() {
        let head = "creative,day,people,clicks,conversions,revenue,revenue_squared\n";
        for (cells, column, message) in [
            ("hero-03,2026-11-27,10,1,0,0,0", "creative", "is no creative"),
            (",2026-11-27,10,1,0,0,0", "creative", "is no creative"),
            ("hero-01,2026-02-30,10,1,0,0,0", "day", "is no day"),
            ("hero-01,27.11.2026,10,1,0,0,0", "day", "is no day"),
            ("hero-01,0026-11-27,10,1,0,0,0", "day", "is not in the years"),
            ("hero-01,2026-11-27,-10,1,0,0,0", "people", "is negative"),
            ("hero-01,2026-11-27,\"1,000\",1,0,0,0", "people", "no whole number"),
            ("hero-01,2026-11-27,1.5,1,0,0,0", "people", "no whole number"),
            ("hero-01,2026-11-27,,1,0,0,0", "people", "is empty"),
            ("hero-01,2026-11-27,99999999999999999999999,1,0,0,0", "people", "is more than"),
            ("hero-01,2026-11-27,10,11,0,0,0", "clicks", "11 of only 10"),
            ("hero-01,2026-11-27,10,-1,0,0,0", "clicks", "is negative"),
            ("hero-01,2026-11-27,10,NaN,0,0,0", "clicks", "no whole number"),
            ("hero-01,2026-11-27,10,1,11,0,0", "conversions", "11 of only 10"),
            ("hero-01,2026-11-27,10,1,0,inf,0", "revenue", "is no number"),
            ("hero-01,2026-11-27,10,1,0,\"1,5\",0", "revenue", "is no number"),
            ("hero-01,2026-11-27,10,1,0,1e300,0", "revenue", "is not in"),
            ("hero-01,2026-11-27,10,1,0,10,-1", "revenue_squared", "is not in"),
            ("hero-01,2026-11-27,10,1,0,10,9", "revenue_squared", "is less than"),
            ("hero-01,2026-11-27,0,0,0,10,9", "revenue", "from nobody"),
            ("hero-01,2026-11-27,0,0,0,0,9", "revenue_squared", "from nobody"),
            ("hero-01,2026-11-27,10,1\u{7},0,0,0", "clicks", "control character"),
            ("hero-02,2026-11-26,10,1,0,0,0", "day", "in row 1 already"),
        ] {
            let text = format!("{head}hero-02,2026-11-26,5,1,0,0,0\n{cells}\n");
            let error = told(&text, Metric::Clicks);
            assert!(error.starts_with(&format!("row 2 (line 3), column '{column}': ")), "{cells}: {error}");
            assert!(error.contains(message), "{cells}: {error}");
        }
        assert!(told(&format!("{head}hero-01,2026-11-27,10\n"), Metric::Clicks).contains("has 3 cells"));
        let all = told(&format!("{head}{}", "x,2026-11-27,1,1,1,1,1\n".repeat(500)), Metric::Clicks);
        assert!(all.contains("99 more, at least"), "{all}");
    }

    #[test]
    fn columns_that_cannot_be_are_named() {
        for (head, column, message) in [
            ("creative,day,people", "'clicks'", "is missing"),
            ("day,people,clicks", "'creative'", "is missing"),
            ("creative,people,clicks", "'day'", "is missing"),
            ("creative,day,clicks", "'people'", "is missing"),
            ("creative,day,people,impressions,clicks", "'impressions'", "stands beside"),
            ("creative,day,people,clicks,spend", "'spend'", "is unknown"),
            ("creative,day,people,clicks,Clicks", "'Clicks'", "is 'clicks' once more"),
            ("creative,day,people,clicks,revenue2,revenue²", "'revenue²'", "is 'revenue_squared' once more"),
        ] {
            let error = told(&format!("{head}\n"), Metric::Clicks);
            assert!(error.starts_with(&format!("column {column}: {message}")), "{head}: {error}");
        }
        assert!(
            told("creative,day,people,clicks,revenue\n", Metric::Revenue).contains("'revenue_squared': is missing")
        );
        assert!(told("creative,day,people,clicks\n", Metric::Clicks).contains("nothing stands below"));
        assert!(told("", Metric::Clicks).contains("empty"));
    }

    #[test]
    fn a_test_has_an_end() {
        let rows: String = (0..=MAX_DAYS as i32).map(|i| format!("hero-01,{},1,1\n", day_text(20000 + i))).collect();
        let error = told(&format!("creative,day,people,clicks\n{rows}"), Metric::Clicks);
        assert!(error.starts_with("row 367") && error.contains("366 days"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = read(&[b"creative,day,people,clicks\nhero-01,2026-11-27,".as_slice(), &bytes].concat(), Metric::Clicks);
            let _ = read(&bytes, Metric::Clicks);
        }
    }
}
