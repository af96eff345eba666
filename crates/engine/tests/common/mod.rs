//! Tiny Stable Diffusion checkpoints as files, with the weights of `golden/pipelines.py`.
#![allow(dead_code, reason = "several tests share this, and none uses all of it")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use engine::stable_diffusion::{Architecture, Checkpoint};
use formats::safetensors::{Tensor, write};
use models::checkpoint::{Fit, Layout, Place};
use models::{ParameterSpec, unet, vae};
use tempfile::TempDir;
use text::clip;

const DIFFUSERS: Place = Place { prefix: "", layout: Layout::Diffusers };

/// `count` numbers in [-1, 1): splitmix64 from the FNV-1a hash of the name.
fn values(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let seed = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    (1..=count as u64).map(move |i| {
        let mut z = seed.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 40) as f64 / f64::from(1 << 23) - 1.0
    })
}

/// The values of a tensor of this name in diffusers, in torch's order of axes.
fn weight(name: &str, shape: &[usize]) -> Vec<f32> {
    let count = shape.iter().product();
    if shape.len() == 1 {
        let middle = if name.ends_with("weight") { 1.0 } else { 0.0 };
        return values(name, count).map(|u| (0.2 * u + middle) as f32).collect();
    }
    let fan_in: usize = shape[1..].iter().product();
    let scale = (3.0 / fan_in as f64).sqrt();
    values(name, count).map(|u| (u * scale) as f32).collect()
}

/// A network's tensors: ours and diffusers' name, shape in the file.
fn tensors(specs: Vec<ParameterSpec>, fit: &Fit) -> Vec<(String, String, Vec<usize>)> {
    let stored = |shape: &[usize]| match *shape {
        [out, height, width, channels] => vec![out, channels, height, width],
        _ => shape.to_vec(),
    };
    let tensor = |spec: ParameterSpec| {
        let name = fit.source(&spec.name).unwrap().name.clone();
        (spec.name, name, stored(&spec.shape))
    };
    specs.into_iter().map(tensor).collect()
}

fn save<'a>(path: &Path, tensors: impl IntoIterator<Item = (String, &'a str, &'a [usize])>) {
    let tensors = tensors.into_iter().map(|(name, key, shape)| Tensor::f32(name, shape, weight(key, shape)));
    write(path, tensors.collect::<Vec<_>>(), &BTreeMap::new()).unwrap();
}

/// The configurations of a tiny model, copied.
fn configurations(model: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../engine/tests/golden").join(model);
    for part in std::fs::read_dir(golden).unwrap() {
        let part = part.unwrap().path();
        let target = folder.path().join(part.file_name().unwrap());
        std::fs::create_dir(&target).unwrap();
        for file in std::fs::read_dir(part).unwrap() {
            let file = file.unwrap().path();
            std::fs::copy(&file, target.join(file.file_name().unwrap())).unwrap();
        }
    }
    folder
}

