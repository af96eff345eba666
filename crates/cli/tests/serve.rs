//! `calotype serve` as a program: it says where it is, draws, refuses to be reached by others without a key, and ends in order.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

fn calotype(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calotype"));
    command.arg("serve").args(arguments).env_remove("CALOTYPE_KEY");
    command
}

#[test]
fn an_address_that_others_reach_needs_a_key() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    for host in ["0.0.0.0", "::", "192.0.2.1"] {
        let output = calotype(&["--host", host, "--port", "0", "--data", data]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{host}: {said}");
        assert!(said.contains("--new-key"), "{said}");
    }
    let short = calotype(&["--host", "0.0.0.0", "--data", data]).env("CALOTYPE_KEY", "short").output().unwrap();
    assert_eq!(short.status.code(), Some(2));
    let output = calotype(&["--host", "nowhere", "--data", data]).output().unwrap();
    assert!(output.status.code() == Some(2) && String::from_utf8_lossy(&output.stderr).contains("host"));
    let made = calotype(&["--new-key", "anna", "--data", data]).output().unwrap();
    assert!(String::from_utf8_lossy(&made.stdout).starts_with("calotype-"));
    let names = calotype(&["--list-keys", "--data", data]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&names.stdout), "anna\n");
    assert!(calotype(&["--remove-key", "anna", "--data", data]).status().unwrap().success());
}

#[test]
fn it_says_where_it_is_and_ends_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let mut child = calotype(&["--port", "0", "--data", data]).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    let ask = |head: &str, body: &str| {
        let mut stream = TcpStream::connect(&address).unwrap();
        let length = body.len();
        let request = format!(
            "{head} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask("GET /health/ready", "").contains("ready"));
    let body = r#"{"prompt": "a fox", "steps": 1, "width": 128, "height": 128}"#;
    assert!(ask("POST /sdapi/v1/txt2img", body).contains("\"images\":[\"iVBOR"));
    let second = calotype(&["--port", "0", "--data", data]).output().unwrap();
    assert!(String::from_utf8_lossy(&second.stderr).contains("another server uses this folder"));
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
}
