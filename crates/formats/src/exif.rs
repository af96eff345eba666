//! Text in JPEG and WebP files, as a block of EXIF (TIFF 6.0, Exif 2.32): A1111's text in `UserComment`, where other programs
//! look for it, and the recipe in `MakerNote`, which viewers leave alone.
//!
//! Written is what `piexif` writes, as A1111 does: big-endian, `UNICODE`, UTF-16. Read is what others write, too.

use crate::picture::{PARAMETERS_KEY, RECIPE_KEY};

/// Longest block: a JPEG file has room for 65,533 bytes in a segment, of which its name takes six.
pub const MAX_BYTES: usize = 65_527;

const EXIF_IFD: u16 = 0x8769;
const MAKER_NOTE: u16 = 0x927c;
const USER_COMMENT: u16 = 0x9286;
/// Type of entries that are numbers of 32 bits.
const LONG: u16 = 4;
/// Type of entries that are bytes.
const UNDEFINED: u16 = 7;
const ENTRY: usize = 12;
/// Where the Exif directory lies: behind the header and a directory with one entry.
const EXIF_AT: usize = 8 + 2 + ENTRY + 4;
/// What the recipe begins with.
const OURS: &[u8] = b"Calotype\0";

/// The block for these texts, of which those of [`PARAMETERS_KEY`] and [`RECIPE_KEY`] are kept; none if there is neither. What
/// does not fit is left out, the recipe first.
pub fn encode(text: &[(String, String)]) -> Option<Vec<u8>> {
    let of = |key: &str| text.iter().find(|(found, _)| found == key).map(|(_, text)| text.as_str());
    let comment = of(PARAMETERS_KEY).map(|text| {
        let units = text.encode_utf16().flat_map(u16::to_be_bytes);
        (USER_COMMENT, b"UNICODE\0".iter().copied().chain(units).collect::<Vec<u8>>())
    });
    let note = of(RECIPE_KEY).map(|text| (MAKER_NOTE, [OURS, text.as_bytes()].concat()));
    let values: Vec<(u16, Vec<u8>)> = note.into_iter().chain(comment).collect();
    (0..values.len()).map(|left_out| block(&values[left_out..])).find(|block| block.len() <= MAX_BYTES)
}

fn block(values: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let mut block = Vec::new();
    let entry = |block: &mut Vec<u8>, tag: u16, kind: u16, count: usize, value: usize| {
        block.extend_from_slice(&tag.to_be_bytes());
        block.extend_from_slice(&kind.to_be_bytes());
        block.extend_from_slice(&(count as u32).to_be_bytes());
        block.extend_from_slice(&(value as u32).to_be_bytes());
    };
    block.extend_from_slice(b"MM\0*\0\0\0\x08\0\x01");
    entry(&mut block, EXIF_IFD, LONG, 1, EXIF_AT);
    block.extend_from_slice(&[0; 4]);
    block.extend_from_slice(&(values.len() as u16).to_be_bytes());
    let mut at = EXIF_AT + 2 + ENTRY * values.len() + 4;
    for (tag, value) in values {
        entry(&mut block, *tag, UNDEFINED, value.len(), at);
        at += value.len().next_multiple_of(2);
    }
    block.extend_from_slice(&[0; 4]);
    for (_, value) in values {
        block.extend_from_slice(value);
        block.resize(block.len().next_multiple_of(2), 0);
    }
    block
}

/// The texts inside a block, by the keys they have in PNG files; none where it is damaged.
pub fn decode(block: &[u8]) -> Vec<(String, String)> {
    let Some(reader) = Reader::new(block) else { return Vec::new() };
    let Some(exif) = reader.directory(4).into_iter().flatten().find(|entry| entry.tag == EXIF_IFD) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in reader.directory(exif.value_at).unwrap_or_default() {
        let Some(value) = reader.value(&entry) else { continue };
        match entry.tag {
            MAKER_NOTE => {
                let ours = value.strip_prefix(OURS).and_then(|text| std::str::from_utf8(text).ok());
                found.extend(ours.map(|text| (RECIPE_KEY.to_owned(), text.to_owned())));
            }
            USER_COMMENT => {
                let text = comment(value).filter(|text| !text.is_empty());
                found.extend(text.map(|text| (PARAMETERS_KEY.to_owned(), text)));
            }
            _ => {}
        }
    }
    found
}

/// Text behind the eight bytes that say its encoding.
fn comment(value: &[u8]) -> Option<String> {
    let (encoding, text) = value.split_first_chunk::<8>()?;
    let text = match encoding {
        b"UNICODE\0" => utf16(text),
        b"ASCII\0\0\0" | b"\0\0\0\0\0\0\0\0" => String::from_utf8_lossy(text).into_owned(),
        _ => return None,
    };
    Some(text.trim_end_matches('\0').to_owned())
}

