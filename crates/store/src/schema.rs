//! Tables, and how older ones become them: one step a version, each in a transaction.

use rusqlite::Connection;

use crate::StoreError;

/// Step `i` makes version `i + 1`. A step that was released is never changed.
const STEPS: &[&str] = &["
    CREATE TABLE projects (
        id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, created_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE jobs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        owner TEXT NOT NULL,
        idempotency_key TEXT,
        fingerprint TEXT NOT NULL,
        project TEXT NOT NULL REFERENCES projects(id),
        source TEXT NOT NULL,
        priority INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
        attempts INTEGER NOT NULL DEFAULT 0,
        model TEXT NOT NULL,
        work TEXT NOT NULL,
        images INTEGER NOT NULL,
        start TEXT,
        mask TEXT,
        batch TEXT,
        label TEXT,
        created_ms INTEGER NOT NULL,
        started_ms INTEGER,
        finished_ms INTEGER,
        planned_seconds REAL,
        seconds REAL,
        error TEXT,
        UNIQUE (owner, idempotency_key)
    ) STRICT;
    CREATE INDEX jobs_waiting ON jobs (state, priority, seq);
    CREATE INDEX jobs_batch ON jobs (batch);
    CREATE TABLE assets (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        project TEXT NOT NULL REFERENCES projects(id),
        job TEXT,
        position INTEGER,
        parent TEXT,
        prompt TEXT NOT NULL,
        model TEXT NOT NULL,
        seed TEXT,
        recipe TEXT,
        seconds REAL,
        dhash INTEGER,
        favourite INTEGER NOT NULL DEFAULT 0,
        rating INTEGER NOT NULL DEFAULT 0,
        created_ms INTEGER NOT NULL,
        UNIQUE (job, position)
    ) STRICT;
    CREATE INDEX assets_sha256 ON assets (sha256);
    CREATE INDEX assets_project ON assets (project, seq);
    CREATE INDEX assets_parent ON assets (parent);
    CREATE TABLE tags (
        asset TEXT NOT NULL REFERENCES assets(id) ON DELETE CASCADE, tag TEXT NOT NULL, PRIMARY KEY (asset, tag)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX tags_tag ON tags (tag);
    CREATE TABLE keys (
        id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, sha256 BLOB NOT NULL, created_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    INSERT INTO projects VALUES ('default', 'Default', 0);
"];

/// Sets the connection up and brings the tables to the newest version; whether there were none.
pub fn prepare(connection: &mut Connection) -> Result<bool, StoreError> {
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    let known = STEPS.len() as i64;
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let Some(missing) = usize::try_from(found).ok().and_then(|found| STEPS.get(found..)) else {
        return Err(StoreError::Newer { found, known });
    };
    for (i, step) in missing.iter().enumerate() {
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", found + i as i64 + 1)?;
        transaction.commit()?;
    }
    Ok(found == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twice_is_once_and_the_future_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.sqlite");
        for _ in 0..2 {
            prepare(&mut Connection::open(&path).unwrap()).unwrap();
        }
        let mut connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(prepare(&mut connection), Err(StoreError::Newer { found: 99, .. })));
    }
}
