//! Convolutions of 3×3 at stride 1 with four multiplications for nine: Winograd's F(2×2, 3×3) (Lavin and Gray, arXiv 1509.09308,
//! section 4.1).
//!
//! Each 2×2 square of outputs is made of a 4×4 patch of inputs d and the kernel g as `Aᵀ[(G g Gᵀ) ∘ (Bᵀ d B)]A`. Summed over
//! channels, the sixteen positions are sixteen products of matrices, which run on the micro-kernels of `gemm`. Kernels are
//! transformed once, in f32, and take 16/9 of the memory; patches are transformed in f32 by the task that needs them.
//!
//! Both gradients are the same sums seen from elsewhere. The input's is a convolution of `dy` with the flipped kernel. The
//! kernel's is `Gᵀ[Σ (A dy Aᵀ) ∘ (Bᵀ d B)]G` over all squares: sixteen products whose sums are as long as there are squares.
//!
//! In bf16, what is rounded are transformed values, sums of four inputs. The error is about twice that of the direct product.

mod product;
mod weight_gradient;

use simd::Simd;

pub use self::product::{conv2d, conv2d_input_gradient, pack_transposed_weight, pack_weight};
pub use self::weight_gradient::{conv2d_weight_gradient, conv2d_weight_gradient_add};
use crate::conv::ConvShape;
use crate::gemm::pack::WIDTH;
use crate::gemm::patches::Patches;

/// Side of an input patch.
const SIDE: usize = 4;
/// Positions of a transformed patch.
const POSITIONS: usize = SIDE * SIDE;
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

/// Rows and columns of the operand that [`pack_weight`] fills, and [`pack_transposed_weight`] for the transposed shape.
pub fn packed_size(shape: &ConvShape) -> (usize, usize) {
    (shape.channels_in, POSITIONS * shape.channels_out)
}

/// Floating point operations: the products of sixteen positions for each 2×2 square, and the additions of both transforms. Those
/// of the kernel's gradient are as many.
pub fn flops(shape: &ConvShape) -> u64 {
    let (ci, co) = (shape.channels_in as u64, shape.channels_out as u64);
    Squares::new(shape).count() as u64 * (2 * POSITIONS as u64 * ci * co + 32 * ci + 24 * co)
}

/// The 2×2 squares that cover the outputs of all pictures.
#[derive(Clone, Copy)]
struct Squares {
    pictures: usize,
    /// In a picture.
    rows: usize,
    columns: usize,
}

impl Squares {
    fn new(shape: &ConvShape) -> Self {
        let (height, width) = shape.output();
        Self { pictures: shape.batch, rows: height.div_ceil(2), columns: width.div_ceil(2) }
    }

    fn count(&self) -> usize {
        self.pictures * self.rows * self.columns
    }

    /// The picture of square `i` of all, and its first output row and column.
    #[inline(always)]
    fn get(&self, i: usize) -> (usize, usize, usize) {
        let (line, x) = (i / self.columns, i % self.columns);
        (line / self.rows, 2 * (line % self.rows), 2 * x)
    }
}

/// Some channels of the pixels that a square of outputs is made of, from `channel` on; `zeros` stands for those outside the
/// picture.
#[inline(always)]
fn pixels<'a>(
    patches: &Patches<'a>,
    (item, y, x): (usize, usize, usize),
    (channel, channels): (usize, usize),
    zeros: &'a [f32],
) -> [&'a [f32]; POSITIONS] {
    let mut pixels = [zeros; POSITIONS];
    for row in 0..SIDE {
        let Some(y) = patches.rows.index(y, row) else { continue };
        for column in 0..SIDE {
            let Some(x) = patches.columns.index(x, column) else { continue };
            let at = ((item * patches.rows.input + y) * patches.columns.input + x) * patches.channels + channel;
            pixels[row * SIDE + column] = &patches.data[at..at + channels];
        }
    }
    pixels
}

/// `Bᵀ d B` for the channels of a vector from `c` on.
#[inline(always)]
fn transform<S: Simd>(s: S, pixels: &[&[f32]; POSITIONS], c: usize) -> [S::F32; POSITIONS] {
    let mut d = [s.zero(); POSITIONS];
    for (d, pixel) in d.iter_mut().zip(pixels) {
        *d = s.load(&pixel[c..]);
    }
    // Rows, then columns.
    let mut rows = d;
    for j in 0..SIDE {
        let [a, b, c, d] = [d[j], d[SIDE + j], d[2 * SIDE + j], d[3 * SIDE + j]];
        rows[j] = s.sub(a, c);
        rows[SIDE + j] = s.add(b, c);
        rows[2 * SIDE + j] = s.sub(c, b);
        rows[3 * SIDE + j] = s.sub(b, d);
    }
    let mut out = rows;
    for i in (0..POSITIONS).step_by(SIDE) {
        let [a, b, c, d] = [rows[i], rows[i + 1], rows[i + 2], rows[i + 3]];
        out[i] = s.sub(a, c);
        out[i + 1] = s.add(b, c);
        out[i + 2] = s.sub(c, b);
        out[i + 3] = s.sub(b, d);
    }
    out
}
