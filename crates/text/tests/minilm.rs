//! The text encoder against the reference implementation (`golden/make.py`), strict loading, hostile prompts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use formats::safetensors::{File, Tensor, write};
use kernels::Cpu;
use simd::Isa;
use text::{MAX_PROMPT_BYTES, Precision, TextEncoder, TextError};

const WIDTH: usize = 384;
/// Relative L2 error accepted of a sentence's states in f32; the 16-bit weights take part of it.
const BOUND: f64 = 1e-3;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn weights() -> File {
    File::open(folder("../../weights/minilm/model.safetensors")).expect("the weights are part of the repository")
}

fn tokenizer() -> Vec<u8> {
    std::fs::read(folder("../../weights/minilm/tokenizer.json")).expect("the tokenizer is part of the repository")
}

fn encoder(isa: Isa, threads: usize, precision: Precision) -> TextEncoder {
    TextEncoder::new(&Cpu::new(isa, threads), weights(), &tokenizer(), precision).unwrap()
}

#[derive(serde::Deserialize)]
struct Recipe {
    sentences: Vec<Sentence>,
}

#[derive(serde::Deserialize)]
struct Sentence {
    text: String,
    ids: Vec<u32>,
}

struct Golden {
    sentences: Vec<Sentence>,
    states: Vec<Vec<f32>>,
    pooled: Vec<f32>,
}

fn golden() -> Golden {
    let recipe = std::fs::read(folder("tests/golden/minilm.json")).unwrap();
    let recipe: Recipe = serde_json::from_slice(&recipe).unwrap();
    let file = File::open(folder("tests/golden/minilm.safetensors")).unwrap();
    let states = (0..recipe.sentences.len()).map(|i| file.to_f32(&format!("states.{i:02}")).unwrap()).collect();
    Golden { sentences: recipe.sentences, states, pooled: file.to_f32("pooled").unwrap() }
}

/// Largest relative L2 error over sentences of the states, and of the pooled vectors.
fn worst(encoder: &TextEncoder, golden: &Golden, tokens: usize) -> (f64, f64) {
    let prompts: Vec<&str> = golden.sentences.iter().map(|s| s.text.as_str()).collect();
    let found = encoder.encode(&prompts, tokens).unwrap();
    let mut worst = (0.0f64, 0.0f64);
    for (i, expected) in golden.states.iter().enumerate() {
        assert_eq!(found.lengths[i] as usize * WIDTH, expected.len());
        let states = &found.states[i * tokens * WIDTH..][..tokens * WIDTH];
        let (valid, padding) = states.split_at(expected.len());
        assert!(padding.iter().all(|&value| value == 0.0));
        let rows = i * WIDTH..(i + 1) * WIDTH;
        let pooled = testkit::relative_l2(&found.pooled[rows.clone()], &golden.pooled[rows]);
        let states = testkit::relative_l2(valid, expected);
        assert!(!states.is_nan() && !pooled.is_nan());
        worst = (worst.0.max(states), worst.1.max(pooled));
    }
    worst
}

#[test]
fn tokens_equal_the_reference() {
    let encoder = encoder(Isa::detected(), 1, Precision::F32);
    for sentence in golden().sentences {
        assert_eq!(encoder.tokenizer().encode(&sentence.text, 128).unwrap(), sentence.ids, "{}", sentence.text);
    }
}

#[test]
fn states_equal_the_reference_on_every_isa() {
    let golden = golden();
    for isa in Isa::available() {
        let (states, pooled) = worst(&encoder(isa, 2, Precision::F32), &golden, 32);
        println!("{}: states {states:.2e}, pooled {pooled:.2e}", isa.name());
        assert!(states <= BOUND && pooled <= BOUND, "{}: {states} {pooled}", isa.name());
    }
}

#[test]
fn bf16_products_stay_near() {
    let isa = Isa::detected();
    if isa < Isa::Avx512Bf16 {
        println!("skipped: {} has no bf16 products", isa.name());
        return;
    }
    let (states, pooled) = worst(&encoder(isa, 2, Precision::Bf16), &golden(), 32);
    println!("{}: states {states:.2e}, pooled {pooled:.2e}", isa.name());
    assert!(states <= 3e-2 && pooled <= 3e-2, "{states} {pooled}");
}

#[test]
fn a_perturbed_weight_is_seen() {
    let source = weights();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let perturbed = "encoder.layer.3.output.LayerNorm.weight";
    let tensors = source.names().map(|name| {
        let view = source.tensor(name).unwrap();
        if view.dtype == formats::safetensors::Dtype::I16 {
            let values: Vec<i16> = view.bytes.as_chunks::<2>().0.iter().map(|&b| i16::from_le_bytes(b)).collect();
            return Tensor::i16(name, view.shape, values);
        }
        let mut values = source.to_f32(name).unwrap();
        if name == perturbed {
            values.iter_mut().step_by(8).for_each(|value| *value *= 1.05);
        }
        Tensor::f32(name, view.shape, values)
    });
    write(&path, tensors, &BTreeMap::new()).unwrap();
    let encoder =
        TextEncoder::new(&Cpu::detected(2), File::open(&path).unwrap(), &tokenizer(), Precision::F32).unwrap();
    let (states, _) = worst(&encoder, &golden(), 32);
    assert!(states > BOUND, "{states}");
}

