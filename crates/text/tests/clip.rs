//! CLIP's tokenizer and text transformer against their reference implementations (`golden/clip.py`), strict loading, hostile
//! prompts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use formats::safetensors::{Dtype, File, Tensor, write};
use kernels::Cpu;
use simd::Isa;
use text::clip::{
    Activation, CHUNK_WORDS, CLIP_L, Chunk, ClipEncoder, ClipTokenizer, Config, END, Layout, OPEN_CLIP_G, OPEN_CLIP_H,
    Padding, Place, Reading, START, TOKENS, chunks, fit, parameters,
};
use text::{MAX_PROMPT_BYTES, Precision, TextError};

/// Relative L2 error accepted of a chunk's states and of a pooled vector, in f32.
const BOUND: f64 = 1e-4;
/// In bf16 products; the random weights make sharp attention, which amplifies rounding.
const BOUND_BF16: f64 = 5e-2;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn golden(name: &str) -> File {
    File::open(folder("tests/golden").join(name)).unwrap()
}

fn tokenizer() -> ClipTokenizer {
    let merges = std::fs::read(folder("../../weights/clip/bpe_simple_vocab_16e6.txt.gz"));
    ClipTokenizer::new(&merges.expect("the merges are part of the repository")).unwrap()
}

#[derive(serde::Deserialize)]
struct Recipe {
    sizes: Sizes,
    published: Vec<Published>,
    prompts: Vec<Prompt>,
}

#[derive(serde::Deserialize)]
struct Sizes {
    width: usize,
    layers: usize,
    heads: usize,
    intermediate: usize,
    projection: usize,
    vocabulary: usize,
}

/// Names and shapes of a published size; `N` stands for the number of a layer.
#[derive(serde::Deserialize)]
struct Published {
    size: String,
    layout: String,
    layers: usize,
    tensors: usize,
    values: usize,
    parameters: BTreeMap<String, Vec<usize>>,
}

#[derive(serde::Deserialize)]
struct Prompt {
    text: String,
    ids: Vec<u32>,
}

fn recipe() -> Recipe {
    serde_json::from_slice(&std::fs::read(folder("tests/golden/clip.json")).unwrap()).unwrap()
}

/// The tiny model of the golden files.
fn tiny(activation: Activation, projected: bool) -> Config {
    let Sizes { width, layers, heads, intermediate, projection, vocabulary } = recipe().sizes;
    Config { width, layers, heads, intermediate, activation, projection: projected.then_some(projection), vocabulary }
}

