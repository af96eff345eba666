//! Optimiser steps against their scalar definitions, and what they promise: decay, orthogonality, update size.

mod common;

use common::{check, values};
use kernels::Cpu;
use kernels::gemm::Precision;
use kernels::optimise::*;
use kernels::reference::{self, wide};

const N: usize = 40_003;

#[test]
fn adamw_matches_reference() {
    let (p, g, m) = (values(1, N), values(2, N), values(3, N));
    let v: Vec<f32> = values(4, N).iter().map(|v| v * v).collect();
    let mut s =
        AdamWStep { lr: 1e-2, beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay: 0.1, step: 1, gradient_scale: 0.5 };
    for step in [1, 2, 1000] {
        s.step = step;
        let (mut p64, mut m64, mut v64) = (wide(&p), wide(&m), wide(&v));
        reference::adamw_step(&s, &mut p64, &wide(&g), &mut m64, &mut v64);
        check("adamw", 2e-6, &[p64, m64, v64], |cpu| {
            let (mut p, mut m, mut v) = (p.clone(), m.clone(), v.clone());
            adamw_step(cpu, &s, &mut p, &g, &mut m, &mut v);
            vec![p, m, v]
        });
    }
}

#[test]
fn average_and_norm_match_reference() {
    let (p, a, b) = (values(1, N), values(2, N), values(3, N));
    let want = [
        reference::ema_update(0.999f32 as f64, &wide(&p), &wide(&a)),
        reference::ema_update(0.9f32 as f64, &wide(&p), &wide(&b)),
        vec![reference::squared_norm(&wide(&p))],
        reference::scale(0.25, &wide(&p)),
    ];
    check("ema, norm, scale", 1e-6, &want, |cpu| {
        let (mut narrow, mut wide, mut scaled) = (a.clone(), b.clone(), p.clone());
        ema_update(cpu, [0.999, 0.9], &p, [&mut narrow, &mut wide]);
        scale_in_place(cpu, 0.25, &mut scaled);
        vec![narrow, wide, vec![squared_norm(cpu, &p) as f32], scaled]
    });
}

fn step(coefficients: &[[f32; 3]], precision: Precision) -> MuonStep<'_> {
    MuonStep { lr: 1.0, momentum: 0.95, weight_decay: 0.1, coefficients, precision, gradient_scale: 0.5 }
}

#[test]
fn muon_matches_reference() {
    for (rows, cols) in [(48, 48), (32, 96), (96, 40)] {
        let (p, g, b) = (values(1, rows * cols), values(2, rows * cols), values(3, rows * cols));
        for coefficients in [&NEWTON_SCHULZ_QUINTIC[..], &POLAR_EXPRESS[..5]] {
            let s = step(coefficients, Precision::F32);
            let (mut p64, mut b64) = (wide(&p), wide(&b));
            reference::muon_step(&s, rows, cols, &mut p64, &wide(&g), &mut b64);
            check(&format!("muon {rows}x{cols}"), 2e-4, &[p64, b64], |cpu| {
                let (mut p, mut b) = (p.clone(), b.clone());
                muon_step(cpu, &s, rows, cols, &mut p, &g, &mut b, &mut MuonScratch::default());
                vec![p, b]
            });
        }
    }
}

/// Least and largest singular value of the orthogonalised direction, by its Gram matrix's action on random vectors.
fn gram_error(rows: usize, cols: usize, o: &[f64]) -> f64 {
    let mut worst = 0.0f64;
    for seed in 0..8 {
        let x = wide(&values(100 + seed, rows));
        let y: Vec<f64> = (0..cols).map(|c| (0..rows).map(|r| o[r * cols + c] * x[r]).sum()).collect();
        worst = worst.max((reference::squared_norm(&y) / reference::squared_norm(&x) - 1.0).abs());
    }
    worst
}

#[test]
fn polar_express_is_nearer_to_orthogonal() {
    let (rows, cols) = (32, 64);
    let u = wide(&values(5, rows * cols));
    let quintic = gram_error(rows, cols, &reference::orthogonalise(&NEWTON_SCHULZ_QUINTIC, rows, cols, &u));
    let five = gram_error(rows, cols, &reference::orthogonalise(&POLAR_EXPRESS[..5], rows, cols, &u));
    let eight = gram_error(rows, cols, &reference::orthogonalise(&POLAR_EXPRESS, rows, cols, &u));
    println!("error of x·xᵀ: quintic {quintic:.3}, Polar Express 5 steps {five:.4}, 8 steps {eight:.6}");
    assert!(five < quintic && five < 0.1 && eight < 1e-3);
    // A single direction of any size becomes 1: the scalar iteration on [1e-3, 1].
    for x in [1e-3, 1e-2, 0.1, 0.5, 1.0] {
        let mut y: f64 = x;
        for c in POLAR_EXPRESS {
            let [a, b, c] = c.map(f64::from);
            y = y * (a + b * y * y + c * y.powi(4));
        }
        assert!((y - 1.0).abs() < 2e-3, "{x} -> {y}");
    }
}

#[test]
fn muon_update_has_matched_size() {
    let (rows, cols) = (64, 128);
    let (g, p) = (values(1, rows * cols), vec![0.0; rows * cols]);
    let cpu = Cpu::detected(1);
    let s = step(&POLAR_EXPRESS, Precision::auto(cpu.isa));
    let (mut p, mut b) = (p, vec![0.0; rows * cols]);
    muon_step(&cpu, &s, rows, cols, &mut p, &g, &mut b, &mut MuonScratch::default());
    let rms = (squared_norm(&cpu, &p) / p.len() as f64).sqrt();
    assert!((rms - 0.2).abs() < 0.01, "update RMS {rms}");
}
