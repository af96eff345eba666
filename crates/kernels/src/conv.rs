//! Convolutions of pictures `[B, H, W, C] f32`, forward and backward, as products of patches with packed weights.
//!
//! No matrix of patches is made: each task gathers those of its output pixels while it packs them (`gemm::patches`). Weights
//! are `[co, kh, kw, ci]`, a packed operand of `kh·kw·ci` rows and `co` columns in [`Layout::NK`]; [`weight_from_torch`]
//! converts torch's `[co, ci, kh, kw]`. As in torch, kernels are not flipped.
//!
//! Every output is a sum over the kernel and the channels, in an order that depends on the length of that sum alone: the
//! same bits for any number of threads and whatever else is in the batch.
//!
//! The input gradient is itself a convolution, of `dy` with the flipped weight. A stride stretches `dy` with zeros in
//! between. Nearest-neighbour doubling sums the gradients of four pixels, which is a kernel one larger, applied at a stride
//! of two. The gradient of a bias is [`column_sum`](crate::gemm::column_sum).

use crate::Cpu;
use crate::gemm::patches::{Axis, Between, Patches};
use crate::gemm::{Epilogue, Layout, PackedMatrix, Precision, Update, patch_gradient, patch_product};
use crate::rows::{rows_per_task, with_scratch};

/// Sizes of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// Pictures.
    pub batch: usize,
    /// Rows of pixels of the input.
    pub height: usize,
    /// Columns of pixels of the input.
    pub width: usize,
    /// Values of an input pixel.
    pub channels_in: usize,
    /// Values of an output pixel.
    pub channels_out: usize,
    /// Rows and columns of the kernel.
    pub kernel: (usize, usize),
    /// Pixels from one patch to the next, on both axes.
    pub stride: usize,
    /// Zeros around the (doubled) input: top, bottom, left, right.
    pub padding: [usize; 4],
    /// 2: the input is first doubled on both axes, each pixel repeated. 1: it is not.
    pub upsample: usize,
    /// Rows and columns left out at the bottom and right of the doubled input, 0 or 1: a picture of an odd side is the double of
    /// none. Only the forward product knows it.
    pub crop: (usize, usize),
}

impl ConvShape {
    /// Rows and columns of the output.
    pub fn output(&self) -> (usize, usize) {
        let [top, bottom, left, right] = self.padding;
        let (height, width) = self.extent();
        let along = |input: usize, padding: usize, kernel| (input + padding - kernel) / self.stride + 1;
        (along(height, top + bottom, self.kernel.0), along(width, left + right, self.kernel.1))
    }

    /// Rows and columns of the doubled and cropped input.
    pub fn extent(&self) -> (usize, usize) {
        (self.height * self.upsample - self.crop.0, self.width * self.upsample - self.crop.1)
    }

