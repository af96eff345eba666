//! Products against their scalar definition, on every instruction set of the machine.

use simd::Isa;
use testkit::{Random, assert_close, assert_same_bits};

use super::*;
use crate::reference::gemm as reference;

/// Runs `test` for every instruction set and precision of the machine, with two threads, and prints which.
fn every_variant(test: impl Fn(&Cpu, Precision)) {
    for isa in Isa::available() {
        for precision in [Precision::F32, Precision::Bf16] {
            println!("{isa} {precision:?}");
            test(&Cpu::new(isa, 2), precision);
        }
    }
}

/// The error bound of a sum of `k` products of values in -1..1, relative part nil.
fn bound(k: usize) -> f32 {
    1e-6 * (k as f32).sqrt().max(1.0) * 4.0
}

const SHAPES: [(usize, usize, usize); 15] = [
    (1, 1, 1),
    (1, 48, 7),
    (3, 17, 33),
    (7, 96, 64),
    (9, 50, 31),
    (16, 128, 96),
    (33, 47, 65),
    (64, 112, 130),
    (65, 130, 384),
    (130, 33, 257),
    (5, 19, 2500),
    (67, 16, 2305),
    // Rows that are packed because their distance is a multiple of the caches', whole panels, and several chunks of them.
    (70, 80, 512),
    (13, 64, 1024),
    (9, 64, 2400),
];

/// Without this, the fall-back to AVX512-BF16 would hide broken tiles from the tests below.
#[cfg(target_arch = "x86_64")]
#[test]
fn tiles_are_used_where_there_are_any() {
    let tiled = micro::Micro::choose(Isa::detected(), Precision::Bf16) == micro::Micro::Amx;
    assert_eq!(tiled, Isa::detected() >= Isa::Amx);
}

#[test]
fn matmul_matches_its_definition() {
    every_variant(|cpu, precision| {
        let mut random = Random::new(1);
        for (m, n, k) in SHAPES {
            let a = random.uniform_vec(m * k);
            let w = random.uniform_vec(n * k);
            let bias = random.uniform_vec(n);
            let residual = random.uniform_vec(m * n);
            let mut packed = PackedMatrix::new(cpu.isa, precision, k, n);
            packed.pack(cpu, &w, Layout::NK);
            let transposed: Vec<f32> = (0..k * n).map(|i| w[i % n * k + i / n]).collect();
            let mut packed_kn = PackedMatrix::new(cpu.isa, precision, k, n);
            packed_kn.pack(cpu, &transposed, Layout::KN);
            for epilogue in [
                Epilogue::default(),
                Epilogue { bias: Some(&bias), ..Default::default() },
                Epilogue { bias: Some(&bias), activation: Activation::Silu, residual: Some(&residual) },
                Epilogue { bias: None, activation: Activation::Gelu, residual: Some(&residual) },
                Epilogue { bias: None, activation: Activation::Tanh, residual: None },
                Epilogue { residual: Some(&residual), ..Default::default() },
            ] {
                let mut want = vec![0.0; m * n];
                reference::product(
                    precision,
                    (m, n, k),
                    |i, p| a[i * k + p],
                    |p, j| w[j * k + p],
                    &epilogue,
                    &mut want,
                );
                let mut got = vec![f32::NAN; m * n];
                matmul(cpu, m, &a, &packed, &epilogue, &mut got);
                assert_close(&format!("{m}x{n}x{k}"), &got, &want, 1e-6, bound(k));
                let mut again = vec![f32::NAN; m * n];
                matmul(cpu, m, &a, &packed_kn, &epilogue, &mut again);
                assert_same_bits("layouts", &again, &got);
            }
        }
    });
}

