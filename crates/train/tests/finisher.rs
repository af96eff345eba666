//! A trained model gets a finisher: its own weights stay as they are, predictions at low noise come nearer to the pictures, and the
//! bits do not depend on threads or on being stopped.

mod common;
#[path = "common/trained.rs"]
mod trained;

use kernels::Cpu;
use simd::Isa;
use train::TrainConfig;
use train::run::run;
use train::trainer::Trainer;
use trained::{NETWORK, assert_the_network_stayed, going_on, losses};

const OWN: &str = "[finisher]\nwidth = 8";

#[test]
fn predictions_come_nearer_and_the_network_stays() {
    let dir = tempfile::tempdir().unwrap();
    let config = going_on(dir.path(), "run", OWN);
    let cpu = Cpu::new(Isa::detected(), 2);
    run(&cpu, &config, false, &|| false, &mut |_| {}).unwrap();
    let (first, last) = losses(&config.output);
    assert!(last < 0.8 * first, "{first} -> {last}");

    let path = dir.path().join("run/model.safetensors");
    assert_the_network_stayed(dir.path(), &path);
    let (info, report) = engine::store::inspect(path.to_str().unwrap()).unwrap();
    assert!(report.is_complete());
    assert_eq!((info.config.finish_width, info.pictures_seen), (8, 240));

    // Another run goes on from it: its first loss is about the last of this one.
    let again = TrainConfig { init: Some(path.clone()), ..going_on(dir.path(), "again", OWN) };
    run(&cpu, &again, false, &|| false, &mut |_| {}).unwrap();
    assert!(losses(&again.output).0 < 0.9 * first);
    // The network goes on learning without it.
    let drawing = format!("init = 'run/model.safetensors'\n{NETWORK}");
    assert!(Trainer::new(&cpu, &trained::config(dir.path(), "on", &drawing)).is_ok());
}

#[test]
fn stopping_and_threads_change_no_bit() {
    let dir = tempfile::tempdir().unwrap();
    let config = going_on(dir.path(), "run", OWN);
    common::stopping_and_threads_change_no_bit(&config, &dir.path().join("checkpoints"));
}
