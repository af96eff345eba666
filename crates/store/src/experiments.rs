//! Experiments: creatives that are tried on people, how people came to them, and what they did on which day.

use campaign::{Metric, Results, Unit};
use experiment::Assignment;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use serde::Serialize;

use crate::{Store, StoreError, new_id, now_ms};

/// Most experiments that assign people at the same time.
pub const MAX_PUBLISHED: usize = 100;

/// An experiment to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewExperiment {
    /// Name, one of its kind.
    pub name: String,
    /// What its creatives' keys begin with: small letters, digits and `-`. A number is put after it if another one has it.
    pub slug: String,
    /// Id of the campaign its creatives come from.
    pub campaign: Option<String>,
    /// What decides it.
    pub metric: Metric,
    /// How people will come to the creatives, if that is known before there are results.
    pub assignment: Option<Assignment>,
    /// Chance of ever naming a difference where there is none.
    pub alpha: f64,
    /// Relative lift below which nobody cares.
    pub caring: f64,
    /// People of two creatives at which the intervals are narrowest.
    pub tuning: f64,
    /// What was planned, as JSON.
    pub plan: Option<String>,
    /// Where the creatives lead.
    pub url: Option<String>,
    /// `utm_source`.
    pub source: String,
    /// `utm_medium`.
    pub medium: String,
    /// Creatives; the first is the one the others are compared with.
    pub arms: Vec<NewCreative>,
}

/// A creative to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewCreative {
    /// Shown name, one of its kind in the experiment.
    pub name: String,
    /// Id of the candidate it is, if it comes from a campaign.
    pub candidate: Option<String>,
    /// Id of its picture.
    pub asset: String,
    /// Planned share of people, relative to the others.
    pub weight: f64,
}

/// An experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Experiment {
    /// Id; people are assigned by it.
    pub id: String,
    /// Name, one of its kind.
    pub name: String,
    /// What its creatives' keys begin with, one of its kind; `utm_campaign`.
    pub slug: String,
    /// Id of the campaign its creatives come from.
    pub campaign: Option<String>,
    /// What decides it.
    pub metric: Metric,
    /// How people came to the creatives.
    pub assignment: Option<Assignment>,
    /// Chance of ever naming a difference where there is none.
    pub alpha: f64,
    /// Relative lift below which nobody cares.
    pub caring: f64,
    /// People of two creatives at which the intervals are narrowest.
    pub tuning: f64,
    /// What was planned, as JSON.
    pub plan: Option<String>,
    /// Where the creatives lead.
    pub url: Option<String>,
    /// `utm_source`.
    pub source: String,
    /// `utm_medium`.
    pub medium: String,
    /// Of what its results count; absent before the first.
    pub unit: Option<Unit>,
    /// Whether shares were changed after people had come.
    pub reweighted: bool,
    /// The token under which it assigns people, while it does.
    pub token: Option<String>,
    /// When it was made.
    pub created_ms: i64,
    /// Creatives; the first is the one the others are compared with.
    pub arms: Vec<Creative>,
}

/// A creative of an experiment.
#[derive(Debug, Clone, PartialEq)]
pub struct Creative {
    /// What names it in files, links and results, for ever: `slug-01`.
    pub key: String,
    /// Shown name.
    pub name: String,
    /// Id of the candidate it is.
    pub candidate: Option<String>,
    /// Id of its picture; absent if it was removed.
    pub asset: Option<String>,
    /// Planned share of people, relative to the others.
    pub weight: f64,
}

/// One creative on one day.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DayResult {
    /// Index of the creative.
    pub creative: usize,
    /// Days since 1970-01-01.
    pub day: i32,
    /// People or impressions.
    pub people: u64,
    /// Clicks.
    pub clicks: Option<u64>,
    /// Conversions.
    pub conversions: Option<u64>,
    /// Sum of the revenue.
    pub revenue: Option<f64>,
    /// Sum of each person's revenue, squared.
    pub revenue_squared: Option<f64>,
}

/// A number that an import makes another one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResultChange {
    /// Row of the file.
    pub row: u64,
    /// The line it begins on.
    pub line: u64,
    /// Key of the creative.
    pub creative: String,
    /// The day, `YYYY-MM-DD`.
    pub day: String,
    /// Which number.
    pub column: &'static str,
    /// What it is; absent where nothing was counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<f64>,
    /// What the file says; absent where it has no such column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<f64>,
}

