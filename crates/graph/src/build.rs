//! Builder methods of [`Graph`], one per forward operation, with shape inference.

mod pictures;

use crate::graph::{Graph, MAX_OPERANDS, Role, Tensor};
use crate::op::{MAX_SEGMENTS, SegmentColumns};
use crate::shape::check;
use crate::{Activation, Op, QkParts, ShapeError};

/// Per-item scale and shift of a norm: y = norm(x)·(1 + scale) + shift.
#[derive(Debug, Clone, Copy)]
pub struct Modulation {
    /// `[B, D]`.
    pub scale: Tensor,
    /// `[B, D]`.
    pub shift: Tensor,
}

/// `heads · head_dim` columns of a tensor `[B, T, width]`, from `offset`.
#[derive(Debug, Clone, Copy)]
pub struct Columns {
    /// `[B, T, width]`.
    pub tensor: Tensor,
    /// First column.
    pub offset: usize,
}

/// Keys and values of some tokens; attention joins several of them.
#[derive(Debug, Clone, Copy)]
pub struct KeyValue {
    /// Keys.
    pub key: Columns,
    /// Values, of the same tokens.
    pub value: Columns,
    /// `[B]` number of tokens of each item that exist; all when absent. At least 1, or another segment must have a token.
    pub lengths: Option<Tensor>,
}

fn last(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(1)
}

fn with_last(shape: &[usize], width: usize) -> Vec<usize> {
    let mut shape = shape.to_vec();
    if let Some(last) = shape.last_mut() {
        *last = width;
    }
    shape
}

impl Graph {
    fn one(&mut self, op: Op, inputs: Vec<Tensor>, shape: &[usize]) -> Tensor {
        self.push(op, inputs, &[shape])[0]
    }

    fn expect(&self, op: &str, tensor: Tensor, shape: &[usize]) -> Result<(), ShapeError> {
        check(op, self.shape(tensor) == shape, || format!("{shape:?}"), &[self.shape(tensor)])
    }

    /// Weights of products are packed before a run, so nothing may compute them.
    fn expect_parameter(&self, op: &str, weight: Tensor) -> Result<(), ShapeError> {
        match self.tensors[weight.index()].role {
            Role::Parameter(_) => Ok(()),
            _ => Err(ShapeError::new(op, "a parameter as weight", "another tensor")),
        }
    }

    /// x `[.., K]`, weight `[N, K]`, bias `[N]` → `[.., N]`. Activations and residuals that follow are folded in by
    /// [`crate::fuse::fuse`].
    pub fn linear(&mut self, x: Tensor, weight: Tensor, bias: Option<Tensor>) -> Result<Tensor, ShapeError> {
        let (xs, ws) = (self.shape(x), self.shape(weight));
        let fits = ws.len() == 2 && last(xs) == ws[1];
        check("linear", fits, || "x [.., K] and weight [N, K]".into(), &[xs, ws])?;
        self.expect_parameter("linear", weight)?;
        let shape = with_last(xs, ws[0]);
        let mut inputs = vec![x, weight];
        if let Some(bias) = bias {
            self.expect("linear bias", bias, &shape[shape.len() - 1..])?;
            inputs.push(bias);
        }
        let op = Op::Linear { activation: Activation::None, bias: bias.is_some(), residual: false };
        Ok(self.one(op, inputs, &shape))
    }

    /// RMS norm over the last dimension, times weight `[D]`, then modulated per item. x `[B, .., D]`.
    pub fn rms_norm(
        &mut self,
        x: Tensor,
        weight: Option<Tensor>,
        modulation: Option<Modulation>,
        eps: f32,
    ) -> Result<Tensor, ShapeError> {
        let shape = self.shape(x).to_vec();
        let d = last(&shape);
        let mut inputs = vec![x];
        if let Some(weight) = weight {
            self.expect("rms_norm weight", weight, &[d])?;
            inputs.push(weight);
        }
        if let Some(m) = modulation {
            self.expect("rms_norm scale", m.scale, &[shape[0], d])?;
            self.expect("rms_norm shift", m.shift, &[shape[0], d])?;
            inputs.extend([m.scale, m.shift]);
        }
        let rows = self.len(x) / d;
        let op = Op::RmsNorm { eps, weight: weight.is_some(), modulation: modulation.is_some() };
        Ok(self.push(op, inputs, &[&shape, &[rows]])[0])
    }

