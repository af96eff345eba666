//! Who may come in (P6, P7).

use serde_json::Value;

use crate::support::{Server, one_at_a_time};

const KEY: &str = "a-key-of-enough-bytes";
/// Routes beside those that OpenAPI describes.
const OTHERS: [&str; 36] = [
    "/",
    "/favicon.svg",
    "/studio/main.js",
    "/api/v1/inspect",
    "/docs",
    "/metrics",
    "/mcp",
    "/api/v1/openapi.json",
    "/api/v1/uploads",
    "/v1/images/generations",
    "/v1/images/edits",
    "/v1/images/variations",
    "/v1/models",
    "/v1/models/x",
    "/sdapi/v1/txt2img",
    "/sdapi/v1/img2img",
    "/sdapi/v1/png-info",
    "/sdapi/v1/progress",
    "/sdapi/v1/interrupt",
    "/sdapi/v1/skip",
    "/sdapi/v1/options",
    "/sdapi/v1/samplers",
    "/sdapi/v1/schedulers",
    "/sdapi/v1/sd-models",
    "/sdapi/v1/upscalers",
    "/sdapi/v1/loras",
    "/sdapi/v1/sd-vae",
    "/sdapi/v1/scripts",
    "/sdapi/v1/memory",
    "/sdapi/v1/refresh-checkpoints",
    "/nothing",
    "/health",
    "/health/live/",
    "/health/liveness",
    "//health/live",
    "/health/../api/v1/jobs",
];
const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

#[test]
fn without_a_key_nothing_is_told() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(folder.path(), Some(KEY));
    let bearer = format!("Bearer {KEY}");
    let with_key: [(&str, &str); 1] = [("authorization", &bearer)];
    let described = server.request("GET", "/api/v1/openapi.json", &with_key, b"").json();
    let described: Vec<String> = described["paths"].as_object().unwrap().keys().cloned().collect();
    assert!(described.len() >= 15, "{described:?}");
    for path in described.iter().map(String::as_str).chain(OTHERS) {
        let path = path.replace("{id}", "x");
        for method in METHODS {
            let reply = server.request(method, &path, &[], b"");
            assert_eq!(reply.status, 401, "{method} {path}");
        }
    }
    for path in ["/health/live", "/health/ready"] {
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
