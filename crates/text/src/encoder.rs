//! [`TextEncoder`]: prompts to states. One prompt gives the same bits alone, in any batch and after any other work.

use std::collections::BTreeMap;
use std::sync::Arc;

use formats::safetensors::File;
use graph::{Executor, Graph, PackedParameters, Precision};
use kernels::Cpu;

use crate::executors::{Executors, read_words};
use crate::minilm::{self, Config, MINILM_L6, WORD_TABLE};
use crate::{LoadReport, TextError, Tokenizer};

/// Rows (prompts · tokens) computed at a time; bounds the activations' memory.
const ROWS_AT_ONCE: usize = 2048;
/// `[CLS]` and `[SEP]`.
const MIN_TOKENS: usize = 2;

/// States of a batch of `B` prompts, each padded to `T` tokens.
#[derive(Debug, Clone, PartialEq)]
pub struct TextStates {
    /// `[B, T, D]`; rows beyond a prompt's length are zero.
    pub states: Vec<f32>,
    /// `[B]` tokens of each prompt, special ones included; whole numbers from 2 to `T`.
    pub lengths: Vec<f32>,
    /// `[B, D]` mean of the states of a prompt, scaled to length 1.
    pub pooled: Vec<f32>,
    /// `T`.
    pub tokens: usize,
}

/// A loaded text encoder.
#[derive(Debug)]
pub struct TextEncoder {
    cpu: Cpu,
    config: Config,
    tokenizer: Tokenizer,
    file: File,
    report: LoadReport,
    packed: Arc<PackedParameters>,
    /// By batch and tokens.
    executors: Executors<(usize, usize)>,
}

impl TextEncoder {
    /// Loads the weights (packed by the `pack_minilm` example) and a `tokenizer.json`. Loading is strict: a tensor that is
    /// missing, unknown or of another shape is an error.
    pub fn new(cpu: &Cpu, weights: File, tokenizer_json: &[u8], precision: Precision) -> Result<Self, TextError> {
        let config = MINILM_L6;
        let report = fit(&config, &weights)?;
        if !report.is_complete() {
            return Err(TextError::Weights { file: weights.name().to_owned(), report: Box::new(report) });
        }
        let tokenizer = Tokenizer::new(tokenizer_json)?;
        let graph = plan(&config, 1, MIN_TOKENS)?;
        let packed = PackedParameters::from_source(cpu, &[&graph], precision, |name, values| {
            Ok::<_, TextError>(weights.read_f32(name, values)?)
        })?;
        let packed = Arc::new(packed);
        let executors = Executors::default();
        Ok(Self { cpu: cpu.clone(), config, tokenizer, file: weights, report, packed, executors })
    }

    /// Loads files built into the program.
    pub fn from_static(
        cpu: &Cpu,
        weights: &'static [u8],
        tokenizer_json: &[u8],
        precision: Precision,
    ) -> Result<Self, TextError> {
        Self::new(cpu, File::from_static("built-in text encoder", weights)?, tokenizer_json, precision)
    }

    /// Width `D` of a state: 384.
    pub fn width(&self) -> usize {
        self.config.hidden
    }

    /// Most tokens a prompt may be padded or cut to: 128.
    pub fn max_tokens(&self) -> usize {
        self.config.positions
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// What was loaded.
    pub fn report(&self) -> &LoadReport {
        &self.report
    }

    /// SHA-256 of the weight file.
    pub fn sha256(&self) -> String {
        self.file.sha256()
    }

    /// Precision of the matrix products.
    pub fn precision(&self) -> Precision {
        self.packed.precision()
    }

    /// Encodes prompts, each cut or padded to `max_tokens` (2 to 128).
    pub fn encode(&self, prompts: &[&str], max_tokens: usize) -> Result<TextStates, TextError> {
        if !(MIN_TOKENS..=self.config.positions).contains(&max_tokens) {
            let (least, most) = (MIN_TOKENS, self.config.positions);
            return Err(TextError::MaxTokens { found: max_tokens, least, most });
        }
        let mut ids = Vec::with_capacity(prompts.len());
        for (index, prompt) in prompts.iter().enumerate() {
            ids.push(self.tokenizer.encode(prompt, max_tokens).map_err(|error| match error {
                TextError::PromptTooLong { bytes, limit, .. } => TextError::PromptTooLong { index, bytes, limit },
                other => other,
            })?);
        }
        let d = self.config.hidden;
        let mut states = vec![0.0; prompts.len() * max_tokens * d];
        let mut pooled = vec![0.0; prompts.len() * d];
        let at_once = ROWS_AT_ONCE / max_tokens;
        let parts = states.chunks_mut(at_once * max_tokens * d).zip(pooled.chunks_mut(at_once * d));
        for (ids, (states, pooled)) in ids.chunks(at_once).zip(parts) {
            self.run(ids, max_tokens, states, pooled)?;
        }
        let lengths = ids.iter().map(|ids| ids.len() as f32).collect();
        Ok(TextStates { states, lengths, pooled, tokens: max_tokens })
    }

    /// One pass of the network: ids of `B` prompts to states `[B, T, D]` and pooled `[B, D]`.
    fn run(&self, ids: &[Vec<u32>], tokens: usize, states: &mut [f32], pooled: &mut [f32]) -> Result<(), TextError> {
        let d = self.config.hidden;
        let table = self.file.rows(WORD_TABLE)?;
        let make = || {
            let graph = Arc::new(plan(&self.config, ids.len(), tokens)?);
            Ok(Executor::new(&self.cpu, graph, self.packed.clone())?)
        };
        self.executors.with((ids.len(), tokens), make, |executor| {
            let words = executor.input_mut("words")?;
            for (ids, words) in ids.iter().zip(words.chunks_exact_mut(tokens * d)) {
                let (valid, padding) = words.split_at_mut(ids.len() * d);
                read_words(&table, ids, d, valid)?;
                padding.fill(0.0);
            }
            for (ids, length) in ids.iter().zip(executor.input_mut("lengths")?) {
                *length = ids.len() as f32;
            }
            executor.run()?;
            let found = executor.output("states").chunks_exact(tokens * d);
            for ((ids, found), states) in ids.iter().zip(found).zip(states.chunks_exact_mut(tokens * d)) {
                let valid = ids.len() * d;
                states[..valid].copy_from_slice(&found[..valid]);
            }
            pooled.copy_from_slice(executor.output("pooled"));
            Ok(())
        })
    }
}

fn plan(config: &Config, batch: usize, tokens: usize) -> Result<Graph, TextError> {
    let mut graph = Graph::new();
    minilm::build(&mut graph, config, batch, tokens)?;
    Ok(graph::fuse::fuse(&graph))
}

/// Compares the tensors of a file with the network's.
fn fit(config: &Config, file: &File) -> Result<LoadReport, TextError> {
    let expected: BTreeMap<String, Vec<usize>> = minilm::parameters(config).into_iter().collect();
    let mut found = Vec::new();
    for name in file.value_names() {
        found.push((name, file.shape(name)?));
    }
    Ok(LoadReport::new(expected, found))
}
