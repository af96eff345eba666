//! How many people a second are assigned, and how long each waits. Server and clients share the machine. It is measured, and
//! judged only where `CALOTYPE_JUDGE=1` says that nothing else runs; with `CALOTYPE_RUNS` the figures are kept as CSV:
//!
//! `CALOTYPE_RUNS=bench/runs cargo test --release -p server --test server assign_load -- --ignored --nocapture`

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::load::{milliseconds, percentile, record};
use crate::support::{Server, one_at_a_time, small};

/// Connections that ask one after the other without a pause.
const CLIENTS: usize = 8;
const SPAN: Duration = Duration::from_secs(10);

#[test]
#[ignore = "takes ten seconds and wants the machine for itself"]
fn people_a_second() {
    let _one = one_at_a_time();
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let job = server.post("/api/v1/jobs", &small(1, 1)).json()["id"].as_str().unwrap().to_owned();
    let asset = server.wait(&job)["assets"][0]["id"].clone();
    let request = json!({ "name": "Load", "creatives": vec![json!({ "asset": asset }); 64], "url": "https://shop.example/spring" });
    let id = server.post("/api/v1/experiments", &request).json()["id"].as_str().unwrap().to_owned();
    let published = server.post(&format!("/api/v1/experiments/{id}/publish"), &json!({})).json();
    let path = published["assign_path"].as_str().unwrap();
    let begin = Instant::now();
    let took: Vec<f64> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                scope.spawn({
                    let server = &server;
                    move || ask(server, path, client)
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    let seconds = begin.elapsed().as_secs_f64();
    let a_second = took.len() as f64 / seconds;
    let p99 = percentile(&took, 0.99);
    record(
        &server,
        "assign",
        &json!({
            "clients": CLIENTS, "seconds": seconds, "requests": took.len(), "a_second": a_second,
            "p50_ms": percentile(&took, 0.5), "p99_ms": p99, "p999_ms": percentile(&took, 0.999),
        }),
    );
    if std::env::var("CALOTYPE_JUDGE").is_ok_and(|text| text == "1") {
        assert!(a_second >= 5000.0 && p99 <= 5.0, "{a_second} a second, p99 {p99} ms");
    }
}

/// Milliseconds of each answer.
fn ask(server: &Server, path: &str, client: usize) -> Vec<f64> {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_nodelay(true).unwrap();
    let (begin, mut took, mut buffer) = (Instant::now(), Vec::new(), [0; 4096]);
    while begin.elapsed() < SPAN {
        let unit = took.len();
        let sent = Instant::now();
        let head = format!("GET {path}?unit={client}-{unit} HTTP/1.1\r\nhost: {}\r\n\r\n", server.address);
        stream.write_all(head.as_bytes()).unwrap();
        let mut whole = 0;
        loop {
            let read = stream.read(&mut buffer[whole..]).unwrap();
            assert!(read > 0, "the server hung up");
            whole += read;
            // The answer is one JSON object.
            if buffer[..whole].ends_with(b"}") {
                break;
            }
        }
        assert!(buffer.starts_with(b"HTTP/1.1 200"));
        took.push(milliseconds(sent));
    }
    took
}
