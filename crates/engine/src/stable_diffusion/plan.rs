//! What a job of a Stable Diffusion checkpoint will take, before it runs: seconds, peak memory, FLOPs.
//!
//! FLOPs and bytes come from the graphs; speeds from three small graphs that are measured each time, which takes a second.

use std::sync::Arc;
use std::time::Instant;

use graph::cost::{Cost, Rates, estimate_seconds};
use graph::{Columns, Conv2dOptions, Executor, Graph, KeyValue, PackedParameters, Parameters, Precision};
use kernels::Cpu;
use models::unet::{self, Heads};
use serde::Serialize;
use simd::Isa;

use super::memory::{available, cheaper, work};
use super::{Checkpoint, Request};
use crate::rates::median;
use crate::{EngineError, Options, Size, precision_name};

/// Times each graph is measured.
const REPEATS: usize = 5;
/// Seconds that any node takes.
const NODE_SECONDS: f64 = 5e-6;
/// Bytes of a checkpoint that are read and packed in a second, a cautious guess.
const LOAD_BYTES_A_SECOND: f64 = 1.1e9;

/// A prediction.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    /// Seconds of drawing, once the networks are loaded.
    pub seconds: f64,
    /// Seconds of loading, a rough guess.
    pub load_seconds: f64,
    /// Peak memory of the process in bytes.
    pub peak_memory_bytes: u64,
    /// Memory that is available now in bytes, if the system tells.
    pub available_memory_bytes: Option<u64>,
    /// What would need less memory; empty when there is enough.
    pub proposals: Vec<Proposal>,
    /// Floating-point operations of all networks.
    pub flops: f64,
    /// Evaluations of the U-Net; a guided one computes both sides.
    pub evaluations: usize,
    /// Pictures.
    pub images: u32,
    /// Picture size.
    pub size: Size,
    /// Side in pixels of the autoencoder's tiles, if it is tiled.
    pub tile: Option<u32>,
    /// Loading and drawing at the given price an hour.
    pub cost: f64,
    /// The given price an hour.
    pub price_per_hour: f64,
    /// Instruction set.
    pub isa: String,
    /// Precision of matrix products.
    pub precision: &'static str,
    /// Threads.
    pub threads: usize,
}

/// A way to need less memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// Options of the command line.
    pub option: String,
    /// Peak memory with them in bytes.
    pub peak_memory_bytes: u64,
}

/// Predicts a request.
pub fn plan(
    request: &Request,
    checkpoint: &Checkpoint,
    options: &Options,
    price_per_hour: f64,
) -> Result<Plan, EngineError> {
    request.validate()?;
    if !(0.0..=1e9).contains(&price_per_hour) {
        return Err(EngineError::field("price", format!("{price_per_hour} is not in 0..=1000000000")));
    }
    let model = &checkpoint.architecture;
    let (isa, threads, precision) = options.choose()?;
    let work = work(model, precision, request)?;
    let rates = measure(&Cpu::new(isa, threads), precision, &model.unet)?;
    let seconds = work.parts().map(|part| part.runs as f64 * estimate_seconds(&part.cost, &rates)).sum();
    let weights: u64 = work
        .text
        .iter()
        .chain(&work.unet[..1])
        .chain(&work.encoder)
        .chain([&work.decoder])
        .map(|p| p.cost.packed_bytes)
        .sum();
    let load_seconds = weights as f64 / LOAD_BYTES_A_SECOND;
    let (peak, available) = (work.peak(), available());
    let proposals = match available {
        Some(available) if peak > available => cheaper(model, precision, isa >= Isa::Avx512Bf16, request, peak)?,
        _ => Vec::new(),
    };
    Ok(Plan {
        seconds,
        load_seconds,
        peak_memory_bytes: peak,
        available_memory_bytes: available,
        proposals: proposals
            .into_iter()
            .map(|(option, peak_memory_bytes)| Proposal { option, peak_memory_bytes })
            .collect(),
        flops: work.parts().map(|part| part.runs as f64 * part.cost.flops as f64).sum(),
        evaluations: work.evaluations,
        images: request.count,
        size: work.size,
        tile: request.tile.side(work.size),
        cost: (seconds + load_seconds) / 3600.0 * price_per_hour,
        price_per_hour,
        isa: isa.to_string(),
        precision: precision_name(precision),
        threads,
    })
}

