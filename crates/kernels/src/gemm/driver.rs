//! The driver of all products: tiles of the output are tasks, each packs its rows of the left operand and runs micro-kernels
//! against packed panels of the right one.
//!
//! Long sums are cut into chunks whose length depends on k alone; later chunks add to the output.

use std::cell::Cell;

use simd::{Isa, Kernel, Simd, vecmath};

use crate::Cpu;
use crate::gemm::micro::{Block, Micro, TILE_COLUMNS, TILE_ROWS, Tile};
use crate::gemm::pack::{Format, Line, Operand, Packer, WIDTH};
use crate::gemm::{Activation, Epilogue, Precision};
use crate::pool::SendPtr;

/// The longest chunk in steps: a block of the left operand and the panels of a micro-kernel stay in L2.
const MAX_CHUNK_STEPS: usize = 1152;
/// Columns of tasks come in this many panels, which micro-kernels of two and of three divide.
const PANEL_UNIT: usize = 6;
/// Wanted tasks: enough to balance, few enough to keep packing small.
const WANTED_TASKS: usize = 32;

/// The code and word format for an instruction set and precision.
#[derive(Clone, Copy, Debug)]
pub(super) struct Variant {
    pub(super) isa: Isa,
    pub(super) micro: Micro,
    packer: Packer,
    format: Format,
}

impl Variant {
    pub(super) fn new(isa: Isa, precision: Precision) -> Self {
        let micro = Micro::choose(isa, precision);
        let (packer, format) = micro.packer(precision);
        Self { isa, micro, packer, format }
    }

    /// Steps of a sum of length `k`, padding included.
    pub(super) fn steps(self, k: usize) -> usize {
        k.div_ceil(self.format.k_per_step()).next_multiple_of(self.micro.step_multiple())
    }
}

/// A part of the sums.
#[derive(Clone, Copy)]
struct Chunk {
    /// The first k and the one after the last.
    k: (usize, usize),
    /// Where its first line is in each packed panel.
    first_line: usize,
    steps: usize,
    /// Whether earlier chunks are in the output already.
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
}

impl Chunks {
    fn new(variant: Variant, k: usize) -> Self {
        let steps = variant.steps(k);
        let count = steps.div_ceil(MAX_CHUNK_STEPS).max(1);
        Self { k, count, length: steps.div_ceil(count).next_multiple_of(16), variant }
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
            add: i > 0,
            last: i + 1 == self.count,
        }
    }
}

thread_local! {
    /// Rows of the left operand, one per thread, reused.
    static LEFT: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
    /// Panels of right operands that are packed for one call.
    static RIGHT: Cell<Vec<Line>> = const { Cell::new(Vec::new()) };
}

/// Lends a thread's scratch of at least `lines` lines of any content.
fn with_scratch<T>(
    scratch: &'static std::thread::LocalKey<Cell<Vec<Line>>>,
    lines: usize,
    work: impl FnOnce(&mut [Line]) -> T,
) -> T {
    let mut buffer = scratch.take();
    if buffer.len() < lines {
        buffer.resize(lines, Line::ZERO);
    }
    let result = work(&mut buffer[..lines]);
    scratch.set(buffer);
    result
}

/// Packs all panels of `b`; each gets `lines.len() / panels` lines, for k from `k.0` up to `k.1`.
pub(super) fn pack_right(cpu: &Cpu, variant: Variant, b: &Operand<'_>, k: (usize, usize), lines: &mut [Line]) {
    let panels = b.outer.div_ceil(WIDTH);
    let per_panel = lines.len().checked_div(panels).unwrap_or(0);
    if per_panel == 0 {
        return;
    }
    // Small tasks cost more than they balance: about 32 KiB each.
    let group = (512usize.div_ceil(per_panel)).max(1);
    cpu.pool.run_chunks(lines, group * per_panel, |g, lines| {
        for (i, panel) in lines.chunks_exact_mut(per_panel).enumerate() {
            // SAFETY: a variant is made only for an instruction set that was detected (checked by the callers in `gemm`).
            unsafe { variant.packer.right(b, (g * group + i) * WIDTH, k, panel) };
        }
    });
}

