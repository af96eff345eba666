//! Additions and products of tensors, with rows shared by groups of rows (gates, time embeddings) and their reductions.

use simd::{Kernel, Simd};

use crate::Cpu;
use crate::rows::{Chunks, Map, Parts, TASK, Update, lanes, map, rows_per_task, tree_sum, update, with_scratch};

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

struct Add;
impl Map<2> for Add {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, [a, b]: [S::F32; 2]) -> S::F32 {
        s.add(a, b)
    }
}
impl Update for Add {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, value: S::F32, x: S::F32) -> S::F32 {
        s.add(value, x)
    }
}

struct Multiply;
impl Map<2> for Multiply {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, [a, b]: [S::F32; 2]) -> S::F32 {
        s.mul(a, b)
    }
}

struct Scale(f32);
impl Map<1> for Scale {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, [x]: [S::F32; 1]) -> S::F32 {
        s.mul(s.splat(self.0), x)
    }
}

/// `out = a + b`.
pub fn add(cpu: &Cpu, a: &[f32], b: &[f32], out: &mut [f32]) {
    map(cpu, Add, [a, b], out);
}

/// `a += b`.
pub fn add_assign(cpu: &Cpu, a: &mut [f32], b: &[f32]) {
    update(cpu, Add, Some(b), a);
}

/// `out = a · b`, element by element.
pub fn multiply(cpu: &Cpu, a: &[f32], b: &[f32], out: &mut [f32]) {
    map(cpu, Multiply, [a, b], out);
}

/// `y = factor · x`.
pub fn scale(cpu: &Cpu, factor: f32, x: &[f32], y: &mut [f32]) {
    map(cpu, Scale(factor), [x], y);
}

/// What a row kernel does with a table row `t`.
#[derive(Clone, Copy)]
enum RowOp {
    /// `x + t·y`
    GatedAdd,
    /// `t·y` (`x` unused)
    Multiply,
    /// `x + t`
    Add,
    /// `t`
    Copy,
}

struct TableRows<'a> {
    op: RowOp,
    table: &'a [f32],
    x: &'a [f32],
    y: &'a [f32],
    out: &'a mut [f32],
}

impl Kernel for TableRows<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { op, table, x, y, out } = self;
        let d = table.len();
        for (r, out) in out.chunks_exact_mut(d).enumerate() {
            match op {
                RowOp::GatedAdd => {
                    let (x, y) = (&x[r * d..][..d], &y[r * d..][..d]);
                    lanes!(S, d, |at| {
                        at.store(s, s.mul_add(at.load(s, table), at.load(s, y), at.load(s, x)), out);
                    });
                }
                RowOp::Multiply => {
                    let y = &y[r * d..][..d];
                    lanes!(S, d, |at| {
                        at.store(s, s.mul(at.load(s, table), at.load(s, y)), out);
                    });
                }
                RowOp::Add => {
                    let x = &x[r * d..][..d];
                    lanes!(S, d, |at| {
                        at.store(s, s.add(at.load(s, table), at.load(s, x)), out);
                    });
                }
                RowOp::Copy => out.copy_from_slice(table),
            }
        }
    }
}

fn table_rows(cpu: &Cpu, op: RowOp, d: usize, table: &GroupTable, x: &[f32], y: &[f32], out: &mut [f32]) {
    assert!(out.len().is_multiple_of(d), "out is [rows, d]");
    let chunks = Chunks::new(out.len() / d, table.rows_per_group);
    let out = Parts::new(out);
    cpu.pool.run(chunks.count(), |i| {
        let (group, row, rows) = chunks.rows(i);
        let span = |x: &[f32]| if x.is_empty() { 0..0 } else { row * d..(row + rows) * d };
        // SAFETY: chunks are disjoint runs of rows.
        let out = unsafe { out.part(row * d, rows * d) };
        let table = &table.data[group * table.stride..][..d];
        cpu.isa.dispatch(TableRows { op, table, x: &x[span(x)], y: &y[span(y)], out });
    });
}

/// `out[r] = x[r] + gate[g] · y[r]`; `x`, `y`, `out`: `[rows, d] f32`.
pub fn gated_add(cpu: &Cpu, d: usize, x: &[f32], y: &[f32], gate: &GroupTable, out: &mut [f32]) {
    assert!(x.len() == out.len() && y.len() == out.len(), "x, y and out are [rows, d]");
    table_rows(cpu, RowOp::GatedAdd, d, gate, x, y, out);
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
    assert!(y.len() == dout.len() && dy.len() == dout.len(), "y, dout and dy are [rows, d]");
    table_rows(cpu, RowOp::Multiply, d, gate, &[], dout, dy);
    if let Some(dgate) = dgate {
        sum_rows(cpu, d, gate.rows_per_group, Some(y), dout, dgate);
    }
}

