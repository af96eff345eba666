//! The suite's report as one HTML page that needs nothing else: tables and bars drawn as SVG.

use std::fmt::Write;

use super::suite::{Report, Scores};

/// What the columns say, in order.
const MEASURES: [(&str, &str); 5] = [
    (
        "Retrieval",
        "pictures nearer to their own caption than to 99 hard distractors (same object in another look, same look \
                   of another object, others); higher is better",
    ),
    ("Style", "pictures in the style asked for; higher is better"),
    (
        "Colour",
        "single objects of which at least 30 % of the area is near the colour asked for (CIEDE2000 below 20); higher \
                is better",
    ),
    ("Kernel distance", "to the real pictures, in the judge's vectors; lower is better, 0 is the same distribution"),
    ("Copies", "pictures whose nearest training picture is three times nearer than the second; lower is better"),
];

const HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>\
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;color:#1e2228}\
table{border-collapse:collapse;width:100%;margin:.5rem 0 1.5rem}th,td{padding:.25rem .6rem;text-align:right;\
border-bottom:1px solid #dee2e8}th:first-child,td:first-child{text-align:left}tr.real td{color:#1b6e3c}tr.floor td{color:#9a3b26}\
svg{display:block;margin:.25rem 0}img{max-width:100%}dt{font-weight:600}small{color:#5a626c}</style>";

/// The page; `sheet` is the address of a picture to show, relative to the page.
pub fn page(report: &Report, sheet: Option<&str>) -> String {
    let mut out = String::from(HEAD);
    let model = escape(&report.model);
    let _ = write!(
        out,
        "<title>{model}: evaluation</title><h1>{model}</h1><p>{} training pictures, {2}×{2} pixels. <small>SHA-256 {}</small></p>",
        report.pictures_seen, report.model_sha256, report.size
    );
    if let Some(sheet) = sheet {
        let _ = write!(out, "<img src='{}' alt='one picture for each of the fixed prompts'>", escape(sheet));
    }
    out.push_str("<h2>What is measured</h2><dl>");
    for (name, meaning) in MEASURES {
        let _ = write!(out, "<dt>{name}</dt><dd>{meaning}</dd>");
    }
    out.push_str(
        "</dl><p><b>Real</b> pictures of the same captions are the ceiling, real pictures of other captions (<b>shuffled</b>) \
         the floor. The judge was trained on the training split alone and is used for nothing else.</p>",
    );
    for group in &report.groups {
        let _ = write!(
            out,
            "<h2>{}</h2><p>{} prompts, {} of them name the colour of a single object.</p>",
            escape(&group.name),
            group.questions,
            group.coloured
        );
        out.push_str("<table><tr><th>pictures");
        for (name, _) in MEASURES {
            let _ = write!(out, "<th>{name}");
        }
        row(&mut out, "real", "real", &group.real);
        for (steps, scores) in group.generated.iter().rev() {
            row(&mut out, "", &format!("{steps} steps"), scores);
        }
        row(&mut out, "floor", "shuffled", &group.shuffled);
        out.push_str("</table>");
        if let Some((steps, best)) = group.generated.iter().next_back() {
            let parts =
                [("real", group.real.retrieval), ("generated", best.retrieval), ("shuffled", group.shuffled.retrieval)];
            bars(&mut out, &format!("Retrieval at {steps} steps"), &parts);
        }
    }
    let _ = write!(
        out,
        "<h2>Diversity</h2><p>Mean distance over eight seeds of one prompt: {:.3}; over real pictures of one object in one \
         style: {:.3}.</p><h2>Seconds a picture</h2><table><tr><th>steps<th>median seconds",
        report.diversity, report.real_diversity
    );
    for (steps, seconds) in &report.seconds {
        let _ = write!(out, "<tr><td>{steps}<td>{seconds:.3}");
    }
    out.push_str("</table></html>\n");
    out
}

fn row(out: &mut String, class: &str, name: &str, scores: &Scores) {
    let percent = |x: f64| format!("{:.1} %", 100.0 * x);
    let _ = write!(
        out,
        "<tr class='{class}'><td>{name}<td>{}<td>{}<td>{}<td>{:.4}<td>{}",
        percent(scores.retrieval),
        scores.style.map_or("–".into(), percent),
        scores.colour.map_or("–".into(), percent),
        scores.kernel_distance,
        percent(scores.copies)
    );
}

/// Shares in `0..=1` as horizontal bars.
fn bars(out: &mut String, title: &str, parts: &[(&str, f64)]) {
    let _ = write!(
        out,
        "<svg width='520' height='{}' role='img' aria-label='{title}' font-family='system-ui,sans-serif' font-size='13'>\
         <text x='0' y='14' font-weight='600'>{title}</text>",
        22 + 22 * parts.len()
    );
    for (i, (name, share)) in parts.iter().enumerate() {
        let y = 22 + 22 * i;
        let width = 340.0 * share.clamp(0.0, 1.0);
        let _ = write!(
            out,
            "<text x='0' y='{0}'>{name}</text><rect x='80' y='{y}' width='{width:.1}' height='16' fill='#4a7fd0'/>\
             <text x='{1:.1}' y='{0}'>{2:.1} %</text>",
            y + 13,
            88.0 + width,
            100.0 * share
        );
    }
    out.push_str("</svg>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\'', "&#39;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::suite::Group;
    use super::*;

    #[test]
    fn the_page_holds_every_group_and_escapes_names() {
        let scores =
            |retrieval| Scores { retrieval, style: Some(0.5), colour: None, kernel_distance: 0.1, copies: 0.0 };
        let group = Group {
            name: "held-out-styles".into(),
            questions: 96,
            coloured: 0,
            generated: [(4, scores(0.25)), (25, scores(0.375))].into_iter().collect(),
            real: scores(0.75),
            shuffled: scores(0.01),
        };
        let report = Report {
            model: "<b>&".into(),
            model_sha256: "00".into(),
            pictures_seen: 7,
            size: 128,
            groups: vec![group],
            diversity: 0.2,
            real_diversity: 0.3,
            seconds: BTreeMap::from([(25, 0.125)]),
        };
        let page = page(&report, Some("sheet.png"));
        assert!(page.contains("&lt;b&gt;&amp;") && !page.contains("<b>&<"));
        for part in ["held-out-styles", "37.5 %", "75.0 %", "1.0 %", "25 steps", "0.125", "src='sheet.png'", "–"] {
            assert!(page.contains(part), "{part}");
        }
    }
}
