//! The graph a model adds operations to, and everything that is done with it.
//!
//! A model is a function that appends coarse operations to a [`Graph`]. The same graph is then
//! * executed ([`Executor`]) in one planned arena ([`Plan`]),
//! * differentiated ([`autodiff::gradients`] appends backward nodes),
//! * simplified for inference ([`fuse::fuse`]),
//! * priced ([`cost::Cost`]).
//!
//! Activations are f32; `[B, T, D]` for tokens and `[B, H, W, C]` for images. Weights are `[out, in]`, those of
//! convolutions `[out, kh, kw, in]`, and are packed once ([`PackedParameters`]) for the kernels in use. Nothing here opens a file.
#![forbid(unsafe_code)]

pub mod autodiff;
mod build;
pub mod cost;
mod execute;
mod executor;
pub mod fuse;
mod graph;
mod op;
mod packed;
mod parameters;
mod plan;
mod shape;

pub use crate::graph::{Graph, Node, Role, Tensor, TensorInfo};
pub use build::{Columns, KeyValue, Modulation};
pub use executor::{Executor, ExecutorError};
pub use kernels::gemm::{Activation, Precision};
pub use op::{Conv2dOptions, Op, OpKind, QkParts, SegmentColumns};
pub use packed::PackedParameters;
pub use parameters::{Parameter, ParameterError, Parameters};
pub use plan::{Lifetime, Plan, Slot};
pub use shape::ShapeError;
