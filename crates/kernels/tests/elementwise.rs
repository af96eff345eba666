//! Activations, additions, copies, pooling, loss, embeddings and patches against their scalar definitions.

mod common;

use common::{check, check_gradient, dot, values};
use kernels::Cpu;
use kernels::elementwise::*;
use kernels::embed::*;
use kernels::patchify::*;
use kernels::reference::{self, wide};

/// Longer than a task, and not whole vectors.
const N: usize = 40_003;

#[test]
fn activations_match_reference() {
    let x: Vec<f32> = values(1, N).iter().map(|x| x * 4.0).collect();
    let dy = values(2, N);
    let (x64, dy64) = (wide(&x), wide(&dy));
    let want = [
        reference::silu(&x64),
        reference::silu_backward(&x64, &dy64),
        reference::gelu(&x64),
        reference::gelu_backward(&x64, &dy64),
        reference::relu(&x64),
        reference::relu_backward(&x64, &dy64),
        reference::tanh(&x64),
        reference::tanh_backward(&x64, &dy64),
    ];
    check("activations", 1e-6, &want, |cpu| {
        let mut out = vec![vec![9.0; N]; 8];
        silu(cpu, &x, &mut out[0]);
        silu_backward(cpu, &x, &dy, &mut out[1]);
        gelu(cpu, &x, &mut out[2]);
        gelu_backward(cpu, &x, &dy, &mut out[3]);
        relu(cpu, &x, &mut out[4]);
        relu_backward(cpu, &x, &dy, &mut out[5]);
        tanh(cpu, &x, &mut out[6]);
        tanh_backward(cpu, &x, &dy, &mut out[7]);
        out
    });
}

#[test]
fn relu_keeps_nan() {
    check("relu", 0.0, &[vec![0.0, 0.0, 2.0]], |cpu| {
        let mut y = vec![9.0; 4];
        relu(cpu, &[-1.0, 0.0, 2.0, f32::NAN], &mut y);
        assert!(y[3].is_nan());
        vec![y[..3].to_vec()]
    });
}

#[test]
fn swiglu_matches_reference() {
    for (rows, h) in [(40, 1024), (9, 21)] {
        let (x, dy) = (values(1, rows * 2 * h), values(2, rows * h));
        let want = [reference::swiglu(h, &wide(&x)), reference::swiglu_backward(h, &wide(&x), &wide(&dy))];
        check(&format!("swiglu {rows}x{h}"), 1e-6, &want, |cpu| {
            let (mut y, mut dx) = (vec![9.0; rows * h], vec![9.0; rows * 2 * h]);
            swiglu(cpu, h, &x, &mut y);
            swiglu_backward(cpu, h, &x, &dy, &mut dx);
            vec![y, dx]
        });
    }
}

#[test]
fn geglu_matches_reference() {
    for (rows, h) in [(40, 1024), (9, 21)] {
        let (x, dy) = (values(1, rows * 2 * h), values(2, rows * h));
        let want = [reference::geglu(h, &wide(&x)), reference::geglu_backward(h, &wide(&x), &wide(&dy))];
        check(&format!("geglu {rows}x{h}"), 1e-6, &want, |cpu| {
            let (mut y, mut dx) = (vec![9.0; rows * h], vec![9.0; rows * 2 * h]);
            geglu(cpu, h, &x, &mut y);
            geglu_backward(cpu, h, &x, &dy, &mut dx);
            vec![y, dx]
        });
    }
}

/// Both halves of each row `[2h]`.
fn halves(h: usize, x: &[f32]) -> [Vec<f32>; 2] {
    let half = |at: usize| x.chunks(h).skip(at).step_by(2).flatten().copied().collect();
    [half(0), half(1)]
}

