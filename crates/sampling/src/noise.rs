//! Counter-based noise: every number is a pure function of (seed, image, step, purpose, index).
//!
//! Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011) with key =
//! seed and counter = (block, image, step, purpose); block `b` gives the elements `4b..4b+4`.
//! Normals by Box–Muller in f64 with our own logarithm, sine and cosine (plain IEEE operations, no
//! libm), so the bits are the same on every machine, for every thread count and batch position.
//! Sixteen blocks at a time go through loops without branches, which compilers turn into vectors.

use simd::{Isa, Kernel, Simd};

use crate::elementary::{ln, sin_cos_turns};

/// What a stream of noise is for; streams of different purposes are independent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Purpose {
    /// The picture a generation starts from.
    Initial = 0,
    /// Noise added during a stochastic sampler's step.
    Step = 1,
    /// Initial parameters of a model.
    Parameters = 2,
    /// Noise mixed into a training sample.
    TrainingNoise = 3,
    /// Flow times drawn for training.
    TrainingTime = 4,
    /// Which captions are dropped or chosen in training.
    TrainingChoice = 5,
    /// Order of the training data.
    TrainingOrder = 6,
    /// Changes made to training pictures.
    Augmentation = 7,
    /// Around a picture that the network sees at another place of its grid; the step is the place.
    Surroundings = 8,
}

/// Names one stream of random numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoiseAddress {
    /// The user's seed.
    pub seed: u64,
    /// Index of the image (or sample, or parameter) under this seed.
    pub image: u32,
    /// Sampler or training step.
    pub step: u32,
    /// What the numbers are for.
    pub purpose: Purpose,
}

/// Philox4x32-10: ten rounds over a 128-bit counter with a 64-bit key.
pub fn philox(counter: [u32; 4], key: u64) -> [u32; 4] {
    philox_each(counter.map(|word| [word]), key).map(|[word]| word)
}

/// Philox4x32-10 of `N` counters under one key; `[word][counter]`.
#[inline(always)]
fn philox_each<const N: usize>(mut counters: [[u32; N]; 4], key: u64) -> [[u32; N]; 4] {
    const M0: u64 = 0xD251_1F53;
    const M1: u64 = 0xCD9E_8D57;
    let (mut k0, mut k1) = (key as u32, (key >> 32) as u32);
    for _ in 0..10 {
        let [c0, c1, c2, c3] = &mut counters;
        for i in 0..N {
            let (p0, p1) = (M0 * u64::from(c0[i]), M1 * u64::from(c2[i]));
            (c0[i], c2[i]) = ((p1 >> 32) as u32 ^ c1[i] ^ k0, (p0 >> 32) as u32 ^ c3[i] ^ k1);
            (c1[i], c3[i]) = (p1 as u32, p0 as u32);
        }
        k0 = k0.wrapping_add(0x9E37_79B9);
        k1 = k1.wrapping_add(0xBB67_AE85);
    }
    counters
}

impl NoiseAddress {
    /// The four random words of block `block`.
    fn block(&self, block: u32) -> [u32; 4] {
        philox([block, self.image, self.step, self.purpose as u32], self.seed)
    }
}

/// Fills `out` with independent standard normals of the stream at `address`; element `i` depends on
/// the address and `i` only.
///
/// # Panics
/// When `out` holds more than 2^34 numbers (the stream's length).
pub fn fill_normal(address: NoiseAddress, out: &mut [f32]) {
    assert!(out.len() as u64 <= 1 << 34, "noise stream of 2^34 numbers");
    Isa::detected().dispatch(Normals { address, out });
}

/// Philox blocks of normals made together.
const TOGETHER: usize = 16;

struct Normals<'a> {
    address: NoiseAddress,
    out: &'a mut [f32],
}

impl Kernel for Normals<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let NoiseAddress { seed, image, step, purpose } = self.address;
        for (group, out) in self.out.chunks_mut(4 * TOGETHER).enumerate() {
            // Wraps only in blocks beyond the end of the stream, which are not written.
            let first = (group * TOGETHER) as u32;
            let blocks = std::array::from_fn(|i| first.wrapping_add(i as u32));
            let [a, b, c, d] =
                philox_each([blocks, [image; TOGETHER], [step; TOGETHER], [purpose as u32; TOGETHER]], seed);
            let (first, second) = (box_muller(a, b), box_muller(c, d));
            let mut values = [0.0; 4 * TOGETHER];
            for (i, four) in values.chunks_exact_mut(4).enumerate() {
                four.copy_from_slice(&[first.0[i], first.1[i], second.0[i], second.1[i]]);
            }
            out.copy_from_slice(&values[..out.len()]);
        }
    }
}

