//! Review: who moved a candidate where and when, and comments that are pinned to a place of the picture.

use campaign::ReviewState;
use rusqlite::{Row, params};

use super::candidates::{Candidate, find, free};
use super::{get, named};
use crate::{Store, StoreError, now_ms};

/// Longest note or comment in bytes.
pub const MAX_NOTE_BYTES: usize = 4096;
/// Most comments on a candidate.
pub const MAX_COMMENTS: i64 = 500;

/// A move of a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// Where it was.
    pub before: ReviewState,
    /// Where it went.
    pub after: ReviewState,
    /// Who moved it.
    pub who: String,
    /// What was said.
    pub note: String,
    /// When.
    pub at_ms: i64,
}

/// A comment to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewComment {
    /// Where it is pinned, 0..=1 of the picture's width.
    pub x: f64,
    /// Where it is pinned, 0..=1 of the picture's height.
    pub y: f64,
    /// What it says.
    pub text: String,
    /// Who says it.
    pub author: String,
    /// The share link it came through.
    pub link: Option<String>,
}

/// A comment.
#[derive(Debug, Clone, PartialEq)]
pub struct Comment {
    /// What it says and where.
    pub comment: NewComment,
    /// When.
    pub at_ms: i64,
}

/// How long an approval took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApprovalTime {
    /// When the candidate first went into review.
    pub asked_ms: i64,
    /// When it was last approved.
    pub approved_ms: i64,
}

