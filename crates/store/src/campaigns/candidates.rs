//! Candidates: the drafts of a row, which of them are picked, and their finals.

use campaign::ReviewState;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::{get, named};
use crate::{Store, StoreError, now_ms};

/// A draft of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Id.
    pub id: String,
    /// Id of the campaign.
    pub campaign: String,
    /// Name of the row.
    pub row: String,
    /// The row's finished prompt.
    pub prompt: String,
    /// Its number in the row, from 0.
    pub position: u32,
    /// Its seed, which is also its final's.
    pub seed: u64,
    /// The draft; absent if it was removed.
    pub asset: Option<String>,
    /// The picture at full quality.
    pub final_asset: Option<String>,
    /// Whether somebody picked it.
    pub picked: bool,
    /// Where it is on its way through the review.
    pub state: ReviewState,
    /// Who alone may change it.
    pub locked_by: Option<String>,
    /// Since when.
    pub locked_ms: Option<i64>,
    /// Comments on it.
    pub comments: i64,
}

/// Which candidates; absent = all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CandidateFilter {
    /// Name of their row.
    pub row: Option<String>,
    /// Only those that are picked, or only the others.
    pub picked: Option<bool>,
    /// Where they are in the review.
    pub state: Option<ReviewState>,
}

const COLUMNS: &str = "c.id, c.campaign, r.key, r.prompt, c.position, c.seed, c.asset, c.final, c.picked, c.state, \
     c.locked_by, c.locked_ms, (SELECT count(*) FROM comments k WHERE k.candidate = c.seq)";
const FROM: &str = "FROM candidates c JOIN campaign_rows r ON r.seq = c.row";

impl Store {
    /// Candidates in the order of their rows, and how many there are in all.
    pub fn candidates(
        &self,
        campaign: &str,
        filter: &CandidateFilter,
        offset: u32,
        limit: u32,
    ) -> Result<(Vec<Candidate>, i64), StoreError> {
        let connection = self.connection();
        get(&connection, campaign)?;
        let mut conditions = vec!["c.campaign = ?"];
        let mut values = vec![Value::Text(campaign.to_owned())];
        for (condition, value) in [
            ("r.key = ?", filter.row.clone().map(Value::Text)),
            ("c.picked = ?", filter.picked.map(|picked| Value::Integer(picked.into()))),
            ("c.state = ?", filter.state.map(|state| Value::Text(state.name().into()))),
        ] {
            if let Some(value) = value {
                conditions.push(condition);
                values.push(value);
            }
        }
        let conditions = conditions.join(" AND ");
        let count = format!("SELECT count(*) {FROM} WHERE {conditions}");
        let total = connection.prepare_cached(&count)?.query_row(params_from_iter(&values), |row| row.get(0))?;
        let sql = format!(
            "SELECT {COLUMNS} {FROM} WHERE {conditions} ORDER BY c.row, c.position LIMIT {limit} OFFSET {offset}"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let candidates = statement.query_map(params_from_iter(&values), read)?.collect::<Result<_, _>>()?;
        Ok((candidates, total))
    }

    /// Every candidate of some rows, in the order of the rows.
    pub fn candidates_of_rows(&self, campaign: &str, rows: &[String]) -> Result<Vec<Candidate>, StoreError> {
        let connection = self.connection();
        let keys = serde_json::to_string(rows).map_err(|error| StoreError::field("rows", error.to_string()))?;
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {COLUMNS} {FROM} WHERE r.campaign = ?1 AND r.key IN (SELECT value FROM json_each(?2)) \
             ORDER BY c.row, c.position"
        ))?;
        Ok(statement.query_map(params![campaign, keys], read)?.collect::<Result<_, _>>()?)
    }

    /// The candidate with this id.
    pub fn candidate(&self, id: &str) -> Result<Candidate, StoreError> {
        find(&self.connection(), id)
    }

    /// Picks candidates of a campaign, or takes that back; all or none. What is under review or approved stays picked.
    pub fn pick(&self, campaign: &str, ids: &[String], picked: bool, who: &str) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        get(&transaction, campaign)?;
        for id in ids {
            let candidate = find(&transaction, id)?;
            if candidate.campaign != campaign {
                return Err(StoreError::unknown("candidate of this campaign", id));
            }
            free(&candidate, who)?;
            if !picked && !matches!(candidate.state, ReviewState::Draft | ReviewState::Archived) {
                let message = format!("candidate '{id}' is {}: it stays picked", candidate.state.name());
                return Err(StoreError::conflict(message));
            }
            let sql = "UPDATE candidates SET picked = ?2 WHERE id = ?1";
            transaction.prepare_cached(sql)?.execute(params![id, picked])?;
        }
        transaction.commit()?;
        Ok(())
    }

    /// Lets only one person change a candidate, or (with `lock` false) everybody again; only that person may do so.
    pub fn lock_candidate(&self, id: &str, lock: bool, who: &str) -> Result<Candidate, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        free(&find(&transaction, id)?, who)?;
        let sql = "UPDATE candidates SET locked_by = ?2, locked_ms = ?3 WHERE id = ?1";
        transaction.execute(sql, params![id, lock.then_some(who), lock.then(now_ms)])?;
        let candidate = find(&transaction, id)?;
        transaction.commit()?;
        Ok(candidate)
    }
}

/// Whether somebody may change a candidate.
pub fn free(candidate: &Candidate, who: &str) -> Result<(), StoreError> {
    match &candidate.locked_by {
        Some(other) if other != who => {
            Err(StoreError::conflict(format!("candidate '{}' is locked by {other}", candidate.id)))
        }
        _ => Ok(()),
    }
}

/// The candidate with this id.
pub fn find(connection: &Connection, id: &str) -> Result<Candidate, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} {FROM} WHERE c.id = ?1"))?;
    statement.query_row([id], read).optional()?.ok_or_else(|| StoreError::unknown("candidate", id))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Candidate> {
    let seed: String = row.get(5)?;
    Ok(Candidate {
        id: row.get(0)?,
        campaign: row.get(1)?,
        row: row.get(2)?,
        prompt: row.get(3)?,
        position: row.get(4)?,
        seed: seed.parse().unwrap_or(0),
        asset: row.get(6)?,
        final_asset: row.get(7)?,
        picked: row.get(8)?,
        state: named(row, 9, ReviewState::from_name)?,
        locked_by: row.get(10)?,
        locked_ms: row.get(11)?,
        comments: row.get(12)?,
    })
}