    /// Layer norm over the last dimension. x `[.., D]`, weight and bias `[D]`.
    pub fn layer_norm(&mut self, x: Tensor, weight: Tensor, bias: Tensor, eps: f32) -> Result<Tensor, ShapeError> {
        let shape = self.shape(x).to_vec();
        let d = last(&shape);
        self.expect("layer_norm weight", weight, &[d])?;
        self.expect("layer_norm bias", bias, &[d])?;
        Ok(self.one(Op::LayerNorm { eps }, vec![x, weight, bias], &shape))
    }

    /// a + b, same shape.
    pub fn add(&mut self, a: Tensor, b: Tensor) -> Result<Tensor, ShapeError> {
        let shape = self.shape(a).to_vec();
        self.expect("add", b, &shape)?;
        Ok(self.one(Op::Add, vec![a, b], &shape))
    }

    /// x + row, where the shape of `row` ends the shape of `x` (bias tables, position embeddings).
    pub fn add_broadcast(&mut self, x: Tensor, row: Tensor) -> Result<Tensor, ShapeError> {
        let (xs, rs) = (self.shape(x).to_vec(), self.shape(row));
        check("add_broadcast", xs.ends_with(rs), || "row shaped like the last dimensions of x".into(), &[&xs, rs])?;
        Ok(self.one(Op::AddBroadcast, vec![x, row], &xs))
    }

    /// x + row, with one row an item: x `[B, .., D]`, row `[B, D]` (time embeddings of a U-Net).
    pub fn add_per_item(&mut self, x: Tensor, row: Tensor) -> Result<Tensor, ShapeError> {
        let shape = self.shape(x).to_vec();
        self.expect("add_per_item row", row, &[shape[0], last(&shape)])?;
        Ok(self.one(Op::AddPerItem, vec![x, row], &shape))
    }

    /// x · factor.
    pub fn scale(&mut self, x: Tensor, factor: f32) -> Result<Tensor, ShapeError> {
        let shape = self.shape(x).to_vec();
        Ok(self.one(Op::Scale { factor }, vec![x], &shape))
    }

    /// x + gate·y, with one gate row an item: x and y `[B, .., D]`, gate `[B, D]`.
    pub fn gated_add(&mut self, x: Tensor, gate: Tensor, y: Tensor) -> Result<Tensor, ShapeError> {
        let shape = self.shape(x).to_vec();
        self.expect("gated_add y", y, &shape)?;
        self.expect("gated_add gate", gate, &[shape[0], last(&shape)])?;
        Ok(self.one(Op::GatedAdd, vec![x, gate, y], &shape))
    }

    /// max(x, 0).
    pub fn relu(&mut self, x: Tensor) -> Result<Tensor, ShapeError> {
        let shape = self.shape(x).to_vec();
        Ok(self.one(Op::Relu, vec![x], &shape))
    }

    /// Hyperbolic tangent.
    pub fn tanh(&mut self, x: Tensor) -> Result<Tensor, ShapeError> {
        let shape = self.shape(x).to_vec();
        Ok(self.one(Op::Tanh, vec![x], &shape))
    }

    /// x·sigmoid(x).
    pub fn silu(&mut self, x: Tensor) -> Result<Tensor, ShapeError> {
        let shape = self.shape(x).to_vec();
        Ok(self.one(Op::Silu, vec![x], &shape))
    }

    /// Exact (erf) GELU.
    pub fn gelu(&mut self, x: Tensor) -> Result<Tensor, ShapeError> {
        let shape = self.shape(x).to_vec();
        Ok(self.one(Op::Gelu, vec![x], &shape))
    }

