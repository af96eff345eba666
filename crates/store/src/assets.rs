//! Pictures: what was drawn, and what was given to start from. Rows point to files by digest; two rows may share a file,
//! which goes with the last of them.

use std::path::PathBuf;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use serde::{Deserialize, Serialize};

use crate::{Store, StoreError, new_id, now_ms};

/// Best rating; 0 is none.
pub const MAX_RATING: u8 = 5;
/// Most tags of a picture.
pub const MAX_TAGS: usize = 50;
/// Longest tag in bytes.
pub const MAX_TAG_BYTES: usize = 64;

/// Where a picture came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AssetKind {
    /// A job drew it.
    Image,
    /// Somebody gave it to start from, or as a mask.
    Upload,
}

impl AssetKind {
    /// The name in the database and in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Upload => "upload",
        }
    }
}

/// A picture to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewAsset {
    /// Where it came from.
    pub kind: AssetKind,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Id of the project.
    pub project: String,
    /// The job that drew it, and its number there.
    pub job: Option<(String, u32)>,
    /// The picture it was developed from.
    pub parent: Option<String>,
    /// Prompt.
    pub prompt: String,
    /// Name of the model.
    pub model: String,
    /// Seed.
    pub seed: Option<u64>,
    /// Recipe as JSON.
    pub recipe: Option<String>,
    /// Seconds it took.
    pub seconds: Option<f64>,
    /// 64 bits that are alike for pictures that look alike.
    pub dhash: Option<u64>,
}

impl NewAsset {
    /// A picture that somebody gave, of which nothing is known but its size.
    pub fn upload((width, height): (u32, u32), project: &str) -> Self {
        Self {
            kind: AssetKind::Upload,
            width,
            height,
            project: project.to_owned(),
            job: None,
            parent: None,
            prompt: String::new(),
            model: String::new(),
            seed: None,
            recipe: None,
            seconds: None,
            dhash: None,
        }
    }
}

/// A picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Asset {
    /// Id.
    pub id: String,
    /// Where it came from.
    pub kind: AssetKind,
    /// SHA-256 of its PNG file.
    pub sha256: String,
    /// Bytes of its PNG file.
    pub bytes: i64,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Id of the project.
    pub project: String,
    /// The job that drew it.
    pub job: Option<String>,
    /// Its number in the job, from 0.
    pub position: Option<u32>,
    /// The picture it was developed from.
    pub parent: Option<String>,
    /// Prompt.
    pub prompt: String,
    /// Name of the model.
    pub model: String,
    /// Seed.
    pub seed: Option<u64>,
    /// Recipe as JSON.
    pub recipe: Option<String>,
    /// Seconds it took.
    pub seconds: Option<f64>,
    /// 64 bits that are alike for pictures that look alike.
    pub dhash: Option<u64>,
    /// Whether it is a favourite.
    pub favourite: bool,
    /// 0 = none, 1..=5.
    pub rating: u8,
    /// Tags in alphabetical order.
    pub tags: Vec<String>,
    /// When it was made.
    pub created_ms: i64,
}

/// What people change; absent = as it was.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AssetChange {
    /// Whether it is a favourite.
    pub favourite: Option<bool>,
    /// 0..=5.
    pub rating: Option<u8>,
    /// All its tags.
    pub tags: Option<Vec<String>>,
    /// Id of the project.
    pub project: Option<String>,
}

/// In which order pictures are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sort {
    /// The newest first.
    #[default]
    New,
    /// The oldest first.
    Old,
    /// The best rated first, then the newest.
    Rating,
}

/// Which pictures to list; absent = all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AssetFilter {
    /// Where they came from.
    pub kind: Option<AssetKind>,
    /// Words that all stand in prompt, tags or model name.
    pub search: Option<String>,
    /// Id of the project.
    pub project: Option<String>,
    /// Id of the job.
    pub job: Option<String>,
    /// Id of the batch.
    pub batch: Option<String>,
    /// Id of the picture they were developed from.
    pub parent: Option<String>,
    /// A tag.
    pub tag: Option<String>,
    /// Name of the model.
    pub model: Option<String>,
    /// Only favourites, or only the others.
    pub favourite: Option<bool>,
    /// Lowest rating.
    pub min_rating: Option<u8>,
    /// Order.
    pub sort: Sort,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The pictures.
    pub assets: Vec<Asset>,
    /// How many there are in all.
    pub total: i64,
}

