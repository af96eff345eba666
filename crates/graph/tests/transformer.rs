//! A small transformer that uses every operation on tokens: gradients, batches, threads, fusion and held inputs.

mod common;

use std::sync::Arc;

use common::{Item, Network, Random, parameters, set_items};
use graph::{Columns, Executor, Graph, KeyValue, Modulation, PackedParameters, Precision, QkParts, ShapeError, Tensor};
use kernels::Cpu;

const TRANSFORMER: Network = Network { graph: network, item: item_inputs, fused: 2 };
const EPS: f32 = 1e-5;
const D: usize = 16;
const HEADS: usize = 2;
const WORDS: usize = 3;

fn dense(g: &mut Graph, name: &str, x: Tensor, out: usize, bias: bool) -> Result<Tensor, ShapeError> {
    let width = g.shape(x)[g.shape(x).len() - 1];
    let weight = g.parameter(&format!("{name}.weight"), &[out, width])?;
    let bias = if bias { Some(g.parameter(&format!("{name}.bias"), &[out])?) } else { None };
    g.linear(x, weight, bias)
}

/// Image tokens attend to themselves and to text tokens; all forward operations appear.
fn network(batch: usize) -> Result<Graph, ShapeError> {
    let g = &mut Graph::new();
    let z = g.input("z", &[batch, 4, 8, 2])?;
    let t = g.input("t", &[batch])?;
    let ids = g.input("ids", &[batch, WORDS])?;
    let lengths = g.input("lengths", &[batch])?;
    let target = g.input("target", &[batch, 4, 8, 2])?;
    let weight = g.input("weight", &[batch])?;

    let table = g.parameter("words", &[7, D])?;
    let positions = g.parameter("positions", &[WORDS, D])?;
    let y = g.embedding(table, ids)?;
    let y = g.add_broadcast(y, positions)?;
    let (nw, nb) = (g.parameter("norm.weight", &[D])?, g.parameter("norm.bias", &[D])?);
    let y = g.layer_norm(y, nw, nb, EPS)?;
    let q = dense(g, "text.q", y, D, true)?;
    let k = dense(g, "text.k", y, D, false)?;
    let v = dense(g, "text.v", y, D, true)?;
    let own = KeyValue {
        key: Columns { tensor: k, offset: 0 },
        value: Columns { tensor: v, offset: 0 },
        lengths: Some(lengths),
    };
    let a = g.causal_attention(HEADS, D / HEADS, Columns { tensor: q, offset: 0 }, own)?;
    let a = dense(g, "text.o", a, D, true)?;
    let y = g.add(y, a)?;
    let u = dense(g, "text.up", y, 2 * D, true)?;
    let u = g.gelu(u)?;
    let y = dense(g, "text.down", u, D, true)?;
    let u = dense(g, "text.gated", y, 2 * D, true)?;
    let u = g.geglu(u)?;
    let y = g.add(y, u)?;
    let pooled = g.mean_pool(y, lengths)?;
    let pooled = g.l2_normalize(pooled)?;

    let t = g.scale(t, 10.0)?;
    let t = g.timestep_embedding(t, 8, 100.0)?;
    let c = dense(g, "time", t, D, true)?;
    let c = g.concat(&[c, pooled])?;
    let c = g.silu(c)?;
    let modulation = dense(g, "mod", c, 3 * D, true)?;
    let own_modulation = g.parameter("block.modulation", &[3 * D])?;
    let modulation = g.add_broadcast(modulation, own_modulation)?;
    let m = g.chunk(modulation, 3)?;

    let x = g.patchify(z, 2)?;
    let x = dense(g, "stem", x, D, false)?;
    let tokens = g.shape(x)[1];
    let h = g.rms_norm(x, None, Some(Modulation { scale: m[0], shift: m[1] }), EPS)?;
    let qkv = dense(g, "qkv", h, 3 * D, false)?;
    let yn = g.parameter("text_norm.weight", &[D])?;
    let y = g.rms_norm(y, Some(yn), None, EPS)?;
    let kv = dense(g, "kv", y, 2 * D, false)?;
    let half = D / HEADS / 2;
    let angle = |i: usize| (i as f32) * 0.7;
    let cos = g.constant(&[tokens, half], (0..tokens * half).map(|i| angle(i).cos()).collect())?;
    let sin = g.constant(&[tokens, half], (0..tokens * half).map(|i| angle(i).sin()).collect())?;
    let qw = g.parameter("q_norm", &[D / HEADS])?;
    let kw = g.parameter("k_norm", &[D / HEADS])?;
    let qkv = g.qk_norm_rotary(qkv, QkParts::Qkv, HEADS, Some(qw), kw, Some((cos, sin)), EPS)?;
    let kv = g.qk_norm_rotary(kv, QkParts::Kv, HEADS, None, kw, None, EPS)?;
    let o = g.joint_attention(qkv, kv, HEADS, Some(lengths))?;
    let o = dense(g, "o", o, D, false)?;
    let x = g.gated_add(x, m[2], o)?;
    let fw = g.parameter("final.weight", &[D])?;
    let h = g.rms_norm(x, Some(fw), Some(Modulation { scale: m[1], shift: m[0] }), EPS)?;
    let u = dense(g, "up", h, 2 * D, false)?;
    let u = g.swiglu(u)?;
    let x = dense(g, "head", u, 8, true)?;
    let x = g.reshape(x, &[batch * tokens, 8])?;
    let x = g.reshape(x, &[batch, tokens, 8])?;
    let x = g.unpatchify(x, 2, 4, 8)?;
    g.output("x", x)?;
    let (loss, by_item) = g.weighted_squared_error(x, target, weight)?;
    g.output("loss", loss)?;
    g.output("loss_by_item", by_item)?;
    Ok(std::mem::take(g))
}

