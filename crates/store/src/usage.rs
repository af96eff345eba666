//! What was used, by project and day, from the jobs that ended.

use serde::Serialize;

use crate::{Store, StoreError};

/// What a project used on a day.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Usage {
    /// Id of the project.
    pub project: String,
    /// Name of the project.
    pub project_name: String,
    /// Day (UTC), `YYYY-MM-DD`.
    pub day: String,
    /// Jobs that ended.
    pub jobs: i64,
    /// Pictures made.
    pub pictures: i64,
    /// Seconds that the machine drew.
    pub seconds: f64,
}

impl Store {
    /// What was used since a time, the newest day first.
    pub fn usage(&self, since_ms: i64) -> Result<Vec<Usage>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT j.project, p.name, date(j.finished_ms / 1000, 'unixepoch') AS day, count(*),
                 sum((SELECT count(*) FROM assets a WHERE a.job = j.id)), sum(coalesce(j.seconds, 0.0))
             FROM jobs j JOIN projects p ON p.id = j.project
             WHERE j.finished_ms >= ?1 GROUP BY j.project, day ORDER BY day DESC, p.name",
        )?;
        let rows = statement.query_map([since_ms], |row| {
            Ok(Usage {
                project: row.get(0)?,
                project_name: row.get(1)?,
                day: row.get(2)?,
                jobs: row.get(3)?,
                pictures: row.get(4)?,
                seconds: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}
