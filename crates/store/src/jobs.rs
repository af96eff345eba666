//! Jobs: queued → running → done, failed or cancelled; running → queued after a crash or an orderly stop.

use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params, params_from_iter};
use serde::{Deserialize, Serialize};

use crate::{Store, StoreError, new_id, now_ms};

/// Most jobs that wait.
pub const MAX_WAITING: usize = 64;
/// Most jobs of batches among them: some places stay free for people who wait in front of a page.
pub const MAX_WAITING_BATCH: usize = 48;
/// Times a job is begun before it is given up.
pub const MAX_ATTEMPTS: u32 = 3;

/// Who comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Somebody waits for it.
    Interactive,
    /// It may take its time.
    Batch,
}

impl Priority {
    /// The name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interactive => "interactive",
            Self::Batch => "batch",
        }
    }
}

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits.
    Queued,
    /// It is being drawn.
    Running,
    /// All its pictures exist.
    Done,
    /// It ended with an error.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl State {
    /// The name in the database and in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more happens to the job.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Queued, Self::Running, Self::Done, Self::Failed, Self::Cancelled].into_iter().find(|s| s.name() == name)
    }
}

/// A job to be queued.
#[derive(Debug, Clone, PartialEq)]
pub struct NewJob {
    /// Id of the project.
    pub project: String,
    /// The interface it came through.
    pub source: &'static str,
    /// Who comes first.
    pub priority: Priority,
    /// Name of the model.
    pub model: String,
    /// What to do, as JSON; its meaning is the server's.
    pub work: String,
    /// Pictures it will make.
    pub images: u32,
    /// Asset to start from.
    pub start: Option<String>,
    /// Asset that says where to draw.
    pub mask: Option<String>,
    /// What jobs that were queued together share.
    pub batch: Option<String>,
    /// What it is called inside the batch, as JSON.
    pub label: Option<String>,
    /// Seconds that are predicted, if that is known already.
    pub planned_seconds: Option<f64>,
}

/// A job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Id.
    pub id: String,
    /// Id of the project.
    pub project: String,
    /// The interface it came through.
    pub source: String,
    /// Who comes first.
    pub priority: Priority,
    /// Where it is.
    pub state: State,
    /// Times it was begun.
    pub attempts: u32,
    /// Name of the model.
    pub model: String,
    /// What to do, as JSON.
    pub work: String,
    /// Pictures it will make.
    pub images: u32,
    /// Asset to start from.
    pub start: Option<String>,
    /// Asset that says where to draw.
    pub mask: Option<String>,
    /// What jobs that were queued together share.
    pub batch: Option<String>,
    /// What it is called inside the batch, as JSON.
    pub label: Option<String>,
    /// When it was queued.
    pub created_ms: i64,
    /// When it was last begun.
    pub started_ms: Option<i64>,
    /// When it ended.
    pub finished_ms: Option<i64>,
    /// Seconds that were predicted.
    pub planned_seconds: Option<f64>,
    /// Seconds that it took.
    pub seconds: Option<f64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq)]
pub enum Submitted {
    /// New jobs were queued.
    New(Vec<Job>),
    /// The same was submitted before under this key.
    Known(Vec<Job>),
    /// Something else was submitted before under this key.
    KeyReused,
    /// So many jobs wait already that these cannot be taken.
    Full {
        /// Jobs that wait.
        waiting: usize,
    },
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// All its pictures exist.
    Done,
    /// It cannot be done, and why.
    Failed(String),
    /// Somebody stopped it.
    Cancelled,
}

/// Which jobs to list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct JobFilter {
    /// Only in this state.
    pub state: Option<State>,
    /// Only of this project.
    pub project: Option<String>,
    /// Only of this batch.
    pub batch: Option<String>,
    /// Only those that have not ended.
    pub open: bool,
}

const COLUMNS: &str = "id, project, source, priority, state, attempts, model, work, images, start, mask, batch, label, \
     created_ms, started_ms, finished_ms, planned_seconds, seconds, error";

