//! Campaigns, from outside: a brief becomes drafts, picks, finals and a review; bad input changes nothing; `kill -9` loses
//! nothing and doubles nothing; a share link opens one campaign and no more.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{PATIENCE, Reply, Server, one_at_a_time};

/// A brief whose pictures take hardly any time.
fn brief(name: &str) -> Value {
    json!({
        "name": name, "prompt": "a {thing} in {city}", "size": "32x32", "candidates": 2,
        "draft_preset": "draft", "preset": "standard", "texts": ["headline"], "seed": 7
    })
}

fn create(server: &Server, brief: Value, csv: &str) -> String {
    let reply = server.post("/api/v1/campaigns", &json!({ "brief": brief, "csv": csv }));
    assert_eq!(reply.status, 201, "{}", reply.text());
    reply.json()["id"].as_str().unwrap().to_owned()
}

fn run(server: &Server, id: &str, stage: &str) -> Value {
    let reply = server.post(&format!("/api/v1/campaigns/{id}/run"), &json!({ "stage": stage }));
    assert_eq!(reply.status, 202, "{}", reply.text());
    reply.json()
}

fn campaign(server: &Server, id: &str) -> Value {
    server.get(&format!("/api/v1/campaigns/{id}")).json()
}

/// Waits until a campaign does not run any more.
fn wait(server: &Server, id: &str) -> Value {
    let begin = Instant::now();
    loop {
        let found = campaign(server, id);
        if found["state"] != "running" {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "it does not end: {found}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn candidates(server: &Server, id: &str, query: &str) -> Vec<Value> {
    let reply = server.get(&format!("/api/v1/campaigns/{id}/candidates?limit=200&{query}")).json();
    reply["candidates"].as_array().unwrap().clone()
}

fn csv(server: &Server, path: &str, bytes: &[u8]) -> Reply {
    server.request("POST", path, &[("content-type", "text/csv")], bytes)
}

#[test]
fn a_brief_becomes_drafts_picks_finals_and_a_review() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let rows = "id,thing,city,headline\nfox,fox,Köln,Hallo\ncar,car,Paris,Salut\n";
    let dry = json!({ "brief": brief("Spring"), "csv": rows, "dry_run": 1 });
    let dry = server.post("/api/v1/campaigns", &dry).json();
    assert_eq!((&dry["rows"][0]["prompt"], &dry["total"]), (&json!("a fox in Köln"), &json!(2)));
    assert!(dry["rows"].as_array().unwrap().len() == 1 && dry["plan"]["drafts"] == 4, "{dry}");
    let wrong = json!({ "brief": brief("Spring"), "csv": format!("{rows}cup,cup,,\n"), "dry_run": 1 });
    let wrong = server.post("/api/v1/campaigns", &wrong).json();
    assert_eq!((&wrong["errors"][0]["row"], &wrong["errors"][0]["column"]), (&json!(3), &json!("city")), "{wrong}");
    assert_eq!((&wrong["plan"], &server.get("/api/v1/campaigns").json()["total"]), (&Value::Null, &json!(0)));
    let id = create(&server, brief("Spring"), rows);
    let plan = server.post(&format!("/api/v1/campaigns/{id}/plan"), &json!({})).json();
    assert_eq!((&plan["rows"], &plan["drafts"], &plan["finals"]), (&json!(2), &json!(4), &json!(2)));
    assert!(plan["draft_seconds"].as_f64().unwrap() > 0.0 && plan["fits"] == true, "{plan}");
    assert_eq!(plan["draft_seconds"], dry["plan"]["draft_seconds"]);
    assert_eq!((&plan["drafts_left"]["pictures"], &plan["finals_left"]["pictures"]), (&json!(4), &json!(0)));
    assert_eq!(run(&server, &id, "drafts")["pending"], 2);
    let done = wait(&server, &id);
    assert_eq!((&done["state"], &done["pictures"], &done["jobs"]), (&json!("ready"), &json!(4), &json!(2)), "{done}");
    // Asked for again, nothing is drawn twice.
    assert_eq!(run(&server, &id, "drafts")["pending"], 0);
    let grid = candidates(&server, &id, "");
    let told: Vec<(&str, u64)> =
        grid.iter().map(|one| (one["row"].as_str().unwrap(), one["position"].as_u64().unwrap())).collect();
    assert_eq!(told, [("fox", 0), ("fox", 1), ("car", 0), ("car", 1)]);
    let seed = campaign::seed("7", "fox", 1);
    assert_eq!(grid[1]["seed"].as_u64(), Some(seed));

    let pick = grid[1]["id"].as_str().unwrap();
    let path = format!("/api/v1/campaigns/{id}/picks");
    let none = server.post(&format!("/api/v1/campaigns/{id}/run"), &json!({ "stage": "finals" }));
    assert_eq!((none.status, &none.json()["error"]["field"]), (400, &json!("stage")));
    let picks = json!({ "candidates": [pick], "by": "anna" });
    assert_eq!(server.post(&path, &picks).json()["picked"], 1);
    let plan = server.post(&format!("/api/v1/campaigns/{id}/plan"), &json!({})).json();
    assert_eq!((&plan["drafts_left"]["pictures"], &plan["finals_left"]["pictures"]), (&json!(0), &json!(1)));
    let found = server.get(&format!("/api/v1/campaigns/{id}/rows?picked=true&drafts=true&search=K%C3%B6ln")).json();
    assert_eq!((&found["total"], &found["rows"][0]["drafts"][1]["id"]), (&json!(1), &json!(pick)), "{found}");
    assert_eq!(server.get(&format!("/api/v1/campaigns/{id}/rows?picked=false&search=Salut")).json()["total"], 1);
    assert_eq!(run(&server, &id, "finals")["pending"], 1);
    wait(&server, &id);
    let picked = candidates(&server, &id, "picked=true");
    let asset = server.get(&format!("/api/v1/assets/{}", picked[0]["final"].as_str().unwrap())).json();
    // The final is what a job of its own with this seed and preset draws, to the bit.
    assert_eq!(asset["seed"].as_u64(), Some(seed));
    let alone = json!({ "prompt": "a fox in Köln", "seed": seed, "size": "32x32", "preset": "standard" });
    let alone = server.post("/api/v1/jobs", &alone).json();
    let alone = server.wait(alone["id"].as_str().unwrap());
    assert_eq!(alone["assets"][0]["sha256"], asset["sha256"]);

    let review = |state: &str| {
        server.post(&format!("/api/v1/candidates/{pick}/review"), &json!({ "state": state, "by": "ben", "note": "x" }))
    };
    assert_eq!(review("approved").status, 409);
    assert_eq!(review("in_review").json()["state"], "in_review");
    let comment = json!({ "x": 0.25, "y": 1, "text": "more sky", "by": "ben" });
    assert_eq!(server.post(&format!("/api/v1/candidates/{pick}/comments"), &comment).status, 201);
    let lock = |locked: bool, by: &str| {
        let body = json!({ "locked": locked, "by": by }).to_string();
        let json = [("content-type", "application/json")];
        server.request("PUT", &format!("/api/v1/candidates/{pick}/lock"), &json, body.as_bytes()).status
    };
    assert_eq!((lock(true, "anna"), lock(true, "ben"), review("approved").status), (200, 409, 409));
    assert_eq!((lock(false, "anna"), review("approved").status), (200, 200));
    assert_eq!(server.post(&path, &json!({ "candidates": [pick], "picked": false })).status, 409);
    let whole = server.get(&format!("/api/v1/candidates/{pick}")).json();
    assert_eq!((&whole["comments"][0]["x"], &whole["history"][1]["who"]), (&json!(0.25), &json!("ben")));
    assert_eq!(whole["next"], json!(["changes_asked", "archived"]));

    let (left, right) = (&grid[0]["asset"], &grid[1]["asset"]);
    let vote = json!({ "left": left, "right": right, "outcome": "right", "by": "anna" });
    assert_eq!(server.post(&format!("/api/v1/campaigns/{id}/votes"), &vote).status, 201);
    let pulse = json!({ "score": 4, "reason": "colours" });
    assert_eq!(server.post(&format!("/api/v1/campaigns/{id}/pulses"), &pulse).json()["who"], "local");
    let report = server.get(&format!("/api/v1/campaigns/{id}/report")).json();
    assert_eq!((&report["drafts"]["done"], &report["finals"]["done"]), (&json!(2), &json!(1)));
    assert_eq!((&report["review"]["approved"], &report["votes"]), (&json!(1), &json!(1)));
    assert_eq!((&report["satisfaction"]["mean"], &report["pictures"]), (&json!(4.0), &json!(5)));
    assert!(report["approval_seconds"].as_f64().is_some() && report["cost_per_approved"].is_string(), "{report}");
}

#[test]
fn pause_resume_cancel_and_budget() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let rows: String = (0..40).map(|i| format!("fox,city {i},\n")).collect();
    let rows = format!("thing,city,headline\n{rows}");
    let id = create(&server, brief("a"), &rows);
    let go = |id: &str, what: &str| server.post(&format!("/api/v1/campaigns/{id}/{what}"), &json!({}));
    assert_eq!(go(&id, "pause").json()["state"], "ready");
    run(&server, &id, "drafts");
    assert_eq!(go(&id, "pause").json()["state"], "paused");
    assert_eq!(server.get("/api/v1/queue").json()["waiting"], json!([]));
    assert_eq!(go(&id, "resume").json()["state"], "running");
    assert_eq!(wait(&server, &id)["pictures"], 80);
    let jobs = server.get(&format!("/api/v1/jobs?batch={id}&state=done&limit=1")).json();
    assert_eq!(jobs["total"], 40);

    let id = create(&server, brief("b"), &rows);
    run(&server, &id, "drafts");
    assert_eq!(go(&id, "cancel").json()["state"], "cancelled");
    assert_eq!(go(&id, "resume").status, 409);
    assert!(run(&server, &id, "drafts")["pending"].as_i64().unwrap() > 0);
    assert_eq!(wait(&server, &id)["state"], "ready");
    assert_eq!(candidates(&server, &id, "").len(), 80);

    // Money for half a row: it stops before the first, says why, and goes on when the machine costs nothing.
    let plan = |id: &str| server.post(&format!("/api/v1/campaigns/{id}/plan"), &json!({})).json();
    let price = |price: f64| {
        let body = json!({ "price_per_hour": price, "currency": "EUR" }).to_string();
        let json = [("content-type", "application/json")];
        assert_eq!(server.request("PUT", "/api/v1/settings", &json, body.as_bytes()).status, 200);
    };
    price(100.0);
    let one: f64 = plan(&id)["draft_cost"].as_str().unwrap().parse::<f64>().unwrap() / 40.0;
    let mut rich = brief("c");
    rich["budget"] = json!({ "amount": format!("{:.6}", one * 0.5), "currency": "EUR" });
    let id = create(&server, rich, &rows);
    assert_eq!(plan(&id)["fits"], false);
    run(&server, &id, "drafts");
    let stopped = wait(&server, &id);
    assert_eq!(stopped["state"], "stopped", "{stopped}");
    assert!(stopped["reason"].as_str().unwrap().contains("budget"), "{stopped}");
    let report = server.get(&format!("/api/v1/campaigns/{id}/report")).json();
    assert_eq!((&report["drafts"]["pending"], &report["pictures"]), (&json!(40), &json!(0)), "{report}");
    price(0.0);
    assert_eq!(go(&id, "resume").status, 200);
    assert_eq!(wait(&server, &id)["state"], "ready");
    assert_eq!(candidates(&server, &id, "").len(), 80);
}

