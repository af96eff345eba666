//! Activations: ReLU, tanh, SiLU (arXiv 1702.03118), GELU with erf (arXiv 1606.08415), SwiGLU and GEGLU (arXiv 2002.05202).

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
    assert!(x.len() == 2 * y.len() && y.len().is_multiple_of(h), "x is [rows, 2h], y is [rows, h]");
    let task = rows_per_task(h) * h;
    cpu.pool.run_chunks(y, task, |t, y| {
        let x = &x[2 * t * task..][..2 * y.len()];
        cpu.isa.dispatch(SwiGlu { h, x, y });
    });
}

struct SwiGlu<'a> {
    h: usize,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for SwiGlu<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (x, y) in self.x.chunks_exact(2 * self.h).zip(self.y.chunks_exact_mut(self.h)) {
            let (gate, value) = x.split_at(self.h);
            lanes!(S, self.h, |at| {
                let y_at = s.mul(vecmath::silu(s, at.load(s, gate)), at.load(s, value));
                at.store(s, y_at, y);
            });
        }
    }
}

/// Backward of [`swiglu`]; `x`, `dx`: `[rows, 2h] f32`, `dy`: `[rows, h] f32`.
pub fn swiglu_backward(cpu: &Cpu, h: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    assert!(x.len() == 2 * dy.len() && dx.len() == x.len() && dy.len().is_multiple_of(h));
    let task = 2 * rows_per_task(h) * h;
    cpu.pool.run_chunks(dx, task, |t, dx| {
        let x = &x[t * task..][..dx.len()];
        let dy = &dy[t * task / 2..][..dx.len() / 2];
        cpu.isa.dispatch(SwiGluBackward { h, x, dy, dx });
    });
}

struct SwiGluBackward<'a> {
    h: usize,
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl Kernel for SwiGluBackward<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let h = self.h;
        let rows = self.x.chunks_exact(2 * h).zip(self.dy.chunks_exact(h)).zip(self.dx.chunks_exact_mut(2 * h));
        for ((x, dy), dx) in rows {
            let (gate, value) = x.split_at(h);
            let (dgate, dvalue) = dx.split_at_mut(h);
            lanes!(S, h, |at| {
                let (g, dy) = (at.load(s, gate), at.load(s, dy));
                let sigmoid = vecmath::sigmoid(s, g);
                let silu = s.mul(g, sigmoid);
                // silu' = σ + silu·(1 - σ)
                let slope = s.mul_add(silu, s.sub(s.splat(1.0), sigmoid), sigmoid);
                at.store(s, s.mul(s.mul(dy, at.load(s, value)), slope), dgate);
                at.store(s, s.mul(dy, silu), dvalue);
            });
        }
    }
}

/// `y = x[.., ..h] · gelu(x[.., h..])`; `x`: `[rows, 2h] f32`, `y`: `[rows, h] f32`. The gate is the second half, as in the
/// U-Nets of Stable Diffusion.
pub fn geglu(cpu: &Cpu, h: usize, x: &[f32], y: &mut [f32]) {
    assert!(x.len() == 2 * y.len() && y.len().is_multiple_of(h), "x is [rows, 2h], y is [rows, h]");
    let task = rows_per_task(h) * h;
    cpu.pool.run_chunks(y, task, |t, y| {
        let x = &x[2 * t * task..][..2 * y.len()];
        cpu.isa.dispatch(Geglu { h, x, y });
    });
}

struct Geglu<'a> {
    h: usize,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Geglu<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (x, y) in self.x.chunks_exact(2 * self.h).zip(self.y.chunks_exact_mut(self.h)) {
            let (value, gate) = x.split_at(self.h);
            lanes!(S, self.h, |at| {
                let y_at = s.mul(at.load(s, value), vecmath::gelu(s, at.load(s, gate)));
                at.store(s, y_at, y);
            });
        }
    }
}

/// Backward of [`geglu`]; `x`, `dx`: `[rows, 2h] f32`, `dy`: `[rows, h] f32`.
pub fn geglu_backward(cpu: &Cpu, h: usize, x: &[f32], dy: &[f32], dx: &mut [f32]) {
    assert!(x.len() == 2 * dy.len() && dx.len() == x.len() && dy.len().is_multiple_of(h));
    let task = 2 * rows_per_task(h) * h;
    cpu.pool.run_chunks(dx, task, |t, dx| {
        let x = &x[t * task..][..dx.len()];
        let dy = &dy[t * task / 2..][..dx.len() / 2];
        cpu.isa.dispatch(GegluBackward { h, x, dy, dx });
    });
}

struct GegluBackward<'a> {
    h: usize,
    x: &'a [f32],
    dy: &'a [f32],
    dx: &'a mut [f32],
}

impl Kernel for GegluBackward<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let h = self.h;
        let rows = self.x.chunks_exact(2 * h).zip(self.dy.chunks_exact(h)).zip(self.dx.chunks_exact_mut(2 * h));
        for ((x, dy), dx) in rows {
            let (value, gate) = x.split_at(h);
            let (dvalue, dgate) = dx.split_at_mut(h);
            lanes!(S, h, |at| {
                let (g, dy) = (at.load(s, gate), at.load(s, dy));
                at.store(s, s.mul(dy, vecmath::gelu(s, g)), dvalue);
                at.store(s, s.mul(s.mul(dy, at.load(s, value)), vecmath::gelu_derivative(s, g)), dgate);
            });
        }
    }
}
