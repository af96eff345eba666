//! The row normalisations against their scalar definitions, and those against finite differences.

mod common;

use common::{check, check_gradient, dot, values};
use kernels::norm::*;
use kernels::reference::{self, wide};

const EPS: f32 = 1e-6;

#[test]
fn rms_norm_matches_reference() {
    for (groups, rows_per_group, d) in [(3, 16, 384), (2, 37, 72), (1, 100, 33), (5, 1, 8)] {
        for (with_weight, with_modulation) in [(false, false), (true, false), (false, true), (true, true)] {
            let rows = groups * rows_per_group;
            let stride = 3 * d;
            let (x, dy, w, table) =
                (values(1, rows * d), values(2, rows * d), values(3, d), values(4, groups * stride));
            let weight = with_weight.then_some(&w[..]);
            let modulation =
                with_modulation.then_some(Modulation { scale: &table[..], shift: &table[d..], stride, rows_per_group });
            let (x64, dy64, w64, table64) = (wide(&x), wide(&dy), wide(&w), wide(&table));
            let modulation64 = with_modulation.then_some(Modulation {
                scale: &table64[..],
                shift: &table64[d..],
                stride,
                rows_per_group,
            });
            let weight64 = with_weight.then_some(&w64[..]);
            let (y, rstd) = reference::rms_norm(d, &x64, weight64, modulation64.as_ref(), EPS as f64);
            let g = reference::rms_norm_backward(d, &x64, weight64, modulation64.as_ref(), &rstd, &dy64);
            let mut want = vec![y, rstd, g.dx, g.dweight];
            if with_modulation {
                want.extend([g.dscale, g.dshift]);
            }
            check(&format!("rms_norm {groups}x{rows_per_group}x{d}"), 3e-6, &want, |cpu| {
                let (mut y, mut rstd, mut dx) = (vec![9.0; rows * d], vec![9.0; rows], vec![9.0; rows * d]);
                let (mut dw, mut dscale, mut dshift) = (vec![9.0; d], vec![9.0; groups * d], vec![9.0; groups * d]);
                rms_norm(cpu, d, &x, weight, modulation.as_ref(), EPS, &mut y, &mut rstd);
                let dmodulation =
                    with_modulation.then_some(ModulationGradient { scale: &mut dscale, shift: &mut dshift });
                let m = modulation.as_ref();
                rms_norm_backward(cpu, d, &x, weight, m, &rstd, &dy, &mut dx, Some(&mut dw), dmodulation);
                let mut out = vec![y, rstd, dx, dw];
                if with_modulation {
                    out.extend([dscale, dshift]);
                }
                out
            });
        }
    }
}

#[test]
fn rms_norm_gradient_is_the_slope() {
    let (rows, rows_per_group, d, groups) = (4, 2, 5, 2);
    let (x, dy, w, scale, shift) = (
        wide(&values(1, rows * d)),
        wide(&values(2, rows * d)),
        wide(&values(3, d)),
        wide(&values(4, groups * d)),
        wide(&values(5, groups * d)),
    );
    let forward = |x: &[f64], w: &[f64], scale: &[f64], shift: &[f64]| {
        let m = Modulation { scale, shift, stride: d, rows_per_group };
        reference::rms_norm(d, x, Some(w), Some(&m), 1e-6)
    };
    let (_, rstd) = forward(&x, &w, &scale, &shift);
    let m = Modulation { scale: &scale[..], shift: &shift[..], stride: d, rows_per_group };
    let g = reference::rms_norm_backward(d, &x, Some(&w), Some(&m), &rstd, &dy);
    check_gradient("dx", |v| dot(&forward(v, &w, &scale, &shift).0, &dy), &x, &g.dx);
    check_gradient("dweight", |v| dot(&forward(&x, v, &scale, &shift).0, &dy), &w, &g.dweight);
    check_gradient("dscale", |v| dot(&forward(&x, &w, v, &shift).0, &dy), &scale, &g.dscale);
    check_gradient("dshift", |v| dot(&forward(&x, &w, &scale, v).0, &dy), &shift, &g.dshift);
}

#[test]
fn layer_norm_matches_reference() {
    for (rows, d) in [(70, 384), (33, 50), (1, 3)] {
        let (x, dy, w, b) = (values(1, rows * d), values(2, rows * d), values(3, d), values(4, d));
        let (x64, dy64, w64) = (wide(&x), wide(&dy), wide(&w));
        let y = reference::layer_norm(d, &x64, &w64, &wide(&b), EPS as f64);
        let (dx, dw, db) = reference::layer_norm_backward(d, &x64, &w64, EPS as f64, &dy64);
        check(&format!("layer_norm {rows}x{d}"), 3e-6, &[y, dx, dw, db], |cpu| {
            let (mut y, mut dx, mut dw, mut db) =
                (vec![9.0; rows * d], vec![9.0; rows * d], vec![9.0; d], vec![9.0; d]);
            layer_norm(cpu, d, &x, &w, &b, EPS, &mut y);
            layer_norm_backward(cpu, d, &x, &w, EPS, &dy, &mut dx, &mut dw, &mut db);
            vec![y, dx, dw, db]
        });
    }
}

