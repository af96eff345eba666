//! `calotype plan`: seconds, peak memory, FLOPs and cost of a job, before it runs.

use engine::store;

use crate::args::PlanArgs;
use crate::report::Reporter;

/// Runs the command.
pub fn run(args: &PlanArgs, reporter: &Reporter) -> anyhow::Result<()> {
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
