//! Tasks: what a campaign still wants drawn. A task becomes a job in the same transaction that takes it from the list, and its
//! candidates are kept in the same transaction that ends it, so that a kill at any moment loses nothing and doubles nothing. The
//! job's idempotency key names task and attempt: a second job of an attempt cannot exist.

use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};
use serde::{Deserialize, Serialize};

use super::{CampaignState, get, named};
use crate::{Job, NewJob, Store, StoreError, jobs, new_id};

/// The owner of the jobs of campaigns; no key has such an id.
const OWNER: &str = "campaigns";

/// What is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Candidates of every row.
    Drafts,
    /// What was picked, at full quality.
    Finals,
}

/// Where a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// It is no job yet.
    Pending,
    /// Its job waits or runs.
    Queued,
    /// What it draws is there.
    Done,
    /// Its job failed.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl TaskState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Pending, Self::Queued, Self::Done, Self::Failed, Self::Cancelled];

    /// The name in the database and in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Queued => "queued",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}

/// A task that waits to become a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    seq: i64,
    attempt: i64,
    /// Id of the campaign.
    pub campaign: String,
    /// Name of the row.
    pub row: String,
    /// The row's finished prompt.
    pub prompt: String,
    /// The seed of the picked candidate; absent for drafts.
    pub final_seed: Option<u64>,
}

/// What waits or runs of a campaign.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct UnderWay {
    /// Jobs.
    pub jobs: i64,
    /// Pictures they will make.
    pub pictures: i64,
    /// Seconds that are predicted for them.
    pub planned_seconds: f64,
}

/// How many tasks of a stage are in a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskCount {
    /// What they draw.
    pub stage: Stage,
    /// Where they are.
    pub state: TaskState,
    /// How many.
    pub count: i64,
}

