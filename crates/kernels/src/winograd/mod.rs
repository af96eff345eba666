//! Convolutions of 3×3 at stride 1 with fewer multiplications: Winograd's F(2×2, 3×3) and F(4×4, 3×3) (Lavin and Gray,
//! arXiv 1509.09308, sections 4.1 to 4.3), four and two and a quarter for nine.
//!
//! Each square of outputs, 2×2 or 4×4, is made of a patch of inputs d, 4×4 or 6×6, and the kernel g as
//! `Aᵀ[(G g Gᵀ) ∘ (Bᵀ d B)]A`. Summed over channels, the positions of a patch are as many products of matrices, which run on the
//! micro-kernels of `gemm`. Kernels are transformed once, in f32, and take 16/9 or 4 times the memory; patches are transformed in
//! f32 by the task that needs them.
//!
//! Both gradients are the same sums seen from elsewhere. The input's is a convolution of `dy` with the flipped kernel. The
//! kernel's is `Gᵀ[Σ (A dy Aᵀ) ∘ (Bᵀ d B)]G` over all squares: products whose sums are as long as there are squares.
//!
//! In bf16, what is rounded are transformed values. Those of F(2×2, 3×3) are sums of four inputs, and the error is about twice that
//! of the direct product; those of F(4×4, 3×3) lose too much, so it is for f32 alone.

mod form;
mod product;
mod weight_gradient;

pub use self::product::{conv2d, conv2d_input_gradient, pack_transposed_weight, pack_weight};
pub use self::weight_gradient::conv2d_weight_gradient;
use crate::conv::ConvShape;
use crate::gemm::Precision;
use crate::gemm::pack::WIDTH;
use crate::gemm::patches::Patches;

/// Channels that are packed together.
const GROUP: usize = 2 * WIDTH;
/// Fewest channels on either side: below, transforming costs what it saves.
const MIN_CHANNELS: usize = 64;
/// Most output channels: wider layers work on small pictures, where reading the larger kernel costs what is saved.
const MAX_CHANNELS_OUT: usize = 640;

/// Whether a convolution of this kernel, these channels and this stride is computed so; the picture does not matter.
pub fn fits(shape: &ConvShape) -> bool {
    shape.kernel == (3, 3)
        && shape.stride == 1
        && shape.channels_in >= MIN_CHANNELS
        && shape.channels_in.is_multiple_of(GROUP)
        && (MIN_CHANNELS..=MAX_CHANNELS_OUT).contains(&shape.channels_out)
        && shape.channels_out.is_multiple_of(WIDTH)
}

/// The convolution of `dy` that gives the input's gradient, if it is computed so.
pub fn transposed(shape: &ConvShape) -> Option<ConvShape> {
    let reach = |padding: usize| 2usize.checked_sub(padding);
    let [top, bottom, left, right] = shape.padding.map(reach);
    let padding = [top?, bottom?, left?, right?];
    if shape.kernel != (3, 3) || shape.stride != 1 || shape.upsample != 1 {
        return None;
    }
    let (height, width) = shape.output();
    let (channels_in, channels_out) = (shape.channels_out, shape.channels_in);
    let transposed = ConvShape { height, width, channels_in, channels_out, padding, ..*shape };
    fits(&transposed).then_some(transposed)
}

/// Side of an input patch: outputs are computed in squares of 4×4 or 2×2.
fn side(precision: Precision) -> usize {
    match precision {
        Precision::F32 => 6,
        Precision::Bf16 => 4,
    }
}

/// Rows and columns of the operand that [`pack_weight`] fills, and [`pack_transposed_weight`] for the transposed shape.
pub fn packed_size(precision: Precision, shape: &ConvShape) -> (usize, usize) {
    (shape.channels_in, side(precision).pow(2) * shape.channels_out)
}

/// Floating point operations: the products of all positions for each square, and the additions of both transforms. Those of the
/// kernel's gradient are about as many.
pub fn flops(precision: Precision, shape: &ConvShape) -> u64 {
    let (ci, co) = (shape.channels_in as u64, shape.channels_out as u64);
    let side = side(precision);
    let (patch, sums) = if side == 4 { (32, 24) } else { (144, 120) };
    Squares::new(shape, side - 2).count() as u64 * (2 * (side * side) as u64 * ci * co + patch * ci + sums * co)
}

/// The squares that cover the outputs of all pictures.
#[derive(Clone, Copy)]
struct Squares {
    /// Of one, in outputs.
    side: usize,
    pictures: usize,
    /// In a picture.
    rows: usize,
    columns: usize,
}

impl Squares {
    fn new(shape: &ConvShape, side: usize) -> Self {
        let (height, width) = shape.output();
        Self { side, pictures: shape.batch, rows: height.div_ceil(side), columns: width.div_ceil(side) }
    }

    fn count(&self) -> usize {
        self.pictures * self.rows * self.columns
    }

    /// The picture of square `i` of all, and its first output row and column.
    #[inline(always)]
    fn get(&self, i: usize) -> (usize, usize, usize) {
        let (line, x) = (i / self.columns, i % self.columns);
        (line / self.rows, self.side * (line % self.rows), self.side * x)
    }
}

/// Where some channels of the pixels that a square of outputs is made of are, from `channel` on; `zeros` stands for those outside
/// the picture.
#[inline(always)]
fn pixels<const SIDE: usize>(
    patches: &Patches<'_>,
    (item, y, x): (usize, usize, usize),
    (channel, channels): (usize, usize),
    zeros: &[f32],
) -> [[*const f32; SIDE]; SIDE] {
    let zeros = zeros[..channels].as_ptr();
    let mut pixels = [[zeros; SIDE]; SIDE];
    for (i, row) in pixels.iter_mut().enumerate() {
        let Some(y) = patches.rows.index(y, i) else { continue };
        for (j, pixel) in row.iter_mut().enumerate() {
            let Some(x) = patches.columns.index(x, j) else { continue };
            let at = ((item * patches.rows.input + y) * patches.columns.input + x) * patches.channels + channel;
            *pixel = patches.data[at..at + channels].as_ptr();
        }
    }
    pixels
}
