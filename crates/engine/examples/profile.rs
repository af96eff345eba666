//! Where an evaluation of a model spends its time: `profile MODEL [SIDE] [BATCH]`.

use std::sync::Arc;
use std::time::Instant;

use engine::Options;
use graph::{Executor, Graph, PackedParameters};
use models::jit::{self, Geometry};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let side: usize = args.next().map_or(Ok(128), |side| side.parse())?;
    let batch: usize = args.next().map_or(Ok(2), |batch| batch.parse())?;
    let (cpu, precision) = Options::default().resolve()?;
    let config = jit::Config::default();
    let parameters = jit::initial_parameters(&config, 1)?;
    let mut graph = Graph::new();
    let outputs = jit::build(&mut graph, &config, Geometry { batch, height: side, width: side, text_tokens: 10 })?;
    graph.output("x_hat", outputs.prediction)?;
    for input in [outputs.text, outputs.text_lengths, outputs.text_pooled] {
        graph.hold(input)?;
    }
    let graph = Arc::new(graph::fuse::fuse(&graph));
    let packed = Arc::new(PackedParameters::new(&cpu, &[&graph], &parameters, precision)?);
    let mut executor = Executor::new(&cpu, graph.clone(), packed)?;
    executor.input_mut("text_lengths")?.fill(10.0);
    executor.input_mut("t")?.fill(0.5);
    executor.run()?;
    executor.set_profiling(true);
    let begin = Instant::now();
    const RUNS: u32 = 20;
    for _ in 0..RUNS {
        executor.input_mut("t")?.fill(0.5);
        executor.run()?;
    }
    println!(
        "{:.3} ms a run, {} threads, {}",
        begin.elapsed().as_secs_f64() * 1e3 / f64::from(RUNS),
        cpu.pool.threads(),
        cpu.isa
    );
    let cost = graph::cost::Cost::new(&graph);
    for (kind, time) in executor.profile() {
        let seconds = time.as_secs_f64() / f64::from(RUNS);
        let part = cost.kind(kind);
        println!(
            "{:<24}{:>5} nodes{:>9.3} ms{:>9.1} GFLOP/s{:>8.1} GB/s",
            kind.name(),
            part.nodes,
            1e3 * seconds,
            part.flops as f64 / seconds / 1e9,
            part.bytes as f64 / seconds / 1e9
        );
    }
    Ok(())
}
