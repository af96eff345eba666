//! What can be said about the page without a browser.

use std::collections::BTreeSet;

use super::*;

/// Most bytes that a first visit fetches, before pictures.
const MAX_FIRST: usize = 300_000;
/// Most bytes of all files.
const MAX_BYTES: usize = 600_000;

fn text(name: &str) -> &'static str {
    FILES.iter().find(|file| file.name == name).expect("a file of the page").text
}

fn scripts() -> impl Iterator<Item = &'static PageFile> {
    FILES.iter().filter(|file| file.name.ends_with(".js"))
}

/// What stands in quotes after `start`, everywhere in a text.
fn quoted<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
    text.split(start).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Values of an attribute in the page and in what scripts make.
fn attribute(name: &str) -> BTreeSet<&'static str> {
    let page = ["index.html", "shared.html"].map(|page| quoted(text(page), &format!(" {name}=\""))).concat();
    let made = scripts().flat_map(|file| quoted(file.text, &format!(" {name}: \"")));
    page.into_iter().chain(made).collect()
}

#[test]
fn every_file_has_its_type_and_its_policy() {
    for known in FILES {
        let response = file(known.name, &HeaderMap::new());
        assert_eq!(response.status(), StatusCode::OK, "{}", known.name);
        let header = |name| response.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header(header::CONTENT_TYPE), media_type(known.name));
        assert!(header(header::CONTENT_SECURITY_POLICY).starts_with("default-src 'none'; script-src 'self';"));
        assert!(!header(header::CONTENT_SECURITY_POLICY).contains("unsafe"));
        let mut again = HeaderMap::new();
        again.insert(header::IF_NONE_MATCH, response.headers()[header::ETAG].clone());
        assert_eq!(file(known.name, &again).status(), StatusCode::NOT_MODIFIED, "{}", known.name);
    }
    for bad in ["", "index", "../mod.rs", "mod.rs", "style.css/"] {
        assert_eq!(file(bad, &HeaderMap::new()).status(), StatusCode::NOT_FOUND, "{bad}");
    }
}

#[test]
fn every_file_of_the_folder_is_served_and_all_are_light() {
    let folder = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/page")).unwrap();
    let there: BTreeSet<String> = folder.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(there, FILES.iter().map(|file| file.name.to_owned()).collect());
    let bytes: usize = FILES.iter().map(|file| file.text.len()).sum();
    assert!(bytes <= MAX_BYTES, "the page has {bytes} bytes");
    // The page, its styles and drawings, and every script that another one names in an `import` of its own.
    let mut first: BTreeSet<&str> = FILES.iter().map(|file| file.name).filter(|name| !name.ends_with(".js")).collect();
    let mut open = vec!["main.js"];
    while let Some(name) = open.pop() {
        if first.insert(name) {
            let lines = text(name).lines().filter(|line| line.starts_with("import "));
            open.extend(lines.map(|line| quoted(line, "from \"./")[0]));
        }
    }
    let bytes: usize = first.iter().map(|name| text(name).len()).sum();
    assert!(first.contains("create.js") && !first.contains("campaigns.js"), "{first:?}");
    assert!(bytes <= MAX_FIRST, "a first visit fetches {bytes} bytes");
}

#[test]
fn nothing_is_inline_and_nothing_comes_from_elsewhere() {
    for bad in ["<style", " style=", " onclick=", "javascript:", "<script>"] {
        assert!(["index.html", "shared.html"].iter().all(|page| !text(page).contains(bad)), "{bad}");
    }
    for file in FILES {
        let links = file.text.replace("http://www.w3.org/2000/svg", "");
        assert!(!links.contains("http://") && !links.contains("https://"), "{}", file.name);
        for bad in ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "new Function", "document.write"] {
            assert!(!file.text.contains(bad), "{} has {bad}", file.name);
        }
    }
}

#[test]
fn every_element_that_scripts_name_is_there_once() {
    let ids = attribute("id");
    for file in scripts() {
        let calls =
            file.text.match_indices("at(\"").filter(|(at, _)| !file.text[..*at].ends_with(char::is_alphanumeric));
        for id in calls.filter_map(|(at, call)| file.text[at + call.len()..].split('"').next()) {
            assert!(ids.contains(id), "{} names #{id}, which is nowhere", file.name);
        }
    }
    let own = quoted(text("index.html"), " id=\"");
    assert_eq!(own.len(), own.iter().collect::<BTreeSet<_>>().len(), "an id is there twice");
}

#[test]
fn every_import_is_a_file_that_exports_the_name() {
    for file in scripts() {
        for late in quoted(file.text, "import(\"./") {
            assert!(FILES.iter().any(|file| file.name == late), "{} fetches {late}, which is no file", file.name);
        }
        for line in file.text.lines().filter(|line| line.starts_with("import ")) {
            let from = quoted(line, "from \"./")[0];
            let other = text(from);
            let names = line.split(['{', '}']).nth(1).unwrap_or_default();
            for name in
                names.split(',').filter_map(|name| name.trim().split(" as ").next()).filter(|name| !name.is_empty())
            {
                let said = ["function", "async function", "const", "let", "class"]
                    .iter()
                    .any(|kind| other.contains(&format!("export {kind} {name}")));
                assert!(said, "{} imports {name}, which {from} does not export", file.name);
            }
        }
    }
}

#[test]
fn every_field_of_the_page_has_a_label() {
    let page = text("index.html");
    let labelled: BTreeSet<&str> = quoted(page, " for=\"").into_iter().collect();
    for tag in ["<input ", "<select ", "<textarea "] {
        for field in page.split(tag).skip(1).map(|rest| rest.split('>').next().unwrap_or_default()) {
            let id = quoted(&format!(" {field}"), " id=\"").first().copied().unwrap_or_default().to_owned();
            let inside = page.contains(&format!("<label class=\"check\">{tag}id=\"{id}\""));
            assert!(labelled.contains(id.as_str()) || inside, "{tag}{field} has no label");
        }
    }
    let pointed: Vec<&str> = labelled.iter().copied().filter(|id| !page.contains(&format!("id=\"{id}\""))).collect();
    assert!(pointed.is_empty(), "labels of nothing: {pointed:?}");
}
