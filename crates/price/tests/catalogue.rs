//! The catalogue as people edit it: every mistake is named by row, field and line, all of them at once.

mod common;

use common::*;
use price::catalogue::{Change, Problem, STALE_DAYS, check, diff};
use price::{Catalogue, CatalogueError};
use proptest::prelude::*;

fn problems(text: &str) -> Vec<Problem> {
    match Catalogue::parse("prices.toml", text) {
        Err(CatalogueError::Rows { problems, .. }) => problems,
        other => panic!("{other:?} from {text}"),
    }
}

/// The text has exactly one problem, with this field and these words.
fn refused(text: &str, field: &str, words: &str) {
    let found = problems(text);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].field, field, "{found:?}");
    assert!(found[0].message.contains(words), "{found:?}");
    assert!(found[0].line.is_some(), "{found:?}");
}

#[test]
fn a_row_of_each_billing_is_read() {
    assert_eq!(catalogue(&all_billings()).offers.len(), 10);
}

#[test]
fn mistakes_are_named_by_row_field_and_line() {
    let text = row("good", IMAGE) + &row("bad", &IMAGE.replace("'0.03'", "'-1'"));
    let found = problems(&text);
    let line = text.lines().position(|line| line.contains("-1")).unwrap() + 1;
    let expected = "is not a number of 0 or more with at most six digits after the point, such as 0.039";
    assert_eq!(
        found,
        [Problem { row: "bad".into(), field: "price".into(), line: Some(line), message: format!("'-1' {expected}") }]
    );
    let error = Catalogue::parse("prices.toml", &text).unwrap_err().to_string();
    assert_eq!(error, format!("prices.toml: line {line}: bad: price: '-1' {expected}"));
}

#[test]
fn every_mistake_is_found_at_once() {
    let text = row("a", &IMAGE.replace("price = '0.03'", "prize = '0.03'"))
        .replace("source = \"https://example.com/pricing\"\n", "")
        .replace("USD", "dollars");
    let fields: Vec<_> = problems(&text).into_iter().map(|problem| problem.field).collect();
    assert_eq!(fields.len(), 4, "{fields:?}");
    for field in ["source", "currency", "price", "prize"] {
        assert!(fields.iter().any(|found| found == field), "{field} in {fields:?}");
    }
}

#[test]
fn what_a_row_needs() {
    for field in ["currency", "rounding", "source", "checked_on", "confidence", "rights", "marks"] {
        let text = row("a", IMAGE);
        let without: Vec<&str> = text.lines().filter(|line| !line.starts_with(&format!("{field} ="))).collect();
        refused(&without.join("\n"), field, "is missing");
    }
    refused(&row("a", IMAGE).replace("https://example.com/pricing", "the web"), "source", "https://");
    refused(&row("a", IMAGE).replace("https://example.com/pricing", "  "), "source", "is empty");
    refused(&row("a", IMAGE).replace("2026-06-01", "2026-13-01"), "", "");
    refused(&row("a", IMAGE).replace("2026-06-01", "'soon'"), "checked_on", "soon");
    refused(&row("a", IMAGE).replace("'api'", "'own_hw'"), "billing", "goes with kind api");
    refused(&row("a", IMAGE).replace("'image'", "'picture'"), "billing", "one of image");
    refused(&row("a b", IMAGE), "id", "other characters");
}

