//! Patches of pictures as the rows of a matrix that is never in memory: what a convolution multiplies.
//!
//! A row is an output pixel, in the order item, y, x. Its columns are `[kernel row, kernel column, channel]`; those that lie
//! outside the picture are zero. As a left operand the matrix is `[outer, k]`, as a right one `[k, outer]`.
//!
//! Taps beside each other usually read pixels beside each other, whose channels are one piece of memory: a *run*. Packing
//! copies runs.

use crate::gemm::pack::{Line, WIDTH, Window, Words};

/// What the positions between pixels of a stretched picture hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Between {
    /// The pixel before them: nearest-neighbour doubling.
    Repeated,
    /// Zero: the adjoint of a stride.
    Zero,
}

/// How taps find input pixels along one axis: tap `t` of output `o` reads position `o · step + t - before` of the input,
/// stretched by `stretch`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Axis {
    /// Input pixels.
    pub(crate) input: usize,
    /// Positions of the stretched input that are not padding.
    pub(crate) extent: usize,
    /// Output pixels.
    pub(crate) output: usize,
    pub(crate) taps: usize,
    pub(crate) step: usize,
    pub(crate) before: isize,
    pub(crate) stretch: usize,
    pub(crate) between: Between,
}

impl Axis {
    /// The input pixel of a tap, unless it is padding.
    #[inline(always)]
    pub(crate) fn index(&self, output: usize, tap: usize) -> Option<usize> {
        let at = usize::try_from((output * self.step + tap) as isize - self.before).ok()?;
        let index = if self.stretch == 1 { at } else { at / self.stretch };
        let hit = self.between == Between::Repeated || index * self.stretch == at;
        (hit && at < self.extent).then_some(index)
    }

    /// Whether taps beside each other read pixels beside each other.
    fn contiguous(&self) -> bool {
        self.stretch == 1
    }
}

/// The matrix of all patches of a batch of pictures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patches<'a> {
    /// `[batch, rows.input, columns.input, channels] f32`
    pub(crate) data: &'a [f32],
    pub(crate) batch: usize,
    pub(crate) channels: usize,
    pub(crate) rows: Axis,
    pub(crate) columns: Axis,
}

/// An output pixel.
#[derive(Clone, Copy, Debug)]
struct Pixel {
    item: usize,
    y: usize,
    x: usize,
}

/// Where the values of a run of one pixel are.
#[derive(Clone, Copy, Debug)]
struct Run {
    /// The position of its first value in the data, were it inside the picture.
    at: isize,
    /// The first value that is inside, and the one after the last; the others are zero.
    valid: (usize, usize),
}

impl Run {
    const PADDING: Self = Self { at: 0, valid: (0, 0) };

    /// Values `start..end` of the run, all of them valid; none may be.
    #[inline(always)]
    fn values<'a>(&self, data: &'a [f32], start: usize, end: usize) -> &'a [f32] {
        if start >= end {
            return &[];
        }
        &data[(self.at + start as isize) as usize..(self.at + end as isize) as usize]
    }
}

impl<'a> Patches<'a> {
    /// Rows of the matrix: output pixels of all pictures.
    pub(crate) fn pixels(&self) -> usize {
        self.batch * self.rows.output * self.columns.output
    }

    /// Columns of the matrix: values of a patch.
    pub(crate) fn length(&self) -> usize {
        self.rows.taps * self.columns.taps * self.channels
    }

    /// Values of a run: a row of the kernel, or a tap where neighbouring taps do not read neighbouring pixels.
    #[inline(always)]
    fn run_length(&self) -> usize {
        if self.columns.contiguous() { self.columns.taps * self.channels } else { self.channels }
    }

    #[inline(always)]
    fn pixel(&self, row: usize) -> Pixel {
        let (line, x) = (row / self.columns.output, row % self.columns.output);
        Pixel { item: line / self.rows.output, y: line % self.rows.output, x }
    }

