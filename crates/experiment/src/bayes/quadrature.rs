//! Deterministic quadrature over several posteriors at once: no random numbers, and small probabilities keep their digits.
//!
//! One common row of panels covers all posteriors, each panel short enough for the steepest density in it. In a panel the
//! densities are known at 16 Gauss–Legendre nodes; an integration matrix turns them into distribution functions there,
//! summed from the left (F) and from the right (1 − F), so that neither tail is a difference of near equals. Each posterior
//! is normalised by its own sum.
//!
//! Then P(best_i) = ∫ f_i·Π_{j≠i} F_j, and the expected loss of choosing i is E[(max_{j≠i} θ_j − θ_i)⁺] = ∫ F_i·(1 − Π_{j≠i} F_j) dθ,
//! which is positive under the integral.

use super::posterior::Posterior;

/// Nodes in a panel.
const NODES: usize = 16;

/// Gauss–Legendre nodes and weights on −1..1, and the matrix that integrates from −1 to each node.
pub(super) struct Rule {
    nodes: [f64; NODES],
    weights: [f64; NODES],
    partial: [[f64; NODES]; NODES],
}

impl Rule {
    pub(super) fn new() -> Self {
        let mut rule = Self { nodes: [0.0; NODES], weights: [0.0; NODES], partial: [[0.0; NODES]; NODES] };
        for i in 0..NODES {
            let mut x = -(std::f64::consts::PI * (i as f64 + 0.75) / (NODES as f64 + 0.5)).cos();
            let slope = |x: f64| {
                let p = legendre(x);
                NODES as f64 * (x * p[NODES] - p[NODES - 1]) / (x * x - 1.0)
            };
            for _ in 0..20 {
                x -= legendre(x)[NODES] / slope(x);
            }
            rule.nodes[i] = x;
            rule.weights[i] = 2.0 / ((1.0 - x * x) * slope(x) * slope(x));
        }
        // Each node's cardinal polynomial in Legendre polynomials, whose integrals are differences of their neighbours.
        for i in 0..NODES {
            let up = legendre(rule.nodes[i]);
            for k in 0..NODES {
                let at = legendre(rule.nodes[k]);
                let sum: f64 = (0..NODES).map(|n| at[n] * (up[n + 1] - if n == 0 { -1.0 } else { up[n - 1] })).sum();
                rule.partial[i][k] = 0.5 * rule.weights[k] * sum;
            }
        }
        rule
    }
}

/// P_0..=P_NODES at x.
fn legendre(x: f64) -> [f64; NODES + 1] {
    let mut p = [1.0; NODES + 1];
    p[1] = x;
    for n in 1..NODES {
        p[n + 1] = ((2 * n + 1) as f64 * x * p[n] - n as f64 * p[n - 1]) / (n + 1) as f64;
    }
    p
}

/// Edges of panels over all supports; none is longer than the steps of the posteriors that it crosses.
fn panels(posteriors: &[Posterior], supports: &[(f64, f64)]) -> Vec<f64> {
    let mut stops: Vec<f64> = supports.iter().flat_map(|&(low, high)| [low, high]).collect();
    stops.sort_by(f64::total_cmp);
    stops.dedup();
    let longest = posteriors.iter().map(|p| p.longest_step()).fold(f64::INFINITY, f64::min);
    let mut edges = vec![stops[0]];
    for pair in stops.windows(2) {
        let (low, high) = (pair[0], pair[1]);
        let active: Vec<Posterior> = posteriors
            .iter()
            .zip(supports)
            .filter(|(_, support)| support.0 <= low && support.1 >= high)
            .map(|(&posterior, _)| posterior)
            .collect();
        let step = |u: f64| active.iter().map(|p| p.step(u)).fold(longest, f64::min);
        let mut u = low;
        while u < high {
            let here = step(u);
            let next = u + here.min(step(u + here.min(high - u)));
            // A last crumb joins its neighbour.
            u = if next > u && high - next > 1e-3 * (next - u) { next } else { high };
            edges.push(u);
        }
    }
    edges
}

/// One posterior on the common panels: density and both tails at each node of the panels of its support.
struct Track {
    /// Index of the first panel.
    first: usize,
    /// Per node: density (mass per unit of u), F, 1 − F.
    density: Vec<f64>,
    below: Vec<f64>,
    above: Vec<f64>,
}

