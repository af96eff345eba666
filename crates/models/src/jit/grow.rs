//! A trained network becomes a larger one and goes on learning.
//!
//! * Patches twice as large, for pictures twice as large: the same tokens. The larger network first sees the mean of every four
//!   pixels and gives four equal pixels, so it draws what the smaller one drew, twice as large; training then teaches it the
//!   detail. The mean of four pixels has half their noise, which is why the noise is scaled by two (as in "JiT",
//!   arXiv 2511.13720, section 4, for its larger pictures).
//! * A detail network beside the trunk, whose correction is zero at first.
//! * An embedding of the step's length, which is zero at first.
//! * A finisher, which corrects nothing at first. The other way round it is left out, because it is trained for one network; so is an
//!   early expert.

use graph::{ParameterError, Parameters};

use crate::jit::{Config, initial_parameters};

/// The parameters of the `wanted` network from those of one that it grows from; `None` if it does not grow from that one. New
/// parameters start from `seed`.
pub fn grow(
    found: &Config,
    parameters: &Parameters,
    wanted: &Config,
    seed: u64,
) -> Result<Option<Parameters>, ParameterError> {
    let (mut config, mut parameters) = (found.clone(), parameters.clone());
    if 2 * config.patch == wanted.patch {
        (config, parameters) = double_patch(&config, &parameters)?;
    }
    let grown = Config {
        detail_width: if config.detail_width == 0 { wanted.detail_width } else { config.detail_width },
        detail_blocks: if config.detail_width == 0 { wanted.detail_blocks } else { config.detail_blocks },
        finish_width: wanted.finish_width,
        early: wanted.early,
        step_length: config.step_length || wanted.step_length,
        ..config.clone()
    };
    if grown != config {
        config = grown;
        let trained = parameters;
        parameters = Parameters::new();
        for fresh in initial_parameters(&config, seed)?.iter() {
            let data = &trained.get(&fresh.name).unwrap_or(fresh).data;
            parameters.insert(&fresh.name, &fresh.shape, data.clone())?;
        }
    }
    Ok((config == *wanted).then_some(parameters))
}