    #[inline(always)]
    fn after(&self, Pixel { item, y, x }: Pixel) -> Pixel {
        if x + 1 < self.columns.output {
            Pixel { item, y, x: x + 1 }
        } else if y + 1 < self.rows.output {
            Pixel { item, y: y + 1, x: 0 }
        } else {
            Pixel { item: item + 1, y: 0, x: 0 }
        }
    }

    /// The `i`-th run of a pixel.
    #[inline(always)]
    fn run(&self, pixel: Pixel, i: usize) -> Run {
        let columns = &self.columns;
        let contiguous = columns.contiguous();
        let (tap_row, tap) = if contiguous { (i, 0) } else { (i / columns.taps, i % columns.taps) };
        let Some(y) = self.rows.index(pixel.y, tap_row) else { return Run::PADDING };
        let line = ((pixel.item * self.rows.input + y) * columns.input) as isize;
        let channels = self.channels;
        if contiguous {
            let first = (pixel.x * columns.step) as isize - columns.before;
            let clip = |at: isize| (at - first).clamp(0, columns.taps as isize) as usize * channels;
            Run { at: (line + first) * channels as isize, valid: (clip(0), clip(columns.input as isize)) }
        } else {
            match columns.index(pixel.x, tap) {
                Some(x) => Run { at: (line + x as isize) * channels as isize, valid: (0, channels) },
                None => Run::PADDING,
            }
        }
    }

    /// Copies the values of a patch from column `first` on to `out`, zeros included.
    #[inline(always)]
    fn gather(&self, pixel: Pixel, first: usize, out: &mut [f32]) {
        let length = self.run_length();
        let mut i = first / length;
        let mut start = first % length;
        let mut rest = out;
        while !rest.is_empty() {
            let run = self.run(pixel, i);
            let (part, others) = rest.split_at_mut((length - start).min(rest.len()));
            let end = start + part.len();
            let (valid, valid_end) = (run.valid.0.clamp(start, end), run.valid.1.clamp(start, end));
            part.fill(0.0);
            for (to, from) in part[valid - start..].iter_mut().zip(run.values(self.data, valid, valid_end)) {
                *to = *from;
            }
            (i, start, rest) = (i + 1, 0, others);
        }
    }

    /// Values of a patch from column `column` on, up to a panel's width, in place or, where they are in pieces, gathered in
    /// `buffer`; missing values are zero. `run` is the `i`-th, in which the column lies.
    #[inline(always)]
    fn panel<'b>(
        &'b self,
        pixel: Pixel,
        run: &Run,
        i: usize,
        column: usize,
        buffer: &'b mut [f32; WIDTH],
    ) -> &'b [f32] {
        let length = self.run_length();
        let start = column - i * length;
        let end = start + WIDTH;
        if run.valid.0 <= start && end <= run.valid.1 {
            return run.values(self.data, start, end);
        }
        if end <= length && (end <= run.valid.0 || run.valid.1 <= start) {
            return &[];
        }
        let count = WIDTH.min(self.length() - column);
        self.gather(pixel, column, &mut buffer[..count]);
        &buffer[..count]
    }

    /// About the memory that rows `first..end` read and earlier ones did not. It is only fetched ahead.
    pub(super) fn window(&self, first: usize, end: usize) -> Window<'a> {
        let (input, output) = (self.rows.input * self.columns.input, self.rows.output * self.columns.output);
        let stretched = |pixels: usize| pixels * input / output.max(1);
        let below = (self.rows.taps as isize - 1 - self.rows.before).max(0) as usize * self.columns.input;
        let start = (stretched(first) + below / self.rows.stretch).min(self.batch * input);
        let stop = (stretched(end) + below / self.rows.stretch).clamp(start, self.batch * input);
        Window::of_rows(self.data, start, stop, self.channels)
    }
}

