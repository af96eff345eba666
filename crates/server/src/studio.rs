//! A data folder without an address: what the command line does with campaigns. It opens the folder alone, as a server does, and
//! works through the same store, feeder, queue and worker, so that campaigns that were begun here go on there and the other way
//! round.

use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use campaign::{Brief, ReviewState, money};
use serde::Serialize;
use store::{
    Campaign, CampaignState, Candidate, CandidateFilter, DEFAULT_PROJECT, RowFilter, Stage, Store, StoreError,
    TaskState,
};

use crate::app::App;
use crate::brand::{self, DeliveryProgress, DeliveryRequest};
use crate::campaigns::{self, CampaignPlan, CampaignReport};
use crate::config::ServeConfig;
use crate::error::{ApiError, ServeError};
use crate::models::Models;
use crate::native::{self, CampaignView, LinkView, NewLink};
use crate::rate::Rate;
use crate::security::Guard;

/// How often a run looks how far it is.
pub(crate) const LOOK: Duration = Duration::from_millis(200);
/// Who does what is done here, unless somebody is named.
const LOCAL: &str = "local";
/// Rows of the store that are read at once.
const PAGE: u32 = 200;

/// All of what the store gives by pages, each from an offset and at most so many.
pub(crate) fn every<T>(page: impl Fn(u32, u32) -> Result<(Vec<T>, i64), StoreError>) -> Result<Vec<T>, StoreError> {
    let mut all = Vec::new();
    loop {
        let (found, _) = page(u32::try_from(all.len()).unwrap_or(u32::MAX), PAGE)?;
        let is_last = found.len() < PAGE as usize;
        all.extend(found);
        if is_last {
            return Ok(all);
        }
    }
}

/// An open data folder.
pub struct Studio {
    pub(crate) app: Arc<App>,
    pub(crate) config: ServeConfig,
}

/// How far a run is.
#[derive(Debug, Clone, Serialize)]
pub struct RunProgress {
    /// Tasks that are done, of this stage.
    pub done: i64,
    /// Tasks of this stage.
    pub total: i64,
    /// Tasks that failed.
    pub failed: i64,
    /// What is spent, a decimal.
    pub spent: String,
    /// `running`, or how it ended: `ready`, `paused`, `stopped`, `cancelled`.
    pub state: String,
    /// Why it stopped.
    pub reason: Option<String>,
}

/// What was exported.
#[derive(Debug, Clone, Serialize)]
pub struct Exported {
    /// Pictures.
    pub pictures: usize,
    /// Picks that have no final yet.
    pub missing: usize,
    /// The list of them.
    pub manifest: PathBuf,
}

/// What was delivered.
#[derive(Debug, Clone, Serialize)]
pub struct Delivered {
    /// Files for channels.
    pub files: usize,
    /// Picks without a final, which were left out.
    pub missing: Vec<String>,
    /// Findings of level error, which stand in the manifest.
    pub errors: usize,
    /// The ZIP, or the manifest.
    pub place: PathBuf,
}

impl Studio {
    /// Opens the data folder of a configuration; its address is not used.
    pub fn open(config: ServeConfig) -> Result<Self, ServeError> {
        let store = Arc::new(Store::open(&config.data)?);
        let models = Arc::new(Models::new(&config.models_folder()));
        let guard = Guard::new(&config, Vec::new(), true);
        let app = Arc::new(App::new(store, models, config.worker.clone(), guard, Rate::new(0)));
        Ok(Self { app, config })
    }

    /// Keeps a campaign with its rows; gives its name, id and number of rows. Blocks.
    pub fn create(&self, brief: Brief, csv: Option<&mut dyn Read>) -> Result<(String, String, i64), ServeError> {
        let Campaign { name, id, rows, .. } = campaigns::create(&self.app, brief, DEFAULT_PROJECT, csv)?;
        Ok((name, id, rows))
    }

