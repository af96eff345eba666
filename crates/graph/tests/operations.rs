//! Every forward operation through the executor against the scalar definitions of the kernels (f64).
//!
//! Bound: |got − want| ≤ 1e-4·|want| + 1e-5; values are of order one and sums have fewer than 100 terms.

use std::sync::Arc;

use graph::{Conv2dOptions, Executor, Graph, KeyValue, Modulation, PackedParameters, Parameters};
use graph::{Precision, QkParts, ShapeError, Tensor};
use kernels::attention::{AttentionShape, Columns, Segment};
use kernels::conv::ConvShape;
use kernels::elementwise::{GroupTable, PixelShape};
use kernels::norm::{GroupNormShape, Part, QkNorm, Rotary};
use kernels::patchify::PatchShape;
use kernels::reference::{self, wide};
use kernels::{Cpu, norm};
use testkit::assert_close;

const EPS: f32 = 1e-5;

/// Deterministic values in [-1, 1): a multiplicative sequence (golden ratio), different for each salt.
fn values(len: usize, salt: usize) -> Vec<f32> {
    (0..len).map(|i| ((i + 1 + 131 * salt) as f64 * 0.618_033_988_749_895).fract() as f32 * 2.0 - 1.0).collect()
}

/// Runs a graph whose inputs and parameters hold [`values`] of their position; returns them and the output.
fn run(build: impl FnOnce(&mut Graph) -> Result<Tensor, ShapeError>) -> (Vec<Vec<f32>>, Vec<f32>) {
    let mut g = Graph::new();
    let y = build(&mut g).unwrap();
    g.output("y", y).unwrap();
    let mut filled = Vec::new();
    let mut parameters = Parameters::new();
    for (i, (name, t)) in g.parameters().enumerate() {
        filled.push(values(g.len(t), 50 + i));
        parameters.insert(name, g.shape(t), values(g.len(t), 50 + i)).unwrap();
    }
    let cpu = Cpu::detected(2);
    let packed = Arc::new(PackedParameters::new(&cpu, &[&g], &parameters, Precision::F32).unwrap());
    let mut exec = Executor::new(&cpu, Arc::new(g.clone()), packed).unwrap();
    let mut inputs = Vec::new();
    for (i, (name, t)) in g.inputs().enumerate() {
        let data = match name {
            "lengths" => vec![2.0, 3.0],
            "ids" => vec![3.0, 0.0, 4.0, 3.0],
            _ => values(g.len(t), i),
        };
        exec.set_input(name, &data).unwrap();
        inputs.push(data);
    }
    exec.run().unwrap();
    inputs.extend(filled);
    (inputs, exec.output("y").to_vec())
}

#[track_caller]
fn same(what: &str, got: &[f32], want: &[f64]) {
    let want: Vec<f32> = want.iter().map(|&x| x as f32).collect();
    assert_close(what, got, &want, 1e-4, 1e-5);
}

#[test]
fn linear() {
    let (x, y) = run(|g| {
        let (x, w, b) = (g.input("x", &[2, 3, 5])?, g.parameter("w", &[4, 5])?, g.parameter("b", &[4])?);
        g.linear(x, w, Some(b))
    });
    let mut want = vec![0.0; 24];
    for (r, row) in x[0].chunks(5).enumerate() {
        for (n, w) in x[1].chunks(5).enumerate() {
            want[r * 4 + n] = f64::from(x[2][n]) + row.iter().zip(w).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        }
    }
    same("linear", &y, &want);
}

