//! What was planned for the last few kinds of work, to be used again.

use crate::EngineError;

/// Things of type `V` by key, the most recently used first.
pub(crate) struct Kept<K, V> {
    most: usize,
    items: Vec<(K, V)>,
}

impl<K: PartialEq, V> Kept<K, V> {
    /// Nothing yet, and later at most `most` things.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, items: Vec::new() }
    }

    /// What is kept for `key`, or else what `make` gives. The one that was not used for longest makes room before.
    pub(crate) fn get(&mut self, key: K, make: impl FnOnce() -> Result<V, EngineError>) -> Result<&mut V, EngineError> {
        let item = match self.items.iter().position(|(kept, _)| *kept == key) {
            Some(at) => self.items.remove(at),
            None => {
                self.items.truncate(self.most - 1);
                (key, make()?)
            }
        };
        self.items.insert(0, item);
        Ok(&mut self.items[0].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_used_are_kept() {
        let mut kept = Kept::new(2);
        let mut made = Vec::new();
        for key in [1, 2, 1, 3, 1, 2] {
            let value = kept.get(key, || {
                made.push(key);
                Ok(10 * key)
            });
            assert_eq!(*value.unwrap(), 10 * key);
        }
        assert_eq!(made, [1, 2, 3, 2]);
    }
}
