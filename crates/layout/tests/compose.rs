//! Compositions: what is found, what is repaired, and that no input breaks them.

use layout::{
    Background, Brand, BrandKit, ComposeError, Contrast, Corner, Fix, Kind, Level, LogoFault, LogoRule, Picture,
    Template, Texts, compose,
};
use proptest::prelude::*;

fn texts(pairs: &[(&str, &str)]) -> Texts {
    pairs.iter().map(|(slot, text)| ((*slot).to_owned(), (*text).to_owned())).collect()
}

fn usual() -> Texts {
    texts(&[("headline", "Autumn is here"), ("subline", "Wool from the hills"), ("cta", "See the range")])
}

fn brand() -> Brand {
    Brand::new(BrandKit::starter(), &|_| Err(std::io::ErrorKind::NotFound.into())).unwrap()
}

/// A dark ball on the right of a pale ground.
fn scene(width: u32, height: u32) -> Picture {
    let pixels = (0..width * height)
        .flat_map(|i| {
            let (x, y) = (f64::from(i % width) / f64::from(width), f64::from(i / width) / f64::from(height));
            if (x - 0.66).hypot(y - 0.5) < 0.2 { [60, 40, 30, 255] } else { [225, (200.0 + 30.0 * y) as u8, 200, 255] }
        })
        .collect();
    Picture::new(width, height, pixels).unwrap()
}

/// A template of 400 × 200 with one text over the picture.
fn one_text(rest: &str, block: &str) -> Template {
    let text = format!(
        "schema = 1\nname = \"t\"\nsize = [400, 200]\nbackground = \"background\"\n\
         [[layers]]\nname = \"picture\"\nframe = {{ x = 0.0, y = 0.0, width = 1.0, height = 1.0 }}\n\
         content = {{ kind = \"picture\" }}\n\
         [[layers]]\nname = \"words\"\nframe = {{ x = 0.05, y = 0.1, width = 0.9, height = 0.3 }}\n\
         [layers.content]\nkind = \"text\"\n{rest}\n\
         [[layers.content.blocks]]\ntext = \"{{headline}}\"\nsize = [14, 40]\n{block}\n"
    );
    Template::parse(&text).unwrap()
}

#[test]
fn every_built_in_template_takes_ordinary_words() {
    let picture = scene(900, 700);
    let cut_out = {
        let pixels = picture.pixels().as_chunks::<4>().0.iter().flat_map(|p| if p[0] == 60 { *p } else { [0; 4] });
        Picture::new(900, 700, pixels.collect()).unwrap()
    };
    for template in Template::all_built_in() {
        for picture in [&picture, &cut_out] {
            let size = (template.size[0], template.size[1]);
            let texts: Texts = usual().into_iter().filter(|(slot, _)| template.slots().contains(slot)).collect();
            let composed = compose(template, &brand(), picture, &texts, size).unwrap();
            let bad: Vec<String> =
                composed.findings.iter().filter(|f| f.level > Level::Note).map(ToString::to_string).collect();
            // Small pictures are enlarged on large canvases; nothing else may be said.
            let bad: Vec<&String> = bad.iter().filter(|text| !text.contains("resampled")).collect();
            assert!(bad.is_empty(), "{}: {bad:?}", template.name);
            let again = compose(template, &brand(), picture, &texts, size).unwrap();
            assert_eq!(composed.picture, again.picture, "{}", template.name);
        }
    }
}

#[test]
fn words_keep_away_from_the_subject_or_say_so() {
    let ball = |x: f64, y: f64| {
        let pixels = (0..600 * 314).flat_map(|i| {
            let (px, py) = (f64::from(i % 600) / 600.0, f64::from(i / 600) / 314.0);
            if (px - x).hypot((py - y) / 1.9) < 0.13 { [60, 40, 30, 255] } else { [225, 222, 200, 255] }
        });
        Picture::new(600, 314, pixels.collect()).unwrap()
    };
    let wide = Template::built_in("overlay.wide").unwrap();
    let said = |template: &Template, picture: &Picture| {
        let composed = compose(template, &brand(), picture, &usual(), (1200, 628)).unwrap();
        let kinds = composed.findings.iter().map(|finding| match finding.kind {
            Kind::Turned => "turned",
            Kind::OnSubject { .. } => "on subject",
            _ => "",
        });
        let words = composed.placed.iter().find(|(layer, _)| layer == "words").unwrap().1;
        (kinds.filter(|kind| !kind.is_empty()).collect::<Vec<_>>(), words.x < 600)
    };
    assert_eq!(said(wide, &ball(0.75, 0.5)), (vec![], true));
    assert_eq!(said(wide, &ball(0.25, 0.5)), (vec!["turned"], false));
    let mut fixed = wide.clone();
    fixed.turn = None;
    assert_eq!(said(&fixed, &ball(0.25, 0.5)), (vec!["on subject"], true));
}

