//! Trains a judge with another number of pictures than `calotype eval --suite full` would: `judge DATASET OUT.safetensors PICTURES`.

use std::path::Path;

use engine::Options;
use train::evaluate::judge;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let [_, data, output, pictures] = &args[..] else {
        return Err("usage: judge DATASET OUT.safetensors PICTURES".into());
    };
    let (cpu, _) = Options::default().resolve()?;
    judge::train(&cpu, Path::new(data), Path::new(output), pictures.parse()?, &|| false, &mut |share, loss| {
        eprint!("\r{:.1} %, loss {loss:.3} ", 100.0 * share);
    })?;
    Ok(())
}