#[test]
fn numbers_are_exact_and_within_bounds() {
    let changed = |lines: &str, from: &str, to: &str| {
        assert!(lines.contains(from), "{from}");
        row("a", &lines.replace(from, to))
    };
    refused(&changed(IMAGE, "'0.03'", "0.03"), "price", "in quotes");
    refused(&changed(IMAGE, "'0.03'", "-3"), "price", "-3");
    refused(&changed(IMAGE, "'0.03'", "'0.0000003'"), "price", "six digits");
    refused(&changed(IMAGE, "'0.03'", "99999999999999"), "price", "99999999999999");
    refused(&changed(IMAGE, "'0.03'", "[1]"), "price", "found array");
    refused(&changed(IMAGE, "'0.03'", "nan"), "price", "in quotes");
    refused(&changed(IMAGE, "'0.03'", "0x10"), "price", "decimal");
    refused(&changed(SEAT, "= 500", "= -500"), "included_images", "");
    refused(&changed(SEAT, "= 500", "= 1.5"), "included_images", "in quotes");
    refused(&changed(MACHINE, "months = 36", "months = 0"), "months", "1 or more");
    refused(&changed(MACHINE, "'0.1'\nload", "'1.1'\nload"), "residual", "between 0 and 1");
    refused(&changed(MACHINE, "utilisation = 1", "utilisation = 0"), "utilisation", "between");
    refused(&changed(MACHINE, "= 730", "= 745"), "hours_per_month", "744");
    refused(&changed(MACHINE, "pue = 1", "pue = '0.9'"), "pue", "between 1");
    refused(&changed(MACHINE, "idle_kw = '0.1'", "idle_kw = '0.6'"), "idle_kw", "more than load_kw");
    refused(&changed(GPU_SECOND, "per_hour = '3.6'", ""), "per_hour", "either");
    refused(&changed(GPU_SECOND, "per_hour = '3.6'", "per_hour = 1\nper_second = 1"), "per_hour", "either");
    refused(&changed(GPU_HOURS, "seconds_per_image = 15\n", "seconds_per_image = 0\n"), "seconds_per_image", "above 0");
    refused(&changed(GPU_HOURS, "slow_lane = true", "slow_lane = 'yes'"), "slow_lane", "");
    refused(&changed(GPU_HOURS, "parallel = 3", "parallel = 0"), "parallel", "1 or more");
    refused(&changed(MEGAPIXEL, "= 1048576", "= 0"), "pixels_per_megapixel", "1 or more");
    refused(&changed(BY_QUALITY, "'0.211'", "'x'"), "rate[1].price", "'x'");
    refused(
        &changed(BY_QUALITY, "1024x1024'\nquality = 'high'", "1024'\nquality = 'high'"),
        "rate[1].size",
        "1024x1024",
    );
    refused(&changed(BY_QUALITY, "price = '0.211'", "price = '0.211'\nprize = 1"), "rate[1].prize", "unknown key");
    refused(&row("a", &(IMAGE.to_owned() + "\nsizes = ['0x5']")), "sizes", "0x5");
    refused(
        &row("a", &(IMAGE.to_owned() + "\nstarts_on = 2026-02-01\nretires_on = 2026-02-01")),
        "retires_on",
        "not after",
    );
}

#[test]
fn keys_of_another_billing_are_unknown() {
    refused(&row("a", &(IMAGE.to_owned() + "\nper_seat = 5")), "per_seat", "unknown key for billing 'image'");
    refused(&format!("version = 2\n{}", row("a", IMAGE)), "version", "unknown key");
    refused(&row("a", &(CREDIT.to_owned() + "\nmonthly = 5")), "monthly", "unknown key");
}

#[test]
fn nothing_is_there_twice() {
    let twice = row("a", IMAGE) + &row("a", SEAT);
    refused(&twice, "id", "line 1");
    let quality = BY_QUALITY.replace("'high'", "'low'");
    refused(&row("a", &quality), "rate[1].quality", "(1024x1024, low) is there already");
    let vendor = |id: &str, more: &str| {
        row(id, &(IMAGE.to_owned() + more)).replace(&format!("vendor = \"{id}\""), "vendor = 'v'")
    };
    refused(&(vendor("a", "") + &vendor("b", "")), "model", "(m, any size, any quality) has a price at line 1 already");
    // Another quality, another time, another seller.
    catalogue(&(vendor("a", "\nquality = 'low'") + &vendor("b", "\nquality = 'high'")));
    catalogue(&(vendor("a", "\nretires_on = 2026-07-01") + &vendor("b", "\nstarts_on = 2026-07-01")));
    catalogue(&(row("a", IMAGE) + &row("b", IMAGE)));
}

#[test]
fn files_that_are_no_catalogue() {
    for (text, words) in [
        ("", "no row"),
        ("offer = 5", "no row"),
        ("offer = []", "no row"),
        ("offer = [1]", "not a table"),
        ("[[offer]", "line 1"),
        ("[offer]\nid = 'a'", "no row"),
        ("[[offer]]\nid = 'a'\nid = 'b'", "line 3"),
        ("[[offer]]\nid = 5", "is missing"),
    ] {
        let error = Catalogue::parse("x", text).unwrap_err().to_string();
        assert!(error.contains(words), "{text:?}: {error}");
    }
    let missing = Catalogue::read("no/such/file.toml".as_ref()).unwrap_err();
    assert!(matches!(missing, CatalogueError::File { .. }), "{missing}");
}

#[test]
fn the_starter_has_a_public_source_and_a_date_on_each_row() {
    let starter = Catalogue::starter().unwrap();
    assert!(starter.offers.len() >= 20);
    let mut billings: Vec<_> = starter.offers.iter().map(|offer| offer.billing.name()).collect();
    billings.sort_unstable();
    billings.dedup();
    assert_eq!(billings.len(), 9, "all eight billings of vendors, and own machines: {billings:?}");
    for offer in &starter.offers {
        assert!(offer.vendor == "own" || offer.source.starts_with("https://"), "{}", offer.id);
        assert!(offer.checked_on <= date("2026-12-31") && offer.checked_on >= date("2026-01-01"), "{}", offer.id);
    }
    let report = check(None, date("2026-06-15")).unwrap();
    assert_eq!((report.problems.len(), report.sound), (0, starter.offers.len()));
}

