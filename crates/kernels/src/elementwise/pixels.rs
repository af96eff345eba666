//! Pixel shuffle (arXiv 1609.05158): channels to pixels, `[B, H, W, C·r²] <-> [B, H·r, W·r, C]`, channel
//! `c·r² + dy·r + dx` as in torch.
//!
//! Each function is the other's backward pass.

use simd::{Kernel, Simd};

use crate::Cpu;

/// Sizes of a pixel shuffle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PixelShape {
    /// Pictures.
    pub batch: usize,
    /// Rows of pixels of the coarse picture.
    pub height: usize,
    /// Columns of pixels of the coarse picture.
    pub width: usize,
    /// Values of a fine pixel.
    pub channels: usize,
    /// r: fine pixels along each side of a coarse one.
    pub factor: usize,
}

/// `x`: `[B, H, W, C·r²] f32` to `y`: `[B, H·r, W·r, C] f32`.
pub fn pixel_shuffle(cpu: &Cpu, shape: &PixelShape, x: &[f32], y: &mut [f32]) {
    run(cpu, shape, true, x, y);
}

/// `x`: `[B, H·r, W·r, C] f32` to `y`: `[B, H, W, C·r²] f32`.
pub fn pixel_unshuffle(cpu: &Cpu, shape: &PixelShape, x: &[f32], y: &mut [f32]) {
    run(cpu, shape, false, x, y);
}

/// A task is a row of coarse pixels, which are `factor` rows of fine ones: the same part of both tensors.
fn run(cpu: &Cpu, shape: &PixelShape, to_fine: bool, x: &[f32], y: &mut [f32]) {
    let PixelShape { batch, height, width, channels, factor } = *shape;
    let band = width * channels * factor * factor;
    assert!(x.len() == batch * height * band && y.len() == x.len(), "both sides hold B·H·W·C·r² values");
    if band == 0 {
        return;
    }
    cpu.pool.run_chunks(y, band, |task, y| {
        let x = &x[task * band..][..band];
        cpu.isa.dispatch(Band { channels, factor, to_fine, x, y });
    });
}

struct Band<'a> {
    channels: usize,
    factor: usize,
    to_fine: bool,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Band<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        // The usual factor as a constant: strides the compiler can make shuffles of.
        let factor = self.factor;
        if factor == 2 { self.copy(2) } else { self.copy(factor) }
    }
}

impl Band<'_> {
    #[inline(always)]
    fn copy(self, factor: usize) {
        let Self { channels, to_fine, x, y, .. } = self;
        let values = channels * factor * factor;
        let fine_row = x.len() / factor;
        for pixel in 0..x.len() / values {
            for part in 0..factor * factor {
                let fine = part / factor * fine_row + (pixel * factor + part % factor) * channels;
                if to_fine {
                    let coarse = x[pixel * values..][..values].chunks_exact(factor * factor);
                    for (to, from) in y[fine..][..channels].iter_mut().zip(coarse) {
                        *to = from[part];
                    }
                } else {
                    let coarse = y[pixel * values..][..values].chunks_exact_mut(factor * factor);
                    for (to, from) in coarse.zip(&x[fine..][..channels]) {
                        to[part] = *from;
                    }
                }
            }
        }
    }
}
