//! The jit network against a plain float64 implementation (`golden/make_jit.py`, which also says how to
//! make the values again): another language, written from the description.

use std::sync::Arc;

use graph::{Executor, Graph, PackedParameters, Parameters, Precision};
use models::Init;
use models::jit::{self, Config, Geometry};

const CONFIG: Config = Config {
    width: 32,
    blocks: 2,
    heads: 2,
    hidden: 24,
    patch: 8,
    channels: 4,
    stem: 12,
    text_width: 20,
    refiner_blocks: 1,
    noise_scale: 1.0,
    detail_width: 6,
    detail_blocks: 2,
    finish_width: 0,
    early: false,
    step_length: true,
    long_skips: true,
    velocity: true,
};
const GEOMETRY: Geometry = Geometry { batch: 2, height: 16, width: 24, text_tokens: 3 };

fn fill(count: usize, phase: usize, amplitude: f64, base: f64) -> Vec<f32> {
    (0..count).map(|i| (base + amplitude * (0.731 * i as f64 + 1.17 * phase as f64).sin()) as f32).collect()
}

fn parameters() -> Parameters {
    let mut parameters = Parameters::new();
    for (phase, spec) in jit::parameters(&CONFIG).into_iter().enumerate() {
        // Weights of many inputs are smaller, as trained ones are: each layer keeps the size of what it gets.
        let inputs = spec.shape[1..].iter().product::<usize>() as f64;
        let (amplitude, base) = match spec.init {
            Init::Ones => (0.2, 1.0),
            _ => (0.3 * (32.0 / inputs).sqrt().min(1.0), 0.0),
        };
        parameters.insert(&spec.name, &spec.shape, fill(spec.len(), phase, amplitude, base)).unwrap();
    }
    parameters
}

/// Largest error relative to the largest value, over both pictures.
fn error(isa: simd::Isa, precision: Precision) -> f64 {
    let cpu = kernels::Cpu::new(isa, 2);
    let golden: serde_json::Value = serde_json::from_str(include_str!("golden/jit.json")).unwrap();
    let parameters = parameters();
    assert_eq!(golden["parameters"], parameters.len());
    let mut graph = Graph::new();
    let outputs = jit::build(&mut graph, &CONFIG, GEOMETRY).unwrap();
    graph.output("x_hat", outputs.prediction).unwrap();
    let graph = Arc::new(graph::fuse::fuse(&graph));
    let packed = Arc::new(PackedParameters::new(&cpu, &[&graph], &parameters, precision).unwrap());
    let mut executor = Executor::new(&cpu, graph, packed).unwrap();
    executor.set_input("z", &fill(2 * 16 * 24 * 4, 100, 1.0, 0.0)).unwrap();
    executor.set_input("text", &fill(2 * 3 * 20, 101, 1.0, 0.0)).unwrap();
    executor.set_input("text_pooled", &fill(2 * 20, 102, 1.0, 0.0)).unwrap();
    executor.set_input("text_lengths", &[2.0, 3.0]).unwrap();
    executor.set_input("t", &[0.3, 0.9]).unwrap();
    executor.set_input("step", &[0.25, 0.0]).unwrap();
    executor.run().unwrap();
    let expected: Vec<f64> = golden["x_hat"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|picture| picture.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()))
        .collect();
    let found = executor.output("x_hat");
    assert_eq!(found.len(), expected.len());
    let largest = expected.iter().fold(0.0_f64, |largest, v| largest.max(v.abs()));
    // `max` would hide a NaN.
    found
        .iter()
        .zip(&expected)
        .map(|(f, e)| (f64::from(*f) - e).abs() / largest)
        .fold(0.0, |a, b| if b <= a { a } else { b })
}

#[test]
fn agrees_with_the_reference() {
    for isa in simd::Isa::available() {
        let error = error(isa, Precision::F32);
        println!("{isa}: {error:.2e}");
        assert!(error <= 1e-4, "{isa}: {error}");
    }
}

#[test]
fn bf16_is_close() {
    for isa in simd::Isa::available().into_iter().filter(|isa| *isa >= simd::Isa::Avx512Bf16) {
        let error = error(isa, Precision::Bf16);
        println!("{isa}: {error:.2e}");
        assert!(error <= 5e-2, "{isa}: {error}");
    }
}