/// A file, and where it keeps the model.
type Home = (&'static str, Place);
const TRANSFORMERS: Home = ("clip_transformers.safetensors", Place::SD1);
const OPEN_CLIP: Home = ("clip_open_clip.safetensors", Place::SD2);

fn encoder(isa: Isa, threads: usize, (file, place): Home, config: Config, precision: Precision) -> ClipEncoder {
    ClipEncoder::new(&Cpu::new(isa, threads), Arc::new(golden(file)), place, config, precision).unwrap()
}

/// The four chunks of the golden states.
fn example() -> Vec<Chunk> {
    let file = golden("clip_states.safetensors");
    let view = file.tensor("ids").unwrap();
    assert_eq!((view.dtype, view.shape), (Dtype::I64, &[4, TOKENS][..]));
    let ids: Vec<u32> = view.bytes.as_chunks::<8>().0.iter().map(|&b| i64::from_le_bytes(b) as u32).collect();
    ids.as_chunks::<TOKENS>().0.to_vec()
}

/// Largest relative L2 error of a chunk's states or pooled vector, over everything that can be read.
fn worst(isa: Isa, home: Home, precision: Precision) -> f64 {
    let (states, chunks) = (golden("clip_states.safetensors"), example());
    let mut worst = 0.0f64;
    let mut compare = |found: &[f32], name: &str| {
        let expected = states.to_f32(name).unwrap();
        assert_eq!(found.len(), expected.len(), "{name}");
        let length = found.len() / chunks.len();
        for (found, expected) in found.chunks(length).zip(expected.chunks(length)) {
            worst = worst.max(testkit::relative_l2(found, expected));
        }
    };
    for (label, activation) in [("quick", Activation::QuickGelu), ("erf", Activation::Gelu)] {
        for projected in [false, true] {
            let encoder = encoder(isa, 2, home, tiny(activation, projected), precision);
            for (name, skip, norm) in [("last", 0, true), ("earlier", 1, false), ("earlier_normed", 1, true)] {
                let found = encoder.encode(&chunks, Reading { skip, norm, pooled: true }).unwrap();
                compare(&found.states, &format!("{label}.{name}"));
                compare(&found.pooled, &format!("{label}.{}", if projected { "projected" } else { "pooled" }));
                let alone = encoder.encode(&chunks, Reading { skip, norm, pooled: false }).unwrap();
                testkit::assert_same_bits("without pooled", &alone.states, &found.states);
                assert!(alone.pooled.is_empty());
            }
        }
    }
    worst
}

#[test]
fn clip_tokens_equal_the_reference() {
    let (tokenizer, prompts) = (tokenizer(), recipe().prompts);
    assert!(prompts.len() >= 60);
    let different = |prompt: &&Prompt| tokenizer.encode(&prompt.text).unwrap() != prompt.ids;
    for prompt in prompts.iter().filter(different) {
        println!("{:?}\n  found {:?}\n  want  {:?}", prompt.text, tokenizer.encode(&prompt.text).unwrap(), prompt.ids);
    }
    assert_eq!(prompts.iter().filter(different).count(), 0);
}

#[test]
fn clip_long_and_odd_prompts() {
    let tokenizer = tokenizer();
    for (prompt, tokens) in [
        ("word ".repeat(MAX_PROMPT_BYTES / 5), MAX_PROMPT_BYTES / 5),
        ("\u{1F98A}".repeat(MAX_PROMPT_BYTES / 4), 1),
        ("&amp;".repeat(MAX_PROMPT_BYTES / 5), 1),
        (format!("&{}lt;", "amp;".repeat(MAX_PROMPT_BYTES / 4 - 1)), 1),
        ("xq".repeat(MAX_PROMPT_BYTES / 2), 1),
    ] {
        let ids = tokenizer.encode(&prompt).unwrap();
        assert!(ids.len() >= tokens, "{} tokens", ids.len());
        let chunks = chunks(&ids, Padding::End);
        assert_eq!(chunks.len(), ids.len().div_ceil(CHUNK_WORDS));
        assert!(chunks.iter().all(|chunk| chunk[0] == START && chunk[TOKENS - 1] == END));
    }
    let error = tokenizer.encode(&"x".repeat(MAX_PROMPT_BYTES + 1)).unwrap_err();
    assert!(matches!(error, TextError::PromptTooLong { .. }));
    assert!(matches!(ClipTokenizer::new(b"").unwrap_err(), TextError::Tokenizer(_)));
}

#[test]
fn clip_states_equal_the_reference_on_every_isa() {
    for isa in Isa::available() {
        for home in [TRANSFORMERS, OPEN_CLIP] {
            let worst = worst(isa, home, Precision::F32);
            println!("{}, {}: {worst:.2e}", isa.name(), home.0);
            assert!(worst <= BOUND, "{}: {worst}", isa.name());
        }
    }
}

#[test]
fn clip_bf16_products_stay_near() {
    let isa = Isa::detected();
    if isa < Isa::Avx512Bf16 {
        println!("skipped: {} has no bf16 products", isa.name());
        return;
    }
    let worst = worst(isa, TRANSFORMERS, Precision::Bf16);
    println!("{}: {worst:.2e}", isa.name());
    assert!(worst <= BOUND_BF16 && worst > BOUND, "{worst}");
}

#[test]
fn a_chunk_gives_the_same_bits_in_any_company() {
    let reading = Reading { skip: 1, norm: false, pooled: true };
    let config = tiny(Activation::QuickGelu, true);
    for precision in [Precision::F32, Precision::auto(Isa::detected())] {
        // More than are computed at a time.
        let many: Vec<Chunk> = example().into_iter().cycle().skip(1).take(21).collect();
        let all = encoder(Isa::detected(), 3, TRANSFORMERS, config, precision).encode(&many, reading).unwrap();
        let alone = encoder(Isa::detected(), 1, OPEN_CLIP, config, precision);
        let (states, pooled) = (TOKENS * config.width, config.pooled_width());
        for i in [0, 3, 15, 16, 20] {
            let one = alone.encode(&many[i..=i], reading).unwrap();
            testkit::assert_same_bits("states", &one.states, &all.states[i * states..][..states]);
            testkit::assert_same_bits("pooled", &one.pooled, &all.pooled[i * pooled..][..pooled]);
        }
    }
    let nothing = encoder(Isa::detected(), 1, TRANSFORMERS, config, Precision::F32).encode(&[], reading).unwrap();
    assert!(nothing.states.is_empty() && nothing.pooled.is_empty());
}

#[test]
fn wrong_requests_are_errors() {
    let encoder = encoder(Isa::detected(), 1, TRANSFORMERS, tiny(Activation::Gelu, false), Precision::F32);
    let mut chunk = example()[0];
    let reading = Reading { skip: 3, ..Reading::SD1 };
    let error = encoder.encode(&[chunk], reading).unwrap_err();
    assert!(matches!(error, TextError::Skip { found: 3, layers: 3 }), "{error}");
    chunk[5] = 64;
    let error = encoder.encode(&[chunk], Reading::SD1).unwrap_err();
    assert!(matches!(error, TextError::TokenId { id: 64, rows: 64 }), "{error}");
}

#[test]
fn clip_loading_is_strict() {
    let config = tiny(Activation::QuickGelu, true);
    for (home, loaded) in [(TRANSFORMERS, 53), (OPEN_CLIP, 41)] {
        let report = encoder(Isa::detected(), 1, home, config, Precision::F32).report().clone();
        assert!(report.is_complete());
        assert_eq!(report.loaded.len(), loaded);
    }

    let (folder, prefix) = (tempfile::tempdir().unwrap(), Place::SD2.prefix);
    let path = folder.path().join("x.safetensors");
    let wrong = format!("{prefix}transformer.resblocks.2.attn.in_proj_bias");
    let tensors = [
        Tensor::f32(wrong.clone(), &[64], vec![0.0; 64]),
        Tensor::f32(format!("{prefix}transformer.resblocks.3.ln_1.bias"), &[64], vec![0.0; 64]),
        Tensor::f32("model.out.bias".to_owned(), &[1], vec![0.0]),
    ];
    write(&path, tensors, &BTreeMap::new()).unwrap();
    let file = Arc::new(File::open(&path).unwrap());
    let error = ClipEncoder::new(&Cpu::detected(1), file, Place::SD2, config, Precision::F32).unwrap_err();
    let TextError::Weights { report, .. } = &error else { panic!("{error}") };
    assert_eq!((report.missing.len(), report.unused.len(), report.wrong_shape.len()), (40, 1, 1));
    let message = error.to_string();
    for part in ["x.safetensors", "resblocks.3.ln_1.bias", &wrong, "[192]", "[64]"] {
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn published_sizes_fit() {
    let published = recipe().published;
    assert_eq!(published.len(), 3);
    for size in &published {
        let config = match size.size.as_str() {
            "L" => CLIP_L,
            // The published file has the projection that SD 2.x does not use.
            "H" => Config { projection: Some(1024), ..OPEN_CLIP_H },
            _ => OPEN_CLIP_G,
        };
        let layout = if size.layout == "transformers" { Layout::Transformers } else { Layout::OpenClip };
        let place = Place { prefix: "", layout };
        let mut names: Vec<(String, &[usize])> = Vec::new();
        for (name, shape) in &size.parameters {
            let layers = if name.contains(".N.") { size.layers } else { 1 };
            names.extend((0..layers).map(|i| (name.replace(".N.", &format!(".{i}.")), &shape[..])));
        }
        assert_eq!(names.len(), size.tensors);
        let found = || names.iter().map(|(name, shape)| (name.as_str(), *shape));
        let report = fit(&config, place, found());
        assert!(report.is_complete(), "{}: {report}", size.size);
        let values: usize = parameters(&config).iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        assert_eq!(values, size.values);
        if size.size == "H" {
            assert!(fit(&OPEN_CLIP_H, place, found()).is_complete());
        }
    }
}

#[test]
fn the_shipped_merges_are_small() {
    let merges = folder("../../weights/clip/bpe_simple_vocab_16e6.txt.gz");
    assert!(std::fs::metadata(merges).unwrap().len() < 1_500_000);
}
