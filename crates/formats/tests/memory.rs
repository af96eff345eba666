//! Peak memory of hostile files: at most their size + 64 MiB (weights), at most 300 MiB (pictures). One test, because the
//! peak belongs to the process.
#![cfg(target_os = "linux")]

use formats::Bytes;
use formats::picture::decode;
use formats::safetensors::File;

const MIB: u64 = 1 << 20;

/// Peak resident memory of this process, bytes; `reset` starts again from the present use.
fn peak(reset: bool) -> u64 {
    if reset {
        std::fs::write("/proc/self/clear_refs", "5").unwrap();
    }
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

fn file(header: &str) -> Bytes {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    Bytes::from_vec(bytes)
}

fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut crc = 0xFFFF_FFFFu32;
    for byte in kind.iter().chain(content) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    [&(content.len() as u32).to_be_bytes()[..], kind, content, &(!crc).to_be_bytes()].concat()
}

/// A PNG of one colour type, all samples zero, of any claimed size.
fn picture(colour: png::ColorType, depth: png::BitDepth, real: (u32, u32), claimed: (u32, u32)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, real.0, real.1);
    encoder.set_color(colour);
    encoder.set_depth(depth);
    let mut writer = encoder.write_header().unwrap();
    let row = real.0 as usize * colour.samples() * if depth == png::BitDepth::Sixteen { 2 } else { 1 };
    writer.write_image_data(&vec![0; row * real.1 as usize]).unwrap();
    writer.finish().unwrap();
    let header = [&claimed.0.to_be_bytes()[..], &claimed.1.to_be_bytes(), &bytes[24..29]].concat();
    [bytes[..8].to_vec(), chunk(b"IHDR", &header), bytes[33..].to_vec()].concat()
}

#[test]
fn hostile_files_stay_small() {
    let repeated = |start: &str, part: &str, end: &str| {
        format!("{start}{}{end}", part.repeat((8 * MIB as usize - start.len() - end.len()) / part.len()))
    };
    let tensors = |count: usize, more: &str| {
        let one = |i| format!(r#","{i}{more}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#);
        format!("{{{}}}", &(0..count).map(one).collect::<String>()[1..])
    };
    let notes: String = (0..600_000).map(|i| format!(r#","{i}":"""#)).collect();
    let headers = [
        repeated(r#"{"a":{"dtype":"U8","shape":[0"#, ",0", r#"],"data_offsets":[0,0]}}"#),
        repeated(r#"{"a":{"dtype":""#, "x", r#"","shape":[0],"data_offsets":[0,0]}}"#),
        repeated(r#"{"a":"#, "[", "}"),
        tensors(140_000, ""),
        tensors(65_536, &"x".repeat(65)),
        format!(r#"{{"__metadata__":{{{}}}}}"#, &notes[1..]),
    ];
    for (case, header) in headers.iter().enumerate() {
        assert!(header.len() <= 8 * MIB as usize, "{}", header.len());
        let bytes = file(header);
        let before = peak(true);
        let accepted = File::from_bytes("hostile", bytes).is_ok();
        let rise = peak(false) - before;
        println!("header {case}: accepted {accepted}, {} KiB", rise / 1024);
        assert!(rise <= header.len() as u64 + 64 * MIB, "header {case}: {rise}");
    }

    use png::{BitDepth::*, ColorType::*};
    let pictures = [
        ("largest grey", picture(GrayscaleAlpha, Sixteen, (8000, 5000), (8000, 5000))),
        ("largest colour", picture(Rgb, Eight, (8000, 5000), (8000, 5000))),
        ("data far longer than the picture", picture(Rgba, Sixteen, (8000, 5000), (1, 1))),
        ("picture far larger than the data", picture(Rgba, Eight, (1, 1), (8000, 5000))),
    ];
    for (case, bytes) in pictures {
        let before = peak(true);
        let accepted = decode(&bytes).is_ok();
        let rise = peak(false) - before;
        println!("{case}: accepted {accepted}, {} MiB", rise / MIB);
        assert!(rise <= 300 * MIB, "{case}: {rise}");
    }
}
