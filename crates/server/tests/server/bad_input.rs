//! Every field with every kind of wrong value (P4, P5): a 4xx that names the field, never a 5xx, never a crash.

use serde_json::{Value, json};

use crate::bombs;
use crate::support::{Server, most_memory, one_at_a_time, small};

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
    let ranges: [(&str, &[&str]); 11] = [
        ("steps", &["0", "201"]),
        ("count", &["0", "65"]),
        ("guidance", &["-0.1", "30.1"]),
        ("strength", &["0", "0.009", "1.01"]),
        ("enlarge", &["0", "3", "8"]),
        ("seed", &["-1", "0.5"]),
        ("clip_skip", &["0", "13", "1"]),
        ("eta", &["-0.1", "2.1"]),
        ("guidance_rescale", &["-0.1", "1.1"]),
        ("skip_guidance", &["-1", "11", "\"1\""]),
        ("guidance_interval", &["[0.5]", "[0.6, 0.5]", "[-0.1, 1]", "[0, 1.1]", "[0, 1, 2]", "\"0,1\""]),
    ];
    let huge = format!("\"{}\"", "x".repeat(10 << 20));
    for (field, wrong) in ranges {
        let any = WRONG_NUMBERS.iter().copied().filter(|value| !(field == "seed" && *value == "9223372036854775807"));
        for value in wrong.iter().copied().chain(any).chain([huge.as_str()]) {
            refuse(&server, "/api/v1/jobs", field, &format!("{{\"{field}\": {value}}}"), true);
        }
    }
    let texts: [(&str, &[&str]); 12] = [
        ("prompt", &["1", "[]", &huge]),
        ("negative", &["1", &huge]),
        ("size", &["\"\"", "\"0x0\"", "\"-1x64\"", "\"4096x4096\"", "\"31x64\"", "64", "\"99999999999x64\"", &huge]),
        ("preset", &["\"best\"", "\"lcm\"", "1", &huge]),
        ("sampler", &["\"x\"", "1", &huge]),
        ("schedule", &["\"x\"", "\"shifted:NaN\"", "\"shifted:1e308\"", &huge]),
        ("priority", &["\"high\"", "1"]),
        ("model", &["\"nothing\"", "\"\"", "1", &huge]),
        ("project", &["\"nothing\"", "1", &huge]),
        ("start", &["\"nothing\"", "1", &huge]),
        ("tile", &["\"auto\"", "\"x\"", "1"]),
        ("variation", &["1", "{\"seed\": 1}", "{\"seed\": -1, \"strength\": 0.1}", "{\"seed\": 1, \"strength\": 1.1}"]),
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
    others_have_ranges(&server, &huge);
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

/// The other three interfaces, by their own names for fields.
fn others_have_ranges(server: &Server, huge: &str) {
    let text: &[&str] = &["1", "[]", "{}", "true", huge];
    let openai: [(&str, bool, &[&str]); 16] = [
        ("n", true, &["0", "11"]),
        ("steps", true, &["0", "201"]),
        ("num_inference_steps", true, &[]),
        ("guidance_scale", true, &["-0.1", "30.1"]),
        ("output_compression", true, &["101", "256"]),
        ("partial_images", true, &["4"]),
        ("strength", true, &["0", "0.009", "1.1"]),
        ("prompt", false, text),
        ("negative_prompt", false, text),
        ("size", false, &["\"\"", "\"0x0\"", "\"7x7\"", "\"99999999999x1\"", "64", "[]", huge]),
        ("quality", false, &["\"best\"", "1", huge]),
        ("background", false, &["\"blue\"", "1"]),
        ("output_format", false, &["\"gif\"", "1", huge]),
        ("response_format", false, &["\"x\"", "1"]),
        ("stream", false, &["1", "\"x\"", "[]"]),
        ("sampler", false, &["\"x\"", "1", huge]),
    ];
    let a1111: [(&str, bool, &[&str]); 16] = [
        ("steps", true, &["0", "201"]),
        ("cfg_scale", true, &["-0.1", "30.1"]),
        ("batch_size", true, &["0", "65"]),
        ("n_iter", true, &["0", "65"]),
        ("width", true, &["0", "7", "4096"]),
        ("height", true, &["0", "7", "4096"]),
        ("hr_scale", true, &["0.9", "4.1"]),
        ("hr_second_pass_steps", true, &["201"]),
        ("hr_resize_x", true, &["8193", "7"]),
        ("hr_resize_y", true, &["8193", "7"]),
        ("subseed_strength", true, &["-0.1", "1.1"]),
        ("prompt", false, text),
        ("negative_prompt", false, text),
        ("hr_upscaler", false, &["\"x\"", "1", huge]),
        ("seed", false, &["\"x\"", "0.5", "1e308", "[]", "18446744073709551616"]),
        ("sampler_name", false, &["1", "[]"]),
    ];
    let mcp: [(&str, bool, &[&str]); 9] = [
        ("steps", true, &["0", "201"]),
        ("count", true, &["0", "9"]),
        ("guidance", true, &["-0.1", "30.1"]),
        ("strength", true, &["0", "1.01"]),
        ("enlarge", true, &["0", "3"]),
        ("prompt", false, text),
        ("size", false, &["\"7x7\"", "64", huge]),
        ("preset", false, &["\"best\"", "1"]),
        ("model", false, &["\"nothing\"", "1", huge]),
    ];
    for (fields, path, inside) in [
        (&openai[..], "/v1/images/generations", ["{\"prompt\": \"x\", ", "}"]),
        (&a1111[..], "/sdapi/v1/txt2img", ["{\"enable_hr\": true, \"denoising_strength\": 0.5, ", "}"]),
        (
            &mcp[..],
            "/mcp",
            [
                "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"tools/call\", \"params\": {\"name\": \"generate\", \"arguments\": {",
                "}}}",
            ],
        ),
    ] {
        for (field, is_number, wrong) in fields {
            let any = if *is_number { &WRONG_NUMBERS[..] } else { &[] };
            for value in wrong.iter().chain(any) {
                // A field may not stand there twice.
                let before = if *field == "prompt" {
                    inside[0].replace("\"prompt\": \"x\", ", "")
                } else {
                    inside[0].to_owned()
                };
                let body = format!("{before}\"{field}\": {value}{}", inside[1]);
                let reply = server.request("POST", path, &[("content-type", "application/json")], body.as_bytes());
                let (told, shown) = (reply.text(), body.chars().take(200).collect::<String>());
                // What a tool cannot do is an answer of the protocol; what is no JSON is none.
                let is_refused =
                    (400..500).contains(&reply.status) || (reply.status == 200 && told.contains("\"isError\":true"));
                assert!(is_refused, "{path} {shown}: {} {told}", reply.status);
                let is_json = serde_json::from_str::<Value>(&body).is_ok();
                let named = if *field == "num_inference_steps" { "steps" } else { field };
                assert!(told.contains(named) || !is_json, "{path} {shown}: {told}");
            }
        }
    }
    assert_eq!(server.get("/api/v1/jobs").json()["total"], 0);
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
    let most = most_memory(server.id());
    let bombs = bombs::all();
    assert!(bombs.len() >= 40, "{}", bombs.len());
    for (name, bytes) in &bombs {
        let reply = upload(bytes);
        let inspected = server.request("POST", "/api/v1/inspect", &[("content-type", "image/png")], bytes).status;
        assert!(reply.status == 400 && inspected == 400, "{name}: {} {inspected} {}", reply.status, reply.text());
    }
    let rise = most_memory(server.id()) - most;
    assert!(rise <= 300 << 20, "memory rose by {rise} bytes");
    for url in ["http://127.0.0.1:1/x.png", "https://example.com/x.png", "file:///etc/passwd", "/etc/passwd"] {
        let edit = json!({ "prompt": "x", "images": [{ "image_url": url }] });
        let reply = server.post("/v1/images/edits", &edit);
        assert_eq!((reply.status, &reply.json()["error"]["param"]), (400, &Value::from("images")), "{url}");
        let reply = server.post("/sdapi/v1/img2img", &json!({ "init_images": [url] }));
        assert_eq!(reply.status, 400, "{url}");
    }
}