/// `out = act(a · b + bias) + residual`, with `b` packed in panels of `panel_lines` lines.
pub(super) fn product(
    cpu: &Cpu,
    variant: Variant,
    a: &Operand<'_>,
    b: &[Line],
    n: usize,
    epilogue: &Epilogue<'_>,
    out: &mut [f32],
) {
    let chunks = Chunks::new(variant, a.k);
    let panel_lines = variant.steps(a.k);
    let grid = Grid::new(variant, a.outer, n);
    let out = SendPtr(out.as_mut_ptr());
    cpu.pool.run(grid.tasks(), |task| {
        let work =
            TileTask { variant, a, b, panel_lines, chunks, range: 0..chunks.count, local: false, n, epilogue, out };
        variant.isa.dispatch(Located { work, grid, task });
    });
}

/// `out = a · b` with both operands as they are. `b` is packed a chunk at a time, so that scratch stays small.
pub(super) fn product_unpacked(cpu: &Cpu, variant: Variant, a: &Operand<'_>, b: &Operand<'_>, out: &mut [f32]) {
    let n = b.outer;
    let panels = n.div_ceil(WIDTH);
    let chunks = Chunks::new(variant, a.k);
    let grid = Grid::new(variant, a.outer, n);
    let out = SendPtr(out.as_mut_ptr());
    let epilogue = &Epilogue::default();
    for i in 0..chunks.count {
        let chunk = chunks.get(i);
        with_scratch(&RIGHT, panels * chunk.steps, |lines| {
            pack_right(cpu, variant, b, chunk.k, lines);
            let lines = &*lines;
            cpu.pool.run(grid.tasks(), |task| {
                let work = TileTask {
                    variant,
                    a,
                    b: lines,
                    panel_lines: chunk.steps,
                    chunks,
                    range: i..i + 1,
                    local: true,
                    n,
                    epilogue,
                    out,
                };
                variant.isa.dispatch(Located { work, grid, task });
            });
        });
    }
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
    fn new(variant: Variant, m: usize, n: usize) -> Self {
        let block_rows = variant.micro.block_rows();
        let panels = n.div_ceil(WIDTH);
        let units = panels.div_ceil(PANEL_UNIT).max(1);
        let row_blocks = m.div_ceil(block_rows).max(1);
        let column_blocks = WANTED_TASKS.div_ceil(row_blocks).clamp(1, units);
        Self { rows: m, panels, block_rows, block_panels: units.div_ceil(column_blocks) * PANEL_UNIT }
    }

    fn column_blocks(&self) -> usize {
        self.panels.div_ceil(self.block_panels)
    }

    fn tasks(&self) -> usize {
        self.rows.div_ceil(self.block_rows) * self.column_blocks()
    }

    /// The first row and the count of rows, the first panel and the one after the last.
    fn get(&self, task: usize) -> ((usize, usize), (usize, usize)) {
        let row = task / self.column_blocks() * self.block_rows;
        let panel = task % self.column_blocks() * self.block_panels;
        ((row, self.block_rows.min(self.rows - row)), (panel, (panel + self.block_panels).min(self.panels)))
    }
}

/// What the tasks of one product share.
struct TileTask<'a> {
    variant: Variant,
    a: &'a Operand<'a>,
    b: &'a [Line],
    panel_lines: usize,
    chunks: Chunks,
    /// The chunks to compute.
    range: std::ops::Range<usize>,
    /// Whether `b` holds the one chunk only.
    local: bool,
    n: usize,
    epilogue: &'a Epilogue<'a>,
    out: SendPtr<f32>,
}

/// One task.
struct Located<'a> {
    work: TileTask<'a>,
    grid: Grid,
    task: usize,
}

impl Kernel for Located<'_> {
    type Out = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (rows, panels) = self.grid.get(self.task);
        // Chunks are at most MAX_CHUNK_STEPS long; a row more apart than a power of two keeps rows in different sets.
        let stride = self.work.chunks.length.next_multiple_of(16) + 16;
        let lines = rows.1.next_multiple_of(TILE_ROWS) * stride / WIDTH;
        with_scratch(&LEFT, lines, |scratch| self.work.tiles(s, rows, panels, scratch, stride));
    }
}