#[test]
fn layer_norm_gradient_is_the_slope() {
    let (rows, d) = (3, 6);
    let (x, dy, w, b) =
        (wide(&values(1, rows * d)), wide(&values(2, rows * d)), wide(&values(3, d)), wide(&values(4, d)));
    let (dx, dw, db) = reference::layer_norm_backward(d, &x, &w, 1e-6, &dy);
    check_gradient("dx", |v| dot(&reference::layer_norm(d, v, &w, &b, 1e-6), &dy), &x, &dx);
    check_gradient("dweight", |v| dot(&reference::layer_norm(d, &x, v, &b, 1e-6), &dy), &w, &dw);
    check_gradient("dbias", |v| dot(&reference::layer_norm(d, &x, &w, v, 1e-6), &dy), &b, &db);
}

#[test]
fn l2_normalise_matches_reference() {
    for (rows, d) in [(60, 384), (7, 13)] {
        let (mut x, dy) = (values(1, rows * d), values(2, rows * d));
        x[..d].fill(0.0);
        let (x64, dy64) = (wide(&x), wide(&dy));
        let y = reference::l2_normalise(d, &x64, 1e-3);
        let dx = reference::l2_normalise_backward(d, &x64, 1e-3, &dy64);
        let two = 2 * d;
        check_gradient(
            "l2_normalise",
            |v| dot(&reference::l2_normalise(d, v, 1e-3), &dy64[..two]),
            &x64[..two],
            &dx[..two],
        );
        check(&format!("l2_normalise {rows}x{d}"), 3e-6, &[y, dx], |cpu| {
            let (mut y, mut dx) = (vec![9.0; rows * d], vec![9.0; rows * d]);
            l2_normalise(cpu, d, &x, 1e-3, &mut y);
            l2_normalise_backward(cpu, d, &x, 1e-3, &dy, &mut dx);
            vec![y, dx]
        });
    }
}

fn angles(tokens: usize, half: usize) -> (Vec<f32>, Vec<f32>) {
    (0..tokens * half).map(|i| (i as f32 * 0.37).sin_cos()).map(|(s, c)| (c, s)).unzip()
}

#[test]
fn qk_norm_rotary_matches_reference() {
    const QKV: &[Part] = &[Part::Query, Part::Key, Part::Value];
    const KV: &[Part] = &[Part::Key, Part::Value];
    for (batch, tokens, heads, d, parts, with_rotary) in
        [(3, 16, 6, 64, QKV, true), (2, 20, 6, 64, KV, false), (2, 9, 12, 32, QKV, true), (1, 5, 2, 10, QKV, true)]
    {
        let len = batch * tokens * parts.len() * heads * d;
        let (x, dy, wq, wk) = (values(1, len), values(2, len), values(3, d), values(4, d));
        let (cos, sin) = angles(tokens, d / 2);
        let (x64, dy64, wq64, wk64, cos64, sin64) = (wide(&x), wide(&dy), wide(&wq), wide(&wk), wide(&cos), wide(&sin));
        let config = QkNorm {
            heads,
            d,
            parts,
            query_weight: Some(&wq[..]),
            key_weight: Some(&wk[..]),
            eps: EPS,
            rotary: with_rotary.then_some(Rotary { cos: &cos[..], sin: &sin[..] }),
        };
        let config64 = QkNorm {
            heads,
            d,
            parts,
            query_weight: Some(&wq64[..]),
            key_weight: Some(&wk64[..]),
            eps: EPS,
            rotary: with_rotary.then_some(Rotary { cos: &cos64[..], sin: &sin64[..] }),
        };
        let y = reference::qk_norm_rotary(&config64, &x64);
        let (dx, dq, dk) = reference::qk_norm_rotary_backward(&config64, &x64, &dy64);
        check(&format!("qk_norm_rotary {batch}x{tokens}x{heads}x{d}"), 3e-6, &[y, dx, dq, dk], |cpu| {
            let (mut y, mut dx, mut dq, mut dk) = (vec![9.0; len], vec![9.0; len], vec![9.0; d], vec![9.0; d]);
            qk_norm_rotary(cpu, &config, &x, &mut y);
            qk_norm_rotary_backward(cpu, &config, &x, &dy, &mut dx, Some(&mut dq), Some(&mut dk));
            vec![y, dx, dq, dk]
        });
    }
}

#[test]
fn qk_norm_rotary_gradient_is_the_slope() {
    let (rows, heads, d, parts) = (4, 2, 6, [Part::Query, Part::Key, Part::Value]);
    let len = rows * 3 * heads * d;
    let (x, dy, wq, wk) = (wide(&values(1, len)), wide(&values(2, len)), wide(&values(3, d)), wide(&values(4, d)));
    let (cos, sin) = angles(2, d / 2);
    let (cos, sin) = (wide(&cos), wide(&sin));
    let forward = |x: &[f64], wq: &[f64], wk: &[f64]| {
        let rotary = Some(Rotary { cos: &cos[..], sin: &sin[..] });
        let config = QkNorm { heads, d, parts: &parts, query_weight: Some(wq), key_weight: Some(wk), eps: EPS, rotary };
        dot(&reference::qk_norm_rotary(&config, x), &dy)
    };
    let rotary = Some(Rotary { cos: &cos[..], sin: &sin[..] });
    let config =
        QkNorm { heads, d, parts: &parts, query_weight: Some(&wq[..]), key_weight: Some(&wk[..]), eps: EPS, rotary };
    let (dx, dq, dk) = reference::qk_norm_rotary_backward(&config, &x, &dy);
    check_gradient("dx", |v| forward(v, &wq, &wk), &x, &dx);
    check_gradient("dquery_weight", |v| forward(&x, v, &wk), &wq, &dq);
    check_gradient("dkey_weight", |v| forward(&x, &wq, v), &wk, &dk);
}