/// Rows of the campaign that is killed.
const ROWS: usize = 500;
/// How often.
const KILLS: u64 = 6;

#[test]
fn kills_lose_no_row_and_double_none() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let mut server = Server::start(folder.path());
    let rows: String = (0..ROWS).map(|i| format!("r{i},fox,city {i},\n")).collect();
    let mut small = brief("killed");
    small["candidates"] = json!(1);
    let id = create(&server, small, &format!("id,thing,city,headline\n{rows}"));
    run(&server, &id, "drafts");
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for kill in 1..=KILLS {
        // At least so many are done, so that every kill hits the work at another place.
        let begin = Instant::now();
        while campaign(&server, &id)["jobs"].as_u64().unwrap() < kill * 50 {
            assert!(begin.elapsed() < PATIENCE, "nothing is drawn");
            std::thread::sleep(Duration::from_millis(5));
        }
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        std::thread::sleep(Duration::from_millis(random % 60));
        server.kill();
        server = Server::start(folder.path());
    }
    let done = wait(&server, &id);
    assert_eq!((&done["state"], &done["jobs"], &done["pictures"]), (&json!("ready"), &json!(ROWS), &json!(ROWS)));
    let total = |what: &str| server.get(what).json()["total"].as_u64().unwrap() as usize;
    assert_eq!(total(&format!("/api/v1/jobs?batch={id}&limit=1")), ROWS);
    assert_eq!(total(&format!("/api/v1/jobs?batch={id}&state=done&limit=1")), ROWS);
    assert_eq!(total(&format!("/api/v1/assets?batch={id}&limit=1")), ROWS);
    let mut seen = BTreeSet::new();
    for offset in (0..ROWS).step_by(200) {
        for one in candidates(&server, &id, &format!("offset={offset}")) {
            assert!(seen.insert(one["row"].as_str().unwrap().to_owned()), "{one}");
            assert_eq!(one["seed"].as_u64(), Some(campaign::seed("7", one["row"].as_str().unwrap(), 0)));
        }
    }
    assert_eq!(seen.len(), ROWS);
}