#[test]
fn gated_activations_are_products_to_the_bit() {
    let (rows, h) = (9, 21);
    let (x, dy) = (values(1, rows * 2 * h), values(2, rows * h));
    let [first, second] = halves(h, &x);
    let product = |a: &[f32], b: &[f32]| -> Vec<f32> { a.iter().zip(b).map(|(a, b)| a * b).collect() };
    for isa in simd::Isa::available() {
        let cpu = Cpu::new(isa, 2);
        let (mut opened, mut y, mut dx) = (vec![9.0; rows * h], vec![9.0; rows * h], vec![9.0; rows * 2 * h]);
        silu(&cpu, &first, &mut opened);
        swiglu(&cpu, h, &x, &mut y);
        testkit::assert_same_bits("swiglu", &y, &product(&opened, &second));
        gelu(&cpu, &second, &mut opened);
        geglu(&cpu, h, &x, &mut y);
        testkit::assert_same_bits("geglu", &y, &product(&first, &opened));
        geglu_backward(&cpu, h, &x, &dy, &mut dx);
        let [dvalue, dgate] = halves(h, &dx);
        testkit::assert_same_bits("geglu, value", &dvalue, &product(&dy, &opened));
        let mut slope = vec![9.0; rows * h];
        gelu_backward(&cpu, &second, &vec![1.0; rows * h], &mut slope);
        testkit::assert_same_bits("geglu, gate", &dgate, &product(&product(&dy, &first), &slope));
    }
}

#[test]
fn activation_gradients_are_the_slopes() {
    let (x, dy) = (wide(&values(1, 12)), wide(&values(2, 12)));
    check_gradient("silu", |v| dot(&reference::silu(v), &dy), &x, &reference::silu_backward(&x, &dy));
    check_gradient("gelu", |v| dot(&reference::gelu(v), &dy), &x, &reference::gelu_backward(&x, &dy));
    check_gradient("relu", |v| dot(&reference::relu(v), &dy), &x, &reference::relu_backward(&x, &dy));
    check_gradient("tanh", |v| dot(&reference::tanh(v), &dy), &x, &reference::tanh_backward(&x, &dy));
    let dx = reference::swiglu_backward(3, &x, &dy[..6]);
    check_gradient("swiglu", |v| dot(&reference::swiglu(3, v), &dy[..6]), &x, &dx);
    let dx = reference::geglu_backward(3, &x, &dy[..6]);
    check_gradient("geglu", |v| dot(&reference::geglu(3, v), &dy[..6]), &x, &dx);
    // erf is its own series here: check it against tabulated values.
    for (x, want) in [(0.5, 0.520_499_877_813_046_5), (1.0, 0.842_700_792_949_714_9), (3.5, 0.999_999_256_901_627_7)] {
        assert!((reference::erf(x) - want).abs() < 1e-14, "erf({x})");
        assert!((reference::erf(-x) + want).abs() < 1e-14, "erf(-{x})");
    }
}

#[test]
fn sums_and_products_match_reference() {
    let (a, b) = (values(1, N), values(2, N));
    let (a64, b64) = (wide(&a), wide(&b));
    let sum = reference::add(&a64, &b64);
    let want = [sum.clone(), sum, reference::multiply(&a64, &b64), reference::scale(0.3f32 as f64, &a64)];
    check("add, multiply, scale", 1e-7, &want, |cpu| {
        let mut out = vec![vec![9.0; N]; 4];
        add(cpu, &a, &b, &mut out[0]);
        out[1].copy_from_slice(&a);
        add_assign(cpu, &mut out[1], &b);
        multiply(cpu, &a, &b, &mut out[2]);
        scale(cpu, 0.3, &a, &mut out[3]);
        out
    });
}

