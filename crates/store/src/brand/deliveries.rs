//! What was delivered of a campaign: when, with which version of which kit, and the digest of its manifest.

use rusqlite::{Row, params};

use crate::{Store, StoreError, new_id, now_ms};

/// A delivery to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// Id of the campaign.
    pub campaign: String,
    /// Name of the brand kit.
    pub kit: Option<String>,
    /// Its version.
    pub kit_version: Option<u32>,
    /// What was asked for, as JSON.
    pub wish: String,
    /// Files for channels.
    pub files: i64,
    /// Bytes of the package.
    pub bytes: i64,
    /// SHA-256 of its manifest.
    pub manifest_sha256: String,
}

/// A delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Id.
    pub id: String,
    /// What was delivered.
    pub what: NewDelivery,
    /// When it was made.
    pub made_ms: i64,
}

impl Store {
    /// Keeps that something was delivered.
    pub fn add_delivery(&self, new: &NewDelivery) -> Result<String, StoreError> {
        let id = new_id();
        self.connection().execute(
            "INSERT INTO deliveries (id, campaign, kit, kit_version, wish, files, bytes, manifest_sha256, made_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            params![
                id,
                new.campaign,
                new.kit,
                new.kit_version,
                new.wish,
                new.files,
                new.bytes,
                new.manifest_sha256,
                now_ms()
            ],
        )?;
        Ok(id)
    }

    /// What was delivered of a campaign, the newest first.
    pub fn deliveries(&self, campaign: &str) -> Result<Vec<Delivery>, StoreError> {
        self.campaign(campaign)?;
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT id, campaign, kit, kit_version, wish, files, bytes, manifest_sha256, made_ms FROM deliveries \
             WHERE campaign = ?1 ORDER BY seq DESC",
        )?;
        Ok(statement.query_map([campaign], read)?.collect::<Result<_, _>>()?)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let what = NewDelivery {
        campaign: row.get(1)?,
        kit: row.get(2)?,
        kit_version: row.get(3)?,
        wish: row.get(4)?,
        files: row.get(5)?,
        bytes: row.get(6)?,
        manifest_sha256: row.get(7)?,
    };
    Ok(Delivery { id: row.get(0)?, what, made_ms: row.get(8)? })
}
