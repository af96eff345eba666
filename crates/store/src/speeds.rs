//! How fast this machine drew, from the pictures of the jobs that were done.

use std::collections::BTreeMap;

use crate::{Store, StoreError};

/// Jobs that are looked at, the newest ones: a machine that got faster is soon as fast as it is.
const LOOKED_AT: u32 = 5_000;

/// How fast pictures of one kind were drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawingSpeed {
    /// The model.
    pub model: String,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// The preset.
    pub preset: String,
    /// Half of the pictures took at most so many seconds.
    pub p50_seconds: f64,
    /// 95 % took at most so many.
    pub p95_seconds: f64,
    /// Pictures that were measured.
    pub pictures: u64,
}

impl Store {
    /// Seconds of a picture by model, size and preset. Only jobs whose time follows from these three count: nothing to start
    /// from, and neither steps nor sampler nor guidance of their own. Percentiles are nearest ranks.
    pub fn drawing_speeds(&self) -> Result<Vec<DrawingSpeed>, StoreError> {
        let own = ["steps", "guidance", "guidance_interval", "skip_guidance", "sampler", "schedule", "enlarge", "tile"];
        let usual: String = own.map(|field| format!(" AND json_extract(work, '$.{field}') IS NULL")).concat();
        let sql = format!(
            "SELECT j.model, a.width, a.height, j.preset, a.seconds FROM \
             (SELECT id, model, json_extract(work, '$.preset') AS preset FROM jobs WHERE state = 'done' \
             AND start IS NULL AND json_valid(work){usual} ORDER BY seq DESC LIMIT {LOOKED_AT}) j \
             JOIN assets a ON a.job = j.id WHERE a.seconds > 0 AND j.preset IS NOT NULL"
        );
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&sql)?;
        let rows = statement.query_map([], |row| {
            let kind: (String, u32, u32, String) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            Ok((kind, row.get::<_, f64>(4)?))
        })?;
        let mut found: BTreeMap<(String, u32, u32, String), Vec<f64>> = BTreeMap::new();
        for row in rows {
            let (kind, seconds) = row?;
            found.entry(kind).or_default().push(seconds);
        }
        let speed = |((model, width, height, preset), mut seconds): ((String, u32, u32, String), Vec<f64>)| {
            seconds.sort_by(f64::total_cmp);
            let rank = |percent: usize| seconds[(seconds.len() * percent).div_ceil(100).max(1) - 1];
            let (p50_seconds, p95_seconds) = (rank(50), rank(95));
            DrawingSpeed { model, width, height, preset, p50_seconds, p95_seconds, pictures: seconds.len() as u64 }
        };
        Ok(found.into_iter().map(speed).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AssetKind, DEFAULT_PROJECT, End, NewAsset, NewJob, Priority, Submitted};

    fn draw(store: &Store, work: &str, seconds: f64, pictures: u32) {
        let job = NewJob {
            project: DEFAULT_PROJECT.into(),
            source: "native",
            priority: Priority::Batch,
            model: "default".into(),
            work: work.into(),
            images: pictures,
            start: None,
            mask: None,
            batch: None,
            label: None,
            planned_seconds: None,
        };
        let Submitted::New(jobs) = store.submit("", None, "", &[job]).unwrap() else { panic!("new") };
        for position in 0..pictures {
            let asset = NewAsset {
                kind: AssetKind::Image,
                job: Some((jobs[0].id.clone(), position)),
                model: "default".into(),
                ..NewAsset::upload((64, 32), DEFAULT_PROJECT)
            };
            store.add_asset(&asset, b"png").unwrap();
        }
        store.begin_next().unwrap();
        store.end_job(&jobs[0].id, &End::Done, Some(seconds)).unwrap();
    }

    #[test]
    fn percentiles_are_of_pictures_whose_time_is_the_usual_one() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert!(store.drawing_speeds().unwrap().is_empty());
        for seconds in 1..=20 {
            draw(&store, r#"{"preset":"final"}"#, f64::from(seconds), 1);
        }
        // Two pictures of one job take half of its time each.
        draw(&store, r#"{"preset":"draft"}"#, 3.0, 2);
        draw(&store, r#"{"preset":"draft","steps":50}"#, 100.0, 1);
        draw(&store, r#"{"preset":"draft","sampler":"heun"}"#, 100.0, 1);
        let found = store.drawing_speeds().unwrap();
        let told: Vec<_> =
            found.iter().map(|one| (one.preset.as_str(), one.p50_seconds, one.p95_seconds, one.pictures)).collect();
        assert_eq!(told, [("draft", 1.5, 1.5, 2), ("final", 10.0, 19.0, 20)]);
        assert_eq!((found[0].width, found[0].height), (64, 32));
    }
}
