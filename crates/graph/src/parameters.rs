//! [`Parameters`]: the learned weights of a model as f32, by name, in a fixed order.

use std::collections::HashMap;

/// A weight is missing or does not fit the graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// No weight of that name.
    #[error("parameter {name}: missing")]
    Missing {
        /// Name of the parameter.
        name: String,
    },
    /// The name exists twice.
    #[error("parameter {name}: given twice")]
    Duplicate {
        /// Name of the parameter.
        name: String,
    },
    /// The weight has another shape or number of elements.
    #[error("parameter {name}: expected shape {expected:?}, found {found}")]
    Shape {
        /// Name of the parameter.
        name: String,
        /// Shape in the graph.
        expected: Vec<usize>,
        /// What was given.
        found: String,
    },
}

/// One learned weight.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Name, equal to the key in the checkpoint.
    pub name: String,
    /// Dimensions; `[out, in]` for linear weights.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub data: Vec<f32>,
}

/// Learned weights in insertion order, found by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parameters {
    entries: Vec<Parameter>,
    index: HashMap<String, usize>,
}

impl Parameters {
    /// No weights.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a weight at the end.
    pub fn insert(&mut self, name: &str, shape: &[usize], data: Vec<f32>) -> Result<(), ParameterError> {
        if shape.iter().product::<usize>() != data.len() {
            let found = format!("{} values", data.len());
            return Err(ParameterError::Shape { name: name.into(), expected: shape.into(), found });
        }
        if self.index.contains_key(name) {
            return Err(ParameterError::Duplicate { name: name.into() });
        }
        self.index.insert(name.to_owned(), self.entries.len());
        self.entries.push(Parameter { name: name.to_owned(), shape: shape.to_vec(), data });
        Ok(())
    }

    /// Weight of that name.
    pub fn get(&self, name: &str) -> Option<&Parameter> {
        self.index.get(name).map(|&i| &self.entries[i])
    }

    /// Values of the weight of that name.
    pub fn data_mut(&mut self, name: &str) -> Option<&mut [f32]> {
        self.index.get(name).map(|&i| self.entries[i].data.as_mut_slice())
    }

    /// All weights in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Parameter> {
        self.entries.iter()
    }

    /// Names, shapes and mutable values in order.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &[usize], &mut [f32])> {
        self.entries.iter_mut().map(|p| (p.name.as_str(), p.shape.as_slice(), p.data.as_mut_slice()))
    }

    /// Number of weights (tensors).
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Total number of values.
    pub fn elements(&self) -> usize {
        self.entries.iter().map(|p| p.data.len()).sum()
    }
}
