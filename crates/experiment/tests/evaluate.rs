//! From data to a report: verdicts, health, errors that name arm and field, and numbers at the ends of the range.

use experiment::{
    Arm, Assignment, Call, ComparedMetric, Comparison, Day, Direction, Experiment, Metric, MetricKind, Report,
    Settings, Total, Verdict, evaluate,
};
use proptest::prelude::*;

fn clicks() -> Metric {
    Metric { name: "clicks".into(), kind: MetricKind::Proportion, direction: Direction::LargerIsBetter, caring: 0.01 }
}

/// Arms of one day each, named a, b, c…, from (people, successes).
fn experiment(counts: &[(u64, u64)]) -> Experiment {
    let arm = |(i, &(people, successes)): (usize, &(u64, u64))| Arm {
        name: format!("arm {i}"),
        weight: 1.0,
        days: vec![Day { day: 1, people, totals: vec![Total { sum: successes as f64, sum_squares: None }] }],
    };
    Experiment {
        assignment: Assignment::Own,
        metrics: vec![clicks()],
        arms: counts.iter().enumerate().map(arm).collect(),
        settings: Settings::default(),
    }
}

fn compared(experiment: &Experiment) -> Comparison {
    match evaluate(experiment).expect("report") {
        Report::Compared(comparison) => comparison,
        Report::Described(_) => panic!("described"),
    }
}

fn first(experiment: &Experiment) -> ComparedMetric {
    compared(experiment).metrics.remove(0)
}

#[test]
fn a_clear_winner_is_named_with_its_interval() {
    let metric = first(&experiment(&[(20_000, 1000), (20_000, 1400), (20_000, 1010)]));
    assert_eq!(metric.verdict, Verdict::Winner { arm: 1, tied: vec![] }, "{}", metric.words);
    assert!(metric.words.starts_with("'arm 1' beats 'arm 0' by 40 % (between "), "{}", metric.words);
    assert_eq!((metric.versus[0].call, metric.versus[1].call), (Call::Better, Call::Unclear));
    let beliefs = metric.beliefs.expect("beliefs");
    assert!(beliefs.choice == 1 && beliefs.may_stop && beliefs.arms[1].best > 0.999);
}

#[test]
fn two_good_arms_are_told_as_tied_and_smaller_may_be_better() {
    let mut data = experiment(&[(20_000, 1000), (20_000, 1400), (20_000, 1401)]);
    assert_eq!(first(&data).verdict, Verdict::Winner { arm: 2, tied: vec![1] });
    data.metrics[0].direction = Direction::SmallerIsBetter;
    let metric = first(&data);
    assert_eq!(metric.verdict, Verdict::Winner { arm: 0, tied: vec![] }, "{}", metric.words);
    assert!(metric.versus.iter().all(|v| v.call == Call::Worse));
    assert!(metric.beliefs.expect("beliefs").arms[0].best > 0.999);
}

#[test]
fn no_difference_is_said_only_when_every_interval_is_inside_the_threshold() {
    let mut data = experiment(&[(10_000_000, 1_000_000), (10_000_000, 1_000_500)]);
    data.metrics[0].caring = 0.02;
    assert_eq!(first(&data).verdict, Verdict::NoDifference);
    data.metrics[0].caring = 0.001;
    assert_eq!(first(&data).verdict, Verdict::KeepGoing { worse: vec![] });
}

#[test]
fn few_people_and_few_successes_wait() {
    // 0 of 50 against 20 of 50 is far from equal, and far from a verdict.
    let metric = first(&experiment(&[(50, 1), (50, 20)]));
    assert!(matches!(metric.verdict, Verdict::KeepGoing { .. }), "{}", metric.words);
    assert_eq!(metric.versus[0].call, Call::NotYet);
    assert!(metric.words.contains("'arm 0' has 50 people, a verdict waits for 100"), "{}", metric.words);
    let metric = first(&experiment(&[(5000, 3), (5000, 300)]));
    assert!(metric.words.contains("'arm 0' has 3 successes, a verdict waits for 25"), "{}", metric.words);
}

#[test]
fn a_broken_ratio_is_unhealthy_whatever_the_numbers_say() {
    let mut data = experiment(&[(20_000, 1000), (23_000, 1700)]);
    let comparison = compared(&data);
    assert!(!comparison.health.sound);
    assert_eq!(comparison.metrics[0].verdict, Verdict::Unhealthy);
    data.settings.check_ratio = false;
    assert!(matches!(first(&data).verdict, Verdict::Winner { arm: 1, .. }));
    // The planned shares were just these.
    data.settings.check_ratio = true;
    (data.arms[0].weight, data.arms[1].weight) = (20.0, 23.0);
    assert!(compared(&data).health.sound);
}

#[test]
fn an_optimised_assignment_is_only_described() {
    let mut data = experiment(&[(20_000, 1000), (20_000, 1400)]);
    data.assignment = Assignment::PlatformOptimised;
    let report = evaluate(&data).expect("report");
    let Report::Described(description) = &report else { panic!("{report:?}") };
    assert_eq!(description.metrics[0].arms[1].mean, Some(0.07));
    let json = serde_json::to_string(&report).expect("JSON");
    assert!(!json.contains("verdict") && !json.contains("p_value") && json.contains("no winner"), "{json}");
}

