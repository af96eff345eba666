//! A model is taught few steps by the same runs as everything else: it learns them, keeps its many steps, and the bits do not
//! depend on threads or on being stopped.

mod common;

use std::path::Path;

use engine::{CancelToken, Engine, Options, PrecisionChoice, Request};
use kernels::Cpu;
use sampling::Schedule;
use simd::Isa;
use train::TrainConfig;
use train::run::run;
use train::trainer::Trainer;

/// Four captioned plain pictures.
fn pictures(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for (name, [r, g, b]) in [("red", [255, 0, 0]), ("green", [0, 160, 0]), ("blue", [0, 0, 255]), ("white", [255; 3])]
    {
        let pixels: Vec<u8> =
            (0..32 * 32).flat_map(|i| if i % 32 < 20 { [r, g, b, 255] } else { [0, 0, 0, 0] }).collect();
        formats::picture::write(&folder.join(format!("{name}.png")), 32, 32, &pixels, &[]).unwrap();
        std::fs::write(folder.join(format!("{name}.txt")), format!("a {name} wall\n")).unwrap();
    }
}

fn config(folder: &Path, extra: &str) -> TrainConfig {
    let text = format!(
        "name = 'tiny'\ndata = 'pictures'\noutput = 'run'\nresolution = 32\nbatch = 32\nmicro_batch = 16\npictures = 4800\n\
         text_tokens = 8\nprecision = 'f32'\n{extra}\n\
         [optimiser]\nlearning_rate = 3e-3\nwarmup_steps = 2\n[report]\nlog_steps = 1000\nsample_pictures = 0\nprompts = ['a red wall']"
    );
    std::fs::write(folder.join("config.toml"), text).unwrap();
    TrainConfig::open(&folder.join("config.toml")).unwrap()
}

const NETWORK: &str = "[model]\nwidth = 32\nblocks = 1\nheads = 2\nhidden = 64\nstem = 16\nrefiner_blocks = 0";

/// A model file that has learned the pictures, and the configuration of a run that teaches it few steps.
fn taught(folder: &Path) -> TrainConfig {
    pictures(&folder.join("pictures"));
    let cpu = Cpu::new(Isa::detected(), 2);
    run(&cpu, &config(folder, NETWORK), false, &|| false, &mut |_| {}).unwrap();
    std::fs::rename(folder.join("run/model.safetensors"), folder.join("teacher.safetensors")).unwrap();
    std::fs::remove_dir_all(folder.join("run")).unwrap();
    let few = format!(
        "init = 'teacher.safetensors'\n{NETWORK}\nstep_length = true\n[turbo]\nteacher = 'teacher.safetensors'\nsteps = 8\nschedule = 'linear'\nguidance = 2.0\nguidance_interval = [0.1, 1.0]"
    );
    config(folder, &few)
}

/// Mean squared difference of the premultiplied pictures that `request` gives with two model files.
fn difference(a: (&Path, &Request), b: (&Path, &Request)) -> f64 {
    let [a, b] = [a, b].map(|(path, request)| {
        let model = engine::store::open(path.to_str().unwrap()).unwrap();
        let options = Options { threads: Some(2), precision: PrecisionChoice::F32, isa: None };
        let images =
            Engine::new(&model, &options).unwrap().generate(request, &mut |_| {}, &CancelToken::new()).unwrap();
        images.iter().flat_map(|image| formats::picture::premultiply(&image.pixels)).collect::<Vec<f32>>()
    });
    a.iter().zip(&b).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>() / a.len() as f64
}

#[test]
fn few_steps_come_close_to_many_and_many_stay() {
    let dir = tempfile::tempdir().unwrap();
    let config = taught(dir.path());
    let cpu = Cpu::new(Isa::detected(), 2);
    let trainer = Trainer::new(&cpu, &config).unwrap();
    let [teacher, fresh] = ["teacher.safetensors", "fresh.safetensors"].map(|name| dir.path().join(name));
    trainer.export(&fresh, 0).unwrap();
    run(&cpu, &config, false, &|| false, &mut |_| {}).unwrap();
    let learned = config.output.join("model.safetensors");
    let request = |steps, turbo| Request {
        prompt: "a red wall".into(),
        steps,
        guidance: if turbo { Request::default().guidance } else { 2.0 },
        // To the end, so that few steps that were not learned are far from many.
        guidance_interval: if turbo { Request::default().guidance_interval } else { (0.1, 1.0) },
        schedule: if turbo { Request::default().schedule } else { Schedule::Linear },
        turbo: Some(turbo),
        count: 4,
        enlarge: Some(1),
        ..Request::default()
    };
    let many = request(8, false);
    for steps in [1, 2, 4] {
        let few = request(steps, true);
        let [before, after] = [&fresh, &learned].map(|path| difference((path, &few), (&teacher, &many)));
        println!("{steps} steps: {before} -> {after}");
        // Four steps are enough for plain pictures even without having learned to take them.
        assert!(after < 0.002 && (steps == 4 || after < 0.5 * before), "{steps} steps: {before} -> {after}");
    }
    let drift = difference((&learned, &many), (&teacher, &many));
    println!("many steps: {drift}");
    assert!(drift < 0.1, "{drift}");
    // One picture of sixteen examples was seen, on top of the teacher's.
    assert_eq!(engine::store::inspect(learned.to_str().unwrap()).unwrap().0.pictures_seen, 4800 + 4800 / 16);
}

#[test]
fn stopping_and_threads_change_no_bit() {
    let dir = tempfile::tempdir().unwrap();
    let config = taught(dir.path());
    common::stopping_and_threads_change_no_bit(&config, &dir.path().join("checkpoints"));
}

#[test]
fn impossible_configurations_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let good = taught(dir.path());
    let cpu = Cpu::new(Isa::detected(), 1);
    type Change = fn(&mut TrainConfig);
    let cases: [(&str, Change); 6] = [
        ("model.step_length", |c| c.model.step_length = false),
        ("batch", |c| (c.batch, c.micro_batch) = (24, 0)),
        ("turbo.steps", |c| c.turbo.as_mut().unwrap().steps = 6),
        ("turbo.guidance", |c| c.turbo.as_mut().unwrap().guidance = f32::NAN),
        ("turbo.teacher", |c| c.text_tokens = 9),
        ("nowhere", |c| c.turbo.as_mut().unwrap().teacher = "nowhere".into()),
    ];
    for (name, change) in cases {
        let mut config = good.clone();
        change(&mut config);
        let message = Trainer::new(&cpu, &config).err().unwrap().to_string();
        assert!(message.contains(name), "{name}: {message}");
    }
}
