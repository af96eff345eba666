//! Convolutions and pixel shuffles against their scalar definitions.

mod common;

use common::{check, check_gradient, dot, values};
use kernels::Cpu;
use kernels::conv::*;
use kernels::elementwise::{PixelShape, pixel_shuffle, pixel_unshuffle};
use kernels::gemm::{Activation, Epilogue, PackedMatrix, Precision, Update, round_to_bf16};
use kernels::reference::{self, wide};
use simd::Isa;
use testkit::assert_same_bits;

const fn conv(
    [batch, height, width, channels_in, channels_out]: [usize; 5],
    kernel: (usize, usize),
    stride: usize,
    padding: [usize; 4],
    upsample: usize,
) -> ConvShape {
    ConvShape { batch, height, width, channels_in, channels_out, kernel, stride, padding, upsample, crop: (0, 0) }
}

const SHAPES: [ConvShape; 15] = [
    conv([1, 1, 1, 1, 1], (1, 1), 1, [0; 4], 1),
    conv([2, 1, 1, 20, 17], (3, 3), 1, [1; 4], 1),
    conv([2, 5, 7, 16, 33], (1, 1), 1, [0; 4], 1),
    conv([3, 6, 5, 3, 48], (3, 3), 1, [1; 4], 1),
    conv([2, 9, 11, 24, 3], (3, 3), 1, [1; 4], 1),
    conv([2, 7, 6, 10, 12], (5, 5), 1, [2; 4], 1),
    conv([1, 8, 9, 18, 21], (3, 3), 2, [0, 1, 0, 1], 1),
    conv([2, 9, 8, 5, 7], (3, 3), 2, [1; 4], 1),
    conv([1, 7, 10, 4, 6], (2, 4), 3, [2, 0, 1, 3], 1),
    conv([2, 4, 3, 6, 19], (3, 3), 1, [1; 4], 2),
    conv([1, 5, 4, 7, 5], (5, 3), 2, [1, 2, 0, 2], 2),
    conv([1, 1, 1, 32, 16], (3, 3), 1, [1; 4], 2),
    // More padding than the kernel reaches over.
    conv([1, 3, 4, 8, 9], (2, 1), 1, [3, 2, 1, 0], 1),
    // Sums of more than one chunk, even and odd.
    conv([1, 3, 2, 260, 17], (3, 3), 1, [1; 4], 1),
    conv([1, 2, 3, 257, 6], (3, 3), 1, [1, 1, 0, 1], 1),
];

/// Values of four bits: the sums of four weights that a doubled input makes are exact in bf16.
fn short(seed: u64, n: usize) -> Vec<f32> {
    values(seed, n).iter().map(|x| (x * 4.0).clamp(-15.0, 15.0).round() / 4.0).collect()
}

fn operand(precision: Precision, x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| if precision == Precision::Bf16 { round_to_bf16(x) } else { x }).map(f64::from).collect()
}

fn packed_weight(cpu: &Cpu, precision: Precision, shape: &ConvShape, w: &[f32]) -> PackedMatrix {
    let mut packed = PackedMatrix::new(cpu.isa, precision, shape.patch(), shape.channels_out);
    pack_weight(cpu, shape, w, &mut packed);
    packed
}

fn packed_transposed(cpu: &Cpu, precision: Precision, shape: &ConvShape, w: &[f32]) -> PackedMatrix {
    let mut packed = PackedMatrix::new(cpu.isa, precision, shape.transposed_patch(), shape.channels_in);
    pack_transposed_weight(cpu, shape, w, &mut packed);
    packed
}

/// Doubled pictures without their last row, their last column, or both.
const CROPPED: [ConvShape; 3] = [
    ConvShape { crop: (1, 0), ..conv([2, 4, 3, 6, 19], (3, 3), 1, [1; 4], 2) },
    ConvShape { crop: (0, 1), ..conv([1, 5, 4, 7, 5], (5, 3), 2, [1, 2, 0, 2], 2) },
    ConvShape { crop: (1, 1), ..conv([1, 1, 2, 32, 16], (3, 3), 1, [1; 4], 2) },
];

#[test]
fn convolutions_match_reference() {
    for (i, shape) in SHAPES.iter().chain(&CROPPED).enumerate() {
        for precision in [Precision::F32, Precision::Bf16] {
            let (x, w) = (values(1, shape.input_len()), short(2, shape.weight_len()));
            let (bias, residual) = (values(3, shape.channels_out), values(4, shape.output_len()));
            let plain = reference::conv2d(shape, &operand(precision, &x), &wide(&w));
            let biased: Vec<f64> =
                plain.iter().enumerate().map(|(i, y)| y + f64::from(bias[i % shape.channels_out])).collect();
            let fused: Vec<f64> =
                reference::silu(&biased).iter().zip(&residual).map(|(y, r)| y + f64::from(*r)).collect();
            check(&format!("conv {i} {precision:?}"), 4e-6, &[plain, fused], |cpu| {
                let packed = packed_weight(cpu, precision, shape, &w);
                let mut out = vec![vec![f32::NAN; shape.output_len()]; 2];
                conv2d(cpu, shape, &x, &packed, &Epilogue::default(), &mut out[0]);
                let epilogue = Epilogue { bias: Some(&bias), activation: Activation::Silu, residual: Some(&residual) };
                conv2d(cpu, shape, &x, &packed, &epilogue, &mut out[1]);
                out
            });
        }
    }
}

