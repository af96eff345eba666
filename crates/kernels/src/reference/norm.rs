//! Scalar definitions of the row normalisations in f64; see `crate::norm` for shapes.

use crate::norm::{Modulation, Part, QkNorm};

/// Gradients of [`rms_norm`].
#[derive(Clone, Debug)]
pub struct RmsNormGradients {
    /// `[rows, d]`.
    pub dx: Vec<f64>,
    /// `[d]`.
    pub dweight: Vec<f64>,
    /// `[groups, d]`, empty without modulation.
    pub dscale: Vec<f64>,
    /// `[groups, d]`, empty without modulation.
    pub dshift: Vec<f64>,
}

/// Definition of `norm::rms_norm`: `(y, rstd)`.
pub fn rms_norm(
    d: usize,
    x: &[f64],
    weight: Option<&[f64]>,
    modulation: Option<&Modulation<f64>>,
    eps: f64,
) -> (Vec<f64>, Vec<f64>) {
    let rows = x.len() / d;
    let mut y = vec![0.0; x.len()];
    let mut rstd = vec![0.0; rows];
    for r in 0..rows {
        let row = &x[r * d..][..d];
        rstd[r] = 1.0 / (row.iter().map(|v| v * v).sum::<f64>() / d as f64 + eps).sqrt();
        for i in 0..d {
            let value = row[i] * rstd[r] * weight.map_or(1.0, |w| w[i]);
            y[r * d + i] = match modulation {
                Some(m) => {
                    let at = r / m.rows_per_group * m.stride + i;
                    value * (1.0 + m.scale[at]) + m.shift[at]
                }
                None => value,
            };
        }
    }
    (y, rstd)
}

/// Definition of `norm::rms_norm_backward`.
pub fn rms_norm_backward(
    d: usize,
    x: &[f64],
    weight: Option<&[f64]>,
    modulation: Option<&Modulation<f64>>,
    rstd: &[f64],
    dy: &[f64],
) -> RmsNormGradients {
    let rows = x.len() / d;
    let groups = modulation.map_or(0, |m| rows / m.rows_per_group);
    let mut out = RmsNormGradients {
        dx: vec![0.0; x.len()],
        dweight: vec![0.0; d],
        dscale: vec![0.0; groups * d],
        dshift: vec![0.0; groups * d],
    };
    for r in 0..rows {
        let mut g = vec![0.0; d];
        let mut mean = 0.0;
        for i in 0..d {
            let (w, xhat, dy) = (weight.map_or(1.0, |w| w[i]), x[r * d + i] * rstd[r], dy[r * d + i]);
            let mut factor = 1.0;
            if let Some(m) = modulation {
                let group = r / m.rows_per_group;
                factor += m.scale[group * m.stride + i];
                out.dscale[group * d + i] += dy * xhat * w;
                out.dshift[group * d + i] += dy;
            }
            out.dweight[i] += dy * factor * xhat;
            g[i] = dy * factor * w;
            mean += g[i] * xhat / d as f64;
        }
        for i in 0..d {
            out.dx[r * d + i] = rstd[r] * (g[i] - x[r * d + i] * rstd[r] * mean);
        }
    }
    out
}

/// Definition of `norm::layer_norm`.
pub fn layer_norm(d: usize, x: &[f64], weight: &[f64], bias: &[f64], eps: f64) -> Vec<f64> {
    let mut y = Vec::with_capacity(x.len());
    for row in x.chunks(d) {
        let (mean, rstd) = moments(row, eps);
        y.extend((0..d).map(|i| (row[i] - mean) * rstd * weight[i] + bias[i]));
    }
    y
}

/// Definition of `norm::layer_norm_backward`: `(dx, dweight, dbias)`.
pub fn layer_norm_backward(
    d: usize,
    x: &[f64],
    weight: &[f64],
    eps: f64,
    dy: &[f64],
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (mut dx, mut dweight, mut dbias) = (Vec::new(), vec![0.0; d], vec![0.0; d]);
    for (row, dy) in x.chunks(d).zip(dy.chunks(d)) {
        let (mean, rstd) = moments(row, eps);
        let xhat: Vec<f64> = row.iter().map(|v| (v - mean) * rstd).collect();
        let g: Vec<f64> = dy.iter().zip(weight).map(|(a, b)| a * b).collect();
        let mean_g = g.iter().sum::<f64>() / d as f64;
        let mean_gx = g.iter().zip(&xhat).map(|(a, b)| a * b).sum::<f64>() / d as f64;
        for i in 0..d {
            dx.push(rstd * (g[i] - mean_g - xhat[i] * mean_gx));
            dweight[i] += dy[i] * xhat[i];
            dbias[i] += dy[i];
        }
    }
    (dx, dweight, dbias)
}

