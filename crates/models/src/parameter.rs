//! What a network says about each of its parameters: name, shape, initial values, optimiser group.

/// How a parameter starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// All zero.
    Zeros,
    /// All one.
    Ones,
    /// Normal with mean 0 and this standard deviation.
    Normal(f32),
}

/// One parameter of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct ParameterSpec {
    /// The weight key, which is the module path.
    pub name: String,
    /// Shape; linear weights are `[out, in]`.
    pub shape: Vec<usize>,
    /// Initial values.
    pub init: Init,
    /// A matrix inside a block: trained by Muon; everything else by AdamW.
    pub matrix: bool,
    /// The rows are this many matrices stacked (3 for a fused query, key and value); Muon treats
    /// each alone.
    pub stacked: usize,
}

impl ParameterSpec {
    /// Number of values.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the parameter holds no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
