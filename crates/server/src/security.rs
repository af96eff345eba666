//! Who may come in. Every request passes here first, whatever its path; only [`OPEN`] needs no key.
//!
//! * Host: a name that is not ours means that somebody else's name leads to this machine (DNS rebinding). Addresses are
//!   ours, as such an attack needs a name.
//! * Origin: a page may only talk to the server it came from, unless its origin was configured.
//! * Key: needed when others can reach the server; below [`SHARED`] and [`SHARED_PAGE`] the token of a share link, always; below
//!   [`ASSIGN`] the token of a published test. That one stands in the source of landing pages, so pages of any origin may ask, and
//!   learn nothing but which creative somebody is to see.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::app::{App, Owner};
use crate::config::ServeConfig;
use crate::error::{ApiError, Shape};
use crate::page;

/// Paths that need no key: they say nothing but whether the server lives.
pub const OPEN: [&str; 2] = ["/health/live", "/health/ready"];
/// Wrong keys that an address may show before it has to wait.
const MAX_FAILURES: u32 = 10;
/// How long it has to wait, and how long its failures are remembered.
const PENALTY: Duration = Duration::from_secs(60);
/// Addresses whose failures are remembered.
const MAX_ADDRESSES: usize = 4096;

/// Where whoever has a share link may look, instead of with a key.
pub const SHARED: &str = "/api/v1/shared/";

/// Where the page of a share link is, with its files.
pub const SHARED_PAGE: &str = "/shared/";
/// Where whoever knows the token of a published test may ask who sees what.
pub const ASSIGN: &str = "/api/v1/assign/";

/// The word for a link that opens nothing.
const NO_LINK: &str = "no_link";

/// Somebody came in with a share link: handlers below it take the campaign from here and from nowhere else.
#[derive(Debug, Clone)]
pub struct Shared(pub store::ShareLink);

/// Who may come in.
#[derive(Debug)]
pub struct Guard {
    keys: Vec<(String, [u8; 32])>,
    needs_key: bool,
    hosts: Vec<String>,
    origins: Vec<String>,
    failures: Mutex<HashMap<IpAddr, (Instant, u32)>>,
}

/// SHA-256 of a key, which is what is kept of it.
pub fn key_digest(key: &str) -> [u8; 32] {
    Sha256::digest(key.as_bytes()).into()
}

/// A new key: 122 random bits.
pub fn new_key() -> String {
    format!("calotype-{}", new_token())
}

/// A new token of a share link: 122 random bits.
pub fn new_token() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

impl Guard {
    /// A guard for a configuration; `keys` are ids and digests.
    pub fn new(config: &ServeConfig, keys: Vec<(String, [u8; 32])>, needs_key: bool) -> Self {
        Self {
            keys,
            needs_key,
            hosts: config.allowed_hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            origins: config.cors_origins.clone(),
            failures: Mutex::default(),
        }
    }

    /// Lets a request in, or says why not.
    pub fn check(&self, method: &Method, path: &str, headers: &HeaderMap, peer: IpAddr) -> Result<Owner, ApiError> {
        self.place(method, headers)?;
        if OPEN.contains(&path) {
            return Ok(Owner("open".into()));
        }
        self.key(headers, peer)
    }

    /// Whether the request is for this server and from a page of it.
    fn place(&self, method: &Method, headers: &HeaderMap) -> Result<(), ApiError> {
        let host = self.host(headers)?;
        self.origin(method, headers, host)
    }

