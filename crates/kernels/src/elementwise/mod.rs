//! Kernels that work element by element or row by row: activations, additions, copies, pooling and the loss.
//!
//! All tensors are f32, contiguous. Gradients named `d…` are overwritten unless a function says that it adds.

mod activation;
mod columns;
mod combine;
mod loss;
mod pixels;
mod pool;

pub use activation::{
    geglu, geglu_backward, gelu, gelu_backward, relu, relu_backward, silu, silu_backward, swiglu, swiglu_backward,
    tanh, tanh_backward,
};
pub use columns::{add_columns, copy_columns};
pub use combine::{
    GroupTable, add, add_assign, add_groups, add_rows, add_rows_backward, broadcast_groups, gated_add,
    gated_add_backward, group_sum, multiply, scale,
};
pub use loss::{weighted_squared_error, weighted_squared_error_backward};
pub use pixels::{PixelShape, pixel_shuffle, pixel_unshuffle};
pub use pool::{mean_pool, mean_pool_backward};
