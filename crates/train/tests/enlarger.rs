//! An enlarger is trained by the same runs as a model that draws, learns, and gives a file that enlarges.

mod common;

use std::path::Path;

use engine::{Enlarger, Size};
use formats::safetensors::File;
use kernels::Cpu;
use kernels::gemm::Precision;
use simd::Isa;
use train::TrainConfig;
use train::run::{Event, run};

/// Four captioned discs on nothing.
fn pictures(folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    for (i, (name, [r, g, b])) in
        [("red", [255, 0, 0]), ("green", [0, 160, 0]), ("blue", [0, 0, 255]), ("black", [0; 3])].into_iter().enumerate()
    {
        let inside =
            |i: usize, at: usize| (at / 128).abs_diff(64).pow(2) + (at % 128).abs_diff(64).pow(2) < (30 + 8 * i).pow(2);
        let pixels: Vec<u8> =
            (0..128 * 128).flat_map(|at| if inside(i, at) { [r, g, b, 255] } else { [0, 0, 0, 0] }).collect();
        formats::picture::write(&folder.join(format!("{name}.png")), 128, 128, &pixels, &[]).unwrap();
        std::fs::write(folder.join(format!("{name}.txt")), format!("a {name} circle\n")).unwrap();
    }
}

fn config(folder: &Path, output: &str) -> TrainConfig {
    let mut config: TrainConfig = toml::from_str(
        "name = 'tiny'\ndata = ''\noutput = ''\nresolution = 128\nbatch = 4\nmicro_batch = 2\npictures = 160\nmirror = 0.5\nprecision = 'f32'
         [enlarger]\ncrop = 16\nplain = 0.5\nsizes = { width = 16, blocks = 1 }
         [optimiser]\nlearning_rate = 3e-3\nwarmup_steps = 2\ndecay_pictures = 80
         [report]\nlog_steps = 10\nsample_pictures = 0",
    )
    .unwrap();
    config.data = folder.join("pictures");
    config.output = folder.join(output);
    config.check().unwrap();
    config
}

#[test]
fn stopping_and_threads_change_no_bit() {
    let dir = tempfile::tempdir().unwrap();
    pictures(&dir.path().join("pictures"));
    let config = config(dir.path(), "unused");
    common::stopping_and_threads_change_no_bit(&config, &dir.path().join("checkpoints"));
}

#[test]
fn a_run_learns_edges_and_leaves_an_enlarger() {
    let dir = tempfile::tempdir().unwrap();
    pictures(&dir.path().join("pictures"));
    let cpu = Cpu::new(Isa::detected(), 2);
    let config = config(dir.path(), "run");
    let mut losses = Vec::new();
    let mut listen = |event: &Event| {
        if let Event::Progress { loss, .. } = event {
            losses.push(*loss);
        }
    };
    run(&cpu, &config, false, &|| false, &mut listen).unwrap();
    let mean = |losses: &[f32]| losses.iter().sum::<f32>() / losses.len() as f32;
    let (begin, end) = (mean(&losses[..10]), mean(&losses[30..]));
    assert!(end < 0.8 * begin, "{begin} {end}");
    assert!(config.output.join("samples.png").is_file());
    let file = File::open(config.output.join("model.safetensors")).unwrap();
    let mut enlarger = Enlarger::open(&cpu, Precision::F32, &file).unwrap();
    let size = Size { width: 12, height: 8 };
    let large = enlarger.enlarge(size, &[1.0; 12 * 8 * 4]).unwrap();
    assert_eq!(large.len(), 48 * 32 * 4);
    let middle = large[(16 * 48 + 24) * 4 + 3];
    assert!((middle - 1.0).abs() < 0.3, "{middle}");
}
