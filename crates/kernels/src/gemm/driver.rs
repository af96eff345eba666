//! The driver of all products. With a right operand packed before, blocks of the output are tasks; each packs its rows of the
//! left operand, or reads them where they are, and runs micro-kernels against the panels of the right one. With both operands
//! unpacked, each thread has one piece of the output and packs what that needs of both. Sums that nothing follows go straight to
//! the output.
//!
//! Long sums are cut into chunks whose length depends on k alone; later chunks add to the output. While micro-kernels run,
//! what will be packed next is fetched from memory.

use std::cell::Cell;

use simd::{Isa, Kernel, Simd, vecmath};

use crate::Cpu;
use crate::gemm::micro::{Block, Micro, Sums, TILE_COLUMNS, TILE_ROWS, Tile};
use crate::gemm::pack::{Format, Line, Operand, Packer, WIDTH, Window};
use crate::gemm::{Activation, Epilogue, Precision, Update};
use crate::pool::SendPtr;

/// The longest chunk in steps: a block of the left operand and the panels of a micro-kernel stay in L2.
const MAX_CHUNK_STEPS: usize = 1152;
/// The same where both operands are packed by the chunk, which together should stay in L2.
const MAX_UNPACKED_STEPS: usize = 256;
/// There, sums of up to this many steps are not cut: one chunk costs less than two short ones.
const MAX_WHOLE_STEPS: usize = 384;
/// There, so many rows of the left operand are packed at a time: they and the panels of the right one stay in L2.
const UNPACKED_ROWS: usize = 192;
/// What packing a row or column costs, in multiply-adds of a step.
const PACKING_COST: usize = 32;
/// Columns of tasks come in this many panels, which micro-kernels of two and of three divide.
const PANEL_UNIT: usize = 6;
/// Rows of the left operand at distances of a multiple of so many bytes are packed.
const MAX_OWN_ALIGNMENT: usize = 2048;
/// Wanted tasks of each thread: enough to balance, few enough to keep packing small, which every column of tasks does again.
const TASKS_OF_A_THREAD: usize = 4;

/// The code and word format for an instruction set and precision.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Variant {
    pub(super) isa: Isa,
    pub(crate) micro: Micro,
    pub(crate) packer: Packer,
    format: Format,
}

impl Variant {
    pub(crate) fn new(isa: Isa, precision: Precision) -> Self {
        let micro = Micro::choose(isa, precision);
        let (packer, format) = micro.packer(precision);
        Self { isa, micro, packer, format }
    }

    /// Whether a step is a pair of bf16.
    pub(crate) fn pairs(self) -> bool {
        self.format == Format::Bf16Pair
    }

    /// Whether words are f32 as they are.
    pub(crate) fn plain(self) -> bool {
        self.format == Format::F32
    }

    /// Steps of a sum of length `k`, padding included.
    pub(crate) fn steps(self, k: usize) -> usize {
        k.div_ceil(self.format.k_per_step()).next_multiple_of(self.micro.step_multiple())
    }

    /// Configures AMX on this thread where it is used, for as long as the result lives.
    #[cfg(target_arch = "x86_64")]
    pub(crate) fn configure(self) -> Option<crate::gemm::amx::TileConfiguration> {
        // SAFETY: the AMX variant is chosen only after AMX was detected and proved itself.
        (self.micro == Micro::Amx).then(|| unsafe { crate::gemm::amx::TileConfiguration::load() })
    }

    /// There is nothing to configure.
    #[cfg(not(target_arch = "x86_64"))]
    pub(crate) fn configure(self) {}
}

/// A part of the sums.
#[derive(Clone, Copy)]
struct Chunk {
    /// The first k and the one after the last.
    k: (usize, usize),
    /// Where its first line is in each packed panel.
    first_line: usize,
    steps: usize,
    /// Whether it adds to what is in the output already.
    add: bool,
    last: bool,
}

/// How sums of length k are cut.
#[derive(Clone, Copy)]
struct Chunks {
    k: usize,
    count: usize,
    /// Steps of each but the last.
    length: usize,
    variant: Variant,
    update: Update,
}

