//! Brand kits: a name, versions of its rules, and files (logos, fonts). Files lie on a shelf (version 0) until a version takes those
//! that it names; a version never changes again, whatever is put on the shelf later.

use rusqlite::{Connection, OptionalExtension, params};

use crate::{Store, StoreError, new_id, now_ms};

/// Most bytes of a file of a kit.
pub const MAX_KIT_BYTES: usize = 32 << 20;
/// Most files on the shelf of a kit.
pub const MAX_KIT_FILES: i64 = 128;
/// Where files lie that no version has taken.
const SHELF: u32 = 0;

/// A brand kit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kit {
    /// Id.
    pub id: String,
    /// Name, one of its kind.
    pub name: String,
    /// When it was made.
    pub created_ms: i64,
    /// Its newest version.
    pub newest: u32,
    /// Its newest published version.
    pub published: Option<u32>,
}

/// A version of a kit's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KitVersion {
    /// Its number, from 1.
    pub version: u32,
    /// The rules as JSON; their meaning is the server's.
    pub rules: String,
    /// When it was made.
    pub created_ms: i64,
    /// When it was published.
    pub published_ms: Option<i64>,
}

/// A file of a kit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KitFile {
    /// Its name, as the rules call it.
    pub name: String,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Its bytes.
    pub bytes: i64,
}

const COLUMNS: &str = "id, name, created_ms, (SELECT max(version) FROM kit_versions v WHERE v.kit = kits.id), \
     (SELECT max(version) FROM kit_versions v WHERE v.kit = kits.id AND published_ms IS NOT NULL)";

impl Store {
    /// Keeps a kit; its rules become version 1.
    pub fn add_kit(&self, name: &str, rules: &str) -> Result<Kit, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let id = new_id();
        let sql = "INSERT OR IGNORE INTO kits (id, name, created_ms) VALUES (?1, ?2, ?3)";
        if transaction.execute(sql, params![id, name, now_ms()])? == 0 {
            return Err(StoreError::field("name", "another brand kit has this name"));
        }
        insert(&transaction, &id, 1, rules, &[])?;
        let kit = get(&transaction, &id)?;
        transaction.commit()?;
        Ok(kit)
    }

    /// Kits by name.
    pub fn kits(&self) -> Result<Vec<Kit>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM kits ORDER BY name"))?;
        Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
    }

    /// The kit with this name or id.
    pub fn find_kit(&self, name: &str) -> Result<Kit, StoreError> {
        let connection = self.connection();
        get(&connection, &crate::id_of(&connection, "kits", "brand kit", name)?)
    }

    /// Adds a version, with those files of the shelf that it names; gives its number. `after` is the newest version that
    /// whoever wrote it knew: two people never overwrite each other.
    pub fn add_kit_version(&self, kit: &str, after: u32, rules: &str, files: &[&str]) -> Result<u32, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let found = get(&transaction, kit)?;
        if found.newest != after {
            let message = format!("the kit has version {} by now, not {after}: look at it first", found.newest);
            return Err(StoreError::conflict(message));
        }
        insert(&transaction, kit, after + 1, rules, files)?;
        transaction.commit()?;
        Ok(after + 1)
    }

    /// Versions of a kit, the newest first.
    pub fn kit_versions(&self, kit: &str) -> Result<Vec<KitVersion>, StoreError> {
        let connection = self.connection();
        let sql =
            "SELECT version, rules, created_ms, published_ms FROM kit_versions WHERE kit = ?1 ORDER BY version DESC";
        let mut statement = connection.prepare_cached(sql)?;
        Ok(statement.query_map([kit], read_version)?.collect::<Result<_, _>>()?)
    }

    /// One version of a kit.
    pub fn kit_version(&self, kit: &str, version: u32) -> Result<KitVersion, StoreError> {
        let connection = self.connection();
        let sql = "SELECT version, rules, created_ms, published_ms FROM kit_versions WHERE kit = ?1 AND version = ?2";
        let found = connection.query_row(sql, params![kit, version], read_version).optional()?;
        found.ok_or_else(|| StoreError::unknown("version of this brand kit", &version.to_string()))
    }

    /// Publishes a version; one that is published stays so.
    pub fn publish_kit(&self, kit: &str, version: u32) -> Result<(), StoreError> {
        let connection = self.connection();
        let sql = "UPDATE kit_versions SET published_ms = coalesce(published_ms, ?3) WHERE kit = ?1 AND version = ?2";
        match connection.execute(sql, params![kit, version, now_ms()])? {
            0 => Err(StoreError::unknown("version of this brand kit", &version.to_string())),
            _ => Ok(()),
        }
    }

    /// Puts a file on the shelf of a kit, in the place of one of the same name.
    pub fn put_kit_file(&self, kit: &str, name: &str, bytes: &[u8]) -> Result<KitFile, StoreError> {
        let sha256 = formats::digest::sha256_bytes(bytes);
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        get(&transaction, kit)?;
        let count = "SELECT count(*) FROM kit_files WHERE kit = ?1 AND version = ?2 AND name <> ?3";
        let others: i64 = transaction.query_row(count, params![kit, SHELF, name], |row| row.get(0))?;
        if others >= MAX_KIT_FILES {
            return Err(StoreError::field("name", format!("a kit has at most {MAX_KIT_FILES} files")));
        }
        transaction.execute("INSERT OR IGNORE INTO kit_blobs VALUES (?1, ?2)", params![sha256, bytes])?;
        let sql = "INSERT OR REPLACE INTO kit_files (kit, version, name, sha256) VALUES (?1, ?2, ?3, ?4)";
        transaction.execute(sql, params![kit, SHELF, name, sha256])?;
        // What nothing names any more goes.
        transaction.execute("DELETE FROM kit_blobs WHERE sha256 NOT IN (SELECT sha256 FROM kit_files)", [])?;
        transaction.commit()?;
        Ok(KitFile { name: name.to_owned(), sha256, bytes: bytes.len() as i64 })
    }

    /// Files of a version, or (0) of the shelf, by name.
    pub fn kit_files(&self, kit: &str, version: u32) -> Result<Vec<KitFile>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT f.name, f.sha256, length(b.bytes) FROM kit_files f JOIN kit_blobs b ON b.sha256 = f.sha256 \
             WHERE f.kit = ?1 AND f.version = ?2 ORDER BY f.name",
        )?;
        let read = |row: &rusqlite::Row<'_>| Ok(KitFile { name: row.get(0)?, sha256: row.get(1)?, bytes: row.get(2)? });
        Ok(statement.query_map(params![kit, version], read)?.collect::<Result<_, _>>()?)
    }

    /// The bytes of a file of a kit, by its digest.
    pub fn kit_blob(&self, sha256: &str) -> Result<Vec<u8>, StoreError> {
        let connection = self.connection();
        let sql = "SELECT bytes FROM kit_blobs WHERE sha256 = ?1";
        let found = connection.query_row(sql, [sha256], |row| row.get(0)).optional()?;
        found.ok_or_else(|| StoreError::unknown("file of a brand kit", sha256))
    }
}

