//! Shared by the kernel tests: every kernel on every instruction set this machine has, with 1, 2 and 3 threads.
#![allow(dead_code, reason = "each test binary uses its part")]

use kernels::Cpu;
use kernels::reference::narrow;
use simd::Isa;
use testkit::{Random, assert_close, assert_same_bits};

/// `n` repeatable values, approximately standard normal.
pub fn values(seed: u64, n: usize) -> Vec<f32> {
    Random::new(seed).normal_vec(n)
}

/// Runs `kernel` (which returns its outputs) on every instruction set; each output must be within
/// `tolerance · (|want| + largest |want|)` of the reference, and thread counts must not change a bit.
pub fn check(what: &str, tolerance: f32, want: &[Vec<f64>], kernel: impl Fn(&Cpu) -> Vec<Vec<f32>>) {
    for isa in Isa::available() {
        let got = kernel(&Cpu::new(isa, 1));
        assert_eq!(got.len(), want.len(), "{what}: outputs");
        for (i, (got, want)) in got.iter().zip(want).enumerate() {
            let largest = want.iter().filter(|w| w.is_finite()).fold(0.0f64, |m, w| m.max(w.abs())) as f32;
            let mut expected = vec![0.0; want.len()];
            narrow(want, &mut expected);
            assert_close(&format!("{what}, output {i}, {isa}"), got, &expected, tolerance, tolerance * largest);
        }
        for threads in [2, 3] {
            for (i, (one, many)) in got.iter().zip(kernel(&Cpu::new(isa, threads))).enumerate() {
                assert_same_bits(&format!("{what}, output {i}, {isa}, {threads} threads"), &many, one);
            }
        }
        println!("{what}: {isa}");
    }
}

/// Fails unless `gradient` is the derivative of `f` at `x`, by central differences in f64.
pub fn check_gradient(what: &str, f: impl Fn(&[f64]) -> f64, x: &[f64], gradient: &[f64]) {
    assert_eq!(x.len(), gradient.len(), "{what}: lengths");
    let mut x = x.to_vec();
    let largest = gradient.iter().fold(0.0f64, |m, g| m.max(g.abs()));
    assert!(largest > 0.0, "{what}: a gradient that is zero everywhere tests nothing");
    for i in 0..x.len() {
        let (at, h) = (x[i], 1e-5);
        x[i] = at + h;
        let high = f(&x);
        x[i] = at - h;
        let low = f(&x);
        x[i] = at;
        let slope = (high - low) / (2.0 * h);
        let error = (slope - gradient[i]).abs();
        assert!(error <= 1e-6 * (largest + 1.0), "{what}: gradient {i} is {}, differences give {slope}", gradient[i]);
    }
}

/// `Σ a·b`
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
