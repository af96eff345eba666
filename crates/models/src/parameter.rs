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
    /// A matrix inside a block: trained by Muon, as are the kernels of convolutions; everything else by AdamW.
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

/// Whether a linear has a bias.
pub(crate) enum Bias {
    None,
    Zeros,
}

/// The parameters of a network as they are written down.
#[derive(Default)]
pub(crate) struct List(Vec<ParameterSpec>);

impl List {
    pub(crate) fn into_specs(self) -> Vec<ParameterSpec> {
        self.0
    }

    fn push(&mut self, name: String, shape: Vec<usize>, init: Init, matrix: bool, stacked: usize) {
        self.0.push(ParameterSpec { name, shape, init, matrix, stacked });
    }

    pub(crate) fn zeros(&mut self, name: String, shape: Vec<usize>) {
        self.push(name, shape, Init::Zeros, false, 1);
    }

    pub(crate) fn ones(&mut self, name: String, length: usize) {
        self.push(name, vec![length], Init::Ones, false, 1);
    }

    /// Xavier: variance 2 / (in + out).
    fn xavier(output: usize, input: usize) -> Init {
        Init::Normal((2.0 / (input + output) as f32).sqrt())
    }

    pub(crate) fn linear(&mut self, module: &str, output: usize, input: usize, bias: Bias) {
        self.push(format!("{module}.weight"), vec![output, input], Self::xavier(output, input), false, 1);
        if let Bias::Zeros = bias {
            self.zeros(format!("{module}.bias"), vec![output]);
        }
    }

    pub(crate) fn zero_linear(&mut self, module: &str, output: usize, input: usize) {
        self.zeros(format!("{module}.weight"), vec![output, input]);
        self.zeros(format!("{module}.bias"), vec![output]);
    }

    /// A 3×3 convolution with bias.
    pub(crate) fn conv(&mut self, module: &str, output: usize, input: usize) {
        let init = Self::xavier(9 * output, 9 * input);
        self.push(format!("{module}.weight"), vec![output, 3, 3, input], init, false, 1);
        self.zeros(format!("{module}.bias"), vec![output]);
    }

    /// A 3×3 convolution with bias that starts as zero.
    pub(crate) fn zero_conv(&mut self, module: &str, output: usize, input: usize) {
        self.zeros(format!("{module}.weight"), vec![output, 3, 3, input]);
        self.zeros(format!("{module}.bias"), vec![output]);
    }

    /// A block's matrix without bias, `stacked` matrices fused along the rows.
    pub(crate) fn matrix(&mut self, name: String, output: usize, input: usize, stacked: usize) {
        let init = Self::xavier(output / stacked, input);
        self.push(name, vec![output, input], init, true, stacked);
    }
}
