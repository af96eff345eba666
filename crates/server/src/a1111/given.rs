//! What img2img starts from: the picture at the size that is drawn, the mask, and the way back into the whole picture.

use axum::body::Bytes;
use engine::Size;
use image::imageops::{self, FilterType};
use image::{GrayImage, RgbaImage};
use store::{Asset, DEFAULT_PROJECT};

use super::Told;
use super::fields::Fields;
use super::images::{self, Region};
use crate::app::App;
use crate::error::ApiError;
use crate::picture;

/// Largest blur of a mask.
const MAX_BLUR: f32 = 64.0;
/// Blur of a mask when nothing is said.
const BLUR: f32 = 4.0;

/// What img2img starts from.
#[derive(Debug, Clone)]
pub struct Given {
    /// Asset to start from.
    pub start: String,
    /// Asset that is white where to draw.
    pub mask: Option<String>,
    /// Whether the masked area is drawn from noise alone.
    pub is_anew: bool,
    /// Where the drawing goes, if only the masked area is drawn.
    pub patch: Option<Patch>,
    /// What the text in the pictures says of all this.
    pub told: Told,
}

/// The place of a drawing in a whole picture.
#[derive(Debug, Clone)]
pub struct Patch {
    whole: RgbaImage,
    /// As large as the whole picture.
    mask: GrayImage,
    region: Region,
}

impl Given {
    /// Reads and keeps what was given; `asked` is the size that the client names, `usual` that of the model. Blocks.
    pub fn new(app: &App, fields: &Fields, asked: Option<Size>, usual: Size) -> Result<Self, ApiError> {
        let first = fields.init_images.as_deref().and_then(|images| images.first());
        let first = first.ok_or_else(|| ApiError::not_found("Init image not found"))?;
        let mut image = picture::decode("init_images", &images::decoded("init_images", first)?)?;
        let mode = ApiError::in_range("resize_mode", fields.resize_mode.unwrap_or(0), 0..=3)?;
        let fill = ApiError::in_range("inpainting_fill", fields.inpainting_fill.unwrap_or(0), 0..=3)?;
        let padding = ApiError::in_range(
            "inpaint_full_res_padding",
            fields.inpaint_full_res_padding.unwrap_or(0),
            0..=picture::MAX_SIDE,
        )?;
        let asked = asked.map(|size| (size.width, size.height));
        let mut told = Vec::new();
        let mut patch = None;
        let Some(mut mask) = mask(fields, image.dimensions(), &mut told)? else {
            if let Some(size) = asked {
                image = fitted(&image, mode, size);
            }
            let start = keep(app, &image)?;
            return Ok(Self { start: start.id, mask: None, is_anew: false, patch, told });
        };
        let size = asked.unwrap_or((usual.width, usual.height));
        let region = images::marked(&mask, padding, size).filter(|_| fields.inpaint_full_res.unwrap_or(true));
        if let Some(region) = region {
            told.push(("Inpaint area", "Only masked".to_owned()));
            told.push(("Masked area padding", padding.to_string()));
            let (part, part_mask) = (images::part(&image, region), images::part(&mask, region));
            patch = Some(Patch { whole: image, mask, region });
            image = images::stretch(&part, size, FilterType::Lanczos3);
            mask = imageops::resize(&part_mask, size.0, size.1, FilterType::Triangle);
        } else if let Some(size) = asked {
            image = fitted(&image, mode, size);
            mask = fitted_mask(&mask, mode, size);
        }
        match fill {
            0 => image = images::filled(&image, &mask),
            // Noise is what the drawing begins with.
            2 => {}
            3 => {
                let grey = RgbaImage::from_pixel(image.width(), image.height(), image::Rgba([127, 127, 127, 255]));
                let all = Region { left: 0, top: 0, width: image.width(), height: image.height() };
                image = images::paste(&image, &grey, &mask, all);
            }
            _ => {}
        }
        let start = keep(app, &image)?;
        let dimensions = image.dimensions();
        let mask = app.keep_picture(&picture::mask_png(&mask, dimensions)?, dimensions, DEFAULT_PROJECT)?;
        Ok(Self { start: start.id, mask: Some(mask.id), is_anew: fill == 2, patch, told })
    }
}

impl Patch {
    /// The whole picture with a drawing in its place. The recipe is not in it, as that makes the drawing alone. Blocks.
    pub fn paste(&self, drawing: &[u8]) -> Result<(Bytes, (u32, u32)), ApiError> {
        let size = (self.region.width, self.region.height);
        let drawn = images::stretch(&picture::decode("picture", drawing)?, size, FilterType::Lanczos3);
        let whole = images::paste(&self.whole, &drawn, &self.mask, self.region);
        let text = images::text_of(drawing);
        let text = [(formats::picture::PARAMETERS_KEY, text.as_str())];
        let png = formats::picture::encode(whole.width(), whole.height(), whole.as_raw(), &text);
        Ok((png.map_err(ApiError::internal)?.into(), whole.dimensions()))
    }
}

/// The mask at the size of its picture, blurred: white = draw.
fn mask(fields: &Fields, (width, height): (u32, u32), told: &mut Told) -> Result<Option<GrayImage>, ApiError> {
    let blur = fields.mask_blur.or(fields.mask_blur_x).unwrap_or(BLUR);
    ApiError::in_range("mask_blur", blur, 0.0..=MAX_BLUR)?;
    let Some(mask) = fields.mask.as_deref().filter(|mask| !mask.is_empty()) else { return Ok(None) };
    let mut mask = picture::grey(&picture::decode("mask", &images::decoded("mask", mask)?)?);
    if mask.dimensions() != (width, height) {
        mask = imageops::resize(&mask, width, height, FilterType::Triangle);
    }
    if fields.inpainting_mask_invert == Some(true) {
        mask.iter_mut().for_each(|grey| *grey = 255 - *grey);
        told.push(("Mask mode", "Inpaint not masked".to_owned()));
    }
    if blur > 0.0 {
        mask = imageops::fast_blur(&mask, blur);
        told.push(("Mask blur", blur.to_string()));
    }
    Ok(Some(mask))
}

/// A picture at the size that is drawn: stretched (0; 3 does so to latents), cut to its shape (1), or whole (2).
fn fitted(image: &RgbaImage, mode: u32, size: (u32, u32)) -> RgbaImage {
    match mode {
        1 => images::cover(image, size, FilterType::Lanczos3),
        2 => images::contain(image, size, FilterType::Lanczos3),
        _ => images::stretch(image, size, FilterType::Lanczos3),
    }
}

/// The mask that goes with [`fitted`]; what is beside a whole picture is drawn as its edges say.
fn fitted_mask(mask: &GrayImage, mode: u32, size: (u32, u32)) -> GrayImage {
    let as_picture = RgbaImage::from_fn(mask.width(), mask.height(), |x, y| {
        let [grey] = mask.get_pixel(x, y).0;
        image::Rgba([grey, grey, grey, 255])
    });
    picture::grey(&fitted(&as_picture, mode, size))
}

fn keep(app: &App, image: &RgbaImage) -> Result<Asset, ApiError> {
    app.keep_picture(&picture::png(image)?, image.dimensions(), DEFAULT_PROJECT)
}
