//! The one durable way to write a file: a temporary file beside it, `fsync`, `rename`, `fsync` of the folder. A reader sees
//! the old file or the whole new one; an error (a full disk, a failing closure, a panic) leaves the old one untouched and
//! removes the temporary one. [`Disk`] is the border where a test makes the n-th operation fail.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A file could not be written. The old content of `path`, if any, is still there, unless `action` is
/// [`Action::SyncFolder`]: then the new content is in place but may not survive a power cut.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {action}: {source}", path.display())]
pub struct WriteError {
    /// The file asked for.
    pub path: PathBuf,
    /// What was being done.
    pub action: Action,
    /// Why it failed.
    pub source: io::Error,
}

/// The steps of an atomic write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Making the temporary file.
    Create,
    /// Writing the content.
    Write,
    /// Forcing the content to the disk.
    Sync,
    /// Putting the temporary file in the place of the old one.
    Rename,
    /// Forcing the folder to the disk.
    SyncFolder,
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Action::Create => "creating the temporary file",
            Action::Write => "writing the content",
            Action::Sync => "syncing the content",
            Action::Rename => "renaming the temporary file",
            Action::SyncFolder => "syncing the folder",
        })
    }
}

/// The file operations an atomic write needs.
pub trait Disk {
    /// Creates a new file; one that exists is an error.
    fn create(&self, path: &Path) -> io::Result<fs::File>;
    /// Called before each piece of at most 64 KiB is written.
    fn before_write(&self) -> io::Result<()> {
        Ok(())
    }
    /// `fsync`.
    fn sync(&self, file: &fs::File) -> io::Result<()>;
    /// Replaces `to` by `from`.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// `fsync` of a folder.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
}

/// The operating system.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn create(&self, path: &Path) -> io::Result<fs::File> {
        fs::File::options().write(true).create_new(true).open(path)
    }

    fn sync(&self, file: &fs::File) -> io::Result<()> {
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        if cfg!(unix) { fs::File::open(folder)?.sync_all() } else { Ok(()) }
    }
}

/// A test double: the operations work until number `fail_at` (counted from 0), which reports a full disk, as do all after it.
#[derive(Debug)]
pub struct FailingDisk {
    fail_at: u64,
    done: AtomicU64,
}

impl FailingDisk {
    /// Operation `fail_at` and all later ones fail.
    pub fn new(fail_at: u64) -> Self {
        Self { fail_at, done: AtomicU64::new(0) }
    }

    /// How many operations were asked for.
    pub fn operations(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    fn step(&self) -> io::Result<()> {
        if self.done.fetch_add(1, Ordering::Relaxed) < self.fail_at {
            Ok(())
        } else {
            Err(io::Error::new(io::ErrorKind::StorageFull, "no space left on device"))
        }
    }
}

impl Disk for FailingDisk {
    fn create(&self, path: &Path) -> io::Result<fs::File> {
        self.step()?;
        SystemDisk.create(path)
    }

    fn before_write(&self) -> io::Result<()> {
        self.step()
    }

    fn sync(&self, _: &fs::File) -> io::Result<()> {
        self.step()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        SystemDisk.rename(from, to)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.step()?;
        SystemDisk.sync_folder(folder)
    }
}

/// Writes `path` atomically with what `write` produces; writes are buffered. Returns what `write` returned.
pub fn write_atomic<T>(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<T>) -> Result<T, WriteError> {
    write_atomic_on(&SystemDisk, path, write)
}

/// [`write_atomic`] on a given disk.
pub fn write_atomic_on<T>(
    disk: &dyn Disk,
    path: &Path,
    write: impl FnOnce(&mut dyn Write) -> io::Result<T>,
) -> Result<T, WriteError> {
    let failed = |action| move |source| WriteError { path: path.to_owned(), action, source };
    let name = path
        .file_name()
        .ok_or_else(|| failed(Action::Create)(io::Error::new(io::ErrorKind::InvalidInput, "no file name")))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut temporary = std::ffi::OsString::from(".");
    temporary.push(name);
    temporary.push(format!(".{}.{}.tmp", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
    let temporary = folder.join(temporary);

    let file = disk.create(&temporary).map_err(failed(Action::Create))?;
    let guard = RemoveOnDrop(&temporary);
    let mut buffer = BufWriter::with_capacity(1 << 16, Pieces { disk, file });
    let value = write(&mut buffer).map_err(failed(Action::Write))?;
    let file = buffer.into_inner().map_err(|error| failed(Action::Write)(error.into_error()))?.file;
    disk.sync(&file).map_err(failed(Action::Sync))?;
    drop(file);
    disk.rename(&temporary, path).map_err(failed(Action::Rename))?;
    std::mem::forget(guard);
    disk.sync_folder(folder).map_err(failed(Action::SyncFolder))?;
    Ok(value)
}

/// Writes `bytes` to `path` atomically.
pub fn write_bytes_atomic(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    write_atomic(path, |w| w.write_all(bytes))
}

struct RemoveOnDrop<'a>(&'a Path);

impl Drop for RemoveOnDrop<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.0); // The error that brought us here is the one to report.
    }
}

struct Pieces<'a> {
    disk: &'a dyn Disk,
    file: fs::File,
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.before_write()?;
        self.file.write(&bytes[..bytes.len().min(1 << 16)])
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn every_failing_operation_keeps_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights");
        let (old, new) = (vec![1u8; 1000], vec![2u8; 300_000]);
        let healthy = FailingDisk::new(u64::MAX);
        write_atomic_on(&healthy, &path, |w| w.write_all(&new)).unwrap();
        let operations = healthy.operations();
        assert!(operations >= 8, "{operations}");
        for n in 0..operations {
            write_bytes_atomic(&path, &old).unwrap();
            let error = write_atomic_on(&FailingDisk::new(n), &path, |w| w.write_all(&new)).unwrap_err();
            assert_eq!(error.source.kind(), io::ErrorKind::StorageFull);
            assert_eq!(error.path, path);
            let expected = if error.action == Action::SyncFolder { &new } else { &old };
            assert!(&fs::read(&path).unwrap() == expected, "operation {n}: {error}");
            assert_eq!(names(folder.path()), ["weights"], "operation {n} left a temporary file");
        }
    }

    #[test]
    fn failing_and_panicking_closures_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let error = write_atomic(&path, |w| {
            w.write_all(b"half")?;
            Err::<(), _>(io::Error::other("stopped"))
        });
        assert_eq!(error.unwrap_err().action, Action::Write);
        let panic = std::panic::catch_unwind(|| write_atomic(&path, |_| -> io::Result<()> { panic!("stopped") }));
        assert!(panic.is_err());
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_missing_folder_or_name_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(write_bytes_atomic(&folder.path().join("a/b"), b"").unwrap_err().action, Action::Create);
        assert_eq!(write_bytes_atomic(Path::new("/"), b"").unwrap_err().action, Action::Create);
        fs::create_dir(folder.path().join("d")).unwrap();
        assert_eq!(write_bytes_atomic(&folder.path().join("d"), b"").unwrap_err().action, Action::Rename);
        assert_eq!(names(folder.path()), ["d"]);
    }
}