#[test]
fn a_prompt_gives_the_same_bits_in_any_company() {
    let precisions =
        if Isa::detected() < Isa::Avx512Bf16 { vec![Precision::F32] } else { vec![Precision::F32, Precision::Bf16] };
    for precision in precisions {
        let prompts: Vec<String> =
            (0..150).map(|i| format!("picture {i} of {}", "many things ".repeat(i % 5))).collect();
        let prompts: Vec<&str> = prompts.iter().map(String::as_str).collect();
        let alone = encoder(Isa::detected(), 1, precision);
        let batch = encoder(Isa::detected(), 3, precision).encode(&prompts, 24).unwrap();
        for i in [0, 3, 77, 149] {
            let one = alone.encode(&prompts[i..=i], 24).unwrap();
            testkit::assert_same_bits("states", &one.states, &batch.states[i * 24 * WIDTH..][..24 * WIDTH]);
            testkit::assert_same_bits("pooled", &one.pooled, &batch.pooled[i * WIDTH..][..WIDTH]);
            // Padding does not matter either.
            let wide = alone.encode(&prompts[i..=i], 40).unwrap();
            let valid = one.lengths[0] as usize * WIDTH;
            testkit::assert_same_bits("padded", &one.states[..valid], &wide.states[..valid]);
            testkit::assert_same_bits("padded pooled", &one.pooled, &wide.pooled);
        }
    }
}

#[test]
fn long_and_odd_prompts() {
    let encoder = encoder(Isa::detected(), 2, Precision::F32);
    let long = "word ".repeat(MAX_PROMPT_BYTES / 5);
    let one_word = "x".repeat(MAX_PROMPT_BYTES);
    let emoji = "\u{1F98A}".repeat(MAX_PROMPT_BYTES / 4);
    let combining = "a\u{301}\u{200D}\u{FEFF}\0\u{FFFF}".repeat(100);
    let states = encoder.encode(&[&long, &one_word, &emoji, &combining, "", "[SEP][CLS][PAD]"], 16).unwrap();
    assert_eq!(states.lengths, [16.0, 3.0, 3.0, 3.0, 2.0, 5.0]);
    assert!(states.states.iter().chain(&states.pooled).all(|value| value.is_finite()));
    let ids = encoder.tokenizer().encode(&long, 16).unwrap();
    assert_eq!((ids.len(), ids[0], ids[15]), (16, 101, 102));

    for bytes in [MAX_PROMPT_BYTES + 1, 100_000] {
        let error = encoder.encode(&["fine", &"x".repeat(bytes)], 16).unwrap_err();
        assert!(
            matches!(error, TextError::PromptTooLong { index: 1, bytes: b, limit: MAX_PROMPT_BYTES } if b == bytes)
        );
    }
    for tokens in [0, 1, 129, usize::MAX] {
        assert!(
            matches!(encoder.encode(&["x"], tokens).unwrap_err(), TextError::MaxTokens { found, least: 2, most: 128 } if found == tokens)
        );
    }
    assert_eq!(encoder.encode(&["a b c"], 2).unwrap().lengths, [2.0]);
    assert_eq!(encoder.encode(&["a b c"], 128).unwrap().lengths, [5.0]);
    let nothing = encoder.encode(&[], 16).unwrap();
    assert!(nothing.states.is_empty() && nothing.lengths.is_empty() && nothing.pooled.is_empty());
}

#[test]
fn loading_is_strict() {
    let cpu = Cpu::detected(1);
    let encoder = encoder(Isa::detected(), 1, Precision::F32);
    assert_eq!(encoder.report().loaded.len(), 101);
    assert!(encoder.report().is_complete());

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let wrong = "embeddings.LayerNorm.bias";
    let tensors = [Tensor::f32(wrong, &[2], vec![0.0; 2]), Tensor::f32("pooler.dense.bias", &[1], vec![0.0])];
    write(&path, tensors, &BTreeMap::new()).unwrap();
    let error = TextEncoder::new(&cpu, File::open(&path).unwrap(), &tokenizer(), Precision::F32).unwrap_err();
    let TextError::Weights { report, .. } = &error else { panic!("{error}") };
    assert_eq!((report.missing.len(), report.unused.len(), report.wrong_shape.len()), (100, 1, 1));
    let message = error.to_string();
    for part in ["x.safetensors", "0 loaded, 100 missing, 1 unused, 1 of another shape", wrong, "[384]", "[2]"] {
        assert!(message.contains(part), "{message}");
    }

    for json in [&b""[..], b"{}", b"[1,2]", b"\xFF"] {
        let error = TextEncoder::new(&cpu, weights(), json, Precision::F32).unwrap_err();
        assert!(matches!(error, TextError::Tokenizer(_)), "{error}");
    }
}

#[test]
fn the_shipped_files_are_small() {
    let size = |name: &str| std::fs::metadata(folder("../../weights/minilm").join(name)).unwrap().len();
    assert!(size("model.safetensors") + size("tokenizer.json") <= 46_000_000);
}
