//! From a request to pictures: encode the text, draw the noise, integrate the flow, convert to pixels.
//!
//! Several pictures of one request share each evaluation of the network, as items of one batch
//! `[conditional of each picture, unconditional of each, weakened of each]`. An item's bits do not depend on
//! the others, so a picture is the same alone and in company.

use std::time::Instant;

use graph::Precision;
use kernels::Cpu;
use models::jit::{self, Geometry};
use sampling::noise::{NoiseAddress, Purpose, fill_normal};
use sampling::{NewNoise, Sampler, sample, slerp};
use text::TextEncoder;

use crate::event::{CancelToken, Event, Preview};
use crate::finish::{self, Finisher};
use crate::model::{Model, ModelInfo};
use crate::network::{self, Network};
use crate::options::{Options, PrecisionChoice};
use crate::recipe::{PictureRecipe, RECIPE_VERSION, Recipe};
use crate::request::{Frame, NEW_NOISE_ABOVE};
use crate::shifts::{self, Canvas};
use crate::start::Fitted;
use crate::steering::Steering;
use crate::{EngineError, Enlarger, Request, Size, Variation, pixels};

/// Pictures share an evaluation up to about this many image tokens.
const TOKENS_TOGETHER: usize = 256;

/// A finished picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Image<R = Recipe> {
    /// Picture size.
    pub size: Size,
    /// Straight RGBA8, `[H, W, 4]`.
    pub pixels: Vec<u8>,
    /// What the pixels depend on.
    pub recipe: R,
}

impl<R: PictureRecipe> Image<R> {
    /// The PNG file, with the recipe inside.
    pub fn png(&self) -> Result<Vec<u8>, EngineError> {
        let chunks = self.recipe.text_chunks();
        let text: Vec<(&str, &str)> = chunks.iter().map(|(key, text)| (*key, text.as_str())).collect();
        Ok(formats::picture::encode(self.size.width, self.size.height, &self.pixels, &text)?)
    }
}

/// A loaded model, ready to draw.
pub struct Engine {
    cpu: Cpu,
    precision: Precision,
    info: ModelInfo,
    model_sha256: String,
    encoder: TextEncoder,
    encoder_sha256: String,
    pub(crate) network: Network,
    /// For the first steps.
    pub(crate) early: Option<Network>,
    pub(crate) finisher: Option<Finisher>,
    /// Opened with the first picture that needs it; with its SHA-256.
    enlarger: Option<(Enlarger, String)>,
    requests: u64,
}

/// The text that steers one request: conditional first, unconditional second if guidance needs it.
struct Conditions {
    /// Tells these conditions from those of other requests.
    id: u64,
    /// Tokens `T`, padding included.
    tokens: usize,
    /// `[items, T, width]` f32.
    states: Vec<f32>,
    /// `[items]`.
    lengths: Vec<f32>,
    /// `[items, width]` f32.
    pooled: Vec<f32>,
}

/// Where on its way a state is.
#[derive(Clone, Copy)]
struct Moment {
    t: f32,
    /// Length of the step that the network is told.
    step: f32,
}

/// A request on its way.
struct Job<'a> {
    request: &'a Request,
    frame: Frame,
    conditions: Conditions,
    /// The times that the sampler visits.
    times: Vec<f32>,
    /// Whether each step is one prediction for its length.
    turbo: bool,
    start: Option<Fitted>,
}

/// How many pictures of this size share an evaluation.
pub(crate) fn pictures_together(config: &jit::Config, size: Size, count: u32) -> usize {
    let tokens = (size.width as usize / config.patch) * (size.height as usize / config.patch);
    (TOKENS_TOGETHER / tokens.max(1)).clamp(1, 8).min(count as usize)
}

impl Engine {
    /// Packs the model's weights for the processor, with the built-in text encoder.
    pub fn new(model: &Model, options: &Options) -> Result<Self, EngineError> {
        let (cpu, precision) = options.resolve()?;
        let (encoder, encoder_sha256) = crate::encoder::open(&cpu, precision)?;
        if encoder.width() != model.info.config.text_width {
            return Err(EngineError::Metadata {
                file: model.info.name.clone(),
                key: "config",
                problem: format!(
                    "wants text of width {}, the text encoder gives {}",
                    model.info.config.text_width,
                    encoder.width()
                ),
            });
        }
        let network = Network::new(model, &cpu, precision)?;
        let early = Network::early(model, &cpu, precision)?;
        let finisher = Finisher::new(model, &cpu, precision)?;
        Ok(Self {
            network,
            early,
            finisher,
            cpu,
            precision,
            info: model.info.clone(),
            model_sha256: model.sha256.clone(),
            encoder,
            encoder_sha256,
            enlarger: None,
            requests: 0,
        })
    }

