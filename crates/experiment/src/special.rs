//! Tails of the normal, Student's t and chi-square distributions, exact far out and for counts of 10⁹.
//!
//! Normal tails come from `libm::erfc` (below one unit in the last place; the `erfc` of `statrs` is off by 9e-11 between
//! 0.5 and 1). The normal quantile and the chi-square tail are those of `statrs` (2e-13 of scipy's). Student's t is our
//! own: from `statrs` its tail is off by 4e-6 at 10⁹ degrees of freedom, and its quantile does not return.

use std::f64::consts::{PI, SQRT_2};

/// P(Z > z) for a standard normal Z; 0 only below 1e-308.
pub(crate) fn normal_sf(z: f64) -> f64 {
    0.5 * libm::erfc(z / SQRT_2)
}

/// The z with P(Z > z) = `p`, for `p` in (0, 1); exact for small `p`.
pub(crate) fn normal_isf(p: f64) -> f64 {
    SQRT_2 * statrs::function::erf::erfc_inv(2.0 * p)
}

/// P(X > x) for a chi-square X with `degrees` ≥ 1 of freedom, x ≥ 0.
pub(crate) fn chi_square_sf(x: f64, degrees: usize) -> f64 {
    if x <= 0.0 {
        return 1.0;
    }
    let half = degrees as f64 / 2.0;
    // A chi-square this far out is below 1e-308 for the at most 63 degrees that occur.
    if x > 1e4 && x > 100.0 * degrees as f64 {
        return 0.0;
    }
    statrs::function::gamma::gamma_ur(half, x / 2.0)
}

/// The error of Stirling's formula, lnΓ(z) − ((z − ½)·ln z − z + ½·ln 2π), for z > 0.
pub(crate) fn stirling_error(z: f64) -> f64 {
    if z < 15.0 {
        return libm::lgamma(z) - ((z - 0.5) * z.ln() - z + 0.5 * (2.0 * PI).ln());
    }
    let s = 1.0 / (z * z);
    (1.0 / 12.0
        - s * (1.0 / 360.0 - s * (1.0 / 1260.0 - s * (1.0 / 1680.0 - s * (1.0 / 1188.0 - s * 691.0 / 360360.0)))))
        / z
}

/// `x·ln(x/m) + m − x` for x ≥ 0, m > 0, without cancellation near x = m (Loader, "Fast and accurate computation of
/// binomial probabilities", 2000).
pub(crate) fn deviance(x: f64, m: f64) -> f64 {
    if x == 0.0 {
        return m;
    }
    let difference = x - m;
    if difference.abs() >= 0.1 * (x + m) {
        return x * (x / m).ln() + m - x;
    }
    // x·ln(x/m) = x·2·atanh(v) with v = (x − m)/(x + m).
    let v = difference / (x + m);
    let (mut sum, mut term) = (difference * v, 2.0 * x * v);
    for j in 1..1000 {
        term *= v * v;
        let next = sum + term / (2 * j + 1) as f64;
        if next == sum {
            break;
        }
        sum = next;
    }
    sum
}

/// lnΓ(a + ½) − lnΓ(a), a > 0, without the cancellation of two large logarithms.
fn ln_gamma_half_step(a: f64) -> f64 {
    // ((a)·ln(a+½) − a − ½) − ((a−½)·ln a − a), gathered around ln a.
    0.5 * a.ln() + a * (0.5 / a).ln_1p() - 0.5 + stirling_error(a + 0.5) - stirling_error(a)
}

/// P(T > t) for Student's t with `degrees` > 0 of freedom (not necessarily whole).
pub(crate) fn t_sf(t: f64, degrees: f64) -> f64 {
    if t < 0.0 {
        return 1.0 - t_sf(-t, degrees);
    }
    if degrees > 1e4 {
        return normal_sf(hill(t, degrees));
    }
    // ½·I_x(ν/2, ½) with x = ν/(ν+t²), and its complement ½·(1 − I_y(½, ν/2)) near the middle.
    let (a, ratio) = (degrees / 2.0, t * t / degrees);
    let (x, y) = (1.0 / (1.0 + ratio), ratio / (1.0 + ratio));
    // x^a·y^½ / B(a, ½), shared by both; Γ(½) = √π.
    let front = (ln_gamma_half_step(a) - a * ratio.ln_1p()).exp() * y.sqrt() / PI.sqrt();
    if x < (a + 1.0) / (a + 2.5) {
        0.5 * front * beta_fraction(a, 0.5, x) / a
    } else {
        0.5 - 0.5 * front * beta_fraction(0.5, a, y) / 0.5
    }
}

