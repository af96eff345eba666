//! RMS norm (arXiv 1910.07467) with optional learned weight and optional adaLN modulation (DiT, arXiv 2212.09748).
//!
//! `y = x · rstd · weight · (1 + scale[g]) + shift[g]`, `rstd = 1 / sqrt(mean(x²) + eps)`, `g = row / rows_per_group`.

use crate::Cpu;
use crate::reference::{self, narrow, wide, wide_option};

/// Scale and shift of one modulated norm: row `g` of a table applies to rows `g·rows_per_group ..`.
///
/// Group `g` reads `scale[g·stride ..][..d]` and `shift[g·stride ..][..d]`, so both may be column
/// blocks of one `[groups, stride]` table (pass `&table[column..]`).
#[derive(Clone, Copy, Debug)]
pub struct Modulation<'a, T = f32> {
    /// `[groups, stride]`, the first `d` of each row are read; `1 + scale` multiplies.
    pub scale: &'a [T],
    /// `[groups, stride]`, the first `d` of each row are read.
    pub shift: &'a [T],
    /// Distance between two groups in `scale` and `shift`.
    pub stride: usize,
    /// Consecutive rows of `x` that share one group (the tokens of a picture).
    pub rows_per_group: usize,
}

/// Gradient of a [`Modulation`], dense.
#[derive(Debug)]
pub struct ModulationGradient<'a> {
    /// `[groups, d] f32`, overwritten.
    pub scale: &'a mut [f32],
    /// `[groups, d] f32`, overwritten.
    pub shift: &'a mut [f32],
}

/// `y[r] = x[r] · rstd[r] · weight · (1 + scale[g]) + shift[g]`.
///
/// `x`, `y`: `[rows, d] f32`; `weight`: `[d] f32`; `rstd`: `[rows] f32`, written for the backward pass.
pub fn rms_norm(
    cpu: &Cpu,
    d: usize,
    x: &[f32],
    weight: Option<&[f32]>,
    modulation: Option<&Modulation>,
    eps: f32,
    y: &mut [f32],
    rstd: &mut [f32],
) {
    let _ = cpu;
    let tables = modulation.map(|m| (wide(m.scale), wide(m.shift)));
    let wide_modulation = modulation.zip(tables.as_ref()).map(|(m, (scale, shift))| Modulation {
        scale,
        shift,
        stride: m.stride,
        rows_per_group: m.rows_per_group,
    });
    let weight = wide_option(weight);
    let (value, r) = reference::rms_norm(d, &wide(x), weight.as_deref(), wide_modulation.as_ref(), eps as f64);
    narrow(&value, y);
    narrow(&r, rstd);
}

/// Backward of [`rms_norm`]: `dx` `[rows, d]`, `dweight` `[d]` and the modulation's gradients, all overwritten.
///
/// `rstd` is what the forward pass wrote; `dy`: `[rows, d] f32`.
pub fn rms_norm_backward(
    cpu: &Cpu,
    d: usize,
    x: &[f32],
    weight: Option<&[f32]>,
    modulation: Option<&Modulation>,
    rstd: &[f32],
    dy: &[f32],
    dx: &mut [f32],
    dweight: Option<&mut [f32]>,
    dmodulation: Option<ModulationGradient>,
) {
    let _ = cpu;
    let tables = modulation.map(|m| (wide(m.scale), wide(m.shift)));
    let wide_modulation = modulation.zip(tables.as_ref()).map(|(m, (scale, shift))| Modulation {
        scale,
        shift,
        stride: m.stride,
        rows_per_group: m.rows_per_group,
    });
    let weight = wide_option(weight);
    let g =
        reference::rms_norm_backward(d, &wide(x), weight.as_deref(), wide_modulation.as_ref(), &wide(rstd), &wide(dy));
    narrow(&g.dx, dx);
    if let Some(out) = dweight {
        narrow(&g.dweight, out);
    }
    if let Some(out) = dmodulation {
        narrow(&g.dscale, out.scale);
        narrow(&g.dshift, out.shift);
    }
}
