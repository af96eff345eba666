//! The studio's page in a real browser. `CALOTYPE_PAGE_PYTHON` names a Python that has what page/requirements.txt asks for, and
//! `CALOTYPE_CHROMIUM` the browser if it is not `/usr/bin/chromium`; without them the test has nothing to run and says so.
//! Screenshots are kept in `CALOTYPE_PAGE_SHOTS`, if that is set; `CALOTYPE_AXE` may name `axe.min.js` of axe-core, whose rules
//! are then checked as well.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Server, one_at_a_time};

/// Runs a script with the address of a server that has a second model, and a folder for screenshots.
fn run(script: &str) {
    let _one = one_at_a_time();
    let browser = std::env::var("CALOTYPE_CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".into());
    let python = std::env::var("CALOTYPE_PAGE_PYTHON").ok();
    let Some(python) = python.filter(|_| Path::new(&browser).exists()) else {
        eprintln!("skipped: CALOTYPE_PAGE_PYTHON is not set, or there is no {browser}");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let shots = std::env::var("CALOTYPE_PAGE_SHOTS").map_or_else(|_| folder.path().join("shots"), PathBuf::from);
    std::fs::create_dir_all(&shots).unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir_all(data.join("models")).unwrap();
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../weights/default/model.safetensors");
    std::fs::copy(model, data.join("models/second.safetensors")).unwrap();
    let server = Server::start(&data);
    let script = format!("{}/tests/page/{script}", env!("CARGO_MANIFEST_DIR"));
    let output = Command::new(python).args([&script, &server.url()]).arg(&shots).output().expect("python");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    println!("{said}");
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_studio_in_a_browser() {
    run("studio.py");
}

/// P7: what the browser itself keeps away, and what the server refuses.
#[test]
fn a_page_of_another_origin_gets_nothing() {
    run("origin.py");
}

#[test]
fn a_campaign_in_a_browser() {
    run("campaign.py");
}