fn item_inputs(random: &mut Random) -> Item {
    vec![
        ("z", random.fill(64)),
        ("t", vec![random.next().abs()]),
        ("ids", (0..WORDS).map(|_| (random.next().abs() * 6.99).floor()).collect()),
        ("lengths", vec![1.0 + (random.next().abs() * 2.99).floor()]),
        ("target", random.fill(64)),
        ("weight", vec![1.0 + random.next().abs()]),
    ]
}

#[test]
fn gradients_equal_central_differences() {
    TRANSFORMER.gradients_equal_central_differences();
}

#[test]
fn an_item_alone_equals_the_item_in_a_batch() {
    TRANSFORMER.an_item_alone_equals_the_item_in_a_batch();
}

#[test]
fn thread_count_changes_no_bit() {
    TRANSFORMER.thread_count_changes_no_bit();
}

#[test]
fn fusing_keeps_the_result() {
    TRANSFORMER.fusing_keeps_the_result();
}

#[test]
fn running_twice_gives_the_same() {
    TRANSFORMER.running_twice_gives_the_same();
}

#[test]
fn small_batches_add_up() {
    TRANSFORMER.small_batches_add_up();
}

#[test]
fn held_inputs_are_computed_once() {
    let random = &mut Random(6);
    let plain = network(2).unwrap();
    let mut held = plain.clone();
    for name in ["ids", "lengths"] {
        let tensor = held.inputs().find(|(n, _)| *n == name).unwrap().1;
        held.hold(tensor).unwrap();
    }
    let mut p = parameters(&plain, random);
    let cpu = Cpu::detected(1);
    let packed = Arc::new(PackedParameters::new(&cpu, &[&plain], &p, Precision::F32).unwrap());
    let mut a = Executor::new(&cpu, Arc::new(plain), packed.clone()).unwrap();
    let mut b = Executor::new(&cpu, Arc::new(held.clone()), packed.clone()).unwrap();
    b.set_profiling(true);
    let embedding = held.nodes().iter().position(|n| n.op == graph::Op::Embedding).unwrap();
    let mut spent = std::time::Duration::ZERO;
    let mut last: Vec<Vec<(&str, Vec<f32>)>> = Vec::new();
    for round in 0..6 {
        let mut items: Vec<_> = (0..2).map(|_| item_inputs(random)).collect();
        if round % 2 == 1 {
            // Only the picture changes: the text nodes must not run again and their results must still be there.
            for (item, before) in items.iter_mut().zip(&last) {
                for (value, old) in item.iter_mut().zip(before) {
                    if value.0 == "ids" || value.0 == "lengths" {
                        value.1.clone_from(&old.1);
                    }
                }
            }
        }
        if round == 4 {
            p.data_mut("words").unwrap()[0] += 0.5;
            packed.refresh(&p).unwrap();
        }
        for exec in [&mut a, &mut b] {
            set_items(exec, &items);
            exec.run().unwrap();
        }
        last = items;
        assert!(a.output("x").iter().zip(b.output("x")).all(|(a, b)| a.to_bits() == b.to_bits()), "round {round}");
        let now = b.node_times().nth(embedding).unwrap().1;
        assert_eq!(now == spent, round % 2 == 1, "round {round}");
        spent = now;
    }
}
