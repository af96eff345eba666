//! Campaigns: a brief, its rows, and where the work on them is. A row is drawn by a task, which is one job at a time; what it
//! draws are candidates, of which some are picked, drawn again as finals and reviewed.
//!
//! ```text
//! row ─► task (draft) ─► job ─► candidates ─► picked ─► task (final) ─► job ─► final
//! ```

mod candidates;
mod opinions;
mod progress;
mod removal;
mod review;
mod rows;
mod shares;
mod tasks;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use crate::{Store, StoreError, new_id, now_ms};

pub use candidates::{Candidate, CandidateFilter};
pub use opinions::{Outcome, Pulse, Vote};
pub use progress::CampaignProgress;
pub use removal::RemovedCampaign;
pub use review::{ApprovalTime, Comment, MAX_COMMENTS, MAX_NOTE_BYTES, NewComment, Review};
pub use rows::{CampaignRow, RowFilter};
pub use shares::{MAX_LINKS, ShareLink};
pub use tasks::{Stage, Task, TaskCount, TaskState, UnderWay};

/// Whether work goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CampaignState {
    /// Nothing was asked for that is not done.
    Ready,
    /// Its tasks are drawn.
    Running,
    /// Somebody stopped it for a while.
    Paused,
    /// It stopped by itself; the reason says why.
    Stopped,
    /// Somebody ended it.
    Cancelled,
}

impl CampaignState {
    /// The name in the database and in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Cancelled => "cancelled",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        let all = [Self::Ready, Self::Running, Self::Paused, Self::Stopped, Self::Cancelled];
        all.into_iter().find(|state| state.name() == name)
    }
}

/// A campaign to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCampaign {
    /// Name, one of its kind.
    pub name: String,
    /// Id of the project.
    pub project: String,
    /// The brief as JSON; its meaning is the server's.
    pub brief: String,
}

/// A campaign.
#[derive(Debug, Clone, PartialEq)]
pub struct Campaign {
    /// Id; the batch of its jobs.
    pub id: String,
    /// Name, one of its kind.
    pub name: String,
    /// Id of the project.
    pub project: String,
    /// The brief as JSON.
    pub brief: String,
    /// Whether work goes on.
    pub state: CampaignState,
    /// Why it stopped.
    pub reason: Option<String>,
    /// When it was made.
    pub created_ms: i64,
    /// Rows.
    pub rows: i64,
    /// Jobs that are over.
    pub jobs: i64,
    /// Pictures they made.
    pub pictures: i64,
    /// Seconds that were predicted for those of them that took any.
    pub planned_seconds: f64,
    /// Seconds they took.
    pub seconds: f64,
    /// What they cost when they ended, in micro-units of the budget's currency.
    pub micros: i64,
}

const COLUMNS: &str = "id, name, project, brief, state, reason, created_ms, \
     (SELECT count(*) FROM campaign_rows r WHERE r.campaign = campaigns.id), \
     jobs, pictures, planned_seconds, seconds, micros";

impl Store {
    /// Keeps a campaign with its rows, all or nothing.
    pub fn add_campaign(&self, new: &NewCampaign, rows: &[campaign::Row]) -> Result<Campaign, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let id = new_id();
        let added = transaction.execute(
            "INSERT OR IGNORE INTO campaigns (id, name, project, brief, state, created_ms) \
             VALUES (?1, ?2, ?3, ?4, 'ready', ?5)",
            params![id, new.name, new.project, new.brief, now_ms()],
        )?;
        if added == 0 {
            return Err(StoreError::field("name", "another campaign has this name"));
        }
        rows::insert(&transaction, &id, rows)?;
        let campaign = get(&transaction, &id)?;
        transaction.commit()?;
        Ok(campaign)
    }

    /// The campaign with this id.
    pub fn campaign(&self, id: &str) -> Result<Campaign, StoreError> {
        get(&self.connection(), id)
    }

    /// The campaign with this name or id.
    pub fn find_campaign(&self, name: &str) -> Result<Campaign, StoreError> {
        let connection = self.connection();
        get(&connection, &crate::id_of(&connection, "campaigns", "campaign", name)?)
    }

    /// Campaigns, the newest first, and how many there are in all.
    pub fn campaigns(&self, offset: u32, limit: u32) -> Result<(Vec<Campaign>, i64), StoreError> {
        let connection = self.connection();
        let total = connection.query_row("SELECT count(*) FROM campaigns", [], |row| row.get(0))?;
        let sql = format!("SELECT {COLUMNS} FROM campaigns ORDER BY seq DESC LIMIT {limit} OFFSET {offset}");
        let mut statement = connection.prepare_cached(&sql)?;
        let campaigns = statement.query_map([], read)?.collect::<Result<_, _>>()?;
        Ok((campaigns, total))
    }

    /// Campaigns whose work goes on, the oldest first.
    pub fn running_campaigns(&self) -> Result<Vec<Campaign>, StoreError> {
        let connection = self.connection();
        let sql = format!("SELECT {COLUMNS} FROM campaigns WHERE state = 'running' ORDER BY seq");
        let mut statement = connection.prepare_cached(&sql)?;
        Ok(statement.query_map([], read)?.collect::<Result<_, _>>()?)
    }

    /// Moves a campaign from one of the states `from` to `to`; gives it as it is then, or says that it is in another state.
    pub fn move_campaign(
        &self,
        id: &str,
        from: &[CampaignState],
        to: CampaignState,
        reason: Option<&str>,
    ) -> Result<Campaign, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let campaign = get(&transaction, id)?;
        if !from.contains(&campaign.state) {
            let message = format!("the campaign is {}: it cannot become {}", campaign.state.name(), to.name());
            return Err(StoreError::conflict(message));
        }
        let sql = "UPDATE campaigns SET state = ?2, reason = ?3 WHERE id = ?1";
        transaction.execute(sql, params![id, to.name(), reason])?;
        let campaign = get(&transaction, id)?;
        transaction.commit()?;
        Ok(campaign)
    }
}

