//! Where an evaluation of a network spends its time: `profile [default|sd15|sdxl|vae] [SIDE] [BATCH]`, SIDE in pixels.

use std::sync::Arc;
use std::time::Instant;

use engine::Options;
use graph::{Executor, Graph, PackedParameters, Parameters};
use models::{jit, unet, vae};

/// A network and parameters for it.
fn network(name: &str, side: usize, batch: usize) -> Result<(Graph, Parameters), Box<dyn std::error::Error>> {
    let mut graph = Graph::new();
    let specs = match name {
        "default" => {
            let config = jit::Config::default();
            let geometry = jit::Geometry { batch, height: side, width: side, text_tokens: 10 };
            let outputs = jit::build(&mut graph, &config, geometry)?;
            graph.output("output", outputs.prediction)?;
            for input in [outputs.text, outputs.text_lengths, outputs.text_pooled] {
                graph.hold(input)?;
            }
            jit::parameters(&config)
        }
        "sd15" | "sdxl" => {
            let config = if name == "sd15" { unet::Config::SD1 } else { unet::Config::SDXL };
            let geometry = unet::Geometry { batch, height: side / 8, width: side / 8, context_tokens: 77 };
            let outputs = unet::build(&mut graph, &config, geometry)?;
            graph.output("output", outputs.prediction)?;
            graph.hold(outputs.context)?;
            unet::parameters(&config)?
        }
        "vae" => {
            let config = vae::Config::SD;
            let outputs = vae::decode(&mut graph, &config, vae::Geometry { batch, height: side, width: side })?;
            graph.output("output", outputs.output)?;
            vae::parameters(&config)?
        }
        other => return Err(format!("no network is called `{other}`: default, sd15, sdxl or vae").into()),
    };
    Ok((graph, models::initial_parameters(&specs, 1)?))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let name = args.next().unwrap_or("default".into());
    let side: usize = args.next().map_or(Ok(128), |side| side.parse())?;
    let batch: usize = args.next().map_or(Ok(2), |batch| batch.parse())?;
    let (cpu, precision) = Options::default().resolve()?;
    let (graph, parameters) = network(&name, side, batch)?;
    let graph = Arc::new(graph::fuse::fuse(&graph));
    let packed = Arc::new(PackedParameters::new(&cpu, &[&graph], &parameters, precision)?);
    drop(parameters);
    let mut executor = Executor::new(&cpu, graph.clone(), packed)?;
    if name == "default" {
        executor.input_mut("text_lengths")?.fill(10.0);
        executor.input_mut("t")?.fill(0.5);
    }
    executor.run()?;
    executor.set_profiling(true);
    let runs = if name == "default" { 20 } else { 3 };
    let begin = Instant::now();
    for _ in 0..runs {
        executor.run()?;
    }
    println!(
        "{:.3} ms a run, {} threads, {}",
        begin.elapsed().as_secs_f64() * 1e3 / f64::from(runs),
        cpu.pool.threads(),
        cpu.isa
    );
    let cost = graph::cost::Cost::new(&graph, precision);
    for (kind, time) in executor.profile() {
        let seconds = time.as_secs_f64() / f64::from(runs);
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