/// What an import does, or would do.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImportChanges {
    /// Days of creatives that were not there.
    pub added: usize,
    /// Days of creatives that are as they were.
    pub same: usize,
    /// Days of creatives that become others.
    pub replaced: usize,
    /// Their numbers, before and after.
    pub changes: Vec<ResultChange>,
    /// The answer to how people were assigned that was given before, if it was another one.
    pub other_assignment: Option<Assignment>,
}

impl ImportChanges {
    /// Whether something that was there becomes another.
    pub fn replaces(&self) -> bool {
        self.replaced > 0 || self.other_assignment.is_some()
    }
}

/// What happens to the rows of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportMode {
    /// Nothing; what would happen is told.
    DryRun,
    /// They are kept, unless they change what is there.
    Add,
    /// They are kept, and change what is there.
    Replace,
}

/// The name of an assignment in the database and in answers.
pub fn assignment_name(assignment: Assignment) -> &'static str {
    match assignment {
        Assignment::PlatformExperiment => "platform_experiment",
        Assignment::Own => "own",
        Assignment::PlatformOptimised => "platform_optimised",
    }
}

fn assignment_of(name: &str) -> Option<Assignment> {
    let all = [Assignment::PlatformExperiment, Assignment::Own, Assignment::PlatformOptimised];
    all.into_iter().find(|assignment| assignment_name(*assignment) == name)
}

const COLUMNS: &str = "id, name, slug, campaign, metric, assignment, alpha, caring, tuning, plan, url, source, medium, unit, \
     reweighted, token, created_ms, seq";

