//! Matrix products.

use simd::Isa;

use crate::{Cpu, reference};

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
    precision: Precision,
    k: usize,
    n: usize,
    data: Vec<f32>,
}

impl PackedMatrix {
    /// Storage for a `[k, n]` operand, all zero.
    pub fn new(_isa: Isa, precision: Precision, k: usize, n: usize) -> Self {
        Self { precision, k, n, data: vec![0.0; k * n] }
    }

    /// Packs `src`; the storage is reused.
    ///
    /// # Panics
    /// When `src` does not hold `k · n` values.
    pub fn pack(&mut self, _cpu: &Cpu, src: &[f32], layout: Layout) {
        assert_eq!(src.len(), self.k * self.n, "operand size");
        let (k, n) = (self.k, self.n);
        for p in 0..k {
            for j in 0..n {
                self.data[p * n + j] = match layout {
                    Layout::NK => src[j * k + p],
                    Layout::KN => src[p * n + j],
                };
            }
        }
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
        self.data.len() * 4
    }
}

/// `out = act(a · b + bias) + residual`; `a`: `[m, k] f32`, `out`: `[m, n] f32`.
pub fn matmul(_cpu: &Cpu, m: usize, a: &[f32], b: &PackedMatrix, epilogue: &Epilogue<'_>, out: &mut [f32]) {
    let (k, n) = (b.k, b.n);
    reference::gemm::product(b.precision, (m, n, k), |i, p| a[i * k + p], |p, j| b.data[p * n + j], epilogue, out);
}

/// `dw = dyᵀ · x`: the gradient of a linear layer's weight. `dy`: `[m, n] f32`, `x`: `[m, k] f32`, `dw`: `[n, k] f32`.
pub fn weight_gradient(
    _cpu: &Cpu,
    precision: Precision,
    m: usize,
    n: usize,
    k: usize,
    dy: &[f32],
    x: &[f32],
    dw: &mut [f32],
) {
    reference::gemm::product(precision, (n, k, m), |i, p| dy[p * n + i], |p, j| x[p * k + j], &Epilogue::default(), dw);
}

/// `out = a · b`; `a`: `[m, k] f32`, `b`: `[k, n] f32`, `out`: `[m, n] f32`.
pub fn matmul_nn(
    _cpu: &Cpu,
    precision: Precision,
    m: usize,
    n: usize,
    k: usize,
    a: &[f32],
    b: &[f32],
    out: &mut [f32],
) {
    reference::gemm::product(precision, (m, n, k), |i, p| a[i * k + p], |p, j| b[p * n + j], &Epilogue::default(), out);
}

/// `out = a · bᵀ`; `a`: `[m, k] f32`, `b`: `[n, k] f32`, `out`: `[m, n] f32`.
pub fn matmul_nt(
    _cpu: &Cpu,
    precision: Precision,
    m: usize,
    n: usize,
    k: usize,
    a: &[f32],
    b: &[f32],
    out: &mut [f32],
) {
    reference::gemm::product(precision, (m, n, k), |i, p| a[i * k + p], |p, j| b[j * k + p], &Epilogue::default(), out);
}

/// `db[j] = Σ_i dy[i, j]`: the gradient of a bias. `dy`: `[m, n] f32`, `db`: `[n] f32`.
pub fn column_sum(_cpu: &Cpu, m: usize, n: usize, dy: &[f32], db: &mut [f32]) {
    reference::gemm::column_sum(m, n, dy, db);
}

/// `x` rounded to bf16 (to nearest, ties to even; NaN stays NaN) and back.
pub fn round_to_bf16(x: f32) -> f32 {
    let bits = x.to_bits();
    if x.is_nan() {
        return f32::from_bits((bits | 0x0040_0000) & 0xffff_0000);
    }
    f32::from_bits(bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) & 0xffff_0000)
}