impl Chunks {
    fn new(variant: Variant, k: usize, max_steps: usize, update: Update) -> Self {
        let steps = variant.steps(k);
        let count = steps.div_ceil(max_steps).max(1);
        Self { k, count, length: steps.div_ceil(count).next_multiple_of(16), variant, update }
    }

    /// Words from one packed row of the left operand to the next: the longest chunk and a line more, so that rows whose
    /// length is a power of two fall into different sets of the cache.
    fn row_words(&self) -> usize {
        self.length.next_multiple_of(WIDTH) + WIDTH
    }

    fn get(&self, i: usize) -> Chunk {
        let per_step = self.variant.format.k_per_step();
        let first_line = i * self.length;
        let start = (first_line * per_step).min(self.k);
        let end = ((first_line + self.length) * per_step).min(self.k);
        Chunk {
            k: (start, end),
            first_line,
            steps: self.variant.steps(end - start),
            add: i > 0 || self.update == Update::Add,
            last: i + 1 == self.count,
        }
    }
}

/// Applies a function to all values of a row of a tile. (A macro: a closure might not be inlined.)
macro_rules! map {
    ($s:expr, $sums:expr, $function:path) => {
        for v in $sums.chunks_exact_mut(S::LANES) {
            $s.store($function($s, $s.load(v)), v);
        }
    };
}

