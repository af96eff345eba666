//! Rows: what stands in the slots of each asset, from a CSV file, from the brief's own values, or from both.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Read};

use serde::Serialize;

use crate::brief::{Brief, BriefError, MAX_PROMPT_BYTES};
use crate::matrix::Matrix;
use crate::table::{Record, Table};
use crate::template::Template;

/// Most rows of a campaign, after its slots were multiplied.
pub const MAX_ROWS: u64 = 50_000;
/// Most errors that are told.
pub const MAX_SHOWN: usize = 100;
/// Longest key in bytes.
const MAX_KEY_BYTES: usize = 64;
/// Most bytes of all rows together.
const MAX_BYTES: usize = 128 << 20;
/// The column that names the rows.
pub const ID_COLUMN: &str = "id";

/// An asset to be drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Its name, one of its kind in the campaign: what the column `id` says, or its number in five digits; with slots that
    /// multiply also `-` and the number of the combination.
    pub key: String,
    /// What stands in its slots, and its texts.
    pub values: BTreeMap<String, String>,
    /// Its finished prompt.
    pub prompt: String,
}

/// What is wrong with a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("row {row} (line {line}){}: {message}", column.as_ref().map_or(String::new(), |name| format!(", column '{name}'")))]
pub struct RowError {
    /// Its number; the first after the header is 1.
    pub row: u64,
    /// The line of the file it begins on, from 1.
    pub line: u64,
    /// Name of the column.
    pub column: Option<String>,
    /// What is wrong.
    pub message: String,
}

/// Why there are no rows.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RowsError {
    /// The brief is wrong.
    #[error(transparent)]
    Brief(#[from] BriefError),
    /// A column is missing, unknown or badly named.
    #[error("column {column}: {message}")]
    Header {
        /// Its name or number.
        column: String,
        /// What is wrong with it.
        message: String,
    },
    /// Some rows are wrong, so none is taken; at most [`MAX_SHOWN`] are told.
    #[error("{}{}", rows.first().map_or(String::new(), ToString::to_string), and_more(rows.len()))]
    Rows {
        /// What is wrong.
        rows: Vec<RowError>,
    },
    /// There are too many rows.
    #[error("more than {most} rows in the campaign: the slots' values and the rows multiply")]
    TooMany {
        /// Most rows.
        most: u64,
    },
    /// The file cannot be taken.
    #[error("the file {message}")]
    File {
        /// Why.
        message: String,
    },
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Read(io::Error),
}

fn and_more(count: usize) -> String {
    match count {
        0 | 1 => String::new(),
        MAX_SHOWN => format!(" (and {} more, at least)", count - 1),
        count => format!(" (and {} more)", count - 1),
    }
}

/// What the first rows would become.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DryRun {
    /// The first assets.
    pub rows: Vec<Row>,
    /// What is wrong with the rows that were read.
    pub errors: Vec<RowError>,
    /// How many assets there are in all, if the file has no more rows than were read.
    pub total: Option<u64>,
}

/// Every row, or what is wrong; without a file, the combinations of the brief's own values. `before` rows are there already: keys
/// go on from them.
pub fn import(brief: &Brief, csv: Option<&mut dyn Read>, before: u64) -> Result<Vec<Row>, RowsError> {
    let (mut rows, mut errors, mut bytes) = (Vec::new(), Vec::new(), 0);
    let most = MAX_ROWS.saturating_sub(before);
    let mut source = Source::open(brief, csv, before)?;
    if source.combinations.is_none_or(|combinations| combinations > most) {
        return Err(RowsError::TooMany { most: MAX_ROWS });
    }
    while errors.len() < MAX_SHOWN
        && let Some(result) = source.next()?
    {
        match result {
            Err(error) => errors.push(error),
            Ok(_) if rows.len() as u64 >= most => return Err(RowsError::TooMany { most: MAX_ROWS }),
            Ok(row) => {
                bytes += row.prompt.len() + row.values.values().map(String::len).sum::<usize>();
                if bytes > MAX_BYTES {
                    let message = format!("makes rows of more than {MAX_BYTES} bytes together");
                    return Err(RowsError::File { message });
                }
                rows.push(row);
            }
        }
    }
    if errors.is_empty() { Ok(rows) } else { Err(RowsError::Rows { rows: errors }) }
}

