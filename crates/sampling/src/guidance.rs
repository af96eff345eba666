//! Classifier-free guidance (Ho & Salimans, arXiv 2207.12598) inside an interval of times
//! (Kynkäänniemi et al., arXiv 2404.07724): `x̂ = x̂_u + g·(x̂_c - x̂_u)` where `low <= t <= high`,
//! and the conditional prediction alone elsewhere. Large scales overexpose; `rescale` (Lin et al., arXiv 2305.08891,
//! section 3.4) gives the guided prediction the contrast of the conditional one.

/// Scale and interval of the guidance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Guidance {
    /// Guidance scale: 1 = the conditional prediction, 0 = the unconditional one.
    pub scale: f32,
    /// Lowest flow time at which guidance acts.
    pub low: f32,
    /// Highest flow time at which guidance acts.
    pub high: f32,
}

impl Guidance {
    /// The scale in force at time `t`: `scale` inside the interval, 1 outside.
    pub fn scale_at(&self, t: f32) -> f32 {
        if (self.low..=self.high).contains(&t) { self.scale } else { 1.0 }
    }

    /// Whether the unconditional prediction is needed at time `t`.
    pub fn is_guided(&self, t: f32) -> bool {
        self.scale_at(t) != 1.0
    }
}

/// `conditional := unconditional + scale·(conditional - unconditional)`, element by element.
///
/// # Panics
/// When the slices differ in length.
pub fn combine(scale: f32, unconditional: &[f32], conditional: &mut [f32]) {
    assert_eq!(unconditional.len(), conditional.len());
    for (c, &u) in conditional.iter_mut().zip(unconditional) {
        *c = u + scale * (*c - u);
    }
}

/// Guidance away from a weakened network (Karras et al., arXiv 2406.02507; with a block left out: Hyung et al., arXiv 2411.18664):
/// `guided += scale·(conditional - weakened)`, element by element.
///
/// # Panics
/// When the slices differ in length.
pub fn push(scale: f32, weakened: &[f32], conditional: &[f32], guided: &mut [f32]) {
    assert!(weakened.len() == conditional.len() && conditional.len() == guided.len());
    for ((g, &c), &w) in guided.iter_mut().zip(conditional).zip(weakened) {
        *g += scale * (c - w);
    }
}

/// `guided := (1 - φ)·guided + φ·guided·std(conditional)/std(guided)` with `phi` = φ in 0..=1 (0 = as it was, the paper
/// uses 0.7) and deviations over the whole slice: one picture, never a batch. The paper does this to the v-prediction. A
/// guided prediction without any contrast is left alone.
///
/// # Panics
/// When the slices differ in length.
pub fn rescale(phi: f32, conditional: &[f32], guided: &mut [f32]) {
    assert_eq!(conditional.len(), guided.len());
    let deviation = deviation(guided);
    if deviation > 0.0 {
        let phi = f64::from(phi);
        let factor = (1.0 - phi + phi * self::deviation(conditional) / deviation) as f32;
        for value in guided {
            *value *= factor;
        }
    }
}

/// The standard deviation of all values, summed in their order.
fn deviation(values: &[f32]) -> f64 {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    (values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / count).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interval_is_closed() {
        let guidance = Guidance { scale: 3.0, low: 0.1, high: 0.9 };
        assert_eq!(guidance.scale_at(0.1), 3.0);
        assert_eq!(guidance.scale_at(0.9), 3.0);
        assert_eq!(guidance.scale_at(0.95), 1.0);
        assert_eq!(guidance.scale_at(0.05), 1.0);
        assert!(!guidance.is_guided(1.0) && guidance.is_guided(0.5));
    }

    #[test]
    fn combination_extrapolates() {
        let mut x = [1.0, 2.0, -1.0];
        combine(3.0, &[0.0, 2.0, 1.0], &mut x);
        assert_eq!(x, [3.0, 2.0, -5.0]);
        let mut x = [7.0];
        combine(0.0, &[5.0], &mut x);
        assert_eq!(x, [5.0]);
    }

    #[test]
    fn pushing_extrapolates_from_the_conditional() {
        let mut x = [1.0, 2.0];
        push(2.0, &[0.0, 3.0], &[0.5, 3.0], &mut x);
        assert_eq!(x, [2.0, 2.0]);
    }

    #[test]
    fn rescaling_restores_contrast() {
        let conditional = [1.0, -1.0, 3.0, 0.5];
        let before = [4.0, -2.0, 9.0, 1.0];
        let mut full = before;
        rescale(1.0, &conditional, &mut full);
        assert!((deviation(&full) - deviation(&conditional)).abs() <= 1e-6);
        let mut half = before;
        rescale(0.5, &conditional, &mut half);
        for ((half, full), before) in half.iter().zip(full).zip(before) {
            assert!((half - 0.5 * (full + before)).abs() <= 1e-6);
        }
        let mut none = before;
        rescale(0.0, &conditional, &mut none);
        assert_eq!(none, before);
        let mut flat = [2.0; 4];
        rescale(1.0, &conditional, &mut flat);
        assert_eq!(flat, [2.0; 4]);
    }
}
