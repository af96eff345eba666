//! The way of a picture through its review: draft → in review → changes asked → approved → archived.

use serde::{Deserialize, Serialize};

/// Where a picture is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewState {
    /// Nobody was asked yet.
    #[default]
    Draft,
    /// Somebody is asked to look at it.
    InReview,
    /// Somebody looked and wants something else.
    ChangesAsked,
    /// It may be used.
    Approved,
    /// It is put away.
    Archived,
}

impl ReviewState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Draft, Self::InReview, Self::ChangesAsked, Self::Approved, Self::Archived];

    /// The name in the database and in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::InReview => "in_review",
            Self::ChangesAsked => "changes_asked",
            Self::Approved => "approved",
            Self::Archived => "archived",
        }
    }

    /// The state of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }

    /// What may come next. Approval always follows a review, and what was put away begins again as a draft.
    pub fn next(self) -> &'static [Self] {
        match self {
            Self::Draft => &[Self::InReview, Self::Archived],
            Self::InReview => &[Self::Draft, Self::ChangesAsked, Self::Approved],
            Self::ChangesAsked => &[Self::InReview, Self::Archived],
            Self::Approved => &[Self::ChangesAsked, Self::Archived],
            Self::Archived => &[Self::Draft],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_ways() {
        for state in ReviewState::ALL {
            assert_eq!(ReviewState::from_name(state.name()), Some(state));
            assert_eq!(serde_json::to_value(state).unwrap(), state.name());
            assert!(!state.next().contains(&state) && !state.next().is_empty());
        }
        let before_approval: Vec<_> =
            ReviewState::ALL.into_iter().filter(|state| state.next().contains(&ReviewState::Approved)).collect();
        assert_eq!(before_approval, [ReviewState::InReview]);
    }
}