#[test]
fn stale_after_ninety_days_and_retired_on_the_day() {
    let starts = row("a", &(IMAGE.to_owned() + "\nretires_on = 2026-09-01"));
    let offer = &catalogue(&starts).offers[0];
    assert_eq!(STALE_DAYS, 90);
    assert!(!offer.is_stale(date("2026-08-30")), "the 90th day after 1 June");
    assert!(offer.is_stale(date("2026-08-31")));
    assert!(!offer.is_retired(date("2026-08-31")));
    assert!(offer.is_retired(date("2026-09-01")));
    assert!(!offer.is_stale(date("2020-01-01")), "the clock may be wrong");
}

#[test]
fn a_check_tells_broken_from_old() {
    let folder = std::env::temp_dir().join(format!("calotype-prices-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("prices.toml");
    let text = row("old", IMAGE).replace("2026-06-01", "2026-01-01")
        + &row("gone", &(SEAT.to_owned() + "\nretires_on = 2026-06-05"))
        + &row("future", SEAT).replace("checked_on = 2026-06-01", "checked_on = 2026-07-01")
        + &row("broken", &SEAT.replace("= 20", "= 'x'"));
    std::fs::write(&path, &text).unwrap();
    let report = check(Some(&path), today()).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let ids = |aged: &[price::catalogue::Aged]| aged.iter().map(|row| (row.id.clone(), row.days)).collect::<Vec<_>>();
    assert_eq!(report.sound, 3);
    assert_eq!(ids(&report.stale), [("old".to_owned(), 165)]);
    assert_eq!(ids(&report.retired), [("gone".to_owned(), 10)]);
    let broken: Vec<_> = report.problems.iter().map(|problem| (problem.row.as_str(), problem.field.as_str())).collect();
    assert_eq!(broken, [("future", "checked_on"), ("broken", "per_seat")]);
}

#[test]
fn a_diff_names_rows_fields_and_percent() {
    let old = catalogue(&(row("a", BY_QUALITY) + &row("b", IMAGE) + &row("c", SEAT)));
    let new = BY_QUALITY.replace("'0.211'", "'0.1055'").replace("'low'", "'draft'");
    let new = catalogue(&(row("d", IMAGE) + &row("a", &new) + &row("c", SEAT)));
    let changes = diff(&old, &new);
    assert_eq!(changes.len(), 3, "{changes:?}");
    let Change::Changed { id, fields } = &changes[0] else { panic!("{changes:?}") };
    assert_eq!(id, "a");
    let shown: Vec<_> =
        fields.iter().map(|f| (f.field.as_str(), f.old.as_deref(), f.new.as_deref(), f.percent)).collect();
    assert_eq!(
        shown,
        [
            ("rate[1024x1024 draft].price", None, Some("0.006"), None),
            ("rate[1024x1024 high].price", Some("0.211"), Some("0.1055"), Some(-50.0)),
            ("rate[1024x1024 low].price", Some("0.006"), None, None),
        ]
    );
    assert_eq!(changes[1], Change::Removed { id: "b".into() });
    assert_eq!(changes[2], Change::Added { id: "d".into() });
    assert!(diff(&old, &old).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A file with any part overwritten is read or refused, never a panic.
    #[test]
    fn damaged_files_do_not_panic(at in 0.0_f64..1.0, length in 0_usize..40, junk in "[ -~\\n]{0,12}") {
        let mut text = all_billings();
        let start = (at * text.len() as f64) as usize;
        let end = (start + length).min(text.len());
        text.replace_range(start..end, &junk);
        if let Ok(catalogue) = Catalogue::parse("x", &text) {
            let report = price::report(&catalogue, &pictures(520), &speeds(), today()).unwrap();
            prop_assert!(report.offers.iter().all(|line| line.cost.micros() >= 0));
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        prop_assert!(Catalogue::parse("x", &text).is_err());
    }
}

#[test]
fn the_rows_of_the_documentation_can_be_used() {
    let page = include_str!("../../../docs/prices.md");
    let example = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let rows = example.replace("[[offer]]", &format!("[[offer]]{REST}"));
    let catalogue = catalogue(&rows);
    let report = price::report(&catalogue, &pictures(520), &speeds(), today()).unwrap();
    assert_eq!(catalogue.offers.len(), 9);
    assert_eq!(reasons(&report, "gpu-second"), ["no_speed"], "nobody measured an rtx-4090");
    assert_eq!(report.offers.len(), 9, "two of them are qualities of one row: {:?}", report.excluded);
}
