//! The text inside a picture.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use formats::picture::PARAMETERS_KEY;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::A1111Error;
use super::images::decoded;
use crate::app::App;
use crate::extract::JsonBody;
use crate::picture;

/// A picture in base64.
#[derive(Debug, Deserialize)]
pub struct PngInfo {
    image: String,
}

/// `POST /sdapi/v1/png-info`. A picture without text has empty answers.
pub async fn png_info(
    State(app): State<Arc<App>>,
    JsonBody(request): JsonBody<PngInfo>,
) -> Result<Json<Value>, A1111Error> {
    let answer = app
        .blocking(move |_| {
            let bytes = decoded("image", &request.image)?;
            let (_, text) = picture::read("image", &bytes)?;
            let info = text.iter().find(|(key, _)| key == PARAMETERS_KEY).map_or("", |(_, text)| text);
            let items: Map<String, Value> = text
                .iter()
                .filter(|(key, _)| key != PARAMETERS_KEY)
                .map(|(key, text)| (key.clone(), Value::from(text.as_str())))
                .collect();
            Ok(json!({ "info": info, "items": items, "parameters": parameters(info) }))
        })
        .await?;
    Ok(Json(answer))
}

/// Prompt, negative prompt and the settings of the last line.
fn parameters(info: &str) -> Value {
    let (before, last) = info.rsplit_once('\n').unwrap_or(("", info));
    let settings = settings(last);
    // A last line with hardly any settings is prompt.
    let (text, settings) = if settings.len() < 3 { (info, Map::new()) } else { (before, settings) };
    let (prompt, negative) = match text.split_once("Negative prompt: ") {
        Some((prompt, negative)) => (prompt.trim_end(), negative),
        None => (text, ""),
    };
    let mut all = Map::new();
    all.insert("Prompt".into(), prompt.into());
    all.insert("Negative prompt".into(), negative.into());
    for (key, value) in settings {
        let sides = value.as_str().and_then(|text| text.split_once('x'));
        match sides.filter(|(w, h)| w.parse::<u32>().is_ok() && h.parse::<u32>().is_ok()) {
            Some((width, height)) => {
                all.insert(format!("{key}-1"), width.into());
                all.insert(format!("{key}-2"), height.into());
            }
            None => _ = all.insert(key, value),
        }
    }
    Value::Object(all)
}

/// `key: value` pairs with commas between them; a value may be JSON text.
fn settings(line: &str) -> Map<String, Value> {
    let mut all = Map::new();
    let mut rest = line;
    while let Some((key, after)) = rest.split_once(": ") {
        let (value, next) = if after.starts_with('"') {
            let mut reader = serde_json::Deserializer::from_str(after).into_iter::<String>();
            match reader.next() {
                Some(Ok(text)) => (text, &after[reader.byte_offset()..]),
                _ => break,
            }
        } else {
            let end = after.find(", ").unwrap_or(after.len());
            (after[..end].to_owned(), &after[end..])
        };
        all.insert(key.trim().to_owned(), value.into());
        rest = next.trim_start_matches(", ");
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_taken_apart() {
        let info = "a fox,\nred\nNegative prompt: blue, grey\nSteps: 20, Sampler: Euler, Seed: 7, Size: 512x256, Model: \"a, b\"";
        let found = parameters(info);
        assert_eq!(found["Prompt"], "a fox,\nred");
        assert_eq!(found["Negative prompt"], "blue, grey");
        assert_eq!(
            (&found["Size-1"], &found["Size-2"], &found["Model"]),
            (&"512".into(), &"256".into(), &"a, b".into())
        );
        assert_eq!(parameters("just: words")["Prompt"], "just: words");
        assert_eq!(parameters("")["Prompt"], "");
    }
}
