//! Entries: the picture of one contestant for one prompt. A pending one becomes a job in one transaction, and a job that is over
//! ends its entry in another, so that a kill at any moment loses nothing and doubles nothing.

use formats::digest::sha256_bytes;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::NewEntry;
use crate::{Job, NewJob, Store, StoreError, jobs};

/// The owner of the jobs of bake-offs; no key has such an id.
const OWNER: &str = "bakeoffs";

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryState {
    /// It is no job yet.
    Pending,
    /// Its job waits or runs.
    Queued,
    /// Its picture is there.
    Done,
    /// Its job failed or was cancelled.
    Failed,
}

impl EntryState {
    /// The name in the database and in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Queued => "queued",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Pending, Self::Queued, Self::Done, Self::Failed].into_iter().find(|state| state.name() == name)
    }
}

/// The picture of one contestant for one prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    seq: i64,
    attempt: i64,
    /// Id; it tells nothing about the contestant.
    pub id: String,
    /// Id of the bake-off.
    pub bakeoff: String,
    /// The contestant, by its place in the list.
    pub contestant: u32,
    /// The prompt, by its place in the list.
    pub prompt: u32,
    /// Where it is.
    pub state: EntryState,
    /// The picture; nothing before it is drawn, and after it was removed.
    pub asset: Option<String>,
    /// Seconds it took.
    pub seconds: Option<f64>,
    /// What it cost, in micro-units.
    pub micros: Option<i64>,
    /// Why there is no picture.
    pub error: Option<String>,
}

const COLUMNS: &str = "seq, attempt, id, bakeoff, contestant, prompt, state, asset, seconds, micros, error";

impl Store {
    /// Entries of a bake-off, by contestant and prompt.
    pub fn entries(&self, bakeoff: &str) -> Result<Vec<Entry>, StoreError> {
        let connection = self.connection();
        let sql = format!("SELECT {COLUMNS} FROM bakeoff_entries WHERE bakeoff = ?1 ORDER BY contestant, prompt");
        let mut statement = connection.prepare_cached(&sql)?;
        Ok(statement.query_map([bakeoff], read)?.collect::<Result<_, _>>()?)
    }

    /// The entry of this id.
    pub fn entry(&self, bakeoff: &str, id: &str) -> Result<Entry, StoreError> {
        entry(&self.connection(), bakeoff, id)
    }

    /// The next entry that is to be drawn, of any bake-off.
    pub fn next_entry(&self) -> Result<Option<Entry>, StoreError> {
        let connection = self.connection();
        let sql = format!("SELECT {COLUMNS} FROM bakeoff_entries WHERE state = 'pending' ORDER BY seq LIMIT 1");
        Ok(connection.prepare_cached(&sql)?.query_row([], read).optional()?)
    }

    /// Makes an entry a job, if it still waits for that and fewer than `most` jobs do.
    pub fn feed_entry(&self, entry: &Entry, most: usize, job: &NewJob) -> Result<Option<Job>, StoreError> {
        // A power cut undoes job and entry together; the next start does both again.
        let mut connection = self.relaxed();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = "SELECT count(*) FROM bakeoff_entries WHERE seq = ?1 AND attempt = ?2 AND state = 'pending'";
        let waits: i64 = transaction.prepare_cached(sql)?.query_row([entry.seq, entry.attempt], |row| row.get(0))?;
        if waits == 0 || jobs::waiting(&transaction)? >= most {
            return Ok(None);
        }
        let key = format!("{}:{}:{}", entry.bakeoff, entry.seq, entry.attempt);
        let job = jobs::insert(&transaction, OWNER, Some(&key), &key, job)?;
        let sql = "UPDATE bakeoff_entries SET state = 'queued', job = ?2 WHERE seq = ?1";
        transaction.prepare_cached(sql)?.execute(params![entry.seq, job.id])?;
        transaction.commit()?;
        Ok(Some(job))
    }

