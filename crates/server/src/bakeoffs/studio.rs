//! What the command line does with bake-offs, on a data folder without an address.

use std::path::{Path, PathBuf};

use serde::Serialize;
use store::{Bakeoff, DEFAULT_PROJECT, EntryState, Verdict};

use super::{BakeoffPlan, BakeoffReport, BakeoffRequest, DuelsView};
use crate::error::{ApiError, ServeError};
use crate::picture::{self, Format, Wanted};
use crate::studio::{LOOK, Studio, every};
use crate::{bakeoffs, campaigns};

/// How far the drawing of a bake-off is.
#[derive(Debug, Clone, Serialize)]
pub struct BakeoffProgress {
    /// Pictures that are there.
    pub done: usize,
    /// Pictures in all.
    pub total: usize,
    /// Pictures that could not be drawn, and why the first of them could not.
    pub failed: usize,
    /// Why.
    pub error: Option<String>,
}

/// A pair to vote on, with its pictures as files.
#[derive(Debug, Clone, Serialize)]
pub struct ShownDuel {
    /// How far the voter is, and the pair.
    #[serde(flatten)]
    pub duels: DuelsView,
    /// The left picture, without any text inside it.
    pub left_file: Option<PathBuf>,
    /// The right one.
    pub right_file: Option<PathBuf>,
}

impl Studio {
    /// Keeps a picture from outside; gives the id of its asset. Blocks.
    pub fn keep_picture(&self, field: &str, bytes: &[u8]) -> Result<String, ServeError> {
        Ok(self.app.keep_upload(field, bytes, DEFAULT_PROJECT)?.id)
    }

    /// Removes pictures again that were kept for a bake-off which is none. Blocks.
    pub fn forget_pictures(&self, ids: &[String]) -> Result<(), ServeError> {
        Ok(ids.iter().try_for_each(|id| self.app.store.remove_asset(id))?)
    }

    /// Makes a bake-off; its campaign is called by name or id. Blocks.
    pub fn create_bakeoff(&self, mut request: BakeoffRequest) -> Result<Bakeoff, ServeError> {
        if let Some(name) = &request.campaign {
            request.campaign = Some(self.app.store.find_campaign(name)?.id);
        }
        Ok(bakeoffs::create(&self.app, request)?)
    }

    /// All bake-offs, the newest first, and how far each is drawn. Blocks.
    pub fn bakeoffs(&self) -> Result<Vec<(Bakeoff, BakeoffProgress)>, ServeError> {
        let store = &self.app.store;
        let bakeoffs = every(|offset, limit| store.bakeoffs(None, offset, limit))?;
        let with_progress = |bakeoff: Bakeoff| {
            let progress = progress(&store.entries(&bakeoff.id)?);
            Ok((bakeoff, progress))
        };
        bakeoffs.into_iter().map(with_progress).collect()
    }

    /// Predicts a bake-off. Keeps and draws nothing.
    pub async fn plan_bakeoff(&self, request: BakeoffRequest) -> Result<BakeoffPlan, ServeError> {
        Ok(bakeoffs::plan(&self.app, request).await?)
    }

    /// Draws a bake-off, called by name or id, until all pictures are there or `is_over` says so; a later run goes on. What
    /// failed before is tried again.
    pub async fn run_bakeoff(
        &self,
        name: &str,
        is_over: impl Fn() -> bool,
        mut on_progress: impl FnMut(&BakeoffProgress),
    ) -> Result<BakeoffProgress, ServeError> {
        let app = &self.app;
        let id = app.store.find_bakeoff(name)?.id;
        app.store.want_entries(&id)?;
        app.feeder.notify_one();
        let queue = tokio::spawn(app.queue.clone().run(self.config.worker.clone(), self.config.grace));
        let feeder = tokio::spawn(campaigns::feed(app.clone()));
        let result = loop {
            tokio::time::sleep(LOOK).await;
            let own = id.clone();
            let progress = match app.blocking(move |app| Ok(progress(&app.store.entries(&own)?))).await {
                Ok(progress) => progress,
                Err(error) => break Err(error),
            };
            on_progress(&progress);
            if progress.done + progress.failed == progress.total || is_over() {
                break Ok(progress);
            }
        };
        app.queue.stop();
        let _ = tokio::join!(queue, feeder);
        Ok(result?)
    }

    /// The next pair of a voter, with its pictures as `left.webp` and `right.webp` in a folder. Blocks.
    pub fn next_duel(&self, name: &str, voter: &str, folder: Option<&Path>) -> Result<ShownDuel, ServeError> {
        let id = self.app.store.find_bakeoff(name)?.id;
        let duels = bakeoffs::duels(&self.app, &id, voter, 1)?;
        let mut shown = ShownDuel { duels, left_file: None, right_file: None };
        if let (Some(folder), Some(duel)) = (folder, shown.duels.duels.first()) {
            std::fs::create_dir_all(folder)?;
            let write = |picture: &str, name: &str| -> Result<PathBuf, ServeError> {
                let path = folder.join(name);
                let bytes = blind_picture(&self.app, &id, picture, None)?;
                formats::atomic::write_bytes_atomic(&path, &bytes).map_err(store::StoreError::from)?;
                Ok(path)
            };
            let (left, right) = (write(&duel.left, "left.webp")?, write(&duel.right, "right.webp")?);
            (shown.left_file, shown.right_file) = (Some(left), Some(right));
        }
        Ok(shown)
    }

    /// Votes on the next pair of a voter, or takes the last vote back; gives how far the voter is. Blocks.
    pub fn vote_in_bakeoff(&self, name: &str, voter: &str, verdict: Option<Verdict>) -> Result<DuelsView, ServeError> {
        let refused = |message: &str| ServeError::Refused { message: message.to_owned() };
        let id = self.app.store.find_bakeoff(name)?.id;
        match verdict {
            Some(verdict) => {
                let next = bakeoffs::duels(&self.app, &id, voter, 1)?;
                let duel = next.duels.first().ok_or_else(|| refused("there is no pair left to vote on"))?;
                self.app.store.vote_in_bakeoff(&id, &duel.left, &duel.right, verdict, voter)?;
            }
            None => {
                let taken = self.app.store.undo_vote(&id, voter)?;
                taken.ok_or_else(|| refused("there is no vote to take back"))?;
            }
        }
        Ok(bakeoffs::duels(&self.app, &id, voter, 1)?)
    }

    /// What a bake-off says. Blocks.
    pub fn bakeoff_report(&self, name: &str) -> Result<BakeoffReport, ServeError> {
        let id = self.app.store.find_bakeoff(name)?.id;
        Ok(bakeoffs::report(&self.app, &id)?)
    }
}

/// A picture as WebP without any text inside it. Blocks.
pub fn blind_picture(
    app: &crate::app::App,
    bakeoff: &str,
    picture: &str,
    width: Option<u32>,
) -> Result<axum::body::Bytes, ApiError> {
    let entry = app.store.entry(bakeoff, picture)?;
    let asset = entry.asset.ok_or_else(|| ApiError::not_found("this picture is not there"))?;
    let png = app.store.asset_bytes(&app.store.asset(&asset)?)?;
    picture::convert(png.into(), Wanted { format: Format::Webp, width, bare: true, ..Wanted::default() })
}

fn progress(entries: &[store::Entry]) -> BakeoffProgress {
    let with = |state| entries.iter().filter(|entry| entry.state == state).count();
    BakeoffProgress {
        done: with(EntryState::Done),
        total: entries.len(),
        failed: with(EntryState::Failed),
        error: entries.iter().find_map(|entry| entry.error.clone()),
    }
}
