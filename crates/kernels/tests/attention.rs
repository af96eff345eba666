//! Attention against its scalar definition (and that against finite differences); padding and batching change no bit.

mod common;

use common::{check, check_gradient, dot, values};
use kernels::Cpu;
use kernels::attention::*;
use kernels::gemm::Precision;
use kernels::reference::{self, wide};
use simd::Isa;
use testkit::assert_same_bits;

/// Image tokens in one fused matrix, text tokens in another, as in joint attention.
struct Case {
    batch: usize,
    heads: usize,
    d: usize,
    tokens: usize,
    text: usize,
    lengths: Vec<f32>,
    causal: bool,
}

impl Case {
    fn width(&self) -> usize {
        self.heads * self.d
    }

    fn shape(&self) -> AttentionShape {
        let scale = AttentionShape::default_scale(self.d);
        let Self { batch, heads, d, tokens: queries, causal, .. } = *self;
        AttentionShape { batch, heads, d, queries, scale, causal }
    }

    /// Queries, and the two segments, of `qkv` `[batch·tokens, 3·width]` and `kv` `[batch·text, 2·width]`.
    fn operands<'a, T>(&'a self, qkv: &'a [T], kv: &'a [T]) -> (Columns<'a, T>, Vec<Segment<'a, T>>) {
        let w = self.width();
        let image = |offset| Columns { data: qkv, stride: 3 * w, offset };
        let text = |offset| Columns { data: kv, stride: 2 * w, offset };
        let mut segments = vec![Segment { k: image(w), v: image(2 * w), tokens: self.tokens, lengths: None }];
        if self.text > 0 {
            segments.push(Segment { k: text(0), v: text(w), tokens: self.text, lengths: Some(&self.lengths) });
        }
        (image(0), segments)
    }

    fn targets(&self) -> (Target, Vec<SegmentTarget>) {
        let w = self.width();
        let image = |offset| Target { buffer: 0, stride: 3 * w, offset };
        let text = |offset| Target { buffer: 1, stride: 2 * w, offset };
        let mut segments = vec![SegmentTarget { k: image(w), v: image(2 * w) }];
        if self.text > 0 {
            segments.push(SegmentTarget { k: text(0), v: text(w) });
        }
        (image(0), segments)
    }

    /// out, stats, dqkv, dkv
    fn run(&self, cpu: &Cpu, precision: Precision, qkv: &[f32], kv: &[f32], dout: &[f32]) -> Vec<Vec<f32>> {
        let (q, segments) = self.operands(qkv, kv);
        let mut out = vec![9.0; dout.len()];
        let mut stats = vec![9.0; self.batch * self.heads * self.tokens];
        attention(cpu, precision, &self.shape(), q, &segments, &mut out, &mut stats);
        let (mut dqkv, mut dkv) = (vec![9.0; qkv.len()], vec![9.0; kv.len()]);
        let (dq, dsegments) = self.targets();
        attention_backward(
            cpu,
            &self.shape(),
            q,
            &segments,
            &out,
            &stats,
            dout,
            &mut [&mut dqkv, &mut dkv],
            dq,
            &dsegments,
        );
        vec![out, stats, dqkv, dkv]
    }

    fn reference(&self, qkv: &[f64], kv: &[f64], dout: &[f64]) -> Vec<Vec<f64>> {
        let w = self.width();
        let (q, segments) = self.operands(qkv, kv);
        let (out, stats) = reference::attention(&self.shape(), q, &segments);
        let (dq, gradients) = reference::attention_backward(&self.shape(), q, &segments, dout);
        let (mut dqkv, mut dkv) = (vec![0.0; qkv.len()], vec![0.0; kv.len()]);
        let put = |to: &mut [f64], stride: usize, offset: usize, from: &[f64]| {
            for (r, from) in from.chunks(w).enumerate() {
                to[r * stride + offset..][..w].copy_from_slice(from);
            }
        };
        put(&mut dqkv, 3 * w, 0, &dq);
        put(&mut dqkv, 3 * w, w, &gradients[0].0);
        put(&mut dqkv, 3 * w, 2 * w, &gradients[0].1);
        if self.text > 0 {
            put(&mut dkv, 2 * w, 0, &gradients[1].0);
            put(&mut dkv, 2 * w, w, &gradients[1].1);
        }
        vec![out, stats, dqkv, dkv]
    }

    fn data(&self) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let w = self.width();
        let n = self.batch * self.tokens;
        (values(1, n * 3 * w), values(2, self.batch * self.text * 2 * w), values(3, n * w))
    }
}

