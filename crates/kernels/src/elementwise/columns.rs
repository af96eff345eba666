//! Copies of column blocks: concatenation and slices along the last dimension.

use crate::Cpu;

/// `dst[r·dst_stride + dst_offset ..][..width] = src[r·src_stride + src_offset ..][..width]` for each row.
///
/// Other columns of `dst` stay as they are.
pub fn copy_columns(
    cpu: &Cpu,
    rows: usize,
    width: usize,
    src: &[f32],
    src_stride: usize,
    src_offset: usize,
    dst: &mut [f32],
    dst_stride: usize,
    dst_offset: usize,
) {
    let _ = cpu;
    for r in 0..rows {
        dst[r * dst_stride + dst_offset..][..width].copy_from_slice(&src[r * src_stride + src_offset..][..width]);
    }
}

/// As [`copy_columns`], but adds to `dst`: the backward pass of a slice whose input has other users.
pub fn add_columns(
    cpu: &Cpu,
    rows: usize,
    width: usize,
    src: &[f32],
    src_stride: usize,
    src_offset: usize,
    dst: &mut [f32],
    dst_stride: usize,
    dst_offset: usize,
) {
    let _ = cpu;
    for r in 0..rows {
        let from = &src[r * src_stride + src_offset..][..width];
        for (d, s) in dst[r * dst_stride + dst_offset..][..width].iter_mut().zip(from) {
            *d += s;
        }
    }
}
