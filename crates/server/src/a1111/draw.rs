//! txt2img and img2img.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use engine::{Order, PresetName, Size, Variation};
use serde_json::{Map, Value, json};
use store::{Asset, DEFAULT_PROJECT, Priority, State as JobState};

use super::fields::Fields;
use super::given::{Given, Patch};
use super::hires::Hires;
use super::{A1111Error, Told, images, names, options};
use crate::app::{App, Draft, Owner, random_seed};
use crate::error::ApiError;
use crate::extract::{JsonBody, parse};

/// How far img2img and hires fix go from their picture when nothing is said.
pub const STRENGTH: f32 = 0.75;
/// The shortest way there is: less would not be drawn at all.
const LEAST_STRENGTH: f32 = 0.01;

/// `POST /sdapi/v1/txt2img`.
pub async fn txt2img(
    State(app): State<Arc<App>>,
    Extension(owner): Extension<Owner>,
    JsonBody(request): JsonBody<Value>,
) -> Result<Json<Value>, A1111Error> {
    Ok(draw(&app, &owner, request, false).await?)
}

/// `POST /sdapi/v1/img2img`.
pub async fn img2img(
    State(app): State<Arc<App>>,
    Extension(owner): Extension<Owner>,
    JsonBody(request): JsonBody<Value>,
) -> Result<Json<Value>, A1111Error> {
    Ok(draw(&app, &owner, request, true).await?)
}

/// A call that was understood.
struct Call {
    draft: Draft,
    hires: Option<Hires>,
    patch: Option<Patch>,
    /// Settings that the text in the pictures says beside its own.
    told: Told,
}

async fn draw(app: &Arc<App>, owner: &Owner, request: Value, from_picture: bool) -> Result<Json<Value>, ApiError> {
    let fields: Fields = parse(request.to_string().as_bytes())?;
    let own = fields.clone();
    let Call { draft, hires, patch, mut told } = app.blocking(move |app| call(app, &own, from_picture)).await?;
    // An interrupted job answers with the pictures it has.
    let (job, mut pictures) = app.draw(owner, draft.clone()).await?;
    if let Some(hires) = hires.filter(|_| job.state != JobState::Cancelled) {
        pictures = hires.develop(app, owner, pictures).await?;
        told.extend_from_slice(hires.told());
    } else {
        let more = told.clone();
        pictures = app.blocking(move |_| finished(pictures, patch.as_ref(), &more)).await?;
    }
    let order = &draft.order;
    let (width, height) = pictures.first().map_or((0, 0), |(asset, _)| (asset.width, asset.height));
    let seeds: Vec<u64> = pictures.iter().map(|(asset, _)| asset.seed.unwrap_or(0)).collect();
    let subseeds: Vec<u64> = match order.variation {
        Some(variation) => (0..).take(seeds.len()).map(|i| variation.seed.wrapping_add(i)).collect(),
        None => seeds.clone(),
    };
    let texts: Vec<String> = pictures.iter().map(|(_, png)| images::text_of(png)).collect();
    let first: Value =
        pictures.first().and_then(|(asset, _)| serde_json::from_str(asset.recipe.as_deref()?).ok()).unwrap_or_default();
    let told: Map<String, Value> = told.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    let info = json!({
        "prompt": order.prompt, "all_prompts": vec![&order.prompt; seeds.len()],
        "negative_prompt": order.negative, "all_negative_prompts": vec![&order.negative; seeds.len()],
        "seed": order.seed, "all_seeds": seeds, "subseed": order.variation.map_or(order.seed, |variation| variation.seed),
        "all_subseeds": subseeds, "subseed_strength": order.variation.map_or(0.0, |variation| variation.strength),
        "width": width, "height": height, "sampler_name": names::theirs(first["sampler"].as_str().unwrap_or_default()),
        "cfg_scale": first["guidance"], "steps": first["steps"], "batch_size": fields.batch_size.unwrap_or(1),
        "restore_faces": false, "face_restoration_model": null, "sd_model_name": first["model"],
        "sd_model_hash": first["model_sha256"].as_str().and_then(|sha256| sha256.get(..10)), "sd_vae_name": null,
        "sd_vae_hash": null, "seed_resize_from_w": -1, "seed_resize_from_h": -1, "denoising_strength": order.strength,
        "extra_generation_params": told, "index_of_first_image": 0, "infotexts": texts, "styles": [],
        "job_timestamp": job.started_ms.unwrap_or(0).to_string(), "clip_skip": order.clip_skip.unwrap_or(1),
        "is_using_inpainting_conditioning": false, "version": concat!("Calotype ", env!("CARGO_PKG_VERSION")),
    });
    let images: Vec<String> = match fields.send_images {
        Some(false) => Vec::new(),
        _ => pictures.iter().map(|(_, png)| STANDARD.encode(png)).collect(),
    };
    let parameters = echo(request, &fields, order, from_picture);
    Ok(Json(json!({ "images": images, "parameters": parameters, "info": info.to_string() })))
}

