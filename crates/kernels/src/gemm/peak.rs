//! What the machine can do at most: the rate of multiply-adds on registers, to which products are compared.

use std::hint::black_box;
use std::time::Instant;

use simd::{Isa, Kernel, Simd};

use crate::gemm::Precision;
use crate::gemm::driver::Variant;
use crate::gemm::micro::{Block, Micro, Sums, TILE_COLUMNS, TILE_ROWS, Tile};
use crate::gemm::pack::{Fetch, Line, WIDTH};

/// FLOP/s of one thread (a multiply-add is two), the best of several short measurements. In f32: independent
/// multiply-adds on registers. In bf16 where the machine multiplies it: the micro-kernel on operands in the L1 cache.
///
/// # Panics
/// When the machine lacks `isa`.
pub fn measured_peak(isa: Isa, precision: Precision) -> f64 {
    let variant = super::variant(isa, precision);
    let run: &dyn Fn() -> f64 = match variant.micro {
        #[cfg(target_arch = "x86_64")]
        Micro::Avx512Bf16 | Micro::Amx => &|| micro_kernel(variant),
        _ => &|| isa.dispatch(MultiplyAdd),
    };
    let mut best = 0.0f64;
    for _ in 0..20 {
        let start = Instant::now();
        let mut flops = 0.0;
        while start.elapsed().as_micros() < 5_000 {
            flops += run();
        }
        best = best.max(flops / start.elapsed().as_secs_f64());
    }
    best
}

struct MultiplyAdd;

impl Kernel for MultiplyAdd {
    type Out = f64;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        // Ten chains hide the latency of a multiply-add and fit sixteen registers.
        const CHAINS: usize = 10;
        const ROUNDS: usize = 10_000;
        let factor = s.splat(black_box(0.999));
        let mut sums = [s.splat(black_box(1.0)); CHAINS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = s.mul_add(*sum, factor, factor);
            }
        }
        let total = sums.into_iter().fold(s.zero(), |a, b| s.add(a, b));
        black_box(s.reduce_sum(total));
        (2 * CHAINS * ROUNDS * S::LANES) as f64
    }
}

/// One tile of 128 k from the L1 cache, many times.
fn micro_kernel(variant: Variant) -> f64 {
    const STEPS: usize = 64;
    const ROUNDS: usize = 100;
    let (rows, panels) = variant.micro.shape();
    let a = vec![Line::ZERO; TILE_ROWS * (STEPS / WIDTH + 1)];
    let b = vec![Line::ZERO; panels * STEPS];
    let mut tile = Tile([[0.0; TILE_COLUMNS]; TILE_ROWS]);
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the AMX variant is chosen only after AMX was detected and proved itself.
    let _configuration = (variant.micro == Micro::Amx).then(|| unsafe { crate::gemm::amx::TileConfiguration::load() });
    for _ in 0..ROUNDS {
        let block = Block {
            a: black_box(a.as_ptr().cast()),
            a_stride: STEPS + WIDTH,
            is_turned: false,
            b: b.as_ptr(),
            panel_lines: STEPS,
            steps: STEPS,
            ahead: Fetch::nothing(b.as_ptr()),
        };
        // SAFETY: `a` holds 32 rows of the stride, `b` the panels; the variant was checked; the tiles are configured and
        // STEPS is a multiple of 16.
        unsafe { variant.micro.run(rows, panels, &block, Sums::tile(tile.0.as_mut_ptr())) };
    }
    black_box(&tile);
    (2 * rows * panels * WIDTH * STEPS * 2 * ROUNDS) as f64
}
