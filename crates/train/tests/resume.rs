//! A run that is stopped and resumed gives the same bits as one that was not, with any number of threads, on every
//! instruction set; and what it writes can be generated with.

use std::path::Path;

use kernels::Cpu;
use simd::Isa;
use train::TrainConfig;
use train::checkpoint;
use train::run::{Event, run};
use train::trainer::Trainer;

/// Six captioned pictures of plain colours in a folder.
fn pictures(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let colours = [
        ("red", [255, 0, 0]),
        ("green", [0, 160, 0]),
        ("blue", [0, 0, 255]),
        ("white", [255; 3]),
        ("black", [0; 3]),
        ("yellow", [255, 220, 0]),
    ];
    for (name, [r, g, b]) in colours {
        let pixels: Vec<u8> =
            (0..32 * 32).flat_map(|i| if i % 32 < 24 { [r, g, b, 255] } else { [0, 0, 0, 0] }).collect();
        formats::picture::write(&folder.join(format!("{name}.png")), 32, 32, &pixels, &[]).unwrap();
        std::fs::write(folder.join(format!("{name}.txt")), format!("a {name} square\n{name}\n")).unwrap();
    }
}

fn config(folder: &Path, output: &str) -> TrainConfig {
    let mut config: TrainConfig = toml::from_str(
        "name = 'tiny'\ndata = ''\noutput = ''\nresolution = 32\nbatch = 4\nmicro_batch = 2\npictures = 24\ntext_tokens = 8\nmirror = 0.5\nprecision = 'f32'
         [model]\nwidth = 32\nblocks = 2\nheads = 2\nhidden = 64\nstem = 16\nrefiner_blocks = 1\ndetail_width = 16\ndetail_blocks = 1
         [optimiser]\nwarmup_steps = 2\ndecay_pictures = 8
         [report]\nlog_steps = 1\nsample_pictures = 0\nprompts = ['a red square']",
    )
    .unwrap();
    config.data = folder.join("pictures");
    config.output = folder.join(output);
    config
}

fn bits(trainer: &Trainer) -> Vec<u32> {
    trainer.masters().iter().flat_map(|p| p.data.iter().map(|x| x.to_bits())).collect()
}

#[test]
fn stopping_and_threads_change_no_bit() {
    let dir = tempfile::tempdir().unwrap();
    pictures(&dir.path().join("pictures"));
    for isa in Isa::available() {
        println!("resume on {isa}");
        let mut whole = Trainer::new(&Cpu::new(isa, 1), &config(dir.path(), "unused")).unwrap();
        let losses: Vec<f32> = (0..6).map(|_| whole.step().unwrap().loss).collect();
        for threads in [2, 3] {
            let cpu = Cpu::new(isa, threads);
            let folder = dir.path().join(format!("checkpoints-{isa}-{threads}"));
            let config = config(dir.path(), "unused");
            let mut first = Trainer::new(&cpu, &config).unwrap();
            for loss in &losses[..3] {
                assert_eq!(first.step().unwrap().loss.to_bits(), loss.to_bits());
            }
            first.save(&folder).unwrap();
            drop(first);
            let mut second = Trainer::new(&cpu, &config).unwrap();
            second.restore(&checkpoint::newest(&folder).unwrap().unwrap()).unwrap();
            for loss in &losses[3..] {
                assert_eq!(second.step().unwrap().loss.to_bits(), loss.to_bits(), "{isa}, {threads} threads");
            }
            assert!(bits(&second) == bits(&whole), "{isa}, {threads} threads: the parameters differ");
        }
    }
}