fn get(connection: &Connection, id: &str) -> Result<Campaign, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM campaigns WHERE id = ?1"))?;
    statement.query_row([id], read).optional()?.ok_or_else(|| StoreError::unknown("campaign", id))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Campaign> {
    Ok(Campaign {
        id: row.get(0)?,
        name: row.get(1)?,
        project: row.get(2)?,
        brief: row.get(3)?,
        state: named(row, 4, CampaignState::from_name)?,
        reason: row.get(5)?,
        created_ms: row.get(6)?,
        rows: row.get(7)?,
        jobs: row.get(8)?,
        pictures: row.get(9)?,
        planned_seconds: row.get(10)?,
        seconds: row.get(11)?,
        micros: row.get(12)?,
    })
}

/// A column that holds a name.
fn named<T>(row: &Row<'_>, index: usize, from_name: impl Fn(&str) -> Option<T>) -> rusqlite::Result<T> {
    let name: String = row.get(index)?;
    from_name(&name).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(
            index,
            rusqlite::types::Type::Text,
            format!("'{name}' is not known here").into(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        (folder, store)
    }

    pub(super) fn rows(count: u64) -> Vec<campaign::Row> {
        let row = |i: u64| campaign::Row {
            key: format!("{i:05}"),
            values: [("city".to_owned(), format!("city {i}"))].into(),
            prompt: format!("a bicycle in city {i}"),
        };
        (1..=count).map(row).collect()
    }

    pub(super) fn campaign_of(store: &Store, name: &str, count: u64) -> Campaign {
        let new = NewCampaign { name: name.into(), project: "default".into(), brief: "{}".into() };
        store.add_campaign(&new, &rows(count)).unwrap()
    }

    #[test]
    fn names_are_unique_and_nothing_is_half_kept() {
        let (_folder, store) = store();
        let spring = campaign_of(&store, "Spring", 3);
        assert_eq!((spring.rows, spring.state), (3, CampaignState::Ready));
        let new = NewCampaign { name: "Spring".into(), project: "default".into(), brief: "{}".into() };
        assert!(matches!(store.add_campaign(&new, &[]), Err(StoreError::Field { field: "name", .. })));
        let twice = [rows(2), rows(1)].concat();
        let new = NewCampaign { name: "Summer".into(), ..new };
        let error = store.add_campaign(&new, &twice).unwrap_err();
        assert!(error.to_string().contains("00001"), "{error}");
        assert_eq!(store.campaigns(0, 10).unwrap().1, 1);
        assert_eq!(store.find_campaign("Spring").unwrap(), store.find_campaign(&spring.id).unwrap());
        assert!(matches!(store.find_campaign("x"), Err(StoreError::Unknown { .. })));
    }

    #[test]
    fn states_move_only_where_they_may() {
        let (_folder, store) = store();
        let id = campaign_of(&store, "x", 1).id;
        let go = |from: &[CampaignState], to| store.move_campaign(&id, from, to, None);
        assert!(go(&[CampaignState::Ready], CampaignState::Running).is_ok());
        assert!(matches!(go(&[CampaignState::Ready], CampaignState::Running), Err(StoreError::Conflict { .. })));
        assert_eq!(store.running_campaigns().unwrap().len(), 1);
    }
}
