//! The test that matters: 2,000 experiments without an effect, looked at every day.

use experiment::{
    Arm, Assignment, Day, Direction, Effect, Experiment, Metric, MetricKind, Reference, Report, Sample, Scale,
    Settings, Total, Verdict, always_valid, evaluate, fixed_horizon,
};

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Successes of `people` at `rate`, by the gaps between them (geometric).
    fn successes(&mut self, people: u64, rate: f64) -> u64 {
        let (mut at, mut count) = (0, 0);
        loop {
            let uniform = ((self.next() >> 11) as f64 + 0.5) * 2f64.powi(-53);
            at += 1 + (uniform.ln() / (-rate).ln_1p()) as u64;
            if at > people {
                return count;
            }
            count += 1;
        }
    }
}

const EXPERIMENTS: u64 = 2000;
const DAYS: i32 = 28;
const ALPHA: f64 = 0.05;

/// How many of the experiments ever called a difference: (always-valid relative, always-valid absolute, naive z).
fn ever_significant(rate: f64, people: u64, first_look: i32) -> (u64, u64, u64) {
    let mut random = Random(2026);
    let mut ever = (0, 0, 0);
    for _ in 0..EXPERIMENTS {
        let (mut a, mut b, mut total) = (0, 0, 0);
        let mut hit = (false, false, false);
        for day in 1..=DAYS {
            a += random.successes(people, rate);
            b += random.successes(people, rate);
            total += people;
            if day < first_look {
                continue;
            }
            let sample = |successes| Sample::proportion(total, successes).expect("sample");
            let effect = |scale| Effect::between(&sample(a), &sample(b), scale).expect("effect");
            let p = |scale| always_valid(&effect(scale), ALPHA, 5000.0).expect("test").p_value;
            hit.0 |= p(Scale::Relative) < ALPHA;
            hit.1 |= p(Scale::Absolute) < ALPHA;
            hit.2 |= fixed_horizon(&effect(Scale::Absolute), ALPHA, Reference::Normal).expect("test").p_value < ALPHA;
        }
        ever = (ever.0 + u64::from(hit.0), ever.1 + u64::from(hit.1), ever.2 + u64::from(hit.2));
    }
    ever
}

#[test]
fn daily_looks_keep_alpha_with_the_always_valid_test_and_break_it_with_the_naive_one() {
    for (rate, people, first_look) in [(0.1, 300, 1), (0.02, 500, 3)] {
        let (relative, absolute, naive) = ever_significant(rate, people, first_look);
        println!("rate {rate}: always valid {relative} and {absolute}, naive {naive} of {EXPERIMENTS}");
        let allowed = (ALPHA * EXPERIMENTS as f64) as u64;
        assert!(relative <= allowed && absolute <= allowed, "{relative} {absolute} > {allowed}");
        assert!(naive > 3 * allowed, "{naive}");
    }
}

#[test]
fn a_real_effect_is_found_by_the_same_looks() {
    let mut random = Random(7);
    let mut found = 0;
    for _ in 0..200 {
        let (mut a, mut b, mut total, mut hit) = (0, 0, 0, false);
        for _ in 0..DAYS {
            a += random.successes(500, 0.10);
            b += random.successes(500, 0.13);
            total += 500;
            let [a, b] = [a, b].map(|successes| Sample::proportion(total, successes).expect("sample"));
            let effect = Effect::between(&a, &b, Scale::Relative).expect("effect");
            let test = always_valid(&effect, ALPHA, 5000.0).expect("test");
            hit |= test.p_value < ALPHA && test.estimate > 0.0;
        }
        found += u32::from(hit);
    }
    assert!(found > 190, "{found} of 200");
}

/// The whole evaluation, four equal arms, a verdict asked for on each of 10 days: "winner" in at most alpha of them.
#[test]
fn the_verdict_names_a_winner_among_equals_in_at_most_alpha_of_experiments() {
    let mut random = Random(11);
    let mut winners = 0;
    const RUNS: u32 = 200;
    for _ in 0..RUNS {
        let metric = Metric {
            name: "clicks".into(),
            kind: MetricKind::Proportion,
            direction: Direction::LargerIsBetter,
            caring: 0.01,
        };
        let arm = |i: u32| Arm { name: format!("arm {i}"), weight: 1.0, days: Vec::new() };
        let mut experiment = Experiment {
            assignment: Assignment::Own,
            metrics: vec![metric],
            arms: (0..4).map(arm).collect(),
            settings: Settings::default(),
        };
        let mut won = false;
        for day in 0..10 {
            for arm in &mut experiment.arms {
                let sum = random.successes(300, 0.1) as f64;
                arm.days.push(Day { day, people: 300, totals: vec![Total { sum, sum_squares: None }] });
            }
            let Report::Compared(comparison) = evaluate(&experiment).expect("report") else { panic!("own assignment") };
            won |= matches!(comparison.metrics[0].verdict, Verdict::Winner { .. });
        }
        winners += u32::from(won);
    }
    println!("winners among equals: {winners} of {RUNS}");
    assert!(f64::from(winners) <= ALPHA * f64::from(RUNS), "{winners}");
}
