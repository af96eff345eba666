//! Bake-offs: one list of prompts, drawn by every contestant (a model with a preset, or pictures from outside), and the duels
//! between them. An entry is the picture of one contestant for one prompt; drawn ones become jobs like the tasks of campaigns do.

mod entries;
mod votes;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::{Store, StoreError, new_id, now_ms};

pub use entries::{Entry, EntryState};
pub use votes::{Verdict, Voted};

/// Most contestants.
pub const MAX_CONTESTANTS: usize = 16;
/// Most prompts.
pub const MAX_PROMPTS: usize = 200;

/// A contestant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contestant {
    /// Its name, one of its kind in the bake-off.
    pub name: String,
    /// The model that draws it; nothing for pictures from outside.
    pub model: Option<String>,
    /// The preset it is drawn with.
    pub preset: Option<String>,
}

/// A prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BakeoffPrompt {
    /// Kind of asset, such as `photoreal`.
    pub kind: String,
    /// The words.
    pub prompt: String,
    /// The seed of every contestant's picture.
    pub seed: u64,
}

/// A picture from outside, with what its maker needed for it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEntry {
    /// The contestant, by its place in the list.
    pub contestant: u32,
    /// The prompt, by its place in the list.
    pub prompt: u32,
    /// Its asset.
    pub asset: String,
    /// Seconds it took.
    pub seconds: f64,
    /// What it cost, in micro-units.
    pub micros: i64,
}

/// A bake-off to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewBakeoff {
    /// Name, one of its kind.
    pub name: String,
    /// Id of the campaign it belongs to.
    pub campaign: Option<String>,
    /// Id of the project.
    pub project: String,
    /// Size of what is drawn, `WxH`; without it the models' usual one.
    pub size: Option<String>,
    /// What costs are in.
    pub currency: String,
    /// The contestants.
    pub contestants: Vec<Contestant>,
    /// The prompts.
    pub prompts: Vec<BakeoffPrompt>,
    /// Pictures from outside: one for every prompt of every contestant without a model.
    pub given: Vec<NewEntry>,
}

/// A bake-off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bakeoff {
    /// Id; the batch of its jobs.
    pub id: String,
    /// Name, one of its kind.
    pub name: String,
    /// Id of the campaign it belongs to.
    pub campaign: Option<String>,
    /// Id of the project.
    pub project: String,
    /// Size of what is drawn, `WxH`.
    pub size: Option<String>,
    /// What costs are in.
    pub currency: String,
    /// When it was made.
    pub created_ms: i64,
    /// The contestants in their order.
    pub contestants: Vec<Contestant>,
    /// The prompts in their order.
    pub prompts: Vec<BakeoffPrompt>,
}

impl Store {
    /// Keeps a bake-off with all its entries, all or nothing; those that are to be drawn are pending.
    pub fn add_bakeoff(&self, new: &NewBakeoff) -> Result<Bakeoff, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let id = new_id();
        let added = transaction.execute(
            "INSERT OR IGNORE INTO bakeoffs (id, name, campaign, project, size, currency, created_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![id, new.name, new.campaign, new.project, new.size, new.currency, now_ms()],
        )?;
        if added == 0 {
            return Err(StoreError::field("name", "another bake-off has this name"));
        }
        for (position, one) in (0_u32..).zip(&new.contestants) {
            let sql = "INSERT INTO bakeoff_contestants VALUES (?1, ?2, ?3, ?4, ?5)";
            transaction.execute(sql, params![id, position, one.name, one.model, one.preset])?;
        }
        let prompts = (0_u32..).zip(&new.prompts);
        for (position, one) in prompts.clone() {
            let sql = "INSERT INTO bakeoff_prompts VALUES (?1, ?2, ?3, ?4, ?5)";
            transaction.execute(sql, params![id, position, one.kind, one.prompt, one.seed.to_string()])?;
        }
        // A model is loaded once: all its pictures come after one another.
        let drawn = (0_u32..).zip(&new.contestants).filter(|(_, one)| one.model.is_some());
        for (contestant, _) in drawn {
            for (prompt, _) in prompts.clone() {
                entries::add(&transaction, &id, contestant, prompt, None)?;
            }
        }
        for entry in &new.given {
            entries::add(&transaction, &id, entry.contestant, entry.prompt, Some(entry))?;
        }
        let bakeoff = get(&transaction, &id)?;
        transaction.commit()?;
        Ok(bakeoff)
    }

    /// The bake-off with this id.
    pub fn bakeoff(&self, id: &str) -> Result<Bakeoff, StoreError> {
        get(&self.connection(), id)
    }

    /// The bake-off with this name or id.
    pub fn find_bakeoff(&self, name: &str) -> Result<Bakeoff, StoreError> {
        let connection = self.connection();
        get(&connection, &crate::id_of(&connection, "bakeoffs", "bake-off", name)?)
    }

    /// Bake-offs, the newest first; only those of a campaign if one is named. And how many there are in all.
    pub fn bakeoffs(&self, campaign: Option<&str>, offset: u32, limit: u32) -> Result<(Vec<Bakeoff>, i64), StoreError> {
        let connection = self.connection();
        let condition = "FROM bakeoffs WHERE (?1 IS NULL OR campaign = ?1)";
        let total = connection.query_row(&format!("SELECT count(*) {condition}"), [campaign], |row| row.get(0))?;
        let sql = format!("SELECT id {condition} ORDER BY seq DESC LIMIT {limit} OFFSET {offset}");
        let mut statement = connection.prepare_cached(&sql)?;
        let ids: Vec<String> = statement.query_map([campaign], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let all = ids.iter().map(|id| get(&connection, id)).collect::<Result<_, _>>()?;
        Ok((all, total))
    }

    /// Removes a bake-off with its votes. Its pictures stay in the library.
    pub fn remove_bakeoff(&self, id: &str) -> Result<(), StoreError> {
        let removed = self.connection().execute("DELETE FROM bakeoffs WHERE id = ?1", [id])?;
        if removed == 0 { Err(StoreError::unknown("bake-off", id)) } else { Ok(()) }
    }
}

