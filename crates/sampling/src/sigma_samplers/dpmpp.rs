//! DPM-Solver++ of order 2, multistep, and its stochastic form (Lu et al., arXiv 2211.01095, algorithm 2 and equation 18;
//! the latter as midpoint with `eta` as in k-diffusion).

use super::{Evaluation, blend};

/// One step from `sigma` to `next`; returns the deviation of the noise to add, 0 when `eta` is.
///
/// With `h = ln(sigma/next)` the exact factor of the state is `exp(-(1 + eta)·h)`; the clean picture is extrapolated to
/// the middle of the step, `D = x̂0 + h/(2·h_last)·(x̂0 - x̂0_last)`. The first step, which has no predecessor, and the last,
/// where h is infinite, are of order 1.
pub(super) fn two_m(
    x: &mut [f32],
    denoised: &[f32],
    past: Option<&Evaluation>,
    sigma: f64,
    next: f64,
    eta: f64,
) -> f64 {
    let keep = (next / sigma).powf(1.0 + eta);
    match past {
        Some(last) if next > 0.0 => {
            let extrapolate = (0.5 * (sigma / next).ln() / (last.sigma / sigma).ln()) as f32;
            let pairs = denoised.iter().zip(&last.denoised);
            blend(x, keep, pairs.map(|(&now, &before)| now + extrapolate * (now - before)));
        }
        _ => blend(x, keep, denoised.iter().copied()),
    }
    next * (1.0 - (next / sigma).powf(2.0 * eta)).sqrt()
}
