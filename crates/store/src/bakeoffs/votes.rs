//! Votes of duels between two entries of one prompt. Votes of campaigns (`campaigns/opinions.rs`) are between any two pictures
//! and are never taken back; these know contestants, both bad, and undo, and each voter sees a pair once.

use rusqlite::{OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};

use super::entries::entry;
use crate::{Store, StoreError, now_ms};

/// How a duel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The left one won.
    Left,
    /// The right one won.
    Right,
    /// They are equally good.
    Tie,
    /// They are equally bad.
    Neither,
}

impl Verdict {
    /// The name in the database and in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
            Self::Tie => "tie",
            Self::Neither => "neither",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Left, Self::Right, Self::Tie, Self::Neither].into_iter().find(|verdict| verdict.name() == name)
    }
}

/// A vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Voted {
    /// The prompt, by its place in the list.
    pub prompt: u32,
    /// The contestant on the left, by its place in the list.
    pub left: u32,
    /// The contestant on the right.
    pub right: u32,
    /// How it ended.
    pub verdict: Verdict,
    /// Who voted.
    pub voter: String,
    /// When.
    pub at_ms: i64,
}

const COLUMNS: &str = "prompt, left, right, verdict, voter, at_ms";

impl Store {
    /// Keeps a vote between two entries of one prompt; `left` and `right` are ids of entries.
    pub fn vote_in_bakeoff(
        &self,
        bakeoff: &str,
        left: &str,
        right: &str,
        verdict: Verdict,
        voter: &str,
    ) -> Result<(), StoreError> {
        let connection = self.connection();
        super::get(&connection, bakeoff)?;
        let find = |field, id| {
            let found = entry(&connection, bakeoff, id).map_err(|error| StoreError::field(field, error.to_string()))?;
            match found.asset {
                Some(_) => Ok(found),
                None => Err(StoreError::field(field, "this picture is not there")),
            }
        };
        let (left, right) = (find("left", left)?, find("right", right)?);
        if left.prompt != right.prompt {
            return Err(StoreError::field("right", "is a picture of another prompt than left"));
        }
        if left.contestant == right.contestant {
            return Err(StoreError::field("right", "is the same picture as left"));
        }
        let kept = connection.execute(
            "INSERT OR IGNORE INTO bakeoff_votes (bakeoff, prompt, left, right, verdict, voter, at_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![bakeoff, left.prompt, left.contestant, right.contestant, verdict.name(), voter, now_ms()],
        )?;
        if kept == 0 {
            return Err(StoreError::conflict(format!(
                "{voter} has voted on this pair already; undo takes a vote back"
            )));
        }
        Ok(())
    }

    /// Takes the last vote of a voter back and gives it.
    pub fn undo_vote(&self, bakeoff: &str, voter: &str) -> Result<Option<Voted>, StoreError> {
        let connection = self.connection();
        super::get(&connection, bakeoff)?;
        let sql = format!(
            "DELETE FROM bakeoff_votes WHERE seq = (SELECT max(seq) FROM bakeoff_votes WHERE bakeoff = ?1 AND voter = ?2) \
             RETURNING {COLUMNS}"
        );
        Ok(connection.prepare_cached(&sql)?.query_row([bakeoff, voter], read).optional()?)
    }

    /// Votes of a bake-off, the first first.
    pub fn bakeoff_votes(&self, bakeoff: &str) -> Result<Vec<Voted>, StoreError> {
        let connection = self.connection();
        let sql = format!("SELECT {COLUMNS} FROM bakeoff_votes WHERE bakeoff = ?1 ORDER BY seq");
        let mut statement = connection.prepare_cached(&sql)?;
        Ok(statement.query_map([bakeoff], read)?.collect::<Result<_, _>>()?)
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Voted> {
    let verdict: String = row.get(3)?;
    Ok(Voted {
        prompt: row.get(0)?,
        left: row.get(1)?,
        right: row.get(2)?,
        // The table's own check allows no other name.
        verdict: Verdict::from_name(&verdict).unwrap_or(Verdict::Tie),
        voter: row.get(4)?,
        at_ms: row.get(5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{bakeoff, store};
    use super::*;

    #[test]
    fn a_voter_votes_once_on_a_pair_and_may_take_it_back() {
        let (_folder, store) = store();
        let id = bakeoff(&store, "x").id;
        let entries = store.entries(&id).unwrap();
        let of = |contestant, prompt| {
            entries.iter().find(|one| (one.contestant, one.prompt) == (contestant, prompt)).unwrap().id.as_str()
        };
        let vote = |left, right, voter| store.vote_in_bakeoff(&id, left, right, Verdict::Neither, voter);
        let field = |result: Result<(), StoreError>| match result {
            Err(StoreError::Field { field, .. }) => field,
            other => panic!("{other:?}"),
        };
        assert_eq!(field(vote("x", of(2, 0), "anna")), "left");
        assert_eq!(field(vote(of(0, 0), of(2, 0), "anna")), "left", "it is not drawn yet");
        assert_eq!(field(vote(of(1, 0), of(2, 1), "anna")), "right");
        assert_eq!(field(vote(of(1, 0), of(1, 0), "anna")), "right");
        vote(of(1, 0), of(2, 0), "anna").unwrap();
        assert!(matches!(vote(of(2, 0), of(1, 0), "anna"), Err(StoreError::Conflict { .. })), "sides do not matter");
        vote(of(2, 0), of(1, 0), "ben").unwrap();
        vote(of(2, 1), of(1, 1), "anna").unwrap();
        assert_eq!(store.bakeoff_votes(&id).unwrap().len(), 3);
        let back = store.undo_vote(&id, "anna").unwrap().unwrap();
        assert_eq!((back.prompt, back.left, back.verdict), (1, 2, Verdict::Neither));
        assert_eq!(store.undo_vote(&id, "anna").unwrap().unwrap().prompt, 0);
        assert_eq!(store.undo_vote(&id, "anna").unwrap(), None);
        assert_eq!(store.bakeoff_votes(&id).unwrap().len(), 1);
        assert!(store.undo_vote("x", "anna").is_err());
    }
}