    fn host<'a>(&self, headers: &'a HeaderMap) -> Result<&'a str, ApiError> {
        let refused = |message| ApiError::status(StatusCode::FORBIDDEN, "wrong_host", message);
        let whole = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let whole = whole.ok_or_else(|| refused("the header Host is missing"))?;
        let name = match whole.strip_prefix('[') {
            Some(rest) => rest.split(']').next().unwrap_or(""),
            None => whole.rsplit_once(':').map_or(whole, |(name, _)| name),
        };
        let name = name.to_ascii_lowercase();
        if name == "localhost" || name.parse::<IpAddr>().is_ok() || self.hosts.contains(&name) {
            return Ok(whole);
        }
        Err(refused("the header Host names a server that this is not (--allow-host adds names)"))
    }

    fn origin(&self, method: &Method, headers: &HeaderMap, host: &str) -> Result<(), ApiError> {
        let refused = || {
            let message = "this page may not use the server: its origin is another one (--cors-origin adds origins)";
            ApiError::status(StatusCode::FORBIDDEN, "wrong_origin", message)
        };
        let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        if let Some(origin) = headers.get(header::ORIGIN) {
            let origin = origin.to_str().map_err(|_| refused())?;
            let own = ["http://", "https://"].iter().any(|scheme| origin.strip_prefix(scheme) == Some(host));
            return if own || self.is_allowed(origin) { Ok(()) } else { Err(refused()) };
        }
        // Browsers leave Origin out of plain reads, but say where those come from.
        let is_visit = method == Method::GET && text("sec-fetch-mode") == Some("navigate");
        match text("sec-fetch-site") {
            Some("cross-site" | "same-site") if !is_visit => Err(refused()),
            _ => Ok(()),
        }
    }

    /// Whether pages of this origin may use the server.
    fn is_allowed(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed == origin)
    }

    fn key(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Owner, ApiError> {
        let given = given_key(headers);
        if !self.needs_key && given.is_none() {
            return Ok(Owner("local".into()));
        }
        if self.must_wait(peer) {
            let message = "too many wrong keys came from this address: wait a minute";
            return Err(ApiError::status(StatusCode::TOO_MANY_REQUESTS, "too_many_failures", message));
        }
        if let Some(key) = &given {
            let digest = key_digest(key);
            // Every key is compared, each in constant time.
            let found = self.keys.iter().fold(
                None,
                |found, (id, kept)| {
                    if bool::from(kept.ct_eq(&digest)) { Some(id) } else { found }
                },
            );
            if let Some(id) = found {
                return Ok(Owner(id.clone()));
            }
        }
        if !self.needs_key {
            // Clients of standard interfaces send a key whether one is needed or not.
            return Ok(Owner("local".into()));
        }
        if given.is_some() {
            self.failed(peer);
        }
        let message = match given {
            Some(_) => "the key is wrong",
            None => "a key is needed: Authorization: Bearer KEY, or HTTP Basic with the key as password",
        };
        Err(ApiError::status(StatusCode::UNAUTHORIZED, "no_key", message))
    }

    fn must_wait(&self, peer: IpAddr) -> bool {
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.get(&peer).is_some_and(|(last, count)| *count >= MAX_FAILURES && last.elapsed() < PENALTY)
    }

    fn failed(&self, peer: IpAddr) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, (last, _)| last.elapsed() < PENALTY);
        if failures.len() < MAX_ADDRESSES {
            let entry = failures.entry(peer).or_insert((Instant::now(), 0));
            *entry = (Instant::now(), entry.1 + 1);
        }
    }
}

/// The key that a request shows.
fn given_key(headers: &HeaderMap) -> Option<String> {
    if let Some(key) = headers.get("x-api-key") {
        return key.to_str().ok().map(str::to_owned);
    }
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = value.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().to_owned());
    }
    if scheme.eq_ignore_ascii_case("basic") {
        let text = String::from_utf8(STANDARD.decode(rest.trim()).ok()?).ok()?;
        return Some(text.split_once(':')?.1.to_owned());
    }
    None
}

/// Lets a request in and notes who comes.
async fn enter(app: &Arc<App>, request: &mut Request, path: &str, peer: IpAddr) -> Result<(), ApiError> {
    if let Some(token) = path.strip_prefix(ASSIGN) {
        app.guard.host(request.headers())?;
        let message = "nothing assigns people here: the test is unknown or withdrawn";
        let published = app.assigning.of(token);
        let published = published.ok_or_else(|| ApiError::status(StatusCode::UNAUTHORIZED, "no_test", message))?;
        request.extensions_mut().insert(published);
        return Ok(());
    }
    let (method, headers) = (request.method().clone(), request.headers().clone());
    let Some(rest) = path.strip_prefix(SHARED).or_else(|| path.strip_prefix(SHARED_PAGE)) else {
        let owner = app.guard.check(&method, path, &headers, peer)?;
        request.extensions_mut().insert(owner);
        return Ok(());
    };
    app.guard.place(&method, &headers)?;
    // A key opens nothing here: the token alone says which campaign is meant. Nobody guesses 122 bits, so that whoever follows
    // an old link a few times need not wait.
    let digest = key_digest(rest.split('/').next().unwrap_or_default());
    let link = app.blocking(move |app| Ok(app.store.share_link_of(digest, store::now_ms())?)).await?;
    let message = "this link is unknown, over or revoked";
    let link = link.ok_or_else(|| ApiError::status(StatusCode::UNAUTHORIZED, NO_LINK, message))?;
    request.extensions_mut().insert(Shared(link));
    Ok(())
}

