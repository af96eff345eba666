//! `calotype bakeoff` as scripts see it: from a file to a ranking.

mod common;

use std::path::Path;
use std::process::Output;

use serde_json::Value;

const FILE: &str = r#"
    name = "Spring"
    size = "32x32"
    seed = 7
    [[prompts]]
    kind = "photoreal"
    prompt = "a red fox"
    [[prompts]]
    kind = "illustration"
    prompt = "a blue car"
    [[contestants]]
    name = "draft"
    model = "default"
    preset = "draft"
    [[contestants]]
    name = "final"
    model = "default"
    preset = "final"
"#;

fn run(folder: &Path, args: &[&str]) -> Output {
    common::run(folder, &[&["bakeoff"], args].concat())
}

fn last(folder: &Path, args: &[&str]) -> Value {
    common::last(folder, &[&["bakeoff"], args].concat())
}

#[test]
fn from_a_file_to_a_ranking() {
    let room = tempfile::tempdir().unwrap();
    let folder = room.path();
    std::fs::write(folder.join("spring.toml"), FILE).unwrap();
    let plan = last(folder, &["new", "spring.toml", "--plan"]);
    assert_eq!((&plan["pictures"], &plan["duels"]), (&4.into(), &2.into()));
    assert_eq!(last(folder, &["new", "spring.toml"])["contestants"], 2);
    assert_eq!(run(folder, &["new", "spring.toml"]).status.code(), Some(2), "the name is taken");
    let progress = |listed: Value| (listed["progress"]["done"].clone(), listed["progress"]["total"].clone());
    assert_eq!(progress(last(folder, &["list"])), (0.into(), 4.into()));
    assert_eq!(last(folder, &["run", "Spring"])["done"], 4);
    assert_eq!(progress(last(folder, &["list"])), (4.into(), 4.into()));
    let listed = String::from_utf8(run(folder, &["list"]).stdout).unwrap();
    assert_eq!(listed, "Spring  2 contestants, 2 prompts, 4 of 4 pictures are there, 0 failed\n");
    for left in [1, 0] {
        let duel = last(folder, &["vote", "Spring", "--folder", "pair"]);
        assert_eq!(duel["duels"].as_array().unwrap().len(), 1);
        assert!(!duel.to_string().contains("final"), "{duel}");
        for file in ["left.webp", "right.webp"] {
            assert_eq!(&std::fs::read(folder.join("pair").join(file)).unwrap()[8..12], b"WEBP");
        }
        let voted = last(folder, &["vote", "Spring", "left"]);
        assert_eq!(voted["duels"].as_array().unwrap().len(), left);
    }
    assert_eq!(run(folder, &["vote", "Spring", "left"]).status.code(), Some(2), "no pair is left");
    assert_eq!(last(folder, &["vote", "Spring", "undo"])["voted"], 1);
    let report = last(folder, &["report", "Spring"]);
    assert_eq!((&report["votes"], report["groups"].as_array().unwrap().len()), (&1.into(), 3));
    let contestants = report["groups"][0]["contestants"].as_array().unwrap();
    assert!(contestants.iter().all(|one| one["seconds"].as_f64().unwrap() > 0.0), "{report}");
    let table = String::from_utf8(run(folder, &["report", "Spring"]).stdout).unwrap();
    assert!(table.contains("all kinds: 2 prompts, 1 votes") && table.contains("final"), "{table}");
}

#[test]
fn pictures_of_a_bake_off_that_is_refused_are_not_kept() {
    let room = tempfile::tempdir().unwrap();
    let folder = room.path();
    let outside = r#"
        [[contestants]]
        name = "theirs"
        pictures = ["a.png", "a.png"]
        seconds = 8.0
        cost = { amount = "0.04", currency = "USD" }
    "#;
    std::fs::write(folder.join("spring.toml"), format!("{FILE}{outside}")).unwrap();
    let said = |output: Output| String::from_utf8_lossy(&output.stderr).into_owned();
    let missing = run(folder, &["new", "spring.toml"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(said(missing).contains("contestants[2].pictures[0]"));
    let drawn = common::run(folder, &["generate", "a red fox", "--size", "32x32", "--steps", "1", "-o", "a.png"]);
    assert!(drawn.status.success());
    let refused = run(folder, &["new", "spring.toml"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(said(refused).contains("contestants[2].cost.currency"), "the machine's price is in EUR");
    let kept = std::fs::read_dir(folder.join("data/calotype/assets")).unwrap();
    let files: usize = kept.map(|entry| std::fs::read_dir(entry.unwrap().path()).unwrap().count()).sum();
    assert_eq!(files, 0);
    std::fs::write(folder.join("spring.toml"), format!("{FILE}{outside}").replace("USD", "EUR")).unwrap();
    assert_eq!(last(folder, &["new", "spring.toml"])["contestants"], 3);
}