impl Store {
    /// Keeps an experiment with its creatives.
    pub fn add_experiment(&self, new: &NewExperiment) -> Result<Experiment, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let id = new_id();
        let slug = free_slug(&transaction, &new.slug)?;
        let added = transaction.execute(
            "INSERT OR IGNORE INTO experiments (id, name, slug, campaign, metric, assignment, alpha, caring, tuning, plan, \
             url, source, medium, created_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
            params![
                id,
                new.name,
                slug,
                new.campaign,
                new.metric.name(),
                new.assignment.map(assignment_name),
                new.alpha,
                new.caring,
                new.tuning,
                new.plan,
                new.url,
                new.source,
                new.medium,
                now_ms()
            ],
        )?;
        if added == 0 {
            return Err(StoreError::field("name", "another experiment has this name"));
        }
        for (position, arm) in new.arms.iter().enumerate() {
            let key = format!("{slug}-{:02}", position + 1);
            transaction.execute(
                "INSERT INTO creatives (experiment, position, key, name, candidate, asset, weight) \
                 VALUES ((SELECT seq FROM experiments WHERE id = ?1), ?2, ?3, ?4, ?5, ?6, ?7)",
                params![id, position as i64, key, arm.name, arm.candidate, arm.asset, arm.weight],
            )?;
        }
        let experiment = get(&transaction, &id)?;
        transaction.commit()?;
        Ok(experiment)
    }

    /// The experiment with this id.
    pub fn experiment(&self, id: &str) -> Result<Experiment, StoreError> {
        get(&self.connection(), id)
    }

    /// The experiment with this name or id.
    pub fn find_experiment(&self, name: &str) -> Result<Experiment, StoreError> {
        let connection = self.connection();
        get(&connection, &crate::id_of(&connection, "experiments", "experiment", name)?)
    }

    /// Experiments of a campaign or of all, the newest first, and how many there are.
    pub fn experiments(
        &self,
        campaign: Option<&str>,
        offset: u32,
        limit: u32,
    ) -> Result<(Vec<Experiment>, i64), StoreError> {
        let connection = self.connection();
        let filter = "FROM experiments WHERE ?1 IS NULL OR campaign = ?1";
        let total = connection.query_row(&format!("SELECT count(*) {filter}"), [campaign], |row| row.get(0))?;
        let sql = format!("SELECT {COLUMNS} {filter} ORDER BY seq DESC LIMIT {limit} OFFSET {offset}");
        Ok((all(&connection, &sql, campaign)?, total))
    }

    /// Experiments that assign people.
    pub fn published_experiments(&self) -> Result<Vec<Experiment>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM experiments WHERE token IS NOT NULL AND ?1 IS NULL ORDER BY seq");
        all(&self.connection(), &sql, None)
    }

    /// Lets an experiment assign people under a token, or (with none) not any more.
    pub fn publish_experiment(&self, id: &str, token: Option<&str>) -> Result<Experiment, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        get(&transaction, id)?;
        transaction.execute("UPDATE experiments SET token = ?2 WHERE id = ?1", params![id, token])?;
        let sql = "SELECT count(*) FROM experiments WHERE token IS NOT NULL";
        let published: i64 = transaction.query_row(sql, [], |row| row.get(0))?;
        if published > MAX_PUBLISHED as i64 {
            return Err(StoreError::conflict(format!("{MAX_PUBLISHED} experiments assign people already")));
        }
        let experiment = get(&transaction, id)?;
        transaction.commit()?;
        Ok(experiment)
    }

    /// Sets the planned share of every creative, in their order.
    pub fn set_weights(&self, id: &str, weights: &[f64]) -> Result<Experiment, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let before = get(&transaction, id)?;
        if weights.len() != before.arms.len() {
            let message = format!("expected {} of them, one a creative, found {}", before.arms.len(), weights.len());
            return Err(StoreError::field("weights", message));
        }
        let sql = "UPDATE creatives SET weight = ?3 WHERE position = ?2 \
                   AND experiment = (SELECT seq FROM experiments WHERE id = ?1)";
        for (position, weight) in weights.iter().enumerate() {
            transaction.execute(sql, params![id, position as i64, weight])?;
        }
        let has_people = before.unit.is_some() || before.token.is_some();
        let is_other = before.arms.iter().zip(weights).any(|(arm, weight)| arm.weight != *weight);
        let sql = "UPDATE experiments SET reweighted = reweighted OR ?2 WHERE id = ?1";
        transaction.execute(sql, params![id, has_people && is_other])?;
        let experiment = get(&transaction, id)?;
        transaction.commit()?;
        Ok(experiment)
    }

    /// Every result of an experiment, by day and creative.
    pub fn results(&self, id: &str) -> Result<Vec<DayResult>, StoreError> {
        let connection = self.connection();
        results_of(&connection, seq(&connection, id)?)
    }

    /// Keeps the rows of a file, all or none; says what became, or would become, of what is there.
    pub fn import_results(
        &self,
        id: &str,
        results: &Results,
        assignment: Assignment,
        mode: ImportMode,
    ) -> Result<ImportChanges, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let experiment = get(&transaction, id)?;
        if let Some(unit) = experiment.unit.filter(|unit| *unit != results.unit) {
            let message = format!("the results so far count {}, these {}", unit.name(), results.unit.name());
            return Err(StoreError::conflict(message));
        }
        let seq = seq(&transaction, id)?;
        let known = results_of(&transaction, seq)?;
        let changes = compare(&experiment, &known, results, assignment);
        if mode == ImportMode::DryRun || (mode == ImportMode::Add && changes.replaces()) {
            return Ok(changes);
        }
        let mut days: std::collections::BTreeSet<i32> = known.iter().map(|known| known.day).collect();
        days.extend(results.rows.iter().map(|row| row.day));
        if days.len() > campaign::MAX_DAYS {
            let message =
                format!("with these results the test has {} days: at most {}", days.len(), campaign::MAX_DAYS);
            return Err(StoreError::conflict(message));
        }
        put(&transaction, seq, results)?;
        let sql = "UPDATE experiments SET unit = ?2, assignment = ?3 WHERE id = ?1";
        transaction.execute(sql, params![id, results.unit.name(), assignment_name(assignment)])?;
        transaction.commit()?;
        Ok(changes)
    }

    /// Notes that a campaign goes on where a creative of an experiment was.
    pub fn set_origin(&self, campaign: &str, experiment: &str, creative: &str) -> Result<(), StoreError> {
        let connection = self.connection();
        let seq = seq(&connection, experiment)?;
        let sql = "INSERT OR REPLACE INTO campaign_origins (campaign, experiment, creative) VALUES (?1, ?2, ?3)";
        connection.execute(sql, params![campaign, seq, creative])?;
        Ok(())
    }

    /// The experiment and the key of the creative that a campaign goes on from.
    pub fn origin(&self, campaign: &str) -> Result<Option<(Experiment, String)>, StoreError> {
        let connection = self.connection();
        let sql = "SELECT e.id, o.creative FROM campaign_origins o JOIN experiments e ON e.seq = o.experiment \
                   WHERE o.campaign = ?1";
        let found: Option<(String, String)> =
            connection.query_row(sql, [campaign], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        found.map(|(id, creative)| Ok((get(&connection, &id)?, creative))).transpose()
    }

    /// Ids and names of the campaigns that go on from an experiment, the oldest first.
    pub fn next_campaigns(&self, experiment: &str) -> Result<Vec<(String, String)>, StoreError> {
        let connection = self.connection();
        let sql = "SELECT c.id, c.name FROM campaign_origins o JOIN campaigns c ON c.id = o.campaign \
                   WHERE o.experiment = (SELECT seq FROM experiments WHERE id = ?1) ORDER BY c.seq";
        let mut statement = connection.prepare_cached(sql)?;
        Ok(statement.query_map([experiment], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?)
    }
}

/// The slug, or it with the first number that nothing else has.
fn free_slug(connection: &Connection, slug: &str) -> Result<String, StoreError> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM experiments WHERE slug = ?1")?;
    let mut number = 1_u32;
    loop {
        let tried = if number == 1 { slug.to_owned() } else { format!("{slug}-{number}") };
        if !statement.exists([&tried])? {
            return Ok(tried);
        }
        number += 1;
    }
}

