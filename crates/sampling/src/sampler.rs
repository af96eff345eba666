//! Samplers as pure functions: they solve `dz/dt = (z - x̂(z, t)) / t` from t = 1 (noise) to t = 0.
//!
//! All are written for data prediction, where one step `t -> s` of the exponential integrator is
//! `z_s = (s/t)·z_t + (1 - s/t)·D`: exact when the prediction `D` is constant along the step.
//! * `euler`: `D = x̂(z_t, t)`. One evaluation a step, order 1.
//! * `heun`: Karras et al., arXiv 2206.00364, algorithm 1 without churn. Two evaluations a step
//!   (one in the last), order 2.
//! * `dpmpp_2m`: Lu et al., arXiv 2211.01095, algorithm 2: `D` is extrapolated from the last two
//!   predictions in `λ = ln((1-t)/t)`. One evaluation a step, order 2. The steps that touch
//!   λ = ±∞ (the first, its successor, and the last) are of order 1, as in k-diffusion.
//! * `dpmpp_2m_sde`: its stochastic form, midpoint (equation 18 of the same paper): part of the noise is drawn anew in every
//!   step but the first, which starts from nothing else, and the last, or in those that begin above a time ([`NewNoise`]).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{DrawNoise, ParseError};

/// How the flow is integrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Sampler {
    /// First order, one evaluation a step.
    #[serde(rename = "euler")]
    Euler,
    /// Second order, two evaluations a step.
    #[serde(rename = "heun")]
    Heun,
    /// Second-order multistep, one evaluation a step.
    #[serde(rename = "dpmpp_2m")]
    DpmPp2M,
    /// The same with noise that is drawn anew along the way: what went wrong before is forgotten.
    #[default]
    #[serde(rename = "dpmpp_2m_sde")]
    DpmPp2MSde,
}

impl Sampler {
    /// Every sampler.
    pub const ALL: [Self; 4] = [Self::Euler, Self::Heun, Self::DpmPp2M, Self::DpmPp2MSde];

    /// Whether it draws noise anew, as much as an eta says.
    pub fn draws_noise(self) -> bool {
        self.default_eta() > 0.0
    }

    /// How much of a step's noise is drawn anew if nothing is said: 0 = none, 1 = as much as keeps the stochastic equation
    /// of the training process.
    pub fn default_eta(self) -> f32 {
        match self {
            Self::DpmPp2MSde => 0.5,
            Self::Euler | Self::Heun | Self::DpmPp2M => 0.0,
        }
    }

    /// The name in requests and recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Euler => "euler",
            Self::Heun => "heun",
            Self::DpmPp2M => "dpmpp_2m",
            Self::DpmPp2MSde => "dpmpp_2m_sde",
        }
    }

    /// The times at which the prediction is evaluated for this list of times, in order.
    pub fn evaluation_times(self, times: &[f32]) -> Vec<f32> {
        let mut evaluations = Vec::new();
        for pair in times.windows(2) {
            evaluations.push(pair[0]);
            if self == Self::Heun && pair[1] > 0.0 {
                evaluations.push(pair[1]);
            }
        }
        evaluations
    }
}

impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Sampler {
    type Err = ParseError;

    fn from_str(name: &str) -> Result<Self, ParseError> {
        Self::ALL
            .into_iter()
            .find(|sampler| sampler.name() == name)
            .ok_or_else(|| ParseError::Sampler(name.chars().take(40).collect()))
    }
}

/// What the callback sees after each step.
#[derive(Debug)]
pub struct Step<'a> {
    /// Steps done, from 1.
    pub done: usize,
    /// Steps in all.
    pub steps: usize,
    /// The time reached.
    pub t: f32,
    /// The state at `t`.
    pub z: &'a [f32],
    /// The step's (first) data prediction: the picture as it emerges.
    pub x_hat: &'a [f32],
}

/// What a stochastic sampler draws anew; others draw nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NewNoise {
    /// How much of a step's noise, 0 or more: 1 is as much as keeps the stochastic equation of the training process.
    pub eta: f32,
    /// Only in steps that begin above this time.
    pub above: f32,
}

impl NewNoise {
    /// Nothing.
    pub const NONE: Self = Self { eta: 0.0, above: 0.0 };
}

/// The network: `x̂ = predict(z, t)`, as long as `z`.
pub type Predict<'a, E> = dyn FnMut(&[f32], f32) -> Result<Vec<f32>, E> + 'a;

