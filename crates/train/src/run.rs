//! A whole training run: the loop, its files and its events.
//!
//! In the output folder: `config.toml` (as read), `checkpoints/`, `loss.csv`, `loss.png`, `samples.png` (the newest
//! sheet), `samples-NNNNNNNN.png`, `model.safetensors` (the wide average in bf16, ready to generate with; sheets are
//! drawn from it), `model-narrow.safetensors` (the narrow one, the better of the two at the end of a decay).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kernels::Cpu;
use serde::Serialize;

use crate::TrainError;
use crate::chart::{self, Point};
use crate::checkpoint;
use crate::config::TrainConfig;
use crate::trainer::{Step, Trainer};

/// What a run tells while it goes on.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// Before the first step.
    Started {
        /// Name of the run.
        name: String,
        /// Parameters of the network.
        parameters: usize,
        /// Pictures of the training split.
        records: usize,
        /// Examples seen before this start.
        pictures: u64,
        /// Examples when it ends.
        total: u64,
    },
    /// After every step.
    Progress {
        /// Optimiser steps done.
        step: u64,
        /// Examples seen.
        pictures: u64,
        /// Examples when the run ends.
        total: u64,
        /// Loss of this step.
        loss: f32,
        /// Gradient norm before clipping.
        gradient_norm: f32,
        /// Examples a second, over the last steps.
        pictures_per_second: f64,
        /// Seconds left at that speed.
        seconds_left: f64,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Its folder.
        path: PathBuf,
    },
    /// A sample sheet was written.
    Samples {
        /// The picture.
        path: PathBuf,
    },
    /// Something the user should know.
    Warning {
        /// One sentence.
        message: String,
    },
    /// The run is complete, or was stopped and can be resumed.
    Done {
        /// True when every example was seen.
        complete: bool,
        /// Examples seen.
        pictures: u64,
        /// The model file.
        model: PathBuf,
    },
}

/// Runs `config` to its end, or until `stop` says so; then a checkpoint and a model file are written.
///
/// # Errors
/// [`TrainError::WouldOverwrite`] when the output folder holds checkpoints and `resume` is false; everything else as
/// the parts report it. The newest checkpoint survives every error.
pub fn run(
    cpu: &Cpu,
    config: &TrainConfig,
    resume: bool,
    stop: &dyn Fn() -> bool,
    events: &mut dyn FnMut(&Event),
) -> Result<(), TrainError> {
    let folder = config.output.join("checkpoints");
    let found = checkpoint::newest(&folder)?;
    match (&found, resume) {
        (Some(_), false) => return Err(TrainError::WouldOverwrite { folder: config.output.clone() }),
        (None, true) if config.branch_from.is_none() => return Err(TrainError::NoCheckpoint { folder }),
        _ => {}
    }
    std::fs::create_dir_all(&config.output).map_err(|source| TrainError::Io {
        path: config.output.clone(),
        doing: "creating the output folder",
        source,
    })?;
    let mut trainer = Trainer::new(cpu, config)?;
    let start = match (found, &config.branch_from) {
        (Some(found), _) => Some(found),
        (None, Some(other)) => {
            let folder = other.join("checkpoints");
            Some(checkpoint::newest(&folder)?.ok_or(TrainError::NoCheckpoint { folder })?)
        }
        (None, None) => None,
    };
    if let Some(found) = &start {
        for message in &found.skipped {
            events(&Event::Warning { message: message.clone() });
        }
        trainer.restore(found)?;
    }
    for skipped in trainer.dataset().skipped() {
        events(&Event::Warning { message: format!("{} was left out: {}", skipped.file, skipped.reason) });
    }
    write_text(&config.output.join("config.toml"), &toml::to_string_pretty(config).unwrap_or_default())?;
    events(&Event::Started {
        name: config.name.clone(),
        parameters: trainer.parameters(),
        records: trainer.dataset().len(),
        pictures: trainer.progress().pictures,
        total: config.pictures,
    });
    let mut log = Log::open(&config.output, trainer.progress().step)?;
    let mut speed = Speed::default();
    let mut saved = Instant::now();
    let mut next_sheet = next_multiple(trainer.progress().pictures, config.report.sample_pictures);
    while trainer.progress().pictures < config.pictures && !stop() {
        let step = trainer.step()?;
        speed.push(config.batch, step.seconds);
        let pictures = trainer.progress().pictures;
        events(&Event::Progress {
            step: step.step,
            pictures,
            total: config.pictures,
            loss: step.loss,
            gradient_norm: step.gradient_norm,
            pictures_per_second: speed.pictures_per_second(),
            seconds_left: config.pictures.saturating_sub(pictures) as f64 / speed.pictures_per_second(),
        });
        log.push(&step, pictures, config.report.log_steps)?;
        let sheet_due = pictures >= next_sheet;
        if saved.elapsed() >= Duration::from_secs_f64(60.0 * config.report.checkpoint_minutes) || sheet_due {
            save(&trainer, &folder, &mut log, config, events)?;
            saved = Instant::now();
        }
        if sheet_due {
            next_sheet = next_multiple(pictures, config.report.sample_pictures);
            sheet(&trainer, config, events)?;
        }
    }
    save(&trainer, &folder, &mut log, config, events)?;
    sheet(&trainer, config, events)?;
    let progress = trainer.progress();
    events(&Event::Done {
        complete: progress.pictures >= config.pictures,
        pictures: progress.pictures,
        model: config.output.join("model.safetensors"),
    });
    Ok(())
}

