//! Scalar definition of the group norm in f64; see `crate::norm` for shapes.

use crate::norm::GroupNormShape;
use crate::reference::{silu, silu_backward};

/// `f(item, group, positions)` for each group of each item.
fn for_groups(shape: &GroupNormShape, mut f: impl FnMut(usize, usize, Vec<usize>)) {
    let width = shape.channels / shape.groups;
    for item in 0..shape.batch {
        for group in 0..shape.groups {
            let pixels = item * shape.pixels..(item + 1) * shape.pixels;
            let positions =
                pixels.flat_map(|p| (0..width).map(move |c| p * shape.channels + group * width + c)).collect();
            f(item, group, positions);
        }
    }
}

/// Definition of `norm::group_norm`: `(y, statistics)`.
pub fn group_norm(
    shape: &GroupNormShape,
    x: &[f64],
    weight: &[f64],
    bias: &[f64],
    eps: f64,
    with_silu: bool,
) -> (Vec<f64>, Vec<f64>) {
    let mut y = vec![0.0; x.len()];
    let mut statistics = Vec::new();
    for_groups(shape, |_, _, positions| {
        let n = positions.len() as f64;
        let mean = positions.iter().map(|&i| x[i]).sum::<f64>() / n;
        let variance = positions.iter().map(|&i| (x[i] - mean).powi(2)).sum::<f64>() / n;
        let rstd = 1.0 / (variance + eps).sqrt();
        for i in positions {
            let c = i % shape.channels;
            y[i] = (x[i] - mean) * rstd * weight[c] + bias[c];
        }
        statistics.extend([mean, rstd]);
    });
    (if with_silu { silu(&y) } else { y }, statistics)
}

/// Definition of `norm::group_norm_backward`: `(dx, dweight, dbias)`.
pub fn group_norm_backward(
    shape: &GroupNormShape,
    x: &[f64],
    weight: &[f64],
    bias: &[f64],
    with_silu: bool,
    statistics: &[f64],
    dy: &[f64],
) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (mut dx, mut dweight, mut dbias) = (vec![0.0; x.len()], vec![0.0; shape.channels], vec![0.0; shape.channels]);
    for_groups(shape, |item, group, positions| {
        let at = 2 * (item * shape.groups + group);
        let (mean, rstd) = (statistics[at], statistics[at + 1]);
        let n = positions.len() as f64;
        let (mut mean_g, mut mean_gx) = (0.0, 0.0);
        let mut kept = Vec::new();
        for i in positions {
            let c = i % shape.channels;
            let xhat = (x[i] - mean) * rstd;
            let z = xhat * weight[c] + bias[c];
            let dz = if with_silu { silu_backward(&[z], &dy[i..=i])[0] } else { dy[i] };
            dweight[c] += dz * xhat;
            dbias[c] += dz;
            let g = dz * weight[c];
            mean_g += g / n;
            mean_gx += g * xhat / n;
            kept.push((i, g, xhat));
        }
        for (i, g, xhat) in kept {
            dx[i] = rstd * (g - mean_g - xhat * mean_gx);
        }
    });
    (dx, dweight, dbias)
}
