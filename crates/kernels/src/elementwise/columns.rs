//! Copies of column blocks: concatenation and slices along the last dimension.

use crate::Cpu;
use crate::rows::{Parts, rows_per_task};

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
    for_rows(cpu, rows, width, (src, src_stride, src_offset), (dst, dst_stride, dst_offset), |from, to| {
        to.copy_from_slice(from);
    });
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
    for_rows(cpu, rows, width, (src, src_stride, src_offset), (dst, dst_stride, dst_offset), |from, to| {
        for (to, from) in to.iter_mut().zip(from) {
            *to += from;
        }
    });
}

fn for_rows(
    cpu: &Cpu,
    rows: usize,
    width: usize,
    (src, src_stride, src_offset): (&[f32], usize, usize),
    (dst, dst_stride, dst_offset): (&mut [f32], usize, usize),
    f: impl Fn(&[f32], &mut [f32]) + Sync,
) {
    assert!(dst_offset + width <= dst_stride && src_offset + width <= src_stride, "columns lie inside a row");
    let dst = Parts::new(dst);
    let task = rows_per_task(width);
    cpu.pool.run(rows.div_ceil(task), |t| {
        for r in t * task..rows.min((t + 1) * task) {
            // SAFETY: each row is visited once and the columns lie inside it (asserted above).
            let to = unsafe { dst.part(r * dst_stride + dst_offset, width) };
            f(&src[r * src_stride + src_offset..][..width], to);
        }
    });
}
