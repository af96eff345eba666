//! Scalar definitions of the element-by-element kernels in f64; see `crate::elementwise` for shapes.

use crate::elementwise::GroupTable;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Error function to about 1e-15: Taylor series below 3, continued fraction of erfc above.
pub fn erf(x: f64) -> f64 {
    let a = x.abs();
    let root_pi = std::f64::consts::PI.sqrt();
    let value = if a < 3.0 {
        let (mut term, mut sum, mut n) = (a, a, 0.0);
        while term.abs() > 1e-18 * sum.abs().max(1e-300) {
            n += 1.0;
            term *= -a * a / n;
            sum += term / (2.0 * n + 1.0);
        }
        2.0 / root_pi * sum
    } else if a < 6.5 {
        let mut f = a;
        for k in (1..=60).rev() {
            f = a + k as f64 / 2.0 / f;
        }
        1.0 - (-a * a).exp() / (f * root_pi)
    } else {
        1.0
    };
    value.copysign(x)
}

fn normal_cdf(x: f64) -> f64 {
    0.5 * (1.0 + erf(x / std::f64::consts::SQRT_2))
}

/// Definition of `elementwise::relu`.
pub fn relu(x: &[f64]) -> Vec<f64> {
    x.iter().map(|&x| if x < 0.0 { 0.0 } else { x }).collect()
}

/// Definition of `elementwise::relu_backward`.
pub fn relu_backward(x: &[f64], dy: &[f64]) -> Vec<f64> {
    x.iter().zip(dy).map(|(&x, &dy)| if x > 0.0 { dy } else { 0.0 }).collect()
}

/// Definition of `elementwise::tanh`.
pub fn tanh(x: &[f64]) -> Vec<f64> {
    x.iter().map(|x| x.tanh()).collect()
}

/// Definition of `elementwise::tanh_backward`.
pub fn tanh_backward(x: &[f64], dy: &[f64]) -> Vec<f64> {
    x.iter().zip(dy).map(|(x, dy)| dy * (1.0 - x.tanh().powi(2))).collect()
}

/// Definition of `elementwise::silu`.
pub fn silu(x: &[f64]) -> Vec<f64> {
    x.iter().map(|&x| x * sigmoid(x)).collect()
}

/// Definition of `elementwise::silu_backward`.
pub fn silu_backward(x: &[f64], dy: &[f64]) -> Vec<f64> {
    x.iter().zip(dy).map(|(&x, dy)| dy * silu_slope(x)).collect()
}

fn silu_slope(x: f64) -> f64 {
    let s = sigmoid(x);
    s * (1.0 + x * (1.0 - s))
}

/// Definition of `elementwise::gelu`.
pub fn gelu(x: &[f64]) -> Vec<f64> {
    x.iter().map(|&x| x * normal_cdf(x)).collect()
}

