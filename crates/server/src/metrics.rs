//! Health, and counts in Prometheus' text format.

use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::error::ApiError;

/// Counts of requests by the first digit of their status.
#[derive(Debug, Default)]
pub struct Metrics([AtomicU64; 6]);

impl Metrics {
    /// A request was answered.
    pub fn count(&self, status: StatusCode) {
        self.0[usize::from(status.as_u16() / 100).min(5)].fetch_add(1, Ordering::Relaxed);
    }
}

/// The process lives.
pub async fn live() -> &'static str {
    "live\n"
}

/// Jobs are taken.
pub async fn ready(State(app): State<Arc<App>>) -> Response {
    if app.queue.is_stopping() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n").into_response();
    }
    match app.blocking(|app| Ok(app.store.waiting()?)).await {
        Ok(_) => "ready\n".into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database cannot be read\n").into_response(),
    }
}

/// Everything counted.
pub async fn metrics(State(app): State<Arc<App>>) -> Result<Response, ApiError> {
    let jobs = app.blocking(|app| Ok(app.store.job_counts()?)).await?;
    let mut text = String::new();
    let head = |text: &mut String, name: &str, kind: &str, help: &str| {
        // Writing into a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    };
    head(&mut text, "calotype_jobs", "gauge", "Jobs in the database by state.");
    for (state, count) in jobs {
        let _ = writeln!(text, "calotype_jobs{{state=\"{}\"}} {count}", state.name());
    }
    head(&mut text, "calotype_http_responses_total", "counter", "Answers by class of status.");
    for (class, count) in app.metrics.0.iter().enumerate().skip(1) {
        let count = count.load(Ordering::Relaxed);
        let _ = writeln!(text, "calotype_http_responses_total{{class=\"{class}xx\"}} {count}");
    }
    let counts = &app.queue.counts;
    let plain = [
        (
            "calotype_pictures_total",
            "counter",
            "Pictures drawn and kept.",
            counts.pictures.load(Ordering::Relaxed) as f64,
        ),
        (
            "calotype_draw_seconds_total",
            "counter",
            "Seconds of drawing.",
            counts.draw_ms.load(Ordering::Relaxed) as f64 / 1e3,
        ),
        (
            "calotype_workers_started_total",
            "counter",
            "Workers started.",
            counts.workers.load(Ordering::Relaxed) as f64,
        ),
        ("calotype_running", "gauge", "Jobs that run now.", if app.queue.live.running().is_some() { 1.0 } else { 0.0 }),
        ("process_resident_memory_bytes", "gauge", "Memory of the server.", engine::process_memory().1 as f64),
    ];
    for (name, kind, help, value) in plain {
        head(&mut text, name, kind, help);
        let _ = writeln!(text, "{name} {value}");
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}
