//! txt2img and img2img.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use engine::{Order, PresetName, Size};
use image::imageops;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{DEFAULT_PROJECT, Priority};

use super::{A1111Error, names, options};
use crate::app::{App, CancelOnDrop, Draft, Owner, random_seed};
use crate::error::ApiError;
use crate::extract::{JsonBody, parse};
use crate::picture;

/// How far img2img goes from its picture when nothing is said.
const STRENGTH: f32 = 0.75;
/// Largest blur of a mask.
const MAX_BLUR: f32 = 64.0;

/// The fields that are understood.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Fields {
    prompt: Option<String>,
    negative_prompt: Option<String>,
    seed: Option<i64>,
    sampler_name: Option<String>,
    sampler_index: Option<String>,
    scheduler: Option<String>,
    batch_size: Option<u32>,
    n_iter: Option<u32>,
    steps: Option<u32>,
    cfg_scale: Option<f32>,
    width: Option<u32>,
    height: Option<u32>,
    denoising_strength: Option<f32>,
    override_settings: Option<Overrides>,
    init_images: Option<Vec<String>>,
    mask: Option<String>,
    mask_blur: Option<f32>,
    inpainting_mask_invert: Option<u32>,
    include_init_images: Option<bool>,
    send_images: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Overrides {
    sd_model_checkpoint: Option<String>,
    #[serde(rename = "CLIP_stop_at_last_layers")]
    clip_skip: Option<u32>,
}

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