/// Reads no more than the first rows and says what they would become.
pub fn dry_run(brief: &Brief, csv: Option<&mut dyn Read>, first: usize) -> Result<DryRun, RowsError> {
    let is_file = csv.is_some();
    let mut source = Source::open(brief, csv, 0)?;
    let (mut rows, mut errors, mut count) = (Vec::new(), Vec::new(), 0);
    let most = first as u64;
    let total = loop {
        // A file is read by rows, whatever they multiply to; without one there is nothing but combinations.
        if (is_file && source.is_between() && source.read >= most) || (!is_file && count >= most) {
            break source.combinations.filter(|_| !is_file);
        }
        match source.next()? {
            None => break Some(count),
            Some(Err(error)) => errors.push(error),
            Some(Ok(row)) => {
                count += 1;
                if rows.len() < first {
                    rows.push(row);
                }
            }
        }
        if errors.len() >= MAX_SHOWN || count > MAX_ROWS {
            break None;
        }
    };
    Ok(DryRun { rows, errors, total })
}

/// Rows, one after the other.
struct Source<'b, 'r> {
    brief: &'b Brief,
    template: Template,
    matrix: Matrix,
    /// How many assets each row makes.
    combinations: Option<u64>,
    table: Option<Table<'r>>,
    keys: HashSet<String>,
    before: u64,
    /// Rows that were read.
    read: u64,
    /// The row at hand, and the next of its combinations.
    at: Option<(Base, u64)>,
    is_over: bool,
}

/// A row before its slots are multiplied.
struct Base {
    row: u64,
    line: u64,
    key: String,
    values: BTreeMap<String, String>,
}

impl<'b, 'r> Source<'b, 'r> {
    fn open(brief: &'b Brief, csv: Option<&'r mut dyn Read>, before: u64) -> Result<Self, RowsError> {
        brief.check()?;
        let template = brief.template()?;
        let table = csv.map(Table::open).transpose()?;
        let columns = table.as_ref().map_or(&[][..], |table| &table.columns);
        let slots = template.slots();
        let known =
            |name: &str| slots.contains(&name) || name == ID_COLUMN || brief.texts.iter().any(|text| text == name);
        if let Some(unknown) = columns.iter().find(|name| !known(name)) {
            let shown: String = unknown.chars().take(64).collect();
            let message = "is unknown: it is no slot of prompt or style, no text of the brief and not 'id'".into();
            return Err(RowsError::Header { column: format!("'{shown}'"), message });
        }
        let has = |name: &str| columns.iter().any(|column| column == name);
        let missing = slots.iter().find(|name| !has(name) && !brief.slots.contains_key(**name)).copied();
        let missing =
            missing.or_else(|| brief.texts.iter().map(String::as_str).find(|name| table.is_some() && !has(name)));
        if let Some(missing) = missing {
            let message = match table {
                Some(_) => "is missing, and the brief has no values for it",
                None => "has no values: give rows with such a column, or values in the brief's slots",
            };
            return Err(RowsError::Header { column: format!("'{missing}'"), message: message.into() });
        }
        let matrix = brief.free(columns);
        let at = table.is_none().then(|| {
            let base = Base { row: 1, line: 0, key: String::new(), values: BTreeMap::new() };
            (base, 0)
        });
        Ok(Self {
            brief,
            template,
            combinations: matrix.count(),
            matrix,
            table,
            keys: HashSet::new(),
            before,
            read: 0,
            at,
            is_over: false,
        })
    }

    /// Whether no row is half told.
    fn is_between(&self) -> bool {
        self.at.is_none()
    }