    /// Fails an entry that cannot become a job.
    pub fn fail_entry(&self, entry: &Entry, error: &str) -> Result<(), StoreError> {
        let sql = "UPDATE bakeoff_entries SET state = 'failed', error = ?3 WHERE seq = ?1 AND attempt = ?2";
        self.relaxed().execute(sql, params![entry.seq, entry.attempt, error])?;
        Ok(())
    }

    /// Ends the entries whose jobs are over; `cost` says what so many seconds cost. Gives how many ended.
    pub fn settle_entries(&self, cost: &dyn Fn(f64) -> i64) -> Result<usize, StoreError> {
        let mut connection = self.relaxed();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut statement = transaction.prepare_cached(
            "SELECT e.seq, j.state, j.seconds, j.error, (SELECT a.id FROM assets a WHERE a.job = j.id ORDER BY position LIMIT 1) \
             FROM bakeoff_entries e JOIN jobs j ON j.id = e.job \
             WHERE e.state = 'queued' AND j.state NOT IN ('queued', 'running')",
        )?;
        type Over = (i64, String, Option<f64>, Option<String>, Option<String>);
        let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
        let over: Vec<Over> = statement.query_map([], read)?.collect::<Result<_, _>>()?;
        drop(statement);
        for (seq, state, seconds, error, asset) in &over {
            let (state, error) = match (state.as_str(), asset) {
                ("done", Some(_)) => (EntryState::Done, None),
                ("cancelled", _) => (EntryState::Failed, Some("the job was cancelled")),
                _ => (EntryState::Failed, error.as_deref().or(Some("the job has no picture"))),
            };
            let sql = "UPDATE bakeoff_entries SET state = ?2, asset = ?3, seconds = ?4, micros = ?5, error = ?6 WHERE seq = ?1";
            let micros = seconds.map(cost);
            transaction.prepare_cached(sql)?.execute(params![seq, state.name(), asset, seconds, micros, error])?;
        }
        // Nothing to write is the usual case.
        if !over.is_empty() {
            transaction.commit()?;
        }
        Ok(over.len())
    }

    /// Tries again what failed; gives how many entries are pending or under way then.
    pub fn want_entries(&self, bakeoff: &str) -> Result<i64, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        super::get(&transaction, bakeoff)?;
        let sql = "UPDATE bakeoff_entries SET state = 'pending', attempt = attempt + 1, job = NULL, error = NULL \
                   WHERE bakeoff = ?1 AND state = 'failed'";
        transaction.execute(sql, [bakeoff])?;
        let sql = "SELECT count(*) FROM bakeoff_entries WHERE bakeoff = ?1 AND state IN ('pending', 'queued')";
        let open = transaction.query_row(sql, [bakeoff], |row| row.get(0))?;
        transaction.commit()?;
        Ok(open)
    }
}

pub(super) fn entry(connection: &Connection, bakeoff: &str, id: &str) -> Result<Entry, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM bakeoff_entries WHERE bakeoff = ?1 AND id = ?2");
    let found = connection.prepare_cached(&sql)?.query_row([bakeoff, id], read).optional()?;
    found.ok_or_else(|| StoreError::unknown("picture", id))
}

/// Keeps an entry: one that is given is done.
pub(super) fn add(
    connection: &Connection,
    bakeoff: &str,
    contestant: u32,
    prompt: u32,
    given: Option<&NewEntry>,
) -> Result<(), StoreError> {
    let state = if given.is_some() { EntryState::Done } else { EntryState::Pending };
    connection
        .prepare_cached(
            "INSERT INTO bakeoff_entries (id, bakeoff, contestant, prompt, state, asset, seconds, micros) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            entry_id(bakeoff, contestant, prompt),
            bakeoff,
            contestant,
            prompt,
            state.name(),
            given.map(|entry| &entry.asset),
            given.map(|entry| entry.seconds),
            given.map(|entry| entry.micros)
        ])?;
    Ok(())
}

/// A digest: neither its order nor its letters tell the contestant.
fn entry_id(bakeoff: &str, contestant: u32, prompt: u32) -> String {
    sha256_bytes(format!("{bakeoff}/{contestant}/{prompt}").as_bytes()).chars().take(24).collect()
}

