//! UniPC of order 2 in data prediction (Zhao et al., arXiv 2302.04867, algorithms 5 to 8 with B2(h)), as in diffusers'
//! `UniPCMultistepScheduler`: each evaluation first corrects the step that led to it, then predicts the next one.
//!
//! With `h = ln(sigma/next)` a step from `x` is `x_next = k·x + (1 - k)·(x̂0 + Σ ρ·D)`, `k = next/sigma`, where the D are
//! differences of clean pictures: `D1 = (x̂0_last - x̂0)/r` with `r = -h_last/h`, and, known to the corrector only,
//! `D2 = x̂0_next - x̂0`. (For B2 the paper's two functions of h are both 1 - k in sigma space.)

use super::{Evaluation, blend};

/// What a step leaves for its correction.
#[derive(Default)]
pub(super) struct UniPc {
    step: Option<Predicted>,
}

/// A step that was predicted.
struct Predicted {
    /// The state it began from.
    start: Vec<f32>,
    /// `ln(sigma/next)`.
    h: f64,
    /// `next/sigma`.
    keep: f64,
    /// `D1` and its `r`, when there was an evaluation before.
    difference: Option<(Vec<f32>, f64)>,
}

impl UniPc {
    /// Corrects `x` at `sigma` and predicts it at `next`. The last step, to 0, is of order 1.
    pub(super) fn step(
        &mut self,
        x: &mut Vec<f32>,
        denoised: &[f32],
        past: Option<&Evaluation>,
        sigma: f64,
        next: f64,
    ) -> f64 {
        if let (Some(step), Some(past)) = (self.step.take(), past) {
            *x = step.corrected(&past.denoised, denoised);
        }
        let h = (sigma / next).ln();
        let difference = past.filter(|_| next > 0.0).map(|past| {
            let r = -(past.sigma / sigma).ln() / h;
            let d = past.denoised.iter().zip(denoised).map(|(&before, &now)| (before - now) / r as f32).collect();
            (d, r)
        });
        let keep = next / sigma;
        let start = x.clone();
        match &difference {
            // The predictor's only weight is 1/2 at order 2.
            Some((d, _)) => blend(x, keep, denoised.iter().zip(d).map(|(&now, &d)| now + 0.5 * d)),
            None => blend(x, keep, denoised.iter().copied()),
        }
        self.step = Some(Predicted { start, h, keep, difference });
        0.0
    }
}

impl Predicted {
    /// The step again, now that the clean picture at its end is known: `from` and `to` are those at its two ends.
    fn corrected(self, from: &[f32], to: &[f32]) -> Vec<f32> {
        let mut x = self.start;
        match self.difference {
            // The only weight is 1/2 at order 1.
            None => blend(&mut x, self.keep, from.iter().zip(to).map(|(&from, &to)| from + 0.5 * (to - from))),
            Some((d1, r)) => {
                // Weights that integrate a straight line and a parabola exactly: ρ1 + ρ2 = b1 and r·ρ1 + ρ2 = b2.
                let phi = (1.0 - self.keep) / self.h;
                let b1 = (1.0 - phi) / (1.0 - self.keep);
                let b2 = 2.0 * (0.5 - (1.0 - phi) / self.h) / (1.0 - self.keep);
                let rho1 = (b1 - b2) / (1.0 - r);
                let (rho1, rho2) = (rho1 as f32, (b1 - rho1) as f32);
                let ends = from.iter().zip(to);
                blend(&mut x, self.keep, ends.zip(d1).map(|((&from, &to), d1)| from + rho1 * d1 + rho2 * (to - from)));
            }
        }
        x
    }
}
