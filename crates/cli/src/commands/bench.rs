//! `calotype bench`: how fast this machine runs matrix products, generation and training steps.

use std::time::Instant;

use engine::{CancelToken, Engine, Options, Request, Size, store};
use graph::Precision;
use serde_json::json;

use crate::args::BenchArgs;
use crate::report::Reporter;

/// Runs of a job; the median counts.
const RUNS: usize = 5;

/// Runs the command.
pub fn run(args: &BenchArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let options = Options { threads: args.threads, ..Options::default() };
    let (cpu, precision) = options.resolve()?;
    let filter = args.filter.as_deref().unwrap_or("");
    reporter.say(&format!("{}, {} threads, {}", cpu.isa, cpu.pool.threads(), engine::precision_name(precision)));
    jobs(&options, filter, reporter)?;
    training(&cpu, filter, reporter)?;
    if "products".contains(filter) {
        let precisions =
            if precision == Precision::F32 { vec![Precision::F32] } else { vec![precision, Precision::F32] };
        for precision in precisions {
            products(&cpu, precision, reporter)?;
        }
    }
    reporter.event("done", json!({}));
    Ok(())
}

/// Whole jobs of the built-in model.
fn jobs(options: &Options, filter: &str, reporter: &Reporter) -> anyhow::Result<()> {
    let cases = [
        ("generate-64px-draft", 64, 8, 1),
        ("generate-64px-final", 64, 25, 1),
        ("generate-128px-draft", 128, 8, 1),
        ("generate-128px-final", 128, 25, 1),
        ("generate-128px-final-x4", 128, 25, 4),
        ("generate-512px-draft", 512, 4, 1),
        ("generate-512px-final", 512, 25, 1),
    ];
    let mut engine = None;
    for (name, side, steps, count) in cases.into_iter().filter(|case| case.0.contains(filter)) {
        let engine = match &mut engine {
            Some(engine) => engine,
            empty => empty.insert(Engine::new(&store::open(store::DEFAULT_MODEL)?, options)?),
        };
        let request = Request {
            prompt: "a red house, flat illustration".into(),
            steps,
            count,
            size: Some(Size::square(side)),
            ..Request::default()
        };
        let mut seconds = Vec::with_capacity(RUNS);
        for _ in 0..=RUNS {
            let begin = Instant::now();
            engine.generate(&request, &mut |_| {}, &CancelToken::new())?;
            seconds.push(begin.elapsed().as_secs_f64());
        }
        // The first run plans the graphs.
        let seconds = bench::median(seconds.split_off(1));
        reporter.event(
            "bench",
            json!({ "name": name, "seconds": seconds, "pictures_per_second": f64::from(count) / seconds }),
        );
        reporter.say(&format!("{name:<28}{:>10.1} ms{:>10.2} pictures/s", 1e3 * seconds, f64::from(count) / seconds));
    }
    Ok(())
}

/// Training steps of the default network (with Muon, and with AdamW alone), at 128 px also with its detail network, and of one of
/// 30 million parameters, batch 128.
fn training(cpu: &kernels::Cpu, filter: &str, reporter: &Reporter) -> anyhow::Result<()> {
    let large =
        models::jit::Config { width: 384, heads: 6, hidden: 1024, refiner_blocks: 2, ..models::jit::Config::default() };
    let default = models::jit::Config::default;
    let detail = || models::jit::Config { patch: 32, noise_scale: 2.0, detail_width: 64, ..default() };
    let cases = [
        ("train-64px", default(), 64),
        ("train-128px", default(), 128),
        ("train-64px-adamw", default(), 64),
        ("train-128px-adamw", default(), 128),
        ("train-128px-detail", detail(), 128),
        ("train-128px-detail-adamw", detail(), 128),
        ("train-64px-30m", large.clone(), 64),
        ("train-128px-30m", large, 128),
    ];
    for (name, network, side) in cases.into_iter().filter(|case| case.0.contains(filter)) {
        let mut config = train::benchmark::configuration(network, side, 128);
        if name.ends_with("adamw") {
            config.optimiser.newton_schulz_steps = 0;
        }
        let speed = train::benchmark::step_speed(cpu, &config, RUNS)?;
        let rate = |seconds: f64| config.batch as f64 / seconds;
        reporter.event(
            "bench",
            json!({
                "name": name,
                "seconds": speed.step,
                "pictures_per_second": rate(speed.step),
                "forward_backward_pictures_per_second": rate(speed.forward_backward),
                "gflops": speed.flops / speed.forward_backward / 1e9,
            }),
        );
        reporter.say(&format!(
            "{name:<28}{:>10.1} ms{:>10.2} pictures/s{:>10.2} without optimiser{:>8.0} GFLOP/s",
            1e3 * speed.step,
            rate(speed.step),
            rate(speed.forward_backward),
            speed.flops / speed.forward_backward / 1e9
        ));
    }
    Ok(())
}

fn products(cpu: &kernels::Cpu, precision: Precision, reporter: &Reporter) -> anyhow::Result<()> {
    let precision_name = engine::precision_name(precision);
    for row in bench::products(cpu, precision) {
        let mut fields = serde_json::to_value(&row)?;
        fields["precision"] = precision_name.into();
        reporter.event("bench", fields);
        let direction = format!("{:?}", row.direction);
        let ratio = row.ratio_to_gemm.map_or(String::new(), |ratio| format!("{ratio:>8.2} x gemm crate"));
        reporter.say(&format!(
            "{:<28}{direction:<16}{precision_name:<6}{:>10.3} ms{:>8.0} GFLOP/s{:>6.0} % of peak{ratio}",
            row.name,
            1e3 * row.seconds,
            row.gflops,
            row.percent_of_peak
        ));
    }
    Ok(())
}
