//! What must hold for every catalogue and campaign: cost never falls with volume, the envelope is never above any plan and is
//! one of them, currencies never mix, extremes are numbers or typed errors.

mod common;

use common::*;
use price::{Campaign, Currency, Curve, Decimal, Envelope, Extras, Funnel, Money, PriceError, report};
use proptest::prelude::*;

fn decimals(most: u64) -> impl Strategy<Value = Decimal> + Clone {
    (0..=most).prop_map(Decimal::from_micros)
}

/// A plan, a price a picture, or a plan that ends.
fn curves() -> impl Strategy<Value = Curve> {
    let plan = (decimals(200_000_000), 0_u64..5_000, decimals(300_000), prop::option::weighted(0.2, 1_u64..20_000));
    plan.prop_map(|(fixed, included, overage, limit)| {
        let curve = Curve::plan(Currency::USD, fixed, included, overage);
        limit.map_or(curve, |limit| curve.capped(limit))
    })
}

/// Each kind of billing with numbers of its own, and always an own machine.
fn catalogues() -> impl Strategy<Value = String> {
    let price = decimals(500_000);
    let parts =
        (price.clone(), price.clone(), price.clone(), price, 1_u64..40, 0_u64..5_000, 1_u64..200, any::<bool>());
    parts.prop_map(|(image, high, credit, rent, months, quota, monthly, slow)| {
        let text = all_billings()
            .replace("price = '0.03'", &format!("price = '{image}'"))
            .replace("price = '0.211'", &format!("price = '{high}'"))
            .replace("credit_price = '0.01'", &format!("credit_price = '{credit}'"))
            .replace("per_hour = '3.6'", &format!("per_hour = '{rent}'"))
            .replace("months = 36", &format!("months = {months}"))
            .replace("included_images = 500", &format!("included_images = {quota}"))
            .replace("monthly = 30", &format!("monthly = {monthly}"));
        if slow { text } else { text.replace("slow_lane = true", "slow_lane = false\nextra_hour = 4") }
    })
}

