//! The U-Nets and the autoencoders of Stable Diffusion against diffusers: values of tiny models and the names of the published
//! ones (`golden/sd.py`, which also says how to make both again).

use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

use graph::{Executor, Graph, PackedParameters, ParameterError, Precision};
use kernels::Cpu;
use models::checkpoint::{Fit, Layout, Place};
use models::unet::{self, Config, DetectError, Family, Geometry, Heads, Level, detect};
use models::{taesd, vae};
use simd::Isa;

/// Relative L2 error accepted in f32.
const BOUND: f64 = 2e-5;
/// In bf16 products.
const BOUND_BF16: f64 = 3e-2;

const SINGLE_FILE: Place = Place { prefix: "model.diffusion_model.", layout: Layout::Original };
const DIFFUSERS: Place = Place { prefix: "", layout: Layout::Diffusers };
const VAE_SINGLE_FILE: Place = Place { prefix: "first_stage_model.", layout: Layout::Original };

/// A tensor in both layouts.
struct Named {
    diffusers: (String, Vec<usize>),
    original: (String, Vec<usize>),
}

/// The tensors of a model of the fixture.
fn names(model: &str) -> Vec<Named> {
    let mut text = String::new();
    let packed = &include_bytes!("golden/sd_names.txt.gz")[..];
    flate2::read::GzDecoder::new(packed).read_to_string(&mut text).unwrap();
    let lines = text.lines().skip_while(|line| *line != format!("= {model}")).skip(1);
    let shape = |text: &str| text.split('x').map(|n| n.parse().unwrap()).collect();
    let named = |line: &str| {
        let [name, own, original, other] = line.split(' ').collect::<Vec<_>>()[..] else { panic!("{line}") };
        Named { diffusers: (name.to_owned(), shape(own)), original: (original.to_owned(), shape(other)) }
    };
    let found: Vec<Named> = lines.take_while(|line| !line.starts_with('=')).map(named).collect();
    assert!(!found.is_empty(), "{model}");
    found
}

/// Names and shapes as a file of this place has them, and the name in diffusers.
fn file(model: &str, place: Place) -> Vec<(String, Vec<usize>, String)> {
    let tensor = |named: Named| {
        let usual = named.diffusers.0.clone();
        let (name, shape) = if place.layout == Layout::Original { named.original } else { named.diffusers };
        (format!("{}{name}", place.prefix), shape, usual)
    };
    names(model).into_iter().map(tensor).collect()
}

fn shapes(file: &[(String, Vec<usize>, String)]) -> impl Iterator<Item = (&str, &[usize])> {
    file.iter().map(|(name, shape, _)| (name.as_str(), &shape[..]))
}

