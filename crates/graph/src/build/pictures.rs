//! Builder methods of operations on pictures `[B, H, W, C]`.

use super::last;
use crate::graph::{Graph, Tensor};
use crate::shape::check;
use crate::{Activation, Conv2dOptions, Op, ShapeError};

impl Graph {
    /// x `[B, H, W, Ci]`, weight `[Co, kh, kw, Ci]`, bias `[Co]` → `[B, OH, OW, Co]` with
    /// OH = (H·upsample − crop + top + bottom − kh) / stride + 1, and OW alike. Activations and residuals that follow are folded in by
    /// [`crate::fuse::fuse`].
    pub fn conv2d(
        &mut self,
        x: Tensor,
        weight: Tensor,
        bias: Option<Tensor>,
        options: Conv2dOptions,
    ) -> Result<Tensor, ShapeError> {
        const NAME: &str = "conv2d";
        let (xs, ws) = (self.shape(x), self.shape(weight));
        let fits = xs.len() == 4 && ws.len() == 4 && xs[3] == ws[3];
        check(NAME, fits, || "x [B, H, W, Ci] and weight [Co, kh, kw, Ci]".into(), &[xs, ws])?;
        self.expect_parameter(NAME, weight)?;
        let Conv2dOptions { stride, padding: [top, bottom, left, right], upsample, crop } = options;
        if stride == 0 || !(1..=2).contains(&upsample) {
            let found = format!("stride {stride}, upsample {upsample}");
            return Err(ShapeError::new(NAME, "a stride of at least 1 and an upsample of 1 or 2", found));
        }
        if crop.0.max(crop.1) >= upsample {
            let found = format!("crop {crop:?}, upsample {upsample}");
            return Err(ShapeError::new(NAME, "to crop at most one row and one column of a doubled input", found));
        }
        let (extent_rows, extent_columns) = (xs[1] * upsample - crop.0, xs[2] * upsample - crop.1);
        let fits = extent_rows + top + bottom >= ws[1] && extent_columns + left + right >= ws[2];
        check(NAME, fits, || "a padded picture at least as large as the kernel".into(), &[xs, ws])?;
        let (height, width) = options.shape(xs, ws).output();
        let shape = [xs[0], height, width, ws[0]];
        let mut inputs = vec![x, weight];
        if let Some(bias) = bias {
            self.expect("conv2d bias", bias, &shape[3..])?;
            inputs.push(bias);
        }
        let op = Op::Conv2d { options, activation: Activation::None, bias: bias.is_some(), residual: false };
        Ok(self.one(op, inputs, &shape))
    }

    /// Group norm of x `[B, .., C]`, weight and bias `[C]`, over all but the batch of each of `groups` groups of neighbouring
    /// channels; followed by SiLU when `silu` is set.
    pub fn group_norm(
        &mut self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        groups: usize,
        eps: f32,
        silu: bool,
    ) -> Result<Tensor, ShapeError> {
        let shape = self.shape(x).to_vec();
        let channels = last(&shape);
        let fits = shape.len() >= 2 && groups > 0 && channels.is_multiple_of(groups);
        check("group_norm", fits, || format!("[B, .., C], C a multiple of {groups} groups"), &[&shape])?;
        self.expect("group_norm weight", weight, &[channels])?;
        self.expect("group_norm bias", bias, &[channels])?;
        let op = Op::GroupNorm { groups, eps, silu };
        Ok(self.push(op, vec![x, weight, bias], &[&shape, &[shape[0], groups, 2]])[0])
    }

    /// Channels to pixels: `[B, H, W, C·r²]` → `[B, H·r, W·r, C]`, channels `c·r² + dy·r + dx` as in torch.
    pub fn pixel_shuffle(&mut self, x: Tensor, factor: usize) -> Result<Tensor, ShapeError> {
        let s = self.shape(x);
        let fits = s.len() == 4 && factor > 0 && s[3].is_multiple_of(factor * factor);
        check("pixel_shuffle", fits, || format!("[B, H, W, C·{factor}²]"), &[s])?;
        let shape = [s[0], s[1] * factor, s[2] * factor, s[3] / (factor * factor)];
        Ok(self.one(Op::PixelShuffle { factor }, vec![x], &shape))
    }

