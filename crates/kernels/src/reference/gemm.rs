//! Scalar definitions of the matrix products.
