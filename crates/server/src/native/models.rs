//! The models there are, and what they can be asked for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use engine::{Kind, Request};
use sampling::{Sampler, SigmaSampler, SigmaSchedule};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::error::ApiError;

/// Styles the built-in model was trained with.
const STYLES: [&str; 7] =
    ["3d render", "flat illustration", "soft gradient", "cartoon emoji", "clip art", "line icon", "silhouette"];

/// A model.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelView {
    /// Its name in requests.
    name: String,
    /// Whether it can be used; if not, `problem` says why.
    usable: bool,
    /// Why it cannot be used.
    problem: Option<String>,
    /// `jit` for our own models; `sd1`, `sd2`, `sdxl` or `sdxl_refiner` for Stable Diffusion.
    family: Option<String>,
    /// Size of a picture when none is asked for, `WxH`.
    default_size: Option<String>,
    /// What both sides of a picture are a multiple of, pixels. At 1 a picture may have any size: the model's own square is fitted
    /// into it.
    size_multiple: Option<u32>,
    /// Samplers, the usual one first.
    samplers: Vec<String>,
    /// Schedules, the usual one first.
    schedules: Vec<String>,
    /// Presets.
    presets: Vec<&'static str>,
    /// Guidance scale when none is asked for.
    default_guidance: Option<f32>,
    /// Whether pictures have a transparent background.
    transparent: bool,
}

/// Names of samplers and schedules of a model, the usual ones first.
pub fn names(kind: &Kind) -> (Vec<String>, Vec<String>) {
    let first = |usual: String, all: Vec<String>| {
        let rest: Vec<String> = all.into_iter().filter(|name| *name != usual).collect();
        std::iter::once(usual).chain(rest).collect::<Vec<_>>()
    };
    match kind {
        Kind::Own(_) => {
            let all = Sampler::ALL.iter().map(|sampler| sampler.name().to_owned()).collect();
            (first(Sampler::default().name().to_owned(), all), vec!["linear".into(), "shifted".into()])
        }
        Kind::StableDiffusion(_) => {
            let samplers = SigmaSampler::ALL.iter().map(|sampler| sampler.name().to_owned()).collect();
            let schedules = SigmaSchedule::ALL.iter().map(|schedule| schedule.name().to_owned()).collect();
            let usual = engine::stable_diffusion::Request::default();
            (first(usual.sampler.name().to_owned(), samplers), first(usual.schedule.name().to_owned(), schedules))
        }
    }
}

/// List models, the built-in one first. Files and folders in the folder of models that cannot be used say why.
#[utoipa::path(get, path = "/api/v1/models", tag = "models", responses((status = 200, body = Vec<ModelView>)))]
pub async fn list(State(app): State<Arc<App>>) -> Result<Json<Vec<ModelView>>, ApiError> {
    app.blocking(|app| {
        let view = |(name, found): (String, Result<crate::models::KnownModel, ApiError>)| match found {
            Ok(model) => usable(name, &model.kind),
            Err(error) => ModelView {
                name,
                usable: false,
                problem: Some(error.message),
                family: None,
                default_size: None,
                size_multiple: None,
                samplers: Vec::new(),
                schedules: Vec::new(),
                presets: Vec::new(),
                default_guidance: None,
                transparent: false,
            },
        };
        Ok(Json(app.models.list().into_iter().map(view).collect()))
    })
    .await
}

fn usable(name: String, kind: &Kind) -> ModelView {
    let (samplers, schedules) = names(kind);
    let size = kind.check(&engine::Order::default()).ok().map(|(size, _)| size);
    let (family, multiple, guidance) = match kind {
        Kind::Own(_) => ("jit".to_owned(), 1, Request::default().guidance),
        Kind::StableDiffusion(architecture) => (
            architecture.family_name().to_owned(),
            architecture.multiple(),
            engine::stable_diffusion::Request::default().guidance,
        ),
    };
    ModelView {
        name,
        usable: true,
        problem: None,
        family: Some(family),
        default_size: size.map(|size| size.to_string()),
        size_multiple: Some(multiple),
        samplers,
        schedules,
        presets: match kind {
            Kind::Own(info) if info.config.step_length => vec!["turbo", "draft", "standard", "final"],
            Kind::Own(_) => vec!["draft", "standard", "final"],
            Kind::StableDiffusion(_) => vec!["draft", "standard", "final", "turbo", "lcm", "lightning"],
        },
        default_guidance: Some(guidance),
        transparent: matches!(kind, Kind::Own(_)),
    }
}

/// Styles that the built-in model knows; each is put after a prompt.
#[utoipa::path(get, path = "/api/v1/styles", tag = "models", responses((status = 200, body = Vec<String>)))]
pub async fn styles() -> Json<Vec<&'static str>> {
    Json(STYLES.to_vec())
}