/// What can be computed differently on this machine.
fn variants() -> Vec<(Isa, Precision)> {
    let precisions = [Precision::F32, Precision::Bf16];
    Isa::available().into_iter().flat_map(|isa| precisions.map(|precision| (isa, precision))).collect()
}

#[test]
fn matches_reference() {
    for (batch, heads, d, tokens, text, lengths, causal) in [
        (3, 6, 64, 16, 16, vec![16.0, 5.0, 0.0], false),
        (2, 2, 64, 64, 32, vec![31.0, 12.0], false),
        (2, 12, 32, 23, 0, vec![], false),
        (1, 2, 20, 37, 9, vec![7.0], false),
        (1, 1, 16, 300, 20, vec![13.0], false),
        (2, 3, 64, 77, 0, vec![], true),
        (1, 2, 20, 300, 0, vec![], true),
    ] {
        let case = Case { batch, heads, d, tokens, text, lengths, causal };
        let (qkv, kv, dout) = case.data();
        let want = case.reference(&wide(&qkv), &wide(&kv), &wide(&dout));
        let what = format!("attention {batch}x{heads}x{d}, {tokens}+{text}, causal {causal}");
        check(&what, 4e-6, &want, |cpu| case.run(cpu, Precision::F32, &qkv, &kv, &dout));
        // What is rounded to bf16 is wrong by up to 2^-9 of itself.
        check(&format!("{what}, bf16"), 1e-2, &want[..2], |cpu| {
            case.run(cpu, Precision::Bf16, &qkv, &kv, &dout)[..2].to_vec()
        });
    }
}

#[test]
fn masked_self_attention_without_any_key_is_zero() {
    let (batch, heads, d, tokens) = (3, 2, 32, 11);
    let w = heads * d;
    let qkv = values(1, batch * tokens * 3 * w);
    let dout = values(2, batch * tokens * w);
    let lengths = [11.0, 4.0, 0.0];
    let scale = AttentionShape::default_scale(d);
    let shape = AttentionShape { batch, heads, d, queries: tokens, scale, causal: false };
    for isa in Isa::available() {
        let cpu = Cpu::new(isa, 2);
        let column = |offset| Columns { data: &qkv[..], stride: 3 * w, offset };
        let segment = Segment { k: column(w), v: column(2 * w), tokens, lengths: Some(&lengths) };
        let (mut out, mut stats) = (vec![9.0; dout.len()], vec![9.0; batch * heads * tokens]);
        attention(&cpu, Precision::F32, &shape, column(0), &[segment], &mut out, &mut stats);
        assert!(out[2 * tokens * w..].iter().all(|o| *o == 0.0));
        assert!(stats[2 * heads * tokens..].iter().all(|s| *s == f32::NEG_INFINITY));
        let mut dqkv = vec![9.0; qkv.len()];
        let target = |offset| Target { buffer: 0, stride: 3 * w, offset };
        let dsegment = SegmentTarget { k: target(w), v: target(2 * w) };
        attention_backward(
            &cpu,
            &shape,
            column(0),
            &[segment],
            &out,
            &stats,
            &dout,
            &mut [&mut dqkv],
            target(0),
            &[dsegment],
        );
        assert!(dqkv.iter().all(|g| g.is_finite()));
        // No key in item 2; no gradient for the padding keys of item 1.
        assert!(dqkv[2 * tokens * 3 * w..].iter().all(|g| *g == 0.0));
        assert!(dqkv[(tokens + 4) * 3 * w..2 * tokens * 3 * w].chunks(3 * w).all(|r| r[w..].iter().all(|g| *g == 0.0)));
    }
}

