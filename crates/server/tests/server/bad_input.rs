//! Every field with every kind of wrong value (P4, P5): a 4xx that names the field, never a 5xx, never a crash.

use serde_json::{Value, json};

use crate::support::{Server, one_at_a_time, small};

/// Raw JSON of values that are wrong for a number in a small range.
const WRONG_NUMBERS: [&str; 12] = [
    "-1",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "1e308",
    "-1e308",
    "NaN",
    "Infinity",
    "\"x\"",
    "true",
    "[]",
    "{}",
];

fn refuse(server: &Server, path: &str, field: &str, body: &str, strict: bool) {
    let reply = server.request("POST", path, &[("content-type", "application/json")], body.as_bytes());
    let shown: String = body.chars().take(200).collect();
    assert!((400..500).contains(&reply.status), "{path} {shown}: {} {}", reply.status, reply.text());
    if strict {
        let told = reply.text();
        assert!(told.contains(field), "{path} {shown}: {told}");
    }
}

#[test]
fn every_field_has_a_range() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let ranges: [(&str, &[&str]); 10] = [
        ("steps", &["0", "201"]),
        ("count", &["0", "65"]),
        ("guidance", &["-0.1", "30.1"]),
        ("strength", &["0", "0.009", "1.01"]),
        ("enlarge", &["0", "3", "8"]),
        ("seed", &["-1", "0.5"]),
        ("clip_skip", &["0", "13", "1"]),
        ("eta", &["-0.1", "2.1"]),
        ("guidance_rescale", &["-0.1", "1.1"]),
        ("guidance_interval", &["[0.5]", "[0.6, 0.5]", "[-0.1, 1]", "[0, 1.1]", "[0, 1, 2]", "\"0,1\""]),
    ];
    let huge = format!("\"{}\"", "x".repeat(10 << 20));
    for (field, wrong) in ranges {
        let any = WRONG_NUMBERS.iter().copied().filter(|value| !(field == "seed" && *value == "9223372036854775807"));
        for value in wrong.iter().copied().chain(any).chain([huge.as_str()]) {
            refuse(&server, "/api/v1/jobs", field, &format!("{{\"{field}\": {value}}}"), true);
        }
    }
    let texts: [(&str, &[&str]); 11] = [
        ("prompt", &["1", "[]", &huge]),
        ("negative", &["1", &huge]),
        ("size", &["\"\"", "\"0x0\"", "\"-1x64\"", "\"4096x4096\"", "\"65x64\"", "64", "\"99999999999x64\"", &huge]),
        ("preset", &["\"best\"", "\"lcm\"", "1", &huge]),
        ("sampler", &["\"x\"", "1", &huge]),
        ("schedule", &["\"x\"", "\"shifted:NaN\"", "\"shifted:1e308\"", &huge]),
        ("priority", &["\"high\"", "1"]),
        ("model", &["\"nothing\"", "\"\"", "1", &huge]),
        ("project", &["\"nothing\"", "1", &huge]),
        ("start", &["\"nothing\"", "1", &huge]),
        ("tile", &["\"auto\"", "\"x\"", "1"]),
    ];
    for (field, wrong) in texts {
        for value in wrong {
            refuse(&server, "/api/v1/jobs", field, &format!("{{\"{field}\": {value}}}"), true);
        }
    }
    refuse(&server, "/api/v1/jobs", "stepz", r#"{"stepz": 1}"#, true);
    for body in ["", "{", "[]", "null", "\"x\"", "{}x", "\u{0}", &"[".repeat(100_000), &"{\"a\":".repeat(10_000)] {
        for path in [
            "/api/v1/jobs",
            "/api/v1/variations",
            "/api/v1/plan",
            "/v1/images/generations",
            "/sdapi/v1/txt2img",
            "/mcp",
        ] {
            refuse(&server, path, "", body, false);
        }
    }
    assert_eq!(server.get("/api/v1/jobs").json()["total"], 0);
    for (field, openai) in [
        ("n", &["0", "11"] as &[_]),
        ("steps", &["0", "201"]),
        ("guidance_scale", &["-1", "31"]),
        ("output_compression", &["101", "256"]),
        ("partial_images", &["4"]),
        ("strength", &["0", "1.1"]),
    ] {
        for value in openai.iter().copied().chain(WRONG_NUMBERS) {
            refuse(
                &server,
                "/v1/images/generations",
                field,
                &format!("{{\"prompt\": \"x\", \"{field}\": {value}}}"),
                true,
            );
        }
    }
    for (field, a1111) in [
        ("steps", &["0", "201"] as &[_]),
        ("cfg_scale", &["-1", "31"]),
        ("batch_size", &["0", "65"]),
        ("n_iter", &["0", "65"]),
        ("width", &["0", "7", "4096"]),
        ("height", &["0", "7", "4096"]),
    ] {
        for value in a1111.iter().copied().chain(WRONG_NUMBERS) {
            refuse(&server, "/sdapi/v1/txt2img", field, &format!("{{\"{field}\": {value}}}"), true);
        }
    }
    for (path, field) in [
        ("/api/v1/jobs?limit=0", "limit"),
        ("/api/v1/jobs?limit=201", "limit"),
        ("/api/v1/jobs?limit=x", "limit"),
        ("/api/v1/jobs?offset=-1", "offset"),
        ("/api/v1/jobs?state=x", "state"),
        ("/api/v1/jobs?nothing=1", "nothing"),
        ("/api/v1/assets?min_rating=6", "min_rating"),
        ("/api/v1/assets?kind=x", "kind"),
        ("/api/v1/assets?sort=x", "sort"),
        ("/api/v1/usage?days=0", "days"),
        ("/api/v1/usage?days=99999", "days"),
    ] {
        let reply = server.get(path);
        assert!(reply.status == 400 && reply.text().contains(field), "{path}: {} {}", reply.status, reply.text());
    }
    // After all that, it draws.
    let job = server.post("/api/v1/jobs", &small(1, 1)).json();
    assert_eq!(server.wait(job["id"].as_str().unwrap())["state"], "done");
}

