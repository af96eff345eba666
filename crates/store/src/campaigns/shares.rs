//! Share links: with one, somebody without a key can look at a campaign and comment, and nothing else. What is kept of its token
//! is the SHA-256, which suffices because tokens are random.

use rusqlite::{OptionalExtension, Row, params};

use super::get;
use crate::{Store, StoreError, new_id, now_ms};

/// Most links of a campaign.
pub const MAX_LINKS: i64 = 100;

/// A link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareLink {
    /// Id.
    pub id: String,
    /// Id of the campaign.
    pub campaign: String,
    /// For whom it is.
    pub label: String,
    /// When it was made.
    pub created_ms: i64,
    /// When it ends.
    pub expires_ms: i64,
    /// When somebody ended it.
    pub revoked_ms: Option<i64>,
}

const COLUMNS: &str = "id, campaign, label, created_ms, expires_ms, revoked_ms";

impl Store {
    /// Keeps a link.
    pub fn add_share_link(
        &self,
        campaign: &str,
        sha256: [u8; 32],
        label: &str,
        expires_ms: i64,
    ) -> Result<ShareLink, StoreError> {
        let links = self.share_links(campaign)?;
        if links.len() as i64 >= MAX_LINKS {
            return Err(StoreError::conflict(format!("the campaign has {MAX_LINKS} links already")));
        }
        let sql = format!(
            "INSERT INTO share_links (id, campaign, sha256, label, created_ms, expires_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING {COLUMNS}"
        );
        let values = params![new_id(), campaign, sha256, label, now_ms(), expires_ms];
        Ok(self.connection().query_row(&sql, values, read)?)
    }

    /// Every link of a campaign, the oldest first.
    pub fn share_links(&self, campaign: &str) -> Result<Vec<ShareLink>, StoreError> {
        let connection = self.connection();
        get(&connection, campaign)?;
        let sql = format!("SELECT {COLUMNS} FROM share_links WHERE campaign = ?1 ORDER BY created_ms, id");
        let mut statement = connection.prepare_cached(&sql)?;
        Ok(statement.query_map([campaign], read)?.collect::<Result<_, _>>()?)
    }

    /// The link of a token, if it is neither over nor revoked at this time.
    pub fn share_link_of(&self, sha256: [u8; 32], at_ms: i64) -> Result<Option<ShareLink>, StoreError> {
        let connection = self.connection();
        let sql =
            format!("SELECT {COLUMNS} FROM share_links WHERE sha256 = ?1 AND revoked_ms IS NULL AND expires_ms > ?2");
        let mut statement = connection.prepare_cached(&sql)?;
        Ok(statement.query_row(params![sha256, at_ms], read).optional()?)
    }

    /// Ends a link at once.
    pub fn revoke_share_link(&self, campaign: &str, id: &str) -> Result<(), StoreError> {
        let sql = "UPDATE share_links SET revoked_ms = coalesce(revoked_ms, ?3) WHERE id = ?1 AND campaign = ?2";
        match self.connection().execute(sql, params![id, campaign, now_ms()])? {
            0 => Err(StoreError::unknown("share link", id)),
            _ => Ok(()),
        }
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<ShareLink> {
    Ok(ShareLink {
        id: row.get(0)?,
        campaign: row.get(1)?,
        label: row.get(2)?,
        created_ms: row.get(3)?,
        expires_ms: row.get(4)?,
        revoked_ms: row.get(5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{campaign_of, store};

    #[test]
    fn links_end() {
        let (_folder, store) = store();
        let campaign = campaign_of(&store, "x", 0).id;
        let link = store.add_share_link(&campaign, [7; 32], "agency", 1000).unwrap();
        assert_eq!(store.share_link_of([7; 32], 999).unwrap(), Some(link.clone()));
        assert_eq!(store.share_link_of([7; 32], 1000).unwrap(), None);
        assert_eq!(store.share_link_of([8; 32], 0).unwrap(), None);
        assert!(store.revoke_share_link("other", &link.id).is_err());
        store.revoke_share_link(&campaign, &link.id).unwrap();
        assert_eq!(store.share_link_of([7; 32], 0).unwrap(), None);
        assert!(store.share_links(&campaign).unwrap()[0].revoked_ms.is_some());
    }
}