    fn next(&mut self) -> Result<Option<Result<Row, RowError>>, RowsError> {
        if self.is_over {
            return Ok(None);
        }
        if self.at.is_none() {
            let Some(record) = self.table.as_mut().map(Table::next).transpose()?.flatten() else {
                self.is_over = true;
                return Ok(None);
            };
            self.read += 1;
            match self.base(record) {
                Ok(base) => self.at = Some((base, 0)),
                Err(error) => return Ok(Some(Err(error))),
            }
        }
        let combinations = self.combinations.unwrap_or(u64::MAX);
        let Some((base, number)) = &mut self.at else { return Ok(None) };
        let mut values = base.values.clone();
        self.matrix.put(*number, &mut values);
        let key = match (base.key.is_empty(), combinations) {
            (true, _) => format!("{:05}", self.before + *number + 1),
            (false, 1) => base.key.clone(),
            (false, _) => format!("{}-{}", base.key, *number + 1),
        };
        let (row, line) = (base.row, base.line);
        *number += 1;
        if *number >= combinations {
            self.at = None;
            self.is_over = self.table.is_none();
        }
        let wrong = |column: Option<String>, message: String| Ok(Some(Err(RowError { row, line, column, message })));
        let prompt = match self.template.fill(&values) {
            Ok(prompt) => prompt,
            Err(slot) => return wrong(Some(slot), "has no value".into()),
        };
        if prompt.len() > MAX_PROMPT_BYTES {
            // Every combination of this row would say the same.
            self.at = None;
            self.is_over = self.table.is_none();
            let message = format!("its prompt has {} bytes; at most {MAX_PROMPT_BYTES} are allowed", prompt.len());
            return wrong(None, message);
        }
        if !self.keys.insert(key.clone()) {
            return wrong(Some(ID_COLUMN.into()), format!("'{key}' names another row already"));
        }
        Ok(Some(Ok(Row { key, values, prompt })))
    }

    fn base(&self, record: Record) -> Result<Base, RowError> {
        let Record { row, line, cells } = record;
        let wrong =
            |column: Option<&str>, message: String| RowError { row, line, column: column.map(str::to_owned), message };
        let columns = self.table.as_ref().map_or(&[][..], |table| &table.columns);
        if cells.len() != columns.len() {
            let message = format!("has {} cells, the header has {}", cells.len(), columns.len());
            return Err(wrong(None, message));
        }
        let mut key = format!("{:05}", self.before + row);
        let mut values = BTreeMap::new();
        for (name, cell) in columns.iter().zip(cells) {
            let value = cell.map_err(|message| wrong(Some(name), message))?;
            if name == ID_COLUMN {
                if !is_key(&value) {
                    let message = format!(
                        "must be 1 to {MAX_KEY_BYTES} letters a-z, digits, '.', '_' or '-', and not begin with '.'"
                    );
                    return Err(wrong(Some(name), message));
                }
                key = value;
            } else if value.is_empty() && !self.brief.texts.contains(name) {
                return Err(wrong(Some(name), "is empty".into()));
            } else {
                values.insert(name.clone(), value);
            }
        }
        Ok(Base { row, line, key, values })
    }
}

