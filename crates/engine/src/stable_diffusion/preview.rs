//! The picture as it emerges: by TAESD if its file is named, else a straight line from latents to colours.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use formats::safetensors::TensorSource;
use graph::{Executor, Graph, Precision};
use kernels::Cpu;
use models::taesd::{self, Half};
use models::unet::Family;

use super::latents::opaque;
use super::load::{CheckpointProblem, Part, wrong};
use crate::{EngineError, Size};

/// Colours of each latent channel in [-1, 1], and of none, found by least squares by others: SD 1.x and 2.x.
const COLOURS: [[f32; 3]; 5] = [
    [0.3512, 0.2297, 0.3227],
    [0.3250, 0.4974, 0.2350],
    [-0.2829, 0.1762, 0.2721],
    [-0.2120, -0.2616, -0.7177],
    [0.0, 0.0, 0.0],
];
/// The same of SDXL.
const COLOURS_XL: [[f32; 3]; 5] = [
    [0.3651, 0.4232, 0.4341],
    [-0.2533, -0.0042, 0.1068],
    [0.1076, 0.1111, -0.0362],
    [-0.3165, -0.2492, -0.2188],
    [0.1084, -0.0175, -0.0011],
];

/// Decodes emerging latents.
pub(super) struct Previewer {
    taesd: Option<PathBuf>,
    planned: Option<(Size, Executor)>,
}

impl Previewer {
    pub(super) fn new(taesd: Option<&Path>) -> Self {
        Self { taesd: taesd.map(Path::to_owned), planned: None }
    }

    /// Premultiplied RGBA `[H, W, 4]` in [-1, 1] and its size: the picture's, or that of the latent.
    pub(super) fn decode(
        &mut self,
        cpu: &Cpu,
        precision: Precision,
        family: Family,
        latent: &[f32],
        size: Size,
        factor: usize,
    ) -> Result<(Vec<f32>, Size), EngineError> {
        if let Some(path) = &self.taesd {
            if self.planned.as_ref().is_none_or(|(planned, _)| *planned != size) {
                self.planned = Some((size, plan(path, cpu, precision, size)?));
            }
            if let Some((_, executor)) = &mut self.planned {
                executor.set_input("latent", latent)?;
                executor.run()?;
                return Ok((opaque(executor.output("y")), size));
            }
        }
        let table = if matches!(family, Family::Sdxl | Family::SdxlRefiner) { &COLOURS_XL } else { &COLOURS };
        let mut colours = Vec::with_capacity(latent.len() / 4 * 3);
        for cell in latent.as_chunks::<4>().0 {
            for colour in 0..3 {
                let sum: f32 = cell.iter().zip(table).map(|(value, row)| value * row[colour]).sum();
                colours.push(sum + table[4][colour]);
            }
        }
        let side = |side: u32| side / factor as u32;
        Ok((opaque(&colours), Size { width: side(size.width), height: side(size.height) }))
    }
}

fn plan(path: &Path, cpu: &Cpu, precision: Precision, size: Size) -> Result<Executor, EngineError> {
    let file = TensorSource::open(path)?;
    let missing = || wrong(path, CheckpointProblem::Missing { network: "decoder of TAESD", hint: "" });
    let (layout, halves) = taesd::detect(file.shapes()).ok_or_else(missing)?;
    if !halves.contains(&Half::Decoder) {
        return Err(missing());
    }
    let part = Part::new("TAESD", &file, taesd::fit(Half::Decoder, layout, file.shapes())?)?;
    let mut graph = Graph::new();
    let (height, width) = (size.height as usize, size.width as usize);
    let outputs = taesd::build(&mut graph, Half::Decoder, taesd::Geometry { batch: 1, height, width })?;
    graph.output("y", outputs.output)?;
    let graph = graph::fuse::fuse(&graph);
    let packed = part.pack(cpu, &graph, precision)?;
    Ok(Executor::new(cpu, Arc::new(graph), packed)?)
}
