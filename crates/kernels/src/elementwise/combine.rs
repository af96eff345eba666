//! Additions and products of tensors, with rows shared by groups of rows (gates, time embeddings) and their reductions.

use crate::Cpu;
use crate::reference::{self, narrow, wide};

/// One row of a table for each group of consecutive rows: group `g` reads `data[g·stride ..][..d]`.
///
/// Pass `&table[column..]` to use a column block of a wider table.
#[derive(Clone, Copy, Debug)]
pub struct GroupTable<'a, T = f32> {
    /// `[groups, stride]`, the first `d` of each row are read.
    pub data: &'a [T],
    /// Distance between two groups.
    pub stride: usize,
    /// Consecutive rows that share one group.
    pub rows_per_group: usize,
}

/// `out = a + b`.
pub fn add(cpu: &Cpu, a: &[f32], b: &[f32], out: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::add(&wide(a), &wide(b)), out);
}

/// `a += b`.
pub fn add_assign(cpu: &Cpu, a: &mut [f32], b: &[f32]) {
    let _ = cpu;
    let sum = reference::add(&wide(a), &wide(b));
    narrow(&sum, a);
}

/// `out = a · b`, element by element.
pub fn multiply(cpu: &Cpu, a: &[f32], b: &[f32], out: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::multiply(&wide(a), &wide(b)), out);
}

/// `y = factor · x`.
pub fn scale(cpu: &Cpu, factor: f32, x: &[f32], y: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::scale(factor as f64, &wide(x)), y);
}

/// `out[r] = x[r] + gate[g] · y[r]`; `x`, `y`, `out`: `[rows, d] f32`.
pub fn gated_add(cpu: &Cpu, d: usize, x: &[f32], y: &[f32], gate: &GroupTable, out: &mut [f32]) {
    let _ = cpu;
    with_wide(gate, |gate| narrow(&reference::gated_add(d, &wide(x), &wide(y), gate), out));
}

/// Backward of [`gated_add`] (the gradient of `x` is `dout` itself).
///
/// `y`, `dout`, `dy`: `[rows, d] f32`; `dgate`: `[groups, d] f32`, dense.
pub fn gated_add_backward(
    cpu: &Cpu,
    d: usize,
    y: &[f32],
    gate: &GroupTable,
    dout: &[f32],
    dy: &mut [f32],
    dgate: Option<&mut [f32]>,
) {
    let _ = cpu;
    with_wide(gate, |gate| {
        let (gy, gg) = reference::gated_add_backward(d, &wide(y), gate, &wide(dout));
        narrow(&gy, dy);
        if let Some(out) = dgate {
            narrow(&gg, out);
        }
    });
}

/// `out[r] = x[r] + table[g]`; `x`, `out`: `[rows, d] f32`. The gradient of the table is [`group_sum`].
pub fn add_groups(cpu: &Cpu, d: usize, x: &[f32], table: &GroupTable, out: &mut [f32]) {
    let _ = cpu;
    with_wide(table, |table| narrow(&reference::add_groups(d, &wide(x), table), out));
}

/// `out[r] = table[g]`: each group's row repeated; `out`: `[rows, d] f32`. The gradient of the table is [`group_sum`].
pub fn broadcast_groups(cpu: &Cpu, d: usize, table: &GroupTable, out: &mut [f32]) {
    let _ = cpu;
    let zero = vec![0.0; out.len()];
    with_wide(table, |table| narrow(&reference::add_groups(d, &zero, table), out));
}

/// `dtable[g] = Σ dy[r]` over the rows of group `g`; `dy`: `[groups·rows_per_group, d] f32`, `dtable`: `[groups, d] f32`.
pub fn group_sum(cpu: &Cpu, d: usize, rows_per_group: usize, dy: &[f32], dtable: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::group_sum(d, rows_per_group, &wide(dy)), dtable);
}

/// `out[i] = x[i] + row[i % row.len()]`: a bias row `[d]`, or a table `[tokens, d]` added to every batch item.
pub fn add_rows(cpu: &Cpu, x: &[f32], row: &[f32], out: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::add_rows(&wide(x), &wide(row)), out);
}

/// Gradient of `row` of [`add_rows`]: the sum of `dy` over its repeats.
pub fn add_rows_backward(cpu: &Cpu, dy: &[f32], drow: &mut [f32]) {
    let _ = cpu;
    narrow(&reference::add_rows_backward(&wide(dy), drow.len()), drow);
}

fn with_wide(table: &GroupTable, f: impl FnOnce(&GroupTable<f64>)) {
    let data = wide(table.data);
    f(&GroupTable { data: &data, stride: table.stride, rows_per_group: table.rows_per_group });
}
