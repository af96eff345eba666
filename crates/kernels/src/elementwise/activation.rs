//! Activations: ReLU, tanh, SiLU (arXiv 1702.03118), GELU with erf (arXiv 1606.08415), SwiGLU and GEGLU (arXiv 2002.05202).

use std::marker::PhantomData;

use simd::{Kernel, Simd, vecmath};

use crate::Cpu;
use crate::rows::{Map, lanes, map, rows_per_task};

struct Silu;
impl Map<1> for Silu {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, [x]: [S::F32; 1]) -> S::F32 {
        vecmath::silu(s, x)
    }
}

struct SiluBackward;
impl Map<2> for SiluBackward {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, [x, dy]: [S::F32; 2]) -> S::F32 {
        s.mul(dy, vecmath::silu_derivative(s, x))
    }
}

struct Gelu;
impl Map<1> for Gelu {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, [x]: [S::F32; 1]) -> S::F32 {
        vecmath::gelu(s, x)
    }
}

struct GeluBackward;
impl Map<2> for GeluBackward {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, [x, dy]: [S::F32; 2]) -> S::F32 {
        s.mul(dy, vecmath::gelu_derivative(s, x))
    }
}

struct Relu;
impl Map<1> for Relu {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, [x]: [S::F32; 1]) -> S::F32 {
        // In this order NaN stays NaN.
        s.max(s.splat(0.0), x)
    }
}

struct ReluBackward;
impl Map<2> for ReluBackward {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, [x, dy]: [S::F32; 2]) -> S::F32 {
        let zero = s.splat(0.0);
        s.select_less(zero, x, dy, zero)
    }
}

struct Tanh;
impl Map<1> for Tanh {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, [x]: [S::F32; 1]) -> S::F32 {
        vecmath::tanh(s, x)
    }
}

struct TanhBackward;
impl Map<2> for TanhBackward {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, [x, dy]: [S::F32; 2]) -> S::F32 {
        let y = vecmath::tanh(s, x);
        s.mul(dy, s.neg_mul_add(y, y, s.splat(1.0)))
    }
}

/// `y = max(x, 0)`; `x`, `y` of equal length.
pub fn relu(cpu: &Cpu, x: &[f32], y: &mut [f32]) {
    map(cpu, Relu, [x], y);
}

/// Backward of [`relu`] from its input; the slope at zero is zero.
pub fn relu_backward(cpu: &Cpu, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    map(cpu, ReluBackward, [x, dy], dx);
}

/// `y = tanh(x)`; `x`, `y` of equal length.
pub fn tanh(cpu: &Cpu, x: &[f32], y: &mut [f32]) {
    map(cpu, Tanh, [x], y);
}

/// Backward of [`tanh`] from its input.
pub fn tanh_backward(cpu: &Cpu, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    map(cpu, TanhBackward, [x, dy], dx);
}

/// `y = x · sigmoid(x)`; `x`, `y` of equal length.
pub fn silu(cpu: &Cpu, x: &[f32], y: &mut [f32]) {
    map(cpu, Silu, [x], y);
}

/// Backward of [`silu`] from its input.
pub fn silu_backward(cpu: &Cpu, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    map(cpu, SiluBackward, [x, dy], dx);
}

/// `y = x · Φ(x)` with the exact (erf) normal distribution function.
pub fn gelu(cpu: &Cpu, x: &[f32], y: &mut [f32]) {
    map(cpu, Gelu, [x], y);
}

/// Backward of [`gelu`] from its input.
pub fn gelu_backward(cpu: &Cpu, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    map(cpu, GeluBackward, [x, dy], dx);
}

/// `y = silu(x[.., ..h]) · x[.., h..]`; `x`: `[rows, 2h] f32`, `y`: `[rows, h] f32`.
pub fn swiglu(cpu: &Cpu, h: usize, x: &[f32], y: &mut [f32]) {
    gated::<SiluGate>(cpu, h, x, y);
}

/// Backward of [`swiglu`]; `x`, `dx`: `[rows, 2h] f32`, `dy`: `[rows, h] f32`.
pub fn swiglu_backward(cpu: &Cpu, h: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    gated_backward::<SiluGate>(cpu, h, x, dy, dx);
}

/// `y = x[.., ..h] · gelu(x[.., h..])`; `x`: `[rows, 2h] f32`, `y`: `[rows, h] f32`. The gate is the second half, as in the
/// U-Nets of Stable Diffusion.
pub fn geglu(cpu: &Cpu, h: usize, x: &[f32], y: &mut [f32]) {
    gated::<GeluGate>(cpu, h, x, y);
}

