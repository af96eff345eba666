//! The header: JSON read with bounds on everything, then every offset checked against the bytes that exist. The published
//! `safetensors` crate has the last word, so what passes here is a valid file everywhere.

use super::{Dtype, Foreign, MAX_HEADER, MAX_NOTES, MAX_RANK, MAX_TENSORS, Problem};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::BTreeMap;
use std::ops::Range;

/// One tensor of a checked file; `range` counts from the start of the file.
#[derive(Debug)]
pub(super) struct Entry {
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub range: Range<usize>,
}

#[derive(Debug)]
pub(super) struct Header {
    pub tensors: BTreeMap<String, Entry>,
    pub metadata: BTreeMap<String, String>,
}

/// Reads and checks the header of a whole file; a file of another kind is named.
pub(super) fn parse(bytes: &[u8]) -> Result<Header, Problem> {
    read(bytes).map_err(|problem| Foreign::detect(bytes).map_or(problem, Problem::Foreign))
}

fn read(bytes: &[u8]) -> Result<Header, Problem> {
    let (length, rest) = bytes.split_first_chunk::<8>().ok_or(Problem::TooShort { found: bytes.len() })?;
    let length = u64::from_le_bytes(*length);
    let length = match usize::try_from(length) {
        Ok(length) if length <= MAX_HEADER => length,
        _ => return Err(Problem::HeaderTooLong { found: length, limit: MAX_HEADER }),
    };
    let json = rest.get(..length).ok_or(Problem::HeaderTruncated { expected: length, found: rest.len() })?;
    let json = std::str::from_utf8(json).map_err(|error| Problem::HeaderNotUtf8 { at: error.valid_up_to() })?;
    let raw: RawHeader = serde_json::from_str(json).map_err(|error| Problem::Header { message: error.to_string() })?;
    if raw.tensors.len() > MAX_TENSORS {
        return Err(Problem::TooManyTensors { limit: MAX_TENSORS });
    }
    if raw.metadata.len() > MAX_NOTES {
        return Err(Problem::TooManyNotes { limit: MAX_NOTES });
    }

    let data_start = 8 + length;
    let data_length = bytes.len() - data_start;
    let mut order = Vec::with_capacity(raw.tensors.len());
    for (tensor, raw) in raw.tensors {
        let Range { start, end } = raw.range;
        let Some(dtype) = Dtype::from_name(&raw.dtype) else {
            return Err(Problem::UnknownDtype { tensor, found: raw.dtype });
        };
        if raw.shape.len() > MAX_RANK {
            return Err(Problem::TooManyDimensions { tensor, limit: MAX_RANK });
        }
        let elements = raw.shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        let Some(size) = elements.and_then(|n| n.checked_mul(dtype.size())) else {
            return Err(Problem::ShapeOverflow { tensor, shape: raw.shape });
        };
        if end < start {
            return Err(Problem::RangeBackwards { tensor, start, end });
        }
        if end > data_length {
            return Err(Problem::RangeOutside { tensor, end, found: data_length });
        }
        if end - start != size {
            return Err(Problem::SizeMismatch { tensor, expected: size, found: end - start });
        }
        order.push((tensor, Entry { dtype, shape: raw.shape, range: start..end }));
    }
    order.sort_by_key(|(_, entry)| (entry.range.start, entry.range.end));
    let mut covered = 0;
    for (tensor, entry) in &mut order {
        let Range { start, end } = entry.range;
        if start != covered {
            return Err(Problem::GapOrOverlap { tensor: std::mem::take(tensor), expected: covered, found: start });
        }
        covered = end;
        entry.range = data_start + start..data_start + end;
    }
    if covered != data_length {
        return Err(Problem::TrailingBytes { expected: covered, found: data_length });
    }
    let mut tensors = BTreeMap::new();
    for (tensor, entry) in order {
        if tensors.contains_key(&tensor) {
            return Err(Problem::Duplicate { tensor });
        }
        tensors.insert(tensor, entry);
    }
    ::safetensors::SafeTensors::read_metadata(bytes).map_err(|error| Problem::Header { message: error.to_string() })?;
    Ok(Header { tensors, metadata: raw.metadata })
}

/// The JSON object, entries in the order of the file so that duplicates are seen.
struct RawHeader {
    tensors: Vec<(String, RawTensor)>,
    metadata: BTreeMap<String, String>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTensor {
    dtype: String,
    #[serde(deserialize_with = "shape")]
    shape: Vec<usize>,
    #[serde(rename = "data_offsets", deserialize_with = "range")]
    range: Range<usize>,
}

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = RawHeader;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("an object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
                let mut header = RawHeader { tensors: Vec::new(), metadata: BTreeMap::new() };
                let mut metadata_seen = false;
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        if std::mem::replace(&mut metadata_seen, true) {
                            return Err(de::Error::duplicate_field("__metadata__"));
                        }
                        header.metadata = map.next_value::<Notes>()?.0;
                    } else if header.tensors.len() > MAX_TENSORS {
                        map.next_value::<de::IgnoredAny>()?; // Counted, then refused by the caller.
                    } else {
                        header.tensors.push((name, map.next_value()?));
                    }
                }
                Ok(header)
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// The file's notes; one more than accepted is kept at most.
struct Notes(BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Notes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Notes;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Notes, A::Error> {
                let mut notes = BTreeMap::new();
                while notes.len() <= MAX_NOTES {
                    match map.next_entry()? {
                        Some((key, note)) => notes.insert(key, note),
                        None => return Ok(Notes(notes)),
                    };
                }
                while map.next_entry::<de::IgnoredAny, de::IgnoredAny>()?.is_some() {}
                Ok(Notes(notes))
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

fn range<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Range<usize>, D::Error> {
    let (start, end) = Deserialize::deserialize(deserializer)?;
    Ok(start..end)
}

/// At most `MAX_RANK + 1` dimensions are kept, so that a header of digits cannot grow in memory.
fn shape<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<usize>, D::Error> {
    struct Dimensions;
    impl<'de> Visitor<'de> for Dimensions {
        type Value = Vec<usize>;

        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            f.write_str("a list of dimensions")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<usize>, A::Error> {
            let mut shape = Vec::new();
            while let Some(n) = seq.next_element()? {
                if shape.len() <= MAX_RANK {
                    shape.push(n);
                }
            }
            Ok(shape)
        }
    }
    deserializer.deserialize_seq(Dimensions)
}
