//! The transforms of a line of values; those of a square are the same for its columns, then for its rows.

use simd::Simd;

/// Winograd's F(OUT, 3): OUT sums of three products from SIDE = OUT + 2 multiplications. Transforms take turns for columns and rows.
pub(super) trait Form<const SIDE: usize, const OUT: usize>: Copy + Send + Sync {
    /// `G`: from a kernel's three values.
    const KERNEL: [[f32; 3]; SIDE];

    /// `Bᵀ d` of the inputs.
    fn patch<S: Simd>(s: S, d: [S::F32; SIDE]) -> [S::F32; SIDE];

    /// `Aᵀ m` of the products: the outputs.
    fn outputs<S: Simd>(s: S, m: [S::F32; SIDE]) -> [S::F32; OUT];

    /// `A y` of the outputs' gradients, but for signs that [`kernel`](Self::kernel) makes up for.
    fn spread<S: Simd>(s: S, y: [S::F32; OUT]) -> [S::F32; SIDE];

    /// `Gᵀ m` of the products of `spread` outputs and patches: the kernel's gradient.
    fn kernel<S: Simd>(s: S, m: [S::F32; SIDE]) -> [S::F32; 3];
}

/// F(2, 3), whose points are 0, 1, -1 and infinity.
#[derive(Clone, Copy)]
pub(super) struct Two;

impl Form<4, 2> for Two {
    const KERNEL: [[f32; 3]; 4] = [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0]];

    #[inline(always)]
    fn patch<S: Simd>(s: S, [a, b, c, d]: [S::F32; 4]) -> [S::F32; 4] {
        [s.sub(a, c), s.add(b, c), s.sub(c, b), s.sub(b, d)]
    }

    #[inline(always)]
    fn outputs<S: Simd>(s: S, [a, b, c, d]: [S::F32; 4]) -> [S::F32; 2] {
        [s.add(s.add(a, b), c), s.sub(s.sub(b, c), d)]
    }

    #[inline(always)]
    fn spread<S: Simd>(s: S, [a, b]: [S::F32; 2]) -> [S::F32; 4] {
        // The last has the other sign, here and in `kernel`.
        [a, s.add(a, b), s.sub(a, b), b]
    }

    #[inline(always)]
    fn kernel<S: Simd>(s: S, [a, b, c, d]: [S::F32; 4]) -> [S::F32; 3] {
        let half = s.splat(0.5);
        let (sum, difference) = (s.mul(half, s.add(b, c)), s.mul(half, s.sub(b, c)));
        [s.add(a, sum), difference, s.sub(sum, d)]
    }
}

/// F(4, 3), whose points are 0, ±1/√2, ±√2 and infinity: half the error of the usual 0, ±1, ±2 and infinity, whose powers are
/// further apart (points are compared so by Barabasz and others, arXiv 1803.10986).
#[derive(Clone, Copy)]
pub(super) struct Four;

const NEAR: f32 = std::f32::consts::FRAC_1_SQRT_2;
const FAR: f32 = std::f32::consts::SQRT_2;

impl Form<6, 4> for Four {
    const KERNEL: [[f32; 3]; 6] = [
        [1.0, 0.0, 0.0],
        [-2.0 / 3.0, -2.0 / 3.0 * NEAR, -1.0 / 3.0],
        [-2.0 / 3.0, 2.0 / 3.0 * NEAR, -1.0 / 3.0],
        [1.0 / 6.0, FAR / 6.0, 1.0 / 3.0],
        [1.0 / 6.0, -FAR / 6.0, 1.0 / 3.0],
        [0.0, 0.0, 1.0],
    ];

    #[inline(always)]
    fn patch<S: Simd>(s: S, [a, b, c, d, e, f]: [S::F32; 6]) -> [S::F32; 6] {
        let (half, two, both) = (s.splat(0.5), s.splat(2.0), s.splat(2.5));
        let (near, near_odd) = (s.neg_mul_add(two, c, e), s.neg_mul_add(two, b, d));
        let (far, far_odd) = (s.neg_mul_add(half, c, e), s.neg_mul_add(half, b, d));
        [
            s.neg_mul_add(both, c, s.add(a, e)),
            s.mul_add(s.splat(NEAR), near_odd, near),
            s.neg_mul_add(s.splat(NEAR), near_odd, near),
            s.mul_add(s.splat(FAR), far_odd, far),
            s.neg_mul_add(s.splat(FAR), far_odd, far),
            s.neg_mul_add(both, d, s.add(b, f)),
        ]
    }

    #[inline(always)]
    fn outputs<S: Simd>(s: S, [a, b, c, d, e, f]: [S::F32; 6]) -> [S::F32; 4] {
        let (near, near_odd) = (s.add(b, c), s.mul(s.splat(NEAR), s.sub(b, c)));
        let (far, far_odd) = (s.add(d, e), s.mul(s.splat(FAR), s.sub(d, e)));
        let (half, two) = (s.splat(0.5), s.splat(2.0));
        [
            s.add(a, s.add(near, far)),
            s.add(near_odd, far_odd),
            s.mul_add(half, near, s.mul(two, far)),
            s.mul_add(half, near_odd, s.mul_add(two, far_odd, f)),
        ]
    }

    #[inline(always)]
    fn spread<S: Simd>(s: S, [a, b, c, d]: [S::F32; 4]) -> [S::F32; 6] {
        let (half, two) = (s.splat(0.5), s.splat(2.0));
        let (near, near_odd) = (s.mul_add(half, c, a), s.mul_add(half, d, b));
        let (far, far_odd) = (s.mul_add(two, c, a), s.mul_add(two, d, b));
        [
            a,
            s.mul_add(s.splat(NEAR), near_odd, near),
            s.neg_mul_add(s.splat(NEAR), near_odd, near),
            s.mul_add(s.splat(FAR), far_odd, far),
            s.neg_mul_add(s.splat(FAR), far_odd, far),
            d,
        ]
    }

    #[inline(always)]
    fn kernel<S: Simd>(s: S, [a, b, c, d, e, f]: [S::F32; 6]) -> [S::F32; 3] {
        let (near, near_odd) = (s.add(b, c), s.sub(b, c));
        let (far, far_odd) = (s.add(d, e), s.sub(d, e));
        let (third, sixth) = (s.splat(1.0 / 3.0), s.splat(1.0 / 6.0));
        [
            s.neg_mul_add(s.splat(2.0 / 3.0), near, s.mul_add(sixth, far, a)),
            s.neg_mul_add(s.splat(2.0 / 3.0 * NEAR), near_odd, s.mul(s.splat(FAR / 6.0), far_odd)),
            s.mul_add(third, s.sub(far, near), f),
        ]
    }
}

/// A transform of all columns of a square, `[from][from]` values that `load` gives, then of the rows of what that gives; `store`
/// takes the `[to][to]` results. `columns` is room for `[to][from]` values with any contents. (A macro: closures might not be
/// inlined, and would then be compiled without the instruction set.)
macro_rules! both_ways {
    ($s:ident, $transform:path, $columns:ident, |$i:ident, $j:ident| $load:expr, |$to_i:ident, $to_j:ident, $value:ident| $store:expr) => {{
        let from = $columns[0].len();
        for $j in 0..from {
            let mut line = $columns[0];
            for $i in 0..from {
                line[$i] = $load;
            }
            for (row, value) in $columns.iter_mut().zip($transform($s, line)) {
                row[$j] = value;
            }
        }
        for ($to_i, line) in $columns.iter().enumerate() {
            for ($to_j, $value) in $transform($s, *line).into_iter().enumerate() {
                $store;
            }
        }
    }};
}
pub(super) use both_ways;