/// Speeds of this machine on layers of the sizes that these networks have.
fn measure(cpu: &Cpu, precision: Precision, unet: &unet::Config) -> Result<Rates, EngineError> {
    // About as long in a convolution as in a linear layer, as a step is.
    let mut products = Graph::new();
    let x = products.input("x", &[2, 32, 32, 640])?;
    let filter = products.parameter("filter", &[640, 3, 3, 640])?;
    let matrix = products.parameter("matrix", &[2560, 640])?;
    let y = products.conv2d(x, filter, None, Conv2dOptions { padding: [1; 4], ..Conv2dOptions::default() })?;
    let tokens = products.reshape(y, &[2, 1024, 640])?;
    let y = products.linear(tokens, matrix, None)?;
    products.output("y", y)?;
    let (heads, size) = first_attention(unet);
    let mut attention = Graph::new();
    let x = attention.input("x", &[1, 2048, 3 * heads * size])?;
    let block = |number: usize| Columns { tensor: x, offset: number * heads * size };
    let y =
        attention.attention(heads, size, block(0), &[KeyValue { key: block(1), value: block(2), lengths: None }])?;
    attention.output("y", y)?;
    let mut passes = Graph::new();
    let x = passes.input("x", &[1, 64, 64, 640])?;
    let (weight, bias) = (passes.parameter("weight", &[640])?, passes.parameter("bias", &[640])?);
    let y = passes.group_norm(x, weight, bias, 32, 1e-5, true)?;
    passes.output("y", y)?;
    let (product, _) = run(cpu, precision, products)?;
    let (score, _) = run(cpu, precision, attention)?;
    let (_, bytes) = run(cpu, precision, passes)?;
    Ok(Rates {
        matmul_flops_per_s: product,
        attention_flops_per_s: score,
        bytes_per_s: bytes,
        per_node_overhead: NODE_SECONDS,
    })
}

/// Heads and their size where most attention is: at the finest level that has any.
fn first_attention(unet: &unet::Config) -> (usize, usize) {
    let finest = unet.levels.iter().find(|level| level.depth > 0);
    let width = unet.width * finest.map_or(1, |level| level.multiplier);
    match unet.heads {
        Heads::Count(count) => (count, width / count),
        Heads::Size(size) => (width / size, size),
    }
}

/// FLOPs that are done, and bytes, a second of a graph.
fn run(cpu: &Cpu, precision: Precision, graph: Graph) -> Result<(f64, f64), EngineError> {
    let mut parameters = Parameters::new();
    for (name, tensor) in graph.parameters() {
        let values = (0..graph.len(tensor)).map(|i| (i % 7) as f32 * 0.01 - 0.03).collect();
        parameters.insert(name, graph.shape(tensor), values)?;
    }
    let cost = Cost::new(&graph, precision);
    let packed = Arc::new(PackedParameters::new(cpu, &[&graph], &parameters, precision)?);
    let mut executor = Executor::new(cpu, Arc::new(graph), packed)?;
    executor.input_mut("x")?.iter_mut().enumerate().for_each(|(i, x)| *x = (i % 13) as f32 * 0.1 - 0.6);
    executor.run()?;
    let mut seconds = Vec::new();
    for _ in 0..REPEATS {
        let begin = Instant::now();
        executor.run()?;
        seconds.push(begin.elapsed().as_secs_f64());
    }
    let seconds = median(&mut seconds).max(1e-9);
    let done: u64 = cost.by_kind.values().map(|kind| kind.done).sum();
    Ok((done as f64 / seconds, cost.bytes as f64 / seconds))
}
