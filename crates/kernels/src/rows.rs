//! Shared by the kernels that work on rows: vector loops with a tail, maps over slices, disjoint parts, fixed reductions.

use std::cell::RefCell;
use std::marker::PhantomData;

use simd::{Kernel, Simd};

use crate::Cpu;
use crate::pool::SendPtr;

/// Elements of one task of an element-by-element kernel.
pub(crate) const TASK: usize = 16 * 1024;

/// Rows that one chunk of a reduction over rows adds up in order.
const CHUNK_ROWS: usize = 32;

/// Rows of one task when a row has `width` elements.
pub(crate) fn rows_per_task(width: usize) -> usize {
    (TASK / width.max(1)).max(1)
}

/// Position of a whole vector in a row.
#[derive(Clone, Copy)]
pub(crate) struct Full(pub usize);

/// Position of the last, shorter vector of a row: `.0 .. .1`.
#[derive(Clone, Copy)]
pub(crate) struct Tail(pub usize, pub usize);

impl Full {
    #[inline(always)]
    pub(crate) fn load<S: Simd>(self, s: S, x: &[f32]) -> S::F32 {
        s.load(&x[self.0..])
    }

    #[inline(always)]
    pub(crate) fn store<S: Simd>(self, s: S, v: S::F32, x: &mut [f32]) {
        s.store(v, &mut x[self.0..]);
    }
}

impl Tail {
    #[inline(always)]
    pub(crate) fn load<S: Simd>(self, s: S, x: &[f32]) -> S::F32 {
        s.load_partial(&x[self.0..self.1])
    }

    #[inline(always)]
    pub(crate) fn store<S: Simd>(self, s: S, v: S::F32, x: &mut [f32]) {
        s.store_partial(v, &mut x[self.0..self.1]);
    }
}

/// `lanes!(S, d, |at| { .. at.load(s, x) .. at.store(s, v, y) .. })`: the body for each vector of a row of `d`, tail last.
///
/// A macro because the body must be inlined twice. Lanes of the tail beyond `d` are loaded as zero and not stored.
macro_rules! lanes {
    ($S:ty, $d:expr, |$at:ident| $body:block) => {{
        let d: usize = $d;
        let mut i = 0;
        while i + <$S>::LANES <= d {
            let $at = $crate::rows::Full(i);
            $body
            i += <$S>::LANES;
        }
        if i < d {
            let $at = $crate::rows::Tail(i, d);
            $body
        }
    }};
}
pub(crate) use lanes;

/// `Σ a·b` of two rows: four interleaved sums, then a fixed tree.
#[inline(always)]
pub(crate) fn dot<S: Simd>(s: S, a: &[f32], b: &[f32]) -> f32 {
    let d = a.len();
    assert_eq!(d, b.len());
    let mut sums = [s.zero(); 4];
    let step = 4 * S::LANES;
    let mut i = 0;
    while i + step <= d {
        for (u, sum) in sums.iter_mut().enumerate() {
            *sum = s.mul_add(s.load(&a[i + u * S::LANES..]), s.load(&b[i + u * S::LANES..]), *sum);
        }
        i += step;
    }
    let mut rest = s.zero();
    lanes!(S, d - i, |at| {
        rest = s.mul_add(at.load(s, &a[i..]), at.load(s, &b[i..]), rest);
    });
    let sum = s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]));
    s.reduce_sum(s.add(sum, rest))
}

/// An element-by-element function of `N` inputs.
pub(crate) trait Map<const N: usize>: Sync {
    /// One vector. Implementations are `#[inline(always)]`.
    fn apply<S: Simd>(&self, s: S, x: [S::F32; N]) -> S::F32;
}

struct MapPart<'a, M, const N: usize> {
    op: &'a M,
    inputs: [&'a [f32]; N],
    out: &'a mut [f32],
}

impl<const N: usize, M: Map<N>> Kernel for MapPart<'_, M, N> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { op, inputs, out } = self;
        let len = out.len();
        for x in inputs {
            assert_eq!(x.len(), len);
        }
        lanes!(S, len, |at| {
            let mut x = [s.zero(); N];
            for n in 0..N {
                x[n] = at.load(s, inputs[n]);
            }
            at.store(s, op.apply(s, x), out);
        });
    }
}

/// `out[i] = op(inputs[0][i], ..)`.
pub(crate) fn map<const N: usize, M: Map<N>>(cpu: &Cpu, op: M, inputs: [&[f32]; N], out: &mut [f32]) {
    for x in inputs {
        assert_eq!(x.len(), out.len(), "inputs and output have the same length");
    }
    cpu.pool.run_chunks(out, TASK, |t, out| {
        let inputs = inputs.map(|x| &x[t * TASK..][..out.len()]);
        cpu.isa.dispatch(MapPart { op: &op, inputs, out });
    });
}

/// An element-by-element change of a value, given another (or nothing: `x` may be the value itself).
pub(crate) trait Update: Sync {
    /// One vector. Implementations are `#[inline(always)]`.
    fn apply<S: Simd>(&self, s: S, value: S::F32, x: S::F32) -> S::F32;
}