#[test]
fn unpacked_products_match_their_definition() {
    every_variant(|cpu, precision| {
        let mut random = Random::new(2);
        for (m, n, k) in SHAPES {
            let what = format!("{m}x{n}x{k}");
            let none = Epilogue::default();
            let mut want = vec![0.0; m * n];
            let mut got = vec![f32::NAN; m * n];
            let a = random.uniform_vec(m * k);
            let b = random.uniform_vec(n * k);

            reference::product(precision, (m, n, k), |i, p| a[i * k + p], |p, j| b[p * n + j], &none, &mut want);
            matmul_nn(cpu, precision, m, n, k, &a, &b, &mut got);
            assert_close(&what, &got, &want, 1e-6, bound(k));

            reference::product(precision, (m, n, k), |i, p| a[i * k + p], |p, j| b[j * k + p], &none, &mut want);
            got.fill(f32::NAN);
            matmul_nt(cpu, precision, m, n, k, &a, &b, &mut got);
            assert_close(&what, &got, &want, 1e-6, bound(k));

            // Rows of the gradient are outputs, here m; the sum is over k rows.
            reference::product(precision, (m, n, k), |i, p| a[p * m + i], |p, j| b[p * n + j], &none, &mut want);
            got.fill(f32::NAN);
            weight_gradient(cpu, precision, (k, m, n), &a, &b, Update::Replace, &mut got);
            assert_close(&what, &got, &want, 1e-6, bound(k));

            let mut sum = random.uniform_vec(m * n);
            want.iter_mut().zip(&sum).for_each(|(want, x)| *want += x);
            weight_gradient(cpu, precision, (k, m, n), &a, &b, Update::Add, &mut sum);
            assert_close(&what, &sum, &want, 1e-6, bound(k));
        }
    });
}

#[test]
fn symmetric_products_have_the_bits_of_whole_ones() {
    every_variant(|cpu, precision| {
        let mut random = Random::new(5);
        for (m, k) in [(1, 1), (7, 5), (16, 33), (17, 64), (48, 3), (65, 130), (100, 257), (256, 96), (203, 2400)] {
            let a = random.uniform_vec(m * k);
            let mut want = vec![0.0; m * m];
            matmul_nt(cpu, precision, m, m, k, &a, &a, &mut want);
            let mut symmetric = vec![f32::NAN; m * m];
            gram(cpu, precision, m, k, &a, &mut symmetric);
            assert_same_bits(&format!("gram {m}x{k}"), &symmetric, &want);

            matmul_nn(cpu, precision, m, m, m, &symmetric, &symmetric, &mut want);
            let mut square = vec![f32::NAN; m * m];
            symmetric_square(cpu, precision, m, &symmetric, &mut square);
            assert_same_bits(&format!("square {m}"), &square, &want);

            // What is not symmetric shows which half was computed, and that the other is its mirror.
            let a = random.uniform_vec(m * m);
            matmul_nn(cpu, precision, m, m, m, &a, &a, &mut want);
            symmetric_square(cpu, precision, m, &a, &mut square);
            let mirrored: Vec<f32> =
                (0..m * m).map(|p| (p / m, p % m)).map(|(i, j)| want[i.min(j) * m + i.max(j)]).collect();
            assert_same_bits(&format!("mirror {m}"), &square, &mirrored);
        }
    });
}

#[test]
fn column_sums() {
    let mut random = Random::new(3);
    for isa in Isa::available() {
        println!("{isa}");
        let cpu = Cpu::new(isa, 2);
        for (m, n) in [(1, 1), (5, 16), (200, 100), (0, 3), (64, 129)] {
            let dy = random.uniform_vec(m * n);
            let (mut got, mut want) = (vec![f32::NAN; n], vec![0.0; n]);
            column_sum(&cpu, m, n, &dy, &mut got);
            reference::column_sum(m, n, &dy, &mut want);
            assert_close(&format!("{m}x{n}"), &got, &want, 1e-6, 1e-5);
        }
    }
}

