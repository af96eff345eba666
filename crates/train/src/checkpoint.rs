//! Crash-safe checkpoints: everything a run needs to go on bit for bit.
//!
//! A checkpoint is a folder `step-NNNNNNNN` holding `state.safetensors` (f32 tensors) and `state.json`
//! (counters and the SHA-256 of the tensors). Both are written beside their final name, synced and
//! renamed; `state.json` comes last, so a folder without it is an interrupted write and is ignored. The
//! newest two checkpoints are kept: when the newest is damaged, the one before is used and a warning says so.

use std::path::{Path, PathBuf};

use formats::safetensors::{File, Tensor};
use serde::{Deserialize, Serialize};

use crate::TrainError;

/// Counters that travel beside the tensors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Optimiser steps done.
    pub step: u64,
    /// Examples seen, over every run this one continues.
    pub pictures: u64,
    /// Seconds spent in training steps so far.
    pub seconds: f64,
    /// Floating-point operations spent in training steps so far.
    pub flops: f64,
    /// Examples that the weights of `init` had seen before the first run.
    #[serde(default)]
    pub before: u64,
}

/// The second file of a checkpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Manifest {
    progress: Progress,
    /// SHA-256 of `state.safetensors`, hexadecimal.
    sha256: String,
}

/// One named f32 tensor of the state.
pub struct Entry<'a> {
    /// For instance `parameter/blocks.0.attn.qkv.weight` or `momentum/…`.
    pub name: String,
    /// Its shape.
    pub shape: &'a [usize],
    /// Its values.
    pub values: &'a [f32],
}

/// Checkpoints to keep.
const KEPT: usize = 2;

/// Writes a checkpoint into `folder` and removes all but the newest two. Nothing that existed before is
/// touched until the new one is complete.
pub fn save(folder: &Path, progress: &Progress, entries: &[Entry<'_>]) -> Result<PathBuf, TrainError> {
    let target = folder.join(format!("step-{:08}", progress.step));
    std::fs::create_dir_all(&target).map_err(|source| TrainError::Io {
        path: target.clone(),
        doing: "creating the checkpoint's folder",
        source,
    })?;
    // A folder of the same step can only be an equal state or an interrupted write: make it incomplete first.
    let manifest_path = target.join("state.json");
    if manifest_path.exists() {
        std::fs::remove_file(&manifest_path).map_err(|source| TrainError::Io {
            path: manifest_path.clone(),
            doing: "replacing the checkpoint",
            source,
        })?;
    }
    let state = target.join("state.safetensors");
    let tensors: Vec<Tensor<'_>> =
        entries.iter().map(|entry| Tensor::f32(entry.name.as_str(), entry.shape, entry.values)).collect();
    let sha256 = formats::safetensors::write(&state, tensors, &Default::default())?;
    let manifest = Manifest { progress: progress.clone(), sha256 };
    let json = serde_json::to_vec_pretty(&manifest).expect("plain numbers and strings become JSON");
    formats::atomic::write_atomic(&manifest_path, |file| file.write_all(&json))?;
    for (_, old) in list(folder)?.into_iter().skip(KEPT) {
        // Failing to remove an old checkpoint costs only disk space.
        let _ = std::fs::remove_dir_all(old);
    }
    Ok(target)
}

/// A checkpoint read back.
pub struct Loaded {
    /// Its counters.
    pub progress: Progress,
    /// Its tensors.
    pub state: File,
    /// Its folder.
    pub path: PathBuf,
    /// One sentence for each newer checkpoint that could not be used.
    pub skipped: Vec<String>,
}

/// The newest whole checkpoint in `folder`, or `None` when there is none at all.
///
/// # Errors
/// [`TrainError::NoWholeCheckpoint`] when there are checkpoints and every one is damaged: starting over
/// silently would overwrite what might still be rescued.
pub fn newest(folder: &Path) -> Result<Option<Loaded>, TrainError> {
    let all = list(folder)?;
    let mut skipped = Vec::new();
    for (_, path) in &all {
        match open(path) {
            Ok((progress, state)) => return Ok(Some(Loaded { progress, state, path: path.clone(), skipped })),
            Err(reason) => skipped.push(format!("{}: {reason}; using the checkpoint before it", path.display())),
        }
    }
    if all.is_empty() {
        return Ok(None);
    }
    Err(TrainError::NoWholeCheckpoint { folder: folder.into(), reasons: skipped.join("; ") })
}

/// Complete checkpoints of a folder, newest first.
fn list(folder: &Path) -> Result<Vec<(u64, PathBuf)>, TrainError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(TrainError::Io { path: folder.into(), doing: "listing checkpoints", source }),
    };
    let mut all: Vec<(u64, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            let step = entry.file_name().to_str()?.strip_prefix("step-")?.parse().ok()?;
            entry.path().join("state.json").is_file().then(|| (step, entry.path()))
        })
        .collect();
    all.sort_by_key(|checkpoint| std::cmp::Reverse(checkpoint.0));
    Ok(all)
}

fn open(path: &Path) -> Result<(Progress, File), String> {
    let text = std::fs::read(path.join("state.json")).map_err(|e| format!("state.json cannot be read ({e})"))?;
    let manifest: Manifest = serde_json::from_slice(&text).map_err(|e| format!("state.json is not valid ({e})"))?;
    let state = path.join("state.safetensors");
    let found = formats::digest::sha256_file(&state).map_err(|e| format!("state.safetensors cannot be read ({e})"))?;
    if found != manifest.sha256 {
        return Err("state.safetensors is damaged (its SHA-256 differs from the recorded one)".into());
    }
    let file = File::open(&state).map_err(|e| e.to_string())?;
    Ok((manifest.progress, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(step: u64) -> Progress {
        Progress { step, pictures: step * 8, seconds: 1.0, flops: 2.0, before: 5 }
    }

    fn write(folder: &Path, step: u64) -> PathBuf {
        let values = [step as f32, 2.0];
        save(folder, &progress(step), &[Entry { name: "a".into(), shape: &[2], values: &values }]).unwrap()
    }

    #[test]
    fn newest_two_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        assert!(newest(dir.path()).unwrap().is_none());
        for step in 1..=3 {
            write(dir.path(), step);
        }
        let loaded = newest(dir.path()).unwrap().unwrap();
        assert_eq!(loaded.progress, progress(3));
        assert_eq!(loaded.state.to_f32("a").unwrap(), [3.0, 2.0]);
        assert_eq!(list(dir.path()).unwrap().len(), 2);
    }

    #[test]
    fn a_damaged_newest_gives_way_to_the_one_before() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 1);
        let newer = write(dir.path(), 2);
        let state = newer.join("state.safetensors");
        let mut bytes = std::fs::read(&state).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(&state, bytes).unwrap();
        let loaded = newest(dir.path()).unwrap().unwrap();
        assert_eq!(loaded.progress.step, 1);
        assert!(loaded.skipped[0].contains("damaged"), "{:?}", loaded.skipped);
    }

    #[test]
    fn an_interrupted_write_is_ignored_and_total_damage_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let first = write(dir.path(), 1);
        std::fs::create_dir(dir.path().join("step-00000009")).unwrap();
        assert_eq!(newest(dir.path()).unwrap().unwrap().progress.step, 1);
        std::fs::write(first.join("state.safetensors"), b"x").unwrap();
        assert!(matches!(newest(dir.path()), Err(TrainError::NoWholeCheckpoint { .. })));
    }
}
