//! The small matrix kernels of attention: a register-blocked product and the backward step of the softmax.
//!
//! Scores are kept transposed, `[keys, queries]`: the vector lanes are queries, so the softmax needs no sum across lanes and
//! keys and values are used in the layout they have.

use simd::{Kernel, Simd, vecmath};

/// `c[r][..n] = Σₜ a[r·a_row + t·a_step] · b[t·b_row ..][..n]`, plus `c` if `accumulate`; `r < m`, `t < k` in order.
///
/// `n` is a multiple of the vector length.
pub(super) struct Product<'a> {
    pub m: usize,
    pub n: usize,
    pub k: usize,
    pub a: &'a [f32],
    pub a_row: usize,
    pub a_step: usize,
    pub b: &'a [f32],
    pub b_row: usize,
    pub c: &'a mut [f32],
    pub c_row: usize,
    pub accumulate: bool,
}

impl Kernel for Product<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let Self { m, n, k, .. } = self;
        assert!(n.is_multiple_of(S::LANES), "whole vectors");
        if m == 0 || n == 0 {
            return;
        }
        assert!((m - 1) * self.c_row + n <= self.c.len());
        assert!(k == 0 || (k - 1) * self.b_row + n <= self.b.len());
        assert!(k == 0 || (m - 1) * self.a_row + (k - 1) * self.a_step < self.a.len());
        let mut column = 0;
        // 16 sums of 16 lanes, or 8 of 8: what the registers hold.
        if S::LANES == 16 {
            while column + 4 * S::LANES <= n {
                // SAFETY: the operands reach row m-1, step k-1, column n-1 (asserted above).
                unsafe { self.columns::<S, 4, 4>(s, column) };
                column += 4 * S::LANES;
            }
        }
        while column + 2 * S::LANES <= n {
            // SAFETY: as above.
            unsafe {
                if S::LANES == 16 {
                    self.columns::<S, 8, 2>(s, column);
                } else {
                    self.columns::<S, 4, 2>(s, column);
                }
            }
            column += 2 * S::LANES;
        }
        if column < n {
            // SAFETY: as above.
            unsafe { self.columns::<S, 8, 1>(s, column) };
        }
    }
}

impl Product<'_> {
    /// All rows of `V` vectors of columns, `R` rows at a time.
    ///
    /// # Safety
    /// `a`, `b`, `c` reach row `m-1`, step `k-1` and column `column + V·LANES - 1`.
    #[inline(always)]
    unsafe fn columns<S: Simd, const R: usize, const V: usize>(&mut self, s: S, column: usize) {
        let mut row = 0;
        // SAFETY: rows stay below m; the rest is the caller's.
        unsafe {
            while row + R <= self.m {
                self.tile::<S, R, V>(s, row, column);
                row += R;
            }
            if R > 4 && row + 4 <= self.m {
                self.tile::<S, 4, V>(s, row, column);
                row += 4;
            }
            if row + 2 <= self.m {
                self.tile::<S, 2, V>(s, row, column);
                row += 2;
            }
            if row < self.m {
                self.tile::<S, 1, V>(s, row, column);
            }
        }
    }

    /// # Safety
    /// As [`Self::columns`], for rows up to `row + R - 1`.
    #[inline(always)]
    unsafe fn tile<S: Simd, const R: usize, const V: usize>(&mut self, s: S, row: usize, column: usize) {
        let (a_row, a_step, b_row, c_row) = (self.a_row, self.a_step, self.b_row, self.c_row);
        let mut sums = [[s.zero(); V]; R];
        // SAFETY: every index is at most that of row + R - 1, step k - 1, column + V·LANES - 1, which the caller ensures.
        unsafe {
            let mut a = self.a.as_ptr().add(row * a_row);
            let mut b = self.b.as_ptr().add(column);
            let c = self.c.as_mut_ptr().add(row * c_row + column);
            if self.accumulate {
                for (r, sums) in sums.iter_mut().enumerate() {
                    for (v, sum) in sums.iter_mut().enumerate() {
                        *sum = s.load_ptr(c.add(r * c_row + v * S::LANES));
                    }
                }
            }
            for _ in 0..self.k {
                let mut vectors = [s.zero(); V];
                for (v, vector) in vectors.iter_mut().enumerate() {
                    *vector = s.load_ptr(b.add(v * S::LANES));
                }
                for (r, sums) in sums.iter_mut().enumerate() {
                    let x = s.splat(*a.add(r * a_row));
                    for (sum, vector) in sums.iter_mut().zip(vectors) {
                        *sum = s.mul_add(x, vector, *sum);
                    }
                }
                a = a.wrapping_add(a_step);
                b = b.wrapping_add(b_row);
            }
            for (r, sums) in sums.iter().enumerate() {
                for (v, sum) in sums.iter().enumerate() {
                    s.store_ptr(*sum, c.add(r * c_row + v * S::LANES));
                }
            }
        }
    }
}

/// From scores and `dP` to probabilities and the scores' gradient, both `[keys, queries]`, in place.
pub(super) struct SoftmaxBackward<'a> {
    /// Scaled scores; becomes `P = exp(score - lse)`.
    pub scores: &'a mut [f32],
    /// `dP = V·dOᵀ`; becomes `P·(dP - delta)`.
    pub gradient: &'a mut [f32],
    /// `[queries]` log-sum-exp, infinite for padding.
    pub lse: &'a [f32],
    /// `[queries]` `Σ dO·O`.
    pub delta: &'a [f32],
}

impl Kernel for SoftmaxBackward<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { scores, gradient, lse, delta } = self;
        let queries = lse.len();
        assert!(queries.is_multiple_of(S::LANES) && scores.len() == gradient.len() && delta.len() == queries);
        for (scores, gradient) in scores.chunks_exact_mut(queries).zip(gradient.chunks_exact_mut(queries)) {
            for q in (0..queries).step_by(S::LANES) {
                let p = vecmath::exp(s, s.sub(s.load(&scores[q..]), s.load(&lse[q..])));
                let ds = s.mul(p, s.sub(s.load(&gradient[q..]), s.load(&delta[q..])));
                s.store(p, &mut scores[q..]);
                s.store(ds, &mut gradient[q..]);
            }
        }
    }
}

/// `out[c·columns + r] = x[r·stride + c]` for `c < width`; columns beyond the last row become zero.
pub(super) fn transpose(x: &[f32], stride: usize, width: usize, columns: usize, out: &mut [f32]) {
    let rows = x.len() / stride;
    for (c, out) in out.chunks_exact_mut(columns).take(width).enumerate() {
        for (r, out) in out[..rows].iter_mut().enumerate() {
            *out = x[r * stride + c];
        }
        out[rows..].fill(0.0);
    }
}

/// Causal scores `[keys, columns]`, keys from `key` on and queries from `query` on: what comes after a query is -inf.
pub(super) fn hide_later(scores: &mut [f32], columns: usize, key: usize, query: usize) {
    for (key, row) in (key..).zip(scores.chunks_exact_mut(columns)) {
        row[..key.saturating_sub(query).min(columns)].fill(f32::NEG_INFINITY);
    }
}

/// The number of lanes of an instruction set.
pub(super) struct Lanes;

impl Kernel for Lanes {
    type Out = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _: S) -> usize {
        S::LANES
    }
}
