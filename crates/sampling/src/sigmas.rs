//! Noise levels of Stable Diffusion models: which sigmas exist, and which of them a sampler visits.
//!
//! A sigma is the deviation of the noise when the picture keeps its size: `x = x0 + σ·ε` (Karras et al., arXiv
//! 2206.00364). A model was trained at discrete timesteps (0 = nearly clean, usually to 999 = nearly noise) of a
//! variance-preserving process (Ho et al., arXiv 2006.11239): betas give `ᾱ = Π(1 - β)` and `σ = sqrt((1 - ᾱ)/ᾱ)`.
//! Between timesteps `ln σ` is linear, as in k-diffusion's `DiscreteSchedule` without quantisation.
//!
//! Tables are f64 and schedules are rounded to f32 at the end.

use crate::names::named_enum;

/// A noise process or a schedule that cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SigmaError {
    /// A schedule of no steps, or of more steps than the model has timesteps.
    #[error("{steps} steps (must be 1 to {most}, the model's number of timesteps)")]
    Steps {
        /// What was asked for.
        steps: usize,
        /// The model's number of timesteps.
        most: usize,
    },
    /// Betas that do not rise inside (0, 1), or too few or too many of them.
    #[error("betas from {start} to {end} in {timesteps} timesteps (must rise inside 0..1, 2 to 100000 timesteps)")]
    Betas {
        /// The first beta.
        start: f64,
        /// The last beta.
        end: f64,
        /// The number of betas.
        timesteps: usize,
    },
}

named_enum! {
    /// How betas rise from the first to the last (diffusers' `beta_schedule`).
    pub enum BetaRise("beta schedule") {
        /// Their square roots rise evenly: Stable Diffusion 1, 2 and XL.
        ScaledLinear = "scaled_linear",
        /// They rise evenly: DDPM.
        Linear = "linear",
    }
}

/// The noise process that a model was trained with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Betas {
    /// How they rise.
    pub rise: BetaRise,
    /// The first beta, in (0, 1).
    pub start: f64,
    /// The last beta, in [start, 1).
    pub end: f64,
    /// How many there are: 2..=100000.
    pub timesteps: usize,
    /// Whether they are rescaled so that the last timestep is (all but) pure noise: Lin et al., arXiv 2305.08891,
    /// algorithm 1.
    pub zero_terminal_snr: bool,
}

impl Betas {
    /// Stable Diffusion 1, 2 and XL.
    pub const STABLE_DIFFUSION: Self =
        Self { rise: BetaRise::ScaledLinear, start: 0.00085, end: 0.012, timesteps: 1000, zero_terminal_snr: false };

    /// `ᾱ` of each timestep, falling.
    fn alphas_cumprod(&self) -> Vec<f64> {
        let last = (self.timesteps - 1) as f64;
        let mut product = 1.0;
        let mut alphas: Vec<f64> = (0..self.timesteps)
            .map(|i| {
                let even = |from: f64, to: f64| from + (to - from) * i as f64 / last;
                product *= 1.0
                    - match self.rise {
                        BetaRise::ScaledLinear => even(self.start.sqrt(), self.end.sqrt()).powi(2),
                        BetaRise::Linear => even(self.start, self.end),
                    };
                product
            })
            .collect();
        if self.zero_terminal_snr {
            let (first, last) = (alphas[0].sqrt(), product.sqrt());
            for alpha in &mut alphas {
                *alpha = ((alpha.sqrt() - last) * first / (first - last)).powi(2);
            }
            // Exactly zero would be an infinite sigma; this one, 4096, is diffusers' choice.
            alphas[self.timesteps - 1] = 2.0_f64.powi(-24);
        }
        alphas
    }
}

named_enum! {
    /// How the steps are laid between the highest and the lowest sigma; names as in A1111 and ComfyUI, the last two
    /// after diffusers' `timestep_spacing`.
    pub enum SigmaSchedule("sigma schedule") {
        /// Evenly spaced timesteps from the last to the first (k-diffusion `get_sigmas`).
        Normal = "normal",
        /// Evenly spaced `σ^(1/7)` (arXiv 2206.00364, equation 5).
        Karras = "karras",
        /// Evenly spaced `ln σ`.
        Exponential = "exponential",
        /// Evenly spaced entries of the table, from the last (ComfyUI).
        Simple = "simple",
        /// Evenly spaced timesteps without the first: `normal` of one step more, less its lowest sigma.
        SgmUniform = "sgm_uniform",
        /// The ends of equal stretches of timesteps (arXiv 2305.08891, table 2).
        Trailing = "trailing",
        /// The beginnings of equal stretches of timesteps plus one (the same table, with the offset that Stable
        /// Diffusion's DDIM uses): never reaches the highest sigma, and one
        /// step has timestep 1 only.
        Leading = "leading",
    }
}

/// The sigmas of a model's timesteps, rising.
#[derive(Debug, Clone, PartialEq)]
pub struct DiscreteSigmas {
    sigmas: Vec<f64>,
}

impl DiscreteSigmas {
    /// The sigmas of a noise process.
    pub fn new(betas: &Betas) -> Result<Self, SigmaError> {
        let Betas { start, end, timesteps, .. } = *betas;
        // Written so that NaN fails.
        let rises = 0.0 < start && start <= end && end < 1.0;
        if !rises || !(2..=100_000).contains(&timesteps) {
            return Err(SigmaError::Betas { start, end, timesteps });
        }
        Ok(Self { sigmas: betas.alphas_cumprod().iter().map(|alpha| ((1.0 - alpha) / alpha).sqrt()).collect() })
    }