impl Store {
    /// Wants drafts of every row, or finals of every picked candidate, that are not there or under way, and lets the work begin:
    /// what failed or was cancelled is tried again. Gives how many tasks wait now.
    pub fn want(&self, campaign: &str, stage: Stage) -> Result<i64, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        get(&transaction, campaign)?;
        let (again, new) = match stage {
            Stage::Drafts => (
                "candidate IS NULL",
                "INSERT OR IGNORE INTO campaign_tasks (campaign, row, state) \
                 SELECT campaign, seq, 'pending' FROM campaign_rows WHERE campaign = ?1 ORDER BY seq",
            ),
            Stage::Finals => (
                "candidate IN (SELECT seq FROM candidates WHERE campaign = ?1 AND picked)",
                "INSERT OR IGNORE INTO campaign_tasks (campaign, row, candidate, state) \
                 SELECT campaign, row, seq, 'pending' FROM candidates WHERE campaign = ?1 AND picked ORDER BY seq",
            ),
        };
        let sql = format!(
            "UPDATE campaign_tasks SET state = 'pending', attempt = attempt + 1, job = NULL, error = NULL \
             WHERE campaign = ?1 AND state IN ('failed', 'cancelled') AND {again}"
        );
        transaction.execute(&sql, [campaign])?;
        transaction.execute(new, [campaign])?;
        let sql = "SELECT count(*) FROM campaign_tasks WHERE campaign = ?1 AND state = 'pending'";
        let pending: i64 = transaction.query_row(sql, [campaign], |row| row.get(0))?;
        if pending > 0 {
            let sql = "UPDATE campaigns SET state = 'running', reason = NULL WHERE id = ?1";
            transaction.execute(sql, [campaign])?;
        }
        transaction.commit()?;
        Ok(pending)
    }

    /// The next task of a campaign: drafts in the order of the rows, then finals.
    pub fn next_task(&self, campaign: &str) -> Result<Option<Task>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT t.seq, t.attempt, t.campaign, r.key, r.prompt, c.seed FROM campaign_tasks t \
             JOIN campaign_rows r ON r.seq = t.row LEFT JOIN candidates c ON c.seq = t.candidate \
             WHERE t.campaign = ?1 AND t.state = 'pending' ORDER BY t.seq LIMIT 1",
        )?;
        let read = |row: &Row<'_>| {
            let seed: Option<String> = row.get(5)?;
            Ok(Task {
                seq: row.get(0)?,
                attempt: row.get(1)?,
                campaign: row.get(2)?,
                row: row.get(3)?,
                prompt: row.get(4)?,
                final_seed: seed.and_then(|seed| seed.parse().ok()),
            })
        };
        Ok(statement.query_row([campaign], read).optional()?)
    }

    /// Makes a task a job, if the campaign still runs, the task still waits, and fewer than `most` jobs do.
    pub fn feed(&self, task: &Task, most: usize, job: &NewJob) -> Result<Option<Job>, StoreError> {
        // A power cut undoes job and task together; the next start does both again.
        let mut connection = self.relaxed();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let sql = "SELECT count(*) FROM campaign_tasks t JOIN campaigns c ON c.id = t.campaign \
                   WHERE t.seq = ?1 AND t.attempt = ?2 AND t.state = 'pending' AND c.state = 'running'";
        let waits: i64 = transaction.prepare_cached(sql)?.query_row([task.seq, task.attempt], |row| row.get(0))?;
        if waits == 0 || jobs::waiting(&transaction)? >= most {
            return Ok(None);
        }
        let key = format!("{}:{}:{}", task.campaign, task.seq, task.attempt);
        let job = jobs::insert(&transaction, OWNER, Some(&key), &key, job)?;
        let sql = "UPDATE campaign_tasks SET state = 'queued', job = ?2 WHERE seq = ?1";
        transaction.prepare_cached(sql)?.execute(params![task.seq, job.id])?;
        transaction.commit()?;
        Ok(Some(job))
    }

    /// Ends the tasks whose jobs are over, keeps what they drew, and adds up what they took; `cost` says what a job costs, by
    /// campaign, seconds and pictures. A campaign without further tasks becomes ready. Gives how many tasks ended.
    pub fn settle(&self, cost: &dyn Fn(&str, f64, u32) -> i64) -> Result<usize, StoreError> {
        let mut connection = self.relaxed();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let over = over(&transaction)?;
        for task in &over {
            settle_one(&transaction, task, cost)?;
        }
        let sql = "UPDATE campaigns SET state = 'ready', reason = NULL WHERE state = 'running' AND NOT EXISTS \
                   (SELECT 1 FROM campaign_tasks t WHERE t.campaign = campaigns.id AND t.state IN ('pending', 'queued'))";
        let ready = transaction.execute(sql, [])?;
        // Nothing to write is the usual case.
        if ready > 0 || !over.is_empty() {
            transaction.commit()?;
        }
        Ok(over.len())
    }

    /// Takes the waiting jobs of a campaign back, as when it is paused; with `end` its tasks do not wait any longer, either.
    /// Gives the jobs that were cancelled, and the ids of those that run.
    pub fn withdraw(&self, campaign: &str, end: bool) -> Result<(Vec<Job>, Vec<String>), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut statement = transaction.prepare_cached(
            "SELECT t.seq, j.id, j.state FROM campaign_tasks t JOIN jobs j ON j.id = t.job \
             WHERE t.campaign = ?1 AND t.state = 'queued' AND j.state IN ('queued', 'running') ORDER BY t.seq",
        )?;
        let found = statement.query_map([campaign], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        let found: Vec<(i64, String, String)> = found.collect::<Result<_, _>>()?;
        drop(statement);
        let (mut cancelled, mut running) = (Vec::new(), Vec::new());
        for (seq, id, state) in found {
            if state == "running" {
                running.push(id);
                continue;
            }
            let sql = "UPDATE jobs SET state = 'cancelled', finished_ms = ?2 WHERE id = ?1";
            transaction.prepare_cached(sql)?.execute(params![id, crate::now_ms()])?;
            let sql = "UPDATE campaign_tasks SET state = 'pending', attempt = attempt + 1, job = NULL WHERE seq = ?1";
            transaction.prepare_cached(sql)?.execute([seq])?;
            cancelled.push(jobs::get(&transaction, &id)?);
        }
        if end {
            let sql = "UPDATE campaign_tasks SET state = 'cancelled' WHERE campaign = ?1 AND state = 'pending'";
            transaction.execute(sql, [campaign])?;
        }
        transaction.commit()?;
        Ok((cancelled, running))
    }

    /// What waits or runs of a campaign.
    pub fn under_way(&self, campaign: &str) -> Result<UnderWay, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT count(*), coalesce(sum(j.images), 0), coalesce(sum(j.planned_seconds), 0.0) \
             FROM campaign_tasks t JOIN jobs j ON j.id = t.job \
             WHERE t.campaign = ?1 AND t.state = 'queued' AND j.state IN ('queued', 'running')",
        )?;
        let read =
            |row: &Row<'_>| Ok(UnderWay { jobs: row.get(0)?, pictures: row.get(1)?, planned_seconds: row.get(2)? });
        Ok(statement.query_row([campaign], read)?)
    }

    /// Tasks of a campaign by stage and state.
    pub fn task_counts(&self, campaign: &str) -> Result<Vec<TaskCount>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT candidate IS NULL, state, count(*) FROM campaign_tasks WHERE campaign = ?1 GROUP BY 1, 2",
        )?;
        let read = |row: &Row<'_>| {
            let stage = if row.get(0)? { Stage::Drafts } else { Stage::Finals };
            Ok(TaskCount { stage, state: named(row, 1, TaskState::from_name)?, count: row.get(2)? })
        };
        Ok(statement.query_map([campaign], read)?.collect::<Result<_, _>>()?)
    }

    /// Resumes a campaign that paused or stopped.
    pub fn resume_campaign(&self, id: &str) -> Result<super::Campaign, StoreError> {
        self.move_campaign(id, &[CampaignState::Paused, CampaignState::Stopped], CampaignState::Running, None)
    }
}