#[test]
fn hostile_pictures_are_refused() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let upload = |bytes: &[u8]| server.request("POST", "/api/v1/uploads", &[("content-type", "image/png")], bytes);
    let good = formats::picture::encode(64, 64, &[200; 64 * 64 * 4], &[]).unwrap();
    let id = upload(&good).json()["id"].as_str().unwrap().to_owned();
    let mut tried = 0;
    // Sides that are lies, every byte of the head damaged, every length.
    for (width, height) in [(0, 1), (1, 0), (8193, 1), (1, 8193), (8192, 8192), (u32::MAX, u32::MAX), (1 << 31, 2)] {
        let mut bytes = good.clone();
        bytes[16..20].copy_from_slice(&u32::to_be_bytes(width));
        bytes[20..24].copy_from_slice(&u32::to_be_bytes(height));
        assert_eq!(upload(&bytes).status, 400, "{width} {height}");
        tried += 1;
    }
    for at in (8..good.len().min(60)).chain([good.len() - 9]) {
        let mut bytes = good.clone();
        bytes[at] ^= 0xff;
        let status = upload(&bytes).status;
        assert!([201, 400].contains(&status), "byte {at}: {status}");
        tried += 1;
    }
    for length in (0..good.len()).step_by(7) {
        assert_eq!(upload(&good[..length]).status, 400, "length {length}");
        tried += 1;
    }
    for rubbish in
        [&b"GIF89a"[..], b"<svg/>", b"RIFF\xff\xff\xff\xffWEBPVP8X", b"\xff\xd8\xff\xe0", b"BM", b"%PDF", &[0; 1 << 20]]
    {
        assert_eq!(upload(rubbish).status, 400);
        tried += 1;
    }
    assert!(tried > 60, "{tried}");
    assert_eq!(upload(&vec![0; 51 << 20]).status, 413);
    let mask = json!({ "start": id, "mask": id, "size": "64x64", "enlarge": 1, "steps": 1 });
    assert_eq!(server.post("/api/v1/jobs", &mask).status, 202);
    assert_eq!(server.post("/api/v1/jobs", &json!({ "mask": id })).json()["error"]["field"], "mask");
    for url in ["http://127.0.0.1:1/x.png", "https://example.com/x.png", "file:///etc/passwd", "/etc/passwd"] {
        let edit = json!({ "prompt": "x", "images": [{ "image_url": url }] });
        let reply = server.post("/v1/images/edits", &edit);
        assert_eq!((reply.status, &reply.json()["error"]["param"]), (400, &Value::from("images")), "{url}");
        let reply = server.post("/sdapi/v1/img2img", &json!({ "init_images": [url] }));
        assert_eq!(reply.status, 400, "{url}");
    }
}
