//! The cost model, against numbers worked out by hand: every billing, the worked check, the funnel, time and energy.

mod common;

use common::*;
use price::{Campaign, Catalogue, Currency, Curve, Envelope, Extras, Funnel, Money};

#[test]
fn every_billing_by_hand() {
    let report = price(&all_billings(), &pictures(1_000));
    let by_hand = [
        ("image", "30"),
        ("by-quality/low", "6"),
        ("by-quality/high", "211"),
        // 200 and 7,024 tokens at 30 a million.
        ("tokens/low", "6"),
        ("tokens/high", "210.72"),
        ("megapixel", "30"),
        ("credit", "65"),
        ("credit-plan", "9.99"),
        // 0.001 a second: 6 s at 80 % are 7.5, and 60 s of start for every 100 pictures.
        ("gpu-second/ours/final", "8.1"),
        ("gpu-hours", "30"),
        // 500 are included.
        ("seat", "45"),
        ("machine/ours/final", "86.05"),
    ];
    for (id, expected) in by_hand {
        assert_eq!(cost(&report, id), usd(expected), "{id}");
    }
    assert_eq!(report.offers.len(), by_hand.len());
    assert_eq!(report.cheapest.as_deref(), Some("by-quality/low"));
}

#[test]
fn the_worked_check_through_the_report() {
    let text = row("api", IMAGE) + &row("own", MACHINE);
    let with_admin = row("admin", &MACHINE.replace("admin_hours = 0", "admin_hours = 2"));
    for (volume, per_picture) in [(400, "0.215"), (4_000, "0.0216"), (40_000, "0.0022")] {
        let report = price(&text, &pictures(volume));
        let line = report.offers.iter().find(|line| line.id == "own/ours/final").unwrap();
        let digits = per_picture.len() - 2;
        assert_eq!(line.per_picture.unwrap().rounded(digits), per_picture, "at {volume} a month");
    }
    let report = price(&(text + &with_admin), &pictures(1_000));
    let even = |own: &str| report.break_even.iter().find(|even| even.own == own).unwrap().pictures;
    assert_eq!(even("own/ours/final"), Some(2_875));
    assert_eq!(even("admin/ours/final"), Some(6_888));
    let changes: Vec<_> = report.break_points.iter().map(|point| (point.from, point.id.as_str())).collect();
    assert_eq!(changes, [(1, "api"), (2_875, "own/ours/final")]);
    for (assets, generations) in [(50, 520), (500, 5_200)] {
        let campaign = Campaign { assets, candidates: 8, retries: decimal("0.3"), ..Campaign::default() };
        let report = price(&row("api", IMAGE), &campaign);
        assert_eq!(report.work.generations, generations);
        assert_eq!(report.offers[0].cost.micros(), 30_000 * generations as i64);
        assert_eq!(report.offers[0].per_asset, Some(usd("0.312")));
    }
}

#[test]
fn a_second_month_of_the_machine_begins_when_the_first_is_full() {
    // 730 h of 6 s are 438,000 pictures.
    let text = row("own", MACHINE);
    assert_eq!(cost(&price(&text, &pictures(438_000)), "own/ours/final"), usd("129.75"));
    assert_eq!(cost(&price(&text, &pictures(438_001)), "own/ours/final"), usd("215.7001"));
    assert_eq!(cost(&price(&text, &pictures(0)), "own/ours/final"), usd("0"));
}

#[test]
fn drafts_and_finals_are_paid_for_what_they_are() {
    let funnel = Funnel { finals_per_asset: Some(decimal("1.5")), ..Funnel::default() };
    let campaign = Campaign { assets: 50, candidates: 8, funnel: Some(funnel), ..Campaign::default() };
    let report = price(&all_billings(), &campaign);
    assert_eq!((report.work.drafts, report.work.finals), (400, 75));
    // 400 at 0.006 and 75 at 0.211.
    assert_eq!(cost(&report, "by-quality/high"), usd("18.225"));
    assert_eq!(cost(&report, "tokens/high"), usd("18.204"));
    // 400 of 2 s and 75 of 6 s are 1,250 s: at 80 % 1.5625, and 475 times 0.0006.
    assert_eq!(cost(&report, "gpu-second/ours/final"), usd("1.8475"));
    // 1,250/3600·0.4·0.15
    assert_eq!(cost(&report, "machine/ours/final"), usd("85.970833"));
    let line = report.offers.iter().find(|line| line.id == "machine/ours/final").unwrap();
    assert!((line.seconds.unwrap() - 1_250.0).abs() < 1e-6);
    assert!((line.kwh.unwrap() - 1_250.0 / 3600.0 * 0.5).abs() < 1e-9);

    let named =
        Funnel { draft_quality: Some("high".into()), finals_per_asset: Some(decimal("1.5")), ..Funnel::default() };
    let report = price(&row("q", BY_QUALITY), &Campaign { funnel: Some(named), ..campaign.clone() });
    assert_eq!(cost(&report, "q/high"), usd("100.225"));
    let unknown = Funnel { draft_quality: Some("ultra".into()), ..Funnel::default() };
    let report = price(&row("q", BY_QUALITY), &Campaign { funnel: Some(unknown), ..campaign });
    assert_eq!(reasons(&report, "q"), ["quality"]);
}

