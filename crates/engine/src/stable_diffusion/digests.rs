//! [`Digests`]: which files a checkpoint is, found out while it is already being used.
//!
//! Two gigabytes take a second to digest, and nothing needs the answer before the first recipe is written.

use std::io;
use std::path::PathBuf;
use std::sync::LazyLock;

use formats::digest;

use super::{Checkpoint, CheckpointProblem};
use crate::EngineError;

/// Which files these are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Digest {
    /// SHA-256 of the file, or of the digests of several in the order U-Net, autoencoder, text encoders.
    pub(super) checkpoint: String,
    /// That of the autoencoder's file, if it has one of its own; it does not count for the checkpoint.
    pub(super) vae: Option<String>,
}

/// A file, and why it cannot be read.
type Unread = (PathBuf, io::Error);
type Found = Result<Digest, Unread>;
/// Waits for the thread.
type Wait = Box<dyn FnOnce() -> Found + Send>;

/// What a thread is finding out.
pub(super) struct Digests(LazyLock<Found, Wait>);

impl Digests {
    /// Begins.
    pub(super) fn of(checkpoint: &Checkpoint) -> Result<Self, EngineError> {
        let (files, vae) = checkpoint.files()?;
        let found = std::thread::spawn(move || {
            Ok(Digest { checkpoint: of_all(&files)?, vae: vae.map(|files| of_all(&files)).transpose()? })
        });
        let wait = move || found.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok(Self(LazyLock::new(Box::new(wait))))
    }

    /// The answer, waited for.
    pub(super) fn get(&self) -> Result<&Digest, EngineError> {
        self.0.as_ref().map_err(|(file, error)| EngineError::Checkpoint {
            file: file.display().to_string(),
            problem: CheckpointProblem::Config { key: "the file".into(), problem: format!("cannot be read: {error}") },
        })
    }
}

/// The digest of one file, or of the digests of several.
fn of_all(files: &[PathBuf]) -> Result<String, Unread> {
    let digest = |file: &PathBuf| digest::sha256_file(file).map_err(|error| (file.clone(), error));
    let mut digests = files.iter().map(digest).collect::<Result<Vec<String>, Unread>>()?;
    match digests.len() {
        1 => Ok(digests.remove(0)),
        _ => Ok(digest::sha256_bytes(digests.concat().as_bytes())),
    }
}