#[test]
fn padding_and_batch_change_no_bit() {
    let case = Case { batch: 3, heads: 2, d: 64, tokens: 40, text: 16, lengths: vec![16.0, 9.0, 3.0], causal: false };
    let w = case.width();
    let (qkv, mut kv, dout) = case.data();
    for (isa, precision) in variants() {
        let cpu = Cpu::new(isa, 1);
        let all = case.run(&cpu, precision, &qkv, &kv, &dout);
        for (b, &length) in case.lengths.iter().enumerate() {
            // Padding keys are NaN.
            kv[(b * 16 + length as usize) * 2 * w..(b + 1) * 16 * 2 * w].fill(f32::NAN);
            // The item alone, without padding rows.
            let (text, lengths) = (length as usize, vec![length]);
            let alone = Case { batch: 1, heads: 2, d: 64, tokens: 40, text, lengths, causal: false };
            let (image, text) =
                (b * 40 * 3 * w..(b + 1) * 40 * 3 * w, b * 16 * 2 * w..(b * 16 + length as usize) * 2 * w);
            let one =
                alone.run(&cpu, precision, &qkv[image.clone()], &kv[text.clone()], &dout[b * 40 * w..(b + 1) * 40 * w]);
            assert_same_bits("out", &one[0], &all[0][b * 40 * w..(b + 1) * 40 * w]);
            assert_same_bits("dqkv", &one[2], &all[2][image]);
            assert_same_bits("dkv", &one[3], &all[3][text]);
        }
        let padded = case.run(&cpu, precision, &qkv, &kv, &dout);
        for (i, (a, b)) in padded.iter().zip(&all).enumerate() {
            assert_same_bits(&format!("output {i}"), a, b);
        }
        kv = case.data().1;
    }
}

#[test]
fn gradient_is_the_slope() {
    for causal in [false, true] {
        let case = Case { batch: 2, heads: 2, d: 4, tokens: 3, text: 3, lengths: vec![2.0, 0.0], causal };
        let (qkv, kv, dout) = case.data();
        let (qkv, kv, dout) = (wide(&qkv), wide(&kv), wide(&dout));
        let want = case.reference(&qkv, &kv, &dout);
        let forward = |qkv: &[f64], kv: &[f64]| {
            let (q, segments) = case.operands(qkv, kv);
            dot(&reference::attention(&case.shape(), q, &segments).0, &dout)
        };
        check_gradient("dqkv", |v| forward(v, &kv), &qkv, &want[2]);
        // Text follows the image, where causal attention does not look.
        if causal {
            assert!(want[3].iter().all(|g| *g == 0.0));
        } else {
            check_gradient("dkv", |v| forward(&qkv, v), &kv, &want[3]);
        }
    }
}

#[test]
fn later_keys_change_no_bit() {
    let case = Case { batch: 1, heads: 2, d: 32, tokens: 140, text: 0, lengths: vec![], causal: true };
    let w = case.width();
    let (qkv, kv, dout) = case.data();
    for (isa, precision) in variants() {
        let cpu = Cpu::new(isa, 2);
        let all = case.run(&cpu, precision, &qkv, &kv, &dout);
        for tokens in [1, 31, 40, 129] {
            let prefix = Case { tokens, lengths: vec![], ..case };
            let one = prefix.run(&cpu, precision, &qkv[..tokens * 3 * w], &kv, &dout[..tokens * w]);
            assert_same_bits("out", &one[0], &all[0][..tokens * w]);
        }
    }
}

#[test]
#[should_panic(expected = "disjoint columns")]
fn overlapping_targets_are_refused() {
    let case = Case { batch: 1, heads: 1, d: 8, tokens: 2, text: 0, lengths: vec![], causal: false };
    let (qkv, kv, dout) = case.data();
    let (q, segments) = case.operands(&qkv, &kv);
    let (mut dqkv, out, stats) = (vec![0.0; qkv.len()], vec![0.0; dout.len()], vec![0.0; 2]);
    let (dq, mut targets) = case.targets();
    targets[0].k.offset = 4;
    let cpu = Cpu::detected(1);
    attention_backward(&cpu, &case.shape(), q, &segments, &out, &stats, &dout, &mut [&mut dqkv], dq, &targets);
}
