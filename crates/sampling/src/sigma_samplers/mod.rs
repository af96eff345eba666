//! Samplers in sigma space as pure functions: they solve `dx/dσ = (x - x̂0(x, σ)) / σ`, or a stochastic equation with the
//! same marginals, from the highest sigma to 0.
//!
//! The state is `x = x0 + σ·ε`; the denoiser gives the clean picture x̂0 (`crate::prediction` makes it from a network's
//! output). All but `heun` evaluate it once a step, and their steps have one form, `x := k·x + (1 - k)·D + u·noise`: they
//! differ in how far they go (k), in the clean picture that they trust (D) and in how much noise they draw anew (u).
//! Where k-diffusion or diffusers has the same sampler, this one agrees with it when fed the same noise.

mod dpmpp;
mod one_step;
mod unipc;

use crate::Predict;
use crate::names::named_enum;

named_enum! {
    /// How sigmas are walked down; names as in ComfyUI.
    pub enum SigmaSampler("sampler") {
        /// First order (k-diffusion `sample_euler` without churn).
        Euler = "euler",
        /// Euler past the next sigma and back up with new noise, as much as `eta` says.
        EulerAncestral = "euler_ancestral",
        /// Second order, two evaluations a step (Karras et al., arXiv 2206.00364, algorithm 1 without churn).
        Heun = "heun",
        /// Song et al., arXiv 2010.02502, equations 12 and 16. With `eta` = 0 it is `euler`, else `euler_ancestral`.
        Ddim = "ddim",
        /// Second-order multistep (Lu et al., arXiv 2211.01095, algorithm 2).
        DpmPp2M = "dpmpp_2m",
        /// Its stochastic form, midpoint (the same paper, equation 18; k-diffusion `sample_dpmpp_2m_sde`).
        DpmPp2MSde = "dpmpp_2m_sde",
        /// UniPC of order 2 with B(h) = e^h - 1 (Zhao et al., arXiv 2302.04867; diffusers `solver_type="bh2"`).
        UniPc = "uni_pc",
        /// Consistency sampling: all noise is drawn anew in each step (Luo et al., arXiv 2310.04378, algorithm 3).
        Lcm = "lcm",
    }
}

impl SigmaSampler {
    /// The `eta` that the sampler has by convention: how much of a step's noise is drawn anew, 0 = none, 1 = as much as
    /// keeps the model's own process. Samplers that know no `eta` ignore it.
    pub fn default_eta(self) -> f32 {
        match self {
            Self::EulerAncestral | Self::DpmPp2MSde => 1.0,
            Self::Euler | Self::Heun | Self::Ddim | Self::DpmPp2M | Self::UniPc | Self::Lcm => 0.0,
        }
    }

    /// The sigmas at which the denoiser is evaluated for this list of sigmas, in order.
    pub fn evaluation_sigmas(self, sigmas: &[f32]) -> Vec<f32> {
        let mut evaluations = Vec::new();
        for pair in sigmas.windows(2) {
            evaluations.push(pair[0]);
            if self == Self::Heun && pair[1] > 0.0 {
                evaluations.push(pair[1]);
            }
        }
        evaluations
    }
}

/// What the callback sees after each step.
#[derive(Debug)]
pub struct SigmaStep<'a> {
    /// Steps done, from 1.
    pub done: usize,
    /// Steps in all.
    pub steps: usize,
    /// The sigma reached.
    pub sigma: f32,
    /// The state at `sigma`.
    pub x: &'a [f32],
    /// The step's (first) clean picture, as it emerges.
    pub denoised: &'a [f32],
}

/// Fills the slice, as long as the state, with independent standard normals for the step given (from 0). Called at most
/// once a step and in order, so that a stream serves as well as addressed noise.
pub type DrawNoise<'a> = dyn FnMut(usize, &mut [f32]) + 'a;

