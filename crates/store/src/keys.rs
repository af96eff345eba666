//! Keys of users. A key is shown once, when it is made; what is kept is its SHA-256, which suffices because keys are random
//! or at least [`MIN_KEY_BYTES`] long.

use rusqlite::params;

use crate::{Store, StoreError, new_id, now_ms};

/// Fewest bytes of a key that somebody chose.
pub const MIN_KEY_BYTES: usize = 16;

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Id; what jobs are owned by.
    pub id: String,
    /// Name, one of its kind.
    pub name: String,
    /// SHA-256 of the key.
    pub sha256: [u8; 32],
    /// When it was made.
    pub created_ms: i64,
}

impl Store {
    /// Every key.
    pub fn keys(&self) -> Result<Vec<Key>, StoreError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare("SELECT id, name, sha256, created_ms FROM keys ORDER BY created_ms, id")?;
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Key { id: row.get(0)?, name: row.get(1)?, sha256: row.get(2)?, created_ms: row.get(3)? })
        };
        Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
    }

    /// Keeps a key under a name that no other key has.
    pub fn add_key(&self, name: &str, sha256: [u8; 32]) -> Result<(), StoreError> {
        let name = name.trim();
        if !(1..=100).contains(&name.len()) || name.chars().any(char::is_control) {
            return Err(StoreError::field("name", "must be 1 to 100 printable bytes"));
        }
        let added = self
            .connection()
            .execute("INSERT OR IGNORE INTO keys VALUES (?1, ?2, ?3, ?4)", params![new_id(), name, sha256, now_ms()])?;
        if added == 0 {
            return Err(StoreError::field("name", "another key has this name"));
        }
        Ok(())
    }

    /// Forgets the key of this name.
    pub fn remove_key(&self, name: &str) -> Result<(), StoreError> {
        match self.connection().execute("DELETE FROM keys WHERE name = ?1", [name])? {
            0 => Err(StoreError::unknown("key", name)),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_and_go() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        store.add_key("anna", [7; 32]).unwrap();
        assert!(store.add_key("anna", [8; 32]).is_err());
        assert_eq!(store.keys().unwrap()[0].sha256, [7; 32]);
        store.remove_key("anna").unwrap();
        assert!(matches!(store.remove_key("anna"), Err(StoreError::Unknown { .. })));
    }
}