fn campaigns(most: u64) -> impl Strategy<Value = Campaign> {
    let funnel = prop::option::of(prop::option::of(decimals(5_000_000)));
    let sizes = (0..=most, 1_u64..=64, decimals(2_000_000), 1_u64..=6, funnel, 1_u64..=3, 1_u64..=4);
    sizes.prop_map(|(assets, candidates, retries, ratios, funnel, months, seats)| Campaign {
        assets,
        candidates,
        retries,
        ratios,
        funnel: funnel.map(|finals_per_asset| Funnel { finals_per_asset, ..Funnel::default() }),
        months,
        seats,
        ..Campaign::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn curves_never_fall_and_the_envelope_is_the_least(
        curves in prop::collection::vec(curves(), 1..8),
        volumes in prop::collection::vec(1_u64..30_000, 40),
    ) {
        let envelope = Envelope::of(&curves, 30_000).unwrap();
        let mut volumes = volumes;
        volumes.extend(envelope.segments.iter().flat_map(|s| [s.from, s.to, s.from.saturating_sub(1).max(1)]));
        volumes.sort_unstable();
        let mut before = vec![0_i64; curves.len()];
        for volume in volumes {
            let costs: Vec<Option<i64>> =
                curves.iter().map(|curve| curve.cost(volume).unwrap().map(Money::micros)).collect();
            for (cost, before) in costs.iter().zip(&mut before) {
                if let Some(cost) = cost {
                    prop_assert!(cost >= before, "cost fell to {cost} from {before} at {volume}");
                    *before = *cost;
                }
            }
            let least = costs.iter().flatten().min();
            let found = envelope.cheapest(volume).map(|curve| costs[curve].unwrap());
            prop_assert_eq!(found.as_ref(), least, "at {}", volume);
        }
        for pair in envelope.segments.windows(2) {
            prop_assert!(pair[0].to < pair[1].from && pair[0].curve != pair[1].curve || pair[0].to + 1 < pair[1].from);
        }
    }

    #[test]
    fn more_assets_never_cost_less(text in catalogues(), campaign in campaigns(2_000), more in 0_u64..500) {
        let larger = Campaign { assets: campaign.assets + more, ..campaign.clone() };
        let fixed_mix = |campaign: &Campaign| price(&text, campaign);
        let (small, large) = (fixed_mix(&campaign), fixed_mix(&larger));
        for line in &large.offers {
            if let Some(smaller) = small.offers.iter().find(|other| other.id == line.id) {
                prop_assert!(smaller.cost.micros() <= line.cost.micros(), "{}: {} then {}", line.id, smaller.cost, line.cost);
                prop_assert!(smaller.seconds <= line.seconds);
                prop_assert!(smaller.kwh <= line.kwh);
            } else {
                prop_assert!(false, "{} is sold for more assets, not for fewer", line.id);
            }
        }
    }

    #[test]
    fn the_report_agrees_with_itself(text in catalogues(), campaign in campaigns(2_000)) {
        let report = price(&text, &campaign);
        let n = report.work.generations;
        let cheapest = report.offers.iter().map(|line| line.cost.micros()).min();
        prop_assert_eq!(report.offers.first().map(|line| line.cost.micros()), cheapest);
        // The break points say the same as the list.
        if let Some(point) = report.break_points.iter().find(|point| (point.from..=point.to).contains(&n)) {
            prop_assert_eq!(Some(cost(&report, &point.id).micros()), cheapest);
        }
        for series in &report.series {
            let line = report.offers.iter().find(|line| line.id == series.id).unwrap();
            for pair in series.points.windows(2) {
                prop_assert!(pair[0].pictures < pair[1].pictures);
                prop_assert!(pair[0].cost.micros() <= pair[1].cost.micros());
            }
            let own = series.points.iter().find(|point| point.pictures == n).unwrap();
            prop_assert_eq!(own.cost, line.cost, "plot and table differ for {}", &series.id);
            for point in &series.points {
                let Some(best) = report.break_points.iter().find(|p| (p.from..=p.to).contains(&point.pictures)) else { continue };
                let best = report.series.iter().find(|other| other.id == best.id).unwrap();
                if let Some(same) = best.points.iter().find(|other| other.pictures == point.pictures) {
                    prop_assert!(same.cost.micros() <= point.cost.micros());
                }
            }
        }
    }

    #[test]
    fn an_offer_of_another_currency_is_never_counted(code in prop::sample::select(vec!["EUR", "JPY", "GBP"])) {
        let text = all_billings() + &row("other", IMAGE).replace("USD", code);
        let report = price(&text, &pictures(520));
        prop_assert_eq!(reasons(&report, "other"), ["currency"]);
        prop_assert!(report.offers.iter().all(|line| line.cost.currency() == Currency::USD));
        let other = Campaign { currency: code.parse().unwrap(), ..pictures(520) };
        let report = price(&text, &other);
        prop_assert_eq!(report.offers.len(), 1);
        prop_assert_eq!(report.offers[0].cost, Money::parse("15.6", other.currency).unwrap());
    }

    /// Any numbers at all: a report or a typed error.
    #[test]
    fn extremes_are_numbers_or_errors(
        numbers in prop::collection::vec(prop_oneof![Just(0), Just(1), Just(u64::MAX), any::<u64>()], 16),
        decimals in prop::collection::vec(prop_oneof![Just(0), Just(1), Just(u64::MAX), any::<u64>()], 10),
        funnel in any::<bool>(),
        seconds in prop_oneof![Just(1e-6), Just(2_678_400.0), 1e-6_f64..1e6],
    ) {
        let decimal = |i: usize| Decimal::from_micros(decimals[i]);
        let campaign = Campaign {
            assets: numbers[0],
            candidates: numbers[1],
            ratios: numbers[2],
            references: numbers[3],
            months: numbers[4],
            seats: numbers[5],
            devices: numbers[6],
            plot_up_to: (numbers[7] > 1).then_some(numbers[7]),
            retries: decimal(0),
            queue_seconds: decimal(1),
            deadline_hours: (decimals[2] > 1).then(|| decimal(2)),
            funnel: funnel.then(|| Funnel { finals_per_asset: Some(decimal(3)), ..Funnel::default() }),
            extras: Extras {
                upscales_per_asset: decimal(4),
                upscale_price: decimal(5),
                picture_megabytes: decimal(6),
                storage_price: decimal(7),
                storage_months: numbers[8],
                reviewer_minutes: decimal(8),
                reviewer_wage: decimal(9),
            },
            ..Campaign::default()
        };
        let speeds = [speed("local", "final", seconds), speed("local", "draft", seconds / 2.0 + 1e-6)];
        match report(&catalogue(&all_billings()), &campaign, &speeds, today()) {
            Ok(report) => {
                let json = serde_json::to_string(&report).unwrap();
                prop_assert!(!json.contains("NaN") && !json.contains("inf"));
                for line in &report.offers {
                    prop_assert!(line.cost.micros() >= 0);
                    prop_assert!(line.seconds.is_none_or(f64::is_finite));
                }
                prop_assert!(!report.table().is_empty());
            }
            Err(error) => {
                prop_assert!(matches!(error, PriceError::Overflow { .. } | PriceError::Field { .. }), "{error}");
            }
        }
    }
}

#[test]
fn a_campaign_survives_json() {
    let campaign = Campaign { assets: 50, retries: decimal("0.3"), budget: Some(usd("100")), ..Campaign::default() };
    let json = serde_json::to_string(&campaign).unwrap();
    assert_eq!(serde_json::from_str::<Campaign>(&json).unwrap(), campaign);
    let short: Campaign = serde_json::from_str(r#"{"assets": 50, "candidates": 8, "retries": "0.3"}"#).unwrap();
    assert_eq!(short.work().unwrap().generations, 520);
    for bad in [r#"{"asets": 5}"#, r#"{"assets": -5}"#, r#"{"retries": 0.3}"#, r#"{"retries": "-0.3"}"#] {
        assert!(serde_json::from_str::<Campaign>(bad).is_err(), "{bad}");
    }
}
