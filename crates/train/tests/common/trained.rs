//! A tiny trained model, for tasks that add to it.

use std::path::Path;

use formats::safetensors::File;
use kernels::Cpu;
use simd::Isa;
use train::TrainConfig;
use train::run::run;

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

/// The configuration of a small run that writes to `output`.
pub fn config(folder: &Path, output: &str, extra: &str) -> TrainConfig {
    let text = format!(
        "name = 'tiny'\ndata = 'pictures'\noutput = '{output}'\nresolution = 32\nbatch = 12\nmicro_batch = 4\npictures = 240\n\
         text_tokens = 8\nprecision = 'f32'\n{extra}\n\
         [optimiser]\nlearning_rate = 3e-3\nwarmup_steps = 2\n[report]\nlog_steps = 1\nsample_pictures = 0\nprompts = ['a pink square']"
    );
    std::fs::write(folder.join("config.toml"), text).unwrap();
    TrainConfig::open(&folder.join("config.toml")).unwrap()
}

/// A model file that has learned a little, and the configuration of a run that goes on from it with `extra`.
pub fn going_on(folder: &Path, output: &str, extra: &str) -> TrainConfig {
    if !folder.join("network.safetensors").exists() {
        pictures(&folder.join("pictures"));
        let cpu = Cpu::new(Isa::detected(), 2);
        run(&cpu, &config(folder, "network", NETWORK), false, &|| false, &mut |_| {}).unwrap();
        std::fs::rename(folder.join("network/model.safetensors"), folder.join("network.safetensors")).unwrap();
    }
    config(folder, output, &format!("init = 'network.safetensors'\n{extra}"))
}

/// The network of that model.
pub const NETWORK: &str = "[model]\nwidth = 32\nblocks = 1\nheads = 2\nhidden = 64\nstem = 16\nrefiner_blocks = 0";

/// Mean losses of the first and of the last four steps of a run in `folder`.
pub fn losses(folder: &Path) -> (f64, f64) {
    let text = std::fs::read_to_string(folder.join("loss.csv")).unwrap();
    let losses: Vec<f64> = text.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse().unwrap()).collect();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    (mean(&losses[..4]), mean(&losses[losses.len() - 4..]))
}

/// Every tensor of the model in `folder` that the run began from is in the file that it wrote, as it was.
pub fn assert_the_network_stayed(folder: &Path, written: &Path) {
    let (before, after) = (File::open(folder.join("network.safetensors")).unwrap(), File::open(written).unwrap());
    for name in before.value_names() {
        assert_eq!(before.to_f32(name).unwrap(), after.to_f32(name).unwrap(), "{name}");
    }
}
