//! Pictures as files that are named by the SHA-256 of their bytes. Ids and names never come from outside: a path is made of 64
//! hexadecimal digits that this program computed.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;

use formats::{atomic, digest};

use crate::{Store, StoreError};

/// Folder of the pictures.
pub const ASSETS: &str = "assets";

impl Store {
    /// Where the picture with this digest lies.
    pub(crate) fn path(&self, sha256: &str) -> PathBuf {
        self.folder.join(ASSETS).join(&sha256[..2]).join(format!("{sha256}.png"))
    }

    /// Writes a picture unless it is there; its digest. The caller holds `files`.
    pub(crate) fn put(&self, bytes: &[u8]) -> Result<String, StoreError> {
        let sha256 = digest::sha256_bytes(bytes);
        let path = self.path(&sha256);
        if std::fs::metadata(&path).is_ok_and(|found| found.len() == bytes.len() as u64) {
            return Ok(sha256);
        }
        let folder = path.parent().expect("a path in a folder of assets");
        std::fs::create_dir_all(folder).map_err(|source| StoreError::Folder { path: folder.to_owned(), source })?;
        atomic::write_atomic_on(&*self.disk, &path, |file| file.write_all(bytes))?;
        Ok(sha256)
    }

    /// Removes the files that no row names: what a kill between file and row, or row and file, leaves.
    pub(crate) fn sweep(&self) -> Result<(), StoreError> {
        let known: HashSet<String> = {
            let connection = self.connection();
            let mut statement = connection.prepare("SELECT DISTINCT sha256 FROM assets")?;
            statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?
        };
        let root = self.folder.join(ASSETS);
        let read = |path: &PathBuf| {
            std::fs::read_dir(path)
                .and_then(|entries| entries.collect::<io::Result<Vec<_>>>())
                .map_err(|source| StoreError::Folder { path: path.clone(), source })
        };
        for entry in read(&root)? {
            // A link could lead out of the folder: only what is really a folder is looked into.
            if !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            for file in read(&entry.path())? {
                let name = file.file_name().to_string_lossy().into_owned();
                let is_known = name.strip_suffix(".png").is_some_and(|sha256| known.contains(sha256));
                if !is_known && file.file_type().is_ok_and(|kind| kind.is_file()) {
                    std::fs::remove_file(file.path())
                        .map_err(|source| StoreError::File { path: file.path(), source })?;
                }
            }
        }
        Ok(())
    }
}