#[test]
fn norms() {
    let (x, y) = run(|g| {
        let (x, scale, shift) = (g.input("x", &[2, 3, 8])?, g.input("scale", &[2, 8])?, g.input("shift", &[2, 8])?);
        let w = g.parameter("w", &[8])?;
        g.rms_norm(x, Some(w), Some(Modulation { scale, shift }), EPS)
    });
    let (scale, shift) = (wide(&x[1]), wide(&x[2]));
    let modulation = norm::Modulation { scale: &scale, shift: &shift, stride: 8, rows_per_group: 3 };
    same("rms_norm", &y, &reference::rms_norm(8, &wide(&x[0]), Some(&wide(&x[3])), Some(&modulation), EPS.into()).0);

    let (x, y) = run(|g| {
        let (x, w, b) = (g.input("x", &[6, 8])?, g.parameter("w", &[8])?, g.parameter("b", &[8])?);
        g.layer_norm(x, w, b, EPS)
    });
    same("layer_norm", &y, &reference::layer_norm(8, &wide(&x[0]), &wide(&x[1]), &wide(&x[2]), EPS.into()));

    let (x, y) = run(|g| {
        let x = g.input("x", &[6, 8])?;
        g.l2_normalize(x)
    });
    same("l2_normalize", &y, &reference::l2_normalise(8, &wide(&x[0]), 1e-12));
}

#[test]
fn elementwise() {
    let (x, y) = run(|g| {
        let (x, y) = (g.input("a", &[2, 6])?, g.input("b", &[2, 6])?);
        let x = g.add(x, y)?;
        g.scale(x, 3.0)
    });
    let want: Vec<f64> = x[0].iter().zip(&x[1]).map(|(a, b)| 3.0 * f64::from(a + b)).collect();
    same("add, scale", &y, &want);

    let (x, y) = run(|g| {
        let (x, row) = (g.input("x", &[2, 3, 4])?, g.parameter("row", &[3, 4])?);
        g.add_broadcast(x, row)
    });
    same("add_broadcast", &y, &reference::add_rows(&wide(&x[0]), &wide(&x[1])));

    let (x, y) = run(|g| {
        let (x, gate, y) = (g.input("x", &[2, 3, 4])?, g.input("gate", &[2, 4])?, g.input("y", &[2, 3, 4])?);
        g.gated_add(x, gate, y)
    });
    let gate = GroupTable { data: &wide(&x[1])[..], stride: 4, rows_per_group: 3 };
    same("gated_add", &y, &reference::gated_add(4, &wide(&x[0]), &wide(&x[2]), &gate));

    let (x, y) = run(|g| {
        let (x, row) = (g.input("x", &[2, 3, 5, 4])?, g.input("row", &[2, 4])?);
        g.add_per_item(x, row)
    });
    let row = GroupTable { data: &wide(&x[1])[..], stride: 4, rows_per_group: 15 };
    same("add_per_item", &y, &reference::add_groups(4, &wide(&x[0]), &row));

    type Build = fn(&mut Graph, Tensor) -> Result<Tensor, ShapeError>;
    type Definition = fn(&[f64]) -> Vec<f64>;
    let cases: [(&str, Build, Definition); 6] = [
        ("relu", Graph::relu, reference::relu),
        ("tanh", Graph::tanh, reference::tanh),
        ("silu", Graph::silu, reference::silu),
        ("gelu", Graph::gelu, reference::gelu),
        ("swiglu", Graph::swiglu, |x| reference::swiglu(4, x)),
        ("geglu", Graph::geglu, |x| reference::geglu(4, x)),
    ];
    for (name, build, definition) in cases {
        let (x, y) = run(|g| {
            let x = g.input("x", &[3, 8])?;
            build(g, x)
        });
        same(name, &y, &definition(&wide(&x[0])));
    }
}

