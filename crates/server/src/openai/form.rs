//! Multipart forms: files, and text fields that are read as the JSON they stand for.

use axum::body::Bytes;
use axum::extract::Multipart;
use serde_json::{Map, Value};

use super::wish::Wish;
use crate::error::ApiError;
use crate::extract::parse;
use crate::picture;

/// Fields that are numbers.
const NUMBERS: [&str; 10] = [
    "n",
    "output_compression",
    "partial_images",
    "seed",
    "steps",
    "num_inference_steps",
    "guidance_scale",
    "cfg_scale",
    "guidance",
    "strength",
];
/// Longest text field in bytes.
const MAX_TEXT: usize = 1 << 20;

/// A form that was read.
#[derive(Debug, Default)]
pub struct Form {
    /// Its text fields.
    pub wish: Wish,
    /// The first picture.
    pub image: Option<Bytes>,
    /// The mask.
    pub mask: Option<Bytes>,
}

/// Reads a form.
pub async fn read(mut form: Multipart) -> Result<Form, ApiError> {
    let broken = |error: axum::extract::multipart::MultipartError| {
        ApiError::status(error.status(), "bad_form", format!("the form cannot be read: {}", error.body_text()))
    };
    let mut fields = Map::new();
    let (mut image, mut mask) = (None, None);
    while let Some(field) = form.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        let bytes = field.bytes().await.map_err(broken)?;
        match name.as_str() {
            "image" | "image[]" | "image[0]" => _ = image.get_or_insert(bytes),
            "mask" => mask = Some(bytes),
            _ if bytes.len() > MAX_TEXT => {
                return Err(ApiError::field(
                    &name,
                    format!("has {} bytes; at most {MAX_TEXT} are accepted", bytes.len()),
                ));
            }
            _ => {
                let text = String::from_utf8(bytes.into()).map_err(|_| ApiError::field(&name, "is not text"))?;
                fields.insert(name.clone(), value(&name, text)?);
            }
        }
    }
    for file in [&image, &mask].into_iter().flatten() {
        if file.len() > picture::MAX_BYTES {
            let message = format!("has {} bytes; at most {} are accepted", file.len(), picture::MAX_BYTES);
            return Err(ApiError::field("image", message));
        }
    }
    // A picture is a file in a form and never a field.
    fields.remove("images");
    let wish = parse(&serde_json::to_vec(&fields).map_err(ApiError::internal)?)?;
    Ok(Form { wish, image, mask })
}

fn value(name: &str, text: String) -> Result<Value, ApiError> {
    if NUMBERS.contains(&name) {
        return match serde_json::from_str::<Value>(text.trim()) {
            Ok(number @ (Value::Number(_) | Value::Null)) => Ok(number),
            _ => Err(ApiError::field(name, "is not a number")),
        };
    }
    if name == "stream" {
        return match text.trim() {
            "true" | "True" | "1" => Ok(true.into()),
            "false" | "False" | "0" | "" => Ok(false.into()),
            _ => Err(ApiError::field(name, "is not true or false")),
        };
    }
    Ok(text.into())
}
