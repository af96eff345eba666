//! Matrix products: `act(a · b + bias) + residual` with a packed right operand, the gradients that go with it, and plain
//! products of unpacked operands.
//!
//! Every output is a sum over k in an order that depends on k alone, so its bits are the same for any number of threads, of
//! rows beside it, and wherever its row stands. With AVX512-BF16 and AMX, bf16 operands are multiplied directly; elsewhere
//! rounded operands are multiplied in f32.

#![cfg_attr(
    not(target_arch = "x86_64"),
    allow(dead_code, unused_imports, unused_variables, reason = "only the scalar kernels remain")
)]

#[cfg(target_arch = "x86_64")]
mod amx;
pub(crate) mod driver;
pub(crate) mod micro;
pub(crate) mod pack;
pub(crate) mod patches;
mod peak;
#[cfg(test)]
mod tests;

use simd::{Isa, Kernel, Simd};

pub use peak::measured_peak;

use crate::Cpu;
use driver::Variant;
use pack::{Line, Operand, WIDTH};
use patches::Patches;

/// How operands of products are represented; accumulation and results are f32 in both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// Operands as they are.
    F32,
    /// Operands rounded to bf16, to nearest even.
    Bf16,
}

impl Precision {
    /// The fast choice on `isa`: bf16 where the machine multiplies it directly.
    pub fn auto(isa: Isa) -> Self {
        if isa >= Isa::Avx512Bf16 { Self::Bf16 } else { Self::F32 }
    }
}

/// What becomes of the values in the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Update {
    /// The product replaces them.
    Replace,
    /// The product is added to them.
    Add,
}

/// What is applied to each output value of a product.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Activation {
    /// Nothing.
    #[default]
    None,
    /// `x · sigmoid(x)`
    Silu,
    /// `x · Φ(x)`, the exact (erf) form.
    Gelu,
    /// The hyperbolic tangent.
    Tanh,
}

/// What follows the sum of a product: `activation(sum + bias) + residual`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Epilogue<'a> {
    /// `[n] f32`
    pub bias: Option<&'a [f32]>,
    /// Applied after the bias.
    pub activation: Activation,
    /// `[m, n] f32`, added last.
    pub residual: Option<&'a [f32]>,
}

/// How the right operand lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `[n, k]`, a torch weight: the product is `a · srcᵀ`.
    NK,
    /// `[k, n]`: the product is `a · src`.
    KN,
}

/// The right operand `[k, n]` of a product, packed for one instruction set and precision.
#[derive(Clone, Debug)]
pub struct PackedMatrix {
    variant: Variant,
    precision: Precision,
    k: usize,
    n: usize,
    lines: Vec<Line>,
}

impl PackedMatrix {
    /// Storage for a `[k, n]` operand, all zero.
    ///
    /// # Panics
    /// When the machine lacks `isa`.
    pub fn new(isa: Isa, precision: Precision, k: usize, n: usize) -> Self {
        let variant = variant(isa, precision);
        let lines = crate::memory::filled(Line::ZERO, n.div_ceil(WIDTH) * variant.steps(k));
        Self { variant, precision, k, n, lines }
    }

    /// Packs `src`; the storage is reused.
    ///
    /// # Panics
    /// When `src` does not hold `k · n` values.
    pub fn pack(&mut self, cpu: &Cpu, src: &[f32], layout: Layout) {
        assert_eq!(src.len(), self.k * self.n, "operand size");
        let b = match layout {
            Layout::NK => rows(src, self.n, self.k),
            Layout::KN => columns(src, self.k, self.n),
        };
        driver::pack_right(cpu, self.variant, &b, &mut self.lines);
    }

    /// What it was packed for, and its panels.
    pub(crate) fn lines(&self) -> (Variant, &[Line]) {
        (self.variant, &self.lines)
    }

    /// As [`Self::lines`], to be filled.
    pub(crate) fn lines_mut(&mut self) -> (Variant, &mut [Line]) {
        (self.variant, &mut self.lines)
    }

    /// The length of the sums.
    pub fn k(&self) -> usize {
        self.k
    }

    /// The columns of the product.
    pub fn n(&self) -> usize {
        self.n
    }

