//! Opinions of people: votes of duels between two pictures, and how satisfied they are.

use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

use super::{get, named};
use crate::{Store, StoreError, now_ms};

/// How a duel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// The left one won.
    Left,
    /// The right one won.
    Right,
    /// Neither.
    Tie,
}

impl Outcome {
    /// The name in the database and in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Right => "right",
            Self::Tie => "tie",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [Self::Left, Self::Right, Self::Tie].into_iter().find(|outcome| outcome.name() == name)
    }
}

/// A vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vote {
    /// Asset on the left.
    pub left: String,
    /// Asset on the right.
    pub right: String,
    /// How it ended.
    pub outcome: Outcome,
    /// Who voted.
    pub voter: String,
    /// When; set when it is kept.
    pub at_ms: i64,
}

/// How satisfied somebody is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// 1 (not at all) to 5.
    pub score: u8,
    /// Why, in a word or two; may be empty.
    pub reason: String,
    /// Who.
    pub who: String,
    /// When; set when it is kept.
    pub at_ms: i64,
}

impl Store {
    /// Keeps a vote between two different pictures that exist.
    pub fn add_vote(&self, campaign: &str, vote: &Vote) -> Result<Vote, StoreError> {
        if vote.left == vote.right {
            return Err(StoreError::field("right", "is the same picture as left"));
        }
        for (field, id) in [("left", &vote.left), ("right", &vote.right)] {
            self.asset(id).map_err(|error| StoreError::field(field, error.to_string()))?;
        }
        let connection = self.connection();
        get(&connection, campaign)?;
        let vote = Vote { at_ms: now_ms(), ..vote.clone() };
        connection.execute(
            "INSERT INTO votes (campaign, left, right, outcome, voter, at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![campaign, vote.left, vote.right, vote.outcome.name(), vote.voter, vote.at_ms],
        )?;
        Ok(vote)
    }

    /// Votes of a campaign, the first first.
    pub fn votes(&self, campaign: &str) -> Result<Vec<Vote>, StoreError> {
        let connection = self.connection();
        get(&connection, campaign)?;
        let sql = "SELECT left, right, outcome, voter, at_ms FROM votes WHERE campaign = ?1 ORDER BY seq";
        let mut statement = connection.prepare_cached(sql)?;
        let read = |row: &Row<'_>| {
            Ok(Vote {
                left: row.get(0)?,
                right: row.get(1)?,
                outcome: named(row, 2, Outcome::from_name)?,
                voter: row.get(3)?,
                at_ms: row.get(4)?,
            })
        };
        Ok(statement.query_map([campaign], read)?.collect::<Result<_, _>>()?)
    }

    /// Keeps how satisfied somebody is.
    pub fn add_pulse(&self, campaign: &str, pulse: &Pulse) -> Result<Pulse, StoreError> {
        if !(1..=5).contains(&pulse.score) {
            return Err(StoreError::field("score", format!("{} is not in 1..=5", pulse.score)));
        }
        let connection = self.connection();
        get(&connection, campaign)?;
        let pulse = Pulse { at_ms: now_ms(), ..pulse.clone() };
        connection.execute(
            "INSERT INTO pulses (campaign, score, reason, who, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![campaign, pulse.score, pulse.reason, pulse.who, pulse.at_ms],
        )?;
        Ok(pulse)
    }

    /// How satisfied people were, the first first.
    pub fn pulses(&self, campaign: &str) -> Result<Vec<Pulse>, StoreError> {
        let connection = self.connection();
        get(&connection, campaign)?;
        let sql = "SELECT score, reason, who, at_ms FROM pulses WHERE campaign = ?1 ORDER BY seq";
        let mut statement = connection.prepare_cached(sql)?;
        let read =
            |row: &Row<'_>| Ok(Pulse { score: row.get(0)?, reason: row.get(1)?, who: row.get(2)?, at_ms: row.get(3)? });
        Ok(statement.query_map([campaign], read)?.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{campaign_of, store};
    use super::*;

    #[test]
    fn opinions_are_checked_and_kept() {
        let (_folder, store) = store();
        let campaign = campaign_of(&store, "x", 0).id;
        let vote = Vote { left: "a".into(), right: "a".into(), outcome: Outcome::Tie, voter: "anna".into(), at_ms: 0 };
        assert!(matches!(store.add_vote(&campaign, &vote), Err(StoreError::Field { field: "right", .. })));
        let vote = Vote { right: "b".into(), ..vote };
        assert!(matches!(store.add_vote(&campaign, &vote), Err(StoreError::Field { field: "left", .. })));
        assert!(store.votes(&campaign).unwrap().is_empty());
        let pulse = Pulse { score: 4, reason: "colours".into(), who: "anna".into(), at_ms: 0 };
        store.add_pulse(&campaign, &pulse).unwrap();
        for score in [0, 6, 255] {
            let bad = Pulse { score, ..pulse.clone() };
            assert!(matches!(store.add_pulse(&campaign, &bad), Err(StoreError::Field { field: "score", .. })));
        }
        assert_eq!(store.pulses(&campaign).unwrap().len(), 1);
        assert!(store.add_pulse("x", &pulse).is_err());
    }
}
