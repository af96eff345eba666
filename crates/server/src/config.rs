//! How the server is to run.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use crate::error::ServeError;
use crate::worker::process::WorkerCommand;

/// The port when none is named: the one that clients of A1111's interface try first.
pub const DEFAULT_PORT: u16 = 7860;

/// Drawing requests that a key may make in a minute, if nothing else is said: ten a second, more than any machine draws.
pub const DEFAULT_RATE: u32 = 600;
/// How long a client may take to send the head of a request.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// How the server is to run.
#[derive(Debug, Clone)]
pub struct ServeConfig {
    /// Address to listen on; `localhost` or an IP address.
    pub host: String,
    /// Port; 0 = any that is free.
    pub port: u16,
    /// Folder of jobs and pictures.
    pub data: PathBuf,
    /// Folder of models; default: `models` in the data folder.
    pub models: Option<PathBuf>,
    /// How to start the worker.
    pub worker: WorkerCommand,
    /// A key from the environment.
    pub environment_key: Option<String>,
    /// Whether a key is needed even where only this machine can reach the server.
    pub require_key: bool,
    /// Names by which clients may call the server, besides its address.
    pub allowed_hosts: Vec<String>,
    /// Origins of pages elsewhere that may use the server, such as `https://studio.example`.
    pub cors_origins: Vec<String>,
    /// Drawing requests that a key may make in a minute, also at once; 0 = as many as it likes.
    pub rate: u32,
    /// How long a client may take to send the head of a request.
    pub header_timeout: Duration,
    /// How long the running job may go on after the server was told to stop.
    pub grace: Duration,
}

impl ServeConfig {
    /// The address to listen on.
    pub fn address(&self) -> Result<IpAddr, ServeError> {
        if self.host.eq_ignore_ascii_case("localhost") {
            return Ok(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare.parse().map_err(|_| {
            let shown: String = self.host.chars().take(60).collect();
            ServeError::Field {
                field: "host",
                message: format!("'{shown}' is neither localhost nor an IP address such as 127.0.0.1 or 0.0.0.0"),
            }
        })
    }

    /// Where the models are.
    pub fn models_folder(&self) -> PathBuf {
        self.models.clone().unwrap_or_else(|| self.data.join("models"))
    }
}

/// `$XDG_DATA_HOME/calotype`, or `~/.local/share/calotype`; the present folder's `calotype-data` where there is no home.
pub fn default_data_folder() -> PathBuf {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    match absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share"))) {
        Some(folder) => folder.join("calotype"),
        None => PathBuf::from("calotype-data"),
    }
}
