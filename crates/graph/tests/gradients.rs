//! Gradients of a small transformer that uses every operation, against central differences of its own loss (f32).
//!
//! Bound: along a random direction u in each parameter, |(L(p + εu) − L(p − εu)) / 2ε − ⟨g, u⟩| ≤ 2 % of ‖g‖‖u‖/√n plus a floor
//! for the rounding of L; a deliberately wrong gradient must exceed it.

use std::sync::Arc;

use graph::{Columns, Executor, Graph, KeyValue, Modulation, PackedParameters, Parameters, Precision, QkParts, Tensor};
use graph::{ShapeError, autodiff};
use kernels::Cpu;

/// Small deterministic generator (splitmix64), uniform in [-1, 1).
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    }

    fn fill(&mut self, len: usize) -> Vec<f32> {
        (0..len).map(|_| self.next()).collect()
    }
}

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
    let a = g.attention(HEADS, D / HEADS, Columns { tensor: q, offset: 0 }, &[own])?;
    let a = dense(g, "text.o", a, D, true)?;
    let y = g.add(y, a)?;
    let u = dense(g, "text.up", y, 2 * D, true)?;
    let u = g.gelu(u)?;
    let y = dense(g, "text.down", u, D, true)?;
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

fn parameters(g: &Graph, random: &mut Random) -> Parameters {
    let mut parameters = Parameters::new();
    for (name, tensor) in g.parameters() {
        let shape = g.shape(tensor);
        let centre = if name.contains("norm") && !name.contains("bias") { 1.0 } else { 0.0 };
        let data = (0..g.len(tensor)).map(|_| centre + 0.4 * random.next()).collect();
        parameters.insert(name, shape, data).unwrap();
    }
    parameters
}

fn item_inputs(random: &mut Random) -> Vec<(&'static str, Vec<f32>)> {
    vec![
        ("z", random.fill(64)),
        ("t", vec![random.next().abs()]),
        ("ids", (0..WORDS).map(|_| (random.next().abs() * 6.99).floor()).collect()),
        ("lengths", vec![1.0 + (random.next().abs() * 2.99).floor()]),
        ("target", random.fill(64)),
        ("weight", vec![1.0 + random.next().abs()]),
    ]
}

