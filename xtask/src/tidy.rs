//! House rules that no compiler checks: layers point down, every file says what it is, `unsafe` stays in
//! its rooms, `ARCHITECTURE.md` is true.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The crates, lowest first; an edge may only point to an earlier line. `testkit` may be used by every
/// crate's tests.
const LAYERS: &[&[&str]] = &[
    &["simd", "testkit", "formats", "experiment", "price"],
    &["sampling", "analysis", "campaign"],
    &["layout"],
    &["delivery"],
    &["kernels"],
    &["graph"],
    &["text"],
    &["models"],
    &["engine", "data"],
    &["train", "bench", "store"],
    &["server"],
    &["cli"],
    &["xtask"],
];

/// Where `unsafe` may stand, as path prefixes.
const UNSAFE: &[&str] = &["crates/simd/", "crates/kernels/", "crates/formats/src/mmap.rs", "crates/bench/src/peer.rs"];

/// Checks every rule and reports all that is broken at once.
pub fn run(root: &Path) -> Result<()> {
    let mut broken = Vec::new();
    layers(root, &mut broken)?;
    let files = sources(root)?;
    for path in &files {
        let text = std::fs::read_to_string(root.join(path)).with_context(|| path.display().to_string())?;
        file(path, &text, &mut broken);
    }
    architecture(root, &mut broken)?;
    if broken.is_empty() {
        return Ok(());
    }
    bail!("{} rules broken:\n  {}", broken.len(), broken.join("\n  "))
}

fn layers(root: &Path, broken: &mut Vec<String>) -> Result<()> {
    let output =
        Command::new("cargo").args(["metadata", "--format-version", "1", "--no-deps"]).current_dir(root).output()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let level: BTreeMap<&str, usize> =
        LAYERS.iter().enumerate().flat_map(|(i, names)| names.iter().map(move |name| (*name, i))).collect();
    for package in metadata["packages"].as_array().context("no packages")? {
        let name = package["name"].as_str().unwrap_or_default();
        let Some(own) = level.get(name) else {
            broken.push(format!("crate {name} has no layer in xtask/src/tidy.rs"));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let other = dependency["name"].as_str().unwrap_or_default();
            if let Some(below) = level.get(other).filter(|_| other != "testkit" && dependency["path"].is_string())
                && below >= own
            {
                broken.push(format!("crate {name} depends on {other}, which is not below it"));
            }
        }
    }
    Ok(())
}

fn sources(root: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("git").args(["ls-files", "*.rs"]).current_dir(root).output()?;
    let names = String::from_utf8(output.stdout)?;
    Ok(names.lines().map(PathBuf::from).filter(|path| root.join(path).exists()).collect())
}

fn file(path: &Path, text: &str, broken: &mut Vec<String>) {
    let name = path.to_string_lossy();
    if !text.starts_with("//!") {
        broken.push(format!("{name} does not open with //!"));
    }
    let lines = text.lines().count();
    if lines > 1500 {
        broken.push(format!("{name} has {lines} lines; past 1,500 it is more than one subject"));
    }
    if !UNSAFE.iter().any(|room| name.starts_with(room)) {
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|word| code.contains(word))
                && !name.starts_with("xtask/")
            {
                broken.push(format!("{name}:{} has unsafe outside its rooms", number + 1));
            }
        }
    }
}

fn architecture(root: &Path, broken: &mut Vec<String>) -> Result<()> {
    let text = std::fs::read_to_string(root.join("ARCHITECTURE.md")).context("ARCHITECTURE.md")?;
    if text.lines().count() > 300 {
        broken.push("ARCHITECTURE.md is longer than 300 lines".into());
    }
    for entry in std::fs::read_dir(root.join("crates"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !text.contains(&format!("`{name}`")) {
            broken.push(format!("ARCHITECTURE.md does not name the crate `{name}`"));
        }
    }
    // A word in backticks with a slash and a known first folder is a path and must exist.
    for word in text.split('`').skip(1).step_by(2) {
        let rooted =
            ["crates/", "docs/", "recipes/", "bench/", "weights/", "xtask/"].iter().any(|p| word.starts_with(p));
        if rooted && !word.contains(['*', '{', ' ', '<']) && !root.join(word).exists() {
            broken.push(format!("ARCHITECTURE.md names {word}, which does not exist"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_file_is_reported() {
        let mut broken = Vec::new();
        file(Path::new("crates/cli/src/x.rs"), "fn a() { unsafe { b() } }\n", &mut broken);
        assert_eq!(broken.len(), 2, "{broken:?}");
        broken.clear();
        file(Path::new("crates/simd/src/x.rs"), "//! x\nfn a() { unsafe { b() } }\n", &mut broken);
        assert!(broken.is_empty(), "{broken:?}");
    }
}
