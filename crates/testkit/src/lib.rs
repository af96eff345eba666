//! Comparisons for numeric tests. Each declares its bound, and NaN on either side fails.

/// The largest `|got - want| / (absolute + relative·|want|)` and where it is; NaN or unequal lengths give infinity.
fn worst_excess(got: &[f32], want: &[f32], relative: f32, absolute: f32) -> (usize, f32) {
    if got.len() != want.len() {
        return (got.len().min(want.len()), f32::INFINITY);
    }
    let mut worst = (0, 0.0f32);
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        if g == w {
            continue;
        }
        let excess = (g - w).abs() / (absolute + relative * w.abs());
        if excess.is_nan() {
            return (i, f32::INFINITY);
        }
        if excess > worst.1 {
            worst = (i, excess);
        }
    }
    worst
}

/// Whether every value is within `absolute + relative · |want|`.
pub fn is_close(got: &[f32], want: &[f32], relative: f32, absolute: f32) -> bool {
    worst_excess(got, want, relative, absolute).1 <= 1.0
}

/// Fails unless every value is within `absolute + relative · |want|`.
///
/// # Panics
/// When a value is not, when one is NaN, or when the lengths differ.
#[track_caller]
pub fn assert_close(what: &str, got: &[f32], want: &[f32], relative: f32, absolute: f32) {
    assert_eq!(got.len(), want.len(), "{what}: lengths");
    let (i, excess) = worst_excess(got, want, relative, absolute);
    assert!(
        excess <= 1.0,
        "{what}: value {i} is {}, want {} ({excess} times the bound of {absolute} + {relative}·|want|)",
        got[i],
        want[i],
    );
}

/// `‖got - want‖₂ / ‖want‖₂`, or `‖got‖₂` where `want` is zero; infinity for NaN or unequal lengths.
pub fn relative_l2(got: &[f32], want: &[f32]) -> f64 {
    if got.len() != want.len() {
        return f64::INFINITY;
    }
    let square = |x: f64| x * x;
    let error: f64 = got.iter().zip(want).map(|(g, w)| square(f64::from(*g) - f64::from(*w))).sum();
    let norm: f64 = want.iter().map(|w| square(f64::from(*w))).sum();
    let ratio = if norm > 0.0 { (error / norm).sqrt() } else { error.sqrt() };
    if ratio.is_nan() { f64::INFINITY } else { ratio }
}

/// Fails unless [`relative_l2`] is at most `bound`.
///
/// # Panics
/// When it is larger.
#[track_caller]
pub fn assert_relative_l2(what: &str, got: &[f32], want: &[f32], bound: f64) {
    let error = relative_l2(got, want);
    assert!(error <= bound, "{what}: relative L2 error {error:.3e}, bound {bound:.3e}");
}

/// Fails unless both are the same bits.
///
/// # Panics
/// When one value differs in a bit.
#[track_caller]
pub fn assert_same_bits(what: &str, got: &[f32], want: &[f32]) {
    assert_eq!(got.len(), want.len(), "{what}: lengths");
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        assert!(g.to_bits() == w.to_bits(), "{what}: value {i} is {g:e}, want the bits of {w:e}");
    }
}

/// A repeatable sequence of numbers for test data (SplitMix64).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in -1..1.
    pub fn uniform(&mut self) -> f32 {
        (self.bits() >> 40) as f32 * (2.0 / (1 << 24) as f32) - 1.0
    }

    /// Approximately standard normal (a sum of twelve uniform numbers).
    pub fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.uniform() * 0.5).sum()
    }

    /// `n` uniform values in -1..1.
    pub fn uniform_vec(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.uniform()).collect()
    }

    /// `n` approximately standard normal values.
    pub fn normal_vec(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.normal()).collect()
    }

    /// A number below `n` (at least 1).
    pub fn below(&mut self, n: usize) -> usize {
        (self.bits() % n.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_bad_input_fails() {
        let good = [1.0, 2.0, 0.0];
        assert!(is_close(&good, &good, 0.0, 0.0));
        assert!(is_close(&[1.0, 2.000_001, 1e-9], &good, 1e-6, 1e-8));
        for bad in [[1.0, 2.1, 0.0], [1.0, 2.0, 1e-3], [f32::NAN, 2.0, 0.0], [1.0, f32::INFINITY, 0.0]] {
            assert!(!is_close(&bad, &good, 1e-6, 1e-8), "{bad:?}");
            assert!(relative_l2(&bad, &good) > 1e-4, "{bad:?}");
            assert!(std::panic::catch_unwind(|| assert_close("bad", &bad, &good, 1e-6, 1e-8)).is_err());
            assert!(std::panic::catch_unwind(|| assert_relative_l2("bad", &bad, &good, 1e-4)).is_err());
            assert!(std::panic::catch_unwind(|| assert_same_bits("bad", &bad, &good)).is_err());
        }
        assert!(!is_close(&good, &[f32::NAN, 2.0, 0.0], 1.0, 1.0));
        assert!(!is_close(&[f32::NAN], &[f32::NAN], 1.0, 1.0));
        assert!(!is_close(&good[..2], &good, 1.0, 1.0));
        assert!(!is_close(&[0.0], &[f32::INFINITY], 1.0, 1.0));
        assert_eq!(relative_l2(&[f32::NAN], &[0.0]), f64::INFINITY);
        assert_eq!(relative_l2(&[3.0, 4.0], &[0.0, 0.0]), 5.0);
        assert!(std::panic::catch_unwind(|| assert_same_bits("zero", &[0.0], &[-0.0])).is_err());
    }

    #[test]
    fn random_numbers_are_spread() {
        let mut random = Random::new(1);
        let x = random.normal_vec(10_000);
        let mean = x.iter().sum::<f32>() / 1e4;
        let square = x.iter().map(|x| x * x).sum::<f32>() / 1e4;
        assert!(mean.abs() < 0.05 && (square - 1.0).abs() < 0.05, "{mean} {square}");
    }
}
