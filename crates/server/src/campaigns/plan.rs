//! What a campaign will take, before anything is drawn.

use std::collections::BTreeMap;
use std::sync::Arc;

use campaign::money;
use serde::Serialize;
use store::CampaignProgress;
use utoipa::ToSchema;

use super::Work;
use crate::app::App;
use crate::error::ApiError;
use crate::native::plan as plan_job;

/// Bytes of a prompt that count as the same length.
const PROMPT_STEP: u32 = 32;

/// Pictures still to be drawn of a stage.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct StageLeft {
    /// Pictures.
    pub pictures: i64,
    /// Seconds of drawing them.
    pub seconds: f64,
    /// What they cost.
    pub cost: String,
}

/// What a campaign will take. Money is in decimals of the currency.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct CampaignPlan {
    /// Assets.
    pub rows: i64,
    /// Pictures that are drafts: candidates of every row.
    pub drafts: i64,
    /// Pictures that are finals: of what is picked, or one of every row while nothing is.
    pub finals: i64,
    /// Seconds of drawing the drafts.
    pub draft_seconds: f64,
    /// Seconds of drawing the finals.
    pub final_seconds: f64,
    /// What the drafts cost.
    pub draft_cost: String,
    /// What the finals cost.
    pub final_cost: String,
    /// What all of it costs.
    pub cost: String,
    /// What all of it costs by asset: by final.
    pub cost_per_asset: Option<String>,
    /// Drafts that a run would still draw.
    pub drafts_left: StageLeft,
    /// Finals that a run would still draw: of what is picked.
    pub finals_left: StageLeft,
    /// What may be spent.
    pub budget: Option<String>,
    /// What is spent already.
    pub spent: String,
    /// What costs are in.
    pub currency: String,
    /// Whether all of it fits into the budget.
    pub fits: bool,
}

/// What a campaign is made of, and how much of it is there.
#[derive(Debug, Default)]
pub struct Extent {
    /// A prompt of each length, and how many rows have one of about that length.
    prompts: Vec<(String, i64)>,
    rows: i64,
    there: CampaignProgress,
    /// Spent already, micro-units.
    spent: i64,
}

impl Extent {
    /// Of rows that are not kept yet.
    pub fn of_rows(rows: &[campaign::Row]) -> Self {
        let mut lengths = BTreeMap::new();
        for row in rows {
            lengths.entry(row.prompt.len() / PROMPT_STEP as usize).or_insert((&row.prompt, 0)).1 += 1;
        }
        let prompts = lengths.into_values().map(|(prompt, count)| (prompt.clone(), count)).collect();
        Self { prompts, rows: rows.len() as i64, ..Self::default() }
    }
}

/// Predicts a campaign.
pub async fn plan(app: &Arc<App>, id: &str) -> Result<CampaignPlan, ApiError> {
    let own = id.to_owned();
    let (work, extent) = app
        .blocking(move |app| {
            let campaign = app.store.campaign(&own)?;
            let work = Work::of(&campaign)?.with_kit(app)?;
            work.check(app)?;
            let prompts = app.store.prompt_lengths(&own, PROMPT_STEP)?;
            let there = app.store.campaign_progress(&own)?;
            Ok((work, Extent { prompts, rows: campaign.rows, there, spent: campaign.micros }))
        })
        .await?;
    predict(app, &work, &extent).await
}

/// Predicts what a brief asks for: jobs whose prompts are about as long take as long, so that one of each is predicted.
pub async fn predict(app: &Arc<App>, work: &Work, extent: &Extent) -> Result<CampaignPlan, ApiError> {
    let settings = app.blocking(App::settings).await?;
    let rate = work.rate(&settings)?;
    let Extent { prompts, rows, there, spent } = extent;
    let finals = if there.picked > 0 { there.picked } else { *rows };
    let (mut draft_seconds, mut final_seconds) = (0.0, 0.0);
    for (prompt, count) in prompts {
        draft_seconds += plan_job(app, work.draft("", prompt, None)).await?.seconds * *count as f64;
        final_seconds += plan_job(app, work.draft("", prompt, Some(0))).await?.seconds * *count as f64;
    }
    // Picks are spread over the rows in an unknown way: each takes the mean.
    final_seconds *= finals as f64 / (*rows).max(1) as f64;
    let drafts = rows * i64::from(work.brief.candidates);
    let pictures = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
    let left = |count: i64, of: i64, seconds: f64| {
        let seconds = seconds * count as f64 / of.max(1) as f64;
        StageLeft { pictures: count, seconds, cost: money(rate.cost(seconds, pictures(count))) }
    };
    let (draft_cost, final_cost) =
        (rate.cost(draft_seconds, pictures(drafts)), rate.cost(final_seconds, pictures(finals)));
    let cost = draft_cost.saturating_add(final_cost);
    let cap = work.brief.cap();
    Ok(CampaignPlan {
        rows: *rows,
        drafts,
        finals,
        draft_seconds,
        final_seconds,
        draft_cost: money(draft_cost),
        final_cost: money(final_cost),
        cost: money(cost),
        cost_per_asset: (finals > 0).then(|| money(cost / finals)),
        drafts_left: left((rows - there.drafted).max(0) * i64::from(work.brief.candidates), drafts, draft_seconds),
        finals_left: left(there.picked - there.finals, finals, final_seconds),
        budget: cap.map(money),
        spent: money(*spent),
        currency: settings.currency,
        fits: cap.is_none_or(|cap| cost <= cap),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_of_about_one_length_are_one() {
        let row = |prompt: String| campaign::Row { key: String::new(), values: BTreeMap::new(), prompt };
        let rows: Vec<_> = [1, 2, 31, 32, 40, 64].map(|length| row("x".repeat(length))).into();
        let Extent { prompts, rows, .. } = Extent::of_rows(&rows);
        let told: Vec<(usize, i64)> = prompts.iter().map(|(prompt, count)| (prompt.len(), *count)).collect();
        assert_eq!((told, rows), (vec![(1, 3), (32, 2), (64, 1)], 6));
    }
}
