//! Jobs from outside: the same pixels as the engine's (P14), cancellation (P10), worker crashes, orderly ends.

use engine::{CancelToken, Engine, Options, Order};
use serde_json::json;

use crate::support::{Server, memory, one_at_a_time, signal, small};

#[test]
fn pictures_are_the_engines_and_keys_submit_once() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let submit = || {
        let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
        server.request("POST", "/api/v1/jobs", &headers, small(5, 3).to_string().as_bytes()).json()["id"].clone()
    };
    let id = submit();
    assert_eq!(submit(), id);
    let job = server.wait(id.as_str().unwrap());
    assert_eq!(submit(), id);
    let headers = [("content-type", "application/json"), ("idempotency-key", "k")];
    let other = server.request("POST", "/api/v1/jobs", &headers, small(6, 3).to_string().as_bytes());
    assert_eq!(other.status, 422);
    assert_eq!(server.get("/api/v1/jobs").json()["total"], 1);

    let url = job["assets"][0]["url"].as_str().unwrap();
    let found = formats::picture::decode(&server.get(url).body).unwrap();
    let order: Order = serde_json::from_value(job["request"].clone()).unwrap();
    let model = engine::store::open(engine::store::DEFAULT_MODEL).unwrap();
    let mut own = Engine::new(&model, &Options { threads: Some(2), ..Options::default() }).unwrap();
    let image = own.generate(&order.request(None).unwrap(), &mut |_| {}, &CancelToken::new()).unwrap().remove(0);
    assert_eq!(found.pixels, image.pixels, "the server draws other pixels than the engine");
    assert!(found.text("calotype").is_some_and(|recipe| recipe.contains("red fox")));
    let stored = folder.path().join("assets").join(&job["assets"][0]["sha256"].as_str().unwrap()[..2]);
    assert_eq!(std::fs::read_dir(stored).unwrap().count(), 1);
}

/// Cancels at random moments; 500 with `CALOTYPE_LONG` in the environment.
#[test]
fn many_cancels_leave_nothing_behind() {
    let _one = one_at_a_time();
    let cancels = if std::env::var_os("CALOTYPE_LONG").is_some() { 500 } else { 60 };
    let (folder, fresh) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let drawn = |server: &Server| {
        let id = server.post("/api/v1/jobs", &small(5, 3)).json()["id"].as_str().unwrap().to_owned();
        let job = server.wait(&id);
        assert_eq!(job["state"], "done", "{job}");
        job["assets"][0]["sha256"].as_str().unwrap().to_owned()
    };
    let expected = drawn(&Server::start(fresh.path()));
    let server = Server::start_in(folder.path(), &[("CALOTYPE_TEST_RATE", "0")]);
    let sizes = ["128x128", "512x512", "256x512", "1024x1024"];
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut below = |most: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % most
    };
    let (mut states, mut before) = (std::collections::BTreeMap::new(), 0);
    assert_eq!(drawn(&server), expected);
    // A second worker, which plans, may come later.
    let worker = server.workers()[0];
    for i in 0..cancels {
        let size = sizes[below(4) as usize];
        let job =
            json!({ "prompt": "a fox", "seed": i, "steps": 20 + below(100), "size": size, "count": 1 + below(3) });
        let id = server.post("/api/v1/jobs", &job).json()["id"].as_str().unwrap().to_owned();
        std::thread::sleep(std::time::Duration::from_millis(below(300)));
        assert_eq!(server.request("DELETE", &format!("/api/v1/jobs/{id}"), &[], b"").status, 200);
        *states.entry(server.wait(&id)["state"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        // By then every size was likely drawn, whose memory is kept for the next of it.
        if i == cancels / 3 {
            before = memory(worker);
        }
    }
    println!("{states:?}");
    assert!(states["cancelled"] > cancels / 2 && !states.contains_key("failed"), "{states:?}");
    assert_eq!(drawn(&server), expected, "a job after many cancellations has other pixels than one of a fresh process");
    assert!(server.workers().contains(&worker), "the worker obeyed every time and lives");
    let after = memory(worker);
    assert!(after < before + (64 << 20), "the worker grew from {before} to {after} bytes");
}

#[test]
fn a_cancelled_job_ends_and_the_next_is_untouched() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let long = json!({ "prompt": "a fox", "seed": 1, "steps": 200, "size": "1024x1024", "enlarge": 4, "count": 4 });
    let running = server.post("/api/v1/jobs", &long).json()["id"].as_str().unwrap().to_owned();
    let waiting = server.post("/api/v1/jobs", &long).json()["id"].as_str().unwrap().to_owned();
    let next = server.post("/api/v1/jobs", &small(5, 3)).json()["id"].as_str().unwrap().to_owned();
    server.wait_until_running(&running);
    let cancel = |id: &str| server.request("DELETE", &format!("/api/v1/jobs/{id}"), &[], b"");
    assert_eq!(cancel(&waiting).json()["state"], "cancelled");
    assert_eq!(cancel(&running).status, 200);
    let over = server.wait(&running);
    assert_eq!(over["state"], "cancelled");
    let workers = server.workers();
    let done = server.wait(&next);
    assert_eq!(done["state"], "done");
    assert!(workers.iter().any(|id| server.workers().contains(id)), "the worker obeyed and lives");
    let again = server.post("/api/v1/jobs", &small(5, 3)).json()["id"].as_str().unwrap().to_owned();
    assert_eq!(server.wait(&again)["assets"][0]["sha256"], done["assets"][0]["sha256"]);
    assert_eq!(cancel(&next).json()["state"], "done");
}

