//! The matrix products of the default model: forward, gradient of the input, gradient of the weight.

use std::time::Instant;

use kernels::Cpu;
use kernels::gemm::{Epilogue, Layout, PackedMatrix, Precision, Update, matmul, measured_peak, weight_gradient};
use serde::Serialize;

use crate::{median, peer};

/// Name, rows of the input, outputs and inputs of each measured linear layer.
pub const SHAPES: [(&str, usize, usize, usize); 10] = [
    ("qkv, one 64 px picture", 16, 1152, 384),
    ("qkv, one 128 px picture", 64, 1152, 384),
    ("stem, batch 32", 2048, 128, 1024),
    ("attention output, batch 32", 2048, 384, 384),
    ("qkv, batch 32", 2048, 1152, 384),
    ("SwiGLU in, batch 32", 2048, 2048, 384),
    ("SwiGLU out, batch 32", 2048, 384, 1024),
    ("SwiGLU in, batch 128", 8192, 2048, 384),
    ("SwiGLU out, batch 128", 8192, 384, 1024),
    ("Newton-Schulz", 1152, 1152, 1152),
];

/// Which product of a linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// `x · wᵀ`
    Forward,
    /// `dy · w`
    InputGradient,
    /// `dyᵀ · x`
    WeightGradient,
}

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The layer.
    pub name: &'static str,
    /// The product.
    pub direction: Direction,
    /// Rows of the input.
    pub m: usize,
    /// Outputs of the layer.
    pub n: usize,
    /// Inputs of the layer.
    pub k: usize,
    /// The median time of one product.
    pub seconds: f64,
    /// The rate at that time.
    pub gflops: f64,
    /// Percent of the measured peak of all threads.
    pub percent_of_peak: f64,
    /// In f32: the median time of the `gemm` crate over ours, alternating. It takes operands as they are in memory, ours a
    /// weight packed before.
    pub ratio_to_gemm: Option<f64>,
}

/// Measures every shape of [`SHAPES`] in every direction.
pub fn products(cpu: &Cpu, precision: Precision) -> Vec<Row> {
    const ROUNDS: usize = 9;
    let threads = cpu.pool.threads();
    let peak = measured_peak(cpu.isa, precision) * threads as f64;
    let mut rows = Vec::new();
    for (name, m, n, k) in SHAPES {
        let values = |count: usize| (0..count).map(|i| (i % 251) as f32 / 251.0 - 0.5).collect::<Vec<f32>>();
        let (x, dy, w) = (values(m * k), values(m * n), values(n * k));
        let mut forward = PackedMatrix::new(cpu.isa, precision, k, n);
        forward.pack(cpu, &w, Layout::NK);
        let mut backward = PackedMatrix::new(cpu.isa, precision, n, k);
        backward.pack(cpu, &w, Layout::KN);
        let flops = 2.0 * (m * n * k) as f64;
        // About ten milliseconds a measurement.
        let repeats = (peak * 0.01 / flops).clamp(1.0, 100.0) as usize;
        for direction in [Direction::Forward, Direction::InputGradient, Direction::WeightGradient] {
            let size = match direction {
                Direction::Forward => m * n,
                Direction::InputGradient => m * k,
                Direction::WeightGradient => n * k,
            };
            let (mut out, mut peer_out) = (vec![0.0; size], vec![0.0; size]);
            let mut ours = || match direction {
                Direction::Forward => matmul(cpu, m, &x, &forward, &Epilogue::default(), &mut out),
                Direction::InputGradient => matmul(cpu, m, &dy, &backward, &Epilogue::default(), &mut out),
                Direction::WeightGradient => {
                    weight_gradient(cpu, precision, (m, n, k), &dy, &x, Update::Replace, &mut out)
                }
            };
            let mut peer = || match direction {
                Direction::Forward => peer::product((m, n, k), (&x, false), (&w, true), &mut peer_out, threads),
                Direction::InputGradient => peer::product((m, k, n), (&dy, false), (&w, false), &mut peer_out, threads),
                Direction::WeightGradient => peer::product((n, k, m), (&dy, true), (&x, false), &mut peer_out, threads),
            };
            let (mut our_times, mut peer_times) = (Vec::new(), Vec::new());
            for round in 0..=ROUNDS {
                let our_time = time(&mut ours, repeats);
                let peer_time = (precision == Precision::F32).then(|| time(&mut peer, repeats));
                // The first round warms up.
                if round > 0 {
                    our_times.push(our_time);
                    peer_times.extend(peer_time);
                }
            }
            let seconds = median(our_times);
            rows.push(Row {
                name,
                direction,
                m,
                n,
                k,
                seconds,
                gflops: flops / seconds / 1e9,
                percent_of_peak: 100.0 * flops / seconds / peak,
                ratio_to_gemm: (!peer_times.is_empty()).then(|| median(peer_times) / seconds),
            });
        }
    }
    rows
}

/// Seconds of one call, over `repeats` calls.
fn time(work: &mut dyn FnMut(), repeats: usize) -> f64 {
    let start = Instant::now();
    (0..repeats).for_each(|_| work());
    start.elapsed().as_secs_f64() / repeats as f64
}
