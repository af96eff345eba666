//! Numeric kernels: slices in, slices out, forward and backward.
//!
//! Every kernel takes a [`Cpu`] (instruction set and thread pool) first, splits its work by shape alone and keeps the order
//! of every sum independent of the thread count. [`reference`](mod@reference) holds the plain scalar definition of each.

pub mod attention;
pub mod conv;
pub mod cpu;
pub mod elementwise;
pub mod embed;
pub mod gemm;
pub mod memory;
pub mod norm;
pub mod optimise;
pub mod patchify;
pub mod pool;
pub mod reference;
mod rows;
pub mod winograd;

pub use cpu::Cpu;
pub use pool::Pool;