/// `out[r] = x[r] + table[g]`; `x`, `out`: `[rows, d] f32`. The gradient of the table is [`group_sum`].
pub fn add_groups(cpu: &Cpu, d: usize, x: &[f32], table: &GroupTable, out: &mut [f32]) {
    assert!(x.len() == out.len(), "x and out are [rows, d]");
    table_rows(cpu, RowOp::Add, d, table, x, &[], out);
}

/// `out[r] = table[g]`: each group's row repeated; `out`: `[rows, d] f32`. The gradient of the table is [`group_sum`].
pub fn broadcast_groups(cpu: &Cpu, d: usize, table: &GroupTable, out: &mut [f32]) {
    table_rows(cpu, RowOp::Copy, d, table, &[], &[], out);
}

/// `dtable[g] = Σ dy[r]` over the rows of group `g`; `dy`: `[groups·rows_per_group, d] f32`, `dtable`: `[groups, d] f32`.
pub fn group_sum(cpu: &Cpu, d: usize, rows_per_group: usize, dy: &[f32], dtable: &mut [f32]) {
    sum_rows(cpu, d, rows_per_group, None, dy, dtable);
}

/// `out[g] = Σ dy[r]` (times `y[r]` if given) over the rows of each group: chunks of rows in order, then a tree.
fn sum_rows(cpu: &Cpu, d: usize, rows_per_group: usize, y: Option<&[f32]>, dy: &[f32], out: &mut [f32]) {
    let chunks = Chunks::new(dy.len() / d, rows_per_group);
    assert!(dy.len().is_multiple_of(d) && out.len() == chunks.groups() * d, "the sums are [groups, d]");
    with_scratch(chunks.count() * d, |partials| {
        cpu.pool.run_chunks(partials, d, |i, sum| {
            let (_, row, rows) = chunks.rows(i);
            let span = row * d..(row + rows) * d;
            cpu.isa.dispatch(SumRows { y: y.map(|y| &y[span.clone()]), dy: &dy[span], sum });
        });
        chunks.sum_groups(partials, d, |group, sum| out[group * d..][..d].copy_from_slice(sum));
    });
}

struct SumRows<'a> {
    y: Option<&'a [f32]>,
    dy: &'a [f32],
    sum: &'a mut [f32],
}

impl Kernel for SumRows<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { y, dy, sum } = self;
        let d = sum.len();
        sum.fill(0.0);
        for (r, dy) in dy.chunks_exact(d).enumerate() {
            match y {
                Some(y) => {
                    let y = &y[r * d..][..d];
                    lanes!(S, d, |at| {
                        at.store(s, s.mul_add(at.load(s, y), at.load(s, dy), at.load(s, sum)), sum);
                    });
                }
                None => lanes!(S, d, |at| {
                    at.store(s, s.add(at.load(s, dy), at.load(s, sum)), sum);
                }),
            }
        }
    }
}

/// `out[i] = x[i] + row[i % row.len()]`: a bias row `[d]`, or a table `[tokens, d]` added to every batch item.
pub fn add_rows(cpu: &Cpu, x: &[f32], row: &[f32], out: &mut [f32]) {
    let n = row.len();
    assert!(x.len() == out.len() && x.len().is_multiple_of(n), "x is whole repeats of row");
    let task = rows_per_task(n) * n;
    cpu.pool.run_chunks(out, task, |t, out| {
        let x = &x[t * task..][..out.len()];
        cpu.isa.dispatch(TableRows { op: RowOp::Add, table: row, x, y: &[], out });
    });
}

/// Gradient of `row` of [`add_rows`]: the sum of `dy` over its repeats.
pub fn add_rows_backward(cpu: &Cpu, dy: &[f32], drow: &mut [f32]) {
    let n = drow.len();
    assert!(dy.len().is_multiple_of(n), "dy is whole repeats of row");
    let chunk = rows_per_task(n).min(TASK / 256) * n;
    let partials = dy.len().div_ceil(chunk);
    with_scratch(partials * n, |sums| {
        cpu.pool.run_chunks(sums, n, |i, sum| {
            let dy = &dy[i * chunk..dy.len().min((i + 1) * chunk)];
            cpu.isa.dispatch(SumRows { y: None, dy, sum });
        });
        if partials == 0 {
            drow.fill(0.0);
        } else {
            drow.copy_from_slice(tree_sum(sums, n));
        }
    });
}