    /// `[.., 2H]` → `[.., H]`: silu(first half)·second half.
    pub fn swiglu(&mut self, x: Tensor) -> Result<Tensor, ShapeError> {
        let shape = self.shape(x);
        check("swiglu", last(shape).is_multiple_of(2), || "[.., 2H]".into(), &[shape])?;
        let shape = with_last(shape, last(shape) / 2);
        Ok(self.one(Op::Swiglu, vec![x], &shape))
    }

    /// `[.., 2H]` → `[.., H]`: first half·gelu(second half).
    pub fn geglu(&mut self, x: Tensor) -> Result<Tensor, ShapeError> {
        let shape = self.shape(x);
        check("geglu", last(shape).is_multiple_of(2), || "[.., 2H]".into(), &[shape])?;
        let shape = with_last(shape, last(shape) / 2);
        Ok(self.one(Op::Geglu, vec![x], &shape))
    }

    /// RMS-norms every query and key head of x `[B, T, parts·heads·d]` with a learned weight `[d]` (`query_weight` only with
    /// [`QkParts::Qkv`]), then rotates pairs (i, i + d/2) by `rotary` = (cos, sin), both `[T, d/2]`. Values are copied.
    pub fn qk_norm_rotary(
        &mut self,
        x: Tensor,
        parts: QkParts,
        heads: usize,
        query_weight: Option<Tensor>,
        key_weight: Tensor,
        rotary: Option<(Tensor, Tensor)>,
        eps: f32,
    ) -> Result<Tensor, ShapeError> {
        const NAME: &str = "qk_norm_rotary";
        let shape = self.shape(x).to_vec();
        let width = parts.count() * heads;
        let fits = shape.len() == 3 && width > 0 && shape[2].is_multiple_of(width);
        check(NAME, fits, || format!("[B, T, {width}·d]"), &[&shape])?;
        let head_dim = shape[2] / width;
        let mut inputs = vec![x];
        if (parts == QkParts::Qkv) != query_weight.is_some() {
            let found = format!("{} query weight", if query_weight.is_some() { "a" } else { "no" });
            return Err(ShapeError::new(NAME, "a query weight exactly with query columns", found));
        }
        if let Some(weight) = query_weight {
            self.expect(NAME, weight, &[head_dim])?;
            inputs.push(weight);
        }
        self.expect(NAME, key_weight, &[head_dim])?;
        inputs.push(key_weight);
        if let Some((cos, sin)) = rotary {
            let table = [shape[1], head_dim / 2];
            self.expect(NAME, cos, &table)?;
            self.expect(NAME, sin, &table)?;
            inputs.extend([cos, sin]);
        }
        let op = Op::QkNormRotary { parts, heads, head_dim, eps, rotary: rotary.is_some() };
        Ok(self.one(op, inputs, &shape))
    }

    /// Multi-head attention of `query` over the joined segments, scaled by 1/√d → `[B, T, heads·d]`.
    pub fn attention(
        &mut self,
        heads: usize,
        head_dim: usize,
        query: Columns,
        segments: &[KeyValue],
    ) -> Result<Tensor, ShapeError> {
        self.attend(heads, head_dim, query, segments, false)
    }

    /// [`Graph::attention`] of the tokens of one sequence, each to itself and those before it (text encoders).
    pub fn causal_attention(
        &mut self,
        heads: usize,
        head_dim: usize,
        query: Columns,
        own: KeyValue,
    ) -> Result<Tensor, ShapeError> {
        let (qs, ks) = (self.shape(query.tensor), self.shape(own.key.tensor));
        check("causal_attention", qs.get(1) == ks.get(1), || "as many keys as queries".into(), &[qs, ks])?;
        self.attend(heads, head_dim, query, &[own], true)
    }