#[test]
fn started_units_are_charged_whole_where_the_vendor_does() {
    let up = |text: &str| text.replace("rounding = \"none\"", "rounding = \"up\"");
    let credit = row("c", CREDIT);
    assert_eq!(cost(&price(&credit, &pictures(100)), "c"), usd("6.5"));
    assert_eq!(cost(&price(&up(&credit), &pictures(100)), "c"), usd("7"));
    let area = row("m", &(MEGAPIXEL.to_owned() + "\nnext_megapixel = '0.015'"));
    let wide = Campaign { size: "1920x1080".parse().unwrap(), ..pictures(1) };
    assert_eq!(cost(&price(&area, &wide), "m"), usd("0.044663"), "0.03 and 0.9775390625 more at 0.015");
    assert_eq!(cost(&price(&up(&area), &wide), "m"), usd("0.045"));
}

#[test]
fn plans_include_a_quota_for_every_month() {
    let text = row("seat", SEAT) + &row("credit", CREDIT_PLAN);
    let campaign = Campaign { months: 3, seats: 2, ..pictures(3_100) };
    let report = price(&text, &campaign);
    // 2 seats and 3 months are 3,000 pictures for 120.
    assert_eq!(cost(&report, "seat"), usd("125"));
    assert_eq!(reasons(&report, "credit"), ["quota"], "3 months are 3,000 pictures and no more is sold");
    assert_eq!(cost(&price(&text, &Campaign { months: 3, ..pictures(3_000) }), "credit"), usd("29.97"));
}

#[test]
fn the_slow_lane_costs_time_instead_of_money() {
    // 15 h of 15 s are 3,600 pictures, three at a time.
    let seconds = |volume| {
        let report = price(&row("p", GPU_HOURS), &pictures(volume));
        assert_eq!(cost(&report, "p"), usd("30"));
        report.offers[0].seconds.unwrap()
    };
    assert!((seconds(3_600) - 18_000.0).abs() < 1e-6);
    assert!((seconds(3_601) - 18_050.0).abs() < 1e-6);
    let fast = GPU_HOURS.replace("slow_lane = true", "slow_lane = false\nextra_hour = 4");
    assert_eq!(cost(&price(&row("p", &fast), &pictures(3_840)), "p"), usd("34"), "240 pictures are an hour");
    let none = GPU_HOURS.replace("slow_lane = true", "slow_lane = false");
    assert_eq!(reasons(&price(&row("p", &none), &pictures(3_601)), "p"), ["quota"]);
}

#[test]
fn references_cost_what_the_row_says() {
    let text = row("a", IMAGE) + &row("b", &(IMAGE.to_owned() + "\nreference_price = '0.015'"));
    let report = price(&text, &Campaign { references: 2, ..pictures(100) });
    assert_eq!(report.work.references, 200);
    assert_eq!(cost(&report, "b"), usd("6"));
    assert_eq!(reasons(&report, "a"), ["no_reference_price"]);
}

#[test]
fn per_approved_asset_with_everything() {
    let extras = Extras {
        upscales_per_asset: decimal("2"),
        upscale_price: decimal("0.01"),
        picture_megabytes: decimal("2.5"),
        storage_price: decimal("0.02"),
        storage_months: 12,
        reviewer_minutes: decimal("3"),
        reviewer_wage: decimal("40"),
    };
    let campaign = Campaign { assets: 50, candidates: 8, retries: decimal("0.3"), extras, ..Campaign::default() };
    let report = price(&row("api", IMAGE), &campaign);
    let extras = report.extras;
    assert_eq!((extras.upscales, extras.storage, extras.review), (usd("1"), usd("0.312"), usd("100")));
    // 520 at 0.03 are 15.6; 116.912 for 50.
    assert_eq!(report.offers[0].total, usd("116.912"));
    assert_eq!(report.offers[0].per_asset, Some(usd("2.33824")));
}

#[test]
fn devices_utilisation_and_a_queue_make_the_time() {
    let half = MACHINE.replace("utilisation = 1", "utilisation = '0.5'");
    let campaign = Campaign { devices: 4, queue_seconds: decimal("30"), ..pictures(100) };
    let report = price(&row("own", &half), &campaign);
    let line = &report.offers[0];
    assert!((line.seconds.unwrap() - (100.0 * 6.0 / (4.0 * 0.5) + 30.0)).abs() < 1e-9);
    assert!((line.seconds_p95.unwrap() - (100.0 * 9.0 / 2.0 + 30.0)).abs() < 1e-9);
    assert!(
        (line.kwh.unwrap() - 100.0 * 6.0 / 3600.0 * 0.5).abs() < 1e-12,
        "energy does not depend on how many share it"
    );
}