/// Adds a version and gives it what lies on the shelf under the names of `files`.
fn insert(connection: &Connection, kit: &str, version: u32, rules: &str, files: &[&str]) -> Result<(), StoreError> {
    let sql = "INSERT INTO kit_versions (kit, version, rules, created_ms) VALUES (?1, ?2, ?3, ?4)";
    connection.execute(sql, params![kit, version, rules, now_ms()])?;
    let mut take = connection.prepare_cached(
        "INSERT OR IGNORE INTO kit_files SELECT kit, ?2, name, sha256 FROM kit_files \
         WHERE kit = ?1 AND version = 0 AND name = ?3",
    )?;
    for file in files {
        take.execute(params![kit, version, file])?;
    }
    Ok(())
}

fn get(connection: &Connection, id: &str) -> Result<Kit, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM kits WHERE id = ?1"))?;
    statement.query_row([id], read).optional()?.ok_or_else(|| StoreError::unknown("brand kit", id))
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Kit> {
    Ok(Kit {
        id: row.get(0)?,
        name: row.get(1)?,
        created_ms: row.get(2)?,
        newest: row.get::<_, Option<u32>>(3)?.unwrap_or(0),
        published: row.get(4)?,
    })
}

fn read_version(row: &rusqlite::Row<'_>) -> rusqlite::Result<KitVersion> {
    Ok(KitVersion { version: row.get(0)?, rules: row.get(1)?, created_ms: row.get(2)?, published_ms: row.get(3)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_keeps_the_files_it_was_made_with() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let kit = store.add_kit("House", "{}").unwrap();
        assert_eq!((kit.newest, kit.published), (1, None));
        assert!(matches!(store.add_kit("House", "{}"), Err(StoreError::Field { field: "name", .. })));
        let first = store.put_kit_file(&kit.id, "logo.png", b"first").unwrap();
        store.put_kit_file(&kit.id, "other.png", b"other").unwrap();
        assert_eq!(store.add_kit_version(&kit.id, 1, "{}", &["logo.png", "gone.png"]).unwrap(), 2);
        let second = store.put_kit_file(&kit.id, "logo.png", b"second").unwrap();
        assert_eq!(store.kit_files(&kit.id, 2).unwrap(), std::slice::from_ref(&first));
        assert_eq!(store.kit_files(&kit.id, 0).unwrap()[0], second);
        assert_eq!(store.kit_blob(&first.sha256).unwrap(), b"first");
        // What no version took goes with the last name for it.
        store.put_kit_file(&kit.id, "logo.png", b"third").unwrap();
        assert!(store.kit_blob(&second.sha256).is_err() && store.kit_blob(&first.sha256).is_ok());
    }

    #[test]
    fn nobody_overwrites_what_they_have_not_seen_and_what_is_published_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let kit = store.add_kit("House", "1").unwrap().id;
        store.add_kit_version(&kit, 1, "2", &[]).unwrap();
        assert!(matches!(store.add_kit_version(&kit, 1, "2", &[]), Err(StoreError::Conflict { .. })));
        store.publish_kit(&kit, 1).unwrap();
        let at = store.kit_version(&kit, 1).unwrap().published_ms;
        store.publish_kit(&kit, 1).unwrap();
        assert_eq!(store.kit_version(&kit, 1).unwrap().published_ms, at);
        let found = store.find_kit("House").unwrap();
        assert_eq!((found.newest, found.published, store.find_kit(&kit).unwrap()), (2, Some(1), found));
        assert!(store.publish_kit(&kit, 3).is_err() && store.kit_version(&kit, 3).is_err());
        assert!(store.put_kit_file("nothing", "x", b"x").is_err());
        assert_eq!(store.kit_versions(&kit).unwrap().iter().map(|v| v.version).collect::<Vec<_>>(), [2, 1]);
    }
}