#[test]
fn overlong_text_is_never_cut_in_silence() {
    let long = texts(&[("headline", &"extraordinarily comfortable ".repeat(20))]);
    for (rest, level) in [("", Level::Error), ("overflow = \"ellipsis\"", Level::Warning)] {
        let template = one_text(rest, "colour = \"text\"");
        let composed = compose(&template, &brand(), &scene(400, 200), &long, (400, 200)).unwrap();
        let found = composed.findings.iter().find(|f| matches!(f.kind, Kind::Overlong { .. })).unwrap();
        assert_eq!((found.level, found.layer.as_str()), (level, "words"));
        assert!(found.to_string().contains("`extraordinarily comfortable"), "{found}");
        // What is left stays in its frame.
        let (_, rect) = composed.placed.iter().find(|(name, _)| name == "words").unwrap();
        assert!(rect.y >= 18 && rect.y + rect.height <= 82, "{rect:?}");
    }
    let one_word = texts(&[("headline", &"x".repeat(300))]);
    let composed =
        compose(&one_text("", "colour = \"text\""), &brand(), &scene(400, 200), &one_word, (400, 200)).unwrap();
    assert!(composed.has_errors());
}

#[test]
fn missing_characters_fonts_and_texts_are_named() {
    let template = one_text("", "colour = \"text\"");
    let given = texts(&[("headline", "Sale 春 🦄 春"), ("footer", "x")]);
    let composed = compose(&template, &brand(), &scene(400, 200), &given, (400, 200)).unwrap();
    let messages: Vec<String> = composed.findings.iter().map(ToString::to_string).collect();
    assert!(messages.contains(&"the template has no place for {footer}".to_owned()), "{messages:?}");
    assert!(messages.contains(&"words: no font has `春` (U+6625), `🦄` (U+1F984)".to_owned()), "{messages:?}");
    assert!(composed.has_errors());

    let mut kit = BrandKit::starter();
    kit.fonts[1].family = "Nowhere Sans".into();
    let brand = Brand::new(kit, &|_| Err(std::io::ErrorKind::NotFound.into())).unwrap();
    let composed = compose(&template, &brand, &scene(400, 200), &Texts::new(), (400, 200)).unwrap();
    assert_eq!(
        composed.findings.iter().map(|f| &f.kind).collect::<Vec<_>>(),
        [&Kind::MissingText { slot: "headline".into() }]
    );
    let composed = compose(&template, &brand, &scene(400, 200), &texts(&[("headline", "Hi")]), (400, 200)).unwrap();
    assert!(composed.findings.iter().any(|f| f.kind == Kind::MissingFont { family: "Nowhere Sans".into() }));
}

#[test]
fn low_contrast_is_reported_with_fixes_and_repaired_when_asked() {
    let pale = Picture::filled(400, 200, [225, 215, 200, 255]).unwrap();
    let given = texts(&[("headline", "Autumn is here")]);
    let white = "colour = \"#ffffff\"";
    let plain = compose(&one_text("", white), &brand(), &pale, &given, (400, 200)).unwrap();
    let Some((Contrast { worst, mean }, required, fixes)) = plain.findings.iter().find_map(|f| match &f.kind {
        Kind::Contrast { contrast, required, fixes } => Some((*contrast, *required, fixes.clone())),
        _ => None,
    }) else {
        panic!("{:?}", plain.findings)
    };
    assert!(worst <= mean && worst < required && plain.has_errors());
    let [Fix::Colour { worst: best, .. }, .., Fix::Scrim { .. }] = &fixes[..] else { panic!("{fixes:?}") };
    assert!(*best >= required);

    let repaired = compose(&one_text("repair = true", white), &brand(), &pale, &given, (400, 200)).unwrap();
    assert!(matches!(&repaired.findings[..], [f] if matches!(&f.kind, Kind::Repaired { fix: Fix::Colour { .. }, .. })));

    // No colour of the palette reads on dark, middle and light stripes at once: only a veil helps.
    let pixels = (0..400 * 200).flat_map(|i| {
        let grey = [20, 130, 240][i / 4 % 3];
        [grey, grey, grey, 255]
    });
    let stripes = Picture::new(400, 200, pixels.collect()).unwrap();
    let veiled = compose(&one_text("repair = true", white), &brand(), &stripes, &given, (400, 200)).unwrap();
    assert!(
        matches!(&veiled.findings[..], [f] if matches!(&f.kind, Kind::Repaired { fix: Fix::Scrim { .. }, .. })),
        "{:?}",
        veiled.findings
    );
}

