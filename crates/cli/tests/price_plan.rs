//! The server and `calotype prices plan` say the same numbers: one data folder, one question, both ways.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::{Value, json};

/// Ends the server, whatever becomes of the test.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(data: &str) -> (Serving, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calotype"));
    command.args(["serve", "--port", "0", "--data", data]).env_remove("CALOTYPE_KEY").stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    (Serving(child), address)
}

fn ask(address: &str, head: &str, body: &Value) -> Value {
    let mut stream = TcpStream::connect(address).unwrap();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.0\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"))
}

fn plan(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calotype"));
    command.args(["prices", "plan"]).args(args).current_dir(folder).output().unwrap()
}

#[test]
fn the_server_and_the_command_line_say_the_same_numbers() {
    let room = tempfile::tempdir().unwrap();
    let folder = room.path();
    let (server, address) = serve(folder.join("data").to_str().unwrap());
    let job = json!({ "prompt": "a red fox", "size": "64x64", "preset": "draft", "count": 2 });
    let id = ask(&address, "POST /api/v1/jobs", &job)["id"].as_str().unwrap().to_owned();
    while ask(&address, &format!("GET /api/v1/jobs/{id}"), &Value::Null)["state"] != "done" {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let campaign = json!({
        "assets": 40, "candidates": 6, "retries": "0.25", "ratios": 2, "size": "64x64", "preset": "draft",
        "funnel": {}, "months": 2, "deadline_hours": "100", "budget": { "amount": "5000", "currency": "USD" },
        "extras": { "reviewer_minutes": "1.5", "reviewer_wage": "45", "upscales_per_asset": "1", "upscale_price": "0.01" }
    });
    let question = json!({ "campaign": campaign, "machine": { "machine_price": "2500" }, "today": "2026-06-15" });
    let over_http = ask(&address, "POST /api/v1/prices/plan", &question);
    let own = over_http["offers"].as_array().unwrap().iter().find(|line| line["kind"] == "own_hw");
    assert_eq!(own.expect("its speed was measured")["measured"], 2, "{over_http}");
    drop(server);

    std::fs::write(folder.join("question.json"), question.to_string()).unwrap();
    let output = plan(folder, &["--request", "question.json", "--data", "data", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["event"], "speeds");
    assert_eq!(events[0]["speeds"], over_http["speeds"]);
    let mut report = events[1].clone();
    assert_eq!(report.as_object_mut().unwrap().remove("event"), Some(json!("prices")));
    let mut expected = over_http;
    expected.as_object_mut().unwrap().remove("speeds");
    assert_eq!(report, expected);

    // For people it is a table with the same sentence.
    let table = plan(folder, &["--request", "question.json", "--data", "data"]);
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains(expected["summary"].as_str().unwrap()), "{table}");
}

#[test]
fn a_wrong_question_is_wrong_usage() {
    let room = tempfile::tempdir().unwrap();
    let folder = room.path();
    let code = |args: &[&str]| plan(folder, args).status.code();
    std::fs::write(folder.join("wrong.json"), r#"{"campaign": {"assets": -1}}"#).unwrap();
    assert_eq!(code(&["--request", "wrong.json", "--no-measuring"]), Some(2));
    assert_eq!(code(&["--request", "missing.json", "--no-measuring"]), Some(1));
    assert_eq!(code(&["--assets", "5", "--predict", "default"]), Some(2));
    std::fs::write(folder.join("own.json"), r#"{"campaign": {"assets": 5}, "machine": {"residual": "2"}}"#).unwrap();
    let output = plan(folder, &["--request", "own.json", "--data", "data"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("machine.residual"), "{said}");
}
