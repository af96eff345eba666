//! A CSV file, record by record: nothing of it is kept but the record that is read, so that it may be as long as it likes.
//!
//! Encodings: UTF-8, with or without its mark, and UTF-16 of either order. Separators: comma, semicolon or tab, whichever the
//! header has most of. Quotes as in RFC 4180. What is read is trimmed; rows of empty cells are left out.

use std::cell::Cell;
use std::io::{self, Cursor, Read};
use std::rc::Rc;

use csv::ByteRecord;
use encoding_rs_io::DecodeReaderBytesBuilder;

use crate::rows::RowsError;

/// Longest file in bytes, after decoding.
pub const MAX_FILE_BYTES: u64 = 1 << 30;
/// Longest record in bytes.
pub const MAX_RECORD_BYTES: u64 = 256 << 10;
/// Longest cell in bytes.
pub const MAX_CELL_BYTES: usize = 4096;
/// Most columns.
const MAX_COLUMNS: usize = 256;
/// Bytes that are read ahead of a record.
const BUFFER: usize = 8 << 10;

/// An open file.
pub struct Table<'a> {
    reader: csv::Reader<Guard<'a>>,
    state: Rc<State>,
    record: ByteRecord,
    /// Names of the columns.
    pub columns: Vec<String>,
}

/// A row of a file.
pub struct Record {
    /// Its number; the first after the header is 1.
    pub row: u64,
    /// The line of the file it begins on, from 1.
    pub line: u64,
    /// Its cells, or what is wrong with them.
    pub cells: Vec<Result<String, String>>,
}

/// What is counted while a file is read.
#[derive(Default)]
struct State {
    /// Bytes that the present record may still have.
    left: Cell<u64>,
    bytes: Cell<u64>,
    quotes: Cell<u64>,
    rows: Cell<u64>,
}

/// Ends a record or a file that is too long.
struct Guard<'a> {
    inner: Box<dyn Read + 'a>,
    state: Rc<State>,
}

impl Read for Guard<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let state = &self.state;
        if state.left.get() == 0 || state.bytes.get() > MAX_FILE_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        let room = buffer.len().min(usize::try_from(state.left.get()).unwrap_or(usize::MAX));
        let read = self.inner.read(&mut buffer[..room])?;
        let quotes = buffer[..read].iter().filter(|byte| **byte == b'"').count() as u64;
        state.left.set(state.left.get() - read as u64);
        state.bytes.set(state.bytes.get() + read as u64);
        state.quotes.set(state.quotes.get() + quotes);
        Ok(read)
    }
}

impl<'a> Table<'a> {
    /// Opens a file and reads its header.
    pub fn open(input: impl Read + 'a) -> Result<Self, RowsError> {
        let mut decoded = decode(input)?;
        let first = first_line(&mut decoded)?;
        let state = Rc::new(State::default());
        let guard = Guard { inner: Box::new(Cursor::new(first.clone()).chain(decoded)), state: state.clone() };
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(separator(&first))
            .buffer_capacity(BUFFER)
            .from_reader(guard);
        let mut table = Self { reader, state, record: ByteRecord::new(), columns: Vec::new() };
        let Some(line) = table.read()? else {
            return Err(RowsError::File { message: "is empty: its first line must name the columns".into() });
        };
        if table.record.len() > MAX_COLUMNS {
            let message = format!("has {} columns; at most {MAX_COLUMNS} are allowed", table.record.len());
            return Err(RowsError::File { message });
        }
        for (i, cell) in table.record.iter().enumerate() {
            let name = text(cell).unwrap_or_default();
            let refuse =
                |message: &str| Err(RowsError::Header { column: format!("{}", i + 1), message: message.into() });
            if name.is_empty() {
                return refuse(&format!("has no name (line {line})"));
            }
            if table.columns.contains(&name) {
                let shown: String = name.chars().take(64).collect();
                return refuse(&format!("is named '{shown}' like one before it"));
            }
            table.columns.push(name);
        }
        Ok(table)
    }

    /// The next row that is not empty.
    pub fn next(&mut self) -> Result<Option<Record>, RowsError> {
        loop {
            let Some(line) = self.read()? else { return Ok(None) };
            let row = self.state.rows.get() + 1;
            self.state.rows.set(row);
            if self.record.iter().all(|cell| cell.iter().all(u8::is_ascii_whitespace)) {
                continue;
            }
            let cells = self.record.iter().take(MAX_COLUMNS).map(text).collect();
            return Ok(Some(Record { row, line, cells }));
        }
    }