fn read(row: &Row<'_>) -> rusqlite::Result<Entry> {
    let state: String = row.get(6)?;
    Ok(Entry {
        seq: row.get(0)?,
        attempt: row.get(1)?,
        id: row.get(2)?,
        bakeoff: row.get(3)?,
        contestant: row.get(4)?,
        prompt: row.get(5)?,
        // The table's own check allows no other name.
        state: EntryState::from_name(&state).unwrap_or(EntryState::Failed),
        asset: row.get(7)?,
        seconds: row.get(8)?,
        micros: row.get(9)?,
        error: row.get(10)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{asset, bakeoff, store};
    use super::*;
    use crate::{AssetKind, DEFAULT_PROJECT, End, NewAsset, Priority};

    fn job(batch: &str) -> NewJob {
        NewJob {
            project: DEFAULT_PROJECT.into(),
            source: "bakeoff",
            priority: Priority::Batch,
            model: "default".into(),
            work: "{}".into(),
            images: 1,
            start: None,
            mask: None,
            batch: Some(batch.into()),
            label: None,
            planned_seconds: None,
        }
    }

    #[test]
    fn entries_become_jobs_once_and_end_with_them() {
        let (_folder, store) = store();
        let id = bakeoff(&store, "x").id;
        let first = store.next_entry().unwrap().unwrap();
        assert!(store.feed_entry(&first, 0, &job(&id)).unwrap().is_none(), "the queue is full");
        let made = store.feed_entry(&first, 8, &job(&id)).unwrap().unwrap();
        assert!(store.feed_entry(&first, 8, &job(&id)).unwrap().is_none(), "it is a job already");
        let second = store.next_entry().unwrap().unwrap();
        assert_ne!(first.id, second.id);
        let failed = store.feed_entry(&second, 8, &job(&id)).unwrap().unwrap();
        assert_eq!(store.settle_entries(&|_| 1).unwrap(), 0);
        let picture = NewAsset {
            kind: AssetKind::Image,
            job: Some((made.id.clone(), 0)),
            model: "default".into(),
            ..NewAsset::upload((1, 1), DEFAULT_PROJECT)
        };
        let picture = store.add_asset(&picture, b"drawn").unwrap().id;
        store.end_job(&made.id, &End::Done, Some(2.0)).unwrap();
        store.end_job(&failed.id, &End::Failed("no".into()), None).unwrap();
        assert_eq!(store.settle_entries(&|seconds| (seconds * 10.0) as i64).unwrap(), 2);
        let done = store.entry(&id, &first.id).unwrap();
        assert_eq!((done.state, done.seconds, done.micros), (EntryState::Done, Some(2.0), Some(20)));
        assert_eq!(done.asset, Some(picture));
        assert_eq!(store.entry(&id, &second.id).unwrap().error.as_deref(), Some("no"));
        assert!(store.next_entry().unwrap().is_none());
        assert_eq!(store.want_entries(&id).unwrap(), 1);
        let again = store.next_entry().unwrap().unwrap();
        assert_eq!(again.id, second.id);
        assert!(store.feed_entry(&second, 8, &job(&id)).unwrap().is_none(), "that was another attempt");
        store.fail_entry(&again, "no model").unwrap();
        assert_eq!(store.entry(&id, &second.id).unwrap().state, EntryState::Failed);
        assert!(store.entry("other", &first.id).is_err());
    }

    #[test]
    fn what_is_removed_leaves_an_entry_without_a_picture() {
        let (_folder, store) = store();
        let id = bakeoff(&store, "x").id;
        let other = asset(&store);
        let given = store.entries(&id).unwrap().into_iter().find(|entry| entry.asset.is_some()).unwrap();
        assert_ne!(given.asset.as_ref(), Some(&other));
        store.remove_asset(given.asset.as_ref().unwrap()).unwrap();
        assert_eq!(store.entry(&id, &given.id).unwrap().asset, None);
    }
}
