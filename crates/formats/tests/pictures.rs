//! PNG round trips with recipes, foreign colour types, and hostile pictures.

use formats::picture::{
    MAX_TEXT, Picture, PictureError, decode, encode, premultiply, read, unpremultiply, with_text, write,
};
use proptest::prelude::*;

fn pixels(width: u32, height: u32) -> Vec<u8> {
    (0..width * height * 4).map(|i| (i * 37 % 251) as u8).collect()
}

#[test]
fn pixels_and_recipes_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("p.png");
    let long = "x".repeat(100_000);
    let text = [
        ("calotype", r#"{"prompt":"猫","seed":1}"#),
        ("parameters", "a cat\nSteps: 25"),
        ("latin", "café"),
        ("long", &long),
        ("empty", ""),
    ];
    write(&path, 7, 5, &pixels(7, 5), &text).unwrap();
    let picture = read(&path).unwrap();
    assert_eq!((picture.width, picture.height, picture.pixels.clone()), (7, 5, pixels(7, 5)));
    for (key, value) in text {
        assert_eq!(picture.text(key), Some(value), "{key}");
    }
    assert_eq!(picture.text("none"), None);
    assert_eq!(encode(7, 5, &pixels(7, 5), &text).unwrap(), std::fs::read(&path).unwrap(), "same picture, same bytes");
}

#[test]
fn text_is_replaced_and_the_rest_stays() {
    let before =
        encode(7, 5, &pixels(7, 5), &[("calotype", "{}"), ("parameters", "old"), ("parameters2", "x")]).unwrap();
    let after = with_text(&before, &[("parameters", "neu 猫"), ("more", "y")]).unwrap();
    let picture = decode(&after).unwrap();
    assert_eq!(picture.pixels, pixels(7, 5));
    for (key, value) in [("calotype", "{}"), ("parameters", "neu 猫"), ("parameters2", "x"), ("more", "y")] {
        assert_eq!(picture.text(key), Some(value), "{key}");
    }
    assert_eq!(picture.text.len(), 4);
    assert_eq!(with_text(&before, &[]).unwrap(), before);
    assert!(matches!(with_text(&before, &[("", "x")]), Err(PictureError::Text { .. })));
    for length in 0..before.len() {
        assert!(with_text(&before[..length], &[("a", "b")]).is_err(), "{length}");
    }
}

#[test]
fn other_colour_types_become_rgba() {
    let make = |colour, depth, data: &[u8]| {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 2, 1);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        if colour == png::ColorType::Indexed {
            encoder.set_palette(vec![1, 2, 3, 4, 5, 6]);
            encoder.set_trns(vec![7]);
        }
        encoder.write_header().unwrap().write_image_data(data).unwrap();
        decode(&bytes).unwrap().pixels
    };
    use png::{BitDepth::*, ColorType::*};
    assert_eq!(make(Grayscale, Eight, &[9, 8]), [9, 9, 9, 255, 8, 8, 8, 255]);
    assert_eq!(make(Grayscale, One, &[0b0100_0000]), [0, 0, 0, 255, 255, 255, 255, 255]);
    assert_eq!(make(GrayscaleAlpha, Eight, &[9, 1, 8, 2]), [9, 9, 9, 1, 8, 8, 8, 2]);
    assert_eq!(make(Rgb, Eight, &[1, 2, 3, 4, 5, 6]), [1, 2, 3, 255, 4, 5, 6, 255]);
    assert_eq!(make(Rgb, Sixteen, &[1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0]), [1, 2, 3, 255, 4, 5, 6, 255]);
    assert_eq!(make(Indexed, Eight, &[0, 1]), [1, 2, 3, 7, 4, 5, 6, 255]);
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

fn header(width: u32, height: u32, depth_and_colour: [u8; 2]) -> Vec<u8> {
    let content = [&width.to_be_bytes()[..], &height.to_be_bytes(), &depth_and_colour, &[0, 0, 0]].concat();
    [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &content)].concat()
}

fn end() -> Vec<u8> {
    chunk(b"IEND", &[])
}

