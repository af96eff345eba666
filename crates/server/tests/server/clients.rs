//! The clients that others wrote: the official `openai` and `mcp`, `webuiapi` and `sd-parsers` of Python.
//! `CALOTYPE_CLIENTS_PYTHON` names a Python that has what clients/requirements.txt asks for; without it these tests have
//! nothing to run and say so.

use std::process::Command;

use crate::support::{Server, one_at_a_time};

fn run(script: &str) {
    let _one = one_at_a_time();
    let Ok(python) = std::env::var("CALOTYPE_CLIENTS_PYTHON") else {
        eprintln!("skipped: CALOTYPE_CLIENTS_PYTHON is not set");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let script = format!("{}/tests/clients/{script}", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(python).args([&script, &server.url()]).output().expect("python");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    println!("{said}");
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_official_openai_client() {
    run("openai_client.py");
}

#[test]
fn the_official_mcp_client() {
    run("mcp_client.py");
}

#[test]
fn sd_parsers_reads_what_goes_out() {
    run("sd_parsers_client.py");
}

#[test]
fn the_webuiapi_client() {
    run("webuiapi_client.py");
}
