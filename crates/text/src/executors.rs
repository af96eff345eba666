//! Planned graphs that are kept for the next prompts, and their words.

use std::sync::Mutex;

use formats::safetensors::Rows;
use graph::Executor;

use crate::TextError;

/// Planned graphs kept, those last used.
const KEPT: usize = 4;

/// Executors by what they were planned for; last used at the end.
#[derive(Debug)]
pub(crate) struct Executors<K>(Mutex<Vec<(K, Executor)>>);

impl<K> Default for Executors<K> {
    fn default() -> Self {
        Self(Mutex::new(Vec::new()))
    }
}

impl<K: PartialEq> Executors<K> {
    /// Calls `run` with the executor of `key`, which `make` plans if it is not there. One call at a time.
    pub(crate) fn with(
        &self,
        key: K,
        make: impl FnOnce() -> Result<Executor, TextError>,
        run: impl FnOnce(&mut Executor) -> Result<(), TextError>,
    ) -> Result<(), TextError> {
        let mut kept = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let mut executor = match kept.iter().position(|(k, _)| *k == key) {
            Some(index) => kept.remove(index).1,
            None => {
                if kept.len() >= KEPT {
                    kept.remove(0);
                }
                make()?
            }
        };
        run(&mut executor)?;
        kept.push((key, executor));
        Ok(())
    }
}

/// Rows of a word table `[V, D]` for each id, to `words` `[ids, D]`.
pub(crate) fn read_words(table: &Rows, ids: &[u32], width: usize, words: &mut [f32]) -> Result<(), TextError> {
    for (&id, row) in ids.iter().zip(words.chunks_exact_mut(width)) {
        if !table.read(id as usize, row) {
            return Err(TextError::TokenId { id, rows: table.len() });
        }
    }
    Ok(())
}
