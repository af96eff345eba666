//! What a campaign has become: counts, seconds and money against the plan, and how long approvals took.

use std::collections::BTreeMap;

use campaign::{ReviewState, money};
use serde::Serialize;
use store::{CandidateFilter, Stage, TaskState};
use utoipa::ToSchema;

use super::{Work, settle};
use crate::app::App;
use crate::error::ApiError;

/// What a campaign has become. Money is in decimals of the currency, at the price there was when a job ended.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CampaignReport {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// `ready`, `running`, `paused`, `stopped` or `cancelled`.
    pub state: String,
    /// Why it stopped.
    pub reason: Option<String>,
    /// Day by which it must be done.
    pub deadline: Option<String>,
    /// Assets.
    pub rows: i64,
    /// Tasks by where they are, first of drafts (one a row), then of finals (one a pick): `pending`, `queued`, `done`, `failed`,
    /// `cancelled`.
    pub drafts: BTreeMap<String, i64>,
    /// The same of finals.
    pub finals: BTreeMap<String, i64>,
    /// Drafts that can be picked.
    pub candidates: i64,
    /// How many are picked.
    pub picked: i64,
    /// Picks by where they are in the review.
    pub review: BTreeMap<String, i64>,
    /// Jobs that ended.
    pub jobs: i64,
    /// Pictures they made.
    pub pictures: i64,
    /// Seconds that were predicted for them.
    pub planned_seconds: f64,
    /// Seconds they took.
    pub seconds: f64,
    /// What they cost.
    pub spent: String,
    /// What may be spent.
    pub budget: Option<String>,
    /// What costs are in.
    pub currency: String,
    /// What an approved picture cost, with everything that was drawn and not taken.
    pub cost_per_approved: Option<String>,
    /// Median of the seconds from the first question to the approval.
    pub approval_seconds: Option<f64>,
    /// How satisfied people were.
    pub satisfaction: Satisfaction,
    /// Votes of duels.
    pub votes: usize,
}

/// How satisfied people were.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Satisfaction {
    /// Answers.
    pub answers: usize,
    /// Mean of 1 to 5.
    pub mean: Option<f64>,
    /// How often each reason was given.
    pub reasons: BTreeMap<String, usize>,
}

/// The report of a campaign. Blocks.
pub fn report(app: &App, id: &str) -> Result<CampaignReport, ApiError> {
    settle(app)?;
    let store = &app.store;
    let campaign = store.campaign(id)?;
    let brief = Work::of(&campaign)?.brief;
    let counts = store.task_counts(id)?;
    let tasks = |stage: Stage| {
        let of_stage = counts.iter().filter(|count| count.stage == stage);
        let found: BTreeMap<&str, i64> = of_stage.map(|count| (count.state.name(), count.count)).collect();
        let all = TaskState::ALL.map(TaskState::name);
        all.into_iter().map(|name| (name.to_owned(), found.get(name).copied().unwrap_or(0))).collect()
    };
    let count = |picked| {
        let filter = CandidateFilter { picked, ..CandidateFilter::default() };
        store.candidates(id, &filter, 0, 1).map(|(_, total)| total)
    };
    let found: BTreeMap<&str, i64> =
        store.review_counts(id)?.into_iter().map(|(state, count)| (state.name(), count)).collect();
    let review: BTreeMap<String, i64> = ReviewState::ALL
        .into_iter()
        .map(|state| (state.name().to_owned(), found.get(state.name()).copied().unwrap_or(0)))
        .collect();
    let approved = review.get(ReviewState::Approved.name()).copied().unwrap_or(0);
    let mut times: Vec<i64> =
        store.approval_times(id)?.iter().map(|time| (time.approved_ms - time.asked_ms).max(0)).collect();
    let pulses = store.pulses(id)?;
    let mut reasons = BTreeMap::new();
    for pulse in pulses.iter().filter(|pulse| !pulse.reason.is_empty()) {
        *reasons.entry(pulse.reason.clone()).or_insert(0) += 1;
    }
    let sum: u32 = pulses.iter().map(|pulse| u32::from(pulse.score)).sum();
    Ok(CampaignReport {
        id: campaign.id,
        name: campaign.name,
        state: campaign.state.name().into(),
        reason: campaign.reason,
        rows: campaign.rows,
        drafts: tasks(Stage::Drafts),
        finals: tasks(Stage::Finals),
        candidates: count(None)?,
        picked: count(Some(true))?,
        review,
        jobs: campaign.jobs,
        pictures: campaign.pictures,
        planned_seconds: campaign.planned_seconds,
        seconds: campaign.seconds,
        spent: money(campaign.micros),
        budget: brief.cap().map(money),
        currency: brief.budget.map_or(app.settings()?.currency, |budget| budget.currency),
        deadline: brief.deadline,
        cost_per_approved: (approved > 0).then(|| money(campaign.micros / approved)),
        approval_seconds: median(&mut times).map(|milliseconds| milliseconds / 1000.0),
        satisfaction: Satisfaction {
            answers: pulses.len(),
            mean: (!pulses.is_empty()).then(|| f64::from(sum) / pulses.len() as f64),
            reasons,
        },
        votes: store.votes(id)?.len(),
    })
}

fn median(values: &mut [i64]) -> Option<f64> {
    values.sort_unstable();
    let middle = values.len() / 2;
    let upper = *values.get(middle)? as f64;
    match values.len() % 2 {
        1 => Some(upper),
        _ => Some((values[middle - 1] as f64 + upper) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(&mut []), None);
        assert_eq!(median(&mut [5]), Some(5.0));
        assert_eq!(median(&mut [9, 1, 2]), Some(2.0));
        assert_eq!(median(&mut [4, 1, 2, 9]), Some(3.0));
    }
}
