//! The studio's page: files that are built in, each with its type, an entity tag and a strict policy. Nothing comes from
//! elsewhere, nothing is inline, and no script is made from text.

mod shared;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::error::ApiError;

pub use shared::link_is_over;

/// What the page may load, and from where.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'";
/// Browsers ask each time whether a file changed, so that a new version of the program is a new page at once.
const CACHING: &str = "private, no-cache";

/// A file of the page.
#[derive(Debug)]
pub struct PageFile {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub text: &'static str,
}

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$(PageFile { name: $name, text: include_str!(concat!("../../page/", $name)) }),*]
    };
}

/// All of them; the first is the page itself.
pub const FILES: &[PageFile] = files![
    "index.html",
    "favicon.svg",
    "style.css",
    "parts.css",
    "campaigns.css",
    "brand.css",
    "costs.css",
    "tests.css",
    "main.js",
    "api.js",
    "aids.js",
    "bakeoff-results.js",
    "bakeoff-setup.js",
    "bakeoff-vote.js",
    "bakeoffs.js",
    "brand.js",
    "brand-kit.js",
    "brand-parts.js",
    "campaign-deliver.js",
    "campaign-grid.js",
    "campaign-head.js",
    "campaign-look.js",
    "campaign-new.js",
    "campaign-report.js",
    "campaign-review.js",
    "campaign-share.js",
    "campaign-tests.js",
    "campaigns.js",
    "chart.js",
    "costs-file.js",
    "costs-inputs.js",
    "costs-plot.js",
    "costs-table.js",
    "costs-words.js",
    "costs.js",
    "chosen.js",
    "compare.js",
    "create.js",
    "csv.js",
    "detail.js",
    "dom.js",
    "inspect.js",
    "library-aids.js",
    "library.js",
    "lines.js",
    "mask.js",
    "noise.js",
    "pins.js",
    "plan.js",
    "projects.js",
    "quality.js",
    "queue.js",
    "runs.js",
    "shared.css",
    "shared.html",
    "shared.js",
    "sizes.js",
    "slots.js",
    "state.js",
    "tests-answer.js",
    "tests-import.js",
    "tests-make.js",
    "tests-next.js",
    "tests-planner.js",
    "tests-plot.js",
    "tiles.js",
    "tokens.js",
    "usage.js",
    "variations.js",
    "words.js",
];

/// Entity tags, in the order of [`FILES`].
static TAGS: LazyLock<Vec<String>> = LazyLock::new(|| {
    let tag = |file: &PageFile| {
        let digest = Sha256::digest(file.text.as_bytes());
        format!("\"{}\"", digest[..12].iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    };
    FILES.iter().map(tag).collect()
});

/// The routes of the page.
pub fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/", get(|headers: HeaderMap| std::future::ready(file("index.html", &headers))))
        .route("/favicon.svg", get(|headers: HeaderMap| std::future::ready(file("favicon.svg", &headers))))
        .route(
            "/studio/{name}",
            get(|Path(name): Path<String>, headers: HeaderMap| std::future::ready(file(&name, &headers))),
        )
        .merge(shared::routes())
}

fn file(name: &str, asked: &HeaderMap) -> Response {
    let Some(index) = FILES.iter().position(|file| file.name == name) else {
        return ApiError::not_found("the page has no such file").into_response();
    };
    let tag = &TAGS[index];
    let known = asked.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let mut response = match known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => ([(header::CONTENT_TYPE, media_type(name))], FILES[index].text).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(CACHING));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn media_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        _ => "image/svg+xml",
    }
}

#[cfg(test)]
mod tests;
