//! Scalar definitions of `crate::embed` and `crate::patchify` in f64.

use crate::patchify::PatchShape;

/// Definition of `embed::embedding`.
pub fn embedding(d: usize, ids: &[f32], table: &[f64]) -> Vec<f64> {
    ids.iter().flat_map(|&id| table[id as usize * d..][..d].iter().copied()).collect()
}

/// Definition of `embed::embedding_backward`.
pub fn embedding_backward(d: usize, ids: &[f32], dy: &[f64], vocabulary: usize) -> Vec<f64> {
    let mut dtable = vec![0.0; vocabulary * d];
    for (&id, dy) in ids.iter().zip(dy.chunks(d)) {
        for (t, dy) in dtable[id as usize * d..][..d].iter_mut().zip(dy) {
            *t += dy;
        }
    }
    dtable
}

/// Definition of `embed::timestep_embedding`.
pub fn timestep_embedding(dim: usize, max_period: f64, t: &[f64]) -> Vec<f64> {
    let half = dim / 2;
    let mut y = Vec::with_capacity(t.len() * dim);
    for t in t {
        let angle = |i: usize| t * (-max_period.ln() * i as f64 / half as f64).exp();
        y.extend((0..half).map(|i| angle(i).cos()));
        y.extend((0..half).map(|i| angle(i).sin()));
    }
    y
}

/// Definition of `patchify::patchify`.
pub fn patchify(shape: &PatchShape, x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    for_pixels(shape, |image, patches| y[patches] = x[image]);
    y
}

/// Definition of `patchify::unpatchify`.
pub fn unpatchify(shape: &PatchShape, x: &[f64]) -> Vec<f64> {
    let mut y = vec![0.0; x.len()];
    for_pixels(shape, |image, patches| y[image] = x[patches]);
    y
}

/// Calls with the position of each value in the image and among the patches.
fn for_pixels(s: &PatchShape, mut f: impl FnMut(usize, usize)) {
    let p = s.patch;
    for b in 0..s.batch {
        for row in 0..s.height {
            for column in 0..s.width {
                for c in 0..s.channels {
                    let image = ((b * s.height + row) * s.width + column) * s.channels + c;
                    let token = (b * (s.height / p) + row / p) * (s.width / p) + column / p;
                    let patches = ((token * p + row % p) * p + column % p) * s.channels + c;
                    f(image, patches);
                }
            }
        }
    }
}
