//! Ten times more than can be drawn (P9): the queue takes 64 and refuses the rest at once; what was accepted is drawn; memory
//! stays flat. Nothing here depends on how fast the machine is.

use std::sync::Mutex;

use crate::support::{Server, memory, one_at_a_time, small};

const CLIENTS: usize = 16;
const EACH: usize = 40;
/// Bytes by which the server may grow under this load.
const GROWTH: u64 = 64 << 20;

#[test]
fn too_much_is_refused_and_what_is_accepted_is_drawn() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    // A long job in front, so that the queue fills however fast the machine is.
    let long = serde_json::json!({ "prompt": "a fox", "steps": 200, "size": "1024x1024", "enlarge": 4, "count": 8 });
    let first = server.post("/api/v1/jobs", &long).json()["id"].as_str().unwrap().to_owned();
    server.wait_until_running(&first);
    let before = memory(server.id());
    let accepted = Mutex::new(Vec::new());
    let refused = Mutex::new(0);
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (server, accepted, refused) = (&server, &accepted, &refused);
            scope.spawn(move || {
                for i in 0..EACH {
                    let reply = server.post("/api/v1/jobs", &small((client * EACH + i) as u64, 1));
                    match reply.status {
                        202 => accepted.lock().unwrap().push(reply.json()["id"].as_str().unwrap().to_owned()),
                        429 => {
                            assert!(reply.headers.contains("retry-after: "), "{}", reply.headers);
                            *refused.lock().unwrap() += 1;
                        }
                        status => panic!("{status} {}", reply.text()),
                    }
                    assert_eq!(server.get("/health/live").status, 200);
                }
            });
        }
    });
    let accepted = accepted.into_inner().unwrap();
    assert_eq!(accepted.len(), store::MAX_WAITING, "the queue was full while the first job was drawn");
    assert_eq!(refused.into_inner().unwrap(), CLIENTS * EACH - store::MAX_WAITING);
    assert_eq!(server.post("/v1/images/generations", &serde_json::json!({ "prompt": "x" })).status, 429);
    assert_eq!(server.post("/sdapi/v1/txt2img", &serde_json::json!({ "prompt": "x" })).status, 429);
    server.request("DELETE", &format!("/api/v1/jobs/{first}"), &[], b"");
    for id in &accepted {
        let job = server.wait(id);
        assert_eq!((&job["state"], job["assets"].as_array().map(Vec::len)), (&"done".into(), Some(1)), "{job}");
    }
    let after = memory(server.id());
    assert!(after < before + GROWTH, "the server grew from {before} to {after} bytes");
    assert_eq!(server.get("/api/v1/queue").json()["waiting"].as_array().map(Vec::len), Some(0));
}

#[test]
fn each_key_has_its_share() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_in(folder.path(), &[("CALOTYPE_TEST_RATE", "3")]);
    // What is refused for what it says does not count, nor does what draws nothing.
    for _ in 0..10 {
        assert_eq!(server.post("/api/v1/jobs", &serde_json::json!({ "steps": 0 })).status, 400);
        assert_eq!(server.get("/api/v1/jobs").status, 200);
    }
    let bodies = |seed| small(seed, 1);
    let statuses: Vec<u16> = (0..3).map(|seed| server.post("/api/v1/jobs", &bodies(seed)).status).collect();
    assert_eq!(statuses, [202; 3]);
    for path in ["/api/v1/jobs", "/v1/images/generations", "/sdapi/v1/txt2img"] {
        let reply = server.post(path, &serde_json::json!({ "prompt": "a fox" }));
        assert!(reply.status == 429 && reply.headers.contains("retry-after: "), "{path}: {}", reply.text());
        assert!(reply.text().contains("3 drawing requests"), "{path}: {}", reply.text());
    }
}