struct UpdatePart<'a, U> {
    op: &'a U,
    x: Option<&'a [f32]>,
    out: &'a mut [f32],
}

impl<U: Update> Kernel for UpdatePart<'_, U> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { op, x, out } = self;
        match x {
            Some(x) => {
                assert_eq!(x.len(), out.len());
                lanes!(S, x.len(), |at| {
                    at.store(s, op.apply(s, at.load(s, out), at.load(s, x)), out);
                });
            }
            None => lanes!(S, out.len(), |at| {
                let value = at.load(s, out);
                at.store(s, op.apply(s, value, value), out);
            }),
        }
    }
}

/// `out[i] = op(out[i], x[i])`; without `x`, `op(out[i], out[i])`.
pub(crate) fn update<U: Update>(cpu: &Cpu, op: U, x: Option<&[f32]>, out: &mut [f32]) {
    if let Some(x) = x {
        assert_eq!(x.len(), out.len(), "input and output have the same length");
    }
    cpu.pool.run_chunks(out, TASK, |t, out| {
        let x = x.map(|x| &x[t * TASK..][..out.len()]);
        cpu.isa.dispatch(UpdatePart { op: &op, x, out });
    });
}

/// A mutable slice whose disjoint parts go to different tasks.
pub(crate) struct Parts<'a> {
    base: SendPtr<f32>,
    len: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

impl<'a> Parts<'a> {
    pub(crate) fn new(data: &'a mut [f32]) -> Self {
        Self { base: SendPtr(data.as_mut_ptr()), len: data.len(), borrow: PhantomData }
    }

    /// Elements `start .. start + len`; panics beyond the end.
    ///
    /// # Safety
    /// No two parts that are alive at the same time overlap.
    #[inline]
    pub(crate) unsafe fn part(&self, start: usize, len: usize) -> &'a mut [f32] {
        assert!(start.checked_add(len).is_some_and(|end| end <= self.len), "part beyond the end of the slice");
        // SAFETY: inside the slice borrowed for 'a (checked above); disjointness is the caller's.
        unsafe { std::slice::from_raw_parts_mut(self.base.get().add(start), len) }
    }
}

/// Rows in chunks of at most [`CHUNK_ROWS`] that do not cross a group's border.
#[derive(Clone, Copy)]
pub(crate) struct Chunks {
    rows_per_group: usize,
    per_group: usize,
    groups: usize,
}

impl Chunks {
    pub(crate) fn new(rows: usize, rows_per_group: usize) -> Self {
        let rows_per_group = rows_per_group.max(1);
        assert!(rows.is_multiple_of(rows_per_group), "rows are whole groups");
        Self { rows_per_group, per_group: rows_per_group.div_ceil(CHUNK_ROWS), groups: rows / rows_per_group }
    }

    pub(crate) fn count(&self) -> usize {
        self.groups * self.per_group
    }

    pub(crate) fn groups(&self) -> usize {
        self.groups
    }

    /// Group, first row and number of rows of chunk `i`.
    pub(crate) fn rows(&self, i: usize) -> (usize, usize, usize) {
        let (group, part) = (i / self.per_group, i % self.per_group);
        let start = part * CHUNK_ROWS;
        (group, group * self.rows_per_group + start, CHUNK_ROWS.min(self.rows_per_group - start))
    }

    /// The sum of each group's chunks: `partials` `[count, width]` is used up, `out(group, sum)` receives `[width]`.
    pub(crate) fn sum_groups(&self, partials: &mut [f32], width: usize, mut out: impl FnMut(usize, &[f32])) {
        for (group, partials) in partials.chunks_mut(self.per_group * width).enumerate() {
            out(group, tree_sum(partials, width));
        }
    }
}

/// The sum of the rows of `partials` `[n, width]` by a fixed binary tree, in place.
pub(crate) fn tree_sum(partials: &mut [f32], width: usize) -> &[f32] {
    let n = partials.len() / width.max(1);
    let mut step = 1;
    while step < n {
        for i in (0..n - step).step_by(2 * step) {
            let (left, right) = partials.split_at_mut((i + step) * width);
            for (l, r) in left[i * width..][..width].iter_mut().zip(&right[..width]) {
                *l += r;
            }
        }
        step *= 2;
    }
    &partials[..width.min(partials.len())]
}

thread_local! {
    static SCRATCH: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Runs `f` on `len` f32 of this thread's working memory, aligned to 64 bytes, with any contents. Uses may nest.
pub(crate) fn with_scratch<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut memory = SCRATCH.with_borrow_mut(|free| free.pop()).unwrap_or_default();
    if memory.len() < len + 16 {
        memory.resize(len + 16, 0.0);
    }
    let start = memory.as_ptr().align_offset(64).min(16);
    let result = f(&mut memory[start..][..len]);
    SCRATCH.with_borrow_mut(|free| free.push(memory));
    result
}
