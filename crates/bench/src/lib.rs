//! Measurements: each compares with the machine's measured peak, and where there is one with a peer in the same run.

#![deny(unsafe_code)]

#[allow(unsafe_code)]
mod peer;
mod products;

pub use products::{Direction, Row, SHAPES, products};

/// The median of some measurements; NaN of none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
