//! Where a training step of the default model spends its time: `profile [SIDE] [BATCH] [MICRO_BATCH]`.

use engine::Options;
use models::jit;
use train::benchmark;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let side: usize = args.next().map_or(Ok(64), |side| side.parse())?;
    let batch: usize = args.next().map_or(Ok(128), |batch| batch.parse())?;
    let micro_batch: usize = args.next().map_or(Ok(0), |size| size.parse())?;
    let (cpu, _) = Options::default().resolve()?;
    let mut config = benchmark::configuration(jit::Config::default(), side, batch);
    config.micro_batch = micro_batch;
    let rows = benchmark::step_profile(&cpu, &config, 5)?;
    let total: f64 = rows.iter().map(|row| row.1).sum();
    println!("{:.1} ms a step, {} threads, {}", 1e3 * total, cpu.pool.threads(), cpu.isa);
    for (name, seconds) in rows {
        println!("{name:<24}{:>9.2} ms{:>6.1} %", 1e3 * seconds, 100.0 * seconds / total);
    }
    Ok(())
}