#[test]
fn the_series_follows_the_days_and_ends_at_the_verdict() {
    let mut data = experiment(&[(0, 0), (0, 0)]);
    for (i, arm) in data.arms.iter_mut().enumerate() {
        // Days out of order, and one that only one arm has.
        arm.days = [3, 1, 2]
            .map(|day| Day {
                day,
                people: 1000,
                totals: vec![Total { sum: 100.0 + 10.0 * i as f64, sum_squares: None }],
            })
            .to_vec();
    }
    data.arms[1].days.push(Day { day: 7, people: 0, totals: vec![Total::default()] });
    let metric = first(&data);
    let days: Vec<i32> = metric.series.iter().map(|point| point.day).collect();
    assert_eq!(days, [1, 2, 3, 7]);
    let width = |i: usize| metric.series[i].interval.high - metric.series[i].interval.low;
    assert!(width(0) > width(1) && width(1) > width(2));
    assert_eq!(Some(metric.series[3].interval), metric.versus[0].any_time.map(|test| test.interval));
    assert_eq!(metric.arms[1].people, 3000);
}

#[test]
fn revenue_is_compared_by_its_mean() {
    let mut data = experiment(&[(0, 0), (0, 0)]);
    data.metrics[0] = Metric { name: "revenue".into(), kind: MetricKind::Mean, ..clicks() };
    for (arm, mean) in data.arms.iter_mut().zip([10.0, 11.0]) {
        // A spread of 5 a person.
        let total = Total { sum: mean * 20_000.0, sum_squares: Some(20_000.0 * (mean * mean + 25.0)) };
        arm.days = vec![Day { day: 1, people: 20_000, totals: vec![total] }];
    }
    let metric = first(&data);
    assert_eq!(metric.verdict, Verdict::Winner { arm: 1, tied: vec![] }, "{}", metric.words);
    assert!((metric.versus[0].difference.expect("difference").low - 0.9).abs() < 0.01);
    // Everybody spends the same: a message, no verdict, no NaN.
    for arm in &mut data.arms {
        arm.days[0].totals[0] = Total { sum: 40_000.0, sum_squares: Some(80_000.0) };
    }
    let metric = first(&data);
    assert!(metric.words.contains("everybody in arm 0 gave the same value"), "{}", metric.words);
    assert!(metric.warnings.iter().any(|w| w.contains("No Bayesian view")), "{:?}", metric.warnings);
}

/// What breaks a sound experiment.
type Change<'a> = &'a dyn Fn(&mut Experiment);

#[test]
fn errors_name_arm_day_and_field() {
    let broken = |change: &dyn Fn(&mut Experiment)| {
        let mut data = experiment(&[(100, 10), (100, 12)]);
        change(&mut data);
        evaluate(&data).expect_err("must be refused").to_string()
    };
    let total = |sum: f64, sum_squares| Total { sum, sum_squares };
    let mean = |data: &mut Experiment| data.metrics[0].kind = MetricKind::Mean;
    let cases: [(Change, &str); 16] = [
        (
            &|d| d.arms[1].days[0].totals[0] = total(101.0, None),
            "arm 'arm 1', day 1, sum of 'clicks': expected a whole number",
        ),
        (&|d| d.arms[1].days[0].totals[0] = total(-1.0, None), "arm 'arm 1', day 1, sum of 'clicks'"),
        (&|d| d.arms[1].days[0].totals[0] = total(f64::NAN, None), "arm 'arm 1', day 1, sum of 'clicks'"),
        (&|d| d.arms[0].days[0].totals[0] = total(1.5, None), "arm 'arm 0', day 1, sum of 'clicks'"),
        (&|d| d.arms[0].days[0].totals.clear(), "arm 'arm 0', day 1, totals: expected 1"),
        (&|d| d.arms[0].days[0].people = u64::MAX, "arm 'arm 0', day 1, people"),
        (
            &|d| {
                let day = d.arms[0].days[0].clone();
                d.arms[0].days.push(day)
            },
            "arm 'arm 0', days: day 1 is there twice",
        ),
        (&|d| d.arms[1].name = "arm 0".into(), "arm 'arm 0', name"),
        (&|d| d.arms[1].weight = -1.0, "arm 'arm 1', weight"),
        (&mean, "arm 'arm 0', day 1, sum_squares of 'clicks': missing"),
        (
            &|d| {
                mean(d);
                d.arms[0].days[0].totals[0] = total(10.0, Some(0.5))
            },
            "arm 'arm 0', day 1, sum_squares of 'clicks': 0.5 is less",
        ),
        (&|d| d.settings.control = 2, "settings.control: 2 of 2 arms"),
        (&|d| d.settings.alpha = 1.0, "settings.alpha"),
        (&|d| d.metrics[0].caring = f64::NAN, "metrics.caring"),
        (&|d| d.metrics.clear(), "metrics: expected at least one"),
        (&|d| d.arms.clear(), "arms: expected 1 to 64, found 0"),
    ];
    for (change, start) in cases {
        let error = broken(change);
        assert!(error.starts_with(start), "{error}\n  expected {start}");
    }
}