    /// The model's description.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// SHA-256 of the text encoder's weights.
    pub fn text_encoder_sha256(&self) -> &str {
        &self.encoder_sha256
    }

    /// The processor in use.
    pub fn cpu(&self) -> &Cpu {
        &self.cpu
    }

    /// The precision of matrix products.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// Draws the pictures of a request, telling `on_event` as it goes. Picture `i` uses `seed + i`.
    pub fn generate(
        &mut self,
        request: &Request,
        on_event: &mut dyn FnMut(Event<'_>),
        cancel: &CancelToken,
    ) -> Result<Vec<Image>, EngineError> {
        let begin = Instant::now();
        request.validate()?;
        let turbo = request.is_turbo(&self.info)?;
        let frame = request.frame(self.info.config.patch, self.info.image_size)?;
        let size = frame.drawn;
        self.requests += 1;
        let (conditions, prompt_cut) = self.encode(request)?;
        let job = Job {
            request,
            frame,
            conditions,
            times: request.times(turbo),
            turbo,
            start: request.start.as_ref().map(|start| start.within(frame).fit(size)),
        };
        // What is kept of a picture keeps its own bytes at the size of the result.
        let place = frame.place().2;
        let other = request.start.as_ref().filter(|_| place != size);
        let large = other.map(|start| start.within(frame).fit(place));
        let ground = request.start.as_ref().filter(|_| frame.is_contained()).map(|start| start.fit(frame.size));

        let steps = job.times.len() as u32 - 1;
        on_event(Event::Started { images: request.count, steps, size: frame.size, prompt_cut });
        let mut images = Vec::with_capacity(request.count as usize);
        let together = pictures_together(&self.info.config, size, request.count);
        for first in (0..request.count as usize).step_by(together) {
            let group = together.min(request.count as usize - first);
            let values = self.sample_group(&job, first, group, begin, on_event, cancel)?;
            for (i, values) in values.chunks_exact(values.len() / group).enumerate() {
                let index = (first + i) as u32;
                let (seed, _) = request.seeds(index);
                if !values.iter().all(|value| value.is_finite()) {
                    return Err(EngineError::NotANumber { seed });
                }
                let values = match frame.enlarge {
                    1 => values.to_vec(),
                    times => self.enlarged(size, times, values)?,
                };
                let mut pixels = pixels::to_pixels(&pixels::scaled(values, frame.enlarged(), place));
                if let Some(start) = large.as_ref().or(job.start.as_ref()) {
                    start.restore(&mut pixels);
                }
                if frame.is_contained() {
                    pixels = match &ground {
                        Some(ground) => ground.around(frame, &pixels),
                        None => pixels::paste(vec![0; 4 * frame.size.pixels()], frame, &pixels),
                    };
                }
                let image = Image { size: frame.size, pixels, recipe: self.recipe(&job, index) };
                on_event(Event::Image { index, image: &image });
                images.push(image);
            }
        }
        on_event(Event::Done { images: request.count, seconds: begin.elapsed().as_secs_f64() });
        Ok(images)
    }

    /// `values` of a picture of `size`, `times` (2 or 4) as wide and high.
    fn enlarged(&mut self, size: Size, times: u32, values: &[f32]) -> Result<Vec<f32>, EngineError> {
        if self.enlarger.is_none() {
            self.enlarger = Some(Enlarger::built_in(&self.cpu, self.precision)?);
        }
        let (enlarger, _) = self.enlarger.as_mut().expect("opened above");
        let values = enlarger.enlarge(size, values)?;
        Ok(if times == 2 { pixels::halve(Enlarger::enlarged(size), &values) } else { values })
    }

    /// Tokens of the prompt and of the negative prompt, markers included, padded to the longer.
    pub(crate) fn text_tokens(&self, request: &Request) -> Result<usize, EngineError> {
        Ok(self.encode(request)?.0.tokens)
    }

    /// Encodes the texts; also whether the prompt was cut.
    fn encode(&self, request: &Request) -> Result<(Conditions, bool), EngineError> {
        let texts = [request.prompt.as_str(), request.negative.as_str()];
        let states = self.encoder.encode(&texts, self.info.text_tokens)?;
        let width = self.encoder.width();
        let lengths: Vec<usize> = states.lengths.iter().map(|&length| length as usize).collect();
        let tokens = lengths.iter().copied().max().unwrap_or(1);
        let stride = states.states.len() / texts.len();
        let rows: Vec<f32> =
            states.states.chunks_exact(stride).flat_map(|item| &item[..tokens * width]).copied().collect();
        let lengths = lengths.iter().map(|&length| length as f32).collect();
        let uncut = self.encoder.tokenizer().encode(&request.prompt, self.info.text_tokens + 1)?;
        let prompt_cut = uncut.len() > self.info.text_tokens;
        Ok((Conditions { id: self.requests, tokens, states: rows, lengths, pooled: states.pooled }, prompt_cut))
    }

    /// Samples pictures `first..first + group`; premultiplied RGBA in about [-1, 1], `[group, H, W, 4]`.
    fn sample_group(
        &mut self,
        job: &Job<'_>,
        first: usize,
        group: usize,
        begin: Instant,
        on_event: &mut dyn FnMut(Event<'_>),
        cancel: &CancelToken,
    ) -> Result<Vec<f32>, EngineError> {
        let Job { request, frame, conditions, times, turbo, start } = job;
        let size = frame.drawn;
        let values = (size.width * size.height) as usize * self.info.config.channels;
        let scale = self.info.config.noise_scale;
        // Noise of every picture, which is its own wherever it stands.
        let draw = |purpose: Purpose, step: usize, noise: &mut [f32]| {
            for (i, noise) in noise.chunks_exact_mut(values).enumerate() {
                let (seed, variation) = request.seeds((first + i) as u32);
                let address = NoiseAddress { seed, image: 0, step: step as u32, purpose };
                fill_normal(address, noise);
                if let Some(Variation { seed, strength }) = variation {
                    let mut other = vec![0.0; values];
                    fill_normal(NoiseAddress { seed, ..address }, &mut other);
                    slerp(strength, noise, &other, [1, values, 1]);
                }
                noise.iter_mut().for_each(|noise| *noise *= scale);
            }
        };
        let mut noise = vec![0.0; group * values];
        draw(Purpose::Initial, 0, &mut noise);
        if let Some(start) = start {
            noise.chunks_exact_mut(values).for_each(|noise| start.mix(noise));
        }
        let seeds: Vec<u64> = (0..group).map(|i| request.seeds((first + i) as u32).0).collect();
        let shifts = request.shifts_of(&self.info);
        let steering = request.steering(*turbo);
        // The length of the step that begins at `t`, as a network is told that has learned to take it whole.
        let length = |t: f32| match times.iter().position(|&time| time == t) {
            Some(i) if *turbo => t - times[i + 1],
            _ => 0.0,
        };
        sample(
            if *turbo { Sampler::Euler } else { request.sampler },
            NewNoise { eta: request.eta(), above: NEW_NOISE_ABOVE },
            times,
            noise,
            &mut |z, t| {
                if cancel.is_cancelled() {
                    return Err(EngineError::Cancelled);
                }
                let moment = Moment { t, step: length(t) };
                let mut prediction = self.predict(size, conditions, steering, z, moment)?;
                if shifts::apply(times, t) {
                    let canvas = Canvas::new(&self.info.config, size);
                    for shift in canvas.shifts(shifts) {
                        let moved = shift.moved(z, &seeds, t);
                        let other = self.predict(canvas.size, conditions, steering, &moved, moment)?;
                        shift.add_back(&other, &mut prediction);
                    }
                    prediction.iter_mut().for_each(|value| *value /= shifts as f32);
                }
                if let Some(start) = start {
                    prediction.chunks_exact_mut(values).for_each(|prediction| start.keep(prediction));
                }
                Ok(prediction)
            },
            &mut |step, noise| draw(Purpose::Step, step, noise),
            &mut |step| {
                for (i, values) in step.x_hat.chunks_exact(values).enumerate() {
                    on_event(Event::Progress {
                        image: (first + i) as u32,
                        step: step.done as u32,
                        steps: step.steps as u32,
                        seconds: begin.elapsed().as_secs_f64(),
                        preview: Preview { values, size },
                    });
                }
                if cancel.is_cancelled() { Err(EngineError::Cancelled) } else { Ok(()) }
            },
        )
    }

    /// The steered prediction for a group of states z `[group, H, W, 4]`.
    fn predict(
        &mut self,
        size: Size,
        conditions: &Conditions,
        steering: Steering,
        z: &[f32],
        Moment { t, step }: Moment,
    ) -> Result<Vec<f32>, EngineError> {
        let sides = steering.sides(t);
        let geometry = Geometry {
            batch: sides.count() * z.len() / (size.pixels() * self.info.config.channels),
            height: size.height as usize,
            width: size.width as usize,
            text_tokens: conditions.tokens,
        };
        let tells_step = self.info.config.step_length;
        // A network that takes long steps takes all of them, and has learned to predict what no finisher has seen.
        let network = match &mut self.early {
            Some(early) if step == 0.0 && network::is_early(&self.info.config, t) => early,
            _ => &mut self.network,
        };
        let planned = network.plan(geometry, sides)?;
        let executor = &mut planned.executor;
        for side in executor.input_mut("z")?.chunks_exact_mut(z.len()) {
            side.copy_from_slice(z);
        }
        executor.input_mut("t")?.fill(t);
        if tells_step {
            executor.input_mut("step")?.fill(step);
        }
        if planned.conditions != conditions.id {
            for (name, source) in [
                ("text", &conditions.states),
                ("text_lengths", &conditions.lengths),
                ("text_pooled", &conditions.pooled),
            ] {
                let (conditional, unconditional) = source.split_at(source.len() / 2);
                let input = executor.input_mut(name)?;
                let side = input.len() / sides.count();
                for (i, side) in input.chunks_exact_mut(side).enumerate() {
                    let item = if i == 1 { unconditional } else { conditional };
                    side.chunks_exact_mut(item.len()).for_each(|target| target.copy_from_slice(item));
                }
            }
            if sides.is_weakened() {
                let keep = executor.input_mut("keep")?;
                let (kept, left_out) = keep.split_at_mut(keep.len() / 3 * 2);
                kept.fill(1.0);
                left_out.fill(0.0);
            }
            planned.conditions = conditions.id;
        }
        executor.run()?;
        let mut predictions = executor.output("x_hat").to_vec();
        if let Some(finisher) = &mut self.finisher
            && step == 0.0
            && finish::applies(&self.info.config, t)
        {
            let pictures = [geometry.batch, geometry.height, geometry.width];
            let correction = finisher.correction(pictures, z, |name| executor.output(name))?;
            predictions.iter_mut().zip(correction).for_each(|(value, correction)| *value += correction);
        }
        Ok(steering.combine(sides, predictions))
    }

    fn recipe(&self, job: &Job<'_>, index: u32) -> Recipe {
        let request = job.request;
        let (seed, variation) = request.seeds(index);
        Recipe {
            recipe: RECIPE_VERSION,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            prompt: request.prompt.clone(),
            negative: request.negative.clone(),
            seed,
            variation,
            steps: request.steps,
            guidance: request.guidance,
            guidance_interval: request.guidance_interval,
            skip_guidance: request.steering(job.turbo).skip,
            sampler: request.sampler,
            eta: if job.turbo { 0.0 } else { request.eta() },
            schedule: request.schedule,
            size: job.frame.size,
            enlarge: job.frame.enlarge,
            contained: job.frame.is_contained(),
            turbo: job.turbo,
            shifts: request.shifts_of(&self.info),
            enlarger_sha256: self.enlarger.as_ref().filter(|_| job.frame.enlarge > 1).map(|(_, sha256)| sha256.clone()),
            start: job.start.as_ref().map(Fitted::origin),
            model: self.info.name.clone(),
            model_sha256: self.model_sha256.clone(),
            text_encoder_sha256: self.encoder_sha256.clone(),
            isa: self.cpu.isa.name().to_owned(),
            precision: match self.precision {
                Precision::F32 => PrecisionChoice::F32,
                Precision::Bf16 => PrecisionChoice::Bf16,
            },
        }
    }
}