impl Store {
    /// Queues jobs, all or none. `key` is the client's idempotency key, one of its kind for each `owner`; `fingerprint` says
    /// whether the same was asked for.
    pub fn submit(
        &self,
        owner: &str,
        key: Option<&str>,
        fingerprint: &str,
        jobs: &[NewJob],
    ) -> Result<Submitted, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if let Some(key) = key
            && let Some(known) = known(&transaction, owner, key, fingerprint)?
        {
            return Ok(known);
        }
        let waiting = waiting(&transaction)?;
        let most = match jobs.iter().map(|job| job.priority).max() {
            Some(Priority::Batch) => MAX_WAITING_BATCH,
            _ => MAX_WAITING,
        };
        if waiting + jobs.len() > most {
            return Ok(Submitted::Full { waiting });
        }
        let mut added = Vec::with_capacity(jobs.len());
        for (i, job) in jobs.iter().enumerate() {
            added.push(insert(&transaction, owner, key.filter(|_| i == 0), fingerprint, job)?);
        }
        transaction.commit()?;
        Ok(Submitted::New(added))
    }

    /// The job with this id.
    pub fn job(&self, id: &str) -> Result<Job, StoreError> {
        get(&self.connection(), id)
    }

    /// Jobs, the newest first, and how many there are in all.
    pub fn jobs(&self, filter: &JobFilter, offset: u32, limit: u32) -> Result<(Vec<Job>, i64), StoreError> {
        let mut conditions = vec!["1"];
        let mut values: Vec<&str> = Vec::new();
        for (condition, value) in [
            ("state = ?", filter.state.map(State::name)),
            ("project = ?", filter.project.as_deref()),
            ("batch = ?", filter.batch.as_deref()),
        ] {
            if let Some(value) = value {
                conditions.push(condition);
                values.push(value);
            }
        }
        if filter.open {
            conditions.push("state IN ('queued', 'running')");
        }
        let conditions = conditions.join(" AND ");
        let connection = self.connection();
        let count = format!("SELECT count(*) FROM jobs WHERE {conditions}");
        let total = connection.prepare_cached(&count)?.query_row(params_from_iter(&values), |row| row.get(0))?;
        let sql =
            format!("SELECT {COLUMNS} FROM jobs WHERE {conditions} ORDER BY seq DESC LIMIT {limit} OFFSET {offset}");
        let mut statement = connection.prepare_cached(&sql)?;
        let jobs = statement.query_map(params_from_iter(&values), read)?.collect::<Result<_, _>>()?;
        Ok((jobs, total))
    }

    /// Jobs that wait, in the order in which they will be begun.
    pub fn queue(&self) -> Result<Vec<Job>, StoreError> {
        let connection = self.connection();
        let sql = format!("SELECT {COLUMNS} FROM jobs WHERE state = 'queued' ORDER BY priority, seq");
        let mut statement = connection.prepare_cached(&sql)?;
        Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
    }

    /// How many jobs wait.
    pub fn waiting(&self) -> Result<usize, StoreError> {
        waiting(&self.connection())
    }

    /// Jobs by state, for the metrics.
    pub fn job_counts(&self) -> Result<Vec<(State, i64)>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT state, count(*) FROM jobs GROUP BY state")?;
        let rows = statement.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        let rows = rows.collect::<Result<Vec<_>, _>>()?;
        Ok(rows.into_iter().filter_map(|(name, count)| Some((State::from_name(&name)?, count))).collect())
    }

    /// Begins the next job, if one waits.
    pub fn begin_next(&self) -> Result<Option<Job>, StoreError> {
        let connection = self.relaxed();
        let sql = format!(
            "UPDATE jobs SET state = 'running', attempts = attempts + 1, started_ms = ?1 WHERE seq = \
             (SELECT seq FROM jobs WHERE state = 'queued' ORDER BY priority, seq LIMIT 1) RETURNING {COLUMNS}"
        );
        Ok(connection.prepare_cached(&sql)?.query_row([now_ms()], read).optional()?)
    }

    /// Ends a job that waits or runs; gives it as it is then. One that has ended stays as it is.
    pub fn end_job(&self, id: &str, end: &End, seconds: Option<f64>) -> Result<Job, StoreError> {
        let (state, error) = match end {
            End::Done => (State::Done, None),
            End::Failed(message) => (State::Failed, Some(message)),
            End::Cancelled => (State::Cancelled, None),
        };
        let connection = self.relaxed();
        connection
            .prepare_cached(
                "UPDATE jobs SET state = ?2, finished_ms = ?3, seconds = ?4, error = ?5 \
                 WHERE id = ?1 AND state IN ('queued', 'running')",
            )?
            .execute(params![id, state.name(), now_ms(), seconds, error])?;
        if let Some(seconds) = seconds {
            // Pictures that are drawn together have no time of their own: each takes its share.
            connection
                .prepare_cached(
                    "UPDATE assets SET seconds = ?2 / (SELECT count(*) FROM assets WHERE job = ?1) WHERE job = ?1",
                )?
                .execute(params![id, seconds])?;
        }
        get(&connection, id)
    }

    /// Cancels a job if it still waits; whether it did.
    pub fn cancel_waiting(&self, id: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE jobs SET state = 'cancelled', finished_ms = ?2 WHERE id = ?1 AND state = 'queued'";
        Ok(self.connection().execute(sql, params![id, now_ms()])? > 0)
    }

    /// Puts a running job back after the worker ended under it: into the queue, or to the failed ones after
    /// [`MAX_ATTEMPTS`] times.
    pub fn retry_job(&self, id: &str, why: &str) -> Result<Job, StoreError> {
        let connection = self.relaxed();
        retry(&connection, Some(id), why)?;
        get(&connection, id)
    }

    /// Puts a running job back because the server stops in good order: that was no attempt.
    pub fn release_job(&self, id: &str) -> Result<(), StoreError> {
        let sql = "UPDATE jobs SET state = 'queued', attempts = attempts - 1, started_ms = NULL \
                   WHERE id = ?1 AND state = 'running'";
        self.relaxed().execute(sql, [id])?;
        Ok(())
    }

    /// Says how long a job will take.
    pub fn set_planned(&self, id: &str, seconds: f64) -> Result<(), StoreError> {
        let sql = "UPDATE jobs SET planned_seconds = ?2 WHERE id = ?1";
        self.relaxed().execute(sql, params![id, seconds])?;
        Ok(())
    }

    /// What the server was doing when it was killed waits again.
    pub(crate) fn requeue_running(&self) -> Result<(), StoreError> {
        retry(&self.connection(), None, "the server ended while it was drawn")
    }
}