/// Which byte comes first is not said, and programs differ: in text of mostly Latin letters the high bytes are zero.
fn utf16(bytes: &[u8]) -> String {
    let pairs = bytes.as_chunks::<2>().0;
    let zeros = |side: usize| pairs.iter().filter(|pair| pair[side] == 0).count();
    let read = if zeros(1) > zeros(0) { u16::from_le_bytes } else { u16::from_be_bytes };
    let units: Vec<u16> = pairs.iter().map(|pair| read(*pair)).collect();
    String::from_utf16_lossy(&units)
}

struct Entry {
    tag: u16,
    /// Bytes of its value, if its type has one byte each.
    length: usize,
    /// Where its value lies, if it is longer than four bytes.
    at: usize,
    /// Where the four bytes lie that are the value or its place.
    value_at: usize,
}

struct Reader<'a> {
    block: &'a [u8],
    is_little: bool,
}

impl<'a> Reader<'a> {
    fn new(block: &'a [u8]) -> Option<Self> {
        let is_little = match block.get(..4)? {
            b"II*\0" => true,
            b"MM\0*" => false,
            _ => return None,
        };
        Some(Self { block, is_little })
    }

    fn short(&self, at: usize) -> Option<u16> {
        let bytes = *self.block.get(at..)?.first_chunk::<2>()?;
        Some(if self.is_little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    }

    fn long(&self, at: usize) -> Option<usize> {
        let bytes = *self.block.get(at..)?.first_chunk::<4>()?;
        Some(if self.is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) } as usize)
    }

    /// The entries of the directory whose place stands at `pointer`.
    fn directory(&self, pointer: usize) -> Option<Vec<Entry>> {
        let at = self.long(pointer)?;
        let count = usize::from(self.short(at)?);
        let entry = |i: usize| {
            let at = at + 2 + ENTRY * i;
            Some(Entry { tag: self.short(at)?, length: self.long(at + 4)?, at: self.long(at + 8)?, value_at: at + 8 })
        };
        (0..count).map(entry).collect()
    }

    fn value(&self, entry: &Entry) -> Option<&'a [u8]> {
        let at = if entry.length > 4 { entry.at } else { entry.value_at };
        self.block.get(at..at.checked_add(entry.length)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Vec<(String, String)> {
        vec![
            (RECIPE_KEY.to_owned(), r#"{"prompt": "Haus 🏠"}"#.to_owned()),
            (PARAMETERS_KEY.to_owned(), "Haus 🏠\nNegative prompt: blau\nSteps: 4, Seed: 7".to_owned()),
        ]
    }

    #[test]
    fn texts_come_back() {
        assert_eq!(decode(&encode(&texts()).unwrap()), texts());
        assert_eq!(decode(&encode(&texts()[1..]).unwrap()), texts()[1..]);
        assert_eq!(encode(&[]), None);
        assert_eq!(encode(&[("other".into(), "x".into())]), None);
    }

    #[test]
    fn what_is_too_long_is_left_out() {
        let mut long = texts();
        long[0].1 = "x".repeat(MAX_BYTES);
        assert_eq!(decode(&encode(&long).unwrap()), texts()[1..]);
        long[1].1 = "x".repeat(MAX_BYTES / 2);
        assert_eq!(encode(&long), None);
    }

    #[test]
    fn other_orders_of_bytes_are_read() {
        // Little-endian, one directory with the Exif directory behind it, a comment of eight bytes and two letters.
        let mut block = b"II*\0\x08\0\0\0\x01\0".to_vec();
        block.extend_from_slice(b"\x69\x87\x04\0\x01\0\0\0\x1a\0\0\0\0\0\0\0");
        block.extend_from_slice(b"\x01\0\x86\x92\x07\0\x0c\0\0\0\x2c\0\0\0\0\0\0\0UNICODE\0a\0b\0");
        assert_eq!(decode(&block), [(PARAMETERS_KEY.to_owned(), "ab".to_owned())]);
    }

    #[test]
    fn damage_is_no_text_and_no_panic() {
        let whole = encode(&texts()).unwrap();
        for length in 0..whole.len() {
            assert!(decode(&whole[..length]).len() < 2, "{length}");
        }
        for at in 0..whole.len() {
            for value in [0, 0x7f, 0xff] {
                let mut bad = whole.clone();
                bad[at] = value;
                decode(&bad);
            }
        }
    }
}
