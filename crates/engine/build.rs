//! Tells the crate which of the built-in files exist, so that it also builds before they do.

use std::path::Path;

fn main() {
    for (cfg, files) in [
        ("built_in_model", &["default/model.safetensors"][..]),
        ("built_in_enlarger", &["enlarger/model.safetensors"]),
        ("built_in_text_encoder", &["minilm/model.safetensors", "minilm/tokenizer.json"]),
    ] {
        println!("cargo:rustc-check-cfg=cfg({cfg})");
        let paths: Vec<_> = files.iter().map(|file| Path::new("../../weights").join(file)).collect();
        for path in &paths {
            println!("cargo:rerun-if-changed={}", path.display());
        }
        if paths.iter().all(|path| path.is_file()) {
            println!("cargo:rustc-cfg={cfg}");
        }
    }
    println!("cargo:rerun-if-changed=build.rs");
}
