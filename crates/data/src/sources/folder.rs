//! A user's own folder: each picture (`.png`, `.jpg`, `.jpeg`, `.webp`) with a `.txt`
//! of the same name beside it, one caption a line.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{DataError, io};
use crate::labels::Names;
use crate::recipe::Source;
use crate::record::Record;
use crate::shard::Skipped;
use crate::sources::{Art, Base};

/// A picture file with its record.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) picture: PathBuf,
    pub(crate) record: Record,
}

/// Lists the pairs of `dir` (not of folders inside it) in order of their names.
pub(crate) fn list(dir: &Path) -> Result<(Vec<Pair>, Vec<Skipped>), DataError> {
    let mut pictures = Vec::new();
    for entry in fs::read_dir(dir).map_err(io(dir))? {
        let path = entry.map_err(io(dir))?.path();
        let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        if matches!(extension.as_str(), "png" | "jpg" | "jpeg" | "webp") {
            pictures.push(path);
        }
    }
    pictures.sort();
    let (mut pairs, mut skipped) = (Vec::new(), Vec::new());
    for picture in pictures {
        let text = picture.with_extension("txt");
        let mut skip = |reason: String| skipped.push(Skipped { file: picture.display().to_string(), reason });
        let captions: Vec<String> = match fs::read(&text) {
            Ok(bytes) => String::from_utf8_lossy(&bytes)
                .trim_start_matches('\u{feff}')
                .lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect(),
            Err(error) => {
                skip(format!("its captions {} cannot be read: {error}", text.display()));
                continue;
            }
        };
        if captions.is_empty() {
            skip(format!("{} holds no caption", text.display()));
            continue;
        }
        let key = picture.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        let record =
            Record { concept: key.clone(), source: "folder".into(), captions, weight: 1.0, key, ..Record::default() };
        pairs.push(Pair { picture, record });
    }
    Ok((pairs, skipped))
}

/// The pairs of a folder as bases for a build.
pub(crate) fn bases(source: &Source, path: &Path, skipped: &mut Vec<Skipped>) -> Result<Vec<Base>, DataError> {
    let (pairs, broken) = list(path)?;
    skipped.extend(broken);
    Ok(pairs
        .into_iter()
        .map(|pair| {
            let names = Names { concept: pair.record.concept, ..Names::default() };
            let mut base = Base::new(source, pair.record.key, Art::File(pair.picture), names);
            base.captions = pair.record.captions;
            base
        })
        .collect())
}
