//! Plain scalar definitions of the kernels, in the clearest order of operations. They are what the fast ones are tested
//! against, and what runs where no vector instructions are.

mod attention;
mod conv;
mod elementwise;
mod embed;
pub mod gemm;
mod group_norm;
mod norm;
mod optimise;
mod pixels;

pub use attention::*;
pub use conv::*;
pub use elementwise::*;
pub use embed::*;
pub use group_norm::*;
pub use norm::*;
pub use optimise::*;
pub use pixels::*;

/// f32 to f64.
pub fn wide(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| x as f64).collect()
}

/// f32 to f64.
pub fn wide_option(x: Option<&[f32]>) -> Option<Vec<f64>> {
    x.map(wide)
}

/// f64 to f32 into `out` of the same length.
pub fn narrow(x: &[f64], out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "shapes differ");
    for (o, x) in out.iter_mut().zip(x) {
        *o = *x as f32;
    }
}