/// Backward of [`geglu`]; `x`, `dx`: `[rows, 2h] f32`, `dy`: `[rows, h] f32`.
pub fn geglu_backward(cpu: &Cpu, h: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    gated_backward::<GeluGate>(cpu, h, x, dy, dx);
}

/// The function of a gate, and which half of a row `[2h]` is the gate; the other half is multiplied by it.
trait Gate {
    /// Whether the gate is the first half.
    const FIRST: bool;

    fn value<S: Simd>(s: S, x: S::F32) -> S::F32;

    /// Value and slope.
    fn value_and_slope<S: Simd>(s: S, x: S::F32) -> [S::F32; 2];
}

struct SiluGate;
impl Gate for SiluGate {
    const FIRST: bool = true;

    #[inline(always)]
    fn value<S: Simd>(s: S, x: S::F32) -> S::F32 {
        vecmath::silu(s, x)
    }

    #[inline(always)]
    fn value_and_slope<S: Simd>(s: S, x: S::F32) -> [S::F32; 2] {
        let sigmoid = vecmath::sigmoid(s, x);
        let silu = s.mul(x, sigmoid);
        // silu' = σ + silu·(1 - σ)
        [silu, s.mul_add(silu, s.sub(s.splat(1.0), sigmoid), sigmoid)]
    }
}

struct GeluGate;
impl Gate for GeluGate {
    const FIRST: bool = false;

    #[inline(always)]
    fn value<S: Simd>(s: S, x: S::F32) -> S::F32 {
        vecmath::gelu(s, x)
    }

    #[inline(always)]
    fn value_and_slope<S: Simd>(s: S, x: S::F32) -> [S::F32; 2] {
        [vecmath::gelu(s, x), vecmath::gelu_derivative(s, x)]
    }
}

fn gated<G: Gate>(cpu: &Cpu, h: usize, x: &[f32], y: &mut [f32]) {
    assert!(x.len() == 2 * y.len() && y.len().is_multiple_of(h), "x is [rows, 2h], y is [rows, h]");
    let task = rows_per_task(h) * h;
    cpu.pool.run_chunks(y, task, |t, y| {
        let x = &x[2 * t * task..][..2 * y.len()];
        cpu.isa.dispatch(Gated { h, x, y, gate: PhantomData::<G> });
    });
}

struct Gated<'a, G> {
    h: usize,
    x: &'a [f32],
    y: &'a mut [f32],
    gate: PhantomData<G>,
}

impl<G: Gate> Kernel for Gated<'_, G> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (x, y) in self.x.chunks_exact(2 * self.h).zip(self.y.chunks_exact_mut(self.h)) {
            let (first, second) = x.split_at(self.h);
            let (gate, value) = if G::FIRST { (first, second) } else { (second, first) };
            lanes!(S, self.h, |at| {
                let y_at = s.mul(G::value(s, at.load(s, gate)), at.load(s, value));
                at.store(s, y_at, y);
            });
        }
    }
}

fn gated_backward<G: Gate>(cpu: &Cpu, h: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    assert!(x.len() == 2 * dy.len() && dx.len() == x.len() && dy.len().is_multiple_of(h));
    let task = 2 * rows_per_task(h) * h;
    cpu.pool.run_chunks(dx, task, |t, dx| {
        let x = &x[t * task..][..dx.len()];
        let dy = &dy[t * task / 2..][..dx.len() / 2];
        cpu.isa.dispatch(GatedBackward { h, x, dy, dx, gate: PhantomData::<G> });
    });
}

struct GatedBackward<'a, G> {
    h: usize,
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
    gate: PhantomData<G>,
}

impl<G: Gate> Kernel for GatedBackward<'_, G> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let h = self.h;
        let rows = self.x.chunks_exact(2 * h).zip(self.dy.chunks_exact(h)).zip(self.dx.chunks_exact_mut(2 * h));
        for ((x, dy), dx) in rows {
            let (first, second) = x.split_at(h);
            let (dfirst, dsecond) = dx.split_at_mut(h);
            let (gate, value) = if G::FIRST { (first, second) } else { (second, first) };
            let (dgate, dvalue) = if G::FIRST { (dfirst, dsecond) } else { (dsecond, dfirst) };
            lanes!(S, h, |at| {
                let dy = at.load(s, dy);
                let [opened, slope] = G::value_and_slope(s, at.load(s, gate));
                at.store(s, s.mul(s.mul(dy, at.load(s, value)), slope), dgate);
                at.store(s, s.mul(dy, opened), dvalue);
            });
        }
    }
}
