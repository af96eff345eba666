//! Speed of the row kernels and of attention: best of several runs, `cargo run --release -p kernels --example rows [threads [convolutions|gradients|attention]]`.

use std::time::Instant;

use kernels::Cpu;
use kernels::attention::*;
use kernels::conv::*;
use kernels::elementwise::*;
use kernels::gemm::{Epilogue, PackedMatrix, Precision, Update};
use kernels::norm::*;
use kernels::optimise::*;
use kernels::winograd;

fn best(mut f: impl FnMut()) -> f64 {
    f();
    (0..60)
        .map(|_| {
            let start = Instant::now();
            f();
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min)
}

/// One line: time and memory traffic (each operand once).
fn traffic(what: &str, floats: usize, f: impl FnMut()) {
    let seconds = best(f);
    println!("{what:28} {:9.1} us {:7.1} GB/s", seconds * 1e6, floats as f64 * 4.0 / seconds / 1e9);
}

fn main() {
    let threads = std::env::args().nth(1).and_then(|t| t.parse().ok()).unwrap_or(1);
    let isa = simd::Isa::from_env().unwrap_or_else(|e| panic!("{e}"));
    let cpu = &Cpu::new(isa, threads);
    println!("{isa}, {threads} threads");
    let part = std::env::args().nth(2);
    if part.as_deref().is_none_or(|part| part == "convolutions") {
        convolutions(cpu);
    }
    if part.as_deref().is_none_or(|part| part == "gradients") {
        gradients(cpu);
    }
    if part.is_none() {
        rows(cpu);
        steps(cpu);
    }
    if part.is_some_and(|part| part != "attention") {
        return;
    }
    for (heads, d, tokens) in [(1, 40, 4096), (1, 64, 4096), (2, 80, 1024), (4, 160, 256), (1, 512, 1024)] {
        self_attention(cpu, heads, d, tokens);
    }
    for (tokens, text) in [(16, 16), (64, 32), (1024, 32)] {
        joint_attention(cpu, if tokens > 64 { 1 } else { 8 }, tokens, text);
    }
}

fn rows(cpu: &Cpu) {
    let (rows, d, rows_per_group, h) = (4096, 384, 16, 1024);
    let n = rows * d;
    let random = |n: usize, seed: u32| -> Vec<f32> {
        (0..n as u32).map(|i| (i.wrapping_mul(2654435761).wrapping_add(seed) >> 8) as f32 / 8388608.0 - 1.0).collect()
    };
    let (x, dy) = (random(n, 1), random(n, 2));
    let (mut y, mut rstd) = (vec![0.0; n], vec![0.0; rows]);
    let groups = rows / rows_per_group;
    let table = random(groups * d, 3);
    let weight = random(d, 4);
    let m = Modulation { scale: &table[..], shift: &table[..], stride: d, rows_per_group };
    let gate = GroupTable { data: &table[..], stride: d, rows_per_group };
    let (mut ga, mut gb) = (vec![0.0; groups * d], vec![0.0; groups * d]);
    let (mut wa, mut wb) = (vec![0.0; d], vec![0.0; d]);
    traffic("rms_norm modulated", 2 * n, || rms_norm(cpu, d, &x, None, Some(&m), 1e-6, &mut y, &mut rstd));
    traffic("rms_norm backward", 3 * n, || {
        let gradient = Some(ModulationGradient { scale: &mut ga, shift: &mut gb });
        rms_norm_backward(cpu, d, &x, None, Some(&m), &rstd, &dy, &mut y, None, gradient);
    });
    traffic("layer_norm", 2 * n, || layer_norm(cpu, d, &x, &weight, &weight, 1e-6, &mut y));
    traffic("layer_norm backward", 3 * n, || {
        layer_norm_backward(cpu, d, &x, &weight, 1e-6, &dy, &mut y, &mut wa, &mut wb);
    });
    traffic("add", 3 * n, || add(cpu, &x, &dy, &mut y));
    traffic("gated_add", 3 * n, || gated_add(cpu, d, &x, &dy, &gate, &mut y));
    traffic("gated_add backward", 4 * n, || gated_add_backward(cpu, d, &x, &gate, &dy, &mut y, Some(&mut ga)));
    traffic("gelu", 2 * n, || gelu(cpu, &x, &mut y));
    let (u, dh) = (random(rows * 2 * h, 5), random(rows * h, 6));
    let (mut s, mut du) = (vec![0.0; rows * h], vec![0.0; rows * 2 * h]);
    traffic("swiglu 1024", 3 * rows * h, || swiglu(cpu, h, &u, &mut s));
    traffic("swiglu 1024 backward", 5 * rows * h, || swiglu_backward(cpu, h, &u, &dh, &mut du));
    let parts = [Part::Query, Part::Key, Part::Value];
    let (qkv, dqkv) = (random(3 * n, 7), random(3 * n, 8));
    let (mut out, w, angle) = (vec![0.0; 3 * n], random(64, 9), random(16 * 32, 10));
    let config = QkNorm {
        heads: 6,
        d: 64,
        parts: &parts,
        query_weight: Some(&w[..]),
        key_weight: Some(&w[..]),
        eps: 1e-6,
        rotary: Some(Rotary { cos: &angle[..], sin: &angle[..] }),
    };
    traffic("qk_norm_rotary", 6 * n, || qk_norm_rotary(cpu, &config, &qkv, &mut out));
    traffic("qk_norm_rotary backward", 9 * n, || {
        qk_norm_rotary_backward(cpu, &config, &qkv, &dqkv, &mut out, Some(&mut wa[..64]), Some(&mut wb[..64]));
    });
}

fn steps(cpu: &Cpu) {
    let n = 4 << 20;
    let (mut p, g, mut m, mut v) = (vec![0.1; n], vec![0.2; n], vec![0.0; n], vec![0.0; n]);
    let s = AdamWStep { lr: 1e-3, beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay: 0.0, step: 1, gradient_scale: 1.0 };
    traffic("adamw 4M", 7 * n, || adamw_step(cpu, &s, &mut p, &g, &mut m, &mut v));
    traffic("ema 4M", 5 * n, || ema_update(cpu, [0.999, 0.9], &g, [&mut p, &mut m]));
    traffic("squared_norm 4M", n, || {
        squared_norm(cpu, &g);
    });
    let mut scratch = MuonScratch::default();
    for precision in [Precision::F32, Precision::auto(cpu.isa)] {
        let (rows, cols) = (2048, 384);
        let s = MuonStep {
            lr: 1e-3,
            momentum: 0.95,
            weight_decay: 0.0,
            coefficients: &POLAR_EXPRESS[..5],
            precision,
            gradient_scale: 1.0,
        };
        let len = rows * cols;
        let grads: Vec<f32> =
            (0..len as u32).map(|i| (i.wrapping_mul(2654435761) >> 8) as f32 / 8388608.0 - 1.0).collect();
        let seconds = best(|| muon_step(cpu, &s, rows, cols, &mut p[..len], &grads, &mut m[..len], &mut scratch));
        let flops = 5.0 * 2.0 * (2.0 * (cols * cols * rows) as f64 + (cols * cols * cols) as f64);
        println!("muon 2048x384 {precision:?}      {:12.1} us {:7.1} GFLOP/s", seconds * 1e6, flops / seconds / 1e9);
    }
}

fn same_size([batch, side, channels_in, channels_out]: [usize; 4]) -> ConvShape {
    let (height, width, kernel, stride, padding) = (side, side, (3, 3), 1, [1; 4]);
    ConvShape { batch, height, width, channels_in, channels_out, kernel, stride, padding, upsample: 1, crop: (0, 0) }
}

/// Gradients of convolutions of 3×3, direct and as Winograd's: pictures, side, channels. The first is the default model's.
fn gradients(cpu: &Cpu) {
    let precision = Precision::auto(cpu.isa);
    for sizes in [[32, 32, 64, 64], [8, 32, 128, 128], [4, 32, 320, 320]] {
        let shape = same_size(sizes);
        let (x, dy) = (vec![0.5; shape.input_len()], vec![0.5; shape.output_len()]);
        let (w, mut dw) = (vec![0.5; shape.weight_len()], vec![0.0; shape.weight_len()]);
        let mut dx = vec![0.0; shape.input_len()];
        let mut direct = PackedMatrix::new(cpu.isa, precision, shape.transposed_patch(), shape.channels_in);
        pack_transposed_weight(cpu, &shape, &w, &mut direct);
        let transposed = winograd::transposed(&shape).expect("3x3 at stride 1");
        let (k, n) = winograd::packed_size(precision, &transposed);
        let mut transformed = PackedMatrix::new(cpu.isa, precision, k, n);
        winograd::pack_transposed_weight(cpu, &shape, &w, &mut transformed);
        let seconds = [
            best(|| conv2d_input_gradient(cpu, &shape, &dy, &direct, &mut dx)),
            best(|| winograd::conv2d_input_gradient(cpu, &shape, &dy, &transformed, &mut dx)),
            best(|| conv2d_weight_gradient(cpu, precision, &shape, &dy, &x, Update::Add, &mut dw)),
            best(|| winograd::conv2d_weight_gradient(cpu, precision, &shape, &dy, &x, Update::Add, &mut dw)),
        ];
        let flops = 2.0 * (shape.output_len() * shape.patch()) as f64;
        let [input, fast_input, weight, fast_weight] = seconds.map(|seconds| flops / seconds / 1e9);
        println!(
            "gradients {sizes:?}: GFLOP/s, input {input:.1}, Winograd's {fast_input:.1}; weight {weight:.1}, Winograd's {fast_weight:.1}"
        );
    }
}

/// Convolutions of 3×3 as in the U-Nets and autoencoders of Stable Diffusion: side, channels.
fn convolutions(cpu: &Cpu) {
    let precision = Precision::auto(cpu.isa);
    for (side, channels_in, channels_out, upsample) in [
        (64, 320, 320, 1),
        (64, 640, 320, 1),
        (32, 640, 640, 1),
        (32, 1920, 640, 1),
        (32, 640, 640, 2),
        (128, 64, 64, 1),
        (128, 128, 128, 1),
        (128, 256, 256, 1),
        (64, 512, 512, 1),
    ] {
        let shape = ConvShape { upsample, ..same_size([1, side, channels_in, channels_out]) };
        let x = vec![0.5; shape.input_len()];
        let w = vec![0.5; shape.weight_len()];
        let mut out = vec![0.0; shape.output_len()];
        let flops = 2.0 * (shape.output_len() * shape.patch()) as f64;
        let mut direct = PackedMatrix::new(cpu.isa, precision, shape.patch(), channels_out);
        pack_weight(cpu, &shape, &w, &mut direct);
        let (k, n) = winograd::packed_size(precision, &shape);
        let mut transformed = PackedMatrix::new(cpu.isa, precision, k, n);
        winograd::pack_weight(cpu, &shape, &w, &mut transformed);
        let seconds = [
            best(|| conv2d(cpu, &shape, &x, &direct, &Epilogue::default(), &mut out)),
            best(|| winograd::conv2d(cpu, &shape, &x, &transformed, &Epilogue::default(), &mut out)),
        ];
        let [direct, winograd] = seconds.map(|seconds| flops / seconds / 1e9);
        println!(
            "conv {side} {channels_in} {channels_out} x{upsample}: {direct:7.1} GFLOP/s, Winograd's {winograd:7.1}"
        );
    }
}

/// Self-attention as in the U-Nets of Stable Diffusion: heads, values of a head, tokens.
fn self_attention(cpu: &Cpu, heads: usize, d: usize, tokens: usize) {
    let w = heads * d;
    let value = |i: usize| ((i * 7919 + 13) % 1000) as f32 / 500.0 - 1.0;
    let qkv: Vec<f32> = (0..tokens * 3 * w).map(value).collect();
    let part = |offset| Columns { data: &qkv[..], stride: 3 * w, offset };
    let segments = [Segment { k: part(w), v: part(2 * w), tokens, lengths: None }];
    let scale = AttentionShape::default_scale(d);
    let shape = AttentionShape { batch: 1, heads, d, queries: tokens, scale, causal: false };
    let (mut out, mut stats) = (vec![0.0; tokens * w], vec![0.0; heads * tokens]);
    let flops = 4.0 * (w * tokens * tokens) as f64;
    for precision in [Precision::F32, Precision::Bf16] {
        let seconds = best(|| attention(cpu, precision, &shape, part(0), &segments, &mut out, &mut stats));
        let what = format!("attention {heads}x{d}, {tokens} {precision:?}");
        println!("{what:28} {:9.1} us {:7.1} GFLOP/s", seconds * 1e6, flops / seconds / 1e9);
    }
}

fn joint_attention(cpu: &Cpu, batch: usize, tokens: usize, text: usize) {
    let (heads, d) = (6, 64);
    let w = heads * d;
    let value = |i: usize| ((i * 7919 + 13) % 1000) as f32 / 500.0 - 1.0;
    let qkv: Vec<f32> = (0..batch * tokens * 3 * w).map(value).collect();
    let kv: Vec<f32> = (0..batch * text * 2 * w).map(value).collect();
    let image = |offset| Columns { data: &qkv[..], stride: 3 * w, offset };
    let words = |offset| Columns { data: &kv[..], stride: 2 * w, offset };
    let segments = [
        Segment { k: image(w), v: image(2 * w), tokens, lengths: None },
        Segment { k: words(0), v: words(w), tokens: text, lengths: None },
    ];
    let scale = AttentionShape::default_scale(d);
    let shape = AttentionShape { batch, heads, d, queries: tokens, scale, causal: false };
    let (mut out, mut stats) = (vec![0.0; batch * tokens * w], vec![0.0; batch * heads * tokens]);
    let dout = out.clone();
    let flops = 2.0 * 2.0 * (batch * w * tokens * (tokens + text)) as f64;
    let what = format!("attention {batch}x6x{tokens}+{text}");
    let seconds = best(|| attention(cpu, Precision::Bf16, &shape, image(0), &segments, &mut out, &mut stats));
    println!("{what:28} {:9.1} us {:7.1} GFLOP/s", seconds * 1e6, flops / seconds / 1e9);
    let (mut dqkv, mut dkv) = (vec![0.0; qkv.len()], vec![0.0; kv.len()]);
    let a = |offset| Target { buffer: 0, stride: 3 * w, offset };
    let b = |offset| Target { buffer: 1, stride: 2 * w, offset };
    let targets = [SegmentTarget { k: a(w), v: a(2 * w) }, SegmentTarget { k: b(0), v: b(w) }];
    let seconds = best(|| {
        let buffers = &mut [&mut dqkv[..], &mut dkv[..]];
        attention_backward(cpu, &shape, image(0), &segments, &out, &stats, &dout, buffers, a(0), &targets);
    });
    println!("{:28} {:9.1} us {:7.1} GFLOP/s", "  backward", seconds * 1e6, 2.5 * flops / seconds / 1e9);
}