#[test]
fn hostile_pictures_are_refused() {
    let good = encode(4, 4, &pixels(4, 4), &[("k", "v")]).unwrap();
    let rgba = [8, 6];
    let with = |extra: Vec<u8>| [&good[..33], &extra, &good[33..]].concat();
    let text = |n: usize| chunk(b"tEXt", &[b"k\0".to_vec(), vec![b'x'; n]].concat());
    type Check = fn(&PictureError) -> bool;
    let cases: Vec<(&str, Vec<u8>, Check)> = vec![
        ("empty", vec![], |e| matches!(e, PictureError::NotPng)),
        ("jpeg", b"\xFF\xD8\xFF\xE0".to_vec(), |e| matches!(e, PictureError::NotPng)),
        ("signature only", good[..8].to_vec(), |e| matches!(e, PictureError::Truncated { at: 8 })),
        ("no header chunk", [&good[..8], &end()].concat(), |e| matches!(e, PictureError::NotPng)),
        ("short header chunk", [&good[..8], &chunk(b"IHDR", &[0; 7])].concat(), |e| matches!(e, PictureError::NotPng)),
        ("two headers", [header(4, 4, rgba), header(4, 4, rgba)[8..].to_vec()].concat(), |e| {
            matches!(e, PictureError::NotPng)
        }),
        ("no width", [header(0, 4, rgba), end()].concat(), |e| matches!(e, PictureError::Size { .. })),
        ("no height", [header(4, 0, rgba), end()].concat(), |e| matches!(e, PictureError::Size { .. })),
        ("too wide", [header(8193, 1, rgba), end()].concat(), |e| matches!(e, PictureError::Size { .. })),
        ("too high", [header(1, 8193, rgba), end()].concat(), |e| matches!(e, PictureError::Size { .. })),
        ("too large", [header(8192, 8192, rgba), end()].concat(), |e| matches!(e, PictureError::Size { .. })),
        ("largest numbers", [header(u32::MAX, u32::MAX, rgba), end()].concat(), |e| {
            matches!(e, PictureError::Size { .. })
        }),
        ("no data", [header(4, 4, rgba), end()].concat(), |e| matches!(e, PictureError::Decode(_))),
        ("unknown colour type", [header(4, 4, [8, 5]), end()].concat(), |e| matches!(e, PictureError::Decode(_))),
        ("unknown depth", [header(4, 4, [3, 6]), end()].concat(), |e| matches!(e, PictureError::Decode(_))),
        ("empty data", [header(4, 4, rgba), chunk(b"IDAT", &[]), end()].concat(), |e| {
            matches!(e, PictureError::Decode(_))
        }),
        ("junk data", [header(4, 4, rgba), chunk(b"IDAT", &[7; 99]), end()].concat(), |e| {
            matches!(e, PictureError::Decode(_))
        }),
        ("indexed, no palette", [header(4, 4, [8, 3]), chunk(b"IDAT", &[7; 9]), end()].concat(), |e| {
            matches!(e, PictureError::Decode(_))
        }),
        ("animated", with(chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0])), |e| matches!(e, PictureError::Animated)),
        ("frame data", with(chunk(b"fdAT", &[0; 8])), |e| matches!(e, PictureError::Animated)),
        ("long text", with(text(MAX_TEXT)), |e| matches!(e, PictureError::TooMuchText { .. })),
        ("much text", with(text(1000).repeat(1100)), |e| matches!(e, PictureError::TooMuchText { .. })),
        ("chunk longer than the file", [&good[..33], &[0x7F, 0xFF, 0xFF, 0xFF], b"tEXt"].concat(), |e| {
            matches!(e, PictureError::Truncated { at: 33 })
        }),
        ("largest chunk length", [&good[..33], &[0xFF; 4], b"juNk"].concat(), |e| {
            matches!(e, PictureError::Truncated { at: 33 })
        }),
        ("wrong checksum", [&good[..29], &[0; 4], &good[33..]].concat(), |e| matches!(e, PictureError::Decode(_))),
        ("text bomb", with(chunk(b"zTXt", &[&b"k\0\0"[..], &bomb(64 << 20)].concat())), |e| {
            matches!(e, PictureError::Text { .. })
        }),
        ("iTXt bomb", with(chunk(b"iTXt", &[&b"k\0\x01\0\0\0"[..], &bomb(64 << 20)].concat())), |e| {
            matches!(e, PictureError::Text { .. })
        }),
    ];
    for (case, bytes, check) in cases {
        let error = decode(&bytes).expect_err(case);
        assert!(check(&error), "{case}: {error:?}");
    }
    for length in 0..good.len() {
        assert!(decode(&good[..length]).is_err(), "{length}");
    }
}

