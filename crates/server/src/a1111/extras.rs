//! Enlarging pictures that are given.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::imageops::FilterType;
use image::{GrayImage, Luma, RgbaImage};
use serde::Deserialize;
use serde_json::{Value, json};

use super::A1111Error;
use super::images::{self, Region};
use crate::app::App;
use crate::error::ApiError;
use crate::extract::JsonBody;
use crate::picture;

/// Most pictures of a call.
const MAX_PICTURES: usize = 64;
/// Most times larger.
const MAX_SCALE: f32 = 8.0;

/// What a client may send.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Extras {
    image: String,
    #[serde(rename = "imageList")]
    image_list: Vec<Named>,
    resize_mode: Option<u32>,
    upscaling_resize: Option<f32>,
    upscaling_resize_w: Option<u32>,
    upscaling_resize_h: Option<u32>,
    upscaling_crop: Option<bool>,
    upscaler_1: Option<String>,
    upscaler_2: Option<String>,
    extras_upscaler_2_visibility: Option<f32>,
}

/// A picture of a list.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    data: String,
}

/// `POST /sdapi/v1/extra-single-image`.
pub async fn single(
    State(app): State<Arc<App>>,
    JsonBody(extras): JsonBody<Extras>,
) -> Result<Json<Value>, A1111Error> {
    let image = app
        .blocking(move |_| {
            let mut left = picture::MAX_AREA;
            extras.enlarged("image", &extras.image, &mut left)
        })
        .await?;
    Ok(Json(json!({ "html_info": "", "image": image })))
}

/// `POST /sdapi/v1/extra-batch-images`.
pub async fn batch(State(app): State<Arc<App>>, JsonBody(extras): JsonBody<Extras>) -> Result<Json<Value>, A1111Error> {
    let images = app
        .blocking(move |_| {
            let count = extras.image_list.len();
            ApiError::in_range("imageList", count, 1..=MAX_PICTURES)?;
            let mut left = picture::MAX_AREA;
            let one = |image: &Named| extras.enlarged("imageList", &image.data, &mut left);
            extras.image_list.iter().map(one).collect::<Result<Vec<_>, _>>()
        })
        .await?;
    Ok(Json(json!({ "html_info": "", "images": images })))
}

impl Extras {
    /// A picture as it is wanted, in base64; `left` is the area that all answers may still have. Blocks.
    fn enlarged(&self, field: &str, coded: &str, left: &mut u64) -> Result<String, ApiError> {
        let named = |field, name: &Option<String>| images::upscaler(field, name.as_deref().unwrap_or("None"));
        let (first, second) = (named("upscaler_1", &self.upscaler_1)?, named("upscaler_2", &self.upscaler_2)?);
        let share = self.extras_upscaler_2_visibility.unwrap_or(0.0);
        ApiError::in_range("extras_upscaler_2_visibility", share, 0.0..=1.0)?;
        let (image, text) = picture::read(field, &images::decoded(field, coded)?)?;
        let (width, height) = self.size(image.dimensions())?;
        *left = left.checked_sub(u64::from(width) * u64::from(height)).ok_or_else(|| {
            ApiError::field(
                "upscaling_resize",
                format!("the pictures of an answer have at most {} pixels", picture::MAX_AREA),
            )
        })?;
        let scaled = |filter: FilterType| match self.resize_mode == Some(1) {
            true if self.upscaling_crop.unwrap_or(true) => images::cover(&image, (width, height), filter),
            true => {
                let Region { width, height, .. } = images::inside(image.dimensions(), (width, height));
                images::stretch(&image, (width, height), filter)
            }
            false => images::stretch(&image, (width, height), filter),
        };
        let enlarged = match (first, second) {
            (None, _) => image.clone(),
            (Some((_, first)), Some((_, second))) if share > 0.0 => blended(&scaled(first), &scaled(second), share),
            (Some((_, first)), _) => scaled(first),
        };
        let wanted = picture::Wanted::default();
        Ok(STANDARD.encode(picture::encode(&enlarged, wanted, &text)?))
    }

    /// The size that is asked for.
    fn size(&self, (width, height): (u32, u32)) -> Result<(u32, u32), ApiError> {
        let sides = match self.resize_mode.unwrap_or(0) {
            0 => {
                let scale =
                    ApiError::in_range("upscaling_resize", self.upscaling_resize.unwrap_or(2.0), 1.0..=MAX_SCALE)?;
                [width, height].map(|side| ("upscaling_resize", (side as f32 * scale) as u32))
            }
            1 => [
                ("upscaling_resize_w", self.upscaling_resize_w.unwrap_or(512)),
                ("upscaling_resize_h", self.upscaling_resize_h.unwrap_or(512)),
            ],
            mode => return Err(ApiError::field("resize_mode", format!("{mode} is not 0 or 1"))),
        };
        for (field, side) in sides {
            ApiError::in_range(field, side, 1..=picture::MAX_SIDE)?;
        }
        Ok((sides[0].1, sides[1].1))
    }
}

/// `share` of one picture in another of the same size.
fn blended(below: &RgbaImage, above: &RgbaImage, share: f32) -> RgbaImage {
    let (width, height) = below.dimensions();
    let mask = GrayImage::from_pixel(width, height, Luma([(share * 255.0).round() as u8]));
    images::paste(below, above, &mask, Region { left: 0, top: 0, width, height })
}