#[test]
fn a_share_link_opens_one_campaign_and_no_more() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let key = "a-key-of-enough-bytes";
    let server = Server::start_with(folder.path(), Some(key));
    let bearer = format!("Bearer {key}");
    let with_key = |method: &str, path: &str, body: &Value| {
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        server.request(method, path, &headers, body.to_string().as_bytes())
    };
    let rows = "thing,city,headline\nfox,Bern,\n";
    let mut picks = Vec::new();
    for name in ["mine", "theirs"] {
        let made = with_key("POST", "/api/v1/campaigns", &json!({ "brief": brief(name), "csv": rows })).json();
        let id = made["id"].as_str().unwrap().to_owned();
        with_key("POST", &format!("/api/v1/campaigns/{id}/run"), &json!({ "stage": "drafts" }));
        let begin = Instant::now();
        while with_key("GET", &format!("/api/v1/campaigns/{id}"), &json!({})).json()["state"] == "running" {
            assert!(begin.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(20));
        }
        let grid = with_key("GET", &format!("/api/v1/campaigns/{id}/candidates"), &json!({})).json();
        let ids: Vec<String> =
            grid["candidates"].as_array().unwrap().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
        with_key("POST", &format!("/api/v1/campaigns/{id}/picks"), &json!({ "candidates": [ids[0]] }));
        picks.push((id, ids));
    }
    let (mine, own) = &picks[0];
    let made = with_key("POST", &format!("/api/v1/campaigns/{mine}/links"), &json!({ "label": "agency" })).json();
    let path = made["path"].as_str().unwrap();
    let status = |method: &str, path: &str| server.request(method, path, &[], b"").status;
    assert_eq!(server.get(path).json()["name"], "mine");
    let seen = server.get(&format!("{path}/candidates")).json();
    assert_eq!((&seen["total"], &seen["candidates"][0]["id"]), (&json!(1), &json!(own[0])));
    let told = seen.to_string();
    assert!(!told.contains("fox") && !told.contains("seed"), "{told}");
    let picture = server.get(&format!("{path}/candidates/{}/picture", own[0]));
    assert_eq!((picture.status, &picture.body[8..12]), (200, b"WEBP".as_slice()));
    assert!(!picture.body.windows(6).any(|six| six == b"prompt"));
    let say = |id: &str, body: &Value| {
        let json = [("content-type", "application/json")];
        server.request("POST", &format!("{path}/candidates/{id}/comments"), &json, body.to_string().as_bytes())
    };
    let comment = json!({ "x": 0.5, "y": 0.5, "text": "nice" });
    assert_eq!(say(&own[0], &comment).json()["author"], "agency");
    assert_eq!(server.get(&format!("{path}/candidates/{}/comments", own[0])).json()[0]["shared"], true);
    // Not what nobody picked, not what belongs to others, nothing else, and not in another way.
    for other in [&own[1], &picks[1].1[0]] {
        assert_eq!(say(other, &comment).status, 404);
        assert_eq!(status("GET", &format!("{path}/candidates/{other}/picture")), 404);
    }
    for bad in
        [json!({ "x": 2, "y": 0, "text": "a" }), json!({ "x": 0, "y": 0, "text": "" }), json!({ "x": 0, "y": 0 })]
    {
        assert_eq!(say(&own[0], &bad).status, 400, "{bad}");
    }
    for closed in ["/api/v1/campaigns", "/api/v1/assets", "/api/v1/jobs", "/api/v1/shared", "/api/v1/shared/"] {
        assert_eq!(status("GET", closed), 401, "{closed}");
    }
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        assert_eq!(status(method, path), 405, "{method}");
    }
    for wandering in ["/../../campaigns", "/..%2f..%2fcampaigns", "//api/v1/campaigns", "/candidates/../../../jobs"] {
        assert_eq!(status("GET", &format!("{path}{wandering}")), 404, "{wandering}");
    }
    // A key opens nothing here: only the token of a link does.
    assert_eq!(with_key("GET", "/api/v1/shared/x", &json!({})).status, 401);
    let token = made["token"].as_str().unwrap();
    let as_key = format!("Bearer {token}");
    assert_eq!(server.request("GET", "/api/v1/campaigns", &[("authorization", &as_key)], b"").status, 401);
    let link = made["link"]["id"].as_str().unwrap();
    let listed = with_key("GET", &format!("/api/v1/campaigns/{mine}/links"), &json!({})).text();
    assert!(!listed.contains(token), "{listed}");
    assert_eq!(with_key("DELETE", &format!("/api/v1/campaigns/{}/links/{link}", picks[1].0), &json!({})).status, 404);
    assert_eq!(with_key("DELETE", &format!("/api/v1/campaigns/{mine}/links/{link}"), &json!({})).status, 204);
    assert_eq!(status("GET", path), 401);
}

