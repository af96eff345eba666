//! Tensors from one file, from shards and from folders: what is read, and each bad index with its exact error.

use formats::Bytes;
use formats::safetensors::{
    Dtype, Error, File, Foreign, MAX_INDEX, MAX_SHARDS, MAX_TENSORS, Problem, Tensor, TensorSource, write,
};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A folder with a model in two shards and its index.
struct Room(tempfile::TempDir);

const FIRST: &str = "model-00001-of-00002.safetensors";
const SECOND: &str = "model-00002-of-00002.safetensors";
const INDEX: &str = "model.safetensors.index.json";

impl Room {
    fn new() -> Self {
        let room = Self(tempfile::tempdir().unwrap());
        room.shard(FIRST, &["a", "b"]);
        room.shard(SECOND, &["c"]);
        room.index(&[("a", FIRST), ("b", FIRST), ("c", SECOND)]);
        room
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn shard(&self, name: &str, tensors: &[&'static str]) {
        let tensor = |name: &&'static str| Tensor::f32(*name, &[1, 2], vec![f32::from(name.as_bytes()[0]), 0.5]);
        write(self.path(name), tensors.iter().map(tensor), &BTreeMap::new()).unwrap();
    }

    fn index(&self, entries: &[(&str, &str)]) {
        let entries: Vec<String> = entries.iter().map(|(tensor, file)| format!("{tensor:?}:{file:?}")).collect();
        let total = r#""metadata":{"total_size":24}"#;
        self.text(&format!(r#"{{{total},"weight_map":{{{}}}}}"#, entries.join(",")));
    }

    fn text(&self, index: &str) {
        std::fs::write(self.path(INDEX), index).unwrap();
    }

    fn open(&self) -> Result<TensorSource, Error> {
        TensorSource::open(self.path(INDEX))
    }

    fn problem(&self) -> Problem {
        self.open().expect_err("the index is bad").problem
    }
}

#[test]
fn shards_are_read_as_one() {
    let room = Room::new();
    for path in [room.path(INDEX), room.0.path().to_owned()] {
        let source = TensorSource::open(path).unwrap();
        assert_eq!(source.names().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(source.to_f32("a").unwrap(), [97.0, 0.5]);
        assert_eq!(source.to_f32_of_shape("c", &[1, 2]).unwrap(), [99.0, 0.5]);
        assert_eq!((source.shape("b").unwrap(), source.dtype("b").unwrap()), (&[1, 2][..], Dtype::F32));
        assert_eq!((source.files().len(), source.contains("c"), source.contains("d")), (2, true, false));
        let mut row = [0.0; 2];
        assert!(source.rows("c").unwrap().read(0, &mut row) && row == [99.0, 0.5]);
        source.read_f32("b", &mut row).unwrap();
        assert_eq!(row, [98.0, 0.5]);
        let error = source.to_f32("d").unwrap_err();
        assert_eq!(error.file, room.path(INDEX).display().to_string(), "missing in the whole, not in a shard");
        assert_eq!(error.problem, Problem::Missing { tensor: "d".into() });
        assert!(source.to_f32_of_shape("c", &[2]).unwrap_err().file.ends_with(SECOND));
    }
}

#[test]
fn bad_indices_give_their_exact_error() {
    let room = Room::new();
    let shard = |name: &str| name.to_owned();
    type Entries = &'static [(&'static str, &'static str)];
    let cases: [(Entries, Problem); 3] = [
        (&[("a", FIRST), ("b", FIRST)], Problem::Index { message: String::new() }),
        (
            &[("a", FIRST), ("b", FIRST), ("c", SECOND), ("d", SECOND)],
            Problem::NotInShard { tensor: "d".into(), shard: shard(SECOND) },
        ),
        (&[("a", FIRST), ("c", SECOND)], Problem::NotInIndex { tensor: "b".into(), shard: shard(FIRST) }),
    ];
    for (entries, expected) in &cases[1..] {
        room.index(entries);
        assert_eq!(room.problem(), *expected);
    }
    // A shard that the index does not name is none of the model's.
    room.index(cases[0].0);
    assert_eq!(room.open().unwrap().files().len(), 1);

    room.index(&[("a", SECOND), ("b", FIRST), ("c", SECOND)]);
    assert_eq!(room.problem(), Problem::NotInShard { tensor: "a".into(), shard: shard(SECOND) });
    room.index(&[("a", FIRST), ("a", FIRST), ("b", FIRST)]);
    assert_eq!(room.problem(), Problem::IndexDuplicate { tensor: "a".into() });
    for name in [
        "../model.safetensors",
        "/etc/passwd",
        "a/b.safetensors",
        "a\\b.safetensors",
        "",
        ".safetensors",
        "..safetensors",
        "x.bin",
        "c:x.safetensors",
        "x\0.safetensors",
    ] {
        room.text(&serde_json::json!({ "weight_map": { "a": name } }).to_string());
        assert_eq!(room.problem(), Problem::ShardName { shard: name.into() });
    }
    room.index(&[("a", "absent.safetensors")]);
    assert!(matches!(room.problem(), Problem::ShardMissing { shard, .. } if shard == "absent.safetensors"));

    room.shard(SECOND, &["b", "c"]);
    room.index(&[("a", FIRST), ("b", FIRST), ("c", SECOND)]);
    let twice = Problem::InTwoShards { tensor: "b".into(), first: shard(FIRST), second: shard(SECOND) };
    assert_eq!(room.problem(), twice);
    std::fs::write(room.path(SECOND), b"PK\x03\x04\0\0archive/data.pkl").unwrap();
    let error = room.open().unwrap_err();
    assert_eq!(error.problem, Problem::Foreign(Foreign::PickleInZip));
    assert!(error.file.ends_with(SECOND), "the shard is named");

    let many: Vec<String> = (0..=MAX_SHARDS).map(|i| format!(r#""{i}":"{i}.safetensors""#)).collect();
    room.text(&format!(r#"{{"weight_map":{{{}}}}}"#, many.join(",")));
    assert_eq!(room.problem(), Problem::TooManyShards { limit: MAX_SHARDS });
    let many: Vec<String> = (0..MAX_TENSORS + 5).map(|i| format!(r#""{i}":"a.safetensors""#)).collect();
    room.text(&format!(r#"{{"weight_map":{{{}}}}}"#, many.join(",")));
    assert_eq!(room.problem(), Problem::TooManyTensors { limit: MAX_TENSORS });
    room.text(&" ".repeat(MAX_INDEX + 1));
    assert_eq!(room.problem(), Problem::IndexTooLong { found: MAX_INDEX + 1, limit: MAX_INDEX });
}

#[test]
fn indices_that_are_not_the_format_say_why() {
    let room = Room::new();
    for (text, message) in [
        ("", "EOF while parsing a value"),
        ("{}", "missing field `weight_map`"),
        ("[]", "invalid length 0"),
        ("7", "invalid type: integer `7`"),
        (r#"{"weight_map":{}}"#, "it names no tensor"),
        (r#"{"weight_map":[]}"#, "invalid type: sequence, expected an object of file names"),
        (r#"{"weight_map":{"a":1}}"#, "invalid type: integer `1`, expected a string"),
        (r#"{"weight_map":{"a":"b"},"weight_map":{}}"#, "duplicate field `weight_map`"),
        (r#"{"weight_map":{"a":"b"}"#, "EOF while parsing an object"),
        (r#"{"weight_map":{"a":"b"}} x"#, "trailing characters"),
        ("{\"weight_map\":{\"\u{0}\":\"b\"}}", "control character"),
    ] {
        room.text(text);
        let Problem::Index { message: found } = room.problem() else { panic!("{text}: another problem") };
        assert!(found.starts_with(message), "{text}: {found}");
    }
    std::fs::write(room.path(INDEX), [0xFF, 0xFE, b'{']).unwrap();
    assert!(matches!(room.problem(), Problem::Index { .. }));
    room.text(&format!("{{\"metadata\":{}", "[".repeat(200_000)));
    assert!(matches!(room.problem(), Problem::Index { .. }));
    std::fs::remove_file(room.path(INDEX)).unwrap();
    assert!(matches!(room.problem(), Problem::Io { kind: std::io::ErrorKind::NotFound, .. }));
}

#[test]
fn folders_have_one_model() {
    let room = Room(tempfile::tempdir().unwrap());
    let folder = || TensorSource::open(room.0.path());
    let opened = || Path::new(folder().unwrap().name()).file_name().unwrap().to_str().unwrap().to_owned();
    assert_eq!(folder().unwrap_err().problem, Problem::NoWeights { hint: String::new() });
    std::fs::write(room.path("model.bin"), b"\x80\x02}.").unwrap();
    let error = folder().unwrap_err().to_string();
    assert!(error.contains("model.bin holds a pickle"), "{error}");
    // From the least preferred to the most.
    room.shard("any.safetensors", &["a"]);
    assert_eq!(opened(), "any.safetensors");
    room.shard("other.safetensors", &["a"]);
    let found = vec!["any.safetensors".into(), "other.safetensors".into()];
    assert_eq!(folder().unwrap_err().problem, Problem::ManyWeights { found });
    for name in ["model.fp16.safetensors", "model.safetensors", "diffusion_pytorch_model.safetensors"] {
        room.shard(name, &["a"]);
        assert_eq!(opened(), name);
    }
    let index = r#"{"weight_map":{"a":"any.safetensors"}}"#;
    for name in ["model.safetensors.index.fp16.json", "x.safetensors.index.json"] {
        let room = Room(tempfile::tempdir().unwrap());
        room.shard("any.safetensors", &["a"]);
        std::fs::write(room.path(name), index).unwrap();
        let source = TensorSource::open(room.0.path()).unwrap();
        assert_eq!(Path::new(source.name()), room.path(name));
    }
}

#[test]
fn files_of_other_kinds_are_named() {
    for (bytes, kind, words) in [
        (&b"PK\x03\x04\0\0\0\0sd-v1-4/data.pkl\x80\x02}q\0."[..], Foreign::PickleInZip, "runs the code"),
        (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.", Foreign::Pickle, "runs the code"),
        (b"\x80\x05\x95\x04\0\0\0\0\0\0\0}.", Foreign::Pickle, "runs the code"),
        (b"PK\x03\x04word/document.xml", Foreign::Zip, "zip archive"),
        (b"GGUF\x03\0\0\0\0\0\0\0", Foreign::Gguf, "GGUF"),
        (b"version https://git-lfs.github.com/spec/v1\n", Foreign::LfsPointer, "git lfs pull"),
        (b"<!doctype html><title>Sign in</title>", Foreign::WebPage, "web page"),
    ] {
        let error = File::from_bytes("x.ckpt", Bytes::from_vec(bytes.to_vec())).unwrap_err();
        assert_eq!(error.problem, Problem::Foreign(kind));
        assert!(error.to_string().starts_with("x.ckpt: ") && error.to_string().contains(words), "{error}");
    }
}

#[test]
fn every_float_is_read() {
    let header = |dtype: &str, size: usize| {
        let json = format!(r#"{{"a":{{"dtype":"{dtype}","shape":[3,1],"data_offsets":[0,{}]}}}}"#, 3 * size);
        [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat()
    };
    // 1, -2, 0.5
    let cases: [(&str, Vec<u8>); 6] = [
        ("F64", [1.0f64, -2.0, 0.5].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("F32", [1.0f32, -2.0, 0.5].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("F16", [0x3C00u16, 0xC000, 0x3800].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("BF16", [0x3F80u16, 0xC000, 0x3F00].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("F8_E4M3", vec![0x38, 0xC0, 0x30]),
        ("F8_E5M2", vec![0x3C, 0xC0, 0x38]),
    ];
    for (dtype, data) in cases {
        let bytes = [header(dtype, data.len() / 3), data].concat();
        let file = File::from_bytes(dtype, Bytes::from_vec(bytes)).unwrap();
        assert_eq!(file.tensor("a").unwrap().dtype.name(), dtype);
        assert_eq!(file.to_f32("a").unwrap(), [1.0, -2.0, 0.5], "{dtype}");
        let mut row = [0.0];
        assert!(file.rows("a").unwrap().read(1, &mut row) && row == [-2.0]);
    }
    for (dtype, size) in [("I64", 8), ("I32", 4), ("I8", 1), ("U8", 1), ("BOOL", 1)] {
        let bytes = [header(dtype, size), vec![0; 3 * size]].concat();
        let problem = File::from_bytes(dtype, Bytes::from_vec(bytes)).unwrap().to_f32("a").unwrap_err().problem;
        assert!(matches!(problem, Problem::NotReal { .. }), "{dtype}: {problem}");
    }
}

/// Bytes are changed, left out and doubled at places that a fixed sequence of numbers chooses; nothing may panic.
#[test]
fn mutated_indices_never_panic() {
    let room = Room::new();
    let good = std::fs::read(room.path(INDEX)).unwrap();
    let mut state = 7u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let mut accepted = 0;
    for _ in 0..3000 {
        let mut bytes = good.clone();
        for _ in 0..=random(3) {
            if bytes.is_empty() {
                break;
            }
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] ^= 1 << random(8),
                1 => drop(bytes.remove(at)),
                2 => bytes.truncate(at.max(1)),
                _ => {
                    let end = (at + random(20)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    let to = random(bytes.len());
                    bytes.splice(to..to, piece);
                }
            }
        }
        std::fs::write(room.path(INDEX), &bytes).unwrap();
        if let Ok(source) = room.open() {
            accepted += 1;
            for name in source.names() {
                assert!(source.to_f32(name).is_ok());
            }
        }
    }
    println!("{accepted} of 3000 mutated indices were still good");
    assert!(accepted > 0 && accepted < 1500);
}