#[test]
fn group_kernels_match_reference() {
    for (groups, rows_per_group, d) in [(5, 16, 384), (2, 77, 30), (1, 200, 24)] {
        let (rows, stride) = (groups * rows_per_group, d + 3);
        let (x, y, table) = (values(1, rows * d), values(2, rows * d), values(3, groups * stride));
        let (x64, y64, table64) = (wide(&x), wide(&y), wide(&table));
        let gate = GroupTable { data: &table[..], stride, rows_per_group };
        let gate64 = GroupTable { data: &table64[..], stride, rows_per_group };
        let (dy, dgate) = reference::gated_add_backward(d, &y64, &gate64, &x64);
        let want = [
            reference::gated_add(d, &x64, &y64, &gate64),
            dy,
            dgate,
            reference::add_groups(d, &x64, &gate64),
            reference::add_groups(d, &vec![0.0; rows * d], &gate64),
            reference::group_sum(d, rows_per_group, &x64),
            reference::add_rows(&x64, &table64[..d]),
            reference::add_rows_backward(&x64, d),
            reference::add_rows_backward(&x64, rows_per_group * d),
        ];
        check(&format!("groups {groups}x{rows_per_group}x{d}"), 1e-6, &want, |cpu| {
            let mut out: Vec<Vec<f32>> = want.iter().map(|w| vec![9.0; w.len()]).collect();
            gated_add(cpu, d, &x, &y, &gate, &mut out[0]);
            let (dy, dgate) = out.split_at_mut(2);
            gated_add_backward(cpu, d, &y, &gate, &x, &mut dy[1], Some(&mut dgate[0]));
            add_groups(cpu, d, &x, &gate, &mut out[3]);
            broadcast_groups(cpu, d, &gate, &mut out[4]);
            group_sum(cpu, d, rows_per_group, &x, &mut out[5]);
            add_rows(cpu, &x, &table[..d], &mut out[6]);
            add_rows_backward(cpu, &x, &mut out[7]);
            add_rows_backward(cpu, &x, &mut out[8]);
            out
        });
    }
}

#[test]
fn gated_add_gradient_is_the_slope() {
    let (rows, d, rows_per_group) = (4, 3, 2);
    let (x, y, g, dout) = (wide(&values(1, 12)), wide(&values(2, 12)), wide(&values(3, 6)), wide(&values(4, rows * d)));
    let forward = |y: &[f64], g: &[f64]| {
        dot(&reference::gated_add(d, &x, y, &GroupTable { data: g, stride: d, rows_per_group }), &dout)
    };
    let (dy, dg) = reference::gated_add_backward(d, &y, &GroupTable { data: &g[..], stride: d, rows_per_group }, &dout);
    check_gradient("dy", |v| forward(v, &g), &y, &dy);
    check_gradient("dgate", |v| forward(&y, v), &g, &dg);
}

#[test]
fn columns_are_copied_and_added() {
    let (rows, src) = (501, values(1, 501 * 70));
    let mut want = vec![1.0f64; rows * 100];
    for r in 0..rows {
        for c in 0..40 {
            want[r * 100 + 7 + c] = src[r * 70 + 20 + c] as f64;
        }
    }
    let added: Vec<f64> =
        (0..want.len()).map(|i| if (7..47).contains(&(i % 100)) { 1.0 + want[i] } else { 1.0 }).collect();
    check("columns", 1e-7, &[want, added], |cpu| {
        let (mut copied, mut added) = (vec![1.0; rows * 100], vec![1.0; rows * 100]);
        copy_columns(cpu, rows, 40, &src, 70, 20, &mut copied, 100, 7);
        add_columns(cpu, rows, 40, &src, 70, 20, &mut added, 100, 7);
        vec![copied, added]
    });
}

#[test]
fn loss_matches_reference() {
    let (groups, group_len) = (5, 9000);
    let (a, b, w) = (values(1, groups * group_len), values(2, groups * group_len), values(3, groups));
    let (a64, b64, w64) = (wide(&a), wide(&b), wide(&w));
    let (loss, per_group) = reference::weighted_squared_error(group_len, &a64, &b64, &w64);
    let da = reference::weighted_squared_error_backward(group_len, &a64, &b64, &w64, 1.5);
    check("loss", 2e-6, &[vec![loss], per_group, da], |cpu| {
        let (mut per_group, mut da) = (vec![9.0; groups], vec![9.0; a.len()]);
        let loss = weighted_squared_error(cpu, group_len, &a, &b, &w, &mut per_group);
        weighted_squared_error_backward(cpu, group_len, &a, &b, &w, 1.5, &mut da);
        vec![vec![loss], per_group, da]
    });
    let (a, b, w) = (&a64[..8], &b64[..8], &w64[..2]);
    let da = reference::weighted_squared_error_backward(4, a, b, w, 1.0);
    check_gradient("loss", |v| reference::weighted_squared_error(4, v, b, w).0, a, &da);
}