fn seq(connection: &Connection, id: &str) -> Result<i64, StoreError> {
    let mut statement = connection.prepare_cached("SELECT seq FROM experiments WHERE id = ?1")?;
    statement.query_row([id], |row| row.get(0)).optional()?.ok_or_else(|| StoreError::unknown("experiment", id))
}

fn results_of(connection: &Connection, seq: i64) -> Result<Vec<DayResult>, StoreError> {
    let sql = "SELECT creative, day, people, clicks, conversions, revenue, revenue_squared FROM experiment_results \
               WHERE experiment = ?1 ORDER BY day, creative";
    let mut statement = connection.prepare_cached(sql)?;
    let read = |row: &Row<'_>| {
        Ok(DayResult {
            creative: usize::try_from(row.get::<_, i64>(0)?).unwrap_or(usize::MAX),
            day: row.get(1)?,
            people: count(row.get(2)?).unwrap_or(0),
            clicks: count(row.get(3)?),
            conversions: count(row.get(4)?),
            revenue: row.get(5)?,
            revenue_squared: row.get(6)?,
        })
    };
    Ok(statement.query_map([seq], read)?.collect::<Result<_, _>>()?)
}

/// A count, which the database holds as a signed number.
fn count(number: Option<i64>) -> Option<u64> {
    number.and_then(|number| u64::try_from(number).ok())
}

/// What rows do to what is there.
fn compare(experiment: &Experiment, known: &[DayResult], results: &Results, assignment: Assignment) -> ImportChanges {
    let there: std::collections::HashMap<(usize, i32), &DayResult> =
        known.iter().map(|known| ((known.creative, known.day), known)).collect();
    let mut told = ImportChanges {
        other_assignment: experiment.assignment.filter(|given| *given != assignment && experiment.unit.is_some()),
        ..ImportChanges::default()
    };
    for row in &results.rows {
        let Some(before) = there.get(&(row.creative, row.day)) else {
            told.added += 1;
            continue;
        };
        let count = |count: Option<u64>| count.map(|count| count as f64);
        let pairs = [
            (results.unit.name(), count(Some(before.people)), count(Some(row.people))),
            ("clicks", count(before.clicks), count(row.clicks)),
            ("conversions", count(before.conversions), count(row.conversions)),
            ("revenue", before.revenue, row.revenue),
            ("revenue_squared", before.revenue_squared, row.revenue_squared),
        ];
        let others: Vec<_> = pairs.into_iter().filter(|(_, before, after)| before != after).collect();
        if others.is_empty() {
            told.same += 1;
            continue;
        }
        told.replaced += 1;
        let creative = experiment.arms.get(row.creative).map_or(String::new(), |arm| arm.key.clone());
        told.changes.extend(others.into_iter().map(|(column, before, after)| ResultChange {
            row: row.row,
            line: row.line,
            creative: creative.clone(),
            day: campaign::day_text(row.day),
            column,
            before,
            after,
        }));
    }
    told
}