/// A task whose job is over.
struct Over {
    seq: i64,
    campaign: String,
    row: i64,
    candidate: Option<i64>,
    job: Job,
}

fn over(connection: &Connection) -> Result<Vec<Over>, StoreError> {
    let mut statement = connection.prepare_cached(
        "SELECT t.seq, t.campaign, t.row, t.candidate, t.job FROM campaign_tasks t JOIN jobs j ON j.id = t.job \
         WHERE t.state = 'queued' AND j.state IN ('done', 'failed', 'cancelled') ORDER BY t.seq",
    )?;
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get::<_, String>(4)?));
    let found = statement.query_map([], read)?.collect::<Result<Vec<_>, _>>()?;
    let whole = |(seq, campaign, row, candidate, job): (_, _, _, _, String)| {
        Ok(Over { seq, campaign, row, candidate, job: jobs::get(connection, &job)? })
    };
    found.into_iter().map(whole).collect()
}

fn settle_one(connection: &Connection, task: &Over, cost: &dyn Fn(&str, f64, u32) -> i64) -> Result<(), StoreError> {
    let job = &task.job;
    let sql = "SELECT id, position, seed FROM assets WHERE job = ?1 ORDER BY position";
    let mut statement = connection.prepare_cached(sql)?;
    let assets = statement.query_map([&job.id], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let assets: Vec<(String, u32, Option<String>)> = assets.collect::<Result<_, _>>()?;
    let state = match job.state {
        crate::State::Done => TaskState::Done,
        crate::State::Cancelled => TaskState::Cancelled,
        _ => TaskState::Failed,
    };
    if state == TaskState::Done {
        for (asset, position, seed) in &assets {
            match task.candidate {
                Some(candidate) => {
                    let sql = "UPDATE candidates SET final = ?2 WHERE seq = ?1";
                    connection.prepare_cached(sql)?.execute(params![candidate, asset])?;
                }
                None => {
                    connection
                        .prepare_cached(
                            "INSERT INTO candidates (id, campaign, row, position, seed, asset) \
                             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (row, position) DO NOTHING",
                        )?
                        .execute(params![new_id(), task.campaign, task.row, position, seed, asset])?;
                }
            }
        }
    }
    let sql = "UPDATE campaign_tasks SET state = ?2, error = ?3 WHERE seq = ?1";
    connection.prepare_cached(sql)?.execute(params![task.seq, state.name(), job.error])?;
    let pictures = u32::try_from(assets.len()).unwrap_or(u32::MAX);
    let seconds = job.seconds.unwrap_or(0.0);
    let planned = job.seconds.and(job.planned_seconds).unwrap_or(0.0);
    connection
        .prepare_cached(
            "UPDATE campaigns SET jobs = jobs + 1, pictures = pictures + ?2, seconds = seconds + ?3, \
             planned_seconds = planned_seconds + ?4, micros = micros + ?5 WHERE id = ?1",
        )?
        .execute(params![task.campaign, pictures, seconds, planned, cost(&task.campaign, seconds, pictures)])?;
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::tests::{campaign_of, store};
    use super::*;
    use crate::{AssetKind, CandidateFilter, End, JobFilter, NewAsset, Priority};

    pub fn job(task: &Task, images: u32) -> NewJob {
        NewJob {
            project: "default".into(),
            source: "campaign",
            priority: Priority::Batch,
            model: "m".into(),
            work: "{}".into(),
            images,
            start: None,
            mask: None,
            batch: Some(task.campaign.clone()),
            label: None,
            planned_seconds: Some(2.0),
        }
    }

    pub fn draw(store: &Store, first_seed: u64) {
        let job = store.begin_next().unwrap().unwrap();
        for position in 0..job.images {
            let new = NewAsset {
                kind: AssetKind::Image,
                job: Some((job.id.clone(), position)),
                model: "m".into(),
                seed: Some(first_seed + u64::from(position)),
                ..NewAsset::upload((1, 1), "default")
            };
            store.add_asset(&new, format!("{}{position}", job.id).as_bytes()).unwrap();
        }
        store.end_job(&job.id, &End::Done, Some(1.5)).unwrap();
    }

    fn cost(_: &str, seconds: f64, pictures: u32) -> i64 {
        (seconds * 1000.0) as i64 + i64::from(pictures)
    }

    #[test]
    fn rows_become_jobs_candidates_and_finals() {
        let (_folder, store) = store();
        let id = campaign_of(&store, "x", 3).id;
        assert_eq!(store.want(&id, Stage::Finals).unwrap(), 0);
        assert_eq!(store.campaign(&id).unwrap().state, CampaignState::Ready);
        assert_eq!(store.want(&id, Stage::Drafts).unwrap(), 3);
        assert_eq!(store.want(&id, Stage::Drafts).unwrap(), 3);
        let first = store.next_task(&id).unwrap().unwrap();
        assert!(store.feed(&first, 0, &job(&first, 2)).unwrap().is_none());
        assert!(store.feed(&first, 8, &job(&first, 2)).unwrap().is_some());
        // The same task again is nothing.
        assert!(store.feed(&first, 8, &job(&first, 2)).unwrap().is_none());
        assert_eq!(store.under_way(&id).unwrap(), UnderWay { jobs: 1, pictures: 2, planned_seconds: 2.0 });
        assert_eq!(store.settle(&cost).unwrap(), 0);
        draw(&store, 7);
        assert_eq!((store.settle(&cost).unwrap(), store.settle(&cost).unwrap()), (1, 0));
        while let Some(task) = store.next_task(&id).unwrap() {
            store.feed(&task, 8, &job(&task, 2)).unwrap().unwrap();
            draw(&store, 100);
        }
        store.settle(&cost).unwrap();
        let campaign = store.campaign(&id).unwrap();
        assert_eq!((campaign.state, campaign.jobs, campaign.pictures), (CampaignState::Ready, 3, 6));
        assert_eq!((campaign.seconds, campaign.planned_seconds, campaign.micros), (4.5, 6.0, 3 * 1502));
        let (all, total) = store.candidates(&id, &CandidateFilter::default(), 0, 10).unwrap();
        assert_eq!((all.len(), total, all[1].seed, all[1].row.as_str()), (6, 6, 8, "00001"));
        store.pick(&id, &[all[1].id.clone()], true, "anna").unwrap();
        assert_eq!((store.want(&id, Stage::Finals).unwrap(), store.want(&id, Stage::Drafts).unwrap()), (1, 1));
        let task = store.next_task(&id).unwrap().unwrap();
        assert_eq!((task.final_seed, task.row.as_str()), (Some(8), "00001"));
        store.feed(&task, 8, &job(&task, 1)).unwrap().unwrap();
        draw(&store, 8);
        store.settle(&cost).unwrap();
        let finished = store.candidate(&all[1].id).unwrap();
        assert!(finished.final_asset.is_some() && finished.asset != finished.final_asset);
        // A picture that is removed leaves its candidate behind.
        store.remove_asset(finished.final_asset.as_deref().unwrap()).unwrap();
        assert_eq!(store.candidate(&all[1].id).unwrap().final_asset, None);
    }

    #[test]
    fn what_is_taken_back_waits_again() {
        let (folder, store) = store();
        let id = campaign_of(&store, "x", 3).id;
        store.want(&id, Stage::Drafts).unwrap();
        for _ in 0..2 {
            let task = store.next_task(&id).unwrap().unwrap();
            store.feed(&task, 8, &job(&task, 1)).unwrap().unwrap();
        }
        store.begin_next().unwrap().unwrap();
        let (cancelled, running) = store.withdraw(&id, false).unwrap();
        assert_eq!((cancelled.len(), running.len()), (1, 1));
        // Killed and started again: the running job waits again, the others are tasks.
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        assert_eq!(store.waiting().unwrap(), 1);
        let again = store.next_task(&id).unwrap().unwrap();
        assert_eq!((again.row.as_str(), again.attempt), ("00002", 1));
        store.move_campaign(&id, &[CampaignState::Running], CampaignState::Paused, None).unwrap();
        assert!(store.feed(&again, 8, &job(&again, 1)).unwrap().is_none());
        store.resume_campaign(&id).unwrap();
        store.feed(&again, 8, &job(&again, 1)).unwrap().unwrap();
        let (cancelled, running) = store.withdraw(&id, true).unwrap();
        assert_eq!((cancelled.len(), running.len()), (2, 0));
        assert!(store.next_task(&id).unwrap().is_none());
        store.settle(&cost).unwrap();
        assert_eq!(store.campaign(&id).unwrap().state, CampaignState::Ready);
        assert_eq!(store.want(&id, Stage::Drafts).unwrap(), 3);
        assert_eq!(store.jobs(&JobFilter::default(), 0, 10).unwrap().1, 3);
    }

    #[test]
    fn ten_thousand_rows_are_kept_and_wanted() {
        let (_folder, store) = store();
        let id = campaign_of(&store, "x", 10_000).id;
        assert_eq!(store.want(&id, Stage::Drafts).unwrap(), 10_000);
        assert_eq!(store.prompt_lengths(&id, 32).unwrap().iter().map(|(_, count)| count).sum::<i64>(), 10_000);
        let counts = store.task_counts(&id).unwrap();
        assert_eq!(counts, [TaskCount { stage: Stage::Drafts, state: TaskState::Pending, count: 10_000 }]);
    }
}
