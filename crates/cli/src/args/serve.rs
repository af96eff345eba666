//! Options of `serve`, and of the process in which it draws.

use std::path::PathBuf;

use clap::Args;

use super::RunArgs;

/// Options of `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Address to listen on: localhost, or an IP address; one that others can reach needs a key.
    #[arg(long, value_name = "H", default_value = "127.0.0.1")]
    pub host: String,
    /// Port; 0 = any that is free.
    #[arg(long, value_name = "P", default_value_t = server::DEFAULT_PORT)]
    pub port: u16,
    /// Folder of jobs and pictures [default: $XDG_DATA_HOME/calotype or ~/.local/share/calotype].
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Folder of models: .safetensors files and folders of diffusers, called by their names [default: models in the data
    /// folder].
    #[arg(long, value_name = "DIR")]
    pub models: Option<PathBuf>,
    /// A name by which clients call this server, besides localhost and its addresses; may be repeated.
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
    /// An origin whose pages may use this server, such as <https://studio.example>; may be repeated.
    #[arg(long, value_name = "ORIGIN")]
    pub cors_origin: Vec<String>,
    /// Ask for a key even where only this machine can reach the server. Keys: --new-key, or CALOTYPE_KEY in the environment.
    #[arg(long)]
    pub require_key: bool,
    /// Drawing requests that a key may make in a minute; 0 = as many as it likes.
    #[arg(long, value_name = "N", default_value_t = server::DEFAULT_RATE)]
    #[arg(value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub rate: u32,
    /// Seconds the running job may go on after the server was told to stop; then it waits for the next start.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub grace: u64,
    /// Make a key, print it once and end.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["list_keys", "remove_key"])]
    pub new_key: Option<String>,
    /// Print the names of the keys and end.
    #[arg(long, conflicts_with = "remove_key")]
    pub list_keys: bool,
    /// Forget a key and end.
    #[arg(long, value_name = "NAME")]
    pub remove_key: Option<String>,
    /// How to run.
    #[command(flatten)]
    pub run: RunArgs,
}

/// Options of the worker.
#[derive(Debug, Args)]
pub struct WorkerArgs {
    /// How to run.
    #[command(flatten)]
    pub run: RunArgs,
}