    /// Reads a record; the line it begins on.
    fn read(&mut self) -> Result<Option<u64>, RowsError> {
        self.state.left.set(MAX_RECORD_BYTES);
        let line = self.reader.position().line();
        match self.reader.read_byte_record(&mut self.record) {
            Ok(true) => Ok(Some(self.record.position().map_or(line, csv::Position::line))),
            Ok(false) if self.state.quotes.get() % 2 == 1 => {
                let message = "has an odd number of quotes (\"): one is not closed, or stands alone in a cell".into();
                Err(RowsError::File { message })
            }
            Ok(false) => Ok(None),
            Err(_) if self.state.left.get() == 0 => {
                let message = format!(
                    "has a row of more than {MAX_RECORD_BYTES} bytes at line {line}: perhaps a quote is not closed"
                );
                Err(RowsError::File { message })
            }
            Err(_) if self.state.bytes.get() > MAX_FILE_BYTES => {
                Err(RowsError::File { message: format!("is longer than {MAX_FILE_BYTES} bytes") })
            }
            Err(error) => match error.into_kind() {
                csv::ErrorKind::Io(source) => Err(RowsError::Read(source)),
                other => Err(RowsError::File { message: format!("cannot be read at line {line}: {other:?}") }),
            },
        }
    }
}

/// The file as UTF-8, without its mark. UTF-16 without a mark is known by its zeros.
fn decode<'a>(mut input: impl Read + 'a) -> Result<impl Read + 'a, RowsError> {
    let mut start = Vec::new();
    input.by_ref().take(2).read_to_end(&mut start).map_err(RowsError::Read)?;
    let encoding = match start[..] {
        [0, other] if other != 0 => Some(encoding_rs::UTF_16BE),
        [other, 0] if other != 0 => Some(encoding_rs::UTF_16LE),
        _ => None,
    };
    let whole = Cursor::new(start).chain(input);
    let decoder = DecodeReaderBytesBuilder::new()
        .encoding(encoding)
        .utf8_passthru(true)
        .bom_override(true)
        .strip_bom(true)
        .build(whole);
    Ok(decoder)
}

/// What is read until the first line is whole.
fn first_line(input: &mut impl Read) -> Result<Vec<u8>, RowsError> {
    let (mut first, mut piece) = (Vec::new(), [0; BUFFER]);
    while first.len() < MAX_RECORD_BYTES as usize && !first.contains(&b'\n') {
        match input.read(&mut piece).map_err(RowsError::Read)? {
            0 => break,
            read => first.extend_from_slice(&piece[..read]),
        }
    }
    Ok(first)
}

/// The separator that stands most often in the first line, outside quotes.
fn separator(first: &[u8]) -> u8 {
    let line = first.split(|byte| matches!(byte, b'\n' | b'\r')).find(|line| !line.is_empty()).unwrap_or_default();
    let (mut counts, mut quoted) = ([(b',', 0_usize), (b';', 0), (b'\t', 0)], false);
    for byte in line {
        quoted ^= *byte == b'"';
        counts.iter_mut().filter(|(sign, _)| sign == byte && !quoted).for_each(|(_, count)| *count += 1);
    }
    // Of equals the first one wins.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(sign, _)| *sign)
}

/// A cell as text.
fn text(cell: &[u8]) -> Result<String, String> {
    if cell.len() > MAX_CELL_BYTES {
        return Err(format!("has {} bytes; at most {MAX_CELL_BYTES} are allowed", cell.len()));
    }
    let text = std::str::from_utf8(cell).map_err(|error| {
        format!("is not UTF-8 at its byte {}: save the file as UTF-8 or UTF-16", error.valid_up_to() + 1)
    })?;
    match unsound(text) {
        Some(message) => Err(message),
        None => Ok(text.trim().to_owned()),
    }
}

