//! `calotype experiment` as scripts see it: from a plan to the next round.

mod common;

use common::{last, run, said};

#[test]
fn plans_are_the_formula() {
    let room = tempfile::tempdir().unwrap();
    let plan = last(room.path(), &["experiment", "plan", "--rate", "1%", "--lift", "0.2", "--traffic", "6100"]);
    assert_eq!((&plan["event"], &plan["people_per_arm"], &plan["days"]), (&"plan".into(), &42_691.into(), &14.into()));
    let text = said(&run(room.path(), &["experiment", "plan", "--rate", "1%", "--lift", "20%", "--arms", "10"]));
    assert!(text.contains("each of the 10 creatives needs") && text.contains("bandit"), "{text}");
    for bad in [
        &["--rate", "1%"][..],
        &["--rate", "x", "--lift", "1%"],
        &["--rate", "2", "--lift", "1%"],
        &["--mean", "3", "--lift", "1%"],
    ] {
        let output = run(room.path(), &[&["experiment", "plan"], bad].concat());
        assert_eq!(output.status.code(), Some(2), "{bad:?}: {}", said(&output));
    }
}

#[test]
fn from_picks_to_the_next_round() {
    let room = tempfile::tempdir().unwrap();
    let folder = room.path();
    let brief = "name = 'Spring'\nprompt = 'a {colour} bicycle'\ncandidates = 2\nsize = '32x32'\nslots = { colour = ['red', 'green'] }\n";
    std::fs::write(folder.join("brief.toml"), brief).unwrap();
    last(folder, &["campaign", "new", "brief.toml"]);
    last(folder, &["campaign", "run", "Spring"]);
    last(folder, &["campaign", "pick", "Spring", "00001:1", "00002:2"]);
    let made = last(folder, &["experiment", "new", "Hero", "--campaign", "Spring", "--url", "https://shop.example"]);
    assert_eq!(made["creatives"].as_array().map(Vec::len), Some(2), "{made}");
    let other = run(folder, &["experiment", "new", "Other", "--campaign", "Spring", "00001:2", "00002:2"]);
    assert!(other.status.code() == Some(2) && said(&other).contains("is not picked"), "{}", said(&other));
    let exported = last(folder, &["experiment", "export", "Hero", "creatives"]);
    assert_eq!(exported["pictures"], 2);
    let list = std::fs::read_to_string(folder.join("creatives/creatives.csv")).unwrap();
    assert!(list.contains("utm_content=hero-02") && folder.join("creatives/hero-01.png").exists(), "{list}");
    let head = std::fs::read_to_string(folder.join("creatives/results.csv")).unwrap();

    let rows = |clicks: u32| format!("{head}hero-01,2026-11-01,20000,1000\nhero-02,2026-11-01,20000,{clicks}\n");
    std::fs::write(folder.join("good.csv"), rows(1400)).unwrap();
    std::fs::write(folder.join("bad.csv"), rows(20_001)).unwrap();
    let import = |file: &str, more: &[&str]| run(folder, &[&["experiment", "import", "Hero", file], more].concat());
    assert_eq!(import("good.csv", &[]).status.code(), Some(2), "the question must be answered");
    let bad = import("bad.csv", &["--assigned", "own"]);
    assert!(bad.status.code() == Some(2) && said(&bad).contains("row 2 (line 3), column 'clicks'"), "{}", said(&bad));
    assert!(said(&run(folder, &["experiment", "report", "Hero"])).contains("Not yet: there are no results"));
    let next = run(folder, &["experiment", "next", "Hero"]);
    assert!(next.status.code() == Some(2) && said(&next).contains("there is no winner"), "{}", said(&next));
    assert!(import("good.csv", &["--assigned", "own", "--dry-run"]).status.success());
    assert_eq!(said(&run(folder, &["experiment", "list"])), "Hero  2 creatives, days with results: 0\n");
    assert!(import("good.csv", &["--assigned", "own"]).status.success());
    assert_eq!(said(&run(folder, &["experiment", "list"])), "Hero  2 creatives, days with results: 1\n");
    assert_eq!(last(folder, &["experiment", "list"])["name"], "Hero");
    std::fs::write(folder.join("good.csv"), rows(1401)).unwrap();
    let changed = import("good.csv", &["--assigned", "own"]);
    assert!(
        changed.status.code() == Some(2) && said(&changed).contains("has 1400 now, 1401 in the file"),
        "{}",
        said(&changed)
    );
    let told = last(folder, &["experiment", "import", "Hero", "good.csv", "--assigned", "own", "--replace"]);
    assert_eq!(told["replaced"], 1);
    let report = last(folder, &["experiment", "report", "Hero"]);
    assert_eq!(
        (&report["report"]["answer"]["kind"], &report["report"]["answer"]["winner"]),
        (&"winner".into(), &1.into())
    );
    let next = last(folder, &["experiment", "next", "Hero", "--candidates", "3"]);
    assert_eq!((&next["name"], &next["creative"]), (&"Spring · round 2".into(), &"hero-02".into()));
    assert_eq!(last(folder, &["campaign", "plan", "Spring · round 2"])["drafts"], 3);
}