    /// Inverse of [`Graph::pixel_shuffle`]: `[B, H·r, W·r, C]` → `[B, H, W, C·r²]`.
    pub fn pixel_unshuffle(&mut self, x: Tensor, factor: usize) -> Result<Tensor, ShapeError> {
        let s = self.shape(x);
        let fits = s.len() == 4 && factor > 0 && s[1].is_multiple_of(factor) && s[2].is_multiple_of(factor);
        check("pixel_unshuffle", fits, || format!("[B, H, W, C], H and W multiples of {factor}"), &[s])?;
        let shape = [s[0], s[1] / factor, s[2] / factor, s[3] * factor * factor];
        Ok(self.one(Op::PixelUnshuffle { factor }, vec![x], &shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_inferred() {
        let mut g = Graph::new();
        let x = g.input("x", &[2, 9, 12, 4]).unwrap();
        let (w, n) = (g.parameter("w", &[8, 3, 5, 4]).unwrap(), g.parameter("n", &[8]).unwrap());
        let mut conv = |stride, padding, upsample| {
            let y = g.conv2d(x, w, Some(n), Conv2dOptions { stride, padding, upsample, crop: (0, 0) }).unwrap();
            g.shape(y).to_vec()
        };
        assert_eq!(conv(1, [0; 4], 1), [2, 7, 8, 8]);
        assert_eq!(conv(1, [1, 1, 2, 2], 1), [2, 9, 12, 8]);
        assert_eq!(conv(2, [0, 1, 0, 1], 1), [2, 4, 5, 8]);
        assert_eq!(conv(1, [1, 1, 2, 2], 2), [2, 18, 24, 8]);
        let y = g.conv2d(x, w, None, Conv2dOptions { padding: [0, 1, 2, 2], ..Default::default() }).unwrap();
        assert_eq!(g.shape(y), [2, 8, 12, 8]);
        let odd = g
            .conv2d(x, w, None, Conv2dOptions { padding: [1, 1, 2, 2], upsample: 2, crop: (1, 0), stride: 1 })
            .unwrap();
        assert_eq!(g.shape(odd), [2, 17, 24, 8]);
        let y = g.group_norm(y, n, n, 4, 1e-5, true).unwrap();
        assert_eq!(g.shape(y), [2, 8, 12, 8]);
        assert_eq!(g.shape(g.nodes()[g.nodes().len() - 1].outputs[1]), [2, 4, 2]);
        let fine = g.pixel_shuffle(y, 2).unwrap();
        assert_eq!(g.shape(fine), [2, 16, 24, 2]);
        let coarse = g.pixel_unshuffle(fine, 4).unwrap();
        assert_eq!(g.shape(coarse), [2, 4, 6, 32]);
    }

    #[test]
    fn mistakes_name_operation_and_expectation() {
        let mut g = Graph::new();
        let x = g.input("x", &[2, 4, 3, 6]).unwrap();
        let y = g.input("y", &[6, 3, 3, 6]).unwrap();
        let (w, narrow) = (g.parameter("w", &[6, 5, 3, 6]).unwrap(), g.parameter("narrow", &[6, 3, 3, 5]).unwrap());
        let (n, short) = (g.parameter("n", &[6]).unwrap(), g.parameter("short", &[5]).unwrap());
        let plain = Conv2dOptions::default();
        let padded = Conv2dOptions { padding: [1; 4], ..plain };
        let says = |result: Result<Tensor, ShapeError>, text: &str| assert_eq!(result.unwrap_err().to_string(), text);

        says(
            g.conv2d(x, narrow, None, padded),
            "conv2d: expected x [B, H, W, Ci] and weight [Co, kh, kw, Ci], found [2, 4, 3, 6], [6, 3, 3, 5]",
        );
        says(g.conv2d(x, y, None, padded), "conv2d: expected a parameter as weight, found another tensor");
        says(
            g.conv2d(x, w, None, plain),
            "conv2d: expected a padded picture at least as large as the kernel, found [2, 4, 3, 6], [6, 5, 3, 6]",
        );
        says(g.conv2d(x, w, Some(short), padded), "conv2d bias: expected [6], found [5]");
        for (stride, upsample) in [(0, 1), (1, 0), (1, 3)] {
            says(
                g.conv2d(x, w, None, Conv2dOptions { stride, upsample, ..padded }),
                &format!(
                    "conv2d: expected a stride of at least 1 and an upsample of 1 or 2, found stride {stride}, upsample \
                     {upsample}"
                ),
            );
        }
        says(
            g.conv2d(x, w, None, Conv2dOptions { crop: (1, 0), ..padded }),
            "conv2d: expected to crop at most one row and one column of a doubled input, found crop (1, 0), upsample 1",
        );
        says(
            g.group_norm(x, n, n, 4, 1e-5, false),
            "group_norm: expected [B, .., C], C a multiple of 4 groups, found [2, 4, 3, 6]",
        );
        assert!(g.group_norm(x, n, n, 0, 1e-5, false).is_err());
        says(g.group_norm(x, short, n, 3, 1e-5, false), "group_norm weight: expected [6], found [5]");
        says(g.group_norm(x, n, short, 3, 1e-5, false), "group_norm bias: expected [6], found [5]");
        says(g.pixel_shuffle(x, 2), "pixel_shuffle: expected [B, H, W, C·2²], found [2, 4, 3, 6]");
        says(
            g.pixel_unshuffle(x, 2),
            "pixel_unshuffle: expected [B, H, W, C], H and W multiples of 2, found [2, 4, 3, 6]",
        );
        assert!(g.pixel_shuffle(x, 0).is_err() && g.pixel_unshuffle(x, 0).is_err() && g.nodes().is_empty());
    }
}