impl TileTask<'_> {
    #[inline(always)]
    fn tiles<S: Simd>(
        &self,
        s: S,
        (first_row, rows): (usize, usize),
        (first_panel, end_panel): (usize, usize),
        scratch: &mut [Line],
        stride: usize,
    ) {
        let (tile_rows, tile_panels) = self.variant.micro.shape();
        let words = scratch.as_mut_ptr().cast::<u32>();
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the AMX variant is chosen only after AMX was detected and proved itself.
        let _configuration =
            (self.variant.micro == Micro::Amx).then(|| unsafe { crate::gemm::amx::TileConfiguration::load() });
        let mut tile = Tile([[0.0; TILE_COLUMNS]; TILE_ROWS]);
        for chunk in self.range.clone() {
            let chunk = self.chunks.get(chunk);
            // SAFETY: the scratch holds `rows` rounded up to 32 rows of `stride` words, `stride` exceeds the chunk's steps
            // rounded up to 16, and the variant's instructions were detected.
            unsafe { self.variant.packer.left(self.a, first_row, rows, chunk.k, chunk.steps, words, stride) };
            let first_line = if self.local { 0 } else { chunk.first_line };
            for panel in (first_panel..end_panel).step_by(tile_panels) {
                let panels = tile_panels.min(end_panel - panel);
                let b_end = (panel + panels - 1) * self.panel_lines + first_line + chunk.steps;
                assert!(b_end <= self.b.len(), "panels hold the chunk");
                for row in (0..rows).step_by(tile_rows) {
                    let count = tile_rows.min(rows - row);
                    // SAFETY: row + count <= rows (AMX: rounded up to 16 within the scratch of a multiple of 32 rows); the
                    // assertion above bounds the lines of the last panel; the tiles are configured for AMX, whose chunks
                    // have a multiple of 16 steps.
                    unsafe {
                        let block = Block {
                            a: words.add(row * stride),
                            a_stride: stride,
                            b: self.b.as_ptr().add(panel * self.panel_lines + first_line),
                            panel_lines: self.panel_lines,
                            steps: chunk.steps,
                        };
                        self.variant.micro.run(count, panels, &block, &mut tile);
                    }
                    self.finish(s, &tile, (first_row + row, count), panel * WIDTH, panels * WIDTH, chunk);
                }
            }
        }
    }

    /// Moves a tile to the output, with what earlier chunks left there and, after the last, the epilogue.
    #[inline(always)]
    fn finish<S: Simd>(
        &self,
        s: S,
        tile: &Tile,
        (first_row, rows): (usize, usize),
        column: usize,
        columns: usize,
        chunk: Chunk,
    ) {
        let n = self.n;
        let columns = columns.min(n - column);
        for (i, sums) in tile.0[..rows].iter().enumerate() {
            let start = (first_row + i) * n + column;
            // SAFETY: the output has m·n values (checked by the callers in `gemm`); row and columns are inside, and no
            // other task has this tile.
            let out = unsafe { std::slice::from_raw_parts_mut(self.out.get().add(start), columns) };
            for (j, out) in out.chunks_mut(S::LANES).enumerate() {
                let at = j * S::LANES;
                let mut v = s.load(&sums[at..]);
                if chunk.add {
                    v = s.add(load(s, out), v);
                }
                if chunk.last {
                    if let Some(bias) = self.epilogue.bias {
                        v = s.add(v, load(s, &bias[column + at..column + at + out.len()]));
                    }
                    v = match self.epilogue.activation {
                        Activation::None => v,
                        Activation::Silu => vecmath::silu(s, v),
                        Activation::Gelu => vecmath::gelu(s, v),
                        Activation::Tanh => vecmath::tanh(s, v),
                    };
                    if let Some(residual) = self.epilogue.residual {
                        v = s.add(v, load(s, &residual[start + at..start + at + out.len()]));
                    }
                }
                if out.len() == S::LANES { s.store(v, out) } else { s.store_partial(v, out) }
            }
        }
    }
}

/// A whole vector or the part there is.
#[inline(always)]
fn load<S: Simd>(s: S, src: &[f32]) -> S::F32 {
    if src.len() == S::LANES { s.load(src) } else { s.load_partial(src) }
}
