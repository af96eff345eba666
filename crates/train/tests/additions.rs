//! A trained model gets a finisher or an early expert: its own weights stay as they are, predictions come nearer to the pictures where
//! the addition acts, and the bits do not depend on threads or on being stopped.

mod common;
#[path = "common/trained.rs"]
mod trained;

use kernels::Cpu;
use models::jit::Config;
use simd::Isa;
use train::TrainConfig;
use train::run::run;
use train::trainer::Trainer;
use trained::{NETWORK, assert_the_network_stayed, going_on, losses};

/// What a configuration says of it, how much of its first loss is left at the most, whether a model has it, and the pictures that
/// count as seen.
type Addition = (&'static str, f64, fn(&Config) -> bool, u64);

const FINISHER: Addition = ("[finisher]\nwidth = 8", 0.8, |config| config.finish_width == 8, 240);
const EARLY: Addition = ("early = true", 0.9, |config| config.early, 480);

fn predictions_come_nearer_and_the_network_stays((own, left, is_there, seen): Addition) {
    let dir = tempfile::tempdir().unwrap();
    let config = going_on(dir.path(), "run", own);
    let cpu = Cpu::new(Isa::detected(), 2);
    run(&cpu, &config, false, &|| false, &mut |_| {}).unwrap();
    let (first, last) = losses(&config.output);
    assert!(last < left * first, "{first} -> {last}");

    let path = dir.path().join("run/model.safetensors");
    assert_the_network_stayed(dir.path(), &path);
    let (info, report) = engine::store::inspect(path.to_str().unwrap()).unwrap();
    assert!(report.is_complete() && is_there(&info.config));
    assert_eq!(info.pictures_seen, seen);

    // Another run goes on from it: its first loss is about the last of this one.
    let again = TrainConfig { init: Some(path.clone()), ..going_on(dir.path(), "again", own) };
    run(&cpu, &again, false, &|| false, &mut |_| {}).unwrap();
    assert!(losses(&again.output).0 < 0.9 * first);
    // One that names its checkpoint has one step left.
    let longer =
        TrainConfig { branch_from: Some(config.output.clone()), pictures: 252, ..going_on(dir.path(), "longer", own) };
    run(&cpu, &longer, false, &|| false, &mut |_| {}).unwrap();
    let log = std::fs::read_to_string(longer.output.join("loss.csv")).unwrap();
    assert!(log.lines().count() == 2 && log.lines().nth(1).unwrap().starts_with("21,252,"), "{log}");
    // The network goes on learning without it.
    let drawing = format!("init = 'run/model.safetensors'\n{NETWORK}");
    assert!(Trainer::new(&cpu, &trained::config(dir.path(), "on", &drawing)).is_ok());
}

fn stopping_and_threads_change_no_bit((own, ..): Addition) {
    let dir = tempfile::tempdir().unwrap();
    let config = going_on(dir.path(), "run", own);
    common::stopping_and_threads_change_no_bit(&config, &dir.path().join("checkpoints"));
}

#[test]
fn a_finisher_comes_nearer_and_the_network_stays() {
    predictions_come_nearer_and_the_network_stays(FINISHER);
}

#[test]
fn an_early_expert_comes_nearer_and_the_network_stays() {
    predictions_come_nearer_and_the_network_stays(EARLY);
}

#[test]
fn stopping_and_threads_change_no_bit_of_a_finisher() {
    stopping_and_threads_change_no_bit(FINISHER);
}

#[test]
fn stopping_and_threads_change_no_bit_of_an_early_expert() {
    stopping_and_threads_change_no_bit(EARLY);
}