fn put(transaction: &Transaction<'_>, seq: i64, results: &Results) -> Result<(), StoreError> {
    let sql = "INSERT OR REPLACE INTO experiment_results \
               (experiment, creative, day, people, clicks, conversions, revenue, revenue_squared) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let mut statement = transaction.prepare_cached(sql)?;
    // Counts of a file are far below the largest signed number.
    for row in &results.rows {
        statement.execute(params![
            seq,
            row.creative as i64,
            row.day,
            row.people as i64,
            row.clicks.map(|count| count as i64),
            row.conversions.map(|count| count as i64),
            row.revenue,
            row.revenue_squared
        ])?;
    }
    Ok(())
}

fn get(connection: &Connection, id: &str) -> Result<Experiment, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM experiments WHERE id = ?1");
    all(connection, &sql, Some(id))?.pop().ok_or_else(|| StoreError::unknown("experiment", id))
}

fn all(connection: &Connection, sql: &str, parameter: Option<&str>) -> Result<Vec<Experiment>, StoreError> {
    let mut statement = connection.prepare_cached(sql)?;
    let found: Vec<(Experiment, i64)> =
        statement.query_map([parameter], |row| Ok((read(row)?, row.get(17)?)))?.collect::<Result<_, _>>()?;
    found
        .into_iter()
        .map(|(experiment, seq)| Ok(Experiment { arms: creatives(connection, seq)?, ..experiment }))
        .collect()
}