fn set_items(executor: &mut Executor, items: &[Vec<(&'static str, Vec<f32>)>]) {
    for at in 0..items[0].len() {
        let values: Vec<f32> = items.iter().flat_map(|item| item[at].1.iter().copied()).collect();
        executor.set_input(items[0][at].0, &values).unwrap();
    }
}

fn executor(cpu: &Cpu, g: &Graph, parameters: &Parameters, precision: Precision) -> (Executor, Arc<PackedParameters>) {
    let packed = Arc::new(PackedParameters::new(cpu, &[g], parameters, precision).unwrap());
    (Executor::new(cpu, Arc::new(g.clone()), packed.clone()).unwrap(), packed)
}

#[test]
fn gradients_equal_central_differences() {
    let mut g = network(3).unwrap();
    let loss = g.outputs().iter().find(|(n, _)| n == "loss").unwrap().1;
    let found = autodiff::gradients(&mut g, loss).unwrap();
    assert_eq!(found.len(), g.parameters().count(), "every parameter has a gradient");
    let random = &mut Random(1);
    let mut p = parameters(&g, random);
    let items: Vec<_> = (0..3).map(|_| item_inputs(random)).collect();
    let (mut exec, packed) = executor(&Cpu::detected(2), &g, &p, Precision::F32);
    set_items(&mut exec, &items);
    exec.run().unwrap();
    let analytic: Vec<(String, Vec<f32>)> = exec.gradients().map(|(n, v)| (n.to_owned(), v.to_vec())).collect();
    let by_item = exec.output("loss_by_item");
    let mean = by_item.iter().sum::<f32>() / by_item.len() as f32;
    assert!((mean - exec.output("loss")[0]).abs() <= 1e-5 * mean);

    for (name, gradient) in &analytic {
        let norm = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
        assert!(norm > 1e-5, "{name}: the gradient vanishes, so the test would show nothing");
        for trial in 0..3 {
            let direction: Vec<f32> = match trial {
                // Along the gradient itself the derivative is largest.
                0 => gradient.iter().map(|g| g / norm).collect(),
                _ => {
                    let u = random.fill(gradient.len());
                    let length = u.iter().map(|x| x * x).sum::<f32>().sqrt();
                    u.iter().map(|x| x / length).collect()
                }
            };
            let original = p.get(name).unwrap().data.clone();
            let mut at = |step: f32| {
                let data = p.data_mut(name).unwrap();
                for ((d, o), u) in data.iter_mut().zip(&original).zip(&direction) {
                    *d = o + step * u;
                }
                packed.refresh(&p).unwrap();
                exec.run().unwrap();
                f64::from(exec.output("loss")[0])
            };
            let step = 1e-2;
            let numeric = (at(step) - at(-step)) / (2.0 * f64::from(step));
            at(0.0);
            let exact: f64 = gradient.iter().zip(&direction).map(|(g, u)| f64::from(g * u)).sum();
            let bound = 0.02 * f64::from(norm).min(exact.abs()) + 2e-3 * f64::from(norm) + 5e-5;
            let error = (numeric - exact).abs();
            assert!(error <= bound, "{name}: numeric {numeric}, analytic {exact}, norm {norm}");
        }
    }
}

#[test]
fn an_item_alone_equals_the_item_in_a_batch() {
    for precision in [Precision::F32, Precision::auto(Cpu::detected(1).isa)] {
        let random = &mut Random(2);
        let batch = network(3).unwrap();
        let p = parameters(&batch, random);
        let items: Vec<_> = (0..3).map(|_| item_inputs(random)).collect();
        let (mut all, _) = executor(&Cpu::detected(2), &batch, &p, precision);
        set_items(&mut all, &items);
        all.run().unwrap();
        let (mut alone, _) = executor(&Cpu::detected(1), &network(1).unwrap(), &p, precision);
        for (i, item) in items.iter().enumerate() {
            set_items(&mut alone, std::slice::from_ref(item));
            alone.run().unwrap();
            let (x, in_batch) = (alone.output("x"), &all.output("x")[i * 64..][..64]);
            assert!(x.iter().zip(in_batch).all(|(a, b)| a.to_bits() == b.to_bits()), "item {i}, {precision:?}");
        }
    }
}

#[test]
fn thread_count_changes_no_bit() {
    for precision in [Precision::F32, Precision::auto(Cpu::detected(1).isa)] {
        let mut g = network(3).unwrap();
        let loss = g.outputs()[1].1;
        autodiff::gradients(&mut g, loss).unwrap();
        let random = &mut Random(3);
        let p = parameters(&g, random);
        let items: Vec<_> = (0..3).map(|_| item_inputs(random)).collect();
        let mut bits: Vec<Vec<u32>> = Vec::new();
        for threads in [1, 2, 3] {
            let (mut exec, _) = executor(&Cpu::detected(threads), &g, &p, precision);
            set_items(&mut exec, &items);
            exec.run().unwrap();
            let values = exec.gradients().flat_map(|(_, v)| v).chain(exec.output("x"));
            bits.push(values.map(|v| v.to_bits()).collect());
        }
        assert!(bits[0] == bits[1] && bits[0] == bits[2], "{precision:?}");
    }
}

#[test]
fn fusing_keeps_the_result() {
    let random = &mut Random(4);
    let plain = network(2).unwrap();
    let fused = graph::fuse::fuse(&plain);
    assert_eq!(fused.nodes().len() + 2, plain.nodes().len());
    let p = parameters(&plain, random);
    let items: Vec<_> = (0..2).map(|_| item_inputs(random)).collect();
    let mut results = Vec::new();
    for g in [&plain, &fused] {
        let (mut exec, _) = executor(&Cpu::detected(1), g, &p, Precision::F32);
        set_items(&mut exec, &items);
        exec.run().unwrap();
        results.push(exec.output("x").to_vec());
    }
    for (a, b) in results[0].iter().zip(&results[1]) {
        assert!((a - b).abs() <= 1e-5, "{a} {b}");
    }
}

#[test]
fn running_twice_gives_the_same() {
    let random = &mut Random(5);
    let mut g = network(1).unwrap();
    let loss = g.outputs()[1].1;
    autodiff::gradients(&mut g, loss).unwrap();
    let p = parameters(&g, random);
    let item = item_inputs(random);
    let (mut exec, _) = executor(&Cpu::detected(1), &g, &p, Precision::F32);
    set_items(&mut exec, std::slice::from_ref(&item));
    exec.run().unwrap();
    let first: Vec<f32> = exec.gradients().flat_map(|(_, v)| v).copied().collect();
    exec.run().unwrap();
    let second: Vec<f32> = exec.gradients().flat_map(|(_, v)| v).copied().collect();
    assert!(first.iter().zip(&second).all(|(a, b)| a.to_bits() == b.to_bits()));
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

#[test]
fn small_batches_add_up() {
    let random = &mut Random(7);
    let differentiated = |batch| {
        let mut g = network(batch).unwrap();
        let loss = g.outputs()[1].1;
        autodiff::gradients(&mut g, loss).unwrap();
        g
    };
    let (cpu, g) = (Cpu::detected(1), differentiated(1));
    let p = parameters(&g, random);
    let items: Vec<_> = (0..3).map(|_| item_inputs(random)).collect();
    let (mut all, _) = executor(&cpu, &differentiated(3), &p, Precision::F32);
    set_items(&mut all, &items);
    all.run().unwrap();
    let (mut one, _) = executor(&cpu, &g, &p, Precision::F32);
    for _ in 0..2 {
        for (i, item) in items.iter().enumerate() {
            set_items(&mut one, std::slice::from_ref(item));
            if i == 0 { one.run().unwrap() } else { one.run_adding().unwrap() }
        }
        for ((name, want), (_, sum)) in all.gradients().zip(one.gradients()) {
            let mean: Vec<f32> = sum.iter().map(|x| x / items.len() as f32).collect();
            testkit::assert_close(name, &mean, want, 1e-3, 1e-5);
        }
    }
}