    /// The precision it was packed in.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The memory it takes.
    pub fn bytes(&self) -> usize {
        size_of_val(&*self.lines)
    }
}

/// The code for `isa` and `precision`, after the check that everything unsafe below rests on.
fn variant(isa: Isa, precision: Precision) -> Variant {
    assert!(isa <= Isa::detected(), "this machine has no {isa}");
    Variant::new(isa, precision)
}

/// `data` as `[outer, k]`.
fn rows(data: &[f32], outer: usize, k: usize) -> Operand<'_> {
    assert_eq!(data.len(), outer * k, "operand size");
    Operand { data, stride: k, outer, k, k_major: false, patches: None }
}

/// `data` as `[k, outer]`.
fn columns(data: &[f32], k: usize, outer: usize) -> Operand<'_> {
    assert_eq!(data.len(), outer * k, "operand size");
    Operand { data, stride: outer, outer, k, k_major: true, patches: None }
}

/// The matrix of `patches`, as the left operand or, with `k_major`, as the right one.
fn patch_operand<'a>(patches: &'a Patches<'a>, k_major: bool) -> Operand<'a> {
    let (pixels, length) = (patches.pixels(), patches.length());
    let (outer, k) = if k_major { (length, pixels) } else { (pixels, length) };
    Operand { data: patches.data, stride: length, outer, k, k_major, patches: Some(patches) }
}

/// `out = act(a · b + bias) + residual`; `a`: `[m, k] f32`, `out`: `[m, n] f32`.
///
/// # Panics
/// When a slice does not have the size of its shape.
pub fn matmul(cpu: &Cpu, m: usize, a: &[f32], b: &PackedMatrix, epilogue: &Epilogue<'_>, out: &mut [f32]) {
    packed_product(cpu, &rows(a, m, b.k), b, epilogue, out);
}

/// `out = act(patches · b + bias) + residual`; `out`: `[pixels, n] f32`.
pub(crate) fn patch_product(
    cpu: &Cpu,
    patches: &Patches<'_>,
    b: &PackedMatrix,
    epilogue: &Epilogue<'_>,
    out: &mut [f32],
) {
    packed_product(cpu, &patch_operand(patches, false), b, epilogue, out);
}

fn packed_product(cpu: &Cpu, a: &Operand<'_>, b: &PackedMatrix, epilogue: &Epilogue<'_>, out: &mut [f32]) {
    assert_eq!(a.k, b.k, "length of the sums");
    assert_eq!(out.len(), a.outer * b.n, "output size");
    assert!(epilogue.bias.is_none_or(|bias| bias.len() == b.n), "bias size");
    assert!(epilogue.residual.is_none_or(|residual| residual.len() == out.len()), "residual size");
    driver::product(cpu, b.variant, a, &b.lines, b.n, epilogue, out);
}

/// `dw = dyᵀ · x`, or added to `dw`: the gradient of a linear layer's weight. `dy`: `[m, n] f32`, `x`: `[m, k] f32`, `dw`:
/// `[n, k] f32`.
///
/// # Panics
/// When a slice does not have the size of its shape.
pub fn weight_gradient(
    cpu: &Cpu,
    precision: Precision,
    (m, n, k): (usize, usize, usize),
    dy: &[f32],
    x: &[f32],
    update: Update,
    dw: &mut [f32],
) {
    assert_eq!(dw.len(), n * k, "output size");
    driver::product_unpacked(cpu, variant(cpu.isa, precision), &columns(dy, m, n), &columns(x, m, k), update, dw);
}

/// `dw = dyᵀ · patches`, or added to `dw`; `dy`: `[pixels, n] f32`, `dw`: `[n, length of a patch] f32`.
pub(crate) fn patch_gradient(
    cpu: &Cpu,
    precision: Precision,
    n: usize,
    dy: &[f32],
    patches: &Patches<'_>,
    update: Update,
    dw: &mut [f32],
) {
    let (pixels, length) = (patches.pixels(), patches.length());
    assert_eq!(dw.len(), n * length, "output size");
    let (dy, patches) = (columns(dy, pixels, n), patch_operand(patches, true));
    driver::product_unpacked(cpu, variant(cpu.isa, precision), &dy, &patches, update, dw);
}