thread_local! {
    /// Packed operands, one per thread, reused.
    static PACKED: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// Takes this thread's buffer, grown to at least `lines`; whoever takes it puts it back.
fn take_scratch(scratch: &'static std::thread::LocalKey<Cell<Vec<Line>>>, lines: usize) -> Vec<Line> {
    let mut buffer = scratch.take();
    if buffer.len() < lines {
        buffer.resize(lines, Line::ZERO);
    }
    buffer
}

/// Panels that are packed together: reading rows of four panels at once reads whole pieces of memory.
const PACKED_TOGETHER: usize = 4;

/// Packs all of `b`, panel after panel.
pub(super) fn pack_right(cpu: &Cpu, variant: Variant, b: &Operand<'_>, lines: &mut [Line]) {
    let steps = variant.steps(b.k);
    if lines.is_empty() {
        return;
    }
    cpu.pool.run_chunks(lines, PACKED_TOGETHER * steps, |group, lines| {
        let panel = group * PACKED_TOGETHER;
        let panels = (panel, panel + lines.len() / steps);
        // SAFETY: `lines` holds the panels; a variant is made only for an instruction set that was detected (checked by the
        // callers in `gemm`).
        unsafe { variant.packer.right(b, panels, (0, b.k), steps, lines.as_mut_ptr(), steps) };
    });
}

/// `out = act(a · b + bias) + residual`, with `b` packed whole.
pub(super) fn product(
    cpu: &Cpu,
    variant: Variant,
    a: &Operand<'_>,
    b: &[Line],
    n: usize,
    epilogue: &Epilogue<'_>,
    out: &mut [f32],
) {
    let chunks = Chunks::new(variant, a.k, MAX_CHUNK_STEPS, Update::Replace);
    let threads = cpu.pool.threads();
    let grid = Grid::new(variant, a.outer, n, threads);
    let work = Work { variant, chunks, upper: false, n, epilogue, out: SendPtr(out.as_mut_ptr()) };
    cpu.pool.run(grid.tasks(), |task| variant.isa.dispatch(RowsTask { work: &work, a, b, grid, threads, task }));
}

/// `out = a · b`, or `out += a · b`, with both operands as they are.
pub(super) fn product_unpacked(
    cpu: &Cpu,
    variant: Variant,
    a: &Operand<'_>,
    b: &Operand<'_>,
    update: Update,
    out: &mut [f32],
) {
    unpacked(cpu, variant, a, b, update, false, out);
}

/// `out = a · b` where that is symmetric: what lies above the diagonal is computed and mirrored.
pub(super) fn product_symmetric(cpu: &Cpu, variant: Variant, a: &Operand<'_>, b: &Operand<'_>, out: &mut [f32]) {
    unpacked(cpu, variant, a, b, Update::Replace, true, out);
    mirror(Variant::new(variant.isa, Precision::F32), a.outer, out);
}

/// Copies what lies above the diagonal of `[m, m]` to below it; `variant` is one of f32, whose packed panels are
/// transposed blocks. On the calling thread: the copy is small beside the product.
fn mirror(variant: Variant, m: usize, out: &mut [f32]) {
    let mut scratch = take_scratch(&PACKED, m.next_multiple_of(WIDTH));
    for first in (0..m).step_by(WIDTH) {
        let columns = (first, (first + WIDTH).min(m));
        let lines = &mut scratch[..first + WIDTH];
        let above = Operand { data: out, stride: m, outer: m, k: m, k_major: false, patches: None };
        // SAFETY: `lines` holds the panels; a variant is made only for an instruction set that was detected (checked by the
        // callers in `gemm`).
        unsafe { variant.packer.right(&above, (0, first / WIDTH + 1), columns, WIDTH, lines.as_mut_ptr(), WIDTH) };
        for (panel, block) in lines.chunks_exact(WIDTH).enumerate() {
            let column = panel * WIDTH;
            for (row, line) in (first..columns.1).zip(block) {
                let end = row.min(column + WIDTH);
                for (x, word) in out[row * m + column..row * m + end].iter_mut().zip(line.0) {
                    *x = f32::from_bits(word);
                }
            }
        }
    }
    PACKED.set(scratch);
}

/// `out = a · b`, of which `upper` leaves out what lies below the diagonal. Each thread has a piece of the output and packs
/// what that needs itself, a chunk at a time: packed operands stay in its L2, and threads wait for each other only once.
fn unpacked(
    cpu: &Cpu,
    variant: Variant,
    a: &Operand<'_>,
    b: &Operand<'_>,
    update: Update,
    upper: bool,
    out: &mut [f32],
) {
    if out.is_empty() {
        return;
    }
    let max_steps = if variant.steps(a.k) <= MAX_WHOLE_STEPS { MAX_WHOLE_STEPS } else { MAX_UNPACKED_STEPS };
    let work = Work {
        variant,
        chunks: Chunks::new(variant, a.k, max_steps, update),
        upper,
        n: b.outer,
        epilogue: &Epilogue::default(),
        out: SendPtr(out.as_mut_ptr()),
    };
    let pieces = Pieces::new(variant, a.outer, b.outer, cpu.pool.threads());
    cpu.pool.run(pieces.count(), |task| variant.isa.dispatch(PieceTask { work: &work, a, b, pieces, task }));
}

/// The output cut into about equal pieces of whole tiles, one for each thread.
#[derive(Clone, Copy)]
struct Pieces {
    rows: usize,
    panels: usize,
    piece_rows: usize,
    piece_panels: usize,
}

impl Pieces {
    fn new(variant: Variant, m: usize, n: usize, threads: usize) -> Self {
        let (tile_rows, tile_panels) = variant.micro.shape();
        let panels = n.div_ceil(WIDTH);
        let cut = |down: usize| {
            let piece_rows = m.div_ceil(down).next_multiple_of(tile_rows);
            let piece_panels = panels.div_ceil(threads / down).next_multiple_of(tile_panels);
            Self { rows: m, panels, piece_rows, piece_panels }
        };
        let cost = |pieces: &Self| {
            let (rows, columns) = (pieces.piece_rows, pieces.piece_panels * WIDTH);
            rows * columns + PACKING_COST * (rows + columns)
        };
        (1..=threads.max(1)).map(cut).min_by_key(cost).expect("at least one")
    }

    fn across(&self) -> usize {
        self.panels.div_ceil(self.piece_panels)
    }

    fn count(&self) -> usize {
        self.rows.div_ceil(self.piece_rows) * self.across()
    }

    /// The first row and the count of rows of a piece, and its first panel and the one after its last.
    fn get(&self, i: usize) -> ((usize, usize), (usize, usize)) {
        let (row, panel) = (i / self.across() * self.piece_rows, i % self.across() * self.piece_panels);
        ((row, self.piece_rows.min(self.rows - row)), (panel, (panel + self.piece_panels).min(self.panels)))
    }
}

/// One piece.
struct PieceTask<'a> {
    work: &'a Work<'a>,
    a: &'a Operand<'a>,
    b: &'a Operand<'a>,
    pieces: Pieces,
    task: usize,
}

