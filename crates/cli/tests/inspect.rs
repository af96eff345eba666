//! `calotype models inspect` on files that other programs make.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use formats::digest;
use formats::safetensors::{Tensor, write};

fn inspect(folder: &Path, args: &[&str]) -> Output {
    let calotype = env!("CARGO_BIN_EXE_calotype");
    Command::new(calotype).current_dir(folder).args(["models", "inspect"]).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn zeros(path: &Path, tensors: &[(&'static str, &[usize])]) -> String {
    let tensor =
        |(name, shape): &(&'static str, &[usize])| Tensor::bf16(*name, shape, vec![0.0; shape.iter().product()]);
    write(path, tensors.iter().map(tensor), &BTreeMap::new()).unwrap()
}

#[test]
fn a_lora_is_named_with_its_hash() {
    let folder = tempfile::tempdir().unwrap();
    let name = "lora_unet_mid_block_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight";
    let sha256 = zeros(&folder.path().join("x.safetensors"), &[(name, &[8, 768])]);
    let output = inspect(folder.path(), &["x.safetensors"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let said = text(&output.stdout);
    for words in
        ["a LoRA for Stable Diffusion 1.x of rank 8", "cannot be used yet", &sha256[..], digest::short(&sha256)]
    {
        assert!(said.contains(words), "{said}");
    }
    let output = inspect(folder.path(), &["x.safetensors", "--json"]);
    let event: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&event["event"], &event["kind"], &event["family"]), (&"model".into(), &"lora".into(), &"sd1".into()));
    assert_eq!(event["files"][0]["short_hash"], sha256[..10]);
}

#[test]
fn a_part_with_gaps_is_described_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    let first: [(&str, &[usize]); 2] =
        [("decoder.conv_in.weight", &[512, 4, 3, 3]), ("decoder.mid.block_1.norm1.weight", &[512])];
    zeros(&folder.path().join("vae.safetensors"), &first);
    let output = inspect(folder.path(), &["vae.safetensors", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let events: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let part = &events[0]["parts"][0];
    assert_eq!(
        (&part["role"], &part["names"], &part["precision"]),
        (&"vae".into(), &"original".into(), &"BF16".into())
    );
    assert_eq!((&part["loaded"], part["missing"].as_array().unwrap().len()), (&2.into(), 246));
    assert!(events[1]["message"].as_str().unwrap().contains("246 missing"), "{}", events[1]);
    let said = inspect(folder.path(), &["vae.safetensors"]);
    assert!(text(&said.stdout).contains("VAE of Stable Diffusion") && text(&said.stdout).contains("246 missing"));
}

#[test]
fn what_is_not_read_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let torch = b"PK\x03\x04\0\0\x08\x08\0\0archive/data.pkl\x80\x02}q\0.";
    std::fs::write(folder.path().join("zip.ckpt"), torch).unwrap();
    std::fs::write(folder.path().join("old.pt"), b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.").unwrap();
    std::fs::create_dir_all(folder.path().join("parts/unet")).unwrap();
    std::fs::write(folder.path().join("x.safetensors.index.json"), r#"{"weight_map":{"a":"b.safetensors"}}"#).unwrap();
    zeros(&folder.path().join("unknown.safetensors"), &[("a", &[1])]);
    for (path, words) in [
        ("zip.ckpt", "a zip archive with a pickle: reading a pickle runs the code inside it"),
        ("old.pt", "a Python pickle: reading a pickle runs the code inside it"),
        ("parts", "no model_index.json in this folder, which has unet/"),
        ("x.safetensors.index.json", "names the shard `b.safetensors`, which cannot be read"),
        ("unknown.safetensors", "none of its tensors belong to a network that Calotype knows"),
    ] {
        let output = inspect(folder.path(), &[path]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with(&format!("error: {path}: ")) && said.contains(words), "{said}");
    }
}
