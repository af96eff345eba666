//! Scalar definition of attention in f64; see `crate::attention` for shapes.

use crate::attention::{AttentionShape, Columns, Segment};

/// Valid keys of batch item `b`: `(segment, row)`.
fn keys(segments: &[Segment<f64>], b: usize) -> Vec<(usize, usize)> {
    let mut all = Vec::new();
    for (s, segment) in segments.iter().enumerate() {
        all.extend((0..segment.length(b)).map(|t| (s, b * segment.tokens + t)));
    }
    all
}

/// Those of `keys` that query `i` sees.
fn seen<'a>(shape: &AttentionShape, keys: &'a [(usize, usize)], i: usize) -> &'a [(usize, usize)] {
    if shape.causal { &keys[..keys.len().min(i + 1)] } else { keys }
}

fn head<'a>(c: &Columns<'a, f64>, d: usize, row: usize, h: usize) -> &'a [f64] {
    &c.data[row * c.stride + c.offset + h * d..][..d]
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Log-sum-exp and probabilities of one query.
fn probabilities(
    shape: &AttentionShape,
    q: &[f64],
    segments: &[Segment<f64>],
    keys: &[(usize, usize)],
    h: usize,
) -> (f64, Vec<f64>) {
    let scores: Vec<f64> =
        keys.iter().map(|&(s, row)| shape.scale as f64 * dot(q, head(&segments[s].k, shape.d, row, h))).collect();
    let max = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = scores.iter().map(|s| (s - max).exp()).sum();
    let lse = if keys.is_empty() { f64::NEG_INFINITY } else { max + sum.ln() };
    (lse, scores.iter().map(|s| (s - lse).exp()).collect())
}

/// Definition of `attention::attention`: `(out, log-sum-exp)`.
pub fn attention(shape: &AttentionShape, q: Columns<f64>, segments: &[Segment<f64>]) -> (Vec<f64>, Vec<f64>) {
    let AttentionShape { batch, heads, d, queries, .. } = *shape;
    let mut out = vec![0.0; batch * queries * heads * d];
    let mut stats = vec![0.0; batch * heads * queries];
    for b in 0..batch {
        let keys = keys(segments, b);
        for h in 0..heads {
            for i in 0..queries {
                let row = b * queries + i;
                let keys = seen(shape, &keys, i);
                let (lse, p) = probabilities(shape, head(&q, d, row, h), segments, keys, h);
                stats[(b * heads + h) * queries + i] = lse;
                let out = &mut out[(row * heads + h) * d..][..d];
                for (p, &(s, key)) in p.iter().zip(keys) {
                    for (o, v) in out.iter_mut().zip(head(&segments[s].v, d, key, h)) {
                        *o += p * v;
                    }
                }
            }
        }
    }
    (out, stats)
}

/// Gradients of a segment's keys and values, each dense `[rows, heads·d]`.
pub type SegmentGradient = (Vec<f64>, Vec<f64>);

/// Definition of `attention::attention_backward`: `(dq, [(dk, dv)])`, each dense `[rows, heads·d]`.
pub fn attention_backward(
    shape: &AttentionShape,
    q: Columns<f64>,
    segments: &[Segment<f64>],
    dout: &[f64],
) -> (Vec<f64>, Vec<SegmentGradient>) {
    let AttentionShape { batch, heads, d, queries, .. } = *shape;
    let scale = shape.scale as f64;
    let mut dq = vec![0.0; batch * queries * heads * d];
    let mut grads: Vec<SegmentGradient> = segments
        .iter()
        .map(|s| (vec![0.0; batch * s.tokens * heads * d], vec![0.0; batch * s.tokens * heads * d]))
        .collect();
    for b in 0..batch {
        let keys = keys(segments, b);
        for h in 0..heads {
            for i in 0..queries {
                let row = b * queries + i;
                let query = head(&q, d, row, h);
                let dout = &dout[(row * heads + h) * d..][..d];
                let keys = seen(shape, &keys, i);
                let (_, p) = probabilities(shape, query, segments, keys, h);
                let dp: Vec<f64> = keys.iter().map(|&(s, key)| dot(dout, head(&segments[s].v, d, key, h))).collect();
                let mean = dot(&p, &dp);
                for (j, &(s, key)) in keys.iter().enumerate() {
                    let ds = p[j] * (dp[j] - mean) * scale;
                    let at = (key * heads + h) * d;
                    for c in 0..d {
                        dq[(row * heads + h) * d + c] += ds * head(&segments[s].k, d, key, h)[c];
                        grads[s].0[at + c] += ds * query[c];
                        grads[s].1[at + c] += p[j] * dout[c];
                    }
                }
            }
        }
    }
    (dq, grads)
}