    /// All campaigns, the newest first, and how far each is. Blocks.
    pub fn campaigns(&self) -> Result<Vec<CampaignView>, ServeError> {
        let campaigns = every(|offset, limit| self.app.store.campaigns(offset, limit))?;
        Ok(campaigns.into_iter().map(|campaign| CampaignView::of(&self.app, campaign)).collect::<Result<_, _>>()?)
    }

    /// Predicts a campaign, by name or id.
    pub async fn plan(&self, name: &str) -> Result<CampaignPlan, ServeError> {
        let id = self.app.store.find_campaign(name)?.id;
        Ok(campaigns::plan(&self.app, &id).await?)
    }

    /// The report of a campaign, by name or id. Blocks.
    pub fn report(&self, name: &str) -> Result<CampaignReport, ServeError> {
        let id = self.app.store.find_campaign(name)?.id;
        Ok(campaigns::report(&self.app, &id)?)
    }

    /// Picks candidates, each as `ROW:NUMBER` with numbers from 1, or takes that back; all or none. Gives how many. Blocks.
    pub fn pick(&self, name: &str, picks: &[String], picked: bool) -> Result<usize, ServeError> {
        let campaign = self.app.store.find_campaign(name)?;
        let ids = self.named(&campaign, picks)?;
        self.app.store.pick(&campaign.id, &ids, picked, LOCAL)?;
        Ok(ids.len())
    }

    /// The ids of candidates, each `ROW:NUMBER` with numbers from 1.
    fn named(&self, campaign: &Campaign, picks: &[String]) -> Result<Vec<String>, ServeError> {
        let mut ids = Vec::with_capacity(picks.len());
        for pick in picks {
            let shown: String = pick.chars().take(80).collect();
            let refuse = |why: &str| ServeError::Refused { message: format!("'{shown}' {why}") };
            let (row, number) = pick.rsplit_once(':').ok_or_else(|| refuse("is not ROW:NUMBER, such as 00001:2"))?;
            let number: u32 = number.parse().map_err(|_| refuse("has no number after its colon"))?;
            let filter = CandidateFilter { row: Some(row.to_owned()), ..CandidateFilter::default() };
            let (found, _) = self.app.store.candidates(&campaign.id, &filter, 0, PAGE)?;
            let found = found.into_iter().find(|candidate| candidate.position.checked_add(1) == Some(number));
            ids.push(found.ok_or_else(|| refuse("is no candidate of this campaign"))?.id);
        }
        Ok(ids)
    }

    /// Moves picked candidates, each `ROW:NUMBER`, through the review, one after the other: at the first that cannot go there, it
    /// stops and says so. Blocks.
    pub fn review(
        &self,
        name: &str,
        picks: &[String],
        to: ReviewState,
        by: Option<&str>,
        note: &str,
    ) -> Result<usize, ServeError> {
        let campaign = self.app.store.find_campaign(name)?;
        let ids = self.named(&campaign, picks)?;
        let by = by.map_or(Ok(LOCAL.to_owned()), |by| native::person_name("by", by))?;
        let note = native::prose("note", note, 0)?;
        for id in &ids {
            self.app.store.review(id, to, &by, &note)?;
        }
        Ok(ids.len())
    }

    /// Makes a link with which somebody without a key can look at the picks of a campaign and comment; its token is told this
    /// once. Blocks.
    pub fn share(&self, name: &str, label: &str, days: Option<u32>) -> Result<NewLink, ServeError> {
        let campaign = self.app.store.find_campaign(name)?;
        Ok(native::share(&self.app, &campaign.id, label, days)?)
    }

    /// The share links of a campaign, the oldest first. Blocks.
    pub fn links(&self, name: &str) -> Result<Vec<LinkView>, ServeError> {
        let campaign = self.app.store.find_campaign(name)?;
        Ok(self.app.store.share_links(&campaign.id)?.into_iter().map(Into::into).collect())
    }

