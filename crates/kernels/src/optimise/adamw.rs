//! AdamW (arXiv 1711.05101), exponential moving average, squared norm and scaling of gradients.

use simd::{Kernel, Simd};

use crate::Cpu;
use crate::rows::{Parts, TASK, Update, dot, lanes, update, with_scratch};

/// Settings of one AdamW step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    /// Learning rate.
    pub lr: f32,
    /// Decay of the first moment.
    pub beta1: f32,
    /// Decay of the second moment.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay, multiplied by `lr`.
    pub weight_decay: f32,
    /// Number of this step, from 1 (bias correction).
    pub step: u64,
    /// Factor of the gradient: the clipping scale, usually 1.
    pub gradient_scale: f32,
}

/// `m`, `v` moments and `params` updated in place; all slices of equal length.
///
/// `params -= lr · (m̂ / (sqrt(v̂) + eps) + weight_decay · params)`.
pub fn adamw_step(cpu: &Cpu, s: &AdamWStep, params: &mut [f32], grads: &[f32], m: &mut [f32], v: &mut [f32]) {
    let len = params.len();
    assert!(grads.len() == len && m.len() == len && v.len() == len, "moments and gradients match the parameters");
    let correct1 = 1.0 - (s.beta1 as f64).powf(s.step as f64);
    let correct2 = 1.0 - (s.beta2 as f64).powf(s.step as f64);
    let (params, m, v) = (Parts::new(params), Parts::new(m), Parts::new(v));
    cpu.pool.run(len.div_ceil(TASK), |t| {
        let (start, len) = (t * TASK, TASK.min(len - t * TASK));
        // SAFETY: tasks cover disjoint ranges.
        let (params, m, v) = unsafe { (params.part(start, len), m.part(start, len), v.part(start, len)) };
        cpu.isa.dispatch(AdamWPart {
            step: s,
            rate: (s.lr as f64 / correct1) as f32,
            root: (1.0 / correct2) as f32,
            params,
            grads: &grads[start..][..len],
            m,
            v,
        });
    });
}

struct AdamWPart<'a> {
    step: &'a AdamWStep,
    /// `lr / (1 - beta1^step)`
    rate: f32,
    /// `1 / (1 - beta2^step)`
    root: f32,
    params: &'a mut [f32],
    grads: &'a [f32],
    m: &'a mut [f32],
    v: &'a mut [f32],
}

impl Kernel for AdamWPart<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { step, rate, root, params, grads, m, v } = self;
        let (beta1, new1) = (s.splat(step.beta1), s.splat(1.0 - step.beta1));
        let (beta2, new2) = (s.splat(step.beta2), s.splat(1.0 - step.beta2));
        let keep = s.splat((1.0 - step.lr as f64 * step.weight_decay as f64) as f32);
        let (rate, root, eps) = (s.splat(rate), s.splat(root), s.splat(step.eps));
        let clip = s.splat(step.gradient_scale);
        lanes!(S, params.len(), |at| {
            let g = s.mul(at.load(s, grads), clip);
            let first = s.mul_add(beta1, at.load(s, m), s.mul(new1, g));
            let second = s.mul_add(beta2, at.load(s, v), s.mul(new2, s.mul(g, g)));
            at.store(s, first, m);
            at.store(s, second, v);
            let update = s.div(s.mul(rate, first), s.add(s.sqrt(s.mul(second, root)), eps));
            at.store(s, s.sub(s.mul(keep, at.load(s, params)), update), params);
        });
    }
}

/// `average += (1 - decay) · (params - average)` for two averages of the same parameters, which are read once.
pub fn ema_update(cpu: &Cpu, decays: [f32; 2], params: &[f32], averages: [&mut [f32]; 2]) {
    let len = params.len();
    assert!(averages.iter().all(|average| average.len() == len), "averages match the parameters");
    let averages = averages.map(Parts::new);
    cpu.pool.run(len.div_ceil(TASK), |t| {
        let (start, len) = (t * TASK, TASK.min(len - t * TASK));
        // SAFETY: tasks cover disjoint ranges.
        let averages = averages.each_ref().map(|average| unsafe { average.part(start, len) });
        cpu.isa.dispatch(Approach { new: decays.map(|decay| 1.0 - decay), params: &params[start..][..len], averages });
    });
}

struct Approach<'a> {
    new: [f32; 2],
    params: &'a [f32],
    averages: [&'a mut [f32]; 2],
}

impl Kernel for Approach<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { new, params, averages: [first, second] } = self;
        let [new_first, new_second] = [s.splat(new[0]), s.splat(new[1])];
        lanes!(S, params.len(), |at| {
            let x = at.load(s, params);
            let (a, b) = (at.load(s, first), at.load(s, second));
            at.store(s, s.mul_add(new_first, s.sub(x, a), a), first);
            at.store(s, s.mul_add(new_second, s.sub(x, b), b), second);
        });
    }
}

/// Elements that [`squared_norm`] adds up in f32.
const NORM_BLOCK: usize = 4096;

/// `Σ x²`, in a fixed order: blocks of 4096 in f32, then their sum in f64.
pub fn squared_norm(cpu: &Cpu, x: &[f32]) -> f64 {
    let per_task = TASK / NORM_BLOCK;
    with_scratch(x.len().div_ceil(NORM_BLOCK), |sums| {
        cpu.pool.run_chunks(sums, per_task, |t, sums| {
            for (i, sum) in sums.iter_mut().enumerate() {
                let start = (t * per_task + i) * NORM_BLOCK;
                *sum = cpu.isa.dispatch(SquaredNorm(&x[start..x.len().min(start + NORM_BLOCK)]));
            }
        });
        sums.iter().map(|s| *s as f64).sum()
    })
}

struct SquaredNorm<'a>(&'a [f32]);
impl Kernel for SquaredNorm<'_> {
    type Out = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        dot(s, self.0, self.0)
    }
}

/// `x *= factor` (gradient clipping).
pub fn scale_in_place(cpu: &Cpu, factor: f32, x: &mut [f32]) {
    update(cpu, Factor(factor), None, x);
}

struct Factor(f32);
impl Update for Factor {
    #[inline(always)]
    fn apply<S: Simd>(&self, s: S, value: S::F32, _: S::F32) -> S::F32 {
        s.mul(s.splat(self.0), value)
    }
}
