//! Scalar definitions of the matrix products: sums over k in order, one f32 accumulator an output. With
//! [`Precision::Bf16`] both operands are rounded to bf16 first and the sum stays f32.

use crate::gemm::{Activation, Epilogue, Precision, round_to_bf16};

/// `x` as the product of `precision` sees it.
fn operand(precision: Precision, x: f32) -> f32 {
    match precision {
        Precision::F32 => x,
        Precision::Bf16 => round_to_bf16(x),
    }
}

/// The activation of one value.
pub fn activate(activation: Activation, x: f32) -> f32 {
    match activation {
        Activation::None => x,
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::Gelu => {
            let x = f64::from(x);
            (x * 0.5 * erfc(-x * std::f64::consts::FRAC_1_SQRT_2)) as f32
        }
        Activation::Tanh => x.tanh(),
    }
}

/// The complementary error function, error below 1e-13: a series near zero, a continued fraction beyond.
pub fn erfc(x: f64) -> f64 {
    let a = x.abs();
    let upper = if a < 3.0 {
        let (mut term, mut sum) = (a, a);
        for n in 1..120 {
            term *= -a * a / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        1.0 - sum * std::f64::consts::FRAC_2_SQRT_PI
    } else {
        let f = (1..60).rev().fold(a, |f, n| a + f64::from(n) / 2.0 / f);
        (-a * a).exp() / (f * std::f64::consts::PI.sqrt())
    };
    if x < 0.0 { 2.0 - upper } else { upper }
}

/// `out[i, j] = act(Σ_p a(i, p)·b(p, j) + bias[j]) + residual[i, j]`, with the operands given by position.
pub fn product(
    precision: Precision,
    (m, n, k): (usize, usize, usize),
    a: impl Fn(usize, usize) -> f32,
    b: impl Fn(usize, usize) -> f32,
    epilogue: &Epilogue<'_>,
    out: &mut [f32],
) {
    assert_eq!(out.len(), m * n, "output size");
    for i in 0..m {
        for j in 0..n {
            let mut sum = 0.0f32;
            for p in 0..k {
                sum += operand(precision, a(i, p)) * operand(precision, b(p, j));
            }
            let y = activate(epilogue.activation, sum + epilogue.bias.map_or(0.0, |bias| bias[j]));
            out[i * n + j] = y + epilogue.residual.map_or(0.0, |r| r[i * n + j]);
        }
    }
}

/// `db[j] = Σ_i dy[i, j]`; `dy`: `[m, n] f32`.
pub fn column_sum(m: usize, n: usize, dy: &[f32], db: &mut [f32]) {
    db.fill(0.0);
    for row in dy[..m * n].chunks_exact(n.max(1)) {
        for (sum, y) in db.iter_mut().zip(row) {
            *sum += y;
        }
    }
}