/// The network with twice the patch, and its parameters.
fn double_patch(config: &Config, parameters: &Parameters) -> Result<(Config, Parameters), ParameterError> {
    let (patch, channels) = (config.patch, config.channels);
    let larger = Config { patch: 2 * patch, noise_scale: 2.0 * config.noise_scale, ..config.clone() };
    // The value of the small patch that a value of the large one stands for.
    let small: Vec<usize> = (0..larger.patch_values())
        .map(|i| {
            let (pixel, channel) = (i / channels, i % channels);
            let (row, column) = (pixel / (2 * patch), pixel % (2 * patch));
            (row / 2 * patch + column / 2) * channels + channel
        })
        .collect();
    let mut result = Parameters::new();
    for parameter in parameters.iter() {
        let (data, width) = (&parameter.data, config.patch_values());
        let (shape, data) = match parameter.name.as_str() {
            "stem.0.weight" => {
                let row = |row: &[f32]| small.iter().map(|&i| 0.25 * row[i]).collect::<Vec<f32>>();
                (vec![config.stem, larger.patch_values()], data.chunks_exact(width).flat_map(row).collect())
            }
            "head.weight" => {
                let row = |&i: &usize| data[i * config.width..][..config.width].iter().copied();
                (vec![larger.patch_values(), config.width], small.iter().flat_map(row).collect())
            }
            "head.bias" => (vec![larger.patch_values()], small.iter().map(|&i| data[i]).collect()),
            _ => (parameter.shape.clone(), data.clone()),
        };
        result.insert(&parameter.name, &shape, data)?;
    }
    Ok((larger, result))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use graph::{Executor, Graph, PackedParameters};
    use kernels::Cpu;
    use kernels::gemm::Precision;

    use super::*;
    use crate::jit::{Geometry, build};

    fn predict(config: &Config, parameters: &Parameters, side: usize, z: &[f32]) -> Vec<f32> {
        let cpu = Cpu::detected(1);
        let mut graph = Graph::new();
        let outputs =
            build(&mut graph, config, Geometry { batch: 1, height: side, width: side, text_tokens: 3 }).unwrap();
        graph.output("x", outputs.prediction).unwrap();
        let graph = Arc::new(graph);
        let packed = Arc::new(PackedParameters::new(&cpu, &[&graph], parameters, Precision::F32).unwrap());
        let mut executor = Executor::new(&cpu, graph, packed).unwrap();
        executor.set_input("z", z).unwrap();
        executor.set_input("t", &[0.4]).unwrap();
        if config.step_length {
            executor.set_input("step", &[0.25]).unwrap();
        }
        executor.input_mut("text").unwrap().iter_mut().enumerate().for_each(|(i, x)| *x = (i as f32).sin());
        executor.set_input("text_lengths", &[2.0]).unwrap();
        executor.run().unwrap();
        executor.output("x").to_vec()
    }

    #[test]
    fn the_larger_network_draws_the_same_twice_as_large() {
        let small = Config { width: 32, blocks: 2, heads: 2, hidden: 48, patch: 4, stem: 16, ..Config::default() };
        let mut parameters = initial_parameters(&small, 3).unwrap();
        // A fresh head gives zero.
        for (i, (_, _, data)) in parameters.iter_mut().enumerate() {
            data.iter_mut().enumerate().for_each(|(j, x)| *x += 0.05 * ((i * 131 + j * 7) as f32).sin());
        }
        let (large, doubled) = double_patch(&small, &parameters).unwrap();
        assert_eq!((large.patch, large.noise_scale), (8, 2.0));
        let z: Vec<f32> = (0..16 * 16 * 4).map(|i| (i as f32 * 0.37).sin()).collect();
        let mean = |y: usize, x: usize, c: usize| {
            let at = |dy: usize, dx: usize| z[((2 * y + dy) * 16 + 2 * x + dx) * 4 + c];
            0.25 * (at(0, 0) + at(0, 1) + at(1, 0) + at(1, 1))
        };
        let z_small: Vec<f32> = (0..8 * 8 * 4).map(|i| mean(i / 32, i / 4 % 8, i % 4)).collect();
        let (expected, got) = (predict(&small, &parameters, 8, &z_small), predict(&large, &doubled, 16, &z));
        assert!(expected.iter().any(|x| x.abs() > 0.1));
        for (i, got) in got.iter().enumerate() {
            let (y, x, c) = (i / 64, i / 4 % 16, i % 4);
            let expected = expected[(y / 2 * 8 + x / 2) * 4 + c];
            assert!((got - expected).abs() <= 1e-4, "{i}: {got} {expected}");
        }
    }

    #[test]
    fn fresh_additions_change_nothing() {
        let plain = Config { width: 32, blocks: 2, heads: 2, hidden: 48, patch: 8, stem: 16, ..Config::default() };
        let mut parameters = initial_parameters(&plain, 3).unwrap();
        for (i, (_, _, data)) in parameters.iter_mut().enumerate() {
            data.iter_mut().enumerate().for_each(|(j, x)| *x += 0.05 * ((i * 131 + j * 7) as f32).sin());
        }
        let detailed = Config { detail_width: 12, detail_blocks: 1, ..plain.clone() };
        let grown = grow(&plain, &parameters, &detailed, 5).unwrap().unwrap();
        let z: Vec<f32> = (0..16 * 16 * 4).map(|i| (i as f32 * 0.37).sin()).collect();
        let expected = predict(&plain, &parameters, 16, &z);
        assert_eq!(expected, predict(&detailed, &grown, 16, &z));
        let stepped = Config { step_length: true, ..detailed.clone() };
        let told = grow(&plain, &parameters, &stepped, 5).unwrap().unwrap();
        assert_eq!(expected, predict(&stepped, &told, 16, &z));
        assert_eq!(told, grow(&detailed, &grown, &stepped, 5).unwrap().unwrap());
        let other = Config { blocks: 3, ..detailed.clone() };
        assert_eq!(grow(&plain, &parameters, &other, 5), Ok(None));
        // Read as a velocity at time 0.4, the same numbers are another picture.
        let moving = Config { velocity: true, ..detailed.clone() };
        for ((found, still), z) in predict(&moving, &grown, 16, &z).into_iter().zip(&expected).zip(&z) {
            assert!((found - (z - 0.4 * still)).abs() <= 1e-5);
        }
        // Detail is not taken away again.
        assert_eq!(grow(&detailed, &grown, &plain, 5), Ok(None));
    }
}
