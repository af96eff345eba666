//! Scalar definitions of the convolutions in f64; see `crate::conv` for shapes.

use crate::conv::ConvShape;

/// `f(output pixel, input pixel, tap)` for each tap of each output pixel that is not padding.
fn for_taps(shape: &ConvShape, mut f: impl FnMut(usize, usize, usize)) {
    let ([top, _, left, _], (kh, kw)) = (shape.padding, shape.kernel);
    let ((height, width), extent) = (shape.output(), shape.extent());
    for b in 0..shape.batch {
        for oy in 0..height {
            for ox in 0..width {
                for ky in 0..kh {
                    for kx in 0..kw {
                        // Positions in the doubled and padded picture.
                        let (y, x) = (oy * shape.stride + ky, ox * shape.stride + kx);
                        if y < top || x < left {
                            continue;
                        }
                        let (y, x) = (y - top, x - left);
                        if y < extent.0 && x < extent.1 {
                            let (y, x) = (y / shape.upsample, x / shape.upsample);
                            let input = (b * shape.height + y) * shape.width + x;
                            f((b * height + oy) * width + ox, input, ky * kw + kx);
                        }
                    }
                }
            }
        }
    }
}

/// Definition of `conv::conv2d` without an epilogue; `w`: `[co, kh, kw, ci]`.
pub fn conv2d(shape: &ConvShape, x: &[f64], w: &[f64]) -> Vec<f64> {
    let (ci, co, taps) = (shape.channels_in, shape.channels_out, shape.kernel.0 * shape.kernel.1);
    let mut y = vec![0.0; shape.output_len()];
    for_taps(shape, |output, input, tap| {
        for o in 0..co {
            for c in 0..ci {
                y[output * co + o] += x[input * ci + c] * w[(o * taps + tap) * ci + c];
            }
        }
    });
    y
}

/// Definition of `conv::conv2d_input_gradient`, from the weight as it is.
pub fn conv2d_input_gradient(shape: &ConvShape, dy: &[f64], w: &[f64]) -> Vec<f64> {
    let (ci, co, taps) = (shape.channels_in, shape.channels_out, shape.kernel.0 * shape.kernel.1);
    let mut dx = vec![0.0; shape.input_len()];
    for_taps(shape, |output, input, tap| {
        for o in 0..co {
            for c in 0..ci {
                dx[input * ci + c] += dy[output * co + o] * w[(o * taps + tap) * ci + c];
            }
        }
    });
    dx
}

/// Definition of `conv::conv2d_weight_gradient`.
pub fn conv2d_weight_gradient(shape: &ConvShape, dy: &[f64], x: &[f64]) -> Vec<f64> {
    let (ci, co, taps) = (shape.channels_in, shape.channels_out, shape.kernel.0 * shape.kernel.1);
    let mut dw = vec![0.0; shape.weight_len()];
    for_taps(shape, |output, input, tap| {
        for o in 0..co {
            for c in 0..ci {
                dw[(o * taps + tap) * ci + c] += dy[output * co + o] * x[input * ci + c];
            }
        }
    });
    dw
}