    /// Ends a share link at once. Blocks.
    pub fn revoke(&self, name: &str, link: &str) -> Result<(), ServeError> {
        let campaign = self.app.store.find_campaign(name)?;
        Ok(self.app.store.revoke_share_link(&campaign.id, link)?)
    }

    /// Removes a campaign, with `pictures` also the pictures it drew that nothing else holds on to; gives how many were removed and
    /// how many stay.
    pub async fn remove(&self, name: &str, pictures: bool) -> Result<(i64, i64), ServeError> {
        let id = self.app.store.find_campaign(name)?.id;
        let found = campaigns::remove(&self.app, &id, pictures).await?;
        Ok((found.removed, found.kept))
    }

    /// Draws drafts of every row or finals of every pick until all are there, the budget is used up, or `is_over` says so; then
    /// the campaign pauses, and a later run goes on from there.
    pub async fn run(
        &self,
        name: &str,
        stage: Stage,
        is_over: impl Fn() -> bool,
        mut on_progress: impl FnMut(&RunProgress),
    ) -> Result<RunProgress, ServeError> {
        let app = &self.app;
        let id = app.store.find_campaign(name)?.id;
        campaigns::start(app, &id, stage).await?;
        let queue = tokio::spawn(app.queue.clone().run(self.config.worker.clone(), self.config.grace));
        let feeder = tokio::spawn(campaigns::feed(app.clone()));
        let result = loop {
            tokio::time::sleep(LOOK).await;
            let own = id.clone();
            let progress = match app.blocking(move |app| progress(app, &own, stage)).await {
                Ok((progress, under_way)) if progress.state != CampaignState::Running.name() && under_way == 0 => {
                    break Ok(progress);
                }
                Ok((progress, _)) => progress,
                Err(error) => break Err(error),
            };
            on_progress(&progress);
            if is_over() {
                // It may just have become ready by itself.
                let _ = campaigns::pause(app, &id).await;
                let own = id.clone();
                break app.blocking(move |app| progress_now(app, &own, stage)).await;
            }
        };
        app.queue.stop();
        let _ = tokio::join!(queue, feeder);
        Ok(result?)
    }

    /// Writes the finals of the picks of a campaign into a folder, each a PNG with its recipe inside, and `manifest.csv`, which
    /// is written last. Blocks.
    pub fn export(&self, name: &str, folder: &Path) -> Result<Exported, ServeError> {
        let store = &self.app.store;
        let campaign = store.find_campaign(name)?;
        std::fs::create_dir_all(folder)?;
        let slots = self.slots(&campaign)?;
        let mut exported = Exported { pictures: 0, missing: 0, manifest: folder.join("manifest.csv") };
        let mut manifest = String::from("file,row,candidate,seed,state,prompt,values,width,height,sha256\r\n");
        for candidate in self.picks(&campaign.id)? {
            let Some(asset) = &candidate.final_asset else {
                exported.missing += 1;
                continue;
            };
            let asset = store.asset(asset)?;
            let file = format!("{}-{}.png", candidate.row, candidate.position + 1);
            formats::atomic::write_bytes_atomic(&folder.join(&file), &store.asset_bytes(&asset)?)
                .map_err(store::StoreError::from)?;
            let cells = [
                file,
                candidate.row.clone(),
                candidate.id,
                candidate.seed.to_string(),
                candidate.state.name().into(),
                candidate.prompt,
                slots.get(&candidate.row).cloned().unwrap_or_default(),
                asset.width.to_string(),
                asset.height.to_string(),
                asset.sha256,
            ];
            let cells = cells.map(|cell| native::csv_cell(&cell));
            let _ = write!(manifest, "{}\r\n", cells.join(","));
            exported.pictures += 1;
        }
        formats::atomic::write_bytes_atomic(&exported.manifest, manifest.as_bytes())
            .map_err(store::StoreError::from)?;
        Ok(exported)
    }