    fn attend(
        &mut self,
        heads: usize,
        head_dim: usize,
        query: Columns,
        segments: &[KeyValue],
        causal: bool,
    ) -> Result<Tensor, ShapeError> {
        const NAME: &str = "attention";
        let width = heads * head_dim;
        let qs = self.shape(query.tensor).to_vec();
        if segments.is_empty() || segments.len() > MAX_SEGMENTS || width == 0 {
            let found = format!("{} segments, {heads} heads", segments.len());
            return Err(ShapeError::new(NAME, format!("1 to {MAX_SEGMENTS} segments and at least one head"), found));
        }
        let fits = |shape: &[usize], offset: usize| shape.len() == 3 && shape[0] == qs[0] && offset + width <= shape[2];
        check(NAME, fits(&qs, query.offset), || format!("query [B, T, ≥{}]", query.offset + width), &[&qs])?;
        let mut inputs = vec![query.tensor];
        let mut columns = Vec::with_capacity(segments.len());
        for s in segments {
            let (ks, vs) = (self.shape(s.key.tensor), self.shape(s.value.tensor));
            let ok = fits(ks, s.key.offset) && fits(vs, s.value.offset) && ks[1] == vs[1];
            check(NAME, ok, || format!("keys and values [{}, S, ≥{width}]", qs[0]), &[ks, vs])?;
            inputs.extend([s.key.tensor, s.value.tensor]);
            if let Some(lengths) = s.lengths {
                self.expect("attention lengths", lengths, &qs[..1])?;
                inputs.push(lengths);
            }
            columns.push(SegmentColumns { key: s.key.offset, value: s.value.offset, lengths: s.lengths.is_some() });
        }
        let blocks: Vec<Columns> = segments.iter().flat_map(|s| [s.key, s.value]).chain([query]).collect();
        for (i, a) in blocks.iter().enumerate() {
            let meets = |b: &&Columns| a.tensor == b.tensor && a.offset.abs_diff(b.offset) < width;
            if let Some(b) = blocks[..i].iter().find(meets) {
                let found = format!("columns from {} and from {}", a.offset, b.offset);
                return Err(ShapeError::new(NAME, format!("separate blocks of {width} columns"), found));
            }
        }
        let op = Op::Attention { heads, head_dim, query: query.offset, segments: columns, causal };
        Ok(self.push(op, inputs, &[&[qs[0], qs[1], width], &[qs[0], heads, qs[1]]])[0])
    }

    /// [`Graph::attention`] within one tensor qkv `[B, T, 3·heads·d]`.
    pub fn self_attention(&mut self, qkv: Tensor, heads: usize, lengths: Option<Tensor>) -> Result<Tensor, ShapeError> {
        let (head_dim, own) = self.qkv_columns(qkv, heads, lengths)?;
        self.attention(heads, head_dim, Columns { tensor: qkv, offset: 0 }, &[own])
    }

    /// [`Graph::attention`] of qkv `[B, T, 3·heads·d]` over its own tokens and those of kv `[B, S, 2·heads·d]`, of which item b
    /// has `lengths[b]`.
    pub fn joint_attention(
        &mut self,
        qkv: Tensor,
        kv: Tensor,
        heads: usize,
        lengths: Option<Tensor>,
    ) -> Result<Tensor, ShapeError> {
        let (head_dim, own) = self.qkv_columns(qkv, heads, None)?;
        let other = KeyValue {
            key: Columns { tensor: kv, offset: 0 },
            value: Columns { tensor: kv, offset: heads * head_dim },
            lengths,
        };
        self.attention(heads, head_dim, Columns { tensor: qkv, offset: 0 }, &[own, other])
    }

    fn qkv_columns(&self, qkv: Tensor, heads: usize, lengths: Option<Tensor>) -> Result<(usize, KeyValue), ShapeError> {
        let shape = self.shape(qkv);
        let fits = heads > 0 && last(shape).is_multiple_of(3 * heads);
        check("attention", fits, || format!("[B, T, 3·{heads}·d]"), &[shape])?;
        let width = last(shape) / 3;
        let own = KeyValue {
            key: Columns { tensor: qkv, offset: width },
            value: Columns { tensor: qkv, offset: 2 * width },
            lengths,
        };
        Ok((width / heads, own))
    }

    /// Rows of table `[V, D]` chosen by ids `[..]` (whole numbers below V) → `[.., D]`.
    pub fn embedding(&mut self, table: Tensor, ids: Tensor) -> Result<Tensor, ShapeError> {
        let (ts, is) = (self.shape(table), self.shape(ids));
        check("embedding", ts.len() == 2, || "table [V, D]".into(), &[ts])?;
        let mut shape = is.to_vec();
        shape.push(ts[1]);
        Ok(self.one(Op::Embedding, vec![table, ids], &shape))
    }

