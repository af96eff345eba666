//! A server process, and just enough HTTP to talk to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longest time that anything here may take.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// One server at a time: each draws with all it has.
pub fn one_at_a_time() -> MutexGuard<'static, ()> {
    static LOCK: Mutex<()> = Mutex::new(());
    LOCK.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A server process.
pub struct Server {
    child: Child,
    /// Address without the scheme.
    pub address: String,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl Server {
    /// Starts one in a folder.
    pub fn start(data: &Path) -> Self {
        Self::start_with(data, None)
    }

    /// Starts one that wants a key.
    pub fn start_with(data: &Path, key: Option<&str>) -> Self {
        Self::start_in(data, key.map(|key| ("CALOTYPE_KEY", key)).as_slice())
    }

    /// Starts one in an environment.
    pub fn start_in(data: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_serve-for-tests"));
        command.arg(data).stdout(Stdio::piped()).envs(environment.iter().copied());
        let mut child = command.spawn().expect("the server starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("its address");
        let address = line.trim().strip_prefix("http://").unwrap_or_else(|| panic!("no address: {line:?}")).to_owned();
        Self { child, address }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// As `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().expect("it is ours to kill");
        self.child.wait().expect("it ends");
    }

    /// SIGTERM; waits for the end.
    pub fn terminate(mut self) {
        signal("TERM", self.child.id());
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}");
    }

    /// Its worker processes.
    pub fn workers(&self) -> Vec<u32> {
        let id = self.child.id();
        let tasks = std::fs::read_dir(format!("/proc/{id}/task")).expect("its threads");
        let children = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok());
        children
            .flat_map(|text| text.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<u32>>())
            .collect()
    }

    pub fn get(&self, path: &str) -> Reply {
        self.request("GET", path, &[], b"")
    }

    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.request("POST", path, &[("content-type", "application/json")], body.to_string().as_bytes())
    }

    /// Any request.
    pub fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        self.try_request(method, path, headers, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Any request to a server that may be gone.
    pub fn try_request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> std::io::Result<Reply> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut head = format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "host") {
            head += &format!("host: {}\r\n", self.address);
        }
        for (name, value) in headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(head.as_bytes())?;
        stream.write_all(b"\r\n")?;
        // A server may answer before it has read everything.
        let _ = stream.write_all(body);
        let mut whole = Vec::new();
        let read = stream.read_to_end(&mut whole);
        let broken = || std::io::Error::other("the answer broke off");
        let end = whole.windows(4).position(|four| four == b"\r\n\r\n");
        let Some(end) = end else { return Err(read.err().unwrap_or_else(broken)) };
        let headers = String::from_utf8_lossy(&whole[..end]).to_lowercase();
        let status = headers.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(broken)?;
        let body = &whole[end + 4..];
        let body = if headers.contains("transfer-encoding: chunked") { chunks(body) } else { body.to_vec() };
        Ok(Reply { status, headers, body })
    }

    /// Waits until a job is over.
    pub fn wait(&self, job: &str) -> Value {
        let begin = Instant::now();
        loop {
            let found = self.get(&format!("/api/v1/jobs/{job}")).json();
            if ["done", "failed", "cancelled"].contains(&found["state"].as_str().expect("a state")) {
                return found;
            }
            assert!(begin.elapsed() < PATIENCE, "the job does not end: {found}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until a job is drawn.
    pub fn wait_until_running(&self, job: &str) {
        let begin = Instant::now();
        loop {
            let queue = self.get("/api/v1/queue").json();
            if queue["running"]["id"] == job && queue["progress"]["step"].as_u64() > Some(0) {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "the job does not begin: {queue}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Resident bytes of a process.
pub fn memory(id: u32) -> u64 {
    status(id, "VmRSS:")
}

/// The most bytes that a process ever had resident.
pub fn most_memory(id: u32) -> u64 {
    status(id, "VmHWM:")
}

fn status(id: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find(|found| found.starts_with(line)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Sends a signal to a process.
pub fn signal(name: &str, id: u32) {
    let status = Command::new("kill").args([&format!("-{name}"), &id.to_string()]).status().expect("kill");
    assert!(status.success(), "kill -{name} {id}");
}

fn chunks(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    while let Some(end) = body.windows(2).position(|two| two == b"\r\n") {
        let length = usize::from_str_radix(String::from_utf8_lossy(&body[..end]).trim(), 16).unwrap_or(0);
        let rest = &body[end + 2..];
        if length == 0 || rest.len() < length {
            whole.extend_from_slice(&rest[..rest.len().min(length)]);
            break;
        }
        whole.extend_from_slice(&rest[..length]);
        body = &rest[(length + 2).min(rest.len())..];
    }
    whole
}

/// A small picture that takes hardly any time.
pub fn small(seed: u64, steps: u32) -> Value {
    serde_json::json!({ "prompt": "a red fox", "seed": seed, "steps": steps, "size": "64x64", "enlarge": 1 })
}
