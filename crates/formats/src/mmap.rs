//! Where bytes come from: a memory-mapped file, a constant inside the program, or a buffer. The only `unsafe` of this crate.
#![allow(unsafe_code)]

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

/// Read-only bytes that are cheap to clone and live as long as a clone does.
#[derive(Clone)]
pub struct Bytes(Source);

#[derive(Clone)]
enum Source {
    Static(&'static [u8]),
    Mapped(Arc<memmap2::Mmap>),
    Owned(Arc<[u8]>),
}

impl Bytes {
    /// Bytes built into the program (`include_bytes!`).
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        Self(Source::Static(bytes))
    }

    /// Bytes held in memory.
    pub fn from_vec(bytes: Vec<u8>) -> Self {
        Self(Source::Owned(bytes.into()))
    }

    /// Maps a regular file. The file must not be shortened or rewritten in place while it is mapped; everything in this
    /// workspace replaces files by `rename`, which leaves the mapped one untouched.
    pub fn map(path: &Path) -> std::io::Result<Self> {
        let file = std::fs::File::open(path)?;
        let status = file.metadata()?;
        if !status.is_file() {
            return Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "not a regular file"));
        }
        if status.len() == 0 {
            return Ok(Self::from_static(&[])); // An empty mapping is an error on some systems.
        }
        // SAFETY: the mapping is private and read-only, and no writer of this workspace changes a file in place
        // (`atomic` renames a finished file over the old one), so the bytes do not change while they are borrowed.
        let map = unsafe { memmap2::MmapOptions::new().map_copy_read_only(&file)? };
        Ok(Self(Source::Mapped(Arc::new(map))))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Source::Static(bytes) => bytes,
            Source::Mapped(map) => map,
            Source::Owned(bytes) => bytes,
        }
    }
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = match &self.0 {
            Source::Static(_) => "static",
            Source::Mapped(_) => "mapped",
            Source::Owned(_) => "owned",
        };
        write!(f, "Bytes({kind}, {} bytes)", self.len())
    }
}
