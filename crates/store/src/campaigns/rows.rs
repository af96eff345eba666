//! Rows of a campaign: what stands in the slots of each asset.

use campaign::ReviewState;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::get;
use super::tasks::TaskState;
use crate::{Store, StoreError};

/// A row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignRow {
    /// Its name, one of its kind in the campaign.
    pub key: String,
    /// What stands in its slots, as JSON.
    pub slots: String,
    /// Its finished prompt.
    pub prompt: String,
    /// Where its drafts are; absent if nobody asked for them.
    pub state: Option<TaskState>,
    /// Why there are none.
    pub error: Option<String>,
    /// How many drafts there are.
    pub candidates: i64,
    /// How many of them are picked.
    pub picked: i64,
}

/// Which rows; absent = all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowFilter {
    /// Where their drafts are.
    pub state: Option<TaskState>,
    /// What stands in their name, their prompt, or one of their values; capital letters of ASCII count as small ones.
    pub search: Option<String>,
    /// Only those with a pick, or only those without one.
    pub picked: Option<bool>,
    /// Only those with a pick that is there in the review.
    pub review: Option<ReviewState>,
}

impl Store {
    /// Adds rows to a campaign, all or none.
    pub fn add_campaign_rows(&self, campaign: &str, rows: &[campaign::Row]) -> Result<(), StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let there = get(&transaction, campaign)?.rows;
        if there + rows.len() as i64 > campaign::MAX_ROWS as i64 {
            let message = format!("{there} rows and {} more: at most {} are allowed", rows.len(), campaign::MAX_ROWS);
            return Err(StoreError::field("rows", message));
        }
        insert(&transaction, campaign, rows)?;
        transaction.commit()?;
        Ok(())
    }

    /// Rows of a campaign in their order, and how many there are in all.
    pub fn campaign_rows(
        &self,
        campaign: &str,
        filter: &RowFilter,
        offset: u32,
        limit: u32,
    ) -> Result<(Vec<CampaignRow>, i64), StoreError> {
        let connection = self.connection();
        get(&connection, campaign)?;
        let from = "FROM campaign_rows r LEFT JOIN campaign_tasks t ON t.row = r.seq AND t.candidate IS NULL \
                    WHERE r.campaign = ?1 AND (?2 IS NULL OR t.state = ?2) \
                    AND (?3 IS NULL OR instr(lower(r.key), lower(?3)) OR instr(lower(r.prompt), lower(?3)) \
                    OR EXISTS (SELECT 1 FROM json_each(r.slots) s WHERE instr(lower(s.value), lower(?3)))) \
                    AND (?4 IS NULL OR ?4 = EXISTS (SELECT 1 FROM candidates c WHERE c.row = r.seq AND c.picked)) \
                    AND (?5 IS NULL OR EXISTS \
                    (SELECT 1 FROM candidates c WHERE c.row = r.seq AND c.picked AND c.state = ?5))";
        let (state, review) = (filter.state.map(TaskState::name), filter.review.map(ReviewState::name));
        let values = params![campaign, state, filter.search, filter.picked, review];
        let total =
            connection.prepare_cached(&format!("SELECT count(*) {from}"))?.query_row(values, |row| row.get(0))?;
        let sql = format!(
            "SELECT r.key, r.slots, r.prompt, t.state, t.error, \
             (SELECT count(*) FROM candidates c WHERE c.row = r.seq), \
             (SELECT count(*) FROM candidates c WHERE c.row = r.seq AND c.picked) \
             {from} ORDER BY r.seq LIMIT {limit} OFFSET {offset}"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map(values, read)?.collect::<Result<_, _>>()?;
        Ok((rows, total))
    }

    /// How many rows have prompts of about the same length, with one of these prompts each: `step` bytes count as the same.
    pub fn prompt_lengths(&self, campaign: &str, step: u32) -> Result<Vec<(String, i64)>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT min(prompt), count(*) FROM campaign_rows WHERE campaign = ?1 \
             GROUP BY length(CAST(prompt AS BLOB)) / ?2",
        )?;
        let found = statement.query_map(params![campaign, step.max(1)], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(found.collect::<Result<_, _>>()?)
    }
}