const COLUMNS: &str = "id, kind, sha256, bytes, width, height, project, job, position, parent, prompt, model, seed, recipe, \
     seconds, dhash, favourite, rating, created_ms, \
     (SELECT group_concat(tag, char(10)) FROM (SELECT tag FROM tags WHERE asset = assets.id ORDER BY tag))";

impl Store {
    /// Keeps a picture: first its file, then its row. The picture of a job's number that exists already stays as it is.
    pub fn add_asset(&self, new: &NewAsset, png: &[u8]) -> Result<Asset, StoreError> {
        let _files = self.files.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let sha256 = self.put(png)?;
        let (job, position) = new.job.clone().map_or((None, None), |(job, position)| (Some(job), Some(position)));
        // A picture that was drawn would be drawn again; one that was given would not be given again.
        let connection = if job.is_some() { self.relaxed() } else { self.connection() };
        let id = new_id();
        let added = connection
            .prepare_cached(
                "INSERT INTO assets (id, kind, sha256, bytes, width, height, project, job, position, parent, prompt, model, \
                 seed, recipe, seconds, dhash, created_ms) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17) \
                 ON CONFLICT (job, position) DO NOTHING",
            )?
            .execute(params![
                id,
                new.kind.name(),
                sha256,
                png.len() as i64,
                new.width,
                new.height,
                new.project,
                job,
                position,
                new.parent,
                new.prompt,
                new.model,
                new.seed.map(|seed| seed.to_string()),
                new.recipe,
                new.seconds,
                new.dhash.map(u64::cast_signed),
                now_ms()
            ])?;
        if added > 0 {
            return get(&connection, &id);
        }
        let sql = format!("SELECT {COLUMNS} FROM assets WHERE job = ?1 AND position = ?2");
        Ok(connection.prepare_cached(&sql)?.query_row(params![job, position], read)?)
    }

    /// The picture with this id.
    pub fn asset(&self, id: &str) -> Result<Asset, StoreError> {
        get(&self.connection(), id)
    }

    /// Pictures of a job, in its order.
    pub fn job_assets(&self, job: &str) -> Result<Vec<Asset>, StoreError> {
        let connection = self.connection();
        let sql = format!("SELECT {COLUMNS} FROM assets WHERE job = ?1 ORDER BY position");
        Ok(connection.prepare_cached(&sql)?.query_map([job], read)?.collect::<Result<_, _>>()?)
    }

    /// The PNG file of a picture.
    pub fn asset_bytes(&self, asset: &Asset) -> Result<Vec<u8>, StoreError> {
        let path = self.asset_path(asset);
        std::fs::read(&path).map_err(|source| StoreError::File { path, source })
    }

    /// Where the PNG file of a picture lies.
    pub fn asset_path(&self, asset: &Asset) -> PathBuf {
        self.path(&asset.sha256)
    }

    /// Lists pictures.
    pub fn assets(&self, filter: &AssetFilter, offset: u32, limit: u32) -> Result<Page, StoreError> {
        let (conditions, values) = conditions(filter);
        let order = match filter.sort {
            Sort::New => "seq DESC",
            Sort::Old => "seq",
            Sort::Rating => "rating DESC, favourite DESC, seq DESC",
        };
        let connection = self.connection();
        let count = format!("SELECT count(*) FROM assets WHERE {conditions}");
        let total = connection.prepare_cached(&count)?.query_row(params_from_iter(&values), |row| row.get(0))?;
        let sql =
            format!("SELECT {COLUMNS} FROM assets WHERE {conditions} ORDER BY {order} LIMIT {limit} OFFSET {offset}");
        let mut statement = connection.prepare_cached(&sql)?;
        let assets = statement.query_map(params_from_iter(&values), read)?.collect::<Result<_, _>>()?;
        Ok(Page { assets, total })
    }

