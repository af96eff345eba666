//! Bodies and queries whose errors name the field.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::de::DeserializeOwned;

use crate::error::ApiError;

/// A JSON body.
pub struct JsonBody<T>(pub T);

/// A JSON body and the bytes it was read from.
pub struct RawJson<T>(pub T, pub Bytes);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Ok(Self(RawJson::from_request(request, state).await?.0))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for RawJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        // A page of another origin can send a form or plain text without asking first, but not JSON.
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
        if !is_json(kind) {
            let message = "the body must be JSON, with the header Content-Type: application/json";
            return Err(ApiError::status(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", message));
        }
        let bytes = body(request, state).await?;
        Ok(Self(parse(&bytes)?, bytes))
    }
}

/// The whole body, unless it is too long.
pub async fn body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::status(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "the body is too long")
        }
        status => ApiError::status(status, "bad_body", "the body could not be read"),
    })
}

fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// JSON to a value; the error names the field.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // A list would be taken for the fields in their order.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(ApiError::bad("the body must be a JSON object"));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let message: String = error.inner().to_string().chars().take(300).collect();
        match path.as_str() {
            "." | "?" => match message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) {
                Some(field) => ApiError::field(field, message.clone()),
                None => ApiError::bad(format!("the body is not the JSON that is expected here: {message}")),
            },
            path => ApiError::field(path, message),
        }
    })?;
    reader.end().map_err(|error| ApiError::bad(format!("the body is not one JSON value: {error}")))?;
    Ok(value)
}

/// A query string.
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri).map_err(|rejection| {
            let text = rejection.body_text();
            // "Failed to deserialize query string: limit: invalid digit found in string"
            let told = text.split_once(": ").map_or(text.as_str(), |(_, told)| told);
            match told.split_once(": ") {
                Some((field, message)) if !field.contains(' ') => ApiError::field(field, message),
                _ => ApiError::bad(format!("query: {told}")),
            }
        })?;
        Ok(Self(query.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Body {
        steps: u32,
        inner: Option<Inner>,
    }

    #[derive(Debug, serde::Deserialize)]
    #[allow(dead_code)]
    struct Inner {
        seed: u64,
    }

    #[test]
    fn errors_name_the_field() {
        let field = |text: &str| parse::<Body>(text.as_bytes()).unwrap_err().field;
        assert_eq!(field(r#"{"steps": -1}"#).as_deref(), Some("steps"));
        assert_eq!(field(r#"{"steps": 1, "inner": {"seed": "x"}}"#).as_deref(), Some("inner.seed"));
        assert_eq!(field(r#"{"steps": 1, "stepz": 1}"#).as_deref(), Some("stepz"));
        assert_eq!(field(r#"{"steps": NaN}"#).as_deref(), Some("steps"));
        assert_eq!(field("["), None);
        assert!(parse::<Body>(br#"{"steps": 1} x"#).is_err());
        assert!(is_json("application/json; charset=utf-8") && !is_json("text/plain") && !is_json(""));
    }
}
