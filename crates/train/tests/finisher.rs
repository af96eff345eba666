//! A trained model gets a finisher: its own weights stay as they are, predictions at low noise come nearer to the pictures, and the
//! bits do not depend on threads or on being stopped.

mod common;

use std::path::Path;

use formats::safetensors::File;
use kernels::Cpu;
use simd::Isa;
use train::TrainConfig;
use train::run::run;
use train::trainer::Trainer;

/// Captioned squares and stripes.
fn pictures(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, shown) in
        [("square", (|x, y| x.max(y) < 20) as fn(usize, usize) -> bool), ("stripe", |x, y| (x + y) % 8 < 3)]
    {
        let pixel = |i: usize| if shown(i % 32, i / 32) { [200, 40, 90, 255] } else { [0; 4] };
        let pixels: Vec<u8> = (0..32 * 32).flat_map(pixel).collect();
        formats::picture::write(&folder.join(format!("{name}.png")), 32, 32, &pixels, &[]).unwrap();
        std::fs::write(folder.join(format!("{name}.txt")), format!("a pink {name}\n")).unwrap();
    }
}

fn config(folder: &Path, output: &str, extra: &str) -> TrainConfig {
    let text = format!(
        "name = 'tiny'\ndata = 'pictures'\noutput = '{output}'\nresolution = 32\nbatch = 12\nmicro_batch = 4\npictures = 240\n\
         text_tokens = 8\nprecision = 'f32'\n{extra}\n\
         [optimiser]\nlearning_rate = 3e-3\nwarmup_steps = 2\n[report]\nlog_steps = 1\nsample_pictures = 0\nprompts = ['a pink square']"
    );
    std::fs::write(folder.join("config.toml"), text).unwrap();
    TrainConfig::open(&folder.join("config.toml")).unwrap()
}

/// A model file that has learned a little, and the configuration of a run that finishes it.
fn finishing(folder: &Path, output: &str) -> TrainConfig {
    if !folder.join("network.safetensors").exists() {
        pictures(&folder.join("pictures"));
        let network = "[model]\nwidth = 32\nblocks = 1\nheads = 2\nhidden = 64\nstem = 16\nrefiner_blocks = 0";
        let cpu = Cpu::new(Isa::detected(), 2);
        run(&cpu, &config(folder, "network", network), false, &|| false, &mut |_| {}).unwrap();
        std::fs::rename(folder.join("network/model.safetensors"), folder.join("network.safetensors")).unwrap();
    }
    config(folder, output, "init = 'network.safetensors'\n[finisher]\nwidth = 8")
}

fn losses(folder: &Path) -> Vec<f64> {
    let text = std::fs::read_to_string(folder.join("loss.csv")).unwrap();
    text.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse().unwrap()).collect()
}

#[test]
fn predictions_come_nearer_and_the_network_stays() {
    let dir = tempfile::tempdir().unwrap();
    let config = finishing(dir.path(), "run");
    let cpu = Cpu::new(Isa::detected(), 2);
    run(&cpu, &config, false, &|| false, &mut |_| {}).unwrap();
    let losses = losses(&config.output);
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..4]), mean(&losses[losses.len() - 4..]));
    assert!(last < 0.8 * first, "{first} -> {last}");

    let open = |name: &str| File::open(dir.path().join(name)).unwrap();
    let (before, after) = (open("network.safetensors"), open("run/model.safetensors"));
    for name in before.value_names() {
        assert_eq!(before.to_f32(name).unwrap(), after.to_f32(name).unwrap(), "{name}");
    }
    let path = dir.path().join("run/model.safetensors");
    let (info, report) = engine::store::inspect(path.to_str().unwrap()).unwrap();
    assert!(report.is_complete());
    assert_eq!((info.config.finish_width, info.pictures_seen), (8, 240));

    // Another run goes on from this finisher: its first loss is about the last of this one.
    let again = TrainConfig { init: Some(path.clone()), ..finishing(dir.path(), "again") };
    run(&cpu, &again, false, &|| false, &mut |_| {}).unwrap();
    assert!(self::losses(&again.output)[0] < 0.9 * first);
    // The network goes on learning without it.
    let drawing = "init = 'run/model.safetensors'\n[model]\nwidth = 32\nblocks = 1\nheads = 2\nhidden = 64\nstem = 16\nrefiner_blocks = 0";
    assert!(Trainer::new(&cpu, &self::config(dir.path(), "on", drawing)).is_ok());
}

#[test]
fn stopping_and_threads_change_no_bit() {
    let dir = tempfile::tempdir().unwrap();
    let config = finishing(dir.path(), "run");
    common::stopping_and_threads_change_no_bit(&config, &dir.path().join("checkpoints"));
}
