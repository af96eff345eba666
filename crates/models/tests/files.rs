//! Whole published files, as their headers describe them (`golden/sd_files.py`, `golden/sd.py`): detection, nothing missing,
//! nothing unused. The data is a hole in a sparse file, so that the sizes are the real ones. Then files that are no models, and
//! changed headers.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use models::bundle::{Bundle, BundleError, Family, Network, Role};
use sampling::Prediction;
use text::clip::Reading;

/// Name, shape, type.
type Tensor = (String, Vec<usize>, String);

fn unpack(bytes: &[u8]) -> String {
    let mut text = String::new();
    flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).unwrap();
    text
}

fn shape(text: &str) -> Vec<usize> {
    if text == "scalar" { Vec::new() } else { text.split('x').map(|n| n.parse().unwrap()).collect() }
}

/// The fixtures: lines of each model, and of each file.
struct Fixtures {
    models: HashMap<String, Vec<String>>,
    files: Vec<(String, Vec<String>)>,
}

impl Fixtures {
    fn load() -> Self {
        let text = unpack(include_bytes!("golden/sd_names.txt.gz")) + &unpack(include_bytes!("golden/sd_files.txt.gz"));
        let mut groups: Vec<(String, Vec<String>)> = Vec::new();
        for line in text.lines() {
            if line.starts_with(['=', '>']) {
                groups.push((line.to_owned(), Vec::new()));
            } else {
                groups.last_mut().unwrap().1.push(line.to_owned());
            }
        }
        let (models, files): (Vec<_>, Vec<_>) = groups.into_iter().partition(|(name, _)| name.starts_with('='));
        let bare = |(name, lines): (String, Vec<String>)| (name[2..].to_owned(), lines);
        Self { models: models.into_iter().map(bare).collect(), files: files.into_iter().map(bare).collect() }
    }

    /// The tensors of a file.
    fn tensors(&self, file: &str) -> Vec<Tensor> {
        let lines = &self.files.iter().find(|(name, _)| name == file).unwrap_or_else(|| panic!("{file}")).1;
        lines.iter().flat_map(|line| self.line(line)).collect()
    }

    fn line(&self, line: &str) -> Vec<Tensor> {
        let words: Vec<&str> = line.split(' ').collect();
        let ["@", model, prefix, layout, dtype] = words[..] else {
            return vec![(words[0].to_owned(), shape(words[1]), words[2].to_owned())];
        };
        // TAESD's two files stand in one list, told by their beginnings.
        let (own, prefix) = if prefix.ends_with('|') { (prefix, "") } else { ("", prefix.trim_start_matches('-')) };
        let tensor = |line: &String| {
            let words: Vec<&str> = line.split(' ').collect();
            let (name, size, kind) = match words[..] {
                [name, size, kind] => (name, size, if kind == "W" { dtype } else { kind }),
                [_, _, name, size] if layout == "original" => (name, size, dtype),
                [name, size, _, _] => (name, size, dtype),
                _ => panic!("{line}"),
            };
            Some((format!("{prefix}{}", name.strip_prefix(own)?), shape(size), kind.to_owned()))
        };
        self.models[model].iter().filter_map(tensor).collect()
    }
}

