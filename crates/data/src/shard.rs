//! Shards: tar files of `KEY.png` and `KEY.json` (the WebDataset convention) beside an `index.json` that
//! names them with their SHA-256, so that a damaged or half copied dataset is noticed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{DataError, io};
use crate::record::Record;

/// Name of the index file in a dataset folder.
pub(crate) const INDEX: &str = "index.json";

/// One shard as the index lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardEntry {
    /// File name inside the dataset folder.
    pub file: String,
    /// Number of records.
    pub records: usize,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
}

/// The content of `index.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Index {
    /// Version of this layout.
    pub version: u32,
    /// Name of the dataset.
    pub name: String,
    /// Side of the stored pictures in pixels.
    pub size: usize,
    /// Number of records in all shards.
    pub records: usize,
    /// Records by source.
    pub sources: BTreeMap<String, usize>,
    /// Records by style.
    pub styles: BTreeMap<String, usize>,
    /// Records by split.
    pub splits: BTreeMap<String, usize>,
    /// Records by kind.
    pub kinds: BTreeMap<String, usize>,
    /// Files that could not be used, with the reason.
    pub skipped: Vec<Skipped>,
    /// The shards, in order.
    pub shards: Vec<ShardEntry>,
    /// The text of the recipe.
    pub recipe: String,
}

/// A file that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// Source and file, or member of a shard.
    pub file: String,
    /// Why.
    pub reason: String,
}

/// Writes `records` (with their PNG bytes) as one shard and returns its index entry.
pub(crate) fn write(folder: &Path, number: usize, records: &[(Record, Vec<u8>)]) -> Result<ShardEntry, DataError> {
    let file = format!("shard-{number:05}.tar");
    let path = folder.join(&file);
    let mut builder = tar::Builder::new(Vec::new());
    for (record, png) in records {
        let json = serde_json::to_vec(record).map_err(|e| DataError::Picture(e.to_string()))?;
        for (extension, bytes) in [("png", png.as_slice()), ("json", json.as_slice())] {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, format!("{}.{extension}", record.key), bytes).map_err(io(&path))?;
        }
    }
    let bytes = builder.into_inner().map_err(io(&path))?;
    let mut out = fs::File::create(&path).map_err(io(&path))?;
    out.write_all(&bytes).and_then(|()| out.sync_all()).map_err(io(&path))?;
    Ok(ShardEntry { file, records: records.len(), bytes: bytes.len() as u64, sha256: digest(&bytes) })
}

/// Reads one shard and checks its digest; yields each record with its PNG bytes, in file order.
/// Members that do not parse are named in `skipped`.
pub(crate) fn read(
    folder: &Path,
    entry: &ShardEntry,
    skipped: &mut Vec<Skipped>,
) -> Result<Vec<(Record, Vec<u8>)>, DataError> {
    let path = folder.join(&entry.file);
    let bytes = fs::read(&path).map_err(io(&path))?;
    if digest(&bytes) != entry.sha256 {
        return Err(DataError::Malformed { path, reason: "the shard's SHA-256 differs from the index".into() });
    }
    let mut archive = tar::Archive::new(bytes.as_slice());
    let mut pictures: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut records = Vec::with_capacity(entry.records);
    for member in archive.entries().map_err(io(&path))? {
        let mut member = member.map_err(io(&path))?;
        let name = member.path().map_err(io(&path))?.to_string_lossy().into_owned();
        let mut content = Vec::new();
        member.read_to_end(&mut content).map_err(io(&path))?;
        let Some((key, extension)) = name.rsplit_once('.') else { continue };
        let mut skip = |reason: String| skipped.push(Skipped { file: format!("{}/{name}", entry.file), reason });
        match extension {
            "json" => match serde_json::from_slice::<Record>(&content) {
                Ok(record) if record.captions.is_empty() => skip("the record has no caption".into()),
                Ok(record) if record.weight.is_finite() && record.weight >= 0.0 => match pictures.remove(key) {
                    Some(picture) => records.push((record, picture)),
                    None => skip("no picture precedes this record".into()),
                },
                Ok(_) => skip("the weight is not a number of zero or more".into()),
                Err(error) => skip(error.to_string()),
            },
            _ => drop(pictures.insert(key.to_owned(), content)),
        }
    }
    Ok(records)
}

/// Reads `index.json`.
pub(crate) fn read_index(folder: &Path) -> Result<Index, DataError> {
    let path = folder.join(INDEX);
    let bytes = fs::read(&path).map_err(io(&path))?;
    let index: Index = serde_json::from_slice(&bytes)
        .map_err(|e| DataError::Malformed { path: path.clone(), reason: e.to_string() })?;
    if index.version != 1 {
        let reason = format!("layout version {} is not known here", index.version);
        return Err(DataError::Malformed { path, reason });
    }
    for shard in &index.shards {
        if shard.file.contains(['/', '\\']) {
            return Err(DataError::Malformed {
                path,
                reason: format!("shard name `{}` leaves the folder", shard.file),
            });
        }
    }
    Ok(index)
}

/// Writes `index.json`; the last thing a build does.
pub(crate) fn write_index(folder: &Path, index: &Index) -> Result<(), DataError> {
    let path = folder.join(INDEX);
    let text = serde_json::to_string_pretty(index).map_err(|e| DataError::Picture(e.to_string()))?;
    fs::write(&path, text).map_err(io(&path))
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::Square;

    fn record(key: &str) -> Record {
        Record {
            key: key.into(),
            concept: "dot".into(),
            captions: vec!["a dot".into()],
            weight: 1.0,
            ..Record::default()
        }
    }

    #[test]
    fn a_shard_reads_back_and_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let png = Square::new(8).to_png().expect("encodes");
        let records = vec![(record("a"), png.clone()), (record("b"), png)];
        let entry = write(folder.path(), 0, &records).expect("writes");
        let mut skipped = Vec::new();
        assert_eq!(read(folder.path(), &entry, &mut skipped).expect("reads"), records);
        assert!(skipped.is_empty());

        let path = folder.path().join(&entry.file);
        let mut bytes = fs::read(&path).expect("reads");
        bytes[700] ^= 1;
        fs::write(&path, bytes).expect("writes");
        assert!(matches!(read(folder.path(), &entry, &mut skipped), Err(DataError::Malformed { .. })));
    }
}