/// What is wrong with text, if anything.
pub fn unsound(text: &str) -> Option<String> {
    let bad = text.chars().find(|c| (c.is_control() && !matches!(c, '\n' | '\r' | '\t')) || *c == '\u{fffd}')?;
    Some(match bad {
        '\u{fffd}' => "has a character that could not be decoded (U+FFFD)".into(),
        bad => format!("has the control character U+{:04X}", u32::from(bad)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rows = Vec<Vec<Result<String, String>>>;

    fn read(bytes: &[u8]) -> Result<(Vec<String>, Rows), RowsError> {
        let mut table = Table::open(bytes)?;
        let mut rows = Vec::new();
        while let Some(record) = table.next()? {
            rows.push(record.cells);
        }
        Ok((table.columns, rows))
    }

    fn utf16(text: &str, little: bool, mark: bool) -> Vec<u8> {
        let mark = mark.then_some(0xfeff_u16);
        let units = mark.into_iter().chain(text.encode_utf16());
        units.flat_map(|unit| if little { unit.to_le_bytes() } else { unit.to_be_bytes() }).collect()
    }

    #[test]
    fn every_encoding_reads_the_same() {
        let text = "city,headline\r\nŁódź,\"Guten \"\"Tag\"\", 你好 🚲\"\n\n,\n Köln ,\"a\nb \"\n";
        let expected = read(text.as_bytes()).unwrap();
        assert_eq!(expected.0, ["city", "headline"]);
        assert_eq!(expected.1[0], [Ok("Łódź".to_owned()), Ok("Guten \"Tag\", 你好 🚲".to_owned())]);
        assert_eq!(expected.1.len(), 2);
        assert_eq!(read(&[b"\xef\xbb\xbf", text.as_bytes()].concat()).unwrap(), expected);
        for (little, mark) in [(true, true), (false, true), (true, false), (false, false)] {
            assert_eq!(read(&utf16(text, little, mark)).unwrap(), expected, "{little} {mark}");
        }
        for other in [';', '\t'] {
            let other = text.replacen(',', &other.to_string(), 1).replace("Łódź,", &format!("Łódź{other}"));
            assert_eq!(read(other.as_bytes()).unwrap().0, ["city", "headline"]);
        }
    }

    #[test]
    fn bad_cells_are_named_and_do_not_hide_others() {
        let long = "x".repeat(MAX_CELL_BYTES + 1);
        for (bad, told) in [
            (b"\xff\xfe".as_slice(), "not UTF-8"),
            (b"a\0b", "U+0000"),
            (b"\x07", "U+0007"),
            ("\u{fffd}".as_bytes(), "could not be decoded"),
            (long.as_bytes(), "bytes; at most"),
        ] {
            let (_, rows) = read(&[b"a,b\n1,", bad, b"\n2,3\n"].concat()).unwrap();
            assert!(rows[0][1].as_ref().unwrap_err().contains(told), "{rows:?}");
            assert_eq!(rows[1], [Ok("2".to_owned()), Ok("3".to_owned())]);
        }
        // Half of a surrogate pair.
        let mut bytes = utf16("a,b\n1,x\n", true, true);
        let at = bytes.len() - 4;
        bytes[at..at + 2].copy_from_slice(&0xd800_u16.to_le_bytes());
        assert!(read(&bytes).unwrap().1[0][1].is_err());
    }

    #[test]
    fn bad_files_are_refused_as_a_whole() {
        let told = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        assert!(told(b"").contains("empty"));
        assert!(told(b"\n\n").contains("empty"));
        assert!(told(b"a,,b\n").contains("column 2"));
        assert!(told(b"a,b,a\n").contains("column 3"));
        assert!(told(b"a\xff,b\n").contains("column 1"));
        assert!(told(b"a,b\n1,\"2\n3,4\n").contains("odd number of quotes"));
        assert!(told(&b"a,".repeat(257)).contains("columns"));
        let open = [b"a,b\n1,\"".as_slice(), &vec![b'x'; 1 << 20]].concat();
        assert!(told(&open).contains("at line 2"), "{}", told(&open));
        assert!(told(&vec![b'x'; 1 << 20]).contains("at line 1"));
    }

    #[test]
    fn a_gigabyte_takes_no_memory() {
        // What cannot be read to its end within the limit is refused without being kept.
        let mut table = Table::open(b"a\n".chain(io::repeat(b'x'))).unwrap();
        assert!(table.next().is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
            let _ = read(&bytes);
            let _ = read(&[b"a,b\n".as_slice(), &bytes].concat());
        }
    }
}