impl Store {
    /// Moves a picked candidate on its way; only where it may go from where it is.
    pub fn review(&self, id: &str, to: ReviewState, who: &str, note: &str) -> Result<Candidate, StoreError> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let candidate = find(&transaction, id)?;
        free(&candidate, who)?;
        if !candidate.picked {
            return Err(StoreError::conflict(format!(
                "candidate '{id}' is not picked: only what is picked is reviewed"
            )));
        }
        if !candidate.state.next().contains(&to) {
            let next: Vec<&str> = candidate.state.next().iter().map(|state| state.name()).collect();
            let message = format!(
                "candidate '{id}' is {}: it can become {}, not {}",
                candidate.state.name(),
                next.join(" or "),
                to.name()
            );
            return Err(StoreError::conflict(message));
        }
        transaction.execute("UPDATE candidates SET state = ?2 WHERE id = ?1", params![id, to.name()])?;
        transaction.execute(
            "INSERT INTO reviews (candidate, before, after, who, note, at_ms) \
             SELECT seq, ?2, ?3, ?4, ?5, ?6 FROM candidates WHERE id = ?1",
            params![id, candidate.state.name(), to.name(), who, note, now_ms()],
        )?;
        let candidate = find(&transaction, id)?;
        transaction.commit()?;
        Ok(candidate)
    }

    /// Every move of a candidate, the first first.
    pub fn review_history(&self, id: &str) -> Result<Vec<Review>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT v.before, v.after, v.who, v.note, v.at_ms FROM reviews v \
             JOIN candidates c ON c.seq = v.candidate WHERE c.id = ?1 ORDER BY v.seq",
        )?;
        let read = |row: &Row<'_>| {
            Ok(Review {
                before: named(row, 0, ReviewState::from_name)?,
                after: named(row, 1, ReviewState::from_name)?,
                who: row.get(2)?,
                note: row.get(3)?,
                at_ms: row.get(4)?,
            })
        };
        Ok(statement.query_map([id], read)?.collect::<Result<_, _>>()?)
    }

    /// How long each approval of a campaign took.
    pub fn approval_times(&self, campaign: &str) -> Result<Vec<ApprovalTime>, StoreError> {
        let connection = self.connection();
        get(&connection, campaign)?;
        let mut statement = connection.prepare_cached(
            "SELECT min(CASE WHEN v.after = 'in_review' THEN v.at_ms END), \
             max(CASE WHEN v.after = 'approved' THEN v.at_ms END) FROM reviews v \
             JOIN candidates c ON c.seq = v.candidate WHERE c.campaign = ?1 GROUP BY v.candidate \
             HAVING max(v.after = 'approved') ORDER BY v.candidate",
        )?;
        let read = |row: &Row<'_>| Ok(ApprovalTime { asked_ms: row.get(0)?, approved_ms: row.get(1)? });
        Ok(statement.query_map([campaign], read)?.collect::<Result<_, _>>()?)
    }

    /// How many candidates of a campaign are in each state of the review, of those that are picked.
    pub fn review_counts(&self, campaign: &str) -> Result<Vec<(ReviewState, i64)>, StoreError> {
        let connection = self.connection();
        let sql = "SELECT state, count(*) FROM candidates WHERE campaign = ?1 AND picked GROUP BY state";
        let mut statement = connection.prepare_cached(sql)?;
        let read = |row: &Row<'_>| Ok((named(row, 0, ReviewState::from_name)?, row.get(1)?));
        Ok(statement.query_map([campaign], read)?.collect::<Result<_, _>>()?)
    }

    /// Keeps a comment on a candidate, of this campaign if one is named.
    pub fn add_comment(&self, id: &str, campaign: Option<&str>, new: &NewComment) -> Result<Comment, StoreError> {
        for (field, value) in [("x", new.x), ("y", new.y)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(StoreError::field(field, format!("{value} is not in 0..=1")));
            }
        }
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let candidate = find(&transaction, id)?;
        if campaign.is_some_and(|campaign| campaign != candidate.campaign) {
            return Err(StoreError::unknown("candidate", id));
        }
        if candidate.comments >= MAX_COMMENTS {
            return Err(StoreError::conflict(format!("candidate '{id}' has {MAX_COMMENTS} comments already")));
        }
        let at_ms = now_ms();
        transaction.execute(
            "INSERT INTO comments (candidate, x, y, text, author, link, at_ms) \
             SELECT seq, ?2, ?3, ?4, ?5, ?6, ?7 FROM candidates WHERE id = ?1",
            params![id, new.x, new.y, new.text, new.author, new.link, at_ms],
        )?;
        transaction.commit()?;
        Ok(Comment { comment: new.clone(), at_ms })
    }

    /// Comments on a candidate, the first first.
    pub fn comments(&self, id: &str) -> Result<Vec<Comment>, StoreError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT k.x, k.y, k.text, k.author, k.link, k.at_ms FROM comments k \
             JOIN candidates c ON c.seq = k.candidate WHERE c.id = ?1 ORDER BY k.seq",
        )?;
        let read = |row: &Row<'_>| {
            let comment = NewComment {
                x: row.get(0)?,
                y: row.get(1)?,
                text: row.get(2)?,
                author: row.get(3)?,
                link: row.get(4)?,
            };
            Ok(Comment { comment, at_ms: row.get(5)? })
        };
        Ok(statement.query_map([id], read)?.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{campaign_of, store};
    use super::*;

    fn candidate(store: &Store, campaign: &str) -> String {
        let connection = store.connection();
        let sql = "INSERT INTO candidates (id, campaign, row, position, seed) \
                   SELECT 'c1', campaign, seq, 0, '7' FROM campaign_rows WHERE campaign = ?1 LIMIT 1";
        connection.execute(sql, [campaign]).unwrap();
        "c1".into()
    }

    #[test]
    fn only_legal_moves_by_who_may() {
        let (_folder, store) = store();
        let campaign = campaign_of(&store, "x", 1).id;
        let id = candidate(&store, &campaign);
        let go = |to, who| store.review(&id, to, who, "note").map(|candidate| candidate.state);
        let conflict = |result: Result<ReviewState, StoreError>| matches!(result, Err(StoreError::Conflict { .. }));
        assert!(conflict(go(ReviewState::InReview, "anna")), "nobody picked it");
        store.pick(&campaign, std::slice::from_ref(&id), true, "anna").unwrap();
        assert!(conflict(go(ReviewState::Approved, "anna")));
        assert_eq!(go(ReviewState::InReview, "anna").unwrap(), ReviewState::InReview);
        assert!(store.pick(&campaign, std::slice::from_ref(&id), false, "anna").is_err(), "it is under review");
        store.lock_candidate(&id, true, "ben").unwrap();
        assert!(conflict(go(ReviewState::Approved, "anna")));
        assert!(store.lock_candidate(&id, false, "anna").is_err());
        assert_eq!(go(ReviewState::Approved, "ben").unwrap(), ReviewState::Approved);
        assert_eq!(store.lock_candidate(&id, false, "ben").unwrap().locked_by, None);
        let history = store.review_history(&id).unwrap();
        assert_eq!(history.len(), 2);
        assert_eq!((history[1].before, history[1].who.as_str()), (ReviewState::InReview, "ben"));
        let times = store.approval_times(&campaign).unwrap();
        assert_eq!(times, [ApprovalTime { asked_ms: history[0].at_ms, approved_ms: history[1].at_ms }]);
        assert_eq!(store.review_counts(&campaign).unwrap(), [(ReviewState::Approved, 1)]);
    }

    #[test]
    fn comments_are_pinned() {
        let (_folder, store) = store();
        let campaign = campaign_of(&store, "x", 1).id;
        let id = candidate(&store, &campaign);
        let new = NewComment { x: 0.5, y: 1.0, text: "sky".into(), author: "anna".into(), link: None };
        assert_eq!(store.add_comment(&id, Some(&campaign), &new).unwrap().comment, new);
        assert!(store.add_comment(&id, Some("other"), &new).is_err());
        for x in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let bad = NewComment { x, ..new.clone() };
            assert!(matches!(store.add_comment(&id, None, &bad), Err(StoreError::Field { field: "x", .. })));
        }
        assert_eq!(store.comments(&id).unwrap().len(), 1);
        assert_eq!(store.candidate(&id).unwrap().comments, 1);
    }
}