fn get(connection: &Connection, id: &str) -> Result<Bakeoff, StoreError> {
    let sql = "SELECT id, name, campaign, project, size, currency, created_ms FROM bakeoffs WHERE id = ?1";
    let read = |row: &Row<'_>| {
        Ok(Bakeoff {
            id: row.get(0)?,
            name: row.get(1)?,
            campaign: row.get(2)?,
            project: row.get(3)?,
            size: row.get(4)?,
            currency: row.get(5)?,
            created_ms: row.get(6)?,
            contestants: Vec::new(),
            prompts: Vec::new(),
        })
    };
    let found = connection.prepare_cached(sql)?.query_row([id], read).optional()?;
    let mut bakeoff = found.ok_or_else(|| StoreError::unknown("bake-off", id))?;
    let sql = "SELECT name, model, preset FROM bakeoff_contestants WHERE bakeoff = ?1 ORDER BY position";
    let read = |row: &Row<'_>| Ok(Contestant { name: row.get(0)?, model: row.get(1)?, preset: row.get(2)? });
    bakeoff.contestants = connection.prepare_cached(sql)?.query_map([id], read)?.collect::<Result<_, _>>()?;
    let sql = "SELECT kind, prompt, seed FROM bakeoff_prompts WHERE bakeoff = ?1 ORDER BY position";
    let read = |row: &Row<'_>| {
        let seed: String = row.get(2)?;
        Ok(BakeoffPrompt { kind: row.get(0)?, prompt: row.get(1)?, seed: seed.parse().unwrap_or(0) })
    };
    bakeoff.prompts = connection.prepare_cached(sql)?.query_map([id], read)?.collect::<Result<_, _>>()?;
    Ok(bakeoff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DEFAULT_PROJECT, NewAsset};

    pub(super) fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        (folder, store)
    }

    pub(super) fn asset(store: &Store) -> String {
        store.add_asset(&NewAsset::upload((1, 1), DEFAULT_PROJECT), b"png").unwrap().id
    }

    /// One contestant that draws, two from outside, two prompts.
    pub(super) fn bakeoff(store: &Store, name: &str) -> Bakeoff {
        let outside = |name: &str| Contestant { name: name.into(), model: None, preset: None };
        let drawn = Contestant { name: "ours".into(), model: Some("default".into()), preset: Some("draft".into()) };
        let prompt = |kind: &str| BakeoffPrompt { kind: kind.into(), prompt: "a fox".into(), seed: u64::MAX };
        let asset = asset(store);
        let given =
            |contestant, prompt| NewEntry { contestant, prompt, asset: asset.clone(), seconds: 8.0, micros: 40_000 };
        let new = NewBakeoff {
            name: name.into(),
            campaign: None,
            project: DEFAULT_PROJECT.into(),
            size: None,
            currency: "EUR".into(),
            contestants: vec![drawn, outside("theirs"), outside("others")],
            prompts: vec![prompt("photoreal"), prompt("stylised")],
            given: vec![given(1, 0), given(1, 1), given(2, 0), given(2, 1)],
        };
        store.add_bakeoff(&new).unwrap()
    }

    #[test]
    fn all_of_a_bake_off_is_kept_or_nothing() {
        let (_folder, store) = store();
        let made = bakeoff(&store, "x");
        assert_eq!(store.find_bakeoff("x").unwrap(), made);
        assert_eq!((made.contestants.len(), made.prompts[1].seed), (3, u64::MAX));
        let states: Vec<EntryState> = store.entries(&made.id).unwrap().iter().map(|entry| entry.state).collect();
        assert_eq!(states.iter().filter(|state| **state == EntryState::Pending).count(), 2);
        assert_eq!(states.len(), 6);
        let again = NewBakeoff {
            name: "x".into(),
            campaign: None,
            project: DEFAULT_PROJECT.into(),
            size: None,
            currency: "EUR".into(),
            contestants: Vec::new(),
            prompts: Vec::new(),
            given: Vec::new(),
        };
        assert!(matches!(store.add_bakeoff(&again), Err(StoreError::Field { field: "name", .. })));
        let unknown = NewEntry { contestant: 0, prompt: 0, asset: "x".into(), seconds: 1.0, micros: 0 };
        let broken = NewBakeoff { name: "y".into(), given: vec![unknown], ..again };
        assert!(store.add_bakeoff(&broken).is_err());
        assert_eq!(store.bakeoffs(None, 0, 10).unwrap().1, 1);
        store.remove_bakeoff(&made.id).unwrap();
        assert!(store.bakeoff(&made.id).is_err() && store.remove_bakeoff(&made.id).is_err());
    }
}
