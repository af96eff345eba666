//! Hand-made bad files, each with its exact error; digests find every flipped bit; round trips.

use formats::safetensors::{
    Dtype, File, MAX_HEADER, MAX_NOTES, MAX_RANK, MAX_TENSORS, Problem, Tensor, quantise_rows, write, write_to,
};
use formats::{Bytes, atomic::FailingDisk};
use proptest::prelude::*;
use std::collections::BTreeMap;

fn build(header: &str, data: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend((0..data).map(|i| i as u8));
    bytes
}

fn tensor(name: &str, dtype: &str, shape: &str, start: i64, end: i64) -> String {
    format!(r#""{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{end}]}}"#)
}

fn problem(bytes: Vec<u8>) -> Problem {
    File::from_bytes("bad", Bytes::from_vec(bytes)).expect_err("the file is bad").problem
}

#[test]
fn hand_made_bad_files_give_their_exact_error() {
    let a = |dtype: &str, shape: &str, start, end| format!("{{{}}}", tensor("a", dtype, shape, start, end));
    let two = |first: String, second: String| format!("{{{first},{second}}}");
    let name = || "a".to_owned();
    let length = |n: u64| n.to_le_bytes().to_vec();
    let mut not_utf8 = build("{}  ", 0);
    not_utf8[9] = 0xFF;
    let cases: Vec<(&str, Vec<u8>, Problem)> = vec![
        ("empty", vec![], Problem::TooShort { found: 0 }),
        ("7 bytes", vec![0; 7], Problem::TooShort { found: 7 }),
        ("only a length", length(2), Problem::HeaderTruncated { expected: 2, found: 0 }),
        (
            "half a header",
            [length(100), vec![b'{'; 50]].concat(),
            Problem::HeaderTruncated { expected: 100, found: 50 },
        ),
        ("largest length", length(u64::MAX), Problem::HeaderTooLong { found: u64::MAX, limit: MAX_HEADER }),
        ("length wraps", length(u64::MAX - 7), Problem::HeaderTooLong { found: u64::MAX - 7, limit: MAX_HEADER }),
        (
            "one over the limit",
            length(MAX_HEADER as u64 + 1),
            Problem::HeaderTooLong { found: MAX_HEADER as u64 + 1, limit: MAX_HEADER },
        ),
        (
            "at the limit, absent",
            length(MAX_HEADER as u64),
            Problem::HeaderTruncated { expected: MAX_HEADER, found: 0 },
        ),
        ("not UTF-8", not_utf8, Problem::HeaderNotUtf8 { at: 1 }),
        ("unknown type", build(&a("F4", "[2]", 0, 1), 1), Problem::UnknownDtype { tensor: name(), found: "F4".into() }),
        (
            "type in lower case",
            build(&a("f32", "[1]", 0, 4), 4),
            Problem::UnknownDtype { tensor: name(), found: "f32".into() },
        ),
        ("c64", build(&a("C64", "[1]", 0, 8), 8), Problem::UnknownDtype { tensor: name(), found: "C64".into() }),
        (
            "rank",
            build(&a("U8", "[1,1,1,1,1,1,1,1,1]", 0, 1), 1),
            Problem::TooManyDimensions { tensor: name(), limit: MAX_RANK },
        ),
        (
            "product overflows",
            build(&a("F32", "[4294967296,4294967296]", 0, 4), 4),
            Problem::ShapeOverflow { tensor: name(), shape: vec![1 << 32, 1 << 32] },
        ),
        (
            "bytes overflow",
            build(&a("F32", "[4611686018427387904]", 0, 4), 4),
            Problem::ShapeOverflow { tensor: name(), shape: vec![1 << 62] },
        ),
        (
            "overflow hidden by a zero",
            build(&a("F32", "[4294967296,4294967296,0]", 0, 0), 0),
            Problem::ShapeOverflow { tensor: name(), shape: vec![1 << 32, 1 << 32, 0] },
        ),
        ("backwards", build(&a("F32", "[1]", 8, 4), 8), Problem::RangeBackwards { tensor: name(), start: 8, end: 4 }),
        ("end outside", build(&a("F32", "[2]", 0, 8), 4), Problem::RangeOutside { tensor: name(), end: 8, found: 4 }),
        (
            "end far outside",
            build(&a("U8", "[9223372036854775807]", 0, i64::MAX), 4),
            Problem::RangeOutside { tensor: name(), end: i64::MAX as usize, found: 4 },
        ),
        (
            "no data at all",
            build(&a("F32", "[1]", 0, 4), 0),
            Problem::RangeOutside { tensor: name(), end: 4, found: 0 },
        ),
        (
            "shape too large",
            build(&a("F32", "[3]", 0, 8), 8),
            Problem::SizeMismatch { tensor: name(), expected: 12, found: 8 },
        ),
        (
            "shape too small",
            build(&a("F32", "[1]", 0, 8), 8),
            Problem::SizeMismatch { tensor: name(), expected: 4, found: 8 },
        ),
        (
            "empty shape, no bytes",
            build(&a("F32", "[]", 0, 0), 0),
            Problem::SizeMismatch { tensor: name(), expected: 4, found: 0 },
        ),
        (
            "odd bytes",
            build(&a("BF16", "[1]", 0, 3), 3),
            Problem::SizeMismatch { tensor: name(), expected: 2, found: 3 },
        ),
        (
            "hole at the start",
            build(&a("F32", "[1]", 4, 8), 8),
            Problem::GapOrOverlap { tensor: name(), expected: 0, found: 4 },
        ),
        (
            "hole between",
            build(&two(tensor("b", "F32", "[1]", 0, 4), tensor("a", "F32", "[1]", 8, 12)), 12),
            Problem::GapOrOverlap { tensor: name(), expected: 4, found: 8 },
        ),
        (
            "overlap",
            build(&two(tensor("b", "F32", "[2]", 0, 8), tensor("a", "F32", "[2]", 4, 12)), 12),
            Problem::GapOrOverlap { tensor: name(), expected: 8, found: 4 },
        ),
        (
            "same bytes twice",
            build(&two(tensor("b", "F32", "[1]", 0, 4), tensor("a", "F32", "[1]", 0, 4)), 4),
            Problem::GapOrOverlap { tensor: name(), expected: 4, found: 0 },
        ),
        (
            "empty tensor inside another",
            build(&two(tensor("b", "F32", "[2]", 0, 8), tensor("a", "F32", "[0]", 4, 4)), 8),
            Problem::GapOrOverlap { tensor: name(), expected: 8, found: 4 },
        ),
        ("trailing byte", build(&a("F32", "[1]", 0, 4), 5), Problem::TrailingBytes { expected: 4, found: 5 }),
        ("data without tensors", build("{}", 1), Problem::TrailingBytes { expected: 0, found: 1 }),
        (
            "duplicate",
            build(&two(tensor("a", "F32", "[1]", 0, 4), tensor("a", "F32", "[1]", 4, 8)), 8),
            Problem::Duplicate { tensor: name() },
        ),
        (
            "empty duplicate",
            build(&two(tensor("a", "F32", "[0]", 0, 0), tensor("a", "F32", "[0]", 0, 0)), 0),
            Problem::Duplicate { tensor: name() },
        ),
        (
            "too many tensors",
            build(
                &format!(
                    "{{{}}}",
                    (0..=MAX_TENSORS).map(|i| tensor(&format!("{i}"), "U8", "[0]", 0, 0)).collect::<Vec<_>>().join(",")
                ),
                0,
            ),
            Problem::TooManyTensors { limit: MAX_TENSORS },
        ),
        (
            "too many notes",
            build(
                &format!(
                    r#"{{"__metadata__":{{{}}}}}"#,
                    (0..MAX_NOTES + 9).map(|i| format!(r#""{i}":"""#)).collect::<Vec<_>>().join(",")
                ),
                0,
            ),
            Problem::TooManyNotes { limit: MAX_NOTES },
        ),
    ];
    assert!(cases.len() >= 30);
    for (case, bytes, expected) in cases {
        assert_eq!(problem(bytes), expected, "{case}");
    }
}

#[test]
fn headers_that_are_not_the_format_say_why() {
    let good = tensor("a", "F32", "[1]", 0, 4);
    let cases = [
        ("", "EOF while parsing a value"),
        ("[]", "invalid type: sequence, expected an object of tensors"),
        ("null", "invalid type: null, expected an object of tensors"),
        (r#"{"a":1}"#, "invalid type: integer `1`, expected struct RawTensor"),
        (r#"{"a":{}}"#, "missing field `dtype`"),
        (r#"{"a":{"dtype":"F32","shape":[1]}}"#, "missing field `data_offsets`"),
        (r#"{"a":{"dtype":"F32","data_offsets":[0,4]}}"#, "missing field `shape`"),
        (&a_with(r#""shape":"1""#), r#"invalid type: string "1", expected a list of dimensions"#),
        (&a_with(r#""shape":[-1]"#), "invalid value: integer `-1`, expected usize"),
        (&a_with(r#""shape":[1.5]"#), "invalid type: floating point `1.5`, expected usize"),
        (&a_with(r#""shape":[1e3]"#), "invalid type: floating point `1000.0`, expected usize"),
        (&a_with(r#""shape":[1],"shape":[1]"#), "duplicate field `shape`"),
        (&a_with(r#""shape":[1],"more":0"#), "unknown field `more`, expected one of `dtype`, `shape`, `data_offsets`"),
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}"#, "invalid length 1, expected a tuple of size 2"),
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}"#, "trailing characters"),
        (r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, "invalid value: integer `-4`, expected usize"),
        (r#"{"a":{"dtype":null,"shape":[1],"data_offsets":[0,4]}}"#, "invalid type: null, expected a string"),
        (r#"{"__metadata__":[]}"#, "invalid type: sequence, expected an object of strings"),
        (r#"{"__metadata__":{"a":1}}"#, "invalid type: integer `1`, expected a string"),
        (r#"{"__metadata__":{},"__metadata__":{}}"#, "duplicate field `__metadata__`"),
        (&format!("{{{good},}}"), "trailing comma"),
        (&format!("{{{good}}} x"), "trailing characters"),
        (&format!("{{{good}"), "EOF while parsing an object"),
    ];
    for (header, message) in cases {
        let Problem::Header { message: found } = problem(build(header, 4)) else {
            panic!("{header}: another problem");
        };
        assert_eq!(found.split(" at line").next(), Some(message), "{header}");
    }
    let deep = format!("{{\"a\":{}", "[".repeat(200_000));
    assert!(matches!(problem(build(&deep, 0)), Problem::Header { .. }));
}

fn a_with(shape: &str) -> String {
    format!(r#"{{"a":{{"dtype":"F32",{shape},"data_offsets":[0,4]}}}}"#)
}

#[test]
fn files_that_cannot_be_opened() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let error = File::open(&missing).unwrap_err();
    assert_eq!(error.file, missing.display().to_string());
    assert!(matches!(error.problem, Problem::Io { kind: std::io::ErrorKind::NotFound, .. }), "{error}");
    assert!(matches!(File::open(folder.path()).unwrap_err().problem, Problem::Io { .. }));
    let empty = folder.path().join("empty");
    std::fs::write(&empty, b"").unwrap();
    assert_eq!(File::open(&empty).unwrap_err().problem, Problem::TooShort { found: 0 });
}

fn sample() -> Vec<Tensor<'static>> {
    let values: Vec<f32> = (0..12).map(|i| (i as f32 - 5.0) * 0.37).collect();
    let (integers, scales) = quantise_rows(&values, 4);
    vec![
        Tensor::f32("b.plain", &[3, 4], values.clone()),
        Tensor::bf16("a.short", &[12], values),
        Tensor::i16("m", &[3, 4], integers),
        Tensor::f32("m.scale", &[3], scales),
        Tensor::u8("raw", &[3], vec![1, 2, 3]),
        Tensor::f32("empty", &[0, 5], vec![]),
        Tensor::f32("scalar", &[], vec![7.5]),
    ]
}

#[test]
fn what_is_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let notes = BTreeMap::from([("step".to_owned(), "12 \"quoted\"".to_owned())]);
    let digest = write(&path, sample(), &notes).unwrap();
    let file = File::open(&path).unwrap();
    assert_eq!(file.sha256(), digest);
    assert_eq!(file.metadata(), &notes);
    assert_eq!(file.names().collect::<Vec<_>>(), ["a.short", "b.plain", "empty", "m", "m.scale", "raw", "scalar"]);
    assert_eq!(file.value_names().collect::<Vec<_>>(), ["a.short", "b.plain", "empty", "m", "raw", "scalar"]);
    assert_eq!(file.tensor("raw").unwrap().bytes, [1, 2, 3]);
    assert_eq!(file.tensor("a.short").unwrap().dtype, Dtype::Bf16);
    assert_eq!(file.to_f32("scalar").unwrap(), [7.5]);
    assert!(file.to_f32("empty").unwrap().is_empty());
    let plain = file.to_f32_of_shape("b.plain", &[3, 4]).unwrap();
    for (name, bound) in [("a.short", 0.01), ("m", 5e-5)] {
        let values = file.to_f32(name).unwrap();
        assert!(values.iter().zip(&plain).all(|(a, b)| (a - b).abs() <= bound), "{name}: {values:?}");
    }

    for name in ["b.plain", "m"] {
        let rows = file.rows(name).unwrap();
        let all = file.to_f32(name).unwrap();
        let mut row = [0.0; 4];
        assert!(rows.len() == 3 && !rows.read(3, &mut row) && !rows.read(0, &mut row[..3]));
        assert!((0..3).all(|i| rows.read(i, &mut row) && row == all[i * 4..][..4]));
    }
    assert!(matches!(file.rows("a.short").unwrap_err().problem, Problem::Shape { .. }));

    // The order of the input does not matter.
    let again = folder.path().join("y.safetensors");
    let mut tensors = sample();
    tensors.reverse();
    assert_eq!(write(&again, tensors, &notes).unwrap(), digest);

    let ask = |problem: Result<Vec<f32>, formats::safetensors::Error>| problem.unwrap_err().problem;
    assert_eq!(ask(file.to_f32("none")), Problem::Missing { tensor: "none".into() });
    assert_eq!(ask(file.to_f32("raw")), Problem::NotReal { tensor: "raw".into(), found: Dtype::U8 });
    assert_eq!(
        ask(file.to_f32_of_shape("b.plain", &[4, 3])),
        Problem::Shape { tensor: "b.plain".into(), expected: vec![4, 3], found: vec![3, 4] }
    );
    assert_eq!(
        file.read_f32("scalar", &mut [0.0; 2]).unwrap_err().problem,
        Problem::Elements { tensor: "scalar".into(), expected: vec![], found: 2 }
    );
}

#[test]
fn packed_integers_need_their_scales() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let read = |tensors: Vec<Tensor<'static>>| {
        write(&path, tensors, &BTreeMap::new()).unwrap();
        File::open(&path).unwrap().to_f32("m").map_err(|error| error.problem)
    };
    let m = || Tensor::i16("m", &[2, 2], vec![1, 2, 3, -32768]);
    let scale = || "m.scale".to_owned();
    assert_eq!(read(vec![m(), Tensor::f32("m.scale", &[2], vec![1.0, 0.5])]), Ok(vec![1.0, 2.0, 1.5, -16384.0]));
    assert_eq!(read(vec![m()]), Err(Problem::Missing { tensor: scale() }));
    assert_eq!(
        read(vec![m(), Tensor::f32("m.scale", &[1], vec![1.0])]),
        Err(Problem::Shape { tensor: scale(), expected: vec![2], found: vec![1] })
    );
    assert_eq!(
        read(vec![m(), Tensor::bf16("m.scale", &[2], vec![1.0, 1.0])]),
        Err(Problem::Dtype { tensor: scale(), expected: Dtype::F32, found: Dtype::Bf16 })
    );
    assert_eq!(read(vec![Tensor::i16("m", &[0, 4], vec![]), Tensor::f32("m.scale", &[0], vec![])]), Ok(vec![]));
    assert_eq!(read(vec![Tensor::i16("m", &[4, 0], vec![]), Tensor::f32("m.scale", &[4], vec![1.0; 4])]), Ok(vec![]));
}

#[test]
fn what_must_not_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let refused = |tensors: Vec<Tensor<'static>>| write(&path, tensors, &BTreeMap::new()).unwrap_err().problem;
    let one = |name: &'static str| Tensor::f32(name, &[1], vec![1.0]);
    assert_eq!(refused(vec![one("a"), one("a")]), Problem::Duplicate { tensor: "a".into() });
    assert_eq!(refused(vec![one("__metadata__")]), Problem::ReservedName { tensor: "__metadata__".into() });
    assert_eq!(
        refused(vec![Tensor::f32("a", &[2], vec![1.0])]),
        Problem::Elements { tensor: "a".into(), expected: vec![2], found: 1 }
    );
    assert_eq!(
        refused(vec![Tensor::f32("a", &[1; 9], vec![1.0])]),
        Problem::TooManyDimensions { tensor: "a".into(), limit: MAX_RANK }
    );
    assert!(!path.exists());
}

#[test]
fn a_full_disk_keeps_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let big = || vec![Tensor::f32("big", &[100_000], vec![1.5; 100_000])];
    let healthy = FailingDisk::new(u64::MAX);
    write_to(&healthy, &path, big(), &BTreeMap::new()).unwrap();
    let digest = write(&path, sample(), &BTreeMap::new()).unwrap();
    for n in 0..healthy.operations() - 1 {
        let error = write_to(&FailingDisk::new(n), &path, big(), &BTreeMap::new()).unwrap_err();
        assert!(matches!(error.problem, Problem::Write { kind: std::io::ErrorKind::StorageFull, .. }), "{error}");
        assert_eq!(File::open(&path).unwrap().sha256(), digest);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_mapped_file_survives_its_replacement() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    write(&path, sample(), &BTreeMap::new()).unwrap();
    let old = File::open(&path).unwrap();
    let before = old.to_f32("b.plain").unwrap();
    write(&path, vec![Tensor::f32("b.plain", &[1], vec![0.0])], &BTreeMap::new()).unwrap();
    assert_eq!(old.to_f32("b.plain").unwrap(), before);
    assert_eq!(File::open(&path).unwrap().to_f32("b.plain").unwrap(), [0.0]);
}

#[test]
fn every_flipped_bit_and_every_truncation_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let digest = write(&path, sample(), &BTreeMap::new()).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let mut random = 1u64;
    for _ in 0..1000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let bit = (random >> 33) as usize % (bytes.len() * 8);
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(formats::digest::sha256_bytes(&flipped), digest);
        if let Ok(file) = File::from_bytes("flipped", Bytes::from_vec(flipped)) {
            for name in file.names() {
                let _ = file.to_f32(name); // Whatever it says, it must not panic.
            }
        }
    }
    for length in 0..bytes.len() {
        assert!(File::from_bytes("cut", Bytes::from_vec(bytes[..length].to_vec())).is_err(), "{length}");
    }
}

proptest! {
    #[test]
    fn round_trip(tensors in prop::collection::btree_map("[a-z.\"\\\\é]{0,12}", prop::collection::vec(any::<f32>(), 0..40), 0..12), notes in prop::collection::btree_map(".{0,8}", ".{0,20}", 0..3)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.safetensors");
        write(&path, tensors.iter().map(|(name, values)| Tensor::f32(name.as_str(), &[values.len()], values.as_slice())), &notes).unwrap();
        let file = File::open(&path).unwrap();
        prop_assert_eq!(file.metadata(), &notes);
        prop_assert_eq!(file.names().count(), tensors.len());
        for (name, values) in &tensors {
            let read = file.to_f32(name).unwrap();
            prop_assert!(read.iter().map(|v| v.to_bits()).eq(values.iter().map(|v| v.to_bits())));
        }
    }

    #[test]
    fn any_bytes_are_no_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), header in "[\\[\\]{}:,\"a-z0-9_]{0,80}") {
        let _ = File::from_bytes("random", Bytes::from_vec(bytes));
        let _ = File::from_bytes("random", Bytes::from_vec(build(&header, 8)));
    }

    #[test]
    fn quantised_rows_are_near(values in prop::collection::vec(-1e3f32..1e3, 24)) {
        let (integers, scales) = quantise_rows(&values, 6);
        for (i, value) in values.iter().enumerate() {
            let back = f32::from(integers[i]) * scales[i / 6];
            prop_assert!((back - value).abs() <= scales[i / 6] * 0.51);
        }
    }
}
