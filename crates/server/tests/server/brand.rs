//! Brand kits, compositions, deliveries and aids, from outside: what is kept, what is refused by name, and that a package is what
//! its manifest says.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read};
use std::time::{Duration, Instant};

use formats::digest::sha256_bytes;
use serde_json::{Value, json};

use crate::support::{PATIENCE, Reply, Server, one_at_a_time};

/// A picture with a dark square, a share of its width and height from the left and the top, on a pale ground that changes a little.
fn scene(width: u32, height: u32, x: f64, y: f64) -> Vec<u8> {
    let pixels: Vec<u8> = (0..width * height)
        .flat_map(|at| {
            let (px, py) = (f64::from(at % width) / f64::from(width), f64::from(at / width) / f64::from(height));
            let shade = 228 + (px * 12.0) as u8;
            if (px - x).abs() < 0.14 && (py - y).abs() < 0.2 { [150, 30, 20, 255] } else { [shade, shade, 240, 255] }
        })
        .collect();
    formats::picture::encode(width, height, &pixels, &[]).unwrap()
}

fn upload(server: &Server, png: &[u8]) -> String {
    let reply = server.request("POST", "/api/v1/uploads", &[("content-type", "image/png")], png);
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()["id"].as_str().unwrap().to_owned()
}

fn put(server: &Server, path: &str, bytes: &[u8]) -> Reply {
    server.request("PUT", path, &[("content-type", "application/octet-stream")], bytes)
}

fn refused(reply: &Reply, field: &str) {
    let told = reply.text();
    assert!(reply.status == 400 && reply.json()["error"]["field"] == field, "{field}: {} {told}", reply.status);
}

fn house() -> Value {
    json!({
        "name": "House", "prompt_words": ["soft light"], "negative": ["text"],
        "colours": [
            {"role": "background", "value": "#faf8f4"}, {"role": "text", "value": "#181c26"},
            {"role": "primary", "value": "#163a5c"}, {"role": "on-primary", "value": "#ffffff"},
            {"role": "accent", "value": "#c43a1e"}, {"role": "on-accent", "value": "#ffffff"}],
        "fonts": [{"role": "headline", "family": "Rubik", "weight": 700}, {"role": "body", "family": "Rubik"}],
        "logos": [{"name": "main", "file": "logo.png", "clear_space": 0.25}]
    })
}