/// Packs rows as the left operand: see `pack::left`.
///
/// # Safety
/// `dst` must be writable for `rows` rows of `stride` words, and `stride` be at least `steps` + 16.
#[inline(always)]
pub(super) unsafe fn left<W: Words>(
    w: W,
    patches: &Patches<'_>,
    first_row: usize,
    rows: usize,
    (k0, k1): (usize, usize),
    steps: usize,
    dst: *mut u32,
    stride: usize,
) {
    assert!(steps + WIDTH <= stride && (k1 - k0).div_ceil(W::K_PER_STEP) <= steps);
    let per_vector = WIDTH * W::K_PER_STEP;
    let length = patches.run_length();
    // Runs of whole steps are packed where they are. Each vector may write beyond its run: what belongs there is written
    // after it.
    let whole = patches.channels.is_multiple_of(W::K_PER_STEP);
    let mut pixel = patches.pixel(first_row);
    for row in 0..rows {
        // SAFETY: row < rows; every store below begins at a word before `steps`, and `stride` has 16 more.
        let dst = unsafe { dst.add(row * stride) };
        if whole {
            let mut i = k0 / length;
            let mut start = i * length;
            while start < k1 {
                let run = patches.run(pixel, i);
                let (first, end) = (start.max(k0), (start + length).min(k1));
                let valid = (start + run.valid.0).clamp(first, end);
                let valid_end = (start + run.valid.1).clamp(first, end);
                for k in (first..valid).step_by(per_vector) {
                    // SAFETY: as above.
                    unsafe { w.store(w.along_k(&[]), dst.add((k - k0) / W::K_PER_STEP)) };
                }
                let values = run.values(patches.data, valid - start, valid_end - start);
                // Whole vectors apart: their loads need no masks.
                let vectors = values.chunks_exact(per_vector);
                let rest = vectors.remainder();
                let mut step = (valid - k0) / W::K_PER_STEP;
                for values in vectors {
                    // SAFETY: as above.
                    unsafe { w.store(w.along_k(values), dst.add(step)) };
                    step += WIDTH;
                }
                if !rest.is_empty() {
                    // SAFETY: as above.
                    unsafe { w.store(w.along_k(rest), dst.add(step)) };
                }
                for k in (valid_end..end).step_by(per_vector) {
                    // SAFETY: as above.
                    unsafe { w.store(w.along_k(&[]), dst.add((k - k0) / W::K_PER_STEP)) };
                }
                i += 1;
                start += length;
            }
        } else {
            for k in (k0..k1).step_by(per_vector) {
                let mut values = [0.0; 2 * WIDTH];
                let values = &mut values[..per_vector.min(k1 - k)];
                patches.gather(pixel, k, values);
                // SAFETY: as above.
                unsafe { w.store(w.along_k(values), dst.add((k - k0) / W::K_PER_STEP)) };
            }
        }
        for step in ((k1 - k0).div_ceil(W::K_PER_STEP)..steps).step_by(WIDTH) {
            // SAFETY: as above.
            unsafe { w.store(w.along_k(&[]), dst.add(step)) };
        }
        pixel = patches.after(pixel);
    }
}

