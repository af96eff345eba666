//! Bake-offs, from outside: two presets of the built-in model and pictures from outside are drawn, judged without names, and
//! ranked as the voters voted; bad input is named and nothing is kept; `kill -9` loses nothing and doubles nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde_json::{Value, json};

use crate::support::{PATIENCE, Reply, Server, one_at_a_time};

/// A picture of one colour.
fn upload(server: &Server, grey: u8) -> String {
    let mut png = Vec::new();
    let picture = image::GrayImage::from_pixel(48, 32, image::Luma([grey]));
    picture.write_to(&mut std::io::Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
    let reply = server.request("POST", "/api/v1/uploads", &[("content-type", "image/png")], &png);
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()["id"].as_str().unwrap().to_owned()
}

fn prompts() -> Value {
    json!([
        { "kind": "photoreal", "prompt": "a red fox" },
        { "kind": "photoreal", "prompt": "a blue car" },
        { "kind": "illustration", "prompt": "a green tree", "seed": 5 }
    ])
}

/// At 32 and 64 pixels, for which the model was not trained, pictures can be empty, and those of eight steps and 25 the same.
fn request(name: &str, pictures: &[String]) -> Value {
    json!({
        "name": name, "size": "96x96", "seed": 7, "prompts": prompts(),
        "contestants": [
            { "name": "draft", "model": "default", "preset": "draft" },
            { "name": "final", "model": "default", "preset": "final" },
            { "name": "theirs", "pictures": pictures, "seconds": 8, "cost": { "amount": "0.04", "currency": "EUR" } }
        ]
    })
}

fn wait(server: &Server, id: &str) -> Value {
    let begin = Instant::now();
    loop {
        let found = server.get(&format!("/api/v1/bakeoffs/{id}")).json();
        if found["waiting"] == 0 {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "it does not end: {found}");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

fn vote(server: &Server, id: &str, duel: &Value, verdict: &str, by: &str) -> Reply {
    let body = json!({ "left": duel["left"], "right": duel["right"], "verdict": verdict, "by": by });
    server.post(&format!("/api/v1/bakeoffs/{id}/votes"), &body)
}

#[test]
fn a_bake_off_is_drawn_judged_without_names_and_ranked() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let pictures: Vec<String> = [0, 128, 255].map(|grey| upload(&server, grey)).into();
    let plan = server.post("/api/v1/bakeoffs/plan", &request("x", &pictures)).json();
    assert_eq!((&plan["pictures"], &plan["duels"], &plan["currency"]), (&json!(6), &json!(9), &json!("EUR")));
    assert!(plan["seconds"].as_f64().unwrap() > 0.0);
    assert_eq!(server.get("/api/v1/bakeoffs").json()["total"], 0, "a plan keeps nothing");
    let made = server.post("/api/v1/bakeoffs", &request("Spring", &pictures));
    assert_eq!(made.status, 201, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let done = wait(&server, &id);
    assert_eq!((&done["done"], &done["failed"]), (&json!(9), &json!(0)), "{done}");
    // Every contestant draws a prompt with one seed, behind the jobs of people.
    let jobs = server.get(&format!("/api/v1/jobs?batch={id}&limit=50")).json();
    let jobs = jobs["jobs"].as_array().unwrap();
    assert_eq!(jobs.len(), 6);
    let mut seeds: BTreeMap<&str, BTreeSet<u64>> = BTreeMap::new();
    for job in jobs {
        assert_eq!((&job["priority"], &job["source"]), (&json!("batch"), &json!("bakeoff")));
        let prompt = job["request"]["prompt"].as_str().unwrap();
        seeds.entry(prompt).or_default().insert(job["request"]["seed"].as_u64().unwrap());
    }
    assert!(seeds.len() == 3 && seeds.values().all(|seeds| seeds.len() == 1), "{seeds:?}");
    assert_eq!(seeds["a green tree"], BTreeSet::from([5]));

    // Whose picture is whose is told to nobody; this test finds out by the pixels.
    let pixels = |url: &str| {
        let reply = server.get(url);
        assert!(reply.status == 200 && reply.headers.contains("image/webp"));
        assert!(["recipe", "default", "theirs", "parameters"].iter().all(|word| !reply.text().contains(word)), "{url}");
        image::load_from_memory(&reply.body).unwrap().to_rgb8().into_raw()
    };
    let of_asset = |url: &str| image::load_from_memory(&server.get(url).body).unwrap().to_rgb8().into_raw();
    let mut owners: BTreeMap<Vec<u8>, &str> = BTreeMap::new();
    for picture in &pictures {
        owners.insert(of_asset(&format!("/api/v1/assets/{picture}/file")), "theirs");
    }
    for job in jobs {
        let whole = server.get(&format!("/api/v1/jobs/{}", job["id"].as_str().unwrap())).json();
        let name = if job["request"]["preset"] == "draft" { "draft" } else { "final" };
        owners.insert(of_asset(whole["assets"][0]["url"].as_str().unwrap()), name);
    }
    let owner = |url: &str| *owners.get(&pixels(url)).unwrap_or_else(|| panic!("whose is {url}?"));

    // Both voters prefer finals to pictures from outside, and those to drafts.
    let rank = |name: &str| ["final", "theirs", "draft"].iter().position(|one| *one == name).unwrap();
    let mut lefts = BTreeSet::new();
    for voter in ["anna", "ben"] {
        let path = format!("/api/v1/bakeoffs/{id}/duels?count=4&by={voter}");
        let mut duels = server.get(&path).json();
        assert_eq!((&duels["total"], &duels["voted"], &duels["waiting"]), (&json!(9), &json!(0), &json!(0)));
        let text = duels.to_string();
        assert!(["\"final\"", "\"draft\"", "theirs", "default", "contestant"].iter().all(|word| !text.contains(word)));
        let mut seen = 0;
        while let Some(duel) = duels["duels"].get(0).cloned() {
            let (left, right) = (owner(duel["left_url"].as_str().unwrap()), owner(duel["right_url"].as_str().unwrap()));
            assert_ne!(left, right);
            lefts.insert((voter, left, right));
            let verdict = if rank(left) < rank(right) { "left" } else { "right" };
            let reply = vote(&server, &id, &duel, verdict, voter);
            assert_eq!(reply.status, 201, "{}", reply.text());
            duels = reply.json();
            seen += 1;
            assert_eq!(duels["voted"], seen);
        }
        assert_eq!(seen, 9);
    }
    assert!(lefts.iter().any(|(voter, left, right)| lefts.contains(&(voter, right, left))), "sides change: {lefts:?}");

    let report = server.get(&format!("/api/v1/bakeoffs/{id}/report")).json();
    assert_eq!((&report["votes"], &report["voters"]), (&json!(18), &json!(2)));
    let kinds: Vec<Option<&str>> =
        report["groups"].as_array().unwrap().iter().map(|one| one["kind"].as_str()).collect();
    assert_eq!(kinds, [None, Some("illustration"), Some("photoreal")]);
    for group in report["groups"].as_array().unwrap() {
        let names: Vec<&str> =
            group["contestants"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["final", "theirs", "draft"], "{group}");
    }
    let all = &report["groups"][0]["contestants"];
    assert_eq!((&all[0]["wins"], &all[0]["losses"], &all[2]["losses"]), (&json!(12), &json!(0), &json!(12)));
    let number = |i: usize, name: &str| all[i][name].as_f64().unwrap();
    assert!(number(0, "rating_low") > number(2, "rating_high"), "{all}");
    assert_eq!((&all[1]["seconds"], &all[1]["cost"], &all[1]["outside"]), (&json!(8.0), &json!("0.04"), &json!(true)));
    assert!(number(0, "seconds") > 0.0 && number(0, "seconds") < 8.0);
    // The best is on the front; pictures that are worse, slower and dearer than it are not.
    assert_eq!((&all[0]["pareto"], &all[1]["pareto"]), (&json!(true), &json!(false)), "{all}");

    // Undo gives the pair back, and a vote the other way moves the record.
    let undo = format!("/api/v1/bakeoffs/{id}/votes?by=anna");
    let back = server.request("DELETE", &undo, &[], b"").json();
    assert_eq!((&back["voted"], back["duels"].as_array().unwrap().len()), (&json!(8), 1));
    let duel = &back["duels"][0];
    assert_eq!(vote(&server, &id, duel, "neither", "anna").status, 201);
    let report = server.get(&format!("/api/v1/bakeoffs/{id}/report")).json();
    let bad: u64 =
        report["groups"][0]["contestants"].as_array().unwrap().iter().map(|one| one["bad"].as_u64().unwrap()).sum();
    assert_eq!(bad, 2);
    // The same pair once a voter; nothing to take back is said.
    assert_eq!(vote(&server, &id, duel, "left", "anna").status, 409);
    assert_eq!(server.request("DELETE", &undo.replace("anna", "carl"), &[], b"").status, 409);
    assert_eq!(server.request("DELETE", &format!("/api/v1/bakeoffs/{id}"), &[], b"").status, 204);
    assert_eq!(server.get(&format!("/api/v1/bakeoffs/{id}")).status, 404);
}

/// What makes a good request a bad one.
type Change<'a> = &'a dyn Fn(&mut Value);

#[test]
fn what_is_wrong_with_a_bake_off_is_named_and_nothing_is_kept() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let pictures: Vec<String> = [0, 1, 2].map(|grey| upload(&server, grey)).into();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut request = request("Bad", &pictures);
        change(&mut request);
        request
    };
    let cases: [(Change<'_>, &str); 24] = [
        (&|one| one["name"] = json!(""), "name"),
        (&|one| one["surprise"] = json!(1), "surprise"),
        (&|one| one["campaign"] = json!("nothing"), "campaign"),
        (&|one| one["project"] = json!("nothing"), "project"),
        (&|one| one["size"] = json!("0x9"), "size"),
        (&|one| one["prompts"] = json!([]), "prompts"),
        (&|one| one["prompts"][1]["prompt"] = json!(" "), "prompts[1].prompt"),
        (&|one| one["prompts"][1]["prompt"] = json!("x".repeat(40_000)), "prompts[1].prompt"),
        (&|one| one["prompts"][1]["kind"] = json!(""), "prompts[1].kind"),
        (&|one| one["prompts"][1]["seed"] = json!(-1), "prompts[1].seed"),
        (&|one| one["contestants"] = json!([one["contestants"][0]]), "contestants"),
        (&|one| one["contestants"][1]["name"] = json!("Draft"), "contestants[1].name"),
        (&|one| one["contestants"][1]["model"] = json!("nobody"), "contestants[1].model"),
        (&|one| one["contestants"][1]["preset"] = json!("quick"), "contestants[1].preset"),
        (&|one| one["contestants"][1]["cost"] = json!({ "amount": "1", "currency": "EUR" }), "contestants[1].cost"),
        (&|one| one["contestants"][1] = json!({ "name": "x" }), "contestants[1].model"),
        (&|one| one["contestants"][2]["pictures"] = json!([pictures[0]]), "contestants[2].pictures"),
        (&|one| one["contestants"][2]["pictures"][1] = json!("nothing"), "contestants[2].pictures[1]"),
        (&|one| one["contestants"][2]["seconds"] = json!(-1), "contestants[2].seconds"),
        (&|one| one["contestants"][2]["seconds"] = json!(null), "contestants[2].seconds"),
        (&|one| one["contestants"][2]["cost"]["amount"] = json!("-0.04"), "contestants[2].cost.amount"),
        (&|one| one["contestants"][2]["cost"]["currency"] = json!("USD"), "contestants[2].cost.currency"),
        (&|one| one["contestants"][2]["cost"] = json!(null), "contestants[2].cost"),
        (&|one| one["contestants"][2]["preset"] = json!("draft"), "contestants[2].preset"),
    ];
    for (change, expected) in cases {
        let request = changed(change);
        for path in ["/api/v1/bakeoffs", "/api/v1/bakeoffs/plan"] {
            let reply = server.post(path, &request);
            let told = reply.json();
            assert_eq!((reply.status, told["error"]["field"].as_str()), (400, Some(expected)), "{path} {told}");
        }
    }
    assert_eq!(server.get("/api/v1/bakeoffs").json()["total"], 0);
    assert_eq!(server.get("/api/v1/jobs").json()["total"], 0);

    let id = server.post("/api/v1/bakeoffs", &request("Good", &pictures)).json()["id"].as_str().unwrap().to_owned();
    let again = server.post("/api/v1/bakeoffs", &request("Good", &pictures));
    assert_eq!((again.status, &again.json()["error"]["field"]), (400, &json!("name")));
    wait(&server, &id);
    let duels = server.get(&format!("/api/v1/bakeoffs/{id}/duels?count=10")).json();
    let duel = duels["duels"][0].clone();
    let other = duels["duels"].as_array().unwrap().iter().find(|one| one["prompt"] != duel["prompt"]).unwrap();
    let field = |left: &Value, right: &Value, verdict: &str| {
        let reply = vote(&server, &id, &json!({ "left": left, "right": right }), verdict, "anna");
        assert_eq!(reply.status, 400, "{}", reply.text());
        reply.json()["error"]["field"].as_str().unwrap().to_owned()
    };
    assert_eq!(field(&json!("x"), &duel["right"], "left"), "left");
    assert_eq!(field(&duel["left"], &duel["left"], "left"), "right");
    assert_eq!(field(&duel["left"], &other["right"], "left"), "right");
    assert_eq!(field(&duel["left"], &duel["right"], "best"), "verdict");
    assert_eq!(vote(&server, &id, &duel, "left", "").status, 400);
    for path in ["duels?count=0", "duels?count=11", "pictures/x", "pictures/..%2f..%2fx"] {
        let status = server.get(&format!("/api/v1/bakeoffs/{id}/{path}")).status;
        assert!([400, 404].contains(&status), "{path}: {status}");
    }
    for path in ["nothing", "nothing/duels", "nothing/report"] {
        assert_eq!(server.get(&format!("/api/v1/bakeoffs/{path}")).status, 404, "{path}");
    }
}

#[test]
fn a_kill_loses_no_picture_of_a_bake_off_and_draws_none_twice() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let pictures: Vec<String> = [0, 1, 2].map(|grey| upload(&server, grey)).into();
    let id = server.post("/api/v1/bakeoffs", &request("Kill", &pictures)).json()["id"].as_str().unwrap().to_owned();
    let drawn = |server: &Server| server.get(&format!("/api/v1/assets?batch={id}&limit=50")).json()["total"].clone();
    for _ in 0..3 {
        // So that no job is hit three times: at least one ends between two kills.
        let before = drawn(&server);
        let begin = Instant::now();
        while drawn(&server) == before {
            assert!(begin.elapsed() < PATIENCE, "nothing is drawn after {before} pictures");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        server.kill();
        server = Server::start(folder.path());
    }
    let done = wait(&server, &id);
    assert_eq!((&done["done"], &done["failed"]), (&json!(9), &json!(0)), "{done}");
    assert_eq!(drawn(&server), 6);
}