    /// Sinusoidal features of t `[B]` → `[B, dim]`: cosines then sines of t·max_period^(−i/(dim/2)).
    pub fn timestep_embedding(&mut self, t: Tensor, dim: usize, max_period: f32) -> Result<Tensor, ShapeError> {
        let shape = self.shape(t);
        check(
            "timestep_embedding",
            shape.len() == 1 && dim.is_multiple_of(2),
            || "t [B] and an even width".into(),
            &[shape],
        )?;
        let b = shape[0];
        Ok(self.one(Op::TimestepEmbedding { dim, max_period }, vec![t], &[b, dim]))
    }

    /// `[B, H, W, C]` → `[B, (H/p)·(W/p), p·p·C]`, patches in row-major order, pixels inside a patch too.
    pub fn patchify(&mut self, x: Tensor, patch: usize) -> Result<Tensor, ShapeError> {
        let s = self.shape(x);
        let fits = s.len() == 4 && patch > 0 && s[1].is_multiple_of(patch) && s[2].is_multiple_of(patch);
        check("patchify", fits, || format!("[B, H, W, C], H and W multiples of {patch}"), &[s])?;
        let shape = [s[0], (s[1] / patch) * (s[2] / patch), patch * patch * s[3]];
        Ok(self.one(Op::Patchify { patch }, vec![x], &shape))
    }

    /// Inverse of [`Graph::patchify`] for an image of `height` × `width`.
    pub fn unpatchify(&mut self, x: Tensor, patch: usize, height: usize, width: usize) -> Result<Tensor, ShapeError> {
        let s = self.shape(x);
        let pixels = patch * patch;
        let fits = s.len() == 3
            && pixels > 0
            && height.is_multiple_of(patch)
            && width.is_multiple_of(patch)
            && s[1] == (height / patch) * (width / patch)
            && s[2].is_multiple_of(pixels);
        check("unpatchify", fits, || format!("[B, {height}·{width}/{pixels}, {pixels}·C]"), &[s])?;
        let shape = [s[0], height, width, s[2] / pixels];
        Ok(self.one(Op::Unpatchify { patch }, vec![x], &shape))
    }

    /// Joins the last dimension of tensors that agree in the others.
    pub fn concat(&mut self, parts: &[Tensor]) -> Result<Tensor, ShapeError> {
        let Some(&first) = parts.first() else {
            return Err(ShapeError::new("concat", "at least one tensor", "none"));
        };
        let lead = self.shape(first).to_vec();
        let mut width = 0;
        for &part in parts {
            let shape = self.shape(part);
            let fits = with_last(shape, 0) == with_last(&lead, 0);
            check("concat", fits, || "equal leading dimensions".into(), &[&lead, shape])?;
            width += last(shape);
        }
        if parts.len() >= MAX_OPERANDS {
            return Err(ShapeError::new("concat", format!("fewer than {MAX_OPERANDS} parts"), parts.len().to_string()));
        }
        Ok(self.one(Op::Concat, parts.to_vec(), &with_last(&lead, width)))
    }

    /// Splits the last dimension into parts of the given sizes.
    pub fn split(&mut self, x: Tensor, sizes: &[usize]) -> Result<Vec<Tensor>, ShapeError> {
        let shape = self.shape(x).to_vec();
        let fits = sizes.iter().sum::<usize>() == last(&shape) && !sizes.contains(&0) && sizes.len() < MAX_OPERANDS;
        check("split", fits, || format!("last dimension the sum of {sizes:?}"), &[&shape])?;
        let shapes: Vec<Vec<usize>> = sizes.iter().map(|&n| with_last(&shape, n)).collect();
        let shapes: Vec<&[usize]> = shapes.iter().map(Vec::as_slice).collect();
        Ok(self.push(Op::Split { sizes: sizes.to_vec() }, vec![x], &shapes))
    }