    /// Every tag in use and how often, the most frequent first.
    pub fn tags(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT tag, count(*) AS n FROM tags GROUP BY tag ORDER BY n DESC, tag")?;
        Ok(statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
    }

    /// Pictures that look like one, the most alike first: at most `limit`, at most `distance` of 64 bits apart.
    pub fn similar(&self, asset: &Asset, distance: u32, limit: usize) -> Result<Vec<(Asset, u32)>, StoreError> {
        let Some(dhash) = asset.dhash else { return Ok(Vec::new()) };
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached("SELECT id, dhash FROM assets WHERE dhash IS NOT NULL AND kind = 'image' AND id <> ?1")?;
        let rows = statement.query_map([&asset.id], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?)))?;
        let mut alike = Vec::new();
        for row in rows {
            let (id, other) = row?;
            let apart = (other.cast_unsigned() ^ dhash).count_ones();
            if apart <= distance {
                alike.push((apart, id));
            }
        }
        alike.sort();
        alike.truncate(limit);
        alike.into_iter().map(|(apart, id)| Ok((get(&connection, &id)?, apart))).collect()
    }

    /// Changes what people change.
    pub fn change_asset(&self, id: &str, change: &AssetChange) -> Result<Asset, StoreError> {
        if let Some(rating) = change.rating
            && rating > MAX_RATING
        {
            return Err(StoreError::field("rating", format!("{rating} is not in 0..={MAX_RATING}")));
        }
        let tags = change.tags.as_deref().map(checked_tags).transpose()?;
        if let Some(project) = &change.project {
            self.project(project)?;
        }
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        get(&transaction, id)?;
        transaction.execute(
            "UPDATE assets SET favourite = coalesce(?2, favourite), rating = coalesce(?3, rating), \
             project = coalesce(?4, project) WHERE id = ?1",
            params![id, change.favourite, change.rating, change.project],
        )?;
        if let Some(tags) = tags {
            transaction.execute("DELETE FROM tags WHERE asset = ?1", [id])?;
            for tag in tags {
                transaction.execute("INSERT OR IGNORE INTO tags VALUES (?1, ?2)", [id, tag])?;
            }
        }
        let asset = get(&transaction, id)?;
        transaction.commit()?;
        Ok(asset)
    }

    /// Removes a picture that no waiting or running job needs; its file goes with the last row that names it.
    pub fn remove_asset(&self, id: &str) -> Result<(), StoreError> {
        let _files = self.files.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let connection = self.connection();
        let asset = get(&connection, id)?;
        let needed: i64 = connection.query_row(
            "SELECT count(*) FROM jobs WHERE state IN ('queued', 'running') AND (start = ?1 OR mask = ?1)",
            [id],
            |row| row.get(0),
        )?;
        if needed > 0 {
            return Err(StoreError::Needed { what: "asset", id: id.to_owned() });
        }
        connection.execute("DELETE FROM assets WHERE id = ?1", [id])?;
        let left: i64 =
            connection.query_row("SELECT count(*) FROM assets WHERE sha256 = ?1", [&asset.sha256], |row| row.get(0))?;
        if left == 0 {
            let path = self.path(&asset.sha256);
            // A file that stays is swept at the next start.
            let _ = std::fs::remove_file(path);
        }
        Ok(())
    }
}

