//! The feeder: keeps a few jobs of running campaigns waiting, so that the queue is never empty and never full of them, and keeps
//! what they drew. All it knows is in the store, so that it goes on where it was after any end of the process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use campaign::{Ledger, Rate};
use store::{Campaign, CampaignState, Job, NewJob, Stage, Task};
use tokio::sync::broadcast::error::RecvError;

use super::{Work, settle};
use crate::app::App;
use crate::error::ApiError;
use crate::live::Happening;

/// Jobs that wait before the feeder holds back: enough that the worker never waits for it, and few enough that 40 places of the
/// queue's 48 stay free for other batches.
const WAITING: usize = 8;
/// Pause after something that should not happen.
const PAUSE: Duration = Duration::from_secs(1);

/// Feeds until the server stops.
pub async fn feed(app: Arc<App>) {
    let mut news = app.queue.live.listen();
    let mut known = HashMap::new();
    loop {
        // A round may wait for a prediction; what it leaves undone is done after the next start.
        let round = tokio::select! { done = round(&app, &mut known) => done, () = app.queue.stopping() => return };
        if let Err(error) = round {
            tracing::error!("campaigns: {}", error.message);
            tokio::select! { () = tokio::time::sleep(PAUSE) => continue, () = app.queue.stopping() => return }
        }
        tokio::select! {
            () = app.feeder.notified() => {}
            () = until_over(&mut news) => {}
            () = app.queue.stopping() => return,
        }
    }
}

