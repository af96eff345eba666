//! `torch.randn` on CUDA as A1111 computes it on the CPU (its random source `NV`), equal to the bit.
//!
//! Philox4x32-10 (Salmon et al., SC 2011) with key = seed and counter = (draw, 0, element, 0): cuRAND gives each element
//! a thread of its own, and each draw moves the counter by one. Of the four words two are used, and of Box–Muller's pair
//! the sine. The arithmetic is f64 around constants rounded to f32, which is what numpy makes of A1111's code; a card
//! computes in f32 and differs in the last bits. A card also shares its threads among elements when there are more
//! elements than threads (some 10^5); neither A1111 nor this follows it there.

use crate::elementary::{ln, sin_cos};
use crate::noise::philox;

/// A stream of `torch.randn(device="cuda")` draws.
#[derive(Debug, Clone)]
pub struct TorchCuda {
    seed: u64,
    /// Draws made so far.
    draw: u32,
}

impl TorchCuda {
    /// The stream of `seed`, at its beginning.
    pub fn new(seed: u64) -> Self {
        Self { seed, draw: 0 }
    }

    /// The numbers of the next draw of `out.len()`.
    ///
    /// # Panics
    /// When `out` holds more than 2^32 numbers.
    pub fn fill_normal(&mut self, out: &mut [f32]) {
        for (element, value) in out.iter_mut().enumerate() {
            let element = u32::try_from(element).expect("a draw of at most 2^32 numbers");
            let [a, b, _, _] = philox([self.draw, 0, element, 0], self.seed);
            *value = normal(a, b);
        }
        self.draw = self.draw.wrapping_add(1);
    }
}

/// A standard normal from two random words.
fn normal(a: u32, b: u32) -> f32 {
    // 1/2^32 and 2π/2^32, written and rounded as in the reference; each word stands for the middle of its interval.
    const UNIT: f64 = 2.328_306_4e-10_f32 as f64;
    const TURN: f64 = (2.328_306_4e-10_f64 * 6.283_185_5) as f32 as f64;
    let u = f64::from(a) * UNIT + 0.5 * UNIT;
    let angle = f64::from(b) * TURN + 0.5 * TURN;
    ((-2.0 * ln(u)).sqrt() * sin_cos(angle).0) as f32
}
