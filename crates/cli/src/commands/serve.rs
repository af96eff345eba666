//! `calotype serve`: the server; and the hidden `calotype worker`, the process in which it draws.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::time::Duration;

use engine::EngineError;
use server::{ServeConfig, Server, WorkerCommand, default_data_folder};

use crate::args::{PrecisionArg, RunArgs, ServeArgs, WorkerArgs};
use crate::report::{Reporter, UsageError, interrupt_token};

/// The key of the environment: not an option, because others can read a command line.
const KEY: &str = "CALOTYPE_KEY";

/// Runs the command until it is interrupted.
pub fn run(args: &ServeArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let data = args.data.clone().unwrap_or_else(default_data_folder);
    if let Some(name) = &args.new_key {
        let key = server::add_key(&data, name)?;
        reporter.say(&format!("{key}\nThis is shown once. Clients send it as Authorization: Bearer {key}"));
        reporter.event("key", serde_json::json!({ "name": name, "key": key }));
        return Ok(());
    }
    if let Some(name) = &args.remove_key {
        server::remove_key(&data, name)?;
        reporter.say(&format!("the key {name} is forgotten"));
        return Ok(());
    }
    if args.list_keys {
        server::key_names(&data)?.iter().for_each(|name| reporter.say(name));
        return Ok(());
    }
    args.run.options()?;
    let config = ServeConfig {
        host: args.host.clone(),
        port: args.port,
        data,
        models: args.models.clone(),
        worker: worker_command(&args.run)?,
        environment_key: std::env::var(KEY).ok().filter(|key| !key.is_empty()),
        require_key: args.require_key,
        allowed_hosts: args.allow_host.clone(),
        cors_origins: args.cors_origin.clone(),
        rate: args.rate,
        header_timeout: server::HEADER_TIMEOUT,
        grace: Duration::from_secs(args.grace),
    };
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_env("CALOTYPE_LOG").unwrap_or_else(|_| "warn,server=info".into()),
        )
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let stop = interrupt_token();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(async {
        let server = Server::bind(config).await.map_err(|error| match error {
            server::ServeError::NeedsKey { .. } | server::ServeError::Field { .. } => {
                anyhow::Error::from(UsageError(error.to_string()))
            }
            error => error.into(),
        })?;
        let address = server.address()?;
        reporter.say(&format!("Calotype is at http://{address}/ (Ctrl-C stops it)"));
        reporter.event("listening", serde_json::json!({ "url": format!("http://{address}/"), "port": address.port() }));
        server
            .run(async move {
                // The token is thrown by a signal; a server may notice a little later.
                while !stop.is_cancelled() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            })
            .await?;
        Ok::<(), anyhow::Error>(())
    });
    // Threads that still read a file for a connection that was cut are not waited for.
    runtime.shutdown_timeout(Duration::from_millis(200));
    result
}

/// This program again, as a worker.
pub fn worker_command(run: &RunArgs) -> anyhow::Result<WorkerCommand> {
    let mut arguments: Vec<OsString> = vec!["worker".into()];
    if let Some(threads) = run.threads {
        arguments.extend(["--threads".into(), threads.to_string().into()]);
    }
    let precision = match run.precision {
        PrecisionArg::Auto => "auto",
        PrecisionArg::F32 => "f32",
        PrecisionArg::Bf16 => "bf16",
    };
    arguments.extend(["--precision".into(), precision.into()]);
    Ok(WorkerCommand { program: std::env::current_exe()?.into_os_string(), arguments })
}

/// Draws what comes over standard input until that ends.
pub fn work(args: &WorkerArgs) -> Result<(), EngineError> {
    server::worker::child::run(&args.run.options()?)
}
