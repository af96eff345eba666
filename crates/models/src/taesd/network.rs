//! Encoder and decoder, step by step, after `taesd.py` of the original. Layers are numbered as in diffusers.
//!
//! Encoder: `picture [B, H, W, 3]` in [-1, 1] → latent `[B, H/8, W/8, 4]`. Decoder: `latent [B, h, w, 4]` → picture
//! `[B, 8h, 8w, 3]`, about [-1, 1]. The latent is scaled as the U-Net wants it, unlike that of the large autoencoder.

use graph::{Conv2dOptions, Graph, ShapeError, Tensor};

use crate::layers::{BuildError, SAME, conv, size, specs};
use crate::parameter::ParameterSpec;

/// Channels of every layer.
const WIDTH: usize = 64;
/// Channels of a latent.
const LATENT: usize = 4;
/// Channels of a picture.
const COLOURS: usize = 3;
/// Residual blocks of a resolution, except the finest, which has one.
const BLOCKS: usize = 3;
/// Times that a picture is halved.
const HALVINGS: usize = 3;
/// Latents are softly kept within ± this.
const LARGEST_LATENT: f32 = 3.0;

const HALVE: Conv2dOptions = Conv2dOptions { stride: 2, ..SAME };
const DOUBLE: Conv2dOptions = Conv2dOptions { upsample: 2, ..SAME };

/// One of the two networks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Half {
    /// Pictures to latents.
    Encoder,
    /// Latents to pictures.
    Decoder,
}

impl Half {
    /// What comes before the number of a layer.
    pub(super) const fn layers(self) -> &'static str {
        match self {
            Half::Encoder => "encoder.layers.",
            Half::Decoder => "decoder.layers.",
        }
    }
}

/// What a graph is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry {
    /// Batch `B`.
    pub batch: usize,
    /// Height of the picture, a multiple of 8.
    pub height: usize,
    /// Width of the picture, a multiple of 8.
    pub width: usize,
}

/// The input to fill and the result to read.
#[derive(Debug, Clone, Copy)]
pub struct Outputs {
    /// `picture [B, H, W, 3]` of the encoder, `latent [B, H/8, W/8, 4]` of the decoder.
    pub input: Tensor,
    /// The other of the two.
    pub output: Tensor,
}

/// Every parameter of a half, in the order of use.
pub fn parameters(half: Half) -> Result<Vec<ParameterSpec>, BuildError> {
    let mut graph = Graph::new();
    build(&mut graph, half, Geometry { batch: 1, height: 1 << HALVINGS, width: 1 << HALVINGS })?;
    Ok(specs(&[graph]))
}

/// Adds a half to `graph`.
pub fn build(graph: &mut Graph, half: Half, geometry: Geometry) -> Result<Outputs, BuildError> {
    let Geometry { batch, height, width } = geometry;
    size("batch", batch, 1, 4096)?;
    size("height of the picture", height, 1 << HALVINGS, 1 << 15)?;
    size("width of the picture", width, 1 << HALVINGS, 1 << 15)?;
    let mut network = Network { graph, prefix: half.layers(), layer: 0 };
    Ok(match half {
        Half::Encoder => network.encode([batch, height, width, COLOURS])?,
        Half::Decoder => network.decode([batch, height >> HALVINGS, width >> HALVINGS, LATENT])?,
    })
}

struct Network<'a> {
    graph: &'a mut Graph,
    prefix: &'static str,
    /// Number of the next layer.
    layer: usize,
}

impl Network<'_> {
    fn encode(&mut self, shape: [usize; 4]) -> Result<Outputs, ShapeError> {
        let input = self.graph.input("picture", &shape)?;
        // 1. To [0, 1].
        let h = self.graph.scale(input, 0.5)?;
        let half = self.graph.constant(&[COLOURS], vec![0.5; COLOURS])?;
        let h = self.graph.add_broadcast(h, half)?;
        // 2. Down.
        let h = self.conv(h, WIDTH)?;
        let mut h = self.block(h)?;
        for _ in 0..HALVINGS {
            h = self.resize(h, HALVE)?;
            for _ in 0..BLOCKS {
                h = self.block(h)?;
            }
        }
        // 3. Latent.
        let output = self.conv(h, LATENT)?;
        Ok(Outputs { input, output })
    }

    fn decode(&mut self, shape: [usize; 4]) -> Result<Outputs, ShapeError> {
        let input = self.graph.input("latent", &shape)?;
        // 1. Softly bounded.
        let h = self.graph.scale(input, 1.0 / LARGEST_LATENT)?;
        let h = self.graph.tanh(h)?;
        let h = self.graph.scale(h, LARGEST_LATENT)?;
        // 2. Up; the functions between layers have numbers too.
        let h = self.conv(h, WIDTH)?;
        let mut h = self.graph.relu(h)?;
        self.layer += 1;
        for _ in 0..HALVINGS {
            for _ in 0..BLOCKS {
                h = self.block(h)?;
            }
            self.layer += 1;
            h = self.resize(h, DOUBLE)?;
        }
        let h = self.block(h)?;
        let h = self.conv(h, COLOURS)?;
        // 3. From [0, 1] to [-1, 1].
        let h = self.graph.scale(h, 2.0)?;
        let one = self.graph.constant(&[COLOURS], vec![-1.0; COLOURS])?;
        let output = self.graph.add_broadcast(h, one)?;
        Ok(Outputs { input, output })
    }

    fn next(&mut self) -> String {
        let name = format!("{}{}", self.prefix, self.layer);
        self.layer += 1;
        name
    }

    fn conv(&mut self, x: Tensor, out: usize) -> Result<Tensor, ShapeError> {
        let name = self.next();
        conv(self.graph, &name, x, out, SAME)
    }

    /// Convolution without bias that halves or doubles.
    fn resize(&mut self, x: Tensor, options: Conv2dOptions) -> Result<Tensor, ShapeError> {
        let name = self.next();
        let weight = self.graph.parameter(&format!("{name}.weight"), &[WIDTH, 3, 3, WIDTH])?;
        self.graph.conv2d(x, weight, None, options)
    }

    /// Three convolutions added to x `[B, H, W, 64]`.
    fn block(&mut self, x: Tensor) -> Result<Tensor, ShapeError> {
        let name = self.next();
        let h = conv(self.graph, &format!("{name}.conv.0"), x, WIDTH, SAME)?;
        let h = self.graph.relu(h)?;
        let h = conv(self.graph, &format!("{name}.conv.2"), h, WIDTH, SAME)?;
        let h = self.graph.relu(h)?;
        let h = conv(self.graph, &format!("{name}.conv.4"), h, WIDTH, SAME)?;
        let h = self.graph.add(x, h)?;
        self.graph.relu(h)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_sizes_are_named() {
        for (geometry, field) in [
            (Geometry { batch: 1, height: 60, width: 64 }, "height"),
            (Geometry { batch: 1, height: 64, width: 0 }, "width"),
            (Geometry { batch: 0, height: 64, width: 64 }, "batch"),
        ] {
            for half in [Half::Encoder, Half::Decoder] {
                let message = build(&mut Graph::new(), half, geometry).unwrap_err().to_string();
                assert!(message.contains(field), "{message}");
            }
        }
    }
}
