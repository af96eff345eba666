//! Where a training step of the default model spends its time: `profile_step [SIDE] [BATCH] [MICRO_BATCH] [PATCH] [DETAIL]`.

use engine::Options;
use models::jit;
use train::benchmark;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let side: usize = args.next().map_or(Ok(64), |side| side.parse())?;
    let batch: usize = args.next().map_or(Ok(128), |batch| batch.parse())?;
    let micro_batch: usize = args.next().map_or(Ok(0), |size| size.parse())?;
    let patch: usize = args.next().map_or(Ok(16), |patch| patch.parse())?;
    let detail_width: usize = args.next().map_or(Ok(0), |width| width.parse())?;
    let (cpu, _) = Options::default().resolve()?;
    let network = jit::Config { patch, detail_width, ..jit::Config::default() };
    let mut config = benchmark::configuration(network, side, batch);
    config.micro_batch = micro_batch;
    let rows = benchmark::step_profile(&cpu, &config, 5)?;
    let total: f64 = rows.iter().map(|row| row.1).sum();
    println!("{:.1} ms a step, {} threads, {}", 1e3 * total, cpu.pool.threads(), cpu.isa);
    for (name, seconds) in rows {
        println!("{name:<24}{:>9.2} ms{:>6.1} %", 1e3 * seconds, 100.0 * seconds / total);
    }
    Ok(())
}