impl Kernel for PieceTask<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { work, a, b, pieces, task } = self;
        let (rows, panels) = pieces.get(task);
        if work.upper && panels.1 * WIDTH <= rows.0 {
            return;
        }
        let _configuration = work.variant.configure();
        let chunks = work.chunks;
        let stride = chunks.row_words();
        let (tile_rows, _) = work.variant.micro.shape();
        let block_rows = UNPACKED_ROWS / tile_rows * tile_rows;
        let blocks = rows.1.div_ceil(block_rows);
        let a_lines = block_rows.min(rows.1).next_multiple_of(TILE_ROWS) * stride / WIDTH;
        // An odd stride: the panels' lines of a step fall into different sets of the cache.
        let panel_lines = chunks.length | 1;
        let b_lines = (panels.1 - panels.0) * panel_lines;
        let mut scratch = take_scratch(&PACKED, a_lines + b_lines);
        for i in 0..chunks.count {
            let chunk = chunks.get(i);
            let (a_packed, b_packed) = scratch[..a_lines + b_lines].split_at_mut(a_lines);
            assert!(chunk.steps <= panel_lines);
            // SAFETY: the assertion: the steps of every panel fit; the variant's instructions were detected.
            unsafe {
                work.variant.packer.right(b, panels, chunk.k, chunk.steps, b_packed.as_mut_ptr(), panel_lines);
            }
            let next = if chunk.last { (0, 0) } else { chunks.get(i + 1).k };
            let next_b = b.window((panels.0 * WIDTH, (panels.1 * WIDTH).min(b.outer)), next);
            let block = |j: usize| (rows.0 + j * block_rows, block_rows.min(rows.1 - j * block_rows));
            for j in 0..blocks {
                if work.upper && panels.1 * WIDTH <= block(j).0 {
                    break;
                }
                pack_left(work.variant, a, block(j), chunk, a_packed, stride);
                let (next_rows, next) = if j + 1 < blocks { (block(j + 1), chunk.k) } else { (block(0), next) };
                let next_a = a.window((next_rows.0, next_rows.0 + next_rows.1), next);
                let packed = Packed {
                    a: Rows::packed(a_packed, stride),
                    b: b_packed,
                    panel_lines,
                    first_line: 0,
                    ahead: [next_a, next_b.part(j, blocks)],
                };
                work.tiles(s, &packed, block(j), panels, chunk);
            }
        }
        PACKED.set(scratch);
    }
}

/// Packs a chunk of `rows` rows from `row` on to rows of `stride` words.
fn pack_left(
    variant: Variant,
    a: &Operand<'_>,
    (row, rows): (usize, usize),
    chunk: Chunk,
    lines: &mut [Line],
    stride: usize,
) {
    assert!(rows.next_multiple_of(WIDTH) * stride <= lines.len() * WIDTH && chunk.steps + WIDTH <= stride);
    // SAFETY: the assertion: the rows rounded up to 16 fit, and `stride` is at least the steps rounded up to 16; the
    // variant's instructions were detected.
    unsafe { variant.packer.left(a, row, rows, chunk.k, chunk.steps, lines.as_mut_ptr().cast(), stride) };
}

/// The output cut into tasks.
#[derive(Clone, Copy)]
struct Grid {
    rows: usize,
    panels: usize,
    block_rows: usize,
    block_panels: usize,
}