/// Writes a header and leaves the data a hole.
fn write(path: &Path, tensors: &[Tensor]) {
    let mut at = 0;
    let entry = |(name, shape, dtype): &Tensor| {
        let size = match dtype.as_str() {
            "F32" | "I32" => 4,
            "F16" | "BF16" => 2,
            "I64" => 8,
            "F8_E4M3" => 1,
            other => panic!("{other}"),
        };
        let end = at + shape.iter().product::<usize>() * size;
        let entry = format!(r#"{name:?}:{{"dtype":"{dtype}","shape":{shape:?},"data_offsets":[{at},{end}]}}"#);
        at = end;
        entry
    };
    let header = format!("{{{}}}", tensors.iter().map(entry).collect::<Vec<_>>().join(","));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut file = std::fs::File::create(path).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(header.as_bytes()).unwrap();
    file.set_len((8 + header.len() + at) as u64).unwrap();
}

/// A folder with published files.
struct Room {
    folder: tempfile::TempDir,
    fixtures: Fixtures,
}

impl Room {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), fixtures: Fixtures::load() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, or every file of a folder of diffusers with its list.
    fn place(&self, name: &str) -> PathBuf {
        let inside = format!("{name}/");
        for (file, _) in self.fixtures.files.iter().filter(|(file, _)| file == name || file.starts_with(&inside)) {
            write(&self.path(file), &self.fixtures.tensors(file));
        }
        let path = self.path(name);
        if path.is_dir() {
            std::fs::write(path.join("model_index.json"), r#"{"_class_name": "StableDiffusionPipeline"}"#).unwrap();
        }
        path
    }

    fn open(&self, name: &str) -> Bundle {
        Bundle::open(self.place(name)).unwrap()
    }

    fn error(&self, name: &str, tensors: &[(&str, &[usize])]) -> BundleError {
        let owned = |(name, shape): &(&str, &[usize])| ((*name).to_owned(), shape.to_vec(), "F16".to_owned());
        write(&self.path(name), &tensors.iter().map(owned).collect::<Vec<_>>());
        Bundle::open(self.path(name)).unwrap_err()
    }
}

use Role::{TaesdDecoder, TaesdEncoder, TextEncoder, TextEncoder2, Unet, Vae};
const SD: [Role; 3] = [Unet, TextEncoder, Vae];
const XL: [Role; 4] = [Unet, TextEncoder, TextEncoder2, Vae];
const REFINER: [Role; 3] = [Unet, TextEncoder2, Vae];

/// File, family, parts, type of the first part, tensors that are harmless.
type Published = (&'static str, Option<Family>, &'static [Role], &'static str, usize);
const PUBLISHED: [Published; 24] = [
    ("v1-5-pruned-emaonly.safetensors", Some(Family::Sd1), &SD, "F32", 12),
    ("v1-5-pruned.safetensors", Some(Family::Sd1), &SD, "F32", 16),
    ("sd-v1-5-inpainting.safetensors", Some(Family::Sd1), &SD, "F32", 14),
    ("sd15-fp16-vae-fp32.safetensors", Some(Family::Sd1), &SD, "F16", 0),
    ("sd1-bare-text.safetensors", Some(Family::Sd1), &SD, "F16", 0),
    ("v2-1_768-ema-pruned.safetensors", Some(Family::Sd2), &SD, "F32", 12),
    ("512-inpainting-ema.safetensors", Some(Family::Sd2), &SD, "F32", 12),
    ("sd_xl_base_1.0.safetensors", Some(Family::Sdxl), &XL, "F16", 1),
    ("sdxl-v-prediction.safetensors", Some(Family::Sdxl), &XL, "BF16", 2),
    ("sdxl-fp8.safetensors", Some(Family::Sdxl), &XL, "F8_E4M3", 0),
    ("sd_xl_refiner_1.0.safetensors", Some(Family::SdxlRefiner), &REFINER, "F16", 0),
    ("stable-diffusion-v1-5", Some(Family::Sd1), &SD, "F32", 0),
    ("stable-diffusion-2-1", Some(Family::Sd2), &SD, "F32", 0),
    ("stable-diffusion-xl-base-1.0", Some(Family::Sdxl), &XL, "F16", 0),
    ("stable-diffusion-xl-refiner-1.0", Some(Family::SdxlRefiner), &REFINER, "F16", 0),
    ("sdxl-unet-only.safetensors", Some(Family::Sdxl), &[Unet], "F16", 0),
    ("vae-ft-mse-840000-ema-pruned.safetensors", None, &[Vae], "F32", 0),
    ("vae-diffusers.safetensors", None, &[Vae], "F32", 0),
    ("clip_l.safetensors", None, &[TextEncoder], "F16", 0),
    ("clip_l_transformers_5.safetensors", None, &[TextEncoder], "F16", 0),
    ("clip_g.safetensors", None, &[TextEncoder2], "F16", 0),
    ("taesd.safetensors", None, &[TaesdEncoder, TaesdDecoder], "F32", 0),
    ("taesd_encoder.safetensors", None, &[TaesdEncoder], "F32", 0),
    ("taesd_decoder.safetensors", None, &[TaesdDecoder], "F32", 0),
];

#[test]
fn published_files_fit_with_nothing_missing_and_nothing_unused() {
    let room = Room::new();
    for (name, family, roles, dtype, harmless) in PUBLISHED {
        let bundle = room.open(name);
        assert_eq!((bundle.family, bundle.folder), (family, !name.contains('.') || name.ends_with("1.0")), "{name}");
        assert_eq!(bundle.parts.iter().map(|part| part.role).collect::<Vec<_>>(), roles, "{name}");
        for part in &bundle.parts {
            assert!(part.report.is_complete(), "{name}, {}: {}", part.role, part.report);
            assert!(part.precision.elements() > 1_000_000, "{name}, {}", part.role);
        }
        assert_eq!(bundle.parts[0].precision.to_string(), dtype, "{name}");
        assert_eq!((bundle.others.harmless, bundle.others.unknown_count), (harmless, 0), "{name}");
        // Every tensor of every file is accounted for.
        if !bundle.folder && bundle.parts.len() > 2 {
            let loaded: usize = bundle.parts.iter().map(|part| part.report.loaded.len()).sum();
            let tensors = room.fixtures.tensors(name);
            let unread = tensors.iter().filter(|(name, ..)| {
                let end = name.rsplit('.').next().unwrap();
                ["position_ids", "logit_scale"].contains(&end)
                    || family == Some(Family::Sd2) && end == "text_projection"
            });
            assert_eq!(loaded + harmless + unread.count(), tensors.len(), "{name}");
        }
        let alone = ["unet-only", "vae", "clip", "taesd"].iter().any(|word| name.contains(word)) && roles.len() < 3;
        assert_eq!(bundle.is_complete(), !alone, "{name}");
    }
}

#[test]
fn what_the_files_say_of_their_use() {
    let room = Room::new();
    let prediction = room.open("sdxl-v-prediction.safetensors").prediction;
    assert_eq!(prediction, Some(Prediction::V));
    // 24 layers in a single file, 23 in a folder: the same state is read.
    for (name, layers, skip) in [("v2-1_768-ema-pruned.safetensors", 24, 1), ("stable-diffusion-2-1", 23, 0)] {
        let bundle = room.open(name);
        let Network::Text(text) = bundle.part(TextEncoder).unwrap().network else { panic!() };
        assert_eq!(text.config.layers, layers);
        assert_eq!(bundle.reading(TextEncoder), Some(Reading { skip, norm: true, pooled: false }));
    }
    let folder = room.path("stable-diffusion-2-1");
    std::fs::create_dir(folder.join("scheduler")).unwrap();
    let scheduler = |text: &str| {
        std::fs::write(folder.join("scheduler/scheduler_config.json"), text).unwrap();
        Bundle::open(&folder)
    };
    assert_eq!(scheduler(r#"{"prediction_type":"v_prediction"}"#).unwrap().prediction, Some(Prediction::V));
    assert_eq!(scheduler("{}").unwrap().prediction, Some(Prediction::Epsilon));
    for (text, words) in [
        ("[]", "not a JSON object"),
        ("{", "not JSON"),
        (r#"{"prediction_type":"x"}"#, "'x'"),
        (r#"{"prediction_type":1}"#, "no text"),
    ] {
        let error = scheduler(text).unwrap_err().to_string();
        assert!(error.contains("scheduler_config.json") && error.contains(words), "{error}");
    }
    let base = room.open("sd_xl_base_1.0.safetensors");
    assert_eq!(base.reading(TextEncoder), Some(Reading::SDXL_L));
    assert_eq!(base.reading(TextEncoder2), Some(Reading::SDXL_G));
    assert_eq!((base.reading(Vae), base.files().len()), (None, 1));
    assert_eq!(room.open("stable-diffusion-v1-5").files().len(), 3);
}

#[test]
fn parameters_are_read_and_parts_replaced() {
    let room = Room::new();
    let mut bundle = room.open("sdxl-unet-only.safetensors");
    assert_eq!(bundle.missing(), [TextEncoder, TextEncoder2, Vae]);
    assert!(matches!(bundle.require(Vae), Err(BundleError::MissingPart { role: Vae, .. })));
    let unet = bundle.require(Unet).unwrap();
    assert_eq!(unet.read("input_blocks.0.0.weight").unwrap(), vec![0.0; 320 * 4 * 9]);
    assert!(unet.read("nothing").unwrap_err().to_string().ends_with("no parameter nothing"));
    for file in ["vae-diffusers.safetensors", "clip_l.safetensors", "clip_g.safetensors"] {
        room.open(file).parts.into_iter().for_each(|part| bundle.set(part));
    }
    assert!(bundle.is_complete() && bundle.require(TextEncoder2).is_ok());
    // The text encoder of another family.
    let other = room.open("v2-1_768-ema-pruned.safetensors").part(TextEncoder).unwrap().clone();
    bundle.set(other);
    assert!(!bundle.is_complete());
    assert!(matches!(bundle.require(TextEncoder), Err(BundleError::OtherPart { role: TextEncoder, .. })));
}

#[test]
fn what_is_no_model_says_what_it_is() {
    let room = Room::new();
    let kohya = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight";
    let peft = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight";
    let old = "unet.mid_block.attentions.0.transformer_blocks.0.attn2.processor.to_k_lora.down.weight";
    for (name, inputs, family) in [
        (kohya, 768, Some(Family::Sd1)),
        (peft, 2048, Some(Family::Sdxl)),
        (old, 1024, Some(Family::Sd2)),
        (kohya, 5, None),
    ] {
        let error = room.error("lora.safetensors", &[(name, &[16, inputs]), ("x.lora_down.weight", &[8, 4, 3, 3])]);
        let BundleError::Lora { lora, .. } = &error else { panic!("{error}") };
        assert_eq!((lora.family, lora.layers, lora.rank), (family, 2, Some(16)));
        assert!(error.to_string().contains("LoRA files cannot be used yet"));
    }
    let loha = room.error("loha.safetensors", &[("lora_unet_x.hada_w1_a", &[4, 4])]);
    assert!(matches!(loha, BundleError::Lora { lora, .. } if lora.rank.is_none() && lora.layers == 1));
    for (name, words) in [
        ("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", "Stable Diffusion 3"),
        ("double_blocks.0.img_attn.qkv.weight", "FLUX"),
        ("control_model.input_hint_block.0.weight", "ControlNet"),
        ("emb_params", "textual inversion"),
    ] {
        let error = room.error("other.safetensors", &[(name, &[2, 2])]);
        assert!(matches!(error, BundleError::Unsupported { .. }) && error.to_string().contains(words), "{error}");
    }
    let unknown = room.error("unknown.safetensors", &[("a", &[2])]);
    assert!(matches!(unknown, BundleError::Nothing { .. }));
    let upscaler = room.error("u.safetensors", &[("model.diffusion_model.input_blocks.0.0.weight", &[256, 7, 3, 3])]);
    assert!(matches!(upscaler, BundleError::Unet { .. }), "{upscaler}");
    assert!(matches!(Bundle::open(room.path("absent")).unwrap_err(), BundleError::File(_)));
}

#[test]
fn bad_folders_are_named() {
    let room = Room::new();
    let folder = room.place("stable-diffusion-v1-5");
    let list = folder.join("model_index.json");
    let error = |text: Option<&str>| {
        match text {
            Some(text) => std::fs::write(&list, text).unwrap(),
            None => std::fs::remove_file(&list).unwrap(),
        }
        Bundle::open(&folder).unwrap_err()
    };
    assert!(matches!(error(Some("7")), BundleError::Json { .. }));
    assert!(matches!(error(Some("{\"_class_name\"")), BundleError::Json { .. }));
    assert!(matches!(error(Some(&format!("{{{}}}", " ".repeat(1 << 20)))), BundleError::Json { .. }));
    let missing = error(None);
    assert!(matches!(missing, BundleError::NoModelIndex { .. }), "{missing}");
    assert!(missing.to_string().contains("no model_index.json") && missing.to_string().contains("vae/"), "{missing}");
    // The folder of a part is a part.
    assert_eq!(Bundle::open(folder.join("vae")).unwrap().parts[0].role, Vae);

    std::fs::write(&list, "{}").unwrap();
    let vae = folder.join("vae/diffusion_pytorch_model.safetensors");
    std::fs::copy(folder.join("text_encoder/model.safetensors"), &vae).unwrap();
    let other = Bundle::open(&folder).unwrap_err().to_string();
    assert!(other.contains("VAE should be here") && other.contains("CLIP ViT-L/14"), "{other}");
    std::fs::write(&vae, b"PK\x03\x04\0\0archive/data.pkl").unwrap();
    assert!(Bundle::open(&folder).unwrap_err().to_string().contains("pickle"));
    std::fs::rename(&vae, folder.join("vae/diffusion_pytorch_model.bin")).unwrap();
    assert!(Bundle::open(&folder).unwrap_err().to_string().contains("diffusion_pytorch_model.bin holds a pickle"));
    std::fs::remove_dir_all(folder.join("vae")).unwrap();
    assert_eq!(Bundle::open(&folder).unwrap().missing(), [Vae]);

    let flux = room.path("flux");
    std::fs::create_dir(&flux).unwrap();
    std::fs::write(flux.join("model_index.json"), r#"{"_class_name":"FluxPipeline"}"#).unwrap();
    assert!(Bundle::open(&flux).unwrap_err().to_string().contains("FluxPipeline"));
    std::fs::remove_file(flux.join("model_index.json")).unwrap();
    assert!(matches!(Bundle::open(&flux).unwrap_err(), BundleError::File(_)));
}

/// Tensors are dropped, renamed, doubled and reshaped as a fixed sequence of numbers chooses. Nothing may panic, and what is
/// said to be complete must be readable.
#[test]
fn changed_headers_never_panic() {
    let room = Room::new();
    let mut state = 11u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let path = room.path("changed.safetensors");
    let (mut sound, mut refused) = (0, 0);
    let names = ["sdxl-fp8.safetensors", "v2-1_768-ema-pruned.safetensors", "taesd.safetensors", "clip_l.safetensors"];
    let originals: Vec<Vec<Tensor>> = names.iter().map(|name| room.fixtures.tensors(name)).collect();
    for round in 0..240 {
        let mut tensors = originals[round % originals.len()].clone();
        for _ in 0..1 + random(4) {
            // Half of the changes to tensors that detection looks at.
            let stems =
                ["input_blocks.0.0.weight", "token_embedding.weight", "decoder.conv_in.weight", "attn2.to_k.weight"];
            let stem = stems[random(stems.len())];
            let found = tensors.iter().position(|(name, ..)| name.ends_with(stem)).filter(|_| random(2) == 0);
            let at = found.unwrap_or_else(|| random(tensors.len()));
            match random(6) {
                0 => drop(tensors.remove(at)),
                1 => tensors[at].0 = format!("{}.{}", tensors[random(round + 1) % 7].0, random(9)),
                2 => tensors.push(tensors[at].clone()),
                3 => tensors[at].1.push(1),
                4 => drop(tensors[at].1.pop()),
                _ => tensors[at]
                    .1
                    .iter_mut()
                    .for_each(|n| *n = [0, 1, *n, 1_000_000][random(4)].min(usize::MAX / 2) % 1_000_003),
            }
        }
        let bytes: f64 = tensors.iter().map(|(_, shape, _)| shape.iter().map(|&n| n as f64).product::<f64>()).sum();
        if bytes > 1e12 {
            continue; // More than file systems like to pretend.
        }
        write(&path, &tensors);
        let Ok(bundle) = Bundle::open(&path) else {
            refused += 1;
            continue;
        };
        sound += usize::from(bundle.is_sound());
        for part in &bundle.parts {
            let _ = (part.title(), bundle.require(part.role).is_ok(), bundle.reading(part.role));
            for parameter in
                ["time_embed.0.bias", "input_blocks.0.0.weight", "decoder.conv_in.bias", "encoder.layers.0.weight"]
            {
                let _ = part.read(parameter);
            }
        }
    }
    println!("of 240 changed files {refused} were refused, {sound} were sound");
    assert!(refused > 20 && sound < 100);
}
