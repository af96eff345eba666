//! `calotype campaign` as scripts see it: from a brief to exported finals, interrupted on the way.

mod common;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use common::said;

const BRIEF: &str = r#"
    name = "Spring"
    prompt = "a {colour} bicycle in {city}"
    candidates = 2
    size = "32x32"
    draft_preset = "draft"
    preset = "standard"
    [slots]
    colour = ["red", "green"]
"#;

fn calotype(folder: &Path, args: &[&str]) -> Command {
    common::calotype(folder, &[&["campaign"], args].concat())
}

fn run(folder: &Path, args: &[&str]) -> Output {
    calotype(folder, args).output().unwrap()
}

fn last(folder: &Path, args: &[&str]) -> Value {
    common::last(folder, &[&["campaign"], args].concat())
}

#[test]
fn the_examples_are_campaigns_of_50_and_500_assets() {
    let room = tempfile::tempdir().unwrap();
    let market = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/market"));
    let rows = market.join("rows.csv");
    for (brief, assets) in [("brief.toml", 50), ("brief-500.toml", 500)] {
        let brief = market.join(brief);
        let made = last(room.path(), &["new", brief.to_str().unwrap(), "--rows", rows.to_str().unwrap()]);
        assert_eq!(made["rows"], assets);
        assert_eq!(last(room.path(), &["plan", made["name"].as_str().unwrap()])["drafts"], 8 * assets);
    }
}