    /// The lowest sigma, that of timestep 0.
    pub fn lowest(&self) -> f64 {
        self.sigmas[0]
    }

    /// The highest sigma, that of the last timestep.
    pub fn highest(&self) -> f64 {
        self.sigmas[self.last()]
    }

    /// The last timestep.
    fn last(&self) -> usize {
        self.sigmas.len() - 1
    }

    /// The sigma of a timestep, which may lie between two; outside the table it is clamped.
    pub fn sigma_at(&self, timestep: f64) -> f64 {
        let t = timestep.clamp(0.0, self.last() as f64);
        let (low, high) = (self.sigmas[t.floor() as usize], self.sigmas[t.ceil() as usize]);
        let part = t.fract();
        ((1.0 - part) * low.ln() + part * high.ln()).exp()
    }

    /// The timestep of a sigma: the inverse of [`Self::sigma_at`]. Sigmas outside the table (0 too) are clamped.
    pub fn timestep_at(&self, sigma: f64) -> f64 {
        let above = self.sigmas.partition_point(|&s| s <= sigma);
        let low = above.saturating_sub(1).min(self.last() - 1);
        let (from, to) = (self.sigmas[low].ln(), self.sigmas[low + 1].ln());
        low as f64 + ((sigma.ln() - from) / (to - from)).clamp(0.0, 1.0)
    }

    /// The `steps + 1` sigmas that a sampler visits, strictly falling, the last exactly 0. `steps` is 1 to the number of
    /// timesteps. All but `leading` begin at the highest sigma.
    pub fn schedule(&self, schedule: SigmaSchedule, steps: usize) -> Result<Vec<f32>, SigmaError> {
        let timesteps = self.sigmas.len();
        if !(1..=timesteps).contains(&steps) {
            return Err(SigmaError::Steps { steps, most: timesteps });
        }
        let (low, high, last) = (self.lowest(), self.highest(), self.last() as f64);
        // From 0 to 1 in all steps; one step begins and ends at 0.
        let even = |i: usize| i as f64 / (steps - 1).max(1) as f64;
        let stretch = timesteps as f64 / steps as f64;
        let sigma = |i: usize| match schedule {
            SigmaSchedule::Normal => self.sigma_at(last * (1.0 - even(i))),
            SigmaSchedule::Karras => {
                const RHO: f64 = 7.0;
                let (from, to) = (high.powf(1.0 / RHO), low.powf(1.0 / RHO));
                (from + even(i) * (to - from)).powf(RHO)
            }
            SigmaSchedule::Exponential => (high.ln() + even(i) * (low.ln() - high.ln())).exp(),
            SigmaSchedule::Simple => self.sigmas[self.last() - (i as f64 * stretch) as usize],
            SigmaSchedule::SgmUniform => self.sigma_at(last * (1.0 - i as f64 / steps as f64)),
            // numpy rounds halves to even.
            SigmaSchedule::Trailing => {
                self.sigmas[(timesteps as f64 - i as f64 * stretch).round_ties_even() as usize - 1]
            }
            // With a step for every timestep the offset would leave the table.
            SigmaSchedule::Leading => self.sigmas[((steps - 1 - i) * (timesteps / steps) + 1).min(self.last())],
        };
        Ok((0..steps).map(|i| sigma(i) as f32).chain([0.0]).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(zero_terminal_snr: bool) -> DiscreteSigmas {
        DiscreteSigmas::new(&Betas { zero_terminal_snr, ..Betas::STABLE_DIFFUSION }).unwrap()
    }

    #[test]
    fn schedules_fall_strictly_to_zero() {
        for table in [table(false), table(true)] {
            for &schedule in SigmaSchedule::ALL {
                for steps in [1, 2, 3, 7, 16, 30, 333, 999] {
                    let sigmas = table.schedule(schedule, steps).unwrap();
                    assert_eq!((sigmas.len(), sigmas[steps]), (steps + 1, 0.0));
                    assert!(sigmas.windows(2).all(|w| w[0] > w[1]), "{schedule} {steps}");
                    if schedule != SigmaSchedule::Leading {
                        assert!((f64::from(sigmas[0]) / table.highest() - 1.0).abs() <= 1e-6, "{schedule} {steps}");
                    }
                }
                assert!(table.schedule(schedule, 1000).is_ok());
                for steps in [0, 1001, usize::MAX] {
                    assert_eq!(table.schedule(schedule, steps), Err(SigmaError::Steps { steps, most: 1000 }));
                }
            }
        }
    }

    #[test]
    fn conversions_are_inverse_and_clamp() {
        let table = table(false);
        for timestep in [0.0, 0.3, 1.0, 499.75, 998.5, 999.0] {
            assert!((table.timestep_at(table.sigma_at(timestep)) - timestep).abs() <= 1e-9, "{timestep}");
        }
        assert_eq!((table.timestep_at(0.0), table.timestep_at(1e9)), (0.0, 999.0));
        assert_eq!((table.sigma_at(-5.0), table.sigma_at(5000.0)), (table.sigma_at(0.0), table.sigma_at(999.0)));
    }

    #[test]
    fn impossible_betas_fail() {
        for (start, end, timesteps) in [
            (0.0, 0.1, 1000),
            (0.2, 0.1, 1000),
            (0.1, 1.0, 1000),
            (f64::NAN, 0.1, 1000),
            (0.1, f64::NAN, 1000),
            (0.1, 0.2, 1),
            (0.1, 0.2, 100_001),
        ] {
            let betas = Betas { start, end, timesteps, ..Betas::STABLE_DIFFUSION };
            assert!(matches!(DiscreteSigmas::new(&betas), Err(SigmaError::Betas { .. })), "{betas:?}");
        }
    }
}
