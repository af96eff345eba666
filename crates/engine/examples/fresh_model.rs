//! Writes an untrained model file of the default sizes: `fresh_model OUT.safetensors [SIDE]`. Its
//! pictures are noise; it serves to try commands and to measure time before a model is trained.

use std::path::PathBuf;

use engine::ModelInfo;
use models::jit;
use sampling::noise::{NoiseAddress, Purpose, fill_normal};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let path = PathBuf::from(args.next().ok_or("usage: fresh_model OUT.safetensors [SIDE]")?);
    let image_size = args.next().map_or(Ok(128), |side| side.parse())?;
    let config = jit::Config::default();
    let mut parameters = jit::initial_parameters(&config, 1)?;
    // A fresh network predicts zero; random heads and gates make it do real work.
    for (i, (_, _, data)) in parameters.iter_mut().enumerate() {
        if data.iter().all(|value| *value == 0.0) {
            fill_normal(NoiseAddress { seed: 2, image: i as u32, step: 0, purpose: Purpose::Parameters }, data);
            data.iter_mut().for_each(|value| *value *= 0.02);
        }
    }
    let info = ModelInfo { name: "fresh".into(), config, image_size, text_tokens: 16, pictures_seen: 0, shifts: 1 };
    println!("{} {}", engine::model::write(&path, &info, &parameters)?, path.display());
    Ok(())
}