#[test]
fn gradients_match_reference() {
    for (i, shape) in SHAPES.iter().enumerate() {
        for precision in [Precision::F32, Precision::Bf16] {
            let (x, w, dy) =
                (values(1, shape.input_len()), short(2, shape.weight_len()), values(5, shape.output_len()));
            let before = values(6, shape.weight_len());
            let (x64, dy64) = (operand(precision, &x), operand(precision, &dy));
            let dx = reference::conv2d_input_gradient(shape, &dy64, &wide(&w));
            let dw = reference::conv2d_weight_gradient(shape, &dy64, &x64);
            let added = dw.iter().zip(&before).map(|(dw, before)| dw + f64::from(*before)).collect();
            check(&format!("conv gradients {i} {precision:?}"), 4e-6, &[dx, dw, added], |cpu| {
                let packed = packed_transposed(cpu, precision, shape, &w);
                let (mut dx, mut dw) = (vec![f32::NAN; x.len()], vec![f32::NAN; w.len()]);
                let mut added = before.clone();
                conv2d_input_gradient(cpu, shape, &dy, &packed, &mut dx);
                conv2d_weight_gradient(cpu, precision, shape, &dy, &x, Update::Replace, &mut dw);
                conv2d_weight_gradient(cpu, precision, shape, &dy, &x, Update::Add, &mut added);
                vec![dx, dw, added]
            });
        }
    }
}

#[test]
fn gradients_are_adjoint() {
    for shape in &SHAPES {
        for isa in Isa::available() {
            let cpu = &Cpu::new(isa, 2);
            let (x, w, dy) =
                (values(1, shape.input_len()), values(2, shape.weight_len()), values(3, shape.output_len()));
            let (mut y, mut dx, mut dw) = (vec![0.0; dy.len()], vec![0.0; x.len()], vec![0.0; w.len()]);
            let precision = Precision::F32;
            conv2d(cpu, shape, &x, &packed_weight(cpu, precision, shape, &w), &Epilogue::default(), &mut y);
            conv2d_input_gradient(cpu, shape, &dy, &packed_transposed(cpu, precision, shape, &w), &mut dx);
            conv2d_weight_gradient(cpu, precision, shape, &dy, &x, Update::Replace, &mut dw);
            let forward = dot(&wide(&y), &wide(&dy));
            let scale = dot(&wide(&y), &wide(&y)).sqrt() * dot(&wide(&dy), &wide(&dy)).sqrt();
            for (what, backward) in [("input", dot(&wide(&x), &wide(&dx))), ("weight", dot(&wide(&w), &wide(&dw)))] {
                let error = (forward - backward).abs();
                assert!(error <= 1e-6 * scale, "{what} of {shape:?}, {isa}: {forward} is not {backward}");
            }
        }
    }
}

#[test]
fn the_definition_is_a_convolution() {
    // Torch: conv2d of [[1, 2], [3, 4]] with [[1, 10], [100, 1000]], a column of zeros on the right.
    let shape = conv([1, 2, 2, 1, 1], (2, 2), 1, [0, 0, 0, 1], 1);
    let (x, w) = ([1.0, 2.0, 3.0, 4.0], [1.0, 10.0, 100.0, 1000.0]);
    assert_eq!(reference::conv2d(&shape, &x, &w), [4321.0, 402.0]);
    // Doubled, every second pixel, nothing padded: the four pixels of each square are one.
    let doubled = conv([1, 2, 2, 1, 1], (2, 2), 2, [0; 4], 2);
    assert_eq!(reference::conv2d(&doubled, &x, &w), [1111.0, 2222.0, 3333.0, 4444.0]);
    // One row above: the first two rows of the doubled picture are a zero row and row 0.
    let shifted = conv([1, 1, 1, 1, 1], (2, 1), 1, [1, 0, 0, 0], 2);
    assert_eq!(reference::conv2d(&shifted, &[7.0], &[1.0, 10.0]), [70.0, 70.0, 77.0, 77.0]);
    for shape in &SHAPES[..12] {
        let (x, w, dy) = (
            wide(&values(1, shape.input_len())),
            wide(&values(2, shape.weight_len())),
            wide(&values(3, shape.output_len())),
        );
        if x.len() * w.len() < 40_000 {
            let dx = reference::conv2d_input_gradient(shape, &dy, &w);
            check_gradient("dx", |v| dot(&reference::conv2d(shape, v, &w), &dy), &x, &dx);
            let dw = reference::conv2d_weight_gradient(shape, &dy, &x);
            check_gradient("dw", |v| dot(&reference::conv2d(shape, &x, v), &dy), &w, &dw);
        }
    }
}

