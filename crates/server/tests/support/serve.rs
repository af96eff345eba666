//! A server for tests: `serve-for-tests DATA` prints its address and serves until it is ended; `serve-for-tests worker` is its
//! worker. The real one is `calotype serve`, which needs everything else to be built.

use std::io::Write;
use std::time::Duration;

use server::{ServeConfig, Server, WorkerCommand};

fn number(name: &str) -> Option<u32> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.get(1).is_some_and(|first| first == "worker") {
        let options = engine::Options { threads: Some(1), ..engine::Options::default() };
        return server::worker::child::run(&options).expect("the worker runs");
    }
    let data = arguments.get(1).expect("the data folder");
    let config = ServeConfig {
        host: "127.0.0.1".into(),
        port: 0,
        data: data.into(),
        models: None,
        worker: WorkerCommand {
            program: std::env::current_exe().expect("a program has a path").into(),
            arguments: vec!["worker".into()],
        },
        environment_key: std::env::var("CALOTYPE_KEY").ok(),
        require_key: std::env::var("CALOTYPE_KEY").is_ok(),
        allowed_hosts: Vec::new(),
        cors_origins: Vec::new(),
        rate: number("CALOTYPE_TEST_RATE").unwrap_or(server::DEFAULT_RATE),
        header_timeout: number("CALOTYPE_TEST_HEADER_SECONDS")
            .map_or(server::HEADER_TIMEOUT, |seconds| Duration::from_secs(seconds.into())),
        grace: Duration::from_secs(2),
    };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let server = Server::bind(config).await.expect("the server binds");
        println!("http://{}", server.address().expect("an address"));
        std::io::stdout().flush().expect("standard output");
        let mut term = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).expect("signals");
        server.run(async move { _ = term.recv().await }).await.expect("the server runs");
    });
    runtime.shutdown_timeout(Duration::from_millis(200));
}