impl Track {
    fn new(posterior: Posterior, support: (f64, f64), edges: &[f64], rule: &Rule) -> Self {
        let first = edges.partition_point(|&edge| edge < support.0);
        let last = edges.partition_point(|&edge| edge < support.1);
        let count = (last - first) * NODES;
        let mut track =
            Self { first, density: Vec::with_capacity(count), below: vec![0.0; count], above: vec![0.0; count] };
        let mut masses = Vec::with_capacity(last - first);
        for panel in first..last {
            let (middle, half) = middle_and_half(edges, panel);
            let values: [f64; NODES] =
                std::array::from_fn(|k| posterior.log_density(middle + half * rule.nodes[k]).exp());
            masses.push(half * dot(&rule.weights, &values));
            for (i, row) in rule.partial.iter().enumerate() {
                track.below[(panel - first) * NODES + i] = half * dot(row, &values).max(0.0);
            }
            track.density.extend(values);
        }
        let mut after: Vec<f64> = masses.clone();
        for i in (0..after.len().saturating_sub(1)).rev() {
            after[i] += after[i + 1];
        }
        let total = after[0];
        let mut before = 0.0;
        for (panel, &mass) in masses.iter().enumerate() {
            let rest = after.get(panel + 1).copied().unwrap_or(0.0);
            for node in panel * NODES..(panel + 1) * NODES {
                let part = track.below[node].min(mass);
                track.below[node] = (before + part) / total;
                track.above[node] = (rest + mass - part) / total;
                track.density[node] /= total;
            }
            before += mass;
        }
        track
    }

    /// (density, ln F, F) at a node of a panel; outside the support the exact limits.
    fn at(&self, panel: usize, node: usize) -> (f64, f64, f64) {
        if panel < self.first {
            return (0.0, f64::NEG_INFINITY, 0.0);
        }
        let index = (panel - self.first) * NODES + node;
        match self.density.get(index) {
            None => (0.0, 0.0, 1.0),
            Some(&density) => {
                let (below, above) = (self.below[index], self.above[index]);
                let log = if below < 0.5 { below.ln() } else { (-above).ln_1p() };
                (density, log, below)
            }
        }
    }
}

fn middle_and_half(edges: &[f64], panel: usize) -> (f64, f64) {
    (0.5 * (edges[panel] + edges[panel + 1]), 0.5 * (edges[panel + 1] - edges[panel]))
}