#[test]
fn bad_input_is_named_and_changes_nothing() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let refuse = |path: &str, body: &Value, field: &str| {
        let reply = server.post(path, body);
        let shown: String = body.to_string().chars().take(200).collect();
        assert_eq!((reply.status, &reply.json()["error"]["field"]), (400, &json!(field)), "{shown}: {}", reply.text());
    };
    let changed = |field: &str, value: Value| {
        let mut brief = brief("bad");
        brief[field] = value;
        json!({ "brief": brief, "csv": "thing,city,headline\nfox,Bern,\n" })
    };
    let huge = json!("x".repeat(10 << 20));
    let numbers =
        [json!(-1), json!(0), json!(65), json!(i64::MAX), json!(1e308), json!(0.5), json!("2"), json!([]), json!({})];
    for value in numbers {
        refuse("/api/v1/campaigns", &changed("candidates", value), "brief.candidates");
    }
    let texts = [
        "name",
        "audience",
        "prompt",
        "negative",
        "style",
        "model",
        "draft_preset",
        "preset",
        "size",
        "deadline",
        "brand_kit",
    ];
    for field in texts {
        for value in [json!(1), json!([]), json!({}), json!(true), huge.clone(), json!("a\u{0}b")] {
            refuse("/api/v1/campaigns", &changed(field, value), &format!("brief.{field}"));
        }
    }
    for (field, value, told) in [
        ("name", json!(""), "name"),
        ("model", json!("nothing"), "model"),
        ("model", json!("../x"), "model"),
        ("preset", json!("best"), "preset"),
        ("draft_preset", json!("lcm"), "draft_preset"),
        ("size", json!("4096x4096"), "size"),
        ("size", json!("x"), "size"),
        ("seed", json!(-1), "seed"),
        ("seed", json!(1e30), "seed"),
        ("channels", json!("meta"), "channels"),
        ("channels", json!(["a", "a"]), "channels[1]"),
        ("deadline", json!("2027-13-01"), "deadline"),
        ("budget", json!({ "amount": "-5", "currency": "EUR" }), "budget.amount"),
        ("budget", json!({ "amount": "1e999", "currency": "EUR" }), "budget.amount"),
        ("budget", json!({ "amount": "5", "currency": "USD" }), "budget.currency"),
        ("budget", json!({ "amount": 5, "currency": "EUR" }), "budget.amount"),
        ("slots", json!({ "nothing": ["x"] }), "slots.nothing"),
        ("slots", json!({ "city": [] }), "slots.city"),
        ("slots", json!({ "city": "x" }), "slots.city"),
        ("texts", json!(["a b"]), "texts[0]"),
        ("prompt", json!("a {"), "prompt"),
        ("style", json!("a }"), "style"),
    ] {
        refuse("/api/v1/campaigns", &changed(field, value), &format!("brief.{told}"));
    }
    refuse("/api/v1/campaigns", &json!({ "brief": { "name": "x", "nam": 1 } }), "brief.nam");
    refuse("/api/v1/campaigns", &json!({ "brief": {} }), "brief.name");
    refuse("/api/v1/campaigns", &json!({ "brief": brief("x"), "project": "nothing" }), "project");
    for first in [json!(0), json!(201), json!(-1), json!("x")] {
        refuse("/api/v1/campaigns", &json!({ "brief": brief("x"), "dry_run": first }), "dry_run");
    }
    for bad in [
        "thing,city\nfox,Bern\n",
        "thing,city,headline,price\nfox,Bern,,1\n",
        "thing,city,headline\nfox,Bern,\nfox\n",
        "thing,city,headline\nfox,Bern,\n,Bern,\n",
        "thing,city,headline\nfox,\"Bern,\n",
        "",
    ] {
        refuse("/api/v1/campaigns", &json!({ "brief": brief("x"), "csv": bad }), "rows");
    }
    assert_eq!(server.get("/api/v1/campaigns").json()["total"], 0, "nothing is half imported");

    let id = create(&server, brief("good"), "thing,city,headline\nfox,Bern,\n");
    let again = json!({ "brief": brief("good"), "csv": "thing,city,headline\nfox,Bern,\n" });
    refuse("/api/v1/campaigns", &again, "brief.name");
    let rows = format!("/api/v1/campaigns/{id}/rows");
    let wrong = csv(&server, &rows, b"thing,city,headline\nfox,Bern,\ncat,\xff\xfe,\n\0,Bern,\n");
    let told = wrong.json();
    assert_eq!((wrong.status, &told["error"]["code"]), (400, &json!("invalid_rows")), "{told}");
    assert_eq!((&told["error"]["rows"][0]["row"], &told["error"]["rows"][0]["column"]), (&json!(2), &json!("city")));
    assert_eq!((&told["error"]["rows"][1]["line"], &told["error"]["rows"][1]["column"]), (&json!(4), &json!("thing")));
    let many: String = (0..50_001).map(|_| "a,b,\n").collect();
    let many = csv(&server, &rows, format!("thing,city,headline\n{many}").as_bytes());
    assert!(many.status == 400 && many.text().contains("50000"), "{}", many.text());
    assert_eq!(csv(&server, &format!("{rows}?dry_run=0"), b"").status, 400);
    assert_eq!(csv(&server, &format!("{rows}?nothing=1"), b"").status, 400);
    assert_eq!(csv(&server, "/api/v1/campaigns/nothing/rows", b"a\n").status, 404);
    for kind in ["text/plain", "multipart/form-data; boundary=x", "application/x-www-form-urlencoded", ""] {
        assert_eq!(server.request("POST", &rows, &[("content-type", kind)], b"a").status, 415, "{kind}");
    }
    assert_eq!(campaign(&server, &id)["rows"], 1, "nothing is half imported");
    let utf16: Vec<u8> = "\u{feff}thing,city,headline\nkot,Łódź,\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(csv(&server, &rows, &utf16).json()["added"], 1);
    let listed = server.get(&format!("{rows}?offset=1")).json();
    assert_eq!((&listed["rows"][0]["prompt"], &listed["total"]), (&json!("a kot in Łódź"), &json!(2)));

    let own = |what: &str| format!("/api/v1/campaigns/{id}/{what}");
    for stage in [json!("all"), json!(1), json!(null)] {
        refuse(&own("run"), &json!({ "stage": stage }), "stage");
    }
    refuse(&own("picks"), &json!({ "candidates": [] }), "candidates");
    refuse(&own("picks"), &json!({ "candidates": vec!["x"; 1001] }), "candidates");
    refuse(&own("picks"), &json!({ "candidates": ["x"], "by": "" }), "by");
    refuse(&own("links"), &json!({ "label": "" }), "label");
    refuse(&own("votes"), &json!({ "left": "a", "right": "a", "outcome": "tie" }), "right");
    refuse(&own("votes"), &json!({ "left": "a", "right": "b", "outcome": "tie" }), "left");
    refuse(&own("votes"), &json!({ "left": "a", "right": "b", "outcome": "won" }), "outcome");
    for days in [json!(0), json!(366), json!(-1), json!(1e9)] {
        refuse(&own("links"), &json!({ "label": "x", "days": days }), "days");
    }
    for score in [json!(0), json!(6), json!(-1), json!(256), json!(4.5), json!("4")] {
        refuse(&own("pulses"), &json!({ "score": score }), "score");
    }
    refuse(&own("pulses"), &json!({ "score": 4, "reason": "x".repeat(65) }), "reason");
    for (path, body) in [
        (own("picks"), json!({ "candidates": ["x"] })),
        ("/api/v1/campaigns/nothing/run".into(), json!({ "stage": "drafts" })),
        ("/api/v1/campaigns/nothing/plan".into(), json!({})),
        ("/api/v1/campaigns/nothing/pause".into(), json!({})),
        ("/api/v1/campaigns/nothing/links".into(), json!({ "label": "x" })),
        ("/api/v1/campaigns/nothing/pulses".into(), json!({ "score": 4 })),
        ("/api/v1/candidates/nothing/review".into(), json!({ "state": "approved" })),
        ("/api/v1/candidates/nothing/comments".into(), json!({ "x": 0, "y": 0, "text": "x" })),
    ] {
        assert_eq!(server.post(&path, &body).status, 404, "{path}");
    }
    for (path, field) in [
        (own("candidates?limit=0"), "limit"),
        (own("candidates?state=good"), "state"),
        (own("candidates?picked=2"), "picked"),
        (own("rows?state=good"), "state"),
        (own("rows?limit=201"), "limit"),
        ("/api/v1/campaigns?offset=-1".into(), "offset"),
    ] {
        let reply = server.get(&path);
        assert!(reply.status == 400 && reply.text().contains(field), "{path}: {}", reply.text());
    }
    assert_eq!(server.get("/api/v1/campaigns").json()["total"], 1);
}

