//! Pictures to rows of patches and back: `[B, H, W, C] <-> [B, (H/p)·(W/p), p·p·C]`, inner order row, column, channel.
//!
//! Each function is the other's backward pass.

use crate::Cpu;

/// Sizes of a picture batch and its patches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchShape {
    /// Pictures.
    pub batch: usize,
    /// Rows of pixels, a multiple of `patch`.
    pub height: usize,
    /// Columns of pixels, a multiple of `patch`.
    pub width: usize,
    /// Values of a pixel.
    pub channels: usize,
    /// Side of a patch in pixels.
    pub patch: usize,
}

impl PatchShape {
    /// Patches of one picture.
    pub fn tokens(&self) -> usize {
        (self.height / self.patch) * (self.width / self.patch)
    }

    /// Values of the whole batch.
    fn values(&self) -> usize {
        self.batch * self.height * self.width * self.channels
    }
}

/// `x`: `[B, H, W, C] f32` to `y`: `[B, (H/p)·(W/p), p·p·C] f32`.
pub fn patchify(cpu: &Cpu, shape: &PatchShape, x: &[f32], y: &mut [f32]) {
    check(shape, x.len(), y.len());
    let line = shape.patch * shape.channels;
    cpu.pool.run_chunks(y, line * shape.patch * shape.width / shape.patch, |band, y| {
        let x = &x[band * y.len()..][..y.len()];
        for_lines(shape, |image, patches| y[patches..][..line].copy_from_slice(&x[image..][..line]));
    });
}

/// `x`: `[B, (H/p)·(W/p), p·p·C] f32` to `y`: `[B, H, W, C] f32`.
pub fn unpatchify(cpu: &Cpu, shape: &PatchShape, x: &[f32], y: &mut [f32]) {
    check(shape, x.len(), y.len());
    let line = shape.patch * shape.channels;
    cpu.pool.run_chunks(y, line * shape.patch * shape.width / shape.patch, |band, y| {
        let x = &x[band * y.len()..][..y.len()];
        for_lines(shape, |image, patches| y[image..][..line].copy_from_slice(&x[patches..][..line]));
    });
}

/// Positions of each run of `patch · channels` values inside a band of `patch` pixel rows (one row of patches).
fn for_lines(shape: &PatchShape, mut f: impl FnMut(usize, usize)) {
    let line = shape.patch * shape.channels;
    for column in 0..shape.width / shape.patch {
        for row in 0..shape.patch {
            f(row * shape.width * shape.channels + column * line, (column * shape.patch + row) * line);
        }
    }
}

fn check(shape: &PatchShape, x: usize, y: usize) {
    assert!(shape.height.is_multiple_of(shape.patch) && shape.width.is_multiple_of(shape.patch));
    assert!(x == shape.values() && y == shape.values(), "both sides hold B·H·W·C values");
}
