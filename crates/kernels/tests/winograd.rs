//! Winograd's convolutions against the scalar definition of convolutions.

mod common;

use common::{check, values};
use kernels::Cpu;
use kernels::conv::ConvShape;
use kernels::gemm::{Activation, Epilogue, PackedMatrix, Precision, Update};
use kernels::reference::{self, wide};
use kernels::winograd::*;
use simd::Isa;
use testkit::assert_same_bits;

const fn conv([batch, height, width, channels_in, channels_out]: [usize; 5], padding: [usize; 4]) -> ConvShape {
    let (kernel, stride, upsample, crop) = ((3, 3), 1, 1, (0, 0));
    ConvShape { batch, height, width, channels_in, channels_out, kernel, stride, padding, upsample, crop }
}

const fn doubled(shape: [usize; 5], crop: (usize, usize)) -> ConvShape {
    ConvShape { upsample: 2, crop, ..conv(shape, [1; 4]) }
}

const SHAPES: [ConvShape; 8] = [
    conv([1, 1, 1, 64, 64], [1; 4]),
    conv([2, 4, 6, 64, 80], [1; 4]),
    conv([1, 7, 5, 96, 64], [1; 4]),
    conv([1, 5, 4, 64, 112], [0; 4]),
    conv([1, 3, 9, 64, 64], [2, 0, 0, 1]),
    conv([3, 9, 11, 352, 64], [1; 4]),
    doubled([1, 4, 3, 64, 64], (0, 0)),
    doubled([2, 3, 3, 64, 96], (1, 1)),
];

fn packed(cpu: &Cpu, precision: Precision, shape: &ConvShape, w: &[f32]) -> PackedMatrix {
    let (k, n) = packed_size(precision, shape);
    let mut packed = PackedMatrix::new(cpu.isa, precision, k, n);
    pack_weight(cpu, shape, w, &mut packed);
    packed
}

#[test]
fn convolutions_match_reference() {
    for (i, shape) in SHAPES.iter().enumerate() {
        assert!(fits(shape));
        let (x, w) = (values(1, shape.input_len()), values(2, shape.weight_len()));
        let (bias, residual) = (values(3, shape.channels_out), values(4, shape.output_len()));
        let plain = reference::conv2d(shape, &wide(&x), &wide(&w));
        let biased: Vec<f64> =
            plain.iter().enumerate().map(|(i, y)| y + f64::from(bias[i % shape.channels_out])).collect();
        let fused: Vec<f64> = reference::silu(&biased).iter().zip(&residual).map(|(y, r)| y + f64::from(*r)).collect();
        // Operands are rounded to one part in 512; sums of hundreds of them, some of which cancel.
        for (precision, bound) in [(Precision::F32, 4e-6), (Precision::Bf16, 2e-2)] {
            check(&format!("winograd {i} {precision:?}"), bound, &[plain.clone(), fused.clone()], |cpu| {
                let packed = packed(cpu, precision, shape, &w);
                let mut out = vec![vec![f32::NAN; shape.output_len()]; 2];
                conv2d(cpu, shape, &x, &packed, &Epilogue::default(), &mut out[0]);
                let epilogue = Epilogue { bias: Some(&bias), activation: Activation::Silu, residual: Some(&residual) };
                conv2d(cpu, shape, &x, &packed, &epilogue, &mut out[1]);
                out
            });
        }
    }
}

/// Shapes whose gradients are made of more than one slice of squares and more than one block of channels.
const LARGER: [ConvShape; 2] = [conv([3, 32, 23, 64, 64], [1; 4]), conv([1, 35, 34, 96, 144], [0, 2, 1, 1])];

#[test]
fn gradients_match_reference() {
    for (i, shape) in SHAPES.iter().chain(&LARGER).enumerate() {
        let (x, w, dy) = (values(1, shape.input_len()), values(2, shape.weight_len()), values(3, shape.output_len()));
        let before = values(4, shape.weight_len());
        let dw = reference::conv2d_weight_gradient(shape, &wide(&dy), &wide(&x));
        let added = dw.iter().zip(&before).map(|(dw, before)| dw + f64::from(*before)).collect();
        let transposed = transposed(shape);
        assert_eq!(transposed.is_some(), shape.upsample == 1 && shape.channels_out.is_multiple_of(32));
        let dx = transposed.map(|_| reference::conv2d_input_gradient(shape, &wide(&dy), &wide(&w)));
        let expected: Vec<Vec<f64>> = [dw, added].into_iter().chain(dx).collect();
        for (precision, bound) in [(Precision::F32, 4e-6), (Precision::Bf16, 2e-2)] {
            check(&format!("winograd gradients {i} {precision:?}"), bound, &expected, |cpu| {
                let mut found = vec![vec![f32::NAN; w.len()], before.clone()];
                conv2d_weight_gradient(cpu, precision, shape, &dy, &x, Update::Replace, &mut found[0]);
                conv2d_weight_gradient(cpu, precision, shape, &dy, &x, Update::Add, &mut found[1]);
                if let Some(transposed) = &transposed {
                    let (k, n) = packed_size(precision, transposed);
                    let mut packed = PackedMatrix::new(cpu.isa, precision, k, n);
                    pack_transposed_weight(cpu, shape, &w, &mut packed);
                    let mut dx = vec![f32::NAN; x.len()];
                    conv2d_input_gradient(cpu, shape, &dy, &packed, &mut dx);
                    found.push(dx);
                }
                found
            });
        }
    }
}

#[test]
fn place_in_the_batch_changes_no_bit() {
    let shape = conv([3, 7, 9, 64, 64], [1; 4]);
    let (x, w) = (values(1, shape.input_len()), values(2, shape.weight_len()));
    for isa in Isa::available() {
        for precision in [Precision::F32, Precision::Bf16] {
            let cpu = Cpu::new(isa, 3);
            let packed = packed(&cpu, precision, &shape, &w);
            let mut all = vec![f32::NAN; shape.output_len()];
            conv2d(&cpu, &shape, &x, &packed, &Epilogue::default(), &mut all);
            let one = ConvShape { batch: 1, ..shape };
            for (x, all) in x.chunks_exact(one.input_len()).zip(all.chunks_exact(one.output_len())) {
                let mut alone = vec![f32::NAN; one.output_len()];
                conv2d(&Cpu::new(isa, 1), &one, x, &packed, &Epilogue::default(), &mut alone);
                assert_same_bits("a picture alone", &alone, all);
            }
        }
    }
}

#[test]
fn other_convolutions_do_not_fit() {
    let shape = conv([1, 8, 8, 64, 64], [1; 4]);
    assert!(fits(&shape));
    for other in [
        ConvShape { stride: 2, ..shape },
        ConvShape { kernel: (1, 1), ..shape },
        ConvShape { channels_in: 72, ..shape },
        ConvShape { channels_out: 72, ..shape },
        ConvShape { channels_out: 1280, ..shape },
        ConvShape { channels_in: 32, ..shape },
    ] {
        assert!(!fits(&other), "{other:?}");
    }
    assert!(transposed(&shape).is_some());
    for other in [ConvShape { padding: [3, 1, 1, 1], ..shape }, doubled([1, 8, 8, 64, 64], (0, 0))] {
        assert!(fits(&other) && transposed(&other).is_none(), "{other:?}");
    }
}