    /// Values of the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.height * self.width * self.channels_in
    }

    /// Values of the output.
    pub fn output_len(&self) -> usize {
        let (height, width) = self.output();
        self.batch * height * width * self.channels_out
    }

    /// Values of a patch: the length of the forward sums, `kh·kw·ci`.
    pub fn patch(&self) -> usize {
        self.kernel.0 * self.kernel.1 * self.channels_in
    }

    /// Values of a patch of `dy` that one input pixel's gradient is made of: the length of its sums.
    pub fn transposed_patch(&self) -> usize {
        let (height, width) = self.transposed_kernel();
        height * width * self.channels_out
    }

    /// Values of the weight.
    pub fn weight_len(&self) -> usize {
        self.patch() * self.channels_out
    }

    /// Checks the sizes against each other.
    ///
    /// # Panics
    /// When a size is zero (a batch may be), the padded input is smaller than the kernel, `upsample` is neither 1 nor 2, or something
    /// else than one row or column of a doubled input is left out.
    pub fn check(&self) {
        let sizes = [self.height, self.width, self.channels_in, self.channels_out, self.kernel.0, self.kernel.1];
        assert!(sizes.iter().all(|&n| n > 0) && self.stride > 0, "sizes are positive");
        assert!(self.upsample == 1 || self.upsample == 2, "upsample is 1 or 2");
        assert!(self.crop.0.max(self.crop.1) < self.upsample, "one row or column of a doubled input is left out");
        let [top, bottom, left, right] = self.padding;
        let (height, width) = self.extent();
        assert!(height + top + bottom >= self.kernel.0, "the kernel is higher than the picture");
        assert!(width + left + right >= self.kernel.1, "the kernel is wider than the picture");
    }

    /// Rows and columns of the kernel of the input gradient.
    fn transposed_kernel(&self) -> (usize, usize) {
        (self.kernel.0 + self.upsample - 1, self.kernel.1 + self.upsample - 1)
    }

    /// The patches of `x` that the outputs are made of.
    pub(crate) fn patches<'a>(&self, x: &'a [f32]) -> Patches<'a> {
        self.check();
        assert_eq!(x.len(), self.input_len(), "x is [B, H, W, ci]");
        let (output, extent) = (self.output(), self.extent());
        let axis = |input, extent, output, taps, before: usize| Axis {
            input,
            extent,
            output,
            taps,
            step: self.stride,
            before: before as isize,
            stretch: self.upsample,
            between: Between::Repeated,
        };
        Patches {
            data: x,
            batch: self.batch,
            channels: self.channels_in,
            rows: axis(self.height, extent.0, output.0, self.kernel.0, self.padding[0]),
            columns: axis(self.width, extent.1, output.1, self.kernel.1, self.padding[2]),
        }
    }

    /// The patches of `dy` that the input's gradient is made of. With the doubled input's row `u·i + a` (`a < u`, the
    /// upsampling), `s·o = u·i + a + top - r` for row r of the kernel: tap `t = a + (kh - 1 - r)` of input row i finds output
    /// row o at `u·i + t - (kh - 1 - top)` of an output that is stretched s times.
    fn transposed_patches<'a>(&self, dy: &'a [f32]) -> Patches<'a> {
        self.check();
        assert_eq!(dy.len(), self.output_len(), "dy is [B, OH, OW, co]");
        assert_eq!(self.crop, (0, 0), "a cropped convolution has no gradient");
        let (output, taps) = (self.output(), self.transposed_kernel());
        let axis = |input, output, taps, kernel: usize, before: usize| Axis {
            input,
            extent: input * self.stride,
            output,
            taps,
            step: self.upsample,
            before: kernel as isize - 1 - before as isize,
            stretch: self.stride,
            between: Between::Zero,
        };
        Patches {
            data: dy,
            batch: self.batch,
            channels: self.channels_out,
            rows: axis(output.0, self.height, taps.0, self.kernel.0, self.padding[0]),
            columns: axis(output.1, self.width, taps.1, self.kernel.1, self.padding[2]),
        }
    }
}

/// A torch weight `[co, ci, kh·kw]` as `[co, kh·kw, ci]`.
///
/// # Panics
/// When the sizes do not fit.
pub fn weight_from_torch(channels_in: usize, taps: usize, weight: &[f32], out: &mut [f32]) {
    assert!(weight.len() == out.len() && weight.len().is_multiple_of(channels_in * taps), "both are whole filters");
    for (from, to) in weight.chunks_exact(channels_in * taps).zip(out.chunks_exact_mut(channels_in * taps)) {
        for (tap, to) in to.chunks_exact_mut(channels_in).enumerate() {
            for (c, to) in to.iter_mut().enumerate() {
                *to = from[c * taps + tap];
            }
        }
    }
}

/// Packs a weight for [`conv2d`]; `weight`: `[co, kh, kw, ci] f32`, `packed`: `shape.patch()` rows and `co` columns.
///
/// # Panics
/// When a size does not fit.
pub fn pack_weight(cpu: &Cpu, shape: &ConvShape, weight: &[f32], packed: &mut PackedMatrix) {
    shape.check();
    assert!(packed.k() == shape.patch() && packed.n() == shape.channels_out, "packed is [kh·kw·ci, co]");
    packed.pack(cpu, weight, Layout::NK);
}