fn next_multiple(pictures: u64, every: u64) -> u64 {
    pictures.checked_div(every).map_or(u64::MAX, |done| (done + 1) * every)
}

fn save(
    trainer: &Trainer,
    folder: &Path,
    log: &mut Log,
    config: &TrainConfig,
    events: &mut dyn FnMut(&Event),
) -> Result<(), TrainError> {
    log.write(&config.name)?;
    let path = trainer.save(folder)?;
    events(&Event::Checkpoint { path });
    Ok(())
}

fn sheet(trainer: &Trainer, config: &TrainConfig, events: &mut dyn FnMut(&Event)) -> Result<(), TrainError> {
    let model = config.output.join("model.safetensors");
    trainer.export(&model, 1)?;
    trainer.export(&config.output.join("model-narrow.safetensors"), 0)?;
    let canvas = trainer.sheet(&model)?;
    let numbered = config.output.join(format!("samples-{:08}.png", trainer.progress().pictures));
    canvas.write(&numbered)?;
    let path = config.output.join("samples.png");
    canvas.write(&path)?;
    events(&Event::Samples { path });
    Ok(())
}

fn write_text(path: &Path, text: &str) -> Result<(), TrainError> {
    formats::atomic::write_atomic(path, |file| file.write_all(text.as_bytes()))?;
    Ok(())
}

/// `loss.csv` and `loss.png`: one line every few steps, cut back to the checkpoint on resume.
struct Log {
    folder: PathBuf,
    lines: Vec<(u64, Point, f32, f32)>,
    sum: f64,
    count: u64,
}

const HEADER: &str = "step,pictures,loss,gradient_norm,rate";

impl Log {
    fn open(folder: &Path, step: u64) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(folder.join("loss.csv")).unwrap_or_default();
        let parse = |line: &str| {
            let mut fields = line.split(',');
            let step = fields.next()?.parse().ok()?;
            let pictures = fields.next()?.parse().ok()?;
            let loss = fields.next()?.parse().ok()?;
            let norm = fields.next()?.parse().ok()?;
            let rate = fields.next()?.parse().ok()?;
            Some((step, Point { pictures, loss }, norm, rate))
        };
        let lines = text.lines().skip(1).filter_map(parse).filter(|line| line.0 <= step).collect();
        Ok(Log { folder: folder.into(), lines, sum: 0.0, count: 0 })
    }

    fn push(&mut self, step: &Step, pictures: u64, every: u64) -> Result<(), TrainError> {
        self.sum += f64::from(step.loss);
        self.count += 1;
        if step.step.is_multiple_of(every) {
            let loss = (self.sum / self.count as f64) as f32;
            self.lines.push((step.step, Point { pictures, loss }, step.gradient_norm, step.rate));
            (self.sum, self.count) = (0.0, 0);
        }
        Ok(())
    }

    fn write(&mut self, name: &str) -> Result<(), TrainError> {
        let mut text = format!("{HEADER}\n");
        for (step, point, norm, rate) in &self.lines {
            text.push_str(&format!("{step},{},{},{norm},{rate}\n", point.pictures, point.loss));
        }
        write_text(&self.folder.join("loss.csv"), &text)?;
        let points: Vec<Point> = self.lines.iter().map(|line| line.1).collect();
        chart::draw(&format!("{name}: velocity loss"), &points).write(&self.folder.join("loss.png"))?;
        Ok(())
    }
}

/// Speed over the last few steps.
#[derive(Default)]
struct Speed {
    steps: std::collections::VecDeque<(usize, f64)>,
}

impl Speed {
    fn push(&mut self, pictures: usize, seconds: f64) {
        self.steps.push_back((pictures, seconds));
        if self.steps.len() > 20 {
            self.steps.pop_front();
        }
    }

    fn pictures_per_second(&self) -> f64 {
        let (pictures, seconds) = self.steps.iter().fold((0, 0.0), |sum, step| (sum.0 + step.0, sum.1 + step.1));
        pictures as f64 / f64::max(seconds, 1e-9)
    }
}
