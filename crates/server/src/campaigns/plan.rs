//! What a campaign will take, before anything is drawn.

use std::sync::Arc;

use campaign::money;
use serde::Serialize;
use store::CandidateFilter;
use utoipa::ToSchema;

use super::Work;
use crate::app::App;
use crate::error::ApiError;
use crate::native::plan as plan_job;

/// Bytes of a prompt that count as the same length.
const PROMPT_STEP: u32 = 32;

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
    /// What may be spent.
    pub budget: Option<String>,
    /// What is spent already.
    pub spent: String,
    /// What costs are in.
    pub currency: String,
    /// Whether all of it fits into the budget.
    pub fits: bool,
}

/// Predicts a campaign: jobs whose prompts are about as long take as long, so that one of each is predicted.
pub async fn plan(app: &Arc<App>, id: &str) -> Result<CampaignPlan, ApiError> {
    let own = id.to_owned();
    let (campaign, work, lengths, picked, settings) = app
        .blocking(move |app| {
            let campaign = app.store.campaign(&own)?;
            let work = Work::of(&campaign)?;
            work.check(app)?;
            let picked = CandidateFilter { picked: Some(true), ..CandidateFilter::default() };
            let picked = app.store.candidates(&own, &picked, 0, 1)?.1;
            Ok((campaign, work, app.store.prompt_lengths(&own, PROMPT_STEP)?, picked, app.settings()?))
        })
        .await?;
    let rate = work.rate(&settings)?;
    let finals = if picked > 0 { picked } else { campaign.rows };
    let (mut draft_seconds, mut final_seconds) = (0.0, 0.0);
    for (prompt, count) in &lengths {
        draft_seconds += plan_job(app, work.draft("", prompt, None)).await?.seconds * *count as f64;
        final_seconds += plan_job(app, work.draft("", prompt, Some(0))).await?.seconds * *count as f64;
    }
    // Picks are spread over the rows in an unknown way: each takes the mean.
    final_seconds *= finals as f64 / campaign.rows.max(1) as f64;
    let drafts = campaign.rows * i64::from(work.brief.candidates);
    let pictures = |count: i64| u32::try_from(count).unwrap_or(u32::MAX);
    let (draft_cost, final_cost) =
        (rate.cost(draft_seconds, pictures(drafts)), rate.cost(final_seconds, pictures(finals)));
    let cost = draft_cost.saturating_add(final_cost);
    let cap = work.brief.cap();
    Ok(CampaignPlan {
        rows: campaign.rows,
        drafts,
        finals,
        draft_seconds,
        final_seconds,
        draft_cost: money(draft_cost),
        final_cost: money(final_cost),
        cost: money(cost),
        cost_per_asset: (finals > 0).then(|| money(cost / finals)),
        budget: cap.map(money),
        spent: money(campaign.micros),
        currency: settings.currency,
        fits: cap.is_none_or(|cap| cost <= cap),
    })
}