/// Mean and reciprocal standard deviation (biased variance) of a row.
fn moments(row: &[f64], eps: f64) -> (f64, f64) {
    let n = row.len() as f64;
    let mean = row.iter().sum::<f64>() / n;
    let variance = row.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
    (mean, 1.0 / (variance + eps).sqrt())
}

/// Definition of `norm::l2_normalise`.
pub fn l2_normalise(d: usize, x: &[f64], eps: f64) -> Vec<f64> {
    x.chunks(d)
        .flat_map(|row| {
            let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt().max(eps);
            row.iter().map(move |v| v / norm)
        })
        .collect()
}

/// Definition of `norm::l2_normalise_backward`.
pub fn l2_normalise_backward(d: usize, x: &[f64], eps: f64, dy: &[f64]) -> Vec<f64> {
    let mut dx = Vec::with_capacity(x.len());
    for (row, dy) in x.chunks(d).zip(dy.chunks(d)) {
        let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
        let along = if norm > eps { row.iter().zip(dy).map(|(a, b)| a * b).sum::<f64>() / (norm * norm) } else { 0.0 };
        let norm = norm.max(eps);
        dx.extend((0..d).map(|i| (dy[i] - row[i] * along) / norm));
    }
    dx
}

/// Definition of `norm::qk_norm_rotary`.
pub fn qk_norm_rotary(config: &QkNorm<f64>, x: &[f64]) -> Vec<f64> {
    let mut y = x.to_vec();
    for_heads(config, x.len(), |at, part, row| {
        let d = config.d;
        let head = &x[at..at + d];
        let Some(weight) = part_weight(config, part) else { return };
        let rstd = 1.0 / (head.iter().map(|v| v * v).sum::<f64>() / d as f64 + config.eps as f64).sqrt();
        let n: Vec<f64> = (0..d).map(|i| head[i] * rstd * weight.map_or(1.0, |w| w[i])).collect();
        let half = d / 2;
        for i in 0..half {
            let (c, s) = angle(config, row, i);
            y[at + i] = n[i] * c - n[i + half] * s;
            y[at + i + half] = n[i + half] * c + n[i] * s;
        }
    });
    y
}

/// Definition of `norm::qk_norm_rotary_backward`: `(dx, dquery_weight, dkey_weight)`.
pub fn qk_norm_rotary_backward(config: &QkNorm<f64>, x: &[f64], dy: &[f64]) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let d = config.d;
    let mut dx = dy.to_vec();
    let (mut dq, mut dk) = (vec![0.0; d], vec![0.0; d]);
    for_heads(config, x.len(), |at, part, row| {
        let head = &x[at..at + d];
        let Some(weight) = part_weight(config, part) else { return };
        let half = d / 2;
        let mut dn = vec![0.0; d];
        for i in 0..half {
            let (c, s) = angle(config, row, i);
            dn[i] = dy[at + i] * c + dy[at + i + half] * s;
            dn[i + half] = dy[at + i + half] * c - dy[at + i] * s;
        }
        let rstd = 1.0 / (head.iter().map(|v| v * v).sum::<f64>() / d as f64 + config.eps as f64).sqrt();
        let dweight = if part == Part::Query { &mut dq } else { &mut dk };
        let mut mean = 0.0;
        let mut g = vec![0.0; d];
        for i in 0..d {
            dweight[i] += dn[i] * head[i] * rstd;
            g[i] = dn[i] * weight.map_or(1.0, |w| w[i]);
            mean += g[i] * head[i] * rstd / d as f64;
        }
        for i in 0..d {
            dx[at + i] = rstd * (g[i] - head[i] * rstd * mean);
        }
    });
    (dx, dq, dk)
}

fn for_heads(config: &QkNorm<f64>, len: usize, mut f: impl FnMut(usize, Part, usize)) {
    let width = config.parts.len() * config.heads * config.d;
    for row in 0..len / width {
        for (p, part) in config.parts.iter().enumerate() {
            for h in 0..config.heads {
                f(row * width + (p * config.heads + h) * config.d, *part, row);
            }
        }
    }
}

fn part_weight<'a>(config: &QkNorm<'a, f64>, part: Part) -> Option<Option<&'a [f64]>> {
    match part {
        Part::Query => Some(config.query_weight),
        Part::Key => Some(config.key_weight),
        Part::Value => None,
    }
}

fn angle(config: &QkNorm<f64>, row: usize, i: usize) -> (f64, f64) {
    let half = config.d / 2;
    config.rotary.map_or((1.0, 0.0), |r| {
        let tokens = r.cos.len() / half;
        let at = row % tokens * half + i;
        (r.cos[at], r.sin[at])
    })
}
