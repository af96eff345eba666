//! What a network's output means: from it, the noisy input and the noise level to the clean picture.
//!
//! With a sigma-space state `x = x0 + σ·ε`, Stable Diffusion's networks see the variance-preserving `x / sqrt(σ² + 1)`.
//! The parameterisations are those of Ho et al. (arXiv 2006.11239, ε), Salimans & Ho (arXiv 2202.00512, appendix D, v)
//! and rectified flow (arXiv 2209.03003).

use crate::names::named_enum;

named_enum! {
    /// What the network predicts; names as in diffusers' `prediction_type`.
    pub enum Prediction("prediction type") {
        /// The noise ε.
        Epsilon = "epsilon",
        /// `v = (ε - σ·x0) / sqrt(σ² + 1)`.
        V = "v_prediction",
        /// The clean picture x0.
        Sample = "sample",
        /// The velocity `ε - x0` of a rectified flow. Its state is `(1 - t)·x0 + t·ε`, and its noise level is the flow
        /// time `t`, as in `crate::sampler`.
        Flow = "flow_prediction",
    }
}

impl Prediction {
    /// What the state is multiplied by before the network sees it, at noise level `sigma >= 0`.
    pub fn input_scale(self, sigma: f32) -> f32 {
        match self {
            Self::Epsilon | Self::V | Self::Sample => (1.0 / f64::from(sigma).hypot(1.0)) as f32,
            Self::Flow => 1.0,
        }
    }

    /// Turns the network's output into the clean picture: `output := x0`. `x` is the state before scaling, `sigma >= 0`
    /// its noise level.
    ///
    /// # Panics
    /// When the slices differ in length.
    pub fn denoise(self, sigma: f32, x: &[f32], output: &mut [f32]) {
        assert_eq!(x.len(), output.len());
        let level = f64::from(sigma);
        let (of_x, of_output) = match self {
            Self::Epsilon | Self::Flow => (1.0, -sigma),
            Self::V => ((1.0 / (level * level + 1.0)) as f32, (-level / level.hypot(1.0)) as f32),
            Self::Sample => return,
        };
        for (output, &x) in output.iter_mut().zip(x) {
            *output = of_x * x + of_output * *output;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noises a known picture, forms what a perfect network would say, and asks for the picture back.
    #[test]
    fn the_clean_picture_comes_back() {
        let (x0, noise) = ([0.7_f32, -0.2, 1.1], [-0.4_f32, 1.6, 0.3]);
        for &prediction in Prediction::ALL {
            for sigma in [0.03_f32, 0.5, 0.9, 14.6] {
                let flow = prediction == Prediction::Flow;
                let level = if flow { sigma.min(1.0) } else { sigma };
                let keep = if flow { 1.0 - level } else { 1.0 };
                let x: Vec<f32> = x0.iter().zip(noise).map(|(x0, noise)| keep * x0 + level * noise).collect();
                let scale = prediction.input_scale(level);
                let mut output: Vec<f32> = x0
                    .iter()
                    .zip(noise)
                    .map(|(&x0, noise)| match prediction {
                        Prediction::Epsilon => noise,
                        Prediction::V => scale * (noise - level * x0),
                        Prediction::Sample => x0,
                        Prediction::Flow => noise - x0,
                    })
                    .collect();
                prediction.denoise(level, &x, &mut output);
                for (got, x0) in output.iter().zip(x0) {
                    assert!((got - x0).abs() <= 1e-6 * (1.0 + sigma), "{prediction} {sigma}: {got} {x0}");
                }
            }
        }
    }

    /// Data and noise of unit variance: what the network sees has unit variance at every level.
    #[test]
    fn inputs_keep_unit_variance() {
        for sigma in [0.0_f32, 0.03, 1.0, 14.6, 4096.0] {
            let scale = Prediction::V.input_scale(sigma);
            assert!((scale * scale * (1.0 + sigma * sigma) - 1.0).abs() <= 1e-6, "{sigma}");
        }
        assert_eq!(Prediction::Flow.input_scale(0.4), 1.0);
    }
}
