//! Scalar definitions of the optimiser steps in f64; see `crate::optimise`.

use crate::optimise::{AdamWStep, MuonStep};

/// Definition of `optimise::adamw_step`.
pub fn adamw_step(s: &AdamWStep, params: &mut [f64], grads: &[f64], m: &mut [f64], v: &mut [f64]) {
    let (beta1, beta2) = (s.beta1 as f64, s.beta2 as f64);
    let correct1 = 1.0 - beta1.powf(s.step as f64);
    let correct2 = 1.0 - beta2.powf(s.step as f64);
    for i in 0..params.len() {
        let g = grads[i] * s.gradient_scale as f64;
        m[i] = beta1 * m[i] + (1.0 - beta1) * g;
        v[i] = beta2 * v[i] + (1.0 - beta2) * g * g;
        let update = m[i] / correct1 / ((v[i] / correct2).sqrt() + s.eps as f64);
        params[i] -= s.lr as f64 * (update + s.weight_decay as f64 * params[i]);
    }
}

/// Definition of `optimise::ema_update`.
pub fn ema_update(decay: f64, params: &[f64], average: &[f64]) -> Vec<f64> {
    params.iter().zip(average).map(|(p, a)| decay * a + (1.0 - decay) * p).collect()
}

/// Definition of `optimise::squared_norm`.
pub fn squared_norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum()
}

/// Definition of `optimise::muon_step`.
pub fn muon_step(s: &MuonStep, rows: usize, cols: usize, params: &mut [f64], grads: &[f64], buffer: &mut [f64]) {
    let momentum = s.momentum as f64;
    let mut u = vec![0.0; grads.len()];
    for i in 0..grads.len() {
        let g = grads[i] * s.gradient_scale as f64;
        buffer[i] = momentum * buffer[i] + g;
        u[i] = g + momentum * buffer[i];
    }
    let o = orthogonalise(s.coefficients, rows, cols, &u);
    let size = 0.2 * (rows.max(cols) as f64).sqrt();
    for i in 0..params.len() {
        params[i] -= s.lr as f64 * (size * o[i] + s.weight_decay as f64 * params[i]);
    }
}

/// Newton-Schulz iteration from `u / (1.01·‖u‖ + 1e-7)`, on the side with fewer rows.
pub fn orthogonalise(coefficients: &[[f32; 3]], rows: usize, cols: usize, u: &[f64]) -> Vec<f64> {
    if rows > cols {
        let o = orthogonalise(coefficients, cols, rows, &transpose(rows, cols, u));
        return transpose(cols, rows, &o);
    }
    let norm = squared_norm(u).sqrt() * 1.01 + 1e-7;
    let mut x: Vec<f64> = u.iter().map(|v| v / norm).collect();
    for c in coefficients {
        let [a, b, c] = c.map(f64::from);
        let gram = product(rows, rows, cols, &x, &transpose(rows, cols, &x));
        let square = product(rows, rows, rows, &gram, &gram);
        let mix: Vec<f64> = gram.iter().zip(&square).map(|(g, s)| b * g + c * s).collect();
        let y = product(rows, cols, rows, &mix, &x);
        x = x.iter().zip(&y).map(|(x, y)| a * x + y).collect();
    }
    x
}

fn transpose(rows: usize, cols: usize, x: &[f64]) -> Vec<f64> {
    (0..x.len()).map(|i| x[i % rows * cols + i / rows]).collect()
}

fn product(m: usize, n: usize, k: usize, a: &[f64], b: &[f64]) -> Vec<f64> {
    let mut c = vec![0.0; m * n];
    for i in 0..m {
        for p in 0..k {
            for j in 0..n {
                c[i * n + j] += a[i * k + p] * b[p * n + j];
            }
        }
    }
    c
}