async fn draw(app: &Arc<App>, owner: &Owner, request: Value, from_picture: bool) -> Result<Json<Value>, ApiError> {
    let fields: Fields = parse(request.to_string().as_bytes())?;
    let own = fields.clone();
    let draft = app.blocking(move |app| draft(app, &own, from_picture)).await?;
    let mut listener = app.queue.live.listen();
    let jobs = app.submit(owner, None, vec![draft.clone()]).await?;
    let job = jobs.into_iter().next().ok_or_else(|| ApiError::internal("no job"))?;
    let guard = CancelOnDrop::new(app, &job.id);
    let job = app.wait(&job.id, &mut listener, |_| {}).await?;
    guard.defuse();
    // An interrupted job answers with the pictures it has.
    let pictures = app.pictures(&job).await?;
    let order = &draft.order;
    let (width, height) = pictures.first().map_or((0, 0), |(asset, _)| (asset.width, asset.height));
    let seeds: Vec<u64> = pictures.iter().map(|(asset, _)| asset.seed.unwrap_or(0)).collect();
    let texts: Vec<String> = pictures.iter().map(|(_, png)| text_of(png)).collect();
    let first: Value =
        pictures.first().and_then(|(asset, _)| serde_json::from_str(asset.recipe.as_deref()?).ok()).unwrap_or_default();
    let info = json!({
        "prompt": order.prompt, "all_prompts": vec![&order.prompt; seeds.len()],
        "negative_prompt": order.negative, "all_negative_prompts": vec![&order.negative; seeds.len()],
        "seed": order.seed, "all_seeds": seeds, "subseed": order.seed, "all_subseeds": seeds, "subseed_strength": 0,
        "width": width, "height": height, "sampler_name": names::theirs(first["sampler"].as_str().unwrap_or_default()),
        "cfg_scale": first["guidance"], "steps": first["steps"], "batch_size": fields.batch_size.unwrap_or(1),
        "restore_faces": false, "face_restoration_model": null, "sd_model_name": first["model"],
        "sd_model_hash": first["model_sha256"].as_str().and_then(|sha256| sha256.get(..10)), "sd_vae_name": null,
        "sd_vae_hash": null, "seed_resize_from_w": -1, "seed_resize_from_h": -1, "denoising_strength": order.strength,
        "extra_generation_params": {}, "index_of_first_image": 0, "infotexts": texts, "styles": [],
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

/// The request with what it left out. Given pictures come back only if asked for.
fn echo(mut request: Value, fields: &Fields, order: &Order, from_picture: bool) -> Value {
    let defaults = json!({
        "prompt": "", "negative_prompt": "", "seed": -1, "subseed": -1, "subseed_strength": 0, "batch_size": 1, "n_iter": 1,
        "steps": order.steps, "cfg_scale": order.guidance, "sampler_name": null, "scheduler": null, "styles": null,
        "width": order.size.map(|size| size.width), "height": order.size.map(|size| size.height),
        "denoising_strength": order.strength, "override_settings": {}, "send_images": true, "save_images": false,
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

fn text_of(png: &[u8]) -> String {
    let picture = formats::picture::decode(png).ok();
    picture.and_then(|picture| picture.text(formats::picture::PARAMETERS_KEY).map(str::to_owned)).unwrap_or_default()
}

/// The job. Blocks.
fn draft(app: &App, fields: &Fields, from_picture: bool) -> Result<Draft, ApiError> {
    let overrides = fields.override_settings.clone().unwrap_or_default();
    let model = app.models.find(&options::model(app, overrides.sd_model_checkpoint.as_deref())?)?;
    let sampler = fields.sampler_name.as_deref().or(fields.sampler_index.as_deref());
    let chosen = names::choose(&model.kind, sampler, fields.scheduler.as_deref())?;
    let (each, times) = (fields.batch_size.unwrap_or(1), fields.n_iter.unwrap_or(1));
    for (field, value) in [("batch_size", each), ("n_iter", times)] {
        if !(1..=engine::MAX_COUNT).contains(&value) {
            return Err(ApiError::field(field, format!("{value} is not in 1..={}", engine::MAX_COUNT)));
        }
    }
    let (start, mask) = if from_picture { given(app, fields)? } else { (None, None) };
    let is_stable_diffusion = matches!(*model.kind, engine::Kind::StableDiffusion(_));
    let order = Order {
        prompt: fields.prompt.clone().unwrap_or_default(),
        negative: fields.negative_prompt.clone().unwrap_or_default(),
        seed: fields.seed.and_then(|seed| u64::try_from(seed).ok()).unwrap_or_else(random_seed),
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
        strength: from_picture.then_some(fields.denoising_strength.unwrap_or(STRENGTH)),
        clip_skip: overrides.clip_skip.filter(|_| is_stable_diffusion),
        ..Order::default()
    };
    let draft = Draft {
        order,
        model: model.name,
        project: DEFAULT_PROJECT.into(),
        source: "a1111",
        priority: Priority::Interactive,
        start,
        mask,
        batch: None,
        label: None,
    };
    app.check(&draft).map_err(|mut error| {
        error.field = error.field.map(|field| match field.as_str() {
            "negative" => "negative_prompt".into(),
            "guidance" => "cfg_scale".into(),
            "size" => "width, height".into(),
            "strength" => "denoising_strength".into(),
            "count" => "batch_size".into(),
            _ => field,
        });
        error
    })?;
    Ok(draft)
}

/// The picture to start from and the mask as assets. Blocks.
fn given(app: &App, fields: &Fields) -> Result<(Option<String>, Option<String>), ApiError> {
    let first = fields.init_images.as_deref().and_then(|images| images.first());
    let first = first.ok_or_else(|| ApiError::not_found("Init image not found"))?;
    let start = app.keep_upload("init_images", &decoded("init_images", first)?, DEFAULT_PROJECT)?;
    let Some(mask) = fields.mask.as_deref().filter(|mask| !mask.is_empty()) else { return Ok((Some(start.id), None)) };
    let mut mask = picture::grey(&picture::decode("mask", &decoded("mask", mask)?)?);
    if fields.inpainting_mask_invert.unwrap_or(0) > 0 {
        mask.iter_mut().for_each(|grey| *grey = 255 - *grey);
    }
    let blur = fields.mask_blur.unwrap_or(4.0);
    if !(0.0..=MAX_BLUR).contains(&blur) {
        return Err(ApiError::field("mask_blur", format!("{blur} is not in 0..={MAX_BLUR}")));
    }
    if blur > 0.0 {
        mask = imageops::fast_blur(&mask, blur);
    }
    let size = (start.width, start.height);
    let mask = app.keep_picture(&picture::mask_png(&mask, size)?, size, DEFAULT_PROJECT)?;
    Ok((Some(start.id), Some(mask.id)))
}

/// A picture in base64, as it is or as a `data:` URL. Addresses are not fetched.
pub fn decoded(field: &str, text: &str) -> Result<Vec<u8>, ApiError> {
    let coded = match text.strip_prefix("data:") {
        Some(rest) => rest.split_once(";base64,").map_or("", |(_, coded)| coded),
        None => text,
    };
    STANDARD.decode(coded.trim()).map_err(|_| ApiError::field(field, "Invalid encoded image: not base64"))
}
