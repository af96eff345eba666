//! The U-Net and the autoencoder of a checkpoint, packed and planned when they are first needed.
//!
//! Activations of one network at a time are in memory: the U-Net's are dropped before the autoencoder works.

use std::sync::Arc;

use graph::{Executor, Graph, PackedParameters, Precision};
use kernels::Cpu;
use models::unet;
use models::vae;

use super::Checkpoint;
use super::prompt::Conditions;
use super::tiling::{Mosaic, cut, spans};
use super::vector::guidance_features;
use crate::{EngineError, Size};

/// Which half of the autoencoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Half {
    Encoder,
    Decoder,
}

/// The networks of a checkpoint on a processor.
pub(super) struct Networks {
    pub(super) cpu: Cpu,
    pub(super) precision: Precision,
    pub(super) checkpoint: Checkpoint,
    unet: Option<Arc<PackedParameters>>,
    planned: Option<(unet::Geometry, Executor)>,
    halves: [Option<Arc<PackedParameters>>; 2],
}

/// The U-Net for a geometry; its output is called `prediction`.
pub(super) fn unet_graph(config: &unet::Config, geometry: unet::Geometry) -> Result<Graph, EngineError> {
    let mut graph = Graph::new();
    let outputs = unet::build(&mut graph, config, geometry)?;
    graph.output("prediction", outputs.prediction)?;
    // What depends on the text alone is computed once a picture, not once a step.
    graph.hold(outputs.context)?;
    if let Some(vector) = outputs.vector {
        graph.hold(vector)?;
    }
    Ok(graph::fuse::fuse(&graph))
}

/// A half of the autoencoder; its input is called `input`'s own name, its output `output`.
pub(super) fn vae_graph(config: &vae::Config, half: Half, height: usize, width: usize) -> Result<Graph, EngineError> {
    let mut graph = Graph::new();
    let geometry = vae::Geometry { batch: 1, height, width };
    let outputs = match half {
        Half::Encoder => vae::encode(&mut graph, config, geometry)?,
        Half::Decoder => vae::decode(&mut graph, config, geometry)?,
    };
    graph.output("output", outputs.output)?;
    Ok(graph::fuse::fuse(&graph))
}

impl Networks {
    pub(super) fn new(checkpoint: Checkpoint, cpu: Cpu, precision: Precision) -> Self {
        Self { cpu, precision, checkpoint, unet: None, planned: None, halves: [None, None] }
    }

    /// The network's output `[h, w, Co]` for each side (prompt first) of one state x `[h, w, Ci]`, already scaled. `guidance`
    /// is the scale that networks which know it are told.
    pub(super) fn predict(
        &mut self,
        sides: usize,
        [height, width]: [usize; 2],
        x: &[f32],
        timestep: f32,
        guidance: f32,
        conditions: &Conditions,
    ) -> Result<Vec<f32>, EngineError> {
        let geometry = unet::Geometry { batch: sides, height, width, context_tokens: conditions.tokens };
        let config = self.checkpoint.architecture.unet;
        let executor = self.planned(geometry)?;
        for side in executor.input_mut("x")?.chunks_exact_mut(x.len()) {
            side.copy_from_slice(x);
        }
        executor.input_mut("timestep")?.fill(timestep);
        executor.set_input("context", &conditions.states[..sides].concat())?;
        if config.vector.is_some() {
            executor.set_input("vector", &conditions.vectors[..sides].concat())?;
        }
        if let Some(width) = config.guidance {
            executor.set_input("guidance", &guidance_features(guidance, width).repeat(sides))?;
        }
        executor.run()?;
        Ok(executor.output("prediction").to_vec())
    }

    fn planned(&mut self, geometry: unet::Geometry) -> Result<&mut Executor, EngineError> {
        let executor = match self.planned.take() {
            Some((planned, executor)) if planned == geometry => executor,
            _ => {
                let graph = Arc::new(unet_graph(&self.checkpoint.architecture.unet, geometry)?);
                let packed = match &self.unet {
                    Some(packed) => packed.clone(),
                    None => self.checkpoint.unet.pack(&self.cpu, &graph, self.precision)?,
                };
                self.unet = Some(packed.clone());
                Executor::new(&self.cpu, graph, packed)?
            }
        };
        Ok(&mut self.planned.insert((geometry, executor)).1)
    }

    /// A latent `[h, w, 4]` as the U-Net has it to colours `[H, W, 3]`, about [-1, 1].
    pub(super) fn decode(&mut self, latent: &[f32], size: Size, tile: Option<u32>) -> Result<Vec<f32>, EngineError> {
        let scale = 1.0 / self.checkpoint.architecture.latent_scale;
        let latent: Vec<f32> = latent.iter().map(|value| value * scale).collect();
        self.half(Half::Decoder, &latent, size, tile)
    }

    /// Colours `[H, W, 3]` in [-1, 1] to the latent `[h, w, 4]` as the U-Net has it: the mean, so that nothing is drawn.
    pub(super) fn encode(&mut self, colours: &[f32], size: Size, tile: Option<u32>) -> Result<Vec<f32>, EngineError> {
        let architecture = &self.checkpoint.architecture;
        let (channels, scale) = (architecture.vae.latent, architecture.latent_scale);
        let moments = self.half(Half::Encoder, colours, size, tile)?;
        let means = moments.chunks_exact(2 * channels).flat_map(|moments| &moments[..channels]);
        Ok(means.map(|mean| mean * scale).collect())
    }

    /// Runs a half of the autoencoder on a whole picture or on tiles of this side in pixels.
    fn half(&mut self, half: Half, x: &[f32], size: Size, tile: Option<u32>) -> Result<Vec<f32>, EngineError> {
        self.planned = None;
        let config = self.checkpoint.architecture.vae;
        let factor = config.factor();
        let (height, width) = (size.height as usize / factor, size.width as usize / factor);
        let tile = tile.map_or(usize::MAX, |side| (side as usize / factor).max(1));
        let (rows, columns) = (spans(height, tile), spans(width, tile));
        // Every span of an axis is as long.
        let graph = vae_graph(&config, half, rows[0].len * factor, columns[0].len * factor)?;
        let packed = match &self.halves[half as usize] {
            Some(packed) => packed.clone(),
            None => self.checkpoint.vae.pack(&self.cpu, &graph, self.precision)?,
        };
        self.halves[half as usize] = Some(packed.clone());
        let mut executor = Executor::new(&self.cpu, Arc::new(graph), packed)?;
        let (name, from, to, channels_in, channels_out) = match half {
            Half::Encoder => ("picture", factor, 1, 3, 2 * config.latent),
            Half::Decoder => ("latent", 1, factor, config.latent, 3),
        };
        let times =
            |span: super::tiling::Span, by: usize| super::tiling::Span { start: span.start * by, len: span.len * by };
        if rows.len() == 1 && columns.len() == 1 {
            executor.set_input(name, x)?;
            executor.run()?;
            return Ok(executor.output("output").to_vec());
        }
        let mut mosaic = Mosaic::new(height * to, width * to, channels_out);
        for row in &rows {
            for column in &columns {
                let part = cut(x, width * from, channels_in, times(*row, from), times(*column, from));
                executor.set_input(name, &part)?;
                executor.run()?;
                mosaic.add(times(*row, to), times(*column, to), executor.output("output"));
            }
        }
        Ok(mosaic.finish())
    }

    /// Bytes of packed weights that are in memory.
    pub(super) fn bytes(&self) -> usize {
        let halves = self.halves.iter().flatten();
        halves.chain(&self.unet).map(|packed| packed.bytes()).sum()
    }
}
