//! Opens a dataset and tells how long that took: `open DIR RESOLUTION`.

use std::path::Path;
use std::time::Instant;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [dir, resolution] = &arguments[..] else { return Err("usage: open DIR RESOLUTION".into()) };
    for split in data::Split::ALL {
        let start = Instant::now();
        let dataset = data::Dataset::open(Path::new(dir), resolution.parse()?, split)?;
        println!("{split}: {} records, {} skipped, {:.1?}", dataset.len(), dataset.skipped().len(), start.elapsed());
    }
    Ok(())
}
