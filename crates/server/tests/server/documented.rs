//! The commands of the documents in `docs` do what they say.

use std::process::Command;

use crate::support::{Server, one_at_a_time};

/// Runs the commands of a document against a fresh server; gives the folder they ran in.
fn run(document: &str) -> Option<tempfile::TempDir> {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: there is no curl");
        return None;
    }
    let docs = std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"));
    let text = std::fs::read_to_string(docs.join(document)).unwrap();
    let blocks: Vec<&str> =
        text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect();
    assert!(blocks.len() >= 4, "{document}");
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    let script = format!("set -euxo pipefail\n{}", blocks.concat());
    let output = Command::new("bash")
        .args(["-c", &script])
        .env("URL", server.url())
        .current_dir(folder.path())
        .output()
        .expect("bash");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}", said.lines().rev().take(5).collect::<Vec<_>>().join("\n"));
    Some(folder)
}

#[test]
fn the_commands_of_the_documentation_work() {
    let _one = one_at_a_time();
    let Some(folder) = run("api.md") else { return };
    let zip = std::fs::read(folder.path().join("pictures.zip")).unwrap();
    let archive = zip::ZipArchive::new(std::io::Cursor::new(zip)).unwrap();
    let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    assert!(["manifest.csv", "contact-sheet.png"].iter().all(|name| names.iter().any(|n| n == name)), "{names:?}");
}

#[test]
fn the_commands_for_campaigns_work() {
    let _one = one_at_a_time();
    let Some(folder) = run("campaigns.md") else { return };
    let picture = std::fs::read(folder.path().join("shared.webp")).unwrap();
    assert_eq!(&picture[8..12], b"WEBP");
}

#[test]
fn the_commands_for_costs_work() {
    let _one = one_at_a_time();
    run("costs.md");
}

#[test]
fn the_commands_for_bake_offs_work() {
    let _one = one_at_a_time();
    let Some(folder) = run("bake-off.md") else { return };
    let picture = std::fs::read(folder.path().join("left.webp")).unwrap();
    assert_eq!(&picture[8..12], b"WEBP");
}

#[test]
fn the_commands_for_brands_work() {
    let _one = one_at_a_time();
    let Some(folder) = run("brand.md") else { return };
    let zip = std::fs::read(folder.path().join("spring.zip")).unwrap();
    let archive = zip::ZipArchive::new(std::io::Cursor::new(zip)).unwrap();
    let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
    assert!(["manifest.csv", "contact-sheet.pdf"].iter().all(|name| names.iter().any(|n| n == name)), "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("google.display.300x250/")), "{names:?}");
}

#[test]
fn the_commands_for_experiments_work() {
    let _one = one_at_a_time();
    let Some(folder) = run("experiments.md") else { return };
    assert_eq!(&std::fs::read(folder.path().join("seen.jpg")).unwrap()[..2], [0xff, 0xd8]);
}