/// Waits until a job is over, or news were missed.
async fn until_over(news: &mut tokio::sync::broadcast::Receiver<Happening>) {
    loop {
        match news.recv().await {
            Ok(Happening::Over(_)) | Err(RecvError::Lagged(_)) => return,
            Ok(_) => {}
            // The queue is gone: the stop is what counts.
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// What was read of campaigns, by id.
type Known = HashMap<String, Arc<Work>>;

/// Keeps what is over, then gives each running campaign a job in turn until enough wait.
async fn round(app: &Arc<App>, known: &mut Known) -> Result<(), ApiError> {
    // Half of the places, so that neither waits for the other to end.
    crate::bakeoffs::feed(app, WAITING / 2).await?;
    let mut campaigns = app
        .blocking(|app| {
            settle(app)?;
            Ok(app.store.running_campaigns()?)
        })
        .await?;
    known.retain(|id, _| campaigns.iter().any(|campaign| campaign.id == *id));
    while !campaigns.is_empty() && !app.queue.is_stopping() {
        let mut fed = Vec::new();
        for campaign in campaigns {
            if feed_one(app, &campaign, known).await? {
                fed.push(campaign);
            }
        }
        campaigns = fed;
    }
    Ok(())
}

/// Makes the next task of a campaign a job; whether there may be more.
async fn feed_one(app: &Arc<App>, campaign: &Campaign, known: &mut Known) -> Result<bool, ApiError> {
    let work = match known.get(&campaign.id) {
        Some(work) => Ok(work.clone()),
        None => {
            let campaign = campaign.clone();
            app.blocking(move |app| Work::of(&campaign)?.with_kit(app)).await.map(Arc::new)
        }
    };
    let work = match work {
        Ok(work) => known.entry(campaign.id.clone()).or_insert(work).clone(),
        Err(error) => return stop(app, campaign, error).await,
    };
    let id = campaign.id.clone();
    let Some(task) = app.blocking(move |app| Ok(app.store.next_task(&id)?)).await? else { return Ok(false) };
    let job = match job_of(app, &work, campaign, &task).await {
        Ok(job) => job,
        Err(error) => return stop(app, campaign, error).await,
    };
    let fed = app.blocking(move |app| Ok(app.store.feed(&task, WAITING, &job)?)).await?;
    let Some(job) = fed else { return Ok(false) };
    app.queue.wake();
    app.queue.live.tell(Happening::Changed(Arc::new(job)));
    Ok(true)
}

/// The job of a task, if it may be drawn and paid for.
async fn job_of(app: &Arc<App>, work: &Arc<Work>, campaign: &Campaign, task: &Task) -> Result<NewJob, ApiError> {
    let draft = work.draft(&task.row, &task.prompt, task.final_seed);
    let (own, of) = (draft.clone(), work.clone());
    let (model, rate) = app
        .blocking(move |app| {
            app.check(&own)?;
            Ok((app.models.find(&own.model)?, of.rate(&app.settings()?)?))
        })
        .await?;
    let cap = work.brief.cap();
    // Without a cap a prediction is welcome, but not worth measuring the machine for.
    let planned = match app.planner.kept(&model, &draft.order) {
        Some(plan) => Some(plan),
        None if cap.is_some() || app.planner.is_warm() => Some(app.planner.plan(&model, &draft.order).await?),
        None => None,
    };
    let planned_seconds = planned.and_then(|plan| plan["seconds"].as_f64());
    if cap.is_some() {
        let ratio = app.queue.live.ratio(&draft.model);
        let seconds = planned_seconds.unwrap_or(0.0) * ratio;
        admit(app, campaign, cap, rate, ratio, rate.cost(seconds, draft.order.count)).await?;
    }
    draft.into_job(planned_seconds)
}

/// Whether the budget allows a job of this cost. Where jobs took longer than planned, those that wait are taken back first.
async fn admit(
    app: &Arc<App>,
    campaign: &Campaign,
    cap: Option<i64>,
    rate: Rate,
    ratio: f64,
    next: i64,
) -> Result<(), ApiError> {
    let id = campaign.id.clone();
    let (ledger, cancelled) = app
        .blocking(move |app| {
            let ledger = |under_way: store::UnderWay| {
                let pictures = u32::try_from(under_way.pictures).unwrap_or(u32::MAX);
                let spent = app.store.campaign(&id)?.micros;
                let reserved = rate.cost(under_way.planned_seconds * ratio, pictures);
                Ok::<_, ApiError>(Ledger { cap, spent, reserved })
            };
            let now = ledger(app.store.under_way(&id)?)?;
            if now.admit(0).is_ok() {
                return Ok((now, Vec::new()));
            }
            let (cancelled, _) = app.store.withdraw(&id, false)?;
            Ok((ledger(app.store.under_way(&id)?)?, cancelled))
        })
        .await?;
    tell_over(app, cancelled);
    ledger.admit(next).map_err(|over| ApiError::field("brief.budget", over.to_string()))
}

/// Stops a campaign that cannot go on, and says why.
async fn stop(app: &Arc<App>, campaign: &Campaign, error: ApiError) -> Result<bool, ApiError> {
    let id = campaign.id.clone();
    let reason = match &error.field {
        Some(field) => format!("{field}: {}", error.message),
        None => error.message,
    };
    tracing::info!("campaign {}: stopped: {reason}", campaign.name);
    let moved = app.blocking(move |app| {
        Ok(app.store.move_campaign(&id, &[CampaignState::Running], CampaignState::Stopped, Some(&reason))?)
    });
    match moved.await {
        // Somebody paused or ended it meanwhile.
        Ok(_) => Ok(false),
        Err(error) if error.status == axum::http::StatusCode::CONFLICT => Ok(false),
        Err(error) => Err(error),
    }
}

/// Has drafts of every row, or finals of every pick, drawn; gives how many tasks wait.
pub async fn start(app: &Arc<App>, id: &str, stage: Stage) -> Result<i64, ApiError> {
    let id = id.to_owned();
    let pending = app
        .blocking(move |app| {
            let campaign = app.store.campaign(&id)?;
            Work::of(&campaign)?.check(app)?;
            settle(app)?;
            if stage == Stage::Drafts && campaign.rows == 0 {
                return Err(ApiError::field("stage", "the campaign has no rows yet (POST …/rows)"));
            }
            let picked = store::CandidateFilter { picked: Some(true), ..store::CandidateFilter::default() };
            if stage == Stage::Finals && app.store.candidates(&id, &picked, 0, 1)?.1 == 0 {
                return Err(ApiError::field("stage", "nothing is picked yet (POST …/picks)"));
            }
            Ok(app.store.want(&id, stage)?)
        })
        .await?;
    app.feeder.notify_one();
    Ok(pending)
}

/// Takes the waiting jobs of a campaign back; the running one is drawn to its end. One that does not run stays as it is.
pub async fn pause(app: &Arc<App>, id: &str) -> Result<Campaign, ApiError> {
    let own = id.to_owned();
    let (campaign, cancelled) = app
        .blocking(move |app| {
            let campaign = app.store.campaign(&own)?;
            if campaign.state != CampaignState::Running {
                return Ok((campaign, Vec::new()));
            }
            let campaign = app.store.move_campaign(&own, &[CampaignState::Running], CampaignState::Paused, None)?;
            Ok((campaign, app.store.withdraw(&own, false)?.0))
        })
        .await?;
    tell_over(app, cancelled);
    Ok(campaign)
}

/// Lets a campaign go on that paused or stopped; one that runs or has nothing to do stays as it is.
pub async fn resume(app: &Arc<App>, id: &str) -> Result<Campaign, ApiError> {
    let own = id.to_owned();
    let campaign = app
        .blocking(move |app| {
            let campaign = app.store.campaign(&own)?;
            match campaign.state {
                CampaignState::Running | CampaignState::Ready => Ok(campaign),
                _ => Ok(app.store.resume_campaign(&own)?),
            }
        })
        .await?;
    app.feeder.notify_one();
    Ok(campaign)
}

/// Ends the work on a campaign, also the running job. What is drawn stays.
pub async fn cancel(app: &Arc<App>, id: &str) -> Result<Campaign, ApiError> {
    let own = id.to_owned();
    let mut listener = app.queue.live.listen();
    let (campaign, cancelled, running) = app
        .blocking(move |app| {
            let from = [CampaignState::Ready, CampaignState::Running, CampaignState::Paused, CampaignState::Stopped];
            let campaign = app.store.move_campaign(&own, &from, CampaignState::Cancelled, None)?;
            let (cancelled, running) = app.store.withdraw(&own, true)?;
            Ok((campaign, cancelled, running))
        })
        .await?;
    tell_over(app, cancelled);
    for job in running {
        // It ends within a step; until then its task counts as under way, and a new run would leave it out.
        if !app.queue.cancel(&job).await?.state.is_over() {
            app.wait(&job, &mut listener, |_| {}).await?;
        }
    }
    app.blocking(settle).await?;
    Ok(campaign)
}

fn tell_over(app: &App, jobs: Vec<Job>) {
    for job in jobs {
        app.queue.live.tell(Happening::Over(Arc::new(job)));
    }
}
