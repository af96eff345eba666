//! Initial parameters from a seed.
//!
//! Each parameter draws from its own counter-based stream, addressed by (seed, FNV-1a hash of its
//! name), so that adding or reordering parameters leaves the others as they were.

use graph::{ParameterError, Parameters};
use sampling::noise::{NoiseAddress, Purpose, fill_normal};

use crate::parameter::{Init, ParameterSpec};

/// The parameters an untrained network starts from, in the order of `specs`.
pub fn initial_parameters(specs: &[ParameterSpec], seed: u64) -> Result<Parameters, ParameterError> {
    let mut result = Parameters::new();
    for spec in specs {
        let data = match spec.init {
            Init::Zeros => vec![0.0; spec.len()],
            Init::Ones => vec![1.0; spec.len()],
            Init::Normal(deviation) => {
                let (image, step) = stream(&spec.name);
                let mut data = vec![0.0; spec.len()];
                fill_normal(NoiseAddress { seed, image, step, purpose: Purpose::Parameters }, &mut data);
                data.iter_mut().for_each(|value| *value *= deviation);
                data
            }
        };
        result.insert(&spec.name, &spec.shape, data)?;
    }
    Ok(result)
}

/// The 64-bit FNV-1a hash of a name, in two halves.
fn stream(name: &str) -> (u32, u32) {
    let hash = name
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    (hash as u32, (hash >> 32) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jit::{Config, parameters};

    #[test]
    fn has_the_stated_deviation_and_depends_on_name_and_seed() {
        let config = Config { blocks: 2, ..Config::default() };
        let a = initial_parameters(&parameters(&config), 1).unwrap();
        let b = initial_parameters(&parameters(&config), 2).unwrap();
        let key = "blocks.0.mlp.down.weight";
        let values = &a.get(key).unwrap().data;
        let variance = values.iter().map(|v| f64::from(v * v)).sum::<f64>() / values.len() as f64;
        assert!((variance * (config.width + config.hidden) as f64 / 2.0 - 1.0).abs() <= 0.02, "{variance}");
        assert_ne!(values, &b.get(key).unwrap().data);
        assert_ne!(values, &a.get("blocks.1.mlp.down.weight").unwrap().data);
        assert!(a.get("head.weight").unwrap().data.iter().all(|v| *v == 0.0));
        assert!(a.get("refiner.norm.weight").unwrap().data.iter().all(|v| *v == 1.0));
    }

    #[test]
    fn name_hash_is_fnv_1a() {
        // Published test vector: FNV-1a of "foobar" is 85944171f73967e8.
        assert_eq!(stream("foobar"), (0xf739_67e8, 0x8594_4171));
    }
}