#[test]
fn a_row_has_the_same_bits_anywhere_and_for_any_thread_count() {
    every_variant(|cpu, precision| {
        let (m, n, k) = (203, 150, 2400);
        let mut random = Random::new(4);
        let a = random.uniform_vec(m * k);
        let w = random.uniform_vec(n * k);
        let bias = random.uniform_vec(n);
        let epilogue = Epilogue { bias: Some(&bias), activation: Activation::Gelu, residual: None };
        let mut packed = PackedMatrix::new(cpu.isa, precision, k, n);
        packed.pack(cpu, &w, Layout::NK);
        let mut all = vec![0.0; m * n];
        matmul(cpu, m, &a, &packed, &epilogue, &mut all);
        for (first, count) in [(0, 1), (17, 1), (60, 9), (199, 4), (3, 100)] {
            let mut part = vec![0.0; count * n];
            matmul(cpu, count, &a[first * k..(first + count) * k], &packed, &epilogue, &mut part);
            assert_same_bits("part", &part, &all[first * n..(first + count) * n]);
        }
        for threads in [1, 3] {
            let other = Cpu::new(cpu.isa, threads);
            let mut again = vec![0.0; m * n];
            matmul(&other, m, &a, &packed, &epilogue, &mut again);
            assert_same_bits("threads", &again, &all);
        }
    });
}

#[test]
fn unpacked_products_have_the_same_bits_for_any_thread_count() {
    every_variant(|cpu, precision| {
        let (m, n, k) = (103, 150, 1100);
        let mut random = Random::new(6);
        let (a, b) = (random.uniform_vec(m * k), random.uniform_vec(n * k));
        let run = |cpu: &Cpu| {
            let mut out = vec![0.0; 4 * m * n];
            let (nn, rest) = out.split_at_mut(m * n);
            let (nt, rest) = rest.split_at_mut(m * n);
            let (gradient, symmetric) = rest.split_at_mut(m * n);
            matmul_nn(cpu, precision, m, n, k, &a, &b, nn);
            matmul_nt(cpu, precision, m, n, k, &a, &b, nt);
            weight_gradient(cpu, precision, (k, m, n), &a, &b, Update::Replace, gradient);
            gram(cpu, precision, m, k, &a, &mut symmetric[..m * m]);
            out
        };
        let want = run(cpu);
        for threads in [1, 3, 7] {
            assert_same_bits(&format!("{threads} threads"), &run(&Cpu::new(cpu.isa, threads)), &want);
        }
    });
}

#[test]
fn empty_sums_and_outputs() {
    every_variant(|cpu, precision| {
        let packed = PackedMatrix::new(cpu.isa, precision, 0, 20);
        let bias = vec![2.0; 20];
        let mut out = vec![f32::NAN; 60];
        matmul(cpu, 3, &[], &packed, &Epilogue { bias: Some(&bias), ..Default::default() }, &mut out);
        assert_eq!(out, vec![2.0; 60]);
        weight_gradient(cpu, precision, (0, 3, 20), &[], &[], Update::Replace, &mut out);
        assert_eq!(out, vec![0.0; 60]);
        out.fill(3.0);
        weight_gradient(cpu, precision, (0, 3, 20), &[], &[], Update::Add, &mut out);
        assert_eq!(out, vec![3.0; 60]);
        matmul(cpu, 0, &[], &packed, &Epilogue::default(), &mut []);
        matmul_nn(cpu, precision, 2, 0, 5, &[0.0; 10], &[], &mut []);
        gram(cpu, precision, 0, 5, &[], &mut []);
        let mut out = vec![f32::NAN; 9];
        gram(cpu, precision, 3, 0, &[], &mut out);
        assert_eq!(out, vec![0.0; 9]);
    });
}

#[test]
fn rounding_to_bf16() {
    assert_eq!(round_to_bf16(1.0), 1.0);
    // 1 + 2^-8 lies half-way: to even, 1. One bit more: up.
    assert_eq!(round_to_bf16(1.0 + 1.0 / 256.0), 1.0);
    assert_eq!(round_to_bf16(1.0 + 1.0 / 256.0 + 1.0 / 65536.0), 1.0 + 1.0 / 128.0);
    assert_eq!(round_to_bf16(f32::MAX), f32::INFINITY);
    assert!(round_to_bf16(f32::from_bits(0x7f80_0001)).is_nan());
    assert_eq!(round_to_bf16(-0.0).to_bits(), (-0.0f32).to_bits());
}
