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

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ParseError;

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
    #[default]
    #[serde(rename = "dpmpp_2m")]
    DpmPp2M,
}

impl Sampler {
    /// Every sampler.
    pub const ALL: [Self; 3] = [Self::Euler, Self::Heun, Self::DpmPp2M];

    /// The name in requests and recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Euler => "euler",
            Self::Heun => "heun",
            Self::DpmPp2M => "dpmpp_2m",
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

/// The network: `x̂ = predict(z, t)`, as long as `z`.
pub type Predict<'a, E> = dyn FnMut(&[f32], f32) -> Result<Vec<f32>, E> + 'a;

/// Integrates from `noise` at `times[0]` to `times.last()`. `predict(z, t)` gives `x̂`, as long as
/// `z`; `on_step` runs after each step. An error of either ends the run: this is also how a run is
/// cancelled. `times` must fall strictly inside [0, 1]; with fewer than two the noise comes back.
pub fn sample<E>(
    sampler: Sampler,
    times: &[f32],
    noise: Vec<f32>,
    predict: &mut Predict<'_, E>,
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

/// One multistep step: `D = x̂ + h/(2·h_last)·(x̂ - x̂_last)` with steps `h` measured in λ.
fn dpmpp_2m_step(z: &mut [f32], x_hat: &[f32], t: f32, s: f32, previous: Option<&Previous>) {
    let lambda = |t: f32| ((1.0 - f64::from(t)) / f64::from(t)).ln();
    match previous {
        Some(last) if s > 0.0 && last.t < 1.0 => {
            let ratio = (lambda(s) - lambda(t)) / (lambda(t) - lambda(last.t));
            let extrapolate = (0.5 * ratio) as f32;
            let d: Vec<f32> =
                x_hat.iter().zip(&last.x_hat).map(|(&now, &before)| now + extrapolate * (now - before)).collect();
            euler_step(z, &d, t, s);
        }
        _ => euler_step(z, x_hat, t, s),
    }
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

    /// Largest error at the end of `times` against the exact flow.
    fn error(sampler: Sampler, times: &[f32]) -> f64 {
        let deviation = |t: f32| (1.0 - f64::from(t)).hypot(f64::from(t) / DEVIATION) * DEVIATION;
        let mean = |t: f32| (1.0 - f64::from(t)) * MEAN;
        let (t, s) = (times[0], times[times.len() - 1]);
        let noise = vec![1.3_f32, -0.8, 0.2];
        let exact: Vec<f64> =
            noise.iter().map(|&z| mean(s) + deviation(s) / deviation(t) * (f64::from(z) - mean(t))).collect();
        let got = sample(sampler, times, noise, &mut predict, &mut |_| Ok(())).unwrap();
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
        let [euler, heun, dpmpp] = Sampler::ALL.map(|s| error(s, &Schedule::Linear.times(25)));
        assert!(heun < 0.2 * euler && dpmpp < 0.5 * euler, "{euler} {heun} {dpmpp}");
    }

    #[test]
    fn constant_prediction_is_exact() {
        for sampler in Sampler::ALL {
            for steps in [1, 2, 7] {
                let got = sample(
                    sampler,
                    &Schedule::Linear.times(steps),
                    vec![5.0, -3.0],
                    &mut |_, _| Ok::<_, Infallible>(vec![0.25, -0.5]),
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
                &times,
                vec![2.0],
                &mut |z, t| {
                    seen.push(t);
                    Ok::<_, Infallible>(vec![0.5 * z[0]])
                },
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
            &Schedule::Linear.times(10),
            vec![0.0],
            &mut |z, _| {
                calls += 1;
                Ok(z.to_vec())
            },
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
            let run = |noise: Vec<f32>| sample(sampler, &times, noise, &mut predict, &mut |_| Ok(())).unwrap();
            let together = run(vec![0.1, -2.0, 0.7]);
            for (i, z) in [0.1, -2.0, 0.7].into_iter().enumerate() {
                assert_eq!(run(vec![z])[0].to_bits(), together[i].to_bits());
            }
        }
    }
}
