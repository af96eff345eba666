//! The page that a share link opens, for somebody without a key. It lives below the link's token, which the gate checks, and so do
//! the few files it is made of: whoever has no link is told nothing.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::file;
use crate::app::App;
use crate::error::ApiError;
use crate::security::SHARED_PAGE;

/// The page itself.
const PAGE: &str = "shared.html";
/// The other files it is made of.
pub const PARTS: [&str; 8] =
    ["favicon.svg", "style.css", "parts.css", "campaigns.css", "shared.css", "shared.js", "dom.js", "pins.js"];
/// What is said of a link that opens nothing. It stands for itself, as it comes without any right to further files.
const OVER: &str = include_str!("over.html");

/// The routes of the page.
pub fn routes() -> Router<Arc<App>> {
    let page = |headers: HeaderMap| std::future::ready(file(PAGE, &headers));
    // Below its own folder its files have relative names, and the token is named nowhere.
    let to_folder = |Path(token): Path<String>| std::future::ready(Redirect::to(&format!("{SHARED_PAGE}{token}/")));
    Router::new().route("/shared/{token}", get(to_folder)).route("/shared/{token}/", get(page)).route(
        "/shared/{token}/{name}",
        get(|Path((_token, name)): Path<(String, String)>, headers: HeaderMap| {
            std::future::ready(part(&name, &headers))
        }),
    )
}

fn part(name: &str, asked: &HeaderMap) -> Response {
    match PARTS.contains(&name) {
        true => file(name, asked),
        false => ApiError::not_found("the page has no such file").into_response(),
    }
}

/// The answer to whoever comes with a link that is unknown, over or revoked. It asks for no key: they were not to have one.
pub fn link_is_over() -> Response {
    static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
        let style = OVER.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).unwrap_or_default();
        let digest = STANDARD.encode(Sha256::digest(style.as_bytes()));
        let policy =
            format!("default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; frame-ancestors 'none'");
        HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
    });
    let mut response =
        (StatusCode::UNAUTHORIZED, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], OVER).into_response();
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_that_is_over_says_so_in_its_own_style() {
        let response = link_is_over();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert!(!response.headers().contains_key(header::WWW_AUTHENTICATE));
        let policy = response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(OVER.matches("<style>").count(), 1);
        for bad in ["<script", "src=", "http://", "https://", " style="] {
            assert!(!OVER.contains(bad), "{bad}");
        }
    }

    #[test]
    fn the_page_has_the_parts_it_names() {
        let text = |name: &str| super::super::FILES.iter().find(|file| file.name == name).unwrap().text;
        let quoted = |name: &'static str, begin: &'static str| -> Vec<&'static str> {
            text(name).split(begin).skip(1).filter_map(|rest| rest.split('"').next()).collect()
        };
        let named = [
            quoted(PAGE, "href=\""),
            quoted(PAGE, "src=\""),
            quoted("shared.js", "from \"./"),
            quoted("pins.js", "from \"./"),
            quoted("dom.js", "from \"./"),
        ];
        let named: Vec<&str> = named.concat().into_iter().filter(|name| !name.starts_with('#')).collect();
        assert!(named.len() >= 7 && named.iter().all(|name| PARTS.contains(name)), "{named:?}");
        assert_eq!(part("shared.js", &HeaderMap::new()).status(), StatusCode::OK);
        for bad in ["main.js", "index.html", "api.js", "", "../main.js"] {
            assert_eq!(part(bad, &HeaderMap::new()).status(), StatusCode::NOT_FOUND, "{bad}");
        }
    }
}
