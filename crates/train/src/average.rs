//! Power-function averages of the parameters (Karras et al., "Analyzing and Improving the Training
//! Dynamics of Diffusion Models", arXiv 2312.02696, section 3.1).
//!
//! The average after step `n` weighs the parameters of step `k` in proportion to `k^gamma`; its relative
//! width is `sigma = sqrt((gamma + 1) / ((gamma + 2)^2 (gamma + 3)))`.

/// The exponent whose profile has relative width `sigma` (0 < sigma < 0.28): the positive root of
/// `(g + 1) = sigma^2 (g + 2)^2 (g + 3)`, by bisection (the left side's ratio falls with `g`).
pub fn exponent(sigma: f64) -> f64 {
    let width = |g: f64| ((g + 1.0) / ((g + 2.0).powi(2) * (g + 3.0))).sqrt();
    let (mut low, mut high) = (0.0f64, 1e6f64);
    for _ in 0..200 {
        let middle = 0.5 * (low + high);
        if width(middle) > sigma { low = middle } else { high = middle }
    }
    0.5 * (low + high)
}

/// How much of the old average stays at step `step`, counted from 1: `(1 - 1/step)^(gamma + 1)`.
pub fn keep(gamma: f64, step: u64) -> f32 {
    (1.0 - 1.0 / step as f64).powf(gamma + 1.0) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_exponents() {
        // The paper gives gamma = 16.97 for sigma 0.05 and 6.94 for sigma 0.10.
        assert!((exponent(0.05) - 16.97).abs() < 0.01, "{}", exponent(0.05));
        assert!((exponent(0.10) - 6.94).abs() < 0.01, "{}", exponent(0.10));
    }

    #[test]
    fn first_step_replaces_the_average() {
        assert_eq!(keep(6.94, 1), 0.0);
        assert!(keep(6.94, 1000) > 0.99);
    }
}
