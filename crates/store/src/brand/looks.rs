//! What was measured of pictures, so that it is measured once. It goes with the picture.

use std::collections::HashMap;

use rusqlite::params;

use crate::{Store, StoreError};

impl Store {
    /// What was measured of these pictures, by asset, as JSON whose meaning is the server's; absent for those that nobody looked at.
    pub fn looks(&self, assets: &[String]) -> Result<HashMap<String, String>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT look FROM looks WHERE asset = ?1")?;
        let mut found = HashMap::new();
        for asset in assets {
            let mut rows = statement.query([asset])?;
            if let Some(row) = rows.next()? {
                found.insert(asset.clone(), row.get(0)?);
            }
        }
        Ok(found)
    }

    /// Keeps what was measured; of pictures that are gone by now nothing is kept.
    pub fn keep_looks(&self, looks: &[(String, String)]) -> Result<(), StoreError> {
        let mut connection = self.relaxed();
        let transaction = connection.transaction()?;
        for (asset, look) in looks {
            let sql = "INSERT OR REPLACE INTO looks SELECT id, ?2 FROM assets WHERE id = ?1";
            transaction.prepare_cached(sql)?.execute(params![asset, look])?;
        }
        transaction.commit()?;
        Ok(())
    }
}