#[test]
fn from_a_brief_to_finals() {
    let room = tempfile::tempdir().unwrap();
    let folder = room.path();
    std::fs::write(folder.join("brief.toml"), BRIEF).unwrap();
    let rows: String = (0..30).map(|i| format!("c{i},city {i}\n")).collect();
    std::fs::write(folder.join("rows.csv"), format!("id,city\n{rows}")).unwrap();
    let new = ["new", "brief.toml", "--rows", "rows.csv"];
    let dry = last(folder, &[&new[..], &["--dry-run", "2"]].concat());
    assert_eq!(dry["rows"][1]["prompt"], "a green bicycle in city 0");
    assert!(said(&run(folder, &["list"])).starts_with("no campaigns"));
    assert_eq!(last(folder, &new)["rows"], 60);
    let again = run(folder, &new);
    assert_eq!(again.status.code(), Some(2), "{}", said(&again));
    assert_eq!(last(folder, &["plan", "Spring"])["drafts"], 120);

    // Interrupted as soon as something is done, it pauses; the same command goes on.
    let mut child = calotype(folder, &["run", "Spring", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let begun = lines.by_ref().any(|line| line.unwrap().contains("\"progress\""));
    assert!(begun);
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{rest:?}");
    assert_eq!(last(folder, &["report", "Spring"])["state"], "paused");
    let done = last(folder, &["run", "Spring"]);
    assert_eq!((&done["done"], &done["failed"], &done["state"]), (&60.into(), &0.into(), &"ready".into()));
    assert_eq!(last(folder, &["report", "Spring"])["candidates"], 120);

    let nothing = run(folder, &["run", "Spring", "--finals"]);
    assert_eq!(nothing.status.code(), Some(2), "{}", said(&nothing));
    for bad in ["c0-1", "c0-1:0", "c0-1:3", "nothing:1", "c0-1:x", ":"] {
        let refused = run(folder, &["pick", "Spring", "c1-1:1", bad]);
        assert_eq!(refused.status.code(), Some(2), "{bad}: {}", said(&refused));
    }
    assert_eq!(last(folder, &["report", "Spring"])["picked"], 0);
    assert_eq!(last(folder, &["pick", "Spring", "c0-1:2", "c3-2:1"])["picked"], 2);
    assert_eq!(last(folder, &["pick", "Spring", "c7-1:1"])["picked"], 1);
    assert_eq!(last(folder, &["unpick", "Spring", "c7-1:1"])["unpicked"], 1);
    assert_eq!(last(folder, &["export", "Spring", "early"])["missing"], 2);
    assert_eq!(last(folder, &["run", "Spring", "--finals"])["done"], 2);
    assert_eq!(last(folder, &["export", "Spring", "out"])["pictures"], 2);
    let manifest = std::fs::read_to_string(folder.join("out/manifest.csv")).unwrap();
    let lines: Vec<&str> = manifest.lines().collect();
    assert!(lines.len() == 3 && lines[1].starts_with("c0-1-2.png,c0-1,"), "{manifest}");
    let picture = formats::picture::decode(&std::fs::read(folder.join("out/c3-2-1.png")).unwrap()).unwrap();
    assert!(picture.text.iter().any(|(_, text)| text.contains("a green bicycle in city 3")));
    channels(folder);

    // Approval always follows a review, and what is under review stays picked.
    let review = |to: &str| run(folder, &["review", "Spring", "c0-1:2", "c3-2:1", "--to", to, "--by", "anna"]);
    assert!(!review("approved").status.success() && review("liked").status.code() == Some(2));
    assert!(review("in-review").status.success());
    assert!(!run(folder, &["unpick", "Spring", "c0-1:2"]).status.success());
    assert!(review("approved").status.success());
    assert_eq!(last(folder, &["report", "Spring"])["review"]["approved"], 2);
    let listed = said(&run(folder, &["list"]));
    assert_eq!(listed, "Spring  ready, 60 rows, 60 drafted, 2 picked, 2 finals, 2 approved\n");
    let listed = last(folder, &["list"]);
    assert_eq!((&listed["event"], &listed["progress"]["candidates"]), (&"campaign".into(), &120.into()));

    let link = last(folder, &["share", "Spring", "agency", "--days", "3"]);
    assert!(link["page"].as_str().unwrap().starts_with("/shared/"), "{link}");
    assert_eq!(run(folder, &["share", "Spring", "agency", "--days", "0"]).status.code(), Some(2));
    let listed = run(folder, &["links", "Spring"]);
    assert!(said(&listed).contains("3 days left") && said(&listed).contains("agency"), "{}", said(&listed));
    let id = link["link"]["id"].as_str().unwrap();
    let listed = last(folder, &["links", "Spring"]);
    assert_eq!((&listed["event"], &listed["links"][0]["id"]), (&"links".into(), &id.into()));
    let revoked = run(folder, &["links", "Spring", "--revoke", id]);
    assert!(said(&revoked).contains("revoked"), "{}", said(&revoked));

    let asked = run(folder, &["delete", "Spring", "--pictures"]);
    assert!(
        asked.status.code() == Some(2) && said(&asked).contains("60 rows, 2 picks, 122 pictures"),
        "{}",
        said(&asked)
    );
    let gone = last(folder, &["delete", "Spring", "--pictures", "--yes"]);
    assert_eq!((&gone["removed"], &gone["kept"]), (&122.into(), &0.into()));
    assert_eq!(run(folder, &["report", "Spring"]).status.code(), Some(1));
}

/// The picks of that campaign for channels: folders and a ZIP say the same, a kit from a file, mistakes by name.
fn channels(folder: &Path) {
    let kit = "schema = 1\nname = \"House\"\nversion = 4\n[[colours]]\nrole = \"primary\"\nvalue = \"#1f4d3a\"\n";
    std::fs::write(folder.join("house.toml"), kit).unwrap();
    std::fs::write(folder.join("wrong.toml"), kit.replace("#1f4d3a", "green")).unwrap();
    let to =
        ["export", "Spring", "channels", "--channels", "meta.feed.1x1,google.display.300x250", "--kit", "house.toml"];
    let how = ["--template", "words,meta.feed.1x1=crop", "--text", "headline=Hallo", "--names", "{asset}.{ext}"];
    let all = [&to[..], &how].concat();
    assert_eq!(last(folder, &all)["files"], 4);
    let manifest = std::fs::read(folder.join("channels/manifest.csv")).unwrap();
    let text = String::from_utf8(manifest.clone()).unwrap();
    assert!(text.lines().count() == 5 && text.contains(",House,4,"), "{text}");
    assert!(folder.join("channels/google.display.300x250/c0-1-2.jpg").is_file(), "{text}");
    assert!(std::fs::read(folder.join("channels/contact-sheet.pdf")).unwrap().starts_with(b"%PDF"));
    assert_eq!(std::fs::read_dir(folder.join("channels")).unwrap().count(), 4, "nothing else is left there");

    // How far it is is told before each pick.
    let output = run(folder, &[&all[..], &["--zip", "--json"]].concat());
    let events: Vec<Value> = said(&output).lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let [first, second, zipped] = &events[..] else { panic!("{}", said(&output)) };
    let progress =
        [first, second].map(|event| (event["event"].as_str(), event["done"].as_u64(), event["files"].as_u64()));
    assert_eq!(progress, [0, 2].map(|done| (Some("progress"), Some(done), Some(4))));
    assert!(zipped["place"].as_str().unwrap().ends_with("Spring.zip"), "{zipped}");
    // Nothing is compressed: the manifest of the folder stands in the ZIP as it is.
    let zip = std::fs::read(folder.join("channels/Spring.zip")).unwrap();
    assert!(zip.windows(manifest.len()).any(|part| part == manifest));
    for (args, told) in [
        (&["--channels", "meta.nowhere"][..], "there is no channel 'meta.nowhere'"),
        (&["--zip"], "the brief names no channels"),
        (&["--channels", "meta.story", "--kit", "wrong.toml"], "wrong.toml: toml: line 6"),
        (&["--channels", "meta.story", "--kit", "nothing.toml"], "nothing.toml"),
        (&["--channels", "meta.story", "--kit", "House"], "no brand kit 'House'"),
        (&["--channels", "meta.story", "--template", "nothing"], "there is no template 'nothing'"),
        (&["--channels", "meta.story", "--text", "x"], "--text 'x' is not KEY=VALUE"),
        (&["--channels", "meta.story", "--approved"], "nothing is picked (or approved) yet"),
    ] {
        let output = run(folder, &[&["export", "Spring", "wrong"], args].concat());
        assert!(output.status.code() == Some(2) && said(&output).contains(told), "{args:?}: {}", said(&output));
    }
}

#[test]
fn what_is_wrong_is_named_and_nothing_is_kept() {
    let room = tempfile::tempdir().unwrap();
    let folder = room.path();
    std::fs::write(folder.join("brief.toml"), BRIEF).unwrap();
    std::fs::write(folder.join("rows.csv"), "id,city\na,Bern\nb,\nc,x\0y\n").unwrap();
    std::fs::write(folder.join("columns.csv"), "id,town\na,Bern\n").unwrap();
    std::fs::write(folder.join("bad.toml"), format!("candidates = 65\n{BRIEF}").replace("candidates = 2", "")).unwrap();
    for (args, told) in [
        (&["new", "brief.toml", "--rows", "rows.csv"][..], "row 2 (line 3), column 'city': is empty"),
        (&["new", "brief.toml", "--rows", "rows.csv"], "row 3 (line 4), column 'city'"),
        (&["new", "brief.toml", "--rows", "rows.csv", "--dry-run", "9"], "2 rows are wrong"),
        (&["new", "brief.toml", "--rows", "columns.csv"], "'town'"),
        (&["new", "bad.toml"], "candidates: 65 is not in 1..=64"),
    ] {
        let output = run(folder, args);
        assert!(output.status.code() == Some(2) && said(&output).contains(told), "{args:?}: {}", said(&output));
    }
    for (args, told) in [
        (&["new", "nothing.toml"][..], "nothing.toml"),
        (&["new", "brief.toml", "--rows", "nothing.csv"], "nothing.csv"),
        (&["report", "Spring"], "no campaign 'Spring'"),
    ] {
        let output = run(folder, args);
        assert!(output.status.code() == Some(1) && said(&output).contains(told), "{args:?}: {}", said(&output));
    }
}