fn conditions(filter: &AssetFilter) -> (String, Vec<Value>) {
    let mut conditions = vec!["1".to_owned()];
    let mut values: Vec<Value> = Vec::new();
    let mut add = |condition: &str, value: Option<Value>| {
        if let Some(value) = value {
            conditions.push(condition.to_owned());
            values.push(value);
        }
    };
    let text = |text: &Option<String>| text.clone().map(Value::Text);
    add("kind = ?", filter.kind.map(|kind| Value::Text(kind.name().to_owned())));
    add("project = ?", text(&filter.project));
    add("job = ?", text(&filter.job));
    add("job IN (SELECT id FROM jobs WHERE batch = ?)", text(&filter.batch));
    add("parent = ?", text(&filter.parent));
    add("model = ?", text(&filter.model));
    add("id IN (SELECT asset FROM tags WHERE tag = ?)", text(&filter.tag));
    add("favourite = ?", filter.favourite.map(|is| Value::Integer(is.into())));
    add("rating >= ?", filter.min_rating.map(|rating| Value::Integer(rating.into())));
    for word in filter.search.iter().flat_map(|search| search.split_whitespace()).take(16) {
        let escaped = word.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let pattern = format!("%{escaped}%");
        conditions.push(
            "(prompt LIKE ? ESCAPE '\\' OR model LIKE ? ESCAPE '\\' \
             OR id IN (SELECT asset FROM tags WHERE tag LIKE ? ESCAPE '\\'))"
                .to_owned(),
        );
        values.extend([Value::Text(pattern.clone()), Value::Text(pattern.clone()), Value::Text(pattern)]);
    }
    (conditions.join(" AND "), values)
}

fn checked_tags(tags: &[String]) -> Result<Vec<&str>, StoreError> {
    if tags.len() > MAX_TAGS {
        return Err(StoreError::field("tags", format!("{} tags; at most {MAX_TAGS} are allowed", tags.len())));
    }
    let check = |tag: &'_ String| {
        let is_good = (1..=MAX_TAG_BYTES).contains(&tag.trim().len()) && !tag.chars().any(char::is_control);
        is_good
            .then_some(())
            .ok_or_else(|| StoreError::field("tags", format!("a tag must be 1 to {MAX_TAG_BYTES} printable bytes")))
    };
    tags.iter().map(|tag| check(tag).map(|()| tag.trim())).collect()
}

fn get(connection: &Connection, id: &str) -> Result<Asset, StoreError> {
    let mut statement = connection.prepare_cached(&format!("SELECT {COLUMNS} FROM assets WHERE id = ?1"))?;
    statement.query_row([id], read).optional()?.ok_or_else(|| StoreError::unknown("asset", id))
}

fn read(row: &Row<'_>) -> rusqlite::Result<Asset> {
    let kind: String = row.get(1)?;
    let tags: Option<String> = row.get(19)?;
    Ok(Asset {
        id: row.get(0)?,
        kind: if kind == AssetKind::Upload.name() { AssetKind::Upload } else { AssetKind::Image },
        sha256: row.get(2)?,
        bytes: row.get(3)?,
        width: row.get(4)?,
        height: row.get(5)?,
        project: row.get(6)?,
        job: row.get(7)?,
        position: row.get(8)?,
        parent: row.get(9)?,
        prompt: row.get(10)?,
        model: row.get(11)?,
        seed: row.get::<_, Option<String>>(12)?.and_then(|seed| seed.parse().ok()),
        recipe: row.get(13)?,
        seconds: row.get(14)?,
        dhash: row.get::<_, Option<i64>>(15)?.map(i64::cast_unsigned),
        favourite: row.get(16)?,
        rating: row.get(17)?,
        created_ms: row.get(18)?,
        tags: tags.map_or(Vec::new(), |tags| tags.lines().map(str::to_owned).collect()),
    })
}

#[cfg(test)]
mod tests {
    use formats::atomic::{Disk, FailingDisk};

    use super::*;

    fn new(prompt: &str) -> NewAsset {
        NewAsset {
            kind: AssetKind::Image,
            width: 1,
            height: 1,
            project: crate::DEFAULT_PROJECT.into(),
            job: None,
            parent: None,
            prompt: prompt.into(),
            model: "default".into(),
            seed: Some(u64::MAX),
            recipe: None,
            seconds: Some(0.5),
            dhash: Some(u64::MAX),
        }
    }

