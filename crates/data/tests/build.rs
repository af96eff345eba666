//! Builds datasets from tiny generated sources and reads them back.

use std::fs;
use std::path::Path;

use data::{BuildOptions, DataError, Dataset, Split};

const SVG: &str = r##"<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><circle cx="10" cy="10" r="8" fill="#e02020"/></svg>"##;

/// A sources folder with three emoji, one of them broken, and the labels for them.
fn sources() -> tempfile::TempDir {
    let root = tempfile::tempdir().expect("temporary folder");
    let write = |name: &str, text: &str| {
        let path = root.path().join(name);
        fs::create_dir_all(path.parent().expect("has a parent")).expect("makes the folder");
        fs::write(path, text).expect("writes");
    };
    write(
        "labels/en/data.json",
        r#"[{"label":"red apple","hexcode":"1F34E","tags":["fruit"],"group":4,"subgroup":42},
            {"label":"soccer ball","hexcode":"26BD","tags":["ball"],"group":6,"subgroup":62},
            {"label":"dog face","hexcode":"1F436","tags":["dog"],"group":3,"subgroup":34}]"#,
    );
    write("labels/meta/groups.json", r#"{"subgroups":{"42":"food-fruit","62":"sport","34":"animal-mammal"}}"#);
    write("labels/meta/unicode-names.json", "{}");
    for set in ["github", "emojibase", "iamcal", "joypixels"] {
        write(&format!("labels/en/shortcodes/{set}.json"), r#"{"1F436":"dog"}"#);
    }
    write("emoji/1f34e.svg", SVG);
    write("emoji/26bd.svg", SVG);
    write("emoji/1f436.svg", "<svg");
    write("own/cat.txt", "a cat\nmy cat, sleeping\n");
    fs::write(root.path().join("own/cat.png"), tiny_png()).expect("writes");
    root
}

/// A picture of 16 × 16 pixels.
fn tiny_png() -> Vec<u8> {
    let picture = data::Picture { width: 16, height: 16, pixels: [10u8, 200, 30, 255].repeat(256) };
    picture.to_png().expect("encodes")
}

fn recipe(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("recipe.toml");
    let text = r#"
        name = "tiny"
        size = 32
        records_per_shard = 3
        labels = { package = "labels", path = "labels" }
        [variants]
        recolour = 2
        background = 2
        copies = 2
        pairs = 2
        patterns = 1
        silhouette = 1
        outline = 1
        [splits]
        captions = 0.0
        styles = 0.0
        colours = 0.0
        concepts = 0.0
        [[source]]
        name = "emoji"
        kind = "emoji-files"
        package = "emoji (npm)"
        path = "emoji"
        style = "flat illustration"
        licence = "MIT"
        [[source]]
        name = "own"
        kind = "folder"
        path = "own"
    "#;
    fs::write(&path, text).expect("writes");
    path
}

#[test]
fn a_dataset_is_built_twice_alike_and_reads_back() {
    let root = sources();
    let recipe = recipe(root.path());
    let options = BuildOptions { sources: Some(root.path().into()), ..BuildOptions::default() };
    let (first, second) = (root.path().join("first"), root.path().join("second"));
    let report = data::build(&recipe, &options, &first, &mut |_| {}).expect("builds");
    data::build(&recipe, &options, &second, &mut |_| {}).expect("builds again");
    let index = |dir: &Path| fs::read_to_string(dir.join("index.json")).expect("has an index");
    assert_eq!(index(&first), index(&second));
    assert_eq!(report.skipped.len(), 1, "{:?}", report.skipped);
    assert!(report.skipped[0].file.contains("1f436"));

    let dataset = Dataset::open(&first, 16, Split::Train).expect("opens");
    assert_eq!(dataset.len(), report.records);
    let apple = (0..dataset.len()).find(|&i| dataset.record(i).key == "emoji-1f34e").expect("is there");
    assert!(dataset.record(apple).captions.iter().any(|c| c == "a red apple, flat illustration"));
    assert_eq!(dataset.record(apple).licence, "MIT");
    assert_eq!(dataset.pixels(apple)[(8 * 16 + 8) * 4 + 3], 255);
    let cat = (0..dataset.len()).find(|&i| dataset.record(i).source == "own").expect("is there");
    assert_eq!(dataset.record(cat).captions, ["a cat", "my cat, sleeping"]);
    let two = (0..dataset.len()).find(|&i| dataset.record(i).count.is_some()).expect("copies were made");
    assert!(dataset.record(two).captions.iter().all(|c| !c.starts_with("a ball")));

    let summary = data::inspect(&first).expect("inspects");
    assert_eq!(summary.records, report.records);
    let sheet = data::sheet(&first, 1, 9).expect("draws a sheet");
    assert_eq!(sheet.pixels.len(), sheet.width * sheet.height * 4);

    let small = BuildOptions { size: Some(24), limit: Some(3), ..options.clone() };
    let report = data::build(&recipe, &small, &root.path().join("small"), &mut |_| {}).expect("builds");
    assert_eq!(report.records, 3);
    assert_eq!(Dataset::open(&root.path().join("small"), 24, Split::Train).expect("opens").resolution(), 24);
    let wrong = BuildOptions { size: Some(8), ..options.clone() };
    let error = data::build(&recipe, &wrong, &root.path().join("wrong"), &mut |_| {}).expect_err("fails");
    assert!(error.to_string().contains("size is 8"), "{error}");

    let again = data::build(&recipe, &options, &first, &mut |_| {});
    assert!(matches!(again, Err(DataError::OutputExists(_))));
}

#[test]
fn a_missing_source_is_named_with_its_package_and_the_script() {
    let root = sources();
    let recipe = recipe(root.path());
    let options = BuildOptions { sources: Some(root.path().into()), ..BuildOptions::default() };
    fs::remove_dir_all(root.path().join("emoji")).expect("removes");
    let error = data::build(&recipe, &options, &root.path().join("out"), &mut |_| {}).expect_err("fails");
    let text = error.to_string();
    assert!(text.contains("emoji (npm)") && text.contains("recipes/install-sources.sh"), "{text}");
}

#[test]
fn a_colour_that_such_things_do_not_usually_have_is_always_said() {
    let root = sources();
    let path = recipe(root.path());
    let start = fs::read_to_string(&path).expect("reads");
    let mut text = start.split("[[source]]").next().expect("has settings").replace("= 2", "= 0").replace("= 1", "= 0");
    for (author, colour) in [("one", "#151515"), ("two", "#44484e"), ("three", "#888888"), ("four", "#1e63d6")] {
        let half =
            format!(r#"<rect width="20" height="20" fill="white"/><rect width="10" height="20" fill="{colour}"/>"#);
        let svg = format!(r#"<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">{half}</svg>"#);
        fs::create_dir_all(root.path().join(author)).expect("makes the folder");
        fs::write(root.path().join(author).join("26bd.svg"), svg).expect("writes");
        text += &format!(
            "[[source]]\nname = '{author}'\nkind = 'emoji-files'\npackage = 'p'\npath = '{author}'\nstyle = 'clip art'\n\
             licence = 'MIT'\nauthor = '{author}'\n"
        );
    }
    fs::write(&path, text).expect("writes");
    let options = BuildOptions { sources: Some(root.path().into()), ..BuildOptions::default() };
    data::build(&path, &options, &root.path().join("out"), &mut |_| {}).expect("builds");
    let dataset = Dataset::open(&root.path().join("out"), 16, Split::Train).expect("opens");
    assert_eq!(dataset.len(), 4);
    for record in (0..4).map(|i| dataset.record(i)) {
        let says_all = record
            .captions
            .iter()
            .all(|caption| caption.contains("blue and white") || caption.contains("white and blue"));
        assert_eq!(says_all, record.source == "four", "{record:?}");
        assert_eq!(
            record.captions.iter().any(|caption| caption == "a soccer ball"),
            record.source != "four",
            "{record:?}"
        );
    }
}
