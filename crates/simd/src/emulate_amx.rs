//! AMX on processors without it, for tests alone: the handler of SIGILL does what the refused tile instruction says.
//!
//! Encodings and arithmetic are those of Intel's Software Developer's Manual, volume 2 (LDTILECFG, TILERELEASE, TILEZERO,
//! TILELOADD, TILESTORED, TDPBF16PS). It is as strict as the hardware: tiles must be configured, in this thread, first. An
//! instruction costs microseconds, so nothing here says how fast AMX is.

use std::cell::UnsafeCell;
use std::sync::OnceLock;

/// Tiles of palette 1.
const TILES: usize = 8;
/// Rows of a tile.
const ROWS: usize = 16;
/// 32-bit words of a row.
const WORDS: usize = 16;

/// A thread's tile registers.
struct State {
    /// Rows and words a row of each tile; nothing before LDTILECFG.
    shapes: Option<[(usize, usize); TILES]>,
    tiles: [[[u32; WORDS]; ROWS]; TILES],
}

thread_local! {
    // Constant and without a destructor: the signal handler's access allocates and registers nothing.
    static STATE: UnsafeCell<State> = const { UnsafeCell::new(State { shapes: None, tiles: [[[0; WORDS]; ROWS]; TILES] }) };
}

/// Makes tile instructions work in this process; done once.
pub(crate) fn install() -> bool {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        // SAFETY: `action` is a valid sigaction whose handler has the signature that SA_SIGINFO asks for.
        unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = on_illegal as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO;
            libc::sigaction(libc::SIGILL, &action, std::ptr::null_mut()) == 0
        }
    })
}