/// Adds rows; a key that is there already is the error.
pub fn insert(connection: &Connection, campaign: &str, rows: &[campaign::Row]) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO campaign_rows (campaign, key, slots, prompt) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT (campaign, key) DO NOTHING RETURNING seq",
    )?;
    for row in rows {
        let slots = serde_json::to_string(&row.values).map_err(|error| StoreError::field("rows", error.to_string()))?;
        let added: Option<i64> =
            statement.query_row(params![campaign, row.key, slots, row.prompt], |row| row.get(0)).optional()?;
        if added.is_none() {
            return Err(StoreError::field("rows", format!("the campaign has a row '{}' already", row.key)));
        }
    }
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<CampaignRow> {
    let state: Option<String> = row.get(3)?;
    Ok(CampaignRow {
        key: row.get(0)?,
        slots: row.get(1)?,
        prompt: row.get(2)?,
        state: state.as_deref().and_then(TaskState::from_name),
        error: row.get(4)?,
        candidates: row.get(5)?,
        picked: row.get(6)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{campaign_of, rows, store};
    use super::*;

    #[test]
    fn rows_are_added_all_or_none() {
        let (_folder, store) = store();
        let id = campaign_of(&store, "x", 2).id;
        let mut more = rows(4);
        assert!(store.add_campaign_rows(&id, &more).unwrap_err().to_string().contains("'00001'"));
        assert_eq!(store.campaign(&id).unwrap().rows, 2);
        more.drain(..2);
        store.add_campaign_rows(&id, &more).unwrap();
        let (page, total) = store.campaign_rows(&id, &RowFilter::default(), 1, 2).unwrap();
        assert_eq!((page.len(), total, page[0].key.as_str()), (2, 4, "00002"));
        assert_eq!(page[0].slots, r#"{"city":"city 2"}"#);
        assert!(store.add_campaign_rows("nothing", &more).is_err());
        assert_eq!(store.prompt_lengths(&id, 32).unwrap(), [("a bicycle in city 1".to_owned(), 4)]);
    }

    #[test]
    fn rows_are_found_by_what_they_say_and_what_became_of_them() {
        let (_folder, store) = store();
        let id = campaign_of(&store, "x", 12).id;
        let sql = "INSERT INTO candidates (id, campaign, row, position, seed, picked, state) \
                   SELECT 'c' || seq, campaign, seq, 0, '7', seq = 2, CASE seq WHEN 2 THEN 'in_review' ELSE 'draft' END \
                   FROM campaign_rows WHERE seq <= 3";
        store.connection().execute(sql, []).unwrap();
        let keys = |filter: RowFilter| -> Vec<String> {
            let (rows, total) = store.campaign_rows(&id, &filter, 0, 50).unwrap();
            assert_eq!(rows.len() as i64, total);
            rows.into_iter().map(|row| row.key).collect()
        };
        let search = |text: &str| keys(RowFilter { search: Some(text.into()), ..RowFilter::default() });
        assert_eq!(search("CITY 1"), ["00001", "00010", "00011", "00012"]);
        assert_eq!(search("00007"), ["00007"]);
        // Names of columns are not searched, and nothing is a pattern.
        for nothing in ["%", "_", "\"city\""] {
            assert!(search(nothing).is_empty(), "{nothing}");
        }
        let picked = |picked| keys(RowFilter { picked: Some(picked), ..RowFilter::default() });
        assert_eq!((picked(true), picked(false).len()), (vec!["00002".to_owned()], 11));
        let review = |review| keys(RowFilter { review: Some(review), ..RowFilter::default() });
        assert_eq!((review(ReviewState::InReview), review(ReviewState::Draft)), (vec!["00002".to_owned()], vec![]));
        let found = store.candidates_of_rows(&id, &["00002".into(), "00003".into(), "00004".into()]).unwrap();
        assert_eq!(found.iter().map(|one| one.id.as_str()).collect::<Vec<_>>(), ["c2", "c3"]);
    }
}