#[test]
fn what_cannot_be_chosen_says_why() {
    let euros = row("euros", IMAGE).replace("USD", "EUR");
    let retired = row("retired", &(IMAGE.to_owned() + "\nretires_on = 2026-06-15"));
    let early = row("early", &(IMAGE.to_owned() + "\nstarts_on = 2026-06-16"));
    let small = row("small", &(IMAGE.to_owned() + "\nsizes = ['512x512', '256x256']"));
    let machine = row("machine", &MACHINE.replace("local", "other"));
    let text =
        all_billings().replace("id = \"machine\"", "id = \"own\"") + &[euros, retired, early, small, machine].concat();
    let report = price(&text, &pictures(1_000));
    for (id, reason) in [
        ("euros", "currency"),
        ("retired", "retired"),
        ("early", "not_yet"),
        ("small", "size"),
        ("machine", "no_speed"),
    ] {
        assert_eq!(reasons(&report, id), [reason], "{id}");
    }
    let tight = Campaign { budget: Some(usd("8")), deadline_hours: Some(decimal("2")), ..pictures(1_000) };
    let report = price(&text, &tight);
    assert_eq!(reasons(&report, "image"), ["budget"]);
    assert_eq!(reasons(&report, "gpu-second/ours/final"), ["budget", "deadline"], "1,000 of 6 s at 80 % are 2.1 hours");
    let excluded = report.excluded.iter().find(|excluded| excluded.id == "image").unwrap();
    assert_eq!(excluded.cost, Some(usd("30")));
    assert!(report.offers.iter().all(|line| line.total.micros() <= 8_000_000));
    let other = Campaign { size: "1080x1350".parse().unwrap(), ..pictures(10) };
    assert_eq!(reasons(&price(&text, &other), "by-quality"), ["size"]);
    let quality = Campaign { qualities: vec!["high".into()], ..pictures(10) };
    let report = price(&text, &quality);
    let lines: Vec<_> = report.offers.iter().filter(|line| line.offer == "by-quality").map(|line| &line.id).collect();
    assert_eq!(lines, ["by-quality/high"]);
}

#[test]
fn break_points_of_plans_are_those_of_the_formula() {
    let dollars = |text: &str| decimal(text);
    let plans = [
        Curve::plan(Currency::USD, dollars("10"), 200, dollars("0.05")),
        Curve::plan(Currency::USD, dollars("30"), 900, dollars("0.04")),
        Curve::plan(Currency::USD, dollars("60"), 2_000, dollars("0.03")),
    ];
    let envelope = Envelope::of(&plans, 100_000).unwrap();
    // Q_i + (F_j − F_i)/o_i: 200 + 20/0.05 = 600 and 900 + 30/0.04 = 1,650; the next picture is the first that costs less.
    let segments: Vec<_> = envelope.segments.iter().map(|s| (s.from, s.to, s.curve)).collect();
    assert_eq!(segments, [(1, 600, 0), (601, 1_650, 1), (1_651, 100_000, 2)]);
    let euros = Curve::per_picture(Currency::EUR, dollars("1"));
    assert!(Envelope::of(&[plans[0], euros], 10).is_err(), "currencies never mix");
    assert_eq!(Envelope::of(&[], 10).unwrap().cheapest(5), None);
    let capped = Curve::plan(Currency::USD, dollars("1"), 0, dollars("0")).capped(50);
    let envelope = Envelope::of(&[plans[0], capped], 100).unwrap();
    assert_eq!((envelope.cheapest(50), envelope.cheapest(51), envelope.cheapest(101)), (Some(1), Some(0), None));
}

#[test]
fn no_assets_and_far_too_many() {
    let report = price(&all_billings(), &pictures(0));
    assert_eq!(cost(&report, "image"), Money::zero(Currency::USD));
    assert!(report.offers.iter().all(|line| line.per_asset.is_none() && line.per_picture.is_none()));
    let most = price(&all_billings(), &pictures(u64::MAX));
    assert!(most.excluded.iter().any(|excluded| excluded.reasons[0].name() == "too_large"));
    assert_eq!(cost(&most, "gpu-hours"), usd("30"), "a slow lane has no end");
}

#[test]
fn the_starter_prices_the_campaigns_of_50_and_500() {
    let starter = Catalogue::starter().unwrap();
    for (assets, expected) in [(50, "27.56"), (500, "275.6")] {
        let campaign = Campaign { assets, candidates: 8, retries: decimal("0.3"), ..Campaign::default() };
        let report = price::report(&starter, &campaign, &[speed("local", "final", 6.0)], today()).unwrap();
        assert_eq!(cost(&report, "openai.gpt-image-2/medium"), usd(expected));
        assert!(report.table().contains("own.workstation/ours/final"));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["work"]["generations"], report.work.generations);
        assert_eq!(json["offers"][0]["id"], report.cheapest.clone().unwrap());
        assert!(json["series"].as_array().unwrap().len() == report.offers.len());
    }
}
