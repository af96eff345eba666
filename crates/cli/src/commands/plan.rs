//! `calotype plan`: seconds, peak memory, FLOPs and cost of a job, before it runs.

use std::path::Path;

use engine::stable_diffusion::{self as sd, Checkpoint};
use engine::store;

use crate::args::PlanArgs;
use crate::report::Reporter;

/// Runs the command.
pub fn run(args: &PlanArgs, reporter: &Reporter) -> anyhow::Result<()> {
    if args.job.is_stable_diffusion() {
        return stable_diffusion(args, reporter);
    }
    let request = args.job.request()?;
    request.validate()?;
    let options = args.job.run.options()?;
    let model = store::open(&args.job.model)?;
    let plan = engine::plan(&request, &model, &options, args.price, args.fresh)?;
    reporter.event("plan", serde_json::to_value(&plan)?);
    reporter.say(&format!(
        "{} x {}, {} steps, {} evaluations of the network",
        plan.images, plan.size, request.steps, plan.evaluations
    ));
    reporter.say(&format!("time         {:.2} s, and {:.2} s to load the model", plan.seconds, plan.load_seconds));
    reporter.say(&format!("peak memory  {:.0} MB", plan.peak_memory_bytes as f64 / 1e6));
    reporter.say(&format!("work         {:.1} GFLOP", plan.flops / 1e9));
    reporter.say(&format!("cost         {:.7} at {} an hour", plan.cost, plan.price_per_hour));
    let when = if plan.measured_now { "now" } else { "before; --fresh measures again" };
    reporter.say(&format!(
        "on           {}, {}, {} threads; speeds measured {when}",
        plan.isa, plan.precision, plan.threads
    ));
    Ok(())
}

/// The same for a Stable Diffusion checkpoint.
fn stable_diffusion(args: &PlanArgs, reporter: &Reporter) -> anyhow::Result<()> {
    let checkpoint = Checkpoint::open(Path::new(&args.job.model), args.job.stable_diffusion.vae.as_deref())?;
    let request = args.job.stable_diffusion_request(&checkpoint.architecture, false)?;
    request.validate()?;
    let options = args.job.run.options()?;
    let plan = sd::plan(&request, &checkpoint, &options, args.price)?;
    reporter.event("plan", serde_json::to_value(&plan)?);
    let tiled = plan.tile.map_or(String::new(), |side| format!(", tiles of {side}"));
    reporter.say(&format!(
        "{} x {}, {} steps, {} evaluations of the network{tiled}",
        plan.images, plan.size, request.steps, plan.evaluations
    ));
    reporter
        .say(&format!("time         {:.1} s, and about {:.0} s to load the model", plan.seconds, plan.load_seconds));
    let available = plan.available_memory_bytes.map(|bytes| format!(" of {:.0} MB available", bytes as f64 / 1e6));
    let available = available.unwrap_or_default();
    reporter.say(&format!("peak memory  {:.0} MB{available}", plan.peak_memory_bytes as f64 / 1e6));
    reporter.say(&format!("work         {:.2} TFLOP", plan.flops / 1e12));
    reporter.say(&format!("cost         {:.7} at {} an hour", plan.cost, plan.price_per_hour));
    reporter.say(&format!("on           {}, {}, {} threads", plan.isa, plan.precision, plan.threads));
    for proposal in &plan.proposals {
        let megabytes = proposal.peak_memory_bytes as f64 / 1e6;
        reporter.say(&format!("too little memory: {} needs {megabytes:.0} MB", proposal.option));
    }
    Ok(())
}
