//! Files: one picture in a format, or many in a ZIP with a contact sheet and a list.

use std::io::{Cursor, Write};
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use formats::canvas::{Canvas, INK, WHITE};
use image::imageops;
use serde::Deserialize;
use store::Asset;
use utoipa::{IntoParams, ToSchema};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{JsonBody, Query};
use crate::picture::{self, Format, Wanted};
use crate::settings::Settings;

/// Most pictures of a ZIP.
const MAX_ZIPPED: usize = 512;
/// Most bytes of the pictures of a ZIP.
const MAX_ZIPPED_BYTES: i64 = 512 << 20;
/// Side of a picture on the contact sheet, pixels.
const THUMBNAIL: u32 = 192;
/// Columns of the contact sheet.
const COLUMNS: usize = 6;
/// Room for its name under a picture, pixels.
const CAPTION: usize = 28;

/// How a file is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FileQuery {
    /// `png` (default), `jpeg` or `webp` (without loss); at full size the recipe is inside each.
    #[param(value_type = Option<String>)]
    format: Format,
    /// Width in pixels, 1 to the picture's own: a smaller picture.
    width: Option<u32>,
    /// Quality of JPEG, 1 to 100; default 90.
    quality: Option<u8>,
    /// Ground under transparent pixels, `ffffff` or `#ffffff`. JPEG has white if none is named.
    background: Option<String>,
    /// Whether browsers should save it.
    download: bool,
}

/// The file of a picture. It never changes; caches may keep it.
#[utoipa::path(get, path = "/api/v1/assets/{id}/file", tag = "assets", params(("id" = String, Path), FileQuery),
    responses((status = 200, content_type = "image/png", body = Vec<u8>), (status = 304), (status = 400), (status = 404)))]
pub async fn file(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<FileQuery>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if query.width == Some(0) {
        return Err(ApiError::field("width", "0 is not in 1..=the picture's own width"));
    }
    query.quality.map(|quality| ApiError::in_range("quality", quality, 1..=100)).transpose()?;
    let ground = query.background.as_deref().map(|text| picture::colour("background", text)).transpose()?;
    let wanted = Wanted { format: query.format, quality: query.quality, width: query.width, ground, bare: false };
    let known = headers.get(header::IF_NONE_MATCH).cloned();
    let result = app
        .blocking(move |app| {
            let asset = app.store.asset(&id)?;
            let (quality, width) = (wanted.quality.unwrap_or(0), wanted.width.unwrap_or(0));
            let ground = wanted.ground.map_or(String::new(), |[r, g, b]| format!("{r:02x}{g:02x}{b:02x}"));
            let tag = format!("\"{}-{}-{width}-{quality}-{ground}\"", asset.sha256, wanted.format.name());
            if known.is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
                return Ok((asset, tag, None));
            }
            let bytes = picture::convert(app.store.asset_bytes(&asset)?.into(), wanted)?;
            Ok((asset, tag, Some(bytes)))
        })
        .await?;
    let (asset, tag, bytes) = result;
    let mut response = match bytes {
        None => StatusCode::NOT_MODIFIED.into_response(),
        Some(bytes) => ([(header::CONTENT_TYPE, wanted.format.media_type())], bytes).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=31536000, immutable"));
    headers.insert(header::ETAG, HeaderValue::from_str(&tag).map_err(ApiError::internal)?);
    if query.download {
        let disposition = format!("attachment; filename=\"{}.{}\"", name(&asset), wanted.format.extension());
        headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_str(&disposition).map_err(ApiError::internal)?);
    }
    Ok(response)
}

/// A file name without extension: words of the prompt, the seed. Letters and digits only, so that it is safe everywhere.
fn name(asset: &Asset) -> String {
    let words: String =
        asset.prompt.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' }).collect();
    let mut parts: Vec<&str> = words.split_whitespace().take(8).collect();
    let seed =
        asset.seed.map_or_else(|| asset.id[asset.id.len().saturating_sub(8)..].to_owned(), |seed| seed.to_string());
    parts.push(&seed);
    parts.join("-").chars().take(100).collect()
}

/// Which pictures.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ZipRequest {
    /// Ids, 1 to 512.
    ids: Vec<String>,
    /// `png` (default), `jpeg` or `webp`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    format: Format,
}

/// A ZIP of pictures, with `contact-sheet.png` and `manifest.csv`.
#[utoipa::path(post, path = "/api/v1/assets/zip", tag = "assets", request_body = ZipRequest,
    responses((status = 200, content_type = "application/zip", body = Vec<u8>), (status = 400), (status = 404)))]
pub async fn zip(State(app): State<Arc<App>>, JsonBody(request): JsonBody<ZipRequest>) -> Result<Response, ApiError> {
    if !(1..=MAX_ZIPPED).contains(&request.ids.len()) {
        return Err(ApiError::field("ids", format!("{} ids; 1 to {MAX_ZIPPED} are accepted", request.ids.len())));
    }
    let bytes = app
        .blocking(move |app| {
            let assets: Vec<Asset> =
                request.ids.iter().map(|id| app.store.asset(id)).collect::<Result<_, _>>().map_err(ApiError::from)?;
            if assets.iter().map(|asset| asset.bytes).sum::<i64>() > MAX_ZIPPED_BYTES {
                return Err(ApiError::field("ids", format!("these pictures have more than {MAX_ZIPPED_BYTES} bytes")));
            }
            pack(app, &assets, request.format, &app.settings()?)
        })
        .await?;
    let headers = [
        (header::CONTENT_TYPE, "application/zip"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"calotype.zip\""),
    ];
    Ok((headers, bytes).into_response())
}

