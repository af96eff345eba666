//! Entries become jobs, a few at a time, and end with them. The feeder of campaigns calls this in each of its rounds.

use std::sync::Arc;

use campaign::Rate;

use super::request::draft;
use crate::app::App;
use crate::error::ApiError;
use crate::live::Happening;

/// Ends entries whose jobs are over, then makes pending ones jobs until `most` jobs wait.
pub async fn feed(app: &Arc<App>, most: usize) -> Result<(), ApiError> {
    app.blocking(settle).await?;
    while !app.queue.is_stopping() {
        let Some(job) = app.blocking(move |app| next(app, most)).await? else { return Ok(()) };
        if let Some(job) = job {
            app.queue.wake();
            app.queue.live.tell(Happening::Changed(Arc::new(job)));
        }
    }
    Ok(())
}

/// Ends entries whose jobs are over. Blocks.
pub fn settle(app: &App) -> Result<(), ApiError> {
    let hour = Rate::Hour((app.settings()?.hour() * campaign::MICROS as f64).round() as i64);
    app.store.settle_entries(&|seconds| hour.cost(seconds, 1))?;
    Ok(())
}

/// Makes the next entry a job: nothing if there is none or no room; no job where the entry cannot be one. Blocks.
fn next(app: &App, most: usize) -> Result<Option<Option<store::Job>>, ApiError> {
    let Some(entry) = app.store.next_entry()? else { return Ok(None) };
    let bakeoff = app.store.bakeoff(&entry.bakeoff)?;
    let (contestant, prompt) = (entry.contestant as usize, entry.prompt as usize);
    let Some((contestant, prompt)) = bakeoff.contestants.get(contestant).zip(bakeoff.prompts.get(prompt)) else {
        app.store.fail_entry(&entry, "its contestant or prompt is gone")?;
        return Ok(Some(None));
    };
    // A model may have gone since the bake-off was made.
    let checked = draft(&bakeoff, contestant, prompt).and_then(|draft| app.check(&draft).map(|()| draft));
    let draft = match checked {
        Ok(draft) => draft,
        Err(error) => {
            app.store.fail_entry(&entry, &error.message)?;
            return Ok(Some(None));
        }
    };
    let model = app.models.find(&draft.model)?;
    let planned = app.planner.kept(&model, &draft.order).and_then(|plan| plan["seconds"].as_f64());
    Ok(app.store.feed_entry(&entry, most, &draft.into_job(planned)?)?.map(Some))
}
