//! How far a campaign is, in numbers and one picture.

use rusqlite::{OptionalExtension, params};

use super::get;
use crate::{Store, StoreError};

/// How far a campaign is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CampaignProgress {
    /// Rows whose drafts are there.
    pub drafted: i64,
    /// Tasks that failed, of drafts and finals.
    pub failed: i64,
    /// Drafts that can be picked.
    pub candidates: i64,
    /// How many are picked.
    pub picked: i64,
    /// How many of these have their final.
    pub finals: i64,
    /// How many of these are approved.
    pub approved: i64,
    /// Asset that stands for the campaign: the last pick, or else the last draft.
    pub cover: Option<String>,
}

impl Store {
    /// How far a campaign is.
    pub fn campaign_progress(&self, campaign: &str) -> Result<CampaignProgress, StoreError> {
        let connection = self.connection();
        get(&connection, campaign)?;
        let sql = "SELECT count(*) FILTER (WHERE candidate IS NULL AND state = 'done'), \
                   count(*) FILTER (WHERE state = 'failed') FROM campaign_tasks WHERE campaign = ?1";
        let (drafted, failed) =
            connection.prepare_cached(sql)?.query_row([campaign], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let sql = "SELECT count(*), count(*) FILTER (WHERE picked), count(*) FILTER (WHERE picked AND final NOT NULL), \
                   count(*) FILTER (WHERE picked AND state = 'approved') FROM candidates WHERE campaign = ?1";
        let counts = connection
            .prepare_cached(sql)?
            .query_row([campaign], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
        let (candidates, picked, finals, approved) = counts;
        // In the order of an index, so that one row is read however many there are.
        let sql = "SELECT coalesce(final, asset) FROM candidates WHERE campaign = ?1 AND coalesce(final, asset) NOT NULL \
                   ORDER BY picked DESC, seq DESC LIMIT 1";
        let cover = connection.prepare_cached(sql)?.query_row(params![campaign], |row| row.get(0)).optional()?;
        Ok(CampaignProgress { drafted, failed, candidates, picked, finals, approved, cover })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{campaign_of, store};
    use super::*;

    #[test]
    fn counts_and_cover() {
        let (_folder, store) = store();
        let id = campaign_of(&store, "x", 3).id;
        assert_eq!(store.campaign_progress(&id).unwrap(), CampaignProgress::default());
        assert!(store.campaign_progress("nothing").is_err());
        for sql in [
            "INSERT INTO assets (id, kind, sha256, bytes, width, height, project, prompt, model, created_ms) \
             SELECT 'a' || seq, 'image', 'x', 1, 1, 1, 'default', '', 'm', 0 FROM campaign_rows",
            "INSERT INTO candidates (id, campaign, row, position, seed, asset, final, picked, state) \
             SELECT 'c' || seq, campaign, seq, 0, '7', 'a' || seq, CASE seq WHEN 2 THEN 'a3' END, seq <= 2, \
             CASE seq WHEN 1 THEN 'approved' ELSE 'draft' END FROM campaign_rows",
            "INSERT INTO campaign_tasks (campaign, row, candidate, state) \
             SELECT campaign, seq, NULL, CASE seq WHEN 3 THEN 'failed' ELSE 'done' END FROM campaign_rows",
        ] {
            store.connection().execute(sql, []).unwrap();
        }
        let told = CampaignProgress {
            drafted: 2,
            failed: 1,
            candidates: 3,
            picked: 2,
            finals: 1,
            approved: 1,
            cover: Some("a3".into()),
        };
        assert_eq!(store.campaign_progress(&id).unwrap(), told);
    }
}
