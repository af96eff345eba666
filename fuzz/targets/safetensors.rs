//! Header, tensors and family of a model file: any bytes give a checked file or an error, never a panic or memory beyond the file's.
#![no_main]

use formats::Bytes;
use formats::safetensors::{File, TensorSource};
use libfuzzer_sys::fuzz_target;
use models::bundle::Bundle;

/// Most elements that a tensor is converted with.
const MAX_ELEMENTS: usize = 1 << 16;

fuzz_target!(|bytes: &[u8]| {
    let Ok(file) = File::from_bytes("fuzzed", Bytes::from_vec(bytes.to_vec())) else { return };
    for name in file.names() {
        let view = file.tensor(name).expect("a name of the file");
        let elements: usize = view.shape.iter().product();
        assert_eq!(view.bytes.len(), elements * view.dtype.size());
        if elements <= MAX_ELEMENTS {
            if let Ok(values) = file.to_f32(name) {
                assert_eq!(values.len(), elements);
            }
            if let Ok(rows) = file.rows(name) {
                let mut row = vec![0.0; elements / rows.len().max(1)];
                (0..=rows.len()).for_each(|i| assert_eq!(rows.read(i, &mut row), i < rows.len()));
            }
        }
    }
    let _ = Bundle::from_source(TensorSource::from(file));
});