/// Integrates from `noise` at `times[0]` to `times.last()`. `predict(z, t)` gives `x̂`, as long as
/// `z`; `draw` gives noise of the deviation of `noise` at t = 1; `on_step` runs after each step. An error of `predict` or
/// `on_step` ends the run: this is also how a run is cancelled. `times` must fall strictly inside [0, 1]; with fewer than
/// two the noise comes back.
pub fn sample<E>(
    sampler: Sampler,
    new: NewNoise,
    times: &[f32],
    noise: Vec<f32>,
    predict: &mut Predict<'_, E>,
    draw: &mut DrawNoise<'_>,
    on_step: &mut dyn FnMut(Step<'_>) -> Result<(), E>,
) -> Result<Vec<f32>, E> {
    let mut z = noise;
    let mut previous: Option<Previous> = None;
    let steps = times.len().saturating_sub(1);
    for (i, pair) in times.windows(2).enumerate() {
        let (t, s) = (pair[0], pair[1]);
        let x_hat = predict(&z, t)?;
        match sampler {
            Sampler::Euler => euler_step(&mut z, &x_hat, t, s),
            Sampler::Heun => heun_step(&mut z, &x_hat, t, s, predict)?,
            Sampler::DpmPp2M => dpmpp_2m_step(&mut z, &x_hat, t, s, previous.as_ref()),
            Sampler::DpmPp2MSde => {
                let eta = if t > new.above { new.eta } else { 0.0 };
                let added = dpmpp_2m_sde_step(&mut z, &x_hat, t, s, previous.as_ref(), eta);
                if added > 0.0 {
                    let mut fresh = vec![0.0; z.len()];
                    draw(i, &mut fresh);
                    z.iter_mut().zip(fresh).for_each(|(z, fresh)| *z += added * fresh);
                }
            }
        }
        on_step(Step { done: i + 1, steps, t: s, z: &z, x_hat: &x_hat })?;
        previous = Some(Previous { t, x_hat });
    }
    Ok(z)
}

/// The prediction of the step before.
struct Previous {
    t: f32,
    x_hat: Vec<f32>,
}

/// `z := (s/t)·z + (1 - s/t)·d`.
fn euler_step(z: &mut [f32], d: &[f32], t: f32, s: f32) {
    let keep = f64::from(s) / f64::from(t);
    let (keep, take) = (keep as f32, (1.0 - keep) as f32);
    for (z, &d) in z.iter_mut().zip(d) {
        *z = keep * *z + take * d;
    }
}

/// Euler to `s`, then the mean of both slopes; plain Euler when `s = 0`.
fn heun_step<E>(z: &mut Vec<f32>, x_hat: &[f32], t: f32, s: f32, predict: &mut Predict<'_, E>) -> Result<(), E> {
    let mut trial = z.clone();
    euler_step(&mut trial, x_hat, t, s);
    if s > 0.0 {
        let x_next = predict(&trial, s)?;
        let half = 0.5 * (s - t);
        for (i, z) in z.iter_mut().enumerate() {
            *z += half * ((*z - x_hat[i]) / t + (trial[i] - x_next[i]) / s);
        }
    } else {
        *z = trial;
    }
    Ok(())
}

fn lambda(t: f32) -> f64 {
    ((1.0 - f64::from(t)) / f64::from(t)).ln()
}

/// What a multistep step trusts: `D = x̂ + h/(2·h_last)·(x̂ - x̂_last)` with steps `h` measured in λ.
fn extrapolated(x_hat: &[f32], t: f32, s: f32, previous: Option<&Previous>) -> Vec<f32> {
    match previous {
        Some(last) if s > 0.0 && last.t < 1.0 => {
            let ratio = (lambda(s) - lambda(t)) / (lambda(t) - lambda(last.t));
            let extrapolate = (0.5 * ratio) as f32;
            x_hat.iter().zip(&last.x_hat).map(|(&now, &before)| now + extrapolate * (now - before)).collect()
        }
        _ => x_hat.to_vec(),
    }
}

fn dpmpp_2m_step(z: &mut [f32], x_hat: &[f32], t: f32, s: f32, previous: Option<&Previous>) {
    euler_step(z, &extrapolated(x_hat, t, s, previous), t, s);
}

/// `z := (s/t)·e^{-ηh}·z + (1 - s)·(1 - (σ_s/σ_t)·e^{-ηh})·D` with `σ = t/(1 - t)`; gives the deviation of the noise to be added,
/// `s·√(1 - e^{-2ηh})`. Where h is infinite, at t = 1 and s = 0, as without new noise.
fn dpmpp_2m_sde_step(z: &mut [f32], x_hat: &[f32], t: f32, s: f32, previous: Option<&Previous>, eta: f32) -> f32 {
    let d = extrapolated(x_hat, t, s, previous);
    if eta == 0.0 || t >= 1.0 || s <= 0.0 {
        euler_step(z, &d, t, s);
        return 0.0;
    }
    let way = f64::from(eta) * (lambda(s) - lambda(t));
    let (t, s) = (f64::from(t), f64::from(s));
    let keep = s / t * (-way).exp();
    let take = (1.0 - s) - (1.0 - t) * keep;
    for (z, d) in z.iter_mut().zip(d) {
        *z = keep as f32 * *z + take as f32 * d;
    }
    (s * (1.0 - (-2.0 * way).exp()).sqrt()) as f32
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::Schedule;

    /// Gaussian data N(mean, deviation²): the prediction and the flow are known in closed form,
    /// `z(t) = (1-t)·mean + sqrt((1-t)²·deviation² + t²)·z(1)`.
    const MEAN: f64 = 0.6;
    const DEVIATION: f64 = 0.35;

    fn predict(z: &[f32], t: f32) -> Result<Vec<f32>, Infallible> {
        let t = f64::from(t);
        let variance = (1.0 - t).powi(2) * DEVIATION * DEVIATION + t * t;
        let gain = (1.0 - t) * DEVIATION * DEVIATION / variance;
        Ok(z.iter().map(|&z| (MEAN + gain * (f64::from(z) - (1.0 - t) * MEAN)) as f32).collect())
    }

    fn no_noise(_: usize, _: &mut [f32]) {
        panic!("drawn without a need");
    }

    /// A number of its own for each step, the same for every element.
    fn some_noise(step: usize, noise: &mut [f32]) {
        noise.fill((step as f32).sin());
    }

    /// Largest error at the end of `times` against the exact flow.
    fn error(sampler: Sampler, times: &[f32]) -> f64 {
        let deviation = |t: f32| (1.0 - f64::from(t)).hypot(f64::from(t) / DEVIATION) * DEVIATION;
        let mean = |t: f32| (1.0 - f64::from(t)) * MEAN;
        let (t, s) = (times[0], times[times.len() - 1]);
        let noise = vec![1.3_f32, -0.8, 0.2];
        let exact: Vec<f64> =
            noise.iter().map(|&z| mean(s) + deviation(s) / deviation(t) * (f64::from(z) - mean(t))).collect();
        let got = sample(sampler, NewNoise::NONE, times, noise, &mut predict, &mut no_noise, &mut |_| Ok(())).unwrap();
        got.iter().zip(exact).map(|(&g, e)| (f64::from(g) - e).abs()).fold(0.0, f64::max)
    }

    /// Away from λ = ±∞, so that `dpmpp_2m` shows its order too.
    #[test]
    fn orders_of_convergence() {
        for (sampler, order, steps) in
            [(Sampler::Euler, 1.0, 64), (Sampler::Heun, 2.0, 16), (Sampler::DpmPp2M, 2.0, 32)]
        {
            let times = |n: usize| (0..=n).map(|i| 0.95 - 0.85 * i as f32 / n as f32).collect::<Vec<_>>();
            let (coarse, fine) = (error(sampler, &times(steps)), error(sampler, &times(2 * steps)));
            let observed = (coarse / fine).log2();
            assert!((observed - order).abs() <= 0.3, "{sampler}: {observed} ({coarse} {fine})");
        }
    }

    #[test]
    fn second_order_beats_first_at_25_steps() {
        let [euler, heun, dpmpp, sde] = Sampler::ALL.map(|s| error(s, &Schedule::Linear.times(25)));
        assert_eq!(sde, dpmpp, "without new noise");
        assert!(heun < 0.2 * euler && dpmpp < 0.5 * euler, "{euler} {heun} {dpmpp}");
    }

    #[test]
    fn constant_prediction_is_exact() {
        for sampler in Sampler::ALL {
            for steps in [1, 2, 7] {
                let got = sample(
                    sampler,
                    NewNoise { eta: 0.7, above: 0.3 },
                    &Schedule::Linear.times(steps),
                    vec![5.0, -3.0],
                    &mut |_, _| Ok::<_, Infallible>(vec![0.25, -0.5]),
                    &mut some_noise,
                    &mut |_| Ok(()),
                )
                .unwrap();
                for (g, e) in got.iter().zip([0.25, -0.5]) {
                    assert!((g - e).abs() <= 1e-6, "{sampler} {steps}: {g}");
                }
            }
        }
    }

    /// Two Euler steps by hand: z = 2, x̂ = 1 then 0: 0.5·2 + 0.5·1 = 1.5, then 0.
    #[test]
    fn euler_by_hand_and_evaluation_times() {
        for sampler in Sampler::ALL {
            let times = Schedule::Linear.times(4);
            let mut seen = Vec::new();
            let mut states = Vec::new();
            sample(
                sampler,
                NewNoise { eta: sampler.default_eta(), above: 0.0 },
                &times,
                vec![2.0],
                &mut |z, t| {
                    seen.push(t);
                    Ok::<_, Infallible>(vec![0.5 * z[0]])
                },
                &mut some_noise,
                &mut |step| {
                    states.push((step.done, step.steps, step.t, step.z[0]));
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!(seen, sampler.evaluation_times(&times), "{sampler}");
            if sampler == Sampler::Euler {
                // z *= s/t + (1 - s/t)/2: 0.875, then 5/6, 3/4, 1/2.
                assert_eq!(states[0], (1, 4, 0.75, 1.75));
                assert!((states[3].3 - 2.0 * 0.875 * (5.0 / 6.0) * 0.75 * 0.5).abs() <= 1e-6);
            }
        }
    }

    #[test]
    fn an_error_ends_the_run_at_once() {
        let mut calls = 0;
        let result = sample(
            Sampler::Euler,
            NewNoise::NONE,
            &Schedule::Linear.times(10),
            vec![0.0],
            &mut |z, _| {
                calls += 1;
                Ok(z.to_vec())
            },
            &mut no_noise,
            &mut |step| {
                if step.done == 3 { Err("cancelled") } else { Ok(()) }
            },
        );
        assert_eq!((result, calls), (Err("cancelled"), 3));
    }

    #[test]
    fn elements_do_not_see_each_other() {
        let times = Schedule::Linear.times(9);
        for sampler in Sampler::ALL {
            let run = |noise: Vec<f32>| {
                let new = NewNoise { eta: sampler.default_eta(), above: 0.2 };
                sample(sampler, new, &times, noise, &mut predict, &mut some_noise, &mut |_| Ok(())).unwrap()
            };
            let together = run(vec![0.1, -2.0, 0.7]);
            for (i, z) in [0.1, -2.0, 0.7].into_iter().enumerate() {
                assert_eq!(run(vec![z])[0].to_bits(), together[i].to_bits());
            }
        }
    }

    /// `y = z / (1 - t)` at `σ = t / (1 - t)` walks as Stable Diffusion's sampler does, which agrees with k-diffusion.
    #[test]
    fn new_noise_is_drawn_as_in_sigma_space() {
        let times = [0.9, 0.7, 0.4, 0.2, 0.05];
        for eta in [0.0, 0.5, 1.0] {
            let got = sample(
                Sampler::DpmPp2MSde,
                NewNoise { eta, above: 0.0 },
                &times,
                vec![1.3, -0.8],
                &mut predict,
                &mut some_noise,
                &mut |_| Ok(()),
            );
            let sigmas = times.map(|t| t / (1.0 - t));
            let walked = crate::sample_sigmas(
                crate::SigmaSampler::DpmPp2MSde,
                eta,
                &sigmas,
                vec![1.3 / (1.0 - times[0]), -0.8 / (1.0 - times[0])],
                &mut |y, sigma| {
                    let t = sigma / (1.0 + sigma);
                    predict(&y.iter().map(|y| (1.0 - t) * y).collect::<Vec<_>>(), t)
                },
                &mut some_noise,
                &mut |_| Ok(()),
            );
            for (got, walked) in got.unwrap().iter().zip(walked.unwrap()) {
                assert!((got - (1.0 - times[4]) * walked).abs() <= 2e-6, "{eta}: {got} {walked}");
            }
        }
    }

    /// New noise or not, pictures come from the same distribution.
    #[test]
    fn new_noise_keeps_the_distribution() {
        use crate::{NoiseAddress, Purpose, fill_normal};
        const COUNT: usize = 20_000;
        let draw = |step: usize, noise: &mut [f32]| {
            fill_normal(NoiseAddress { seed: 4, image: 0, step: step as u32, purpose: Purpose::Step }, noise);
        };
        for eta in [0.0, 0.5, 1.0] {
            let mut noise = vec![0.0; COUNT];
            draw(1000, &mut noise);
            let times = Schedule::Shifted(3.0).times(100);
            // From some time on without new noise, too.
            let (sampler, new) = (Sampler::DpmPp2MSde, NewNoise { eta, above: 0.4 });
            let got =
                sample(sampler, new, &times, noise.clone(), &mut predict, &mut |i, n| draw(i, n), &mut |_| Ok(()))
                    .unwrap();
            let mean = got.iter().map(|&x| f64::from(x)).sum::<f64>() / COUNT as f64;
            let deviation = (got.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / COUNT as f64).sqrt();
            assert!((mean - MEAN).abs() < 0.01, "{eta}: {mean}");
            assert!((deviation - DEVIATION).abs() < 0.01, "{eta}: {deviation}");
            // With new noise the first is forgotten.
            let alike = got.iter().zip(&noise).map(|(&x, &z)| (f64::from(x) - mean) * f64::from(z)).sum::<f64>();
            let alike = alike / COUNT as f64 / deviation;
            assert!(if eta == 0.0 { alike > 0.95 } else { alike < 0.1 }, "{eta}: {alike}");
        }
    }
}
