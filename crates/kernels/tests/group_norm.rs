//! The group norm against its scalar definition, and that against finite differences.

mod common;

use common::{check, check_gradient, dot, values};
use kernels::Cpu;
use kernels::norm::*;
use kernels::reference::{self, wide};
use simd::Isa;
use testkit::assert_same_bits;

const EPS: f32 = 1e-5;

#[test]
fn group_norm_matches_reference() {
    for (batch, pixels, channels, groups) in
        [(2, 300, 64, 32), (3, 70, 48, 8), (1, 600, 30, 5), (2, 1, 12, 3), (1, 37, 7, 1), (2, 16, 5, 5)]
    {
        let shape = GroupNormShape { batch, pixels, channels, groups };
        let n = shape.values();
        // Far from zero: nothing may cancel.
        let x: Vec<f32> = values(1, n).iter().map(|x| x + 3.0).collect();
        let (dy, w, b) = (values(2, n), values(3, channels), values(4, channels));
        for silu in [false, true] {
            let (x64, w64, b64) = (wide(&x), wide(&w), wide(&b));
            let (y, statistics) = reference::group_norm(&shape, &x64, &w64, &b64, EPS as f64, silu);
            let (dx, dw, db) = reference::group_norm_backward(&shape, &x64, &w64, &b64, silu, &statistics, &wide(&dy));
            let what = format!("group_norm {batch}x{pixels}x{channels}/{groups}");
            check(&what, 1e-5, &[y, statistics, dx, dw, db], |cpu| {
                let (mut y, mut dx) = (vec![9.0; n], vec![9.0; n]);
                let mut statistics = vec![9.0; batch * groups * 2];
                let (mut dw, mut db) = (vec![9.0; channels], vec![9.0; channels]);
                group_norm(cpu, &shape, &x, &w, &b, EPS, silu, &mut y, &mut statistics);
                group_norm_backward(cpu, &shape, &x, &w, &b, silu, &statistics, &dy, &mut dx, &mut dw, &mut db);
                vec![y, statistics, dx, dw, db]
            });
        }
    }
}

#[test]
fn group_norm_gradient_is_the_slope() {
    let shape = GroupNormShape { batch: 2, pixels: 3, channels: 6, groups: 2 };
    let n = shape.values();
    let (x, dy, w, b) = (wide(&values(1, n)), wide(&values(2, n)), wide(&values(3, 6)), wide(&values(4, 6)));
    for silu in [false, true] {
        let forward = |x: &[f64], w: &[f64], b: &[f64]| {
            let (y, statistics) = reference::group_norm(&shape, x, w, b, 1e-5, silu);
            (dot(&y, &dy), statistics)
        };
        let (_, statistics) = forward(&x, &w, &b);
        let (dx, dw, db) = reference::group_norm_backward(&shape, &x, &w, &b, silu, &statistics, &dy);
        check_gradient("dx", |v| forward(v, &w, &b).0, &x, &dx);
        check_gradient("dweight", |v| forward(&x, v, &b).0, &w, &dw);
        check_gradient("dbias", |v| forward(&x, &w, v).0, &b, &db);
    }
}

#[test]
fn an_item_has_the_same_bits_alone() {
    let shape = GroupNormShape { batch: 3, pixels: 700, channels: 40, groups: 8 };
    let one = GroupNormShape { batch: 1, ..shape };
    let n = one.values();
    let (x, dy, w, b) = (values(1, 3 * n), values(2, 3 * n), values(3, 40), values(4, 40));
    let run = |cpu: &Cpu, shape: &GroupNormShape, x: &[f32], dy: &[f32]| {
        let (mut y, mut dx) = (vec![0.0; x.len()], vec![0.0; x.len()]);
        let mut statistics = vec![0.0; shape.batch * 16];
        let (mut dw, mut db) = (vec![0.0; 40], vec![0.0; 40]);
        group_norm(cpu, shape, x, &w, &b, EPS, true, &mut y, &mut statistics);
        group_norm_backward(cpu, shape, x, &w, &b, true, &statistics, dy, &mut dx, &mut dw, &mut db);
        (y, dx)
    };
    for isa in Isa::available() {
        let cpu = &Cpu::new(isa, 2);
        let (y, dx) = run(cpu, &shape, &x, &dy);
        for item in 0..3 {
            let span = item * n..(item + 1) * n;
            let (y1, dx1) = run(cpu, &one, &x[span.clone()], &dy[span.clone()]);
            assert_same_bits("y", &y1, &y[span.clone()]);
            assert_same_bits("dx", &dx1, &dx[span]);
        }
    }
}

#[test]
fn an_empty_batch_has_no_gradient() {
    let shape = GroupNormShape { batch: 0, pixels: 4, channels: 6, groups: 2 };
    let cpu = &Cpu::detected(1);
    let (w, mut dw, mut db) = (vec![1.0; 6], vec![9.0; 6], vec![9.0; 6]);
    group_norm(cpu, &shape, &[], &w, &w, EPS, true, &mut [], &mut []);
    group_norm_backward(cpu, &shape, &[], &w, &w, true, &[], &[], &mut [], &mut dw, &mut db);
    assert_eq!((dw, db), (vec![0.0; 6], vec![0.0; 6]));
}
