//! `enlarger`: a picture four times as wide and high, with the edges that the generator left soft.
//!
//! Residual convolutions at the size of the small picture, then one of its pixels becomes 4 × 4 (after "EDSR",
//! arXiv 1707.02921, without its norms). Input: premultiplied RGBA `[B, H, W, 4]` in [0, 1], so that what convolutions pad with
//! is nothing at all. Output: `[B, 4H, 4W, 4]`. It starts as the repetition of pixels.

mod config;

pub use config::{Config, ConfigError};

use graph::{Graph, ShapeError, Tensor};

use crate::layers::{SAME, conv};
use crate::parameter::{List, ParameterSpec};

/// The family's name in a model file's metadata.
pub const FAMILY: &str = "enlarger";
/// How many times wider and higher the picture becomes.
pub const FACTOR: usize = 4;
/// Premultiplied RGBA.
pub const CHANNELS: usize = 4;

/// Every parameter of the network described by `config` (which must be valid), in file order.
pub fn parameters(config: &Config) -> Vec<ParameterSpec> {
    let width = config.width;
    let mut list = List::default();
    list.conv("stem", width, CHANNELS);
    for i in 0..config.blocks {
        list.conv(&format!("blocks.{i}.conv.0"), width, width);
        list.zero_conv(&format!("blocks.{i}.conv.1"), width, width);
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
    for i in 0..config.blocks {
        let u = conv(graph, &format!("blocks.{i}.conv.0"), h, config.width, SAME)?;
        let u = graph.silu(u)?;
        let u = conv(graph, &format!("blocks.{i}.conv.1"), u, config.width, SAME)?;
        h = graph.add(h, u)?;
    }
    let detail = conv(graph, "head", h, FACTOR * FACTOR * CHANNELS, SAME)?;
    // Each pixel again for each of its 4 × 4.
    let row = graph.concat(&[x; FACTOR])?;
    let repeated = graph.concat(&[row; FACTOR])?;
    let pixels = graph.add(repeated, detail)?;
    let pixels = graph.reshape(pixels, &[batch, height * width, FACTOR * FACTOR * CHANNELS])?;
    graph.unpatchify(pixels, FACTOR, FACTOR * height, FACTOR * width)
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
        let config = Config { width: 16, blocks: 3 };
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
        let config = Config { width: 8, blocks: 1 };
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
