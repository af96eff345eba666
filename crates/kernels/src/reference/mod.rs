//! Plain scalar definitions of the kernels, in the clearest order of operations. They are what the fast ones are tested
//! against, and what runs where no vector instructions are.

pub mod gemm;
