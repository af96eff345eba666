//! Per-head RMS norm of queries and keys (arXiv 2010.04245, 2302.05442) followed by rotary position embedding
//! (arXiv 2104.09864) on a fused projection such as `[q | k | v]`.
//!
//! Rotary pairs element `i` with element `i + d/2` of a head ("rotate half"), with angle `i` of the row's table entry.

use crate::Cpu;
use crate::reference::{self, narrow, wide, wide_option};

/// What a column block of `heads · d` columns holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Normalised with the query weight and rotated.
    Query,
    /// Normalised with the key weight and rotated.
    Key,
    /// Copied.
    Value,
}

/// Cosines and sines of the rotary angles; row `r` of `x` uses table row `r % tokens`.
#[derive(Clone, Copy, Debug)]
pub struct Rotary<'a, T = f32> {
    /// `[tokens, d/2]`.
    pub cos: &'a [T],
    /// `[tokens, d/2]`.
    pub sin: &'a [T],
}

/// Arguments of [`qk_norm_rotary`] that its backward pass shares.
#[derive(Clone, Copy, Debug)]
pub struct QkNorm<'a, T = f32> {
    /// Heads in each part.
    pub heads: usize,
    /// Columns of a head, even.
    pub d: usize,
    /// The column blocks of a row in order, for example `[Query, Key, Value]` or `[Key, Value]`.
    pub parts: &'a [Part],
    /// `[d]`, shared by the query heads; `None` is all ones.
    pub query_weight: Option<&'a [T]>,
    /// `[d]`, shared by the key heads; `None` is all ones.
    pub key_weight: Option<&'a [T]>,
    /// Added to the mean square.
    pub eps: f32,
    /// Rotation after the norm, if any.
    pub rotary: Option<Rotary<'a, T>>,
}

/// `y = rotate(x · rstd · weight)` per head of the query and key parts; value parts are copied.
///
/// `x`, `y`: `[rows, parts·heads·d] f32`.
pub fn qk_norm_rotary(cpu: &Cpu, config: &QkNorm, x: &[f32], y: &mut [f32]) {
    let _ = cpu;
    with_wide(config, |config| narrow(&reference::qk_norm_rotary(config, &wide(x)), y));
}

/// Backward of [`qk_norm_rotary`]. `x`, `dy`, `dx`: `[rows, parts·heads·d] f32`; weight gradients `[d] f32`. All overwritten.
pub fn qk_norm_rotary_backward(
    cpu: &Cpu,
    config: &QkNorm,
    x: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    dquery_weight: Option<&mut [f32]>,
    dkey_weight: Option<&mut [f32]>,
) {
    let _ = cpu;
    with_wide(config, |config| {
        let (gx, gq, gk) = reference::qk_norm_rotary_backward(config, &wide(x), &wide(dy));
        narrow(&gx, dx);
        if let Some(out) = dquery_weight {
            narrow(&gq, out);
        }
        if let Some(out) = dkey_weight {
            narrow(&gk, out);
        }
    });
}

fn with_wide(config: &QkNorm, f: impl FnOnce(&QkNorm<f64>)) {
    let query = wide_option(config.query_weight);
    let key = wide_option(config.key_weight);
    let tables = config.rotary.map(|r| (wide(r.cos), wide(r.sin)));
    f(&QkNorm {
        heads: config.heads,
        d: config.d,
        parts: config.parts,
        query_weight: query.as_deref(),
        key_weight: key.as_deref(),
        eps: config.eps,
        rotary: tables.as_ref().map(|(cos, sin)| Rotary { cos, sin }),
    });
}
