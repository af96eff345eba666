//! `enlarger`: a picture four times as wide and high, with the edges that the generator left soft.
//!
//! Residual convolutions at the size of the small picture and, between them, at half of it, where a surface is seen whole; then
//! one pixel becomes 4 × 4 (after "EDSR", arXiv 1707.02921, without its norms). Input: premultiplied RGBA `[B, H, W, 4]` in [0, 1], so that what convolutions pad with
//! is nothing at all. Output: `[B, 4H, 4W, 4]`. It starts as the repetition of pixels.

mod config;

pub use config::{Config, ConfigError};

use graph::{Conv2dOptions, Graph, ShapeError, Tensor};

use crate::layers::{SAME, conv};
use crate::parameter::{List, ParameterSpec};

/// The family's name in a model file's metadata.
pub const FAMILY: &str = "enlarger";
/// How many times wider and higher the picture becomes.
pub const FACTOR: usize = 4;
/// Premultiplied RGBA.
pub const CHANNELS: usize = 4;

const HALVE: Conv2dOptions = Conv2dOptions { stride: 2, ..SAME };
const DOUBLE: Conv2dOptions = Conv2dOptions { upsample: 2, ..SAME };

/// Every parameter of the network described by `config` (which must be valid), in file order.
pub fn parameters(config: &Config) -> Vec<ParameterSpec> {
    let width = config.width;
    let mut list = List::default();
    list.conv("stem", width, CHANNELS);
    let mut residual = |name: &str, width, count| {
        for i in 0..count {
            list.conv(&format!("{name}.{i}.conv.0"), width, width);
            list.zero_conv(&format!("{name}.{i}.conv.1"), width, width);
        }
    };
    residual("blocks", width, config.blocks);
    if config.coarse_blocks > 0 {
        residual("coarse", config.coarse_width, config.coarse_blocks);
        residual("after", width, config.blocks);
        list.conv("halve", config.coarse_width, width);
        list.zero_conv("double", width, config.coarse_width);
    }
    list.zero_conv("head", FACTOR * FACTOR * CHANNELS, width);
    list.into_specs()
}

/// Adds the network to `graph`, for an input `x` `[B, H, W, 4]`; gives `[B, 4H, 4W, 4]`.
///
/// # Errors
/// When `x` has another shape.
pub fn build(graph: &mut Graph, config: &Config, x: Tensor) -> Result<Tensor, ShapeError> {
    let [batch, height, width, CHANNELS] = graph.shape(x)[..] else {
        return Err(ShapeError::new("enlarger", "[B, H, W, 4]", format!("{:?}", graph.shape(x))));
    };
    let mut h = conv(graph, "stem", x, config.width, SAME)?;
    h = residual(graph, "blocks", h, config.blocks)?;
    if config.coarse_blocks > 0 {
        let coarse = conv(graph, "halve", h, config.coarse_width, HALVE)?;
        let coarse = residual(graph, "coarse", coarse, config.coarse_blocks)?;
        // A row or column that is left over was halved too: one of the doubled is too many.
        let double = Conv2dOptions { crop: (height % 2, width % 2), ..DOUBLE };
        let coarse = conv(graph, "double", coarse, config.width, double)?;
        h = graph.add(h, coarse)?;
        h = residual(graph, "after", h, config.blocks)?;
    }
    let detail = conv(graph, "head", h, FACTOR * FACTOR * CHANNELS, SAME)?;
    // Each pixel again for each of its 4 × 4.
    let row = graph.concat(&[x; FACTOR])?;
    let repeated = graph.concat(&[row; FACTOR])?;
    let pixels = graph.add(repeated, detail)?;
    let pixels = graph.reshape(pixels, &[batch, height * width, FACTOR * FACTOR * CHANNELS])?;
    graph.unpatchify(pixels, FACTOR, FACTOR * height, FACTOR * width)
}

/// Residual blocks of two convolutions.
fn residual(graph: &mut Graph, name: &str, mut h: Tensor, count: usize) -> Result<Tensor, ShapeError> {
    let width = graph.shape(h)[3];
    for i in 0..count {
        let u = conv(graph, &format!("{name}.{i}.conv.0"), h, width, SAME)?;
        let u = graph.silu(u)?;
        let u = conv(graph, &format!("{name}.{i}.conv.1"), u, width, SAME)?;
        h = graph.add(h, u)?;
    }
    Ok(h)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use graph::{Executor, PackedParameters};
    use kernels::Cpu;
    use kernels::gemm::Precision;

    use super::*;
    use crate::initial_parameters;

    #[test]
    fn graph_and_parameter_list_agree() {
        let config = Config { width: 16, blocks: 3, coarse_width: 24, coarse_blocks: 2 };
        let mut graph = Graph::new();
        let x = graph.input("x", &[2, 5, 7, 4]).unwrap();
        let y = build(&mut graph, &config, x).unwrap();
        assert_eq!(graph.shape(y), [2, 20, 28, 4]);
        let used: BTreeMap<String, Vec<usize>> =
            graph.parameters().map(|(name, tensor)| (name.to_owned(), graph.shape(tensor).to_vec())).collect();
        let listed: BTreeMap<String, Vec<usize>> =
            parameters(&config).into_iter().map(|spec| (spec.name, spec.shape)).collect();
        assert_eq!(used, listed);
        let x = graph.input("three", &[2, 5, 7, 3]).unwrap();
        assert!(build(&mut graph, &config, x).unwrap_err().to_string().contains("[2, 5, 7, 3]"));
    }

    #[test]
    fn starts_as_the_repetition_of_pixels() {
        let cpu = Cpu::detected(1);
        let config = Config { width: 8, blocks: 1, coarse_width: 8, coarse_blocks: 1 };
        let mut graph = Graph::new();
        let x = graph.input("x", &[1, 2, 3, 4]).unwrap();
        let y = build(&mut graph, &config, x).unwrap();
        graph.output("y", y).unwrap();
        let parameters = initial_parameters(&parameters(&config), 1).unwrap();
        let graph = Arc::new(graph);
        let packed = Arc::new(PackedParameters::new(&cpu, &[&graph], &parameters, Precision::F32).unwrap());
        let mut executor = Executor::new(&cpu, graph, packed).unwrap();
        let input: Vec<f32> = (0..24).map(|i| i as f32).collect();
        executor.set_input("x", &input).unwrap();
        executor.run().unwrap();
        for (i, value) in executor.output("y").iter().enumerate() {
            let (row, column, channel) = (i / 48, i / 4 % 12, i % 4);
            assert_eq!(*value, input[(row / 4 * 3 + column / 4) * 4 + channel], "{row} {column}");
        }
    }
}