fn creatives(connection: &Connection, seq: i64) -> Result<Vec<Creative>, StoreError> {
    let sql = "SELECT key, name, candidate, asset, weight FROM creatives WHERE experiment = ?1 ORDER BY position";
    let mut statement = connection.prepare_cached(sql)?;
    let read = |row: &Row<'_>| {
        Ok(Creative {
            key: row.get(0)?,
            name: row.get(1)?,
            candidate: row.get(2)?,
            asset: row.get(3)?,
            weight: row.get(4)?,
        })
    };
    Ok(statement.query_map([seq], read)?.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Experiment> {
    Ok(Experiment {
        id: row.get(0)?,
        name: row.get(1)?,
        slug: row.get(2)?,
        campaign: row.get(3)?,
        metric: named(row, 4, Metric::from_name)?.ok_or(rusqlite::Error::InvalidQuery)?,
        assignment: named(row, 5, assignment_of)?,
        alpha: row.get(6)?,
        caring: row.get(7)?,
        tuning: row.get(8)?,
        plan: row.get(9)?,
        url: row.get(10)?,
        source: row.get(11)?,
        medium: row.get(12)?,
        unit: named(row, 13, Unit::from_name)?,
        reweighted: row.get(14)?,
        token: row.get(15)?,
        created_ms: row.get(16)?,
        arms: Vec::new(),
    })
}

/// A column that holds a name or nothing.
fn named<T>(row: &Row<'_>, index: usize, from_name: impl Fn(&str) -> Option<T>) -> rusqlite::Result<Option<T>> {
    let Some(name) = row.get::<_, Option<String>>(index)? else { return Ok(None) };
    from_name(&name).map(Some).ok_or_else(|| {
        rusqlite::Error::FromSqlConversionFailure(
            index,
            rusqlite::types::Type::Text,
            format!("'{name}' is not known here").into(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NewAsset;
    use campaign::ResultRow;

    fn store() -> (tempfile::TempDir, Store, String) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let asset = store.add_asset(&NewAsset::upload((1, 1), "default"), b"png").unwrap().id;
        (folder, store, asset)
    }

    fn new(name: &str, asset: &str) -> NewExperiment {
        let arm = |i: usize| NewCreative { name: format!("{i}"), candidate: None, asset: asset.into(), weight: 1.0 };
        NewExperiment {
            name: name.into(),
            slug: "hero".into(),
            campaign: None,
            metric: Metric::Clicks,
            assignment: None,
            alpha: 0.05,
            caring: 0.01,
            tuning: 5000.0,
            plan: None,
            url: None,
            source: "calotype".into(),
            medium: "test".into(),
            arms: (0..3).map(arm).collect(),
        }
    }

    fn results(rows: &[(usize, i32, u64, u64)]) -> Results {
        let row = |(i, &(creative, day, people, clicks)): (usize, &(usize, i32, u64, u64))| ResultRow {
            row: i as u64 + 1,
            line: i as u64 + 2,
            creative,
            day,
            people,
            clicks: Some(clicks),
            conversions: None,
            revenue: None,
            revenue_squared: None,
        };
        Results { unit: Unit::People, rows: rows.iter().enumerate().map(row).collect() }
    }

    #[test]
    fn keys_are_one_of_their_kind_and_last() {
        let (_folder, store, asset) = store();
        let one = store.add_experiment(&new("Hero", &asset)).unwrap();
        let two = store.add_experiment(&new("Hero!", &asset)).unwrap();
        assert_eq!((one.arms[2].key.as_str(), two.arms[0].key.as_str()), ("hero-03", "hero-2-01"));
        assert!(matches!(store.add_experiment(&new("Hero", &asset)), Err(StoreError::Field { field: "name", .. })));
        assert_eq!(store.experiments(None, 0, 10).unwrap().1, 2);
        assert_eq!(store.find_experiment("Hero").unwrap(), store.experiment(&one.id).unwrap());
        store.remove_asset(&asset).unwrap();
        assert_eq!(store.experiment(&one.id).unwrap().arms[0].asset, None);
        assert!(store.experiments(Some("x"), 0, 10).unwrap().0.is_empty());
    }

    #[test]
    fn imports_add_or_replace_as_asked_and_never_by_half() {
        let (_folder, store, asset) = store();
        let id = store.add_experiment(&new("Hero", &asset)).unwrap().id;
        let first = results(&[(0, 1, 100, 5), (1, 1, 100, 6)]);
        let dry = store.import_results(&id, &first, Assignment::Own, ImportMode::DryRun).unwrap();
        assert_eq!((dry.added, store.results(&id).unwrap().len()), (2, 0));
        store.import_results(&id, &first, Assignment::Own, ImportMode::Add).unwrap();
        let again = store.import_results(&id, &first, Assignment::Own, ImportMode::Add).unwrap();
        assert_eq!((again.added, again.same, again.replaced), (0, 2, 0));
        let other = results(&[(2, 1, 90, 9), (1, 1, 100, 7)]);
        let told = store.import_results(&id, &other, Assignment::Own, ImportMode::Add).unwrap();
        assert_eq!((told.added, told.replaced), (1, 1));
        let change = &told.changes[0];
        assert_eq!((change.row, change.creative.as_str(), change.column), (2, "hero-02", "clicks"));
        assert_eq!((change.before, change.after), (Some(6.0), Some(7.0)));
        assert_eq!(store.results(&id).unwrap().len(), 2, "the row that could be added is not");
        store.import_results(&id, &other, Assignment::Own, ImportMode::Replace).unwrap();
        let clicks: Vec<_> = store.results(&id).unwrap().iter().map(|one| one.clicks).collect();
        assert_eq!(clicks, [Some(5), Some(7), Some(9)]);
        // The answer to how people came is not changed by the way.
        let told = store.import_results(&id, &other, Assignment::PlatformOptimised, ImportMode::Add).unwrap();
        assert_eq!(told.other_assignment, Some(Assignment::Own));
        assert_eq!(store.experiment(&id).unwrap().assignment, Some(Assignment::Own));
        let impressions = Results { unit: Unit::Impressions, ..other };
        let mixed = store.import_results(&id, &impressions, Assignment::Own, ImportMode::Replace);
        assert!(matches!(mixed, Err(StoreError::Conflict { .. })));
        let long: Vec<_> = (0..=366).map(|day| (0, day, 1, 1)).collect();
        let long = store.import_results(&id, &results(&long), Assignment::Own, ImportMode::Replace);
        assert!(matches!(long, Err(StoreError::Conflict { .. })));
        assert_eq!(store.results(&id).unwrap().len(), 3);
    }

    #[test]
    fn shares_that_change_after_people_came_are_noted() {
        let (_folder, store, asset) = store();
        let id = store.add_experiment(&new("Hero", &asset)).unwrap().id;
        assert!(!store.set_weights(&id, &[1.0, 2.0, 1.0]).unwrap().reweighted);
        assert!(store.set_weights(&id, &[1.0]).is_err());
        store.publish_experiment(&id, Some("token")).unwrap();
        assert!(!store.set_weights(&id, &[1.0, 2.0, 1.0]).unwrap().reweighted, "nothing changed");
        assert!(store.set_weights(&id, &[1.0, 3.0, 1.0]).unwrap().reweighted);
        assert_eq!(store.published_experiments().unwrap().len(), 1);
        assert_eq!(store.publish_experiment(&id, None).unwrap().token, None);
    }
}