/// `out = a · b`; `a`: `[m, k] f32`, `b`: `[k, n] f32`, `out`: `[m, n] f32`.
///
/// # Panics
/// When a slice does not have the size of its shape.
pub fn matmul_nn(cpu: &Cpu, precision: Precision, m: usize, n: usize, k: usize, a: &[f32], b: &[f32], out: &mut [f32]) {
    assert_eq!(out.len(), m * n, "output size");
    driver::product_unpacked(cpu, variant(cpu.isa, precision), &rows(a, m, k), &columns(b, k, n), Update::Replace, out);
}

/// `out = a · bᵀ`; `a`: `[m, k] f32`, `b`: `[n, k] f32`, `out`: `[m, n] f32`.
///
/// # Panics
/// When a slice does not have the size of its shape.
pub fn matmul_nt(cpu: &Cpu, precision: Precision, m: usize, n: usize, k: usize, a: &[f32], b: &[f32], out: &mut [f32]) {
    assert_eq!(out.len(), m * n, "output size");
    driver::product_unpacked(cpu, variant(cpu.isa, precision), &rows(a, m, k), &rows(b, n, k), Update::Replace, out);
}

/// `out = a · aᵀ`, as [`matmul_nt`] gives it; `a`: `[m, k] f32`, `out`: `[m, m] f32`. Only the upper half is computed.
///
/// # Panics
/// When a slice does not have the size of its shape.
pub fn gram(cpu: &Cpu, precision: Precision, m: usize, k: usize, a: &[f32], out: &mut [f32]) {
    assert_eq!(out.len(), m * m, "output size");
    let a = rows(a, m, k);
    driver::product_symmetric(cpu, variant(cpu.isa, precision), &a, &a, out);
}

/// `out = a · a` for a symmetric `a`, as [`matmul_nn`] gives it; `a`, `out`: `[m, m] f32`. Only the upper half is computed.
///
/// # Panics
/// When a slice does not have the size of its shape.
pub fn symmetric_square(cpu: &Cpu, precision: Precision, m: usize, a: &[f32], out: &mut [f32]) {
    assert_eq!(out.len(), m * m, "output size");
    driver::product_symmetric(cpu, variant(cpu.isa, precision), &rows(a, m, m), &columns(a, m, m), out);
}

/// Columns that one task of [`column_sum`] adds.
const SUM_COLUMNS: usize = 64;
/// Rows that are added before their sum joins the total.
const SUM_ROWS: usize = 64;

/// `db[j] = Σ_i dy[i, j]`: the gradient of a bias. `dy`: `[m, n] f32`, `db`: `[n] f32`. Rows are added in blocks of 64.
///
/// # Panics
/// When a slice does not have the size of its shape.
pub fn column_sum(cpu: &Cpu, m: usize, n: usize, dy: &[f32], db: &mut [f32]) {
    assert_eq!(dy.len(), m * n, "gradient size");
    assert_eq!(db.len(), n, "bias size");
    cpu.pool.run_chunks(db, SUM_COLUMNS, |task, db| {
        cpu.isa.dispatch(ColumnSum { n, first: task * SUM_COLUMNS, dy, db });
    });
}

struct ColumnSum<'a> {
    n: usize,
    first: usize,
    dy: &'a [f32],
    db: &'a mut [f32],
}

impl Kernel for ColumnSum<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (i, db) in self.db.chunks_mut(S::LANES).enumerate() {
            let column = self.first + i * S::LANES;
            let mut total = s.zero();
            for block in self.dy.chunks(SUM_ROWS * self.n) {
                let mut sum = s.zero();
                for row in block.chunks_exact(self.n) {
                    let row = &row[column..column + db.len()];
                    sum = s.add(sum, if row.len() == S::LANES { s.load(row) } else { s.load_partial(row) });
                }
                total = s.add(total, sum);
            }
            s.store_partial(total, db);
        }
    }
}

/// `x` rounded to bf16 (to nearest, ties to even; NaN stays NaN) and back.
pub fn round_to_bf16(x: f32) -> f32 {
    let bits = x.to_bits();
    if x.is_nan() {
        return f32::from_bits((bits | 0x0040_0000) & 0xffff_0000);
    }
    f32::from_bits(bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) & 0xffff_0000)
}
