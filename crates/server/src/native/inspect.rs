//! What a file is, before anybody copies it into the folder of models: a model is known by its header, a picture by what its
//! recipe says.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use engine::Inspection;
use formats::picture::{PARAMETERS_KEY, RECIPE_KEY};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::error::ApiError;
use crate::extract::{Query, body};
use crate::picture;

/// Longest part of a file that is taken: the longest header there may be is shorter, and so is every picture.
const MAX_BYTES: usize = 128 << 20;
/// Longest file that is spoken of, bytes.
const MAX_FILE: u64 = 1 << 40;

/// What is known about a file besides the part that is sent.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct InspectQuery {
    /// Its name.
    name: String,
    /// Its length in bytes, if only its beginning is sent.
    size: Option<u64>,
}

/// The route, whose bodies are longer than others.
pub fn routes() -> Router<Arc<App>> {
    Router::new().route("/api/v1/inspect", post(inspect)).layer(DefaultBodyLimit::max(MAX_BYTES))
}

/// Takes the beginning of a file: of a safetensors file its header is enough, of a picture all is needed. Keeps nothing.
async fn inspect(
    State(app): State<Arc<App>>,
    Query(query): Query<InspectQuery>,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let kind = request.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or("");
    if !kind.starts_with("image/") && kind != "application/octet-stream" {
        let message = "send the file itself, with the header Content-Type: application/octet-stream";
        return Err(ApiError::status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_a_file", message));
    }
    let bytes = body(request, &app).await?;
    let size = query.size.unwrap_or(bytes.len() as u64);
    if size < bytes.len() as u64 || size > MAX_FILE {
        let message = format!("{size} is not in {}..={MAX_FILE}: the length of the whole file", bytes.len());
        return Err(ApiError::field("size", message));
    }
    app.blocking(move |_| {
        if image::guess_format(&bytes).is_ok() {
            return picture_view(&bytes).map(Json);
        }
        Ok(Json(model_view(&header_only(&query.name, &bytes, size)?)))
    })
    .await
}

fn picture_view(bytes: &[u8]) -> Result<Value, ApiError> {
    let (shown, text) = picture::read("body", bytes)?;
    let chunk = |key: &str| text.iter().find(|(found, _)| found == key).map(|(_, text)| text.clone());
    let recipe: Option<Value> = chunk(RECIPE_KEY).and_then(|text| serde_json::from_str(&text).ok());
    Ok(json!({
        "kind": "picture", "title": format!("A picture of {} x {} pixels", shown.width(), shown.height()),
        "problem": null, "parts": [], "missing": [], "recipe": recipe, "parameters": chunk(PARAMETERS_KEY),
    }))
}

fn model_view(found: &Inspection) -> Value {
    let mut view = serde_json::to_value(found).unwrap_or_default();
    (view["recipe"], view["parameters"]) = (Value::Null, Value::Null);
    view
}

/// The file is laid out with a hole where its weights are, so that headers are checked against its true length.
fn header_only(name: &str, bytes: &[u8], size: u64) -> Result<Inspection, ApiError> {
    let folder = tempfile::tempdir().map_err(ApiError::internal)?;
    let path = folder.path().join(format!("file{}", extension(name)));
    let mut file = std::fs::File::create(&path).map_err(ApiError::internal)?;
    file.write_all(bytes).map_err(ApiError::internal)?;
    file.set_len(size).map_err(|_| ApiError::field("size", "is more than a file can have here"))?;
    Ok(engine::inspect_file(&path))
}

/// The ending of a name, if it is a plain one.
fn extension(name: &str) -> String {
    let ending = Path::new(name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let plain = (1..=16).contains(&ending.len()) && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain { format!(".{}", ending.to_ascii_lowercase()) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::{Format, Wanted};

    #[test]
    fn endings_are_plain() {
        assert_eq!(extension("a/b.SafeTensors"), ".safetensors");
        for bad in ["", "a", "a.", "a.b/../c", "a.\0", "a.ü", "a.abcdefghijklmnopq"] {
            assert_eq!(extension(bad), "", "{bad}");
        }
    }

    #[test]
    fn a_header_is_enough() {
        let header = br#"{"x":{"dtype":"F32","shape":[1024],"data_offsets":[0,4096]}}"#;
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(header);
        let whole = bytes.len() as u64 + 4096;
        let found = header_only("m.safetensors", &bytes, whole).unwrap();
        assert!(found.problem.unwrap().contains("none of its tensors"));
        let short = header_only("m.safetensors", &bytes, whole - 1).unwrap();
        assert!(!short.problem.unwrap().contains("none of its tensors"));
    }

    #[test]
    fn pictures_tell_their_recipe() {
        let png = formats::picture::encode(2, 1, &[255; 8], &[(RECIPE_KEY, "{\"seed\": 7}")]).unwrap();
        for format in [Format::Png, Format::Jpeg, Format::Webp] {
            let file = picture::convert(png.clone().into(), Wanted { format, ..Wanted::default() }).unwrap();
            assert_eq!(picture_view(&file).unwrap()["recipe"]["seed"], 7, "{format:?}");
        }
        assert!(picture_view(b"\x89PNG\r\n\x1a\nbroken").is_err());
    }
}
