//! The parameters of the pixel transformer, in file order; the name is the module path.
//!
//! Initial values follow JiT (arXiv 2511.13720, appendix A): Xavier for linears, and zero for
//! everything that modulates and for the head, so that the fresh network predicts zero.

use crate::jit::Config;
use crate::parameter::{Init, ParameterSpec};

/// Width of the sinusoidal timestep embedding.
pub const TIME_FEATURES: usize = 256;

/// Every parameter of the network described by `config` (which must be valid).
pub fn parameters(config: &Config) -> Vec<ParameterSpec> {
    let d = config.width;
    let mut list = List(Vec::new());
    list.linear("stem.0", config.stem, config.patch_values(), Bias::None);
    list.linear("stem.1", d, config.stem, Bias::Zeros);
    list.linear("time.0", d, TIME_FEATURES, Bias::Zeros);
    list.linear("time.1", d, d, Bias::Zeros);
    list.linear("text_pooled", d, config.text_width, Bias::Zeros);
    list.zero_linear("modulation", 6 * d, d);
    list.linear("refiner.embed", d, config.text_width, Bias::Zeros);
    for i in 0..config.refiner_blocks {
        let block = format!("refiner.blocks.{i}");
        list.ones(format!("{block}.attention_norm.weight"), d);
        list.attention(&block, config);
        list.ones(format!("{block}.mlp_norm.weight"), d);
        list.mlp(&block, config);
    }
    list.ones("refiner.norm.weight".into(), d);
    for i in 0..config.blocks {
        let block = format!("blocks.{i}");
        list.zeros(format!("{block}.modulation"), vec![6 * d]);
        list.attention(&block, config);
        list.matrix(format!("{block}.attention.text_kv.weight"), 2 * d, d, 2);
        list.ones(format!("{block}.attention.text_k_norm.weight"), config.head_size());
        list.mlp(&block, config);
    }
    list.zero_linear("final.modulation", 2 * d, d);
    list.zero_linear("head", config.patch_values(), d);
    list.0
}

enum Bias {
    None,
    Zeros,
}

struct List(Vec<ParameterSpec>);

impl List {
    fn push(&mut self, name: String, shape: Vec<usize>, init: Init, matrix: bool, stacked: usize) {
        self.0.push(ParameterSpec { name, shape, init, matrix, stacked });
    }

    fn zeros(&mut self, name: String, shape: Vec<usize>) {
        self.push(name, shape, Init::Zeros, false, 1);
    }

    fn ones(&mut self, name: String, length: usize) {
        self.push(name, vec![length], Init::Ones, false, 1);
    }

    /// Xavier: variance 2 / (in + out).
    fn xavier(output: usize, input: usize) -> Init {
        Init::Normal((2.0 / (input + output) as f32).sqrt())
    }

    fn linear(&mut self, module: &str, output: usize, input: usize, bias: Bias) {
        self.push(format!("{module}.weight"), vec![output, input], Self::xavier(output, input), false, 1);
        if let Bias::Zeros = bias {
            self.zeros(format!("{module}.bias"), vec![output]);
        }
    }

    fn zero_linear(&mut self, module: &str, output: usize, input: usize) {
        self.zeros(format!("{module}.weight"), vec![output, input]);
        self.zeros(format!("{module}.bias"), vec![output]);
    }

    /// A block's matrix without bias, `stacked` matrices fused along the rows.
    fn matrix(&mut self, name: String, output: usize, input: usize, stacked: usize) {
        let init = Self::xavier(output / stacked, input);
        self.push(name, vec![output, input], init, true, stacked);
    }

    fn attention(&mut self, block: &str, config: &Config) {
        let d = config.width;
        self.matrix(format!("{block}.attention.qkv.weight"), 3 * d, d, 3);
        self.ones(format!("{block}.attention.q_norm.weight"), config.head_size());
        self.ones(format!("{block}.attention.k_norm.weight"), config.head_size());
        self.matrix(format!("{block}.attention.out.weight"), d, d, 1);
    }

    fn mlp(&mut self, block: &str, config: &Config) {
        self.matrix(format!("{block}.mlp.up.weight"), 2 * config.hidden, config.width, 2);
        self.matrix(format!("{block}.mlp.down.weight"), config.width, config.hidden, 1);
    }
}