#[test]
fn pooling_matches_reference() {
    let (batch, tokens, d) = (4, 32, 384);
    let lengths = [32.0, 7.0, 0.0, 1.0];
    let (mut x, dy) = (values(1, batch * tokens * d), values(2, batch * d));
    let x64 = wide(&x);
    x[(tokens + 7) * d..2 * tokens * d].fill(f32::NAN);
    let want = [
        reference::mean_pool(d, tokens, &x64, Some(&lengths)),
        reference::mean_pool_backward(d, tokens, Some(&lengths), &wide(&dy)),
    ];
    check("mean_pool", 1e-6, &want, |cpu| {
        let (mut y, mut dx) = (vec![9.0; batch * d], vec![9.0; x.len()]);
        mean_pool(cpu, d, tokens, &x, Some(&lengths), &mut y);
        mean_pool_backward(cpu, d, tokens, Some(&lengths), &dy, &mut dx);
        vec![y, dx]
    });
    let x = &x64[..3 * 2 * 4];
    let dy = wide(&dy[..8]);
    let dx = reference::mean_pool_backward(4, 3, Some(&[3.0, 2.0]), &dy);
    check_gradient("mean_pool", |v| dot(&reference::mean_pool(4, 3, v, Some(&[3.0, 2.0])), &dy), x, &dx);
}

#[test]
fn embeddings_match_reference() {
    let (vocabulary, d, n) = (100, 48, 700);
    let ids: Vec<f32> = (0..n).map(|i| (i * i * 7 % vocabulary) as f32).collect();
    let (table, dy) = (values(1, vocabulary * d), values(2, n * d));
    let t: Vec<f32> = (0..6).map(|i| 1000.0 * i as f32 / 5.0).collect();
    let want = [
        reference::embedding(d, &ids, &wide(&table)),
        reference::embedding_backward(d, &ids, &wide(&dy), vocabulary),
        reference::timestep_embedding(256, 10_000.0, &wide(&t)),
    ];
    check("embeddings", 1e-6, &want, |cpu| {
        let (mut y, mut dtable, mut e) = (vec![9.0; n * d], vec![9.0; vocabulary * d], vec![9.0; 6 * 256]);
        embedding(cpu, d, &ids, &table, &mut y);
        embedding_backward(cpu, d, &ids, &dy, &mut dtable);
        timestep_embedding(cpu, 256, 10_000.0, &t, &mut e);
        vec![y, dtable, e]
    });
}

#[test]
fn patches_match_reference_and_return() {
    let shape = PatchShape { batch: 3, height: 12, width: 20, channels: 5, patch: 4 };
    let x = values(1, 3 * 12 * 20 * 5);
    let want = [reference::patchify(&shape, &wide(&x)), wide(&x), reference::unpatchify(&shape, &wide(&x))];
    check("patchify", 0.0, &want, |cpu| {
        let (mut y, mut back, mut z) = (vec![9.0; x.len()], vec![9.0; x.len()], vec![9.0; x.len()]);
        patchify(cpu, &shape, &x, &mut y);
        unpatchify(cpu, &shape, &y, &mut back);
        unpatchify(cpu, &shape, &x, &mut z);
        vec![y, back, z]
    });
    // Token 1 of row 0, second pixel row, first column, channel 2.
    assert_eq!(want[0][80 + 20 + 2], x[(20 + 4) * 5 + 2] as f64);
    assert_eq!(shape.tokens(), 15);
}