    /// [`Graph::split`] into `count` equal parts.
    pub fn chunk(&mut self, x: Tensor, count: usize) -> Result<Vec<Tensor>, ShapeError> {
        let shape = self.shape(x);
        let fits = count > 0 && last(shape).is_multiple_of(count);
        check("chunk", fits, || format!("last dimension a multiple of {count}"), &[shape])?;
        let size = last(shape) / count;
        self.split(x, &vec![size; count])
    }

    /// Same elements in another shape; costs nothing.
    pub fn reshape(&mut self, x: Tensor, shape: &[usize]) -> Result<Tensor, ShapeError> {
        let fits = !shape.is_empty() && shape.iter().product::<usize>() == self.len(x);
        check("reshape", fits, || format!("as many elements as {shape:?}"), &[self.shape(x)])?;
        Ok(self.one(Op::Reshape, vec![x], shape))
    }

    /// Mean over the first `lengths[b]` tokens: x `[B, T, D]`, lengths `[B]` → `[B, D]`.
    pub fn mean_pool(&mut self, x: Tensor, lengths: Tensor) -> Result<Tensor, ShapeError> {
        let s = self.shape(x).to_vec();
        check("mean_pool", s.len() == 3, || "[B, T, D]".into(), &[&s])?;
        self.expect("mean_pool lengths", lengths, &s[..1])?;
        Ok(self.one(Op::MeanPool, vec![x, lengths], &[s[0], s[2]]))
    }

    /// Divides every row (last dimension) by its Euclidean norm.
    pub fn l2_normalize(&mut self, x: Tensor) -> Result<Tensor, ShapeError> {
        let shape = self.shape(x).to_vec();
        Ok(self.one(Op::L2Normalize, vec![x], &shape))
    }

    /// Mean over all elements of weight\[b\]·(prediction − target)² → `[1]`, and the same for each item → `[B]` (their mean is
    /// the loss; only the first is differentiable). prediction and target `[B, ..]`, weight `[B]`.
    pub fn weighted_squared_error(
        &mut self,
        prediction: Tensor,
        target: Tensor,
        weight: Tensor,
    ) -> Result<(Tensor, Tensor), ShapeError> {
        let shape = self.shape(prediction).to_vec();
        self.expect("weighted_squared_error target", target, &shape)?;
        self.expect("weighted_squared_error weight", weight, &shape[..1])?;
        let outputs = self.push(Op::WeightedSquaredError, vec![prediction, target, weight], &[&[1], &shape[..1]]);
        Ok((outputs[0], outputs[1]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_are_inferred() {
        let mut g = Graph::new();
        let z = g.input("z", &[2, 32, 48, 4]).unwrap();
        let x = g.patchify(z, 16).unwrap();
        assert_eq!(g.shape(x), [2, 6, 1024]);
        let w = g.parameter("w", &[96, 1024]).unwrap();
        let qkv = g.linear(x, w, None).unwrap();
        let o = g.self_attention(qkv, 4, None).unwrap();
        assert_eq!(g.shape(o), [2, 6, 32]);
        let parts = g.chunk(qkv, 3).unwrap();
        assert_eq!(g.shape(parts[2]), [2, 6, 32]);
        let back = g.unpatchify(x, 16, 32, 48).unwrap();
        assert_eq!(g.shape(back), [2, 32, 48, 4]);
        assert_eq!(g.parameter("w", &[96, 1024]).unwrap(), w);
    }

    #[test]
    fn wrong_shapes_say_what_was_expected() {
        let mut g = Graph::new();
        let x = g.input("x", &[2, 5]).unwrap();
        let w = g.parameter("w", &[3, 4]).unwrap();
        let error = g.linear(x, w, None).unwrap_err();
        assert_eq!(error.to_string(), "linear: expected x [.., K] and weight [N, K], found [2, 5], [3, 4]");
        assert!(
            g.swiglu(x).is_err()
                && g.geglu(x).is_err()
                && g.add_per_item(x, w).is_err()
                && g.patchify(x, 2).is_err()
                && g.self_attention(x, 2, None).is_err()
        );
        assert!(g.parameter("w", &[3, 5]).is_err() && g.input("x", &[1]).is_err() && g.concat(&[]).is_err());
    }
}
