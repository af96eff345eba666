//! One arm's posterior as a smooth log-concave density on a line.
//!
//! A beta posterior is looked at in logits, `u = ln(θ/(1−θ))`: there its density `∝ e^{a·u}/(1+e^u)^{a+b}` is smooth and
//! log-concave for every a, b > 0, without the poles that Beta(½, ½) has at 0 and 1. A mean's posterior is the normal itself.

/// How far down a density is followed: e⁻¹²⁰ ≈ 8e-53 of its mode.
const DEPTH: f64 = 120.0;

/// A posterior; `u` is its coordinate, `value(u)` the metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Posterior {
    /// Beta(a, b) in logits.
    Beta {
        /// Successes and prior successes, > 0.
        a: f64,
        /// Failures and prior failures, > 0.
        b: f64,
    },
    /// Normal.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation, > 0.
        sd: f64,
    },
}

impl Posterior {
    /// The posterior of the same arm where smaller values are called better: θ → 1 − θ, or θ → −θ.
    pub(super) fn mirrored(self) -> Self {
        match self {
            Self::Beta { a, b } => Self::Beta { a: b, b: a },
            Self::Normal { mean, sd } => Self::Normal { mean: -mean, sd },
        }
    }

    /// Expected value of the metric.
    pub(super) fn mean(self) -> f64 {
        match self {
            Self::Beta { a, b } => a / (a + b),
            Self::Normal { mean, .. } => mean,
        }
    }

    /// The coordinate of the highest density.
    pub(super) fn mode(self) -> f64 {
        match self {
            Self::Beta { a, b } => (a / b).ln(),
            Self::Normal { mean, .. } => mean,
        }
    }

    /// ln of the density at `u`, less that at the mode: ≤ 0.
    pub(super) fn log_density(self, u: f64) -> f64 {
        let distance = u - self.mode();
        match self {
            // Beta(a, b) at u is Beta(b, a) at −u; of the two, the one with a ≤ b keeps its digits.
            Self::Beta { a, b } if a <= b => logit_density(a, b, distance),
            Self::Beta { a, b } => logit_density(b, a, -distance),
            Self::Normal { sd, .. } => -0.5 * (distance / sd) * (distance / sd),
        }
    }

    /// The longest step at `u` over which a polynomial of degree 15 follows the density to double precision.
    pub(super) fn step(self, u: f64) -> f64 {
        let (slope, curvature) = match self {
            Self::Beta { a, b } => {
                let theta = logistic(u);
                (a - (a + b) * theta, (a + b) * theta * logistic(-u))
            }
            Self::Normal { mean, sd } => ((mean - u) / sd / sd, 1.0 / sd / sd),
        };
        (1.5 / curvature.sqrt()).min(3.0 / slope.abs()).min(self.longest_step())
    }

    /// The longest step where no density is: logits bend on the scale of one, a plain line never does.
    pub(super) fn longest_step(self) -> f64 {
        match self {
            Self::Beta { .. } => 1.0,
            Self::Normal { .. } => f64::INFINITY,
        }
    }

    /// The coordinates outside of which the density is below e⁻¹²⁰ of its mode.
    pub(super) fn support(self) -> (f64, f64) {
        (self.edge(-1.0), self.edge(1.0))
    }

    fn edge(self, side: f64) -> f64 {
        let mode = self.mode();
        let mut far = match self {
            Self::Beta { a, b } => (1.0 / a + 1.0 / b).sqrt(),
            Self::Normal { sd, .. } => sd,
        };
        let mut near = 0.0;
        while self.log_density(mode + side * far) > -DEPTH {
            near = far;
            far *= 2.0;
        }
        for _ in 0..40 {
            let middle = 0.5 * (near + far);
            if self.log_density(mode + side * middle) > -DEPTH { near = middle } else { far = middle }
        }
        mode + side * far
    }

    /// The metric at `u`.
    pub(super) fn value(self, u: f64) -> f64 {
        match self {
            Self::Beta { .. } => logistic(u),
            Self::Normal { .. } => u,
        }
    }

    /// Change of the metric with `u`.
    pub(super) fn value_slope(self, u: f64) -> f64 {
        match self {
            Self::Beta { .. } => logistic(u) * logistic(-u),
            Self::Normal { .. } => 1.0,
        }
    }
}

/// 1/(1 + e⁻ᵘ), exact in both tails.
fn logistic(u: f64) -> f64 {
    if u >= 0.0 {
        1.0 / (1.0 + (-u).exp())
    } else {
        let e = u.exp();
        e / (1.0 + e)
    }
}

/// ln density of Beta(a, b), a ≤ b, in logits, `d` from its mode: a·d − (a+b)·ln(1 + p·(eᵈ − 1)) with p = a/(a+b) ≤ ½.
fn logit_density(a: f64, b: f64, d: f64) -> f64 {
    let p = a / (a + b);
    if d > 600.0 {
        return a * d - (a + b) * (p.ln() + d);
    }
    a * d - (a + b) * (p * d.exp_m1()).ln_1p()
}