/// Queues one job.
impl Store {
    /// The label of the first job of a batch, if there is one: what the others go by.
    pub fn first_label(&self, batch: &str) -> Result<Option<String>, StoreError> {
        let sql = "SELECT label FROM jobs WHERE batch = ?1 AND label IS NOT NULL ORDER BY seq LIMIT 1";
        Ok(self.connection().prepare_cached(sql)?.query_row([batch], |row| row.get(0)).optional()?)
    }
}

pub(crate) fn insert(
    transaction: &Transaction<'_>,
    owner: &str,
    key: Option<&str>,
    fingerprint: &str,
    job: &NewJob,
) -> Result<Job, StoreError> {
    let id = new_id();
    transaction
        .prepare_cached(
            "INSERT INTO jobs (id, owner, idempotency_key, fingerprint, project, source, priority, state, model, \
             work, images, start, mask, batch, label, created_ms, planned_seconds) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 'queued', ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
        )?
        .execute(params![
            id,
            owner,
            key,
            fingerprint,
            job.project,
            job.source,
            job.priority as i64,
            job.model,
            job.work,
            job.images,
            job.start,
            job.mask,
            job.batch,
            job.label,
            now_ms(),
            job.planned_seconds
        ])?;
    get(transaction, &id)
}

fn retry(connection: &Connection, id: Option<&str>, why: &str) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE jobs SET state = 'failed', finished_ms = ?2, error = ?3 \
         WHERE state = 'running' AND attempts >= ?4 AND (?1 IS NULL OR id = ?1)",
        params![id, now_ms(), format!("given up after {MAX_ATTEMPTS} attempts: {why}"), MAX_ATTEMPTS],
    )?;
    connection.execute(
        "UPDATE jobs SET state = 'queued', started_ms = NULL WHERE state = 'running' AND (?1 IS NULL OR id = ?1)",
        [id],
    )?;
    Ok(())
}

