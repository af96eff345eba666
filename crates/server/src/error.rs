//! Everything that a client can be told, in one place; each interface has its own shape for it.

use std::fmt::Display;
use std::ops::RangeInclusive;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use engine::EngineError;
use serde_json::{Value, json};
use store::StoreError;

/// Seconds after which a client that found the queue full may ask again.
const RETRY_AFTER_SECONDS: u32 = 5;

/// Why the server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The data folder cannot be used.
    #[error("data: {0}")]
    Store(#[from] StoreError),
    /// The address cannot be listened on.
    #[error("host, port: cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: String,
        /// Why.
        source: std::io::Error,
    },
    /// The address can be reached by others and there is no key.
    #[error(
        "host: {host} can be reached from other machines, so the server needs a key: make one with \
         `calotype serve --new-key NAME`, or set CALOTYPE_KEY"
    )]
    NeedsKey {
        /// The address.
        host: String,
    },
    /// A setting out of its range.
    #[error("{field}: {message}")]
    Field {
        /// Name of the setting.
        field: &'static str,
        /// What is wrong with it.
        message: String,
    },
    /// What was asked for cannot be done.
    #[error("{message}")]
    Refused {
        /// Why, with the name of the field.
        message: String,
    },
    /// The server broke off.
    #[error("server: {0}")]
    Io(#[from] std::io::Error),
}

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// HTTP status.
    pub status: StatusCode,
    /// A word for programs.
    pub code: &'static str,
    /// The field of the request that is wrong.
    pub field: Option<String>,
    /// A sentence for people.
    pub message: String,
    /// The rows of a file that are wrong.
    pub rows: Vec<campaign::RowError>,
}

/// In which words an error is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `{"error": {"code", "field", "message"}}`.
    Native,
    /// `{"error": {"message", "type", "param", "code"}}`.
    OpenAi,
    /// `{"error", "detail", "body", "errors"}`.
    A1111,
}

impl Shape {
    /// The shape that clients of a path expect.
    pub fn of_path(path: &str) -> Self {
        if path.starts_with("/v1/") {
            Self::OpenAi
        } else if path.starts_with("/sdapi/") || path.starts_with("/internal/") {
            Self::A1111
        } else {
            Self::Native
        }
    }
}

impl ApiError {
    fn new(status: StatusCode, code: &'static str, field: Option<&str>, message: impl Into<String>) -> Self {
        Self { status, code, field: field.map(str::to_owned), message: message.into(), rows: Vec::new() }
    }

    /// A field that is missing, wrong or out of its range.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_field", Some(field), message)
    }

    /// A value that must be in a range.
    pub fn in_range<T: PartialOrd + Display>(field: &str, value: T, range: RangeInclusive<T>) -> Result<T, Self> {
        match range.contains(&value) {
            true => Ok(value),
            false => Err(Self::field(field, format!("{value} is not in {}..={}", range.start(), range.end()))),
        }
    }

    /// A request that makes no sense as a whole.
    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", None, message)
    }

    /// Nothing here.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", None, message)
    }

    /// Not allowed, with a word for programs.
    pub fn status(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self::new(status, code, None, message)
    }

    /// The queue is full.
    pub fn full(waiting: usize) -> Self {
        let message = format!("{waiting} jobs wait already: try again later");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "queue_full", None, message)
    }

    /// A key asks for more than its share.
    pub fn too_often(rate: u32) -> Self {
        let message = format!("more than {rate} drawing requests in a minute: try again later");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_often", None, message)
    }

    /// The server stops.
    pub fn stopping() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", None, "the server is stopping")
    }

    /// Something that is not the client's fault; the details are for the log.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!("internal error: {error}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", None, "the server could not do this; its log says why")
    }

    /// The answer in the words of an interface.
    pub fn response(self, shape: Shape) -> Response {
        let body = self.body(shape);
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_SECONDS));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"calotype\", Bearer"));
        }
        response
    }

    /// The body in the words of an interface.
    pub fn body(&self, shape: Shape) -> Value {
        let named = match &self.field {
            Some(field) => format!("{field}: {}", self.message),
            None => self.message.clone(),
        };
        match shape {
            Shape::Native => {
                let mut error = json!({ "code": self.code, "field": self.field, "message": self.message });
                if !self.rows.is_empty() {
                    error["rows"] = json!(self.rows);
                }
                json!({ "error": error })
            }
            Shape::OpenAi => {
                let kind = match self.status {
                    StatusCode::UNAUTHORIZED => "authentication_error",
                    StatusCode::FORBIDDEN => "permission_error",
                    StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
                    status if status.is_server_error() => "server_error",
                    _ => "invalid_request_error",
                };
                json!({ "error": { "message": named, "type": kind, "param": self.field, "code": self.code } })
            }
            Shape::A1111 => json!({ "error": "HTTPException", "detail": named, "body": "", "errors": named }),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        self.response(Shape::Native)
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Field { field, message } => Self::field(field, message),
            EngineError::UnknownModel { .. } | EngineError::NoModelFile { .. } => {
                Self::field("model", error.to_string())
            }
            error if error.is_usage() => Self::bad(error.to_string()),
            EngineError::NoBuiltInModel
            | EngineError::Metadata { .. }
            | EngineError::Weights { .. }
            | EngineError::File(_)
            | EngineError::Checkpoint { .. }
            | EngineError::Bundle(_) => Self::field("model", error.to_string()),
            error => Self::internal(error),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unknown { .. } => Self::not_found(error.to_string()),
            StoreError::Field { field, message } => Self::field(field, message),
            StoreError::Conflict { message } => Self::status(StatusCode::CONFLICT, "conflict", message),
            StoreError::Needed { .. } => Self::status(StatusCode::CONFLICT, "needed", error.to_string()),
            error => Self::internal(error),
        }
    }
}

impl From<campaign::BriefError> for ApiError {
    fn from(error: campaign::BriefError) -> Self {
        let field = if error.field == "brief" { error.field } else { format!("brief.{}", error.field) };
        Self::field(&field, error.message)
    }
}

impl From<campaign::RowsError> for ApiError {
    fn from(error: campaign::RowsError) -> Self {
        let message = error.to_string();
        match error {
            campaign::RowsError::Brief(error) => error.into(),
            campaign::RowsError::Rows { rows } => {
                Self { rows, ..Self::new(StatusCode::BAD_REQUEST, "invalid_rows", Some("rows"), message) }
            }
            campaign::RowsError::Read(_) => Self::status(StatusCode::BAD_REQUEST, "bad_body", message),
            _ => Self::new(StatusCode::BAD_REQUEST, "invalid_rows", Some("rows"), message),
        }
    }
}

impl From<ApiError> for ServeError {
    fn from(error: ApiError) -> Self {
        let named = match &error.field {
            Some(field) => format!("{field}: {}", error.message),
            None => error.message,
        };
        let rows: String = error.rows.iter().skip(1).map(|row| format!("\n  {row}")).collect();
        Self::Refused { message: format!("{named}{rows}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_names_the_field() {
        let error = ApiError::field("steps", "0 is not in 1..=200");
        assert_eq!(error.body(Shape::Native)["error"]["field"], "steps");
        assert_eq!(error.body(Shape::OpenAi)["error"]["param"], "steps");
        assert_eq!(error.body(Shape::OpenAi)["error"]["type"], "invalid_request_error");
        assert_eq!(error.body(Shape::A1111)["detail"], "steps: 0 is not in 1..=200");
        let full = ApiError::full(64).response(Shape::Native);
        assert!(full.headers().contains_key(header::RETRY_AFTER));
    }
}