#[test]
fn data_come_from_json_and_unknown_fields_do_not() {
    let json = r#"{"assignment": "own", "metrics": [{"name": "clicks", "kind": "proportion"}],
        "arms": [{"name": "a", "days": [{"day": 20000, "people": 10, "totals": [{"sum": 3}]}]}]}"#;
    let data: Experiment = serde_json::from_str(json).expect("experiment");
    assert_eq!(first(&data).arms[0].mean, Some(0.3));
    assert!(serde_json::from_str::<Experiment>(&json.replace("people", "persons")).is_err());
    // Nobody may leave the assignment question open.
    assert!(serde_json::from_str::<Experiment>(&json.replace(r#""assignment": "own","#, "")).is_err());
}

/// NaN and infinities become `null` in JSON, and absent values are left out: so no null may be there at all.
fn no_null(value: &serde_json::Value, path: &str) {
    match value {
        serde_json::Value::Null => panic!("null at {path}"),
        serde_json::Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, v)| no_null(v, &format!("{path}[{i}]")))
        }
        serde_json::Value::Object(map) => map.iter().for_each(|(key, v)| no_null(v, &format!("{path}.{key}"))),
        _ => {}
    }
}

fn check_numbers(data: &Experiment) {
    let report = evaluate(data).expect("report");
    no_null(&serde_json::to_value(&report).expect("JSON"), "report");
    if let Report::Compared(comparison) = report {
        for metric in &comparison.metrics {
            assert!(!metric.words.contains("NaN") && !metric.words.contains("inf"), "{}", metric.words);
            let Some(beliefs) = &metric.beliefs else { continue };
            let sum: f64 = beliefs.arms.iter().map(|arm| arm.best).sum();
            assert!((sum - 1.0).abs() < 1e-9, "{sum}");
            for arm in &beliefs.arms {
                assert!(arm.interval.low <= arm.interval.high && arm.expected_loss >= 0.0, "{arm:?}");
                assert!((0.0..=1.0).contains(&arm.best) && (0.0..=1.0).contains(&arm.beats_control), "{arm:?}");
            }
        }
    }
}

#[test]
fn the_ends_of_the_range_give_numbers() {
    const BILLION: u64 = 1_000_000_000;
    let pairs = [
        (0, 0),
        (1, 0),
        (1, 1),
        (50, 0),
        (50, 50),
        (BILLION, 0),
        (BILLION, BILLION),
        (BILLION, 1),
        (BILLION, 123_456_789),
    ];
    for a in pairs {
        check_numbers(&experiment(&[a]));
        for b in pairs {
            check_numbers(&experiment(&[a, b]));
        }
    }
    check_numbers(&experiment(&pairs));
    check_numbers(&experiment(&[(BILLION, 10_000_000); 64]));
    let spread: Vec<(u64, u64)> = (0..64).map(|i| (BILLION, 10_000_000 + i * 2000)).collect();
    check_numbers(&experiment(&spread));
    let mut empty = experiment(&[(0, 0), (0, 0)]);
    empty.arms.iter_mut().for_each(|arm| arm.days.clear());
    check_numbers(&empty);
}

fn any_count() -> impl Strategy<Value = (u64, u64)> {
    (0.0..15.0_f64, prop_oneof![Just(0.0), Just(1.0), 0.0..1.0_f64, (-12.0..0.0_f64).prop_map(|e| 10f64.powf(e))])
        .prop_map(|(size, rate)| (10f64.powf(size) as u64 - 1, rate))
        .prop_map(|(people, rate)| (people, (people as f64 * rate) as u64))
}

/// (people, mean, spread) at scales that squares can just hold.
fn any_value() -> impl Strategy<Value = (u64, f64, f64)> {
    let scale = || prop_oneof![Just(0.0), (-140.0..70.0_f64).prop_map(|e| 10f64.powf(e)), 0.1..10.0_f64];
    (0.0..9.0_f64, scale(), scale(), any::<bool>()).prop_map(|(size, mean, spread, negative)| {
        (10f64.powf(size) as u64 - 1, if negative { -mean } else { mean }, spread)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_counts_give_numbers(counts in proptest::collection::vec(any_count(), 1..9), smaller in any::<bool>()) {
        let mut data = experiment(&counts);
        if smaller {
            data.metrics[0].direction = Direction::SmallerIsBetter;
        }
        check_numbers(&data);
    }

    #[test]
    fn any_values_give_numbers_or_a_message(values in proptest::collection::vec(any_value(), 1..7)) {
        let mut data = experiment(&vec![(0, 0); values.len()]);
        data.metrics[0].kind = MetricKind::Mean;
        for (arm, (people, mean, spread)) in data.arms.iter_mut().zip(values) {
            let n = people as f64;
            let total = Total { sum: n * mean, sum_squares: Some(n * (mean * mean + spread * spread)) };
            arm.days = vec![Day { day: 1, people, totals: vec![total] }];
        }
        check_numbers(&data);
    }
}
