//! What the running job is doing, and the news of all jobs for whoever listens.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use axum::body::Bytes;
use store::{Asset, Job};
use tokio::sync::broadcast;

/// News that a listener may be behind before it misses some.
const KEPT_NEWS: usize = 512;
/// Weight of the newest measurement in the ratio of real to predicted seconds.
const NEWEST: f64 = 0.3;

/// News of a job.
#[derive(Debug, Clone)]
pub enum Happening {
    /// It waits (again) or begins.
    Changed(Arc<Job>),
    /// A step is done.
    Progress(Progress),
    /// How a picture looks by now.
    Preview {
        /// Id of the job.
        job: Arc<str>,
        /// Which picture, from 0.
        image: u32,
        /// Steps done.
        step: u32,
        /// PNG file.
        png: Bytes,
    },
    /// A picture is done and kept.
    Asset(Arc<Asset>),
    /// It is done, failed or cancelled.
    Over(Arc<Job>),
}

impl Happening {
    /// Id of the job.
    pub fn job(&self) -> &str {
        match self {
            Self::Changed(job) | Self::Over(job) => &job.id,
            Self::Progress(progress) => &progress.job,
            Self::Preview { job, .. } => job,
            Self::Asset(asset) => asset.job.as_deref().unwrap_or_default(),
        }
    }
}

/// How far a job is.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Id of the job.
    pub job: Arc<str>,
    /// The picture that was worked on, from 0.
    pub image: u32,
    /// Pictures of the job.
    pub images: u32,
    /// Steps done of it.
    pub step: u32,
    /// Steps of each picture.
    pub steps: u32,
    /// Share of all steps that are done, 0..=1.
    pub fraction: f64,
    /// Seconds until the job is done, if that can be said.
    pub eta_seconds: Option<f64>,
}

/// The running job.
#[derive(Debug, Clone)]
pub struct Running {
    /// The job as it was when it began.
    pub job: Arc<Job>,
    /// When it began.
    pub begin: Instant,
    /// Steps of each picture; 0 until the worker has said so.
    pub steps: u32,
    /// Steps done, by picture.
    pub done: BTreeMap<u32, u32>,
    /// The last picture that was worked on.
    pub image: u32,
    /// Its newest preview, PNG.
    pub preview: Option<(u32, Bytes)>,
    /// The newest preview of each picture that is not done.
    pub previews: BTreeMap<u32, (u32, Bytes)>,
    /// Pictures that are done.
    pub finished: u32,
    /// Whether somebody asked to stop.
    pub stopping: bool,
}

impl Running {
    fn new(job: Arc<Job>) -> Self {
        Self {
            job,
            begin: Instant::now(),
            steps: 0,
            done: BTreeMap::new(),
            image: 0,
            preview: None,
            previews: BTreeMap::new(),
            finished: 0,
            stopping: false,
        }
    }

    /// Share of all steps that are done.
    pub fn fraction(&self) -> f64 {
        let all = f64::from(self.steps) * f64::from(self.job.images);
        if all > 0.0 { (f64::from(self.done.values().sum::<u32>()) / all).min(1.0) } else { 0.0 }
    }

    /// Seconds until it is done: what was predicted, corrected by how long such jobs really took; without a prediction, what
    /// the time so far says.
    pub fn eta(&self, ratio: f64) -> Option<f64> {
        let (left, fraction) = (1.0 - self.fraction(), self.fraction());
        match self.job.planned_seconds {
            Some(planned) => Some(planned * ratio * left),
            None if fraction > 0.0 => Some(self.begin.elapsed().as_secs_f64() / fraction * left),
            None => None,
        }
    }

    /// How far it is.
    pub fn progress(&self, ratio: f64) -> Progress {
        Progress {
            job: self.job.id.as_str().into(),
            image: self.image,
            images: self.job.images,
            step: self.done.get(&self.image).copied().unwrap_or(0),
            steps: self.steps,
            fraction: self.fraction(),
            eta_seconds: self.eta(ratio),
        }
    }
}

/// The running job and the news.
#[derive(Debug)]
pub struct Live {
    news: broadcast::Sender<Happening>,
    running: Mutex<Option<Running>>,
    /// Real by predicted seconds, by model.
    ratios: Mutex<HashMap<String, f64>>,
}

impl Default for Live {
    fn default() -> Self {
        Self { news: broadcast::channel(KEPT_NEWS).0, running: Mutex::default(), ratios: Mutex::default() }
    }
}

impl Live {
    /// Listens from now on.
    pub fn listen(&self) -> broadcast::Receiver<Happening> {
        self.news.subscribe()
    }

    /// Tells everybody.
    pub fn tell(&self, happening: Happening) {
        // Nobody may be listening.
        let _ = self.news.send(happening);
    }

    /// A job begins.
    pub fn begin(&self, job: Arc<Job>) {
        *self.lock() = Some(Running::new(job.clone()));
        self.tell(Happening::Changed(job));
    }

    /// Nothing runs any more.
    pub fn end(&self) {
        *self.lock() = None;
    }

    /// The running job, if one runs.
    pub fn running(&self) -> Option<Running> {
        self.lock().clone()
    }

    /// Changes what is known of the running job.
    pub fn update<T>(&self, change: impl FnOnce(&mut Running) -> T) -> Option<T> {
        self.lock().as_mut().map(change)
    }

    /// A step is done.
    pub fn step(&self, image: u32, step: u32) {
        let progress = self.update(|running| {
            running.done.insert(image, step);
            running.image = image;
            let ratio = self.ratio(&running.job.model);
            running.progress(ratio)
        });
        if let Some(progress) = progress {
            self.tell(Happening::Progress(progress));
        }
    }

    /// A picture looks like this by now.
    pub fn preview(&self, image: u32, step: u32, png: Bytes) {
        let job = self.update(|running| {
            running.preview = Some((image, png.clone()));
            running.previews.insert(image, (step, png.clone()));
            running.job.id.as_str().into()
        });
        if let Some(job) = job {
            self.tell(Happening::Preview { job, image, step, png });
        }
    }

    /// Real by predicted seconds of a model, 1 until known.
    pub fn ratio(&self, model: &str) -> f64 {
        self.ratios.lock().unwrap_or_else(PoisonError::into_inner).get(model).copied().unwrap_or(1.0)
    }

    /// A job took so long.
    pub fn measured(&self, model: &str, planned: f64, seconds: f64) {
        if planned > 0.0 && seconds > 0.0 {
            let found = (seconds / planned).clamp(0.05, 20.0);
            let mut ratios = self.ratios.lock().unwrap_or_else(PoisonError::into_inner);
            ratios.entry(model.to_owned()).and_modify(|ratio| *ratio += NEWEST * (found - *ratio)).or_insert(found);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_follows_what_was_measured() {
        let live = Live::default();
        assert_eq!(live.ratio("m"), 1.0);
        live.measured("m", 1.0, 2.0);
        assert_eq!(live.ratio("m"), 2.0);
        live.measured("m", 1.0, 1.0);
        assert!((live.ratio("m") - 1.7).abs() < 1e-12);
        live.measured("m", 0.0, 1.0);
        live.measured("m", 1.0, 1e9);
        assert!(live.ratio("m") < 20.0);
    }
}
