//! Model Context Protocol over streamable HTTP, `/mcp`: JSON-RPC in, JSON out, no sessions. Tools: generate, vary, plan.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::{App, Draft, Owner};
use crate::error::ApiError;
use crate::extract::{JsonBody, parse};
use crate::native::{JobRequest, plan};

/// Versions of the protocol that are spoken, the newest first.
const VERSIONS: [&str; 3] = ["2025-06-18", "2025-03-26", "2024-11-05"];
/// Most pictures of a call: they go into a conversation.
const MAX_PICTURES: u32 = 8;

/// `POST /mcp`.
pub async fn call(
    State(app): State<Arc<App>>,
    Extension(owner): Extension<Owner>,
    JsonBody(message): JsonBody<Value>,
) -> Response {
    let id = message.get("id").cloned();
    let method = message.get("method").and_then(Value::as_str).unwrap_or_default().to_owned();
    let Some(id) = id.filter(|_| message["jsonrpc"] == "2.0" && !method.is_empty()) else {
        // Notifications are not answered; what is no message of the protocol is.
        return match message["jsonrpc"] == "2.0" && (!method.is_empty() || message.get("result").is_some()) {
            true => StatusCode::ACCEPTED.into_response(),
            false => {
                let error = json!({ "code": -32600, "message": "not a JSON-RPC 2.0 request" });
                (StatusCode::BAD_REQUEST, Json(json!({ "jsonrpc": "2.0", "id": null, "error": error }))).into_response()
            }
        };
    };
    let parameters = message.get("params").cloned().unwrap_or_else(|| json!({}));
    let result = match method.as_str() {
        "initialize" => Ok(initialize(&parameters)),
        "ping" => Ok(json!({})),
        "tools/list" => Ok(json!({ "tools": tools() })),
        "tools/call" => tool(&app, &owner, &parameters).await,
        _ => Err((-32601, format!("there is no method '{}'", method.chars().take(60).collect::<String>()))),
    };
    let answer = match result {
        Ok(result) => json!({ "jsonrpc": "2.0", "id": id, "result": result }),
        Err((code, message)) => json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } }),
    };
    Json(answer).into_response()
}

fn initialize(parameters: &Value) -> Value {
    let asked = parameters["protocolVersion"].as_str().unwrap_or_default();
    let version = VERSIONS.iter().find(|version| **version == asked).unwrap_or(&VERSIONS[0]);
    json!({
        "protocolVersion": version,
        "capabilities": { "tools": {} },
        "serverInfo": { "name": "calotype", "version": env!("CARGO_PKG_VERSION") },
        "instructions": "Draws pictures on this machine. Ask plan for seconds and cost before large jobs.",
    })
}

fn tools() -> Value {
    let text = |meaning: &str| json!({ "type": "string", "description": meaning });
    let number = |meaning: &str| json!({ "type": "integer", "description": meaning });
    let shared = json!({
        "prompt": text("what to draw"),
        "negative": text("what to keep away from"),
        "seed": number("same seed, same picture"),
        "count": number("pictures, 1 to 8"),
        "preset": { "type": "string", "enum": ["draft", "standard", "final"] },
        "size": text("WxH in pixels, such as 512x512"),
        "model": text("name of a model"),
    });
    let with = |more: Value| {
        let mut all = shared.clone();
        for (key, value) in more.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        all
    };
    json!([
        {
            "name": "generate",
            "description": "Draw pictures from a prompt. Answers with the pictures and their asset ids.",
            "inputSchema": { "type": "object", "properties": shared, "required": ["prompt"] },
        },
        {
            "name": "vary",
            "description": "Draw pictures that start from an earlier one: more like it, or what a new prompt makes of it.",
            "inputSchema": {
                "type": "object",
                "properties": with(json!({
                    "asset": text("id of the picture to start from"),
                    "strength": { "type": "number", "description": "0.01 (hardly changed) to 1 (new)" },
                })),
                "required": ["asset"],
            },
        },
        {
            "name": "plan",
            "description": "Seconds, memory and cost of a job, before it is drawn.",
            "inputSchema": { "type": "object", "properties": shared, "required": ["prompt"] },
        },
    ])
}

#[derive(Debug, Deserialize)]
struct Call {
    name: String,
    #[serde(default)]
    arguments: Option<Value>,
}

async fn tool(app: &Arc<App>, owner: &Owner, parameters: &Value) -> Result<Value, (i32, String)> {
    let call: Call = serde_json::from_value(parameters.clone()).map_err(|error| (-32602, error.to_string()))?;
    let arguments = call.arguments.unwrap_or_else(|| json!({}));
    let done = match call.name.as_str() {
        "generate" => generate(app, owner, arguments).await,
        "vary" => vary(app, owner, arguments).await,
        "plan" => planned(app, arguments).await,
        name => return Err((-32602, format!("there is no tool '{}'", name.chars().take(60).collect::<String>()))),
    };
    // What a tool cannot do is told to whoever called it, so that it can be done differently.
    Ok(done.unwrap_or_else(|error| {
        let told =
            error.field.as_ref().map_or_else(|| error.message.clone(), |field| format!("{field}: {}", error.message));
        json!({ "content": [{ "type": "text", "text": told }], "isError": true })
    }))
}

async fn generate(app: &Arc<App>, owner: &Owner, arguments: Value) -> Result<Value, ApiError> {
    let request: JobRequest = parse(arguments.to_string().as_bytes())?;
    draw(app, owner, request.draft()).await
}

async fn vary(app: &Arc<App>, owner: &Owner, mut arguments: Value) -> Result<Value, ApiError> {
    let asset = arguments.as_object_mut().and_then(|object| object.remove("asset"));
    let asset = asset.and_then(|asset| asset.as_str().map(str::to_owned));
    let asset = asset.ok_or_else(|| ApiError::field("asset", "is required"))?;
    let mut request: JobRequest = parse(arguments.to_string().as_bytes())?;
    let own = asset.clone();
    let found =
        app.blocking(move |app| app.store.asset(&own).map_err(|e| ApiError::field("asset", e.to_string()))).await?;
    if request.prompt.is_empty() {
        request.prompt = found.prompt;
    }
    request.start = Some(asset);
    draw(app, owner, request.draft()).await
}

async fn planned(app: &Arc<App>, arguments: Value) -> Result<Value, ApiError> {
    let request: JobRequest = parse(arguments.to_string().as_bytes())?;
    let plan = serde_json::to_value(plan(app, request.draft()).await?).map_err(ApiError::internal)?;
    Ok(json!({ "content": [{ "type": "text", "text": plan.to_string() }], "structuredContent": plan }))
}

async fn draw(app: &Arc<App>, owner: &Owner, draft: Draft) -> Result<Value, ApiError> {
    ApiError::in_range("count", draft.order.count, 1..=MAX_PICTURES)?;
    let (job, pictures) = app.draw(owner, Draft { source: "mcp", ..draft }).await?;
    let mut content = Vec::new();
    let mut told = Vec::new();
    for (asset, png) in pictures {
        content.push(json!({ "type": "image", "mimeType": "image/png", "data": STANDARD.encode(&png) }));
        told.push(json!({ "asset": asset.id, "seed": asset.seed, "url": format!("/api/v1/assets/{}/file", asset.id) }));
    }
    let told = json!({ "pictures": told, "seconds": job.seconds });
    content.push(json!({ "type": "text", "text": told.to_string() }));
    Ok(json!({ "content": content, "structuredContent": told }))
}
