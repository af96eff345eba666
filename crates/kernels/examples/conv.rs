//! Speed of convolutions beside the measured peak: `cargo run --release -p kernels --example conv [threads]`.

use std::time::Instant;

use kernels::Cpu;
use kernels::conv::*;
use kernels::gemm::{Epilogue, PackedMatrix, Precision, Update, measured_peak};

/// One line: the best of several runs.
fn measure(what: &str, shape: &ConvShape, peak: f64, mut f: impl FnMut()) {
    let (height, width) = shape.output();
    let flops = 2.0 * (shape.batch * height * width * shape.weight_len()) as f64;
    f();
    let mut best = f64::INFINITY;
    let begin = Instant::now();
    while begin.elapsed().as_millis() < 150 {
        let start = Instant::now();
        f();
        best = best.min(start.elapsed().as_secs_f64());
    }
    let ConvShape { batch, height, width, channels_in, channels_out, .. } = shape;
    let rate = flops / best;
    println!(
        "{what:16} [{batch}, {height}, {width}, {channels_in}] -> {channels_out}: {:8.2} ms {:7.1} GFLOP/s {:5.1} %",
        best * 1e3,
        rate / 1e9,
        100.0 * rate / peak
    );
}

fn main() {
    let threads = std::env::args().nth(1).and_then(|t| t.parse().ok()).unwrap_or(1);
    let isa = simd::Isa::from_env().unwrap_or_else(|e| panic!("{e}"));
    let cpu = &Cpu::new(isa, threads);
    let value = |i: usize| ((i * 7919 + 13) % 1000) as f32 / 500.0 - 1.0;
    for precision in [Precision::Bf16, Precision::F32] {
        let peak = threads as f64 * measured_peak(isa, precision);
        println!("{isa} {precision:?}, {threads} threads, peak {:.1} GFLOP/s", peak / 1e9);
        for (batch, side, channels) in [(1, 64, 320), (1, 32, 640), (16, 128, 48)] {
            let shape = ConvShape {
                batch,
                height: side,
                width: side,
                channels_in: channels,
                channels_out: channels,
                kernel: (3, 3),
                stride: 1,
                padding: [1; 4],
                upsample: 1,
                crop: (0, 0),
            };
            let x: Vec<f32> = (0..shape.input_len()).map(value).collect();
            let w: Vec<f32> = (0..shape.weight_len()).map(value).collect();
            let mut y = vec![0.0; shape.output_len()];
            let mut packed = PackedMatrix::new(isa, precision, shape.patch(), channels);
            pack_weight(cpu, &shape, &w, &mut packed);
            measure("forward", &shape, peak, || conv2d(cpu, &shape, &x, &packed, &Epilogue::default(), &mut y));
            let mut transposed = PackedMatrix::new(isa, precision, shape.transposed_patch(), channels);
            pack_transposed_weight(cpu, &shape, &w, &mut transposed);
            let mut dx = vec![0.0; x.len()];
            measure("input gradient", &shape, peak, || {
                conv2d_input_gradient(cpu, &shape, &y, &transposed, &mut dx);
            });
            let mut dw = vec![0.0; w.len()];
            measure("weight gradient", &shape, peak, || {
                conv2d_weight_gradient(cpu, precision, &shape, &y, &x, Update::Replace, &mut dw);
            });
        }
    }
}
