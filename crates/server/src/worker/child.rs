//! The worker's side: loads a model, keeps it, draws what it is told.

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Instant;

use engine::stable_diffusion::{self as sd, Checkpoint, Pipeline, is_checkpoint};
use engine::{
    CancelToken, DEFAULT_STRENGTH, Engine, EngineError, Event, Image, Options, Order, PictureRecipe, Size, Start, store,
};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use super::protocol::{Command, Draw, News};

/// Pictures as they emerge that are sent of each, at most.
const PREVIEWS: u32 = 8;

/// A loaded model.
enum Loaded {
    Own(Box<Engine>),
    StableDiffusion(Box<Pipeline>),
}

type Tokens = Arc<Mutex<HashMap<String, CancelToken>>>;

/// Runs until the server closes the input.
pub fn run(options: &Options) -> Result<(), EngineError> {
    options.check()?;
    // When memory runs out, the system should end the worker and not the server. Where that cannot be said, so be it.
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    let (sender, commands) = mpsc::channel();
    let tokens = Tokens::default();
    let reader_tokens = tokens.clone();
    std::thread::spawn(move || read(&sender, &reader_tokens));
    let mut loaded: Option<(String, Loaded)> = None;
    for command in commands {
        match command {
            Command::Draw(draw) => {
                let token = lock(&tokens).get(&draw.job).cloned().unwrap_or_default();
                let begin = Instant::now();
                let news = match job(&draw, options, &mut loaded, &token) {
                    Ok(seconds) => News::Done { seconds },
                    Err(error) => News::Failed {
                        message: error.to_string(),
                        cancelled: matches!(error, EngineError::Cancelled),
                        seconds: begin.elapsed().as_secs_f64(),
                    },
                };
                lock(&tokens).remove(&draw.job);
                say(&news, &[]);
            }
            Command::Plan { model, order, price_per_hour } => {
                let news = match plan(&model, &order, options, price_per_hour) {
                    Ok(plan) => News::Planned { plan },
                    Err(EngineError::Field { field, message }) => {
                        News::NotPlanned { field: Some(field.to_owned()), message }
                    }
                    Err(error) => News::NotPlanned { field: None, message: error.to_string() },
                };
                say(&news, &[]);
            }
            Command::Load { model } => {
                // A model that cannot be loaded is an error of the job that wants it.
                if loaded.is_none() {
                    loaded = load(&model, options).ok().map(|own| (model, own));
                }
            }
            Command::Cancel { .. } => {}
        }
    }
    Ok(())
}

/// Reads commands; a cancellation overtakes the jobs before it. The process ends with its input.
fn read(sender: &mpsc::Sender<Command>, tokens: &Tokens) {
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        match serde_json::from_str::<Command>(&line) {
            Ok(Command::Cancel { job }) => {
                if let Some(token) = lock(tokens).get(&job) {
                    token.cancel();
                }
            }
            Ok(command) => {
                if let Command::Draw(draw) = &command {
                    lock(tokens).insert(draw.job.clone(), CancelToken::new());
                }
                if sender.send(command).is_err() {
                    break;
                }
            }
            Err(error) => eprintln!("worker: a command that cannot be read: {error}"),
        }
    }
    std::process::exit(0);
}

fn job(
    draw: &Draw,
    options: &Options,
    loaded: &mut Option<(String, Loaded)>,
    cancel: &CancelToken,
) -> Result<f64, EngineError> {
    let strength = draw.order.strength.unwrap_or(DEFAULT_STRENGTH);
    let open = |picture: &std::path::PathBuf| Start::open(picture, draw.mask.as_deref(), strength);
    let start = draw.start.as_ref().map(open).transpose()?;
    if loaded.as_ref().is_none_or(|(name, _)| *name != draw.model) {
        // The memory of the old model is given back before the new one takes its own.
        *loaded = None;
        *loaded = Some((draw.model.clone(), load(&draw.model, options)?));
    }
    if cancel.is_cancelled() {
        return Err(EngineError::Cancelled);
    }
    let Some((_, model)) = loaded else { return Err(EngineError::Cancelled) };
    let mut seconds = 0.0;
    match model {
        Loaded::Own(engine) => {
            let request = draw.order.request(start)?;
            engine.generate(&request, &mut |event| tell(event, &mut seconds), cancel)?;
        }
        Loaded::StableDiffusion(pipeline) => {
            let request = draw.order.stable_diffusion_request(&pipeline.checkpoint().architecture, start, true)?;
            pipeline.generate(&request, &mut |event| tell(event, &mut seconds), cancel)?;
        }
    }
    Ok(seconds)
}

