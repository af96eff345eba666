//! What can go wrong with the folder.

use std::path::PathBuf;

/// A store error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The folder cannot be used.
    #[error("{}: {source}", path.display())]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Another process has the folder open.
    #[error("{}: another server uses this folder; stop it, or name another with --data DIR", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The folder was written by a newer program.
    #[error("the tables have version {found}, this program knows up to {known}: use the newer program")]
    Newer {
        /// Version of the tables.
        found: i64,
        /// Newest version this program knows.
        known: i64,
    },
    /// The database refused.
    #[error("database: {0}")]
    Database(#[from] rusqlite::Error),
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] formats::atomic::WriteError),
    /// A file cannot be read or removed.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Nothing has this id.
    #[error("no {what} '{id}'")]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// Its id, cut to 64 characters.
        id: String,
    },
    /// A value out of its range.
    #[error("{field}: {message}")]
    Field {
        /// Name of the field.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// It cannot be done as things are.
    #[error("{message}")]
    Conflict {
        /// Why.
        message: String,
    },
    /// Something that is needed cannot be removed.
    #[error("{what} '{id}' is needed by a job that waits or runs")]
    Needed {
        /// What it is.
        what: &'static str,
        /// Its id.
        id: String,
    },
}

impl StoreError {
    pub(crate) fn unknown(what: &'static str, id: &str) -> Self {
        Self::Unknown { what, id: id.chars().take(64).collect() }
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::Conflict { message: message.into() }
    }

    pub(crate) fn field(field: &'static str, message: impl Into<String>) -> Self {
        Self::Field { field, message: message.into() }
    }
}