/// Definition of `elementwise::gelu_backward`.
pub fn gelu_backward(x: &[f64], dy: &[f64]) -> Vec<f64> {
    let density = |x: f64| (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
    x.iter().zip(dy).map(|(&x, dy)| dy * (normal_cdf(x) + x * density(x))).collect()
}

/// Definition of `elementwise::swiglu`.
pub fn swiglu(h: usize, x: &[f64]) -> Vec<f64> {
    x.chunks(2 * h).flat_map(|row| (0..h).map(|i| row[i] * sigmoid(row[i]) * row[h + i])).collect()
}

/// Definition of `elementwise::swiglu_backward`.
pub fn swiglu_backward(h: usize, x: &[f64], dy: &[f64]) -> Vec<f64> {
    let mut dx = Vec::with_capacity(x.len());
    for (row, dy) in x.chunks(2 * h).zip(dy.chunks(h)) {
        dx.extend((0..h).map(|i| dy[i] * row[h + i] * silu_slope(row[i])));
        dx.extend((0..h).map(|i| dy[i] * row[i] * sigmoid(row[i])));
    }
    dx
}

/// Definition of `elementwise::geglu`.
pub fn geglu(h: usize, x: &[f64]) -> Vec<f64> {
    x.chunks(2 * h).flat_map(|row| (0..h).map(|i| row[i] * row[h + i] * normal_cdf(row[h + i]))).collect()
}

/// Definition of `elementwise::geglu_backward`.
pub fn geglu_backward(h: usize, x: &[f64], dy: &[f64]) -> Vec<f64> {
    let mut dx = Vec::with_capacity(x.len());
    for (row, dy) in x.chunks(2 * h).zip(dy.chunks(h)) {
        let (value, gate) = row.split_at(h);
        dx.extend(multiply(dy, &gelu(gate)));
        dx.extend(gelu_backward(gate, &multiply(dy, value)));
    }
    dx
}

/// Definition of `elementwise::add`.
pub fn add(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// Definition of `elementwise::multiply`.
pub fn multiply(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}

/// Definition of `elementwise::scale`.
pub fn scale(factor: f64, x: &[f64]) -> Vec<f64> {
    x.iter().map(|x| factor * x).collect()
}

fn table_at(d: usize, table: &GroupTable<f64>, i: usize) -> f64 {
    table.data[i / d / table.rows_per_group * table.stride + i % d]
}

/// Definition of `elementwise::gated_add`.
pub fn gated_add(d: usize, x: &[f64], y: &[f64], gate: &GroupTable<f64>) -> Vec<f64> {
    (0..x.len()).map(|i| x[i] + table_at(d, gate, i) * y[i]).collect()
}

/// Definition of `elementwise::gated_add_backward`: `(dy, dgate)`.
pub fn gated_add_backward(d: usize, y: &[f64], gate: &GroupTable<f64>, dout: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let dy = (0..y.len()).map(|i| table_at(d, gate, i) * dout[i]).collect();
    (dy, group_sum(d, gate.rows_per_group, &multiply(y, dout)))
}

/// Definition of `elementwise::add_groups`.
pub fn add_groups(d: usize, x: &[f64], table: &GroupTable<f64>) -> Vec<f64> {
    (0..x.len()).map(|i| x[i] + table_at(d, table, i)).collect()
}

/// Definition of `elementwise::group_sum`.
pub fn group_sum(d: usize, rows_per_group: usize, dy: &[f64]) -> Vec<f64> {
    dy.chunks(rows_per_group * d).flat_map(|group| add_rows_backward(group, d)).collect()
}

/// Definition of `elementwise::add_rows`.
pub fn add_rows(x: &[f64], row: &[f64]) -> Vec<f64> {
    x.iter().enumerate().map(|(i, x)| x + row[i % row.len()]).collect()
}

/// Definition of `elementwise::add_rows_backward`.
pub fn add_rows_backward(dy: &[f64], len: usize) -> Vec<f64> {
    let mut sum = vec![0.0; len];
    for (i, dy) in dy.iter().enumerate() {
        sum[i % len] += dy;
    }
    sum
}

/// Definition of `elementwise::weighted_squared_error`: `(loss, per_group)`.
pub fn weighted_squared_error(group_len: usize, a: &[f64], b: &[f64], weight: &[f64]) -> (f64, Vec<f64>) {
    let mut groups = vec![0.0; weight.len()];
    for i in 0..a.len() {
        groups[i / group_len] += weight[i / group_len] * (a[i] - b[i]) * (a[i] - b[i]) / group_len as f64;
    }
    (groups.iter().sum::<f64>() / groups.len() as f64, groups)
}

/// Definition of `elementwise::weighted_squared_error_backward`.
pub fn weighted_squared_error_backward(group_len: usize, a: &[f64], b: &[f64], weight: &[f64], dloss: f64) -> Vec<f64> {
    (0..a.len()).map(|i| dloss * 2.0 * weight[i / group_len] * (a[i] - b[i]) / a.len() as f64).collect()
}

/// Definition of `elementwise::mean_pool`.
pub fn mean_pool(d: usize, tokens: usize, x: &[f64], lengths: Option<&[f32]>) -> Vec<f64> {
    let mut y = Vec::new();
    for (b, item) in x.chunks(tokens * d).enumerate() {
        let length = lengths.map_or(tokens, |l| l[b] as usize);
        let sum = add_rows_backward(&item[..length * d], d);
        y.extend(sum.iter().map(|v| v / length.max(1) as f64));
    }
    y
}

/// Definition of `elementwise::mean_pool_backward`.
pub fn mean_pool_backward(d: usize, tokens: usize, lengths: Option<&[f32]>, dy: &[f64]) -> Vec<f64> {
    let mut dx = Vec::new();
    for (b, dy) in dy.chunks(d).enumerate() {
        let length = lengths.map_or(tokens, |l| l[b] as usize);
        for t in 0..tokens {
            dx.extend(dy.iter().map(|v| if t < length { v / length as f64 } else { 0.0 }));
        }
    }
    dx
}
