//! The server's side: a worker process, commands in, news out.

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};

use axum::body::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout};
use tokio::sync::mpsc;

use super::protocol::{Command, News};

/// Longest line and longest file a worker may send, bytes. It is our own program, but a damaged one must not take the
/// server with it.
const MAX_BYTES: usize = 256 << 20;
/// News that wait to be taken before the worker has to wait.
const WAITING_NEWS: usize = 64;

/// The program to start, with its arguments.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    /// The program.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    input: ChildStdin,
    news: mpsc::Receiver<(News, Bytes)>,
}

impl Worker {
    /// Starts one.
    pub fn start(command: &WorkerCommand) -> std::io::Result<Self> {
        let mut command = {
            let mut started = tokio::process::Command::new(&command.program);
            started.args(&command.arguments);
            started
        };
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        // Ctrl-C in a terminal goes to the whole group; when to stop is the server's to say.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn()?;
        let missing = || std::io::Error::other("the worker has no pipes");
        let input = child.stdin.take().ok_or_else(missing)?;
        let output = child.stdout.take().ok_or_else(missing)?;
        let (sender, news) = mpsc::channel(WAITING_NEWS);
        tokio::spawn(async move {
            let mut output = BufReader::with_capacity(1 << 16, output);
            while let Ok(Some(item)) = read(&mut output).await {
                if sender.send(item).await.is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, input, news })
    }

    /// Tells it something.
    pub async fn send(&mut self, command: &Command) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(command)?;
        line.push(b'\n');
        self.input.write_all(&line).await?;
        self.input.flush().await
    }

    /// What it says next; nothing once it has ended. May be dropped at any await.
    pub async fn next(&mut self) -> Option<(News, Bytes)> {
        self.news.recv().await
    }

    /// Whether it has not ended.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it, if it has not ended, and says how it ended.
    pub async fn end(mut self) -> std::io::Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        // It may be about to end by itself; how it does so is worth knowing.
        drop(self.input);
        let patience = std::time::Duration::from_millis(500);
        match tokio::time::timeout(patience, self.child.wait()).await {
            Ok(status) => status,
            Err(_) => {
                self.child.start_kill()?;
                self.child.wait().await
            }
        }
    }
}

async fn read(output: &mut BufReader<ChildStdout>) -> std::io::Result<Option<(News, Bytes)>> {
    let mut line = Vec::new();
    let length = (&mut *output).take(MAX_BYTES as u64).read_until(b'\n', &mut line).await?;
    if length == 0 {
        return Ok(None);
    }
    let news: News = serde_json::from_slice(&line)?;
    let bytes = news.payload();
    if bytes > MAX_BYTES {
        return Err(std::io::Error::other("the worker announces too many bytes"));
    }
    let mut payload = vec![0; bytes];
    output.read_exact(&mut payload).await?;
    Ok(Some((news, payload.into())))
}