#[test]
fn an_item_has_the_same_bits_alone() {
    for shape in [
        conv([5, 9, 10, 40, 50], (3, 3), 1, [1; 4], 1),
        conv([3, 11, 8, 7, 20], (3, 3), 2, [1; 4], 1),
        conv([3, 3, 4, 260, 9], (3, 3), 1, [1; 4], 2),
    ] {
        let one = ConvShape { batch: 1, ..shape };
        let (x, w, dy) = (values(1, shape.input_len()), values(2, shape.weight_len()), values(3, shape.output_len()));
        for isa in Isa::available() {
            for precision in [Precision::F32, Precision::Bf16] {
                let cpu = &Cpu::new(isa, 2);
                let packed = packed_weight(cpu, precision, &shape, &w);
                let transposed = packed_transposed(cpu, precision, &shape, &w);
                let (mut y, mut dx) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
                conv2d(cpu, &shape, &x, &packed, &Epilogue::default(), &mut y);
                conv2d_input_gradient(cpu, &shape, &dy, &transposed, &mut dx);
                for item in 0..shape.batch {
                    let input = item * one.input_len()..(item + 1) * one.input_len();
                    let output = item * one.output_len()..(item + 1) * one.output_len();
                    let (mut y1, mut dx1) = (vec![0.0; output.len()], vec![0.0; input.len()]);
                    conv2d(cpu, &one, &x[input.clone()], &packed, &Epilogue::default(), &mut y1);
                    conv2d_input_gradient(cpu, &one, &dy[output.clone()], &transposed, &mut dx1);
                    assert_same_bits("output", &y1, &y[output]);
                    assert_same_bits("input gradient", &dx1, &dx[input]);
                }
            }
        }
    }
}

#[test]
fn an_empty_batch_has_no_gradient() {
    let shape = conv([0, 4, 4, 3, 5], (3, 3), 1, [1; 4], 1);
    let cpu = &Cpu::detected(1);
    let w = values(1, shape.weight_len());
    let packed = packed_weight(cpu, Precision::F32, &shape, &w);
    conv2d(cpu, &shape, &[], &packed, &Epilogue::default(), &mut []);
    let mut dw = vec![f32::NAN; w.len()];
    conv2d_weight_gradient(cpu, Precision::F32, &shape, &[], &[], Update::Replace, &mut dw);
    assert_eq!(dw, vec![0.0; w.len()]);
}

#[test]
fn torch_weights_are_reordered() {
    let (co, ci, taps) = (2, 3, 4);
    let weight: Vec<f32> = (0..co * ci * taps).map(|i| i as f32).collect();
    let mut out = vec![0.0; weight.len()];
    weight_from_torch(ci, taps, &weight, &mut out);
    assert_eq!(out[(taps + 2) * ci + 1], weight[(ci + 1) * taps + 2]);
    assert_eq!(out[..6], [0.0, 4.0, 8.0, 1.0, 5.0, 9.0]);
}

#[test]
fn pixel_shuffles_match_reference_and_return() {
    for (batch, height, width, channels, factor) in
        [(2, 3, 5, 7, 2), (1, 4, 4, 48, 2), (2, 2, 3, 5, 3), (1, 2, 2, 3, 1)]
    {
        let shape = PixelShape { batch, height, width, channels, factor };
        let x = values(1, batch * height * width * channels * factor * factor);
        let want =
            [reference::pixel_shuffle(&shape, &wide(&x)), wide(&x), reference::pixel_unshuffle(&shape, &wide(&x))];
        check("pixel_shuffle", 0.0, &want, |cpu| {
            let mut out = vec![vec![9.0; x.len()]; 3];
            let (y, rest) = out.split_at_mut(1);
            pixel_shuffle(cpu, &shape, &x, &mut y[0]);
            pixel_unshuffle(cpu, &shape, &y[0], &mut rest[0]);
            pixel_unshuffle(cpu, &shape, &x, &mut rest[1]);
            out
        });
    }
    // One pixel of two channels, factor 2: channel 1 of the lower left fine pixel is value 1·4 + 1·2 + 0.
    let shape = PixelShape { batch: 1, height: 1, width: 1, channels: 2, factor: 2 };
    let x: Vec<f64> = (0..8).map(f64::from).collect();
    assert_eq!(reference::pixel_shuffle(&shape, &x), [0.0, 4.0, 1.0, 5.0, 2.0, 6.0, 3.0, 7.0]);
}
