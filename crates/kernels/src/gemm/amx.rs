//! The AMX micro-kernel: 32 rows times two panels as 2×2 tiles of 16×16 sums, `tdpbf16ps` on 32 k at a time.
//!
//! Tile registers are unknown to the compiler: each product is one `asm!` block that zeroes, multiplies and stores. The
//! configuration is loaded per thread by [`TileConfiguration`] and released when it is dropped. Before its first use in a
//! process the kernel must reproduce a plain computation ([`proved`]); otherwise AVX512-BF16 takes its place.

use std::arch::asm;
use std::sync::OnceLock;

use simd::Isa;

use crate::gemm::micro::{Block, TILE_COLUMNS, TILE_ROWS, Tile, TileRow};
use crate::gemm::pack::{Fetch, Line, WIDTH};

/// Steps (pairs of k) of one tile.
const TILE_STEPS: usize = 16;

/// The operand of LDTILECFG: palette 1, all eight tiles 16 rows of 64 bytes.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    bytes_per_row: [u16; 16],
    rows: [u8; 16],
}

static CONFIGURATION: Configuration = {
    let mut c = Configuration { palette: 1, start_row: 0, reserved: [0; 14], bytes_per_row: [0; 16], rows: [0; 16] };
    let mut i = 0;
    while i < 8 {
        c.bytes_per_row[i] = 64;
        c.rows[i] = 16;
        i += 1;
    }
    c
};

/// While it lives, this thread's tile registers are configured.
pub(crate) struct TileConfiguration {
    /// Bound to its thread.
    _thread: std::marker::PhantomData<*const ()>,
}

impl TileConfiguration {
    /// Configures this thread's tiles.
    ///
    /// # Safety
    /// The machine must have AMX and this process permission to use it: [`Isa::Amx`] detected.
    pub(super) unsafe fn load() -> Self {
        // SAFETY: the caller's; the configuration is 64 bytes in the format of LDTILECFG.
        unsafe {
            asm!(
                "ldtilecfg [{0}]",
                in(reg) &raw const CONFIGURATION,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, preserves_flags, readonly),
            );
        }
        Self { _thread: std::marker::PhantomData }
    }
}

impl Drop for TileConfiguration {
    fn drop(&mut self) {
        // SAFETY: the value exists, so AMX does.
        unsafe {
            asm!(
                "tilerelease",
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, preserves_flags, nomem),
            );
        }
    }
}

