//! From a request to pictures: text, noise, U-Net under a sampler, autoencoder.

use std::path::Path;
use std::time::Instant;

use graph::Precision;
use kernels::Cpu;
use sampling::{
    DiscreteSigmas, NewNoise, Prediction, RandomStream, SigmaSchedule, SigmaStep, combine, guidance, sample,
    sample_sigmas, slerp,
};

use super::digests::{Digest, Digests};
use super::latents::{channels_last, is_anew, keep, mean_mask, nearest_mask, to_pixels};
use super::networks::Networks;
use super::preview::Previewer;
use super::prompt::{self, Conditions};
use super::request::{flow_sampler, flow_time};
use super::{Checkpoint, Recipe, Request, memory};
use crate::event::{CancelToken, Event, Preview};
use crate::generate::Image;
use crate::options::{Options, PrecisionChoice};
use crate::start::Fitted;
use crate::{EngineError, Size, Variation};

/// A checkpoint, ready to draw. Networks are loaded when the first request needs them and stay, but for the text encoders.
pub struct Pipeline {
    networks: Networks,
    previewer: Previewer,
    digests: Digests,
    /// The last texts and what they became.
    told: Option<(Told, Conditions)>,
}

/// What conditions depend on.
#[derive(Debug, Clone, PartialEq)]
struct Told {
    prompt: String,
    negative: String,
    clip_skip: Option<u32>,
    size: Size,
}

/// A request on its way.
struct Job<'a> {
    request: &'a Request,
    size: Size,
    prediction: Prediction,
    sigmas: DiscreteSigmas,
    /// Noise levels that the sampler visits.
    levels: Vec<f32>,
    tile: Option<u32>,
    start: Option<Begin>,
    /// What the U-Net of an inpainting model sees beside the latent, `[h, w, 5]`.
    beside: Option<Vec<f32>>,
    conditions: Conditions,
}

/// A start at the job's size.
struct Begin {
    fitted: Fitted,
    /// `[h, w, 4]`.
    latent: Vec<f32>,
    /// `[h, w]`: 1 = draw anew; none without a mask, and for models that see the mask themselves.
    mask: Option<Vec<f32>>,
}

impl Pipeline {
    /// Opens a checkpoint for the processor; `taesd` is a file to decode previews with.
    pub fn new(checkpoint: Checkpoint, taesd: Option<&Path>, options: &Options) -> Result<Self, EngineError> {
        let (cpu, precision) = options.resolve()?;
        let digests = Digests::of(&checkpoint)?;
        let networks = Networks::new(checkpoint, cpu, precision);
        Ok(Self { networks, previewer: Previewer::new(taesd), digests, told: None })
    }

