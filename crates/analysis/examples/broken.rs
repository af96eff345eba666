//! Which pictures of folders are called broken, and why: for choosing the limits of `analysis::broken`.
//!
//! `cargo run --release -p analysis --example broken -- FOLDER...`

use std::collections::BTreeMap;

use analysis::{Picture, broken};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for folder in std::env::args().skip(1) {
        let (mut count, mut kinds) = (0, BTreeMap::<String, usize>::new());
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            let Ok(read) = formats::picture::read(&path) else { continue };
            count += 1;
            for fault in broken::faults(&Picture::new(read.width, read.height, read.pixels)?) {
                let text = fault.to_string();
                println!("{}: {text}", path.display());
                *kinds.entry(text.split(':').next().unwrap_or_default().to_owned()).or_default() += 1;
            }
        }
        println!("{folder}: {count} pictures, {kinds:?}");
    }
    Ok(())
}
