//! What patches do where they meet.
//!
//! A squared error asks each pixel to be right, so a patch whose tint is a little off costs little, though its edge is what an eye
//! sees first. This part of the loss is the squared error of the *jumps* from the last pixel of a patch to the first of the next.
//! It is a quadratic form of the same error, so the best prediction stays the same: the mean of the pictures that the noisy one may
//! have come from. What changes is which of its errors a network of limited size leaves.

use graph::{Graph, ShapeError, Tensor};

/// Mean of weight·(jump of the prediction − jump of the target)² over the seams of a grid, columns and rows together; `None` if
/// the picture `[B, H, W, C]` has no seam on one of its axes.
pub(super) fn seam_error(
    graph: &mut Graph,
    prediction: Tensor,
    target: Tensor,
    weight: Tensor,
    side: usize,
) -> Result<Option<Tensor>, ShapeError> {
    let [_, height, width, _] = graph.shape(prediction)[..] else { unreachable!("a picture has four dimensions") };
    if side < 2 || height < 2 * side || width < 2 * side {
        return Ok(None);
    }
    let (found, wanted) = (jumps(graph, prediction, side)?, jumps(graph, target, side)?);
    let mut errors = Vec::with_capacity(2);
    for (found, wanted) in found.into_iter().zip(wanted) {
        errors.push(graph.weighted_squared_error(found, wanted, weight)?.0);
    }
    graph.add(errors[0], errors[1]).map(Some)
}

/// First pixel of a patch minus last one of the patch before, from column to column and from row to row.
fn jumps(graph: &mut Graph, x: Tensor, side: usize) -> Result<[Tensor; 2], ShapeError> {
    let [batch, height, width, channels] = graph.shape(x)[..] else { unreachable!("a picture has four dimensions") };
    let columns = along(graph, x, [batch, height, width / side], channels, side)?;
    let rows = along(graph, x, [batch, 1, height / side], width * channels, side)?;
    Ok([columns, rows])
}

/// Jumps between patches in a line: `count` patches of `side` pixels of `values` numbers in each of `lines` lines.
fn along(
    graph: &mut Graph,
    x: Tensor,
    [batch, lines, count]: [usize; 3],
    values: usize,
    side: usize,
) -> Result<Tensor, ShapeError> {
    let x = graph.reshape(x, &[batch, lines * count, side * values])?;
    let edges = match side {
        2 => graph.split(x, &[values, values])?,
        _ => graph.split(x, &[values, (side - 2) * values, values])?,
    };
    let mut line = |edge: Tensor| graph.reshape(edge, &[batch, lines, count * values]);
    let (first, last) = (line(edges[0])?, line(edges[edges.len() - 1])?);
    let after = graph.split(first, &[values, (count - 1) * values])?[1];
    let before = graph.split(last, &[(count - 1) * values, values])?[0];
    let before = graph.scale(before, -1.0)?;
    graph.add(after, before)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use graph::{Executor, PackedParameters, Parameters};
    use kernels::Cpu;
    use kernels::gemm::Precision;

    use super::*;

    #[test]
    fn only_jumps_between_patches_count() {
        let (batch, height, width, channels, side) = (2, 6, 9, 2, 3);
        let shape = [batch, height, width, channels];
        let mut graph = Graph::new();
        let prediction = graph.input("p", &shape).unwrap();
        let target = graph.input("x", &shape).unwrap();
        let weight = graph.input("w", &[batch]).unwrap();
        let error = seam_error(&mut graph, prediction, target, weight, side).unwrap().unwrap();
        graph.output("error", error).unwrap();
        assert!(seam_error(&mut graph, prediction, target, weight, 6).unwrap().is_none());

        let value = |i: usize, phase: f32| (i as f32).mul_add(0.7, phase).sin();
        let count = shape.iter().product();
        let (p, x): (Vec<f32>, Vec<f32>) = (0..count).map(|i| (value(i, 0.0), value(i, 1.0))).unzip();
        let weights = [0.5, 2.0];
        let cpu = Cpu::detected(1);
        let graph = Arc::new(graph);
        let packed = Arc::new(PackedParameters::new(&cpu, &[&graph], &Parameters::new(), Precision::F32).unwrap());
        let mut executor = Executor::new(&cpu, graph, packed).unwrap();
        for (name, values) in [("p", &p[..]), ("x", &x), ("w", &weights)] {
            executor.set_input(name, values).unwrap();
        }
        executor.run().unwrap();

        let at = |b: usize, r: usize, c: usize, k: usize| {
            let i = ((b * height + r) * width + c) * channels + k;
            f64::from(p[i] - x[i])
        };
        let (mut columns, mut rows) = (Vec::new(), Vec::new());
        for (b, w) in weights.into_iter().map(f64::from).enumerate() {
            for k in 0..channels {
                for r in 0..height {
                    columns.extend([3, 6].map(|c| w * (at(b, r, c, k) - at(b, r, c - 1, k)).powi(2)));
                }
                rows.extend((0..width).map(|c| w * (at(b, 3, c, k) - at(b, 2, c, k)).powi(2)));
            }
        }
        let mean = |all: &[f64]| all.iter().sum::<f64>() / all.len() as f64;
        let (expected, found) = (mean(&columns) + mean(&rows), f64::from(executor.output("error")[0]));
        assert!((found / expected - 1.0).abs() < 1e-5, "{found} {expected}");
    }
}