/// `count` numbers in [-1, 1): splitmix64 from the FNV-1a hash of the name.
fn values(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    let seed = name.bytes().fold(0xCBF2_9CE4_8422_2325, hash);
    (1..=count as u64).map(move |i| {
        let mut z = seed.wrapping_add(i.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        (z >> 40) as f64 / f64::from(1 << 23) - 1.0
    })
}

/// A weight of the tiny models, in torch's order of axes.
fn weight(name: &str, shape: &[usize]) -> Vec<f32> {
    let all = values(name, shape.iter().product());
    if shape.len() == 1 {
        let base = if name.ends_with("weight") { 1.0 } else { 0.0 };
        return all.map(|u| (0.2 * u + base) as f32).collect();
    }
    let deviation = (3.0 / shape[1..].iter().product::<usize>() as f64).sqrt();
    all.map(|u| (u * deviation) as f32).collect()
}

fn input(name: &str, count: usize) -> Vec<f32> {
    values(name, count).map(|u| (1.7 * u) as f32).collect()
}

fn golden(model: &str, what: &str) -> Vec<f32> {
    let golden: serde_json::Value = serde_json::from_str(include_str!("golden/sd.json")).unwrap();
    golden[model][what].as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

/// Runs a graph with the weights of a file of the tiny model.
fn run(
    cpu: &Cpu,
    precision: Precision,
    graph: &Graph,
    file: &[(String, Vec<usize>, String)],
    fit: &Fit,
    inputs: &[(&str, Vec<f32>)],
) -> Vec<f32> {
    assert!(fit.report.is_complete(), "{}", fit.report);
    let graph = Arc::new(graph::fuse::fuse(graph));
    let stored: HashMap<&str, Vec<f32>> =
        file.iter().map(|(name, shape, usual)| (name.as_str(), weight(usual, shape))).collect();
    let read = |name: &str, values: &mut [f32]| -> Result<(), ParameterError> {
        let source = fit.source(name).expect("a parameter of the network");
        let stored = &stored[source.name.as_str()];
        source.fill(values, |first, part| {
            part.copy_from_slice(&stored[first..][..part.len()]);
            Ok(())
        })
    };
    let packed = Arc::new(PackedParameters::from_source(cpu, &[&graph], precision, read).unwrap());
    let mut executor = Executor::new(cpu, graph, packed).unwrap();
    for (name, values) in inputs {
        executor.set_input(name, values).unwrap();
    }
    executor.run().unwrap();
    executor.output("y").to_vec()
}

const fn level(multiplier: usize, depth: usize) -> Level {
    Level { multiplier, depth }
}

const TINY_SD1: Config = Config {
    in_channels: 9,
    width: 32,
    levels: &[level(1, 1), level(2, 1), level(2, 1), level(2, 0)],
    heads: Heads::Count(4),
    context: 24,
    ..Config::SD1
};
const TINY_SDXL: Config = Config {
    width: 32,
    levels: &[level(1, 0), level(2, 1), level(2, 2)],
    middle_depth: 2,
    heads: Heads::Size(16),
    context: 40,
    vector: Some(64),
    ..Config::SDXL
};
const TINY_REFINER: Config =
    Config { levels: &[level(1, 0), level(2, 1), level(2, 1), level(2, 0)], vector: Some(56), ..TINY_SDXL };
const TINY_UNETS: [(&str, Config); 3] =
    [("tiny_sd1", TINY_SD1), ("tiny_sdxl", TINY_SDXL), ("tiny_refiner", TINY_REFINER)];

fn unet_prediction(cpu: &Cpu, precision: Precision, model: &str, config: &Config, place: Place) -> Vec<f32> {
    unet_prediction_of(cpu, precision, model, config, place, ("x", 8, 16))
}

/// The prediction of an input by its name, height and width.
fn unet_prediction_of(
    cpu: &Cpu,
    precision: Precision,
    model: &str,
    config: &Config,
    place: Place,
    (name, height, width): (&str, usize, usize),
) -> Vec<f32> {
    let mut graph = Graph::new();
    let geometry = Geometry { batch: 2, height, width, context_tokens: 5 };
    let outputs = unet::build(&mut graph, config, geometry).unwrap();
    assert_eq!(graph.shape(outputs.prediction), [2, height, width, 4]);
    graph.output("y", outputs.prediction).unwrap();
    let file = file(model, place);
    let fit = unet::fit(config, place, shapes(&file)).unwrap();
    let mut inputs = vec![
        ("x", input(name, 2 * height * width * config.in_channels)),
        ("timestep", vec![3.0, 801.0]),
        ("context", input("context", 2 * 5 * config.context)),
    ];
    if config.vector.is_some() {
        inputs.push(("vector", golden(model, "vector")));
    }
    run(cpu, precision, &graph, &file, &fit, &inputs)
}

#[test]
fn unets_agree_with_diffusers_on_every_isa() {
    for (model, config) in TINY_UNETS {
        let want = golden(model, "prediction");
        for isa in Isa::available() {
            let cpu = Cpu::new(isa, 1);
            let found = unet_prediction(&cpu, Precision::F32, model, &config, DIFFUSERS);
            println!("{model}, {isa}: {:.2e}", testkit::relative_l2(&found, &want));
            testkit::assert_relative_l2(model, &found, &want, BOUND);
            let original = unet_prediction(&cpu, Precision::F32, model, &config, SINGLE_FILE);
            testkit::assert_same_bits(model, &original, &found);
        }
    }
}

#[test]
fn unets_draw_sides_that_cannot_be_halved() {
    for (model, config) in TINY_UNETS {
        for isa in Isa::available() {
            let cpu = Cpu::new(isa, 2);
            let found = unet_prediction_of(&cpu, Precision::F32, model, &config, DIFFUSERS, ("odd", 7, 13));
            testkit::assert_relative_l2(model, &found, &golden(model, "odd"), BOUND);
        }
    }
}

#[test]
fn unets_in_bf16_are_close() {
    let isa = Isa::detected();
    if isa < Isa::Avx512Bf16 {
        println!("skipped: {isa} has no bf16 products");
        return;
    }
    for (model, config) in TINY_UNETS {
        let found = unet_prediction(&Cpu::new(isa, 1), Precision::Bf16, model, &config, DIFFUSERS);
        println!("{model}, {isa}: {:.2e}", testkit::relative_l2(&found, &golden(model, "prediction")));
        testkit::assert_relative_l2(model, &found, &golden(model, "prediction"), BOUND_BF16);
    }
}

const PUBLISHED: [(&str, Family, usize); 7] = [
    ("sd1", Family::Sd1, 4),
    ("sd1_inpaint", Family::Sd1, 9),
    ("sd2", Family::Sd2, 4),
    ("sd2_inpaint", Family::Sd2, 9),
    ("sdxl", Family::Sdxl, 4),
    ("sdxl_inpaint", Family::Sdxl, 9),
    ("sdxl_refiner", Family::SdxlRefiner, 4),
];

#[test]
fn published_unets_are_detected_and_fit() {
    for (model, family, in_channels) in PUBLISHED {
        for place in [DIFFUSERS, SINGLE_FILE, Place { prefix: "", layout: Layout::Original }] {
            let file = file(model, place);
            // A single file holds other networks too.
            let other = ("first_stage_model.quant_conv.bias", &[8][..]);
            let others = (!place.prefix.is_empty()).then_some(other);
            let found = || shapes(&file).chain(others);
            let detected = detect(found()).unwrap();
            assert_eq!((detected.family, detected.place), (family, place), "{model}");
            assert_eq!(detected.config, Config { in_channels, ..family.config() }, "{model}");
            assert!(in_channels == 4 || detected.config == family.config().inpainting());
            let report = unet::fit(&detected.config, place, found()).unwrap().report;
            assert!(report.is_complete(), "{model}: {report}");
            assert_eq!(report.loaded.len(), file.len());
        }
    }
}

#[test]
fn a_model_that_is_told_its_guidance_is_detected_and_fits() {
    let file = file("sd1", DIFFUSERS);
    let told = ("time_embedding.cond_proj.weight", &[320, 256][..]);
    let found = || shapes(&file).chain([told]);
    let config = Config { guidance: Some(256), ..Config::SD1 };
    assert_eq!(detect(found()).unwrap().config, config);
    assert!(unet::fit(&config, DIFFUSERS, found()).unwrap().report.is_complete());
    let report = unet::fit(&Config::SD1, DIFFUSERS, found()).unwrap().report;
    assert_eq!(report.unused.len(), 1, "{report}");
}

#[test]
fn other_files_are_no_unets() {
    assert_eq!(detect(shapes(&file("vae", DIFFUSERS))), Err(DetectError::NoUnet));
    let tiny = file("tiny_sdxl", SINGLE_FILE);
    let unknown = DetectError::Unknown { width: 32, context: Some(40), vector: Some(64) };
    assert_eq!(detect(shapes(&tiny)), Err(unknown));
    // A model of another family: every difference is listed.
    let report = unet::fit(&Config::SD2, SINGLE_FILE, shapes(&file("sd1", SINGLE_FILE))).unwrap().report;
    assert_eq!((report.missing.len(), report.unused.len(), report.wrong_shape.len()), (0, 0, 32));
    assert!(report.to_string().contains("attn2.to_k.weight is [320, 768] but must be [320, 1024]"), "{report}");
}

const TINY_VAE: vae::Config = vae::Config { width: 32, multipliers: &[1, 2], ..vae::Config::SD };

/// Moments of the encoder and picture of the decoder.
fn vae_results(cpu: &Cpu, precision: Precision, place: Place) -> [Vec<f32>; 2] {
    let geometry = vae::Geometry { batch: 2, height: 8, width: 12 };
    let file = file("tiny_vae", place);
    let fit = vae::fit(&TINY_VAE, place, shapes(&file)).unwrap();
    let (mut encoder, mut decoder) = (Graph::new(), Graph::new());
    let moments = vae::encode(&mut encoder, &TINY_VAE, geometry).unwrap().output;
    encoder.output("y", moments).unwrap();
    let picture = vae::decode(&mut decoder, &TINY_VAE, geometry).unwrap().output;
    decoder.output("y", picture).unwrap();
    [
        run(cpu, precision, &encoder, &file, &fit, &[("picture", input("picture", 2 * 8 * 12 * 3))]),
        run(cpu, precision, &decoder, &file, &fit, &[("latent", input("latent", 2 * 4 * 6 * 4))]),
    ]
}

#[test]
fn the_autoencoder_agrees_with_diffusers_on_every_isa() {
    let want = [golden("tiny_vae", "moments"), golden("tiny_vae", "picture")];
    for isa in Isa::available() {
        let cpu = Cpu::new(isa, 1);
        let found = vae_results(&cpu, Precision::F32, DIFFUSERS);
        let original = vae_results(&cpu, Precision::F32, VAE_SINGLE_FILE);
        for (what, i) in [("moments", 0), ("picture", 1)] {
            println!("{what}, {isa}: {:.2e}", testkit::relative_l2(&found[i], &want[i]));
            testkit::assert_relative_l2(what, &found[i], &want[i], BOUND);
            testkit::assert_same_bits(what, &original[i], &found[i]);
        }
    }
}

#[test]
fn the_published_autoencoder_is_detected_and_fits() {
    for place in [DIFFUSERS, VAE_SINGLE_FILE, Place { prefix: "", layout: Layout::Original }] {
        let file = file("vae", place);
        let loss = format!("{}loss.logvar", place.prefix);
        let found = || shapes(&file).chain([(loss.as_str(), &[][..])]);
        assert_eq!(vae::detect(found()), Some(place));
        let report = vae::fit(&vae::Config::SD, place, found()).unwrap().report;
        assert!(report.is_complete(), "{report}");
        assert_eq!(report.loaded.len(), 248);
    }
    // Attention as diffusers named it before version 0.17.
    let mut old = file("vae", DIFFUSERS);
    for (name, ..) in &mut old {
        for (new, earlier) in [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")] {
            *name = name.replace(new, earlier);
        }
    }
    let report = vae::fit(&vae::Config::SD, DIFFUSERS, shapes(&old)).unwrap().report;
    assert!(report.is_complete(), "{report}");
    assert_eq!(vae::detect(shapes(&file("sd1", SINGLE_FILE))), None);
    // The original layout, converted from that of diffusers with the names of its attention.
    let mut back = file("vae", VAE_SINGLE_FILE);
    for (name, ..) in &mut back {
        for (original, kept) in [("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("proj_out", "to_out.0")] {
            *name = name.replace(&format!("mid.attn_1.{original}."), &format!("mid.attn_1.{kept}."));
        }
    }
    assert_eq!(vae::detect(shapes(&back)), Some(VAE_SINGLE_FILE));
    let report = vae::fit(&vae::Config::SD, VAE_SINGLE_FILE, shapes(&back)).unwrap().report;
    assert!(report.is_complete(), "{report}");
}

/// A file with one half of TAESD, or with both.
fn taesd_file(half: taesd::Half, layout: Layout) -> Vec<(String, Vec<usize>, String)> {
    if layout == Layout::Diffusers {
        return file("taesd", DIFFUSERS);
    }
    let start = if half == taesd::Half::Encoder { "encoder|" } else { "decoder|" };
    let all = file("taesd", Place { prefix: "", layout });
    let own =
        all.into_iter().filter_map(|(name, shape, usual)| Some((name.strip_prefix(start)?.to_owned(), shape, usual)));
    own.collect()
}

#[test]
fn taesd_agrees_with_diffusers_on_every_isa() {
    use taesd::Half::{Decoder, Encoder};
    let geometry = taesd::Geometry { batch: 2, height: 16, width: 24 };
    let cases = [
        (Encoder, "latent", ("picture", input("picture", 2 * 16 * 24 * 3))),
        (Decoder, "picture", ("latent", input("latent", 2 * 2 * 3 * 4))),
    ];
    for (half, what, input) in cases {
        let mut graph = Graph::new();
        let outputs = taesd::build(&mut graph, half, geometry).unwrap();
        graph.output("y", outputs.output).unwrap();
        for layout in [Layout::Diffusers, Layout::Original] {
            let file = taesd_file(half, layout);
            let halves = if layout == Layout::Diffusers { vec![Encoder, Decoder] } else { vec![half] };
            assert_eq!(taesd::detect(shapes(&file)), Some((layout, halves)));
            let fit = taesd::fit(half, layout, shapes(&file)).unwrap();
            for isa in Isa::available() {
                let inputs = [input.clone()];
                let found = run(&Cpu::new(isa, 1), Precision::F32, &graph, &file, &fit, &inputs);
                println!("{what}, {layout:?}, {isa}: {:.2e}", testkit::relative_l2(&found, &golden("taesd", what)));
                testkit::assert_relative_l2(what, &found, &golden("taesd", what), BOUND);
            }
        }
    }
    assert_eq!(taesd::detect(shapes(&file("vae", DIFFUSERS))), None);
}

/// Parameters and FLOPs as torch counts them.
#[test]
fn published_sizes_cost_what_they_cost_in_torch() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("golden/sd.json")).unwrap();
    let number = |model: &str, what: &str| golden[model][what].as_u64().unwrap() as usize;
    let check = |model: &str, what: &str, mut graph: Graph, output| {
        graph.output("y", output).unwrap();
        let cost = graph::cost::Cost::new(&graph::fuse::fuse(&graph), graph::Precision::F32);
        let (flops, want) = (cost.flops as f64 / 1e12, number(model, what) as f64 / 1e12);
        println!("{model}, {what}: {flops:.3} TFLOP, arena {:.0} MB", cost.arena_bytes as f64 / 1e6);
        // torch counts products alone.
        assert!((1.0..1.01).contains(&(flops / want)), "{model}, {what}: {flops} TFLOP, torch has {want}");
    };
    let count = |specs: Vec<models::ParameterSpec>| specs.iter().map(models::ParameterSpec::len).sum::<usize>();
    for (model, family, ..) in PUBLISHED.into_iter().filter(|(.., channels)| *channels == 4) {
        let config = family.config();
        assert_eq!(count(unet::parameters(&config).unwrap()), number(model, "parameters"), "{model}");
        let side = number(model, "side");
        let mut graph = Graph::new();
        let geometry = Geometry { batch: 2, height: side, width: side, context_tokens: 77 };
        let outputs = unet::build(&mut graph, &config, geometry).unwrap();
        check(model, "step", graph, outputs.prediction);
    }
    assert_eq!(count(vae::parameters(&vae::Config::SD).unwrap()), number("vae", "parameters"));
    let side = 8 * number("vae", "side");
    let geometry = vae::Geometry { batch: 1, height: side, width: side };
    let mut graph = Graph::new();
    let outputs = vae::encode(&mut graph, &vae::Config::SD, geometry).unwrap();
    check("vae", "encode", graph, outputs.output);
    let mut graph = Graph::new();
    let outputs = vae::decode(&mut graph, &vae::Config::SD, geometry).unwrap();
    check("vae", "decode", graph, outputs.output);
}
