//! What a server keeps: jobs, pictures, projects, campaigns, bake-offs, brand kits, experiments, keys and settings, in one folder.
//!
//! ```text
//! DATA/calotype.sqlite     jobs, asset rows, projects, keys, settings (SQLite, write-ahead log)
//! DATA/assets/ab/abcd….png pictures, each named by the SHA-256 of its bytes
//! DATA/lock                held by the one process that uses the folder
//! ```
//! A file is written beside its place, synced and renamed before its row exists, so a row always has its file; files without
//! a row, which a kill can leave, are swept when the folder is opened. Opening also puts jobs that were running back into the
//! queue, at most [`MAX_ATTEMPTS`] times. Times are milliseconds since 1970.

#![forbid(unsafe_code)]

mod assets;
mod bakeoffs;
mod brand;
mod campaigns;
mod error;
mod experiments;
mod files;
mod jobs;
mod keys;
mod projects;
mod schema;
mod settings;
mod speeds;
mod usage;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use formats::atomic::{Disk, SystemDisk};
use rusqlite::Connection;

pub use assets::{
    Asset, AssetChange, AssetFilter, AssetKind, MAX_RATING, MAX_TAG_BYTES, MAX_TAGS, NewAsset, Page, Sort,
};
pub use bakeoffs::{
    Bakeoff, BakeoffPrompt, Contestant, Entry, EntryState, MAX_CONTESTANTS, MAX_PROMPTS, NewBakeoff, NewEntry, Verdict,
    Voted,
};
pub use brand::{Delivery, Kit, KitFile, KitVersion, MAX_KIT_BYTES, MAX_KIT_FILES, NewDelivery};
pub use campaigns::{
    ApprovalTime, Campaign, CampaignProgress, CampaignRow, CampaignState, Candidate, CandidateFilter, Comment,
    MAX_COMMENTS, MAX_LINKS, MAX_NOTE_BYTES, NewCampaign, NewComment, Outcome, Pulse, RemovedCampaign, Review,
    RowFilter, ShareLink, Stage, Task, TaskCount, TaskState, UnderWay, Vote,
};
pub use error::StoreError;
pub use experiments::{
    Creative, DayResult, Experiment, ImportChanges, ImportMode, MAX_PUBLISHED, NewCreative, NewExperiment,
    ResultChange, assignment_name,
};
pub use jobs::{End, Job, JobFilter, MAX_ATTEMPTS, MAX_WAITING, MAX_WAITING_BATCH, NewJob, Priority, State, Submitted};
pub use keys::{Key, MIN_KEY_BYTES};
pub use projects::{DEFAULT_PROJECT, Project};
pub use speeds::DrawingSpeed;
pub use usage::Usage;

/// The open folder. Methods block on the disk; asynchronous callers use a thread for them.
pub struct Store {
    folder: PathBuf,
    connection: Mutex<Connection>,
    /// Where pictures are written.
    disk: Box<dyn Disk + Send + Sync>,
    /// Held while a file and its row come or go together.
    files: Mutex<()>,
    /// The lock lives as long as the file is open.
    _lock: File,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens a folder, made if missing; brings its tables up to date and mends what a kill left.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        Self::open_on(folder, Box::new(SystemDisk))
    }

    fn open_on(folder: &Path, disk: Box<dyn Disk + Send + Sync>) -> Result<Self, StoreError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Folder { path, source }
        };
        std::fs::create_dir_all(folder.join(files::ASSETS)).map_err(failed(folder))?;
        let lock = folder.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&lock).map_err(failed(&lock))?;
        file.try_lock().map_err(|error| match error {
            std::fs::TryLockError::WouldBlock => StoreError::InUse { path: folder.to_owned() },
            std::fs::TryLockError::Error(source) => StoreError::Folder { path: lock.clone(), source },
        })?;
        let mut connection = Connection::open(folder.join("calotype.sqlite"))?;
        let is_new = schema::prepare(&mut connection)?;
        let store = Self {
            folder: folder.to_owned(),
            connection: Mutex::new(connection),
            disk,
            files: Mutex::new(()),
            _lock: file,
        };
        store.requeue_running()?;
        // A database that is new beside old pictures was lost: they are not to be lost with it.
        if !is_new {
            store.sweep()?;
        }
        Ok(store)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// For what was promised to somebody: a commit is on the disk when it returns.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.with_synchronous("FULL")
    }

    /// For what would be done again if a power cut undid it, such as drawing. A kill undoes nothing in either case.
    fn relaxed(&self) -> MutexGuard<'_, Connection> {
        self.with_synchronous("NORMAL")
    }

    /// A panic while the lock was held left no transaction open: dropping one rolls it back.
    fn with_synchronous(&self, mode: &str) -> MutexGuard<'_, Connection> {
        let connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        // It is refused only inside a transaction, and none is open here.
        let _ = connection.pragma_update(None, "synchronous", mode);
        connection
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The id of a table's row with this name or id; a name goes first.
pub(crate) fn id_of(
    connection: &rusqlite::Connection,
    table: &'static str,
    what: &'static str,
    name: &str,
) -> Result<String, StoreError> {
    use rusqlite::OptionalExtension;
    let sql = format!("SELECT id FROM {table} WHERE name = ?1 OR id = ?1 ORDER BY name = ?1 DESC LIMIT 1");
    let id = connection.prepare_cached(&sql)?.query_row([name], |row| row.get(0)).optional()?;
    id.ok_or_else(|| StoreError::unknown(what, name))
}

/// A new id: sortable by time, not to be guessed, letters and digits only.
pub fn new_id() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert!(matches!(Store::open(folder.path()), Err(StoreError::InUse { .. })));
        drop(store);
        Store::open(folder.path()).unwrap();
    }

    #[test]
    fn a_lost_database_takes_no_pictures_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let picture = folder.path().join("assets/ab/picture.png");
        std::fs::create_dir_all(picture.parent().unwrap()).unwrap();
        std::fs::write(&picture, b"x").unwrap();
        drop(Store::open(folder.path()).unwrap());
        assert!(picture.exists());
    }

    #[test]
    fn ids_differ_and_sort() {
        let ids: Vec<String> = (0..100).map(|_| new_id()).collect();
        let mut sorted = ids.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(ids, sorted);
    }
}
