//! Pictures that are small as files and would be large, long or endless for whoever believes what they say of themselves.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use image::{ExtendedColorType, ImageEncoder};

/// All of them, by what they do. Each has to be refused.
pub fn all() -> Vec<(String, Vec<u8>)> {
    let mut all = png();
    all.extend(jpeg());
    all.extend(webp());
    all
}

/// `length` zeros, packed.
fn zeros(length: usize) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    let piece = vec![0; 1 << 20];
    for _ in 0..length >> 20 {
        encoder.write_all(&piece).unwrap();
    }
    encoder.write_all(&piece[..length & 0xf_ffff]).unwrap();
    encoder.finish().unwrap()
}

fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(kind);
    crc.update(content);
    [&(content.len() as u32).to_be_bytes()[..], kind, content, &crc.sum().to_be_bytes()].concat()
}

/// Width, height, bits, kind of colour, interlacing.
fn head(width: u32, height: u32, rest: [u8; 3]) -> Vec<u8> {
    let [bits, colour, interlaced] = rest;
    let sides = [width.to_be_bytes(), height.to_be_bytes()].concat();
    chunk(b"IHDR", &[&sides[..], &[bits, colour, 0, 0, interlaced]].concat())
}

fn png() -> Vec<(String, Vec<u8>)> {
    let file = |chunks: &[Vec<u8>]| [b"\x89PNG\r\n\x1a\n".to_vec(), chunks.concat(), chunk(b"IEND", b"")].concat();
    let mut all = Vec::new();
    let mut add = |name: &str, chunks: &[Vec<u8>]| all.push((format!("PNG: {name}"), file(chunks)));
    let data = chunk(b"IDAT", &zeros(64 << 20));
    for (width, height) in
        [(0, 0), (8193, 8), (8, 8193), (8192, 8192), (65_535, 65_535), (1 << 31, 1), (u32::MAX, u32::MAX)]
    {
        for interlaced in [0, 1] {
            add(
                &format!("{width} x {height}, interlaced {interlaced}"),
                &[head(width, height, [8, 6, interlaced]), data.clone()],
            );
        }
    }
    let small = || head(16, 16, [8, 6, 0]);
    let good = chunk(b"IDAT", &zeros(16 * (1 + 16 * 4)));
    for (kind, before) in [(b"zTXt", &b"k\0\0"[..]), (b"iTXt", b"k\0\x01\0\0\0")] {
        let text = chunk(kind, &[before, &zeros(64 << 20)].concat());
        add("text that unpacks to 64 MiB", &[small(), text, good.clone()]);
    }
    let text = |length| chunk(b"tEXt", &[b"k\0", &vec![b'x'; length][..]].concat());
    add("2 MiB of text", &[small(), text(2 << 20), good.clone()]);
    add("a thousand texts", &[small(), text(2 << 10).repeat(1000), good.clone()]);
    add("frames", &[small(), chunk(b"acTL", &[0, 0, 0xff, 0xff, 0, 0, 0, 0]), good.clone()]);
    add("data of a frame", &[small(), good.clone(), chunk(b"fdAT", &zeros(1 << 20))]);
    add("two heads", &[small(), head(8192, 4096, [8, 6, 0]), good.clone()]);
    add("no head", std::slice::from_ref(&good));
    add("no data", &[small()]);
    add("too little data", &[head(4000, 4000, [8, 6, 0]), chunk(b"IDAT", &zeros(1000))]);
    add("data that is not packed", &[small(), chunk(b"IDAT", &[0xaa; 4096])]);
    add("no palette", &[head(16, 16, [8, 3, 0]), good.clone()]);
    for rest in [[0, 6, 0], [3, 0, 0], [16, 3, 0], [255, 6, 0], [8, 1, 0], [8, 7, 0], [8, 6, 2]] {
        add(&format!("head {rest:?}"), &[head(16, 16, rest), good.clone()]);
    }
    let mut endless = [small(), vec![0x7f, 0xff, 0xff, 0xff], b"IDAT".to_vec(), vec![0; 64]].concat();
    endless.splice(0..0, *b"\x89PNG\r\n\x1a\n");
    all.push(("PNG: a chunk of 2 GiB".to_owned(), endless));
    all
}

fn jpeg() -> Vec<(String, Vec<u8>)> {
    let mut good = Vec::new();
    image::codecs::jpeg::JpegEncoder::new(&mut good)
        .write_image(&[90; 16 * 16 * 3], 16, 16, ExtendedColorType::Rgb8)
        .unwrap();
    let frame = good.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let mut all = Vec::new();
    let mut add = |name: String, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        all.push((format!("JPEG: {name}"), bytes));
    };
    for (height, width) in [(65_535_u16, 65_535_u16), (8193, 8), (8, 8193), (8192, 8192), (0, 16), (16, 0)] {
        for kind in [0xc0, 0xc2] {
            add(format!("{width} x {height}, frame {kind:x}"), &|bytes| {
                bytes[frame + 1] = kind;
                bytes[frame + 5..frame + 7].copy_from_slice(&height.to_be_bytes());
                bytes[frame + 7..frame + 9].copy_from_slice(&width.to_be_bytes());
            });
        }
    }
    add("255 colours".into(), &|bytes| bytes[frame + 9] = 255);
    add("nothing behind its head".into(), &|bytes| bytes.truncate(frame));
    all
}

fn webp() -> Vec<(String, Vec<u8>)> {
    let mut good = Vec::new();
    image::codecs::webp::WebPEncoder::new_lossless(&mut good)
        .write_image(&[90; 16 * 16 * 4], 16, 16, ExtendedColorType::Rgba8)
        .unwrap();
    let image = &good[12..];
    let file = |chunks: &[&[u8]]| {
        let content = chunks.concat();
        [b"RIFF", &(content.len() as u32 + 4).to_le_bytes()[..], b"WEBP", &content].concat()
    };
    // Flags, canvas less one in 24 bits each.
    let extended = |flags: u8, width: u32, height: u32| {
        let sides = [&(width - 1).to_le_bytes()[..3], &(height - 1).to_le_bytes()[..3]].concat();
        [b"VP8X\x0a\0\0\0", &[flags, 0, 0, 0][..], &sides].concat()
    };
    let mut all = Vec::new();
    let mut add = |name: String, bytes: Vec<u8>| all.push((format!("WebP: {name}"), bytes));
    for (width, height) in [(16_384, 16_384), (8193, 16), (1 << 24, 1 << 24)] {
        add(format!("canvas {width} x {height}"), file(&[&extended(0x10, width, height), image]));
    }
    add("frames".into(), file(&[&extended(0x12, 16, 16), b"ANIM\x06\0\0\0\0\0\0\0\0\0", image]));
    // Sides of a lossless picture: 14 bits each, less one.
    let mut large = good.clone();
    large[21..25].copy_from_slice(&(0x3fff_u32 | 0x3fff << 14).to_le_bytes());
    add("16384 x 16384 without loss".into(), large);
    add("cut off".into(), good[..good.len() / 2].to_vec());
    add("nothing".into(), file(&[]));
    all
}
