//! L2 normalisation of rows: `y = x / max(‖x‖₂, eps)` (as `torch.nn.functional.normalize`).

use simd::{Kernel, Simd};

use crate::Cpu;
use crate::rows::{dot, lanes, rows_per_task};

/// `y[r] = x[r] / max(‖x[r]‖, eps)`; `x`, `y`: `[rows, d] f32`.
pub fn l2_normalise(cpu: &Cpu, d: usize, x: &[f32], eps: f32, y: &mut [f32]) {
    assert!(x.len() == y.len() && x.len().is_multiple_of(d), "x and y are [rows, d]");
    let task = rows_per_task(d) * d;
    cpu.pool.run_chunks(y, task, |t, y| {
        let x = &x[t * task..][..y.len()];
        cpu.isa.dispatch(Rows { d, eps, x, dy: None, out: y });
    });
}

/// Backward of [`l2_normalise`]; `x`, `dy`, `dx`: `[rows, d] f32`, `dx` overwritten.
pub fn l2_normalise_backward(cpu: &Cpu, d: usize, x: &[f32], eps: f32, dy: &[f32], dx: &mut [f32]) {
    assert!(x.len() == dx.len() && dy.len() == x.len() && x.len().is_multiple_of(d), "x, dy and dx are [rows, d]");
    let task = rows_per_task(d) * d;
    cpu.pool.run_chunks(dx, task, |t, dx| {
        let (x, dy) = (&x[t * task..][..dx.len()], &dy[t * task..][..dx.len()]);
        cpu.isa.dispatch(Rows { d, eps, x, dy: Some(dy), out: dx });
    });
}

struct Rows<'a> {
    d: usize,
    eps: f32,
    x: &'a [f32],
    /// Backward if given.
    dy: Option<&'a [f32]>,
    out: &'a mut [f32],
}

impl Kernel for Rows<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { d, eps, x, dy, out } = self;
        for (r, out) in out.chunks_exact_mut(d).enumerate() {
            let x = &x[r * d..][..d];
            let norm = dot(s, x, x).sqrt();
            let inverse = s.splat(1.0 / norm.max(eps));
            match dy {
                None => lanes!(S, d, |at| {
                    at.store(s, s.mul(at.load(s, x), inverse), out);
                }),
                Some(dy) => {
                    let dy = &dy[r * d..][..d];
                    let along = if norm > eps { dot(s, x, dy) / norm / norm } else { 0.0 };
                    let along = s.splat(along);
                    lanes!(S, d, |at| {
                        let tangent = s.neg_mul_add(at.load(s, x), along, at.load(s, dy));
                        at.store(s, s.mul(tangent, inverse), out);
                    });
                }
            }
        }
    }
}