fn dot(a: &[f64; NODES], b: &[f64; NODES]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

/// What comparing all posteriors says of each, larger values being better.
pub(super) struct Comparison {
    /// P(this one is the largest); sums to 1.
    pub best: Vec<f64>,
    /// P(this one is larger than the control); ½ for the control itself.
    pub beats_control: Vec<f64>,
    /// Expected shortfall against the best of the others, where it is not the best itself; in the metric's unit.
    pub loss: Vec<f64>,
}

/// Compares independent posteriors, all beta or all normal.
pub(super) fn compare(posteriors: &[Posterior], control: usize) -> Comparison {
    let rule = Rule::new();
    let supports: Vec<(f64, f64)> = posteriors.iter().map(|p| p.support()).collect();
    let edges = panels(posteriors, &supports);
    let tracks: Vec<Track> = posteriors
        .iter()
        .zip(&supports)
        .map(|(&posterior, &support)| Track::new(posterior, support, &edges, &rule))
        .collect();
    let n = posteriors.len();
    let mut result = Comparison { best: vec![0.0; n], beats_control: vec![0.0; n], loss: vec![0.0; n] };
    let mut row = vec![(0.0, 0.0, 0.0); n];
    for panel in 0..edges.len() - 1 {
        let (middle, half) = middle_and_half(&edges, panel);
        for node in 0..NODES {
            let u = middle + half * rule.nodes[node];
            let (mass, change) = (half * rule.weights[node], half * rule.weights[node] * posteriors[0].value_slope(u));
            // Σ ln F over all, the −∞ counted apart so that each may be taken out again.
            let (mut logs, mut zeros) = (0.0, 0usize);
            for (slot, track) in row.iter_mut().zip(&tracks) {
                *slot = track.at(panel, node);
                if slot.1.is_finite() { logs += slot.1 } else { zeros += 1 }
            }
            let control_below = row[control].2;
            for (i, &(density, log, below)) in row.iter().enumerate() {
                let others = match zeros - usize::from(!log.is_finite()) {
                    0 => {
                        if log.is_finite() {
                            (logs - log).min(0.0)
                        } else {
                            logs
                        }
                    }
                    _ => f64::NEG_INFINITY,
                };
                result.best[i] += mass * density * others.exp();
                result.beats_control[i] += mass * density * control_below;
                result.loss[i] -= change * below * others.exp_m1();
            }
        }
    }
    let total: f64 = result.best.iter().sum();
    result.best.iter_mut().for_each(|p| *p /= total);
    result.beats_control.iter_mut().for_each(|p| *p = p.min(1.0));
    result.beats_control[control] = 0.5;
    result.loss.iter_mut().for_each(|loss| *loss = loss.max(0.0));
    result
}

/// The distribution function of one posterior, for its quantiles.
pub(super) struct Distribution {
    posterior: Posterior,
    rule: Rule,
    edges: Vec<f64>,
    /// Mass left of each edge, and right of it.
    before: Vec<f64>,
    after: Vec<f64>,
}

impl Distribution {
    pub(super) fn new(posterior: Posterior) -> Self {
        let rule = Rule::new();
        let edges = panels(&[posterior], &[posterior.support()]);
        let mut this = Self { posterior, rule, before: vec![0.0; edges.len()], after: vec![0.0; edges.len()], edges };
        let masses: Vec<f64> = this.edges.windows(2).map(|pair| this.mass(pair[0], pair[1])).collect();
        for (i, mass) in masses.iter().enumerate() {
            this.before[i + 1] = this.before[i] + mass;
        }
        for (i, mass) in masses.iter().enumerate().rev() {
            this.after[i] = this.after[i + 1] + mass;
        }
        this
    }

    /// Mass between two coordinates inside one panel, not normalised.
    fn mass(&self, low: f64, high: f64) -> f64 {
        let (middle, half) = (0.5 * (low + high), 0.5 * (high - low));
        let values = std::array::from_fn(|k| self.posterior.log_density(middle + half * self.rule.nodes[k]).exp());
        half * dot(&self.rule.weights, &values)
    }

    /// The metric's value with `tail` below it (`upper` = false) or above it (true); `tail` in (0, 1).
    pub(super) fn quantile(&self, tail: f64, upper: bool) -> f64 {
        let wanted = tail * self.before[self.before.len() - 1];
        // In the panel [low, high] the mass from the near edge to u must be `rest`.
        let (panel, rest) = if upper {
            let panel = self.after.partition_point(|&mass| mass > wanted).clamp(1, self.edges.len() - 1) - 1;
            (panel, wanted - self.after[panel + 1])
        } else {
            let panel = self.before.partition_point(|&mass| mass < wanted).clamp(1, self.edges.len() - 1) - 1;
            (panel, wanted - self.before[panel])
        };
        let (start, end) = (self.edges[panel], self.edges[panel + 1]);
        let (mut low, mut high, mut u) = (start, end, 0.5 * (start + end));
        for _ in 0..100 {
            let mass = if upper { self.mass(u, end) } else { self.mass(start, u) };
            let excess = if upper { rest - mass } else { mass - rest };
            if excess < 0.0 {
                low = u
            } else {
                high = u
            }
            let newton = u - excess / self.posterior.log_density(u).exp();
            let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
            if (next - u).abs() <= 1e-15 * u.abs().max(end - start) {
                return self.posterior.value(next);
            }
            u = next;
        }
        self.posterior.value(u)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rule_integrates_powers_from_the_left_end_to_each_node() {
        let rule = Rule::new();
        for power in 0..NODES as i32 {
            let values = std::array::from_fn(|k| rule.nodes[k].powi(power));
            for (row, x) in rule.partial.iter().zip(rule.nodes) {
                let exact = (x.powi(power + 1) - (-1.0_f64).powi(power + 1)) / f64::from(power + 1);
                assert!((dot(row, &values) - exact).abs() < 1e-14, "x^{power} to {x}");
            }
        }
    }

    #[test]
    fn two_uniform_posteriors_have_the_loss_of_one_sixth() {
        // E[(V − U)⁺] of independent uniforms.
        let result = compare(&[Posterior::Beta { a: 1.0, b: 1.0 }; 2], 0);
        assert!((result.loss[1] - 1.0 / 6.0).abs() < 1e-13, "{:?}", result.loss);
        assert!((result.best[0] - 0.5).abs() < 1e-14);
    }

    #[test]
    fn a_small_chance_keeps_its_digits() {
        // P(X > Y) for normals is the normal tail; here 20 standard errors out, 2.75e-89 is below reach and 7 are not.
        let at = |gap: f64| {
            let posteriors = [Posterior::Normal { mean: gap, sd: 0.6 }, Posterior::Normal { mean: 0.0, sd: 0.8 }];
            compare(&posteriors, 0).best[1]
        };
        let exact = crate::special::normal_sf(7.0);
        assert!((at(7.0) / exact - 1.0).abs() < 1e-9, "{:e} {exact:e}", at(7.0));
        assert!(at(40.0) < 1e-50);
    }
}
