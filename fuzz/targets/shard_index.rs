//! The index of a model in shards, beside a true shard: any bytes give a source whose tensors can be read, or an error.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use formats::safetensors::{Tensor, TensorSource, write};
use libfuzzer_sys::fuzz_target;

/// A folder with the shard `a.safetensors` of the tensors `w` and `b`.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder").keep();
    let tensors = [Tensor::f32("w", &[2, 3], vec![1.0; 6]), Tensor::f32("b", &[3], vec![0.0; 3])];
    write(folder.join("a.safetensors"), tensors, &Default::default()).expect("the shard is written");
    folder
});

fuzz_target!(|bytes: &[u8]| {
    let index = FOLDER.join("model.safetensors.index.json");
    std::fs::write(&index, bytes).expect("the index is written");
    if let Ok(source) = TensorSource::open(&index) {
        let names: Vec<&str> = source.names().collect();
        assert_eq!(names, ["b", "w"]);
        names.iter().for_each(|name| assert!(source.to_f32(name).is_ok()));
    }
});
