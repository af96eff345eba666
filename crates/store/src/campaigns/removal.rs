//! Removing a campaign: everything that is only about it goes. Its jobs stay, as what was used and paid for stays true; its
//! pictures stay unless their removal is asked for, and then those stay that something else holds on to.

use rusqlite::{TransactionBehavior, params};

use super::get;
use crate::{Store, StoreError};

/// What became of the pictures of a campaign that was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemovedCampaign {
    /// Pictures that were removed with it.
    pub removed: i64,
    /// Pictures of it that stay.
    pub kept: i64,
}

/// Pictures that the jobs of a campaign drew.
const DRAWN: &str =
    "SELECT a.id FROM assets a JOIN jobs j ON j.id = a.job WHERE j.batch = ?1 AND j.source = 'campaign'";
/// Those of them that nothing else holds on to: no mark of a person, no picture or job that came from them, no other campaign.
const LOOSE: &str = "AND NOT a.favourite AND a.rating = 0 AND NOT EXISTS (SELECT 1 FROM tags t WHERE t.asset = a.id) \
     AND NOT EXISTS (SELECT 1 FROM assets b WHERE b.parent = a.id) \
     AND a.id NOT IN (SELECT start FROM jobs WHERE start NOT NULL UNION SELECT mask FROM jobs WHERE mask NOT NULL) \
     AND NOT EXISTS (SELECT 1 FROM candidates c WHERE c.asset = a.id AND c.campaign != ?1) \
     AND NOT EXISTS (SELECT 1 FROM candidates c WHERE c.final = a.id AND c.campaign != ?1)";

impl Store {
    /// Removes a campaign with its rows, picks, review, links, votes and answers; with `pictures` also the pictures that it drew
    /// and that nothing else holds on to. One that is being drawn is refused.
    pub fn remove_campaign(&self, id: &str, pictures: bool) -> Result<RemovedCampaign, StoreError> {
        let _files = self.files.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut connection = self.connection();
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let campaign = get(&transaction, id)?;
        let sql = "SELECT count(*) FROM campaign_tasks t JOIN jobs j ON j.id = t.job \
                   WHERE t.campaign = ?1 AND t.state = 'queued' AND j.state IN ('queued', 'running')";
        let under_way: i64 = transaction.query_row(sql, [id], |row| row.get(0))?;
        if under_way > 0 {
            return Err(StoreError::conflict(format!("campaign '{}' is being drawn: cancel it first", campaign.name)));
        }
        let count = |sql: &str| transaction.query_row(&format!("SELECT count(*) FROM ({sql})"), [id], |row| row.get(0));
        let drawn: i64 = count(DRAWN)?;
        let mut hashes: Vec<String> = Vec::new();
        let mut removed = 0;
        if pictures {
            let sql = format!("DELETE FROM assets WHERE id IN ({DRAWN} {LOOSE}) RETURNING sha256");
            let mut statement = transaction.prepare(&sql)?;
            hashes = statement.query_map([id], |row| row.get(0))?.collect::<Result<_, _>>()?;
            removed = hashes.len() as i64;
        }
        transaction.execute("DELETE FROM campaigns WHERE id = ?1", [id])?;
        transaction.commit()?;
        hashes.sort_unstable();
        hashes.dedup();
        for sha256 in hashes {
            let sql = "SELECT count(*) FROM assets WHERE sha256 = ?1";
            let left: i64 = connection.prepare_cached(sql)?.query_row(params![sha256], |row| row.get(0))?;
            if left == 0 {
                // A file that stays is swept at the next start.
                let _ = std::fs::remove_file(self.path(&sha256));
            }
        }
        Ok(RemovedCampaign { removed, kept: drawn - removed })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tasks::tests::{draw, job};
    use super::super::tests::{campaign_of, store};
    use super::*;
    use crate::{AssetChange, CandidateFilter, JobFilter, Stage};

    /// Draws a picture of each row of a campaign.
    fn draw_all(store: &Store, id: &str) -> Vec<String> {
        store.want(id, Stage::Drafts).unwrap();
        while let Some(task) = store.next_task(id).unwrap() {
            store.feed(&task, 100, &job(&task, 1)).unwrap().unwrap();
            draw(store, 7);
        }
        store.settle(&|_, _, _| 0).unwrap();
        let (all, _) = store.candidates(id, &CandidateFilter::default(), 0, 100).unwrap();
        all.into_iter().map(|one| one.asset.unwrap()).collect()
    }

    #[test]
    fn what_others_hold_on_to_stays() {
        let (folder, store) = store();
        let [gone, other] = ["gone", "other"].map(|name| campaign_of(&store, name, 4).id);
        let (of_gone, of_other) = (draw_all(&store, &gone), draw_all(&store, &other));
        let marks = AssetChange { favourite: Some(true), ..AssetChange::default() };
        store.change_asset(&of_gone[0], &marks).unwrap();
        let version = "UPDATE assets SET parent = ?1 WHERE id = ?2";
        store.connection().execute(version, [&of_gone[1], &of_other[0]]).unwrap();
        let paths: Vec<_> = of_gone.iter().map(|id| store.path(&store.asset(id).unwrap().sha256)).collect();
        let found = store.remove_campaign(&gone, true).unwrap();
        assert_eq!(found, RemovedCampaign { removed: 2, kept: 2 });
        let there: Vec<bool> = of_gone.iter().map(|id| store.asset(id).is_ok()).collect();
        assert_eq!(there, [true, true, false, false]);
        assert_eq!(paths.iter().map(|path| path.exists()).collect::<Vec<_>>(), there);
        assert!(store.campaign(&gone).is_err() && store.remove_campaign(&gone, true).is_err());
        for table in ["campaign_rows", "candidates", "campaign_tasks"] {
            let sql = format!("SELECT count(*) FROM {table}");
            let left: i64 = store.connection().query_row(&sql, [], |row| row.get(0)).unwrap();
            assert_eq!(left, 4, "{table}");
        }
        assert_eq!(store.remove_campaign(&other, false).unwrap(), RemovedCampaign { removed: 0, kept: 4 });
        assert!(of_other.iter().all(|id| store.asset_bytes(&store.asset(id).unwrap()).is_ok()));
        let (_, jobs) = store.jobs(&JobFilter::default(), 0, 1).unwrap();
        assert_eq!(jobs, 8, "what was drawn was drawn");
        drop(store);
        assert!(Store::open(folder.path()).is_ok());
    }

    #[test]
    fn what_is_being_drawn_is_refused() {
        let (_folder, store) = store();
        let id = campaign_of(&store, "x", 1).id;
        store.want(&id, Stage::Drafts).unwrap();
        let task = store.next_task(&id).unwrap().unwrap();
        store.feed(&task, 8, &job(&task, 1)).unwrap().unwrap();
        assert!(matches!(store.remove_campaign(&id, true), Err(StoreError::Conflict { .. })));
        store.withdraw(&id, true).unwrap();
        store.remove_campaign(&id, true).unwrap();
    }

    #[test]
    fn a_large_campaign_goes_in_one_sweep() {
        let (_folder, store) = store();
        let id = campaign_of(&store, "x", 10_000).id;
        store.want(&id, Stage::Drafts).unwrap();
        let sql = "INSERT INTO candidates (id, campaign, row, position, seed) \
                   SELECT seq || '-' || n, campaign, seq, n, '7' FROM campaign_rows, (SELECT 0 AS n UNION SELECT 1 UNION SELECT 2)";
        store.connection().execute(sql, []).unwrap();
        assert_eq!(store.remove_campaign(&id, true).unwrap(), RemovedCampaign::default());
    }
}
