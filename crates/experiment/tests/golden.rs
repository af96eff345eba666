//! Statistics against `gbstats`, `statsmodels` and `scipy`: at least 500 random cases each, made by `tests/golden/make.py`.

use experiment::{
    Baseline, BayesSettings, BetaPrior, Direction, Effect, Reference, Sample, Scale, Sureness, Test, always_valid,
    bayes, detectable_lift, fixed_horizon, holm, newcombe, people_per_arm, power_of, wilson,
};
use serde::de::DeserializeOwned;

/// Where closed forms agree.
const CLOSED: f64 = 1e-9;
/// Where a reference is itself numeric.
const NUMERIC: f64 = 1e-6;

fn table<Row: DeserializeOwned>(file: &str, name: &str) -> Vec<Row> {
    let path = format!("{}/tests/golden/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).expect("golden file");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let rows: Vec<Row> = serde_json::from_value(value[name].clone()).expect("rows");
    assert!(rows.len() >= 500, "{file} {name}: {}", rows.len());
    rows
}

/// Relative to the reference, or to `scale` where the reference may pass through zero.
#[track_caller]
fn near(what: &str, ours: f64, reference: f64, bound: f64, scale: f64) {
    let room = bound * reference.abs().max(scale) + 1e-300;
    assert!((ours - reference).abs() <= room, "{what}: {ours:e}, reference {reference:e}");
}

/// `[estimate, error, low, high, p]` of Welch and `[low, high, p]` of the sequence, for one scale.
#[track_caller]
fn check(effect: &Effect, alpha: f64, tuning: f64, welch: &[f64; 5], sequence: &[f64; 3]) {
    let fixed: Test = fixed_horizon(effect, alpha, Reference::Welch).expect("fixed");
    let always: Test = always_valid(effect, alpha, tuning).expect("always valid");
    // An end near zero is a difference of an estimate and a width: its scale is the standard error. The estimate itself is
    // a difference of means, whose digits are lost before either program starts.
    let (error, size) = (welch[1], welch[1] + welch[0].abs() * 1e-3);
    near("estimate", effect.estimate, welch[0], CLOSED, size);
    near("standard error", effect.standard_error(), error, CLOSED, 0.0);
    near("fixed low", fixed.interval.low, welch[2], CLOSED, error);
    near("fixed high", fixed.interval.high, welch[3], CLOSED, error);
    near("always low", always.interval.low, sequence[0], CLOSED, error);
    near("always high", always.interval.high, sequence[1], CLOSED, error);
    // A tail's relative error is that of z times z².
    let z = (effect.estimate / error).abs();
    near("fixed p", fixed.p_value, welch[4], CLOSED * (1.0 + 1e-3 * z * z), 0.0);
    near("always p", always.p_value, sequence[2], CLOSED * (1.0 + 1e-3 * z * z), 0.0);
}

#[test]
fn proportions_are_those_of_gbstats_and_statsmodels() {
    type Row = ([u64; 2], [u64; 2], f64, f64, [f64; 5], [f64; 3], [f64; 5], [f64; 3], [f64; 2], [f64; 2]);
    for (people, counts, alpha, tuning, relative, relative_any, absolute, absolute_any, score, difference) in
        table::<Row>("compare.json", "proportions")
    {
        let [a, b] = [0, 1].map(|i| Sample::proportion(people[i], counts[i]).expect("sample"));
        let effect = Effect::between(&a, &b, Scale::Relative).expect("effect");
        check(&effect, alpha, tuning, &relative, &relative_any);
        let effect = Effect::between(&a, &b, Scale::Absolute).expect("effect");
        check(&effect, alpha, tuning, &absolute, &absolute_any);
        let ours = wilson(&b, alpha).expect("alpha").expect("people");
        near("wilson low", ours.low, score[0], CLOSED, 0.0);
        near("wilson high", ours.high, score[1], CLOSED, 0.0);
        let ours = newcombe(&a, &b, alpha).expect("alpha").expect("people");
        near("newcombe low", ours.low, difference[0], CLOSED, absolute[1]);
        near("newcombe high", ours.high, difference[1], CLOSED, absolute[1]);
    }
}

#[test]
fn means_are_those_of_gbstats() {
    type Row = ([u64; 2], [f64; 2], [f64; 2], f64, f64, [f64; 5], [f64; 3], [f64; 5], [f64; 3]);
    for (people, sums, squares, alpha, tuning, relative, relative_any, absolute, absolute_any) in
        table::<Row>("compare.json", "means")
    {
        let [a, b] = [0, 1].map(|i| Sample::mean_of(people[i], sums[i], squares[i]).expect("sample"));
        let effect = Effect::between(&a, &b, Scale::Relative).expect("effect");
        check(&effect, alpha, tuning, &relative, &relative_any);
        let effect = Effect::between(&a, &b, Scale::Absolute).expect("effect");
        check(&effect, alpha, tuning, &absolute, &absolute_any);
    }
}

#[test]
fn holm_is_that_of_statsmodels() {
    for (p_values, adjusted) in table::<(Vec<f64>, Vec<f64>)>("compare.json", "holm") {
        for (ours, reference) in holm(&p_values).into_iter().zip(adjusted) {
            near("holm", ours, reference, CLOSED, 0.0);
        }
    }
}

fn settings() -> BayesSettings {
    let direction = Direction::LargerIsBetter;
    BayesSettings { prior: BetaPrior::default(), direction, control: 0, alpha: 0.05, caring: 0.0 }
}

#[test]
fn beta_posteriors_are_those_of_scipy() {
    type Row = (Vec<u64>, Vec<u64>, Vec<f64>, Vec<f64>, Vec<[f64; 2]>);
    for (people, counts, best, loss, intervals) in table::<Row>("bayes.json", "betas") {
        let samples: Vec<Sample> =
            people.iter().zip(&counts).map(|(&n, &c)| Sample::proportion(n, c).expect("sample")).collect();
        let ours = bayes(&samples, &settings()).expect("settings").expect("beliefs");
        for (i, arm) in ours.arms.iter().enumerate() {
            near("P(best)", arm.best, best[i], NUMERIC, 1e-9);
            near("loss", arm.expected_loss, loss[i], NUMERIC, 1e-9 * arm.mean);
            near("low", arm.interval.low, intervals[i][0], CLOSED, 0.0);
            near("high", arm.interval.high, intervals[i][1], CLOSED, 0.0);
        }
        // Smaller is better: the same numbers on the mirror.
        let mirrored: Vec<Sample> =
            people.iter().zip(&counts).map(|(&n, &c)| Sample::proportion(n, n - c).expect("sample")).collect();
        let smaller = BayesSettings { direction: Direction::SmallerIsBetter, ..settings() };
        let other = bayes(&mirrored, &smaller).expect("settings").expect("beliefs");
        for (a, b) in ours.arms.iter().zip(&other.arms) {
            near("mirrored P(best)", b.best, a.best, CLOSED, 1e-12);
            near("mirrored loss", b.expected_loss, a.expected_loss, CLOSED, 1e-15);
            near("mirrored interval", 1.0 - b.interval.high, a.interval.low, CLOSED, 1e-6);
        }
    }
}

#[test]
fn the_chance_to_beat_the_control_is_the_exact_sum() {
    for (people, counts, chance) in table::<([u64; 2], [u64; 2], f64)>("bayes.json", "pairs") {
        let samples = [0, 1].map(|i| Sample::proportion(people[i], counts[i]).expect("sample"));
        let ours = bayes(&samples, &settings()).expect("settings").expect("beliefs");
        near("P(B > A)", ours.arms[1].beats_control, chance, CLOSED, 0.0);
        near("P(best)", ours.arms[1].best, chance, CLOSED, 0.0);
    }
}

#[test]
fn normal_posteriors_are_those_of_gbstats() {
    type Row = ([u64; 2], [f64; 2], [f64; 2], f64, f64, f64);
    for (people, sums, squares, chance, risk_control, risk_treatment) in table::<Row>("bayes.json", "normals") {
        let samples = [0, 1].map(|i| Sample::mean_of(people[i], sums[i], squares[i]).expect("sample"));
        let ours = bayes(&samples, &settings()).expect("settings").expect("beliefs");
        let scale = samples[0].mean().expect("people").abs();
        near("P(B > A)", ours.arms[1].beats_control, chance, NUMERIC, 1e-9);
        near("loss of A", ours.arms[0].expected_loss, risk_control, NUMERIC, 1e-9 * scale);
        near("loss of B", ours.arms[1].expected_loss, risk_treatment, NUMERIC, 1e-9 * scale);
    }
}

type Plan = (f64, f64, f64, f64, f64, f64);

#[test]
fn plans_are_those_of_statsmodels() {
    for (rate, lift, alpha, power, people, reached) in table::<Plan>("plan.json", "proportions") {
        let (baseline, sureness) = (Baseline::Proportion { rate }, Sureness { alpha, power, arms: 2 });
        let ours = people_per_arm(baseline, lift, &sureness).expect("people");
        near("people", ours as f64, people.ceil().max(2.0), CLOSED, 0.0);
        let at = power_of(baseline, lift, ours, &sureness).expect("power");
        near("power", at, reached, CLOSED, 0.0);
        assert!(at >= power, "{at} {power}");
        if lift > 0.0 {
            let found = detectable_lift(baseline, ours, &sureness).expect("lift").expect("below a rate of 1");
            let below = detectable_lift(baseline, ours - 1, &sureness).expect("lift");
            assert!(found <= lift * (1.0 + 1e-9) && below.is_none_or(|b| b > lift * (1.0 - 1e-9)) || ours == 2);
        }
    }
    for (mean, deviation, lift, alpha, power, people) in table::<Plan>("plan.json", "means") {
        let (baseline, sureness) = (Baseline::Mean { mean, deviation }, Sureness { alpha, power, arms: 2 });
        let expected = people.ceil().max(2.0);
        match people_per_arm(baseline, lift, &sureness) {
            Ok(ours) => near("people", ours as f64, expected, CLOSED, 0.0),
            Err(error) => assert!(expected > 1e15, "{error}"),
        }
    }
}

#[test]
fn the_known_sizes_come_out() {
    let sureness = Sureness::default();
    for (rate, people) in [(0.01, 42_691), (0.02, 21_106)] {
        assert_eq!(people_per_arm(Baseline::Proportion { rate }, 0.2, &sureness).expect("people"), people);
    }
    let ten = Sureness { arms: 10, ..sureness };
    assert!(people_per_arm(Baseline::Proportion { rate: 0.01 }, 0.2, &ten).expect("people") > 42_691);
}

/// One tail at one standard error, at eight (where `1 − cdf` is 0) and at twenty.
#[test]
fn far_tails_do_not_vanish() {
    let a = Sample::proportion(1_000_000, 100_000).expect("sample");
    for (successes, expected) in [(100_424, 1.0), (103_400, 1e-13), (108_600, 1e-80)] {
        let b = Sample::proportion(1_000_000, successes).expect("sample");
        let effect = Effect::between(&a, &b, Scale::Absolute).expect("effect");
        let p = fixed_horizon(&effect, 0.05, Reference::Normal).expect("test").p_value;
        assert!(p > 0.0 && p < expected, "{successes}: {p:e}");
    }
}