/// Whether a text may name a row: it becomes part of file names.
fn is_key(text: &str) -> bool {
    (1..=MAX_KEY_BYTES).contains(&text.len())
        && !text.starts_with('.')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brief(text: &str) -> Brief {
        Brief::parse(&format!("name = 'x'\n{text}")).unwrap()
    }

    fn read(brief: &Brief, csv: &str) -> Result<Vec<Row>, RowsError> {
        import(brief, Some(&mut csv.as_bytes()), 0)
    }

    #[test]
    fn rows_times_slots() {
        let brief =
            brief("prompt = 'a {colour} bike in {city}'\ntexts = ['headline']\n[slots]\ncolour = ['red', 'blue']");
        let rows = read(&brief, "id,city,headline\nk,Köln,Hallo\np,Paris,\n").unwrap();
        let keys: Vec<&str> = rows.iter().map(|row| row.key.as_str()).collect();
        assert_eq!(keys, ["k-1", "k-2", "p-1", "p-2"]);
        assert_eq!(rows[1].prompt, "a blue bike in Köln");
        assert_eq!((rows[1].values["headline"].as_str(), rows[3].values["headline"].as_str()), ("Hallo", ""));
        // A column replaces the brief's values.
        let rows = read(&brief, "city;colour;headline\nBern;green;x\n").unwrap();
        assert_eq!((rows[0].key.as_str(), rows[0].prompt.as_str()), ("00001", "a green bike in Bern"));
    }

    #[test]
    fn slots_alone() {
        let own = brief("prompt = '{a} {b}'\nslots = { a = ['x', 'y'], b = ['1', '2'] }");
        let rows = import(&own, None, 0).unwrap();
        let told: Vec<String> = rows.iter().map(|row| format!("{}:{}", row.key, row.prompt)).collect();
        assert_eq!(told, ["00001:x 1", "00002:x 2", "00003:y 1", "00004:y 2"]);
        let first = dry_run(&own, None, 3).unwrap();
        assert_eq!((first.rows.as_slice(), first.total), (&rows[..3], Some(4)));
        assert_eq!(import(&brief("prompt = 'a fox'"), None, 0).unwrap().len(), 1);
        assert!(
            matches!(import(&brief("prompt = '{a}'"), None, 0), Err(RowsError::Header { column, .. }) if column == "'a'")
        );
    }

    #[test]
    fn every_wrong_row_is_named() {
        let brief = brief("prompt = 'a {thing} in {city}'");
        let csv = "id,thing,city\na,fox,Bern\na,cat,Bern\nb,,Bern\nc,dog\nd,dog,Bern,x\n/etc,dog,Bern\ne,a\0b,Bern\n";
        let Err(RowsError::Rows { rows }) = read(&brief, csv) else { panic!("taken") };
        let told: Vec<(u64, u64, Option<&str>)> =
            rows.iter().map(|error| (error.row, error.line, error.column.as_deref())).collect();
        assert_eq!(
            told,
            [
                (2, 3, Some("id")),
                (3, 4, Some("thing")),
                (4, 5, None),
                (5, 6, None),
                (6, 7, Some("id")),
                (7, 8, Some("thing"))
            ]
        );
        assert_eq!(rows[1].to_string(), "row 3 (line 4), column 'thing': is empty");
        // A dry run reads no further than it is told.
        let first = dry_run(&brief, Some(&mut csv.as_bytes()), 3).unwrap();
        assert_eq!((first.rows.len(), first.errors.len(), first.total), (1, 2, None));
        let all = dry_run(&brief, Some(&mut csv.as_bytes()), 50).unwrap();
        assert_eq!((all.rows.len(), all.errors.len(), all.total), (1, 6, Some(1)));
    }

    #[test]
    fn columns_are_all_known_and_all_there() {
        let brief = brief("prompt = 'a {thing}'\ntexts = ['headline']");
        for (csv, column) in [
            ("thing\nx\n", "'headline'"),
            ("headline\nx\n", "'thing'"),
            ("thing,headline,price\nx,y,z\n", "'price'"),
            ("Thing,headline\nx,y\n", "'Thing'"),
        ] {
            let told = read(&brief, csv);
            assert!(
                matches!(&told, Err(RowsError::Header { column: found, .. }) if found == column),
                "{csv}: {told:?}"
            );
        }
    }

    #[test]
    fn limits() {
        let brief = brief("prompt = 'a {thing}'");
        let csv = |rows: u64| std::iter::once("thing\n").chain((0..rows).map(|_| "x\n")).collect::<String>();
        assert_eq!(read(&brief, &csv(MAX_ROWS)).unwrap().len() as u64, MAX_ROWS);
        assert!(matches!(read(&brief, &csv(MAX_ROWS + 1)), Err(RowsError::TooMany { .. })));
        assert!(matches!(import(&brief, Some(&mut csv(2).as_bytes()), MAX_ROWS - 1), Err(RowsError::TooMany { .. })));
        let later = import(&brief, Some(&mut csv(2).as_bytes()), 7).unwrap();
        assert_eq!(later[0].key, "00008");
        // A file without an end is read no further than the limit.
        let mut endless = b"thing\n".chain(Endless);
        assert!(matches!(import(&brief, Some(&mut endless), 0), Err(RowsError::TooMany { .. })));
        let Err(RowsError::Rows { rows }) = read(&brief, &csv(200).replace('x', "\u{7}")) else { panic!("taken") };
        assert_eq!(rows.len(), MAX_SHOWN);
        let wide = Brief { prompt: "{thing}".repeat(20), ..brief };
        let told = read(&wide, &format!("thing\n{}\n", "y".repeat(4000))).unwrap_err().to_string();
        assert!(told.contains("row 1 (line 2): its prompt has 80000 bytes"), "{told}");
    }

    struct Endless;

    impl Read for Endless {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let whole = buffer.len() / 2 * 2;
            buffer[..whole].chunks_mut(2).for_each(|pair| pair.copy_from_slice(b"x\n"));
            Ok(whole)
        }
    }
}
