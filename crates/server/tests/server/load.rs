//! Load: ten times more than can be drawn, for seconds by default and for two minutes with `CALOTYPE_LONG=1` (P9). How long
//! refusals take is measured, not judged: it depends on what else the machine does. With `CALOTYPE_RUNS` the figures are kept
//! as CSV in that folder.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Server, memory, one_at_a_time, small};

/// How many times more is asked for than is drawn.
const OVERLOAD: f64 = 10.0;
const CLIENTS: usize = 8;
/// Refusals to measure, however slow the machine is.
const REFUSALS: usize = 100;
/// Bytes by which server and worker may grow.
const GROWTH: u64 = 64 << 20;

#[test]
fn ten_times_more_than_can_be_drawn() {
    let _one = one_at_a_time();
    let long = std::env::var("CALOTYPE_LONG").is_ok_and(|text| text == "1");
    let span = Duration::from_secs(if long { 120 } else { 4 });
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    // The first loads the model; the others say how fast this machine draws.
    server.wait(&queued(&server, 0));
    let begin = Instant::now();
    (1..6).for_each(|seed| _ = server.wait(&queued(&server, seed)));
    let offered = OVERLOAD * 5.0 / begin.elapsed().as_secs_f64();
    let worker = server.workers()[0];
    let before = [memory(server.id()), memory(worker)];
    let begin = Instant::now();
    let found = overload(&server, span, offered);
    let seconds = begin.elapsed().as_secs_f64();
    for id in &found.accepted {
        let job = server.wait(id);
        assert_eq!((&job["state"], job["assets"].as_array().map(Vec::len)), (&"done".into(), Some(1)), "{job}");
    }
    // Plans may have a worker of their own by now.
    assert!(server.workers().contains(&worker), "the worker did not live through it");
    let after = [memory(server.id()), memory(worker)];
    for (before, after) in before.iter().zip(after) {
        assert!(after < before + GROWTH, "from {before} to {after} bytes");
    }
    assert!(found.accepted.len() >= store::MAX_WAITING, "{} were accepted", found.accepted.len());
    let megabytes = |bytes: u64| bytes / 1_000_000;
    record(
        &server,
        "overload",
        &json!({
            "seconds": seconds, "offered_per_second": offered, "accepted": found.accepted.len(),
            "refused": found.refused.len(), "refused_p50_ms": percentile(&found.refused, 0.5),
            "refused_p99_ms": percentile(&found.refused, 0.99), "health_p99_ms": percentile(&found.health, 0.99),
            "server_mb_before": megabytes(before[0]), "server_mb_after": megabytes(after[0]),
            "worker_mb_before": megabytes(before[1]), "worker_mb_after": megabytes(after[1]),
        }),
    );
}

fn queued(server: &Server, seed: u64) -> String {
    let reply = server.post("/api/v1/jobs", &small(seed, 25));
    assert_eq!(reply.status, 202, "{}", reply.text());
    reply.json()["id"].as_str().unwrap().to_owned()
}

/// What came of it: ids of jobs, and milliseconds of the other answers.
#[derive(Default)]
struct Found {
    accepted: Vec<String>,
    refused: Vec<f64>,
    health: Vec<f64>,
}

/// Sends jobs at a rate, however long the answers take, and asks for the health beside it; for a span, and until enough are refused.
fn overload(server: &Server, span: Duration, per_second: f64) -> Found {
    let found = Mutex::new(Found::default());
    let (begin, turn) = (Instant::now(), Duration::from_secs_f64(CLIENTS as f64 / per_second));
    let goes_on = || begin.elapsed() < span || found.lock().unwrap().refused.len() < REFUSALS;
    std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let (found, goes_on) = (&found, &goes_on);
            scope.spawn(move || {
                for i in (0..).take_while(|_| goes_on()) {
                    let due = turn * i + turn * client as u32 / CLIENTS as u32;
                    std::thread::sleep(due.saturating_sub(begin.elapsed()));
                    let sent = Instant::now();
                    let reply = server.post("/api/v1/jobs", &small(u64::from(i), 25));
                    let took = milliseconds(sent);
                    let mut found = found.lock().unwrap();
                    match reply.status {
                        202 => found.accepted.push(reply.json()["id"].as_str().unwrap().to_owned()),
                        429 => found.refused.push(took),
                        status => panic!("{status} {}", reply.text()),
                    }
                }
            });
        }
        while goes_on() {
            let sent = Instant::now();
            assert_eq!(server.get("/health/live").status, 200);
            let took = milliseconds(sent);
            found.lock().unwrap().health.push(took);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    found.into_inner().unwrap()
}

/// Milliseconds since then.
pub fn milliseconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// The value below which a share of all lies.
pub fn percentile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

/// Says the figures, and keeps them in the folder `CALOTYPE_RUNS`: one row, with machine, instruction set, threads and commit.
pub fn record(server: &Server, name: &str, figures: &Value) {
    println!("{name}: {figures}");
    let Some(folder) = std::env::var_os("CALOTYPE_RUNS") else { return };
    let plan = server.post("/api/v1/plan", &json!({ "prompt": "a red fox" })).json();
    let file = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let cpu = file("/proc/cpuinfo");
    let machine = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let output = |program: &str, arguments: &[&str]| {
        let output = std::process::Command::new(program).args(arguments).output();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let date = output("date", &["+%F"]);
    let mut row = vec![
        ("date".to_owned(), date.clone()),
        ("machine".into(), machine.trim_matches([' ', '\t', ':']).to_owned()),
        ("isa".into(), plan["isa"].as_str().unwrap_or_default().to_owned()),
        ("threads".into(), plan["threads"].to_string()),
        ("commit".into(), output("git", &["rev-parse", "--short=12", "HEAD"])),
        ("load_after".into(), file("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned()),
        ("name".into(), name.to_owned()),
    ];
    let shown = |value: &Value| match value.as_f64() {
        Some(number) if number.fract() != 0.0 => format!("{number:.3}"),
        _ => value.to_string(),
    };
    row.extend(figures.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), shown(value))));
    let (keys, values): (Vec<_>, Vec<_>) = row.into_iter().unzip();
    let path = std::path::Path::new(&folder).join(format!("{date}-{name}.csv"));
    std::fs::write(&path, format!("{}\n{}\n", keys.join(","), values.join(",")))
        .expect("the folder CALOTYPE_RUNS is there");
    println!("{}", path.display());
}

#[test]
fn percentiles_are_ranks() {
    let values: Vec<f64> = (1..=101).rev().map(f64::from).collect();
    assert_eq!([0.0, 0.5, 0.99, 1.0].map(|share| percentile(&values, share)), [1.0, 51.0, 100.0, 101.0]);
    assert_eq!(percentile(&[7.0], 0.99), 7.0);
}