/// Walks from `x`, the state at `sigmas[0]`, to `sigmas.last()`. `denoise(x, sigma)` gives the clean picture, as long as
/// `x`; `on_step` runs after each step. An error of either ends the run: this is also how a run is cancelled. `sigmas` are
/// finite and must fall strictly, at most to 0; with fewer than two `x` comes back. `eta >= 0`, seldom
/// above 1.
pub fn sample_sigmas<E>(
    sampler: SigmaSampler,
    eta: f32,
    sigmas: &[f32],
    mut x: Vec<f32>,
    denoise: &mut Predict<'_, E>,
    noise: &mut DrawNoise<'_>,
    on_step: &mut dyn FnMut(SigmaStep<'_>) -> Result<(), E>,
) -> Result<Vec<f32>, E> {
    let eta = f64::from(eta);
    let steps = sigmas.len().saturating_sub(1);
    let mut past: Option<Evaluation> = None;
    let mut unipc = unipc::UniPc::default();
    for (i, pair) in sigmas.windows(2).enumerate() {
        let denoised = denoise(&x, pair[0])?;
        let (sigma, next) = (f64::from(pair[0]), f64::from(pair[1]));
        // The deviation of the noise that the step adds.
        let added = match sampler {
            SigmaSampler::Euler => one_step::euler(&mut x, &denoised, sigma, next),
            SigmaSampler::EulerAncestral | SigmaSampler::Ddim => {
                one_step::ancestral(&mut x, &denoised, sigma, next, eta)
            }
            SigmaSampler::Heun => one_step::heun(&mut x, &denoised, pair[0], pair[1], denoise)?,
            SigmaSampler::DpmPp2M => dpmpp::two_m(&mut x, &denoised, past.as_ref(), sigma, next, 0.0),
            SigmaSampler::DpmPp2MSde => dpmpp::two_m(&mut x, &denoised, past.as_ref(), sigma, next, eta),
            SigmaSampler::UniPc => unipc.step(&mut x, &denoised, past.as_ref(), sigma, next),
            SigmaSampler::Lcm => one_step::consistency(&mut x, &denoised, next),
        };
        if added > 0.0 {
            let mut fresh = vec![0.0; x.len()];
            noise(i, &mut fresh);
            for (x, fresh) in x.iter_mut().zip(fresh) {
                *x += added as f32 * fresh;
            }
        }
        on_step(SigmaStep { done: i + 1, steps, sigma: pair[1], x: &x, denoised: &denoised })?;
        past = Some(Evaluation { sigma, denoised });
    }
    Ok(x)
}

/// The clean picture of the step before.
struct Evaluation {
    /// Where it was evaluated.
    sigma: f64,
    denoised: Vec<f32>,
}

/// `x := keep·x + (1 - keep)·d`: a step to `keep` times the present sigma along which the clean picture is `d`.
fn blend(x: &mut [f32], keep: f64, d: impl IntoIterator<Item = f32>) {
    let (keep, take) = (keep as f32, (1.0 - keep) as f32);
    for (x, d) in x.iter_mut().zip(d) {
        *x = keep * *x + take * d;
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Gaussian data N(mean, deviation²): the denoiser and the flow are known in closed form,
    /// `x(σ) = mean + sqrt((deviation² + σ²) / (deviation² + σ0²))·(x(σ0) - mean)`.
    const MEAN: f64 = 0.6;
    const DEVIATION: f64 = 0.35;

    fn denoise(x: &[f32], sigma: f32) -> Result<Vec<f32>, Infallible> {
        let gain = DEVIATION.powi(2) / (DEVIATION.powi(2) + f64::from(sigma).powi(2));
        Ok(x.iter().map(|&x| (MEAN + gain * (f64::from(x) - MEAN)) as f32).collect())
    }

    fn no_noise(_: usize, _: &mut [f32]) {
        panic!("this sampler draws no noise");
    }

    /// Largest error at the end of `sigmas` against the exact flow.
    fn error(sampler: SigmaSampler, sigmas: &[f32]) -> f64 {
        let spread = |sigma: f32| f64::from(sigma).hypot(DEVIATION);
        let start = vec![3.1_f32, -2.4, 0.9];
        let shrink = spread(sigmas[sigmas.len() - 1]) / spread(sigmas[0]);
        let exact: Vec<f64> = start.iter().map(|&x| MEAN + shrink * (f64::from(x) - MEAN)).collect();
        let got = sample_sigmas(sampler, 0.0, sigmas, start, &mut denoise, &mut no_noise, &mut |_| Ok(())).unwrap();
        got.iter().zip(exact).map(|(&g, e)| (f64::from(g) - e).abs()).fold(0.0, f64::max)
    }

    /// Away from 0, so that multistep samplers show their order too. (UniPC's corrector lifts its order to 3.)
    #[test]
    fn orders_of_convergence() {
        for (sampler, order, steps) in [
            (SigmaSampler::Euler, 1.0, 64),
            (SigmaSampler::EulerAncestral, 1.0, 64),
            (SigmaSampler::Ddim, 1.0, 64),
            (SigmaSampler::Heun, 2.0, 24),
            (SigmaSampler::DpmPp2M, 2.0, 32),
            (SigmaSampler::DpmPp2MSde, 2.0, 32),
        ] {
            let sigmas = |n: usize| (0..=n).map(|i| 3.0 * 0.15_f32.powf(i as f32 / n as f32)).collect::<Vec<_>>();
            let (coarse, fine) = (error(sampler, &sigmas(steps)), error(sampler, &sigmas(2 * steps)));
            let observed = (coarse / fine).log2();
            assert!((observed - order).abs() <= 0.3, "{sampler}: {observed} ({coarse} {fine})");
        }
        let sigmas: Vec<f32> = (0..=24).map(|i| 3.0 * 0.15_f32.powf(i as f32 / 24.0)).collect();
        let (unipc, dpmpp) = (error(SigmaSampler::UniPc, &sigmas), error(SigmaSampler::DpmPp2M, &sigmas));
        assert!(unipc < 0.5 * dpmpp, "{unipc} {dpmpp}");
    }

    #[test]
    fn constant_prediction_is_exact() {
        for &sampler in SigmaSampler::ALL {
            for sigmas in [&[7.0_f32, 0.0][..], &[14.6, 3.0, 0.0], &[14.6, 8.0, 2.5, 0.4, 0.03, 0.0]] {
                let got = sample_sigmas(
                    sampler,
                    1.0,
                    sigmas,
                    vec![15.0, -3.0],
                    &mut |_, _| Ok::<_, Infallible>(vec![0.25, -0.5]),
                    &mut |step, noise| noise.fill(step as f32 - 1.5),
                    &mut |_| Ok(()),
                )
                .unwrap();
                for (g, e) in got.iter().zip([0.25, -0.5]) {
                    assert!((g - e).abs() <= 1e-5, "{sampler} {sigmas:?}: {g}");
                }
            }
        }
    }

    /// New noise replaces old: a state of deviation σ ends every step with the deviation of the next sigma.
    #[test]
    fn stochastic_steps_keep_the_noise_level() {
        let stochastic =
            [SigmaSampler::EulerAncestral, SigmaSampler::Ddim, SigmaSampler::DpmPp2MSde, SigmaSampler::Lcm];
        for sampler in stochastic {
            for eta in [0.3_f32, 1.0] {
                // The squares of two coefficients: of the state's own noise and of the noise drawn.
                let coefficient = |start: f32, drawn: f32| {
                    let mut fill = |_: usize, noise: &mut [f32]| noise.fill(drawn);
                    let clean = &mut |_: &[f32], _: f32| Ok::<_, Infallible>(vec![0.0]);
                    let end = sample_sigmas(sampler, eta, &[5.0, 2.0], vec![start], clean, &mut fill, &mut |_| Ok(()));
                    f64::from(end.unwrap()[0]).powi(2)
                };
                let variance = coefficient(5.0, 0.0) + coefficient(0.0, 1.0);
                assert!((variance - 4.0).abs() <= 1e-5, "{sampler} {eta}: {variance}");
            }
        }
    }

    #[test]
    fn callbacks_see_each_step_and_evaluations_are_as_announced() {
        let sigmas = [8.0, 3.0, 1.0, 0.2, 0.0];
        for &sampler in SigmaSampler::ALL {
            let (mut seen, mut states, mut drawn) = (Vec::new(), Vec::new(), Vec::new());
            let end = sample_sigmas(
                sampler,
                sampler.default_eta(),
                &sigmas,
                vec![2.0],
                &mut |x, sigma| {
                    seen.push(sigma);
                    denoise(x, sigma)
                },
                &mut |step, noise| {
                    drawn.push(step);
                    noise.fill(0.1);
                },
                &mut |step| {
                    states.push((step.done, step.steps, step.sigma, step.x[0]));
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(seen, sampler.evaluation_sigmas(&sigmas), "{sampler}");
            let noisy = sampler.default_eta() > 0.0 || sampler == SigmaSampler::Lcm;
            assert_eq!(drawn, if noisy { vec![0, 1, 2] } else { vec![] }, "{sampler}");
            let steps: Vec<_> = states.iter().map(|s| (s.0, s.1, s.2)).collect();
            assert_eq!(steps, [(1, 4, 3.0), (2, 4, 1.0), (3, 4, 0.2), (4, 4, 0.0)]);
            assert_eq!(states[3].3, end[0]);
        }
    }

    #[test]
    fn an_error_ends_the_run_at_once() {
        for &sampler in SigmaSampler::ALL {
            let mut calls = 0;
            let mut run = |fail_at_step: usize, fail_at_call: usize| {
                calls = 0;
                let result = sample_sigmas(
                    sampler,
                    0.0,
                    &[8.0, 4.0, 2.0, 1.0, 0.5, 0.0],
                    vec![0.0],
                    &mut |x, _| {
                        calls += 1;
                        if calls == fail_at_call { Err("broken") } else { Ok(x.to_vec()) }
                    },
                    &mut |_, noise| noise.fill(0.0),
                    &mut |step| {
                        if step.done == fail_at_step { Err("cancelled") } else { Ok(()) }
                    },
                );
                (result, calls)
            };
            let a_step = if sampler == SigmaSampler::Heun { 2 } else { 1 };
            assert_eq!(run(3, 0), (Err("cancelled"), 3 * a_step), "{sampler}");
            assert_eq!(run(0, 2), (Err("broken"), 2), "{sampler}");
        }
    }

    #[test]
    fn elements_do_not_see_each_other() {
        let sigmas = [8.0, 3.0, 1.0, 0.2, 0.03, 0.0];
        for &sampler in SigmaSampler::ALL {
            let run = |x: Vec<f32>| {
                let mut noise = |step: usize, noise: &mut [f32]| noise.fill(0.3 * step as f32 - 0.4);
                sample_sigmas(sampler, 1.0, &sigmas, x, &mut denoise, &mut noise, &mut |_| Ok(())).unwrap()
            };
            let together = run(vec![0.1, -9.0, 3.7]);
            for (i, x) in [0.1, -9.0, 3.7].into_iter().enumerate() {
                assert_eq!(run(vec![x])[0].to_bits(), together[i].to_bits());
            }
        }
    }
}
