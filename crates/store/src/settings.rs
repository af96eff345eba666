//! Settings: names and JSON values; their meaning is the server's.

use std::collections::BTreeMap;

use crate::{Store, StoreError};

impl Store {
    /// Every setting that was ever set.
    pub fn settings(&self) -> Result<BTreeMap<String, serde_json::Value>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT name, value FROM settings")?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, String>(1)?)))?;
        let rows = rows.collect::<Result<Vec<(String, String)>, _>>()?;
        Ok(rows.into_iter().filter_map(|(name, text)| Some((name, serde_json::from_str(&text).ok()?))).collect())
    }

    /// Sets one.
    pub fn set_setting(&self, name: &str, value: &serde_json::Value) -> Result<(), StoreError> {
        let sql = "INSERT INTO settings VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
        self.connection().execute(sql, [name, &value.to_string()])?;
        Ok(())
    }
}
