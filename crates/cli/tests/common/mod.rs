//! The command as scripts run it: in a folder of its own that holds all it keeps.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

pub fn calotype(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_calotype"));
    command.args(args).current_dir(folder);
    command.env("XDG_CACHE_HOME", folder.join("cache")).env("XDG_DATA_HOME", folder.join("data"));
    command
}

pub fn run(folder: &Path, args: &[&str]) -> Output {
    calotype(folder, args).output().unwrap()
}

/// All that was printed.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The last JSON event of a successful command.
pub fn last(folder: &Path, args: &[&str]) -> Value {
    let output = run(folder, &[args, &["--json"]].concat());
    assert!(output.status.success(), "{args:?}: {}", said(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}