    #[test]
    fn a_file_goes_with_its_last_row() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let (a, b) = (store.add_asset(&new("a"), b"png").unwrap(), store.add_asset(&new("b"), b"png").unwrap());
        assert_eq!((a.sha256.as_str(), a.seed, a.dhash), (b.sha256.as_str(), Some(u64::MAX), Some(u64::MAX)));
        store.remove_asset(&a.id).unwrap();
        assert_eq!(store.asset_bytes(&b).unwrap(), b"png");
        store.remove_asset(&b.id).unwrap();
        assert!(store.asset_bytes(&b).is_err());
        assert!(matches!(store.remove_asset(&b.id), Err(StoreError::Unknown { .. })));
    }

    #[test]
    fn a_number_of_a_job_has_one_picture() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let first = NewAsset { job: Some(("j".into(), 0)), ..new("a") };
        let a = store.add_asset(&first, b"png").unwrap();
        assert_eq!(store.add_asset(&first, b"png").unwrap(), a);
        assert_eq!(store.job_assets("j").unwrap(), [a]);
    }

    #[test]
    fn files_without_a_row_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let kept = store.add_asset(&new("a"), b"png").unwrap();
        let orphan = store.path(&"ab".repeat(32));
        std::fs::create_dir_all(orphan.parent().unwrap()).unwrap();
        std::fs::write(&orphan, b"x").unwrap();
        std::fs::write(orphan.with_extension("tmp"), b"x").unwrap();
        drop(store);
        let store = Store::open(folder.path()).unwrap();
        assert!(!orphan.exists() && !orphan.with_extension("tmp").exists());
        assert!(store.asset_bytes(&kept).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let precious = outside.path().join("precious.png");
        std::fs::write(&precious, b"x").unwrap();
        drop(Store::open(folder.path()).unwrap());
        let assets = folder.path().join(crate::files::ASSETS);
        std::os::unix::fs::symlink(outside.path(), assets.join("ab")).unwrap();
        std::fs::create_dir(assets.join("cd")).unwrap();
        std::os::unix::fs::symlink(&precious, assets.join("cd/link.png")).unwrap();
        drop(Store::open(folder.path()).unwrap());
        assert!(precious.exists());
    }

    /// A disk that is full at its n-th operation, for every n: a picture is kept whole or not at all, and the next one is kept.
    #[test]
    fn a_full_disk_loses_nothing() {
        let png = vec![7; 200_000];
        let healthy = tempfile::tempdir().unwrap();
        let disk = std::sync::Arc::new(FailingDisk::new(u64::MAX));
        Store::open_on(healthy.path(), Box::new(Shared(disk.clone()))).unwrap().add_asset(&new("a"), &png).unwrap();
        let operations = disk.operations();
        assert!(operations >= 5, "{operations}");
        for n in 0..operations {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::open(folder.path()).unwrap();
            let before = store.add_asset(&new("before"), b"png").unwrap();
            drop(store);
            let store = Store::open_on(folder.path(), Box::new(FailingDisk::new(n))).unwrap();
            let failed = store.add_asset(&new("a"), &png);
            assert!(matches!(failed, Err(StoreError::Write(_))), "operation {n}: {failed:?}");
            assert_eq!(
                store.assets(&AssetFilter::default(), 0, 10).unwrap().assets,
                std::slice::from_ref(&before),
                "operation {n}"
            );
            drop(store);
            let store = Store::open(folder.path()).unwrap();
            assert_eq!(store.asset_bytes(&before).unwrap(), b"png", "operation {n}");
            let after = store.add_asset(&new("a"), &png).unwrap();
            assert_eq!(store.asset_bytes(&after).unwrap(), png, "operation {n}");
        }
    }

    /// The same of the database: it may not grow by more than some pages, for every number of them until all fits.
    #[test]
    fn a_full_database_loses_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let pragma =
            |name: &str| -> i64 { store.connection().pragma_query_value(None, name, |row| row.get(0)).unwrap() };
        let usual = pragma("max_page_count");
        let long = NewAsset { recipe: Some("x".repeat(100_000)), ..new("long") };
        let mut refused = 0;
        for room in 0.. {
            let most = pragma("page_count") + room;
            store.connection().pragma_update(None, "max_page_count", most).unwrap();
            let added = store.add_asset(&long, b"long");
            store.connection().pragma_update(None, "max_page_count", usual).unwrap();
            let total = store.assets(&AssetFilter::default(), 0, 10).unwrap().total;
            let check: String =
                store.connection().pragma_query_value(None, "integrity_check", |row| row.get(0)).unwrap();
            assert_eq!(check, "ok", "{room} pages");
            if added.is_ok() {
                assert_eq!(total, 1);
                break;
            }
            assert!(matches!(added, Err(StoreError::Database(_))), "{room} pages: {added:?}");
            assert_eq!(total, 0, "{room} pages");
            refused += 1;
        }
        assert!(refused > 5, "{refused}");
        drop(store);
        // What the refused ones left of their files goes at the next start; the kept one stays.
        let store = Store::open(folder.path()).unwrap();
        let kept = store.assets(&AssetFilter::default(), 0, 10).unwrap().assets;
        assert_eq!(store.asset_bytes(&kept[0]).unwrap(), b"long");
    }

    /// A disk that is looked at from outside.
    struct Shared(std::sync::Arc<FailingDisk>);

    impl Disk for Shared {
        fn create(&self, path: &std::path::Path) -> std::io::Result<std::fs::File> {
            self.0.create(path)
        }

        fn before_write(&self) -> std::io::Result<()> {
            self.0.before_write()
        }

        fn sync(&self, file: &std::fs::File) -> std::io::Result<()> {
            self.0.sync(file)
        }

        fn rename(&self, from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
            self.0.rename(from, to)
        }

        fn sync_folder(&self, folder: &std::path::Path) -> std::io::Result<()> {
            self.0.sync_folder(folder)
        }
    }

    #[test]
    fn search_and_filters() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let red = store.add_asset(&new("a red 100% car"), b"1").unwrap();
        let blue = store.add_asset(&new("a blue car"), b"2").unwrap();
        let change =
            AssetChange { favourite: Some(true), rating: Some(4), tags: Some(vec!["kept".into()]), project: None };
        assert_eq!(store.change_asset(&blue.id, &change).unwrap().tags, ["kept"]);
        let found = |filter: AssetFilter| {
            let page = store.assets(&filter, 0, 10).unwrap();
            assert_eq!(page.total, page.assets.len() as i64);
            page.assets.into_iter().map(|asset| asset.prompt).collect::<Vec<_>>()
        };
        let search = |text: &str| found(AssetFilter { search: Some(text.into()), ..AssetFilter::default() });
        assert_eq!(search("car"), ["a blue car", "a red 100% car"]);
        assert_eq!(search("CAR red"), ["a red 100% car"]);
        assert_eq!(search("0%"), ["a red 100% car"]);
        assert_eq!(search("kept"), ["a blue car"]);
        assert!(search("' OR 1=1 --").is_empty());
        assert_eq!(found(AssetFilter { favourite: Some(true), ..AssetFilter::default() }), ["a blue car"]);
        assert_eq!(found(AssetFilter { min_rating: Some(4), ..AssetFilter::default() }), ["a blue car"]);
        assert_eq!(found(AssetFilter { tag: Some("kept".into()), ..AssetFilter::default() }), ["a blue car"]);
        assert_eq!(store.similar(&red, 0, 10).unwrap()[0].0.id, blue.id);
        assert_eq!(store.tags().unwrap(), [("kept".to_owned(), 1)]);
    }

    #[test]
    fn bad_changes_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let id = store.add_asset(&new("a"), b"png").unwrap().id;
        let field = |change: AssetChange| store.change_asset(&id, &change).unwrap_err().to_string();
        assert!(field(AssetChange { rating: Some(6), ..AssetChange::default() }).starts_with("rating"));
        for tag in ["", " ", "a\nb", &"x".repeat(65)] {
            assert!(field(AssetChange { tags: Some(vec![tag.into()]), ..AssetChange::default() }).starts_with("tags"));
        }
        assert!(field(AssetChange { project: Some("x".into()), ..AssetChange::default() }).contains("project"));
    }
}
