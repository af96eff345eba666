//! The `gemm` crate as a peer for f32 products.

use gemm_common::Parallelism;

/// `out = a · b`, with `a`: `[m, k] f32` or, transposed, `[k, m]`; `b`: `[k, n] f32` or, transposed, `[n, k]`;
/// `out`: `[m, n] f32`.
pub(crate) fn product(
    (m, n, k): (usize, usize, usize),
    (a, a_transposed): (&[f32], bool),
    (b, b_transposed): (&[f32], bool),
    out: &mut [f32],
    threads: usize,
) {
    assert!(a.len() == m * k && b.len() == k * n && out.len() == m * n, "sizes");
    let strides = |rows: usize, columns: usize, transposed: bool| {
        if transposed { (rows as isize, 1) } else { (1, columns as isize) }
    };
    let (a_cs, a_rs) = strides(m, k, a_transposed);
    let (b_cs, b_rs) = strides(k, n, b_transposed);
    let parallelism = if threads > 1 { Parallelism::Rayon(threads) } else { Parallelism::None };
    // SAFETY: the lengths were checked against the shapes, which the strides stay inside; `out` is borrowed alone.
    unsafe {
        // As `gemm` does it: it likes outputs whose columns are in one piece, so rows and columns change places.
        gemm_f32::gemm::f32::get_gemm_fn()(
            n,
            m,
            k,
            out.as_mut_ptr(),
            n as isize,
            1,
            false,
            b.as_ptr(),
            b_rs,
            b_cs,
            a.as_ptr(),
            a_rs,
            a_cs,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::product;

    #[test]
    fn strides_say_what_they_mean() {
        let a = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let b = [1.0, 0.0, 0.0, 1.0, 2.0, 2.0];
        let mut out = [0.0; 4];
        product((2, 2, 3), (&a, false), (&b, false), &mut out, 1);
        assert_eq!(out, [7.0, 8.0, 16.0, 17.0]);
        product(
            (2, 2, 3),
            (&[1.0, 4.0, 2.0, 5.0, 3.0, 6.0], true),
            (&[1.0, 0.0, 2.0, 0.0, 1.0, 2.0], true),
            &mut out,
            1,
        );
        assert_eq!(out, [7.0, 8.0, 16.0, 17.0]);
    }
}