/// The pictures with their settings, in their places. Blocks.
fn finished(
    pictures: Vec<(Asset, Bytes)>,
    patch: Option<&Patch>,
    told: &[(&'static str, String)],
) -> Result<Vec<(Asset, Bytes)>, ApiError> {
    let finish = |(mut asset, png): (Asset, Bytes)| {
        let mut png = images::with_settings(&png, told)?;
        if let Some(patch) = patch {
            (png, (asset.width, asset.height)) = patch.paste(&png)?;
        }
        Ok((asset, png))
    };
    pictures.into_iter().map(finish).collect()
}

/// The request with what it left out. Given pictures come back only if asked for.
fn echo(mut request: Value, fields: &Fields, order: &Order, from_picture: bool) -> Value {
    let defaults = json!({
        "prompt": "", "negative_prompt": "", "seed": -1, "subseed": -1, "subseed_strength": 0, "enable_hr": false,
        "batch_size": 1, "n_iter": 1, "steps": order.steps, "cfg_scale": order.guidance, "sampler_name": null,
        "scheduler": null, "styles": null, "width": order.size.map(|size| size.width),
        "height": order.size.map(|size| size.height), "denoising_strength": order.strength, "override_settings": {}, "send_images": true, "save_images": false,
    });
    let Some(object) = request.as_object_mut() else { return defaults };
    if from_picture && fields.include_init_images != Some(true) {
        object.insert("init_images".into(), Value::Null);
        object.insert("mask".into(), Value::Null);
    }
    for (key, value) in defaults.as_object().into_iter().flatten() {
        object.entry(key).or_insert_with(|| value.clone());
    }
    request
}

/// The job, and what is done around it. Blocks.
fn call(app: &App, fields: &Fields, from_picture: bool) -> Result<Call, ApiError> {
    let overrides = fields.override_settings.clone().unwrap_or_default();
    let model = app.models.find(&options::model(app, overrides.sd_model_checkpoint.as_deref())?)?;
    let sampler = fields.sampler_name.as_deref().or(fields.sampler_index.as_deref());
    let chosen = names::choose(&model.kind, sampler, fields.scheduler.as_deref())?;
    let (each, times) = (fields.batch_size.unwrap_or(1), fields.n_iter.unwrap_or(1));
    for (field, value) in [("batch_size", each), ("n_iter", times)] {
        ApiError::in_range(field, value, 1..=engine::MAX_COUNT)?;
    }
    let is_stable_diffusion = matches!(*model.kind, engine::Kind::StableDiffusion(_));
    let variation = fields
        .subseed_strength
        .filter(|strength| *strength != 0.0)
        .map(|strength| Variation { seed: fields.subseed.unwrap_or_else(random_seed), strength });
    let order = Order {
        prompt: fields.prompt.clone().unwrap_or_default(),
        negative: fields.negative_prompt.clone().unwrap_or_default(),
        seed: fields.seed.unwrap_or_else(random_seed),
        variation,
        count: each * times,
        preset: PresetName::Final,
        steps: fields.steps,
        guidance: fields.cfg_scale,
        sampler: chosen.sampler,
        schedule: chosen.schedule,
        size: match (fields.width, fields.height) {
            (None, None) => None,
            (width, height) => Some(Size { width: width.unwrap_or(512), height: height.unwrap_or(512) }),
        },
        strength: from_picture.then(|| strength(fields.denoising_strength.unwrap_or(STRENGTH))),
        clip_skip: overrides.clip_skip.filter(|_| is_stable_diffusion),
        ..Order::default()
    };
    let mut draft = Draft {
        order,
        model: model.name.clone(),
        project: DEFAULT_PROJECT.into(),
        source: "a1111",
        priority: Priority::Interactive,
        start: None,
        mask: None,
        batch: None,
        label: None,
    };
    // Before any picture is read: a size that cannot be drawn is not scaled to.
    app.check(&draft).map_err(param)?;
    let (mut patch, mut told, mut hires) = (None, Vec::new(), None);
    if from_picture {
        let (usual, _) = model.kind.check(&draft.order)?;
        let given = Given::new(app, fields, draft.order.size, usual)?;
        (draft.start, draft.mask, patch, told) = (Some(given.start), given.mask, given.patch, given.told);
        if patch.is_some() {
            draft.order.size = Some(usual);
        }
        if given.is_anew {
            draft.order.strength = Some(1.0);
        }
        app.check(&draft).map_err(param)?;
    } else {
        hires = Hires::new(app, &model, fields, &draft)?;
    }
    Ok(Call { draft, hires, patch, told })
}

/// The strength that is nearest to what is asked for: 0 means as little as possible.
pub fn strength(asked: f32) -> f32 {
    if (0.0..LEAST_STRENGTH).contains(&asked) { LEAST_STRENGTH } else { asked }
}

/// Fields by the names of this interface.
pub fn param(mut error: ApiError) -> ApiError {
    error.field = error.field.map(|field| match field.as_str() {
        "negative" => "negative_prompt".into(),
        "guidance" => "cfg_scale".into(),
        "size" => "width, height".into(),
        "strength" => "denoising_strength".into(),
        "variation" => "subseed_strength".into(),
        "count" => "batch_size".into(),
        _ => field,
    });
    error
}