/// Fills `out` with independent uniforms in [0, 1) (multiples of 2^-24) of the stream at `address`.
///
/// # Panics
/// When `out` holds more than 2^34 numbers (the stream's length).
pub fn fill_uniform(address: NoiseAddress, out: &mut [f32]) {
    for (block, chunk) in out.chunks_mut(4).enumerate() {
        let words = address.block(u32::try_from(block).expect("noise stream of 2^34 numbers"));
        for (value, word) in chunk.iter_mut().zip(words) {
            *value = (word >> 8) as f32 * (1.0 / 16_777_216.0);
        }
    }
}

/// Pairs of independent standard normals from pairs of random words; |value| <= 6.7.
#[inline(always)]
fn box_muller(a: [u32; TOGETHER], b: [u32; TOGETHER]) -> ([f32; TOGETHER], [f32; TOGETHER]) {
    let (mut x, mut y) = ([0.0; TOGETHER], [0.0; TOGETHER]);
    for i in 0..TOGETHER {
        let u = (f64::from(a[i]) + 0.5) * (1.0 / 4_294_967_296.0); // in (0, 1)
        let radius = (-2.0 * ln(u)).sqrt();
        let (sin, cos) = sin_cos_turns(b[i]);
        (x[i], y[i]) = ((radius * cos) as f32, (radius * sin) as f32);
    }
    (x, y)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(seed: u64) -> NoiseAddress {
        NoiseAddress { seed, image: 0, step: 0, purpose: Purpose::Initial }
    }

    /// Known-answer vectors of the Random123 distribution (`kat_vectors`, philox4x32 10).
    #[test]
    fn philox_known_answers() {
        assert_eq!(philox([0; 4], 0), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], u64::MAX), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], 0x299f_31d0_a409_3822),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn moments_and_independence() {
        let mut x = vec![0.0; 1 << 18];
        fill_normal(address(7), &mut x);
        let n = x.len() as f64;
        let moment = |p: i32| x.iter().map(|&v| f64::from(v).powi(p)).sum::<f64>() / n;
        for (p, expected, tolerance) in [(1, 0.0, 0.01), (2, 1.0, 0.012), (3, 0.0, 0.03), (4, 3.0, 0.08)] {
            assert!((moment(p) - expected).abs() <= tolerance, "moment {p}: {}", moment(p));
        }
        let lag = x.windows(2).map(|w| f64::from(w[0] * w[1])).sum::<f64>() / n;
        assert!(lag.abs() <= 0.01, "{lag}");
        let mut u = vec![0.0; 1 << 16];
        fill_uniform(address(7), &mut u);
        assert!(u.iter().all(|v| (0.0..1.0).contains(v)));
        let mean = u.iter().map(|&v| f64::from(v)).sum::<f64>() / u.len() as f64;
        assert!((mean - 0.5).abs() <= 0.005, "{mean}");
    }

    #[test]
    fn every_part_of_the_address_matters_and_length_does_not() {
        let base = address(1);
        let draw = |a: NoiseAddress| {
            let mut x = [0.0; 9];
            fill_normal(a, &mut x);
            x
        };
        let mut short = [0.0; 5];
        fill_normal(base, &mut short);
        assert_eq!(short, draw(base)[..5]);
        for other in [
            address(2),
            address(1 << 32),
            NoiseAddress { image: 1, ..base },
            NoiseAddress { step: 1, ..base },
            NoiseAddress { purpose: Purpose::Step, ..base },
        ] {
            assert!(draw(base).iter().zip(draw(other)).all(|(a, b)| *a != b));
        }
    }

    /// Pixels depend on these bits: a change here changes every picture.
    #[test]
    fn pinned_values() {
        let mut x = [0.0; 4];
        fill_normal(address(42), &mut x);
        assert_eq!(x.map(f32::to_bits), PINNED);
    }

    #[test]
    fn every_instruction_set_gives_the_same_bits() {
        let make = |isa: Isa| {
            let mut out = vec![0.0; 100_003];
            isa.dispatch(Normals { address: address(3), out: &mut out });
            out.iter().map(|x| x.to_bits()).collect::<Vec<_>>()
        };
        let plain = make(Isa::Scalar);
        for isa in Isa::available() {
            assert!(make(isa) == plain, "{isa}");
        }
    }

    const PINNED: [u32; 4] = [3_212_336_732, 1_044_819_176, 3_214_813_394, 1_073_103_675];
}