#[test]
fn attention_and_its_norm() {
    let (x, y) = run(|g| {
        let (qkv, kv, lengths) = (g.input("qkv", &[2, 5, 24])?, g.input("kv", &[2, 3, 16])?, g.input("lengths", &[2])?);
        g.joint_attention(qkv, kv, 2, Some(lengths))
    });
    let (qkv, kv) = (wide(&x[0]), wide(&x[1]));
    let view = |data, stride, offset| Columns { data, stride, offset };
    let q = view(&qkv[..], 24, 0);
    let own = Segment { k: view(&qkv[..], 24, 8), v: view(&qkv[..], 24, 16), tokens: 5, lengths: None };
    let text = Segment { k: view(&kv[..], 16, 0), v: view(&kv[..], 16, 8), tokens: 3, lengths: Some(&x[2][..]) };
    let shape = AttentionShape { batch: 2, heads: 2, d: 4, queries: 5, scale: 0.5, causal: false };
    same("joint_attention", &y, &reference::attention(&shape, q, &[own, text]).0);

    let (x, y) = run(|g| {
        let qkv = g.input("qkv", &[2, 5, 24])?;
        let columns = |offset| graph::Columns { tensor: qkv, offset };
        g.causal_attention(2, 4, columns(0), KeyValue { key: columns(8), value: columns(16), lengths: None })
    });
    let qkv = wide(&x[0]);
    let own = Segment { k: view(&qkv[..], 24, 8), v: view(&qkv[..], 24, 16), tokens: 5, lengths: None };
    let shape = AttentionShape { causal: true, ..shape };
    same("causal_attention", &y, &reference::attention(&shape, view(&qkv[..], 24, 0), &[own]).0);

    let (x, y) = run(|g| {
        let qkv = g.input("qkv", &[2, 5, 24])?;
        let (cos, sin) = (g.constant(&[5, 2], values(10, 7))?, g.constant(&[5, 2], values(10, 8))?);
        let (q, k) = (g.parameter("q", &[4])?, g.parameter("k", &[4])?);
        g.qk_norm_rotary(qkv, QkParts::Qkv, 2, Some(q), k, Some((cos, sin)), EPS)
    });
    let (cos, sin, q, k) = (wide(&values(10, 7)), wide(&values(10, 8)), wide(&x[1]), wide(&x[2]));
    let config = QkNorm {
        heads: 2,
        d: 4,
        parts: &[Part::Query, Part::Key, Part::Value],
        query_weight: Some(&q[..]),
        key_weight: Some(&k[..]),
        eps: EPS,
        rotary: Some(Rotary { cos: &cos[..], sin: &sin[..] }),
    };
    same("qk_norm_rotary", &y, &reference::qk_norm_rotary(&config, &wide(&x[0])));
}

#[test]
fn lookups_patches_and_pooling() {
    let (x, y) = run(|g| {
        let (ids, table) = (g.input("ids", &[2, 2])?, g.parameter("table", &[5, 3])?);
        g.embedding(table, ids)
    });
    same("embedding", &y, &reference::embedding(3, &x[0], &wide(&x[1])));

    let (x, y) = run(|g| {
        let t = g.input("t", &[3])?;
        g.timestep_embedding(t, 8, 1000.0)
    });
    same("timestep_embedding", &y, &reference::timestep_embedding(8, 1000.0, &wide(&x[0])));

    let (x, y) = run(|g| {
        let z = g.input("z", &[2, 4, 6, 3])?;
        g.patchify(z, 2)
    });
    let shape = PatchShape { batch: 2, height: 4, width: 6, channels: 3, patch: 2 };
    same("patchify", &y, &reference::patchify(&shape, &wide(&x[0])));
    let (x, y) = run(|g| {
        let z = g.input("z", &[2, 6, 12])?;
        g.unpatchify(z, 2, 4, 6)
    });
    same("unpatchify", &y, &reference::unpatchify(&shape, &wide(&x[0])));

    let (x, y) = run(|g| {
        let (x, lengths) = (g.input("x", &[2, 4, 3])?, g.input("lengths", &[2])?);
        g.mean_pool(x, lengths)
    });
    same("mean_pool", &y, &reference::mean_pool(3, 4, &wide(&x[0]), Some(&x[1])));

    let (x, y) = run(|g| {
        let (a, b) = (g.input("a", &[2, 3])?, g.input("b", &[2, 5])?);
        let joined = g.concat(&[a, b])?;
        Ok(g.split(joined, &[2, 4, 2])?[1])
    });
    let want: Vec<f64> =
        (0..2).flat_map(|r| [x[0][r * 3 + 2], x[1][r * 5], x[1][r * 5 + 1], x[1][r * 5 + 2]]).map(f64::from).collect();
    same("concat, split", &y, &want);
}

