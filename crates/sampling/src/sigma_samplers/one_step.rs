//! Samplers that remember nothing from step to step. Each function brings the state from `sigma` to `next` (both >= 0,
//! `next < sigma`) but for the noise, and returns the deviation of the noise to add.

use super::blend;
use crate::Predict;

/// Straight to `next`.
pub(super) fn euler(x: &mut [f32], denoised: &[f32], sigma: f64, next: f64) -> f64 {
    blend(x, next / sigma, denoised.iter().copied());
    0.0
}

/// Down to `sqrt(next² - up²)`, then noise of deviation `up = eta·next·sqrt(1 - next²/sigma²)`: the deviation that DDIM
/// calls σ_t (arXiv 2010.02502, equation 16), divided by sqrt(ᾱ) as sigma space has it; at most `next`.
pub(super) fn ancestral(x: &mut [f32], denoised: &[f32], sigma: f64, next: f64, eta: f64) -> f64 {
    let up = (eta * next * (1.0 - (next / sigma).powi(2)).sqrt()).min(next);
    let down = (next * next - up * up).sqrt();
    blend(x, down / sigma, denoised.iter().copied());
    up
}

/// Euler to `next`, then the mean of both slopes; plain Euler when `next = 0`.
pub(super) fn heun<E>(
    x: &mut [f32],
    denoised: &[f32],
    sigma: f32,
    next: f32,
    denoise: &mut Predict<'_, E>,
) -> Result<f64, E> {
    let start = x.to_vec();
    euler(x, denoised, f64::from(sigma), f64::from(next));
    if next > 0.0 {
        let denoised_next = denoise(x, next)?;
        let half = 0.5 * (next - sigma);
        for (i, x) in x.iter_mut().enumerate() {
            let slopes = (start[i] - denoised[i]) / sigma + (*x - denoised_next[i]) / next;
            *x = start[i] + half * slopes;
        }
    }
    Ok(0.0)
}

/// To the clean picture, then noise of the whole of `next`.
pub(super) fn consistency(x: &mut [f32], denoised: &[f32], next: f64) -> f64 {
    x.copy_from_slice(denoised);
    next
}