#[test]
fn a_dead_worker_is_replaced_and_a_poisonous_job_given_up() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let long = json!({ "prompt": "a fox", "seed": 1, "steps": 200, "size": "1024x1024", "enlarge": 4 });
    let poison = server.post("/api/v1/jobs", &long).json()["id"].as_str().unwrap().to_owned();
    let next = server.post("/api/v1/jobs", &small(5, 3)).json()["id"].as_str().unwrap().to_owned();
    for attempt in 1..=3 {
        // The server may not have noticed the last kill yet.
        let attempts = || server.get(&format!("/api/v1/jobs/{poison}")).json()["attempts"].as_i64();
        while attempts() < Some(attempt) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        server.wait_until_running(&poison);
        assert_eq!(attempts(), Some(attempt));
        assert_eq!(server.get("/health/ready").status, 200);
        server.workers().into_iter().for_each(|id| signal("KILL", id));
    }
    let failed = server.wait(&poison);
    assert_eq!(failed["state"], "failed");
    assert!(failed["error"].as_str().unwrap().contains("3 attempts"), "{failed}");
    assert_eq!(server.wait(&next)["state"], "done");
}

#[test]
fn an_orderly_end_keeps_the_job() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let long = json!({ "prompt": "a fox", "seed": 1, "steps": 200, "size": "1024x1024", "enlarge": 4 });
    let id = server.post("/api/v1/jobs", &long).json()["id"].as_str().unwrap().to_owned();
    server.wait_until_running(&id);
    server.terminate();
    let server = Server::start(folder.path());
    let job = server.get(&format!("/api/v1/jobs/{id}")).json();
    // It was put back without being counted, and may have been begun again.
    assert!(["queued", "running"].contains(&job["state"].as_str().unwrap()), "{job}");
    assert!(job["attempts"].as_u64() <= Some(1), "{job}");
    server.request("DELETE", &format!("/api/v1/jobs/{id}"), &[], b"");
    assert_eq!(server.wait(&id)["state"], "cancelled");
}

#[test]
fn a_protocol_for_assistants() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let call = |method: &str, params: serde_json::Value| {
        server.post("/mcp", &json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })).json()
    };
    let hello = call("initialize", json!({ "protocolVersion": "2025-03-26", "capabilities": {} }));
    assert_eq!(hello["result"]["protocolVersion"], "2025-03-26");
    let note = server.post("/mcp", &json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    assert_eq!(note.status, 202);
    assert_eq!(call("tools/list", json!({}))["result"]["tools"].as_array().unwrap().len(), 3);
    let drawn = call("tools/call", json!({ "name": "generate", "arguments": small(1, 1) }));
    assert_eq!(drawn["result"]["content"][0]["type"], "image", "{drawn}");
    let asset = &drawn["result"]["structuredContent"]["pictures"][0]["asset"];
    let vary = json!({ "asset": asset, "strength": 0.5, "steps": 2, "size": "64x64", "enlarge": 1 });
    let varied = call("tools/call", json!({ "name": "vary", "arguments": vary }));
    assert_eq!(varied["result"]["content"][0]["type"], "image", "{varied}");
    let wrong = call("tools/call", json!({ "name": "generate", "arguments": { "steps": 0 } }));
    assert_eq!(wrong["result"]["isError"], true);
    assert_eq!(call("nothing", json!({}))["error"]["code"], -32601);
    assert_eq!(server.get("/mcp").status, 405);
}