#[test]
fn another_optimiser_is_named() {
    let dir = tempfile::tempdir().unwrap();
    pictures(&dir.path().join("pictures"));
    let cpu = Cpu::new(Isa::detected(), 2);
    let trainer = |convolutions, newton_schulz_steps| {
        let mut config = config(dir.path(), "unused");
        config.optimiser.muon_convolutions = convolutions;
        config.optimiser.newton_schulz_steps = newton_schulz_steps;
        Trainer::new(&cpu, &config).unwrap()
    };
    let choices = [(false, 4), (true, 4), (true, 0)];
    for (i, (convolutions, steps)) in choices.into_iter().enumerate() {
        let folder = dir.path().join(format!("checkpoints-{i}"));
        trainer(convolutions, steps).save(&folder).unwrap();
        let found = checkpoint::newest(&folder).unwrap().unwrap();
        for (j, (convolutions, steps)) in choices.into_iter().enumerate() {
            let restored = trainer(convolutions, steps).restore(&found);
            let field = if steps > 0 && i < 2 { "muon_convolutions must be" } else { "newton_schulz_steps must be" };
            match restored {
                Ok(()) => assert_eq!(i, j),
                Err(error) => assert!(i != j && error.to_string().contains(field), "{i} {j}: {error}"),
            }
        }
    }
}

#[test]
fn a_whole_run_leaves_a_model_curve_and_sheet_and_can_be_resumed() {
    let dir = tempfile::tempdir().unwrap();
    pictures(&dir.path().join("pictures"));
    std::fs::write(dir.path().join("pictures/broken.png"), b"not a picture").unwrap();
    std::fs::write(dir.path().join("pictures/broken.txt"), "a broken one").unwrap();
    let cpu = Cpu::new(Isa::detected(), 2);
    let config = config(dir.path(), "run");
    let steps = std::cell::Cell::new(0);
    let mut warnings = Vec::new();
    let mut listen = |event: &Event| match event {
        Event::Progress { loss, .. } => {
            assert!(loss.is_finite());
            steps.set(steps.get() + 1);
        }
        Event::Warning { message } => warnings.push(message.clone()),
        _ => {}
    };
    run(&cpu, &config, false, &|| steps.get() == 2, &mut listen).unwrap();
    assert_eq!(steps.get(), 2);
    let again = run(&cpu, &config, false, &|| false, &mut listen).unwrap_err().to_string();
    assert!(again.contains("--resume"), "{again}");
    run(&cpu, &config, true, &|| false, &mut listen).unwrap();
    assert_eq!(steps.get(), 6);
    assert!(warnings.iter().any(|w| w.contains("broken.png")), "{warnings:?}");
    for file in ["model.safetensors", "loss.csv", "loss.png", "samples.png", "config.toml"] {
        assert!(config.output.join(file).is_file(), "{file}");
    }
    let csv = std::fs::read_to_string(config.output.join("loss.csv")).unwrap();
    assert_eq!(csv.lines().count(), 7, "{csv}");
    engine::store::open(config.output.join("model.safetensors").to_str().unwrap()).unwrap();
}

#[test]
fn a_run_from_a_model_counts_what_the_model_had_seen_and_draws_as_it() {
    let dir = tempfile::tempdir().unwrap();
    pictures(&dir.path().join("pictures"));
    let cpu = Cpu::new(Isa::detected(), 2);
    let info = |path: &Path| engine::store::inspect(path.to_str().unwrap()).unwrap().0;
    let seen = |path: &Path| info(path).pictures_seen;
    let first = TrainConfig { shifts: Some(2), ..config(dir.path(), "first") };
    run(&cpu, &first, false, &|| false, &mut |_| {}).unwrap();
    let model = first.output.join("model.safetensors");
    assert_eq!(seen(&model), 24);
    let second = TrainConfig { init: Some(model), ..config(dir.path(), "second") };
    run(&cpu, &second, false, &|| false, &mut |_| {}).unwrap();
    let third = TrainConfig { branch_from: Some(second.output.clone()), pictures: 32, ..config(dir.path(), "third") };
    run(&cpu, &third, true, &|| false, &mut |_| {}).unwrap();
    assert_eq!(seen(&second.output.join("model.safetensors")), 48);
    assert_eq!(info(&second.output.join("model.safetensors")).shifts, 2);
    // A checkpoint says nothing of it, nor does the configuration.
    assert_eq!(info(&third.output.join("model.safetensors")).shifts, 1);
    assert_eq!(seen(&third.output.join("model.safetensors")), 56);
}