#[test]
fn a_deleted_campaign_leaves_its_pictures_if_they_are_wanted() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let rows = "thing,city,headline\nfox,Bern,x\ncar,Bern,x\n";
    let delete = |id: &str, query: &str| server.request("DELETE", &format!("/api/v1/campaigns/{id}{query}"), &[], b"");
    let drawn = |id: &str| server.get(&format!("/api/v1/assets?batch={id}")).json();
    let [kept, gone] = ["kept", "gone"].map(|name| {
        let id = create(&server, brief(name), rows);
        run(&server, &id, "drafts");
        wait(&server, &id);
        id
    });
    assert_eq!(delete(&kept, "").json(), json!({ "removed": 0, "kept": 4 }));
    let favourite = drawn(&gone)["assets"][0]["id"].as_str().unwrap().to_owned();
    let json = [("content-type", "application/json")];
    server.request("PATCH", &format!("/api/v1/assets/{favourite}"), &json, br#"{"favourite": true}"#);
    assert_eq!(delete(&gone, "?pictures=true").json(), json!({ "removed": 3, "kept": 1 }));
    assert_eq!((&drawn(&kept)["total"], &drawn(&gone)["total"]), (&json!(4), &json!(1)));
    assert_eq!((delete(&gone, "").status, server.get(&format!("/api/v1/campaigns/{gone}")).status), (404, 404));

    // One that is being drawn ends first; its name is free again.
    let many: String = (0..60).map(|i| format!("fox,city {i},x\n")).collect();
    let id = create(&server, brief("gone"), &format!("thing,city,headline\n{many}"));
    run(&server, &id, "drafts");
    assert_eq!(delete(&id, "?pictures=true").status, 200);
    let left = server.get("/api/v1/queue").json();
    assert_eq!((&left["waiting"], &drawn(&id)["total"]), (&json!([]), &json!(0)), "{left}");
    create(&server, brief("gone"), rows);
}