impl Grid {
    fn new(variant: Variant, m: usize, n: usize, threads: usize) -> Self {
        let block_rows = variant.micro.block_rows();
        let panels = n.div_ceil(WIDTH);
        let units = panels.div_ceil(PANEL_UNIT).max(1);
        let row_blocks = m.div_ceil(block_rows).max(1);
        let column_blocks = (TASKS_OF_A_THREAD * threads).div_ceil(row_blocks).clamp(1, units);
        let block_panels = units.div_ceil(column_blocks) * PANEL_UNIT;
        Self { rows: m, panels, block_rows, block_panels }
    }

    fn row_blocks(&self) -> usize {
        self.rows.div_ceil(self.block_rows)
    }

    fn column_blocks(&self) -> usize {
        self.panels.div_ceil(self.block_panels)
    }

    fn tasks(&self) -> usize {
        self.row_blocks() * self.column_blocks()
    }

    /// The first row and the count of rows of a block.
    fn block(&self, block: usize) -> (usize, usize) {
        let row = block * self.block_rows;
        (row, self.block_rows.min(self.rows - row))
    }

    /// Lines of a block of packed rows.
    fn block_lines(&self, chunks: Chunks) -> usize {
        self.block_rows.min(self.rows).next_multiple_of(TILE_ROWS) * chunks.row_words() / WIDTH
    }
}

/// What the tasks of one product share.
struct Work<'a> {
    variant: Variant,
    chunks: Chunks,
    /// Whether panels that lie below the diagonal are left out.
    upper: bool,
    n: usize,
    epilogue: &'a Epilogue<'a>,
    out: SendPtr<f32>,
}

/// Rows of the left operand: packed ones, or the operand's own.
#[derive(Clone, Copy)]
struct Rows<'a> {
    words: &'a [u32],
    /// Words from one row to the next.
    stride: usize,
}

impl<'a> Rows<'a> {
    fn packed(lines: &'a [Line], stride: usize) -> Self {
        // SAFETY: a line is sixteen words.
        let words = unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * WIDTH) };
        Self { words, stride }
    }

    /// Rows from `row` on, from `k` on, where they can be read as they are: as f32 whose rows do not fall into the same few sets
    /// of the L1 cache.
    fn own(variant: Variant, a: &Operand<'a>, row: usize, k: usize) -> Option<Self> {
        let is_spread = !(a.stride * size_of::<f32>()).is_multiple_of(MAX_OWN_ALIGNMENT);
        (variant.plain() && !a.k_major && a.patches.is_none() && is_spread).then(|| {
            let values = &a.data[row * a.stride + k..];
            // SAFETY: every f32 is a word.
            let words = unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), values.len()) };
            Self { words, stride: a.stride }
        })
    }
}

/// Packed operands of some tiles.
struct Packed<'a> {
    a: Rows<'a>,
    /// Panels of `panel_lines`.
    b: &'a [Line],
    panel_lines: usize,
    /// Where the chunk begins in each panel.
    first_line: usize,
    /// What is likely packed next: fetched from memory while sums are computed.
    ahead: [Window<'a>; 2],
}

/// A block of rows, packed by its task, times some panels of an operand packed whole.
struct RowsTask<'a> {
    work: &'a Work<'a>,
    a: &'a Operand<'a>,
    b: &'a [Line],
    grid: Grid,
    threads: usize,
    task: usize,
}

impl Kernel for RowsTask<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { work, a, b, grid, threads, task } = self;
        let columns = grid.column_blocks();
        let (block, column) = (task / columns, task % columns);
        let panel = column * grid.block_panels;
        let panels = (panel, (panel + grid.block_panels).min(grid.panels));
        let rows = grid.block(block);
        let _configuration = work.variant.configure();
        let chunks = work.chunks;
        let panel_lines = work.variant.steps(a.k);
        let next = (rows.0 + threads * grid.block_rows).min(grid.rows);
        let next = a.window((next, (next + grid.block_rows).min(grid.rows)), (0, a.k));
        let block_lines = grid.block_lines(chunks);
        // No closure here: one that is not inlined would be compiled without the instruction set.
        let mut scratch = take_scratch(&PACKED, block_lines);
        for i in 0..chunks.count {
            let chunk = chunks.get(i);
            let a_rows = match Rows::own(work.variant, a, rows.0, chunk.k.0) {
                Some(own) => own,
                None => {
                    let lines = &mut scratch[..block_lines];
                    pack_left(work.variant, a, rows, chunk, lines, chunks.row_words());
                    Rows::packed(lines, chunks.row_words())
                }
            };
            let packed = Packed {
                a: a_rows,
                b: &b[panels.0 * panel_lines..panels.1 * panel_lines],
                panel_lines,
                first_line: chunk.first_line,
                ahead: [next.part(column * chunks.count + i, columns * chunks.count), a.window((0, 0), (0, 0))],
            };
            work.tiles(s, &packed, rows, panels, chunk);
        }
        PACKED.set(scratch);
    }
}