/// Packs a weight, flipped and transposed, for [`conv2d_input_gradient`]; `weight`: `[co, kh, kw, ci] f32`, `packed`:
/// `shape.transposed_patch()` rows and `ci` columns. With `upsample` 2 up to four weights are added, in f32, before they are
/// rounded.
///
/// # Panics
/// When a size does not fit.
pub fn pack_transposed_weight(cpu: &Cpu, shape: &ConvShape, weight: &[f32], packed: &mut PackedMatrix) {
    shape.check();
    assert_eq!(weight.len(), shape.weight_len(), "weight is [co, kh, kw, ci]");
    assert!(packed.k() == shape.transposed_patch() && packed.n() == shape.channels_in, "packed is [taps·co, ci]");
    let (ci, co, (kh, kw)) = (shape.channels_in, shape.channels_out, shape.kernel);
    let taps = shape.transposed_kernel();
    let rows = rows_per_task(ci);
    with_scratch(taps.0 * taps.1 * co * ci, |transposed| {
        cpu.pool.run_chunks(transposed, rows * ci, |task, part| {
            for (i, to) in part.chunks_exact_mut(ci).enumerate() {
                let (tap, o) = ((task * rows + i) / co, (task * rows + i) % co);
                let (ty, tx) = (tap / taps.1, tap % taps.1);
                to.fill(0.0);
                for (a, b) in (0..shape.upsample).flat_map(|a| (0..shape.upsample).map(move |b| (a, b))) {
                    // Tap t is kernel row kh - 1 - (t - a).
                    if (a..a + kh).contains(&ty) && (b..b + kw).contains(&tx) {
                        let from = ((o * kh + kh - 1 + a - ty) * kw + kw - 1 + b - tx) * ci;
                        to.iter_mut().zip(&weight[from..from + ci]).for_each(|(to, w)| *to += w);
                    }
                }
            }
        });
        packed.pack(cpu, transposed, Layout::KN);
    });
}

/// `out = act(conv(x, weight) + bias) + residual`.
///
/// `x`: `[B, H, W, ci] f32`; `packed`: by [`pack_weight`]; `out` and the residual: `[B, OH, OW, co] f32`.
///
/// # Panics
/// When a size does not fit.
pub fn conv2d(
    cpu: &Cpu,
    shape: &ConvShape,
    x: &[f32],
    packed: &PackedMatrix,
    epilogue: &Epilogue<'_>,
    out: &mut [f32],
) {
    let patches = shape.patches(x);
    assert_eq!(packed.n(), shape.channels_out, "packed is [kh·kw·ci, co]");
    patch_product(cpu, &patches, packed, epilogue, out);
}

/// Backward of [`conv2d`] without its epilogue: the input's gradient, overwritten.
///
/// `dy`: `[B, OH, OW, co] f32`; `packed`: by [`pack_transposed_weight`]; `dx`: `[B, H, W, ci] f32`.
///
/// # Panics
/// When a size does not fit.
pub fn conv2d_input_gradient(cpu: &Cpu, shape: &ConvShape, dy: &[f32], packed: &PackedMatrix, dx: &mut [f32]) {
    let patches = shape.transposed_patches(dy);
    assert_eq!(packed.n(), shape.channels_in, "packed is [taps·co, ci]");
    patch_product(cpu, &patches, packed, &Epilogue::default(), dx);
}

/// Backward of [`conv2d`] without its epilogue: the weight's gradient.
///
/// `dy`: `[B, OH, OW, co] f32`; `x`: `[B, H, W, ci] f32`; `dw`: `[co, kh, kw, ci] f32`.
///
/// # Panics
/// When a size does not fit.
pub fn conv2d_weight_gradient(
    cpu: &Cpu,
    precision: Precision,
    shape: &ConvShape,
    dy: &[f32],
    x: &[f32],
    update: Update,
    dw: &mut [f32],
) {
    patch_gradient(cpu, precision, shape.channels_out, dy, &shape.patches(x), update, dw);
}