extern "C" fn on_illegal(signal: libc::c_int, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel gives a SA_SIGINFO handler its interrupted thread's context; the instruction pointer names the
    // refused instruction, so its bytes can be read; the state is this thread's, which stands still meanwhile.
    unsafe {
        let registers = &mut (*context.cast::<libc::ucontext_t>()).uc_mcontext.gregs;
        let done = STATE.with(|state| execute(registers, &mut *state.get()));
        if done.is_none() {
            // Something else is illegal: the instruction is tried again and ends the process.
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}

/// The number that an encoding gives each general register.
const REGISTERS: [libc::c_int; 16] = [
    libc::REG_RAX,
    libc::REG_RCX,
    libc::REG_RDX,
    libc::REG_RBX,
    libc::REG_RSP,
    libc::REG_RBP,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
];

/// A memory operand: where it begins, and the index register's value (of tile loads and stores: bytes from row to row).
struct Memory {
    address: usize,
    stride: usize,
    /// Bytes of the instruction up to its end.
    length: usize,
}

/// Executes the tile instruction at the instruction pointer and steps over it; nothing if it is none or may not run.
///
/// # Safety
/// The instruction pointer must name readable code; memory operands must be as the instruction demands.
unsafe fn execute(registers: &mut [libc::greg_t; 23], state: &mut State) -> Option<()> {
    let code = registers[libc::REG_RIP as usize] as usize as *const u8;
    // SAFETY: the caller's; a VEX instruction with three prefix bytes has at least five bytes.
    let [vex, map, wvlp, opcode, mode] = unsafe { code.cast::<[u8; 5]>().read() };
    // Three-byte VEX, map 0F38, W0, 128 bits.
    if vex != 0xc4 || map & 0x1f != 2 || wvlp & 0x84 != 0 {
        return None;
    }
    let prefix = wvlp & 3;
    let third = usize::from(!wvlp >> 3 & 15);
    let (form, reg, rm) = (mode >> 6, usize::from(mode >> 3 & 7), usize::from(mode & 7));
    // SAFETY: the caller's.
    let memory = || unsafe { operand(code, map, registers) };
    let length = match (opcode, prefix, form) {
        (0x49, 0, 3) if mode == 0xc0 => {
            state.shapes = None;
            5
        }
        (0x49, 0, 0..=2) if reg == 0 => {
            let memory = memory();
            // SAFETY: the caller's: LDTILECFG reads 64 bytes.
            let bytes = unsafe { (memory.address as *const [u8; 64]).read_unaligned() };
            state.shapes = Some(shapes(&bytes)?);
            state.tiles = [[[0; WORDS]; ROWS]; TILES];
            memory.length
        }
        (0x49, 3, 3) => {
            state.shapes?;
            state.tiles[reg] = [[0; WORDS]; ROWS];
            5
        }
        // TILELOADD and TILELOADDT1: the whole register is written, zeros outside the shape.
        (0x4b, 1 | 3, 0..=2) if rm == 4 => {
            let (rows, words) = state.shapes?[reg];
            let memory = memory();
            let mut tile = [[0; WORDS]; ROWS];
            for (row, line) in tile.iter_mut().take(rows).enumerate() {
                let from = memory.address.wrapping_add(row.wrapping_mul(memory.stride)) as *const u8;
                // SAFETY: the caller's: each row of the shape is readable.
                unsafe { std::ptr::copy_nonoverlapping(from, line.as_mut_ptr().cast(), 4 * words) };
            }
            state.tiles[reg] = tile;
            memory.length
        }
        (0x4b, 2, 0..=2) if rm == 4 => {
            let (rows, words) = state.shapes?[reg];
            let memory = memory();
            for (row, line) in state.tiles[reg].iter().take(rows).enumerate() {
                let to = memory.address.wrapping_add(row.wrapping_mul(memory.stride)) as *mut u8;
                // SAFETY: the caller's: each row of the shape is writable.
                unsafe { std::ptr::copy_nonoverlapping(line.as_ptr().cast(), to, 4 * words) };
            }
            memory.length
        }
        (0x5c, 2, 3) => {
            let shapes = state.shapes?;
            let third = (third < TILES).then_some(third)?;
            let ((rows, words), (a_rows, steps), (b_rows, b_words)) = (shapes[reg], shapes[rm], shapes[third]);
            // The tiles must be three, and their shapes those of a product.
            if reg == rm || reg == third || rm == third || rows != a_rows || steps != b_rows || words != b_words {
                return None;
            }
            let (a, b) = (state.tiles[rm], state.tiles[third]);
            for (sums, a) in state.tiles[reg].iter_mut().zip(&a).take(rows) {
                add_products(sums, &a[..steps], &b);
            }
            5
        }
        _ => return None,
    };
    registers[libc::REG_RIP as usize] += length as libc::greg_t;
    Some(())
}

/// A row of TDPBF16PS: even and odd k are summed apart, each product and sum rounded once, subnormals as zeros.
fn add_products(sums: &mut [u32; WORDS], a: &[u32], b: &[[u32; WORDS]; ROWS]) {
    let flushed = |x: f32| if x.is_subnormal() { 0.0f32.copysign(x) } else { x };
    let (mut even, mut odd) = ([0.0f32; WORDS], [0.0f32; WORDS]);
    let low = |word: u32| flushed(f32::from_bits(word << 16));
    let high = |word: u32| flushed(f32::from_bits(word & 0xffff_0000));
    for (&a, b) in a.iter().zip(b) {
        for ((even, odd), &b) in even.iter_mut().zip(&mut odd).zip(b) {
            *even = flushed(low(a).mul_add(low(b), *even));
            *odd = flushed(high(a).mul_add(high(b), *odd));
        }
    }
    for ((sum, even), odd) in sums.iter_mut().zip(even).zip(odd) {
        *sum = flushed(flushed(f32::from_bits(*sum)) + flushed(even + odd)).to_bits();
    }
}

/// Rows and words a row of each tile that the operand of LDTILECFG gives; nothing where the processor would refuse it.
fn shapes(bytes: &[u8; 64]) -> Option<[(usize, usize); TILES]> {
    let (palette, reserved) = (bytes[0], &bytes[2..16]);
    if palette != 1 || reserved.iter().chain(&bytes[32..48]).chain(&bytes[56..]).any(|&byte| byte != 0) {
        return None;
    }
    let mut shapes = [(0, 0); TILES];
    for (tile, shape) in shapes.iter_mut().enumerate() {
        let row_bytes = usize::from(u16::from_le_bytes([bytes[16 + 2 * tile], bytes[17 + 2 * tile]]));
        let rows = usize::from(bytes[48 + tile]);
        if rows > ROWS || row_bytes > 4 * WORDS || !row_bytes.is_multiple_of(4) {
            return None;
        }
        *shape = (rows, row_bytes / 4);
    }
    Some(shapes)
}

/// The memory operand of the instruction at `code`.
///
/// # Safety
/// `code` must name a whole VEX instruction of three prefix bytes whose operand is in memory and not relative to the
/// instruction pointer.
unsafe fn operand(code: *const u8, map: u8, registers: &[libc::greg_t; 23]) -> Memory {
    let value = |number: u8| registers[REGISTERS[usize::from(number)] as usize] as usize;
    // SAFETY: the caller's; so too below.
    let byte = |at: usize| unsafe { code.add(at).read() };
    let mode = byte(4);
    let (high_index, high_base) = (!map >> 3 & 8, !map >> 2 & 8);
    let mut length = 5;
    let (base, stride, scale) = if mode & 7 == 4 {
        let sib = byte(5);
        length = 6;
        let index = sib >> 3 & 7 | high_index;
        // Index 4 means none.
        (sib & 7 | high_base, if index == 4 { 0 } else { value(index) }, sib >> 6)
    } else {
        (mode & 7 | high_base, 0, 0)
    };
    let mut address = value(base);
    match mode >> 6 {
        1 => {
            address = address.wrapping_add_signed(isize::from(byte(length) as i8));
            length += 1;
        }
        2 => {
            // SAFETY: as above.
            let displacement = unsafe { code.add(length).cast::<i32>().read_unaligned() };
            address = address.wrapping_add_signed(displacement as isize);
            length += 4;
        }
        _ => {}
    }
    Memory { address, stride: stride << scale, length }
}