fn pack(app: &App, assets: &[Asset], format: Format, settings: &Settings) -> Result<Vec<u8>, ApiError> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // Pictures are compressed already.
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut add = |name: &str, bytes: &[u8]| {
        zip.start_file(name, options).map_err(ApiError::internal)?;
        zip.write_all(bytes).map_err(ApiError::internal)
    };
    let mut manifest = String::from(
        "file,id,prompt,negative,seed,model,width,height,seconds,cost,currency,rating,favourite,tags,sha256,created_ms\r\n",
    );
    let mut thumbnails = Vec::with_capacity(assets.len());
    for (i, asset) in assets.iter().enumerate() {
        let png = app.store.asset_bytes(asset)?;
        let file = format!("{:03}-{}.{}", i + 1, name(asset), format.extension());
        let image = picture::decode("ids", &png)?;
        let (width, height) = fit(image.dimensions());
        thumbnails.push((file.clone(), imageops::resize(&image, width, height, imageops::FilterType::Triangle)));
        let bytes = picture::convert(png.into(), Wanted { format, ..Wanted::default() })?;
        add(&file, &bytes)?;
        let recipe: serde_json::Value =
            asset.recipe.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let cells = [
            file,
            asset.id.clone(),
            asset.prompt.clone(),
            recipe["negative"].as_str().unwrap_or_default().to_owned(),
            asset.seed.map_or(String::new(), |seed| seed.to_string()),
            asset.model.clone(),
            asset.width.to_string(),
            asset.height.to_string(),
            asset.seconds.map_or(String::new(), |seconds| format!("{seconds:.3}")),
            asset.seconds.map_or(String::new(), |seconds| format!("{:.7}", settings.cost(seconds))),
            settings.currency.clone(),
            asset.rating.to_string(),
            asset.favourite.to_string(),
            asset.tags.join(" "),
            asset.sha256.clone(),
            asset.created_ms.to_string(),
        ];
        manifest += &(cells.map(|cell| csv_cell(&cell)).join(",") + "\r\n");
    }
    add("contact-sheet.png", &sheet(&thumbnails)?)?;
    add("manifest.csv", manifest.as_bytes())?;
    Ok(zip.finish().map_err(ApiError::internal)?.into_inner())
}

/// A cell: quoted where it must be; what a spreadsheet would calculate is made text.
pub fn csv_cell(cell: &str) -> String {
    let cell = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() };
    if cell.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell }
}

fn fit((width, height): (u32, u32)) -> (u32, u32) {
    let longest = width.max(height).max(1);
    ((width * THUMBNAIL / longest).max(1), (height * THUMBNAIL / longest).max(1))
}

fn sheet(thumbnails: &[(String, image::RgbaImage)]) -> Result<Vec<u8>, ApiError> {
    let cell = THUMBNAIL as usize;
    let columns = COLUMNS.min(thumbnails.len().max(1));
    let rows = thumbnails.len().div_ceil(columns);
    let mut canvas = Canvas::new(columns * (cell + 12) + 12, rows * (cell + CAPTION) + 12, WHITE);
    for (i, (name, image)) in thumbnails.iter().enumerate() {
        let (x, y) = (12 + i % columns * (cell + 12), 12 + i / columns * (cell + CAPTION));
        let (width, height) = (image.width() as usize, image.height() as usize);
        let (left, top) = (x + (cell - width) / 2, y + (cell - height) / 2);
        canvas.picture(left as i64, top as i64, width, height, image.as_raw(), 1);
        let caption: String = name.chars().take(cell / formats::canvas::CHARACTER).collect();
        canvas.text(x as i64, (y + cell + 4) as i64, 1, INK, &caption);
    }
    formats::picture::encode(canvas.width as u32, canvas.height as u32, &canvas.pixels, &[]).map_err(ApiError::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_text() {
        assert_eq!(csv_cell("a, \"b\""), "\"a, \"\"b\"\"\"");
        assert_eq!(csv_cell("=1+1"), "'=1+1");
        assert_eq!(csv_cell("plain"), "plain");
    }

    #[test]
    fn sheets_fit() {
        assert_eq!(fit((512, 256)), (192, 96));
        assert_eq!(fit((1, 8192)), (1, 192));
        let thumbnails: Vec<_> = (0..7).map(|i| (format!("{i}"), image::RgbaImage::new(192, 96))).collect();
        let sheet = formats::picture::decode(&sheet(&thumbnails).unwrap()).unwrap();
        assert_eq!((sheet.width, sheet.height), (6 * 204 + 12, 2 * 220 + 12));
    }
}