#[test]
fn kits_have_versions_and_what_they_lack_is_told() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let create = |kit: Value| server.post("/api/v1/kits", &json!({ "kit": kit }));
    for (change, field) in [
        (json!({"name": ""}), "kit.name"),
        (json!({"name": "A", "colour": []}), "kit.colour"),
        (json!({"name": "A", "colours": [{"role": "text", "value": "blue"}]}), "kit.colours[0].value"),
        (
            json!({"name": "A", "colours": [{"role": "text", "value": "#fff000", "tolerance": 101}]}),
            "kit.colours[0].tolerance",
        ),
        (json!({"name": "A", "logos": [{"name": "main", "file": "x", "corner": "middle"}]}), "kit.logos[0].corner"),
        (json!([]), "kit"),
    ] {
        refused(&create(change), field);
    }
    refused(&server.post("/api/v1/kits", &json!({ "toml": "schema = 1\nname = 3\n" })), "toml");
    refused(&server.post("/api/v1/kits", &json!({})), "kit");
    assert_eq!(server.get("/api/v1/kits").json(), json!([]));

    let made = create(house());
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let id = made["id"].as_str().unwrap();
    assert_eq!((&made["version"], &made["findings"][0]["field"]), (&json!(1), &json!("logos[0].file")));
    refused(&create(house()), "kit.name");
    refused(&server.post(&format!("/api/v1/kits/{id}/versions/1/publish"), &json!({})), "kit.logos[0].file");

    // A logo and a font come beside it; what is neither is refused.
    let files = format!("/api/v1/kits/{id}/files");
    refused(&put(&server, &format!("{files}/logo.png"), b"nothing"), "body");
    refused(&put(&server, &format!("{files}/logo.svg"), &scene(8, 8, 0.5, 0.5)), "name");
    refused(&put(&server, &format!("{files}/..%2fx.png"), &scene(8, 8, 0.5, 0.5)), "name");
    assert_eq!(put(&server, &format!("{files}/logo.png"), &scene(80, 40, 0.5, 0.5)).status, 200);
    let rubik = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../layout/fonts/rubik.ttf")).unwrap();
    let font = put(&server, &format!("{files}/house.ttf"), &rubik).json();
    assert_eq!(font["families"][0], "Rubik", "{font}");
    assert_eq!(&server.get(&format!("{files}/logo.png")).body[1..4], b"PNG");

    // Version 1 never had the logo; version 2 takes it, and TOML says the same as JSON.
    let toml = made["toml"].as_str().unwrap();
    let second = server.post(&format!("/api/v1/kits/{id}/versions"), &json!({ "toml": toml, "after": 1 }));
    assert_eq!((second.status, &second.json()["findings"]), (201, &json!([])), "{}", second.text());
    assert_eq!(server.get("/api/v1/kits/House?version=1").json()["findings"][0]["field"], "logos[0].file");
    let late = server.post(&format!("/api/v1/kits/{id}/versions"), &json!({ "kit": house(), "after": 1 }));
    assert_eq!(late.status, 409, "{}", late.text());
    let mut other = house();
    other["name"] = json!("Other");
    refused(&server.post("/api/v1/kits/House/versions", &json!({ "kit": other })), "kit.name");
    let published = server.post(&format!("/api/v1/kits/{id}/versions/2/publish"), &json!({})).json();
    assert_eq!((&published["published"], &published["kit"]["status"]), (&json!(true), &json!("published")));
    let list = server.get("/api/v1/kits").json();
    assert_eq!(
        (&list[0]["newest"], &list[0]["published"], &list[0]["colours"][2]),
        (&json!(2), &json!(2), &json!("#163a5c"))
    );
    assert_eq!(server.get("/api/v1/kits/starter").json()["kit"]["fonts"][0]["family"], "Rubik");
    assert_eq!(server.get("/api/v1/kits/nothing").status, 404);
    assert_eq!(server.get("/api/v1/kits/House?version=9").status, 404);
}

