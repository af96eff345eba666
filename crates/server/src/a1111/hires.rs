//! Hires fix: what was drawn small is enlarged and developed again at its new size, picture by picture, each as a job of its own.

use std::sync::Arc;

use axum::body::Bytes;
use engine::{Order, Size};
use image::imageops::FilterType;
use store::{Asset, DEFAULT_PROJECT, State};

use super::draw::{STRENGTH, strength};
use super::fields::Fields;
use super::{Told, images, names};
use crate::app::{App, Draft, Owner};
use crate::error::ApiError;
use crate::models::KnownModel;
use crate::picture;

/// How much larger pictures become when nothing is said.
const SCALE: f32 = 2.0;
/// Most times larger.
const MAX_SCALE: f32 = 4.0;

/// The second pass.
#[derive(Debug, Clone)]
pub struct Hires {
    /// The job that develops a picture, but for its seed and start.
    draft: Draft,
    size: Size,
    filter: FilterType,
    /// What the text in the pictures says of it.
    told: Told,
}

impl Hires {
    /// The second pass that is asked for, if any. Blocks.
    pub fn new(app: &App, model: &KnownModel, fields: &Fields, first: &Draft) -> Result<Option<Self>, ApiError> {
        if fields.enable_hr != Some(true) {
            return Ok(None);
        }
        let (upscaler, filter) = match fields.hr_upscaler.as_deref() {
            None | Some("" | "None" | "Automatic") => ("Lanczos", FilterType::Lanczos3),
            // The models here are no latent ones, or are developed from pixels: a picture is enlarged.
            Some(name) if name.starts_with("Latent") => ("Lanczos", FilterType::Lanczos3),
            Some(name) => images::upscaler("hr_upscaler", name)?.unwrap_or(("Lanczos", FilterType::Lanczos3)),
        };
        let (drawn, steps) = model.kind.check(&first.order)?;
        let (size, told) = target(model, fields, &first.order, drawn)?;
        let strength = strength(fields.denoising_strength.unwrap_or(STRENGTH));
        let steps = fields.hr_second_pass_steps.filter(|steps| *steps > 0).unwrap_or(steps);
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let sampler = given(&fields.hr_sampler_name).filter(|name| name != "Use same sampler");
        let schedule = given(&fields.hr_scheduler).filter(|name| name != "Use same scheduler");
        let chosen = names::choose(&model.kind, sampler.as_deref(), schedule.as_deref())?;
        let order = Order {
            prompt: given(&fields.hr_prompt).unwrap_or_else(|| first.order.prompt.clone()),
            negative: given(&fields.hr_negative_prompt).unwrap_or_else(|| first.order.negative.clone()),
            count: 1,
            steps: Some(steps),
            size: Some(size),
            strength: Some(strength),
            sampler: chosen.sampler.or_else(|| first.order.sampler.clone()),
            schedule: chosen.schedule.or_else(|| first.order.schedule.clone()),
            ..first.order.clone()
        };
        let draft = Draft { order, ..first.clone() };
        app.check(&draft).map_err(|mut error| {
            if error.field.as_deref() == Some("steps") {
                error.field = Some("hr_second_pass_steps".into());
            }
            super::draw::param(error)
        })?;
        let mut all = vec![("Denoising strength", strength.to_string())];
        all.extend(told);
        all.extend([("Hires steps", steps.to_string()), ("Hires upscaler", upscaler.to_owned())]);
        Ok(Some(Self { draft, size, filter, told: all }))
    }

    /// What the text in the pictures says of the second pass.
    pub fn told(&self) -> &[(&'static str, String)] {
        &self.told
    }

    /// Develops pictures; those that an interruption left out stay as they were drawn.
    pub async fn develop(
        &self,
        app: &Arc<App>,
        owner: &Owner,
        pictures: Vec<(Asset, Bytes)>,
    ) -> Result<Vec<(Asset, Bytes)>, ApiError> {
        let mut developed = Vec::with_capacity(pictures.len());
        let mut pictures = pictures.into_iter();
        for (asset, png) in pictures.by_ref() {
            let (Size { width, height }, filter, small) = (self.size, self.filter, png.clone());
            let start = app
                .blocking(move |app| {
                    let large = images::cover(&picture::decode("picture", &small)?, (width, height), filter);
                    app.keep_picture(&picture::png(&large)?, (width, height), DEFAULT_PROJECT)
                })
                .await?;
            let seed = asset.seed.unwrap_or(self.draft.order.seed);
            let order = Order { seed, ..self.draft.order.clone() };
            let (job, large) = app.draw(owner, Draft { order, start: Some(start.id), ..self.draft.clone() }).await?;
            let text = images::text_of(&png);
            match large.into_iter().next() {
                // A1111's text is that of the first pass, with what was done later behind it.
                Some((asset, png)) => {
                    let png = formats::picture::with_text(&png, &[(formats::picture::PARAMETERS_KEY, &text)]);
                    let png = images::with_settings(&png.map_err(ApiError::internal)?.into(), &self.told)?;
                    developed.push((asset, png));
                }
                None => developed.push((asset, png)),
            }
            if job.state == State::Cancelled {
                break;
            }
        }
        developed.extend(pictures);
        Ok(developed)
    }
}

/// The size to develop at, and how the text says it.
fn target(model: &KnownModel, fields: &Fields, order: &Order, drawn: Size) -> Result<(Size, Told), ApiError> {
    let (x, y) = (fields.hr_resize_x.unwrap_or(0), fields.hr_resize_y.unwrap_or(0));
    let (field, width, height, told) = if x == 0 && y == 0 {
        let scale = ApiError::in_range("hr_scale", fields.hr_scale.unwrap_or(SCALE), 1.0..=MAX_SCALE)?;
        let side = |side: u32| (side as f32 * scale) as u32;
        ("hr_scale", side(drawn.width), side(drawn.height), ("Hires upscale", scale.to_string()))
    } else {
        for (field, side) in [("hr_resize_x", x), ("hr_resize_y", y)] {
            ApiError::in_range(field, side, 0..=picture::MAX_SIDE)?;
        }
        let width = if x > 0 { x } else { (u64::from(y) * u64::from(drawn.width) / u64::from(drawn.height)) as u32 };
        let height = if y > 0 { y } else { (u64::from(x) * u64::from(drawn.height) / u64::from(drawn.width)) as u32 };
        let field = if x > 0 { "hr_resize_x" } else { "hr_resize_y" };
        (field, width, height, ("Hires resize", format!("{x}x{y}")))
    };
    let can = |size| model.kind.check(&Order { size: Some(size), count: 1, ..order.clone() });
    // Sides become multiples of what the model draws in.
    let sizes = [1, 8, 16, 32, 64].map(|of| Size { width: width / of * of, height: height / of * of });
    match sizes.into_iter().find(|size| can(*size).is_ok()) {
        Some(size) => Ok((size, vec![told])),
        None => {
            let why = can(sizes[4]).err().map_or(String::new(), |error| error.to_string());
            Err(ApiError::field(field, format!("{width}x{height} cannot be developed: {why}")))
        }
    }
}