pub(crate) fn waiting(connection: &Connection) -> Result<usize, StoreError> {
    let mut statement = connection.prepare_cached("SELECT count(*) FROM jobs WHERE state = 'queued'")?;
    let count: i64 = statement.query_row([], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

pub(crate) fn get(connection: &Connection, id: &str) -> Result<Job, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1"))?;
    statement.query_row([id], read).optional()?.ok_or_else(|| StoreError::unknown("job", id))
}

/// What was submitted under this key before.
fn known(
    transaction: &Transaction<'_>,
    owner: &str,
    key: &str,
    fingerprint: &str,
) -> Result<Option<Submitted>, StoreError> {
    let mut statement =
        transaction.prepare_cached("SELECT id, fingerprint FROM jobs WHERE owner = ?1 AND idempotency_key = ?2")?;
    let found: Option<(String, String)> =
        statement.query_row([owner, key], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((id, found)) = found else { return Ok(None) };
    if found != fingerprint {
        return Ok(Some(Submitted::KeyReused));
    }
    let job = get(transaction, &id)?;
    let Some(batch) = &job.batch else { return Ok(Some(Submitted::Known(vec![job]))) };
    let sql = format!("SELECT {COLUMNS} FROM jobs WHERE batch = ?1 ORDER BY seq");
    let mut statement = transaction.prepare_cached(&sql)?;
    let jobs = statement.query_map([batch], read)?.collect::<Result<_, _>>()?;
    Ok(Some(Submitted::Known(jobs)))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Job> {
    let state: String = row.get(4)?;
    Ok(Job {
        id: row.get(0)?,
        project: row.get(1)?,
        source: row.get(2)?,
        priority: if row.get::<_, i64>(3)? == 0 { Priority::Interactive } else { Priority::Batch },
        // The table's own check allows no other name.
        state: State::from_name(&state).unwrap_or(State::Failed),
        attempts: row.get(5)?,
        model: row.get(6)?,
        work: row.get(7)?,
        images: row.get(8)?,
        start: row.get(9)?,
        mask: row.get(10)?,
        batch: row.get(11)?,
        label: row.get(12)?,
        created_ms: row.get(13)?,
        started_ms: row.get(14)?,
        finished_ms: row.get(15)?,
        planned_seconds: row.get(16)?,
        seconds: row.get(17)?,
        error: row.get(18)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(priority: Priority) -> NewJob {
        NewJob {
            project: crate::DEFAULT_PROJECT.into(),
            source: "native",
            priority,
            model: "default".into(),
            work: "{}".into(),
            images: 1,
            start: None,
            mask: None,
            batch: None,
            label: None,
            planned_seconds: None,
        }
    }

    fn one(submitted: Submitted) -> Job {
        match submitted {
            Submitted::New(mut jobs) => jobs.remove(0),
            other => panic!("{other:?}"),
        }
    }

    fn add(store: &Store, priority: Priority) -> Job {
        one(store.submit("", None, "", &[job(priority)]).unwrap())
    }

    #[test]
    fn interactive_jobs_come_first_and_then_the_oldest() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let ids = [Priority::Batch, Priority::Interactive, Priority::Batch, Priority::Interactive]
            .map(|priority| add(&store, priority).id);
        let order: Vec<String> = std::iter::from_fn(|| store.begin_next().unwrap()).map(|job| job.id).collect();
        assert_eq!(order, [1, 3, 0, 2].map(|i: usize| ids[i].clone()));
    }

    #[test]
    fn a_key_submits_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let submit = |owner, print| store.submit(owner, Some("k"), print, &[job(Priority::Interactive)]).unwrap();
        let first = one(submit("a", "x"));
        assert_eq!(submit("a", "x"), Submitted::Known(vec![first]));
        assert_eq!(submit("a", "y"), Submitted::KeyReused);
        assert!(matches!(submit("b", "y"), Submitted::New(_)));
        assert_eq!(store.waiting().unwrap(), 2);
        let batch = NewJob { batch: Some("b".into()), ..job(Priority::Batch) };
        let submit = || store.submit("a", Some("grid"), "x", &[batch.clone(), batch.clone()]).unwrap();
        let Submitted::New(jobs) = submit() else { panic!("new") };
        assert_eq!(submit(), Submitted::Known(jobs));
    }

    #[test]
    fn the_queue_has_an_end_and_keeps_places_for_people() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let batch = vec![job(Priority::Batch); MAX_WAITING_BATCH];
        assert!(matches!(store.submit("", None, "", &batch).unwrap(), Submitted::New(_)));
        let full = Submitted::Full { waiting: MAX_WAITING_BATCH };
        assert_eq!(store.submit("", None, "", &batch[..1]).unwrap(), full);
        for _ in MAX_WAITING_BATCH..MAX_WAITING {
            add(&store, Priority::Interactive);
        }
        let full = Submitted::Full { waiting: MAX_WAITING };
        assert_eq!(store.submit("", None, "", &[job(Priority::Interactive)]).unwrap(), full);
        store.begin_next().unwrap();
        add(&store, Priority::Interactive);
    }

    #[test]
    fn crashes_are_counted_and_stops_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = Store::open(folder.path()).unwrap();
        let id = add(&store, Priority::Interactive).id;
        store.begin_next().unwrap();
        store.release_job(&id).unwrap();
        for attempt in 1..=MAX_ATTEMPTS {
            let begun = store.begin_next().unwrap().unwrap();
            assert_eq!((begun.id.as_str(), begun.attempts), (id.as_str(), attempt));
            drop(store);
            store = Store::open(folder.path()).unwrap();
        }
        let given_up = store.job(&id).unwrap();
        assert_eq!(given_up.state, State::Failed);
        assert!(given_up.error.unwrap().contains("3 attempts"));
        assert!(store.begin_next().unwrap().is_none());
    }

    #[test]
    fn what_ended_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let id = add(&store, Priority::Interactive).id;
        assert!(store.cancel_waiting(&id).unwrap());
        assert!(!store.cancel_waiting(&id).unwrap());
        assert_eq!(store.end_job(&id, &End::Done, Some(1.0)).unwrap().state, State::Cancelled);
        let filter = JobFilter { state: Some(State::Cancelled), ..JobFilter::default() };
        assert_eq!(store.jobs(&filter, 0, 10).unwrap().1, 1);
        assert_eq!(store.jobs(&JobFilter { open: true, ..JobFilter::default() }, 0, 10).unwrap().1, 0);
        assert!(matches!(store.job("nothing"), Err(StoreError::Unknown { what: "job", .. })));
    }
}