/// zlib stream of many zeros, taken from a PNG whose filter bytes and pixels are zero.
fn bomb(bytes: usize) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, 8191, (bytes / 8192) as u32);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_filter(png::Filter::NoFilter);
    encoder.write_header().unwrap().write_image_data(&vec![0; bytes / 8192 * 8191]).unwrap();
    let mut at = 8;
    let mut stream = Vec::new();
    while at < file.len() {
        let length = u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        if &file[at + 4..at + 8] == b"IDAT" {
            stream.extend_from_slice(&file[at + 8..at + 8 + length]);
        }
        at += 12 + length;
    }
    stream
}

#[test]
fn what_must_not_be_encoded() {
    assert!(matches!(encode(2, 2, &[0; 15], &[]), Err(PictureError::Pixels { expected: 16, found: 15 })));
    assert!(matches!(encode(0, 2, &[], &[]), Err(PictureError::Size { .. })));
    assert!(matches!(encode(1, 1, &[0; 4], &[("k", &"x".repeat(MAX_TEXT))]), Err(PictureError::TooMuchText { .. })));
    assert!(matches!(encode(1, 1, &[0; 4], &[("", "x")]), Err(PictureError::Text { .. } | PictureError::Encode(_))));
    assert!(matches!(
        encode(1, 1, &[0; 4], &[(&"k".repeat(80), "x")]),
        Err(PictureError::Text { .. } | PictureError::Encode(_))
    ));
    let error = read(std::path::Path::new("/nowhere/x.png")).unwrap_err();
    assert!(matches!(error, PictureError::Io { .. }), "{error}");
}

#[test]
fn alpha_is_divided_out() {
    // Half-transparent red, opaque white, invisible, invisible with colour, out of range.
    let values = [
        0.0,
        -1.0,
        -1.0,
        0.0,
        1.0,
        1.0,
        1.0,
        1.0,
        -1.0,
        -1.0,
        -1.0,
        -1.0,
        1.0,
        1.0,
        1.0,
        -1.0,
        9.0,
        -9.0,
        f32::NAN,
        f32::INFINITY,
    ];
    let expected = [255, 0, 0, 128, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 255, 0, 0, 255];
    assert_eq!(unpremultiply(&values), expected);
}

proptest! {
    #[test]
    fn any_picture_round_trips(width in 1u32..20, height in 1u32..20, seed in any::<u32>(), note in any::<String>()) {
        let pixels: Vec<u8> = (0..width * height * 4).map(|i| (i.wrapping_mul(seed) >> 13) as u8).collect();
        prop_assume!(!note.contains('\0'));
        let bytes = encode(width, height, &pixels, &[("note", &note)]).unwrap();
        let text = vec![("note".to_owned(), note)];
        prop_assert_eq!(decode(&bytes).unwrap(), Picture { width, height, pixels, text });
    }

    #[test]
    fn damaged_pictures_are_no_panic(at in 0usize..120, byte in any::<u8>()) {
        let mut bytes = encode(6, 6, &pixels(6, 6), &[("k", "v")]).unwrap();
        let at = at % bytes.len();
        bytes[at] = byte;
        let _ = decode(&bytes);
    }

    #[test]
    fn premultiplying_is_undone(pixel in any::<[u8; 4]>()) {
        let back = unpremultiply(&premultiply(&pixel));
        if pixel[3] == 0 {
            prop_assert_eq!(back, vec![0; 4]);
        } else {
            prop_assert_eq!(back[3], pixel[3]);
            for c in 0..3 {
                prop_assert!(i32::from(back[c]).abs_diff(i32::from(pixel[c])) <= 1);
            }
        }
    }
}