    /// The checkpoint.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.networks.checkpoint
    }

    /// Which files the checkpoint is; waits until they have been read.
    pub(super) fn digest(&self) -> Result<&Digest, EngineError> {
        self.digests.get()
    }

    /// The processor in use.
    pub fn cpu(&self) -> &Cpu {
        &self.networks.cpu
    }

    /// Bytes of packed weights in memory.
    pub fn weight_bytes(&self) -> usize {
        self.networks.bytes()
    }

    /// Draws the pictures of a request, telling `on_event` as it goes. Picture `i` uses `seed + i`.
    pub fn generate(
        &mut self,
        request: &Request,
        on_event: &mut dyn FnMut(Event<'_, Recipe>),
        cancel: &CancelToken,
    ) -> Result<Vec<Image<Recipe>>, EngineError> {
        let begin = Instant::now();
        request.validate()?;
        memory::check(&self.networks, request)?;
        let job = self.prepare(request)?;
        let steps = job.levels.len() as u32 - 1;
        on_event(Event::Started { images: request.count, steps, size: job.size, prompt_cut: false });
        let mut images = Vec::with_capacity(request.count as usize);
        for index in 0..request.count {
            let (seed, _) = request.seeds(index);
            let latent = self.sample(&job, index, begin, on_event, cancel)?;
            let colours = self.networks.decode(&latent, job.size, job.tile)?;
            if !colours.iter().all(|value| value.is_finite()) {
                return Err(EngineError::NotANumber { seed });
            }
            let mut pixels = to_pixels(&colours);
            if let Some(start) = &job.start {
                start.fitted.paint_over(&mut pixels);
            }
            let image = Image { size: job.size, pixels, recipe: self.recipe(&job, index)? };
            on_event(Event::Image { index, image: &image });
            images.push(image);
        }
        on_event(Event::Done { images: request.count, seconds: begin.elapsed().as_secs_f64() });
        Ok(images)
    }

    /// Everything that the pictures of a request share.
    fn prepare<'a>(&mut self, request: &'a Request) -> Result<Job<'a>, EngineError> {
        let architecture = self.networks.checkpoint.architecture.clone();
        let size = request.size_for(&architecture)?;
        let prediction = request.prediction.unwrap_or(architecture.prediction);
        if prediction == Prediction::Flow {
            flow_sampler(request.sampler)?;
        }
        let sigmas = DiscreteSigmas::new(&architecture.betas)?;
        let levels = request.levels(&sigmas, prediction)?;
        let conditions = self.conditions(request, size)?;
        let tile = request.tile.side(size);
        let factor = architecture.vae.factor();
        let width = size.width as usize;
        let fitted = request.start.as_ref().map(|start| start.fit(size));
        let beside = match architecture.is_inpainting() {
            true => Some(self.beside(fitted.as_ref(), size, tile)?),
            false => None,
        };
        let start = match fitted {
            None => None,
            Some(fitted) => {
                let latent = self.networks.encode(&fitted.colours(), size, tile)?;
                let mask = fitted.mask().filter(|_| beside.is_none()).map(|mask| mean_mask(mask, width, factor));
                Some(Begin { fitted, latent, mask })
            }
        };
        Ok(Job { request, size, prediction, sigmas, levels, tile, start, beside, conditions })
    }

    /// The mask, and the latent of the picture with grey under it, `[h, w, 1 + 4]`. Without a picture all is to be drawn.
    fn beside(&mut self, fitted: Option<&Fitted>, size: Size, tile: Option<u32>) -> Result<Vec<f32>, EngineError> {
        let vae = self.networks.checkpoint.architecture.vae;
        let pixels = (size.width * size.height) as usize;
        let (mask, mut colours) = match fitted {
            Some(fitted) => (fitted.mask().map_or(vec![255; pixels], <[u8]>::to_vec), fitted.colours()),
            None => (vec![255; pixels], vec![0.0; 3 * pixels]),
        };
        for (colour, mask) in colours.chunks_exact_mut(3).zip(&mask) {
            if is_anew(*mask) {
                colour.fill(0.0);
            }
        }
        let latent = self.networks.encode(&colours, size, tile)?;
        let mask = nearest_mask(&mask, size.width as usize, vae.factor());
        let cells = mask.iter().zip(latent.chunks_exact(vae.latent));
        Ok(cells.flat_map(|(mask, latent)| std::iter::once(mask).chain(latent)).copied().collect())
    }

    fn conditions(&mut self, request: &Request, size: Size) -> Result<Conditions, EngineError> {
        let (prompt, negative) = (request.prompt.clone(), request.negative.clone());
        let told = Told { prompt, negative, clip_skip: request.clip_skip, size };
        if let Some((before, conditions)) = &self.told
            && *before == told
        {
            return Ok(conditions.clone());
        }
        let Networks { checkpoint, cpu, precision, .. } = &self.networks;
        let conditions = prompt::encode(checkpoint, cpu, *precision, request, size)?;
        self.told = Some((told, conditions.clone()));
        Ok(conditions)
    }

    /// The latent `[h, w, 4]` of one picture.
    fn sample(
        &mut self,
        job: &Job<'_>,
        image: u32,
        begin: Instant,
        on_event: &mut dyn FnMut(Event<'_, Recipe>),
        cancel: &CancelToken,
    ) -> Result<Vec<f32>, EngineError> {
        let channels = self.networks.checkpoint.architecture.vae.latent;
        let factor = self.networks.checkpoint.architecture.vae.factor();
        let cells = (job.size.width as usize / factor) * (job.size.height as usize / factor);
        let columns = job.size.width as usize / factor;
        let (seed, variation) = job.request.seeds(image);
        let mut stream = RandomStream::new(job.request.rng, seed);
        let mut first = vec![0.0; channels * cells];
        stream.fill_normal(&mut first);
        if let Some(Variation { seed, strength }) = variation {
            let mut other = vec![0.0; channels * cells];
            RandomStream::new(job.request.rng, seed).fill_normal(&mut other);
            slerp(strength, &mut first, &other, [channels, cells / columns, columns]);
        }
        let x = initial(job, channels_last(&first, channels));
        let mut draw = move || {
            let mut noise = vec![0.0; channels * cells];
            stream.fill_normal(&mut noise);
            channels_last(&noise, channels)
        };
        // Both closures need the networks, but never at the same time.
        let pipeline = std::cell::RefCell::new(self);
        let mut denoise = |x: &[f32], level: f32| {
            if cancel.is_cancelled() {
                return Err(EngineError::Cancelled);
            }
            pipeline.borrow_mut().denoise(job, x, level)
        };
        let mut on_step = |done: usize, steps: usize, denoised: &[f32]| {
            let (values, size) = match job.request.previews {
                true => pipeline.borrow_mut().preview(job, denoised)?,
                false => (Vec::new(), Size::square(0)),
            };
            on_event(Event::Progress {
                image,
                step: done as u32,
                steps: steps as u32,
                seconds: begin.elapsed().as_secs_f64(),
                preview: Preview { values: &values, size },
            });
            if cancel.is_cancelled() { Err(EngineError::Cancelled) } else { Ok(()) }
        };
        let Job { request, levels, .. } = job;
        if job.prediction == Prediction::Flow {
            let sampler = flow_sampler(request.sampler)?;
            return sample(
                sampler,
                NewNoise { eta: request.eta(), above: 0.0 },
                levels,
                x,
                &mut denoise,
                &mut |_, noise| noise.copy_from_slice(&draw()),
                &mut |step| on_step(step.done, step.steps, step.x_hat),
            );
        }
        sample_sigmas(
            request.sampler,
            request.eta(),
            levels,
            x,
            &mut denoise,
            &mut |_, noise| noise.copy_from_slice(&draw()),
            &mut |step: SigmaStep<'_>| on_step(step.done, step.steps, step.denoised),
        )
    }

    /// The clean latent that is in x `[h, w, 4]` at a noise level.
    fn denoise(&mut self, job: &Job<'_>, x: &[f32], level: f32) -> Result<Vec<f32>, EngineError> {
        let Job { request, prediction, .. } = job;
        let factor = self.networks.checkpoint.architecture.vae.factor();
        let shape = [job.size.height as usize / factor, job.size.width as usize / factor];
        let cells = shape[0] * shape[1];
        // 1. What the network sees.
        let scale = prediction.input_scale(level);
        let scaled = x.iter().map(|value| value * scale);
        let input: Vec<f32> = match &job.beside {
            None => scaled.collect(),
            Some(beside) => {
                let scaled: Vec<f32> = scaled.collect();
                let own = scaled.chunks_exact(x.len() / cells).zip(beside.chunks_exact(beside.len() / cells));
                own.flat_map(|(latent, beside)| latent.iter().chain(beside)).copied().collect()
            }
        };
        let timestep = match prediction {
            Prediction::Flow => level * self.networks.checkpoint.architecture.betas.timesteps as f32,
            _ => job.sigmas.timestep_at(f64::from(level)) as f32,
        };
        // 2. Prediction, guided.
        let guidance = request.guidance();
        let time = flow_time(*prediction, level);
        let is_guided = guidance.is_guided(time);
        let sides = if is_guided && !self.networks.checkpoint.architecture.knows_guidance() { 2 } else { 1 };
        let told = if is_guided { guidance.scale } else { 1.0 };
        let output = self.networks.predict(sides, shape, &input, timestep, told, &job.conditions)?;
        let mut denoised = output[..x.len()].to_vec();
        if sides == 2 {
            combine(guidance.scale, &output[x.len()..], &mut denoised);
            if request.guidance_rescale > 0.0 {
                guidance::rescale(request.guidance_rescale, &output[..x.len()], &mut denoised);
            }
        }
        // 3. The clean latent, and what is kept of the start.
        prediction.denoise(level, x, &mut denoised);
        if let Some(Begin { latent, mask: Some(mask), .. }) = &job.start {
            keep(mask, latent, &mut denoised);
        }
        Ok(denoised)
    }

    fn preview(&mut self, job: &Job<'_>, latent: &[f32]) -> Result<(Vec<f32>, Size), EngineError> {
        let Networks { checkpoint, cpu, precision, .. } = &self.networks;
        let architecture = &checkpoint.architecture;
        self.previewer.decode(cpu, *precision, architecture.family, latent, job.size, architecture.vae.factor())
    }

    fn recipe(&self, job: &Job<'_>, index: u32) -> Result<Recipe, EngineError> {
        let Digest { checkpoint: model_sha256, vae: vae_sha256 } = self.digest()?.clone();
        let Networks { checkpoint, cpu, precision, .. } = &self.networks;
        Ok(Recipe {
            size: job.size,
            prediction: job.prediction,
            tile: job.tile,
            start: job.start.as_ref().map(|start| start.fitted.origin()),
            family: checkpoint.architecture.family_name().to_owned(),
            model: checkpoint.name.clone(),
            model_sha256,
            vae_sha256,
            isa: cpu.isa.name().to_owned(),
            precision: match precision {
                Precision::F32 => PrecisionChoice::F32,
                Precision::Bf16 => PrecisionChoice::Bf16,
            },
            ..Recipe::new(job.request, index)
        })
    }
}

/// The state at the first noise level, from the first draw of the picture's stream.
fn initial(job: &Job<'_>, mut noise: Vec<f32>) -> Vec<f32> {
    let level = job.levels[0];
    let flow = job.prediction == Prediction::Flow;
    // A model that sees the mask draws a new picture at full strength; others keep what little the noise leaves of theirs.
    let anew = job.beside.is_some() && job.request.start.as_ref().is_some_and(|start| start.strength >= 1.0);
    match &job.start {
        Some(start) if !anew => {
            let kept = if flow { 1.0 - level } else { 1.0 };
            noise.iter_mut().zip(&start.latent).for_each(|(z, x)| *z = kept * x + level * *z);
        }
        _ => {
            // `leading` starts below the highest level, where the variance-preserving state is not all noise: its reference
            // takes noise of the state's whole variance.
            let deviation = match job.request.schedule {
                SigmaSchedule::Leading if !flow => level.hypot(1.0),
                _ => level,
            };
            noise.iter_mut().for_each(|z| *z *= deviation);
        }
    }
    noise
}
