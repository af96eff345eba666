//! Folders of emoji pictures named by code points (`1f436.webp`, `1f9d7-1f3fd.svg`), as the Fluent packages have them.

use std::fs;
use std::path::Path;

use crate::error::{DataError, io};
use crate::labels::Labels;
use crate::recipe::Source;
use crate::shard::Skipped;
use crate::sources::{Art, Base};

/// Lists the pictures of a folder in order of their names.
pub(crate) fn list(
    source: &Source,
    path: &Path,
    labels: &Labels,
    skipped: &mut Vec<Skipped>,
) -> Result<Vec<Base>, DataError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(io(path))? {
        files.push(entry.map_err(io(path))?.path());
    }
    files.sort();
    let mut bases = Vec::new();
    for file in files {
        let (Some(stem), Some(extension)) = (file.file_stem(), file.extension()) else { continue };
        let (stem, extension) = (stem.to_string_lossy().into_owned(), extension.to_string_lossy().into_owned());
        if !matches!(extension.as_str(), "webp" | "png" | "svg") {
            continue;
        }
        match labels.by_code(&stem) {
            Some(names) => bases.push(Base::new(source, stem, Art::File(file), names.clone())),
            None => skipped.push(Skipped {
                file: format!("{}/{stem}", source.name),
                reason: "no emoji has these code points".into(),
            }),
        }
    }
    Ok(bases)
}