/// The z whose normal tail is Student's tail at `t` (Hill, algorithm 395, 1970). From 10⁴ degrees on exact to double precision,
/// where the continued fraction begins to lose digits to 1 − x.
fn hill(t: f64, degrees: f64) -> f64 {
    let a = degrees - 0.5;
    let b = 48.0 * a * a;
    let y = a * (t * t / degrees).ln_1p();
    (((((-0.4 * y - 3.3) * y - 24.0) * y - 85.5) / (0.8 * y * y + 100.0 + b) + y + 3.0) / b + 1.0) * y.sqrt()
}

/// The t with P(T > t) = `p`, for `p` in (0, ½].
pub(crate) fn t_isf(p: f64, degrees: f64) -> f64 {
    // ln of the tail is concave in t, so a bracketed Newton in that scale cannot wander.
    let (mut low, mut high) = (0.0, normal_isf(p).max(1.0));
    while t_sf(high, degrees) > p && high < 1e300 {
        low = high;
        high *= 2.0;
    }
    let mut t = 0.5 * (low + high);
    for _ in 0..200 {
        let tail = t_sf(t, degrees);
        if tail > p {
            low = t
        } else {
            high = t
        }
        let density = (ln_gamma_half_step(degrees / 2.0) - (degrees + 1.0) / 2.0 * (t * t / degrees).ln_1p()).exp()
            / (degrees * PI).sqrt();
        let newton = t + (tail / p).ln() * tail / density;
        let next = if newton > low && newton < high { newton } else { 0.5 * (low + high) };
        if (next - t).abs() <= 2.0 * f64::EPSILON * t.abs() {
            return next;
        }
        t = next;
    }
    t
}

/// The continued fraction of the incomplete beta function (DLMF 8.17.22) by the modified Lentz method.
fn beta_fraction(a: f64, b: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-300;
    let away = |value: f64| if value.abs() < TINY { TINY } else { value };
    let mut c = 1.0;
    let mut d = 1.0 / away(1.0 - (a + b) * x / (a + 1.0));
    let mut fraction = d;
    for m in 1..100_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        d = 1.0 / away(1.0 + even * d);
        c = away(1.0 + even / c);
        fraction *= d * c;
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        d = 1.0 / away(1.0 + odd * d);
        c = away(1.0 + odd / c);
        fraction *= d * c;
        if (d * c - 1.0).abs() < 1e-16 {
            break;
        }
    }
    fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of `[function, arguments…, value]` from scipy and mpmath; see `tests/golden/make.py`.
    #[test]
    fn tails_and_quantiles_are_those_of_scipy() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../tests/golden/special.json")).expect("golden file");
        let mut count = std::collections::BTreeMap::<String, usize>::new();
        for row in golden["rows"].as_array().expect("rows") {
            let name = row[0].as_str().expect("name");
            let number = |i: usize| row[i].as_f64().expect("number");
            let (ours, reference) = match name {
                "normal_sf" => (normal_sf(number(1)), number(2)),
                "normal_isf" => (normal_isf(number(1)), number(2)),
                "chi_square_sf" => (chi_square_sf(number(1), number(2) as usize), number(3)),
                "t_sf" => (t_sf(number(1), number(2)), number(3)),
                "t_isf" => (t_isf(number(1), number(2)), number(3)),
                "deviance" => (deviance(number(1), number(2)), number(3)),
                "stirling_error" => (stirling_error(number(1)), number(2)),
                other => panic!("unknown function {other}"),
            };
            *count.entry(name.to_string()).or_default() += 1;
            let bound = if name == "stirling_error" { 1e-13 } else { 1e-10 * reference.abs() };
            assert!((ours - reference).abs() <= bound.max(1e-300), "{row}: {ours:e}");
        }
        assert!(count.len() == 7 && count.values().all(|&n| n >= 500), "{count:?}");
    }
}