    /// Writes the picks of a campaign for channels into a folder: a folder for each channel, `manifest.csv` and
    /// `contact-sheet.pdf`; or, with `zip`, all of it as one ZIP there. `kit` names a kept kit, or a TOML file with its fonts and
    /// logos beside it. `on_progress` is told how many files are made. Blocks.
    pub fn deliver(
        &self,
        name: &str,
        folder: &Path,
        mut request: DeliveryRequest,
        zip: bool,
        on_progress: &dyn Fn(DeliveryProgress),
    ) -> Result<Delivered, ServeError> {
        let campaign = self.app.store.find_campaign(name)?;
        let file = request.kit.as_deref().map(Path::new).filter(|kit| kit.extension().is_some_and(|end| end == "toml"));
        let kit = file.map(brand::brand_from_file).transpose()?;
        if kit.is_some() {
            request.kit = None;
        }
        std::fs::create_dir_all(folder)?;
        // Beside its place, so that what is interrupted leaves nothing that looks whole.
        let temporary = tempfile::NamedTempFile::new_in(folder)?;
        let (mut package, made) = brand::make(&self.app, &campaign.id, request, kit, temporary, on_progress)?;
        let place = if zip {
            let place = folder.join(format!("{}.zip", delivery::sanitised(&campaign.name)));
            package.as_file().sync_all()?;
            package.persist(&place).map_err(|error| error.error)?;
            place
        } else {
            unpack(&mut package, folder)?;
            folder.join("manifest.csv")
        };
        Ok(Delivered { files: made.files, missing: made.missing, errors: made.errors, place })
    }

    fn picks(&self, id: &str) -> Result<Vec<Candidate>, ServeError> {
        let filter = CandidateFilter { picked: Some(true), ..CandidateFilter::default() };
        Ok(every(|offset, limit| self.app.store.candidates(id, &filter, offset, limit))?)
    }

    /// What stands in the slots of each row, as JSON.
    fn slots(&self, campaign: &Campaign) -> Result<std::collections::HashMap<String, String>, ServeError> {
        let (rows, _) = self.app.store.campaign_rows(&campaign.id, &RowFilter::default(), 0, u32::MAX)?;
        Ok(rows.into_iter().map(|row| (row.key, row.slots)).collect())
    }
}

/// Writes what a package holds into a folder; its names are those that this program gave.
fn unpack(package: &mut tempfile::NamedTempFile, folder: &Path) -> Result<(), ServeError> {
    let refused = |error: &dyn std::fmt::Display| ServeError::Refused { message: error.to_string() };
    let mut archive = zip::ZipArchive::new(package.as_file_mut()).map_err(|error| refused(&error))?;
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(|error| refused(&error))?;
        let name = entry.enclosed_name().ok_or_else(|| refused(&"a file of the package has no name"))?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        let place = folder.join(name);
        if let Some(parent) = place.parent() {
            std::fs::create_dir_all(parent)?;
        }
        formats::atomic::write_bytes_atomic(&place, &bytes).map_err(store::StoreError::from)?;
    }
    Ok(())
}

/// How far a campaign is, and how many of its jobs wait or run.
fn progress(app: &App, id: &str, stage: Stage) -> Result<(RunProgress, i64), ApiError> {
    // Whether anything is under way is asked first: what ends in between is seen at the next look.
    let under_way = app.store.under_way(id)?.jobs;
    Ok((progress_now(app, id, stage)?, under_way))
}

fn progress_now(app: &App, id: &str, stage: Stage) -> Result<RunProgress, ApiError> {
    let counts = app.store.task_counts(id)?;
    let count = |wanted: fn(TaskState) -> bool| {
        counts.iter().filter(|count| count.stage == stage && wanted(count.state)).map(|count| count.count).sum()
    };
    let campaign = app.store.campaign(id)?;
    Ok(RunProgress {
        done: count(|state| state == TaskState::Done),
        total: count(|_| true),
        failed: count(|state| state == TaskState::Failed),
        spent: money(campaign.micros),
        state: campaign.state.name().into(),
        reason: campaign.reason,
    })
}
