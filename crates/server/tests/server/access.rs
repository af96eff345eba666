//! Who may come in (P6, P7).

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{Server, one_at_a_time};

const KEY: &str = "a-key-of-enough-bytes";
/// Paths that are no routes, but could be taken for open ones, and files of the page.
const OTHERS: [&str; 10] = [
    "/favicon.svg",
    "/studio/main.js",
    "/nothing",
    "/health",
    "/health/live/",
    "/health/liveness",
    "//health/live",
    "/health/../api/v1/jobs",
    "/health/live%2f..%2f..%2fapi/v1/jobs",
    "/HEALTH/LIVE",
];
/// Paths that need no key.
const OPEN: [&str; 2] = ["/health/live", "/health/ready"];
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

/// Every route there is: the router cannot be asked, but each of its paths stands in the sources.
fn routes() -> BTreeSet<String> {
    fn walk(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for begin in [".route(", "path = "] {
                    let quoted = text.split(begin).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
                    found.extend(quoted.filter_map(|rest| rest.split('"').next()).map(str::to_owned));
                }
            }
        }
    }
    let mut found = BTreeSet::new();
    walk(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")), &mut found);
    found.into_iter().filter(|path| path.starts_with('/')).collect()
}

#[test]
fn without_a_key_nothing_is_told() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), Some(KEY));
    let bearer = format!("Bearer {KEY}");
    let with_key: [(&str, &str); 1] = [("authorization", &bearer)];
    let described = server.request("GET", "/api/v1/openapi.json", &with_key, b"").json();
    let described: Vec<String> = described["paths"].as_object().unwrap().keys().cloned().collect();
    let routes = routes();
    assert!(described.len() >= 15 && described.iter().all(|path| routes.contains(path)), "{described:?} {routes:?}");
    assert!(routes.len() >= 60 && OPEN.iter().all(|path| routes.contains(*path)), "{routes:?}");
    for path in routes.iter().map(String::as_str).filter(|path| !OPEN.contains(path)).chain(OTHERS) {
        let names = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
        let path = names.collect::<Vec<_>>().join("/");
        for method in METHODS {
            let reply = server.request(method, &path, &[], b"");
            assert_eq!(reply.status, 401, "{method} {path}");
        }
    }
    for path in OPEN {
        assert_eq!(server.get(path).status, 200);
    }
    assert_eq!(server.request("GET", "/api/v1/jobs", &with_key, b"").status, 200);
    let wrong = [("authorization", "Bearer wrong")];
    let statuses: Vec<u16> = (0..12).map(|_| server.request("GET", "/api/v1/jobs", &wrong, b"").status).collect();
    assert_eq!(statuses, [[401; 10].as_slice(), &[429; 2]].concat());
}

#[test]
fn other_names_and_other_pages_are_refused() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let status = |headers: &[(&str, &str)]| server.request("POST", "/api/v1/jobs", headers, b"{}").status;
    let json = ("content-type", "application/json");
    assert_eq!(status(&[("host", "evil.example"), json]), 403);
    assert_eq!(status(&[("origin", "http://evil.example"), json]), 403);
    assert_eq!(status(&[("origin", "null"), json]), 403);
    assert_eq!(status(&[("sec-fetch-site", "cross-site"), json]), 403);
    // What a form of another page could send without asking.
    for kind in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        assert_eq!(status(&[("content-type", kind)]), 415, "{kind}");
    }
    let own = server.url();
    let reply = server.request("GET", "/api/v1/jobs", &[("origin", &own)], b"");
    assert_eq!(reply.status, 200);
    assert!(!reply.headers.contains("access-control"), "{}", reply.headers);
    assert!(server.get("/api/v1/jobs").json()["jobs"].as_array().is_some_and(Vec::is_empty));
}

#[test]
fn ids_are_never_paths() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let parts =
        ["..", "%2e%2e", "..%2f", "..%5c", "%2fetc%2fpasswd", "....//", "%00", "~", "C:%5c", "file:", "%c0%ae%c0%ae"];
    let ends = ["etc/passwd", "calotype.sqlite", "lock", "assets", "%2e", "models/x"];
    let mut tried = 0;
    for part in parts {
        for deep in 1..=3 {
            for end in ends {
                let id = format!("{}{end}", format!("{part}%2f").repeat(deep));
                for path in
                    [format!("/api/v1/assets/{id}"), format!("/api/v1/assets/{id}/file"), format!("/api/v1/jobs/{id}")]
                {
                    let reply = server.get(&path);
                    assert!([400, 404, 405].contains(&reply.status), "{path}: {}", reply.status);
                    tried += 1;
                }
            }
        }
    }
    assert!(tried >= 500, "{tried}");
    for field in ["model", "start", "mask", "project"] {
        for bad in ["../../etc/passwd", "/etc/passwd", "..", "file:///etc/passwd", "http://127.0.0.1/x", "a\u{0}b"] {
            let reply = server.post("/api/v1/jobs", &serde_json::json!({ field: bad, "prompt": "x" }));
            assert_eq!((reply.status, &reply.json()["error"]["field"]), (400, &Value::from(field)), "{field} {bad}");
        }
    }
}

#[test]
fn slow_clients_are_cut_off() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path(), &[("CALOTYPE_TEST_HEADER_SECONDS", "1")]);
    let begin = Instant::now();
    let mut slow: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
    for stream in &mut slow {
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\nx-slow: ").unwrap();
    }
    // Others are served meanwhile.
    assert_eq!(server.get("/health/live").status, 200);
    for stream in &mut slow {
        let mut rest = Vec::new();
        // Whether by an answer or without one: the connection ends, although its head never did.
        let _ = stream.read_to_end(&mut rest);
        assert!(!String::from_utf8_lossy(&rest).contains(" 200 "), "{rest:?}");
    }
    assert!(begin.elapsed() >= Duration::from_secs(1), "whoever takes less than the time there is is not slow");
    // A body may take longer than a head.
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let head = "POST /api/v1/tokens HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
                content-type: application/json\r\ncontent-length: 17\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    stream.write_all(br#"{"prompt": "fox"}"#).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}
