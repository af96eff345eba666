//! Tables, and how older ones become them: one step a version, each in a transaction.

use rusqlite::Connection;

use crate::StoreError;

/// Step `i` makes version `i + 1`. A step that was released is never changed.
const STEPS: &[&str] = &[
    "
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
",
    "
    CREATE TABLE campaigns (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL UNIQUE,
        project TEXT NOT NULL REFERENCES projects(id),
        brief TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('ready', 'running', 'paused', 'stopped', 'cancelled')),
        reason TEXT,
        created_ms INTEGER NOT NULL,
        jobs INTEGER NOT NULL DEFAULT 0,
        pictures INTEGER NOT NULL DEFAULT 0,
        planned_seconds REAL NOT NULL DEFAULT 0,
        seconds REAL NOT NULL DEFAULT 0,
        micros INTEGER NOT NULL DEFAULT 0
    ) STRICT;
    CREATE INDEX campaigns_state ON campaigns (state);
    CREATE TABLE campaign_rows (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        campaign TEXT NOT NULL REFERENCES campaigns(id) ON DELETE CASCADE,
        key TEXT NOT NULL,
        slots TEXT NOT NULL,
        prompt TEXT NOT NULL,
        UNIQUE (campaign, key)
    ) STRICT;
    CREATE TABLE candidates (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        campaign TEXT NOT NULL REFERENCES campaigns(id) ON DELETE CASCADE,
        row INTEGER NOT NULL REFERENCES campaign_rows(seq) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        seed TEXT NOT NULL,
        asset TEXT REFERENCES assets(id) ON DELETE SET NULL,
        final TEXT REFERENCES assets(id) ON DELETE SET NULL,
        picked INTEGER NOT NULL DEFAULT 0,
        state TEXT NOT NULL DEFAULT 'draft',
        locked_by TEXT,
        locked_ms INTEGER,
        UNIQUE (row, position)
    ) STRICT;
    CREATE INDEX candidates_campaign ON candidates (campaign, picked, seq);
    CREATE INDEX candidates_asset ON candidates (asset);
    CREATE INDEX candidates_final ON candidates (final);
    CREATE TABLE campaign_tasks (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        campaign TEXT NOT NULL REFERENCES campaigns(id) ON DELETE CASCADE,
        row INTEGER NOT NULL REFERENCES campaign_rows(seq) ON DELETE CASCADE,
        candidate INTEGER REFERENCES candidates(seq) ON DELETE CASCADE,
        state TEXT NOT NULL CHECK (state IN ('pending', 'queued', 'done', 'failed', 'cancelled')),
        attempt INTEGER NOT NULL DEFAULT 0,
        job TEXT,
        error TEXT
    ) STRICT;
    CREATE UNIQUE INDEX campaign_tasks_once ON campaign_tasks (row, ifnull(candidate, 0));
    CREATE INDEX campaign_tasks_state ON campaign_tasks (campaign, state, seq);
    CREATE INDEX campaign_tasks_queued ON campaign_tasks (state) WHERE state = 'queued';
    CREATE TABLE reviews (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        candidate INTEGER NOT NULL REFERENCES candidates(seq) ON DELETE CASCADE,
        before TEXT NOT NULL,
        after TEXT NOT NULL,
        who TEXT NOT NULL,
        note TEXT NOT NULL,
        at_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX reviews_candidate ON reviews (candidate, seq);
    CREATE TABLE comments (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        candidate INTEGER NOT NULL REFERENCES candidates(seq) ON DELETE CASCADE,
        x REAL NOT NULL,
        y REAL NOT NULL,
        text TEXT NOT NULL,
        author TEXT NOT NULL,
        link TEXT,
        at_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX comments_candidate ON comments (candidate, seq);
    CREATE TABLE share_links (
        id TEXT PRIMARY KEY,
        campaign TEXT NOT NULL REFERENCES campaigns(id) ON DELETE CASCADE,
        sha256 BLOB NOT NULL UNIQUE,
        label TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        expires_ms INTEGER NOT NULL,
        revoked_ms INTEGER
    ) STRICT;
    CREATE INDEX share_links_campaign ON share_links (campaign);
    CREATE TABLE votes (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        campaign TEXT NOT NULL REFERENCES campaigns(id) ON DELETE CASCADE,
        left TEXT NOT NULL,
        right TEXT NOT NULL,
        outcome TEXT NOT NULL CHECK (outcome IN ('left', 'right', 'tie')),
        voter TEXT NOT NULL,
        at_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX votes_campaign ON votes (campaign, seq);
    CREATE TABLE pulses (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        campaign TEXT NOT NULL REFERENCES campaigns(id) ON DELETE CASCADE,
        score INTEGER NOT NULL CHECK (score BETWEEN 1 AND 5),
        reason TEXT NOT NULL,
        who TEXT NOT NULL,
        at_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX pulses_campaign ON pulses (campaign, seq);
",
    "
    CREATE TABLE bakeoffs (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL UNIQUE,
        campaign TEXT REFERENCES campaigns(id) ON DELETE CASCADE,
        project TEXT NOT NULL REFERENCES projects(id),
        size TEXT,
        currency TEXT NOT NULL,
        created_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX bakeoffs_campaign ON bakeoffs (campaign, seq);
    CREATE TABLE bakeoff_contestants (
        bakeoff TEXT NOT NULL REFERENCES bakeoffs(id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        name TEXT NOT NULL,
        model TEXT,
        preset TEXT,
        PRIMARY KEY (bakeoff, position)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE bakeoff_prompts (
        bakeoff TEXT NOT NULL REFERENCES bakeoffs(id) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        kind TEXT NOT NULL,
        prompt TEXT NOT NULL,
        seed TEXT NOT NULL,
        PRIMARY KEY (bakeoff, position)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE bakeoff_entries (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        bakeoff TEXT NOT NULL REFERENCES bakeoffs(id) ON DELETE CASCADE,
        contestant INTEGER NOT NULL,
        prompt INTEGER NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('pending', 'queued', 'done', 'failed')),
        attempt INTEGER NOT NULL DEFAULT 0,
        job TEXT,
        asset TEXT REFERENCES assets(id) ON DELETE SET NULL,
        seconds REAL,
        micros INTEGER,
        error TEXT,
        UNIQUE (bakeoff, contestant, prompt)
    ) STRICT;
    CREATE INDEX bakeoff_entries_open ON bakeoff_entries (state, seq) WHERE state IN ('pending', 'queued');
    CREATE INDEX bakeoff_entries_asset ON bakeoff_entries (asset);
    CREATE TABLE bakeoff_votes (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        bakeoff TEXT NOT NULL REFERENCES bakeoffs(id) ON DELETE CASCADE,
        prompt INTEGER NOT NULL,
        left INTEGER NOT NULL,
        right INTEGER NOT NULL,
        verdict TEXT NOT NULL CHECK (verdict IN ('left', 'right', 'tie', 'neither')),
        voter TEXT NOT NULL,
        at_ms INTEGER NOT NULL
    ) STRICT;
    CREATE UNIQUE INDEX bakeoff_votes_once ON bakeoff_votes (bakeoff, voter, prompt, min(left, right), max(left, right));
",
    // Without it, each candidate that goes with its campaign would be looked for in every task.
    "CREATE INDEX campaign_tasks_candidate ON campaign_tasks (candidate);",
    "
    CREATE TABLE kits (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL UNIQUE,
        created_ms INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE kit_versions (
        kit TEXT NOT NULL REFERENCES kits(id) ON DELETE CASCADE,
        version INTEGER NOT NULL,
        rules TEXT NOT NULL,
        created_ms INTEGER NOT NULL,
        published_ms INTEGER,
        PRIMARY KEY (kit, version)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE kit_blobs (sha256 TEXT PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
    CREATE TABLE kit_files (
        kit TEXT NOT NULL REFERENCES kits(id) ON DELETE CASCADE,
        version INTEGER NOT NULL,
        name TEXT NOT NULL,
        sha256 TEXT NOT NULL REFERENCES kit_blobs(sha256),
        PRIMARY KEY (kit, version, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE looks (
        asset TEXT PRIMARY KEY REFERENCES assets(id) ON DELETE CASCADE,
        look TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE deliveries (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        campaign TEXT NOT NULL REFERENCES campaigns(id) ON DELETE CASCADE,
        kit TEXT,
        kit_version INTEGER,
        wish TEXT NOT NULL,
        files INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        manifest_sha256 TEXT NOT NULL,
        made_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX deliveries_campaign ON deliveries (campaign, seq);
",
    "
    CREATE TABLE experiments (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL UNIQUE,
        slug TEXT NOT NULL UNIQUE,
        campaign TEXT REFERENCES campaigns(id) ON DELETE SET NULL,
        metric TEXT NOT NULL,
        assignment TEXT,
        alpha REAL NOT NULL,
        caring REAL NOT NULL,
        tuning REAL NOT NULL,
        plan TEXT,
        url TEXT,
        source TEXT NOT NULL,
        medium TEXT NOT NULL,
        unit TEXT,
        reweighted INTEGER NOT NULL DEFAULT 0,
        token TEXT UNIQUE,
        created_ms INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX experiments_campaign ON experiments (campaign);
    CREATE TABLE creatives (
        experiment INTEGER NOT NULL REFERENCES experiments(seq) ON DELETE CASCADE,
        position INTEGER NOT NULL,
        key TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        candidate TEXT REFERENCES candidates(id) ON DELETE SET NULL,
        asset TEXT REFERENCES assets(id) ON DELETE SET NULL,
        weight REAL NOT NULL,
        PRIMARY KEY (experiment, position)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX creatives_asset ON creatives (asset);
    CREATE INDEX creatives_candidate ON creatives (candidate);
    CREATE TABLE experiment_results (
        experiment INTEGER NOT NULL REFERENCES experiments(seq) ON DELETE CASCADE,
        creative INTEGER NOT NULL,
        day INTEGER NOT NULL,
        people INTEGER NOT NULL,
        clicks INTEGER,
        conversions INTEGER,
        revenue REAL,
        revenue_squared REAL,
        PRIMARY KEY (experiment, day, creative)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE campaign_origins (
        campaign TEXT PRIMARY KEY REFERENCES campaigns(id) ON DELETE CASCADE,
        experiment INTEGER NOT NULL REFERENCES experiments(seq) ON DELETE CASCADE,
        creative TEXT NOT NULL
    ) STRICT;
    CREATE INDEX campaign_origins_experiment ON campaign_origins (experiment);
",
];

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
    fn an_older_database_keeps_what_it_has() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(STEPS[0]).unwrap();
        connection.pragma_update(None, "user_version", 1).unwrap();
        connection.execute("INSERT INTO projects VALUES ('p', 'Old', 1)", []).unwrap();
        assert!(!prepare(&mut connection).unwrap());
        let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!((count("SELECT count(*) FROM projects"), count("SELECT count(*) FROM campaigns")), (2, 0));
    }

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
