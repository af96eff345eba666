//! The parameters of the pixel transformer, in file order; the name is the module path.
//!
//! Initial values follow JiT (arXiv 2511.13720, appendix A): Xavier for linears, and zero for
//! everything that modulates, the step's length and the head, so that the fresh network predicts zero.

use crate::jit::{Config, detail, early, finish};
use crate::parameter::{Bias, List, ParameterSpec};
use crate::transformer::Block;

/// Width of the sinusoidal timestep embedding.
pub const TIME_FEATURES: usize = 256;

/// Every parameter of the network described by `config` (which must be valid), its finisher's and its early expert's last.
pub fn parameters(config: &Config) -> Vec<ParameterSpec> {
    let d = config.width;
    let block = Block { width: d, heads: config.heads, hidden: config.hidden };
    let mut list = List::default();
    list.linear("stem.0", config.stem, config.patch_values(), Bias::None);
    list.linear("stem.1", d, config.stem, Bias::Zeros);
    list.linear("time.0", d, TIME_FEATURES, Bias::Zeros);
    list.linear("time.1", d, d, Bias::Zeros);
    if config.step_length {
        list.linear("step.0", d, TIME_FEATURES, Bias::Zeros);
        list.zero_linear("step.1", d, d);
    }
    list.linear("text_pooled", d, config.text_width, Bias::Zeros);
    list.zero_linear("modulation", 6 * d, d);
    list.linear("refiner.embed", d, config.text_width, Bias::Zeros);
    for i in 0..config.refiner_blocks {
        block.parameters(&mut list, &format!("refiner.blocks.{i}"));
    }
    list.ones("refiner.norm.weight".into(), d);
    for i in 0..config.blocks {
        let name = format!("blocks.{i}");
        if config.long_skips && i >= config.blocks.div_ceil(2) {
            list.matrix(format!("{name}.skip.weight"), d, 2 * d, 1);
        }
        list.zeros(format!("{name}.modulation"), vec![6 * d]);
        block.attention_parameters(&mut list, &name);
        list.matrix(format!("{name}.attention.text_kv.weight"), 2 * d, d, 2);
        list.ones(format!("{name}.attention.text_k_norm.weight"), config.head_size());
        block.mlp_parameters(&mut list, &name);
    }
    list.zero_linear("final.modulation", 2 * d, d);
    list.zero_linear("head", config.patch_values(), d);
    detail::parameters(config, &mut list);
    finish::add_parameters(config, &mut list);
    let mut specs = list.into_specs();
    specs.extend(early::prefixed_parameters(config));
    specs
}