/// Packs panels of columns as the right operand, whose sums are over rows: see `pack::right`.
///
/// # Safety
/// `dst` must be writable for `steps` lines of each panel.
#[inline(always)]
pub(super) unsafe fn right<W: Words>(
    w: W,
    patches: &Patches<'_>,
    (first_panel, end_panel): (usize, usize),
    (k0, k1): (usize, usize),
    steps: usize,
    dst: *mut Line,
    panel_lines: usize,
) {
    let length = patches.run_length();
    let mut buffers = [[0.0; WIDTH]; 2];
    let [buffer, second_buffer] = &mut buffers;
    let mut next = patches.pixel(k0);
    for step in 0..steps {
        let k = k0 + step * W::K_PER_STEP;
        let (pixel, second) = (next, patches.after(next));
        next = if W::K_PER_STEP == 2 { patches.after(second) } else { second };
        let has_second = W::K_PER_STEP == 2 && k + 1 < k1;
        let mut panel = first_panel;
        let mut i = first_panel * WIDTH / length;
        while panel < end_panel {
            while (i + 1) * length <= panel * WIDTH {
                i += 1;
            }
            let origin = i * length;
            let run = if k < k1 { patches.run(pixel, i) } else { Run::PADDING };
            let second_run = if has_second { patches.run(second, i) } else { Run::PADDING };
            let both = if W::K_PER_STEP == 2 {
                (run.valid.0.max(second_run.valid.0), run.valid.1.min(second_run.valid.1))
            } else {
                run.valid
            };
            let end = (origin + length).div_ceil(WIDTH).min(end_panel);
            let whole = panel.max((origin + both.0).div_ceil(WIDTH));
            let whole_end = end.min((origin + both.1) / WIDTH);
            while panel < end {
                // SAFETY: the caller's; a line holds 16 words.
                let mut line = unsafe { dst.add((panel - first_panel) * panel_lines + step) };
                if panel == whole && whole < whole_end {
                    // Most panels: all values are in place.
                    let (start, stop) = (whole * WIDTH - origin, whole_end * WIDTH - origin);
                    let values = run.values(patches.data, start, stop);
                    let others = if W::K_PER_STEP == 2 { second_run.values(patches.data, start, stop) } else { values };
                    for (values, others) in values.chunks_exact(WIDTH).zip(others.chunks_exact(WIDTH)) {
                        // SAFETY: the caller's, for the panels from `whole` up to `whole_end`.
                        unsafe { w.store(w.across(values, others), line.cast()) };
                        line = line.wrapping_add(panel_lines);
                    }
                    panel = whole_end;
                    continue;
                }
                let column = panel * WIDTH;
                let values = if k < k1 { patches.panel(pixel, &run, i, column, buffer) } else { &[] };
                let others =
                    if has_second { patches.panel(second, &second_run, i, column, second_buffer) } else { &[] };
                // SAFETY: as above.
                unsafe { w.store(w.across(values, others), line.cast()) };
                panel += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! Packed patches have the words of a packed matrix of patches.

    use simd::Isa;
    use testkit::Random;

    use super::*;
    use crate::gemm::driver::Variant;
    use crate::gemm::pack::Operand;
    use crate::gemm::{Precision, columns, patch_operand, rows};

    /// What a buffer holds before: NaN.
    const STALE: Line = Line([u32::MAX; WIDTH]);

    fn axis(input: usize, taps: usize, step: usize, before: isize, stretch: usize, between: Between) -> Axis {
        Axis {
            input,
            extent: input * stretch,
            output: (input * stretch).div_ceil(step) + 1,
            taps,
            step,
            before,
            stretch,
            between,
        }
    }

    /// The matrix in memory, value by value.
    fn matrix(patches: &Patches<'_>) -> Vec<f32> {
        let find = |axis: &Axis, output: usize, tap: usize| {
            let at = (output * axis.step + tap) as isize - axis.before;
            let stretch = axis.stretch as isize;
            let inside = at >= 0 && at < axis.input as isize * stretch;
            let hit = axis.between == Between::Repeated || at % stretch == 0;
            (inside && hit).then_some((at / stretch) as usize)
        };
        let mut out = Vec::new();
        for row in 0..patches.pixels() {
            let (line, x) = (row / patches.columns.output, row % patches.columns.output);
            let (item, y) = (line / patches.rows.output, line % patches.rows.output);
            for (tap_y, tap_x) in (0..patches.rows.taps).flat_map(|y| (0..patches.columns.taps).map(move |x| (y, x))) {
                let place = find(&patches.rows, y, tap_y).zip(find(&patches.columns, x, tap_x));
                for c in 0..patches.channels {
                    out.push(place.map_or(0.0, |(y, x)| {
                        patches.data
                            [((item * patches.rows.input + y) * patches.columns.input + x) * patches.channels + c]
                    }));
                }
            }
        }
        out
    }

    #[test]
    fn packed_patches_are_a_packed_matrix() {
        let mut random = Random::new(1);
        for channels in [1, 2, 3, 7, 16, 24, 40, 48] {
            for (rows_axis, columns_axis) in [
                (axis(3, 3, 1, 1, 1, Between::Repeated), axis(5, 3, 1, 1, 1, Between::Repeated)),
                (axis(4, 1, 1, 0, 1, Between::Repeated), axis(1, 1, 2, 0, 1, Between::Repeated)),
                (axis(5, 3, 2, 0, 1, Between::Repeated), axis(6, 2, 2, 2, 1, Between::Repeated)),
                (axis(2, 3, 1, 1, 2, Between::Repeated), axis(3, 5, 1, 2, 2, Between::Repeated)),
                (axis(3, 3, 1, -1, 2, Between::Zero), axis(3, 4, 2, 3, 3, Between::Zero)),
            ] {
                let batch = 2;
                let data = random.normal_vec(batch * rows_axis.input * columns_axis.input * channels);
                let patches = Patches { data: &data, batch, channels, rows: rows_axis, columns: columns_axis };
                let (m, k) = (patches.pixels(), patches.length());
                let whole = matrix(&patches);
                let what = format!("{channels} channels, {rows_axis:?}, {columns_axis:?}");
                for (isa, precision) in Isa::available()
                    .into_iter()
                    .flat_map(|isa| [Precision::F32, Precision::Bf16].map(|precision| (isa, precision)))
                {
                    let variant = Variant::new(isa, precision);
                    for (start, end, padding) in [(0, k, 0), (0, k, 16), (32.min(k), k, 3), (64.min(k), 100.min(k), 0)]
                    {
                        let steps = variant.steps(end - start) + padding;
                        let stride = steps.next_multiple_of(WIDTH) + WIDTH;
                        let pack = |operand: &Operand<'_>| {
                            let mut words = vec![STALE; m.next_multiple_of(WIDTH) * stride / WIDTH];
                            let (first, count) = (m / 3, m - m / 3);
                            // SAFETY: the rows rounded up to 16 fit, and the instruction set is available.
                            unsafe {
                                let dst = words.as_mut_ptr().cast();
                                variant.packer.left(operand, first, count, (start, end), steps, dst, stride);
                            }
                            (0..count * stride)
                                .filter(|i| i % stride < steps)
                                .map(|i| words[i / WIDTH].0[i % WIDTH])
                                .collect::<Vec<u32>>()
                        };
                        assert!(
                            pack(&patch_operand(&patches, false)) == pack(&rows(&whole, m, k)),
                            "left, {isa} {precision:?}, k {start}..{end}, {what}"
                        );
                    }
                    let panels = (k.div_ceil(WIDTH) / 3, k.div_ceil(WIDTH));
                    for (start, end, padding) in [(0, m, 0), (0, m, 16), (16.min(m), m, 1), (2.min(m), 9.min(m), 0)] {
                        let steps = variant.steps(end - start) + padding;
                        let pack = |operand: &Operand<'_>| {
                            let mut lines = vec![STALE; (panels.1 - panels.0) * (steps + 1)];
                            // SAFETY: the steps of every panel fit, and the instruction set is available.
                            unsafe {
                                let dst = lines.as_mut_ptr();
                                variant.packer.right(operand, panels, (start, end), steps, dst, steps + 1);
                            }
                            lines.into_iter().map(|line| line.0).collect::<Vec<_>>()
                        };
                        assert!(
                            pack(&patch_operand(&patches, true)) == pack(&columns(&whole, m, k)),
                            "right, {isa} {precision:?}, k {start}..{end}, {what}"
                        );
                    }
                }
            }
        }
    }
}