#[test]
fn a_composition_is_a_picture_and_what_is_to_be_known_about_it() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let mut kit = house();
    kit["fonts"] =
        json!([{"role": "headline", "family": "Gone", "files": ["gone.ttf"]}, {"role": "body", "family": "Rubik"}]);
    assert_eq!(server.post("/api/v1/kits", &json!({ "kit": kit })).status, 201);
    let asset = upload(&server, &scene(600, 400, 0.75, 0.5));
    let texts = json!({ "headline": "Autumn is here", "subline": "Wool from the hills", "cta": "See it" });
    let ask =
        json!({ "asset": asset, "kit": "House", "channel": "meta.feed.link", "template": "words", "texts": texts });
    let reply = server.post("/api/v1/compose", &ask);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let picture = formats::picture::decode(&reply.body).unwrap();
    assert_eq!((picture.width, picture.height), (1200, 628));
    assert!(reply.headers.contains("calotype-findings: error="), "{}", reply.headers);
    assert_eq!(server.post("/api/v1/compose", &ask).body, reply.body, "equal requests give equal bytes");

    let preview = server.post("/api/v1/compose/preview", &ask).json();
    assert_eq!((&preview["width"], &preview["template"]), (&json!(1200), &json!("overlay.wide")));
    assert!(preview["picture"].as_str().unwrap().starts_with("data:image/jpeg;base64,"));
    let kinds = |preview: &Value| -> BTreeSet<String> {
        let found = preview["findings"].as_array().unwrap().iter();
        found.map(|finding| finding["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert!(kinds(&preview).contains("missing_font") && kinds(&preview).contains("no_logo"), "{preview}");
    assert_eq!(preview["kit_findings"][0]["field"], "fonts[0].files[0]");
    let told = preview["findings"].as_array().unwrap();
    let fonts = told.iter().filter(|finding| finding["kind"] == "missing_font").count();
    assert_eq!(fonts, 1, "what is said of two texts is said once: {preview}");
    assert!(preview["palette"]["findings"][0].as_str().unwrap().contains("covers"), "{preview}");
    assert!((0.0..=1.0).contains(&preview["palette"]["inside"].as_f64().unwrap()));

    // Words, glyphs and lengths that do not work are findings.
    let with = |change: Value| {
        let mut whole = ask.clone();
        whole.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        server.post("/api/v1/compose/preview", &whole)
    };
    let long = with(json!({ "texts": { "headline": "long ".repeat(200) } })).json();
    assert!(kinds(&long).contains("overlong"), "{long}");
    let odd = with(json!({ "texts": { "headline": "Herbst \u{1f342} 秋" } })).json();
    assert!(kinds(&odd).contains("missing_glyphs"), "{odd}");
    let crop = with(json!({ "template": "crop" })).json();
    assert_eq!((&crop["template"], kinds(&crop).contains("redrawn")), (&Value::Null, true), "{crop}");

    // Where the subject stands under the words, the template turns around; where it cannot, that is said.
    let left = upload(&server, &scene(600, 314, 0.25, 0.5));
    let turned = with(json!({ "asset": left })).json();
    assert!(kinds(&turned).contains("turned"), "{turned}");
    let story = json!({
        "asset": upload(&server, &scene(540, 960, 0.5, 0.3)), "channel": "meta.story",
        "texts": { "headline": "Autumn is here and wool keeps everybody warm again", "subline": "Wool from the hills", "cta": "See it" }
    });
    let covered = with(story).json();
    assert!(kinds(&covered).contains("on_subject"), "{covered}");
    assert_ne!(
        with(json!({ "channel": "meta.story", "safe_zone": true })).json()["picture"],
        with(json!({ "channel": "meta.story" })).json()["picture"]
    );

    // Rules that are not kept yet.
    let mut draft = house();
    draft["colours"][2]["value"] = json!("#00ff00");
    assert_ne!(with(json!({ "draft": draft })).json()["picture"], preview["picture"]);
    draft["colours"][2]["value"] = json!("green");
    refused(&with(json!({ "draft": draft })), "draft.colours[2].value");

    for (change, field) in [
        (json!({ "asset": "nothing" }), "asset"),
        (json!({ "kit": "nothing" }), "kit"),
        (json!({ "kit_version": 9 }), "kit_version"),
        (json!({ "channel": "meta.stori" }), "channel"),
        (json!({ "template": "nothing" }), "template"),
        (json!({ "focus": [0.5, 1.5] }), "focus"),
        (json!({ "width": 4 }), "width"),
        (json!({ "size": "10x10" }), "channel"),
        (json!({ "channel": null, "size": "0x10" }), "size"),
        (json!({ "channel": null, "size": "9000x10" }), "size"),
        (json!({ "texts": { "headline": "x".repeat(2001) } }), "texts.headline"),
        (json!({ "nothing": 1 }), "nothing"),
    ] {
        refused(&with(change), field);
    }
    let told = with(json!({ "channel": "meta.stori" })).text();
    assert!(told.contains("there is 'meta.story'"), "{told}");
    assert!(server.get("/api/v1/channels").json().as_array().unwrap().len() >= 27);
    assert_eq!(server.get("/api/v1/templates").json().as_array().unwrap().len(), 16);
    // A catalogue of one's own takes its place; one that is wrong says where.
    std::fs::write(folder.path().join("channels.toml"), "schema = 1\nchannels = [{ id = 1 }]\n").unwrap();
    refused(&server.get("/api/v1/channels"), "channels");
}

/// A campaign of two rows with drafts, of which two are picked; its id.
fn campaign(server: &Server) -> String {
    let brief = json!({
        "name": "Spring", "prompt": "a {thing}", "size": "32x32", "candidates": 2, "draft_preset": "draft", "preset": "standard",
        "texts": ["headline"], "seed": 7, "channels": ["meta.feed.1x1", "google.display.300x250"], "brand_kit": "House"
    });
    let wrong = json!({ "brief": { "name": "x", "prompt": "x", "channels": ["meta.feed.1x1", "meta.nowhere"] } });
    refused(&server.post("/api/v1/campaigns", &wrong), "brief.channels[1]");
    let rows = "id,thing,headline\nfox,fox,Hallo Köln\ncar,car,Salut\n";
    let made = server.post("/api/v1/campaigns", &json!({ "brief": brief, "csv": rows }));
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    draw(server, &id, "drafts");
    id
}

fn draw(server: &Server, id: &str, stage: &str) {
    let reply = server.post(&format!("/api/v1/campaigns/{id}/run"), &json!({ "stage": stage }));
    assert_eq!(reply.status, 202, "{}", reply.text());
    let begin = Instant::now();
    while server.get(&format!("/api/v1/campaigns/{id}")).json()["state"] == "running" {
        assert!(begin.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The kit without a logo, kept.
fn kept_kit(server: &Server) -> Value {
    let mut kit = house();
    kit["logos"] = json!([]);
    assert_eq!(server.post("/api/v1/kits", &json!({ "kit": kit })).status, 201);
    kit
}

/// The newest job of a batch.
fn newest(server: &Server, id: &str) -> Value {
    server.get(&format!("/api/v1/jobs?batch={id}&limit=1")).json()["jobs"][0].clone()
}

#[test]
fn a_final_has_the_words_of_its_draft_whatever_is_published_since() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let mut kit = kept_kit(&server);
    let id = campaign(&server);
    kit["prompt_words"] = json!(["hard light"]);
    assert_eq!(server.post("/api/v1/kits/House/versions", &json!({ "kit": kit })).status, 201);
    let published = server.post("/api/v1/kits/House/versions/2/publish", &json!({}));
    assert_eq!(published.status, 200, "{}", published.text());

    let grid = server.get(&format!("/api/v1/campaigns/{id}/candidates")).json()["candidates"].clone();
    server.post(&format!("/api/v1/campaigns/{id}/picks"), &json!({ "candidates": [grid[0]["id"]] }));
    draw(&server, &id, "finals");
    let last = newest(&server, &id);
    assert_eq!((&last["label"]["stage"], &last["label"]["kit_version"]), (&json!("finals"), &json!(1)), "{last}");
    assert!(last["request"]["prompt"].as_str().unwrap().ends_with(", soft light"), "{last}");

    // A campaign that begins now begins with what is in force.
    let brief = json!({ "name": "Later", "prompt": "a cup", "size": "32x32", "candidates": 1, "brand_kit": "House" });
    let dry = server.post("/api/v1/campaigns", &json!({ "brief": brief, "dry_run": 1 })).json();
    assert_eq!(dry["rows"][0]["prompt"], "a cup, hard light");
    let later = server.post("/api/v1/campaigns", &json!({ "brief": brief })).json()["id"].as_str().unwrap().to_owned();
    draw(&server, &later, "drafts");
    let first = newest(&server, &later);
    assert_eq!(first["label"]["kit_version"], 2, "{first}");
    assert!(first["request"]["prompt"].as_str().unwrap().ends_with(", hard light"), "{first}");
}

#[test]
fn a_campaign_is_delivered_as_its_manifest_says() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let kit = kept_kit(&server);
    assert_eq!(server.post("/api/v1/kits/House/versions", &json!({ "kit": kit })).status, 201);
    let id = campaign(&server);
    let path = format!("/api/v1/campaigns/{id}/delivery");
    // The kit's words were added to the prompts, and the job says which version they are of.
    let job = newest(&server, &id);
    assert!(job["request"]["prompt"].as_str().unwrap().ends_with(", soft light"), "{job}");
    assert_eq!((&job["label"]["kit"], &job["label"]["kit_version"]), (&json!("House"), &json!(2)), "{job}");

    refused(&server.post(&path, &json!({})), "picks");
    let grid = server.get(&format!("/api/v1/campaigns/{id}/candidates")).json()["candidates"].clone();
    let picks = json!({ "candidates": [grid[0]["id"], grid[3]["id"]] });
    assert_eq!(server.post(&format!("/api/v1/campaigns/{id}/picks"), &picks).json()["picked"], 2);
    refused(&server.post(&path, &json!({})), "picks");
    draw(&server, &id, "finals");

    let plan = server.post(&format!("{path}/plan"), &json!({ "check": 1 })).json();
    assert_eq!((&plan["picks"], &plan["files"], &plan["checked"]), (&json!(2), &json!(4), &json!(1)), "{plan}");
    assert_eq!((&plan["channels"][1]["template"], &plan["kit"]["version"]), (&json!("banner.300x250"), &json!(2)));
    assert!(plan["items"][0]["findings"].is_array() && plan["items"][3]["findings"].is_null(), "{plan}");

    let request = json!({
        "channels": ["meta.feed.1x1", "google.display.300x250", "meta.story"], "templates": { "*": "words", "meta.story": "overlay.story" },
        "texts": { "headline": "never seen", "cta": "See it" }, "names": "{asset}_{width}.{ext}", "safe_zones": true,
        "focus": { grid[0]["id"].as_str().unwrap(): [0.5, 0.2] }
    });
    let reply = server.post(&path, &request);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let mut zip = zip::ZipArchive::new(Cursor::new(&reply.body[..])).unwrap();
    let mut files = BTreeMap::new();
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(entry.name().unwrap().into_owned(), bytes);
    }
    let manifest = String::from_utf8(files.remove("manifest.csv").unwrap()).unwrap();
    assert!(files.remove("contact-sheet.pdf").unwrap().starts_with(b"%PDF"));
    let previews: Vec<String> = files.keys().filter(|name| name.starts_with("previews/")).cloned().collect();
    assert_eq!(previews.len(), 2, "{previews:?}");
    previews.iter().for_each(|name| drop(files.remove(name)));
    let mut lines = manifest.lines();
    let columns: Vec<&str> = lines.next().unwrap().split(',').collect();
    let column = |name: &str| columns.iter().position(|found| *found == name).unwrap();
    let caps = server.get("/api/v1/channels").json();
    let cap = |id: &str| {
        let all = caps.as_array().unwrap().iter();
        all.clone().find(|channel| channel["id"] == id).and_then(|channel| channel["max_bytes"].as_u64())
    };
    let mut seen = BTreeSet::new();
    for line in lines {
        // Findings stand last and may hold commas; what is asked for here stands before them.
        let cells: Vec<&str> = line.split(',').collect();
        let file = &files[cells[column("file")]];
        assert_eq!((cells[column("bytes")], cells[column("sha256")]), (&*file.len().to_string(), &*sha256_bytes(file)));
        let channel = cells[column("channel")];
        assert!(cap(channel).is_none_or(|cap| file.len() as u64 <= cap), "{line}");
        let image = image::load_from_memory(file).unwrap();
        assert_eq!(cells[column("width")], image.width().to_string());
        assert_eq!((cells[column("brand")], cells[column("brand_version")]), ("House", "2"));
        assert!(cells[column("file")].starts_with(&format!("{channel}/")), "{line}");
        seen.insert(cells[column("file")].to_owned());
    }
    assert_eq!(seen, files.keys().cloned().collect());
    assert!(seen.len() == 6 && seen.contains("google.display.300x250/fox-1_300.jpg"), "{seen:?}");
    assert!(manifest.contains("times by the network"), "{manifest}");
    let kept = server.get(&path).json();
    assert_eq!((&kept[0]["files"], &kept[0]["kit"], &kept[0]["kit_version"]), (&json!(6), &json!("House"), &json!(2)));
    assert_eq!(kept[0]["manifest_sha256"], sha256_bytes(manifest.as_bytes()));
    assert_eq!(server.post(&path, &request).body, reply.body, "equal requests give equal bytes");

    for (wrong, field) in [
        (json!({ "channels": ["meta.story", "nothing"] }), "channels[1]"),
        (json!({ "channels": ["meta.story", "meta.story"] }), "channels[1]"),
        (json!({ "templates": { "meta.story": "words" } }), "templates.meta.story"),
        (json!({ "templates": { "*": "nothing" } }), "templates.*"),
        (json!({ "kit": "nothing" }), "kit"),
        (json!({ "kit_version": 7 }), "kit_version"),
        (json!({ "names": "{nothing}.{ext}" }), "names"),
        (json!({ "names": "../{asset}.{ext}" }), "names"),
        (json!({ "picks": "best" }), "picks"),
        (json!({ "picks": "approved" }), "picks"),
        (json!({ "focus": { "nothing": [0, 0] } }), "focus.nothing"),
        (json!({ "format": "gif" }), "format"),
        (json!({ "channels": ["meta.story"], "texts": { "headline": "x" }, "check": 25 }), "check"),
        (json!({ "nothing": 1 }), "nothing"),
    ] {
        refused(&server.post(&path, &wrong), field);
    }
    assert_eq!(server.get(&path).json().as_array().unwrap().len(), 2);
    assert_eq!(server.post("/api/v1/campaigns/nothing/delivery", &json!({})).status, 404);
}

#[test]
fn pictures_are_measured_once_folded_and_told_apart() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let flat = formats::picture::encode(64, 64, &[200, 200, 200, 255].repeat(64 * 64), &[]).unwrap();
    let twin = upload(&server, &scene(200, 200, 0.3, 0.3));
    let ids = [
        upload(&server, &scene(300, 300, 0.3, 0.3)),
        upload(&server, &scene(200, 200, 0.7, 0.7)),
        upload(&server, &flat),
    ];
    let patch = [("content-type", "application/json")];
    server.request("PATCH", &format!("/api/v1/assets/{twin}"), &patch, br#"{"rating": 5}"#);
    let ask = |query: &str| server.get(&format!("/api/v1/assets/aids?kind=upload{query}"));
    let found = ask("&kit=starter&different=2").json();
    assert_eq!((&found["total"], &found["analysed"], &found["pending"]), (&json!(4), &json!(4), &json!(0)), "{found}");
    // The better rated twin leads, broken pictures stand in no group.
    assert_eq!(found["groups"][0], json!([twin, ids[0]]), "{found}");
    assert_eq!((&found["broken"], found["different"].as_array().unwrap().len()), (&json!([ids[2]]), 2));
    let of =
        |id: &str| found["pictures"].as_array().unwrap().iter().find(|picture| picture["asset"] == id).unwrap().clone();
    assert_eq!(
        (&of(&twin)["leads"], &of(&ids[0])["leads"], &of(&ids[2])["group"]),
        (&json!(true), &json!(false), &Value::Null)
    );
    assert!(of(&ids[2])["broken"][0].as_str().unwrap().starts_with("flat"));
    let one = of(&ids[1]);
    assert!(one["palette"]["distance"].as_f64().unwrap() > 0.0 && one["quiet"].as_f64().unwrap() > 0.5, "{one}");
    assert!(
        one["focus"]["x"].as_f64().unwrap() > 0.5 && ["left", "top"].contains(&one["side"].as_str().unwrap()),
        "{one}"
    );
    // Asked again, the same comes from what was kept.
    assert_eq!(ask("&kit=starter&different=2").json(), found);
    assert_eq!(ask("").json()["pictures"][0]["palette"], Value::Null);
    for (query, field) in
        [("&kit=nothing", "kit"), ("&different=0", "different"), ("&within=21", "within"), ("&nothing=1", "nothing")]
    {
        refused(&ask(query), field);
    }

    let id = campaign(&server);
    let aids = server.get(&format!("/api/v1/campaigns/{id}/aids?row=fox")).json();
    assert_eq!(
        (&aids["total"], &aids["kit"], &aids["pictures"][0]["row"]),
        (&json!(2), &Value::Null, &json!("fox")),
        "{aids}"
    );
    assert_eq!(server.get("/api/v1/campaigns/nothing/aids").status, 404);
    refused(&server.get(&format!("/api/v1/campaigns/{id}/aids?kit=nothing")), "kit");
}
