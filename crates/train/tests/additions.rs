//! A trained model gets a finisher or an early expert, or goes on below its expert: other weights stay as they are, predictions come
//! nearer to the pictures where the part acts, and the bits do not depend on threads or on being stopped.

mod common;
#[path = "common/trained.rs"]
mod trained;

use formats::safetensors::File;
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
fn the_network_goes_on_below_its_expert_which_stays() {
    let dir = tempfile::tempdir().unwrap();
    let cpu = Cpu::new(Isa::detected(), 2);
    // A model without an expert would forget the times that are left out.
    let alone = Trainer::new(&cpu, &going_on(dir.path(), "alone", "late = true"));
    let message = alone.err().unwrap().to_string();
    assert!(message.contains("init") && message.contains("early expert"), "{message}");

    let mut model = dir.path().join("network.safetensors");
    for addition in ["early = true", "[finisher]\nwidth = 8"] {
        let short = TrainConfig { init: Some(model), pictures: 24, ..going_on(dir.path(), "whole", addition) };
        run(&cpu, &short, false, &|| false, &mut |_| {}).unwrap();
        model = dir.path().join("whole.safetensors");
        std::fs::rename(short.output.join("model.safetensors"), &model).unwrap();
        std::fs::remove_dir_all(&short.output).unwrap();
    }
    let late = TrainConfig { init: Some(model.clone()), ..going_on(dir.path(), "late", "late = true") };
    run(&cpu, &late, false, &|| false, &mut |_| {}).unwrap();
    let (first, last) = losses(&late.output);
    assert!(last < 0.9 * first, "{first} -> {last}");

    let written = late.output.join("model.safetensors");
    let (before, after) = (File::open(&model).unwrap(), File::open(&written).unwrap());
    assert_eq!(before.value_names().count(), after.value_names().count());
    for name in before.value_names() {
        let is_same = before.to_f32(name).unwrap() == after.to_f32(name).unwrap();
        assert_eq!(is_same, name.starts_with("early.") || name.starts_with("finish."), "{name}");
    }
    let (info, report) = engine::store::inspect(written.to_str().unwrap()).unwrap();
    assert!(report.is_complete() && info.config.early && info.config.finish_width == 8);
    // The network's 240, the expert's 24, and the 240 of these times.
    assert_eq!(info.pictures_seen, 504);

    // Each half answers for its own times: the network has become better there, the expert is as it was.
    let ask = |model| train::evaluate::held_out(&cpu, &late, model, 64, &mut |_| {}).unwrap();
    let (before, after) = (ask(model.as_path()), ask(written.as_path()));
    let times: Vec<_> = after.iter().map(|split| split.times).collect();
    assert_eq!(times, [[0.0, 0.65], [0.65, 1.0]]);
    assert!(after[0].loss < 0.9 * before[0].loss, "{before:?} {after:?}");
    assert_eq!(after[1].loss.to_bits(), before[1].loss.to_bits());
}

#[test]
fn stopping_and_threads_change_no_bit_of_a_finisher() {
    stopping_and_threads_change_no_bit(FINISHER);
}

#[test]
fn stopping_and_threads_change_no_bit_of_an_early_expert() {
    stopping_and_threads_change_no_bit(EARLY);
}
