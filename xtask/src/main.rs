//! `cargo xtask ci`: the one entrance to every check, cheapest first. `cargo xtask tidy` runs the house
//! rules alone.

mod tidy;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let root = root();
    match std::env::args().nth(1).as_deref() {
        Some("ci") => ci(&root),
        Some("tidy") => tidy::run(&root),
        Some("smoke") => smoke(&root),
        other => bail!("cargo xtask ci | tidy | smoke; found {}", other.unwrap_or("nothing")),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the repository").to_path_buf()
}

fn ci(root: &Path) -> Result<()> {
    let step = |name: &str, run: &dyn Fn() -> Result<()>| -> Result<()> {
        println!("==> {name}");
        let start = Instant::now();
        run().with_context(|| format!("the step `{name}` failed"))?;
        println!("    {name}: {:.0} s", start.elapsed().as_secs_f64());
        Ok(())
    };
    step("format", &|| cargo(root, &["fmt", "--all", "--check"]))?;
    step("tidy", &|| tidy::run(root))?;
    step("clippy", &|| {
        cargo(root, &["clippy", "--release", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])
    })?;
    step("docs", &|| {
        run(Command::new("cargo")
            .args(["doc", "--release", "--workspace", "--no-deps", "--quiet"])
            .env("RUSTDOCFLAGS", "-D warnings")
            .current_dir(root))
    })?;
    step("test", &|| cargo(root, &["test", "--release", "--workspace"]))?;
    // Where there is AVX-512 but no bf16 or AMX, their instructions are emulated for the kernels' tests.
    step("tiles", &|| cargo(root, &["test", "--release", "--package", "kernels", "--features", "simd/emulate-amx"]))?;
    step("smoke", &|| smoke(root))
}

/// The README's first command, then `verify` on its picture.
fn smoke(root: &Path) -> Result<()> {
    let folder = root.join("target/smoke");
    std::fs::create_dir_all(&folder)?;
    let out = folder.join("fox.png");
    let out = out.to_str().context("the repository's path is not UTF-8")?;
    cargo(root, &["run", "--release", "--quiet", "--", "generate", "a 3d render of a red fox", "-o", out])?;
    cargo(root, &["run", "--release", "--quiet", "--", "verify", out])
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    run(Command::new("cargo").args(arguments).current_dir(root))
}

fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} cannot be started"))?;
    if !status.success() {
        bail!("{command:?} ended with {status}");
    }
    Ok(())
}