/// The outermost layer of the server.
pub async fn gate(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let path = request.uri().path().to_owned();
    let origin = request.headers().get(header::ORIGIN).cloned();
    let cors = origin.filter(|origin| origin.to_str().is_ok_and(|origin| app.guard.is_allowed(origin)));
    let is_preflight = request.method() == Method::OPTIONS && cors.is_some();
    // A browser asks what is allowed before it shows a key.
    let checked = if is_preflight { Ok(()) } else { enter(&app, &mut request, &path, peer).await };
    let mut response = match checked {
        Ok(()) if is_preflight => StatusCode::NO_CONTENT.into_response(),
        Ok(()) => next.run(request).await,
        Err(error) if error.code == NO_LINK && path.starts_with(SHARED_PAGE) => page::link_is_over(),
        Err(error) => error.response(Shape::of_path(&path)),
    };
    let headers = response.headers_mut();
    if let Some(origin) = cors {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        if is_preflight {
            let methods = HeaderValue::from_static("GET, POST, PATCH, PUT, DELETE");
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
            let names = HeaderValue::from_static("Authorization, Content-Type, Idempotency-Key, X-Api-Key");
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names);
        }
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let policy = "default-src 'self'; img-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; \
                  script-src 'self' 'unsafe-inline'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'";
    // The page says its own, which is stricter.
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(policy));
    app.metrics.count(response.status());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(needs_key: bool) -> Guard {
        Guard {
            keys: vec![("a".into(), key_digest("right"))],
            needs_key,
            hosts: vec!["studio.example".into()],
            origins: vec!["https://page.example".into()],
            failures: Mutex::default(),
        }
    }

    fn check(guard: &Guard, headers: &[(&'static str, &'static str)]) -> Result<Owner, ApiError> {
        let headers = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), HeaderValue::from_static(value)));
        guard.check(&Method::POST, "/api/v1/jobs", &headers.collect(), IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    #[test]
    fn hosts_that_are_not_ours_are_refused() {
        let guard = guard(false);
        for good in ["localhost", "localhost:7860", "127.0.0.1:7860", "[::1]:7860", "192.168.1.5", "Studio.example:80"]
        {
            assert!(check(&guard, &[("host", good)]).is_ok(), "{good}");
        }
        for bad in ["evil.example", "evil.example:7860", "localhost.evil.example", "127.0.0.1.evil.example", "", ":80"]
        {
            assert_eq!(check(&guard, &[("host", bad)]).unwrap_err().code, "wrong_host", "{bad}");
        }
        assert_eq!(check(&guard, &[]).unwrap_err().code, "wrong_host");
    }

    #[test]
    fn pages_from_elsewhere_are_refused() {
        let guard = guard(false);
        let from = |origin| check(&guard, &[("host", "localhost:7860"), ("origin", origin)]);
        assert!(from("http://localhost:7860").is_ok());
        assert!(from("https://page.example").is_ok());
        for bad in ["http://localhost:3000", "http://evil.example", "null", "http://localhost:7860.evil.example", ""] {
            assert_eq!(from(bad).unwrap_err().code, "wrong_origin", "{bad}");
        }
        let site = |site| check(&guard, &[("host", "localhost:7860"), ("sec-fetch-site", site)]);
        assert!(site("same-origin").is_ok() && site("none").is_ok());
        assert!(site("cross-site").is_err() && site("same-site").is_err());
    }

    #[test]
    fn keys() {
        let guard = guard(true);
        let with = |name, value| check(&guard, &[("host", "localhost"), (name, value)]);
        assert_eq!(with("authorization", "Bearer right").unwrap(), Owner("a".into()));
        assert_eq!(with("authorization", "Basic eDpyaWdodA==").unwrap(), Owner("a".into()));
        assert_eq!(with("x-api-key", "right").unwrap(), Owner("a".into()));
        assert_eq!(with("accept", "x").unwrap_err().status, StatusCode::UNAUTHORIZED);
        for _ in 0..MAX_FAILURES {
            assert_eq!(with("authorization", "Bearer wrong").unwrap_err().status, StatusCode::UNAUTHORIZED);
        }
        assert_eq!(with("authorization", "Bearer right").unwrap_err().status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(check(&super::tests::guard(false), &[("host", "localhost")]).unwrap(), Owner("local".into()));
    }
}
