//! [`ClipEncoder`]: chunks of tokens to states. One chunk gives the same bits alone, in any batch and after any other work.

use std::sync::Arc;

use formats::safetensors::TensorSource;
use graph::{Executor, Graph, PackedParameters, Precision};
use kernels::Cpu;

use super::network::{WORD_TABLE, build, parameters};
use super::{Chunk, Config, Place, Reading, TOKENS, fit};
use crate::executors::{Executors, read_words};
use crate::{LoadReport, TextError};

/// Chunks computed at a time; bounds the activations' memory.
const CHUNKS_AT_ONCE: usize = 16;
/// Reads every weight.
const WHOLE: Reading = Reading { skip: 0, norm: true, pooled: true };

/// States of `C` chunks.
#[derive(Debug, Clone, PartialEq)]
pub struct ClipStates {
    /// `[C, 77, D]`.
    pub states: Vec<f32>,
    /// `[C, P]` if they were asked for, otherwise empty.
    pub pooled: Vec<f32>,
}

/// A loaded text transformer.
#[derive(Debug)]
pub struct ClipEncoder {
    cpu: Cpu,
    config: Config,
    source: TensorSource,
    word_table: String,
    report: LoadReport,
    packed: Arc<PackedParameters>,
    /// By number of chunks and reading.
    executors: Executors<(usize, Reading)>,
}

impl ClipEncoder {
    /// Loads the weights found at `place` of a file or of shards. Loading is strict: a tensor that is missing, unknown or of
    /// another shape is an error. The files stay open, for the word table.
    pub fn new(
        cpu: &Cpu,
        source: impl Into<TensorSource>,
        place: Place,
        config: Config,
        precision: Precision,
    ) -> Result<Self, TextError> {
        let source = source.into();
        let report = fit(&config, place, source.shapes());
        if !report.is_complete() {
            return Err(TextError::Weights { file: source.name().to_owned(), report: Box::new(report) });
        }
        let word_table = place.name(WORD_TABLE);
        source.rows(&word_table)?;
        let graph = plan(&config, WHOLE, 1)?;
        let shapes: std::collections::HashMap<String, Vec<usize>> = parameters(&config).into_iter().collect();
        let packed = PackedParameters::from_source(cpu, &[&graph], precision, |name, values| {
            Ok::<_, TextError>(place.read(&source, name, &shapes[name], values)?)
        })?;
        let packed = Arc::new(packed);
        Ok(Self { cpu: cpu.clone(), config, word_table, report, packed, executors: Executors::default(), source })
    }

    /// Dimensions of the network.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What was loaded.
    pub fn report(&self) -> &LoadReport {
        &self.report
    }

    /// Precision of the matrix products.
    pub fn precision(&self) -> Precision {
        self.packed.precision()
    }

    /// Encodes chunks. A pooled vector is that of a chunk's first end token, which has the largest id.
    pub fn encode(&self, chunks: &[Chunk], reading: Reading) -> Result<ClipStates, TextError> {
        let Config { width, layers, .. } = self.config;
        if reading.skip >= layers {
            return Err(TextError::Skip { found: reading.skip, layers });
        }
        let pooled_width = if reading.pooled { self.config.pooled_width() } else { 0 };
        let mut states = Vec::with_capacity(chunks.len() * TOKENS * width);
        let mut pooled = Vec::with_capacity(chunks.len() * pooled_width);
        for chunks in chunks.chunks(CHUNKS_AT_ONCE) {
            self.run(chunks, reading, &mut states, &mut pooled)?;
        }
        Ok(ClipStates { states, pooled })
    }

    /// One pass of the network; appends states `[B, 77, D]` and pooled `[B, P]`.
    fn run(
        &self,
        chunks: &[Chunk],
        reading: Reading,
        states: &mut Vec<f32>,
        pooled: &mut Vec<f32>,
    ) -> Result<(), TextError> {
        let table = self.source.rows(&self.word_table)?;
        let make = || {
            let graph = Arc::new(plan(&self.config, reading, chunks.len())?);
            Ok(Executor::new(&self.cpu, graph, self.packed.clone())?)
        };
        self.executors.with((chunks.len(), reading), make, |executor| {
            read_words(&table, chunks.as_flattened(), self.config.width, executor.input_mut("words")?)?;
            if reading.pooled {
                for ((b, chunk), row) in chunks.iter().enumerate().zip(executor.input_mut("ends")?) {
                    *row = (b * TOKENS + first_largest(chunk)) as f32;
                }
            }
            executor.run()?;
            states.extend_from_slice(executor.output("states"));
            if reading.pooled {
                pooled.extend_from_slice(executor.output("pooled"));
            }
            Ok(())
        })
    }
}

/// Place of the end token in a chunk: the first of the largest id, as both reference implementations have it.
fn first_largest(chunk: &Chunk) -> usize {
    let largest = chunk.iter().max();
    chunk.iter().position(|id| Some(id) == largest).unwrap_or(TOKENS - 1)
}

fn plan(config: &Config, reading: Reading, batch: usize) -> Result<Graph, TextError> {
    let mut graph = Graph::new();
    build(&mut graph, config, reading, batch)?;
    Ok(graph::fuse::fuse(&graph))
}