#[test]
fn the_logo_that_suits_the_ground_is_taken_and_its_rules_are_checked() {
    let logo = |name: &str, backgrounds, corner| LogoRule {
        name: name.into(),
        file: format!("{name}.png"),
        clear_space: 0.2,
        min_width: 30,
        backgrounds,
        corner,
    };
    let mut kit = BrandKit::starter();
    kit.logos.push(logo("main", vec![Background::Light], None));
    kit.logos.push(logo("main-white", vec![Background::Dark], Some(Corner::BottomRight)));
    let read = |name: &str| {
        let colour = if name == "main.png" { [200, 0, 0, 255] } else { [255; 4] };
        let pixels = Picture::filled(80, 40, colour).map_err(std::io::Error::other)?.into_pixels();
        formats::picture::encode(80, 40, &pixels, &[]).map_err(std::io::Error::other)
    };
    let brand = Brand::new(kit, &read).unwrap();
    let template = |at: &str, background: &str| {
        Template::parse(&format!(
            "schema = 1\nname = \"t\"\nsize = [400, 200]\nbackground = \"{background}\"\n[[layers]]\nname = \"logo\"\n\
             frame = {at}\ncontent = {{ kind = \"logo\", logo = \"main\" }}\n"
        ))
        .unwrap()
    };
    let faults = |at: &str, ground: &str| {
        let composed = compose(&template(at, ground), &brand, &scene(40, 40), &Texts::new(), (400, 200)).unwrap();
        let kinds = composed.findings.into_iter().map(|finding| finding.kind).collect::<Vec<_>>();
        (composed.placed[0].1, composed.picture.pixel(composed.placed[0].1.x + 5, composed.placed[0].1.y + 5), kinds)
    };
    let (rect, pixel, found) = faults("{ x = 0.1, y = 0.2, width = 0.2, height = 0.3 }", "background");
    assert_eq!((rect.width, rect.height, pixel), (80, 40, Some([200, 0, 0, 255])));
    assert_eq!(found, []);
    let (_, pixel, found) = faults("{ x = 0.0, y = 0.0, width = 0.05, height = 0.3 }", "primary");
    assert_eq!(pixel, Some([255; 4]));
    assert_eq!(
        found,
        [
            Kind::Logo(LogoFault::TooSmall { width: 20, least: 30 }),
            Kind::Logo(LogoFault::Corner { expected: Corner::BottomRight }),
            Kind::Logo(LogoFault::Crowded { by: "edge".into(), clear: 2 }),
        ]
    );
}

#[test]
fn limits() {
    let brand = brand();
    let template = Template::built_in("overlay.square").unwrap();
    for picture in [
        Picture::filled(1, 1, [9, 9, 9, 255]).unwrap(),
        Picture::filled(8192, 2, [9, 9, 9, 255]).unwrap(),
        Picture::filled(50, 50, [9, 9, 9, 0]).unwrap(),
    ] {
        for size in [(1, 1), (1080, 1080), (3, 800)] {
            compose(template, &brand, &picture, &usual(), size).unwrap();
        }
    }
    let picture = scene(10, 10);
    assert!(matches!(compose(template, &brand, &picture, &usual(), (0, 9)), Err(ComposeError::Size(_))));
    assert!(matches!(compose(template, &brand, &picture, &usual(), (9000, 9)), Err(ComposeError::Size(_))));
    let endless = texts(&[("headline", &"a".repeat(5000))]);
    let error = compose(template, &brand, &picture, &endless, (99, 99)).unwrap_err();
    assert_eq!(error.to_string(), "text `headline` has 5000 characters; at most 2000 are accepted");
    let mut wrong = template.clone();
    wrong.size = [0, 0];
    assert!(matches!(compose(&wrong, &brand, &picture, &usual(), (99, 99)), Err(ComposeError::Template(_))));
    let mut wrong = template.clone();
    wrong.background = "mood".into();
    let error = compose(&wrong, &brand, &picture, &usual(), (99, 99)).unwrap_err();
    assert_eq!(error.to_string(), "layer `background`: the brand has no colour for the role `mood`");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_words_at_any_size(
        headline in any::<String>(),
        subline in "[ a-zא-תا-ي가-힣\n]{0,60}",
        width in 1_u32..400,
        height in 1_u32..400,
        template in 0_usize..16,
    ) {
        let template = &Template::all_built_in()[template];
        let given = texts(&[("headline", &headline), ("subline", &subline), ("cta", "Go")]);
        let composed = compose(template, &brand(), &scene(30, 20), &given, (width, height)).unwrap();
        prop_assert_eq!((composed.picture.width(), composed.picture.height()), (width, height));
        for finding in &composed.findings {
            prop_assert!(!finding.to_string().contains("NaN"));
        }
    }
}