fn load(model: &str, options: &Options) -> Result<Loaded, EngineError> {
    if model != store::DEFAULT_MODEL && is_checkpoint(Path::new(model)) {
        let checkpoint = Checkpoint::open(Path::new(model), None)?;
        return Ok(Loaded::StableDiffusion(Box::new(Pipeline::new(checkpoint, None, options)?)));
    }
    Ok(Loaded::Own(Box::new(Engine::new(&store::open(model)?, options)?)))
}

fn plan(model: &str, order: &Order, options: &Options, price: f64) -> Result<serde_json::Value, EngineError> {
    let plan = if model != store::DEFAULT_MODEL && is_checkpoint(Path::new(model)) {
        let checkpoint = Checkpoint::open(Path::new(model), None)?;
        let request = order.stable_diffusion_request(&checkpoint.architecture, None, false)?;
        serde_json::to_value(sd::plan(&request, &checkpoint, options, price)?)
    } else {
        let request = order.request(None)?;
        serde_json::to_value(engine::plan(&request, &store::open(model)?, options, price, false)?)
    };
    Ok(plan.unwrap_or_default())
}

/// Passes an event on to the server.
fn tell<R: PictureRecipe + serde::Serialize>(event: Event<'_, R>, done_seconds: &mut f64) {
    match event {
        Event::Started { images, steps, prompt_cut, .. } => say(&News::Started { images, steps, prompt_cut }, &[]),
        Event::Progress { image, step, steps, preview, .. } => {
            say(&News::Progress { image, step }, &[]);
            let is_due = step < steps && step * PREVIEWS / steps != (step - 1) * PREVIEWS / steps;
            if is_due && !preview.values.is_empty() {
                let size = preview.size;
                if let Some(png) = quick_png(size, &preview.pixels()) {
                    say(&News::Preview { image, step, bytes: png.len() }, &png);
                }
            }
        }
        Event::Image { index, image } => tell_image(index, image),
        Event::Done { seconds, .. } => *done_seconds = seconds,
    }
}

/// A PNG file that takes little time rather than little room; a preview that cannot be made is no reason to stop.
fn quick_png(size: Size, pixels: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Sub);
    encoder.write_image(pixels, size.width, size.height, ExtendedColorType::Rgba8).ok()?;
    Some(bytes)
}

fn tell_image<R: PictureRecipe + serde::Serialize>(index: u32, image: &Image<R>) {
    // Sizes were checked before the job began: a picture that cannot be a PNG file is a defect, and a missing picture is
    // found by the server when the job is done.
    let Ok(png) = image.png() else { return };
    let news = News::Image {
        index,
        seed: image.recipe.seed(),
        width: image.size.width,
        height: image.size.height,
        recipe: serde_json::to_string(&image.recipe).unwrap_or_default(),
        dhash: analysis::dhash(image.size.width as usize, image.size.height as usize, &image.pixels),
        bytes: png.len(),
    };
    say(&news, &png);
}

/// Says something to the server; nobody to listen means that the work is of no use any more.
fn say(news: &News, payload: &[u8]) {
    let Ok(line) = serde_json::to_string(news) else { return };
    let mut out = std::io::stdout().lock();
    let said = writeln!(out, "{line}").and_then(|()| out.write_all(payload)).and_then(|()| out.flush());
    if said.is_err() {
        std::process::exit(0);
    }
}

fn lock(tokens: &Tokens) -> std::sync::MutexGuard<'_, HashMap<String, CancelToken>> {
    tokens.lock().unwrap_or_else(PoisonError::into_inner)
}