impl Work<'_> {
    /// One chunk of the tiles of some rows and panels.
    #[inline(always)]
    fn tiles<S: Simd>(
        &self,
        s: S,
        packed: &Packed<'_>,
        (first_row, rows): (usize, usize),
        (first_panel, end_panel): (usize, usize),
        chunk: Chunk,
    ) {
        let (tile_rows, tile_panels) = self.variant.micro.shape();
        let &Packed { a: Rows { words, stride }, panel_lines, first_line, ahead, .. } = packed;
        // AMX reads whole tiles; the others only what is there.
        let read = if tile_rows == TILE_ROWS { rows.next_multiple_of(TILE_ROWS) } else { rows };
        assert!(rows > 0 && (read - 1) * stride + chunk.steps <= words.len() && chunk.steps <= stride);
        assert!(first_line + chunk.steps <= panel_lines);
        assert!((end_panel - first_panel) * panel_lines <= packed.b.len());
        let mut tile = Tile([[0.0; TILE_COLUMNS]; TILE_ROWS]);
        // Each tile fetches its part of what comes next: first of one operand, then of the other.
        let tiles = (end_panel - first_panel).div_ceil(tile_panels) * rows.div_ceil(tile_rows);
        let [first, second] = ahead.map(|window| window.rows * window.width);
        let first_tiles = (tiles * first).checked_div(first + second).unwrap_or(0);
        let mut tile_index = 0;
        let added = self.only_added(chunk);
        let mut next_panel = first_panel;
        while next_panel < end_panel {
            let panel = next_panel;
            next_panel += self.variant.micro.panels(end_panel - panel);
            let end_panel = next_panel;
            for row in (0..rows).step_by(tile_rows) {
                let count = tile_rows.min(rows - row);
                let panel = if self.upper { panel.max((first_row + row) / WIDTH) } else { panel };
                if panel >= end_panel {
                    break;
                }
                let panels = end_panel - panel;
                let ahead = if tile_index < first_tiles {
                    ahead[0].part(tile_index, first_tiles)
                } else {
                    ahead[1].part(tile_index - first_tiles, tiles - first_tiles)
                };
                tile_index += 1;
                self.prefetch_output(first_row + row, count, panel * WIDTH, panels * WIDTH);
                // SAFETY: the assertions: `packed` holds the rows, for AMX rounded up to 32, `b` the chunk of every panel; the
                // tiles are configured for AMX, whose chunks have a multiple of 16 steps. The output has m·n values (checked by
                // the callers in `gemm`); rows and columns are inside, and no other task has this tile.
                unsafe {
                    let block = Block {
                        a: words.as_ptr().add(row * stride),
                        a_stride: stride,
                        is_turned: false,
                        b: packed.b.as_ptr().add((panel - first_panel) * panel_lines + first_line),
                        panel_lines,
                        steps: chunk.steps,
                        ahead: ahead.fetch(chunk.steps),
                    };
                    if let Some(added) = added.filter(|_| end_panel * WIDTH <= self.n) {
                        let start = (first_row + row) * self.n + panel * WIDTH;
                        let added = if added.is_null() { added } else { added.add(start) };
                        let out = Sums::output(self.out.get().add(start), self.n, added);
                        self.variant.micro.run(count, panels, &block, out);
                        continue;
                    }
                    self.variant.micro.run(count, panels, &block, Sums::tile(tile.0.as_mut_ptr()));
                }
                self.finish(s, &mut tile, (first_row + row, count), panel * WIDTH, panels * WIDTH, chunk);
            }
        }
    }

    /// What is added to the sums of a chunk, `[m, n] f32` or null, where nothing else is done with them and micro-kernels can do it.
    fn only_added(&self, chunk: Chunk) -> Option<*const f32> {
        let &Epilogue { bias, activation, residual } = self.epilogue;
        if !self.variant.micro.writes_output() || chunk.last && (bias.is_some() || activation != Activation::None) {
            return None;
        }
        match (chunk.add, residual.filter(|_| chunk.last)) {
            (false, None) => Some(std::ptr::null()),
            (false, Some(residual)) => Some(residual.as_ptr()),
            (true, None) => Some(self.out.get()),
            (true, Some(_)) => None,
        }
    }

    /// Fetches the lines of a tile of the output while its sums are computed.
    #[inline(always)]
    fn prefetch_output(&self, first_row: usize, rows: usize, column: usize, columns: usize) {
        #[cfg(target_arch = "x86_64")]
        for row in first_row..first_row + rows {
            for j in (0..columns).step_by(WIDTH) {
                use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
                let line = self.out.get().wrapping_add(row * self.n + column + j);
                // SAFETY: SSE is in every x86-64 CPU; a prefetch is a hint that faults nowhere.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(line.cast()) };
            }
        }
    }

    /// Moves a tile to the output, with what earlier chunks left there and, after the last, the epilogue. The tile's own
    /// rows are worked on, one simple pass for each part.
    #[inline(always)]
    fn finish<S: Simd>(
        &self,
        s: S,
        tile: &mut Tile,
        (first_row, rows): (usize, usize),
        column: usize,
        columns: usize,
        chunk: Chunk,
    ) {
        let n = self.n;
        let columns = columns.min(n - column);
        for (i, sums) in tile.0[..rows].iter_mut().enumerate() {
            let start = (first_row + i) * n + column;
            // SAFETY: the output has m·n values (checked by the callers in `gemm`); row and columns are inside, and no
            // other task has this tile.
            let out = unsafe { std::slice::from_raw_parts_mut(self.out.get().add(start), columns) };
            if chunk.add {
                add(s, sums, out);
            }
            if chunk.last {
                if let Some(bias) = self.epilogue.bias {
                    add(s, sums, &bias[column..column + columns]);
                }
                match self.epilogue.activation {
                    Activation::None => {}
                    Activation::Silu => map!(s, sums, vecmath::silu),
                    Activation::Gelu => map!(s, sums, vecmath::gelu),
                    Activation::Tanh => map!(s, sums, vecmath::tanh),
                }
                if let Some(residual) = self.epilogue.residual {
                    add(s, sums, &residual[start..start + columns]);
                }
            }
            let mut vectors = out.chunks_exact_mut(S::LANES);
            let mut from = sums.chunks_exact(S::LANES);
            for (out, sums) in (&mut vectors).zip(&mut from) {
                s.store(s.load(sums), out);
            }
            let rest = vectors.into_remainder();
            if let (false, Some(sums)) = (rest.is_empty(), from.next()) {
                s.store_partial(s.load(sums), rest);
            }
        }
    }
}

/// `sums += x`, of which there may be fewer.
#[inline(always)]
fn add<S: Simd>(s: S, sums: &mut [f32; TILE_COLUMNS], x: &[f32]) {
    let vectors = x.chunks_exact(S::LANES);
    let rest = vectors.remainder();
    let mut sums = sums.chunks_exact_mut(S::LANES);
    for (x, sums) in vectors.zip(&mut sums) {
        s.store(s.add(s.load(sums), s.load(x)), sums);
    }
    if let (false, Some(sums)) = (rest.is_empty(), sums.next()) {
        s.store(s.add(s.load(sums), s.load_partial(rest)), sums);
    }
}
