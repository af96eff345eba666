//! Pictures with their texts: any bytes give pixels of the stated size, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(picture) = formats::picture::decode(bytes) {
        assert_eq!(picture.pixels.len(), picture.width as usize * picture.height as usize * 4);
    }
});
