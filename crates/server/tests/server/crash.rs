//! `kill -9` at random moments loses nothing and doubles nothing (P11). With `CALOTYPE_RUNS` a run is kept as CSV in that folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::load::record;
use crate::support::{Server, one_at_a_time, small};

/// Kills; `CALOTYPE_KILLS` for a longer run.
const KILLS: u64 = 20;
/// Rows that are read at once.
const PAGE: u32 = 500;

#[test]
fn kills_lose_nothing_and_double_nothing() {
    let _one = one_at_a_time();
    let kills = std::env::var("CALOTYPE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let folder = tempfile::tempdir().unwrap();
    // What was accepted: job by its seed; the same seed is one of few, so that pixels can be compared.
    let mut accepted: BTreeMap<String, u64> = BTreeMap::new();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut draw = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    for kill in 0..kills {
        let server = Server::start(folder.path());
        let mut unsure = None;
        for i in 0..3 {
            let key = format!("{kill}-{i}");
            let seed = draw(4);
            let headers = [("content-type", "application/json"), ("idempotency-key", key.as_str())];
            let body = small(seed, 6).to_string();
            match server.try_request("POST", "/api/v1/jobs", &headers, body.as_bytes()) {
                Ok(reply) if reply.status == 202 => {
                    accepted.insert(reply.json()["id"].as_str().unwrap().to_owned(), seed);
                }
                Ok(reply) => assert_eq!(reply.status, 429, "{}", reply.text()),
                Err(_) => unsure = Some(key),
            }
        }
        assert_eq!(unsure, None, "the server was not killed yet");
        // So that no job is hit three times: at least one ends between two kills. The moment is random.
        let before = done(&server);
        while done(&server) == before && open(&server) > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(draw(120)));
        server.kill();
        consistent(folder.path());
    }
    let server = Server::start(folder.path());
    let mut pixels: BTreeMap<u64, BTreeSet<String>> = BTreeMap::new();
    for (id, seed) in &accepted {
        let job = server.wait(id);
        assert_eq!(job["state"], "done", "{job}");
        let assets = job["assets"].as_array().unwrap();
        assert_eq!(assets.len(), 1, "{job}");
        pixels.entry(*seed).or_default().insert(assets[0]["sha256"].as_str().unwrap().to_owned());
        let file = server.get(assets[0]["url"].as_str().unwrap()).body;
        assert_eq!(formats::digest::sha256_bytes(&file), assets[0]["sha256"].as_str().unwrap());
    }
    assert!(pixels.values().all(|found| found.len() == 1), "a job that was begun again has other pixels: {pixels:?}");
    let total = |what: &str| server.get(&format!("/api/v1/{what}")).json()["total"].clone();
    let (jobs, pictures) = (total("jobs"), total("assets"));
    assert_eq!((&jobs, &pictures), (&accepted.len().into(), &accepted.len().into()));
    record(
        &server,
        "kills",
        &json!({ "kills": kills, "accepted": accepted.len(), "jobs": jobs, "pictures": pictures }),
    );
}

fn count(server: &Server, query: &str) -> i64 {
    server.get(&format!("/api/v1/jobs?limit=1&{query}")).json()["total"].as_i64().unwrap()
}

fn done(server: &Server) -> i64 {
    count(server, "state=done")
}

fn open(server: &Server) -> i64 {
    count(server, "open=true")
}

/// Every row has its file, with the digest that it is named by. (Files without a row are swept at the start.)
fn consistent(folder: &Path) {
    let store = store::Store::open(folder).unwrap();
    let page = |offset| store.assets(&store::AssetFilter::default(), offset, PAGE).unwrap().assets;
    let mut files = BTreeSet::new();
    for asset in (0..).map(|i| page(i * PAGE)).take_while(|page| !page.is_empty()).flatten() {
        let bytes = store.asset_bytes(&asset).unwrap();
        assert_eq!(formats::digest::sha256_bytes(&bytes), asset.sha256);
        formats::picture::decode(&bytes).unwrap();
        files.insert(asset.sha256.clone());
    }
    let found = std::fs::read_dir(folder.join("assets")).unwrap();
    let found: usize = found.map(|entry| std::fs::read_dir(entry.unwrap().path()).unwrap().count()).sum();
    assert_eq!(found, files.len());
    let page = |offset| store.jobs(&store::JobFilter::default(), offset, PAGE).unwrap().0;
    for job in (0..).map(|i| page(i * PAGE)).take_while(|page| !page.is_empty()).flatten() {
        assert!([store::State::Queued, store::State::Done].contains(&job.state), "{job:?}");
        let value: Value = serde_json::from_str(&job.work).unwrap();
        assert_eq!(value["prompt"], "a red fox");
    }
}