#[test]
fn a_link_opens_a_page_and_nothing_beside_it() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let key = "a-key-of-enough-bytes";
    let server = Server::start_with(folder.path(), Some(key));
    let bearer = format!("Bearer {key}");
    let with_key = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let body = json!({ "brief": brief("Spring"), "csv": "thing,city,headline\nfox,Bern,x\n" }).to_string();
    let made = server.request("POST", "/api/v1/campaigns", &with_key, body.as_bytes()).json();
    let links = format!("/api/v1/campaigns/{}/links", made["id"].as_str().unwrap());
    let link = server.request("POST", &links, &with_key, br#"{"label": "agency"}"#).json();
    let page = link["page"].as_str().unwrap();
    let found = server.get(page);
    assert!(found.status == 200 && found.text().contains("shared.js"), "{}", found.headers);
    assert!(
        found.headers.contains("content-security-policy: default-src 'none'; script-src 'self';"),
        "{}",
        found.headers
    );
    for part in ["shared.js", "style.css", "pins.js", "dom.js"] {
        assert_eq!(server.get(&format!("{page}{part}")).status, 200, "{part}");
    }
    assert_eq!(server.get(page.trim_end_matches('/')).status, 303);
    for (other, status) in [("main.js", 404), ("index.html", 404), ("../../api/v1/jobs", 404), ("shared.js/x", 404)] {
        assert_eq!(server.get(&format!("{page}{other}")).status, status, "{other}");
    }
    assert_eq!(server.request("POST", page, &[], b"").status, 405);
    let id = link["link"]["id"].as_str().unwrap();
    assert_eq!(server.request("DELETE", &format!("{links}/{id}"), &with_key, b"").status, 204);
    for path in [page.to_owned(), format!("{page}shared.js"), "/shared/x/".into()] {
        let over = server.get(&path);
        assert!(over.status == 401 && over.text().contains("opens nothing any more"), "{path}: {}", over.status);
        assert!(!over.headers.contains("www-authenticate") && !over.headers.contains("unsafe"), "{}", over.headers);
    }
}