/// One `asm!` block: zero the sums, run over the steps, store the sums. The lists name the instructions of a shape.
macro_rules! tile_kernel {
    ($name:ident, zero: [$($zero:literal),*], load: [$($load:literal),*], product: [$($product:literal),*],
     store: [$($store:literal),*]) => {
        /// # Safety
        /// As [`tile_product`], for this shape.
        unsafe fn $name(block: &Block, tile: *mut TileRow) {
            let a_stride = block.a_stride * 4;
            let tile_stride = TILE_COLUMNS * 4;
            let a0 = block.a;
            let b0 = block.b;
            let out = tile;
            // SAFETY: the caller's: the loop reads `steps` words of the rows and `steps` lines of the panels of this shape,
            // in blocks of 16 (`wrapping` offsets of a shape's unused second row block or panel are never read), and
            // writes 16 or 32 rows of 64 or 128 bytes, stride 192, inside `tile`.
            unsafe {
                asm!(
                    $($zero,)*
                    "2:",
                    $($load,)*
                    $($product,)*
                    "add {a0}, 64",
                    "add {a1}, 64",
                    "add {b0}, 1024",
                    "add {b1}, 1024",
                    "dec {count}",
                    "jnz 2b",
                    $($store,)*
                    "# shapes of 16 rows do not use {out1}",
                    a0 = inout(reg) a0 => _,
                    a1 = inout(reg) a0.wrapping_add(WIDTH * block.a_stride) => _,
                    b0 = inout(reg) b0 => _,
                    b1 = inout(reg) b0.wrapping_add(block.panel_lines) => _,
                    count = inout(reg) block.steps / TILE_STEPS => _,
                    a_stride = in(reg) a_stride,
                    line = in(reg) 64usize,
                    out0 = in(reg) out,
                    out1 = in(reg) out.wrapping_add(WIDTH),
                    out_stride = in(reg) tile_stride,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    };
}

tile_kernel!(
    product_2x2,
    zero: ["tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3"],
    load: [
        "tileloadd tmm4, [{a0} + {a_stride}*1]",
        "tileloadd tmm6, [{b0} + {line}*1]",
        "tileloadd tmm7, [{b1} + {line}*1]",
        "tileloadd tmm5, [{a1} + {a_stride}*1]"
    ],
    product: [
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "tdpbf16ps tmm2, tmm5, tmm6",
        "tdpbf16ps tmm3, tmm5, tmm7"
    ],
    store: [
        "tilestored [{out0} + {out_stride}*1], tmm0",
        "tilestored [{out0} + {out_stride}*1 + 64], tmm1",
        "tilestored [{out1} + {out_stride}*1], tmm2",
        "tilestored [{out1} + {out_stride}*1 + 64], tmm3"
    ]
);

tile_kernel!(
    product_2x1,
    zero: ["tilezero tmm0", "tilezero tmm2"],
    load: [
        "tileloadd tmm4, [{a0} + {a_stride}*1]",
        "tileloadd tmm6, [{b0} + {line}*1]",
        "tileloadd tmm5, [{a1} + {a_stride}*1]"
    ],
    product: ["tdpbf16ps tmm0, tmm4, tmm6", "tdpbf16ps tmm2, tmm5, tmm6"],
    store: [
        "tilestored [{out0} + {out_stride}*1], tmm0",
        "tilestored [{out1} + {out_stride}*1], tmm2"
    ]
);

tile_kernel!(
    product_1x2,
    zero: ["tilezero tmm0", "tilezero tmm1"],
    load: [
        "tileloadd tmm4, [{a0} + {a_stride}*1]",
        "tileloadd tmm6, [{b0} + {line}*1]",
        "tileloadd tmm7, [{b1} + {line}*1]"
    ],
    product: ["tdpbf16ps tmm0, tmm4, tmm6", "tdpbf16ps tmm1, tmm4, tmm7"],
    store: [
        "tilestored [{out0} + {out_stride}*1], tmm0",
        "tilestored [{out0} + {out_stride}*1 + 64], tmm1"
    ]
);

tile_kernel!(
    product_1x1,
    zero: ["tilezero tmm0"],
    load: ["tileloadd tmm4, [{a0} + {a_stride}*1]", "tileloadd tmm6, [{b0} + {line}*1]"],
    product: ["tdpbf16ps tmm0, tmm4, tmm6"],
    store: ["tilestored [{out0} + {out_stride}*1], tmm0"]
);

/// Up to 32 rows and two panels.
///
/// # Safety
/// `block` must be readable for `steps` words of `rows` rows rounded up to 16 and `steps` lines of each panel, the columns of
/// the panels in as many rows at `tile` be writable; this thread must hold a [`TileConfiguration`]; `steps` must be a multiple of 16.
pub(super) unsafe fn tile_product(rows: usize, panels: usize, block: &Block, tile: *mut TileRow) {
    debug_assert!(block.steps.is_multiple_of(TILE_STEPS) && rows <= TILE_ROWS);
    if block.steps == 0 {
        for row in 0..rows {
            // SAFETY: the caller's: the columns of the panels are writable in these rows.
            unsafe { tile.add(row).cast::<f32>().write_bytes(0, panels * WIDTH) };
        }
        return;
    }
    // SAFETY: the caller's; the loops run at least once.
    unsafe {
        match (rows > WIDTH, panels > 1) {
            (true, true) => product_2x2(block, tile),
            (true, false) => product_2x1(block, tile),
            (false, true) => product_1x2(block, tile),
            (false, false) => product_1x1(block, tile),
        }
    }
}

/// Whether the tile kernel has reproduced a plain computation on this machine; tried once in a process.
pub(super) fn proved() -> bool {
    static PROVED: OnceLock<bool> = OnceLock::new();
    *PROVED.get_or_init(|| {
        let good = Isa::detected() >= Isa::Amx && self_test();
        if !good {
            eprintln!("note: AMX products failed their self-test on this machine; using avx512bf16");
        }
        good
    })
}

/// Every tile shape on whole numbers, whose products and sums are exact.
fn self_test() -> bool {
    const STEPS: usize = 3 * TILE_STEPS;
    const A_STRIDE: usize = STEPS + 16;
    const PANEL_LINES: usize = STEPS + 1;
    let value = |i: usize| ((i * 37 + i / 11) % 17) as f32 - 8.0;
    // Whole numbers this small are exact in bf16, the upper half of an f32.
    let pair = |i: usize| (value(2 * i).to_bits() >> 16) | (value(2 * i + 1).to_bits() & 0xffff_0000);
    let a: Vec<u32> = (0..TILE_ROWS * A_STRIDE).map(pair).collect();
    let b: Vec<Line> = (0..2 * PANEL_LINES).map(|l| Line(std::array::from_fn(|j| pair(l * WIDTH + j + 5)))).collect();
    let halves = |w: u32| (f32::from_bits(w << 16), f32::from_bits(w & 0xffff_0000));
    // SAFETY: the caller saw AMX detected.
    let _configuration = unsafe { TileConfiguration::load() };
    [(32, 2), (32, 1), (16, 2), (16, 1)].into_iter().all(|(rows, panels)| {
        let mut tile = Tile([[f32::NAN; TILE_COLUMNS]; TILE_ROWS]);
        let block = Block {
            a: a.as_ptr(),
            a_stride: A_STRIDE,
            is_turned: false,
            b: b.as_ptr(),
            panel_lines: PANEL_LINES,
            steps: STEPS,
            ahead: Fetch::nothing(b.as_ptr()),
        };
        // SAFETY: `a` has 32 rows of more than STEPS words, `b` two panels of more than STEPS lines, STEPS is a multiple
        // of 16 and the tiles are configured.
        unsafe { tile_product(rows, panels, &block, tile.0.as_mut_ptr()) };
        (0..rows).all(|i| {
            (0..panels * WIDTH).all(|j| {
                let sum: f32 = (0..STEPS)
                    .map(|s| {
                        let (a0, a1) = halves(a[i * A_STRIDE + s]);
                        let (b0, b1) = halves(b[j / WIDTH * PANEL_LINES + s].0[j % WIDTH]);
                        a0 * b0 + a1 * b1
                    })
                    .sum();
                tile.0[i][j] == sum
            })
        })
    })
}
