//! Tests of the vector operations and functions on every instruction set of the machine.

use crate::{Isa, Kernel, Simd, vecmath};

#[derive(Clone, Copy, Debug)]
enum Function {
    Exp,
    Exp2Rough,
    Sigmoid,
    Silu,
    SiluDerivative,
    Tanh,
    Erf,
    Gelu,
    GeluDerivative,
}

struct Map<'a> {
    function: Function,
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Map<'_> {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for (x, y) in self.x.chunks(S::LANES).zip(self.y.chunks_mut(S::LANES)) {
            let v = s.load_partial(x);
            let v = match self.function {
                Function::Exp => vecmath::exp(s, v),
                Function::Exp2Rough => vecmath::exp2_rough(s, v),
                Function::Sigmoid => vecmath::sigmoid(s, v),
                Function::Silu => vecmath::silu(s, v),
                Function::SiluDerivative => vecmath::silu_derivative(s, v),
                Function::Tanh => vecmath::tanh(s, v),
                Function::Erf => vecmath::erf(s, v),
                Function::Gelu => vecmath::gelu(s, v),
                Function::GeluDerivative => vecmath::gelu_derivative(s, v),
            };
            s.store_partial(v, y);
        }
    }
}

/// erf in f64: its series near zero, a continued fraction beyond.
fn erf64(x: f64) -> f64 {
    let a = x.abs();
    let magnitude = if a < 3.0 {
        let (mut term, mut sum) = (a, a);
        for n in 1..200 {
            term *= -a * a / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else {
        let mut f = a;
        for n in (1..60).rev() {
            f = a + f64::from(n) / 2.0 / f;
        }
        1.0 - (-a * a).exp() / (f * std::f64::consts::PI.sqrt())
    };
    magnitude.copysign(x)
}

fn exact(function: Function, x: f64) -> f64 {
    let phi = |x: f64| 0.5 * (1.0 + erf64(x * std::f64::consts::FRAC_1_SQRT_2));
    let sigmoid = 1.0 / (1.0 + (-x).exp());
    match function {
        Function::Exp => x.exp(),
        Function::Exp2Rough => x.exp2(),
        Function::Sigmoid => sigmoid,
        Function::Silu => x * sigmoid,
        Function::SiluDerivative => sigmoid * (1.0 + x * (1.0 - sigmoid)),
        Function::Tanh => x.tanh(),
        Function::Erf => erf64(x),
        Function::Gelu => x * phi(x),
        Function::GeluDerivative => phi(x) + x * (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt(),
    }
}

/// (relative, absolute) tolerance at `x`; an error must be within either.
fn tolerance(function: Function, x: f64) -> (f64, f64) {
    const ULP: f64 = 1.0 / (1 << 23) as f64;
    match function {
        Function::Exp => (2.0 * ULP, 1.2e-38),
        Function::Exp2Rough => (8e-5, 1.2e-38),
        Function::Sigmoid => (4.0 * ULP, 1e-37),
        Function::Silu => (5.0 * ULP, 1e-35),
        Function::SiluDerivative => (0.0, 1e-6),
        Function::Tanh => (4.0 * ULP, 0.0),
        Function::Erf => (0.0, 2e-7),
        Function::Gelu => (0.0, 3e-7 * x.abs().max(1.0)),
        Function::GeluDerivative => (0.0, 1e-6),
    }
}

const FUNCTIONS: [Function; 9] = [
    Function::Exp,
    Function::Exp2Rough,
    Function::Sigmoid,
    Function::Silu,
    Function::SiluDerivative,
    Function::Tanh,
    Function::Erf,
    Function::Gelu,
    Function::GeluDerivative,
];

#[test]
fn functions_keep_their_stated_error() {
    let mut x: Vec<f32> = (0..200_001).map(|i| (i - 100_000) as f32 * 1e-3).collect();
    x.extend((0..20_000).map(|i| (i - 10_000) as f32 * 1e-4));
    x.extend([0.0, -0.0, 1e-30, -1e-30, 88.7228, -87.3365]);
    let mut y = vec![0.0; x.len()];
    for isa in Isa::available() {
        println!("{isa}");
        for function in FUNCTIONS {
            isa.dispatch(Map { function, x: &x, y: &mut y });
            let mut worst = (0.0, 0.0);
            for (&x, &y) in x.iter().zip(&y) {
                let want = exact(function, f64::from(x));
                if want > f64::from(f32::MAX) {
                    assert_eq!(y, f32::INFINITY, "{function:?}({x})");
                    continue;
                }
                let error = (f64::from(y) - want).abs();
                let (relative, absolute) = tolerance(function, f64::from(x));
                let bound = absolute.max(relative * want.abs());
                if error / bound.max(1e-300) > worst.0 {
                    worst = (error / bound.max(1e-300), x);
                }
                assert!(error <= bound, "{isa} {function:?}({x}) = {y}, want {want}");
            }
            println!("  {function:?}: {:.2} of the bound at {}", worst.0, worst.1);
        }
    }
}

#[test]
fn special_values() {
    let x = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1000.0, -1000.0];
    let mut y = [0.0; 5];
    for isa in Isa::available() {
        isa.dispatch(Map { function: Function::Exp, x: &x, y: &mut y });
        assert!(y[0].is_nan());
        assert_eq!(y[1..], [f32::INFINITY, 0.0, f32::INFINITY, 0.0]);
        isa.dispatch(Map { function: Function::Exp2Rough, x: &x, y: &mut y });
        assert!(y[0].is_nan());
        assert_eq!([y[2], y[4]], [0.0; 2]);
        isa.dispatch(Map { function: Function::Tanh, x: &x, y: &mut y });
        assert!(y[0].is_nan());
        assert_eq!(y[1..], [1.0, -1.0, 1.0, -1.0]);
        isa.dispatch(Map { function: Function::Sigmoid, x: &x, y: &mut y });
        assert!(y[0].is_nan());
        assert_eq!(y[1..], [1.0, 0.0, 1.0, 0.0]);
    }
}

struct Operations;

impl Kernel for Operations {
    type Out = ();
    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let n = S::LANES;
        let a: Vec<f32> = (0..n).map(|i| i as f32 - 3.5).collect();
        let v = s.load(&a);
        assert_eq!(s.reduce_sum(v), a.iter().sum::<f32>());
        assert_eq!(s.reduce_max(v), n as f32 - 4.5);
        let check = |v: S::F32, f: &dyn Fn(f32) -> f32| {
            let mut out = vec![0.0; n];
            s.store(v, &mut out);
            let want: Vec<f32> = a.iter().map(|x| f(*x)).collect();
            assert_eq!(out, want);
        };
        let two = s.splat(2.0);
        check(s.add(v, two), &|x| x + 2.0);
        check(s.sub(v, two), &|x| x - 2.0);
        check(s.mul(v, two), &|x| x * 2.0);
        check(s.div(v, two), &|x| x / 2.0);
        check(s.mul_add(v, two, v), &|x| x * 3.0);
        check(s.neg_mul_add(v, two, v), &|x| -x);
        check(s.neg(v), &|x| -x);
        check(s.abs(v), &f32::abs);
        check(s.sqrt(s.abs(v)), &|x| x.abs().sqrt());
        check(s.round(v), &f32::round_ties_even);
        check(s.min(v, two), &|x| x.min(2.0));
        check(s.max(v, two), &|x| x.max(2.0));
        check(s.copysign(two, v), &|x| 2f32.copysign(x));
        check(s.select_less(v, s.zero(), two, v), &|x| if x < 0.0 { 2.0 } else { x });
        check(s.scale_by_power_of_two(v, s.round(v)), &|x| x * x.round_ties_even().exp2());
        let nearest = |x: f32| (x.to_bits() + 0x8000) >> 16;
        check(s.bf16_pairs(s.mul(v, s.splat(1.001)), v), &|x| f32::from_bits(nearest(x * 1.001) | nearest(x) << 16));
        assert_eq!([nearest(1.0), nearest(1.0 + 1.0 / 256.0), nearest(-3.5)], [0x3f80, 0x3f81, 0xc060]);
        for count in 0..=n {
            let part = s.load_partial(&a[..count]);
            let mut out = vec![9.0; n];
            s.store(part, &mut out);
            assert_eq!(out[..count], a[..count]);
            assert!(out[count..].iter().all(|x| *x == 0.0));
            out.fill(9.0);
            s.store_partial(v, &mut out[..count]);
            assert_eq!(out[..count], a[..count]);
            assert!(out[count..].iter().all(|x| *x == 9.0));
        }
    }
}

#[test]
fn operations_agree_with_plain_arithmetic() {
    for isa in Isa::available() {
        println!("{isa}");
        isa.dispatch(Operations);
    }
}

#[test]
fn names_round_trip() {
    for isa in Isa::ALL {
        assert_eq!(isa.name().parse(), Ok(isa));
    }
    assert!("sse9".parse::<Isa>().is_err());
    assert_eq!(Isa::available().last(), Some(&Isa::detected()));
}