#[test]
fn pictures() {
    let options = Conv2dOptions { stride: 2, padding: [1, 2, 0, 1], upsample: 2, crop: (0, 1) };
    let (x, y) = run(|g| {
        let (x, w, b) = (g.input("x", &[2, 3, 4, 2])?, g.parameter("w", &[5, 3, 2, 2])?, g.parameter("b", &[5])?);
        g.conv2d(x, w, Some(b), options)
    });
    let shape = ConvShape {
        batch: 2,
        height: 3,
        width: 4,
        channels_in: 2,
        channels_out: 5,
        kernel: (3, 2),
        stride: 2,
        padding: [1, 2, 0, 1],
        upsample: 2,
        crop: (0, 1),
    };
    let bias = wide(&x[2]);
    let plain = reference::conv2d(&shape, &wide(&x[0]), &wide(&x[1]));
    let want: Vec<f64> = plain.iter().enumerate().map(|(i, y)| y + bias[i % 5]).collect();
    same("conv2d", &y, &want);

    for silu in [false, true] {
        let (x, y) = run(|g| {
            let (x, w, b) = (g.input("x", &[2, 3, 4, 6])?, g.parameter("w", &[6])?, g.parameter("b", &[6])?);
            g.group_norm(x, w, b, 3, EPS, silu)
        });
        let shape = GroupNormShape { batch: 2, pixels: 12, channels: 6, groups: 3 };
        let (w, b) = (wide(&x[1]), wide(&x[2]));
        same("group_norm", &y, &reference::group_norm(&shape, &wide(&x[0]), &w, &b, EPS.into(), silu).0);
    }

    let shape = PixelShape { batch: 2, height: 2, width: 3, channels: 2, factor: 3 };
    let (x, y) = run(|g| {
        let x = g.input("x", &[2, 2, 3, 18])?;
        g.pixel_shuffle(x, 3)
    });
    same("pixel_shuffle", &y, &reference::pixel_shuffle(&shape, &wide(&x[0])));
    let (x, y) = run(|g| {
        let x = g.input("x", &[2, 6, 9, 2])?;
        g.pixel_unshuffle(x, 3)
    });
    same("pixel_unshuffle", &y, &reference::pixel_unshuffle(&shape, &wide(&x[0])));
}

#[test]
fn loss() {
    let (x, y) = run(|g| {
        let (a, b, w) = (g.input("a", &[2, 3])?, g.input("b", &[2, 3])?, g.input("lengths", &[2])?);
        Ok(g.weighted_squared_error(a, b, w)?.0)
    });
    let want = reference::weighted_squared_error(3, &wide(&x[0]), &wide(&x[1]), &wide(&x[2])).0;
    same("weighted_squared_error", &y, &[want]);
}

#[test]
fn mistakes_are_errors() {
    let mut g = Graph::new();
    let (ids, table) = (g.input("ids", &[2]).unwrap(), g.parameter("table", &[5, 3]).unwrap());
    let y = g.embedding(table, ids).unwrap();
    g.output("y", y).unwrap();
    let cpu = Cpu::detected(1);
    let mut parameters = Parameters::new();
    assert!(PackedParameters::new(&cpu, &[&g], &parameters, Precision::F32).is_err());
    parameters.insert("table", &[5, 3], values(15, 0)).unwrap();
    assert!(parameters.insert("table", &[5, 3], values(15, 0)).is_err());
    let packed = Arc::new(PackedParameters::new(&cpu, &[&g], &parameters, Precision::F32).unwrap());
    let mut exec = Executor::new(&cpu, Arc::new(g), packed.clone()).unwrap();
    assert!(exec.set_input("ids", &[1.0]).is_err());
    assert!(exec.set_input("idz", &[1.0, 2.0]).is_err());
    for wrong in [5.0, -1.0, f32::NAN] {
        exec.set_input("ids", &[1.0, wrong]).unwrap();
        assert!(exec.run().is_err());
    }
    exec.set_input("ids", &[1.0, 4.0]).unwrap();
    exec.run().unwrap();
    let mut other = Graph::new();
    let (x, w) = (other.input("x", &[1, 3]).unwrap(), other.parameter("table", &[5, 3]).unwrap());
    let y = other.linear(x, w, None).unwrap();
    other.output("y", y).unwrap();
    assert!(Executor::new(&cpu, Arc::new(other), packed).is_err(), "packed as a table, not as a weight");
}