/// Sizes of the tiny networks, as `pipelines.py` has them.
pub struct Sizes {
    pub unet: unet::Config,
    pub vae: vae::Config,
    pub text: Vec<(&'static str, clip::Config)>,
}

/// A folder of diffusers with a tiny model.
pub fn folder(model: &str) -> TempDir {
    let folder = configurations(model);
    let Sizes { unet, vae, text } = sizes(model);
    let fitted = unet::fit(&unet, DIFFUSERS, []).unwrap();
    let all = tensors(unet::parameters(&unet).unwrap(), &fitted);
    let path = folder.path().join("unet/diffusion_pytorch_model.safetensors");
    save(&path, all.iter().map(|(_, name, shape)| (name.clone(), name.as_str(), &shape[..])));
    let fitted = vae::fit(&vae, DIFFUSERS, []).unwrap();
    let all = tensors(vae::parameters(&vae).unwrap(), &fitted);
    let path = folder.path().join("vae/diffusion_pytorch_model.safetensors");
    save(&path, all.iter().map(|(_, name, shape)| (name.clone(), name.as_str(), &shape[..])));
    for (part, config) in &text {
        let all = clip::parameters(config);
        let path = folder.path().join(part).join("model.safetensors");
        save(&path, all.iter().map(|(name, shape)| (name.clone(), name.as_str(), &shape[..])));
    }
    folder
}

/// The same SD 1.x model in a single file with the original names.
pub fn single_file(folder: &Path, model: &str) -> PathBuf {
    let Sizes { unet, vae, text } = sizes(model);
    let mut all: Vec<(String, String, Vec<usize>)> = Vec::new();
    let own = |prefix: &str, found: Vec<(String, String, Vec<usize>)>| -> Vec<(String, String, Vec<usize>)> {
        found.into_iter().map(|(own, key, shape)| (format!("{prefix}{own}"), key, shape)).collect()
    };
    let fitted = unet::fit(&unet, DIFFUSERS, []).unwrap();
    all.extend(own("model.diffusion_model.", tensors(unet::parameters(&unet).unwrap(), &fitted)));
    let fitted = vae::fit(&vae, DIFFUSERS, []).unwrap();
    all.extend(own("first_stage_model.", tensors(vae::parameters(&vae).unwrap(), &fitted)));
    let words = clip::parameters(&text[0].1).into_iter().map(|(name, shape)| (name.clone(), name, shape));
    all.extend(own("cond_stage_model.transformer.", words.collect()));
    // What such files also hold and no network reads.
    all.push(("alphas_cumprod".into(), "alphas_cumprod".into(), vec![4]));
    let path = folder.join(format!("{model}.safetensors"));
    save(&path, all.iter().map(|(name, key, shape)| (name.clone(), key.as_str(), &shape[..])));
    path
}

fn sizes(model: &str) -> Sizes {
    use models::unet::{Heads, Level};
    const fn level(multiplier: usize, depth: usize) -> Level {
        Level { multiplier, depth }
    }
    let (levels, middle, heads, context, vector): (&'static [Level], _, _, _, _) = match model {
        "sd2" => (const { &[level(1, 1), level(2, 1)] }, 1, Heads::Size(32), 32, None),
        "sdxl" => (const { &[level(1, 0), level(2, 2)] }, 2, Heads::Size(16), 96, Some(96)),
        "refiner" => (const { &[level(1, 0), level(2, 1)] }, 1, Heads::Size(16), 64, Some(88)),
        _ => (const { &[level(1, 1), level(2, 0)] }, 1, Heads::Count(4), 32, None),
    };
    let unet = unet::Config {
        in_channels: if model == "sd1_inpaint" { 9 } else { 4 },
        out_channels: 4,
        width: 32,
        levels,
        middle_depth: middle,
        blocks: 1,
        heads,
        context,
        vector,
        guidance: (model == "sd1_guided").then_some(16),
    };
    let text = |width, heads, layers, activation, projection| clip::Config {
        width,
        layers,
        heads,
        intermediate: 2 * width,
        activation,
        projection,
        vocabulary: 49_408,
    };
    let small = text(32, 2, 2, clip::Activation::QuickGelu, None);
    let large = text(64, 4, 3, clip::Activation::Gelu, Some(48));
    let text = match model {
        "sd2" => vec![("text_encoder", text(32, 2, 3, clip::Activation::Gelu, None))],
        "sdxl" => vec![("text_encoder", small), ("text_encoder_2", large)],
        "refiner" => vec![("text_encoder_2", large)],
        _ => vec![("text_encoder", small)],
    };
    Sizes { unet, vae: vae::Config { width: 32, multipliers: &[1, 1, 1, 1], blocks: 1, latent: 4 }, text }
}

/// The architecture of a tiny model, for its single file.
pub fn architecture(folder: &Path) -> Architecture {
    Checkpoint::open(folder, None).unwrap().architecture
}
