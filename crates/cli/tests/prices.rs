//! `calotype prices`: exit codes, messages and JSON, as scripts see them.

use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const ROW: &str = "[[offer]]\nid = 'a'\nvendor = 'v'\nkind = 'api'\nbilling = 'image'\nmodel = 'm'\ncurrency = 'USD'\n\
    rounding = 'none'\nprice = '0.04'\nsource = 'https://example.com'\nchecked_on = 2026-06-01\nconfidence = 'high'\n\
    rights = 'all'\nmarks = 'none'\n";

fn run(folder: &TempDir, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_calotype")).arg("prices").args(args).current_dir(folder.path()).output().unwrap()
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn check_tells_broken_from_stale() {
    let broken = ROW.replace("'0.04'", "'-1'");
    let folder = folder(&[("good.toml", ROW), ("broken.toml", &broken)]);
    let good = run(&folder, &["check", "good.toml", "--today", "2026-06-15"]);
    assert_eq!(good.status.code(), Some(0), "{}", text(&good.stderr));
    assert_eq!(text(&good.stdout), "good.toml: 1 rows can be used, 0 stale, 0 retired\n");
    let stale = run(&folder, &["check", "good.toml", "--today", "2026-12-01"]);
    assert_eq!(stale.status.code(), Some(0));
    assert!(text(&stale.stdout).contains("stale: a was looked up 183 days ago at https://example.com"));
    let broken = run(&folder, &["check", "broken.toml", "--json"]);
    assert_eq!(broken.status.code(), Some(1));
    let first: Value = serde_json::from_str(text(&broken.stdout).lines().next().unwrap()).unwrap();
    assert_eq!(first["event"], "check");
    let problem = &first["problems"][0];
    assert_eq!((&problem["row"], &problem["field"], &problem["line"]), (&"a".into(), &"price".into(), &9.into()));
    let missing = run(&folder, &["check", "missing.toml"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("missing.toml"));
    let date = run(&folder, &["check", "good.toml", "--today", "tomorrow"]);
    assert_eq!(date.status.code(), Some(2));
}

#[test]
fn the_starter_catalogue_is_sound_and_shown() {
    let folder = folder(&[]);
    assert_eq!(run(&folder, &["check"]).status.code(), Some(0));
    let shown = text(&run(&folder, &["show", "--today", "2026-06-15"]).stdout);
    assert!(shown.contains("openai.gpt-image-2 ") && shown.contains("own.workstation"), "{shown}");
    let written = run(&folder, &["show", "--text"]);
    std::fs::write(folder.path().join("mine.toml"), &written.stdout).unwrap();
    assert_eq!(run(&folder, &["check", "mine.toml"]).status.code(), Some(0));
    let json = text(&run(&folder, &["show", "--json"]).stdout);
    let rows: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.iter().any(|row| row["id"] == "recraft.v3" && row["fields"]["price"] == "0.04"));
}

#[test]
fn diff_names_what_changed() {
    let new = ROW.replace("'0.04'", "'0.05'") + &ROW.replace("id = 'a'", "id = 'b'").replace("'m'", "'n'");
    let folder = folder(&[("old.toml", ROW), ("new.toml", &new)]);
    let output = run(&folder, &["diff", "old.toml", "new.toml"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(text(&output.stdout), "~ a\n    price: 0.04 -> 0.05 (+25.0 %)\n+ b\n");
    assert_eq!(text(&run(&folder, &["diff", "old.toml", "old.toml"]).stdout), "no row differs\n");
    let json: Value =
        serde_json::from_slice(&run(&folder, &["diff", "old.toml", "new.toml", "--json"]).stdout).unwrap();
    assert_eq!(json["changes"][1], serde_json::json!({ "change": "added", "id": "b" }));
}
